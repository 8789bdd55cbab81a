/* Why a request does not fit, who is in the way, and from when on it will. */
#include "ledger/capacity.h"
#include "ledger/queue.h"

#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define REASON_TEXT(name, word, text) {word, text},
static const struct {
    const char *word, *text;
} reasons[] = {GRID_REASONS(REASON_TEXT)};

const char *grid_reason_word(enum grid_reason_kind kind) { return reasons[kind].word; }
const char *grid_reason_text(enum grid_reason_kind kind) { return reasons[kind].text; }

struct refusal {
    struct grid_tx *tx;
    const struct capacity *capacity;
    struct grid_explain *explain;
    bool ever;           /* some lender could, one day, or all of them together */
    bool promised;       /* nothing but a promise is in the way of some lender */
    int64_t earliest_us; /* and the soonest of them will then */
    size_t soonest;      /* the count: together */
    size_t before;       /* tickets whose turn comes first */
};

static int tell(const struct refusal *refusal, const struct grid_reason *reason,
                struct grid_error *err)
{
    struct grid_explain *explain = refusal->explain;
    return explain && explain->reason ? explain->reason(explain->context, reason, err) : 0;
}

/* Does the node lend less than is wanted of something, now or ever? A request that may be split
 * takes what there is. */
static bool is_short(const struct capacity *capacity, const struct capacity_node *node, bool ever,
                     struct grid_reason *ret)
{
    const struct grid_request *request = capacity->request;
    bool split = request->split && !request->source_node;
    for (size_t i = 0; i < request->need_count; i++) {
        ret->resource = request->needs[i].resource;
        ret->wanted_u = request->needs[i].amount_u;
        ret->left_u = capacity_left(capacity, (size_t)(node - capacity->nodes), i);
        ret->limit_u = node->lendable_u[i];
        int64_t has_u = ever ? ret->limit_u : ret->left_u;
        if (has_u < ret->wanted_u && !(ever && split && has_u > 0))
            return true;
    }
    ret->resource = "";
    return false;
}

/* The first thing that keeps this node from lending; what never fits is said before what does not
 * now. False: nothing does. */
static bool reason_of(const struct capacity *capacity, const struct capacity_node *node,
                      struct grid_reason *ret)
{
    const struct grid_request *request = capacity->request;
    *ret = (struct grid_reason){.node = node->name, .resource = "", .never = true,
                                .kind = GRID_REASON_OTHER};
    if (request->source_node && strcmp(node->name, request->source_node) != 0)
        return true;
    if (strcmp(node->name, request->target_node) == 0)
        ret->kind = GRID_REASON_TARGET;
    else if (!node->shares)
        ret->kind = GRID_REASON_UNSHARED;
    else if (is_short(capacity, node, true, ret))
        ret->kind = GRID_REASON_LACKING;
    else
        ret->never = false;
    if (ret->never)
        return true;
    if (node->held && node->hold_until_us > capacity->start_us) {
        ret->kind = GRID_REASON_HELD;
        ret->hold_until_us = node->hold_until_us;
        ret->text = node->hold_reason;
    } else if (node->stale) {
        ret->kind = GRID_REASON_STALE;
        ret->last_seen_us = node->last_seen_us;
        ret->stale_after_us = node->stale_after_us;
    } else if (is_short(capacity, node, false, ret)) {
        ret->kind = GRID_REASON_BUSY;
    } else {
        ret->kind = GRID_REASON_PROMISED;
        return node->passed_over;
    }
    return true;
}

/* Of the borrower, or the owner. */
static bool limit_reason(const struct capacity *capacity, size_t need, bool quota,
                         struct grid_reason *ret)
{
    const struct grid_request *request = capacity->request;
    int64_t limit_u = quota ? capacity->quota_u[need] : capacity->borrow_u[need];
    int64_t had_u = quota ? capacity->owned_u[need] : capacity->borrowed_u[need];
    int64_t wanted_u = request->needs[need].amount_u;
    *ret = (struct grid_reason){
        .node = !quota ? request->target_node : request->owner ? request->owner : "",
        .kind = quota ? GRID_REASON_QUOTA : GRID_REASON_BORROW,
        .never = wanted_u > limit_u,
        .resource = request->needs[need].resource,
        .wanted_u = wanted_u,
        .left_u = had_u < limit_u ? limit_u - had_u : 0,
        .limit_u = limit_u,
    };
    return grid_amount_add(had_u, wanted_u) > limit_u;
}

/* Do all lenders together have what no one has, if nothing is lent? In GRID_GROUP_MOST parts, the
 * largest first. Only where the request may be split. */
static bool together(const struct capacity *capacity)
{
    size_t parts = 0;
    if (!capacity->request->split || capacity->request->source_node)
        return false;
    for (size_t need = 0; need < capacity->request->need_count; need++) {
        int64_t missing_u = capacity->request->needs[need].amount_u, below_u = INT64_MAX;
        size_t last = capacity->count;
        while (missing_u > 0 && parts++ < GRID_GROUP_MOST) {
            size_t best = capacity->count;
            int64_t best_u = 0;
            for (size_t i = 0; i < capacity->count; i++) {
                int64_t part_u = capacity_part(capacity, need, capacity->nodes[i].lendable_u[need]);
                bool taken = part_u > below_u || (part_u == below_u && i <= last);
                if (!taken && part_u > best_u
                    && strcmp(capacity->nodes[i].name, capacity->request->target_node) != 0)
                    best = i, best_u = part_u;
            }
            if (best == capacity->count)
                return false;
            missing_u -= best_u;
            below_u = best_u;
            last = best;
        }
        if (missing_u > 0)
            return false;
    }
    return true;
}

int64_t capacity_earliest(struct grid_tx *tx, struct capacity *capacity, size_t *ret_node,
                          struct grid_error *err)
{
    int64_t earliest_us = GRID_NEVER;
    size_t soonest = capacity->count;
    int rc = timeline_read(tx, capacity, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < capacity->count; i++) {
        struct grid_reason reason;
        if (reason_of(capacity, &capacity->nodes[i], &reason) && reason.never)
            continue;
        int64_t from_us = timeline_earliest(capacity, i, capacity->start_us);
        if (from_us < earliest_us) {
            earliest_us = from_us;
            soonest = i;
        }
    }
    if (soonest == capacity->count && together(capacity))
        earliest_us = timeline_together(capacity, err);
    if (ret_node)
        *ret_node = soonest;
    return earliest_us;
}

/* Could one lender, one day, or could all of them together? */
static bool fits_ever(const struct capacity *capacity)
{
    const struct grid_request *request = capacity->request;
    for (size_t i = 0; i < capacity->count; i++) {
        struct grid_reason reason;
        bool alone = !reason_of(capacity, &capacity->nodes[i], &reason) || !reason.never;
        for (size_t need = 0; need < request->need_count; need++)
            alone &= capacity->nodes[i].lendable_u[need] >= request->needs[need].amount_u;
        if (alone)
            return true;
    }
    return together(capacity);
}

static int look_at_nodes(struct refusal *refusal, struct grid_error *err)
{
    const struct capacity *capacity = refusal->capacity;
    refusal->ever = fits_ever(capacity);
    for (size_t i = 0; i < capacity->count; i++) {
        struct grid_reason reason;
        if (!reason_of(capacity, &capacity->nodes[i], &reason)
            || reason.kind == GRID_REASON_OTHER)
            continue;
        refusal->promised |= reason.kind == GRID_REASON_PROMISED;
        reason.never |= !refusal->ever;
        int rc = tell(refusal, &reason, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* *ret: the first limit that is in the way; its wanted_u stays 0 when none is. */
static int look_at_limits(struct refusal *refusal, struct grid_reason *ret,
                          struct grid_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < refusal->capacity->request->need_count; i++)
        for (int quota = 0; rc == 0 && quota < 2; quota++) {
            struct grid_reason reason;
            if (!limit_reason(refusal->capacity, i, quota, &reason))
                continue;
            rc = tell(refusal, &reason, err);
            if (ret->wanted_u == 0 || reason.never)
                *ret = reason;
        }
    return rc;
}

/* Boosts that must end before: of the lender that is free first, of the borrower, of the owner. */
static int pass_blocking(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    const struct refusal *refusal = context;
    const struct capacity *capacity = refusal->capacity;
    const struct grid_request *request = capacity->request;
    bool known = refusal->earliest_us != GRID_NEVER; /* otherwise whatever is there is in the way */
    if ((known && grid_boost_until(boost) > refusal->earliest_us) || !grid_boost_counts(boost)
        || (capacity->length_us != GRID_NEVER
            && boost->starts_us >= grid_time_add(capacity->start_us, capacity->length_us)))
        return 0;
    for (size_t i = 0; i < request->need_count; i++) {
        if (strcmp(request->needs[i].resource, boost->resource_type) != 0)
            continue;
        struct grid_reason reason;
        size_t node = capacity_find(capacity, boost->source_node);
        bool asked = refusal->soonest == capacity->count ? node < capacity->count
                                                         : node == refusal->soonest;
        bool blocks = (asked && capacity_left(capacity, node, i) < request->needs[i].amount_u)
                      || (strcmp(boost->target_node, request->target_node) == 0
                          && limit_reason(capacity, i, false, &reason))
                      || (request->owner && strcmp(boost->owner, request->owner) == 0
                          && limit_reason(capacity, i, true, &reason));
        if (blocks)
            return refusal->explain->blocking(refusal->explain->context, boost, err);
    }
    return 0;
}

static void say_limit(const struct grid_reason *limit, struct grid_error *err)
{
    char most[GRID_AMOUNT_SIZE], left[GRID_AMOUNT_SIZE], rest[GRID_AMOUNT_SIZE + 32] = "";
    grid_amount_show(limit->resource, limit->limit_u, most);
    if (!limit->never)
        snprintf(rest, sizeof(rest), ", and %s of it is left",
                 grid_amount_show(limit->resource, limit->left_u, left));
    enum grid_code code = limit->never ? GRID_ENEVER : GRID_EREFUSED;
    if (limit->kind == GRID_REASON_BORROW)
        grid_error_set(err, code, "'%s' may borrow %s %s at most%s", text_shown(limit->node),
                       most, limit->resource, rest);
    else
        grid_error_set(err, code, "the quota of '%s' is %s %s%s", text_shown(limit->node), most,
                       limit->resource, rest);
}

/* "4.0 CPU and 16.0 GiB MEMORY" */
static void spell_needs(const struct grid_request *request, char *buffer, size_t size)
{
    size_t taken = 0;
    for (size_t i = 0; i < request->need_count && taken < size; i++) {
        char amount[GRID_AMOUNT_SIZE];
        taken += (size_t)snprintf(buffer + taken, size - taken, "%s%s %s", i ? " and " : "",
                                  grid_amount_show(request->needs[i].resource,
                                                   request->needs[i].amount_u, amount),
                                  request->needs[i].resource);
    }
}

/* What is in the way: limits, the lender that was asked for, or all of them. */
static void say_what(const struct refusal *refusal, const struct grid_reason *limit,
                     const char *needs, struct grid_error *err)
{
    const struct grid_request *request = refusal->capacity->request;
    enum grid_code code = refusal->ever ? GRID_EREFUSED : GRID_ENEVER;
    if (limit->wanted_u > 0 && (limit->never || refusal->ever))
        say_limit(limit, err);
    else if (refusal->promised)
        grid_error_set(err, GRID_EREFUSED, "%s would delay a request that waits before this one",
                       needs);
    else if (request->source_node)
        grid_error_set(err, code, "node '%s' %s %s", text_shown(request->source_node),
                       refusal->ever ? "cannot lend now:" : "can never lend", needs);
    else if (refusal->capacity->count < 2)
        grid_error_advise(err, GRID_ENEVER, "'grid node add NAME cpu=16' registers one",
                          "no other node is registered that could lend %s", needs);
    else if (request->split)
        grid_error_set(err, code, "all nodes together %s %s",
                       refusal->ever ? "cannot lend now:" : "can never lend", needs);
    else
        grid_error_set(err, code, "no node %s %s%s",
                       refusal->ever ? "can lend now:" : "can ever lend", needs,
                       refusal->ever && request->preempt ? ", and nothing there may be pre-empted"
                                                         : "");
}

static int say(const struct refusal *refusal, const struct grid_reason *limit,
               struct grid_error *err)
{
    const struct grid_request *request = refusal->capacity->request;
    char needs[GRID_NEEDS_MOST * 64], time[GRID_TIME_SIZE], wait[GRID_TIME_SIZE];
    spell_needs(request, needs, sizeof(needs));
    say_what(refusal, limit, needs, err);
    if (!refusal->ever || limit->never || refusal->earliest_us == GRID_NEVER)
        return (int)err->code;
    return grid_error_hint(err, "it fits from %s on (in %s)%s",
                           grid_time_show(refusal->earliest_us, time),
                           grid_duration_show(refusal->earliest_us
                                              - refusal->capacity->now_us, wait),
                           refusal->before > 0 ? ", after those who wait before it" : "");
}

/* The earliest start by what is known, those that wait before it included. */
static int find_start(struct refusal *refusal, struct capacity *capacity, struct grid_error *err)
{
    auto_queue struct queue queue = {0};
    int64_t start_us = capacity_earliest(refusal->tx, capacity, &refusal->soonest, err);
    int rc = start_us < 0 ? (int)start_us : queue_read(refusal->tx, &queue, err);
    size_t before = refusal->before = queue_before(&queue, capacity->request->priority);
    if (rc == 0 && before > 0 && start_us != GRID_NEVER)
        start_us = queue_promise(refusal->tx, &queue, before, capacity->request, err);
    refusal->earliest_us = start_us;
    return rc < 0 ? rc : start_us < 0 ? (int)start_us : 0;
}

int capacity_refuse(struct grid_tx *tx, struct capacity *capacity, struct grid_explain *explain,
                    struct grid_error *err)
{
    struct refusal refusal = {.tx = tx, .capacity = capacity, .explain = explain};
    struct grid_reason limit = {0};
    int rc = timeline_read(tx, capacity, err);
    rc = rc ?: look_at_nodes(&refusal, err);
    rc = rc ?: look_at_limits(&refusal, &limit, err);
    for (size_t i = 0; i < capacity->count; i++)
        capacity->nodes[i].passed_over = false;
    rc = rc ?: find_start(&refusal, capacity, err);
    if (limit.never || !refusal.ever)
        refusal.earliest_us = GRID_NEVER;
    if (rc == 0 && explain && explain->blocking && refusal.ever && !limit.never)
        rc = grid_tx_boosts(tx, NULL, pass_blocking, &refusal, err);
    if (explain)
        explain->starts_us = refusal.earliest_us;
    return rc < 0 ? rc : say(&refusal, &limit, err);
}
