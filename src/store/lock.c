/* The lock file beside the state: one writer at a time, and a note of who it is. */
#include "store/file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define NOTE_SIZE 512

void file_lock_name(const struct file_db *db, char ret[static FILE_NAME_SIZE])
{
    snprintf(ret, FILE_NAME_SIZE, "%s.lock", db->name);
}

static int64_t read_number(const cJSON *note, const char *key)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(note, key);
    return number && number->type == cJSON_Number && number->valuedouble > 0
                   && number->valuedouble < (double)GRID_REVISION_MAX
               ? (int64_t)number->valuedouble : 0;
}

/* Reads the note in a lock file; what is not there is 0, or "". */
struct note {
    int64_t revision, told, nodes;
    char holder[256];
};
static int read_note(int fd, struct note *ret, struct grid_error *err)
{
    char text[NOTE_SIZE];
    struct note note;
    ssize_t length;
    do {
        length = pread(fd, text, sizeof(text), 0);
    } while (length < 0 && errno == EINTR);
    if (length < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot read the lock file");
    cJSON *json = length > 0 ? cJSON_ParseWithLength(text, (size_t)length) : NULL;
    const cJSON *holder = cJSON_GetObjectItemCaseSensitive(json, "holder");
    note.revision = read_number(json, "revision");
    note.told = read_number(json, "event");
    note.nodes = read_number(json, "nodes");
    text_copy(note.holder, sizeof(note.holder),
              holder && holder->type == cJSON_String ? holder->valuestring : "");
    cJSON_Delete(json);
    *ret = note;
    return 0;
}

static int take_note(struct file_db *db, int fd, struct grid_error *err)
{
    struct note note;
    int rc = read_note(fd, &note, err);
    if (rc < 0)
        return grid_error_wrap(err, "the ledger in '%s'", db->dir);
    db->noted = note.revision;
    db->told = note.told;
    db->noted_nodes = note.nodes;
    return 0;
}

/* Who holds it, and the revision: written over itself, padded so that it never shrinks. */
void file_note_lock(const struct file_db *db)
{
    char at[GRID_TIME_SIZE], text[NOTE_SIZE + 1];
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct json json = json_begin(&out, -1);
    char holder[2 * GRID_USER_SIZE + 32];
    snprintf(holder, sizeof(holder), "process %d of %s", (int)getpid(), db->options->actor);
    json_open(&json, '{');
    json_put_int(&json, "revision", db->noted);
    json_put_int(&json, "event", db->told);
    json_put_int(&json, "nodes", db->noted_nodes);
    json_put_text(&json, "holder", holder);
    json_put_text(&json, "since", grid_time_format(clock_now_us(), at));
    json_close(&json, '}');
    if (buffer_string(&out) == NULL || out.length >= NOTE_SIZE)
        return;
    snprintf(text, sizeof(text), "%-*s\n", NOTE_SIZE - 1, buffer_string(&out));
    (void)file_pwrite_all(db->lock_fd, text, NOTE_SIZE, 0); /* only a note */
}

void file_note_commit(struct file_db *db, const struct state *state,
                      const struct state_commit *commit)
{
    db->noted = commit->revision;
    if (!commit->changes || grid_changes_events(commit->changes) > 0)
        db->told = commit->revision;
    db->noted_nodes = (int64_t)state_count(state, GRID_NODE, commit->changes);
    file_note_lock(db);
}

static int lock_failed(const struct file_db *db, int fd, const char *name, struct grid_error *err)
{
    char shown[256];
    struct note note;
    if (err->code == GRID_ETIMEOUT && read_note(fd, &note, NULL) == 0 && note.holder[0]) {
        grid_error_set(err, GRID_ETIMEOUT, "cannot lock '%s/%s': %s held it longer than %.3g s",
                       db->dir, name, text_printable(note.holder, shown, sizeof(shown)),
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
    file_lock_name(db, name);
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
        rc = take_note(db, fd, err);
        if (rc < 0)
            return rc;
        db->lock_fd = steal_fd(fd);
        file_note(db, GRID_NOTE_VERBOSE, "locked '%s/%s'", db->dir, name);
        return 0;
    }
}

int file_peek_note(struct file_db *db, struct grid_error *err)
{
    char name[FILE_NAME_SIZE];
    grid_auto_close int fd = -1;
    file_lock_name(db, name);
    int rc = file_open(db->dirfd, name, O_RDONLY, 0, &fd, NULL, err);
    return rc == 0 ? take_note(db, fd, err) : rc < 0 ? rc : 0;
}
