/* Clocks, in microseconds. */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdint.h>

/* Since the epoch, by the system's clock, which may be set. */
int64_t clock_now_us(void);

/* Of a clock that never steps, for waiting. */
int64_t clock_monotonic_us(void);

/* The same, but it goes on while the machine sleeps. */
int64_t clock_boot_us(void);

#endif
