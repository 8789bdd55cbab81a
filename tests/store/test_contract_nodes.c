/* The store contract, of nodes, policy and sums: on each driver in turn. */
#include "store/place.h"

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

static void nodes_policy_and_sums(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    expect(store, GRID_READ, put, ALL);
    expect(store, GRID_READ, look, NOTHING);
    expect(store, GRID_WRITE, put, ALL);
    expect(store, GRID_READ, look, ALL);
    expect(store, GRID_READ, drop, LESS);
    expect(store, GRID_WRITE, drop, LESS);
    expect(store, GRID_READ, look, LESS);
    grid_store_close(store);
}

/* --- one node, and none --------------------------------------------------------------------- */

static void add_node(struct grid_tx *tx, struct seen *seen, const char *name)
{
    struct grid_node node;
    struct grid_error err = {0};
    int rc = grid_tx_node(tx, name, &node, &err);
    add(seen, rc == 0 ? node.node_id : err.message, rc == GRID_ENOTFOUND ? 404 : rc);
    if (err.hint[0])
        add(seen, err.hint, 0);
}

/* What was there, what was put and what was removed; and whether any is left. */
static int one_by_one(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct seen *seen = context;
    struct grid_node node = {.node_id = "gpu-new", .can_share = true}, gone;
    add(seen, "managed", grid_tx_managed(tx));
    int rc = grid_tx_node(tx, "a", &gone, err);
    rc = rc ?: grid_tx_put_node(tx, &gone, GRID_EVENT_NODE_REMOVED, NULL, err);
    add(seen, "managed", grid_tx_managed(tx));
    rc = rc ?: grid_tx_node(tx, "b", &gone, err);
    rc = rc ?: grid_tx_put_node(tx, &gone, GRID_EVENT_NODE_REMOVED, NULL, err);
    add(seen, "managed", grid_tx_managed(tx));
    rc = rc ?: grid_tx_put_node(tx, &node, GRID_EVENT_NODE_SET, NULL, err);
    add(seen, "managed", grid_tx_managed(tx));
    add_node(tx, seen, "a");
    add_node(tx, seen, "gpu-new");
    add_node(tx, seen, "gpu-nwe");
    return rc;
}

static void a_node_by_its_name(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    expect(store, GRID_WRITE, put, ALL);
    expect(store, GRID_READ, one_by_one,
           "managed:1 managed:1 managed:0 managed:1 no node 'a':404 gpu-new:0 "
           "no node 'gpu-nwe':404 did you mean 'gpu-new'?:0 ");
    grid_store_close(store);
}

/* --- a stream that is changed on the way ----------------------------------------------------- */

struct changing {
    struct grid_tx *tx;
    struct seen *seen;
};

static int warn_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    const struct changing *changing = context;
    struct grid_boost now = *boost;
    add(changing->seen, boost->boost_id, boost->warned);
    now.warned = true;
    return grid_tx_put_boost(changing->tx, boost, &now, GRID_EVENT_QUIET, 0, NULL, err);
}

static int touch_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    const struct changing *changing = context;
    struct grid_node now = *node;
    add(changing->seen, node->node_id, node->last_seen_us);
    now.last_seen_us++;
    return grid_tx_put_node(changing->tx, &now, GRID_EVENT_QUIET, NULL, err);
}

static int touch_ticket(void *context, const struct grid_ticket *ticket, struct grid_error *err)
{
    const struct changing *changing = context;
    struct grid_ticket now = *ticket;
    add(changing->seen, ticket->ticket_id, ticket->expires_us);
    now.expires_us++;
    return grid_tx_put_ticket(changing->tx, &now, GRID_EVENT_QUIET, NULL, err);
}

static int put_ticket(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct grid_ticket ticket = {.ticket_id = "t", .queued_us = 1, .expires_us = 5,
                                 .duration_us = GRID_HOUR, .need_count = 1, .target_node = "n",
                                 .needs = {{"CPU", GRID_AMOUNT_UNIT}}};
    (void)context;
    return grid_tx_put_ticket(tx, &ticket, GRID_EVENT_QUEUED, NULL, err);
}

/* Each three times: as the driver has it, with a change before the stream, and newest first. */
static int change_all(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct changing changing = {tx, context};
    struct grid_boost_filter newest = {.newest_first = true};
    int rc = 0;
    for (int i = 0; rc == 0 && i < 3; i++) {
        rc = grid_tx_boosts(tx, i < 2 ? NULL : &newest, warn_boost, &changing, err);
        rc = rc ?: grid_tx_nodes(tx, touch_node, &changing, err);
        rc = rc ?: grid_tx_tickets(tx, touch_ticket, &changing, err);
    }
    return rc;
}

static void a_stream_does_not_show_what_is_put_on_the_way(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct grid_error err = {0};
    expect(store, GRID_WRITE, put, ALL);
    cr_assert_eq(grid_store_transact(store, GRID_WRITE, put_ticket, NULL, NULL, &err), 0);
    expect(store, GRID_READ, change_all,
           "boost:0 a:0 b:0 t:5 boost:1 a:1 b:1 t:6 boost:1 a:2 b:2 t:7 ");
    grid_store_close(store);
}

static const contract_fn contract[] = {nodes_policy_and_sums, a_node_by_its_name,
                                       a_stream_does_not_show_what_is_put_on_the_way};

#define CONTRACT contract, sizeof(contract) / sizeof(contract[0])

Test(contract_nodes, file) { check_driver("file", CONTRACT); }
Test(contract_nodes, memory) { check_driver("memory", CONTRACT); }
