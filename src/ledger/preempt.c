/* Pre-emption: which boosts of lower priority must end so that a request fits. */
#include "ledger/capacity.h"
#include "ledger/grant.h"
#include "ledger/settle.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

/*
 * The rule (cli.md, Capacity rules): strictly lower priority, never within the protected time, the
 * lowest priority first, then the youngest, never more than needed, nobody if that is not enough.
 * So victims are taken in that order until there is enough, and those that turn out not to be
 * needed are spared, the most worthy first. What is done to one member of a group is done to all,
 * so a group is one victim. Of several lenders the one whose victims matter least is chosen: the
 * lowest of the highest priorities (where nobody has to end, before all), then the fewest, then the
 * name.
 */

struct preempting {
    const struct capacity *capacity; /* for the time from which the victims are gone */
    struct boost_list candidates;    /* on the lender that is looked at; groups together */
    bool *ends;                      /* which of them are to end */
    size_t ends_room, node;
};

static bool is_protected(const struct capacity *capacity, const struct grid_boost *boost)
{
    return capacity->now_us < grid_time_add(boost->starts_us, capacity->policy->protected_us);
}

static int take_candidate(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct preempting *preempting = context;
    const struct capacity *capacity = preempting->capacity;
    if (boost->priority >= capacity->request->priority || is_protected(capacity, boost)
        || grid_boost_starts_later(boost, capacity->now_us) || boost->preempted_by[0]
        || grid_boost_until(boost) <= capacity->start_us
        || capacity_need(capacity->request, boost->resource_type)
               == capacity->request->need_count)
        return 0;
    return boost_list_add(&preempting->candidates, boost, err);
}

static const char *unit_of(const struct grid_boost *boost)
{
    return boost->group_id[0] ? boost->group_id : boost->boost_id;
}

static int by_worth(const void *a, const void *b)
{
    const struct grid_boost *left = a, *right = b;
    if (left->priority != right->priority)
        return left->priority < right->priority ? -1 : 1;
    if (left->starts_us != right->starts_us)
        return left->starts_us > right->starts_us ? -1 : 1;
    return strcmp(unit_of(left), unit_of(right));
}

/* Is there room at an instant, beside what is lent then? */
static bool fits_at(const struct preempting *preempting, size_t need, __int128 lent_u,
                    int64_t at_us)
{
    const struct capacity *capacity = preempting->capacity;
    const struct grid_need *wanted = &capacity->request->needs[need];
    for (size_t i = 0; i < preempting->candidates.count; i++) {
        const struct grid_boost *boost = &preempting->candidates.at[i];
        if (preempting->ends[i] && grid_boost_until(boost) > at_us
            && strcmp(boost->resource_type, wanted->resource) == 0)
            lent_u -= boost->amount_u;
    }
    return lent_u + wanted->amount_u <= capacity->nodes[preempting->node].lendable_u[need];
}

/* Is there for the whole time? Least is left at its beginning, or where something starts. */
static bool has_room(const struct preempting *preempting, size_t need)
{
    const struct capacity *capacity = preempting->capacity;
    int64_t end_us = grid_time_add(capacity->start_us, capacity->length_us);
    __int128 lent_u = 0;
    bool begun = false;
    for (size_t i = 0; i < capacity->step_count && capacity->steps[i].at_us < end_us; i++) {
        const struct capacity_step *step = &capacity->steps[i];
        if (step->sum != SUM_LENT || step->node != preempting->node || step->need != need)
            continue;
        if (!begun && step->at_us > capacity->start_us) {
            begun = true;
            if (!fits_at(preempting, need, lent_u, capacity->start_us))
                return false;
        }
        lent_u += step->by_u;
        if (begun && step->by_u > 0 && !fits_at(preempting, need, lent_u, step->at_us))
            return false;
    }
    return begun || fits_at(preempting, need, lent_u, capacity->start_us);
}

static bool is_enough(const struct preempting *preempting)
{
    size_t need = 0;
    while (need < preempting->capacity->request->need_count && has_room(preempting, need))
        need++;
    return need == preempting->capacity->request->need_count;
}

/* Marks the victim at `i`, all its members; returns how many those are. */
static size_t mark(struct preempting *preempting, size_t i, bool ends)
{
    const struct boost_list *list = &preempting->candidates;
    size_t begin = i;
    for (; i < list->count && strcmp(unit_of(&list->at[i]), unit_of(&list->at[begin])) == 0; i++)
        preempting->ends[i] = ends;
    return i - begin;
}

static bool begins_unit(const struct boost_list *list, size_t i)
{
    return i == 0 || strcmp(unit_of(&list->at[i]), unit_of(&list->at[i - 1])) != 0;
}

/* Marks the victims on the lender; *ret_enough: will that do? */
static int choose_victims(struct grid_tx *tx, struct preempting *preempting, bool *ret_enough,
                          struct grid_error *err)
{
    struct boost_list *list = &preempting->candidates;
    const char *node = preempting->capacity->nodes[preempting->node].name;
    struct grid_boost_filter lent = {.source_node = node};
    size_t count = 0;
    list->count = 0;
    int rc = grid_tx_boosts(tx, &lent, take_candidate, preempting, err);
    if (rc == 0 && array_reserve(&preempting->ends, &preempting->ends_room, list->count + 1,
                                 sizeof(*preempting->ends)) != 0)
        rc = grid_error_set(err, GRID_ENOMEM, "no memory for the boosts");
    if (rc < 0)
        return rc;
    memset(preempting->ends, 0, list->count * sizeof(*preempting->ends));
    if (list->count > 1)
        qsort(list->at, list->count, sizeof(*list->at), by_worth);
    while (!(*ret_enough = is_enough(preempting)) && count < list->count)
        count += mark(preempting, count, true);
    for (size_t i = count; *ret_enough && i-- > 0;) {
        if (!begins_unit(list, i))
            continue;
        mark(preempting, i, false);
        if (!is_enough(preempting))
            mark(preempting, i, true);
    }
    return 0;
}

/* Ends one at the time from which the winner has its place; without a grace at once. */
static int end_victim(struct grid_tx *tx, const struct capacity *capacity,
                      const struct grid_boost *victim, struct grid_error *err)
{
    struct grid_boost now = *victim;
    char why[GRID_TEXT_SIZE];
    text_copy(now.preempted_by, sizeof(now.preempted_by), capacity->request->boost_id);
    now.expires_us = victim->expires_us < capacity->start_us ? victim->expires_us
                                                             : capacity->start_us;
    if (now.renews_until_us)
        now.renews_until_us = capacity->start_us;
    snprintf(why, sizeof(why), "by %.36s: %s before %s", capacity->request->boost_id,
             grid_priority_name(capacity->request->priority),
             grid_priority_name(victim->priority));
    bool at_once = capacity->start_us <= capacity->now_us;
    return grid_tx_put_boost(tx, victim, at_once ? NULL : &now, GRID_EVENT_PREEMPTED,
                             capacity->now_us, why, err);
}

static int end_victims(struct grid_tx *tx, const struct preempting *preempting,
                       struct grid_error *err)
{
    auto_boosts struct boost_list group = {0};
    const struct boost_list *list = &preempting->candidates;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        if (!preempting->ends[i] || !begins_unit(list, i))
            continue;
        rc = ledger_group(tx, &list->at[i], &group, err);
        for (size_t j = 0; rc == 0 && j < group.count; j++)
            rc = end_victim(tx, preempting->capacity, &group.at[j], err);
    }
    return rc;
}

/* How much the victims matter: less is better. */
struct loss {
    size_t node, count;
    int highest; /* priority; -1: nobody ends */
};

static struct loss loss_of(const struct preempting *preempting)
{
    const struct boost_list *list = &preempting->candidates;
    struct loss loss = {preempting->node, 0, -1};
    for (size_t i = 0; i < list->count; i++) {
        if (!preempting->ends[i])
            continue;
        loss.count += begins_unit(list, i);
        if ((int)list->at[i].priority > loss.highest)
            loss.highest = (int)list->at[i].priority;
    }
    return loss;
}

static bool is_less(const struct capacity *capacity, const struct loss *a, const struct loss *b)
{
    if (a->highest != b->highest)
        return a->highest < b->highest;
    if (a->count != b->count)
        return a->count < b->count;
    return strcmp(capacity->nodes[a->node].name, capacity->nodes[b->node].name) < 0;
}

/* The best lender; its index is the count when none will do. */
static int find_lender(struct grid_tx *tx, struct preempting *preempting, struct grid_error *err)
{
    const struct capacity *capacity = preempting->capacity;
    struct loss best = {.node = capacity->count};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < capacity->count; i++) {
        bool enough = false;
        preempting->node = i;
        if (!capacity_may_lend(capacity, &capacity->nodes[i]))
            continue;
        rc = choose_victims(tx, preempting, &enough, err);
        struct loss loss = loss_of(preempting);
        if (rc == 0 && enough && (best.node == capacity->count || is_less(capacity, &loss, &best)))
            best = loss;
    }
    preempting->node = best.node;
    return rc;
}

/* The capacity again, for `start_us`; what was passed over stays so. */
static int read_again(struct grid_tx *tx, struct capacity *capacity, int64_t start_us,
                      struct grid_error *err)
{
    auto_capacity struct capacity before = *capacity;
    int rc = capacity_read(tx, before.request, start_us, before.length_us, capacity, err);
    for (size_t i = 0; i < capacity->count && i < before.count; i++)
        capacity->nodes[i].passed_over = before.nodes[i].passed_over;
    return rc ?: timeline_read(tx, capacity, err);
}

int preempt_victims(struct grid_tx *tx, struct capacity *capacity, size_t *ret_node,
                    struct grid_error *err)
{
    struct preempting preempting = {.capacity = capacity};
    bool enough;
    int64_t start_us = grid_time_add(capacity->now_us, capacity->policy->grace_us);
    int rc = read_again(tx, capacity, start_us, err);
    rc = rc ?: find_lender(tx, &preempting, err);
    bool found = rc == 0 && preempting.node < capacity->count;
    if (found) {
        rc = choose_victims(tx, &preempting, &enough, err);
        rc = rc ?: end_victims(tx, &preempting, err);
    }
    rc = rc ?: read_again(tx, capacity, found ? start_us : capacity->now_us, err);
    *ret_node = preempting.node;
    boost_list_release(&preempting.candidates);
    free(preempting.ends);
    return rc < 0 ? rc : found;
}
