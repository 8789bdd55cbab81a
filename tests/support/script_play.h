/* What the two parts of the script player share. */
#ifndef SUPPORT_SCRIPT_PLAY_H
#define SUPPORT_SCRIPT_PLAY_H

#include "support/script.h"
#include "util/text.h"

#include <criterion/criterion.h>
#include <setjmp.h>

#define BEGIN_US (INT64_C(1800000000) * GRID_SECOND)
#define WORDS_MOST 32
#define TOLD_MOST 16
#define LINES_MOST 8

struct script {
    const char *url, *what, *line;
    int number;
    struct grid_store *base, *store; /* the former keeps the ledger, the latter is of one line */
    char *words[WORDS_MOST + 1];     /* NULL behind the last */
    int64_t fits_us;
    struct grid_error err;           /* of the line before this one */
    char told[TOLD_MOST][GRID_ID_SIZE];
    int told_count;
    char *during[LINES_MOST + 1]; /* lines to run once the next `wait` has queued */
    int stop[2];                  /* a pipe: what makes a waiter leave */
    jmp_buf over;
};
extern struct script script;

/* A script that fails is over; the test goes on with the next. */
#define holds(condition, format, ...)                                                             \
    do {                                                                                          \
        bool is_so = (condition);                                                                 \
        cr_expect(is_so, "%s, %s, line %d, '%s': " format, script.what, script.url,               \
                  script.number, script.line, ##__VA_ARGS__);                                     \
        if (!is_so)                                                                               \
            longjmp(script.over, 1);                                                              \
    } while (0)

int64_t script_time(const char *word);

/* Expectations, by the words of the line. */
int script_is(struct grid_error *err);     /* is, ended, devices, by */
int script_place(struct grid_error *err);  /* place, tickets */
int script_boosts(struct grid_error *err); /* boosts, gone */
int script_last(struct grid_error *err);
int script_fits(struct grid_error *err);
int script_told(struct grid_error *err);
int script_says(struct grid_error *err);

#endif
