/* What becomes of a ticket: queued, granted, picked up, renewed, lapsed, given back. */
#include "ledger/waiter.h"

#include "ledger/grant.h"
#include "ledger/queue.h"
#include "util/text.h"

#include <string.h>

/* --- the ticket ------------------------------------------------------------------------------- */

/* The ticket that this request id has in the queue: 1. */
static int find_joined(const struct queue *queue, const struct grid_request *request,
                       size_t *ret_index, struct grid_error *err)
{
    char requested[GRID_REQUEST_SIZE];
    if (!request->request_id)
        return 0;
    int rc = request_spell(request, requested, err);
    for (size_t i = 0; rc == 0 && i < queue->count; i++) {
        if (strcmp(queue->at[i].request_id, request->request_id) != 0)
            continue;
        *ret_index = i;
        rc = request_same(request->request_id, queue->at[i].requested, requested, err);
        return rc < 0 ? rc : 1;
    }
    return rc;
}

/* Where the ticket with our id stands; the count: nowhere. */
static size_t find_own(const struct queue *queue, const char *id)
{
    size_t i = 0;
    while (i < queue->count && strcmp(queue->at[i].ticket_id, id) != 0)
        i++;
    return i;
}

static int enqueue_now(struct grid_tx *tx, struct waiter *waiter, struct grid_error *err)
{
    auto_queue struct queue queue = {0};
    struct grid_ticket ticket;
    struct grid_request request;
    size_t index = 0;
    int rc = queue_read(tx, &queue, err);
    rc = rc ?: find_joined(&queue, waiter->request, &index, err);
    if (rc < 0)
        return rc;
    waiter->joined = rc > 0;
    if (waiter->joined && waiter->request->lease_us > 0)
        return grid_error_set(err, GRID_ECONFLICT, "another run waits with request id '%s'",
                              text_shown(waiter->request->request_id));
    if (waiter->joined) {
        ticket = queue.at[index];
    } else {
        rc = queue_ticket(tx, waiter->request, &ticket, err);
        rc = rc ?: grid_tx_put_ticket(tx, &ticket, GRID_EVENT_QUEUED, ticket.reason, err);
        index = queue_before(&queue, ticket.priority);
    }
    text_copy(waiter->id, sizeof(waiter->id), ticket.ticket_id);
    queue_request(&ticket, &request);
    waiter->stage = WAITING;
    waiter->position = index + 1;
    waiter->promised_us = rc < 0 ? rc : queue_promise(tx, &queue, index, &request, err);
    return waiter->promised_us < 0 ? (int)waiter->promised_us : 0;
}

/* As a request; what is refused for now is queued. */
static int enqueue(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct waiter *waiter = context;
    int rc = ledger_settle(tx, err);
    rc = rc ?: queue_promote(tx, err);
    waiter->held.count = 0;
    waiter->op.begins = grid_tx_mark(tx);
    rc = rc ?: op_request(tx, &waiter->op, &waiter->held, err);
    waiter->op.ends = grid_tx_mark(tx);
    if (rc == 0) /* once it is written there must be room to hand it over */
        rc = boost_list_reserve(&waiter->held, waiter->op.ends - waiter->op.begins, err);
    if (rc == 0) {
        const struct grid_boost *boost = &waiter->op.grant->boost;
        bool later = grid_boost_starts_later(boost, grid_tx_now(tx));
        text_copy(waiter->id, sizeof(waiter->id), boost->boost_id);
        waiter->joined = waiter->op.grant->replayed;
        waiter->ours = !waiter->joined;
        waiter->stage = boost->ended == GRID_ACTIVE && (later || boost->unclaimed) ? GRANTED
                                                                                   : PICKED_UP;
        waiter->look_us = boost->starts_us;
    } else if (rc == GRID_EREFUSED) {
        grid_tx_undo(tx, waiter->op.begins);
        *err = (struct grid_error){0};
        rc = enqueue_now(tx, waiter, err);
    }
    return rc ?: queue_promote(tx, err);
}

/* What was granted at once is handed over as by a request. */
static int hand_over_at_once(void *context, const struct grid_commit *commit,
                             const struct grid_changes *changes, struct grid_error *err)
{
    (void)commit;
    struct waiter *waiter = context;
    if (waiter->stage != PICKED_UP || waiter->held.count > 0)
        return 0;
    return ledger_hand_over(changes, waiter->op.begins, waiter->op.ends, boost_list_add,
                            &waiter->held, err);
}

int waiter_enqueue(struct grid_tx *tx, void *context, struct grid_error *err)
{
    grid_tx_after(tx, hand_over_at_once, context);
    return enqueue(tx, context, err);
}

/* --- looking after it ------------------------------------------------------------------------- */

/* Nothing is wanted any more. What somebody else with our request id has claimed stays theirs. */
static int give_back(struct grid_tx *tx, struct waiter *waiter, const struct grid_boost *boost,
                     struct grid_error *err)
{
    int rc = 0;
    waiter->stage = LOST;
    for (size_t i = 0; rc == 0 && i < waiter->held.count && (boost->unclaimed || waiter->ours); i++)
        rc = grid_tx_put_boost(tx, &waiter->held.at[i], NULL, GRID_EVENT_RELEASED,
                               grid_tx_now(tx), "its waiter left", err);
    return rc;
}

/* The boost is ours: the lease until it is picked up becomes what was asked for. */
static int pick_up(struct grid_tx *tx, struct waiter *waiter, const struct grid_boost *boost,
                   struct grid_error *err)
{
    int64_t now_us = grid_tx_now(tx);
    waiter->stage = GRANTED;
    waiter->look_us = boost->starts_us;
    waiter->op.grant->boost = *boost;
    int rc = ledger_group(tx, boost, &waiter->held, err);
    if (rc == 0 && waiter->leave)
        return give_back(tx, waiter, boost, err);
    if (rc < 0 || grid_boost_starts_later(boost, now_us))
        return rc;
    waiter->stage = PICKED_UP;
    for (size_t i = 0; rc == 0 && i < waiter->held.count; i++) {
        struct grid_boost *now = &waiter->held.at[i], was = *now;
        int64_t lease_us = waiter->request->lease_us;
        int64_t end_us = lease_us > 0 ? grid_time_add(now_us, lease_us) : GRID_NEVER;
        if (!was.unclaimed)
            continue; /* somebody who joined has picked it up */
        now->unclaimed = false;
        now->expires_us = end_us < was.renews_until_us ? end_us : was.renews_until_us;
        now->renews_until_us = lease_us > 0 ? was.renews_until_us : 0;
        rc = grid_tx_put_boost(tx, &was, now, GRID_EVENT_QUIET, now_us, NULL, err);
    }
    waiter->op.grant->boost = waiter->held.at[0];
    return rc;
}

/* Will it ever fit? The registry and the policy may have changed since. Now and then is enough. */
static int reconsider(struct grid_tx *tx, struct waiter *waiter, const struct grid_ticket *ticket,
                      struct grid_error *err)
{
    struct grid_request request;
    struct grid_grant granted;
    size_t mark = grid_tx_mark(tx);
    queue_request(ticket, &request);
    struct grant grant = {.request = &request, .ret = &granted};
    int rc = grant_boosts(tx, &grant, &waiter->never);
    grid_tx_undo(tx, mark);
    if (rc != GRID_ENEVER && rc != GRID_ENOTFOUND)
        return 0;
    waiter->stage = NEVER;
    return grid_tx_put_ticket(tx, ticket, GRID_EVENT_WITHDRAWN, "it can never fit any more", err);
}

/* The last event with our id says why. With a request id, what was granted once is not asked for
 * again. */
static int take_ending(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    struct waiter *waiter = context;
    waiter->lapsed = strcmp(event->reason, QUEUE_LAPSED) == 0
                     || (event->event == GRID_EVENT_EXPIRED && !waiter->request->request_id);
    return 1;
}

static int lose(struct grid_tx *tx, struct waiter *waiter, struct grid_error *err)
{
    struct grid_event_filter own = {.boost_id = waiter->id};
    waiter->stage = LOST;
    waiter->lapsed = true; /* also where the ledger never heard of us */
    int rc = grid_tx_events(tx, &own, take_ending, waiter, err);
    return rc < 0 ? rc : 0;
}

static int attend_ticket(struct grid_tx *tx, struct waiter *waiter, struct grid_error *err)
{
    auto_queue struct queue queue = {0};
    int rc = queue_read(tx, &queue, err);
    size_t i = find_own(&queue, waiter->id);
    if (rc < 0)
        return rc;
    if (i == queue.count)
        return lose(tx, waiter, err);
    if (waiter->leave) {
        waiter->stage = LOST;
        return grid_tx_put_ticket(tx, &queue.at[i], GRID_EVENT_WITHDRAWN, "its waiter left", err);
    }
    waiter->stage = WAITING;
    if (waiter->renew) {
        queue.at[i].expires_us = grid_tx_now(tx) + GRID_TICKET_LEASE;
        rc = grid_tx_put_ticket(tx, &queue.at[i], GRID_EVENT_QUIET, NULL, err);
        rc = rc ?: reconsider(tx, waiter, &queue.at[i], err);
    }
    return rc ?: queue_due(tx, waiter->request, &queue, &waiter->look_us, err);
}

int waiter_attend(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct waiter *waiter = context;
    struct grid_boost_filter own = {.boost_id = waiter->id};
    struct grid_boost boost;
    int rc = ledger_settle(tx, err);
    if (rc == 0 && !waiter->leave)
        rc = queue_promote(tx, err);
    rc = rc ?: grid_tx_boosts(tx, &own, boost_take, &boost, err);
    if (rc > 0)
        rc = pick_up(tx, waiter, &boost, err);
    else if (rc == 0)
        rc = attend_ticket(tx, waiter, err);
    return rc == 0 && waiter->leave ? queue_promote(tx, err) : rc;
}
