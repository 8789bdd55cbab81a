/* Running a command for as long as a lease is held, and no longer. */
#ifndef HOST_SUPERVISE_H
#define HOST_SUPERVISE_H

#include "host/signals.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Three processes
 * ===============
 *
 * The *front* is the caller of supervise_run. It stays in the process group and the session in
 * which it was started, waits for the command, and hands on the signals that are sent to it.
 *
 * The *command* is its child, in the same group: so the terminal reaches it directly, and ^C, ^Z,
 * fg, bg and the size of the window need nothing from us. Should the front die, the kernel sends it
 * TERM (PR_SET_PDEATHSIG).
 *
 * The *keeper* is the front's other child, in a session of its own, where no terminal reaches it.
 * It renews the lease, and ends the command when the lease ends: TERM, and KILL once kill_after_us
 * are over or the lease is. Should the front die it does the same, and releases.
 *
 *     killed       who acts
 *     front        the kernel (TERM); the keeper (TERM, KILL, release)
 *     keeper       the front starts another, which goes on where the first was
 *     both         the kernel (TERM); the lease lapses, as it is not renewed
 *
 * Only the keeper touches the store while the command runs, since a store can hang. A keeper that
 * hangs, or was stopped, is killed by the front when it has let half of the time for renewing pass,
 * and the next one goes on; or, when it is too late to ask the store, ends the command.
 *
 * What is told to end is the command and everything that it started, which is known by its
 * environment: environment[0] below has to be unique. A shell script that dies of TERM does not
 * leave its children behind with what was lent. A command that ends by itself may do that.
 */

/* The variable for environment[0]: no hook gets it (hook.h), so none is ended as the command. */
#define SUPERVISE_MARK "GRID_RUN"

/* When something has to be done, on clock_boot_us; INT64_MAX: never. */
struct supervise_lease {
    int64_t renew_us; /* the next renewal */
    int64_t stop_us;  /* the command is told to end, if nothing has changed by then */
    int64_t ends_us;  /* nobody may use what was lent any longer: KILL */
};

/* signals_open for those that the front hands on: INT, QUIT, TERM, HUP, USR1 and USR2. */
int supervise_signals(struct signals *ret, struct grid_error *err);

/* Waits until a time on clock_boot_us (0: not at all), until `fd` (-1: none) has something to read,
 * or for a signal: takes it. 0: none came. */
int supervise_wait(const struct signals *signals, int fd, int64_t until_us);

/*
 * What to run. The callbacks are called in the keeper only, which is a copy of the caller: they
 * must not use a store that the caller has open. Strings belong to the caller.
 */
struct supervise {
    char *const *argv;              /* looked up in PATH, run without a shell; NULL behind */
    const char *const *environment; /* "NAME=value" on top of ours, NULL behind; at least one */
    const struct signals *signals;  /* the command gets the mask as it was before */
    unsigned ignored;               /* of PIPE, XFSZ and CHLD: 1U << n for those that it ignores */
    int64_t kill_after_us;
    struct supervise_lease lease;   /* as it is at the start */

    /* Renews the lease; only looks how it stands; by until_us an answer is of no use any more. *ret
     * is how it is then, its times counted from before the call. ENOTFOUND: it is lost, the command
     * is told to end. Any other error is no answer: renewing is tried again every second until
     * stop_us. */
    int (*renew)(void *context, int64_t until_us, struct supervise_lease *ret,
                 struct grid_error *err);
    int (*look)(void *context, int64_t until_us, struct supervise_lease *ret,
                struct grid_error *err);

    /* Waits until there may be something to look at, wait_us are over, or stop_fd is readable. */
    int (*watch)(void *context, int64_t wait_us, int stop_fd, struct grid_error *err);

    void (*release)(void *context);                 /* in place of the front, which was killed */
    void (*warn)(void *context, const char *text);  /* a line for people; in the front, too */
    void *context;
};

/*
 * Runs the command to its end. *ret_status is its status as a shell has it: 128 + n for signal n.
 * When this returns neither command nor keeper is there any longer; releasing is left to the
 * caller. ENOTFOUND: there is no such command; EPERM: it cannot be executed; EIO: no process or
 * descriptor could be had; the command did not run.
 */
int supervise_run(const struct supervise *supervise, int *ret_status, struct grid_error *err);

#endif
