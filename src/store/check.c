/* Looking after the file driver's ledger: what is there, what is wrong with it, mending it. */
#include "store/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct checking {
    struct file_db *db;
    grid_finding_fn fn;
    void *context;
    int rc;        /* of a finding function that stopped the check */
    bool damaged;
    struct grid_error *err;
};

static void report(struct checking *check, enum grid_severity severity, const char *subject,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

static void report(struct checking *check, enum grid_severity severity, const char *subject,
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
    char subject[64];
    snprintf(subject, sizeof(subject), "record %zu", index);
    report(context, GRID_WARNING, subject, "%s", reason);
}

static void report_node(void *context, size_t index, const char *reason)
{
    char subject[64];
    snprintf(subject, sizeof(subject), "node %zu", index);
    report(context, GRID_WARNING, subject, "%s", reason);
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
        report(check, GRID_DAMAGE, "state", "it is missing, though revision %lld is known",
               (long long)db->noted);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    struct grid_error why = {0};
    report(check, GRID_FACT, "state", "%s/%s", db->dir, db->name);
    rc = state_read(&db->state, text, length, report_record, check, &why);
    if (rc == GRID_ENOMEM)
        return grid_error_set(check->err, rc, "%s", why.message);
    if (rc < 0) {
        report(check, GRID_DAMAGE, "state", "%s", why.message);
        return 0;
    }
    report(check, GRID_FACT, "size", "%zu bytes", length);
    report(check, GRID_FACT, "revision", "%lld", (long long)db->state.revision);
    report(check, GRID_FACT, "nodes", "%zu",
           state_count_nodes(&db->state, report_node, check));
    report(check, GRID_FACT, "records", "%zu, %zu of them sound", db->state.count,
           db->state.sound);
    if (!db->state.has_revision)
        report(check, GRID_FACT, "written by", "another program: it has no revision");
    else if (db->state.revision < db->noted)
        report(check, GRID_WARNING, "revision", "%lld is known: an older file was put back",
               (long long)db->noted);
    if ((db->stat.st_mode & S_IWOTH) != 0)
        report(check, GRID_WARNING, "permissions", "everybody may write '%s/%s'", db->dir,
               db->name);
    if (db->state.timestamp_us > clock_now_us() + GRID_MINUTE)
        report(check, GRID_WARNING, "clock", "the last change lies in the future");
    return 0;
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
        if (file_load(db, name, &state, NULL, NULL, &why) < 0)
            report(check, GRID_WARNING, subject, "%s", why.message);
        state_release(&state);
    }
    if (rc == 0)
        report(check, GRID_FACT, "generations", "%zu", count);
    return rc;
}

static int report_line(void *context, int64_t offset, struct grid_error *err)
{
    (void)err;
    if (offset < 0)
        report(context, GRID_WARNING, "history", "it ends before what the state counts on");
    else
        report(context, GRID_WARNING, "history", "the line at byte %lld is no event",
               (long long)offset);
    return 0;
}

static int check_all(struct checking *check)
{
    int rc = check_state(check);
    if (rc == 0)
        rc = check_generations(check);
    if (rc == 0 && !check->damaged) {
        int64_t events = history_check(check->db, report_line, check, check->err);
        if (events < 0)
            return (int)events;
        report(check, GRID_FACT, "events", "%lld", (long long)events);
    }
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
    report(check, GRID_WARNING, "salvage", "%zu sound records can be kept; what else there was "
           "is lost", kept);
    if (!(flags & GRID_CHECK_ACCEPT_LOSS)) {
        grid_error_set(check->err, GRID_ECORRUPT, "the ledger '%s/%s' can be repaired only with "
                       "a loss", db->dir, db->name);
        return grid_error_hint(check->err, "accept it with 'grid store repair --accept-loss'");
    }
    struct state_commit commit = {.now_us = clock_now_us(),
                                  .revision = file_highest_elsewhere(db) + 1};
    rc = history_whole_lines(db, INT64_MAX, &commit.history_bytes, check->err);
    if (rc == 0 && db->exists)
        rc = recover_set_aside(db, aside, check->err);
    if (rc == 0)
        rc = file_replace(db, &db->state, &commit, 0, check->err);
    if (rc < 0)
        return rc;
    file_note_lock(db, commit.revision);
    if (aside[0])
        report(check, GRID_FACT, "repaired", "the damaged bytes are kept in '%s'", aside);
    return 0;
}

static int repair_locked(struct checking *check, unsigned flags)
{
    struct file_db *db = check->db;
    int rc = file_load_state(db, false, check->err); /* somebody else may have been here */
    if (rc != GRID_ECORRUPT)
        return rc;
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
    if (rc == 0) {
        file_peek_note(opaque);
        rc = check_all(&check);
    }
    if (rc == 0 && check.damaged && (flags & GRID_CHECK_REPAIR))
        rc = repair(&check, flags);
    if (rc > 0) {
        report(&check, GRID_FACT, "state", "there is none yet: '%s' does not exist",
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
