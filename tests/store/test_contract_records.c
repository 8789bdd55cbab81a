/* The store contract, of whole ledgers: records as text, clearing, raising: on each driver. */
#include "store/place.h"

#define AT "2026-01-23T20:00:23.954754+00:00"
#define BOOST(id, rest)                                                                           \
    "{\n      \"boost_id\": \"" id "\",\n      \"source_node\": \"n1\",\n"                        \
    "      \"target_node\": \"n2\",\n      \"resource_type\": \"CPU\",\n      \"amount\": 2.0,\n" \
    "      \"allocated_at\": \"" AT "\",\n      \"expires_at\": null,\n"                          \
    "      \"ray_placement_group\": null,\n      \"is_active\": true" rest "\n    }"
#define NODE(id) "{\n      \"node_id\": \"" id "\"\n    }"
#define EVENT \
    "{\"revision\": 3, \"at\": \"" AT "\", \"event\": \"released\", \"boost_id\": \"old-1\"}"

/* What a decision does: "b:ID", "n:ID", "e" and "p" put a record (a boost, a node, an event, a
 * policy), "u" one that is not sound, "x:ID" ends that boost, "c" clears, "r:N" raises, "R" is the
 * event `restored`; "?" looks. */
struct script {
    const char *words;
    char seen[2048], texts[16][640];
    size_t count;
};

static void see(struct script *script, const char *format, const char *text)
{
    size_t length = strlen(script->seen);
    snprintf(script->seen + length, sizeof(script->seen) - length, format, text);
}

static int see_record(void *context, const struct grid_record *record, struct grid_error *err)
{
    (void)err;
    static const char *const words[] = {"boost", "node", "policy", "ticket", "event", "member"};
    struct script *script = context;
    see(script, "%s ", words[record->subject]);
    cr_expect(record->text[0] == '{' && record->text[record->length - 1] == '}');
    return 0;
}

static int see_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    see(context, "%s ", boost->boost_id);
    return 0;
}

static int see_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    (void)err;
    see(context, "%s ", node->node_id);
    return 0;
}

static int see_load(void *context, const struct grid_load *load, struct grid_error *err)
{
    (void)err;
    char text[64];
    snprintf(text, sizeof(text), "%s:%lld:%lld ", load->node, (long long)load->lent_u / 1000000,
             (long long)load->borrowed_u / 1000000);
    see(context, "%s", text);
    return 0;
}

static int see_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    char text[160];
    snprintf(text, sizeof(text), "%lld:%s:%s ", (long long)event->revision,
             grid_event_name(event->event), event->boost_id);
    see(context, "%s", text);
    return 0;
}

static int look(struct grid_tx *tx, struct script *script, struct grid_error *err)
{
    struct grid_node node;
    see(script, "| %s", "");
    int rc = grid_tx_boosts(tx, NULL, see_boost, script, err);
    rc = rc ?: grid_tx_nodes(tx, see_node, script, err);
    rc = rc ?: grid_tx_load(tx, see_load, script, err);
    rc = rc ?: grid_tx_events(tx, NULL, see_event, script, err);
    see(script, "%s ", grid_tx_managed(tx) ? "managed" : "open");
    see(script, "%s ", grid_tx_policy(tx)->enabled ? "enabled" : "disabled");
    see(script, "%s ", grid_tx_node(tx, "n1", &node, err) == 0 ? "n1" : "no-n1");
    return rc;
}

static int put(struct grid_tx *tx, struct script *script, const char *word,
               struct grid_error *err)
{
    static const enum grid_subject subjects[] = {['b'] = GRID_BOOST, ['n'] = GRID_NODE,
                                                 ['e'] = GRID_EVENT, ['p'] = GRID_POLICY,
                                                 ['u'] = GRID_BOOST};
    static const char *const texts[] = {['b'] = BOOST("%s", ""), ['n'] = NODE("%s"), ['e'] = EVENT,
                                        ['p'] = "{\"enabled\": false}", ['u'] = "{\"odd\": 1}"};
    char *text = script->texts[script->count++];
    size_t letter = (size_t)word[0];
    snprintf(text, sizeof(script->texts[0]), texts[letter], word + 2);
    struct grid_record record = {subjects[letter], letter != 'u', text, strlen(text)};
    int rc = grid_tx_put_record(tx, &record, err);
    if (rc == 0 && (letter == 'b' || letter == 'n'))
        cr_expect(grid_tx_has_put(tx, subjects[letter], word + 2));
    return rc;
}

static int take(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    *(struct grid_boost *)context = *boost;
    return 1;
}

static int do_word(struct grid_tx *tx, const char *word, struct script *script,
                   struct grid_error *err)
{
    struct grid_boost_filter filter = {.boost_id = word + 2};
    struct grid_boost boost = {0};
    int rc = 0;
    if (word[0] == 'c')
        grid_tx_clear(tx);
    else if (word[0] == 'r')
        grid_tx_raise(tx, atoi(word + 2));
    else if (word[0] == '?')
        rc = look(tx, script, err);
    else if (word[0] == 'R')
        rc = grid_tx_put_restored(tx, "why", err);
    else if (word[0] != 'x')
        rc = put(tx, script, word, err);
    else if (grid_tx_boosts(tx, &filter, take, &boost, err) == 1)
        rc = grid_tx_put_boost(tx, &boost, NULL, GRID_EVENT_RELEASED, grid_tx_now(tx), NULL, err);
    return rc;
}

static int play(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct script *script = context;
    char words[128], *rest = words;
    int rc = 0;
    script->seen[0] = '\0';
    script->count = 0;
    snprintf(words, sizeof(words), "%s", script->words);
    for (char *word; rc == 0 && (word = strsep(&rest, " ")) != NULL;)
        rc = do_word(tx, word, script, err);
    return rc;
}

static int read_records(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct script *script = context;
    script->seen[0] = '\0';
    return grid_tx_records(tx, see_record, script, err);
}

static void records_come_over_as_they_are(const struct place *place)
{
    static const struct {
        const char *words, *seen, *records;
        int64_t revision;
    } rows[] = {
        {"b:b-1 n:n1 e p ?",
         "| b-1 n1 n1:2:0 n2:0:2 managed disabled n1 ", "boost node policy event ", 1},
        {"?", "| b-1 n1 n1:2:0 n2:0:2 3:released:old-1 managed disabled n1 ",
         "boost node policy event ", 1},
        {"b:b-2 x:b-1 ?", "| b-2 n1 n1:2:0 n2:0:2 2:released:b-1 3:released:old-1 managed "
         "disabled n1 ", "boost node policy event event ", 2},
        {"c ?", "| 2:released:b-1 3:released:old-1 open enabled no-n1 ",
         "boost node policy event event ", 2},
        {"c b:b-2 b:b-3 n:n2 r:40 R ?", "| b-2 b-3 n2 n1:4:0 n2:0:4 41:restored: 2:released:b-1 "
         "3:released:old-1 managed enabled no-n1 ", "boost boost node event event event ", 41},
        {"x:b-3 ?", "| b-2 n2 n1:2:0 n2:0:2 42:released:b-3 41:restored: 2:released:b-1 "
         "3:released:old-1 managed enabled no-n1 ", "boost node event event event event ", 42},
    };
    struct grid_store *store = open_store(place->url);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct script script = {.words = rows[i].words};
        struct grid_error err = {0};
        struct grid_commit commit = {0};
        cr_assert_eq(grid_store_transact(store, GRID_WRITE, play, &script, &commit, &err), 0,
                     "row %zu: %s", i, err.message);
        cr_expect_str_eq(script.seen, rows[i].seen, "row %zu: %s", i, script.seen);
        cr_assert_eq(grid_store_transact(store, GRID_READ, read_records, &script, NULL, &err), 0);
        cr_expect_str_eq(script.seen, rows[i].records, "row %zu: %s", i, script.seen);
        cr_expect_eq(commit.revision, rows[i].revision, "row %zu: %lld", i,
                     (long long)commit.revision);
    }
    grid_store_close(store);
}

static void an_unsound_record_is_no_sound_one(const struct place *place)
{
    static const char *const bad[] = {"b:", "n:"};
    struct grid_store *store = open_store(place->url);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct script script = {.words = bad[i]};
        struct grid_error err = {0};
        cr_expect_eq(grid_store_transact(store, GRID_WRITE, play, &script, NULL, &err),
                     GRID_ECORRUPT, "%s", err.message);
    }
    grid_store_close(store);
}

static const contract_fn contract[] = {
    records_come_over_as_they_are,
    an_unsound_record_is_no_sound_one,
};

#define CONTRACT contract, sizeof(contract) / sizeof(contract[0])

Test(contract_records, file) { check_driver("file", CONTRACT); }
Test(contract_records, memory) { check_driver("memory", CONTRACT); }
