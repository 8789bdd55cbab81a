/* What a ledger says of its boosts, by the library, without a process of its own. */
#ifndef FAULT_LISTING_H
#define FAULT_LISTING_H

#include "grid/grid.h"

#include <stdbool.h>
#include <stddef.h>

#define LISTING_MOST 32

struct listing {
    int rc;
    size_t count;
    struct grid_boost at[LISTING_MOST];
    bool told_damage; /* a warning that it went back */
};

/* Lists the ledger in the directory as `boost status --all` does, without tidying it. */
void listing_take(const char *directory, struct listing *ret);

/* Asks for a GPU for `b`. `heard`: only told_damage is set. A negative enum grid_code, or 0. */
int listing_request(const char *directory, struct grid_grant *ret, struct listing *heard);

/* Store check, and the sums of what is lent, counted again. NULL: the ledger is sound. */
const char *listing_check(const char *directory, const struct listing *listing);

/* How many of `a` are not in `b` as they are. */
size_t listing_missing(const struct listing *a, const struct listing *b);

#endif
