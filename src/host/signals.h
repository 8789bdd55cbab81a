/* Signals that are read from a descriptor, beside whatever else is waited for. */
#ifndef HOST_SIGNALS_H
#define HOST_SIGNALS_H

#include "grid/error.h"

#include <signal.h>

struct signals {
    int fd;          /* a signalfd that does not block */
    sigset_t before; /* the mask as it was */
};

/* Blocks these signals (0 behind the last), but for those that the caller ignores, which stay
 * ignored; they stay blocked when the descriptor, the caller's, is closed. EIO: nothing is
 * blocked. */
int signals_open(const int *numbers, struct signals *ret, struct grid_error *err);

/* Takes the next one that came; 0: none. */
int signals_take(const struct signals *signals);

#endif
