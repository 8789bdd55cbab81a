/* The timeline: when enough will be left, by the ends and starts that are known. */
#include "ledger/capacity.h"

#include "util/text.h"

#include <string.h>

/* --- reading ---------------------------------------------------------------------------------- */

static int add_step(struct capacity *capacity, const struct capacity_step *step)
{
    if (step->at_us == GRID_NEVER)
        return 0;
    if (array_reserve(&capacity->steps, &capacity->step_room, capacity->step_count + 1,
                      sizeof(*capacity->steps)) != 0)
        return GRID_ENOMEM;
    capacity->steps[capacity->step_count++] = *step;
    return 0;
}

static int add_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct capacity *capacity = context;
    const struct grid_request *request = capacity->request;
    size_t need = capacity_need(request, boost->resource_type);
    size_t node = capacity_find(capacity, boost->source_node);
    bool counts[] = {[SUM_LENT] = node < capacity->count,
                     [SUM_BORROWED] = strcmp(boost->target_node, request->target_node) == 0,
                     [SUM_OWNED] = strcmp(boost->owner, request->owner ? request->owner : "")
                                   == 0};
    bool later = grid_boost_starts_later(boost, capacity->now_us);
    int64_t begins_us = later ? boost->starts_us : capacity->now_us;
    int64_t ends_us = grid_boost_until(boost);
    if (need == request->need_count || !grid_boost_counts(boost) || ends_us <= begins_us)
        return 0;
    for (uint8_t sum = 0; sum < countof(counts); sum++) {
        struct capacity_step step = {begins_us, boost->amount_u, (uint32_t)node, sum,
                                     (uint8_t)need};
        if (!counts[sum])
            continue;
        int rc = add_step(capacity, &step);
        step.at_us = ends_us;
        step.by_u = -step.by_u;
        if ((rc ?: add_step(capacity, &step)) != 0)
            return grid_error_set(err, GRID_ENOMEM, "no memory for the timeline");
    }
    return 0;
}

/* At one instant what ends comes before what starts: no sum is ever higher than it was. */
static int by_time(const void *a, const void *b)
{
    const struct capacity_step *left = a, *right = b;
    if (left->at_us != right->at_us)
        return left->at_us > right->at_us ? 1 : -1;
    return (left->by_u > right->by_u) - (left->by_u < right->by_u);
}

int timeline_read(struct grid_tx *tx, struct capacity *capacity, struct grid_error *err)
{
    const struct grid_request *request = capacity->request;
    struct grid_boost_filter one = {
        .resource_type = request->need_count == 1 ? request->needs[0].resource : NULL};
    if (capacity->timed)
        return 0;
    int rc = grid_tx_boosts(tx, &one, add_boost, capacity, err);
    if (rc == 0 && capacity->step_count > 0)
        qsort(capacity->steps, capacity->step_count, sizeof(*capacity->steps), by_time);
    capacity->timed = rc == 0;
    return rc;
}

/* --- stretches -------------------------------------------------------------------------------- */

static void take_step(struct timeline *timeline, const struct capacity_step *step)
{
    if (step->sum != SUM_LENT || step->node == timeline->node)
        timeline->sums[step->sum][step->need] += step->by_u;
}

/* Would it fit beside these sums? */
static bool fits(const struct timeline *timeline)
{
    const struct capacity *capacity = timeline->capacity;
    for (size_t i = 0; i < capacity->request->need_count; i++) {
        int64_t amount_u = capacity->request->needs[i].amount_u;
        int64_t lent_u = timeline->lent_u ? timeline->lent_u[i] : amount_u;
        if ((timeline->node != TIMELINE_NOBODY && lent_u > 0
             && timeline->sums[SUM_LENT][i] + lent_u
                    > capacity->nodes[timeline->node].lendable_u[i])
            || timeline->sums[SUM_BORROWED][i] + amount_u > capacity->borrow_u[i]
            || timeline->sums[SUM_OWNED][i] + amount_u > capacity->quota_u[i])
            return false;
    }
    return true;
}

bool timeline_next(struct timeline *timeline, struct timeline_run *ret)
{
    const struct capacity *capacity = timeline->capacity;
    bool open = !timeline->begun && fits(timeline);
    ret->begins_us = INT64_MIN;
    timeline->begun = true;
    while (timeline->next < capacity->step_count) {
        int64_t at_us = capacity->steps[timeline->next].at_us;
        for (; timeline->next < capacity->step_count
               && capacity->steps[timeline->next].at_us == at_us; timeline->next++)
            take_step(timeline, &capacity->steps[timeline->next]);
        bool now = fits(timeline);
        if (now && !open)
            ret->begins_us = at_us;
        ret->ends_us = at_us;
        if (open && !now)
            return true;
        open = now;
    }
    ret->ends_us = GRID_NEVER;
    bool last = open && !timeline->ended;
    timeline->ended = true;
    return last;
}

static bool is_long_enough(int64_t begins_us, int64_t ends_us, int64_t length_us)
{
    if (ends_us == GRID_NEVER)
        return true;
    return length_us != GRID_NEVER && begins_us < ends_us && ends_us - begins_us >= length_us;
}

int64_t timeline_earliest(const struct capacity *capacity, size_t node, int64_t from_us)
{
    struct timeline timeline = {.capacity = capacity, .node = node};
    const struct capacity_node *lender = node == TIMELINE_NOBODY ? NULL : &capacity->nodes[node];
    struct timeline_run run;
    if (lender && (!lender->shares || lender->stale || lender->passed_over
                   || (lender->held && lender->hold_until_us == GRID_NEVER)))
        return GRID_NEVER;
    if (lender && lender->held && lender->hold_until_us > from_us)
        from_us = lender->hold_until_us;
    while (timeline_next(&timeline, &run)) {
        int64_t begins_us = run.begins_us > from_us ? run.begins_us : from_us;
        if (is_long_enough(begins_us, run.ends_us, capacity->length_us))
            return begins_us;
    }
    return GRID_NEVER;
}

bool timeline_fits(const struct capacity *capacity, size_t node)
{
    return timeline_earliest(capacity, node, capacity->start_us) == capacity->start_us;
}

int64_t timeline_until(const struct capacity *capacity, size_t node, int64_t at_us,
                       const int64_t *lent_u)
{
    struct timeline timeline = {.capacity = capacity, .node = node, .lent_u = lent_u};
    struct timeline_run run;
    while (timeline_next(&timeline, &run))
        if (run.ends_us > at_us)
            return run.begins_us <= at_us ? run.ends_us : at_us;
    return at_us;
}

int64_t timeline_left(const struct capacity *capacity, size_t node, size_t need)
{
    __int128 lent_u = 0, most_u = 0;
    int64_t until_us = grid_time_add(capacity->start_us, capacity->length_us);
    for (size_t i = 0; i < capacity->step_count; i++) {
        const struct capacity_step *step = &capacity->steps[i];
        if (step->at_us >= until_us)
            break;
        if (step->sum != SUM_LENT || step->node != node || step->need != need)
            continue;
        lent_u += step->by_u;
        if (step->at_us <= capacity->start_us || lent_u > most_u)
            most_u = lent_u;
    }
    __int128 left_u = capacity->nodes[node].lendable_u[need] - most_u;
    return left_u > 0 ? (int64_t)left_u : 0;
}

/* --- several lenders -------------------------------------------------------------------------- */

struct lenders {
    const struct capacity *capacity;
    __int128 (*lent_u)[GRID_NEEDS_MOST], (*most_u)[GRID_NEEDS_MOST]; /* by node; at most so far */
    __int128 sums[3][GRID_NEEDS_MOST], tops[3][GRID_NEEDS_MOST];
};

static __int128 higher(__int128 a, __int128 b) { return a > b ? a : b; }

/* Enough for good, if it never gets worse than the worst that was seen? */
static bool have_enough(const struct lenders *lenders)
{
    const struct capacity *capacity = lenders->capacity;
    for (size_t need = 0; need < capacity->request->need_count; need++) {
        int64_t amount_u = capacity->request->needs[need].amount_u, parts_u = 0;
        for (size_t i = 0; i < capacity->count; i++) {
            __int128 left_u = capacity->nodes[i].lendable_u[need] - lenders->most_u[i][need];
            if (left_u > 0 && capacity_may_lend(capacity, &capacity->nodes[i]))
                parts_u = grid_amount_add(parts_u,
                                          capacity_part(capacity, need, (int64_t)left_u));
        }
        if (parts_u < amount_u
            || lenders->tops[SUM_BORROWED][need] + amount_u > capacity->borrow_u[need]
            || lenders->tops[SUM_OWNED][need] + amount_u > capacity->quota_u[need])
            return false;
    }
    return true;
}

static void apply_step(struct lenders *lenders, const struct capacity_step *step, int sign)
{
    __int128 *sum = step->sum == SUM_LENT ? &lenders->lent_u[step->node][step->need]
                                      : &lenders->sums[step->sum][step->need];
    __int128 *top = step->sum == SUM_LENT ? &lenders->most_u[step->node][step->need]
                                      : &lenders->tops[step->sum][step->need];
    *sum += sign * (__int128)step->by_u;
    if (sign < 0)
        *top = higher(*top, *sum);
}

/* From the end of all that is known backwards, as long as there is enough. */
static int64_t go_back(struct lenders *lenders)
{
    const struct capacity *capacity = lenders->capacity;
    size_t i = capacity->step_count;
    int64_t earliest_us = GRID_NEVER;
    for (size_t j = 0; j < i; j++)
        apply_step(lenders, &capacity->steps[j], 1);
    memcpy(lenders->most_u, lenders->lent_u, capacity->count * sizeof(*lenders->most_u));
    memcpy(lenders->tops, lenders->sums, sizeof(lenders->tops));
    while (have_enough(lenders)) {
        if (i == 0 || capacity->steps[i - 1].at_us <= capacity->start_us)
            return capacity->start_us;
        earliest_us = capacity->steps[i - 1].at_us;
        for (; i > 0 && capacity->steps[i - 1].at_us == earliest_us; i--)
            apply_step(lenders, &capacity->steps[i - 1], -1);
    }
    return earliest_us;
}

int64_t timeline_together(const struct capacity *capacity, struct grid_error *err)
{
    struct lenders lenders = {.capacity = capacity};
    lenders.lent_u = calloc(2 * capacity->count + 1, sizeof(*lenders.lent_u));
    if (!lenders.lent_u)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the timeline");
    lenders.most_u = lenders.lent_u + capacity->count;
    int64_t earliest_us = go_back(&lenders);
    free(lenders.lent_u);
    return earliest_us;
}
