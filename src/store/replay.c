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
    int64_t *at;
    size_t count, capacity;
};

static int add_number(void *context, const char *name, struct grid_error *err)
{
    struct numbers *numbers = context;
    char again[FILE_NAME_SIZE];
    int stem = stem_length(numbers->db);
    if (strncmp(name, numbers->db->name, (size_t)stem) != 0 || name[stem] != '.')
        return 0;
    int64_t revision = strtoll(name + stem + 1, NULL, 10);
    recover_generation_name(numbers->db, revision, again);
    if (revision <= 0 || strcmp(strchr(again, '/') + 1, name) != 0)
        return 0;
    if (array_reserve(&numbers->at, &numbers->capacity, numbers->count + 1,
                      sizeof(*numbers->at)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory to list the generations");
    numbers->at[numbers->count++] = revision;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

int recover_generations(const struct file_db *db, int64_t **ret, size_t *ret_count,
                        struct grid_error *err)
{
    struct numbers numbers = {.db = db};
    struct stat st;
    int rc = 0;
    bool any = db->dirfd >= 0 && fstatat(db->dirfd, FILE_GENERATIONS, &st, 0) == 0;
    if (db->dirfd >= 0 && !any && errno != ENOENT)
        return grid_error_errno(err, GRID_EIO, errno, "cannot look at '%s/" FILE_GENERATIONS "'",
                                db->dir);
    if (any)
        rc = file_each(db->dirfd, FILE_GENERATIONS, add_number, &numbers, err);
    if (rc < 0) {
        free(numbers.at);
        return rc;
    }
    if (numbers.count)
        qsort(numbers.at, numbers.count, sizeof(*numbers.at), by_number);
    *ret = numbers.at;
    *ret_count = numbers.count;
    return 0;
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
    if (event->node_id[0])
        return redo_node(found, event, line, err);
    if (event->event == GRID_EVENT_QUEUED || event->event == GRID_EVENT_WITHDRAWN)
        return redo_ticket(found, event, line, err);
    if (policy.length)
        return redo_policy(found, policy, err);
    return event->has_boost ? redo_boost(found, event, err) : 0;
}

int replay_events(const struct file_db *db, struct state *state, struct found *redone,
                  char **ret_lines, struct grid_error *err)
{
    size_t length = 0;
    int rc = history_text(db, state ? state->history_bytes : 0, ret_lines, &length, err);
    const char *end = rc == 0 ? *ret_lines + length : NULL;
    for (const char *at = rc == 0 ? *ret_lines : end; rc == 0 && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct span line = {at, (size_t)((stop ? stop : end) - at)};
        struct grid_event event;
        at = stop ? stop + 1 : end;
        rc = record_event_read(line, &event, err);
        if (rc == GRID_ECORRUPT) {
            rc = 0;
            if (redone)
                redone->torn = true;
        } else if (rc == 0 && event.revision > (state ? state->revision : 0)) {
            if (state && state_add_span(&state->pending, line) != 0)
                return grid_error_set(err, GRID_ENOMEM, "no memory for the events");
            if (redone && event.revision > redone->revision)
                rc = redo(redone, &event, line, err);
        }
    }
    return rc;
}
