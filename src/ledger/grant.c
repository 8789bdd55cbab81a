/* Granting: the one way in which a request, or a ticket, becomes boosts. */
#include "ledger/grant.h"

#include "ledger/capacity.h"
#include "ledger/queue.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define DEVICES_MOST 64 /* of one node: the bits of grid_boost.devices */

/* --- ids -------------------------------------------------------------------------------------- */

void grid_member_id(const char *boost_id, size_t index, char ret[static GRID_ID_SIZE])
{
    char *end, head[9];
    text_copy(ret, GRID_ID_SIZE, boost_id);
    if (index == 0)
        return;
    snprintf(head, sizeof(head), "%.8s", boost_id);
    unsigned long digits = strtoul(head, &end, 16);
    if (end != head + 8) /* no UUID */
        snprintf(ret, GRID_ID_SIZE, "%zu-%.100s", index, boost_id);
    else /* steps of the golden ratio lie far apart, whatever they start from */
        snprintf(ret, GRID_ID_SIZE, "%08x%s", (unsigned)(digits + index * 0x9e3779b1u),
                 boost_id + 8);
}

/* --- devices ---------------------------------------------------------------------------------- */

struct devices {
    int64_t at_us;
    uint64_t used;
};

static int take_devices(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct devices *devices = context;
    if (!grid_boost_starts_later(boost, devices->at_us) && boost->expires_us > devices->at_us)
        devices->used |= boost->devices;
    return 0;
}

int grant_devices(struct grid_tx *tx, struct grid_boost *boost, struct grid_error *err)
{
    struct grid_boost_filter lent = {.source_node = boost->source_node, .resource_type = "GPU"};
    struct devices devices = {boost->starts_us, 0};
    struct grid_node node;
    int64_t missing = boost->amount_u / GRID_AMOUNT_UNIT;
    uint64_t given = 0;
    if (strcmp(boost->resource_type, "GPU") != 0 || boost->amount_u % GRID_AMOUNT_UNIT != 0
        || !grid_tx_managed(tx) || !grid_boost_counts(boost))
        return 0;
    int rc = grid_tx_node(tx, boost->source_node, &node, err);
    if (rc == GRID_ENOTFOUND || rc == GRID_ECORRUPT)
        return 0; /* how many it has is not known; one bad record stops nobody */
    if (rc < 0)
        return rc;
    int64_t there = grid_amounts_get(&node.capacity, "GPU", 0) / GRID_AMOUNT_UNIT;
    rc = grid_tx_boosts(tx, &lent, take_devices, &devices, err);
    for (int i = 0; rc == 0 && i < DEVICES_MOST && i < there && missing > 0; i++) {
        if (devices.used >> i & 1)
            continue;
        given |= UINT64_C(1) << i;
        missing--;
    }
    boost->devices = missing == 0 ? given : 0;
    return rc;
}

/* --- putting ---------------------------------------------------------------------------------- */

static void copy_text(char *to, size_t size, const char *from)
{
    text_copy(to, size, from ? from : "");
}

/* When it starts, and how long it lasts. */
struct interval {
    int64_t start_us, length_us;
};

/* All but what differs from member to member. */
static void fill(struct grid_tx *tx, const struct grant *grant, const struct interval *interval,
                 struct grid_boost *boost)
{
    const struct grid_request *request = grant->request;
    int64_t end_us = grid_time_add(interval->start_us, interval->length_us);
    int64_t pickup_us = interval->start_us > grid_tx_now(tx) ? grant->later_pickup_us
                                                             : grant->pickup_us;
    int64_t lease_us = pickup_us > 0 ? pickup_us : request->lease_us;
    int64_t lease_end_us = grid_time_add(interval->start_us, lease_us);
    *boost = (struct grid_boost){
        .allocated_us = grid_tx_now(tx),
        .starts_us = interval->start_us,
        .expires_us = lease_us > 0 && lease_end_us < end_us ? lease_end_us : end_us,
        .renews_until_us = lease_us > 0 ? end_us : 0,
        .unclaimed = pickup_us > 0,
        .token = grid_tx_token(tx),
        .priority = request->priority,
        .is_active = true,
    };
    copy_text(boost->target_node, sizeof(boost->target_node), request->target_node);
    copy_text(boost->owner, sizeof(boost->owner), request->owner);
    copy_text(boost->host, sizeof(boost->host), request->host);
    copy_text(boost->reason, sizeof(boost->reason), request->reason);
    copy_text(boost->request_id, sizeof(boost->request_id), request->request_id);
    if (request->request_id)
        copy_text(boost->requested, sizeof(boost->requested), grant->requested);
}

/* One record for each share; `capacity` NULL: an open ledger. */
static int put(struct grid_tx *tx, const struct grant *grant, const struct interval *interval,
               const struct capacity *capacity, const struct capacity_share *shares, size_t count,
               struct grid_error *err)
{
    const struct grid_request *request = grant->request;
    const char *open = request->source_node ? request->source_node : GRID_ANY_NODE;
    bool later = interval->start_us > grid_tx_now(tx);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct grid_boost boost;
        fill(tx, grant, interval, &boost);
        grid_member_id(request->boost_id, i, boost.boost_id);
        boost.amount_u = shares[i].amount_u;
        copy_text(boost.source_node, sizeof(boost.source_node),
                  capacity ? capacity->nodes[shares[i].node].name : open);
        copy_text(boost.resource_type, sizeof(boost.resource_type),
                  request->needs[shares[i].need].resource);
        copy_text(boost.group_id, sizeof(boost.group_id), count > 1 ? request->boost_id : "");
        rc = later ? 0 : grant_devices(tx, &boost, err);
        rc = rc ?: grid_tx_put_boost(tx, NULL, &boost,
                                     later ? GRID_EVENT_SCHEDULED : GRID_EVENT_GRANTED,
                                     grid_tx_now(tx),
                                     grant->reason ? grant->reason : request->reason, err);
        if (i == 0)
            grant->ret->boost = boost;
    }
    return rc;
}

static int put_open(struct grid_tx *tx, const struct grant *grant, const struct interval *interval,
                    struct grid_error *err)
{
    struct capacity_share shares[GRID_GROUP_MOST];
    const struct grid_request *request = grant->request;
    for (size_t i = 0; i < request->need_count; i++)
        shares[i] = (struct capacity_share){0, i, request->needs[i].amount_u};
    grant->ret->unchecked = true;
    return put(tx, grant, interval, NULL, shares, request->need_count, err);
}

/* --- choosing, with the queue in mind --------------------------------------------------------- */

/* Puts the shares: 1; 0: that would break the promise, nothing is put. */
static int try_shares(struct grid_tx *tx, const struct grant *grant,
                      const struct capacity *capacity, const struct capacity_share *shares,
                      size_t count, struct grid_error *err)
{
    size_t mark = grid_tx_mark(tx);
    struct interval interval = {capacity->start_us, capacity->length_us};
    int rc = put(tx, grant, &interval, capacity, shares, count, err);
    if (rc == 0)
        rc = grant->promise ? queue_stands(tx, grant->promise, err) : 1;
    if (rc == 0)
        grid_tx_undo(tx, mark);
    return rc;
}

/* Tries the lenders from the best one on. 1: granted; 0: it does not fit. */
static int try_lenders(struct grid_tx *tx, const struct grant *grant, struct capacity *capacity,
                       struct grid_error *err)
{
    struct capacity_share shares[GRID_GROUP_MOST];
    size_t count;
    for (;;) {
        int rc = capacity_choose(tx, capacity, shares, &count, err);
        if (rc < 0 || count == 0)
            return rc;
        rc = try_shares(tx, grant, capacity, shares, count, err);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < count; i++)
            capacity->nodes[shares[i].node].passed_over = true;
    }
}

static int try_preempting(struct grid_tx *tx, const struct grant *grant, struct capacity *capacity,
                          struct grid_error *err)
{
    struct capacity_share shares[GRID_GROUP_MOST];
    size_t node, mark = grid_tx_mark(tx);
    if (!grant->request->preempt || capacity->start_us > capacity->now_us)
        return 0; /* a reservation ends nobody */
    for (;;) {
        int rc = preempt_victims(tx, capacity, &node, err);
        if (rc <= 0)
            return rc;
        size_t count = capacity_take_all(capacity, node, shares);
        rc = timeline_fits(capacity, node)
                 ? try_shares(tx, grant, capacity, shares, count, err) : 0;
        if (rc != 0)
            return rc;
        grid_tx_undo(tx, mark);
        capacity->nodes[node].passed_over = true;
    }
}

static int put_managed(struct grid_tx *tx, const struct grant *grant,
                       const struct interval *interval, struct grid_error *err)
{
    auto_capacity struct capacity capacity = {0};
    int rc = capacity_read(tx, grant->request, interval->start_us, interval->length_us, &capacity,
                           err);
    rc = rc ?: try_lenders(tx, grant, &capacity, err);
    rc = rc ?: try_preempting(tx, grant, &capacity, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (grant->silent)
        return grid_error_set(err, GRID_EREFUSED, "it does not fit now");
    return capacity_refuse(tx, &capacity, grant->explain, err);
}

int64_t grant_length(const struct grid_tx *tx, const struct grid_request *request)
{
    return request->duration_us > 0 ? request->duration_us
                                    : grid_tx_policy(tx)->default_duration_us;
}

/* What refuses a request whatever there is. */
static int check(struct grid_tx *tx, const struct grid_request *request,
                 const struct interval *interval, struct grid_error *err)
{
    char most[GRID_TIME_SIZE];
    const struct grid_policy *policy = grid_tx_policy(tx);
    if (interval->start_us < grid_tx_now(tx))
        return grid_error_set(err, GRID_EUSAGE, "the start '%s' is in the past",
                              grid_time_show(interval->start_us, most));
    if (!policy->enabled)
        return grid_error_advise(err, GRID_ENEVER, "'grid policy set enabled=true' allows it",
                                 "sharing is disabled by the policy");
    if (request->source_node && strcmp(request->source_node, request->target_node) == 0)
        return grid_error_set(err, GRID_ENEVER, "node '%s' cannot lend to itself",
                              text_shown(request->target_node));
    if (interval->length_us > policy->max_duration_us)
        return grid_error_set(err, GRID_ENEVER, "the policy allows %s at most",
                              grid_duration_show(policy->max_duration_us, most));
    return 0;
}

int grant_boosts(struct grid_tx *tx, const struct grant *grant, struct grid_error *err)
{
    const struct grid_request *request = grant->request;
    struct interval interval = {
        .start_us = request->start_us ? request->start_us : grid_tx_now(tx),
        .length_us = grant_length(tx, request),
    };
    int rc = check(tx, request, &interval, err);
    if (rc < 0)
        return rc;
    return grid_tx_managed(tx) ? put_managed(tx, grant, &interval, err)
                               : put_open(tx, grant, &interval, err);
}
