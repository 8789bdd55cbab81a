/* Somebody who waits for a boost, and what is done for them in a transaction. */
#ifndef LEDGER_WAITER_H
#define LEDGER_WAITER_H

#include "ledger/op.h"

/*
 * The life of a ticket
 * ====================
 *
 *   enqueue   one transaction: granted at once, or a ticket with a lease of GRID_TICKET_LEASE.
 *             Killed after it: the ticket lapses, and the next settling withdraws it.
 *   grant     by whoever commits a change that makes room: the boost takes the ticket's id, and a
 *             lease as short. Killed now: it lapses like any other boost.
 *   pick up   by the waiter: the lease becomes what was asked for. Only now does it return.
 *   lapse     by the clock, of a waiter that is gone; or that was stopped, or whose clock was set
 *             forward: that one finds it out, and enqueues again, as the last of its priority.
 *
 * Between these the waiter sleeps until somebody commits, until something ends or starts that could
 * make room, or until a third of its lease is over. It then looks (reading only), in the eyes of a
 * ledger in which everything due has been settled and promoted; if it would be granted in those, it
 * writes them.
 */

enum stage { WAITING, GRANTED, PICKED_UP, LOST, NEVER };

struct waiter {
    struct grid_store *store;
    const struct grid_request *request;
    const struct grid_waiting *how;
    struct grid_op op;
    struct boost_list held;
    char id[GRID_ID_SIZE]; /* of the ticket, then of the boost */
    bool joined;           /* another's ticket, by the request id: not ours to give back */
    bool ours;             /* granted at once, by our own commit */
    bool lapsed;           /* LOST, and nobody wanted that */
    bool leave;            /* nothing is wanted any more */
    bool renew;            /* the lease of the ticket is to be a whole one again */
    enum stage stage;
    int64_t look_us;       /* when something is due next, by the store's clock; GRID_NEVER */
    int64_t renewed_us;    /* monotonic */
    size_t position;
    int64_t promised_us;
    struct grid_error never; /* why it can never fit any more */
};

/* A grid_decide_fn for a waiter: a request, which is queued where it is refused for now. `op`, for
 * the rest as grid_ledger_request. What was granted at once is in `held` after the commit. */
int waiter_enqueue(struct grid_tx *tx, void *waiter, struct grid_error *err);

/* A grid_decide_fn for one that is in the queue, or was granted something: finds out which, picks
 * up, renews, or, with `leave`, gives back. It writes only what `stage` and `renew` tell of: read
 * only, it says what it would do. */
int waiter_attend(struct grid_tx *tx, void *waiter, struct grid_error *err);

#endif
