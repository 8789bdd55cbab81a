/* Waiting for a boost without a daemon: a ticket that its waiter keeps alive. */
#include "ledger/grant.h"
#include "ledger/op.h"
#include "ledger/queue.h"
#include "util/clock.h"
#include "util/text.h"

#include <poll.h>
#include <string.h>

/*
 * The life of a ticket
 * ====================
 *
 *   enqueue   one transaction: granted at once, or a ticket with a lease of GRID_TICKET_LEASE.
 *             Killed after it: the ticket lapses, and the next settling withdraws it.
 *   grant     by whoever commits a change that makes room: the boost takes the ticket's id, and a
 *             lease as short. Killed now: it lapses like any other boost.
 *   pick up   by the waiter: the lease becomes what was asked for. Only now does it return.
 *
 * Between these the waiter sleeps until somebody commits, until something ends or starts that could
 * make room, or until a third of its lease is over. It then looks (reading only), in the eyes of a
 * ledger in which everything due has been settled and promoted; if it would be granted in those, it
 * writes them.
 */

#define RENEW_US (GRID_TICKET_LEASE / 3)
#define PAUSE_US GRID_SECOND /* between tries to reach a store that does not answer */

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
    bool leave;            /* nothing is wanted any more */
    bool renew;
    enum stage stage;
    int64_t look_us;       /* when something is due next, by the store's clock; GRID_NEVER */
    int64_t renewed_us;    /* monotonic */
    size_t position;
    int64_t promised_us;
    struct grid_error never; /* why it can never fit any more */
};

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

static int attend_ticket(struct grid_tx *tx, struct waiter *waiter, struct grid_error *err)
{
    auto_queue struct queue queue = {0};
    int rc = queue_read(tx, &queue, err);
    size_t i = find_own(&queue, waiter->id);
    if (rc < 0)
        return rc;
    if (i == queue.count || waiter->leave) {
        waiter->stage = LOST;
        return i == queue.count ? 0 : grid_tx_put_ticket(tx, &queue.at[i], GRID_EVENT_WITHDRAWN,
                                                         "its waiter left", err);
    }
    waiter->stage = WAITING;
    if (waiter->renew) {
        queue.at[i].expires_us = grid_tx_now(tx) + GRID_TICKET_LEASE;
        rc = grid_tx_put_ticket(tx, &queue.at[i], GRID_EVENT_QUIET, NULL, err);
        rc = rc ?: reconsider(tx, waiter, &queue.at[i], err);
    }
    return rc ?: queue_due(tx, waiter->request, &queue, &waiter->look_us, err);
}

static int attend(struct grid_tx *tx, void *context, struct grid_error *err)
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

/* Looks; writes only when there is something to write: a grant, a renewal, a withdrawal. What was
 * decided counts only once it is written: after a failure we are where we were. */
static int look(struct waiter *waiter, struct grid_error *err)
{
    enum stage before = waiter->stage;
    waiter->renew = clock_monotonic_us() - waiter->renewed_us >= RENEW_US;
    int rc = 0;
    if (!waiter->leave && !waiter->renew)
        rc = grid_store_transact(waiter->store, GRID_READ, attend, waiter, NULL, err);
    bool grants = waiter->stage == PICKED_UP || waiter->stage == LOST
                  || (waiter->stage == GRANTED && before != GRANTED);
    if (rc == 0 && !waiter->leave && !waiter->renew && !grants)
        return 0;
    int64_t before_us = clock_monotonic_us();
    rc = rc ?: grid_store_transact(waiter->store, GRID_WRITE, attend, waiter, NULL, err);
    if (rc == 0)
        waiter->renewed_us = before_us;
    else if (rc != GRID_EUNKNOWN)
        waiter->stage = before;
    if (rc == 0 && waiter->how->committed && !waiter->leave && waiter->stage != PICKED_UP)
        waiter->how->committed(waiter->how->context);
    return rc;
}

/* --- the loop --------------------------------------------------------------------------------- */

static bool is_stopped(const struct waiter *waiter)
{
    struct pollfd polled = {waiter->how->stop_fd, POLLIN, 0};
    return waiter->how->stop_fd >= 0 && poll(&polled, 1, 0) > 0;
}

static int stop(struct grid_error *err)
{
    return grid_error_set(err, GRID_EINTERRUPTED, "interrupted: nothing was granted");
}

/* Gives back ticket or boost, and returns `rc`. Where that fails the lease sees to it; what was
 * granted at once has none, so that it is there is the error then. */
static int leave(struct waiter *waiter, int rc, struct grid_error *err)
{
    struct grid_error why = {0};
    waiter->leave = true;
    if (waiter->joined || look(waiter, &why) == 0 || !waiter->ours)
        return rc;
    *err = why;
    return grid_error_wrap(err, "boost '%s' was granted, and could not be given back", waiter->id);
}

/* How long to sleep: until the next look, the next renewal, or the deadline. */
static int64_t pause_of(const struct waiter *waiter, int64_t deadline_us)
{
    int64_t now_us = clock_monotonic_us();
    int64_t rest_us = waiter->renewed_us + RENEW_US - now_us;
    int64_t due_us = waiter->look_us == GRID_NEVER
                         ? GRID_NEVER : waiter->look_us - clock_now_us() + 1000;
    rest_us = due_us < rest_us ? due_us : rest_us;
    rest_us = deadline_us - now_us < rest_us ? deadline_us - now_us : rest_us;
    return rest_us > 1000 ? rest_us : 1000;
}

/* What a later look may mend: a renewal whose outcome is unknown is looked at again. */
static bool may_pass(const struct waiter *waiter, int rc)
{
    return rc == GRID_EIO || rc == GRID_ETIMEOUT
           || (rc == GRID_EUNKNOWN && waiter->stage == WAITING);
}

static int enqueue_and_hand_over(struct grid_tx *tx, void *context, struct grid_error *err);

/* One look. The one whose ticket we had joined may have left: then we wait on with our own, or, if
 * that cannot be written, without one until the next look. */
static int take_turn(struct waiter *waiter, struct grid_error *err)
{
    int rc = look(waiter, err);
    if (rc < 0 || waiter->stage != LOST || !waiter->joined)
        return rc;
    rc = grid_store_transact(waiter->store, GRID_WRITE, enqueue_and_hand_over, waiter, NULL, err);
    if (rc < 0 && rc != GRID_EUNKNOWN) {
        waiter->stage = WAITING;
        waiter->joined = true;
        waiter->ours = false;
    }
    return rc;
}

static int wait_on(struct waiter *waiter, struct grid_error *err)
{
    int64_t started_us = clock_monotonic_us();
    int64_t deadline_us = waiter->how->wait_us == GRID_NEVER ? GRID_NEVER
                                                             : started_us + waiter->how->wait_us;
    waiter->renewed_us = started_us;
    while (waiter->stage != PICKED_UP) {
        struct grid_error why = {0};
        (void)grid_store_watch(waiter->store, pause_of(waiter, deadline_us),
                               waiter->how->stop_fd, &why);
        if (is_stopped(waiter))
            return leave(waiter, stop(err), err);
        int rc = take_turn(waiter, &why);
        bool lapsed = clock_monotonic_us() - waiter->renewed_us >= GRID_TICKET_LEASE;
        if (rc < 0 && (!may_pass(waiter, rc) || lapsed)) {
            *err = why;
            return rc;
        }
        if (rc < 0)
            poll(&(struct pollfd){waiter->how->stop_fd, POLLIN, 0}, 1, (int)(PAUSE_US / 1000));
        if (rc == 0 && waiter->stage == NEVER) {
            *err = waiter->never;
            return (int)err->code;
        }
        if (rc == 0 && waiter->stage == LOST)
            return grid_error_advise(err, GRID_ETIMEOUT, "ask again",
                                     "the place in the queue was lost: withdrawn, or not renewed "
                                     "in time");
        /* What has ended somebody else's boost is not given up for the sake of its grace. */
        if (waiter->stage == WAITING && clock_monotonic_us() >= deadline_us)
            return leave(waiter, grid_error_set(err, GRID_ETIMEOUT, "it did not fit in time: no "
                                                "longer waiting"), err);
    }
    return 0;
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

static int enqueue_and_hand_over(struct grid_tx *tx, void *context, struct grid_error *err)
{
    grid_tx_after(tx, hand_over_at_once, context);
    return enqueue(tx, context, err);
}

int grid_ledger_wait(struct grid_store *store, const struct grid_request *request,
                     const struct grid_waiting *waiting, struct grid_explain *explain,
                     struct grid_grant *ret, grid_boost_fn fn, void *context,
                     struct grid_error *err)
{
    struct grid_grant grant = {0};
    struct waiter waiter = {.store = store, .request = request, .how = waiting,
                            .op = {.request = request, .explain = explain, .grant = &grant,
                                   .pickup_us = GRID_TICKET_LEASE}};
    if (is_stopped(&waiter))
        return stop(err);
    int rc = grid_store_transact(store, GRID_WRITE, enqueue_and_hand_over, &waiter, NULL, err);
    if (rc == 0 && is_stopped(&waiter))
        rc = leave(&waiter, stop(err), err);
    if (rc == 0 && waiter.stage == GRANTED)
        waiter.promised_us = waiter.look_us;
    if (rc == 0 && waiter.stage != PICKED_UP && waiting->queued)
        waiting->queued(waiting->context, waiter.position, waiter.promised_us);
    rc = rc ?: wait_on(&waiter, err);
    grant.replayed |= rc == 0 && waiter.joined;
    for (size_t i = 0; fn && rc == 0 && i < waiter.held.count; i++)
        rc = fn(context, &waiter.held.at[i], err);
    if (rc == 0 || rc == GRID_EUNKNOWN)
        *ret = grant;
    boost_list_release(&waiter.held);
    return rc;
}
