/* The file driver: finding, locking and reading the ledger; commit.c writes it. */
#include "store/file.h"

#include "model/node_record.h"
#include "store/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_SLACK_US (5 * GRID_MINUTE)
#define NOTES_MOST 10

void file_note(const struct file_db *db, enum grid_note_level level, const char *format, ...)
{
    char text[1024];
    if (!db->options->note || db->mode == GRID_PEEK || db->mode == GRID_TIDY)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    db->options->note(db->options->note_context, level, text);
}

mode_t file_mode(const struct file_db *db) { return db->shared ? 0660 : 0600; }

void file_give(const struct file_db *db, int fd) { file_settle_in(fd, db->dirfd, db->shared); }

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
    db->dirfd = db->lock_fd = db->watch_fd = -1;
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

static void driver_close(void *opaque)
{
    struct file_db *db = opaque;
    file_end(db);
    file_close_pointer(&db->watch_fd);
    free(db);
}

/* Step 1, first part: where the state file proper is. */
int file_locate(struct file_db *db, struct grid_error *err)
{
    char path[PATH_MAX], real[PATH_MAX], copy[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", db->data_dir, STATE_FILE);
    int rc = file_resolve(path, real, err);
    if (rc < 0)
        return rc;
    db->linked = strcmp(path, real) != 0;
    text_copy(copy, sizeof(copy), real);
    text_copy(db->dir, sizeof(db->dir), dirname(copy));
    if (!text_copy(db->name, sizeof(db->name), strrchr(real, '/') + 1))
        return grid_error_errno(err, GRID_EIO, ENAMETOOLONG, "cannot use '%s'", real);
    bool usual = strcmp(db->name, STATE_FILE) == 0;
    snprintf(db->history, sizeof(db->history), "%s%shistory.jsonl", usual ? "" : db->name,
             usual ? "" : ".");
    return 0;
}

/* 1: the directory does not exist. */
static int open_directory(struct file_db *db, struct grid_error *err)
{
    db->dirfd = openat(AT_FDCWD, db->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (db->dirfd < 0 && errno == ENOENT)
        return 1;
    if (db->dirfd < 0 || fstat(db->dirfd, &db->stat) != 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot open '%s'", db->dir);
    db->shared = file_is_shared(&db->stat);
    return 0;
}

int file_find(struct file_db *db, bool make, struct grid_error *err)
{
    db->noted = db->told = db->noted_nodes = db->revision = 0;
    db->exists = db->adopted = db->salvaged = false;
    int rc = file_locate(db, err);
    /* Behind a link the directory must be there: it may be of a disk that is not mounted. */
    if (rc == 0 && make && !db->linked)
        rc = file_make_directory(db->dir, 0700, err);
    if (rc == 0)
        rc = open_directory(db, err);
    if (rc > 0 && db->linked)
        return grid_error_set(err, GRID_EIO, "cannot open '%s': the ledger is a link into it",
                              db->dir);
    return rc;
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
    const char *what;
    size_t count;
};

static void note_record(void *context, size_t index, const char *reason)
{
    struct noted *noted = context;
    if (noted->count++ < NOTES_MOST)
        file_note(noted->db, GRID_NOTE_WARNING, "%s %zu of '%s': %s", noted->what, index,
                  noted->db->name, reason);
}

int file_load(const struct file_db *db, const char *name, struct state *state,
              struct stat *ret_stat, state_note_fn note, struct grid_error *err)
{
    char *text;
    size_t length;
    struct noted noted = {db, "record", 0};
    int rc = file_read(db->dirfd, name, &text, &length, ret_stat, err);
    if (rc != 0)
        return rc;
    rc = state_read(state, text, length, note, &noted, err);
    if (rc == 0 && note) {
        noted.what = "node";
        state_check_list(state, GRID_NODE, note, &noted);
        noted.what = "ticket";
        state_check_list(state, GRID_TICKET, note, &noted);
    }
    if (noted.count > NOTES_MOST)
        file_note(db, GRID_NOTE_WARNING, "%zu more records of '%s' are not as they should be",
                  noted.count - NOTES_MOST, name);
    if (rc == 0)
        file_note(db, GRID_NOTE_VERBOSE, "read '%s/%s': %zu bytes, %zu records, revision %lld",
                  db->dir, name, length, state->count, (long long)state->revision);
    return rc;
}

int file_highest_elsewhere(const struct file_db *db, int64_t *ret, struct grid_error *err)
{
    grid_auto_free int64_t *generations = NULL;
    size_t count = 0;
    int64_t last = 0;
    int rc = recover_generations(db, &generations, &count, err);
    rc = rc ?: history_last_revision(db, &last, err);
    *ret = file_later(db->noted, file_later(count ? generations[count - 1] : 0, last));
    return rc;
}

/* Reads the state file as it is. A missing one is damage when a revision of it is known. */
int file_load_state(struct file_db *db, bool tell, struct grid_error *err)
{
    state_release(&db->state);
    int rc = file_load(db, db->name, &db->state, &db->stat, tell ? note_record : NULL, err);
    db->exists = rc <= 0;
    if (rc < 0 && rc != GRID_ECORRUPT)
        grid_error_wrap(err, "the ledger in '%s'", db->dir);
    /* A managed ledger is not taken for an open one, in which capacity is not checked. */
    if (rc == 0 && db->lock_fd >= 0 && db->noted_nodes > 0 && db->state.has_revision
        && db->state.revision == db->noted && db->state.nodes.count == 0)
        return grid_error_set(err, GRID_ECORRUPT, "its nodes are missing, though %lld are known",
                              (long long)db->noted_nodes);
    if (rc <= 0)
        return rc;
    rc = db->lock_fd < 0 ? file_peek_note(db, err) : 0;
    rc = rc ?: file_highest_elsewhere(db, &db->revision, err);
    if (rc == 0 && db->revision > 0)
        return grid_error_set(err, GRID_ECORRUPT, "it is missing, though revision %lld is known",
                              (long long)db->revision);
    return rc;
}

/* The usual case is that state and lock note agree, and costs nothing. */
int file_find_revision(struct file_db *db, struct grid_error *err)
{
    const struct state *state = &db->state;
    db->revision = state->revision;
    if (!db->exists || (state->has_revision && (state->revision == db->noted || db->lock_fd < 0)))
        return 0;
    int64_t known = 0;
    int rc = db->lock_fd < 0 ? file_peek_note(db, err) : 0;
    rc = rc ?: file_highest_elsewhere(db, &known, err);
    if (rc < 0)
        return rc;
    if (state->has_revision && state->revision < known) {
        rc = file_load_state(db, false, err); /* a network file system serves stale names */
        if (rc == GRID_ECORRUPT)
            return recover_state(db, "it changed while it was read", err);
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
    int64_t clock_us = clock_now_us(), last_us = db->state.timestamp_us;
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
    if (db->lock_fd < 0 && db->mode != GRID_PEEK)
        (void)file_lock_ledger(db, db->options->lock_timeout_us, &(struct grid_error){0});
    int rc = file_load_state(db, true, err);
    if (rc != GRID_ECORRUPT)
        return rc;
    char why[sizeof(err->message)];
    text_copy(why, sizeof(why), err->message);
    rc = recover_state(db, why, err);
    return rc == GRID_ECORRUPT && db->mode == GRID_SALVAGE ? recover_rest(db, why, err) : rc;
}

static int begin_locked(struct file_db *db, enum grid_mode mode, struct grid_error *err)
{
    int rc = 0;
    if (mode >= GRID_TIDY)
        rc = file_lock_ledger(db, mode >= GRID_WRITE ? db->options->lock_timeout_us : 0, err);
    if (rc == 0 && mode >= GRID_TIDY) {
        file_note_lock(db);
        file_drop_copy(db);
        rc = file_each(db->dirfd, ".", remove_leftover, db, err);
    }
    if (rc == 0)
        rc = file_load_state(db, true, err);
    if (rc == GRID_ECORRUPT)
        rc = second_look(db, err);
    if (rc == 0 && !db->salvaged)
        rc = file_find_revision(db, err);
    if (rc == 0)
        rc = history_settle(db, err);
    return rc;
}

static int driver_begin(void *opaque, enum grid_mode mode, struct grid_head *ret,
                        struct grid_error *err)
{
    struct file_db *db = opaque;
    db->mode = mode;
    int rc = file_find(db, mode >= GRID_TIDY, err);
    if (rc == 0)
        rc = begin_locked(db, mode, err);
    if (rc < 0) {
        file_end(db);
        return rc;
    }
    if (mode < GRID_TIDY) { /* a second look may have taken it */
        file_close_pointer(&db->lock_fd);
        db->lock_fd = -1;
    }
    find_time(db);
    *ret = (struct grid_head){.now_us = db->now_us, .revision = db->revision,
                              .nodes = state_count(&db->state, GRID_NODE, NULL),
                              .tickets = state_count(&db->state, GRID_TICKET, NULL)};
    db->seen = db->exists ? file_look(&db->stat) : (struct file_look){0};
    rc = policy_record_read(db->state.policy, &ret->policy, err);
    if (rc < 0) {
        grid_error_wrap(err, "the policy in '%s/%s'", db->dir, db->name);
        grid_error_hint(err, "see 'grid store check' and 'grid store repair'");
        file_end(db);
    }
    return rc;
}

static int driver_boosts(void *db, const struct grid_boost_filter *filter, grid_boost_fn fn,
                         void *context, struct grid_error *err)
{
    return state_boosts(&((struct file_db *)db)->state, filter, fn, context, err);
}

static int driver_load(void *opaque, grid_load_fn fn, void *context, struct grid_error *err)
{
    const struct file_db *db = opaque;
    return state_load(&db->state, db->now_us, fn, context, err);
}

static int driver_nodes(void *db, grid_node_fn fn, void *context, struct grid_error *err)
{
    return state_nodes(&((struct file_db *)db)->state, fn, context, err);
}

static int driver_node(void *db, const char *name, struct grid_node *ret, struct grid_error *err)
{
    return state_node(&((struct file_db *)db)->state, name, ret, err);
}

static int driver_tickets(void *db, grid_ticket_fn fn, void *context, struct grid_error *err)
{
    return state_tickets(&((struct file_db *)db)->state, fn, context, err);
}

const struct grid_store_driver store_file_driver = {
    .scheme = "file",
    .open = driver_open,
    .close = driver_close,
    .begin = driver_begin,
    .boosts = driver_boosts,
    .events = history_events,
    .load = driver_load,
    .nodes = driver_nodes,
    .node = driver_node,
    .tickets = driver_tickets,
    .records = file_records,
    .commit = file_commit,
    .end = file_end,
    .watch = file_watch,
    .init = file_init,
    .check = file_check,
    .sweep = file_sweep,
};
