/* The program run in ledgers of their own, points tried by two processes, violations counted. */
#ifndef FAULT_RIG_H
#define FAULT_RIG_H

#include "fault/lib/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads TORTURE, TORTURE_ALL and SEED of the environment: quick unless TORTURE is "full". `program`
 * is that of GRID_BIN; `work` a directory that the caller made, for everything. */
struct rig {
    const char *name; /* of the part */
    const char *work;
    char program[4096];
    bool full, all;
    unsigned seed;
};
struct rig rig_begin(const char *name, const char *work);

/* A number below `limit`; each seed its own sequence. */
unsigned rig_random(unsigned *seed, unsigned limit);

/* --- files; a failure ends the program, which is a failed part ------------------------------ */

char *rig_format(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define RIG_PATH(...) rig_format((char[4096]){0}, 4096, __VA_ARGS__)

/* A whole file, with a NUL behind; NULL: there is none. The caller's. */
char *rig_read(const char *path, size_t *ret_length);
void rig_write(const char *path, const void *bytes, size_t length);
void rig_remove(const char *path);
/* A copy of the tree; what was at `to` goes first. */
void rig_copy(const char *from, const char *to);

/* How many names in the directory hold `part`. */
int rig_count(const char *directory, const char *part);

/* --- the program ---------------------------------------------------------------------------- */

#define RIG_FD 200 /* what `give_fd` is there */

struct rig_how {
    const char *variables[4]; /* "NAME=value", beside HOME, PATH, TZ, LC_ALL and GRID_DATA_DIR */
    const char *input;        /* for stdin; NULL: /dev/null */
    int give_fd;              /* 0: none */
    unsigned seconds;         /* then it is ended by SIGALRM; 0: 20 */
    const struct trace_fault *faults; /* trace_follow runs it, with these or watched */
    size_t fault_count;
    trace_fn watch;
    void *context;
};

/* What it printed lasts until the next run in this process. */
struct rig_result {
    int status; /* as a shell has it: 128 + n for a signal */
    const char *out, *err;
    struct trace_result trace; /* with faults or watch */
};

/* `grid WORDS` with this data directory; words as util/words.h has them. */
struct rig_result rig_run(const struct rig *rig, const char *directory, const char *words,
                          const struct rig_how *how);

/* --- points --------------------------------------------------------------------------------- */

/* Prints a line `VIOLATION: ...`; for a point at most one counts. */
void rig_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tries all points, two processes in turns; one that dies is a violation of its own, and the rest
 * of its points is gone through by another one. `fn` returns after one point. */
typedef void (*rig_point_fn)(void *context, size_t index, int worker);
void rig_points(size_t count, rig_point_fn fn, void *context);

/* Adds points that were tried elsewhere. */
void rig_add_points(long points);

/* The last two lines; the exit status. `least`: fewer points are a failure. */
int rig_end(const struct rig *rig, long least);

#endif
