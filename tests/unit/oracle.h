/* A model of a ledger, written anew and as naively as can be, and what a request must come to by
 * it: for the test of random operations. */
#ifndef UNIT_ORACLE_H
#define UNIT_ORACLE_H

#include "grid/ledger.h"
#include "support/clock.h"
#include "util/text.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define BOOSTS_MOST 4096
#define NAMES 7

static const char *const names[NAMES] = {"n0", "n1", "n2", "n3", "n4", "n5", "nowhere"};
static const char *const resources[] = {"CPU", "GPU", "MEMORY"};
static const char *const owners[] = {"ann", "bob", NULL};
static const int64_t units[] = {GRID_AMOUNT_UNIT / 2, GRID_AMOUNT_UNIT / 2, GRID_MEMORY_GIB / 2};

/* --- the model ------------------------------------------------------------------------------- */

static struct model {
    struct grid_store *store;
    const char *url;
    unsigned long long seed, state;
    int operation, ids;
    struct grid_boost *boosts; /* all that live */
    int count;
    struct grid_node nodes[NAMES];
    int node_count;
    struct grid_policy policy;
    size_t granted, refused, never;
} model;

#define holds(condition, format, ...)                                                             \
    cr_assert(condition, "GRID_PROPERTY_SEED=%llu, %s, operation %d: " format, model.seed,        \
              model.url, model.operation, ##__VA_ARGS__)

static inline unsigned below(unsigned limit) /* splitmix64 */
{
    uint64_t z = model.state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ z >> 31) % limit);
}

static inline struct grid_node *node_named(const char *name)
{
    for (int i = 0; i < model.node_count; i++)
        if (name && strcmp(model.nodes[i].node_id, name) == 0)
            return &model.nodes[i];
    return NULL;
}

static inline void forget(int index)
{
    model.count--;
    memmove(&model.boosts[index], &model.boosts[index + 1],
            (size_t)(model.count - index) * sizeof(model.boosts[0]));
}

static inline void settle(int64_t now_us)
{
    for (int i = model.count; i-- > 0;)
        if (model.boosts[i].expires_us <= now_us)
            forget(i);
}

enum sum { LENT, BORROWED, OWNED };

static inline int64_t sum_at(enum sum sum, const char *name, const char *resource, int64_t at_us)
{
    int64_t sum_u = 0;
    for (int i = 0; i < model.count; i++) {
        const struct grid_boost *boost = &model.boosts[i];
        const char *whose = sum == LENT ? boost->source_node
                            : sum == BORROWED ? boost->target_node : boost->owner;
        if (strcmp(boost->source_node, GRID_ANY_NODE) != 0 /* counts against nobody */
            && strcmp(whose, name) == 0 && strcmp(boost->resource_type, resource) == 0
            && boost->starts_us <= at_us && at_us < boost->expires_us)
            sum_u += boost->amount_u;
    }
    return sum_u;
}

static inline int64_t lendable(const struct grid_node *node, const char *resource)
{
    int64_t left_u = grid_amounts_get(&node->capacity, resource, 0)
                     - grid_amounts_get(&node->keep, resource, 0);
    int64_t lend_u = grid_amounts_get(&node->lend, resource, INT64_MAX);
    left_u = left_u < lend_u ? left_u : lend_u;
    return node->can_share && left_u > 0 ? left_u : 0;
}

/* --- the oracle ------------------------------------------------------------------------------ */

static inline bool fits_at(const struct grid_request *request, const struct grid_node *lender,
                           int64_t at_us)
{
    const char *owner = request->owner ? request->owner : "";
    const struct grid_node *target = node_named(request->target_node);
    for (size_t i = 0; i < request->need_count; i++) {
        const char *resource = request->needs[i].resource;
        int64_t amount_u = request->needs[i].amount_u;
        if (sum_at(LENT, lender->node_id, resource, at_us) + amount_u > lendable(lender, resource)
            || sum_at(BORROWED, target->node_id, resource, at_us) + amount_u
                   > grid_amounts_get(&target->borrow, resource, GRID_MEMORY_MAX)
            || sum_at(OWNED, owner, resource, at_us) + amount_u
                   > grid_amounts_get(&model.policy.quota, resource, GRID_MEMORY_MAX))
            return false;
    }
    return true;
}

/* The highest that a sum is from `at_us` up to `end_us`. Sums rise only where a boost starts. */
static inline int64_t peak(enum sum sum, const char *name, const char *resource, int64_t at_us,
                           int64_t end_us)
{
    int64_t most_u = sum_at(sum, name, resource, at_us);
    for (int i = 0; i < model.count; i++)
        if (model.boosts[i].starts_us > at_us && model.boosts[i].starts_us < end_us) {
            int64_t then_u = sum_at(sum, name, resource, model.boosts[i].starts_us);
            most_u = then_u > most_u ? then_u : most_u;
        }
    return most_u;
}

/* From `at_us` on, for as long as it takes? Sums rise only where a boost starts. */
static inline bool fits(const struct grid_request *request, const struct grid_node *lender,
                        int64_t at_us, int64_t now_us)
{
    int64_t end_us = grid_time_add(at_us, request->duration_us);
    if (lender == node_named(request->target_node) || !lender->can_share
        || (request->source_node && strcmp(request->source_node, lender->node_id) != 0)
        || (lender->held && at_us < lender->hold_until_us)
        || (lender->stale_after_us && now_us - lender->last_seen_us > lender->stale_after_us)
        || !fits_at(request, lender, at_us))
        return false;
    for (int i = 0; i < model.count; i++)
        if (model.boosts[i].starts_us > at_us && model.boosts[i].starts_us < end_us
            && !fits_at(request, lender, model.boosts[i].starts_us))
            return false;
    return true;
}

static inline void try_at(const struct grid_request *request, int64_t at_us, int64_t now_us,
                          int64_t *earliest_us)
{
    if (at_us < now_us || at_us < request->start_us || at_us >= *earliest_us)
        return;
    for (int i = 0; i < model.node_count; i++)
        if (at_us < *earliest_us && fits(request, &model.nodes[i], at_us, now_us))
            *earliest_us = at_us;
}

/* Do all that may lend now have enough together, from `at_us` on for good? */
static inline bool together_at(const struct grid_request *request, int64_t at_us, int64_t from_us,
                               int64_t now_us)
{
    const struct grid_node *target = node_named(request->target_node);
    for (size_t j = 0; j < request->need_count; j++) {
        const char *resource = request->needs[j].resource;
        int64_t amount_u = request->needs[j].amount_u, sum_u = 0;
        bool whole = strcmp(resource, "GPU") == 0 && amount_u % GRID_AMOUNT_UNIT == 0;
        for (int i = 0; i < model.node_count; i++) {
            const struct grid_node *node = &model.nodes[i];
            int64_t left_u = lendable(node, resource)
                             - peak(LENT, node->node_id, resource, at_us, GRID_NEVER);
            bool may = node != target && !(node->held && node->hold_until_us > from_us)
                       && !(node->stale_after_us
                            && now_us - node->last_seen_us > node->stale_after_us);
            if (may && left_u > 0)
                sum_u += left_u - (whole ? left_u % GRID_AMOUNT_UNIT : 0);
        }
        if (sum_u < amount_u
            || peak(BORROWED, target->node_id, resource, at_us, GRID_NEVER) + amount_u
                   > grid_amounts_get(&target->borrow, resource, GRID_MEMORY_MAX)
            || peak(OWNED, request->owner ? request->owner : "", resource, at_us, GRID_NEVER)
                       + amount_u
                   > grid_amounts_get(&model.policy.quota, resource, GRID_MEMORY_MAX))
            return false;
    }
    return true;
}

static inline int64_t earliest_together(const struct grid_request *request, int64_t from_us,
                                        int64_t now_us)
{
    int64_t earliest_us = GRID_NEVER;
    if (!request->split || request->source_node)
        return GRID_NEVER;
    if (together_at(request, from_us, from_us, now_us))
        return from_us;
    for (int i = 0; i < model.count; i++) {
        int64_t at_us = model.boosts[i].expires_us;
        if (at_us > from_us && at_us < earliest_us
            && together_at(request, at_us, from_us, now_us))
            earliest_us = at_us;
    }
    return earliest_us;
}

static inline int64_t earliest(const struct grid_request *request, int64_t now_us)
{
    int64_t earliest_us = GRID_NEVER;
    try_at(request, now_us, now_us, &earliest_us);
    try_at(request, request->start_us, now_us, &earliest_us);
    for (int i = 0; i < model.count; i++)
        try_at(request, model.boosts[i].expires_us, now_us, &earliest_us);
    for (int i = 0; i < model.node_count; i++)
        if (model.nodes[i].held)
            try_at(request, model.nodes[i].hold_until_us, now_us, &earliest_us);
    return earliest_us;
}

/* By share left of the first resource, then by name; the one preferred before all. */
static inline const struct grid_node *choice(const struct grid_request *request, int64_t now_us)
{
    int64_t from_us = request->start_us ? request->start_us : now_us;
    const struct grid_node *best = NULL;
    const char *first = request->needs[0].resource;
    __int128 left = 0, whole = 1;
    for (int i = 0; i < model.node_count; i++) {
        const struct grid_node *node = &model.nodes[i];
        if (!fits(request, node, from_us, now_us))
            continue;
        if (request->prefer_node && strcmp(node->node_id, request->prefer_node) == 0)
            return node;
        __int128 has = lendable(node, first)
                       - peak(LENT, node->node_id, first, from_us,
                              grid_time_add(from_us, request->duration_us))
                       - request->needs[0].amount_u;
        __int128 of = grid_amounts_get(&node->capacity, first, 0);
        if (!best || has * whole > left * of
            || (has * whole == left * of && strcmp(node->node_id, best->node_id) < 0))
            best = node, left = has, whole = of;
    }
    return best;
}

/* Is there no time at which it would be granted, whatever ends? */
static inline bool is_never(const struct grid_request *request)
{
    const struct grid_node *target = node_named(request->target_node);
    bool one = false, all = request->split && !request->source_node;
    for (int i = 0; i < model.node_count; i++) {
        const struct grid_node *node = &model.nodes[i];
        bool has = node != target && node->can_share
                   && (!request->source_node || strcmp(request->source_node, node->node_id) == 0);
        for (size_t j = 0; j < request->need_count; j++)
            has = has && lendable(node, request->needs[j].resource) >= request->needs[j].amount_u;
        one |= has;
    }
    for (size_t j = 0; j < request->need_count; j++) {
        int64_t sum_u = 0, amount_u = request->needs[j].amount_u;
        const char *resource = request->needs[j].resource;
        for (int i = 0; i < model.node_count; i++)
            if (&model.nodes[i] != target) { /* whole devices are not made up of parts */
                int64_t part_u = lendable(&model.nodes[i], resource);
                bool whole = strcmp(resource, "GPU") == 0 && amount_u % GRID_AMOUNT_UNIT == 0;
                sum_u += part_u - (whole ? part_u % GRID_AMOUNT_UNIT : 0);
            }
        all = all && sum_u >= amount_u;
        if (amount_u > grid_amounts_get(&target->borrow, resource, GRID_MEMORY_MAX)
            || amount_u > grid_amounts_get(&model.policy.quota, resource, GRID_MEMORY_MAX))
            return true;
    }
    return !one && !all;
}

/* 0: granted by one lender; 1: perhaps by several. */
static inline int expected(const struct grid_request *request, int64_t now_us,
                           int64_t *ret_starts_us)
{
    int64_t from_us = request->start_us ? request->start_us : now_us;
    *ret_starts_us = GRID_NEVER;
    if (!model.policy.enabled
        || (request->source_node && strcmp(request->source_node, request->target_node) == 0)
        || request->duration_us > model.policy.max_duration_us)
        return GRID_ENEVER;
    if (model.node_count == 0)
        return 0;
    if (!node_named(request->target_node)
        || (request->source_node && !node_named(request->source_node))
        || (!request->source_node && request->prefer_node && !node_named(request->prefer_node)))
        return GRID_ENOTFOUND;
    if (is_never(request))
        return GRID_ENEVER;
    *ret_starts_us = earliest(request, now_us);
    if (*ret_starts_us == from_us)
        return 0;
    if (*ret_starts_us == GRID_NEVER)
        *ret_starts_us = earliest_together(request, from_us, now_us);
    return request->split ? 1 : GRID_EREFUSED;
}

#endif
