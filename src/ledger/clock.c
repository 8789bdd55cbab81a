/* After a clock that ran ahead: what it has put into the future comes back to now. */
#include "ledger/dump.h"
#include "ledger/queue.h"
#include "ledger/settle.h"
#include "util/text.h"

#include <stdio.h>

#define REASON "the clock had run ahead"

struct resetting {
    struct grid_tx *tx;
    bool ahead;
    struct grid_node *nodes; /* those that are to be changed */
    size_t count, capacity;
    grid_finding_fn fn;
    void *context;
};

static void move_back(int64_t *at_us, int64_t by_us)
{
    if (*at_us > 0 && *at_us != GRID_NEVER)
        *at_us -= by_us;
}

/* Granted now, it starts and ends as long after as it would have. */
static int reset_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    const struct resetting *resetting = context;
    int64_t now_us = grid_tx_now(resetting->tx), by_us = boost->allocated_us - now_us;
    struct grid_boost now = *boost;
    if (by_us <= 0)
        return 0;
    move_back(&now.allocated_us, by_us);
    move_back(&now.starts_us, by_us);
    move_back(&now.expires_us, by_us);
    move_back(&now.renews_until_us, by_us);
    return grid_tx_put_boost(resetting->tx, boost, &now, GRID_EVENT_EXTENDED, now_us, REASON, err);
}

static int find_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    struct resetting *resetting = context;
    int64_t now_us = grid_tx_now(resetting->tx);
    if (node->first_seen_us <= now_us && node->last_seen_us <= now_us)
        return 0;
    if (array_reserve(&resetting->nodes, &resetting->capacity, resetting->count + 1,
                      sizeof(*node)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the nodes");
    resetting->nodes[resetting->count++] = *node;
    return 0;
}

static int reset_nodes(struct resetting *resetting, struct grid_error *err)
{
    int64_t now_us = grid_tx_now(resetting->tx);
    resetting->count = 0;
    int rc = grid_tx_nodes(resetting->tx, find_node, resetting, err);
    for (size_t i = 0; rc == 0 && i < resetting->count; i++) {
        struct grid_node *node = &resetting->nodes[i];
        if (node->first_seen_us > now_us)
            node->first_seen_us = now_us;
        if (node->last_seen_us > now_us)
            node->last_seen_us = now_us;
        rc = grid_tx_put_node(resetting->tx, node, GRID_EVENT_NODE_SET, REASON, err);
    }
    return rc;
}

/* Those that wait keep what is left of their leases. */
static int reset_tickets(struct grid_tx *tx, struct grid_error *err)
{
    auto_queue struct queue queue = {0};
    int rc = queue_read(tx, &queue, err);
    for (size_t i = 0; rc == 0 && i < queue.count; i++) {
        struct grid_ticket *ticket = &queue.at[i];
        int64_t by_us = ticket->queued_us - grid_tx_now(tx);
        if (by_us <= 0)
            continue;
        move_back(&ticket->queued_us, by_us);
        move_back(&ticket->expires_us, by_us);
        rc = grid_tx_put_ticket(tx, ticket, GRID_EVENT_QUEUED, REASON, err);
    }
    return rc;
}

/* --- telling ---------------------------------------------------------------------------------- */

static int tell_change(const struct resetting *resetting, const struct grid_change *change,
                       int64_t now_us, struct grid_error *err)
{
    char subject[GRID_NODE_SIZE + GRID_ID_SIZE], text[256];
    char was[GRID_TIME_SIZE], now[GRID_TIME_SIZE];
    const struct grid_boost *boost = &change->now;
    if (change->subject == GRID_BOOST) {
        snprintf(subject, sizeof(subject), "boost %s", boost->boost_id);
        snprintf(text, sizeof(text), "its term is counted from now: granted at %s, %s%s",
                 grid_time_show(boost->allocated_us, was),
                 boost->expires_us == GRID_NEVER ? "without an end" : "ends at ",
                 boost->expires_us == GRID_NEVER ? ""
                                                 : grid_time_show(boost->expires_us, now));
    } else if (change->subject == GRID_NODE) {
        snprintf(subject, sizeof(subject), "node %s", change->node->node_id);
        snprintf(text, sizeof(text), "it was seen at %s",
                 grid_time_show(change->node->last_seen_us, was));
    } else if (change->subject == GRID_TICKET) {
        snprintf(subject, sizeof(subject), "ticket %s", change->ticket->ticket_id);
        snprintf(text, sizeof(text), "it waits since %s",
                 grid_time_show(change->ticket->queued_us, was));
    } else {
        snprintf(subject, sizeof(subject), "clock");
        snprintf(text, sizeof(text), "the last change was at %s", grid_time_show(now_us, was));
    }
    struct grid_finding finding = {GRID_WARNING, subject, text};
    return resetting->fn(resetting->context, &finding, err);
}

static int tell(void *context, const struct grid_commit *commit,
                const struct grid_changes *changes, struct grid_error *err)
{
    struct grid_change change;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < grid_changes_count(changes); i++) {
        grid_changes_get(changes, i, &change);
        rc = tell_change(context, &change, commit->now_us, err);
    }
    return rc;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int reset(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct resetting *resetting = context;
    struct grid_boost_filter all = {0};
    resetting->tx = tx;
    int rc = grid_tx_boosts(tx, &all, reset_boost, resetting, err);
    rc = rc ?: reset_nodes(resetting, err);
    if (rc == 0 && grid_tx_waiting(tx))
        rc = reset_tickets(tx, err);
    rc = rc ?: merge_fits(tx, err);
    if (rc == GRID_EREFUSED)
        grid_error_hint(err, "release what is in the way first: see 'grid boost status --all'");
    if (rc == 0 && resetting->ahead)
        rc = grid_tx_put_restored(tx, REASON, err);
    grid_tx_after(tx, tell, resetting);
    return rc;
}

int grid_ledger_reset_clock(struct grid_store *store, bool ahead, grid_finding_fn fn,
                            void *context, struct grid_error *err)
{
    struct resetting resetting = {.ahead = ahead, .fn = fn, .context = context};
    int rc = grid_store_transact(store, GRID_WRITE, reset, &resetting, NULL, err);
    free(resetting.nodes);
    return rc;
}
