/* The lock file beside the state: one writer at a time, and a note of who it is. */
#include "store/file.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define NOTE_SIZE 512

void file_lock_name(const struct file_db *db, char ret[static FILE_NAME_SIZE])
{
    snprintf(ret, FILE_NAME_SIZE, "%s.lock", db->name);
}

/* Reads the note in a lock file: the revision; 0 without one. `ret_holder` may be NULL. */
static int64_t read_note(int fd, char *ret_holder, size_t size)
{
    char text[NOTE_SIZE];
    ssize_t length = pread(fd, text, sizeof(text), 0);
    cJSON *note = length > 0 ? cJSON_ParseWithLength(text, (size_t)length) : NULL;
    const cJSON *revision = cJSON_GetObjectItemCaseSensitive(note, "revision");
    const cJSON *holder = cJSON_GetObjectItemCaseSensitive(note, "holder");
    int64_t number = revision && revision->type == cJSON_Number && revision->valuedouble > 0 &&
                             revision->valuedouble < (double)STATE_REVISION_MAX
                         ? (int64_t)revision->valuedouble : 0;
    if (ret_holder)
        text_copy(ret_holder, size,
                  holder && holder->type == cJSON_String ? holder->valuestring : "");
    cJSON_Delete(note);
    return number;
}

/* Who holds it, and the revision: written over itself, padded so that it never shrinks. */
void file_note_lock(const struct file_db *db, int64_t revision)
{
    char at[GRID_TIME_SIZE], text[NOTE_SIZE + 1];
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct json json = json_begin(&out, -1);
    char holder[2 * GRID_USER_SIZE + 32];
    snprintf(holder, sizeof(holder), "process %d of %s", (int)getpid(), db->options->actor);
    json_open(&json, '{');
    json_key(&json, "revision");
    json_int(&json, revision);
    json_key(&json, "nodes");
    json_int(&json, (int64_t)state_count_nodes(&db->state, NULL, NULL));
    json_key(&json, "holder");
    json_string(&json, holder);
    json_key(&json, "since");
    json_string(&json, grid_time_format(clock_now_us(), at));
    json_close(&json, '}');
    if (buffer_string(&out) == NULL || out.length >= NOTE_SIZE)
        return;
    snprintf(text, sizeof(text), "%-*s\n", NOTE_SIZE - 1, buffer_string(&out));
    (void)file_pwrite_all(db->lock_fd, text, NOTE_SIZE, 0); /* only a note */
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
        db->noted = read_note(fd, NULL, 0);
        db->lock_fd = steal_fd(fd);
        file_note(db, GRID_NOTE_VERBOSE, "locked '%s/%s'", db->dir, name);
        return 0;
    }
}

void file_peek_note(struct file_db *db)
{
    char name[FILE_NAME_SIZE];
    grid_auto_close int fd = -1;
    file_lock_name(db, name);
    if (file_open(db->dirfd, name, O_RDONLY, 0, &fd, NULL, NULL) == 0)
        db->noted = read_note(fd, NULL, 0);
}
