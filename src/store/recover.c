/* Going back from damage: the newest generation that reads, brought forward by the history. */
#include "store/file.h"

#include "model/node_record.h"
#include "model/record.h"
#include "store/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

/* --- the newest that reads, and what the history adds ---------------------------------------- */

struct found {
    struct state state;
    int64_t revision;  /* of the generation */
    int64_t reached;   /* by the history */
    bool gap;          /* a revision on the way has no event */
    char *lines;       /* what history.jsonl holds beyond what counts for it */
    struct buffer event; /* that tells of the recovery */
    struct grid_changes changes;
};

#define FOUND_INIT {.event = BUFFER_INIT, .changes = {.texts = BUFFER_INIT, .actor = ""}}

static void found_release(struct found *found)
{
    state_release(&found->state);
    free(found->lines);
    buffer_release(&found->event);
    changes_release(&found->changes);
}
#define auto_found __attribute__((cleanup(found_release)))

static int find_generation(const struct file_db *db, struct found *found, struct grid_error *err)
{
    grid_auto_free int64_t *numbers = NULL;
    size_t count = 0;
    int rc = recover_generations(db, &numbers, &count, err);
    for (size_t i = count; rc == 0 && i-- > 0;) {
        char name[FILE_NAME_SIZE];
        recover_generation_name(db, numbers[i], name);
        state_release(&found->state);
        rc = file_load(db, name, &found->state, NULL, NULL, err);
        found->revision = found->reached = numbers[i];
        if (rc == 0)
            return 0;
        if (rc == GRID_ECORRUPT || rc > 0)
            rc = 0; /* an older one may do */
    }
    return rc < 0 ? rc : 1;
}

/* What an event did, done again. */
static int redo(struct found *found, const struct grid_event *event, struct span line,
                struct grid_error *err)
{
    bool ended = grid_event_ends(event->event) != GRID_ACTIVE;
    struct span policy_text = node_record_subject(line, "policy");
    struct grid_node node;
    struct grid_policy policy;
    found->gap |= event->revision > found->reached + 1;
    found->reached = event->revision;
    if (event->node_id[0]
        && node_record_read(node_record_subject(line, "node"), &node, NULL) == 0)
        return changes_put_node(&found->changes, &node, event->event == GRID_EVENT_NODE_REMOVED,
                                GRID_EVENT_QUIET, NULL, err);
    if (policy_text.length && policy_record_read(policy_text, &policy, NULL) == 0)
        return changes_put_policy(&found->changes, &policy, GRID_EVENT_QUIET, NULL, err);
    if (!event->has_boost)
        return 0;
    return changes_put(&found->changes, &event->boost, ended ? NULL : &event->boost,
                       GRID_EVENT_QUIET, event->at_us, NULL, err);
}

/*
 * Adds the events that history.jsonl holds beyond what counts for `state`, and that are newer than
 * the state itself, to its pending ones. `redone` (may be NULL) gets what those did that are newer
 * than the generation which it is: an older file that was put back keeps its old revision inside,
 * but nothing from before may be done to it again. All of them are of commits that were made; a
 * torn line is the last that was written. *ret_lines is the caller's: the events point into it.
 */
static int bring_forward(const struct file_db *db, struct state *state, struct found *redone,
                         char **ret_lines, struct grid_error *err)
{
    size_t length = 0;
    int rc = history_text(db, state->history_bytes, ret_lines, &length, err);
    const char *end = rc == 0 ? *ret_lines + length : NULL;
    for (const char *at = rc == 0 ? *ret_lines : end; rc == 0 && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct span line = {at, (size_t)((stop ? stop : end) - at)};
        struct grid_event event;
        at = stop ? stop + 1 : end;
        rc = record_event_read(line, &event, err);
        if (rc == GRID_ECORRUPT)
            rc = 0;
        else if (rc == 0 && event.revision > state->revision) {
            if (state_add_span(&state->pending, line) != 0)
                return grid_error_set(err, GRID_ENOMEM, "no memory for the events");
            if (redone && event.revision > redone->revision)
                rc = redo(redone, &event, line, err);
        }
    }
    return rc;
}

int recover_events(struct file_db *db, struct grid_error *err)
{
    return bring_forward(db, &db->state, NULL, &db->state.more[0], err);
}

int recover_adopt(struct file_db *db, struct grid_error *err)
{
    auto_found struct found found = FOUND_INIT;
    int rc = find_generation(db, &found, err);
    if (rc > 0) /* all there is counts, and nothing is written over */
        return history_whole_lines(db, INT64_MAX, &db->state.history_bytes, err);
    if (rc == 0)
        rc = bring_forward(db, &found.state, NULL, &found.lines, err);
    if (rc == 0)
        state_adopt(&db->state, &found.state, steal(found.lines));
    return rc < 0 ? rc : 0;
}

/* --- putting it in the place of the damaged one ---------------------------------------------- */

/* Going back is an event, too. */
static int add_restored(const struct file_db *db, struct found *found,
                        const struct state_commit *commit, const char *why, struct grid_error *err)
{
    struct grid_event event = {.revision = commit->revision, .at_us = commit->now_us,
                               .event = GRID_EVENT_RESTORED};
    text_copy(event.actor, sizeof(event.actor), db->options->actor);
    snprintf(event.reason, sizeof(event.reason), "back to revision %lld, as the state was damaged",
             (long long)found->reached);
    struct json json = json_begin(&found->event, -1);
    record_event_write(&json, &event, (struct span){0});
    struct span line = {found->event.data, found->event.length};
    if (found->event.error || state_add_span(&found->state.pending, line) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory to recover '%s' (%s)", db->name, why);
    return 0;
}

/* The new text, read as if it had been the file: db->state. */
static int replace_in_memory(struct file_db *db, const struct state *state,
                             const struct state_commit *commit, struct grid_error *err)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    state_write(state, commit, &text);
    if (text.error || !buffer_string(&text))
        return grid_error_set(err, GRID_ENOMEM, "no memory to recover the ledger");
    state_release(&db->state);
    db->state = (struct state){0};
    return state_read(&db->state, steal(text.data), text.length, NULL, NULL, err);
}

int recover_set_aside(const struct file_db *db, char ret_name[static FILE_NAME_SIZE],
                      struct grid_error *err)
{
    char stamp[32];
    struct tm utc;
    struct stat st;
    time_t now = (time_t)(clock_now_us() / GRID_SECOND);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    snprintf(ret_name, FILE_NAME_SIZE, "%s.corrupt-%s", db->name, stamp);
    for (int i = 2; fstatat(db->dirfd, ret_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && i < 1000; i++)
        snprintf(ret_name, FILE_NAME_SIZE, "%s.corrupt-%s-%d", db->name, stamp, i);
    int failed = file_keep(db, db->name, ret_name);
    if (failed)
        return grid_error_errno(err, GRID_EIO, failed, "cannot keep the damaged bytes as '%s'",
                                ret_name);
    return 0;
}

static void tell(const struct file_db *db, const struct found *found, const char *why,
                 int64_t known, const char *aside)
{
    char lost[128], forward[64] = "";
    if (found->reached >= known && found->gap)
        snprintf(lost, sizeof(lost), "changes in between are lost at most");
    else if (found->reached >= known)
        snprintf(lost, sizeof(lost), "no change that is known of is lost");
    else
        snprintf(lost, sizeof(lost), "the changes of revisions %lld to %lld are lost at most",
                 (long long)found->reached + 1, (long long)known);
    if (found->reached > found->revision)
        snprintf(forward, sizeof(forward), ", brought forward to %lld by the history",
                 (long long)found->reached);
    file_note(db, GRID_NOTE_WARNING, "'%s/%s' was damaged (%s): went back to revision %lld%s; "
              "%s%s%s%s", db->dir, db->name, why, (long long)found->revision, forward, lost,
              aside[0] ? "; its bytes are kept in '" : "", aside, aside[0] ? "'" : "");
}

/* Under the lock: into the file. The damaged bytes get their second name first. */
static int replace_in_file(struct file_db *db, const struct found *found,
                           const struct state_commit *commit, char *ret_aside,
                           struct grid_error *err)
{
    int rc = db->exists ? recover_set_aside(db, ret_aside, err) : 0;
    if (rc == 0)
        rc = file_replace(db, &found->state, commit, 0, err);
    if (rc < 0 && rc != GRID_EUNKNOWN && ret_aside[0]) { /* nothing was replaced */
        unlinkat(db->dirfd, ret_aside, 0);
        ret_aside[0] = '\0';
    }
    if (rc == 0) {
        db->exists = true;
        db->noted = commit->revision;
        file_note_lock(db, commit->revision);
        if (fstatat(db->dirfd, db->name, &db->stat, 0) != 0)
            return grid_error_errno(err, GRID_EIO, errno, "cannot look at '%s'", db->name);
    }
    return rc;
}

int recover_state(struct file_db *db, const char *why, struct grid_error *err)
{
    auto_found struct found found = FOUND_INIT;
    int rc = find_generation(db, &found, err);
    if (rc > 0) {
        grid_error_set(err, GRID_ECORRUPT, "the ledger '%s/%s' is damaged (%s), and no earlier "
                       "state reads", db->dir, db->name, why);
        return grid_error_hint(err, "see 'grid store check' and 'grid store repair'");
    }
    if (rc == 0)
        rc = bring_forward(db, &found.state, &found, &found.lines, err);
    if (rc < 0)
        return rc;
    int64_t known = file_highest_elsewhere(db);
    struct state_commit commit = {.changes = &found.changes,
                                  .history_bytes = found.state.history_bytes,
                                  .revision = file_later(known, found.reached) + 1,
                                  .now_us = file_later(clock_now_us(), found.state.timestamp_us)};
    char aside[FILE_NAME_SIZE] = "";
    state_apply(&found.state, &found.changes);
    rc = add_restored(db, &found, &commit, why, err);
    bool replaced = false;
    if (rc == 0 && db->lock_fd >= 0) {
        rc = replace_in_file(db, &found, &commit, aside, err);
        replaced = rc == 0;
    }
    if (rc < 0 && rc != GRID_ENOMEM && rc != GRID_EUNKNOWN && db->mode < GRID_TIDY)
        rc = 0; /* a reader that may not write, or cannot, goes on in memory */
    if (rc == 0)
        rc = replace_in_memory(db, &found.state, &commit, err);
    if (rc == 0 && replaced)
        history_hint(db, &(struct state_commit){.history_bytes = commit.history_bytes});
    if (rc == 0)
        tell(db, &found, why, known, aside);
    return rc;
}

/* --- for `store repair` ----------------------------------------------------------------------- */

/* Behind the key of an event's boost: what was, not what is. */
static bool is_of_event(const char *text, const char *at)
{
    while (at > text && strchr(" \t\r\n:", at[-1]))
        at--;
    return at - text >= 7 && memcmp(at - 7, "\"boost\"", 7) == 0;
}

/* Puts the sound records of the text into `out`, each id once: *ret_kept of them. */
static void gather_records(const char *text, size_t length, struct grid_changes *seen,
                           struct buffer *out, size_t *ret_kept)
{
    struct grid_boost boost;
    const char *at = text, *end = text + length;
    while (at && (at = memchr(at, '{', (size_t)(end - at))) != NULL) {
        const char *stop = json_balanced(at, end, JSON_DEPTH_MAX);
        struct span record = {at, stop ? (size_t)(stop - at) : 0};
        if (!stop || record_read(record, &boost, NULL, NULL) < 0) {
            at++;
            continue;
        }
        at = stop;
        if (is_of_event(text, record.at) || changes_have(seen, boost.boost_id) ||
            changes_put(seen, &boost, NULL, GRID_EVENT_QUIET, 0, NULL, NULL) != 0)
            continue;
        buffer_text(out, (*ret_kept)++ ? ",\n    " : "\n    ");
        buffer_add(out, record.at, record.length);
    }
}

int recover_salvage(struct file_db *db, size_t *ret_kept, struct grid_error *err)
{
    grid_auto_free char *text = NULL;
    size_t length = 0;
    int rc = file_read(db->dirfd, db->name, &text, &length, NULL, err);
    if (rc < 0)
        return rc;
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct grid_changes seen = {.texts = BUFFER_INIT};
    *ret_kept = 0;
    buffer_text(&out, "{\"boosts\": [");
    if (rc == 0)
        gather_records(text, length, &seen, &out, ret_kept);
    buffer_text(&out, "\n  ]}");
    changes_release(&seen);
    if (!buffer_string(&out))
        return grid_error_set(err, GRID_ENOMEM, "no memory to salvage the ledger");
    state_release(&db->state);
    return state_read(&db->state, steal(out.data), out.length, NULL, NULL, err);
}
