/* The state file as a whole: what is damage and why, what is only a bad record, and what is asked
 * of the index. */
#include "store/state.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define RECORD(id)                                                                             \
    "{\"boost_id\": \"" id "\", \"source_node\": \"a\", \"target_node\": \"b\", "              \
    "\"resource_type\": \"CPU\", \"amount\": 1, \"allocated_at\": \"2026-01-23T20:00:23Z\", " \
    "\"expires_at\": null, \"ray_placement_group\": null, \"is_active\": true}"

static int read_text(struct state *state, const char *text, state_note_fn note, void *context,
                     struct grid_error *err)
{
    return state_read(state, strdup(text), strlen(text), note, context, err);
}

static const struct {
    const char *text;
    const char *why; /* NULL: it reads */
} wholes[] = {
    {"", "it is empty"},
    {" \r\n\t", "it is empty"},
    {"\xef\xbb\xbf", "it is empty"},
    {"[]", "it is not a JSON object"},
    {"{}", "it has no 'boosts'"},
    {"{", "a member's name is missing"},
    {"{boosts", "a member's name is missing"},
    {"{\"boosts", "a member's name is missing"},
    {"{\"boosts\"", "':' is missing"},
    {"{\"boosts\" []}", "':' is missing"},
    {"{\"boosts\": null}", "'boosts' is not an array"},
    {"{\"boosts\": [", "it is cut off"},
    {"{\"boosts\": [1", "',' or ']' is missing"},
    {"{\"boosts\": [x]}", "record 0: "},
    {"{\"boosts\": [{]}", "',' or ']' is missing"},
    {"{\"boosts\": [{\"a\": \"\xff\"}]}", "record 0 is not UTF-8 text"},
    {"{\"boosts\": []", "',' or '}' is missing"},
    {"{\"boosts\": [], \"boosts\": []}", "'boosts' comes twice"},
    {"{\"boosts\": []} {}", "more follows the end"},
    {"{\"boosts\": [], \"revision\": -1}", "bad 'revision'"},
    {"{\"boosts\": [], \"revision\": 1.0}", "bad 'revision'"},
    {"{\"boosts\": [], \"revision\": 4503599627370496}", "bad 'revision'"},
    {"{\"boosts\": [], \"history\": null}", "bad 'history'"},
    {"{\"boosts\": [], \"history\": -5}", "bad 'history'"},
    {"{\"boosts\": [], \"pending\": {}}", "'pending' is not an array"},
    {"{\"boosts\": [], \"nodes\": {}}", "a member is not what it should be"},
    {"{\"boosts\": [], \"policy\": []}", "a member is not what it should be"},
    {"{\"boosts\": [], \"waiting\": null}", "a member is not what it should be"},
    {"{\"boosts\": [], \"nodes\": [], \"nodes\": []}", "a member comes twice"},
    {"{\"boosts\": [], \"other\": }", ""},
    {"{\"boosts\": []}", NULL},
    {"\xef\xbb\xbf{\"boosts\": []}\r\n", NULL},
    {"{\"boosts\": [], \"timestamp\": 5}", NULL},
    {"{\"boosts\": [], \"timestamp\": \"soon\"}", NULL},
    {"{\"boosts\": [], \"timestamp\": \"\", \"other\": [1, {\"a\": null}]}", NULL},
    {"{\"boosts\": [], \"pending\": [{}, {}], \"waiting\": [], \"nodes\": []}", NULL},
};

Test(state, damage_is_told_apart_from_what_reads)
{
    for (size_t i = 0; i < countof(wholes); i++) {
        struct state state = {0};
        struct grid_error err = {0};
        int rc = read_text(&state, wholes[i].text, NULL, NULL, &err);
        cr_expect_eq(rc, wholes[i].why ? GRID_ECORRUPT : 0, "%s: %d: %s", wholes[i].text, rc,
                     err.message);
        cr_expect(!wholes[i].why || strstr(err.message, wholes[i].why), "%s: %s", wholes[i].text,
                  err.message);
        state_release(&state);
    }
}

static void keep_note(void *context, size_t index, const char *reason)
{
    buffer_format(context, "%zu: %s\n", index, reason);
}

static const struct {
    const char *records, *notes;
    size_t count, sound;
} lists[] = {
    {RECORD("one") ", " RECORD("two"), "", 2, 2},
    {RECORD("one") ", " RECORD("one"), "1: an earlier record has the same boost_id\n", 2, 1},
    {"{not: json}, " RECORD("one"), "0: ", 2, 1},
    {"1, null, [], \"x\"", "3: ", 4, 0},
    {"{\"boost_id\": \"one\"}", "0: ", 1, 0},
};

Test(state, a_bad_record_is_reported_and_the_others_count)
{
    for (size_t i = 0; i < countof(lists); i++) {
        struct state state = {0};
        struct grid_error err = {0};
        grid_auto_buffer struct buffer notes = BUFFER_INIT, text = BUFFER_INIT;
        buffer_format(&text, "{\"boosts\": [%s]}", lists[i].records);
        cr_expect_eq(read_text(&state, buffer_string(&text), keep_note, &notes, &err), 0, "%s: %s",
                     lists[i].records, err.message);
        cr_expect(strstr(buffer_string(&notes), lists[i].notes), "%s", buffer_string(&notes));
        cr_expect_eq(state.count, lists[i].count);
        cr_expect_eq(state.sound, lists[i].sound);
        cr_expect_eq(state_find(&state, "one") != NULL, lists[i].sound > 0);
        cr_expect_null(state_find(&state, "three"));
        state_release(&state);
    }
}

Test(state, a_time_without_a_zone_is_noted)
{
    struct state state = {0};
    struct grid_error err = {0};
    grid_auto_buffer struct buffer notes = BUFFER_INIT;
    grid_auto_free char *text = strdup("{\"boosts\": [" RECORD("one") "]}");
    memmove(strstr(text, "23Z\""), "23\" ", 4);
    cr_assert_eq(read_text(&state, text, keep_note, &notes, &err), 0, "%s", err.message);
    cr_expect_str_eq(buffer_string(&notes), "0: a time without a zone is read as UTC\n");
    state_release(&state);
}

/* Short records make the first guess of their number too small. */
Test(state, the_index_grows)
{
    struct state state = {0};
    struct grid_error err = {0};
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    char id[16];
    buffer_text(&text, "{\"boosts\": [{}");
    for (int i = 0; i < 3000; i++) {
        buffer_text(&text, i % 2 ? ", 1, 2, 3, 4, 5, 6, 7, 8" : "");
        buffer_format(&text, ", {\"boost_id\": \"b%d\", \"source_node\": \"a\", "
                             "\"target_node\": \"b\", \"resource_type\": \"CPU\", \"amount\": 1, "
                             "\"allocated_at\": \"2026-01-23T20:00:23Z\", \"expires_at\": null}",
                      i);
    }
    buffer_text(&text, "]}");
    cr_assert_eq(read_text(&state, buffer_string(&text), NULL, NULL, &err), 0, "%s", err.message);
    cr_expect_eq(state.sound, 3000);
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof(id), "b%d", i);
        cr_expect(state_find(&state, id), "%s is not found", id);
    }
    state_release(&state);
}
