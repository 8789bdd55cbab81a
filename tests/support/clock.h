/* The clocks of a test's process stand where the test puts them. */
#ifndef SUPPORT_CLOCK_H
#define SUPPORT_CLOCK_H

#include <stdint.h>

extern int64_t frozen_us; /* 0: the system's time of day */
extern int64_t ahead_us;  /* by how much the monotonic clock is ahead, */
extern int64_t leap_us;   /* and will be once it has been read */

#endif
