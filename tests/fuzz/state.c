/* Any bytes as a state file: what reads is asked everything, written, and read again. */
#include "fuzz/fuzz.h"
#include "model/node_record.h"
#include "model/record_table.h"
#include "store/state.h"
#include "support/same.h"

#include <cjson/cJSON.h>

#define NOW_US (INT64_C(1769200000) * GRID_SECOND) /* 2026-01-23T20:26:40 */
#define LONGEST 65536 /* more shows nothing that less does not */

/* --- JSON: what the strict scanner takes, cJSON takes, and reprinted it is the same --------- */

/* cJSON cuts numbers at 63 characters. */
static bool has_long_number(struct span text)
{
    size_t run = 0;
    for (size_t i = 0; i < text.length && run < 60; i++)
        run = strchr("0123456789.eE+-", text.at[i]) && text.at[i] ? run + 1 : 0;
    return run >= 60;
}

static cJSON *parse(struct span text)
{
    return cJSON_ParseWithLength(text.at, text.length);
}

/* With members in their order, and those that come twice. */
static bool same_tree(const cJSON *a, const cJSON *b)
{
    for (; a && b; a = a->next, b = b->next) {
        bool same = a->type == b->type && text_is(a->string ?: "", b->string ?: "")
                    && text_is(a->valuestring ?: "", b->valuestring ?: "")
                    && (!cJSON_IsNumber(a) || a->valuedouble == b->valuedouble);
        if (!same || !same_tree(a->child, b->child))
            return false;
    }
    return !a && !b;
}

static void check_json(struct span text)
{
    const char *at = json_space(text.at, text.at + text.length);
    const char *end = json_value(at, text.at + text.length, JSON_DEPTH_MAX, NULL);
    if (!end || json_has_odd_escape((struct span){at, (size_t)(end - at)}))
        return;
    struct span value = {at, (size_t)(end - at)};
    fuzz_check(json_skip(at, end) == end, "a value ends elsewhere when it is skipped");
    grid_auto_buffer struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;
    struct json first = json_begin(&once, 0), second = json_begin(&twice, 0);
    json_reprint(&first, value);
    json_reprint(&second, (struct span){once.data, once.length});
    fuzz_check(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0,
               "printed twice it differs: %s", buffer_string(&twice));
    if (has_long_number(value))
        return;
    cJSON *tree = parse(value), *again = parse((struct span){once.data, once.length});
    fuzz_check(tree, "cJSON does not take it");
    fuzz_check(same_tree(tree, again), "reprinted: %s", buffer_string(&once));
    cJSON_Delete(tree);
    cJSON_Delete(again);
}

/* --- records: two readers, one answer; a change changes what it is about, and nothing else ---- */

static void check_scan(struct span record)
{
    struct grid_boost fast, slow;
    struct grid_error err = {0};
    const char *end = record_scan(record.at, record.at + record.length, &fast);
    if (!end)
        return;
    record.length = (size_t)(end - record.at);
    int rc = record_parse(record, &slow, NULL, &err);
    fuzz_check(rc == 0, "only the scanner takes it: %s", err.message);
    const char *differs = boost_difference(&fast, &slow);
    fuzz_check(!differs, "the scanner reads another %s", differs);
}

/* The members that are none of ours. */
static cJSON *foreign(struct span record)
{
    cJSON *tree = parse(record);
    fuzz_check(tree, "a sound record is no JSON: %.*s", (int)record.length, record.at);
    for (size_t i = 0; i < RECORD_MEMBERS; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(tree, record_boost_members[i].name);
    return tree;
}

static void check_rewrite(struct span old)
{
    struct grid_boost boost, read;
    struct grid_error err = {0};
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct json json = json_begin(&out, 2);
    fuzz_check(record_read(old, &boost, NULL, NULL) == 0, "a sound record does not read");
    boost.is_active = !boost.is_active;
    boost.warned = !boost.warned;
    boost.amount_u = boost.amount_u / 2 + 1;
    text_copy(boost.reason, sizeof(boost.reason), "a \"reason\" of\nits own");
    record_rewrite(&json, old, &boost);
    struct span now = {out.data, out.length};
    int rc = record_read(now, &read, NULL, &err);
    fuzz_check(rc == 0, "%s: %.*s", err.message, (int)now.length, now.at);
    const char *differs = boost_difference(&boost, &read);
    fuzz_check(!differs, "rewritten, %s differs: %.*s", differs, (int)now.length, now.at);
    if (json_has_odd_escape(old) || has_long_number(old))
        return;
    cJSON *was = foreign(old), *is = foreign(now);
    fuzz_check(same_tree(was, is), "a foreign member changed: %.*s", (int)now.length,
               now.at);
    cJSON_Delete(was);
    cJSON_Delete(is);
}

/* --- queries: against what a walk over all boosts says -------------------------------------- */

struct walk {
    const struct grid_boost_filter *filter;
    const char *node, *resource;
    __int128 lent_u, borrowed_u;
    size_t seen, matching;
};

static int walk_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct walk *walk = context;
    walk->seen++;
    walk->matching += walk->filter && grid_boost_matches(boost, walk->filter);
    if (walk->node && strcmp(boost->source_node, GRID_ANY_NODE) != 0
        && strcmp(boost->resource_type, walk->resource) == 0
        && !grid_boost_starts_later(boost, NOW_US)) {
        walk->lent_u += strcmp(boost->source_node, walk->node) == 0 ? boost->amount_u : 0;
        walk->borrowed_u += strcmp(boost->target_node, walk->node) == 0 ? boost->amount_u : 0;
    }
    return 0;
}

static struct walk walk_all(const struct state *state, const struct grid_boost_filter *stream,
                            struct walk walk)
{
    struct grid_error err = {0};
    int rc = state_boosts(state, stream, walk_boost, &walk, &err);
    fuzz_check(rc == 0, "%s", err.message);
    return walk;
}

static int check_load(void *context, const struct grid_load *load, struct grid_error *err)
{
    (void)err;
    struct grid_boost_filter all = {0};
    struct walk walk = walk_all(context, &all,
                                (struct walk){.node = load->node, .resource = load->resource});
    __int128 most = INT64_MAX;
    fuzz_check(load->lent_u == (walk.lent_u < most ? walk.lent_u : most)
                   && load->borrowed_u == (walk.borrowed_u < most ? walk.borrowed_u : most),
               "%s of %s: the sums are wrong", load->resource, load->node);
    return 0;
}

static int check_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    struct grid_node found;
    int rc = state_node(context, node->node_id, &found, err);
    fuzz_check(rc == 0 && strcmp(found.node_id, node->node_id) == 0, "no node '%s'", node->node_id);
    return 0;
}

static int pass_ticket(void *context, const struct grid_ticket *ticket, struct grid_error *err)
{
    (void)context, (void)err;
    fuzz_check(ticket->need_count > 0, "a ticket that needs nothing");
    return 0;
}

static void check_queries(const struct state *state)
{
    struct grid_boost_filter all = {0};
    const struct grid_boost_filter filters[] = {
        {0}, {.newest_first = true}, {.id_prefix = "5157"}, {.ends_before_us = NOW_US},
        {.starts_before_us = NOW_US}, {.source_node = "gpu1"}, {.owner = ""},
        {.resource_type = "CPU", .target_node = "gpu-master"},
        {.boost_id = "515744a0-b524-4565-af67-9be9d3367a2c"},
    };
    for (size_t i = 0; i < countof(filters); i++) {
        struct walk wanted = walk_all(state, &all, (struct walk){.filter = &filters[i]});
        struct walk got = walk_all(state, &filters[i], (struct walk){.filter = &filters[i]});
        fuzz_check(wanted.seen == state->sound, "%zu of %zu are streamed", wanted.seen,
                   state->sound);
        fuzz_check(wanted.matching == got.matching, "filter %zu loses boosts", i);
    }
    struct grid_error err = {0};
    int rc = state->sound < 200 ? state_load(state, NOW_US, check_load, (void *)state, &err) : 0;
    rc = rc ?: state_nodes(state, check_node, (void *)state, &err);
    rc = rc ?: state_tickets(state, pass_ticket, NULL, &err);
    fuzz_check(rc == 0, "%s", err.message);
}

/* --- the whole ------------------------------------------------------------------------------ */

static bool same_text(struct span a, struct span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

static void check_lists(const struct state_list *was, const struct state_list *is)
{
    fuzz_check(was->count == is->count, "%zu small records, not %zu", is->count, was->count);
    for (size_t i = 0; i < was->count; i++)
        fuzz_check(same_text(was->items[i].text, is->items[i].text)
                       && was->items[i].sound == is->items[i].sound,
                   "small record %zu changed", i);
}

static void check_same(const struct state *was, const struct state *is)
{
    fuzz_check(was->count == is->count && was->sound == is->sound, "%zu records, %zu sound",
               is->count, is->sound);
    for (size_t i = 0; i < was->count; i++)
        fuzz_check(same_text(state_record(was, &was->entries[i]), state_record(is, &is->entries[i]))
                       && was->entries[i].hash == is->entries[i].hash, "record %zu changed", i);
    check_lists(&was->nodes, &is->nodes);
    check_lists(&was->waiting, &is->waiting);
    fuzz_check(same_text(was->policy, is->policy), "the policy changed");
    fuzz_check(was->history_bytes == is->history_bytes, "'history' changed");
    fuzz_check(was->pending.count == is->pending.count, "an event was lost");
    fuzz_check(was->others.count == is->others.count, "a member was lost");
    for (size_t i = 0; i < was->others.count; i++)
        fuzz_check(same_text(was->others.at[i], is->others.at[i]), "member %zu changed", i);
}

static void write_again(const struct state *state, struct buffer *out)
{
    struct state_commit commit = {.revision = state->revision, .now_us = NOW_US,
                                  .history_bytes = state->history_bytes};
    state_write(state, &commit, out);
    fuzz_check(out->error == 0, "it cannot be written");
}

static void check_whole(const struct state *state)
{
    grid_auto_buffer struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;
    struct state again = {0};
    struct grid_error err = {0};
    write_again(state, &once);
    int rc = state_read(&again, fuzz_text(once.data, once.length), once.length, NULL, NULL, &err);
    fuzz_check(rc == 0, "what was written does not read: %s\n%s", err.message,
               buffer_string(&once));
    check_same(state, &again);
    write_again(&again, &twice);
    fuzz_check(same_text((struct span){once.data, once.length},
                         (struct span){twice.data, twice.length}), "written twice it differs");
    state_release(&again);
}

static void check_records(const struct state *state)
{
    struct grid_boost boost;
    for (size_t i = 0; i < state->count; i++) {
        const struct state_entry *entry = &state->entries[i];
        check_scan(state_record(state, entry));
        if (entry->hash == 0)
            continue;
        check_rewrite(state_record(state, entry));
        fuzz_check(record_read(state_record(state, entry), &boost, NULL, NULL) == 0
                       && state_find(state, boost.boost_id) == entry, "record %zu is not found", i);
    }
}

static void count_note(void *context, size_t index, const char *reason)
{
    (void)index;
    fuzz_check(*reason, "a note that says nothing");
    ++*(size_t *)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state state = {0};
    struct grid_error err = {0};
    size_t notes = 0;
    if (size > LONGEST)
        return 0;
    char *text = fuzz_text(data, size);
    check_json((struct span){text, size});
    check_scan((struct span){text, size});
    int rc = state_read(&state, text, size, count_note, &notes, &err);
    fuzz_check(rc == 0 || (rc == GRID_ECORRUPT && err.message[0]), "status %d", rc);
    if (rc == 0) {
        fuzz_check(notes >= state.count - state.sound, "an unsound record is not reported");
        check_records(&state);
        check_queries(&state);
        check_whole(&state);
    }
    state_release(&state);
    return 0;
}
