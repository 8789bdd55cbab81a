/* The store contract, of nodes, policy and sums: on each driver in turn. */
#include "grid/store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seen {
    char text[1024];
};

static void add(struct seen *seen, const char *word, long long number)
{
    size_t length = strlen(seen->text);
    snprintf(seen->text + length, sizeof(seen->text) - length, "%s:%lld ", word, number);
}

static int see_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    (void)err;
    add(context, node->node_id, grid_amounts_get(&node->capacity, "CPU", 0) / GRID_AMOUNT_UNIT);
    return 0;
}

static int see_load(void *context, const struct grid_load *load, struct grid_error *err)
{
    (void)err;
    if (load->lent_u || load->borrowed_u)
        add(context, load->node, (load->lent_u - load->borrowed_u) / GRID_AMOUNT_UNIT);
    return 0;
}

static int see_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    add(context, boost->boost_id, boost->amount_u / GRID_AMOUNT_UNIT);
    return 0;
}

static int see_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    add(context, grid_event_name(event->event), event->revision);
    return 0;
}

static int look(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct seen *seen = context;
    int rc = grid_tx_nodes(tx, see_node, seen, err);
    strcat(seen->text, "| ");
    rc = rc ?: grid_tx_load(tx, see_load, seen, err);
    strcat(seen->text, "| ");
    rc = rc ?: grid_tx_boosts(tx, NULL, see_boost, seen, err);
    strcat(seen->text, "| ");
    rc = rc ?: grid_tx_events(tx, NULL, see_event, seen, err);
    add(seen, "managed", grid_tx_managed(tx));
    add(seen, "enabled", grid_tx_policy(tx)->enabled);
    return rc;
}

/* Two nodes, a policy and a boost; and all of it is seen by the same transaction. */
static int put(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct grid_policy policy = GRID_POLICY_DEFAULT;
    struct grid_node node = {.node_id = "a", .can_share = true};
    int64_t now_us = grid_tx_now(tx);
    struct grid_boost boost = {.boost_id = "boost", .amount_u = 3 * GRID_AMOUNT_UNIT,
                               .allocated_us = now_us, .starts_us = now_us,
                               .expires_us = GRID_NEVER, .is_active = true, .source_node = "a",
                               .target_node = "b", .resource_type = "CPU"};
    policy.enabled = false;
    int rc = grid_amounts_set(&node.capacity, "CPU", 8 * GRID_AMOUNT_UNIT, err);
    rc = rc ?: grid_tx_put_node(tx, &node, GRID_EVENT_NODE_SET, NULL, err);
    strcpy(node.node_id, "b");
    rc = rc ?: grid_tx_put_node(tx, &node, GRID_EVENT_NODE_SET, NULL, err);
    rc = rc ?: grid_tx_put_boost(tx, NULL, &boost, GRID_EVENT_GRANTED, now_us, NULL, err);
    rc = rc ?: grid_tx_put_policy(tx, &policy, NULL, err);
    return rc ?: look(tx, context, err);
}

static int drop(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct grid_node node;
    int rc = grid_tx_node(tx, "a", &node, err);
    rc = rc ?: grid_tx_put_node(tx, &node, GRID_EVENT_NODE_REMOVED, NULL, err);
    return rc ?: look(tx, context, err);
}

static void expect(struct grid_store *store, enum grid_mode mode, grid_decide_fn decide,
                   const char *text)
{
    struct seen seen = {{0}};
    struct grid_error err = {0};
    cr_expect_eq(grid_store_transact(store, mode, decide, &seen, NULL, &err), 0, "%s",
                 err.message);
    cr_expect_str_eq(seen.text, text);
}

#define NOTHING "| | | managed:0 enabled:1 "
#define ALL "a:8 b:8 | a:3 b:-3 | boost:3 | policy_set:1 granted:1 node_set:1 " \
            "node_set:1 managed:1 enabled:0 "
#define LESS "b:8 | a:3 b:-3 | boost:3 | node_removed:2 policy_set:1 granted:1 node_set:1 " \
            "node_set:1 managed:1 enabled:0 "

static void check(const char *url)
{
    struct grid_store_options options = {.url = url, .actor = "tester@here"};
    struct grid_store *store = NULL;
    struct grid_error err = {0};
    cr_assert_eq(grid_store_open(&options, &store, &err), 0, "%s", err.message);
    expect(store, GRID_READ, put, ALL);
    expect(store, GRID_READ, look, NOTHING);
    expect(store, GRID_WRITE, put, ALL);
    expect(store, GRID_READ, look, ALL);
    expect(store, GRID_READ, drop, LESS);
    expect(store, GRID_WRITE, drop, LESS);
    expect(store, GRID_READ, look, LESS);
    grid_store_close(store);
}

Test(contract_nodes, memory) { check("memory:nodes"); }

Test(contract_nodes, file)
{
    char directory[] = "/tmp/grid-nodes-XXXXXX", url[64], command[64];
    cr_assert_not_null(mkdtemp(directory));
    snprintf(url, sizeof(url), "file:%s", directory);
    check(url);
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}
