/* Generations, and what the history adds to one: what was done since, done again. */
#include "store/replay.h"

#include "model/node_record.h"
#include "model/record.h"
#include "model/ticket_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- generations ---------------------------------------------------------------------------- */

/* "resource_boosts" of "resource_boosts.json", so that a generation keeps the ending. */
static int stem_length(const struct file_db *db)
{
    const char *dot = strrchr(db->name, '.');
    return (int)(dot && strcmp(dot, ".json") == 0 ? (size_t)(dot - db->name) : strlen(db->name));
}

void recover_generation_name(const struct file_db *db, int64_t revision,
                             char ret[static FILE_NAME_SIZE])
{
    snprintf(ret, FILE_NAME_SIZE, FILE_GENERATIONS "/%.*s.%lld.json", stem_length(db), db->name,
             (long long)revision);
}

struct numbers {
    const struct file_db *db;
    file_name_fn name;
    size_t prefix;
    int64_t *at;
    size_t count, capacity;
};

static int add_number(void *context, const char *name, struct grid_error *err)
{
    struct numbers *numbers = context;
    char again[FILE_NAME_SIZE];
    if (strlen(name) <= numbers->prefix)
        return 0;
    int64_t number = strtoll(name + numbers->prefix, NULL, 10);
    numbers->name(numbers->db, number, again);
    const char *slash = strrchr(again, '/');
    if (number <= 0 || strcmp(slash ? slash + 1 : again, name) != 0)
        return 0;
    if (array_reserve(&numbers->at, &numbers->capacity, numbers->count + 1,
                      sizeof(*numbers->at)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory to list '%s'", numbers->db->dir);
    numbers->at[numbers->count++] = number;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

int file_numbers(const struct file_db *db, const char *directory, size_t prefix,
                 file_name_fn name, int64_t **ret, size_t *ret_count, struct grid_error *err)
{
    struct numbers numbers = {.db = db, .name = name, .prefix = prefix};
    int rc = file_each(db->dirfd, directory, add_number, &numbers, err);
    if (rc < 0) {
        free(numbers.at);
        return grid_error_wrap(err, "the ledger in '%s'", db->dir);
    }
    if (numbers.count)
        qsort(numbers.at, numbers.count, sizeof(*numbers.at), by_number);
    *ret = numbers.at;
    *ret_count = numbers.count;
    return 0;
}

int recover_generations(const struct file_db *db, int64_t **ret, size_t *ret_count,
                        struct grid_error *err)
{
    struct stat st;
    bool any = db->dirfd >= 0 && fstatat(db->dirfd, FILE_GENERATIONS, &st, 0) == 0;
    if (db->dirfd >= 0 && !any && errno != ENOENT)
        return grid_error_errno(err, GRID_EIO, errno, "cannot look at '%s/" FILE_GENERATIONS "'",
                                db->dir);
    *ret = NULL;
    *ret_count = 0;
    return any ? file_numbers(db, FILE_GENERATIONS, (size_t)stem_length(db) + 1,
                              recover_generation_name, ret, ret_count, err)
               : 0;
}

/* --- the newest that reads ------------------------------------------------------------------- */

void replay_release(struct found *found)
{
    state_release(&found->state);
    free(found->lines);
    buffer_release(&found->event);
    changes_release(&found->changes);
}
int replay_find(const struct file_db *db, struct found *found, struct grid_error *err)
{
    grid_auto_free int64_t *numbers = NULL;
    size_t count = 0;
    int rc = recover_generations(db, &numbers, &count, err);
    for (size_t i = count; rc == 0 && i-- > 0;) {
        char name[FILE_NAME_SIZE];
        recover_generation_name(db, numbers[i], name);
        state_release(&found->state);
        rc = file_load(db, name, &found->state, NULL, NULL, err);
        struct grid_policy policy;
        if (rc == 0 && found->keeps_boosts && !found->state.has_revision)
            rc = GRID_ECORRUPT; /* another program's, which says nothing of the rest */
        if (rc == 0 && found->needs_policy)
            rc = policy_record_read(found->state.policy, &policy, err);
        found->revision = found->reached = numbers[i];
        if (rc == 0)
            return 0;
        if (rc == GRID_ECORRUPT || rc > 0)
            rc = 0; /* an older one may do */
    }
    state_release(&found->state);
    found->revision = found->reached = 0;
    return rc < 0 ? rc : 1;
}

/* --- what was done since ---------------------------------------------------------------------- */

static int put_again(struct found *found, enum grid_subject subject, const void *record,
                     bool removed, struct grid_error *err)
{
    return changes_put_record(&found->changes, subject, record, removed, GRID_EVENT_QUIET, NULL,
                              err);
}

/* 0 when there is nothing to be done again, or it was done. */
static int redo_node(struct found *found, const struct grid_event *event, struct span line,
                     struct grid_error *err)
{
    struct grid_node node;
    bool removed = event->event == GRID_EVENT_NODE_REMOVED;
    int rc = node_record_read(node_record_subject(line, "node"), &node, err);
    if (rc == GRID_ECORRUPT && removed) {
        text_copy(node.node_id, sizeof(node.node_id), event->node_id);
        rc = 0;
    }
    if (rc < 0)
        return rc == GRID_ECORRUPT ? 0 : rc;
    return put_again(found, GRID_NODE, &node, removed, err);
}

static int redo_ticket(struct found *found, const struct grid_event *event, struct span line,
                       struct grid_error *err)
{
    struct grid_ticket ticket;
    int rc = ticket_record_read(node_record_subject(line, "ticket"), &ticket, err);
    if (rc < 0)
        return rc == GRID_ECORRUPT ? 0 : rc;
    return put_again(found, GRID_TICKET, &ticket, event->event == GRID_EVENT_WITHDRAWN, err);
}

static int redo_policy(struct found *found, struct span text, struct grid_error *err)
{
    struct grid_policy policy;
    int rc = policy_record_read(text, &policy, err);
    if (rc < 0)
        return rc == GRID_ECORRUPT ? 0 : rc;
    return put_again(found, GRID_POLICY, &policy, false, err);
}

/* That a ticket was granted has no event of its own: its boost's says it. */
static int redo_boost(struct found *found, const struct grid_event *event, struct grid_error *err)
{
    struct grid_ticket granted = {0};
    text_copy(granted.ticket_id, sizeof(granted.ticket_id), event->boost_id);
    bool waited = changes_have(&found->changes, GRID_TICKET, granted.ticket_id)
                  || state_old_record(&found->state, GRID_TICKET, granted.ticket_id).length > 0;
    int rc = waited ? put_again(found, GRID_TICKET, &granted, true, err) : 0;
    if (rc < 0 || found->keeps_boosts)
        return rc;
    bool ended = event->boost.ended != GRID_ACTIVE;
    return changes_put(&found->changes, &event->boost, ended ? NULL : &event->boost,
                       GRID_EVENT_QUIET, event->at_us, NULL, err);
}

/* What an event did, done again. */
static int redo(struct found *found, const struct grid_event *event, struct span line,
                struct grid_error *err)
{
    struct span policy = node_record_subject(line, "policy");
    found->gap |= event->revision > found->reached + 1;
    found->reached = event->revision;
    if (event->event == GRID_EVENT_RESTORED && !event->has_boost
        && !text_begins(event->reason, REPLAY_BACK))
        found->whole = event->revision;
    if (event->node_id[0])
        return redo_node(found, event, line, err);
    if (event->event == GRID_EVENT_QUEUED || event->event == GRID_EVENT_WITHDRAWN)
        return redo_ticket(found, event, line, err);
    if (policy.length)
        return redo_policy(found, policy, err);
    return event->has_boost ? redo_boost(found, event, err) : 0;
}

/* Takes up lines of the history. */
struct replaying {
    struct state *pending; /* gets those that count for nothing yet; or NULL */
    struct found *redone;  /* or NULL */
    int64_t after;         /* this revision: what is older is there already */
    int64_t last;          /* revision of all lines */
};

static int take_line(struct replaying *replaying, struct span line, struct grid_error *err)
{
    struct found *redone = replaying->redone;
    struct grid_event event;
    if (record_event_read(line, &event, NULL) < 0) {
        if (redone)
            redone->torn = true;
        return 0;
    }
    replaying->last = file_later(replaying->last, event.revision);
    if (event.revision <= replaying->after)
        return 0;
    if (replaying->pending && state_add_span(&replaying->pending->pending, line) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the events");
    return redone && event.revision > redone->revision ? redo(redone, &event, line, err) : 0;
}

static int take_lines(struct replaying *replaying, const char *at, size_t length,
                      struct grid_error *err)
{
    int rc = 0;
    struct span line;
    for (const char *end = at + length; rc == 0 && span_line(&at, end, &line);)
        rc = take_line(replaying, line, err);
    return rc;
}

/* --- segments that a state does not know ------------------------------------------------------ */

/* The last segment whose lines history.jsonl has no more. One that a crash kept from being counted
 * is a copy of what history.jsonl begins with, and so is one that was counted just before. */
static int last_segment(const struct file_db *db, const int64_t *numbers, size_t count,
                        int64_t *ret, struct grid_error *err)
{
    grid_auto_buffer struct buffer closed = BUFFER_INIT;
    grid_auto_free char *open = NULL;
    size_t length = 0;
    *ret = count > 0 ? numbers[count - 1] : 0;
    int rc = count > 0 ? segment_text(db, *ret, &closed, err) : 0;
    if (rc == GRID_ECORRUPT || rc > 0 || closed.length == 0)
        return rc == GRID_ECORRUPT || rc > 0 ? 0 : rc;
    rc = rc ?: history_text(db, 0, &open, &length, err);
    if (rc == 0 && length >= closed.length && memcmp(open, closed.data, closed.length) == 0)
        --*ret;
    return rc;
}

/* Was history.jsonl begun anew since that state? Then it begins with what was pending then, or is
 * newer. (The segment may have been swept.) */
static int is_begun_anew(const struct file_db *db, const struct state *state, bool *ret,
                         struct grid_error *err)
{
    grid_auto_buffer struct buffer pending = BUFFER_INIT;
    grid_auto_free char *text = NULL;
    struct json json = json_begin(&pending, -1);
    struct grid_event event;
    struct span line;
    size_t length = 0;
    *ret = false;
    int rc = history_text(db, 0, &text, &length, err);
    const char *at = text;
    if (rc < 0 || !span_line(&at, text + length, &line) || line.length == length
        || record_event_read(line, &event, NULL) < 0)
        return rc;
    if (state->pending.count > 0)
        json_reprint(&json, state->pending.at[0]);
    *ret = event.revision > state->revision
           || (pending.length > 0 && pending.length == line.length
               && memcmp(pending.data, line.at, line.length) == 0);
    return 0;
}

/* What was pending and stands in the segment now, behind byte `from`, counts there. All of it was
 * moved at once. */
static int drop_moved(struct state *state, const struct buffer *text, int64_t from,
                      struct grid_error *err)
{
    grid_auto_buffer struct buffer line = BUFFER_INIT;
    struct json json = json_begin(&line, -1);
    if (state->pending.count == 0 || (size_t)from >= text->length)
        return 0;
    json_reprint(&json, state->pending.at[0]);
    if (line.error)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the events");
    if (memmem(text->data + from, text->length - (size_t)from, line.data, line.length))
        state->pending.count = 0;
    return 0;
}

int replay_segments(const struct file_db *db, struct state *state, struct found *redone,
                    int64_t *ret_last, struct grid_error *err)
{
    struct replaying replaying = {.redone = redone};
    grid_auto_free int64_t *numbers = NULL;
    size_t count = 0;
    bool anew = false;
    int64_t last = 0, known = state ? state->segments : 0;
    *ret_last = 0;
    int rc = segments_list(db, &numbers, &count, err);
    rc = rc ?: last_segment(db, numbers, count, &last, err);
    if (rc == 0 && last <= known && state && state->history_bytes > 0)
        rc = is_begun_anew(db, state, &anew, err);
    if (anew)
        last = known + 1;
    if (rc < 0 || last <= known)
        return rc;
    for (size_t i = 0; rc == 0 && i < count && numbers[i] <= last; i++) {
        grid_auto_buffer struct buffer text = BUFFER_INIT;
        if (numbers[i] <= known)
            continue;
        int64_t from = state && numbers[i] == known + 1 ? state->history_bytes : 0;
        rc = segment_text(db, numbers[i], &text, err);
        if (rc != 0 && redone)
            redone->torn = true;
        rc = rc == GRID_ECORRUPT || rc > 0 ? 0 : rc;
        if (rc == 0 && (size_t)from < text.length)
            rc = take_lines(&replaying, text.data + from, text.length - (size_t)from, err);
        if (rc == 0 && state)
            rc = drop_moved(state, &text, from, err);
    }
    if (state) {
        state->segments = last;
        state->history_bytes = 0;
    }
    *ret_last = replaying.last;
    return rc;
}

int replay_events(const struct file_db *db, struct state *state, struct found *redone,
                  char **ret_lines, struct grid_error *err)
{
    struct replaying replaying = {.pending = state, .redone = redone};
    size_t length = 0;
    int rc = replay_segments(db, state, redone, &replaying.after, err);
    replaying.after = file_later(replaying.after, state ? state->revision : 0);
    rc = rc ?: history_text(db, state ? state->history_bytes : 0, ret_lines, &length, err);
    return rc ?: take_lines(&replaying, *ret_lines, length, err);
}
