/* A ticket: a request that waits for its turn, on a short lease that its waiter renews. */
#ifndef GRID_TICKET_H
#define GRID_TICKET_H

#include "grid/boost.h"

#define GRID_NEEDS_MOST 8  /* resources of one request */
#define GRID_TICKET_LEASE (30 * GRID_SECOND) /* a waiter that is gone is gone after this */

/* How much of what one request is about. */
struct grid_need {
    char resource[GRID_RESOURCE_SIZE]; /* upper case, each once */
    int64_t amount_u;                  /* over 0 */
};

/* A plain value, about 3 KB: copy it by =. The boost that it gets has its id. */
struct grid_ticket {
    int64_t queued_us;    /* since when it waits: its age */
    int64_t expires_us;   /* the end of its lease: then it is withdrawn */
    int64_t duration_us;  /* of the boost, from its grant on; GRID_NEVER */
    int64_t lease_us;     /* the boost is to live on a lease of this length (run); 0: it is not */
    enum grid_priority priority;
    bool split, preempt;  /* as of struct grid_request */
    size_t need_count;
    struct grid_need needs[GRID_NEEDS_MOST];
    char ticket_id[GRID_ID_SIZE];
    char target_node[GRID_NODE_SIZE];
    char source_node[GRID_NODE_SIZE]; /* only this lender; "": any */
    char prefer_node[GRID_NODE_SIZE]; /* "": none */
    char owner[GRID_USER_SIZE], host[GRID_USER_SIZE];
    char reason[GRID_TEXT_SIZE];
    char request_id[GRID_ID_SIZE];
    char requested[GRID_REQUEST_SIZE]; /* the request as typed; "" without a request id */
};

/* The order of the queue: higher priority first, then the older, then by id. As of qsort. */
int grid_ticket_compare(const struct grid_ticket *a, const struct grid_ticket *b);

/* The boost that stands for the ticket in events: its id, borrower, first need, owner, lender
 * (GRID_ANY_NODE when it is open); allocated and started when it was queued, without an end. */
void grid_ticket_boost(const struct grid_ticket *ticket, struct grid_boost *ret);

/* As grid_boost_fn. */
typedef int (*grid_ticket_fn)(void *context, const struct grid_ticket *ticket,
                              struct grid_error *err);

#endif
