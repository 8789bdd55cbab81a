/* Reads the state file: strictly as a whole, leniently record by record, into an index. */
#include "store/state.h"

#include "model/record.h"

#include <stdio.h>
#include <string.h>

#define RECORD_DEPTH (JSON_DEPTH_MAX - 2) /* a record lies in an array in an object */
#define LARGEST ((size_t)UINT32_MAX)      /* bytes of a record */

struct reader {
    struct state *state;
    state_note_fn note;
    void *context;
    const char *at, *end;
};

static void note(const struct reader *reader, const char *reason)
{
    if (reader->note)
        reader->note(reader->context, reader->state->count, reason);
}

/* Never 0, which means unsound. */
static uint32_t hash_of(const char *id)
{
    return slots_hash(id) | 1;
}

struct span state_record(const struct state *state, const struct state_entry *entry)
{
    return (struct span){state->text + entry->at, entry->length};
}

struct wanted {
    const char *id;
    uint32_t hash;
};

/* Hashes that are equal by chance are told apart by reading the record, which is rare enough. */
static bool is_boost(const void *owner, uint32_t number, const void *key)
{
    const struct state *state = owner;
    const struct wanted *wanted = key;
    const struct state_entry *entry = &state->entries[number];
    struct grid_boost boost;
    return entry->hash == wanted->hash
           && record_read(state_record(state, entry), &boost, NULL, NULL) == 0
           && strcmp(boost.boost_id, wanted->id) == 0;
}

static uint32_t *slot_of(const struct state *state, const char *id, uint32_t hash)
{
    struct wanted wanted = {id, hash};
    return slots_find(&state->slots, hash >> 1, is_boost, state, &wanted);
}

struct state_entry *state_find(const struct state *state, const char *boost_id)
{
    if (state->slots.count == 0)
        return NULL;
    uint32_t slot = *slot_of(state, boost_id, hash_of(boost_id));
    return slot ? &state->entries[slot - 1] : NULL;
}

static bool is_none(const void *owner, uint32_t number, const void *key)
{
    (void)owner, (void)number, (void)key;
    return false;
}

static int grow(struct state *state)
{
    if (state->count < state->capacity)
        return 0;
    /* The first guess comes from the usual size of a record, so that most files need one. */
    size_t guess = state->capacity ? 0 : state->length / 384;
    if (array_reserve(&state->entries, &state->capacity,
                      guess > state->count ? guess : state->count + 1,
                      sizeof(*state->entries)) != 0)
        return GRID_ENOMEM;
    int rc = slots_reserve(&state->slots, state->capacity);
    for (size_t i = 0; rc == 1 && i < state->count; i++) /* each of them once */
        if (state->entries[i].hash)
            *slots_find(&state->slots, state->entries[i].hash >> 1, is_none, NULL, NULL) =
                (uint32_t)i + 1;
    return rc < 0 ? rc : 0;
}

/* Adds the record that ends at `end`; `boost` NULL: an unsound one. */
static int add_entry(struct reader *reader, const char *end, const struct grid_boost *boost,
                     struct grid_error *err)
{
    struct state *state = reader->state;
    if (grow(state) != 0 || (size_t)(end - reader->at) > LARGEST)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the index");
    struct state_entry *entry = &state->entries[state->count];
    *entry = (struct state_entry){.at = (size_t)(reader->at - state->text),
                                  .length = (uint32_t)(end - reader->at)};
    uint32_t hash = boost ? hash_of(boost->boost_id) : 0;
    uint32_t *slot = boost ? slot_of(state, boost->boost_id, hash) : NULL;
    if (slot && *slot) {
        note(reader, "an earlier record has the same boost_id");
        slot = NULL;
    }
    if (slot) {
        entry->hash = hash;
        for (size_t i = 0; i < sizeof(entry->head) && boost->boost_id[i]; i++)
            entry->head[i] = boost->boost_id[i];
        entry->allocated_us = boost->allocated_us;
        entry->expires_us = boost->is_active ? boost->expires_us : INT64_MIN;
        entry->starts_us = grid_boost_starts_later(boost, INT64_MIN) ? boost->starts_us : INT64_MIN;
        entry->amount_u = boost->amount_u;
        entry->source = names_add(&state->names, boost->source_node);
        entry->target = names_add(&state->names, boost->target_node);
        entry->resource = names_add(&state->names, boost->resource_type);
        entry->owner = names_add(&state->names, boost->owner);
        if (state->names.text.error)
            return grid_error_set(err, GRID_ENOMEM, "no memory for the names");
        if (state->count > 0 && entry->allocated_us < entry[-1].allocated_us)
            state->sorted = false;
        state->sound++;
        *slot = (uint32_t)state->count + 1;
    }
    state->count++;
    reader->at = end;
    return 0;
}

/* Any record that is not in our own layout: sound in another, or unsound, or the file is damaged.
 * Balanced braces are the least that shows where the record ends. */
static int read_odd_record(struct reader *reader, struct grid_error *err)
{
    struct grid_error why = {0};
    const char *end = json_value(reader->at, reader->end, RECORD_DEPTH, &why);
    if (!end && *reader->at == '{')
        end = json_balanced(reader->at, reader->end, RECORD_DEPTH);
    if (!end)
        return grid_error_set(err, GRID_ECORRUPT, "record %zu: %s", reader->state->count,
                              why.message);
    size_t length = (size_t)(end - reader->at);
    if (!text_is_utf8(reader->at, length) || memchr(reader->at, '\0', length))
        return grid_error_set(err, GRID_ECORRUPT, "record %zu is not UTF-8 text",
                              reader->state->count);
    struct grid_boost boost;
    bool naive = false;
    int rc = record_read((struct span){reader->at, length}, &boost, &naive, &why);
    if (rc < 0)
        note(reader, why.message);
    else if (naive)
        note(reader, "a time without a zone is read as UTC");
    return add_entry(reader, end, rc < 0 ? NULL : &boost, err);
}

static int read_record(struct reader *reader, struct grid_error *err)
{
    struct grid_boost boost;
    const char *end = record_scan(reader->at, reader->end, &boost);
    return end ? add_entry(reader, end, &boost, err) : read_odd_record(reader, err);
}

static int damaged(const struct reader *reader, const char *what, struct grid_error *err)
{
    return grid_error_set(err, GRID_ECORRUPT, "%s at byte %zu", what,
                          (size_t)(reader->at - reader->state->text));
}

/* Takes `token` if it comes next, behind white space. */
static bool take(struct reader *reader, char token)
{
    reader->at = json_space(reader->at, reader->end);
    if (reader->at == reader->end || *reader->at != token)
        return false;
    reader->at++;
    return true;
}

static int read_boosts(struct reader *reader, struct grid_error *err)
{
    if (!take(reader, '['))
        return damaged(reader, "'boosts' is not an array", err);
    if (take(reader, ']'))
        return 0;
    do {
        reader->at = json_space(reader->at, reader->end);
        if (reader->at == reader->end)
            return damaged(reader, "it is cut off", err);
        int rc = read_record(reader, err);
        if (rc < 0)
            return rc;
    } while (take(reader, ','));
    return take(reader, ']') ? 0 : damaged(reader, "',' or ']' is missing", err);
}

int state_add_span(struct state_spans *spans, struct span span)
{
    if (array_reserve(&spans->at, &spans->capacity, spans->count + 1, sizeof(span)) != 0)
        return GRID_ENOMEM;
    spans->at[spans->count++] = span;
    return 0;
}

static int add_pending(void *context, size_t index, struct span value, struct grid_error *err)
{
    (void)index;
    if (state_add_span(context, value) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the events");
    return 0;
}

static bool is_count(struct span value, int64_t *ret)
{
    return json_integer(value, ret) && *ret >= 0;
}

/* One member of the file other than `boosts`. Our own must be what we write: what is wrong in one
 * of them cannot be told from damage. */
static int read_member(struct reader *reader, struct span key, struct span whole,
                       struct span value, struct grid_error *err)
{
    struct state *state = reader->state;
    const struct {
        const char *name;
        char opens;
        struct span *span;
    } kept[] = {{"nodes", '[', &state->nodes.text}, {"policy", '{', &state->policy},
                {"waiting", '[', &state->waiting.text}};
    for (size_t i = 0; i < countof(kept); i++) {
        if (!json_is(key, kept[i].name))
            continue;
        if (kept[i].span->length)
            return damaged(reader, "a member comes twice", err);
        if (value.at[0] != kept[i].opens)
            return damaged(reader, "a member is not what it should be", err);
        *kept[i].span = value;
        return 0;
    }
    if (json_is(key, "timestamp")) {
        bool text = value.length >= 2 && value.at[0] == '"';
        if (!text || grid_time_read(value.at + 1, value.length - 2, &state->timestamp_us, NULL,
                                    NULL) < 0)
            state->timestamp_us = 0;
        return 0;
    }
    if (json_is(key, "revision")) {
        state->has_revision = true;
        return is_count(value, &state->revision) && state->revision < GRID_REVISION_MAX
                   ? 0 : damaged(reader, "bad 'revision'", err);
    }
    if (json_is(key, "history"))
        return is_count(value, &state->history_bytes) ? 0 : damaged(reader, "bad 'history'", err);
    if (json_is(key, "segments"))
        return is_count(value, &state->segments) && state->segments <= STATE_SEGMENTS_MAX
                   ? 0 : damaged(reader, "bad 'segments'", err);
    if (json_is(key, "pending"))
        return value.at[0] == '[' ? json_array(value, add_pending, &state->pending, err)
                                  : damaged(reader, "'pending' is not an array", err);
    if (state_add_span(&state->others, whole) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the members");
    return 0;
}

/* "key": value. */
static int read_pair(struct reader *reader, bool *has_boosts, struct grid_error *err)
{
    reader->at = json_space(reader->at, reader->end);
    const char *begin = reader->at;
    const char *end = begin < reader->end && *begin == '"'
                          ? json_value(begin, reader->end, 1, err) : NULL;
    if (!end)
        return damaged(reader, "a member's name is missing", err);
    struct span key = {begin + 1, (size_t)(end - begin) - 2};
    reader->at = end;
    if (!take(reader, ':'))
        return damaged(reader, "':' is missing", err);
    reader->at = json_space(reader->at, reader->end);
    if (json_is(key, "boosts")) {
        if (*has_boosts)
            return damaged(reader, "'boosts' comes twice", err);
        *has_boosts = true;
        return read_boosts(reader, err);
    }
    end = json_value(reader->at, reader->end, JSON_DEPTH_MAX - 1, err);
    if (!end)
        return GRID_ECORRUPT;
    struct span value = {reader->at, (size_t)(end - reader->at)};
    reader->at = end;
    return read_member(reader, key, (struct span){begin, (size_t)(end - begin)}, value, err);
}

int state_read(struct state *state, char *text, size_t length, state_note_fn note_fn,
               void *context, struct grid_error *err)
{
    struct reader reader = {state, note_fn, context, text, text + length};
    state->text = text;
    state->length = length;
    state->sorted = true;
    state->names = (struct names)NAMES_INIT;
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        reader.at += 3;
    if (json_space(reader.at, reader.end) == reader.end)
        return grid_error_set(err, GRID_ECORRUPT, "it is empty");
    if (!take(&reader, '{'))
        return damaged(&reader, "it is not a JSON object", err);
    bool has_boosts = false;
    if (!take(&reader, '}')) {
        do {
            int rc = read_pair(&reader, &has_boosts, err);
            if (rc < 0)
                return rc;
        } while (take(&reader, ','));
        if (!take(&reader, '}'))
            return damaged(&reader, "',' or '}' is missing", err);
    }
    if (json_space(reader.at, reader.end) != reader.end)
        return damaged(&reader, "more follows the end", err);
    if (!has_boosts)
        return grid_error_set(err, GRID_ECORRUPT, "it has no 'boosts'");
    return state_index_lists(state, err);
}

void state_release(struct state *state)
{
    free(state->text);
    free(state->more[0]);
    free(state->more[1]);
    free(state->entries);
    free(state->slots.at);
    names_release(&state->names);
    state_list_release(&state->nodes);
    state_list_release(&state->waiting);
    free(state->pending.at);
    free(state->others.at);
    *state = (struct state){0};
}

int state_adopt(struct state *state, struct state *from, char *lines, struct grid_error *err)
{
    state->more[0] = steal(from->text);
    state->more[1] = lines;
    state->nodes.text = from->nodes.text;
    state->policy = from->policy;
    state->waiting.text = from->waiting.text;
    state->history_bytes = from->history_bytes;
    state->segments = from->segments;
    free(state->pending.at);
    state->pending = from->pending;
    from->pending = (struct state_spans){0};
    return state_index_lists(state, err);
}
