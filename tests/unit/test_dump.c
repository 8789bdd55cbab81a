/* Export and import, on the file driver and between drivers: what comes over, what is refused. */
#include "grid/dump.h"
#include "store/place.h"
#include "util/text.h"

#include <fcntl.h>

#define AT "2026-01-23T20:00:23.954754+00:00"
#define LATER "2099-01-01T00:00:00.000000+00:00"
#define BOOST(id, rest)                                                                          \
    "    {\n      \"boost_id\": \"" id "\",\n      \"source_node\": \"n1\",\n"                   \
    "      \"target_node\": \"n2\",\n      \"resource_type\": \"CPU\",\n      \"amount\": 2.0,\n" \
    "      \"allocated_at\": \"" AT "\",\n      \"expires_at\": \"" LATER "\",\n"                \
    "      \"ray_placement_group\": null,\n      \"is_active\": true" rest "\n    }"
#define OVER(id)                                                                                 \
    "    {\n      \"boost_id\": \"" id "\",\n      \"source_node\": \"n1\",\n"                   \
    "      \"target_node\": \"n2\",\n      \"resource_type\": \"CPU\",\n      \"amount\": 2.0,\n" \
    "      \"allocated_at\": \"" AT "\",\n"                                                        \
    "      \"expires_at\": \"2026-01-23T21:00:00+00:00\"\n    }"
#define NODE(id) "    {\n      \"node_id\": \"" id "\",\n      \"capacity\": {\"CPU\": 3.0},\n" \
                 "      \"colour\": \"blue\"\n    }"
/* With members of others, records that are not sound (one of them no JSON), and events. */
static const char full[] =
    "{\n  \"boosts\": [\n" BOOST("aaaa-1", ",\n      \"token\": 41,\n      \"theirs\": [1, 2.50]")
    ",\n    {\"boost_id\": \"bbbb-2\", \"amount\": NaN},\n    {\"half\": true}\n  ],\n"
    "  \"timestamp\": \"2026-01-23T20:00:23.954801\",\n  \"revision\": 42,\n"
    "  \"nodes\": [\n" NODE("n1") ",\n" NODE("n2") ",\n    {\"node_id\": 7}\n  ],\n"
    "  \"policy\": {\n    \"enabled\": true,\n    \"default_duration\": 60.0,\n    \"x\": 1\n  },\n"
    "  \"pending\": [\n    {\n      \"revision\": 41,\n      \"at\": \"" AT "\",\n"
    "      \"event\": \"granted\",\n      \"boost_id\": \"aaaa-1\",\n"
    "      \"actor\": \"a@b\"\n    }\n"
    "  ],\n  \"their_member\": {\"k\": [true]}\n}\n";

static struct place here, there;

static void write_state(const struct place *place, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/resource_boosts.json", place->directory);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static int append(void *context, const char *text, size_t length, struct grid_error *err)
{
    (void)err;
    buffer_add(context, text, length);
    return 0;
}

static struct grid_export export_to(const char *url, struct buffer *out)
{
    struct grid_store *store = open_store(url);
    struct grid_error err = {0};
    struct grid_export facts = {0};
    out->length = 0;
    cr_assert_eq(grid_ledger_export(store, append, out, &facts, &err), 0, "%s", err.message);
    cr_assert_not_null(buffer_string(out));
    grid_store_close(store);
    return facts;
}

static int import_from(const char *url, const struct buffer *document, enum grid_import_mode mode,
                       struct grid_imported *ret, struct grid_error *err)
{
    struct grid_store *store = open_store(url);
    struct grid_import import = {.text = document->data, .length = document->length,
                                 .mode = mode, .reason = "a test"};
    *err = (struct grid_error){0};
    *ret = (struct grid_imported){0};
    int rc = grid_ledger_import(store, &import, ret, err);
    grid_store_close(store);
    return rc;
}

static void make_places(void)
{
    make_place(&here, "file");
    make_place(&there, "file");
}

static void drop_places(void)
{
    drop_place(&here);
    drop_place(&there);
}

TestSuite(dump, .init = make_places, .fini = drop_places);

/* From "boosts" on, to the events of the import itself. */
static void same_records(const struct buffer *a, const struct buffer *b)
{
    const char *left = strstr(a->data, "\"boosts\""), *right = strstr(b->data, "\"boosts\"");
    const char *end = strstr(left, "\"actor\"");
    cr_assert(left && right && end);
    cr_assert_eq(strncmp(left, right, (size_t)(end - left)), 0, "%s\n---\n%s", left, right);
    cr_expect_not_null(strstr(right, "\"their_member\": {\"k\": [true]}"));
    cr_expect_not_null(strstr(right, "\"theirs\": [1, 2.50]"));
    cr_expect_not_null(strstr(right, "NaN"));
    cr_expect_not_null(strstr(right, "\"colour\": \"blue\""));
}

Test(dump, comes_over_whole_into_an_empty_ledger)
{
    grid_auto_buffer struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
    struct grid_imported done;
    struct grid_error err;
    write_state(&here, full);
    struct grid_export facts = export_to(here.url, &first), read;
    cr_expect_eq(facts.revision, 42);
    cr_expect(facts.boosts == 3 && facts.nodes == 3 && facts.events == 1 && facts.policy);
    cr_assert_eq(grid_export_read(first.data, first.length, &read, &err), 0, "%s", err.message);
    cr_expect(read.boosts == 3 && read.nodes == 3 && read.events == 1 && read.revision == 42);
    cr_assert_eq(import_from(there.url, &first, GRID_IMPORT_EMPTY, &done, &err), 0, "%s",
                 err.message);
    cr_expect(done.boosts == 1 && done.nodes == 2 && done.events == 1 && done.revision > 42);
    facts = export_to(there.url, &second);
    cr_expect_eq(facts.events, 2);
    same_records(&first, &second);
    cr_expect_eq(import_from(there.url, &first, GRID_IMPORT_EMPTY, &done, &err), GRID_ECONFLICT);
}

Test(dump, replaces_what_is_there_and_ends_what_is_not_in_it)
{
    grid_auto_buffer struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
    struct grid_imported done;
    struct grid_error err;
    write_state(&here, full);
    write_state(&there, "{\"boosts\": [\n" BOOST("cccc-3", "") "], \"revision\": 99}");
    export_to(here.url, &first);
    for (int again = 0; again < 2; again++) {
        cr_assert_eq(import_from(there.url, &first, GRID_IMPORT_REPLACE, &done, &err), 0, "%s",
                     err.message);
        cr_expect_gt(done.revision, 99);
        cr_expect_eq(done.ended, again ? 0 : 1);
        export_to(there.url, &second);
        same_records(&first, &second);
        cr_expect_not_null(strstr(second.data, "\"released\""));
        cr_expect_not_null(strstr(second.data, "\"restored\""));
    }
}

Test(dump, is_there_after_damage)
{
    grid_auto_buffer struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
    struct grid_imported done;
    struct grid_error err;
    write_state(&here, full);
    write_state(&there, "{\"boosts\": [\n" BOOST("cccc-3", "") "], \"revision\": 9}");
    export_to(here.url, &first);
    cr_assert_eq(import_from(there.url, &first, GRID_IMPORT_REPLACE, &done, &err), 0);
    write_state(&there, "{\"boo");
    export_to(there.url, &second);
    cr_expect_not_null(strstr(second.data, "aaaa-1"), "%s", second.data);
    cr_expect_not_null(strstr(second.data, "\"theirs\": [1, 2.50]"));
}

Test(dump, merges_what_is_new_and_refuses_what_differs)
{
    static const struct {
        const char *state;
        int rc;
        size_t boosts, skipped;
        const char *message;
    } cases[] = {
        {"{\"boosts\": []}", 0, 1, 0, NULL},
        {"{\"boosts\": [\n" BOOST("aaaa-1", ", \"token\": 41") "]}", 0, 0, 1, NULL},
        {"{\"boosts\": [\n" BOOST("aaaa-1", ", \"token\": 40") "]}", GRID_ECONFLICT, 0, 0,
         "boost 'aaaa-1' is in the ledger with other content"},
        {"{\"boosts\": [\n" BOOST("aaaa-9", "") "]}", GRID_EREFUSED, 0, 0,
         "'n1' would lend more CPU than it may"},
        {"{\"boosts\": [], \"policy\": {\"default_duration\": 61.0}}", GRID_ECONFLICT, 0, 0,
         "policy is in the ledger with other content"},
        {"{\"boosts\": [], \"pending\": [{\"revision\": 1, \"at\": \"" AT "\", \"event\": "
         "\"released\", \"boost_id\": \"aaaa-1\", \"boost\": " BOOST("aaaa-1", "") "}]}",
         GRID_ECONFLICT, 0, 0, "boost 'aaaa-1' has ended in this ledger"},
        {"{\"boosts\": [\n" OVER("dddd-4") "]}", 0, 1, 0, NULL},
        {"{\"boosts\": [{\"half\": true}]}", 0, 1, 1, NULL},
        {"{\"boosts\": [], \"nodes\": [" NODE("n1") "]}", 0, 1, 1, NULL},
    };
    grid_auto_buffer struct buffer document = BUFFER_INIT;
    write_state(&here, full);
    export_to(here.url, &document);
    for (size_t i = 0; i < countof(cases); i++) {
        struct place place;
        struct grid_imported done;
        struct grid_error err;
        make_place(&place, "file");
        write_state(&place, cases[i].state);
        int rc = import_from(place.url, &document, GRID_IMPORT_MERGE, &done, &err);
        cr_expect_eq(rc, cases[i].rc, "%zu: %d %s", i, rc, err.message);
        cr_expect(!cases[i].message || strcmp(err.message, cases[i].message) == 0, "%zu: %s", i,
                  err.message);
        if (rc == 0)
            cr_expect(done.boosts == cases[i].boosts && done.skipped == cases[i].skipped,
                      "%zu: %zu %zu", i, done.boosts, done.skipped);
        drop_place(&place);
    }
}

/* What would promise twice, come twice, or hide from the checks. ' stands for ". */
#define NODE_A "'unsound': [{'of': 'nodes', 'text': '{`node_id`: `a`}'}]"
static const struct {
    const char *state, *document;
    int rc;
    const char *says; /* in the message, or in the ledger afterwards */
} odd[] = {
    {"{'boosts': [], 'x': {'a': 1}}", "'members': {'x': {'a':1}, 'y': 2}", 0, "\"y\": 2"},
    {"{'boosts': [], 'x': {'a': 1}}", "'members': {'x': {'a': 2}}", GRID_ECONFLICT,
     "member \"x\" is in the ledger with other content"},
    {"{'boosts': []}", NODE_A, GRID_EUSAGE, "unsound record 0 of the document is sound"},
    {"{'boosts': [], 'revision': 1, 'nodes': [{'node_id': 'a'}]}", NODE_A, 0, "unsound"},
    {"{'boosts': []}", "'nodes': [{'node_id': 7}]", GRID_EUSAGE, "node 0 of the document"},
};

static void put_quoted(struct buffer *out, const char *text)
{
    for (; *text; text++)
        buffer_text(out, *text == '\'' ? "\"" : *text == '`' ? "\\\"" : (char[]){*text, '\0'});
}

Test(dump, merges_nothing_that_is_not_what_it_seems)
{
    for (size_t i = 0; i < countof(odd); i++) {
        grid_auto_buffer struct buffer document = BUFFER_INIT, after = BUFFER_INIT;
        struct grid_imported done;
        struct grid_error err;
        put_quoted(&document, odd[i].state);
        write_state(&here, buffer_string(&document));
        document.length = 0;
        put_quoted(&document, "{'schema': 1, 'export': 1, 'revision': 5, 'boosts': [], ");
        put_quoted(&document, odd[i].document);
        buffer_text(&document, "}");
        int rc = import_from(here.url, &document, GRID_IMPORT_MERGE, &done, &err);
        cr_expect_eq(rc, odd[i].rc, "%zu: %d %s", i, rc, err.message);
        export_to(here.url, &after);
        cr_expect_not_null(strstr(rc ? err.message : after.data, odd[i].says), "%zu: %s %s", i,
                           err.message, after.data);
    }
}

/* A token that was given out here is given to nobody else. */
Test(dump, gives_merged_boosts_tokens_of_their_own)
{
    grid_auto_buffer struct buffer document = BUFFER_INIT, after = BUFFER_INIT;
    struct grid_imported done;
    struct grid_error err;
    write_state(&here, "{\"boosts\": [\n" BOOST("aaaa-1", ", \"token\": 3") ",\n"
                BOOST("aaaa-2", ", \"token\": 6") "], \"revision\": 6}");
    write_state(&there, "{\"boosts\": [\n" BOOST("bbbb-1", ", \"token\": 3") "], \"revision\": 4}");
    export_to(here.url, &document);
    cr_assert_eq(import_from(there.url, &document, GRID_IMPORT_MERGE, &done, &err), 0, "%s",
                 err.message);
    export_to(there.url, &after);
    cr_expect_not_null(strstr(after.data, "\"token\": 6"));
    cr_expect_not_null(strstr(after.data, "\"token\": 7"), "%s", after.data);
    const char *first = strstr(after.data, "\"token\": 3");
    cr_expect(first && !strstr(first + 1, "\"token\": 3"), "%s", after.data);
}

/* The original drops the revision and keeps the tokens: what was exported can be imported. */
Test(dump, takes_tokens_above_the_revision)
{
    grid_auto_buffer struct buffer document = BUFFER_INIT;
    struct grid_imported done;
    struct grid_error err;
    write_state(&here, "{\"boosts\": [\n" BOOST("aaaa-1", ", \"token\": 41") "]}");
    struct grid_export facts = export_to(here.url, &document);
    cr_expect_lt(facts.revision, 41);
    cr_assert_eq(import_from(there.url, &document, GRID_IMPORT_REPLACE, &done, &err), 0, "%s",
                 err.message);
    cr_expect_gt(done.revision, 41);
}

/* Whoever has seen such a token turns down all that are not above it. */
Test(dump, gives_merged_tokens_above_the_revision_anew)
{
    grid_auto_buffer struct buffer document = BUFFER_INIT, after = BUFFER_INIT;
    struct grid_imported done;
    struct grid_error err;
    write_state(&here, "{\"boosts\": [\n" BOOST("aaaa-1", ", \"token\": 41") "]}");
    write_state(&there, "{\"boosts\": [\n" BOOST("bbbb-1", ", \"token\": 3") "], \"revision\": 4}");
    export_to(here.url, &document);
    cr_assert_eq(import_from(there.url, &document, GRID_IMPORT_MERGE, &done, &err), 0, "%s",
                 err.message);
    export_to(there.url, &after);
    cr_expect(strstr(after.data, "\"token\": 42") && !strstr(after.data, "\"token\": 41"), "%s",
              after.data);
    cr_expect_gt(done.revision, 41);
}

/* What is replaced may be damaged: its bytes are kept, and it is one commit. */
Test(dump, replaces_what_cannot_be_read)
{
    grid_auto_buffer struct buffer document = BUFFER_INIT, after = BUFFER_INIT;
    struct grid_imported done;
    struct grid_error err;
    char command[256];
    write_state(&here, full);
    export_to(here.url, &document);
    write_state(&there, "{\"boosts\": [\n" BOOST("cccc-3", "") ",");
    cr_expect_eq(import_from(there.url, &document, GRID_IMPORT_MERGE, &done, &err), GRID_ECORRUPT);
    cr_assert_eq(import_from(there.url, &document, GRID_IMPORT_REPLACE, &done, &err), 0, "%s",
                 err.message);
    cr_expect_eq(done.ended, 1);
    export_to(there.url, &after);
    same_records(&document, &after);
    snprintf(command, sizeof(command), "grep -q cccc-3 %s/resource_boosts.json.corrupt-*",
             there.directory);
    cr_expect_eq(system(command), 0);
}

/* A boost that lives again says so; who may not end a boost may not replace it away. */
Test(dump, tells_what_comes_back_and_whose_it_is)
{
    grid_auto_buffer struct buffer document = BUFFER_INIT, after = BUFFER_INIT;
    struct grid_caller bob = {"bob", false};
    struct grid_imported done;
    struct grid_error err = {0};
    write_state(&here, "{\"boosts\": [\n" BOOST("aaaa-1", ", \"x\": [1]") "]}");
    export_to(here.url, &document);
    write_state(&there, "{\"boosts\": [\n" BOOST("cccc-3", ", \"owner\": \"ann\"") "], "
                "\"pending\": [{\"revision\": 1, \"at\": \"" AT "\", \"event\": \"released\", "
                "\"boost_id\": \"aaaa-1\", \"boost\": " BOOST("aaaa-1", "") "}]}");
    struct grid_import import = {.text = document.data, .length = document.length,
                                 .mode = GRID_IMPORT_REPLACE, .reason = "a test", .caller = &bob};
    struct grid_store *store = open_store(there.url);
    cr_expect_eq(grid_ledger_import(store, &import, &done, &err), GRID_EPERM);
    cr_expect_str_eq(err.message, "boost 'cccc-3' belongs to 'ann'");
    bob.is_root = true;
    cr_assert_eq(grid_ledger_import(store, &import, &done, &err), 0, "%s", err.message);
    grid_store_close(store);
    export_to(there.url, &after);
    const char *event = strstr(after.data, "\"restored\"");
    cr_assert(event && strstr(event, "\"boost_id\": \"aaaa-1\""), "%s", after.data);
    cr_expect_not_null(strstr(after.data, "\"x\": ["));
    cr_expect_not_null(strstr(event, "\"x\": ["));
}

/* What is over counts no more; what is no sound record is kept, and comes once. */
Test(dump, merges_what_is_over_and_what_is_not_sound)
{
    grid_auto_buffer struct buffer document = BUFFER_INIT, after = BUFFER_INIT;
    struct grid_imported done;
    struct grid_error err;
    write_state(&here, "{\"boosts\": [\n" OVER("aaaa-1") ", {\"half\": true}], \"x\": [1]}");
    export_to(here.url, &document);
    write_state(&there, "{\"boosts\": [\n" OVER("aaaa-1") "]}");
    for (size_t again = 0; again < 2; again++) {
        cr_assert_eq(import_from(there.url, &document, GRID_IMPORT_MERGE, &done, &err), 0, "%s",
                     err.message);
        cr_expect_eq(done.skipped, again ? 3 : 1, "%zu", done.skipped);
        export_to(there.url, &after);
        cr_expect_not_null(strstr(after.data, "\"x\": [1]"), "%s", after.data);
        cr_assert_not_null(strstr(after.data, "half"));
        cr_expect_null(strstr(strstr(after.data, "half") + 4, "half"));
    }
}

Test(dump, refuses_a_document_that_is_none)
{
    static const struct {
        const char *text;
        int rc;
    } cases[] = {
        {"", GRID_EUSAGE},
        {"[]", GRID_EUSAGE},
        {"{\"boosts\": [], \"revision\": 1}", GRID_EUSAGE},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1}", GRID_EUSAGE},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1, \"boosts\": []", GRID_EUSAGE},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1, \"boosts\": []}", 0},
        {"{\"schema\": 1, \"export\": 2, \"revision\": 1, \"boosts\": []}", GRID_ECONFLICT},
        {"{\"schema\": 2, \"export\": 1, \"revision\": 1, \"boosts\": []}", GRID_ECONFLICT},
        {"{\"schema\": 1, \"export\": 1, \"revision\": -1, \"boosts\": []}", GRID_EUSAGE},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1, \"boosts\": [7]}", GRID_EUSAGE},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1, \"boosts\": [\n" BOOST("aaaa-1", "")
         ",\n" BOOST("aaaa-1", "") "]}", GRID_EUSAGE},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1, \"boosts\": [], \"members\": "
         "{\"revision\": 3}}", GRID_EUSAGE},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1, \"boosts\": [], \"unsound\": "
         "[{\"of\": \"boosts\", \"text\": \"{}]\"}]}", GRID_EUSAGE},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1, \"boosts\": [], \"unsound\": "
         "[{\"of\": \"nodes\", \"text\": \"{nan}\"}]}", GRID_EUSAGE},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1, \"boosts\": [], \"unsound\": "
         "[{\"of\": \"boosts\", \"text\": \"{nan}\"}]}", 0},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1, \"boosts\": [], \"events\": [3]}",
         GRID_EUSAGE},
        {"{\"schema\": 1, \"export\": 1, \"revision\": 1, \"boosts\": []} {}", GRID_EUSAGE},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct place place;
        struct buffer text = {.data = (char *)cases[i].text, .length = strlen(cases[i].text)};
        struct grid_imported done;
        struct grid_error err;
        make_place(&place, "file");
        int rc = import_from(place.url, &text, GRID_IMPORT_REPLACE, &done, &err);
        cr_expect_eq(rc, cases[i].rc, "%zu: %d %s", i, rc, err.message);
        drop_place(&place);
    }
}

Test(dump, goes_through_the_memory_driver)
{
    grid_auto_buffer struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
    struct grid_imported done;
    struct grid_error err;
    write_state(&here, full);
    export_to(here.url, &first);
    struct grid_store *memory = open_store("memory:dump");
    cr_assert_eq(import_from("memory:dump", &first, GRID_IMPORT_EMPTY, &done, &err), 0, "%s",
                 err.message);
    struct grid_export facts = export_to("memory:dump", &second);
    grid_store_close(memory);
    cr_expect(facts.boosts == 1 && facts.nodes == 2 && facts.events == 2 && facts.policy);
    cr_assert_eq(import_from(there.url, &second, GRID_IMPORT_EMPTY, &done, &err), 0, "%s",
                 err.message);
    cr_expect(done.boosts == 1 && done.nodes == 2 && done.events == 2);
}
