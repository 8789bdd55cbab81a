/* The keeper of a supervised command, and what it shares with the front (supervise.h). */
#ifndef HOST_KEEPER_H
#define HOST_KEEPER_H

#include "host/supervise.h"

#include <poll.h>
#include <sys/types.h>

/* How things stand, in a file in memory: it outlives the keeper that wrote it. */
struct keeper_state {
    struct supervise_lease lease;
    int64_t kill_us; /* the command was told to end, and is killed then; 0: it was not */
    int64_t alive_us; /* the keeper was neither stopped nor waiting for the store then */
};
void keeper_read(int state_fd, struct keeper_state *ret);
void keeper_write(int state_fd, const struct keeper_state *state);

struct keeper {
    const struct supervise *supervise;
    pid_t command;
    int command_fd; /* its pidfd */
    int channel;    /* from the front: a byte to leave; the end: it was killed */
    int state_fd;
    struct keeper_state state;
    int64_t retry_us; /* not to be renewed before, after a failure */
    bool failing;
};

/* The keeper's life; the process is to leave then. */
void keeper_run(struct keeper *keeper);

/* Ends everything that carries the mark ("NAME=value") in its environment: waits for it to end by
 * itself until `kill_us`, then kills it. */
void keeper_sweep(const char *mark, int64_t kill_us);

/* poll until a time on clock_boot_us; returns as poll. It may return 0 early: within a second. */
int keeper_poll(struct pollfd *polled, size_t count, int64_t until_us);

#endif
