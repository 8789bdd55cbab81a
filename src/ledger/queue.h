/* The queue: who waits, in which order, and what is promised to them. */
#ifndef LEDGER_QUEUE_H
#define LEDGER_QUEUE_H

#include "grid/ledger.h"

/* The tickets, first the one whose turn it is. */
struct queue {
    struct grid_ticket *at;
    size_t count, room;
};
void queue_release(struct queue *queue);
#define auto_queue __attribute__((cleanup(queue_release)))
int queue_read(struct grid_tx *tx, struct queue *ret, struct grid_error *err);

/* Why settling withdraws a ticket whose lease is over. */
#define QUEUE_LAPSED "its waiter is gone"

/* The request that a ticket stands for; points into it. */
void queue_request(const struct grid_ticket *ticket, struct grid_request *ret);

/* The ticket of a request, with an age of nothing and a whole lease. ENOMEM. */
int queue_ticket(struct grid_tx *tx, const struct grid_request *request, struct grid_ticket *ret,
                 struct grid_error *err);

/* Grants the tickets that fit now, in their order; one that is not the first only if the promise to
 * the first that waits on stands. The last step of every decision that may change something. */
int queue_promote(struct grid_tx *tx, struct grid_error *err);

/* What is promised to the first of the queue that can be promised a start at all. */
struct promise {
    const struct grid_ticket *ticket; /* of the queue; NULL: nobody's */
    int64_t start_us;
};

/* The promise that holds among the first `count` of the queue, as things stand. */
int queue_promised(struct grid_tx *tx, const struct queue *queue, size_t count,
                   struct promise *ret, struct grid_error *err);

/* Does it stand, after what was put since? 1, 0; negative: an error. */
int queue_stands(struct grid_tx *tx, const struct promise *promise, struct grid_error *err);

/* From when on the request fits, once all who wait before it (by this priority and age) have
 * started as soon as they can. GRID_NEVER: not known; negative: an error. Puts nothing. */
int64_t queue_promise(struct grid_tx *tx, const struct queue *queue, size_t before,
                      const struct grid_request *request, struct grid_error *err);

/* When time alone may bring the turn of the request: the next end, start, or lapse that matters to
 * it. GRID_NEVER: none is known. */
int queue_due(struct grid_tx *tx, const struct grid_request *request, const struct queue *queue,
              int64_t *ret_us, struct grid_error *err);

/* How many tickets of the queue come before a request of this priority that is made now. */
size_t queue_before(const struct queue *queue, enum grid_priority priority);

#endif
