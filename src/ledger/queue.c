/* The queue: who waits, in which order, and what is promised to them. */
#include "ledger/queue.h"

#include "ledger/capacity.h"
#include "ledger/grant.h"
#include "ledger/op.h"
#include "util/text.h"

#include <string.h>

/*
 * The head of the queue is promised a start: the earliest at which it fits by the ends that are
 * known. (Where none is known the promise is the next one's.) Whoever comes later may be granted
 * before it as long as that start does not move (the rule is EASY backfilling's). Nothing is stored
 * for it: a promise is what the ledger as it stands comes to, and each decision that could move it
 * compares it before and after.
 */

void queue_release(struct queue *queue) { free(queue->at); }

static int take_ticket(void *context, const struct grid_ticket *ticket, struct grid_error *err)
{
    struct queue *queue = context;
    if (array_reserve(&queue->at, &queue->room, queue->count + 1, sizeof(*queue->at)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the queue");
    queue->at[queue->count++] = *ticket;
    return 0;
}

static int compare(const void *a, const void *b) { return grid_ticket_compare(a, b); }

int queue_read(struct grid_tx *tx, struct queue *ret, struct grid_error *err)
{
    ret->count = 0;
    int rc = grid_tx_waiting(tx) ? grid_tx_tickets(tx, take_ticket, ret, err) : 0;
    if (ret->count > 1)
        qsort(ret->at, ret->count, sizeof(*ret->at), compare);
    return rc;
}

static const char *text_or_null(const char *text) { return text[0] ? text : NULL; }

void queue_request(const struct grid_ticket *ticket, struct grid_request *ret)
{
    *ret = (struct grid_request){
        .boost_id = ticket->ticket_id,
        .target_node = ticket->target_node,
        .need_count = ticket->need_count,
        .priority = ticket->priority,
        .duration_us = ticket->duration_us,
        .lease_us = ticket->lease_us,
        .source_node = text_or_null(ticket->source_node),
        .prefer_node = text_or_null(ticket->prefer_node),
        .split = ticket->split,
        .preempt = ticket->preempt,
        .reason = text_or_null(ticket->reason),
        .owner = text_or_null(ticket->owner),
        .host = text_or_null(ticket->host),
        .request_id = text_or_null(ticket->request_id),
    };
    memcpy(ret->needs, ticket->needs, sizeof(ret->needs));
}

int queue_ticket(struct grid_tx *tx, const struct grid_request *request, struct grid_ticket *ret,
                 struct grid_error *err)
{
    int64_t now_us = grid_tx_now(tx);
    *ret = (struct grid_ticket){
        .queued_us = now_us,
        .expires_us = now_us + GRID_TICKET_LEASE,
        .duration_us = grant_length(tx, request),
        .lease_us = request->lease_us,
        .priority = request->priority,
        .split = request->split,
        .preempt = request->preempt,
        .need_count = request->need_count,
    };
    memcpy(ret->needs, request->needs, sizeof(ret->needs));
    const struct {
        char *to;
        size_t size;
        const char *from;
    } texts[] = {
        {ret->ticket_id, sizeof(ret->ticket_id), request->boost_id},
        {ret->target_node, sizeof(ret->target_node), request->target_node},
        {ret->source_node, sizeof(ret->source_node), request->source_node},
        {ret->prefer_node, sizeof(ret->prefer_node), request->prefer_node},
        {ret->owner, sizeof(ret->owner), request->owner},
        {ret->host, sizeof(ret->host), request->host},
        {ret->reason, sizeof(ret->reason), request->reason},
        {ret->request_id, sizeof(ret->request_id), request->request_id},
    };
    for (size_t i = 0; i < countof(texts); i++)
        text_copy(texts[i].to, texts[i].size, texts[i].from ? texts[i].from : "");
    return request->request_id ? request_spell(request, ret->requested, err) : 0;
}

size_t queue_before(const struct queue *queue, enum grid_priority priority)
{
    size_t count = 0;
    while (count < queue->count && queue->at[count].priority >= priority)
        count++;
    return count;
}

/* --- by id ------------------------------------------------------------------------------------ */

struct search {
    const char *id;
    struct grid_ticket *ret;
    size_t found;
};

static int match_ticket(void *context, const struct grid_ticket *ticket, struct grid_error *err)
{
    (void)err;
    struct search *search = context;
    bool exact = strcmp(ticket->ticket_id, search->id) == 0;
    if (strncmp(ticket->ticket_id, search->id, strlen(search->id)) != 0)
        return 0;
    *search->ret = *ticket;
    search->found++;
    return exact;
}

int op_find_ticket(struct grid_tx *tx, const char *id, struct grid_ticket *ret,
                   struct grid_error *err)
{
    struct search search = {.id = id, .ret = ret};
    int rc = grid_tx_waiting(tx) ? grid_tx_tickets(tx, match_ticket, &search, err) : 0;
    if (rc != 0 || search.found < 2)
        return rc != 0 ? rc : (int)search.found;
    return grid_error_set(err, GRID_ECONFLICT, "'%s' is ambiguous: %zu tickets begin so",
                          text_shown(id), search.found);
}

int op_find(struct grid_tx *tx, const char *id, struct grid_boost *ret, struct grid_error *err)
{
    struct grid_ticket ticket;
    struct grid_error unused = {0};
    int rc = grid_tx_find(tx, id, ret, err);
    if (rc != GRID_ENOTFOUND || op_find_ticket(tx, id, &ticket, &unused) <= 0)
        return rc;
    return grid_error_advise(err, GRID_ENOTFOUND, "'grid boost queue' shows its place",
                             "'%s' is no boost yet: it waits", text_shown(id));
}

/* --- promises --------------------------------------------------------------------------------- */

/* The earliest start; with `place` the request takes its place there for now. */
static int64_t start_of(struct grid_tx *tx, const struct grid_request *asked, bool place,
                        struct grid_error *err)
{
    auto_capacity struct capacity capacity = {0};
    const struct grid_policy *policy = grid_tx_policy(tx);
    struct grid_request request = *asked;
    struct grid_grant granted;
    int64_t length_us = grant_length(tx, &request);
    if (!policy->enabled || length_us > policy->max_duration_us)
        return GRID_NEVER;
    int rc = capacity_read(tx, &request, grid_tx_now(tx), length_us, &capacity, err);
    if (rc < 0)
        return rc == GRID_ENOTFOUND ? GRID_NEVER : rc;
    size_t node = capacity.count;
    int64_t start_us = capacity_earliest(tx, &capacity, &node, err);
    if (!place || start_us < 0 || start_us == GRID_NEVER)
        return start_us;
    request.start_us = start_us;
    request.preempt = false;
    if (node < capacity.count)
        request.source_node = capacity.nodes[node].name;
    struct grant grant = {.request = &request, .silent = true, .ret = &granted};
    rc = grant_boosts(tx, &grant, err);
    return rc < 0 && rc != GRID_EREFUSED && rc != GRID_ENEVER ? rc : start_us;
}

/* Nobody's when its start is not known. */
static int promise_of(struct grid_tx *tx, const struct grid_ticket *ticket, struct promise *ret,
                      struct grid_error *err)
{
    struct grid_request request;
    queue_request(ticket, &request);
    ret->start_us = start_of(tx, &request, false, err);
    ret->ticket = ret->start_us == GRID_NEVER ? NULL : ticket;
    return ret->start_us < 0 ? (int)ret->start_us : 0;
}

int queue_promised(struct grid_tx *tx, const struct queue *queue, size_t count,
                   struct promise *ret, struct grid_error *err)
{
    int rc = 0;
    *ret = (struct promise){0};
    for (size_t i = 0; rc == 0 && !ret->ticket && i < count; i++)
        rc = promise_of(tx, &queue->at[i], ret, err);
    return rc;
}

int queue_stands(struct grid_tx *tx, const struct promise *promise, struct grid_error *err)
{
    struct promise now = {0};
    int rc = promise->ticket ? promise_of(tx, promise->ticket, &now, err) : 0;
    return rc < 0 ? rc : !promise->ticket || now.start_us <= promise->start_us;
}

int64_t queue_promise(struct grid_tx *tx, const struct queue *queue, size_t before,
                      const struct grid_request *request, struct grid_error *err)
{
    size_t mark = grid_tx_mark(tx);
    struct grid_request other;
    int64_t start_us = 0;
    for (size_t i = 0; start_us >= 0 && i < before; i++) {
        queue_request(&queue->at[i], &other);
        start_us = start_of(tx, &other, true, err);
    }
    if (start_us >= 0)
        start_us = start_of(tx, request, false, err);
    grid_tx_undo(tx, mark);
    return start_us;
}

/* --- granting from the queue ------------------------------------------------------------------ */

/* Grants the ticket if it fits now: 1; 0: it waits on. */
static int grant_ticket(struct grid_tx *tx, const struct grid_ticket *ticket,
                        const struct promise *promise, struct grid_error *err)
{
    struct grid_request request;
    struct grid_grant granted;
    struct grid_error why = {0};
    queue_request(ticket, &request);
    struct grant grant = {.request = &request, .requested = ticket->requested,
                          .promise = promise, .silent = true, .pickup_us = GRID_TICKET_LEASE,
                          .later_pickup_us = GRID_TICKET_LEASE, .ret = &granted};
    int rc = grant_boosts(tx, &grant, &why);
    if (rc == GRID_EREFUSED || rc == GRID_ENEVER || rc == GRID_ENOTFOUND)
        return 0; /* its waiter finds out by itself when it never fits */
    if (rc < 0)
        *err = why;
    rc = rc ?: grid_tx_put_ticket(tx, ticket, GRID_EVENT_GRANTED, NULL, err);
    return rc < 0 ? rc : 1;
}

int queue_promote(struct grid_tx *tx, struct grid_error *err)
{
    auto_queue struct queue queue = {0};
    struct promise promise = {0}; /* to the first that waits on */
    int rc = queue_read(tx, &queue, err);
    for (size_t i = 0; rc >= 0 && i < queue.count; i++) {
        rc = grant_ticket(tx, &queue.at[i], &promise, err);
        if (rc == 0 && !promise.ticket)
            rc = promise_of(tx, &queue.at[i], &promise, err);
    }
    return rc < 0 ? rc : 0;
}

/* --- when to look ---------------------------------------------------------------------------- */

struct due {
    const struct grid_request *request;
    int64_t protected_us; /* then a boost may be pre-empted; GRID_NEVER: nobody wants that */
    int64_t now_us, at_us;
};

static void take_due(struct due *due, int64_t at_us)
{
    if (at_us > due->now_us && at_us < due->at_us)
        due->at_us = at_us;
}

static int see_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct due *due = context;
    for (size_t i = 0; i < due->request->need_count; i++)
        if (strcmp(due->request->needs[i].resource, boost->resource_type) == 0) {
            take_due(due, boost->expires_us);
            take_due(due, grid_time_add(boost->starts_us, due->protected_us));
        }
    return 0;
}

static int see_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    (void)err;
    take_due(context, node->held ? node->hold_until_us : GRID_NEVER);
    return 0;
}

int queue_due(struct grid_tx *tx, const struct grid_request *request, const struct queue *queue,
              int64_t *ret_us, struct grid_error *err)
{
    struct due due = {request, GRID_NEVER, grid_tx_now(tx), GRID_NEVER};
    if (request->preempt)
        due.protected_us = grid_tx_policy(tx)->protected_us;
    for (size_t i = 0; i < queue->count; i++)
        take_due(&due, queue->at[i].expires_us);
    int rc = grid_tx_boosts(tx, NULL, see_boost, &due, err);
    rc = rc ?: grid_tx_nodes(tx, see_node, &due, err);
    *ret_us = due.at_us;
    return rc;
}

/* --- looking ---------------------------------------------------------------------------------- */

struct viewing {
    struct queue queue;
    int64_t *starts_us;
};

/* Each in turn takes its place, for the next to see. */
static int view(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct viewing *viewing = context;
    struct grid_request request;
    int rc = ledger_settle(tx, err);
    rc = rc ?: queue_promote(tx, err);
    rc = rc ?: queue_read(tx, &viewing->queue, err);
    free(viewing->starts_us);
    viewing->starts_us = calloc(viewing->queue.count + 1, sizeof(*viewing->starts_us));
    if (rc == 0 && !viewing->starts_us)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the queue");
    for (size_t i = 0; rc == 0 && i < viewing->queue.count; i++) {
        queue_request(&viewing->queue.at[i], &request);
        viewing->starts_us[i] = start_of(tx, &request, true, err);
        rc = viewing->starts_us[i] < 0 ? (int)viewing->starts_us[i] : 0;
    }
    return rc;
}

int grid_ledger_queue(struct grid_store *store, grid_ticket_view_fn fn, void *context,
                      struct grid_error *err)
{
    struct viewing viewing = {0};
    int rc = grid_store_transact(store, GRID_READ, view, &viewing, NULL, err);
    for (size_t i = 0; rc == 0 && i < viewing.queue.count; i++) {
        struct grid_ticket_view row = {viewing.queue.at[i], i + 1, viewing.starts_us[i]};
        rc = fn(context, &row, err);
    }
    queue_release(&viewing.queue);
    free(viewing.starts_us);
    return rc < 0 ? rc : 0;
}
