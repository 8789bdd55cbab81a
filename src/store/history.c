/* The history of the file driver: events in history.jsonl, then those pending in the state. */
#include "store/file.h"

#include "model/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define BLOCK 65536

/* Opens history.jsonl: 0; 1: there is none; EIO. */
static int open_history(const struct file_db *db, int flags, int *ret_fd, struct stat *ret_stat,
                        struct grid_error *err)
{
    if (db->dirfd < 0)
        return 1;
    return file_open(db->dirfd, db->history, flags | O_NOFOLLOW, file_mode(db), ret_fd, ret_stat,
                     err);
}

/* --- reading, newest first ------------------------------------------------------------------ */

struct lookup {
    const char *needle; /* text that a line must contain to match; NULL: no such condition */
    grid_event_fn fn;
    void *context;
};

/* An id as it stands in a line, when it needs no escapes: lines without it need no parsing. */
static const char *needle_of(const struct grid_event_filter *filter)
{
    const char *id = filter->boost_id    ? filter->boost_id
                     : filter->id_prefix ? filter->id_prefix
                                         : filter->request_id;
    for (const char *at = id; at && *at; at++)
        if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
            return NULL;
    return id;
}

/* Lines that are no event (a torn hint, a hole) are passed over: `store check` reports them. */
static int pass_line(const struct lookup *lookup, struct span line, struct grid_error *err)
{
    if (lookup->needle &&
        !memmem(line.at, line.length, lookup->needle, strlen(lookup->needle)))
        return 0;
    struct grid_event event;
    if (line.length == 0 || record_event_read(line, &event, NULL) < 0)
        return 0;
    return lookup->fn(lookup->context, &event, err);
}

/* Hands over the lines of text[0, length), the last first. What stands before the first line end
 * may be half a line: *ret_rest bytes of it are left over, unless `whole`. */
static int pass_block(const struct lookup *lookup, const char *text, size_t length, bool whole,
                      size_t *ret_rest, struct grid_error *err)
{
    size_t end = length;
    while (end > 0) {
        const char *before = memrchr(text, '\n', end - 1);
        if (!before && !whole)
            break;
        size_t begin = before ? (size_t)(before - text) + 1 : 0;
        size_t stop = text[end - 1] == '\n' ? end - 1 : end;
        int rc = pass_line(lookup, (struct span){text + begin, stop - begin}, err);
        if (rc != 0)
            return rc;
        end = begin;
    }
    *ret_rest = end;
    return 0;
}

/* All of them, or fewer where the file ends; -1: errno. */
static ssize_t read_at(int fd, char *to, size_t length, off_t offset)
{
    size_t got = 0;
    while (got < length) {
        ssize_t n = pread(fd, to + got, length - got, offset + (off_t)got);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0)
            break;
        got += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)got;
}

/* Reads the first `end` bytes of the file backward, block by block. */
static int pass_backward(const struct lookup *lookup, int fd, int64_t end, struct grid_error *err)
{
    grid_auto_free char *text = NULL;
    size_t rest = 0; /* bytes of half a line, kept at the head of `text` */
    while (end > 0) {
        size_t step = end < BLOCK ? (size_t)end : BLOCK;
        char *larger = realloc(text, step + rest);
        if (!larger)
            return grid_error_set(err, GRID_ENOMEM, "no memory to read the history");
        text = larger;
        memmove(text + step, text, rest);
        end -= (int64_t)step;
        ssize_t n = read_at(fd, text, step, end);
        if (n != (ssize_t)step)
            return grid_error_errno(err, GRID_EIO, n < 0 ? errno : EIO,
                                    "cannot read the history");
        int rc = pass_block(lookup, text, step + rest, end == 0, &rest, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int pass_closed(void *context, struct span text, struct grid_error *err)
{
    size_t rest;
    return pass_block(context, text.at, text.length, true, &rest, err);
}

/* The segment into which what counts of history.jsonl was closed since the state was read, or by
 * somebody who was killed before that counted. False: there is none that has it. */
static bool read_closed(const struct file_db *db, struct buffer *out)
{
    int64_t next = db->state.segments + 1;
    return segments_have(db, next) && segment_text(db, next, out, NULL) == 0
           && (int64_t)out->length >= db->state.history_bytes;
}

/* What counts of history.jsonl. The file is opened before the segment is looked for: see
 * segments.c. */
static int pass_open(const struct file_db *db, struct lookup *lookup, struct grid_error *err)
{
    grid_auto_buffer struct buffer closed = BUFFER_INIT;
    grid_auto_close int fd = -1;
    if (db->state.history_bytes == 0)
        return 0;
    int rc = open_history(db, O_RDONLY, &fd, NULL, err);
    if (rc >= 0 && read_closed(db, &closed))
        return pass_closed(lookup, (struct span){closed.data, (size_t)db->state.history_bytes},
                           err);
    if (rc != 0)
        return rc < 0 ? rc : 0; /* `store check` reports that it is gone */
    return pass_backward(lookup, fd, db->state.history_bytes, err);
}

int history_events(void *opaque, const struct grid_event_filter *filter, grid_event_fn fn,
                   void *context, struct grid_error *err)
{
    const struct file_db *db = opaque;
    struct lookup lookup = {NULL, fn, context};
    for (size_t i = db->state.pending.count; i-- > 0;) {
        int rc = pass_line(&lookup, db->state.pending.at[i], err);
        if (rc != 0)
            return rc;
    }
    lookup.needle = needle_of(filter);
    int rc = pass_open(db, &lookup, err);
    return rc ?: segments_each(db, filter->since_us, true, pass_closed, &lookup, err);
}

/* --- reading, oldest first ------------------------------------------------------------------ */

struct every {
    history_line_fn fn;
    void *context;
};

static int pass_forward(void *context, struct span text, struct grid_error *err)
{
    const struct every *every = context;
    struct grid_event event;
    struct span line;
    int rc = 0;
    for (const char *at = text.at; rc == 0 && span_line(&at, text.at + text.length, &line);)
        if (line.length && record_event_read(line, &event, NULL) == 0)
            rc = every->fn(every->context, line, err);
    return rc;
}

int history_each(const struct file_db *db, history_line_fn fn, void *context,
                 struct grid_error *err)
{
    grid_auto_buffer struct buffer closed = BUFFER_INIT;
    grid_auto_free char *text = NULL;
    size_t length = 0, counts = (size_t)db->state.history_bytes;
    struct every every = {fn, context};
    int rc = db->dirfd < 0 ? 0 : segments_each(db, 0, false, pass_forward, &every, err);
    if (rc == 0 && counts > 0)
        rc = history_text(db, 0, &text, &length, err);
    if (rc == 0 && counts > 0 && read_closed(db, &closed))
        rc = pass_forward(&every, (struct span){closed.data, counts}, err);
    else if (rc == 0 && counts > 0)
        rc = pass_forward(&every, (struct span){text, length < counts ? length : counts}, err);
    for (size_t i = 0; rc == 0 && i < db->state.pending.count; i++)
        rc = fn(context, db->state.pending.at[i], err);
    return rc;
}

/* --- writing -------------------------------------------------------------------------------- */

/* The pending events of the state as lines. */
static void put_pending(const struct file_db *db, struct buffer *out)
{
    for (size_t i = 0; i < db->state.pending.count; i++) {
        struct json json = json_begin(out, -1);
        json_reprint(&json, db->state.pending.at[i]);
        buffer_text(out, "\n");
    }
}

int history_move(const struct file_db *db, struct state_commit *commit, struct grid_error *err)
{
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    int64_t counts = db->state.history_bytes;
    put_pending(db, &out);
    if (out.error)
        return grid_error_set(err, GRID_ENOMEM, "no memory to write the history");
    if (counts > 0 && counts + (int64_t)out.length > FILE_HISTORY_MOST && segments_close(db)) {
        commit->history_bytes = 0;
        commit->segments++;
        return 0;
    }
    grid_auto_close int fd = -1;
    struct stat st;
    int rc = open_history(db, O_RDWR | O_CREAT, &fd, &st, err);
    if (rc != 0) /* there may be no inode left for it */
        return rc < 0 && (errno == ENOSPC || errno == EDQUOT) ? 1 : rc;
    if (st.st_size == 0)
        file_give(db, fd);
    int failed = file_pwrite_all(fd, out.data, out.length, counts);
    if (!failed && fdatasync(fd) != 0)
        failed = errno;
    /* Once, the name must be durable as well; the hints have most often made the file already. */
    if (!failed && counts == 0 && fsync(db->dirfd) != 0)
        failed = errno;
    if (failed == ENOSPC || failed == EDQUOT)
        return 1;
    if (failed)
        return grid_error_errno(err, GRID_EIO, failed, "cannot write '%s/%s'", db->dir,
                                db->history);
    commit->history_bytes = counts + (int64_t)out.length;
    commit->moved = true;
    return 0;
}

/* All of them each time: those of earlier commits are not synced either, and may be lost. */
void history_hint(const struct file_db *db, const struct state_commit *commit)
{
    grid_auto_close int fd = -1;
    struct stat st;
    if (open_history(db, O_RDWR | O_CREAT, &fd, &st, NULL) != 0
        || lseek(fd, commit->history_bytes, SEEK_SET) < 0)
        return;
    if (st.st_size == 0)
        file_give(db, fd);
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    out.fd = fd;
    if (!commit->moved)
        put_pending(db, &out);
    struct json json = json_begin(&out, -1);
    if (commit->changes)
        state_write_events(&db->state, commit->changes, &json, true);
    /* Older hints may have been longer. */
    if (buffer_flush(&out) == 0 && st.st_size > commit->history_bytes + (int64_t)out.written)
        (void)!ftruncate(fd, commit->history_bytes + (int64_t)out.written);
}

/* --- for recovery --------------------------------------------------------------------------- */

int history_text(const struct file_db *db, int64_t offset, char **ret, size_t *ret_length,
                 struct grid_error *err)
{
    char *text = NULL;
    size_t length = 0;
    int rc = file_read(db->dirfd, db->history, &text, &length, NULL, err);
    if (rc < 0)
        return rc;
    size_t skip = (size_t)offset < length ? (size_t)offset : length;
    if (rc > 0 && !(text = strdup("")))
        return grid_error_set(err, GRID_ENOMEM, "no memory to read the history");
    memmove(text, text + skip, length - skip + 1);
    *ret = text;
    *ret_length = length - skip;
    return 0;
}

static int take_revision(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    if (event->revision >= GRID_REVISION_MAX)
        return 0;
    *(int64_t *)context = event->revision;
    return 1;
}

int history_last_revision(const struct file_db *db, int64_t *ret, struct grid_error *err)
{
    struct lookup lookup = {.fn = take_revision, .context = ret};
    grid_auto_close int fd = -1;
    struct stat st;
    grid_auto_free int64_t *numbers = NULL;
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    size_t count = 0;
    *ret = 0;
    int rc = open_history(db, O_RDONLY, &fd, &st, err);
    if (rc == 0)
        rc = pass_backward(&lookup, fd, st.st_size, err);
    if (rc < 0 || *ret > 0)
        return rc < 0 ? rc : 0;
    rc = segments_list(db, &numbers, &count, err);
    if (rc == 0 && count > 0)
        rc = segment_text(db, numbers[count - 1], &text, err);
    if (rc < 0 && rc != GRID_ECORRUPT) /* of a damaged one there is the rest */
        return rc;
    rc = pass_closed(&lookup, (struct span){text.data, text.length}, err);
    return rc < 0 ? rc : 0;
}

int history_whole_lines(const struct file_db *db, int64_t before, int64_t *ret_bytes,
                        struct grid_error *err)
{
    grid_auto_free char *text = NULL;
    size_t length = 0;
    int rc = history_text(db, 0, &text, &length, err);
    *ret_bytes = 0;
    struct grid_event event;
    struct span line;
    for (const char *at = text; rc == 0 && span_line(&at, text + length, &line);) {
        bool is_cut = line.at + line.length == text + length;
        if (is_cut || (record_event_read(line, &event, NULL) == 0 && event.revision >= before))
            break;
        *ret_bytes = at - text;
    }
    return rc;
}

int history_settle(struct file_db *db, struct grid_error *err)
{
    struct stat st = {0};
    struct grid_event first = {.revision = INT64_MAX};
    if (db->dirfd < 0)
        return 0;
    if (fstatat(db->dirfd, db->history, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT)
        return grid_error_errno(err, GRID_EIO, errno, "cannot look at '%s/%s'", db->dir,
                                db->history);
    if (st.st_mode != 0 && !S_ISREG(st.st_mode))
        return grid_error_set(err, GRID_EIO, "'%s/%s' is not a file", db->dir, db->history);
    if (st.st_size >= db->state.history_bytes)
        return 0;
    if (segments_have(db, db->state.segments + 1)) {
        if (db->lock_fd < 0)
            return 0; /* closed since the state was read */
        int rc = recover_segments(db, err);
        if (rc < 0 || db->state.history_bytes == 0)
            return rc;
    }
    file_note(db, GRID_NOTE_WARNING, "'%s/%s' is shorter than it was: events are lost", db->dir,
              db->history);
    if (db->state.pending.count > 0 &&
        record_event_read(db->state.pending.at[0], &first, NULL) < 0)
        first.revision = INT64_MAX;
    return history_whole_lines(db, first.revision, &db->state.history_bytes, err);
}

int64_t history_check(const struct file_db *db, history_bad_fn fn, void *context,
                      struct grid_error *err)
{
    grid_auto_free char *text = NULL;
    size_t length = 0;
    int rc = history_text(db, 0, &text, &length, err);
    if (rc < 0)
        return rc;
    int64_t count = (int64_t)db->state.pending.count, counts = db->state.history_bytes;
    if ((int64_t)length < counts && (rc = fn(context, -1, err)) != 0)
        return rc;
    const char *end = text + ((int64_t)length < counts ? length : (size_t)counts);
    struct grid_event event;
    struct span line;
    for (const char *at = text; span_line(&at, end, &line);) {
        int read = record_event_read(line, &event, NULL);
        count += read == 0;
        if (read < 0 && (rc = fn(context, line.at - text, err)) != 0)
            return rc;
    }
    return count;
}
