/* Extending: a later end, where the time that is added fits; or an earlier one. */
#include "ledger/capacity.h"
#include "ledger/op.h"
#include "ledger/queue.h"
#include "util/text.h"

#include <string.h>

struct extending {
    struct grid_tx *tx;
    struct grid_op *op;
    struct boost_list group;
    int64_t end_us;  /* as it is: where a lease may be renewed to */
    int64_t goal_us; /* as it is asked for */
};

/* --- what fits -------------------------------------------------------------------------------- */

/* One request that stands for the group: what borrower and owner have of it in all. */
static void stand_in(const struct boost_list *group, struct grid_request *ret)
{
    const struct grid_boost *first = &group->at[0];
    *ret = (struct grid_request){.boost_id = first->boost_id, .target_node = first->target_node,
                                 .owner = first->owner[0] ? first->owner : NULL,
                                 .priority = first->priority};
    for (size_t i = 0; i < group->count; i++) {
        size_t need = capacity_need(ret, group->at[i].resource_type);
        if (need == GRID_NEEDS_MOST)
            continue; /* no request makes so many */
        text_copy(ret->needs[need].resource, GRID_RESOURCE_SIZE, group->at[i].resource_type);
        ret->needs[need].amount_u = grid_amount_add(ret->needs[need].amount_u,
                                                    group->at[i].amount_u);
        ret->need_count += need == ret->need_count;
    }
}

/* What this node gives of each need. */
static void lent_by(const struct extending *extending, const struct grid_request *request,
                    const char *node, int64_t ret_u[static GRID_NEEDS_MOST])
{
    memset(ret_u, 0, GRID_NEEDS_MOST * sizeof(*ret_u));
    for (size_t i = 0; i < extending->group.count; i++) {
        const struct grid_boost *boost = &extending->group.at[i];
        size_t need = capacity_need(request, boost->resource_type);
        if (need < request->need_count && strcmp(boost->source_node, node) == 0)
            ret_u[need] = grid_amount_add(ret_u[need], boost->amount_u);
    }
}

/* The longest end that all its lenders, the borrower and the owner have room for. EREFUSED: a
 * lender is on hold. */
static int find_longest(const struct extending *extending, int64_t *ret_us, struct grid_error *err)
{
    auto_capacity struct capacity capacity = {0};
    struct grid_request request;
    int64_t lent_u[GRID_NEEDS_MOST];
    stand_in(&extending->group, &request);
    int rc = capacity_read(extending->tx, &request, extending->end_us, GRID_NEVER, &capacity, err);
    if (rc == GRID_ENOTFOUND) /* of the open days; the boost itself is there */
        return grid_error_set(err, GRID_ENEVER, "its borrower '%s' is not registered",
                              text_shown(request.target_node));
    rc = rc ?: timeline_read(extending->tx, &capacity, err);
    *ret_us = GRID_NEVER;
    for (size_t i = 0; rc == 0 && i < extending->group.count; i++) {
        const struct grid_boost *boost = &extending->group.at[i];
        size_t node = capacity_find(&capacity, boost->source_node);
        if (!grid_boost_counts(boost))
            continue;
        if (node == capacity.count)
            return grid_error_set(err, GRID_ENEVER, "its source node '%s' is not registered",
                                  text_shown(boost->source_node));
        if (capacity.nodes[node].held && capacity.nodes[node].hold_until_us > extending->end_us)
            return grid_error_set(err, GRID_EREFUSED, "its source node '%s' is on hold",
                                  text_shown(boost->source_node));
        if (capacity.nodes[node].stale)
            return grid_error_set(err, GRID_EREFUSED, "its source node '%s' sent no heartbeat",
                                  text_shown(boost->source_node));
        lent_by(extending, &request, boost->source_node, lent_u);
        int64_t until_us = timeline_until(&capacity, node, extending->end_us, lent_u);
        *ret_us = until_us < *ret_us ? until_us : *ret_us;
    }
    return rc;
}

/* --- putting ---------------------------------------------------------------------------------- */

static int put_end(const struct extending *extending, int64_t end_us, struct grid_error *err)
{
    const struct grid_extend *extend = extending->op->extend;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < extending->group.count; i++) {
        struct grid_boost now = extending->group.at[i];
        if (now.renews_until_us)
            now.renews_until_us = end_us;
        if (!now.renews_until_us || now.expires_us > end_us)
            now.expires_us = end_us;
        if (i == 0)
            extending->op->boost = now;
        rc = grid_tx_put_boost(extending->tx, &extending->group.at[i], &now, GRID_EVENT_EXTENDED,
                               grid_tx_now(extending->tx), extend->reason, err);
    }
    return rc;
}

struct latest {
    int64_t now_us, below_us, at_us;
};

static int take_start(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct latest *latest = context;
    if (grid_boost_starts_later(boost, latest->now_us) && boost->starts_us < latest->below_us
        && boost->starts_us > latest->at_us)
        latest->at_us = boost->starts_us;
    return 0;
}

/* Puts *end_us, or the latest end before it that leaves what is promised to the queue: not later
 * than where it is now when there is none, and then nothing is put. It can only meet the request
 * that waits where that starts, or where something else does. */
static int put_kept(const struct extending *extending, int64_t *end_us, struct grid_error *err)
{
    auto_queue struct queue queue = {0};
    struct promise promise;
    size_t mark = grid_tx_mark(extending->tx);
    int rc = queue_read(extending->tx, &queue, err);
    rc = rc ?: queue_promised(extending->tx, &queue, queue.count, &promise, err);
    while (rc == 0 && *end_us > extending->end_us) {
        rc = put_end(extending, *end_us, err);
        rc = rc ?: queue_stands(extending->tx, &promise, err);
        if (rc != 0)
            break;
        grid_tx_undo(extending->tx, mark);
        struct latest latest = {grid_tx_now(extending->tx), *end_us, 0};
        if (promise.start_us < *end_us)
            latest.at_us = promise.start_us;
        rc = grid_tx_boosts(extending->tx, NULL, take_start, &latest, err);
        *end_us = latest.at_us;
    }
    return rc < 0 ? rc : 0;
}

/* --- deciding --------------------------------------------------------------------------------- */

static int refuse(struct extending *extending, int64_t longest_us, const char *why,
                  struct grid_error *err)
{
    char time[GRID_TIME_SIZE], wait[GRID_TIME_SIZE];
    const char *id = text_shown(extending->op->boost.boost_id);
    if (longest_us <= extending->end_us)
        return grid_error_set(err, GRID_EREFUSED, "boost '%s' cannot be extended: %s", id, why);
    extending->op->fits_us = longest_us;
    grid_error_set(err, GRID_EREFUSED, "boost '%s' cannot be extended so far: %s", id, why);
    return grid_error_hint(err, "until %s fits (%s more): --best-effort takes it",
                           grid_time_show(longest_us, time),
                           grid_duration_show(longest_us - extending->end_us, wait));
}

static int lengthen(struct extending *extending, struct grid_error *err)
{
    int64_t longest_us = GRID_NEVER;
    size_t mark = grid_tx_mark(extending->tx);
    if (!grid_tx_policy(extending->tx)->enabled)
        return grid_error_advise(err, GRID_ENEVER, "'grid policy set enabled=true' allows it",
                                 "sharing is disabled by the policy");
    int rc = grid_tx_managed(extending->tx) ? find_longest(extending, &longest_us, err) : 0;
    if (rc < 0)
        return rc;
    if (longest_us > extending->goal_us)
        longest_us = extending->goal_us;
    int64_t kept_us = longest_us;
    rc = put_kept(extending, &kept_us, err);
    if (rc < 0 || kept_us == extending->goal_us
        || (extending->op->extend->best_effort && kept_us > extending->end_us))
        return rc;
    grid_tx_undo(extending->tx, mark);
    return refuse(extending, kept_us,
                  kept_us < longest_us ? "a request that waits was promised its place"
                                       : "its lender, borrower or owner has no room then", err);
}

/* The end that is asked for, within what the policy allows. */
static int find_goal(struct extending *extending, struct grid_error *err)
{
    char most[GRID_TIME_SIZE];
    const struct grid_extend *extend = extending->op->extend;
    const struct grid_boost *boost = &extending->op->boost;
    int64_t now_us = grid_tx_now(extending->tx);
    int64_t limit_us = grid_time_add(boost->starts_us,
                                     grid_tx_policy(extending->tx)->max_duration_us);
    extending->goal_us = extend->by_us    ? grid_time_add(extending->end_us, extend->by_us)
                         : extend->for_us ? grid_time_add(now_us, extend->for_us)
                                          : extend->until_us;
    if (extending->goal_us <= now_us || extending->goal_us <= boost->starts_us)
        return grid_error_set(err, GRID_EUSAGE, "the end '%s' is %s",
                              grid_time_show(extending->goal_us, most),
                              extending->goal_us <= now_us ? "in the past" : "before its start");
    if (extending->goal_us <= limit_us || extending->goal_us <= extending->end_us)
        return 0;
    if (extend->best_effort && limit_us > extending->end_us) {
        extending->goal_us = limit_us;
        return 0;
    }
    return grid_error_set(err, GRID_ENEVER, "the policy allows %s at most, counted from its start",
                          grid_duration_show(grid_tx_policy(extending->tx)->max_duration_us,
                                             most));
}

static int move_end(struct extending *extending, struct grid_error *err)
{
    const struct grid_extend *extend = extending->op->extend;
    char time[GRID_TIME_SIZE];
    int rc = find_goal(extending, err);
    if (rc < 0 || extending->goal_us == extending->end_us)
        return rc;
    if (extending->goal_us > extending->end_us)
        return lengthen(extending, err);
    if (extend->shorten)
        return put_end(extending, extending->goal_us, err);
    return grid_error_advise(err, GRID_ENEVER, "--shorten allows it",
                             "boost '%s' would end earlier than it does: at %s",
                             text_shown(extending->op->boost.boost_id),
                             grid_time_show(extending->goal_us, time));
}

int op_extend(struct grid_tx *tx, struct grid_op *op, struct boost_list *held,
              struct grid_error *err)
{
    struct extending extending = {.tx = tx, .op = op};
    size_t before = grid_tx_mark(tx);
    op->fits_us = 0;
    int rc = op_find(tx, op->extend->id, &op->boost, err);
    if (rc == 0 && op->boost.ended != GRID_ACTIVE)
        return op_ended(&op->boost, err);
    if (rc == 0 && op->boost.preempted_by[0])
        return grid_error_set(err, GRID_ENEVER, "boost '%s' was pre-empted by '%s'",
                              text_shown(op->boost.boost_id), text_shown(op->boost.preempted_by));
    rc = rc ?: ledger_group(tx, &op->boost, &extending.group, err);
    for (size_t i = 0; rc == 0 && i < extending.group.count; i++)
        rc = op_allowed(tx, &extending.group.at[i], op->extend->caller, false, err);
    extending.end_us = grid_boost_until(&op->boost);
    rc = rc ?: move_end(&extending, err);
    for (size_t i = 0; rc == 0 && grid_tx_mark(tx) == before && i < extending.group.count; i++)
        rc = boost_list_add(held, &extending.group.at[i], err); /* as it is already */
    boost_list_release(&extending.group);
    return rc;
}
