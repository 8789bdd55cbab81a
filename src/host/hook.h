/* Hooks: the user's own programs, DIR/hooks/EVENT, run when something has happened. */
#ifndef HOST_HOOK_H
#define HOST_HOOK_H

#include "host/run.h"

#include <limits.h>

/* A hook that may be run: what was looked at is what is run, wherever its name leads by then. */
struct hook_file {
    int fd;              /* of the hook, or of the directory that it is in; the caller closes it */
    char path[64];       /* what is executed: leads through `fd` */
    char name[PATH_MAX]; /* for people */
};

/*
 * Finds the hook for an event in the directory `dir`, and decides whether it may be run: whoever
 * can write the file, or the directory, or owns either, decides what the caller's account does.
 * Returns 0 with *ret; 1: there is none. EPERM: it is there, but it, or the directory, is neither
 * the caller's nor root's, or can be written by others, or the directory is a symbolic link;
 * ENOTFOUND: the file is not executable; EIO: it cannot be looked at, or is no file.
 */
int hook_open(const char *dir, const char *event, struct hook_file *ret, struct grid_error *err);

/* One run. Strings belong to the caller. */
struct hook {
    const struct hook_file *file;
    const char *event;
    const char *input;                  /* for its stdin */
    const char *const (*variables)[2];  /* names and values for its environment, up to a NULL */
    int64_t limit_us;                   /* then it is killed */
};

/*
 * Runs a hook with the environment of this process but SUPERVISE_MARK, the variables, GRID_EVENT,
 * and GRID_HOOKS, by which hook_calls_us knows. At most 64 KiB of what it prints are added to each
 * of `out` and `errors`. Returns 0 when it ended with status 0. EREFUSED: with another one, or it
 * was killed, and the message says which; others as run_command.
 */
int hook_run(const struct hook *hook, struct buffer *out, struct buffer *errors,
             struct grid_error *err);

/* Was this process started, directly or through others, by the hook for this event? */
bool hook_calls_us(const char *event);

#endif
