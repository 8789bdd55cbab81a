/* Granting a boost: once for each request id, and only what there is. */
#include "ledger/settle.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

struct requesting {
    const struct grid_request *request;
    struct grid_grant *grant;
    char requested[GRID_REQUEST_SIZE];
};

/* The request as typed, in one order and one spelling: two requests are the same when these are.
 * A reason is a remark and does not count. */
static void spell(const struct grid_request *request, char *buffer, size_t size)
{
    char amount[GRID_AMOUNT_SIZE], duration[32] = "never";
    if (request->duration_us != GRID_NEVER)
        snprintf(duration, sizeof(duration), "%llds",
                 (long long)(request->duration_us / GRID_SECOND));
    snprintf(buffer, size, "%s %s %s --priority %s --duration %s%s%s%s%s", request->target_node,
             request->resource_type,
             grid_amount_format(request->resource_type, request->amount_u, amount),
             grid_priority_name(request->priority), duration,
             request->source_node ? " --source " : "",
             request->source_node ? request->source_node : "", request->owner ? " --owner " : "",
             request->owner ? request->owner : "");
}

static int take_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    *(struct grid_boost *)context = *boost;
    return 1;
}

struct replay {
    int64_t forgotten_us; /* what ended before is not known any more */
    struct grid_boost *boost;
};

static int take_ended(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    const struct replay *replay = context;
    if (grid_event_ends(event->event) == GRID_ACTIVE)
        return 0;
    if (event->at_us <= replay->forgotten_us)
        return 0;
    *replay->boost = event->boost;
    return 1;
}

/* Looks for the boost that this request id has made: 1 when there is one. */
static int find_replay(struct grid_tx *tx, const char *request_id, struct grid_boost *ret,
                       struct grid_error *err)
{
    struct grid_boost_filter living = {.request_id = request_id};
    int rc = grid_tx_boosts(tx, &living, take_boost, ret, err);
    if (rc != 0)
        return rc;
    struct grid_event_filter ended = {.request_id = request_id};
    struct replay replay = {grid_tx_now(tx) - GRID_REQUEST_MEMORY, ret};
    return grid_tx_events(tx, &ended, take_ended, &replay, err);
}

/* 1: this is a replay, and the grant is filled with what was made then. */
static int replay(struct grid_tx *tx, struct requesting *requesting, struct grid_error *err)
{
    const char *key = requesting->request->request_id;
    struct grid_boost *boost = &requesting->grant->boost;
    int rc = key ? find_replay(tx, key, boost, err) : 0;
    if (rc <= 0)
        return rc;
    if (strcmp(boost->requested, requesting->requested) != 0) {
        char shown[GRID_ID_SIZE], then[GRID_REQUEST_SIZE], now[GRID_REQUEST_SIZE];
        grid_error_set(err, GRID_ECONFLICT, "request id '%s' was used with other values",
                       text_printable(key, shown, sizeof(shown)));
        return grid_error_hint(err, "then: %s; now: %s",
                               text_printable(boost->requested, then, sizeof(then)),
                               text_printable(requesting->requested, now, sizeof(now)));
    }
    requesting->grant->replayed = true;
    return 1;
}

static void copy_text(char *to, size_t size, const char *from)
{
    text_copy(to, size, from ? from : "");
}

static void fill(struct grid_tx *tx, const struct requesting *requesting,
                 struct grid_boost *boost)
{
    const struct grid_request *request = requesting->request;
    int64_t now_us = grid_tx_now(tx);
    *boost = (struct grid_boost){
        .amount_u = request->amount_u,
        .allocated_us = now_us,
        .starts_us = now_us,
        .expires_us = grid_time_add(now_us, request->duration_us),
        .token = grid_tx_token(tx),
        .priority = request->priority,
        .is_active = true,
    };
    copy_text(boost->boost_id, sizeof(boost->boost_id), request->boost_id);
    copy_text(boost->source_node, sizeof(boost->source_node),
              request->source_node ? request->source_node : GRID_ANY_NODE);
    copy_text(boost->target_node, sizeof(boost->target_node), request->target_node);
    copy_text(boost->resource_type, sizeof(boost->resource_type), request->resource_type);
    copy_text(boost->owner, sizeof(boost->owner), request->owner);
    copy_text(boost->host, sizeof(boost->host), request->host);
    copy_text(boost->reason, sizeof(boost->reason), request->reason);
    copy_text(boost->request_id, sizeof(boost->request_id), request->request_id);
    if (request->request_id)
        copy_text(boost->requested, sizeof(boost->requested), requesting->requested);
}

static int decide(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct requesting *requesting = context;
    const struct grid_request *request = requesting->request;
    struct grid_grant *grant = requesting->grant;
    *grant = (struct grid_grant){.unchecked = true};
    int rc = ledger_settle(tx, NULL, err);
    if (rc == 0)
        rc = replay(tx, requesting, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (request->source_node && strcmp(request->source_node, request->target_node) == 0)
        return grid_error_set(err, GRID_ENEVER, "node '%s' cannot lend to itself",
                              request->target_node);
    fill(tx, requesting, &grant->boost);
    return grid_tx_put_boost(tx, NULL, &grant->boost, GRID_EVENT_GRANTED,
                             grid_tx_now(tx), request->reason, err);
}

int grid_ledger_request(struct grid_store *store, const struct grid_request *request, bool dry_run,
                        struct grid_grant *ret, struct grid_error *err)
{
    struct grid_grant grant;
    struct requesting requesting = {.request = request, .grant = &grant};
    spell(request, requesting.requested, sizeof(requesting.requested));
    int rc = grid_store_transact(store, dry_run ? GRID_READ : GRID_WRITE, decide, &requesting,
                                 NULL, err);
    if (rc == 0 || rc == GRID_EUNKNOWN)
        *ret = grant;
    return rc;
}
