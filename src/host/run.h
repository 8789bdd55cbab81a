/* Running a command: bounded in time and in what is kept of its output. */
#ifndef HOST_RUN_H
#define HOST_RUN_H

#include "util/text.h"

struct run {
    const char *const *argv;        /* the program, looked up in PATH, and its words; NULL behind */
    const char *const *environment; /* NULL: that of this process */
    const char *input;              /* for its stdin; NULL: nothing */
    int64_t limit_us;               /* then it is killed, with what it started */
    size_t most;                    /* bytes to keep of each output; the rest is read and dropped */
    const char *path;               /* what is executed instead of argv[0]; or NULL */
    int kept_fd;                    /* a descriptor that it gets, too; 0: none */
};

struct run_end {
    int status;     /* as a shell has it: 128 + n for signal n */
    bool timed_out; /* it was killed */
};

/*
 * Runs a command in a process group of its own and waits for its end, not for that of processes
 * that it leaves behind. What it prints is added to `out` and `errors` (initialized by the caller;
 * NULL: /dev/null). Signals that main ignores have their default meaning for the command, and none
 * is blocked.
 *
 * Returns 0 with *ret, whatever the command's status. ENOTFOUND: there is no such command; EPERM:
 * it may not be executed; EIO: it cannot be started, or its status was lost; ENOMEM.
 */
int run_command(const struct run *run, struct buffer *out, struct buffer *errors,
                struct run_end *ret, struct grid_error *err);

#endif
