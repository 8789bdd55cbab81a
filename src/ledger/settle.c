/* What every decision begins and ends with: settling, and handing over. */
#include "ledger/settle.h"

#include "ledger/grant.h"
#include "ledger/queue.h"
#include "util/text.h"

#include <string.h>

/* --- lists ------------------------------------------------------------------------------------ */

void boost_list_release(struct boost_list *list) { free(list->at); }

int boost_list_reserve(struct boost_list *list, size_t count, struct grid_error *err)
{
    if (array_reserve(&list->at, &list->room, count, sizeof(*list->at)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the boosts");
    return 0;
}

int boost_list_add(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct boost_list *list = context;
    int rc = boost_list_reserve(list, list->count + 1, err);
    if (rc == 0)
        list->at[list->count++] = *boost;
    return rc;
}

int boost_take(void *context, const struct grid_boost *found, struct grid_error *err)
{
    (void)err;
    *(struct grid_boost *)context = *found;
    return 1;
}

static int add_other(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct boost_list *list = context;
    return strcmp(boost->boost_id, list->at[0].boost_id) == 0 ? 0
                                                              : boost_list_add(list, boost, err);
}

int ledger_group(struct grid_tx *tx, const struct grid_boost *boost, struct boost_list *ret,
                 struct grid_error *err)
{
    struct grid_boost_filter group = {.group_id = boost->group_id};
    ret->count = 0;
    int rc = boost_list_add(ret, boost, err);
    return rc < 0 || !boost->group_id[0] ? rc : grid_tx_boosts(tx, &group, add_other, ret, err);
}

int ledger_hand_over(const struct grid_changes *changes, size_t begins, size_t ends,
                     grid_boost_fn fn, void *context, struct grid_error *err)
{
    struct grid_event event;
    int rc = 0;
    for (size_t i = begins; fn && rc == 0 && i < ends; i++)
        if (grid_changes_event(changes, i, &event) && event.has_boost
            && event.event != GRID_EVENT_QUEUED && event.event != GRID_EVENT_WITHDRAWN
            && event.event != GRID_EVENT_PREEMPTED)
            rc = fn(context, &event.boost, err);
    return rc < 0 ? rc : 0;
}

/* --- settling --------------------------------------------------------------------------------- */

static int end_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct grid_tx *tx = context;
    int64_t now_us = grid_tx_now(tx);
    /* The original's sweep marks what has expired, too: the end that came first is the true one. */
    if (boost->expires_us <= now_us)
        return grid_tx_put_boost(tx, boost, NULL, GRID_EVENT_EXPIRED, boost->expires_us, NULL,
                                 err);
    return grid_tx_put_boost(tx, boost, NULL, GRID_EVENT_RELEASED, now_us,
                             "marked inactive by another program", err);
}

static int by_start(const void *a, const void *b)
{
    const struct grid_boost *left = a, *right = b;
    if (left->starts_us != right->starts_us)
        return left->starts_us > right->starts_us ? 1 : -1;
    return strcmp(left->boost_id, right->boost_id);
}

/* Ends what ended up to `at_us`. */
static int end_boosts(struct grid_tx *tx, int64_t at_us, struct grid_error *err)
{
    struct grid_boost_filter ended = {.ends_before_us = at_us + 1};
    return grid_tx_boosts(tx, &ended, end_boost, tx, err);
}

/* Devices are given at the start, not with the reservation: whatever order the intervals were
 * asked for in, at each instant there are then enough for those that have started. And by what was
 * lent at that instant, not by what is lent when somebody happens to look: a reader may have said
 * so before it is written. So things happen here in the order of their times. */
static int start_boosts(struct grid_tx *tx, struct grid_error *err)
{
    auto_boosts struct boost_list due = {0};
    struct grid_boost_filter starting = {.starts_before_us = grid_tx_now(tx) + 1};
    int rc = grid_tx_boosts(tx, &starting, boost_list_add, &due, err);
    if (due.count > 1)
        qsort(due.at, due.count, sizeof(*due.at), by_start);
    for (size_t i = 0; rc == 0 && i < due.count; i++) {
        struct grid_boost now = due.at[i];
        if (!now.is_active)
            continue; /* another program has ended it */
        now.started = true;
        rc = end_boosts(tx, now.starts_us, err);
        rc = rc ?: grant_devices(tx, &now, err);
        rc = rc ?: grid_tx_put_boost(tx, &due.at[i], &now, GRID_EVENT_STARTED, now.starts_us,
                                     NULL, err);
    }
    return rc;
}

static int drop_tickets(struct grid_tx *tx, struct grid_error *err)
{
    auto_queue struct queue queue = {0};
    int rc = queue_read(tx, &queue, err);
    for (size_t i = 0; rc == 0 && i < queue.count; i++)
        if (queue.at[i].expires_us <= grid_tx_now(tx))
            rc = grid_tx_put_ticket(tx, &queue.at[i], GRID_EVENT_WITHDRAWN, QUEUE_LAPSED, err);
    return rc;
}

int ledger_settle(struct grid_tx *tx, struct grid_error *err)
{
    int rc = start_boosts(tx, err);
    rc = rc ?: end_boosts(tx, grid_tx_now(tx), err);
    if (rc == 0 && grid_tx_waiting(tx))
        rc = drop_tickets(tx, err);
    return rc;
}
