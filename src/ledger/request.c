/* Asking for boosts: once for each request id. */
#include "ledger/op.h"

#include "ledger/grant.h"
#include "ledger/queue.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

/* Two requests are the same when these are: in one order and one spelling. A reason is a remark and
 * does not count. */
int request_spell(const struct grid_request *request, char text[static GRID_REQUEST_SIZE],
                  struct grid_error *err)
{
    char amount[GRID_AMOUNT_SIZE], time[GRID_TIME_SIZE];
    const char *owner = request->owner;
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    buffer_text(&out, request->target_node);
    for (size_t i = 0; i < request->need_count; i++)
        buffer_format(&out, " %s %s", request->needs[i].resource,
                      grid_amount_format(request->needs[i].resource, request->needs[i].amount_u,
                                         amount));
    buffer_format(&out, " --priority %s", grid_priority_name(request->priority));
    if (request->duration_us == GRID_NEVER)
        buffer_text(&out, " --duration never");
    else if (request->duration_us > 0)
        buffer_format(&out, " --duration %llds", (long long)(request->duration_us / GRID_SECOND));
    if (request->start_us > 0)
        buffer_format(&out, " --start %s", grid_time_format(request->start_us, time));
    if (request->lease_us > 0)
        buffer_format(&out, " --ttl %llds", (long long)(request->lease_us / GRID_SECOND));
    if (request->source_node)
        buffer_format(&out, " --source %s", request->source_node);
    if (request->prefer_node)
        buffer_format(&out, " --prefer %s", request->prefer_node);
    buffer_format(&out, "%s%s%s%s", request->split ? " --split" : "",
                  request->preempt ? " --preempt" : "", owner ? " --owner " : "",
                  owner ? owner : "");
    const char *all = buffer_string(&out);
    if (!all)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the request");
    text_copy(text, GRID_REQUEST_SIZE, all);
    return 0;
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
    if (!event->has_boost || event->boost.ended == GRID_ACTIVE)
        return 0;
    if (event->at_us <= replay->forgotten_us)
        return 0;
    *replay->boost = event->boost;
    return 1;
}

/* Looks for the boost that this request id has made: 1 when there is one. */
static int find_made(struct grid_tx *tx, const char *request_id, struct grid_boost *ret,
                     struct grid_error *err)
{
    struct grid_boost_filter living = {.request_id = request_id};
    int rc = grid_tx_boosts(tx, &living, boost_take, ret, err);
    if (rc != 0)
        return rc;
    struct replay replay = {grid_tx_now(tx) - GRID_REQUEST_MEMORY, ret};
    struct grid_event_filter ended = {.request_id = request_id, .since_us = replay.forgotten_us};
    return grid_tx_events(tx, &ended, take_ended, &replay, err);
}

int request_same(const char *request_id, const char *then, const char *now,
                 struct grid_error *err)
{
    char shown[GRID_ID_SIZE], was[GRID_REQUEST_SIZE], is[GRID_REQUEST_SIZE];
    if (strcmp(then, now) == 0)
        return 0;
    grid_error_set(err, GRID_ECONFLICT, "request id '%s' was used with other values",
                   text_printable(request_id, shown, sizeof(shown)));
    return grid_error_hint(err, "then: %s; now: %s", text_printable(then, was, sizeof(was)),
                           text_printable(now, is, sizeof(is)));
}

/* 1: this is a replay; the grant is filled, and `held` has the members that live, or the one that
 * has ended. */
static int replay(struct grid_tx *tx, struct grid_op *op, const char *requested,
                  struct boost_list *held, struct grid_error *err)
{
    const char *key = op->request->request_id;
    struct grid_boost *boost = &op->grant->boost;
    int rc = key ? find_made(tx, key, boost, err) : 0;
    if (rc <= 0)
        return rc;
    rc = request_same(key, boost->requested, requested, err);
    if (rc < 0)
        return rc;
    op->grant->replayed = true;
    rc = boost->ended == GRID_ACTIVE ? ledger_group(tx, boost, held, err)
                                     : boost_list_add(held, boost, err);
    return rc < 0 ? rc : 1;
}

/* A ticket binds its request id, too. */
static int check_waiting(const struct queue *queue, const struct grid_request *request,
                         const char *requested, struct grid_error *err)
{
    const char *key = request->request_id;
    int rc = 0;
    for (size_t i = 0; key && rc == 0 && i < queue->count; i++)
        if (strcmp(queue->at[i].request_id, key) == 0)
            rc = request_same(key, queue->at[i].requested, requested, err);
    return rc;
}

/* --- asking ----------------------------------------------------------------------------------- */

int op_request(struct grid_tx *tx, struct grid_op *op, struct boost_list *held,
               struct grid_error *err)
{
    auto_queue struct queue queue = {0};
    struct promise promise;
    char requested[GRID_REQUEST_SIZE];
    const struct grid_request *request = op->request;
    *op->grant = (struct grid_grant){0};
    if (op->explain && op->explain->restart)
        op->explain->restart(op->explain->context);
    int rc = request_spell(request, requested, err);
    rc = rc ?: replay(tx, op, requested, held, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = queue_read(tx, &queue, err);
    rc = rc ?: check_waiting(&queue, request, requested, err);
    rc = rc ?: queue_promised(tx, &queue, queue_before(&queue, request->priority), &promise, err);
    if (rc < 0)
        return rc;
    struct grant grant = {.request = request, .requested = requested, .explain = op->explain,
                          .promise = &promise, .later_pickup_us = op->pickup_us, .ret = op->grant};
    return grant_boosts(tx, &grant, err);
}
