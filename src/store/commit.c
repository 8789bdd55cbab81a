/* The commit of the file driver: one rename, and everything that must be on disk before it. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/*
 * The order is the proof:
 *
 *   move      pending events to history.jsonl, when they are many; fdatasync. Killed here: they
 *             stand there beyond what counts, and still in the old state; nothing is said twice.
 *   write     the new state to a temporary file; fsync; close. Killed here: the next writer that
 *             holds the lock removes it.
 *   keep      the old state as a generation: a second name for its bytes, made before the first
 *             one goes. Killed here: the newest generation is the state itself.
 *   rename    the commit. Whoever opens the name finds the old bytes or the new ones.
 *   fsync     the directory: until it returns, a power cut may bring the old name back. Its
 *             failure is the one outcome that is not known.
 *   hint      what is pending, behind what counts in history.jsonl, and the revision in the lock
 *             file: not synced, for a recovery that has lost the state to go further than its last
 *             generation. They speak of committed events only, as they come last.
 *
 * An fsync that failed is not tried again: the kernel may have dropped the pages and call them
 * clean, so the file is written anew by whoever tries again.
 */

static void temporary_name(const struct file_db *db, char ret[static FILE_NAME_SIZE])
{
    snprintf(ret, FILE_NAME_SIZE, ".%s.tmp-%d", db->name, (int)getpid());
}

/* A new temporary file; one that is there is a leftover, as we hold the lock. -1: errno. */
static int create_temporary(const struct file_db *db, const char *name)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(db->dirfd, name, flags, file_mode(db));
    if (fd < 0 && errno == EEXIST && unlinkat(db->dirfd, name, 0) == 0)
        fd = openat(db->dirfd, name, flags, file_mode(db));
    return fd;
}

/* The new file looks as the old one did; a new one as the directory says. */
static int set_owner(const struct file_db *db, int fd)
{
    struct stat now;
    if (!db->exists) {
        file_give(db, fd);
        return 0;
    }
    if (fstat(fd, &now) != 0)
        return errno;
    if ((now.st_uid != db->stat.st_uid || now.st_gid != db->stat.st_gid) &&
        fchown(fd, db->stat.st_uid, db->stat.st_gid) != 0)
        (void)!fchown(fd, (uid_t)-1, db->stat.st_gid); /* another member of the group */
    if ((now.st_mode & 07777) != (db->stat.st_mode & 07777) &&
        fchmod(fd, db->stat.st_mode & 07777) != 0)
        return errno;
    return 0;
}

/* Step 5: 0 or an errno value; `name` may be left behind. */
static int write_temporary(const struct file_db *db, const struct state *state,
                           const struct state_commit *commit, const char *name,
                           struct stat *ret_stat)
{
    grid_auto_close int fd = create_temporary(db, name);
    if (fd < 0)
        return errno;
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    out.fd = fd;
    int failed = set_owner(db, fd);
    if (!failed) {
        state_write(state, commit, &out);
        failed = buffer_flush(&out);
    }
    if (!failed && (fsync(fd) != 0 || fstat(fd, ret_stat) != 0))
        failed = errno;
    if (close(steal_fd(fd)) != 0 && !failed)
        failed = errno;
    return failed;
}

/* In the directory of `other`: it may be elsewhere. */
static void copy_name(const struct file_db *db, const char *other, char ret[static FILE_NAME_SIZE])
{
    const char *slash = strchr(other, '/');
    snprintf(ret, FILE_NAME_SIZE, "%.*s.%s.tmp-copy", slash ? (int)(slash + 1 - other) : 0, other,
             db->name);
}

void file_drop_copy(const struct file_db *db)
{
    char name[FILE_NAME_SIZE];
    copy_name(db, FILE_GENERATIONS "/", name);
    unlinkat(db->dirfd, name, 0);
}

int file_write_new(const struct file_db *db, const char *text, size_t length, const char *other)
{
    char temporary[FILE_NAME_SIZE];
    copy_name(db, other, temporary);
    grid_auto_close int fd = openat(db->dirfd, temporary,
                                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                                    file_mode(db));
    if (fd < 0)
        return errno;
    file_give(db, fd);
    int failed = file_write_all(fd, text, length);
    if (!failed && (fsync(fd) != 0 || renameat(db->dirfd, temporary, db->dirfd, other) != 0))
        failed = errno;
    if (failed)
        unlinkat(db->dirfd, temporary, 0);
    return failed;
}

static int copy_file(const struct file_db *db, const char *name, const char *other)
{
    grid_auto_free char *text = NULL;
    size_t length;
    if (file_read(db->dirfd, name, &text, &length, NULL, NULL) != 0)
        return EIO;
    return file_write_new(db, text, length, other);
}

int file_keep(const struct file_db *db, const char *name, const char *other)
{
    struct stat mine, there;
    if (linkat(db->dirfd, name, db->dirfd, other, 0) == 0)
        return 0;
    if (errno == EEXIST) {
        if (fstatat(db->dirfd, name, &mine, 0) == 0 &&
            fstatat(db->dirfd, other, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
            mine.st_ino == there.st_ino && mine.st_dev == there.st_dev)
            return 0;
        if (unlinkat(db->dirfd, other, 0) == 0 &&
            linkat(db->dirfd, name, db->dirfd, other, 0) == 0)
            return 0;
    }
    /* These say that the file system has no hard links, or not this one. */
    if (errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK || errno == ENOSYS ||
        errno == EXDEV)
        return copy_file(db, name, other);
    return errno;
}

/* What another program wrote lacks our members, so it is kept as we took it. */
static int keep_state(const struct file_db *db, const char *name)
{
    return db->adopted ? file_write_new(db, db->state.text, db->state.length, name)
                       : file_keep(db, db->name, name);
}

/* 0 or an errno value. */
static int make_generations(const struct file_db *db)
{
    if (mkdirat(db->dirfd, FILE_GENERATIONS, db->shared ? 02770 : 0700) != 0 && errno != EEXIST)
        return errno;
    grid_auto_close int fd = openat(db->dirfd, FILE_GENERATIONS,
                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        file_give(db, fd);
    return 0;
}

static int keep_generation(const struct file_db *db, int64_t revision)
{
    char name[FILE_NAME_SIZE];
    recover_generation_name(db, revision, name);
    int failed = keep_state(db, name);
    if (failed != ENOENT)
        return failed;
    failed = make_generations(db);
    return failed ? failed : keep_state(db, name);
}

/*
 * Are we still alone? Not when the lock file was deleted, so that another holds a new one, nor when
 * a program that knows no lock wrote the state after we read it. Then the decision is made again.
 */
static bool is_alone(const struct file_db *db)
{
    char lock[FILE_NAME_SIZE];
    struct stat held, there, now;
    file_lock_name(db, lock);
    if (fstat(db->lock_fd, &held) != 0 ||
        fstatat(db->dirfd, lock, &there, AT_SYMLINK_NOFOLLOW) != 0 ||
        held.st_ino != there.st_ino || held.st_dev != there.st_dev)
        return false;
    if (fstatat(db->dirfd, db->name, &now, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT && !db->exists;
    struct file_look read = file_look(&db->stat);
    return db->exists && file_looks(&read, &now);
}

/* Step 6. The temporary file is gone in every case but a rename whose outcome nobody knows. */
static int rename_over(struct file_db *db, const char *name, struct grid_error *err)
{
    if (renameat(db->dirfd, name, db->dirfd, db->name) != 0) {
        int failed = errno;
        if (unlinkat(db->dirfd, name, 0) == 0 || errno != ENOENT)
            return grid_error_errno(err, GRID_EIO, failed, "cannot replace '%s/%s'", db->dir,
                                    db->name);
        return grid_error_errno(err, GRID_EUNKNOWN, failed, "cannot tell whether '%s/%s' was "
                                "replaced", db->dir, db->name);
    }
    int failed = fsync(db->dirfd) != 0 ? errno : 0;
    if (!failed && !db->exists) /* the directory may be as new as the file */
        failed = file_sync_directory(db->dirfd, "..");
    if (failed)
        return grid_error_errno(err, GRID_EUNKNOWN, failed, "cannot make the change of '%s/%s' "
                                "durable", db->dir, db->name);
    return 0;
}

static bool is_full(int number)
{
    return number == ENOSPC || number == EDQUOT;
}

/* Gives up generations, the oldest first, all but the `kept` newest. False: there were none. */
static bool drop_generations(const struct file_db *db, size_t kept)
{
    grid_auto_free int64_t *numbers = NULL;
    size_t count = 0;
    char name[FILE_NAME_SIZE];
    if (recover_generations(db, &numbers, &count, NULL) < 0)
        return false;
    for (size_t i = 0; i + kept < count; i++) {
        recover_generation_name(db, numbers[i], name);
        unlinkat(db->dirfd, name, 0);
    }
    return count > kept;
}

/* Does the commit make the ledger larger? */
static bool grows(const struct grid_changes *changes)
{
    struct grid_change change;
    for (size_t i = 0; changes && i < grid_changes_count(changes); i++) {
        grid_changes_get(changes, i, &change);
        if (change.event == GRID_EVENT_QUEUED
            || (change.subject == GRID_BOOST && change.has_now && !change.has_was
                && !change.superseded))
            return true;
    }
    return false;
}

int file_replace(struct file_db *db, const struct state *state, const struct state_commit *commit,
                 int64_t generation, struct grid_error *err)
{
    char name[FILE_NAME_SIZE];
    temporary_name(db, name);
    struct stat written;
    int failed = write_temporary(db, state, commit, name, &written);
    /* Requests leave one generation more than they must: it is the room that the next release on
     * this disk needs. */
    if (is_full(failed) && drop_generations(db, grows(commit->changes) ? 2 : 1))
        failed = write_temporary(db, state, commit, name, &written);
    if (failed) {
        unlinkat(db->dirfd, name, 0);
        return grid_error_errno(err, failed == ENOMEM ? GRID_ENOMEM : GRID_EIO, failed,
                                "cannot write '%s/%s'", db->dir, db->name);
    }
    bool alone = is_alone(db); /* what is kept must be the state that was read */
    failed = generation > 0 && alone ? keep_generation(db, generation) : 0;
    /* On a full disk the ledger goes on with the generations that there are. */
    if (failed && !is_full(failed)) {
        unlinkat(db->dirfd, name, 0);
        return grid_error_errno(err, GRID_EIO, failed, "cannot keep the old state in '%s/%s'",
                                db->dir, FILE_GENERATIONS);
    }
    if (!alone || !is_alone(db)) {
        unlinkat(db->dirfd, name, 0);
        return grid_error_set(err, GRID_ECONFLICT, "'%s/%s' was changed by somebody else", db->dir,
                              db->name);
    }
    db->seen = file_look(&written); /* if it fails, a watch only returns early */
    db->stat = written;
    return rename_over(db, name, err);
}

static size_t pending_size(const struct state *state)
{
    size_t size = 0;
    for (size_t i = 0; i < state->pending.count; i++)
        size += state->pending.at[i].length;
    return size;
}

/* What was taken over whole cannot be done again from its event: a recovery needs the new state,
 * in bytes of its own. */
static void keep_restored(const struct file_db *db, const struct grid_changes *changes)
{
    char name[FILE_NAME_SIZE];
    if (grid_changes_about(changes, GRID_EVENT) == 0)
        return;
    recover_generation_name(db, grid_changes_revision(changes), name);
    int failed = copy_file(db, db->name, name);
    if (failed == ENOENT && (failed = make_generations(db)) == 0)
        failed = copy_file(db, db->name, name);
    if (failed)
        file_note(db, GRID_NOTE_WARNING, "cannot keep '%s/%s': %s", db->dir, name,
                  strerror(failed));
}

/* What was salvaged goes over the damaged bytes, which get a second name first. */
static int replace_salvaged(struct file_db *db, const struct state_commit *commit,
                            struct grid_error *err)
{
    char aside[FILE_NAME_SIZE] = "";
    int rc = db->exists ? recover_set_aside(db, db->name, aside, err) : 0;
    rc = rc ?: file_replace(db, &db->state, commit, 0, err);
    if (rc < 0 && rc != GRID_EUNKNOWN && aside[0])
        unlinkat(db->dirfd, aside, 0); /* nothing was replaced */
    else if (rc == 0 && aside[0])
        file_note(db, GRID_NOTE_WARNING, "the damaged bytes are kept in '%s/%s'", db->dir, aside);
    return rc;
}

int file_commit(void *opaque, const struct grid_changes *changes, struct grid_error *err)
{
    struct file_db *db = opaque;
    int rc = 0;
    struct state_commit commit = {.changes = changes,
                                  .revision = grid_changes_revision(changes),
                                  .now_us = grid_changes_now(changes),
                                  .history_bytes = db->state.history_bytes,
                                  .segments = db->state.segments};
    if (pending_size(&db->state) > FILE_PENDING_MOST)
        rc = history_move(db, &commit, err);
    if (rc < 0)
        return rc;
    state_apply(&db->state, changes);
    bool keep = db->exists && !db->salvaged && grid_changes_events(changes) > 0;
    rc = db->salvaged ? replace_salvaged(db, &commit, err)
                      : file_replace(db, &db->state, &commit, keep ? db->revision : 0, err);
    if (rc < 0)
        return rc;
    file_note(db, GRID_NOTE_VERBOSE, "wrote '%s/%s': revision %lld, %zu changes", db->dir,
              db->name, (long long)commit.revision, grid_changes_count(changes));
    if (commit.segments > db->state.segments) /* it was closed, and readers may have it open */
        unlinkat(db->dirfd, db->history, 0);
    history_hint(db, &commit);
    file_note_commit(db, &db->state, &commit);
    keep_restored(db, changes);
    if (keep)
        drop_generations(db, (size_t)db->options->keep_generations);
    return 0;
}
