/* Looking after the file driver's ledger: what is there, what is wrong with it, mending it. */
#include "model/node_record.h"
#include "store/changes.h"
#include "store/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void check_report(struct checking *check, enum grid_severity severity, const char *subject,
                  const char *format, ...)
{
    char text[1024];
    if (severity == GRID_DAMAGE)
        check->damaged = true;
    if (check->rc != 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    struct grid_finding finding = {severity, subject, text};
    check->rc = check->fn(check->context, &finding, check->err);
}

static void report_record(void *context, size_t index, const char *reason)
{
    const struct checking *check = context;
    char subject[64];
    snprintf(subject, sizeof(subject), "%s %zu", check->what, index);
    check_report(context, GRID_WARNING, subject, "%s", reason);
}

static int check_list(struct checking *check, enum grid_subject subject, const char *what)
{
    check->what = what;
    size_t count = state_check_list(&check->db->state, subject, report_record, check);
    if (count == SIZE_MAX)
        return grid_error_set(check->err, GRID_ENOMEM, "no memory to check the %ss", what);
    check->unsound |= count > 0;
    return 0;
}

/* Nothing goes on with a policy that does not read: who could say what it forbids? */
static int check_policy(struct checking *check)
{
    struct grid_policy policy;
    struct grid_error why = {0};
    int rc = policy_record_read(check->db->state.policy, &policy, &why);
    if (rc == GRID_ENOMEM)
        return grid_error_set(check->err, rc, "%s", why.message);
    if (rc < 0)
        check_report(check, GRID_DAMAGE, "policy", "%s", why.message);
    return 0;
}

static void check_time(struct checking *check)
{
    char time[GRID_TIME_SIZE];
    int64_t last_us = check->db->state.timestamp_us;
    if (last_us)
        check_report(check, GRID_FACT, "last change", "%s", grid_time_show(last_us, time));
    if (last_us > clock_now_us() + GRID_MINUTE)
        check_report(check, GRID_WARNING, GRID_FINDING_CLOCK,
                     "the last change lies in the future: if the clock ran ahead then, "
                     "'grid store repair --reset-clock' brings times back");
}

/* file_load hands its note function a context of its own, so the text is read here. */
static int check_state(struct checking *check)
{
    struct file_db *db = check->db;
    char *text = NULL;
    size_t length = 0;
    int rc = file_read(db->dirfd, db->name, &text, &length, &db->stat, check->err);
    db->exists = rc == 0;
    if (rc > 0 && db->noted > 0)
        check_report(check, GRID_DAMAGE, "state", "it is missing, though revision %lld is known",
                     (long long)db->noted);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    struct grid_error why = {0};
    check_report(check, GRID_FACT, "state", "%s/%s", db->dir, db->name);
    check->what = "record";
    rc = state_read(&db->state, text, length, report_record, check, &why);
    if (rc == GRID_ENOMEM)
        return grid_error_set(check->err, rc, "%s", why.message);
    if (rc < 0) {
        check_report(check, GRID_DAMAGE, "state", "%s", why.message);
        return 0;
    }
    check_report(check, GRID_FACT, "size", "%zu bytes", length);
    check_report(check, GRID_FACT, "revision", "%lld", (long long)db->state.revision);
    check_time(check);
    if ((rc = check_list(check, GRID_NODE, "node")) < 0)
        return rc;
    check_report(check, GRID_FACT, "nodes", "%zu", db->state.nodes.count);
    if ((rc = check_list(check, GRID_TICKET, "ticket")) < 0)
        return rc;
    if (db->state.waiting.count)
        check_report(check, GRID_FACT, "tickets", "%zu", db->state.waiting.count);
    if ((rc = check_policy(check)) < 0)
        return rc;
    check_report(check, GRID_FACT, "records", "%zu, %zu of them sound", db->state.count,
                 db->state.sound);
    if (!db->state.has_revision)
        check_report(check, GRID_FACT, "written by", "another program: it has no revision");
    else if (db->state.revision < db->noted)
        check_report(check, GRID_WARNING, "revision", "%lld is known: an older file was put back",
                     (long long)db->noted);
    return check_sums(check);
}

static int check_generations(struct checking *check)
{
    struct file_db *db = check->db;
    grid_auto_free int64_t *numbers = NULL;
    size_t count = 0;
    int rc = recover_generations(db, &numbers, &count, check->err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        char name[FILE_NAME_SIZE], subject[64];
        struct state state = {0};
        struct grid_error why = {0};
        recover_generation_name(db, numbers[i], name);
        snprintf(subject, sizeof(subject), "generation %lld", (long long)numbers[i]);
        int read = file_load(db, name, &state, NULL, NULL, &why);
        state_release(&state);
        if (read == GRID_ENOMEM)
            rc = grid_error_set(check->err, read, "%s: %s", subject, why.message);
        else if (read < 0)
            check_report(check, GRID_WARNING, subject, "%s", why.message);
    }
    if (rc == 0)
        check_report(check, GRID_FACT, "generations", "%zu", count);
    return rc;
}

static int report_line(void *context, int64_t offset, struct grid_error *err)
{
    (void)err;
    struct checking *check = context;
    check->shortened |= offset < 0;
    if (offset < 0)
        check_report(check, GRID_WARNING, "history", "it ends before what the state counts on: "
                     "'grid store repair --accept-loss' goes on with what is left");
    else
        check_report(check, GRID_WARNING, "history", "the line at byte %lld is no event",
                     (long long)offset);
    return 0;
}

/* What history.jsonl holds, and what will be moved there from the state. */
static void report_history(struct checking *check)
{
    const struct state *state = &check->db->state;
    int64_t waiting = 0;
    for (size_t i = 0; i < state->pending.count; i++)
        waiting += (int64_t)state->pending.at[i].length + 1;
    check_report(check, GRID_FACT, "history", "%lld bytes, %lld of them in the state",
                 (long long)(state->history_bytes + waiting), (long long)waiting);
}

static int check_all(struct checking *check)
{
    int rc = check_state(check);
    if (rc == 0)
        rc = check_generations(check);
    if (rc == 0 && !check->damaged) {
        int64_t closed = 0, events = history_check(check->db, report_line, check, check->err);
        if (events < 0)
            return (int)events;
        report_history(check);
        rc = check_segments(check, &closed);
        check_report(check, GRID_FACT, "events", "%lld", (long long)(events + closed));
    }
    rc = rc ?: check_files(check);
    return rc < 0 ? rc : check->rc;
}

/* Nothing reads any more but single records, or not even that. */
static int salvage(struct checking *check, unsigned flags)
{
    struct file_db *db = check->db;
    size_t kept = 0;
    char aside[FILE_NAME_SIZE] = "";
    int rc = recover_salvage(db, &kept, check->err);
    if (rc < 0)
        return rc;
    check_report(check, GRID_WARNING, "salvage",
                 "%zu sound records can be kept; what else there was is lost", kept);
    if (!(flags & GRID_CHECK_ACCEPT_LOSS)) {
        grid_error_set(check->err, GRID_ECORRUPT, "the ledger '%s/%s' can be repaired only with "
                       "a loss", db->dir, db->name);
        return grid_error_hint(check->err, "accept it with 'grid store repair --accept-loss', or "
                               "take a backup: 'grid backup list', 'grid backup restore'");
    }
    struct state_commit commit = {.now_us = clock_now_us(),
                                  .revision = db->revision + 1,
                                  .history_bytes = db->state.history_bytes,
                                  .segments = db->state.segments};
    if (db->exists)
        rc = recover_set_aside(db, db->name, aside, check->err);
    if (rc == 0)
        rc = file_replace(db, &db->state, &commit, 0, check->err);
    if (rc < 0)
        return rc;
    file_note_commit(db, &db->state, &commit);
    if (aside[0])
        check_report(check, GRID_FACT, "repaired", "the damaged bytes are kept in '%s'", aside);
    return 0;
}

/* The policy that was last, or, where a loss is accepted, the default one. */
static int mend_policy(struct checking *check, unsigned flags, struct grid_changes *changes)
{
    struct file_db *db = check->db;
    struct grid_policy policy = GRID_POLICY_DEFAULT;
    int rc = policy_record_read(db->state.policy, &policy, check->err);
    if (rc == 0 || rc == GRID_ENOMEM)
        return rc;
    rc = recover_policy(db, &policy, check->err);
    if (rc < 0)
        return rc;
    if (rc > 0 && !(flags & GRID_CHECK_ACCEPT_LOSS))
        return grid_error_advise(check->err, GRID_ECORRUPT,
                                 "'grid store repair --accept-loss' sets the default one",
                                 "no earlier policy of '%s/%s' reads", db->dir, db->name);
    if (rc > 0)
        policy = GRID_POLICY_DEFAULT;
    check_report(check, GRID_WARNING, "policy",
                 rc > 0 ? "the default one is set" : "the last one that reads is set");
    return changes_put_record(changes, GRID_POLICY, &policy, false, GRID_EVENT_POLICY_SET,
                              "the one in the file did not read", check->err);
}

/* The file reads, but not everything in it. */
static int mend(struct checking *check, unsigned flags)
{
    struct file_db *db = check->db;
    struct grid_changes changes = {.texts = BUFFER_INIT, .actor = db->options->actor};
    char aside[FILE_NAME_SIZE] = "";
    int rc = file_find_revision(db, check->err);
    rc = rc ?: history_settle(db, check->err);
    changes.revision = db->revision + 1;
    changes.now_us = file_later(clock_now_us(), db->state.timestamp_us);
    rc = rc ?: mend_policy(check, flags, &changes);
    db->state.drops_unsound = check->unsound && flags & GRID_CHECK_ACCEPT_LOSS;
    bool shortened = check->shortened && flags & GRID_CHECK_ACCEPT_LOSS;
    if (rc == 0 && (changes.count > 0 || db->state.drops_unsound || shortened)) {
        rc = recover_set_aside(db, db->name, aside, check->err);
        rc = rc ?: file_commit(db, &changes, check->err);
    }
    if (rc == 0 && aside[0])
        check_report(check, GRID_FACT, "repaired", "%sthe file as it was is kept in '%s'",
                     db->state.drops_unsound ? "unsound nodes and tickets are dropped; " : "",
                     aside);
    changes_release(&changes);
    return rc;
}

static int repair_locked(struct checking *check, unsigned flags)
{
    struct file_db *db = check->db;
    int rc = file_load_state(db, false, check->err); /* somebody else may have been here */
    if (rc != GRID_ECORRUPT)
        return rc ?: mend(check, flags);
    char why[sizeof(check->err->message)];
    text_copy(why, sizeof(why), check->err->message);
    rc = recover_state(db, why, check->err);
    if (rc == GRID_ECORRUPT)
        rc = salvage(check, flags);
    return rc;
}

static int repair(struct checking *check, unsigned flags)
{
    int rc = file_lock_ledger(check->db, check->db->options->lock_timeout_us, check->err);
    if (rc == 0)
        rc = repair_locked(check, flags);
    rc = rc ?: check_mend_segments(check, flags);
    if (rc == 0)
        check->damaged = false;
    return rc;
}

int file_check(void *opaque, unsigned flags, grid_finding_fn fn, void *context,
               struct grid_error *err)
{
    struct checking check = {.db = opaque, .fn = fn, .context = context, .err = err};
    check.db->mode = GRID_WRITE;
    int rc = file_find(opaque, false, err);
    if (rc == 0)
        rc = file_peek_note(opaque, err) ?: check_all(&check);
    bool drops = (check.unsound || check.shortened) && (flags & GRID_CHECK_ACCEPT_LOSS);
    if (rc == 0 && (check.damaged || drops) && (flags & GRID_CHECK_REPAIR))
        rc = repair(&check, flags);
    if (rc > 0) {
        check_report(&check, GRID_FACT, "state", "there is none yet: '%s' does not exist",
                     check.db->dir);
        rc = check.rc;
    }
    if (rc == 0 && check.damaged) {
        grid_error_set(err, GRID_ECORRUPT, "the ledger in '%s' is damaged", check.db->dir);
        rc = grid_error_hint(err, "run 'grid store repair'");
    }
    file_end(opaque);
    return rc;
}
