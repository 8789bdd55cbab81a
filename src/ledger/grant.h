/* Granting: the one way in which a request, or a ticket, becomes boosts. */
#ifndef LEDGER_GRANT_H
#define LEDGER_GRANT_H

#include "grid/ledger.h"

struct promise;

/* What is asked for, and what it comes to. */
struct grant {
    const struct grid_request *request;
    const char *requested;      /* as typed; stored with a request id */
    const struct promise *promise;  /* that must stand; NULL: none */
    struct grid_explain *explain;   /* may be NULL */
    bool silent;                /* a refusal needs no reasons: only whether it fits is asked */
    int64_t pickup_us;          /* over 0: on a lease of this length until the waiter picks it up */
    int64_t later_pickup_us;    /* the same, for what starts later only */
    const char *reason;         /* of the event; NULL: the request's */
    struct grid_grant *ret;
};

/* Puts the boosts of the request, or refuses it: EREFUSED, ENEVER, EUSAGE, ENOTFOUND as of
 * grid_ledger_request. After settling; puts nothing when it fails. */
int grant_boosts(struct grid_tx *tx, const struct grant *grant, struct grid_error *err);

/* How long the boost of the request is to last: its duration, or the policy's; GRID_NEVER. */
int64_t grant_length(const struct grid_tx *tx, const struct grid_request *request);

/* Gives a whole number of GPUs the lowest devices of its source that nobody has at its start; a
 * part of one gets none, and so does everybody where there are not enough left that are known. */
int grant_devices(struct grid_tx *tx, struct grid_boost *boost, struct grid_error *err);

/* --- preempt.c --- */

struct capacity;

/*
 * Finds the lender on which there is room once boosts of strictly lower priority have ended, and
 * puts their early ends (event `preempted`). Returns 1 with *ret_node (an index) and the capacity
 * read again, for the time from which they are gone; limits have their say then. 0: none will do,
 * nothing was put, the capacity is that of now. A lender that is passed over stays so.
 */
int preempt_victims(struct grid_tx *tx, struct capacity *capacity, size_t *ret_node,
                    struct grid_error *err);

#endif
