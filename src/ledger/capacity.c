/* Capacity: what a request would need, what there is, and who could lend it. */
#include "ledger/capacity.h"

#include "util/text.h"

#include <string.h>

void capacity_release(struct capacity *capacity)
{
    free(capacity->nodes);
    free(capacity->steps);
}

/* --- reading ---------------------------------------------------------------------------------- */

size_t capacity_need(const struct grid_request *request, const char *resource)
{
    size_t i = 0;
    while (i < request->need_count && strcmp(request->needs[i].resource, resource) != 0)
        i++;
    return i;
}

size_t capacity_find(const struct capacity *capacity, const char *node)
{
    size_t i = 0;
    while (i < capacity->count && strcmp(capacity->nodes[i].name, node) != 0)
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
    ours->passed_over = false;
    ours->held = grid_node_is_held(node, capacity->now_us);
    ours->stale = grid_node_is_stale(node, capacity->now_us);
    ours->hold_until_us = node->hold_until_us;
    ours->last_seen_us = node->last_seen_us;
    ours->stale_after_us = node->stale_after_us;
    text_copy(ours->hold_reason, sizeof(ours->hold_reason), node->hold_reason);
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
    size_t need = capacity_need(capacity->request, load->resource);
    if (need == capacity->request->need_count)
        return 0;
    capacity->later |= load->later;
    if (strcmp(load->node, capacity->request->target_node) == 0)
        capacity->borrowed_u[need] = load->borrowed_u;
    size_t node = capacity_find(capacity, load->node);
    if (node < capacity->count)
        capacity->nodes[node].lent_u[need] = load->lent_u;
    return 0;
}

static int take_owned(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct capacity *capacity = context;
    size_t need = capacity_need(capacity->request, boost->resource_type);
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
    for (size_t i = 0; i < request->need_count; i++)
        capacity->quota_u[i] = INT64_MAX;
    for (size_t i = 0; capacity->request->target_node[0] && i < request->need_count; i++) {
        capacity->quota_u[i] =
            grid_amounts_get(&capacity->policy->quota, request->needs[i].resource, INT64_MAX);
        limited |= capacity->quota_u[i] != INT64_MAX;
    }
    return limited ? grid_tx_boosts(tx, &owned, take_owned, capacity, err) : 0;
}

int capacity_read(struct grid_tx *tx, const struct grid_request *request, int64_t start_us,
                  int64_t length_us, struct capacity *ret, struct grid_error *err)
{
    struct grid_node node;
    const char *named = request->source_node ? request->source_node : request->prefer_node;
    *ret = (struct capacity){.request = request, .policy = grid_tx_policy(tx),
                             .now_us = grid_tx_now(tx), .start_us = start_us,
                             .length_us = length_us,
                             .target_known = request->target_node[0] == '\0'};
    for (size_t i = 0; i < request->need_count; i++)
        ret->borrow_u[i] = INT64_MAX;
    int rc = grid_tx_nodes(tx, take_node, ret, err);
    if (rc == 0 && !ret->target_known) /* for its message */
        rc = grid_tx_node(tx, request->target_node, &node, err);
    if (rc == 0 && named && !ret->source_known)
        rc = grid_tx_node(tx, named, &node, err);
    if (rc == 0)
        rc = grid_tx_load(tx, take_load, ret, err);
    return rc < 0 ? rc : read_quota(tx, ret, err);
}

/* --- choosing --------------------------------------------------------------------------------- */

bool capacity_may_lend(const struct capacity *capacity, const struct capacity_node *node)
{
    const char *only = capacity->request->source_node;
    return node->shares && !node->stale && !node->passed_over
           && !(node->held && node->hold_until_us > capacity->start_us)
           && strcmp(node->name, capacity->request->target_node) != 0
           && (!only || strcmp(node->name, only) == 0);
}

/* Do the sums of now decide? They do not where something starts later, or this does. */
static bool is_plain(const struct capacity *capacity)
{
    return !capacity->later && capacity->start_us == capacity->now_us;
}

int64_t capacity_left(const struct capacity *capacity, size_t node, size_t need)
{
    const struct capacity_node *lender = &capacity->nodes[node];
    if (!is_plain(capacity))
        return timeline_left(capacity, node, need);
    int64_t left_u = lender->lendable_u[need] - lender->lent_u[need];
    return left_u > 0 ? left_u : 0;
}

/* Borrower and owner may have all of it? Saturated sums never fit. */
static bool may_borrow(const struct capacity *capacity)
{
    if (!is_plain(capacity))
        return timeline_fits(capacity, TIMELINE_NOBODY);
    for (size_t i = 0; i < capacity->request->need_count; i++) {
        int64_t amount_u = capacity->request->needs[i].amount_u;
        if (grid_amount_add(capacity->borrowed_u[i], amount_u) > capacity->borrow_u[i]
            || grid_amount_add(capacity->owned_u[i], amount_u) > capacity->quota_u[i])
            return false;
    }
    return true;
}

static bool has_all(const struct capacity *capacity, size_t node)
{
    if (!is_plain(capacity))
        return timeline_fits(capacity, node);
    for (size_t i = 0; i < capacity->request->need_count; i++)
        if (capacity_left(capacity, node, i) < capacity->request->needs[i].amount_u)
            return false;
    return true;
}

/* Compares a/b with c/d. */
static int compare_shares(int64_t a, int64_t b, int64_t c, int64_t d)
{
    __int128 left = (__int128)a * d, right = (__int128)c * b;
    return (left > right) - (left < right);
}

/* Is `node` the better lender: a larger share of the first resource left, then the name? */
static bool is_better(const struct capacity *capacity, size_t node, size_t best)
{
    const struct capacity_node *nodes = capacity->nodes;
    int64_t amount_u = capacity->request->needs[0].amount_u;
    int64_t left_u = capacity_left(capacity, node, 0), most_u = capacity_left(capacity, best, 0);
    int order = compare_shares(left_u - amount_u, nodes[node].capacity_u[0],
                               most_u - amount_u, nodes[best].capacity_u[0]);
    return order != 0 ? order > 0 : strcmp(nodes[node].name, nodes[best].name) < 0;
}

/* One lender for everything, judged by the first resource; the count: none. */
static size_t choose_one(const struct capacity *capacity)
{
    size_t best = capacity->count;
    const char *prefer = capacity->request->prefer_node;
    for (size_t i = 0; i < capacity->count; i++) {
        const struct capacity_node *node = &capacity->nodes[i];
        if (!capacity_may_lend(capacity, node) || !has_all(capacity, i))
            continue;
        if (prefer && strcmp(node->name, prefer) == 0)
            return i;
        if (best == capacity->count || is_better(capacity, i, best))
            best = i;
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

/* The lender with the most left, the name deciding, of those that give none of `used` yet; the
 * count: none has anything. */
static size_t most_left(const struct capacity *capacity, size_t need,
                        const struct capacity_share *used, size_t used_count)
{
    size_t best = capacity->count;
    int64_t best_u = 0;
    for (size_t i = 0; i < capacity->count; i++) {
        bool is_used = false;
        for (size_t j = 0; j < used_count; j++)
            is_used |= used[j].node == i;
        int64_t left_u = is_used || !capacity_may_lend(capacity, &capacity->nodes[i])
                             ? 0 : capacity_left(capacity, i, need);
        if (capacity_part(capacity, need, left_u) == 0 || left_u < best_u
            || (left_u == best_u && strcmp(capacity->nodes[i].name,
                                           capacity->nodes[best].name) > 0))
            continue;
        best = i;
        best_u = left_u;
    }
    return best;
}

/* Several lenders for one resource: the one with the most left gives all it can, and so on. The
 * new count of shares; 0: it does not fit. */
static size_t spread(const struct capacity *capacity, size_t need, struct capacity_share *ret,
                     size_t taken)
{
    int64_t missing_u = capacity->request->needs[need].amount_u;
    size_t first = taken;
    while (missing_u > 0 && taken < GRID_GROUP_MOST) {
        size_t best = most_left(capacity, need, &ret[first], taken - first);
        if (best == capacity->count)
            return 0;
        int64_t part_u = capacity_part(capacity, need, capacity_left(capacity, best, need));
        part_u = part_u < missing_u ? part_u : missing_u;
        ret[taken++] = (struct capacity_share){best, need, part_u};
        missing_u -= part_u;
    }
    return missing_u > 0 ? 0 : taken;
}

size_t capacity_take_all(const struct capacity *capacity, size_t node,
                         struct capacity_share ret[static GRID_GROUP_MOST])
{
    for (size_t i = 0; i < capacity->request->need_count; i++)
        ret[i] = (struct capacity_share){node, i, capacity->request->needs[i].amount_u};
    return capacity->request->need_count;
}

int capacity_choose(struct grid_tx *tx, struct capacity *capacity,
                    struct capacity_share ret[static GRID_GROUP_MOST], size_t *ret_count,
                    struct grid_error *err)
{
    *ret_count = 0;
    int rc = is_plain(capacity) ? 0 : timeline_read(tx, capacity, err);
    if (rc < 0 || !may_borrow(capacity))
        return rc;
    size_t one = choose_one(capacity);
    if (one < capacity->count) {
        *ret_count = capacity_take_all(capacity, one, ret);
        return 0;
    }
    if (!capacity->request->split)
        return 0;
    for (size_t i = 0; i < capacity->request->need_count; i++)
        if ((*ret_count = spread(capacity, i, ret, *ret_count)) == 0)
            return 0;
    return 0;
}
