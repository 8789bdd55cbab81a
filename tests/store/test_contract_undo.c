/* Marks and the way back to them: what was undone was never there, for every way of looking. */
#include "store/place.h"
#include "util/text.h"

#include <time.h>

#define NAMES 6
#define OLD_US GRID_SECOND

static uint64_t random_state;

static size_t below(size_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % bound);
}

/* --- all that can be seen of a transaction ------------------------------------------------- */

static int see_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    buffer_format(context, "%s:%lld ", boost->boost_id, (long long)boost->expires_us);
    return 0;
}

static int see_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    buffer_format(context, "%lld:%s:%s%s:%s ", (long long)event->revision,
                  grid_event_name(event->event), event->boost_id, event->node_id, event->reason);
    return 0;
}

static int see_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    (void)err;
    buffer_format(context, "%s:%s ", node->node_id, node->address);
    return 0;
}

static int see_ticket(void *context, const struct grid_ticket *ticket, struct grid_error *err)
{
    (void)err;
    buffer_format(context, "%s:%lld ", ticket->ticket_id, (long long)ticket->expires_us);
    return 0;
}

static int see_load(void *context, const struct grid_load *load, struct grid_error *err)
{
    (void)err;
    if (load->lent_u || load->borrowed_u)
        buffer_format(context, "%s:%lld:%lld ", load->node, (long long)load->lent_u,
                      (long long)load->borrowed_u);
    return 0;
}

static int look(struct grid_tx *tx, struct buffer *out, struct grid_error *err)
{
    static const struct grid_boost_filter newest = {.newest_first = true};
    struct grid_boost boost;
    struct grid_node node;
    int rc = grid_tx_boosts(tx, NULL, see_boost, out, err);
    buffer_text(out, "\n");
    rc = rc ?: grid_tx_boosts(tx, &newest, see_boost, out, err);
    buffer_text(out, "\n");
    rc = rc ?: grid_tx_events(tx, NULL, see_event, out, err);
    buffer_text(out, "\n");
    rc = rc ?: grid_tx_nodes(tx, see_node, out, err);
    buffer_text(out, "\n");
    rc = rc ?: grid_tx_tickets(tx, see_ticket, out, err);
    buffer_text(out, "\n");
    rc = rc ?: grid_tx_load(tx, see_load, out, err);
    buffer_format(out, "\n%d %d %lld\n", grid_tx_managed(tx), grid_tx_waiting(tx),
                  (long long)grid_tx_policy(tx)->protected_us);
    for (int i = 0; rc == 0 && i < NAMES; i++) {
        char name[GRID_NODE_SIZE];
        snprintf(name, sizeof(name), "boost%d", i);
        buffer_format(out, "%d", grid_tx_find(tx, name, &boost, NULL) == 0
                                     ? (int)boost.ended : -1);
        snprintf(name, sizeof(name), "node%d", i);
        buffer_format(out, "%d ", grid_tx_node(tx, name, &node, NULL));
    }
    return rc;
}

/* --- changes by chance --------------------------------------------------------------------- */

static int keep_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    *(struct grid_boost *)context = *boost;
    return 1;
}

static int change_boost(struct grid_tx *tx, const char *reason, struct grid_error *err)
{
    struct grid_boost was, now = {.amount_u = 1 + (int64_t)below(5), .allocated_us = OLD_US,
                                  .starts_us = OLD_US, .expires_us = GRID_NEVER, .is_active = true,
                                  .resource_type = "CPU"};
    snprintf(now.boost_id, sizeof(now.boost_id), "boost%zu", below(NAMES));
    snprintf(now.source_node, sizeof(now.source_node), "node%zu", below(3));
    snprintf(now.target_node, sizeof(now.target_node), "node%zu", below(NAMES));
    struct grid_boost_filter filter = {.boost_id = now.boost_id};
    int rc = grid_tx_boosts(tx, &filter, keep_boost, &was, err);
    if (rc == 0)
        return grid_tx_put_boost(tx, NULL, &now, GRID_EVENT_GRANTED, OLD_US, reason, err);
    if (rc < 0 || below(2))
        return rc < 0 ? rc : grid_tx_put_boost(tx, &was, NULL, GRID_EVENT_RELEASED, OLD_US,
                                               reason, err);
    now = was;
    now.expires_us = 4000000000 * GRID_SECOND + (int64_t)below(1000);
    return grid_tx_put_boost(tx, &was, &now, below(2) ? GRID_EVENT_EXTENDED : GRID_EVENT_QUIET,
                             OLD_US, reason, err);
}

static int change_node(struct grid_tx *tx, const char *reason, struct grid_error *err)
{
    static const enum grid_event_kind kinds[] = {GRID_EVENT_NODE_SET, GRID_EVENT_NODE_SET,
                                                 GRID_EVENT_NODE_REMOVED, GRID_EVENT_QUIET};
    struct grid_node node = {.can_share = true};
    snprintf(node.node_id, sizeof(node.node_id), "node%zu", below(NAMES));
    snprintf(node.address, sizeof(node.address), "address%zu", below(1000));
    return grid_tx_put_node(tx, &node, kinds[below(countof(kinds))], reason, err);
}

static int change_ticket(struct grid_tx *tx, const char *reason, struct grid_error *err)
{
    static const enum grid_event_kind kinds[] = {GRID_EVENT_QUEUED, GRID_EVENT_QUIET,
                                                 GRID_EVENT_WITHDRAWN, GRID_EVENT_GRANTED};
    struct grid_ticket ticket = {.queued_us = OLD_US, .duration_us = GRID_NEVER, .need_count = 1,
                                 .needs = {{"CPU", 1}}, .target_node = "n",
                                 .expires_us = OLD_US + (int64_t)below(1000)};
    snprintf(ticket.ticket_id, sizeof(ticket.ticket_id), "ticket%zu", below(NAMES));
    return grid_tx_put_ticket(tx, &ticket, kinds[below(countof(kinds))], reason, err);
}

static int change_policy(struct grid_tx *tx, const char *reason, struct grid_error *err)
{
    struct grid_policy policy = GRID_POLICY_DEFAULT;
    policy.protected_us = (int64_t)below(1000) * GRID_SECOND;
    return grid_tx_put_policy(tx, &policy, reason, err);
}

static int change(struct grid_tx *tx, size_t count, struct grid_error *err)
{
    static int (*const changes[])(struct grid_tx *, const char *, struct grid_error *) = {
        change_boost, change_boost, change_node, change_ticket, change_policy};
    char reason[32];
    int rc = 0;
    for (; rc == 0 && count > 0; count--) {
        snprintf(reason, sizeof(reason), "r%zu", below(1000));
        rc = changes[below(countof(changes))](tx, below(3) ? reason : NULL, err);
    }
    return rc;
}

/* --- the contract -------------------------------------------------------------------------- */

/* A decision in steps, each of them made, or made, looked at and undone: from the same seed the
 * steps that stay are the same. */
struct decision {
    uint64_t seed;
    bool tries; /* between the steps, things that are undone */
    struct buffer seen;
};

/* Changes upon changes, with marks in between, and back, perhaps in two leaps. */
static int try_and_undo(struct grid_tx *tx, struct buffer *seen, struct grid_error *err)
{
    grid_auto_buffer struct buffer again = BUFFER_INIT;
    uint64_t kept = random_state;
    size_t mark = grid_tx_mark(tx);
    random_state = kept * 2654435761 | 1;
    seen->length = 0;
    int rc = look(tx, seen, err);
    rc = rc ?: change(tx, below(20), err);
    size_t inner = grid_tx_mark(tx);
    rc = rc ?: change(tx, below(30), err);
    if (below(2)) {
        grid_tx_undo(tx, inner);
        rc = rc ?: change(tx, below(10), err);
    }
    grid_tx_undo(tx, mark);
    rc = rc ?: look(tx, &again, err);
    cr_expect_str_eq(buffer_string(&again), buffer_string(seen));
    random_state = kept;
    return rc;
}

/* What drivers are told in sums is the sum of what they are told one by one. */
static int count_changes(void *context, const struct grid_commit *commit,
                         const struct grid_changes *changes, struct grid_error *err)
{
    (void)context, (void)commit, (void)err;
    size_t about[4] = {0}, events = 0;
    struct grid_change change, latest;
    for (size_t i = 0; i < grid_changes_count(changes); i++) {
        grid_changes_get(changes, i, &change);
        about[change.subject]++;
        events += change.event != GRID_EVENT_QUIET;
        const char *id = change.ticket ? change.ticket->ticket_id
                         : change.node ? change.node->node_id
                         : change.policy ? ""
                         : change.has_was ? change.was.boost_id : change.now.boost_id;
        cr_expect(grid_changes_find(changes, change.subject, id, &latest));
        cr_expect(!latest.superseded && (change.superseded || latest.event == change.event));
    }
    cr_expect_eq(events, grid_changes_events(changes));
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(about[i], grid_changes_about(changes, (enum grid_subject)i));
    return 0;
}

static int decide(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct decision *decision = context;
    int rc = 0;
    random_state = decision->seed;
    grid_tx_after(tx, count_changes, NULL);
    for (int step = 0; rc == 0 && step < 4; step++) {
        if (decision->tries)
            rc = try_and_undo(tx, &decision->seen, err);
        rc = rc ?: change(tx, below(8), err);
    }
    if (rc == 0 && decision->tries)
        rc = try_and_undo(tx, &decision->seen, err);
    decision->seen.length = 0;
    return rc ?: look(tx, &decision->seen, err);
}

static int just_look(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct buffer *seen = context;
    seen->length = 0;
    return look(tx, seen, err);
}

static int64_t revision_of(struct grid_store *store, struct buffer *seen)
{
    struct grid_commit commit = {0};
    cr_assert_eq(grid_store_transact(store, GRID_READ, just_look, seen, &commit, NULL), 0);
    buffer_string(seen);
    return commit.revision;
}

/* The same decisions on two ledgers, on one of them with things tried out and undone in between. */
static void what_is_undone_was_never_there(const struct place *place)
{
    struct place plain;
    make_place(&plain, place->directory[0] ? "file" : "memory");
    struct grid_store *stores[] = {open_store(place->url), open_store(plain.url)};
    uint64_t seed = (uint64_t)time(NULL) * 1000003 + 1;
    struct buffer seen[] = {BUFFER_INIT, BUFFER_INIT};
    for (uint64_t round = 0; round < 15; round++) {
        struct grid_error err = {0};
        for (size_t i = 0; i < 2; i++) {
            struct decision decision = {seed + round, i == 0, BUFFER_INIT};
            cr_assert_eq(grid_store_transact(stores[i], GRID_WRITE, decide, &decision, NULL,
                                             &err), 0, "seed %ju: %s", (uintmax_t)seed,
                         err.message);
            buffer_release(&decision.seen);
        }
        int64_t revision = revision_of(stores[0], &seen[0]);
        cr_expect_eq(revision, revision_of(stores[1], &seen[1]));
        cr_assert_str_eq(seen[0].data, seen[1].data, "seed %ju, round %ju: %s\n%s",
                         (uintmax_t)seed, (uintmax_t)round, seen[0].data, seen[1].data);
    }
    for (size_t i = 0; i < 2; i++) {
        grid_store_close(stores[i]);
        buffer_release(&seen[i]);
    }
    drop_place(&plain);
}

static int undo_everything(struct grid_tx *tx, void *context, struct grid_error *err)
{
    (void)context;
    size_t mark = grid_tx_mark(tx);
    int rc = change(tx, 50, err);
    (void)grid_tx_token(tx);
    grid_tx_undo(tx, mark);
    return rc;
}

/* Nothing is left: nothing is written. */
static void undoing_everything_is_no_change(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct grid_commit commit = {0};
    struct grid_error err = {0};
    random_state = 7;
    cr_expect_eq(grid_store_transact(store, GRID_WRITE, undo_everything, NULL, &commit, &err), 0);
    cr_expect(!commit.committed && commit.changes == 0 && commit.revision == 0);
    grid_store_close(store);
}

static int batch(struct grid_tx *tx, void *context, struct grid_error *err)
{
    (void)context;
    int rc = change(tx, 1000, err);
    for (int line = 0; rc == 0 && line < 500; line++) {
        size_t mark = grid_tx_mark(tx);
        rc = change(tx, 2, err);
        grid_tx_undo(tx, mark);
    }
    return rc;
}

static void many_lines_that_fail_cost_little(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct grid_error err = {0};
    clock_t begun = clock();
    random_state = 11;
    cr_expect_eq(grid_store_transact(store, GRID_WRITE, batch, NULL, NULL, &err), 0);
    cr_expect_lt(clock() - begun, CLOCKS_PER_SEC);
    grid_store_close(store);
}

static const contract_fn contract[] = {what_is_undone_was_never_there,
                                       undoing_everything_is_no_change,
                                       many_lines_that_fail_cost_little};

Test(contract_undo, file) { check_driver("file", contract, countof(contract)); }
Test(contract_undo, memory) { check_driver("memory", contract, countof(contract)); }
