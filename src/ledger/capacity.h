/* Capacity: what a request would need, what there is, and who could lend it. */
#ifndef LEDGER_CAPACITY_H
#define LEDGER_CAPACITY_H

#include "grid/ledger.h"

/* What one lender has of each resource that the request needs (by the index of the need). */
struct capacity_node {
    char name[GRID_NODE_SIZE];
    bool shares, held, stale;
    int64_t hold_until_us;
    int64_t lendable_u[GRID_NEEDS_MOST]; /* min(capacity - keep, lend) */
    int64_t capacity_u[GRID_NEEDS_MOST];
    int64_t lent_u[GRID_NEEDS_MOST];
};

/* All that the decision about one request rests on, as of one transaction. */
struct capacity {
    const struct grid_request *request;
    const struct grid_policy *policy;
    int64_t now_us, end_us;
    struct capacity_node *nodes;
    size_t count, room;
    int64_t borrow_u[GRID_NEEDS_MOST], borrowed_u[GRID_NEEDS_MOST]; /* of the borrower */
    int64_t quota_u[GRID_NEEDS_MOST], owned_u[GRID_NEEDS_MOST];     /* of the owner */
    bool target_known, source_known; /* the latter: of --source, or else of --prefer */
    bool later; /* a reservation of what is needed starts later: now is not all */
};
void capacity_release(struct capacity *capacity);
#define auto_capacity __attribute__((cleanup(capacity_release)))

/* Fills it; after settling. ENOTFOUND: borrower or lender is not registered; ENOMEM, ... */
int capacity_read(struct grid_tx *tx, const struct grid_request *request, int64_t end_us,
                  struct capacity *ret, struct grid_error *err);

/* One record of the grant: which lender gives how much of which need. */
struct capacity_share {
    size_t node, need;
    int64_t amount_u;
};

/* Chooses the lenders: most left after the grant by share of the capacity, then by name; one that
 * has everything before several. Returns how many shares (GRID_GROUP_MOST at most); 0: it does not
 * fit now. Negative: an error. */
int capacity_choose(struct grid_tx *tx, const struct capacity *capacity,
                    struct capacity_share ret[static GRID_GROUP_MOST], struct grid_error *err);

/* Says why it does not fit: to `explain` (may be NULL), and in `err`, with EREFUSED or ENEVER. */
int capacity_refuse(struct grid_tx *tx, const struct capacity *capacity,
                    struct grid_explain *explain, struct grid_error *err);

/* What is left of a need now, 0 at least. */
int64_t capacity_left(const struct capacity_node *node, size_t need);

/* As much of what a node has left as a request that is split may take: devices are lent whole, no
 * part of one makes up a whole number. */
int64_t capacity_part(const struct capacity *capacity, size_t need, int64_t left_u);

/* --- timeline.c --- */

/* The earliest instant from which the lender `node` has all that is needed for the whole of the
 * duration, by the ends and starts that are known; GRID_NEVER: none. Negative: an error. */
int64_t timeline_earliest(struct grid_tx *tx, const struct capacity *capacity, size_t node,
                          struct grid_error *err);

#endif
