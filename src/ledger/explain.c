/* Why a request does not fit, who is in the way, and from when on it will. */
#include "ledger/capacity.h"

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
    bool ever;           /* some lender could, one day */
    int64_t earliest_us; /* and the soonest of them will then */
    size_t soonest;
};

static int tell(const struct refusal *refusal, const struct grid_reason *reason,
                struct grid_error *err)
{
    struct grid_explain *explain = refusal->explain;
    return explain && explain->reason ? explain->reason(explain->context, reason, err) : 0;
}

/* The first thing that keeps this node from lending. False: nothing does. */
static bool reason_of(const struct capacity *capacity, const struct capacity_node *node,
                      struct grid_reason *ret)
{
    const struct grid_request *request = capacity->request;
    *ret = (struct grid_reason){.node = node->name, .resource = "", .never = true};
    if (strcmp(node->name, request->target_node) == 0)
        return ret->kind = GRID_REASON_TARGET, true;
    if (request->source_node && strcmp(node->name, request->source_node) != 0)
        return ret->kind = GRID_REASON_OTHER, true;
    if (!node->shares)
        return ret->kind = GRID_REASON_UNSHARED, true;
    for (int pass = 0; pass < 2; pass++) { /* what never fits is said before what does not now */
        for (size_t i = 0; i < request->need_count; i++) {
            int64_t has_u = pass == 0 ? node->lendable_u[i] : capacity_left(node, i);
            ret->resource = request->needs[i].resource;
            ret->wanted_u = request->needs[i].amount_u;
            ret->left_u = capacity_left(node, i);
            ret->limit_u = node->lendable_u[i];
            ret->kind = pass == 0 ? GRID_REASON_LACKING : GRID_REASON_BUSY;
            if (has_u < ret->wanted_u)
                return true;
        }
        ret->never = false;
        if (pass == 0 && (node->held || node->stale)) {
            ret->kind = node->held ? GRID_REASON_HELD : GRID_REASON_STALE;
            return ret->resource = "", true;
        }
    }
    return capacity->later; /* what is left now is promised */
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

/* Do all lenders together have what no one has? Only where the request may be split. */
static bool together(const struct capacity *capacity)
{
    for (size_t i = 0; i < capacity->request->need_count; i++) {
        int64_t sum_u = 0;
        for (size_t j = 0; j < capacity->count; j++)
            if (capacity->nodes[j].shares
                && strcmp(capacity->nodes[j].name, capacity->request->target_node) != 0)
                sum_u = grid_amount_add(sum_u,
                                        capacity_part(capacity, i,
                                                      capacity->nodes[j].lendable_u[i]));
        if (sum_u < capacity->request->needs[i].amount_u)
            return false;
    }
    return capacity->request->split && !capacity->request->source_node;
}

static int look_at_nodes(struct refusal *refusal, struct grid_error *err)
{
    const struct capacity *capacity = refusal->capacity;
    refusal->earliest_us = GRID_NEVER;
    refusal->ever = together(capacity);
    for (size_t i = 0; i < capacity->count; i++) {
        struct grid_reason reason;
        bool any = reason_of(capacity, &capacity->nodes[i], &reason);
        int rc = any && reason.kind != GRID_REASON_OTHER ? tell(refusal, &reason, err) : 0;
        if (rc != 0)
            return rc;
        if (any && reason.never)
            continue;
        refusal->ever = true;
        int64_t earliest_us = timeline_earliest(refusal->tx, capacity, i, err);
        if (earliest_us < 0)
            return (int)earliest_us;
        if (earliest_us < refusal->earliest_us) {
            refusal->earliest_us = earliest_us;
            refusal->soonest = i;
        }
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
    if (boost->expires_us > refusal->earliest_us || !grid_boost_counts(boost))
        return 0;
    for (size_t i = 0; i < request->need_count; i++) {
        if (strcmp(request->needs[i].resource, boost->resource_type) != 0)
            continue;
        struct grid_reason reason;
        const struct capacity_node *lender = &capacity->nodes[refusal->soonest];
        bool blocks = (strcmp(boost->source_node, lender->name) == 0
                       && capacity_left(lender, i) < request->needs[i].amount_u)
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

static int say(const struct refusal *refusal, const struct grid_reason *limit,
               struct grid_error *err)
{
    const struct grid_request *request = refusal->capacity->request;
    char needs[GRID_NEEDS_MOST * 64], time[GRID_TIME_SIZE], wait[GRID_TIME_SIZE];
    spell_needs(request, needs, sizeof(needs));
    if (limit->wanted_u > 0 && (limit->never || refusal->ever))
        say_limit(limit, err);
    else if (request->source_node)
        grid_error_set(err, refusal->ever ? GRID_EREFUSED : GRID_ENEVER, "node '%s' %s %s",
                       text_shown(request->source_node),
                       refusal->ever ? "cannot lend now:" : "can never lend", needs);
    else
        grid_error_set(err, refusal->ever ? GRID_EREFUSED : GRID_ENEVER, "no node %s %s",
                       refusal->ever ? "can lend now:" : "can ever lend", needs);
    if (!refusal->ever || limit->never)
        return grid_error_hint(err, "see the reasons with 'grid boost explain'");
    if (refusal->earliest_us == GRID_NEVER)
        return grid_error_hint(err, "when it will fit is not known: see 'grid boost explain'");
    return grid_error_hint(err, "it fits from %s on (in %s)",
                           grid_time_show(refusal->earliest_us, time),
                           grid_duration_show(refusal->earliest_us
                                              - refusal->capacity->now_us, wait));
}

int capacity_refuse(struct grid_tx *tx, const struct capacity *capacity,
                    struct grid_explain *explain, struct grid_error *err)
{
    struct refusal refusal = {.tx = tx, .capacity = capacity, .explain = explain};
    struct grid_reason limit = {0};
    int rc = look_at_nodes(&refusal, err);
    if (rc == 0)
        rc = look_at_limits(&refusal, &limit, err);
    if (limit.never || !refusal.ever)
        refusal.earliest_us = GRID_NEVER;
    if (rc == 0 && explain && explain->blocking && refusal.earliest_us != GRID_NEVER)
        rc = grid_tx_boosts(tx, NULL, pass_blocking, &refusal, err);
    if (explain)
        explain->starts_us = refusal.earliest_us;
    return rc < 0 ? rc : say(&refusal, &limit, err);
}
