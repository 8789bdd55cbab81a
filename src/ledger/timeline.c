/* The timeline: when enough will be left, by the ends and starts that are known. */
#include "ledger/capacity.h"

#include "util/text.h"

#include <string.h>

/* What is counted against a limit: lent by the node, borrowed by the borrower, had by the owner. */
enum { LENT, BORROWED, OWNED, SUMS };

/* At `at_us` the sum of one need changes. */
struct step {
    int64_t at_us, by_u;
    uint8_t sum, need;
};

struct timeline {
    const struct capacity *capacity;
    const char *node;
    struct step *steps;
    size_t count, room;
};

static int add_step(struct timeline *timeline, int64_t at_us, int64_t by_u, int sum, size_t need)
{
    if (at_us == GRID_NEVER)
        return 0;
    if (array_reserve(&timeline->steps, &timeline->room, timeline->count + 1,
                      sizeof(*timeline->steps)) != 0)
        return GRID_ENOMEM;
    timeline->steps[timeline->count++] =
        (struct step){at_us, by_u, (uint8_t)sum, (uint8_t)need};
    return 0;
}

static int add_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct timeline *timeline = context;
    const struct capacity *capacity = timeline->capacity;
    const struct grid_request *request = capacity->request;
    const char *owner = request->owner ? request->owner : "";
    bool counts[SUMS] = {strcmp(boost->source_node, timeline->node) == 0,
                         strcmp(boost->target_node, request->target_node) == 0,
                         strcmp(boost->owner, owner) == 0};
    size_t need = 0;
    while (need < request->need_count
           && strcmp(request->needs[need].resource, boost->resource_type) != 0)
        need++;
    bool later = grid_boost_starts_later(boost, capacity->now_us);
    int64_t starts_us = later ? boost->starts_us : capacity->now_us;
    for (int sum = 0; need < request->need_count && sum < SUMS; sum++)
        if (counts[sum] && grid_boost_counts(boost)
            && (add_step(timeline, starts_us, boost->amount_u, sum, need) != 0
                || add_step(timeline, boost->expires_us, -boost->amount_u, sum, need) != 0))
            return grid_error_set(err, GRID_ENOMEM, "no memory for the timeline");
    return 0;
}

static int by_time(const void *a, const void *b)
{
    int64_t left = ((const struct step *)a)->at_us, right = ((const struct step *)b)->at_us;
    return (left > right) - (left < right);
}

/* Would the request fit beside these sums? */
static bool fits(const struct capacity *capacity, const struct capacity_node *node,
                 const __int128 sums[SUMS][GRID_NEEDS_MOST])
{
    for (size_t i = 0; i < capacity->request->need_count; i++) {
        int64_t amount_u = capacity->request->needs[i].amount_u;
        if (sums[LENT][i] + amount_u > node->lendable_u[i]
            || sums[BORROWED][i] + amount_u > capacity->borrow_u[i]
            || sums[OWNED][i] + amount_u > capacity->quota_u[i])
            return false;
    }
    return true;
}

/* The first run of instants in which it fits that is as long as the request. */
static int64_t first_run(const struct timeline *timeline, const struct capacity_node *node)
{
    const struct capacity *capacity = timeline->capacity;
    __int128 sums[SUMS][GRID_NEEDS_MOST] = {0};
    int64_t opens_us = node->held ? node->hold_until_us : capacity->now_us;
    int64_t length_us = capacity->end_us == GRID_NEVER ? GRID_NEVER
                                                       : capacity->end_us - capacity->now_us;
    int64_t run_us = fits(capacity, node, sums) ? opens_us : GRID_NEVER; /* since when it fits */
    for (size_t i = 0; i < timeline->count;) {
        int64_t at_us = timeline->steps[i].at_us;
        if (run_us != GRID_NEVER && length_us != GRID_NEVER
            && at_us >= grid_time_add(run_us, length_us))
            return run_us;
        for (; i < timeline->count && timeline->steps[i].at_us == at_us; i++)
            sums[timeline->steps[i].sum][timeline->steps[i].need] += timeline->steps[i].by_u;
        if (!fits(capacity, node, sums))
            run_us = GRID_NEVER;
        else if (run_us == GRID_NEVER)
            run_us = at_us > opens_us ? at_us : opens_us;
    }
    return run_us;
}

int64_t timeline_earliest(struct grid_tx *tx, const struct capacity *capacity, size_t node,
                          struct grid_error *err)
{
    struct timeline timeline = {.capacity = capacity, .node = capacity->nodes[node].name};
    const struct capacity_node *lender = &capacity->nodes[node];
    if (!lender->shares || lender->stale
        || (lender->held && lender->hold_until_us == GRID_NEVER))
        return GRID_NEVER;
    int rc = grid_tx_boosts(tx, NULL, add_boost, &timeline, err);
    int64_t earliest_us = rc;
    if (rc == 0) {
        if (timeline.count > 0)
            qsort(timeline.steps, timeline.count, sizeof(*timeline.steps), by_time);
        earliest_us = first_run(&timeline, lender);
    }
    free(timeline.steps);
    return earliest_us;
}
