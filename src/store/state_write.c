/* Writes the state file: what was not changed byte for byte, what was in the original's layout. */
#include "store/state.h"

#include "model/node_record.h"
#include "model/record.h"
#include "model/ticket_record.h"

#include <string.h>

#define DROPPED UINT32_MAX /* in state_entry.change; other values are the change's index + 1 */

/* Records with the id of one that has ended: the index does not count them, but the next reader
 * would take the first that is left for the living one. */
static void drop_doubles(struct state *state, const char *boost_id)
{
    struct grid_boost boost;
    for (size_t i = 0; state->sound < state->count && i < state->count; i++) {
        struct state_entry *entry = &state->entries[i];
        if (entry->hash == 0 && record_read(state_record(state, entry), &boost, NULL, NULL) == 0 &&
            strcmp(boost.boost_id, boost_id) == 0)
            entry->change = DROPPED;
    }
}

void state_apply(struct state *state, const struct grid_changes *changes)
{
    struct grid_change change;
    for (size_t i = 0; !grid_changes_clear(changes) && i < grid_changes_count(changes); i++) {
        grid_changes_get(changes, i, &change);
        if (change.superseded || change.subject != GRID_BOOST)
            continue;
        struct state_entry *entry =
            state_find(state, change.has_was ? change.was.boost_id : change.now.boost_id);
        if (entry)
            entry->change = change.has_now ? (uint32_t)i + 1 : DROPPED;
        if (entry && !change.has_now)
            drop_doubles(state, change.was.boost_id);
    }
}

/* Puts elements into the array of boosts. Neighbours that were not changed and stand in the old
 * text as they will in the new one go over in one piece: nearly always that is nearly all. */
struct boosts_writer {
    struct buffer *out;
    struct span run;
    bool begun;
};
#define BETWEEN ",\n    "

static void end_run(struct boosts_writer *writer)
{
    if (writer->run.length == 0)
        return;
    buffer_text(writer->out, writer->begun ? BETWEEN : "\n    ");
    buffer_add(writer->out, writer->run.at, writer->run.length);
    writer->run.length = 0;
    writer->begun = true;
}

static void keep_record(struct boosts_writer *writer, struct span record)
{
    struct span *run = &writer->run;
    size_t gap = sizeof(BETWEEN) - 1;
    if (run->length && run->at + run->length + gap == record.at &&
        memcmp(run->at + run->length, BETWEEN, gap) == 0) {
        run->length += gap + record.length;
        return;
    }
    end_run(writer);
    *run = record;
}

/* `old` of length 0: a new record. */
static void put_record(struct boosts_writer *writer, struct span old,
                       const struct grid_boost *boost)
{
    end_run(writer);
    buffer_text(writer->out, writer->begun ? BETWEEN : "\n    ");
    struct json json = json_begin(writer->out, 2);
    record_rewrite(&json, old, boost);
    writer->begun = true;
}

/* What the changes add to the array: new boosts, and records that are taken over as they are. */
static void put_new(struct boosts_writer *writer, const struct state *state,
                    const struct grid_changes *changes)
{
    struct grid_change change;
    struct grid_record kept;
    for (size_t i = 0; i < grid_changes_count(changes); i++) {
        grid_changes_get(changes, i, &change);
        struct span text = {change.text, change.length};
        if (change.subject != GRID_BOOST || change.superseded || !change.has_now
            || (!grid_changes_clear(changes) && state_find(state, change.now.boost_id)))
            continue;
        if (change.as_text)
            keep_record(writer, text);
        else
            put_record(writer, text, &change.now);
    }
    for (size_t i = 0; grid_changes_kept(changes, i, &kept); i++)
        if (kept.subject == GRID_BOOST)
            keep_record(writer, (struct span){kept.text, kept.length});
}

static void write_boosts(const struct state *state, const struct grid_changes *changes,
                         struct buffer *out)
{
    struct boosts_writer writer = {.out = out};
    struct grid_change change;
    bool cleared = changes && grid_changes_clear(changes);
    buffer_text(out, "[");
    for (size_t i = 0; !cleared && i < state->count; i++) {
        const struct state_entry *entry = &state->entries[i];
        if (entry->change == 0)
            keep_record(&writer, state_record(state, entry));
        if (entry->change == 0 || entry->change == DROPPED)
            continue;
        grid_changes_get(changes, entry->change - 1, &change);
        put_record(&writer, state_record(state, entry), &change.now);
    }
    if (changes)
        put_new(&writer, state, changes);
    end_run(&writer);
    buffer_text(out, writer.begun ? "\n  ]" : "]");
}

static void write_policy(const struct state *state, const struct grid_changes *changes,
                         struct json *json)
{
    struct grid_change change;
    bool changed = changes && grid_changes_find(changes, GRID_POLICY, "", &change);
    if (!changed && (!state->policy.length || (changes && grid_changes_clear(changes))))
        return;
    json_key(json, "policy");
    if (changed && change.as_text)
        json_raw(json, (struct span){change.text, change.length});
    else if (changed)
        policy_record_rewrite(json, change.text ? (struct span){change.text, change.length}
                                                : state->policy, change.policy);
    else
        json_raw(json, state->policy);
}

/* --- events and the rest --------------------------------------------------------------------- */

/* What the event is about, as it stands in the file now: boosts and nodes keep what other programs
 * wrote there. */
static struct span subject_of(const struct state *state, const struct grid_change *change,
                              const struct grid_event *event, struct buffer *scratch)
{
    struct json compact = json_begin(scratch, -1);
    const struct state_entry *entry =
        event->has_boost ? state_find(state, event->boost_id) : NULL;
    scratch->length = 0;
    if (change->node)
        node_record_write(&compact, state_old_record(state, GRID_NODE, change->node->node_id),
                          change->node);
    else if (change->ticket)
        ticket_record_write(&compact, (struct span){0}, change->ticket);
    else if (change->policy)
        policy_record_rewrite(&compact, state->policy, change->policy);
    else if (entry)
        record_rewrite(&compact, state_record(state, entry), &event->boost);
    else if (event->has_boost && change->text)
        record_rewrite(&compact, (struct span){change->text, change->length}, &event->boost);
    else
        return (struct span){0};
    return (struct span){scratch->data, scratch->length};
}

void state_write_events(const struct state *state, const struct grid_changes *changes,
                        struct json *json, bool lines)
{
    grid_auto_buffer struct buffer scratch = BUFFER_INIT;
    struct grid_event event;
    struct grid_change change;
    for (size_t i = 0; i < grid_changes_count(changes); i++) {
        if (!grid_changes_event(changes, i, &event))
            continue;
        grid_changes_get(changes, i, &change);
        struct span subject = subject_of(state, &change, &event, &scratch);
        if (scratch.error)
            json->out->error = scratch.error;
        else
            record_event_write(json, &event, subject);
        if (!lines)
            continue;
        buffer_text(json->out, "\n");
        json->begun = false;
    }
}

/* In the layout of a state file, as what stands in one does already. */
static void put_event(struct json *json, struct span event)
{
    if (event.at[1] == '\n')
        json_raw(json, event);
    else
        json_reprint(json, event);
}

static void write_pending(const struct state *state, const struct state_commit *commit,
                          struct json *json)
{
    const struct grid_changes *changes = commit->changes;
    struct grid_record taken;
    bool kept = !commit->moved && state->pending.count > 0;
    bool added = changes && (grid_changes_events(changes) > 0
                             || grid_changes_kept_about(changes, GRID_EVENT) > 0);
    if (!kept && !added)
        return;
    json_key(json, "pending");
    json_open(json, '[');
    for (size_t i = 0; kept && i < state->pending.count; i++)
        put_event(json, state->pending.at[i]);
    for (size_t i = 0; changes && grid_changes_kept(changes, i, &taken); i++)
        if (taken.subject == GRID_EVENT)
            put_event(json, (struct span){taken.text, taken.length});
    if (changes)
        state_write_events(state, changes, json, false);
    json_close(json, ']');
}

static void write_members(const struct state *state, const struct grid_changes *changes,
                          struct buffer *out)
{
    struct grid_record kept;
    for (size_t i = 0; !(changes && grid_changes_clear(changes)) && i < state->others.count; i++) {
        buffer_text(out, ",\n  ");
        buffer_add(out, state->others.at[i].at, state->others.at[i].length);
    }
    for (size_t i = 0; changes && grid_changes_kept(changes, i, &kept); i++) {
        if (kept.subject != GRID_MEMBER)
            continue;
        buffer_text(out, ",\n  ");
        buffer_add(out, kept.text, kept.length);
    }
}

void state_write(const struct state *state, const struct state_commit *commit, struct buffer *out)
{
    char time[GRID_TIME_SIZE];
    struct json json = json_begin(out, 0);
    json_open(&json, '{');
    json_key(&json, "boosts");
    write_boosts(state, commit->changes, out);
    json.after_key = false; /* the array was written past the printer */
    json.begun = true;
    json_key(&json, "timestamp");
    json_string(&json, grid_time_format_naive(commit->now_us, time));
    json_key(&json, "revision");
    json_int(&json, commit->revision);
    state_write_list(state, GRID_NODE, commit->changes, &json);
    write_policy(state, commit->changes, &json);
    state_write_list(state, GRID_TICKET, commit->changes, &json);
    if (commit->history_bytes) {
        json_key(&json, "history");
        json_int(&json, commit->history_bytes);
    }
    if (commit->segments)
        json_put_int(&json, "segments", commit->segments);
    write_pending(state, commit, &json);
    write_members(state, commit->changes, out);
    json_close(&json, '}');
    buffer_text(out, "\n");
}
