/* The model of oracle.h, read from a ledger instead of kept beside it. */
#ifndef UNIT_SNAPSHOT_H
#define UNIT_SNAPSHOT_H

#include "unit/oracle.h"

#include <stdlib.h>
#include <unistd.h>

#define CORES GRID_AMOUNT_UNIT

static inline int snapshot_boost(void *context, const struct grid_boost *boost,
                                 struct grid_error *err)
{
    (void)context, (void)err;
    holds(model.count < BOOSTS_MOST, "too many");
    model.boosts[model.count] = *boost;
    model.boosts[model.count++].expires_us = grid_boost_until(boost);
    return 0;
}

static inline int snapshot_node(void *context, const struct grid_node_view *view,
                                struct grid_error *err)
{
    (void)context, (void)err;
    model.nodes[model.node_count++] = view->node;
    return 0;
}

/* Ends are those that plans count with. */
static inline void snapshot(void)
{
    struct grid_boost_filter all = {0};
    struct grid_error err = {0};
    model.count = model.node_count = 0;
    int rc = grid_ledger_list(model.store, GRID_READ, &all, snapshot_boost, NULL, &err);
    rc = rc ?: grid_ledger_nodes(model.store, GRID_READ, NULL, snapshot_node, NULL, &err);
    rc = rc ?: grid_ledger_policy(model.store, &model.policy, &err);
    holds(rc == 0, "%s", err.message);
}

/* --- ledgers by chance: n0 to n2 lend cores and memory to n3 and n4 -------------------------- */

static inline int chance_node(void *context, struct grid_node *node, struct grid_error *err)
{
    const unsigned *what = context;
    int rc = 0;
    if (strcmp(node->node_id, "n3") >= 0)
        return what[0] % 4 ? 0 : grid_amounts_set(&node->borrow, "CPU", (2 + what[1] % 4) * CORES,
                                                  err);
    rc = grid_amounts_set(&node->capacity, "CPU", (1 + what[2] % 6) * CORES, err);
    rc = rc ?: grid_amounts_set(&node->capacity, "MEMORY", (1 + what[3] % 6) * GRID_MEMORY_GIB,
                                err);
    node->held = what[4] % 8 == 0;
    node->hold_until_us = frozen_us + what[4] % 80 * GRID_MINUTE;
    return rc;
}

static inline int chance_policy(void *context, struct grid_policy *policy, struct grid_error *err)
{
    const unsigned *what = context;
    policy->grace_us = what[0] % 2 ? 30 * GRID_SECOND : 0;
    return what[1] % 4 ? 0 : grid_amounts_set(&policy->quota, "CPU", (3 + what[2] % 4) * CORES,
                                              err);
}

static inline void chance_needs(struct grid_request *request)
{
    request->need_count = below(3) ? 1 : 2;
    text_copy(request->needs[0].resource, GRID_RESOURCE_SIZE, "CPU");
    text_copy(request->needs[1].resource, GRID_RESOURCE_SIZE, "MEMORY");
    request->needs[0].amount_u = (1 + below(3)) * CORES;
    request->needs[1].amount_u = (1 + below(3)) * GRID_MEMORY_GIB;
}

/* `id` has room for GRID_ID_SIZE. */
static inline void chance_request(struct grid_request *request, char *id)
{
    snprintf(id, GRID_ID_SIZE, "%08x-0000-4000-8000-%012d", model.ids * 2654435761u, model.ids);
    model.ids++;
    *request = (struct grid_request){
        .boost_id = id, .target_node = names[3 + below(2)], .owner = owners[below(2)],
        .priority = (enum grid_priority)below(4), .duration_us = (5 + below(90)) * GRID_MINUTE,
        .start_us = below(4) ? 0 : frozen_us + (1 + below(60)) * GRID_MINUTE,
        .lease_us = below(5) ? 0 : (1 + below(20)) * GRID_MINUTE,
        .source_node = below(4) ? NULL : names[below(3)], .split = below(4) == 0,
    };
    chance_needs(request);
}

static inline void chance_boosts(unsigned count)
{
    char id[GRID_ID_SIZE];
    struct grid_request request;
    struct grid_grant grant;
    struct grid_error err;
    while (count-- > 0) {
        frozen_us += below(6) * GRID_MINUTE;
        chance_request(&request, id);
        (void)grid_ledger_request(model.store, &request, false, NULL, &grant, NULL, NULL, &err);
    }
}

static inline void chance_ledger(const char *url)
{
    struct grid_store_options options = {.url = url, .actor = "tester@here"};
    struct grid_error err = {0};
    model.url = url;
    frozen_us = INT64_C(1800000000) * GRID_SECOND;
    holds(grid_store_open(&options, &model.store, &err) == 0, "%s", err.message);
    for (size_t i = 0; i < 5; i++) {
        unsigned what[] = {below(64), below(64), below(64), below(64), below(640)};
        size_t index = (i * 2 + 2) % 5; /* not in the order of their names */
        struct grid_node_change change = {.names = &names[index], .count = 1, .context = what,
                                          .edit = chance_node};
        holds(grid_ledger_node_set(model.store, &change, NULL, &err) == 0, "%s", err.message);
    }
    unsigned what[] = {below(64), below(64), below(64)};
    holds(grid_ledger_policy_set(model.store, chance_policy, what, NULL, NULL, &err) == 0, "%s",
          err.message);
}

/* --- tickets --------------------------------------------------------------------------------- */

static inline int put_ticket(struct grid_tx *tx, void *context, struct grid_error *err)
{
    return grid_tx_put_ticket(tx, context, GRID_EVENT_QUEUED, NULL, err);
}

/* Waits for a day. */
static inline void chance_ticket(enum grid_priority highest)
{
    char id[GRID_ID_SIZE];
    struct grid_request request;
    struct grid_error err = {0};
    frozen_us += GRID_SECOND; /* no two are of one age */
    chance_request(&request, id);
    struct grid_ticket ticket = {
        .queued_us = frozen_us, .expires_us = frozen_us + GRID_DAY,
        .duration_us = request.duration_us, .need_count = request.need_count,
        .priority = request.priority < highest ? request.priority : highest,
    };
    memcpy(ticket.needs, request.needs, sizeof(ticket.needs));
    text_copy(ticket.ticket_id, sizeof(ticket.ticket_id), id);
    text_copy(ticket.target_node, sizeof(ticket.target_node), request.target_node);
    text_copy(ticket.owner, sizeof(ticket.owner), request.owner);
    holds(grid_store_transact(model.store, GRID_WRITE, put_ticket, &ticket, NULL, &err) == 0,
          "%s", err.message);
}

/* When it would start, by the model. */
static inline int64_t start_of(const struct grid_ticket *ticket)
{
    struct grid_request request = {.target_node = ticket->target_node, .owner = ticket->owner,
                                   .need_count = ticket->need_count,
                                   .duration_us = ticket->duration_us};
    memcpy(request.needs, ticket->needs, sizeof(request.needs));
    return is_never(&request) ? GRID_NEVER : earliest(&request, frozen_us);
}

/* --- rounds ---------------------------------------------------------------------------------- */

/* `round` once for each of `rounds` fresh ledgers; the number of one is enough to see it again. */
static inline void chance_rounds(const char *name, int rounds, void (*round)(void))
{
    char url[64];
    const char *seed = getenv("GRID_PROPERTY_SEED"), *only = getenv("GRID_PROPERTY_ROUND");
    model = (struct model){.boosts = calloc(BOOSTS_MOST, sizeof(struct grid_boost))};
    model.seed = seed && *seed ? strtoull(seed, NULL, 10) : (unsigned long long)getpid();
    for (; model.operation < rounds; model.operation++) {
        if (only && *only && atoi(only) != model.operation)
            continue;
        model.ids = 0;
        model.state = model.seed * 1000003 + (unsigned long long)model.operation;
        snprintf(url, sizeof(url), "memory:%s-%d", name, model.operation);
        chance_ledger(url);
        round();
        grid_store_close(model.store);
    }
    free(model.boosts);
}

#endif
