/* Decisions: one node's limits, one request, and what it comes to. */
#include "support/script.h"
#include "unit/snapshot.h"

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
    struct grid_request request = {.boost_id = id, .target_node = "b",
                                   .need_count = 1, .duration_us = GRID_HOUR,
                                   .owner = row->owner};
    text_copy(request.needs[0].resource, GRID_RESOURCE_SIZE, "CPU");
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

/* --- what starts later ----------------------------------------------------------------------- */

#define PAIR "node t cpu 1\nnode a cpu 4 gpu 4\n"

static const struct {
    const char *what, *text;
} later[] = {
    {"it counts in its interval only", PAIR "get late t cpu 4 for 30 start 60\n"
     "is late scheduled a 60 90\nlast late scheduled\n"
     "get one1 t cpu 4 for 60\n"
     "get two2 t cpu 1 for 61 => refused\n"
     "get two2 t cpu 4 for 30 start 90\n"
     "get thre t cpu 1 for 1 start 89.999 => refused\n"
     "at 60\ncleanup\ntold one1\nis late active a 60 90\nlast late started\n"},
    {"not in the past", PAIR "at 10\nget late t cpu 1 for 30 start 9.999 => usage\n"
     "get now1 t cpu 1 for 30 start 10\nis now1 active a 10 40\nlast now1 granted\n"},
    {"one may follow the other at once", PAIR "get one1 t cpu 4 for 30 start 30\n"
     "get two2 t cpu 4 for 30 start 60\nget thre t cpu 4 for 30\n"
     "get four t cpu 1 for never start 90\nis four scheduled a 90 never\n"},
    {"devices are given at the start, whatever came first", PAIR
     "get thir t gpu 2 for 30 start 20\nget seco t gpu 2 for 30 start 10\n"
     "get firs t gpu 2 for 19\n"
     "devices thir 0\ndevices seco 0\ndevices firs 3\n"
     "at 10\ncleanup\ndevices seco 0xc\ndevices thir 0\n"
     "at 25\ncleanup\ndevices thir 3\ndevices seco 0xc\n"},
    {"a start that nobody saw in time", PAIR "get firs t gpu 3 for 30 start 10\n"
     "get seco t gpu 3 for 30 start 40\nget thir t gpu 1 for 60 start 5\n"
     "at 50\ncleanup\ntold firs\ndevices thir 1\ndevices seco 0xe\nlast firs expired\n"},
    {"a group starts whole", PAIR "get late t cpu 2 gpu 1 for 30 start 10\n"
     "at 10\ncleanup\nis late active a 10 40\nis 1-late active a 10 40\ndevices 1-late 1\n"},
    {"at the same start by their ids: a reader and who writes it say the same",
     "node t cpu 1\nnode a gpu 4\nget z t gpu 1 for 30 start 10\nget b t gpu 2 for 30 start 10\n"
     "get k t gpu 1 for 30 start 10\n"
     "at 10\ndevices b 3\ndevices k 4\ndevices z 8\n"
     "cleanup\ndevices b 3\ndevices k 4\ndevices z 8\n"},
    {"on a lease", PAIR "get late t cpu 2 for 30 start 10 lease 1\nis late scheduled a 10 11 40\n"
     "get more t cpu 3 for 11 => refused\n"
     "at 10\nrenew late 5\nis late active a 10 15 40\n"},
    {"a hold that ends before", PAIR "hold a 20\nget late t cpu 1 for 30 start 19 => refused\n"
     "get late t cpu 1 for 30 start 20\n"},
    {"the borrower's limit and the owner's quota, then", PAIR "limit t borrow cpu 2\n"
     "get one1 t cpu 2 for 30 start 20\nget two2 t cpu 1 for 21 => refused\n"
     "get two2 t cpu 1 for 20\n"
     "limit t borrow cpu 4\npolicy cpu 2\nget thre t cpu 1 for 5 start 49 owner ann\n"
     "get four t cpu 2 for 50 owner ann => refused\nget four t cpu 2 for 49 owner bob\n"},
    {"another program's end of it", PAIR "get late t cpu 4 for 30 start 60\nrelease late\n"
     "get one1 t cpu 4 for 90\n"},
};

Test(capacity, what_starts_later)
{
    for (size_t i = 0; i < countof(later); i++)
        script_run(later[i].what, later[i].text);
}

/* --- what is free, against every instant ----------------------------------------------------- */

static struct {
    int64_t start_us, end_us;
    char node[GRID_NODE_SIZE];
} slots[64];
static int slot_count;

static int take_slot(void *context, const struct grid_slot *slot, struct grid_error *err)
{
    (void)context, (void)err;
    slots[slot_count].start_us = slot->start_us;
    slots[slot_count].end_us = slot->end_us;
    text_copy(slots[slot_count++].node, GRID_NODE_SIZE, slot->source_node);
    return 0;
}

static bool has_all(const struct grid_request *request, const struct grid_node *node,
                    int64_t at_us)
{
    for (size_t i = 0; i < request->need_count; i++)
        if (sum_at(LENT, node->node_id, request->needs[i].resource, at_us)
                + request->needs[i].amount_u > lendable(node, request->needs[i].resource))
            return false;
    return !node->held || at_us >= node->hold_until_us;
}

/* The next instant after this one at which anything may change, by whole minutes. */
static int64_t change_after(const struct grid_node *node, int64_t at_us)
{
    int64_t next_us = GRID_NEVER;
    for (int i = 0; i < model.count; i++) {
        const int64_t both[] = {model.boosts[i].starts_us, model.boosts[i].expires_us};
        for (int j = 0; j < 2; j++)
            if (both[j] > at_us && both[j] < next_us)
                next_us = both[j];
    }
    if (node->held && node->hold_until_us > at_us && node->hold_until_us < next_us)
        next_us = node->hold_until_us;
    return next_us;
}

/* The first stretch of the node from `at_us` on that is long enough, and how long it is. */
static bool next_slot(const struct grid_request *request, const struct grid_node *node,
                      int64_t *at_us, int64_t *end_us)
{
    for (; *at_us != GRID_NEVER; *at_us = change_after(node, *at_us)) {
        if (!has_all(request, node, *at_us))
            continue;
        for (*end_us = *at_us; *end_us != GRID_NEVER && has_all(request, node, *end_us);)
            *end_us = change_after(node, *end_us);
        if (*end_us == GRID_NEVER || (request->duration_us != GRID_NEVER
                                      && *end_us - *at_us >= request->duration_us))
            return true;
        *at_us = *end_us;
    }
    return false;
}

static void play(void)
{
    char id[GRID_ID_SIZE];
    struct grid_request request;
    struct grid_error err = {0};
    chance_boosts(2 + below(8));
    snapshot();
    chance_request(&request, id);
    request.duration_us = below(8) ? request.duration_us : GRID_NEVER;
    int64_t after_us = below(2) ? 0 : frozen_us + below(90) * GRID_MINUTE, starts_us[8];
    size_t most = 1 + below(12);
    int found = 0;
    bool ever = false;
    slot_count = 0;
    int rc = grid_ledger_free(model.store, &request, after_us, most, take_slot, NULL, &err);
    int64_t from_us = after_us > frozen_us ? after_us : frozen_us;
    for (int i = 0; i < model.node_count; i++)
        starts_us[i] = from_us;
    for (int i = 0; i < model.node_count; i++) {
        bool has = !request.source_node
                   || strcmp(request.source_node, model.nodes[i].node_id) == 0;
        for (size_t j = 0; j < request.need_count; j++)
            has &= lendable(&model.nodes[i], request.needs[j].resource)
                   >= request.needs[j].amount_u;
        ever |= has;
        starts_us[i] = has ? from_us : GRID_NEVER;
    }
    holds(rc == (ever ? 0 : GRID_ENEVER), "%d: %s", rc, err.message);
    while ((size_t)found < most) {
        int best = -1;
        int64_t ends_us[8];
        for (int i = 0; i < model.node_count; i++)
            if (next_slot(&request, &model.nodes[i], &starts_us[i], &ends_us[i])
                && (best < 0 || starts_us[i] < starts_us[best]
                    || (starts_us[i] == starts_us[best]
                        && strcmp(model.nodes[i].node_id, model.nodes[best].node_id) < 0)))
                best = i;
        if (best < 0)
            break;
        holds(found < slot_count, "'%s' is free from %+lld on, too", model.nodes[best].node_id,
              (long long)(starts_us[best] - frozen_us));
        holds(slots[found].start_us == starts_us[best] && slots[found].end_us == ends_us[best]
                  && strcmp(slots[found].node, model.nodes[best].node_id) == 0,
              "slot %d: '%s' %+lld, not '%s' %+lld", found, slots[found].node,
              (long long)(slots[found].start_us - frozen_us), model.nodes[best].node_id,
              (long long)(starts_us[best] - frozen_us));
        starts_us[best] = ends_us[best];
        found++;
    }
    holds(found == slot_count, "%d slots, not %d", slot_count, found);
    model.granted += (size_t)found;
}

Test(capacity, what_is_free)
{
    chance_rounds("free", 800, play);
    cr_expect(getenv("GRID_PROPERTY_ROUND") || model.granted > 400, "chance leaves something out");
}
