/* Capacity: what a request would need, what there is, and who could lend it. */
#ifndef LEDGER_CAPACITY_H
#define LEDGER_CAPACITY_H

#include "grid/ledger.h"

/* What one lender has of each resource that the request needs (by the index of the need). */
struct capacity_node {
    char name[GRID_NODE_SIZE];
    bool shares, held, stale;
    bool passed_over;                    /* would break a promise: not to be chosen */
    int64_t hold_until_us, last_seen_us, stale_after_us;
    char hold_reason[GRID_TEXT_SIZE];
    int64_t lendable_u[GRID_NEEDS_MOST]; /* min(capacity - keep, lend) */
    int64_t capacity_u[GRID_NEEDS_MOST];
    int64_t lent_u[GRID_NEEDS_MOST];     /* now */
};

/* What is counted against a limit: lent by the node, borrowed by the borrower, had by the owner. */
enum { SUM_LENT, SUM_BORROWED, SUM_OWNED };

/* At `at_us` one of these sums changes, of one need. */
struct capacity_step {
    int64_t at_us, by_u;
    uint32_t node;
    uint8_t sum, need;
};

/* All that the decision about one request rests on, as of one transaction. */
struct capacity {
    const struct grid_request *request;
    const struct grid_policy *policy;
    int64_t now_us, start_us;
    int64_t length_us; /* GRID_NEVER: no end */
    struct capacity_node *nodes;
    size_t count, room;
    int64_t borrow_u[GRID_NEEDS_MOST], borrowed_u[GRID_NEEDS_MOST]; /* of the borrower */
    int64_t quota_u[GRID_NEEDS_MOST], owned_u[GRID_NEEDS_MOST];     /* of the owner */
    bool target_known, source_known; /* the latter: of --source, or else of --prefer */
    bool later; /* a reservation of what is needed starts later: now is not all */
    bool timed; /* the steps have been read */
    struct capacity_step *steps; /* by time */
    size_t step_count, step_room;
};
void capacity_release(struct capacity *capacity);
#define auto_capacity __attribute__((cleanup(capacity_release)))

/* Fills it for a start at `start_us` and a length; after settling. A target_node of "" is nobody,
 * for asking what is free. ENOTFOUND: borrower or lender is not registered; ENOMEM, ... */
int capacity_read(struct grid_tx *tx, const struct grid_request *request, int64_t start_us,
                  int64_t length_us, struct capacity *ret, struct grid_error *err);

/* One record of the grant: which lender gives how much of which need. */
struct capacity_share {
    size_t node, need;
    int64_t amount_u;
};

/* Chooses the lenders: most left after the grant by share of the capacity, then by name; one that
 * has everything before several. *ret_count is how many shares (GRID_GROUP_MOST at most); 0: it
 * does not fit. ENOMEM, ... */
int capacity_choose(struct grid_tx *tx, struct capacity *capacity,
                    struct capacity_share ret[static GRID_GROUP_MOST], size_t *ret_count,
                    struct grid_error *err);

/* Everything from this lender: fills ret with a share for each need; returns how many. */
size_t capacity_take_all(const struct capacity *capacity, size_t node,
                         struct capacity_share ret[static GRID_GROUP_MOST]);

/* Could this node lend at all, at the start: asked for, not on hold, not stale, sharing? */
bool capacity_may_lend(const struct capacity *capacity, const struct capacity_node *node);

/* The index of a need, or of a node; the count: it is none of them. */
size_t capacity_need(const struct grid_request *request, const char *resource);
size_t capacity_find(const struct capacity *capacity, const char *node);

/* What a node has left of a need for the whole of the time, 0 at least. Where something starts
 * later, or this does, the steps must have been read. */
int64_t capacity_left(const struct capacity *capacity, size_t node, size_t need);

/* As much of what a node has left as a request that is split may take: devices are lent whole, no
 * part of one makes up a whole number. */
int64_t capacity_part(const struct capacity *capacity, size_t need, int64_t left_u);

/* --- timeline.c: the ends and starts that are known --- */

#define TIMELINE_NOBODY SIZE_MAX /* as a node: only borrower and owner are looked at */

/* Reads the steps, once; the functions below need them. Leases count until they may be renewed. */
int timeline_read(struct grid_tx *tx, struct capacity *capacity, struct grid_error *err);

/* The next stretch in which the node (and borrower and owner) have all that is needed: *at is 0 at
 * first and is where to go on. False: there is no more. */
struct timeline_run {
    int64_t begins_us, ends_us; /* INT64_MIN, GRID_NEVER: without a bound */
};
struct timeline {
    const struct capacity *capacity;
    size_t node, next;
    const int64_t *lent_u; /* what the lender is to give of each need; NULL: what is asked for */
    __int128 sums[3][GRID_NEEDS_MOST];
    bool begun, ended;
};
bool timeline_next(struct timeline *timeline, struct timeline_run *ret);

/* The first instant, at from_us or later, from which the node has all for the length; GRID_NEVER:
 * none is known. Heeds holds and staleness. */
int64_t timeline_earliest(const struct capacity *capacity, size_t node, int64_t from_us);

/* Does it fit for the length from the start on? */
bool timeline_fits(const struct capacity *capacity, size_t node);

/* Until when it fits from at_us on; at_us: not at all. `lent_u` as of struct timeline. */
int64_t timeline_until(const struct capacity *capacity, size_t node, int64_t at_us,
                       const int64_t *lent_u);

/* The least that is left of a need at the node from the start on, for the length; 0 at least. */
int64_t timeline_left(const struct capacity *capacity, size_t node, size_t need);

/* For a request that may be split: from when on all lenders together have enough for good;
 * GRID_NEVER. ENOMEM (negative). */
int64_t timeline_together(const struct capacity *capacity, struct grid_error *err);

/* --- explain.c --- */

/* Says why it does not fit: to `explain` (may be NULL), and in `err`, with EREFUSED or ENEVER. */
int capacity_refuse(struct grid_tx *tx, struct capacity *capacity, struct grid_explain *explain,
                    struct grid_error *err);

/* The earliest start by all lenders, and by which (*ret_node may be NULL). GRID_NEVER; negative:
 * an error. Reads the steps. */
int64_t capacity_earliest(struct grid_tx *tx, struct capacity *capacity, size_t *ret_node,
                          struct grid_error *err);

#endif
