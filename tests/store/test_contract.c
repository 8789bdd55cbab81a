/* The store contract: what every driver does, tested on each in turn. */
#include "store/place.h"

static struct grid_boost sample(const char *id, int64_t now_us)
{
    struct grid_boost boost = {.amount_u = 2 * GRID_AMOUNT_UNIT, .allocated_us = now_us,
                               .starts_us = now_us, .expires_us = now_us + GRID_HOUR,
                               .priority = GRID_HIGH, .is_active = true,
                               .source_node = "n\xc5\x93ud \"1\"\\", .target_node = "gpu-master",
                               .resource_type = "CPU", .owner = "ann", .host = "here",
                               .reason = "tab\t, line\n, \x01", .request_id = "key"};
    snprintf(boost.boost_id, sizeof(boost.boost_id), "%s", id);
    return boost;
}

/* --- decisions that the tests are made of -------------------------------------------------- */

struct script {
    const char *ids[4];     /* put as new ones, in order */
    const char *drop;       /* ended */
    const char *extend;     /* one hour more */
    enum grid_code fail;    /* at the end */
    int runs;
    int64_t tokens[4];
    struct grid_boost found;
    const char *other_url;  /* another writer comes between, in the first run */
    int other_rc;
};

static int other_writer(struct grid_tx *tx, void *context, struct grid_error *err)
{
    (void)context;
    struct grid_boost boost = sample("other-writer", grid_tx_now(tx));
    return grid_tx_put_boost(tx, NULL, &boost, GRID_EVENT_GRANTED, grid_tx_now(tx), NULL, err);
}

static void interfere(struct script *script)
{
    struct grid_error err = {0};
    struct grid_store *other = open_store(script->other_url);
    script->other_rc = grid_store_transact(other, GRID_WRITE, other_writer, NULL, NULL, &err);
    grid_store_close(other);
}

static int play(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct script *script = context;
    int64_t now_us = grid_tx_now(tx);
    int rc = 0;
    if (script->runs++ == 0 && script->other_url)
        interfere(script);
    for (size_t i = 0; rc == 0 && i < 4 && script->ids[i]; i++) {
        struct grid_boost boost = sample(script->ids[i], now_us);
        boost.token = script->tokens[i] = grid_tx_token(tx);
        rc = grid_tx_put_boost(tx, NULL, &boost, GRID_EVENT_GRANTED, now_us, "why", err);
    }
    if (rc == 0 && script->extend) {
        struct grid_boost was, now;
        rc = grid_tx_find(tx, script->extend, &was, err);
        now = was;
        now.expires_us += GRID_HOUR;
        if (rc == 0)
            rc = grid_tx_put_boost(tx, &was, &now, GRID_EVENT_EXTENDED, now_us, NULL, err);
    }
    if (rc == 0 && script->drop) {
        rc = grid_tx_find(tx, script->drop, &script->found, err);
        if (rc == 0)
            rc = grid_tx_put_boost(tx, &script->found, NULL, GRID_EVENT_RELEASED, now_us, "done",
                                   err);
    }
    if (rc == 0 && script->fail)
        rc = grid_error_set(err, script->fail, "as the test wants");
    return rc;
}

/* --- looking ------------------------------------------------------------------------------- */

struct seen {
    char text[1024];
    struct grid_boost_filter filter;
};

static int see_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct seen *seen = context;
    strcat(strcat(seen->text, boost->boost_id), " ");
    return 0;
}

static int see_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    struct seen *seen = context;
    size_t length = strlen(seen->text);
    snprintf(seen->text + length, sizeof(seen->text) - length, "%lld:%s:%s ",
             (long long)event->revision, grid_event_name(event->event), event->boost_id);
    return 0;
}

static int see_boosts(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct seen *seen = context;
    return grid_tx_boosts(tx, &seen->filter, see_boost, seen, err);
}

static int see_events(struct grid_tx *tx, void *context, struct grid_error *err)
{
    return grid_tx_events(tx, NULL, see_event, context, err);
}

static const char *look(struct grid_store *store, grid_decide_fn how, struct seen *seen)
{
    struct grid_error err = {0};
    seen->text[0] = '\0';
    cr_assert_eq(grid_store_transact(store, GRID_READ, how, seen, NULL, &err), 0, "%s",
                 err.message);
    return seen->text;
}

static int transact(struct grid_store *store, enum grid_mode mode, struct script *script,
                    struct grid_commit *commit, struct grid_error *err)
{
    *err = (struct grid_error){0};
    return grid_store_transact(store, mode, play, script, commit, err);
}

/* --- the contract -------------------------------------------------------------------------- */

static void starts_empty_and_creates_nothing(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct seen seen = {0};
    cr_expect_str_eq(look(store, see_boosts, &seen), "");
    cr_expect_str_eq(look(store, see_events, &seen), "");
    grid_store_close(store);
    cr_expect(!place->directory[0] || rmdir(place->directory) == 0);
}

static void keeps_what_was_committed(const struct place *place)
{
    struct grid_store *store = open_store(place->url), *again = open_store(place->url);
    struct script put = {.ids = {"aaaa-1", "bbbb-2", "cccc-3"}};
    struct grid_commit commit = {0};
    struct grid_error err;
    cr_expect_eq(transact(store, GRID_WRITE, &put, &commit, &err), 0, "%s", err.message);
    cr_expect(commit.committed && commit.changes == 3);
    cr_expect_eq(commit.revision, put.tokens[2], "the revision is the last token");
    cr_expect(put.tokens[0] < put.tokens[1] && put.tokens[1] < put.tokens[2]);
    struct seen seen = {0}, newest = {.filter = {.newest_first = true}};
    cr_expect_str_eq(look(again, see_boosts, &seen), "aaaa-1 bbbb-2 cccc-3 ");
    cr_expect_str_eq(look(again, see_boosts, &newest), "cccc-3 bbbb-2 aaaa-1 ");
    struct script drop = {.drop = "bbbb", .extend = "aaaa-1"};
    cr_expect_eq(transact(again, GRID_WRITE, &drop, NULL, &err), 0, "%s", err.message);
    cr_expect_str_eq(look(store, see_boosts, &seen), "aaaa-1 cccc-3 ");
    cr_expect_str_eq(look(store, see_events, &seen),
                     "4:released:bbbb-2 4:extended:aaaa-1 3:granted:cccc-3 3:granted:bbbb-2 "
                     "3:granted:aaaa-1 ");
    grid_store_close(store);
    grid_store_close(again);
}

static void gives_back_every_value(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct script put = {.ids = {"aaaa-1"}}, drop = {.drop = "aaaa-1"};
    struct grid_error err;
    cr_assert_eq(transact(store, GRID_WRITE, &put, NULL, &err), 0, "%s", err.message);
    cr_assert_eq(transact(store, GRID_READ, &drop, NULL, &err), 0, "%s", err.message);
    const struct grid_boost *found = &drop.found;
    struct grid_boost want = sample("aaaa-1", found->allocated_us);
    cr_expect_eq(found->amount_u, want.amount_u);
    cr_expect_eq(found->expires_us, want.expires_us);
    cr_expect_eq(found->token, put.tokens[0]);
    cr_expect_eq(found->priority, want.priority);
    cr_expect_str_eq(found->source_node, want.source_node);
    cr_expect_str_eq(found->reason, want.reason);
    cr_expect_str_eq(found->owner, want.owner);
    cr_expect_str_eq(found->request_id, want.request_id);
    cr_expect_eq(found->ended, GRID_ACTIVE);
    grid_store_close(store);
}

/* A failure, a reader and a decision without changes leave everything as it was. */
static void drops_what_is_not_committed(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct script first = {.ids = {"aaaa-1"}}, refused = {.ids = {"bbbb-2"}, .drop = "aaaa-1",
                                                          .fail = GRID_EREFUSED};
    struct script dry = {.ids = {"cccc-3"}, .drop = "aaaa-1"}, nothing = {0};
    struct grid_commit commit = {0};
    struct grid_error err;
    cr_assert_eq(transact(store, GRID_WRITE, &first, NULL, &err), 0);
    cr_expect_eq(transact(store, GRID_WRITE, &refused, NULL, &err), GRID_EREFUSED);
    cr_expect_str_eq(err.message, "as the test wants");
    cr_expect_eq(transact(store, GRID_READ, &dry, &commit, &err), 0);
    cr_expect(!commit.committed && commit.changes == 2 && commit.revision == 1);
    cr_expect_eq(transact(store, GRID_WRITE, &nothing, &commit, &err), 0);
    cr_expect(!commit.committed && commit.revision == 1);
    struct seen seen = {0};
    cr_expect_str_eq(look(store, see_boosts, &seen), "aaaa-1 ");
    cr_expect_str_eq(look(store, see_events, &seen), "1:granted:aaaa-1 ");
    grid_store_close(store);
}

static int see_own_changes(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct script script = {.ids = {"dddd-4", "eeee-5"}, .drop = "aaaa-1", .extend = "bbbb-2"};
    struct seen *seen = context;
    int rc = play(tx, &script, err);
    if (rc == 0)
        rc = see_boosts(tx, seen, err);
    strcat(seen->text, "| ");
    return rc < 0 ? rc : see_events(tx, seen, err);
}

static void reads_see_own_changes(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct script put = {.ids = {"aaaa-1", "bbbb-2", "cccc-3"}};
    struct grid_error err;
    cr_assert_eq(transact(store, GRID_WRITE, &put, NULL, &err), 0);
    struct seen seen = {0};
    cr_expect_str_eq(look(store, see_own_changes, &seen),
                     "cccc-3 dddd-4 eeee-5 bbbb-2 | 5:released:aaaa-1 5:extended:bbbb-2 "
                     "5:granted:eeee-5 5:granted:dddd-4 3:granted:cccc-3 3:granted:bbbb-2 "
                     "3:granted:aaaa-1 ");
    grid_store_close(store);
}

/* One that is granted, extended and ended in one commit leaves its events and nothing else. */
static void several_changes_of_one_boost(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct script put = {.ids = {"aaaa-1", "bbbb-2"}, .extend = "aaaa-1", .drop = "aaaa-1"};
    struct grid_error err;
    cr_assert_eq(transact(store, GRID_WRITE, &put, NULL, &err), 0, "%s", err.message);
    struct seen seen = {0};
    cr_expect_str_eq(look(store, see_boosts, &seen), "bbbb-2 ");
    cr_expect_str_eq(look(store, see_events, &seen), "2:released:aaaa-1 2:extended:aaaa-1 "
                     "2:granted:bbbb-2 2:granted:aaaa-1 ");
    grid_store_close(store);
}

static void finds_by_id_and_prefix(const struct place *place)
{
    static const struct {
        const char *id, *found;
        int rc;
    } rows[] = {
        {"aaaa-1", "aaaa-1", 0},         {"bbbb", "bbbb-2", 0},  {"aaaa", NULL, GRID_ECONFLICT},
        {"aaaa-11", "aaaa-11", 0},       {"bbb", NULL, GRID_EUSAGE}, {"zz", "zz", 0},
        {"nowhere", NULL, GRID_ENOTFOUND}, {"cccc-3", "cccc-3", 0}, {"cccc", "cccc-3", 0},
        {"", NULL, GRID_EUSAGE},
    };
    struct grid_store *store = open_store(place->url);
    struct script put = {.ids = {"aaaa-1", "aaaa-11", "bbbb-2", "zz"}};
    struct script more = {.ids = {"cccc-3"}}, drop = {.drop = "cccc-3"};
    struct grid_error err;
    cr_assert_eq(transact(store, GRID_WRITE, &put, NULL, &err), 0);
    cr_assert_eq(transact(store, GRID_WRITE, &more, NULL, &err), 0);
    cr_assert_eq(transact(store, GRID_WRITE, &drop, NULL, &err), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct script find = {.drop = rows[i].id};
        cr_expect_eq(transact(store, GRID_READ, &find, NULL, &err), rows[i].rc, "'%s': %s",
                     rows[i].id, err.message);
        if (rows[i].found)
            cr_expect_str_eq(find.found.boost_id, rows[i].found);
        if (rows[i].found && strcmp(rows[i].found, "cccc-3") == 0)
            cr_expect_eq(find.found.ended, GRID_RELEASED);
    }
    grid_store_close(store);
}

/* Two writers at once: one waits in vain, or both get in and one decides again. Neither is lost. */
static void two_writers_race(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct script put = {.ids = {"aaaa-1"}, .other_url = place->url};
    struct grid_error err;
    cr_expect_eq(transact(store, GRID_WRITE, &put, NULL, &err), 0, "%s", err.message);
    struct seen seen = {0};
    look(store, see_boosts, &seen);
    if (put.other_rc == GRID_ETIMEOUT) {
        cr_expect_eq(put.runs, 1);
        cr_expect_str_eq(seen.text, "aaaa-1 ");
    } else {
        cr_expect_eq(put.other_rc, 0);
        cr_expect_eq(put.runs, 2);
        cr_expect_str_eq(seen.text, "other-writer aaaa-1 ");
        cr_expect_eq(put.tokens[0], 2);
    }
    grid_store_close(store);
}

static int count_after(void *context, const struct grid_commit *commit,
                       const struct grid_changes *changes, struct grid_error *err)
{
    (void)err;
    cr_expect_eq(commit->changes, grid_changes_count(changes));
    *(size_t *)context += commit->committed ? 100 : 1;
    return 0;
}

static int ask_for_after(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct script put = {.ids = {"aaaa-1", "bbbb-2"}};
    grid_tx_after(tx, count_after, context);
    return play(tx, &put, err);
}

static void tells_what_was_changed(const struct place *place)
{
    struct grid_store *store = open_store(place->url);
    struct grid_error err = {0};
    size_t count = 0;
    cr_expect_eq(grid_store_transact(store, GRID_READ, ask_for_after, &count, NULL, &err), 0);
    cr_expect_eq(count, 1);
    cr_expect_eq(grid_store_transact(store, GRID_WRITE, ask_for_after, &count, NULL, &err), 0);
    cr_expect_eq(count, 101);
    grid_store_close(store);
}

static const contract_fn contract[] = {
    starts_empty_and_creates_nothing, keeps_what_was_committed, gives_back_every_value,
    drops_what_is_not_committed, reads_see_own_changes, several_changes_of_one_boost,
    finds_by_id_and_prefix, two_writers_race, tells_what_was_changed,
};

#define CONTRACT contract, sizeof(contract) / sizeof(contract[0])

Test(contract, file) { check_driver("file", CONTRACT); }
Test(contract, memory) { check_driver("memory", CONTRACT); }

Test(store, decides_again_after_a_lost_race)
{
    struct grid_store *store = open_store("memory:again?conflict=1");
    struct script put = {.ids = {"aaaa-1"}};
    struct grid_error err;
    cr_expect_eq(transact(store, GRID_WRITE, &put, NULL, &err), 0, "%s", err.message);
    cr_expect_eq(put.runs, 2);
    cr_expect_eq(put.tokens[0], 1, "the tokens of the first run are given back");
    struct seen seen = {0};
    cr_expect_str_eq(look(store, see_boosts, &seen), "aaaa-1 ");
    cr_expect_str_eq(look(store, see_events, &seen), "1:granted:aaaa-1 ");
    grid_store_close(store);
}

Test(store, urls)
{
    static const struct {
        const char *url;
        int rc;
    } rows[] = {
        {"file:/tmp/x", 0},          {"/tmp/x", 0},       {"memory:x", 0},
        {"file:relative", GRID_EUSAGE}, {"file:", GRID_EUSAGE}, {"", GRID_EUSAGE},
        {"x", GRID_EUSAGE},          {"mysql://u:secret@h/d", GRID_EUSAGE},
        {"memory:x?y=1", GRID_EUSAGE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct grid_store_options options = {.url = rows[i].url, .actor = "a@b"};
        struct grid_store *store = NULL;
        struct grid_error err = {0};
        cr_expect_eq(grid_store_open(&options, &store, &err), rows[i].rc, "'%s': %s",
                     rows[i].url, err.message);
        cr_expect_null(strstr(err.message, "secret"));
        grid_store_close(store);
    }
}
