/* A ledger that is asked one thing after the other: what linear_check holds answers against. */
#ifndef FAULT_SEQUENTIAL_H
#define FAULT_SEQUENTIAL_H

#include "fault/lib/linear.h"

struct linear_history {
    struct linear_op ops[OPS_MOST];
    size_t count;
};

struct sequential_boost {
    bool granted, released;
    int8_t source;
    int64_t devices, expires_us, ended_us; /* the last: of a release that told it, else 0 */
};

/* Boosts are known by the operation that asked for them. */
struct sequential {
    struct sequential_boost boosts[OPS_MOST];
    int64_t keys[KEYS]; /* who bound it */
    int64_t limits[NODE_COUNT][RESOURCES], held[NODE_COUNT];
    int64_t now_us;     /* of the last change */
    const struct linear_history *asked;
};

void sequential_begin(struct sequential *ledger, const struct linear_history *asked);

/* Carries an operation out at an instant: could it have been answered as it was? If its outcome is
 * unknown: would it have been done? */
bool sequential_do(struct sequential *ledger, size_t index, int64_t at_us);

/* Does it only look, and is its outcome unknown? */
bool linear_looks(const struct linear_op *op);
bool linear_unknown(const struct linear_op *op);

#endif
