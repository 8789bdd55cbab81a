/* Tables of what tests of the command line run: scripts, and calls and what is said of them. */
#ifndef TESTS_SUPPORT_ROWS_H
#define TESTS_SUPPORT_ROWS_H

#include <stdbool.h>
#include <stddef.h>

/* A script of bash: it prints what is wrong and ends with 1, or why it cannot be tried here and
 * ends with 77. */
struct cli_script {
    const char *name, *script;
    bool many; /* so many processes that valgrind takes too long */
};

/* Runs each after `helpers`, while there is no data directory yet. They have $state, $history, $out
 * and $err, `die WORDS`, and `is STATUS WORDS`: that is what `grid WORDS` ends with, its output in
 * $out and $err. */
void cli_scripts(const char *helpers, const struct cli_script *rows, size_t count);

struct cli_row {
    const char *words;
    int status;
    const char *says; /* part of stderr */
    const char *hint; /* part of what follows its first line, which has to end; NULL: of nothing */
};

/* Runs `grid WORDS` of each. The state file is still exactly `before` then; NULL: it may change. */
void cli_rows(const struct cli_row *rows, size_t count, const char *before);

#endif
