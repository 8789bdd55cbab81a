/* Going back from damage, and getting back what another program dropped. */
#include "store/replay.h"

#include "model/node_record.h"
#include "model/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int recover_events(struct file_db *db, struct grid_error *err)
{
    return replay_events(db, &db->state, NULL, &db->state.more[0], err);
}

int recover_segments(struct file_db *db, struct grid_error *err)
{
    int64_t last;
    return replay_segments(db, &db->state, NULL, &last, err);
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

/* Into db->state, whose boosts are the truth. */
static int adopt(struct file_db *db, struct found *found, bool has_generation,
                 struct grid_error *err)
{
    int rc = has_generation ? state_adopt(&db->state, &found->state, steal(found->lines), err)
                            : recover_segments(db, err);
    if (rc == 0 && !has_generation)
        rc = history_whole_lines(db, INT64_MAX, &db->state.history_bytes, err);
    if (rc == 0 && (found->torn || found->reached < db->told))
        file_note(db, GRID_NOTE_WARNING, "another program wrote '%s/%s': what was set of nodes and "
                  "policy after revision %lld is lost at most", db->dir, db->name,
                  (long long)found->reached);
    db->adopted = has_generation || found->reached > 0;
    if (rc < 0 || !db->adopted)
        return rc;
    struct state_commit commit = {.changes = &found->changes, .revision = db->revision,
                                  .now_us = db->state.timestamp_us,
                                  .history_bytes = db->state.history_bytes,
                                  .segments = db->state.segments};
    return replace_in_memory(db, &db->state, &commit, err);
}

int recover_adopt(struct file_db *db, struct grid_error *err)
{
    auto_found struct found found = FOUND_INIT;
    found.keeps_boosts = true;
    int none = replay_find(db, &found, err);
    if (none < 0)
        return none;
    int rc = replay_events(db, none ? NULL : &found.state, &found, &found.lines, err);
    return rc ?: adopt(db, &found, !none, err);
}

int recover_policy(struct file_db *db, struct grid_policy *ret, struct grid_error *err)
{
    auto_found struct found found = FOUND_INIT;
    struct grid_change change;
    found.keeps_boosts = found.needs_policy = true;
    int none = replay_find(db, &found, err);
    if (none < 0)
        return none;
    int rc = none ? 0 : policy_record_read(found.state.policy, ret, err);
    rc = rc ?: replay_events(db, none ? NULL : &found.state, &found, &found.lines, err);
    if (rc == 0 && grid_changes_find(&found.changes, GRID_POLICY, "", &change))
        *ret = *change.policy;
    else if (rc == 0)
        rc = none;
    return rc;
}

/* --- putting it in the place of the damaged one ---------------------------------------------- */

/* Going back is an event, too. */
static int add_restored(const struct file_db *db, struct found *found,
                        const struct state_commit *commit, const char *why, struct grid_error *err)
{
    struct grid_event event = {.revision = commit->revision, .at_us = commit->now_us,
                               .event = GRID_EVENT_RESTORED};
    text_copy(event.actor, sizeof(event.actor), db->options->actor);
    snprintf(event.reason, sizeof(event.reason), REPLAY_BACK "%lld, as the state was damaged",
             (long long)found->reached);
    struct json json = json_begin(&found->event, -1);
    record_event_write(&json, &event, (struct span){0});
    struct span line = {found->event.data, found->event.length};
    if (found->event.error || state_add_span(&found->state.pending, line) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory to recover '%s' (%s)", db->name, why);
    return 0;
}

int recover_set_aside(const struct file_db *db, const char *name,
                      char ret_name[static FILE_NAME_SIZE], struct grid_error *err)
{
    char stamp[32];
    struct tm utc;
    struct stat st;
    time_t now = (time_t)(clock_now_us() / GRID_SECOND);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    snprintf(ret_name, FILE_NAME_SIZE, "%s.corrupt-%s", name, stamp);
    for (int i = 2; fstatat(db->dirfd, ret_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && i < 1000; i++)
        snprintf(ret_name, FILE_NAME_SIZE, "%s.corrupt-%s-%d", name, stamp, i);
    int failed = file_keep(db, name, ret_name);
    /* A power cut may keep a later rename and lose this name, and the bytes with it. */
    if (!failed && fsync(db->dirfd) != 0) {
        failed = errno;
        unlinkat(db->dirfd, ret_name, 0);
    }
    if (failed)
        return grid_error_errno(err, GRID_EIO, failed, "cannot keep the damaged bytes as '%s'",
                                ret_name);
    return 0;
}

static void tell(const struct file_db *db, const struct found *found, const char *why,
                 int64_t known, const char *aside)
{
    char lost[160], forward[64] = "";
    if (found->whole)
        snprintf(lost, sizeof(lost), "what was restored or imported whole in revision %lld is "
                 "lost: do that again", (long long)found->whole);
    else if (found->reached >= known && found->gap)
        snprintf(lost, sizeof(lost), "no change is known to be lost, though some revisions in "
                 "between have no event, as renewals have none");
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
    int rc = db->exists ? recover_set_aside(db, db->name, ret_aside, err) : 0;
    if (rc == 0)
        rc = file_replace(db, &found->state, commit, 0, err);
    if (rc < 0 && rc != GRID_EUNKNOWN && ret_aside[0]) { /* nothing was replaced */
        unlinkat(db->dirfd, ret_aside, 0);
        ret_aside[0] = '\0';
    }
    if (rc == 0) {
        db->exists = true;
        db->told = commit->revision; /* the recovery is an event */
        file_note_commit(db, &found->state, commit);
    }
    return rc;
}

int recover_state(struct file_db *db, const char *why, struct grid_error *err)
{
    auto_found struct found found = FOUND_INIT;
    int rc = replay_find(db, &found, err);
    if (rc > 0) {
        grid_error_set(err, GRID_ECORRUPT, "the ledger '%s/%s' is damaged (%s), and no earlier "
                       "state reads", db->dir, db->name, why);
        return grid_error_hint(err, "see 'grid store check' and 'grid store repair', or 'grid "
                               "backup restore' ('grid backup list')");
    }
    if (rc == 0)
        rc = replay_events(db, &found.state, &found, &found.lines, err);
    if (rc < 0)
        return rc;
    int64_t known;
    rc = file_highest_elsewhere(db, &known, err);
    if (rc < 0)
        return rc;
    struct state_commit commit = {.changes = &found.changes,
                                  .history_bytes = found.state.history_bytes,
                                  .segments = found.state.segments,
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

/* A record goes into `out` when it is the first with its id. */
static int gather_record(const char *text, struct span record, const struct grid_boost *boost,
                         struct grid_changes *seen, struct buffer *out, size_t *ret_kept,
                         struct grid_error *err)
{
    if (is_of_event(text, record.at) || changes_have(seen, GRID_BOOST, boost->boost_id))
        return 0;
    buffer_text(out, (*ret_kept)++ ? ",\n    " : "\n    ");
    buffer_add(out, record.at, record.length);
    return changes_put(seen, boost, NULL, GRID_EVENT_QUIET, 0, NULL, err);
}

/* Puts the sound records of the text into `out`: *ret_kept of them. */
static int gather_records(const char *text, size_t length, struct grid_changes *seen,
                          struct buffer *out, size_t *ret_kept, struct grid_error *err)
{
    struct grid_boost boost;
    const char *at = text, *end = text + length;
    int rc = 0;
    while (rc == 0 && at && (at = memchr(at, '{', (size_t)(end - at))) != NULL) {
        const char *stop = json_balanced(at, end, JSON_DEPTH_MAX);
        struct span record = {at, stop ? (size_t)(stop - at) : 0};
        bool sound = stop && record_read(record, &boost, NULL, NULL) == 0;
        at = sound ? stop : at + 1;
        rc = sound ? gather_record(text, record, &boost, seen, out, ret_kept, err) : 0;
    }
    return rc;
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
        rc = gather_records(text, length, &seen, &out, ret_kept, err);
    buffer_text(&out, "\n  ]}");
    changes_release(&seen);
    if (rc < 0)
        return rc;
    if (!buffer_string(&out))
        return grid_error_set(err, GRID_ENOMEM, "no memory to salvage the ledger");
    state_release(&db->state);
    rc = state_read(&db->state, steal(out.data), out.length, NULL, NULL, err);
    rc = rc ?: file_highest_elsewhere(db, &db->revision, err);
    rc = rc ?: recover_segments(db, err);
    return rc ?: history_whole_lines(db, INT64_MAX, &db->state.history_bytes, err);
}

int recover_rest(struct file_db *db, const char *why, struct grid_error *err)
{
    size_t kept = 0;
    int rc = recover_salvage(db, &kept, err);
    if (rc < 0)
        return rc;
    db->salvaged = true;
    file_note(db, GRID_NOTE_WARNING, "'%s/%s' is damaged (%s), and no earlier state reads: of its "
              "records %zu can be", db->dir, db->name, why, kept);
    return 0;
}
