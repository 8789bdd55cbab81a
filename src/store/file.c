/* The file driver: finding, locking and reading the ledger; commit.c writes it. */
#include "store/file.h"

#include "store/driver.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_SLACK_US (5 * GRID_MINUTE)
#define NOTES_MOST 10
#define LOCK_NOTE_SIZE 512

void file_note(const struct file_db *db, enum grid_note_level level, const char *format, ...)
{
    char text[1024];
    if (!db->options->note)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    db->options->note(db->options->note_context, level, text);
}

mode_t file_mode(const struct file_db *db) { return db->shared ? 0660 : 0600; }

void file_give(const struct file_db *db, int fd)
{
    struct stat st;
    if (db->shared)
        (void)!fchmod(fd, 0660); /* whatever the umask */
    if (geteuid() == 0 && fstat(db->dirfd, &st) == 0 && st.st_uid != 0)
        (void)!fchown(fd, st.st_uid, st.st_gid);
}

static int driver_open(const char *location, const struct grid_store_options *options,
                       void **ret_db, struct grid_error *err)
{
    if (location[0] != '/')
        return grid_error_set(err, GRID_EUSAGE, "data directory '%s' is not an absolute path",
                              location);
    struct file_db *db = calloc(1, sizeof(*db));
    if (!db)
        return grid_error_set(err, GRID_ENOMEM, "cannot open the store: no memory");
    db->options = options;
    db->dirfd = db->lock_fd = -1;
    if (!text_copy(db->data_dir, sizeof(db->data_dir), location)) {
        free(db);
        return grid_error_errno(err, GRID_EIO, ENAMETOOLONG, "cannot use '%s'", location);
    }
    *ret_db = db;
    return 0;
}

void file_end(void *opaque)
{
    struct file_db *db = opaque;
    state_release(&db->state);
    file_close_pointer(&db->lock_fd);
    file_close_pointer(&db->dirfd);
    db->lock_fd = db->dirfd = -1;
}

static void driver_close(void *db)
{
    file_end(db);
    free(db);
}

/* Step 1, first part: where the state file proper is. */
static int locate(struct file_db *db, struct grid_error *err)
{
    char path[PATH_MAX], real[PATH_MAX], copy[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", db->data_dir, STATE_FILE);
    int rc = file_resolve(path, real, err);
    if (rc < 0)
        return rc;
    text_copy(copy, sizeof(copy), real);
    text_copy(db->dir, sizeof(db->dir), dirname(copy));
    text_copy(copy, sizeof(copy), real);
    if (!text_copy(db->name, sizeof(db->name), basename(copy)))
        return grid_error_errno(err, GRID_EIO, ENAMETOOLONG, "cannot use '%s'", real);
    bool usual = strcmp(db->name, STATE_FILE) == 0;
    snprintf(db->history, sizeof(db->history), "%s%shistory.jsonl", usual ? "" : db->name,
             usual ? "" : ".");
    return 0;
}

/* 1: the directory does not exist. */
static int open_directory(struct file_db *db, struct grid_error *err)
{
    db->dirfd = open(db->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (db->dirfd < 0 && errno == ENOENT)
        return 1;
    if (db->dirfd < 0 || fstat(db->dirfd, &db->stat) != 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot open '%s'", db->dir);
    db->shared = (db->stat.st_mode & (S_ISGID | S_IWGRP)) == (S_ISGID | S_IWGRP);
    return 0;
}

int file_find(struct file_db *db, bool make, struct grid_error *err)
{
    db->noted = db->revision = 0;
    db->exists = false;
    int rc = locate(db, err);
    if (rc == 0 && make)
        rc = file_make_directory(db->dir, 0700, err);
    return rc == 0 ? open_directory(db, err) : rc;
}

static void lock_name(const struct file_db *db, char ret[static FILE_NAME_SIZE])
{
    snprintf(ret, FILE_NAME_SIZE, "%.*s.lock", FILE_NAME_SIZE - 6, db->name);
}

/* Reads the note in a lock file: the revision; 0 without one. `ret_holder` may be NULL. */
static int64_t read_note(int fd, char *ret_holder, size_t size)
{
    char text[LOCK_NOTE_SIZE];
    ssize_t length = pread(fd, text, sizeof(text), 0);
    cJSON *note = length > 0 ? cJSON_ParseWithLength(text, (size_t)length) : NULL;
    const cJSON *revision = cJSON_GetObjectItemCaseSensitive(note, "revision");
    const cJSON *holder = cJSON_GetObjectItemCaseSensitive(note, "holder");
    int64_t number = cJSON_IsNumber(revision) && revision->valuedouble > 0 &&
                             revision->valuedouble < 0x1p53
                         ? (int64_t)revision->valuedouble : 0;
    if (ret_holder)
        text_copy(ret_holder, size, cJSON_IsString(holder) ? holder->valuestring : "");
    cJSON_Delete(note);
    return number;
}

/* Who holds it, and the revision: written over itself, padded so that it never shrinks. */
void file_note_lock(const struct file_db *db, int64_t revision)
{
    char at[GRID_TIME_SIZE], text[LOCK_NOTE_SIZE + 1];
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct json json = json_begin(&out, -1);
    char holder[2 * GRID_USER_SIZE + 32];
    snprintf(holder, sizeof(holder), "process %d of %s", (int)getpid(), db->options->actor);
    json_open(&json, '{');
    json_key(&json, "revision");
    json_int(&json, revision);
    json_key(&json, "nodes");
    json_int(&json, 0);
    json_key(&json, "holder");
    json_string(&json, holder);
    json_key(&json, "since");
    json_string(&json, grid_time_format(file_clock_us(), at));
    json_close(&json, '}');
    if (buffer_string(&out) == NULL || out.length >= LOCK_NOTE_SIZE)
        return;
    snprintf(text, sizeof(text), "%-*s\n", LOCK_NOTE_SIZE - 1, buffer_string(&out));
    (void)file_pwrite_all(db->lock_fd, text, LOCK_NOTE_SIZE, 0); /* only a note */
}

static int lock_failed(const struct file_db *db, int fd, const char *name, struct grid_error *err)
{
    char holder[256], shown[256];
    read_note(fd, holder, sizeof(holder));
    if (err->code == GRID_ETIMEOUT && holder[0]) {
        grid_error_set(err, GRID_ETIMEOUT, "cannot lock '%s/%s': %s held it longer than %.3g s",
                       db->dir, name, text_printable(holder, shown, sizeof(shown)),
                       (double)db->options->lock_timeout_us / 1e6);
        return grid_error_hint(err, "try again, or wait longer with --lock-timeout");
    }
    return grid_error_wrap(err, "cannot lock '%s/%s'", db->dir, name);
}

/* Step 1, second part. The lock file may have been deleted, and made anew by someone else, while
 * we waited: then we hold a lock that nobody else sees, and begin again. */
int file_lock_ledger(struct file_db *db, int64_t timeout_us, struct grid_error *err)
{
    char name[FILE_NAME_SIZE];
    lock_name(db, name);
    for (;;) {
        grid_auto_close int fd = -1;
        struct stat mine, there;
        int rc = file_open(db->dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW, file_mode(db), &fd,
                           &mine, err);
        if (rc != 0)
            return rc > 0 ? grid_error_set(err, GRID_EIO, "cannot open '%s'", name) : rc;
        if (mine.st_size == 0)
            file_give(db, fd);
        rc = file_lock(fd, timeout_us, err);
        if (rc < 0)
            return lock_failed(db, fd, name, err);
        if (fstatat(db->dirfd, name, &there, AT_SYMLINK_NOFOLLOW) != 0 ||
            there.st_ino != mine.st_ino || there.st_dev != mine.st_dev)
            continue;
        db->noted = read_note(fd, NULL, 0);
        db->lock_fd = steal_fd(fd);
        file_note(db, GRID_NOTE_VERBOSE, "locked '%s/%s'", db->dir, name);
        return 0;
    }
}

/* A temporary file that a crash left behind; we hold the lock, so nobody is writing it. */
static int remove_leftover(void *context, const char *name, struct grid_error *err)
{
    (void)err;
    const struct file_db *db = context;
    size_t length = strlen(db->name);
    if (name[0] == '.' && strncmp(name + 1, db->name, length) == 0 &&
        strncmp(name + 1 + length, ".tmp", 4) == 0)
        unlinkat(db->dirfd, name, 0);
    return 0;
}

struct noted {
    const struct file_db *db;
    size_t count;
};

static void note_record(void *context, size_t index, const char *reason)
{
    struct noted *noted = context;
    if (noted->count++ < NOTES_MOST)
        file_note(noted->db, GRID_NOTE_WARNING, "record %zu of '%s': %s", index, noted->db->name,
                  reason);
}

int file_load(const struct file_db *db, const char *name, struct state *state,
              struct stat *ret_stat, state_note_fn note, struct grid_error *err)
{
    char *text;
    size_t length;
    struct noted noted = {db, 0};
    int rc = file_read(db->dirfd, name, &text, &length, ret_stat, err);
    if (rc != 0)
        return rc;
    rc = state_read(state, text, length, note, &noted, err);
    if (noted.count > NOTES_MOST)
        file_note(db, GRID_NOTE_WARNING, "%zu more records of '%s' are not as they should be",
                  noted.count - NOTES_MOST, name);
    if (rc == 0)
        file_note(db, GRID_NOTE_VERBOSE, "read '%s/%s': %zu bytes, %zu records, revision %lld",
                  db->dir, name, length, state->count, (long long)state->revision);
    return rc;
}

/* The number of the newest generation; 0: none. */
static int64_t newest_generation(const struct file_db *db)
{
    grid_auto_free int64_t *numbers = NULL;
    size_t count = 0;
    if (recover_generations(db, &numbers, &count, NULL) < 0 || count == 0)
        return 0;
    return numbers[count - 1];
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* What is known of revisions apart from the state file itself. */
static int64_t highest_elsewhere(const struct file_db *db)
{
    return larger(db->noted, larger(newest_generation(db), history_last_revision(db)));
}

/* The lock file's note, read without the lock. */
void file_peek_note(struct file_db *db)
{
    char name[FILE_NAME_SIZE];
    grid_auto_close int fd = -1;
    lock_name(db, name);
    if (file_open(db->dirfd, name, O_RDONLY, 0, &fd, NULL, NULL) == 0)
        db->noted = read_note(fd, NULL, 0);
}

/* Reads the state file as it is. A missing one is damage when a revision of it is known. */
int file_load_state(struct file_db *db, bool tell, struct grid_error *err)
{
    state_release(&db->state);
    int rc = file_load(db, db->name, &db->state, &db->stat, tell ? note_record : NULL, err);
    db->exists = rc <= 0;
    if (rc < 0 && rc != GRID_ECORRUPT)
        grid_error_wrap(err, "the ledger in '%s'", db->dir);
    if (rc <= 0)
        return rc;
    if (db->lock_fd < 0)
        file_peek_note(db);
    db->revision = highest_elsewhere(db);
    if (db->revision > 0)
        return grid_error_set(err, GRID_ECORRUPT, "it is missing, though revision %lld is known",
                              (long long)db->revision);
    return 0;
}

/* Step 2. The usual case is that state and lock note agree, and costs nothing. */
static int find_revision(struct file_db *db, struct grid_error *err)
{
    const struct state *state = &db->state;
    db->revision = state->revision;
    if (!db->exists || (state->has_revision && (state->revision == db->noted || db->lock_fd < 0)))
        return 0;
    int64_t known = highest_elsewhere(db);
    if (state->has_revision && state->revision < known) {
        int rc = file_load_state(db, false, err); /* a network file system serves stale names */
        if (rc < 0)
            return rc;
        if (state->has_revision && state->revision < known)
            file_note(db, GRID_NOTE_WARNING,
                      "an older '%s' was put back: revision %lld, though %lld is known; going on "
                      "from there", db->name, (long long)state->revision, (long long)known);
    }
    /* What somebody else wrote or put back is a state of its own, newer than all that are known. */
    bool ours = state->has_revision && state->revision >= known;
    db->revision = ours ? state->revision : known + 1;
    if (ours)
        return 0;
    return state->has_revision ? recover_events(db, err) : recover_adopt(db, err);
}

/* Step 3. */
static void find_time(struct file_db *db)
{
    int64_t clock_us = file_clock_us(), last_us = db->state.timestamp_us;
    db->now_us = clock_us;
    if (clock_us >= last_us)
        return;
    if (last_us - clock_us <= CLOCK_SLACK_US)
        db->now_us = last_us;
    else
        file_note(db, GRID_NOTE_WARNING, "the clock is behind the ledger's last change by %lld s",
                  (long long)((last_us - clock_us) / GRID_SECOND));
}

/* Damage counts only when it is still there under the lock: a reader that has none takes it now,
 * if it may. */
static int second_look(struct file_db *db, struct grid_error *err)
{
    if (db->lock_fd < 0 && !db->options->peek)
        (void)file_lock_ledger(db, db->options->lock_timeout_us, &(struct grid_error){0});
    int rc = file_load_state(db, true, err);
    if (rc != GRID_ECORRUPT)
        return rc;
    char why[sizeof(err->message)];
    text_copy(why, sizeof(why), err->message);
    return recover_state(db, why, err);
}

static int begin_locked(struct file_db *db, enum grid_mode mode, struct grid_error *err)
{
    int rc = 0;
    if (mode != GRID_READ)
        rc = file_lock_ledger(db, mode == GRID_WRITE ? db->options->lock_timeout_us : 0, err);
    if (rc == 0 && mode != GRID_READ) {
        file_note_lock(db, db->noted);
        rc = file_each(db->dirfd, ".", remove_leftover, db, err);
    }
    if (rc == 0)
        rc = file_load_state(db, true, err);
    if (rc == GRID_ECORRUPT)
        rc = second_look(db, err);
    if (rc == 0)
        rc = find_revision(db, err);
    return rc;
}

static int driver_begin(void *opaque, enum grid_mode mode, struct grid_head *ret,
                        struct grid_error *err)
{
    struct file_db *db = opaque;
    int rc = file_find(db, mode != GRID_READ, err);
    if (rc == 0)
        rc = begin_locked(db, mode, err);
    if (rc < 0) {
        file_end(db);
        return rc;
    }
    if (mode == GRID_READ) { /* a second look may have taken it */
        file_close_pointer(&db->lock_fd);
        db->lock_fd = -1;
    }
    find_time(db);
    *ret = (struct grid_head){.now_us = db->now_us, .revision = db->revision};
    return 0;
}

static int driver_boosts(void *db, const struct grid_boost_filter *filter, grid_boost_fn fn,
                         void *context, struct grid_error *err)
{
    return state_boosts(&((struct file_db *)db)->state, filter, fn, context, err);
}

const struct grid_store_driver store_file_driver = {
    .scheme = "file",
    .open = driver_open,
    .close = driver_close,
    .begin = driver_begin,
    .boosts = driver_boosts,
    .events = history_events,
    .commit = file_commit,
    .end = file_end,
    .check = file_check,
};
