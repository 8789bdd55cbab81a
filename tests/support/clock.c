/* The clocks of a test's process stand where the test puts them. */
#include "support/clock.h"

#include "grid/time.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t frozen_us, ahead_us, leap_us;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME && frozen_us != 0)
        *now = (struct timespec){frozen_us / GRID_SECOND, frozen_us % GRID_SECOND * 1000};
    if (clock == CLOCK_MONOTONIC) {
        now->tv_sec += ahead_us / GRID_SECOND;
        ahead_us += leap_us;
        leap_us = 0;
    }
    return rc;
}
