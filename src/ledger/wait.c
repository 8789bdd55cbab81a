/* Waiting for a boost without a daemon: the loop of a process whose ticket waits. */
#include "ledger/waiter.h"
#include "util/clock.h"

#include <poll.h>

#define RENEW_US (GRID_TICKET_LEASE / 3)
#define PAUSE_US GRID_SECOND /* between tries to reach a store that does not answer */

/* Looks; writes only when there is something to write: a grant, a renewal, a withdrawal. What was
 * decided counts only once it is written: after a failure we are where we were. */
static int look(struct waiter *waiter, struct grid_error *err)
{
    enum stage before = waiter->stage;
    waiter->renew = clock_monotonic_us() - waiter->renewed_us >= RENEW_US;
    int rc = 0;
    if (!waiter->leave && !waiter->renew)
        rc = grid_store_transact(waiter->store, GRID_READ, waiter_attend, waiter, NULL, err);
    bool grants = waiter->stage == PICKED_UP || waiter->stage == LOST
                  || (waiter->stage == GRANTED && before != GRANTED);
    if (rc == 0 && !waiter->leave && !waiter->renew && !grants)
        return 0;
    int64_t before_us = clock_monotonic_us();
    rc = rc ?: grid_store_transact(waiter->store, GRID_WRITE, waiter_attend, waiter, NULL, err);
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

static void tell_place(struct waiter *waiter)
{
    if (waiter->stage == GRANTED)
        waiter->promised_us = waiter->look_us;
    if (waiter->stage != PICKED_UP && waiter->how->queued)
        waiter->how->queued(waiter->how->context, waiter->position, waiter->promised_us);
}

/* One look. The one whose ticket we had joined may have left, or our own have lapsed: then we wait
 * on with a new one, or, if that cannot be written, without one until the next look. */
static int take_turn(struct waiter *waiter, struct grid_error *err)
{
    int rc = look(waiter, err);
    if (rc < 0 || waiter->stage != LOST || !(waiter->joined || waiter->lapsed))
        return rc;
    waiter->position = 0;
    rc = grid_store_transact(waiter->store, GRID_WRITE, waiter_enqueue, waiter, NULL, err);
    if (rc == 0)
        tell_place(waiter);
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
                                     "the place in the queue was lost: withdrawn, or not picked up "
                                     "in time");
        /* What has ended somebody else's boost is not given up for the sake of its grace. */
        if (waiter->stage == WAITING && clock_monotonic_us() >= deadline_us)
            return leave(waiter, grid_error_set(err, GRID_ETIMEOUT, "it did not fit in time: no "
                                                "longer waiting"), err);
    }
    return 0;
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
    int rc = grid_store_transact(store, GRID_WRITE, waiter_enqueue, &waiter, NULL, err);
    if (rc == 0 && is_stopped(&waiter))
        rc = leave(&waiter, stop(err), err);
    if (rc == 0)
        tell_place(&waiter);
    rc = rc ?: wait_on(&waiter, err);
    grant.replayed |= rc == 0 && waiter.joined;
    for (size_t i = 0; fn && rc == 0 && i < waiter.held.count; i++)
        rc = fn(context, &waiter.held.at[i], err);
    if (rc == 0 || rc == GRID_EUNKNOWN)
        *ret = grant;
    boost_list_release(&waiter.held);
    return rc;
}
