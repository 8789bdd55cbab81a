/* Capacity: what a request would need, what there is, and who could lend it. */
#include "ledger/capacity.h"

#include "util/text.h"

#include <string.h>

void capacity_release(struct capacity *capacity) { free(capacity->nodes); }

/* --- reading ---------------------------------------------------------------------------------- */

static size_t need_of(const struct grid_request *request, const char *resource)
{
    size_t i = 0;
    while (i < request->need_count && strcmp(request->needs[i].resource, resource) != 0)
        i++;
    return i;
}

static void take_limits(struct capacity *capacity, const struct grid_node *node)
{
    capacity->target_known = true;
    for (size_t i = 0; i < capacity->request->need_count; i++)
        capacity->borrow_u[i] =
            grid_amounts_get(&node->borrow, capacity->request->needs[i].resource, INT64_MAX);
}

static int take_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    struct capacity *capacity = context;
    const struct grid_request *request = capacity->request;
    if (array_reserve(&capacity->nodes, &capacity->room, capacity->count + 1,
                      sizeof(*capacity->nodes)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the nodes");
    struct capacity_node *ours = &capacity->nodes[capacity->count++];
    text_copy(ours->name, sizeof(ours->name), node->node_id);
    ours->shares = node->can_share;
    ours->held = grid_node_is_held(node, capacity->now_us);
    ours->stale = grid_node_is_stale(node, capacity->now_us);
    ours->hold_until_us = node->hold_until_us;
    for (size_t i = 0; i < request->need_count; i++) {
        ours->lendable_u[i] = grid_node_lendable(node, request->needs[i].resource);
        ours->capacity_u[i] = grid_amounts_get(&node->capacity, request->needs[i].resource, 0);
        ours->lent_u[i] = 0;
    }
    if (strcmp(node->node_id, request->target_node) == 0)
        take_limits(capacity, node);
    const char *named = request->source_node ? request->source_node : request->prefer_node;
    if (named && strcmp(node->node_id, named) == 0)
        capacity->source_known = true;
    return 0;
}

static int take_load(void *context, const struct grid_load *load, struct grid_error *err)
{
    (void)err;
    struct capacity *capacity = context;
    size_t need = need_of(capacity->request, load->resource);
    if (need == capacity->request->need_count)
        return 0;
    capacity->later |= load->later;
    if (strcmp(load->node, capacity->request->target_node) == 0)
        capacity->borrowed_u[need] = load->borrowed_u;
    for (size_t i = 0; i < capacity->count; i++)
        if (strcmp(capacity->nodes[i].name, load->node) == 0) {
            capacity->nodes[i].lent_u[need] = load->lent_u;
            break;
        }
    return 0;
}

static int take_owned(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct capacity *capacity = context;
    size_t need = need_of(capacity->request, boost->resource_type);
    if (need < capacity->request->need_count && grid_boost_counts(boost)
        && !grid_boost_starts_later(boost, capacity->now_us))
        capacity->owned_u[need] = grid_amount_add(capacity->owned_u[need], boost->amount_u);
    return 0;
}

/* The owner's boosts are looked at only where a quota limits them. */
static int read_quota(struct grid_tx *tx, struct capacity *capacity, struct grid_error *err)
{
    const struct grid_request *request = capacity->request;
    struct grid_boost_filter owned = {.owner = request->owner ? request->owner : ""};
    bool limited = false;
    for (size_t i = 0; i < request->need_count; i++) {
        capacity->quota_u[i] =
            grid_amounts_get(&capacity->policy->quota, request->needs[i].resource, INT64_MAX);
        limited |= capacity->quota_u[i] != INT64_MAX;
    }
    return limited ? grid_tx_boosts(tx, &owned, take_owned, capacity, err) : 0;
}

int capacity_read(struct grid_tx *tx, const struct grid_request *request, int64_t end_us,
                  struct capacity *ret, struct grid_error *err)
{
    struct grid_node node;
    *ret = (struct capacity){.request = request, .policy = grid_tx_policy(tx),
                             .now_us = grid_tx_now(tx), .end_us = end_us};
    int rc = grid_tx_nodes(tx, take_node, ret, err);
    if (rc == 0 && !ret->target_known) /* for its message */
        rc = grid_tx_node(tx, request->target_node, &node, err);
    const char *named = request->source_node ? request->source_node : request->prefer_node;
    if (rc == 0 && named && !ret->source_known)
        rc = grid_tx_node(tx, named, &node, err);
    if (rc == 0)
        rc = grid_tx_load(tx, take_load, ret, err);
    return rc < 0 ? rc : read_quota(tx, ret, err);
}

/* --- choosing --------------------------------------------------------------------------------- */

int64_t capacity_left(const struct capacity_node *node, size_t need)
{
    int64_t left = node->lendable_u[need] - node->lent_u[need];
    return left > 0 ? left : 0;
}

static bool may_lend(const struct capacity *capacity, const struct capacity_node *node)
{
    const char *only = capacity->request->source_node;
    return node->shares && !node->held && !node->stale
           && strcmp(node->name, capacity->request->target_node) != 0
           && (!only || strcmp(node->name, only) == 0);
}

/* Borrower and owner may have all of it at once? Saturated sums never fit. */
static bool may_borrow(const struct capacity *capacity)
{
    for (size_t i = 0; i < capacity->request->need_count; i++) {
        int64_t amount_u = capacity->request->needs[i].amount_u;
        if (grid_amount_add(capacity->borrowed_u[i], amount_u) > capacity->borrow_u[i]
            || grid_amount_add(capacity->owned_u[i], amount_u) > capacity->quota_u[i])
            return false;
    }
    return true;
}

static int has_all(struct grid_tx *tx, const struct capacity *capacity, size_t node,
                   struct grid_error *err)
{
    for (size_t i = 0; i < capacity->request->need_count; i++)
        if (capacity_left(&capacity->nodes[node], i) < capacity->request->needs[i].amount_u)
            return 0;
    if (!capacity->later)
        return 1;
    int64_t earliest_us = timeline_earliest(tx, capacity, node, err);
    return earliest_us < 0 ? (int)earliest_us : earliest_us == capacity->now_us;
}

/* Compares a/b with c/d. */
static int compare_shares(int64_t a, int64_t b, int64_t c, int64_t d)
{
    __int128 left = (__int128)a * d, right = (__int128)c * b;
    return (left > right) - (left < right);
}

/* Is `node` the better lender of `amount_u` of the need: a larger share left, then the name? */
static bool is_better(const struct capacity *capacity, const struct capacity_node *node,
                      const struct capacity_node *best, size_t need)
{
    int64_t amount_u = capacity->request->needs[need].amount_u;
    int order = compare_shares(capacity_left(node, need) - amount_u, node->capacity_u[need],
                               capacity_left(best, need) - amount_u, best->capacity_u[need]);
    return order != 0 ? order > 0 : strcmp(node->name, best->name) < 0;
}

/* One lender for everything, judged by the first resource; -1: none. Others: errors below -1. */
static int64_t choose_one(struct grid_tx *tx, const struct capacity *capacity,
                          struct grid_error *err)
{
    int64_t best = -1;
    const char *prefer = capacity->request->prefer_node;
    for (size_t i = 0; i < capacity->count; i++) {
        const struct capacity_node *node = &capacity->nodes[i];
        int fits = may_lend(capacity, node) ? has_all(tx, capacity, i, err) : 0;
        if (fits < 0)
            return (int64_t)fits - 1;
        if (!fits)
            continue;
        if (prefer && strcmp(node->name, prefer) == 0)
            return (int64_t)i;
        if (best < 0 || is_better(capacity, node, &capacity->nodes[best], 0))
            best = (int64_t)i;
    }
    return best;
}

int64_t capacity_part(const struct capacity *capacity, size_t need, int64_t left_u)
{
    bool whole = capacity->request->needs[need].amount_u % GRID_AMOUNT_UNIT == 0;
    if (whole && strcmp(capacity->request->needs[need].resource, "GPU") == 0)
        left_u -= left_u % GRID_AMOUNT_UNIT;
    return left_u;
}

/* What the node gives of what is still missing. */
static int64_t part_of(const struct capacity *capacity, size_t node, size_t need,
                       int64_t missing_u)
{
    int64_t part_u = capacity_part(capacity, need, capacity_left(&capacity->nodes[node], need));
    return part_u < missing_u ? part_u : missing_u;
}

/* Several lenders for one resource: the one with the most left gives all it can, and so on. */
static int spread(const struct capacity *capacity, size_t need, struct capacity_share *ret,
                  int taken)
{
    int64_t missing_u = capacity->request->needs[need].amount_u;
    int first = taken;
    while (missing_u > 0 && taken < GRID_GROUP_MOST) {
        size_t best = capacity->count;
        for (size_t i = 0; i < capacity->count; i++) {
            bool used = false;
            for (int j = first; j < taken; j++)
                used |= ret[j].node == i;
            if (used || !may_lend(capacity, &capacity->nodes[i])
                || part_of(capacity, i, need, missing_u) == 0)
                continue;
            int64_t more_u = best == capacity->count
                                 ? 1 : capacity_left(&capacity->nodes[i], need)
                                           - capacity_left(&capacity->nodes[best], need);
            if (more_u > 0 || (more_u == 0 && strcmp(capacity->nodes[i].name,
                                                     capacity->nodes[best].name) < 0))
                best = i;
        }
        if (best == capacity->count)
            return 0;
        int64_t part_u = part_of(capacity, best, need, missing_u);
        ret[taken++] = (struct capacity_share){best, need, part_u};
        missing_u -= part_u;
    }
    return missing_u > 0 ? 0 : taken;
}

int capacity_choose(struct grid_tx *tx, const struct capacity *capacity,
                    struct capacity_share ret[static GRID_GROUP_MOST], struct grid_error *err)
{
    int taken = 0;
    if (!may_borrow(capacity))
        return 0;
    int64_t one = choose_one(tx, capacity, err);
    if (one < -1)
        return (int)(one + 1);
    for (size_t i = 0; i < capacity->request->need_count; i++) {
        if (one >= 0)
            ret[taken++] = (struct capacity_share){(size_t)one, i,
                                                   capacity->request->needs[i].amount_u};
        /* Where reservations are to come, spreading is not tried: what is left now is not all. */
        else if (!capacity->request->split || capacity->later
                 || (taken = spread(capacity, i, ret, taken)) == 0)
            return 0;
    }
    return taken;
}
