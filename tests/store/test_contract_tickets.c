/* The store contract, of tickets, starts and the telling of events: on each driver in turn. */
#include "store/place.h"

#define SECONDS(n) ((n) * GRID_SECOND)

static struct grid_ticket sample(const char *id)
{
    struct grid_ticket ticket = {.queued_us = SECONDS(1700000000), .duration_us = GRID_NEVER,
                                 .expires_us = SECONDS(1700000030), .lease_us = GRID_MINUTE,
                                 .priority = GRID_HIGH, .split = true, .preempt = true,
                                 .need_count = 2, .target_node = "n\xc5\x93ud \"1\"\\",
                                 .needs = {{"CPU", 2 * GRID_AMOUNT_UNIT}, {"MEMORY", 4096}},
                                 .source_node = "s", .prefer_node = "p", .owner = "ann",
                                 .host = "here", .reason = "tab\t, line\n, \x01",
                                 .request_id = "key", .requested = "cpu 2"};
    snprintf(ticket.ticket_id, sizeof(ticket.ticket_id), "%s", id);
    return ticket;
}

/* What a decision does, in words: "+id" queues, "~id" renews by a second, "-id" withdraws, "!id"
 * grants (no boost, but the ticket goes), then "?" looks. */
struct script {
    const char *words;
    char seen[1024];
    struct grid_ticket last; /* that was seen */
};

static int see_ticket(void *context, const struct grid_ticket *ticket, struct grid_error *err)
{
    (void)err;
    struct script *script = context;
    size_t length = strlen(script->seen);
    snprintf(script->seen + length, sizeof(script->seen) - length, "%s:%lld ", ticket->ticket_id,
             (long long)(ticket->expires_us - ticket->queued_us) / GRID_SECOND);
    script->last = *ticket;
    return 0;
}

static int see_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    char *seen = context;
    size_t length = strlen(seen);
    snprintf(seen + length, 1024 - length, "%lld:%s:%s%s ", (long long)event->revision,
             grid_event_name(event->event), event->boost_id, event->has_boost ? "" : "(none)");
    return 0;
}

static int look(struct grid_tx *tx, struct script *script, struct grid_error *err)
{
    int rc = grid_tx_tickets(tx, see_ticket, script, err);
    strcat(script->seen, grid_tx_waiting(tx) ? "waiting | " : "| ");
    return rc ?: grid_tx_events(tx, NULL, see_event, script->seen, err);
}

static int do_word(struct grid_tx *tx, const char *word, struct script *script,
                   struct grid_error *err)
{
    struct grid_ticket ticket = sample(word + 1);
    switch (word[0]) {
    case '+':
        return grid_tx_put_ticket(tx, &ticket, GRID_EVENT_QUEUED, NULL, err);
    case '~':
        ticket.expires_us += GRID_SECOND;
        return grid_tx_put_ticket(tx, &ticket, GRID_EVENT_QUIET, NULL, err);
    case '-':
        return grid_tx_put_ticket(tx, &ticket, GRID_EVENT_WITHDRAWN, "gone", err);
    case '!':
        return grid_tx_put_ticket(tx, &ticket, GRID_EVENT_GRANTED, NULL, err);
    default:
        return look(tx, script, err);
    }
}

static int play(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct script *script = context;
    char words[128], *rest = words;
    int rc = 0;
    script->seen[0] = '\0';
    snprintf(words, sizeof(words), "%s", script->words);
    for (char *word; rc == 0 && (word = strsep(&rest, " ")) != NULL;)
        rc = do_word(tx, word, script, err);
    return rc;
}

static void expect(struct grid_store *store, enum grid_mode mode, const char *words,
                   const char *seen)
{
    struct script script = {.words = words};
    struct grid_error err = {0};
    cr_expect_eq(grid_store_transact(store, mode, play, &script, NULL, &err), 0, "%s: %s", words,
                 err.message);
    cr_expect_str_eq(script.seen, seen, "%s: saw %s", words, script.seen);
}

/* --- the contract -------------------------------------------------------------------------- */

#define TWO "2:queued:t2 1:queued:t3 1:queued:t1 "

static void tickets_come_and_go(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    expect(store, GRID_READ, "?", "| ");
    expect(store, GRID_READ, "+t1 ?", "t1:30 waiting | 1:queued:t1 ");
    expect(store, GRID_WRITE, "+t1 +t3", "");
    expect(store, GRID_WRITE, "+t2 ?", "t1:30 t3:30 t2:30 waiting | " TWO);
    expect(store, GRID_READ, "~t3 !t1 +t0 ?", "t3:31 t2:30 t0:30 waiting | 3:queued:t0 " TWO);
    expect(store, GRID_WRITE, "~t3 !t1", ""); /* neither is an event */
    struct grid_store *again = open_store(place->url);
    grid_store_close(store);
    expect(again, GRID_READ, "?", "t3:31 t2:30 waiting | " TWO);
    expect(again, GRID_WRITE, "-t3 ?", "t2:30 waiting | 4:withdrawn:t3 " TWO);
    expect(again, GRID_WRITE, "-t2", "");
    expect(again, GRID_READ, "?", "| 5:withdrawn:t2 4:withdrawn:t3 " TWO);
    grid_store_close(again);
}

/* Several changes of one ticket in one commit. */
static void the_last_change_of_a_ticket_counts(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    expect(store, GRID_WRITE, "+t1 ~t1 +t2 -t2 ?",
           "t1:31 waiting | 1:withdrawn:t2 1:queued:t2 1:queued:t1 ");
    expect(store, GRID_WRITE, "-t1 +t1 ?",
           "t1:30 waiting | 2:queued:t1 2:withdrawn:t1 1:withdrawn:t2 1:queued:t2 1:queued:t1 ");
    expect(store, GRID_WRITE, "!t1", "");
    expect(store, GRID_READ, "?",
           "| 2:queued:t1 2:withdrawn:t1 1:withdrawn:t2 1:queued:t2 1:queued:t1 ");
    grid_store_close(store);
}

static int find_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    *(struct grid_event *)context = *event;
    return 1;
}

static int last_event(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct grid_event_filter filter = {.owner = "ann", .node = "s", .boost_id = "t1"};
    return grid_tx_events(tx, &filter, find_event, context, err) < 0;
}

static void a_ticket_comes_back_whole(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct script script = {.words = "?"};
    struct grid_event event = {0};
    struct grid_boost stands;
    struct grid_error err = {0};
    const struct grid_ticket want = sample("t1");
    expect(store, GRID_WRITE, "+t1", "");
    cr_assert_eq(grid_store_transact(store, GRID_READ, play, &script, NULL, &err), 0);
    const struct grid_ticket *got = &script.last;
    cr_expect(got->queued_us == want.queued_us && got->expires_us == want.expires_us);
    cr_expect(got->duration_us == want.duration_us && got->lease_us == want.lease_us);
    cr_expect(got->priority == want.priority && got->split && got->preempt);
    cr_assert_eq(got->need_count, want.need_count);
    for (size_t i = 0; i < want.need_count; i++) {
        cr_expect_str_eq(got->needs[i].resource, want.needs[i].resource);
        cr_expect_eq(got->needs[i].amount_u, want.needs[i].amount_u);
    }
    cr_expect_str_eq(got->target_node, want.target_node);
    cr_expect_str_eq(got->source_node, want.source_node);
    cr_expect_str_eq(got->prefer_node, want.prefer_node);
    cr_expect_str_eq(got->owner, want.owner);
    cr_expect_str_eq(got->host, want.host);
    cr_expect_str_eq(got->reason, want.reason);
    cr_expect_str_eq(got->request_id, want.request_id);
    cr_expect_str_eq(got->requested, want.requested);
    cr_assert_eq(grid_store_transact(store, GRID_READ, last_event, &event, NULL, &err), 0);
    grid_ticket_boost(&want, &stands);
    cr_expect_eq(event.event, GRID_EVENT_QUEUED);
    cr_expect_str_eq(event.boost.boost_id, "t1");
    cr_expect_eq(event.boost.allocated_us, stands.allocated_us);
    cr_expect_eq(event.boost.amount_u, stands.amount_u);
    grid_store_close(store);
}

/* --- reservations whose start is to be looked for ------------------------------------------ */

struct starting {
    int64_t before_us;
    char seen[64];
};

static int see_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    strcat(strcat(context, boost->boost_id), " ");
    return 0;
}

static int see_starting(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct starting *starting = context;
    struct grid_boost_filter filter = {.starts_before_us = starting->before_us};
    starting->seen[0] = '\0';
    return grid_tx_boosts(tx, &filter, see_boost, starting->seen, err);
}

/* Granted at 100 s; two start at 200 s, one of them was seen to. */
static int put_starting(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct grid_boost boost = {.amount_u = 1, .allocated_us = SECONDS(100), .is_active = true,
                               .starts_us = SECONDS(100), .expires_us = GRID_NEVER,
                               .renews_until_us = GRID_NEVER, .warned = true,
                               .boost_id = "granted", .source_node = "a", .target_node = "b",
                               .resource_type = "CPU", .preempted_by = "winner"};
    int rc = grid_tx_put_boost(tx, NULL, &boost, GRID_EVENT_GRANTED, 1, NULL, err);
    boost.starts_us = SECONDS(200);
    strcpy(boost.boost_id, "waits");
    rc = rc ?: grid_tx_put_boost(tx, NULL, &boost, GRID_EVENT_SCHEDULED, 1, NULL, err);
    strcpy(boost.boost_id, "started");
    boost.started = true;
    rc = rc ?: grid_tx_put_boost(tx, NULL, &boost, GRID_EVENT_SCHEDULED, 1, NULL, err);
    return rc ?: see_starting(tx, context, err);
}

static int find_started(struct grid_tx *tx, void *context, struct grid_error *err)
{
    return grid_tx_find(tx, "started", context, err);
}

static void reservations_that_start(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct starting starting = {.before_us = SECONDS(200) + 1};
    struct grid_boost found;
    struct grid_error err = {0};
    cr_expect_eq(grid_store_transact(store, GRID_WRITE, put_starting, &starting, NULL, &err), 0);
    cr_expect_str_eq(starting.seen, "waits ");
    cr_expect_eq(grid_store_transact(store, GRID_READ, see_starting, &starting, NULL, &err), 0);
    cr_expect_str_eq(starting.seen, "waits ");
    starting.before_us = SECONDS(200);
    cr_expect_eq(grid_store_transact(store, GRID_READ, see_starting, &starting, NULL, &err), 0);
    cr_expect_str_eq(starting.seen, "");
    cr_expect_eq(grid_store_transact(store, GRID_READ, find_started, &found, NULL, &err), 0);
    cr_expect(found.started && found.warned && found.renews_until_us == GRID_NEVER);
    cr_expect_str_eq(found.preempted_by, "winner");
    grid_store_close(store);
}

/* --- events are told of -------------------------------------------------------------------- */

struct told {
    struct script script;
    char text[1024];
};

static void tell(void *context, const struct grid_event *event)
{
    (void)see_event(context, event, NULL);
}

static int after(void *context, const struct grid_commit *commit,
                 const struct grid_changes *changes, struct grid_error *err)
{
    (void)commit, (void)changes, (void)err;
    strcat(context, "after ");
    return 0;
}

static int play_told(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct told *told = context;
    grid_tx_after(tx, after, told->text);
    int rc = play(tx, &told->script, err);
    if (rc == 0 && strstr(told->script.words, "+fails"))
        rc = grid_error_set(err, GRID_EREFUSED, "as the test wants");
    return rc;
}

static void commits_tell_their_events(const struct place *place)
{
    static const struct {
        enum grid_mode mode;
        const char *words, *told;
        int rc;
    } rows[] = {
        {GRID_READ, "+t1", "after ", 0},
        {GRID_WRITE, "+fails", "", GRID_EREFUSED},
        {GRID_WRITE, "+t1 ~t1 +t2 -t1", "1:queued:t1 1:queued:t2 1:withdrawn:t1 after ", 0},
        {GRID_WRITE, "~t2", "after ", 0},
        {GRID_WRITE, "", "after ", 0},
    };
    struct told told = {{0}, ""};
    char url[160];
    snprintf(url, sizeof(url), "%s%s", place->url, place->directory[0] ? "" : "?conflict=1");
    struct grid_store *store = open_with(
        (struct grid_store_options){.event = tell, .event_context = told.text}, url);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        told.script.words = rows[i].words;
        told.text[0] = '\0';
        struct grid_error err = {0};
        cr_expect_eq(grid_store_transact(store, rows[i].mode, play_told, &told, NULL, &err),
                     rows[i].rc, "row %zu: %s", i, err.message);
        cr_expect_str_eq(told.text, rows[i].told);
    }
    grid_store_close(store);
}

static const contract_fn contract[] = {
    tickets_come_and_go,     the_last_change_of_a_ticket_counts, a_ticket_comes_back_whole,
    reservations_that_start, commits_tell_their_events,
};

#define CONTRACT contract, sizeof(contract) / sizeof(contract[0])

Test(contract_tickets, file) { check_driver("file", CONTRACT); }
Test(contract_tickets, memory) { check_driver("memory", CONTRACT); }
