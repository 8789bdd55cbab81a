/* Decisions: one node's limits, one request, and what it comes to. */
#include "grid/ledger.h"
#include "util/text.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define CORES GRID_AMOUNT_UNIT

/* A node "a" as the row has it, beside "b" that borrows; then the request, twice if `first`. */
static const struct row {
    const char *what;
    int64_t capacity, keep, lend, borrow, quota; /* cores; -1: none */
    int64_t first, wanted;                       /* cores; first 0: none */
    const char *owner;
    bool shared, held, stale;
    int rc;
    int64_t starts_in; /* minutes; -1: not known */
} rows[] = {
    {"all of it", 4, -1, -1, -1, -1, 0, 4, "ann", true, false, false, 0, -1},
    {"more than all", 4, -1, -1, -1, -1, 0, 5, "ann", true, false, false, GRID_ENEVER, -1},
    {"some is kept", 4, 1, -1, -1, -1, 0, 4, "ann", true, false, false, GRID_ENEVER, -1},
    {"the rest of it", 4, 1, -1, -1, -1, 0, 3, "ann", true, false, false, 0, -1},
    {"lend is less", 4, 1, 2, -1, -1, 0, 3, "ann", true, false, false, GRID_ENEVER, -1},
    {"lend is 0", 4, -1, 0, -1, -1, 0, 1, "ann", true, false, false, GRID_ENEVER, -1},
    {"it is lent", 4, -1, -1, -1, -1, 3, 2, "ann", true, false, false, GRID_EREFUSED, 60},
    {"what is left", 4, -1, -1, -1, -1, 3, 1, "ann", true, false, false, 0, -1},
    {"borrows too much", 4, -1, -1, 3, -1, 2, 2, "ann", true, false, false, GRID_EREFUSED, 60},
    {"never borrows", 4, -1, -1, 0, -1, 0, 1, "ann", true, false, false, GRID_ENEVER, -1},
    {"quota is full", 4, -1, -1, -1, 3, 2, 2, "ann", true, false, false, GRID_EREFUSED, 60},
    {"quota of nobody", 4, -1, -1, -1, 3, 2, 2, NULL, true, false, false, GRID_EREFUSED, 60},
    {"over the quota", 4, -1, -1, -1, 3, 0, 4, "ann", true, false, false, GRID_ENEVER, -1},
    {"not shared", 4, -1, -1, -1, -1, 0, 1, "ann", false, false, false, GRID_ENEVER, -1},
    {"held", 4, -1, -1, -1, -1, 0, 1, "ann", true, true, false, GRID_EREFUSED, 30},
    {"stale", 4, -1, -1, -1, -1, 0, 1, "ann", true, false, true, GRID_EREFUSED, -1},
};

static int edit_node(void *context, struct grid_node *node, struct grid_error *err)
{
    const struct row *row = context;
    if (strcmp(node->node_id, "b") == 0)
        return row->borrow < 0 ? 0 : grid_amounts_set(&node->borrow, "CPU", row->borrow * CORES,
                                                      err);
    int rc = grid_amounts_set(&node->capacity, "CPU", row->capacity * CORES, err);
    rc = rc ?: grid_amounts_set(&node->keep, "CPU", row->keep * CORES, err);
    return rc ?: grid_amounts_set(&node->lend, "CPU", row->lend * CORES, err);
}

/* After the first grant. */
static int change_node(void *context, struct grid_node *node, struct grid_error *err)
{
    const struct row *row = context;
    (void)err;
    node->can_share = row->shared;
    node->held = row->held;
    node->hold_until_us = node->last_seen_us + 30 * GRID_MINUTE;
    if (row->stale) {
        node->stale_after_us = GRID_MINUTE;
        node->last_seen_us -= GRID_HOUR;
    }
    return 0;
}

static int edit_policy(void *context, struct grid_policy *policy, struct grid_error *err)
{
    const struct row *row = context;
    return grid_amounts_set(&policy->quota, "CPU", row->quota * CORES, err);
}

static int ask(struct grid_store *store, const struct row *row, const char *id, int64_t cores,
               struct grid_explain *explain, struct grid_error *err)
{
    struct grid_grant grant;
    struct grid_request request = {.boost_ids = &id, .id_count = 1, .target_node = "b",
                                   .need_count = 1, .duration_us = GRID_HOUR,
                                   .owner = row->owner};
    request.needs[0].resource = "CPU";
    request.needs[0].amount_u = cores * CORES;
    return grid_ledger_request(store, &request, false, explain, &grant, NULL, NULL, err);
}

static void check_row(const struct row *row)
{
    static const char *const both[] = {"a", "b"};
    struct grid_store_options options = {.url = "memory:capacity", .actor = "tester@here"};
    struct grid_store *store = NULL;
    struct grid_error err = {0};
    struct grid_explain explain = {.starts_us = GRID_NEVER};
    struct grid_node_change set = {.names = both, .count = 2, .edit = edit_node,
                                   .context = (void *)row};
    cr_assert_eq(grid_store_open(&options, &store, &err), 0);
    cr_assert_eq(grid_ledger_node_set(store, &set, NULL, &err), 0, "%s", err.message);
    cr_assert_eq(grid_ledger_policy_set(store, edit_policy, (void *)row, NULL, NULL, &err), 0);
    if (row->first)
        cr_assert_eq(ask(store, row, "first", row->first, NULL, &err), 0, "%s", err.message);
    int64_t first_us = grid_store_now(store);
    set.count = 1;
    set.edit = change_node;
    cr_assert_eq(grid_ledger_node_set(store, &set, NULL, &err), 0, "%s", err.message);
    cr_expect_eq(ask(store, row, "second", row->wanted, &explain, &err), row->rc, "%s: %s",
                 row->what, err.message);
    if (row->starts_in < 0)
        cr_expect_eq(explain.starts_us, GRID_NEVER, "%s", row->what);
    else
        cr_expect(llabs(explain.starts_us - first_us - row->starts_in * GRID_MINUTE) < GRID_SECOND,
                  "%s", row->what);
    grid_store_close(store);
}

Test(capacity, decides)
{
    for (size_t i = 0; i < countof(rows); i++)
        check_row(&rows[i]);
}
