/* Granting boosts: once for each request id, only what there is, whole or not at all. */
#include "ledger/capacity.h"
#include "ledger/settle.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define DEVICES_MOST 64 /* of one node: the bits of grid_boost.devices */

struct requesting {
    const struct grid_request *request;
    struct grid_explain *explain;
    struct grid_grant *grant;
    grid_boost_fn fn;
    void *context;
    size_t settled; /* changes that were not asked for */
    char requested[GRID_REQUEST_SIZE];
};

/* The request as typed, in one order and one spelling: two requests are the same when these are.
 * A reason is a remark and does not count. */
static void spell(const struct grid_request *request, char *text, size_t size)
{
    char amount[GRID_AMOUNT_SIZE], duration[32] = "never";
    const char *owner = request->owner, *source = request->source_node;
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    if (request->duration_us != GRID_NEVER)
        snprintf(duration, sizeof(duration), "%llds",
                 (long long)(request->duration_us / GRID_SECOND));
    buffer_text(&out, request->target_node);
    for (size_t i = 0; i < request->need_count; i++)
        buffer_format(&out, " %s %s", request->needs[i].resource,
                      grid_amount_format(request->needs[i].resource, request->needs[i].amount_u,
                                         amount));
    buffer_format(&out, " --priority %s", grid_priority_name(request->priority));
    if (request->duration_us > 0)
        buffer_format(&out, " --duration %s", duration);
    if (source)
        buffer_format(&out, " --source %s", source);
    if (request->prefer_node)
        buffer_format(&out, " --prefer %s", request->prefer_node);
    buffer_format(&out, "%s%s%s", request->split ? " --split" : "", owner ? " --owner " : "",
                  owner ? owner : "");
    const char *all = buffer_string(&out);
    text_copy(text, size, all ? all : "");
}

static int take_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    *(struct grid_boost *)context = *boost;
    return 1;
}

/* --- request ids ------------------------------------------------------------------------------ */

struct replay {
    int64_t forgotten_us; /* what ended before is not known any more */
    struct grid_boost *boost;
};

static int take_ended(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    const struct replay *replay = context;
    if (grid_event_ends(event->event) == GRID_ACTIVE)
        return 0;
    if (event->at_us <= replay->forgotten_us)
        return 0;
    *replay->boost = event->boost;
    return 1;
}

/* Looks for the boost that this request id has made: 1 when there is one. */
static int find_replay(struct grid_tx *tx, const char *request_id, struct grid_boost *ret,
                       struct grid_error *err)
{
    struct grid_boost_filter living = {.request_id = request_id};
    int rc = grid_tx_boosts(tx, &living, take_boost, ret, err);
    if (rc != 0)
        return rc;
    struct grid_event_filter ended = {.request_id = request_id};
    struct replay replay = {grid_tx_now(tx) - GRID_REQUEST_MEMORY, ret};
    return grid_tx_events(tx, &ended, take_ended, &replay, err);
}

/* 1: this is a replay, and the grant is filled with what was made then. */
static int replay(struct grid_tx *tx, struct requesting *requesting, struct grid_error *err)
{
    const char *key = requesting->request->request_id;
    struct grid_boost *boost = &requesting->grant->boost;
    int rc = key ? find_replay(tx, key, boost, err) : 0;
    if (rc <= 0)
        return rc;
    if (strcmp(boost->requested, requesting->requested) != 0) {
        char shown[GRID_ID_SIZE], then[GRID_REQUEST_SIZE], now[GRID_REQUEST_SIZE];
        grid_error_set(err, GRID_ECONFLICT, "request id '%s' was used with other values",
                       text_printable(key, shown, sizeof(shown)));
        return grid_error_hint(err, "then: %s; now: %s",
                               text_printable(boost->requested, then, sizeof(then)),
                               text_printable(requesting->requested, now, sizeof(now)));
    }
    requesting->grant->replayed = true;
    return 1;
}

static void copy_text(char *to, size_t size, const char *from)
{
    text_copy(to, size, from ? from : "");
}

/* --- devices ---------------------------------------------------------------------------------- */

static int take_devices(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    *(uint64_t *)context |= boost->devices;
    return 0;
}

/* A whole number of GPUs gets the lowest indices that nobody has; a part of one gets none, and so
 * does everybody where there are not enough left that are known. */
static int give_devices(struct grid_tx *tx, const struct capacity_node *lender, size_t need,
                        struct grid_boost *boost, struct grid_error *err)
{
    struct grid_boost_filter lent = {.source_node = lender->name, .resource_type = "GPU"};
    int64_t missing = boost->amount_u / GRID_AMOUNT_UNIT;
    int64_t there = lender->capacity_u[need] / GRID_AMOUNT_UNIT;
    uint64_t used = 0, given = 0;
    if (strcmp(boost->resource_type, "GPU") != 0 || boost->amount_u % GRID_AMOUNT_UNIT != 0)
        return 0;
    int rc = grid_tx_boosts(tx, &lent, take_devices, &used, err);
    for (int i = 0; rc == 0 && i < DEVICES_MOST && i < there && missing > 0; i++) {
        if (used >> i & 1)
            continue;
        given |= UINT64_C(1) << i;
        missing--;
    }
    boost->devices = missing == 0 ? given : 0;
    return rc;
}

/* --- granting --------------------------------------------------------------------------------- */

static void fill(struct grid_tx *tx, const struct requesting *requesting, size_t index,
                 int64_t end_us, struct grid_boost *boost)
{
    const struct grid_request *request = requesting->request;
    int64_t now_us = grid_tx_now(tx);
    *boost = (struct grid_boost){
        .allocated_us = now_us,
        .starts_us = now_us,
        .expires_us = end_us,
        .token = grid_tx_token(tx),
        .priority = request->priority,
        .is_active = true,
    };
    copy_text(boost->boost_id, sizeof(boost->boost_id), request->boost_ids[index]);
    copy_text(boost->target_node, sizeof(boost->target_node), request->target_node);
    copy_text(boost->owner, sizeof(boost->owner), request->owner);
    copy_text(boost->host, sizeof(boost->host), request->host);
    copy_text(boost->reason, sizeof(boost->reason), request->reason);
    copy_text(boost->request_id, sizeof(boost->request_id), request->request_id);
    if (request->request_id)
        copy_text(boost->requested, sizeof(boost->requested), requesting->requested);
}

/* One record for each share; `capacity` NULL: an open ledger. */
static int grant(struct grid_tx *tx, const struct requesting *requesting, int64_t end_us,
                 const struct capacity *capacity, const struct capacity_share *shares,
                 size_t count, struct grid_error *err)
{
    const struct grid_request *request = requesting->request;
    if (count > request->id_count)
        return grid_error_set(err, GRID_EREFUSED, "it would take more than %zu lenders",
                              request->id_count);
    for (size_t i = 0; i < count; i++) {
        struct grid_boost boost;
        const struct capacity_node *lender = capacity ? &capacity->nodes[shares[i].node] : NULL;
        const char *open = request->source_node ? request->source_node : GRID_ANY_NODE;
        fill(tx, requesting, i, end_us, &boost);
        boost.amount_u = shares[i].amount_u;
        copy_text(boost.source_node, sizeof(boost.source_node), lender ? lender->name : open);
        copy_text(boost.resource_type, sizeof(boost.resource_type),
                  request->needs[shares[i].need].resource);
        copy_text(boost.group_id, sizeof(boost.group_id), count > 1 ? request->boost_ids[0] : "");
        int rc = lender ? give_devices(tx, lender, shares[i].need, &boost, err) : 0;
        rc = rc ?: grid_tx_put_boost(tx, NULL, &boost, GRID_EVENT_GRANTED, grid_tx_now(tx),
                                     request->reason, err);
        if (rc < 0)
            return rc;
        if (i == 0)
            requesting->grant->boost = boost;
    }
    return 0;
}

static int grant_open(struct grid_tx *tx, const struct requesting *requesting, int64_t end_us,
                      struct grid_error *err)
{
    struct capacity_share shares[GRID_NEEDS_MOST];
    const struct grid_request *request = requesting->request;
    for (size_t i = 0; i < request->need_count; i++)
        shares[i] = (struct capacity_share){0, i, request->needs[i].amount_u};
    requesting->grant->unchecked = true;
    return grant(tx, requesting, end_us, NULL, shares, request->need_count, err);
}

static int grant_managed(struct grid_tx *tx, const struct requesting *requesting, int64_t end_us,
                         struct grid_error *err)
{
    auto_capacity struct capacity capacity = {0};
    struct capacity_share shares[GRID_GROUP_MOST];
    int rc = capacity_read(tx, requesting->request, end_us, &capacity, err);
    if (rc == 0)
        rc = capacity_choose(tx, &capacity, shares, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return capacity_refuse(tx, &capacity, requesting->explain, err);
    return grant(tx, requesting, end_us, &capacity, shares, (size_t)rc, err);
}

/* What refuses a request whatever there is. */
static int check_policy(struct grid_tx *tx, const struct grid_request *request,
                        int64_t duration_us, struct grid_error *err)
{
    char most[GRID_TIME_SIZE];
    const struct grid_policy *policy = grid_tx_policy(tx);
    if (!policy->enabled)
        return grid_error_advise(err, GRID_ENEVER, "'grid policy set enabled=true' allows it",
                                 "sharing is disabled by the policy");
    if (request->source_node && strcmp(request->source_node, request->target_node) == 0)
        return grid_error_set(err, GRID_ENEVER, "node '%s' cannot lend to itself",
                              text_shown(request->target_node));
    if (duration_us > policy->max_duration_us)
        return grid_error_set(err, GRID_ENEVER, "the policy allows %s at most",
                              grid_duration_show(policy->max_duration_us, most));
    return 0;
}

/* Hands over the members: what was granted now, after what was settled. */
static int hand_over(void *context, const struct grid_commit *commit,
                     const struct grid_changes *changes, struct grid_error *err)
{
    (void)commit;
    const struct requesting *requesting = context;
    struct grid_event event;
    int rc = 0;
    for (size_t i = requesting->settled; rc == 0 && i < grid_changes_count(changes); i++)
        if (grid_changes_event(changes, i, &event))
            rc = requesting->fn(requesting->context, &event.boost, err);
    return rc < 0 ? rc : 0;
}

/* The members of a group that was granted before, as far as they live. */
static int hand_replayed(struct grid_tx *tx, const struct requesting *requesting,
                         struct grid_error *err)
{
    const struct grid_boost *first = &requesting->grant->boost;
    struct grid_boost_filter group = {.group_id = first->group_id};
    if (!requesting->fn)
        return 0;
    if (!first->group_id[0] || first->ended != GRID_ACTIVE)
        return requesting->fn(requesting->context, first, err);
    return grid_tx_boosts(tx, &group, requesting->fn, requesting->context, err);
}

static int decide(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct requesting *requesting = context;
    const struct grid_request *request = requesting->request;
    int64_t duration_us = request->duration_us > 0 ? request->duration_us
                                                   : grid_tx_policy(tx)->default_duration_us;
    *requesting->grant = (struct grid_grant){0};
    int rc = ledger_settle(tx, &requesting->settled, err);
    if (rc == 0)
        rc = replay(tx, requesting, err);
    if (rc > 0)
        rc = hand_replayed(tx, requesting, err);
    else if (rc == 0)
        rc = check_policy(tx, request, duration_us, err);
    if (rc < 0 || requesting->grant->replayed)
        return rc;
    if (requesting->fn)
        grid_tx_after(tx, hand_over, requesting);
    int64_t end_us = grid_time_add(grid_tx_now(tx), duration_us);
    return grid_tx_managed(tx) ? grant_managed(tx, requesting, end_us, err)
                               : grant_open(tx, requesting, end_us, err);
}

int grid_ledger_request(struct grid_store *store, const struct grid_request *request, bool dry_run,
                        struct grid_explain *explain, struct grid_grant *ret, grid_boost_fn fn,
                        void *context, struct grid_error *err)
{
    struct grid_grant grant;
    struct requesting requesting = {.request = request, .explain = explain, .grant = &grant,
                                    .fn = fn, .context = context};
    spell(request, requesting.requested, sizeof(requesting.requested));
    int rc = grid_store_transact(store, dry_run ? GRID_READ : GRID_WRITE, decide, &requesting,
                                 NULL, err);
    if (rc == 0 || rc == GRID_EUNKNOWN)
        *ret = grant;
    return rc;
}
