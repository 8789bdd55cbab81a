/* The program, while the clock steps during what it waits for or runs. */
#ifndef FAULT_CLOCK_HELD_H
#define FAULT_CLOCK_HELD_H

#include "fault/lib/rig.h"

#define CLOCK_HELD_ROWS 4 /* commands; each is tried with every step in turn */

/* The shim, clock.so, is in rig->work, and so are the ledgers `open` and `taken`. */
void clock_held_begin(const struct rig *rig);

size_t clock_held_count(void);

/* Tries one; prints what it violates. */
void clock_held_run(const struct rig *rig, size_t index, int worker);

#endif
