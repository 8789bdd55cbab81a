/* For tests of the command line: the real program, in a home of its own, one process a call. */
#ifndef TESTS_SUPPORT_CLI_H
#define TESTS_SUPPORT_CLI_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * GRID_BIN names the program (build/grid), GRID_WRAP words to put before it ("valgrind -q
 * --error-exitcode=99"). The program gets HOME, PATH, TZ=UTC, LC_ALL=C.UTF-8, what sanitizers
 * read, and what cli_env adds; nothing else of the environment.
 */

/* Makes and removes the home: .init and .fini of a suite. What the functions below return lives
 * until cli_end. */
void cli_begin(void);
void cli_end(void);

const char *cli_program(void);      /* absolute path of the program */
const char *cli_home(void);         /* $HOME of the program */
const char *cli_source(const char *path); /* a file of the checkout, absolute */

/* A path in the data directory, e.g. "resource_boosts.json"; printf format. */
const char *cli_data(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A text, printf format. */
const char *cli_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct cli_result {
    int status;           /* as a shell has it: 128 + n for a signal */
    const char *out, *err;
    size_t out_length, err_length;
};

/* What a call needs beside its words. Zero-initialized: nothing. */
struct cli_options {
    const char *input;   /* for stdin; NULL: /dev/null */
    const char *out_path; /* where stdout goes instead, "/dev/full" */
    int out_fd;          /* where stdout goes instead, if not 0 */
    unsigned closed;     /* bits of the descriptors 0 to 2 that are closed */
    bool plain;          /* the first word is a program, not a noun of grid */
};

/* Runs `grid WORDS`: words are divided by spaces, '...' holds one together; printf format. */
struct cli_result cli(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct cli_result cli_with(struct cli_options options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The id that `grid boost request WORDS -q` prints, which has to end with 0; printf format. */
const char *cli_request(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a shell script; $GRID is the program with its wrap, $DATA the data directory. */
struct cli_result cli_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Starts `grid WORDS` beside us, output to files; cli_wait for its result. */
struct cli_child {
    int pid, out, err;
};
struct cli_child cli_start(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct cli_result cli_wait(struct cli_child child);

/* Adds "NAME=value" to the environment of all later calls, or takes NAME away ("NAME"). */
void cli_env(const char *assignment);

/* Moves the clock of all later calls: "+2h", "-10m", "2026-11-20 12:00:00" (stands still), NULL:
 * the real one. Fails the test when libfaketime is not installed. */
void cli_time(const char *faketime);

/* Under GRID_WRAP (valgrind) a process costs a second: true, with a line that says what is left
 * out. */
bool cli_too_slow(const char *what);

/* --- looking at what came out ---------------------------------------------------------------- */

/* A whole file and its length (may be NULL); NULL when there is none. */
char *cli_read(const char *path, size_t *ret_length);
void cli_write(const char *path, const void *bytes, size_t length);

/* The state file, and that it is still exactly `before`. */
char *cli_state_text(void);
void cli_state_same(const char *before, const char *what);

/* Hands a tree over to cli_end. */
cJSON *cli_keep(cJSON *json);

/* Parsed; fails the test when it is no JSON. */
cJSON *cli_json(const char *text);
cJSON *cli_state(void);

/* "boosts.0.amount" below `json`; NULL: there is none. */
cJSON *cli_get(const cJSON *json, const char *path);
const char *cli_text(const cJSON *json, const char *path); /* "" when it is no string */
double cli_number(const cJSON *json, const char *path);    /* -1e99 when it is no number */
int cli_count(const cJSON *json, const char *path);        /* elements; -1: no array */

/* How many boosts the state file holds; -1: it is no JSON. */
int cli_boosts(void);

/* Names in the data directory that begin with or contain `part`. */
int cli_files(const char *part);

/* Does a result have this status? Prints what it said if not. */
#define cli_expect(result, expected)                                                             \
    do {                                                                                         \
        struct cli_result got_ = (result);                                                       \
        cr_expect_eq(got_.status, (expected), "status %d, not %d\nstdout: %.600s\nstderr: %.600s", \
                     got_.status, (expected), got_.out, got_.err);                               \
    } while (0)

/* Does `text` contain `part`? */
#define cli_has(text, part)                                                                      \
    cr_expect(strstr((text), (part)) != NULL, "no '%s' in: %.800s", (part), (text))
#define cli_lacks(text, part)                                                                    \
    cr_expect(strstr((text), (part)) == NULL, "'%s' in: %.800s", (part), (text))

#endif
