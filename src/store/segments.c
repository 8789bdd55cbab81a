/* Closed parts of the history: history-000001.jsonl.gz and on, read, written and swept. */
#include "model/record.h"
#include "store/file.h"
#include "util/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define SEGMENT_MOST ((size_t)1 << 30) /* bytes that one may hold */
#define PIECE ((size_t)1 << 18)        /* what is lost by one bad byte in it, at most */

/*
 * The history is segments 1 to state.segments, then what counts of history.jsonl, then `pending`.
 * When history.jsonl would grow too large, a commit closes it:
 *
 *   write     what counts of it, packed, as a temporary file; fsync. Killed here: the next writer
 *             removes it.
 *   rename    to the number after the last that counts; fsync of the directory. Killed here: the
 *             segment does not count, the next commit writes it anew.
 *   commit    says that one segment more counts, and nothing of history.jsonl.
 *   unlink    history.jsonl. Killed here: it is written over from the beginning, as nothing of it
 *             counts.
 *
 * What is pending stays so until the next commit: written at the head of history.jsonl it would
 * destroy what still counts. A reader without the lock, whose state is from before the commit,
 * opens history.jsonl first and then looks for the segment: when there is none it has the file
 * that counts, whatever its name stands for later.
 *
 * A segment's time of modification is the latest time of its events: so it is known what may be
 * left out without unpacking it. A copy that did not keep it is younger, and only costs time.
 */

/* "history-" of "history.jsonl". */
static int stem_length(const struct file_db *db)
{
    return (int)(strlen(db->history) - strlen(".jsonl"));
}

void segment_name(const struct file_db *db, int64_t number, char ret[static FILE_NAME_SIZE])
{
    snprintf(ret, FILE_NAME_SIZE, "%.*s-%06lld.jsonl.gz", stem_length(db), db->history,
             (long long)number);
}

int segments_list(const struct file_db *db, int64_t **ret, size_t *ret_count,
                  struct grid_error *err)
{
    *ret = NULL;
    *ret_count = 0;
    return db->dirfd < 0 ? 0 : file_numbers(db, ".", (size_t)stem_length(db) + 1, segment_name,
                                            ret, ret_count, err);
}

bool segments_have(const struct file_db *db, int64_t number)
{
    char name[FILE_NAME_SIZE];
    struct stat st;
    segment_name(db, number, name);
    return fstatat(db->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int segment_text(const struct file_db *db, int64_t number, struct buffer *out,
                 struct grid_error *err)
{
    grid_auto_free char *bytes = NULL;
    char name[FILE_NAME_SIZE];
    size_t length = 0;
    segment_name(db, number, name);
    int rc = file_read(db->dirfd, name, &bytes, &length, NULL, err);
    out->length = 0;
    rc = rc ?: gzip_unpack(bytes, length, SEGMENT_MOST, out, err);
    if (rc != GRID_ECORRUPT)
        return rc;
    out->length = 0;
    rc = gzip_salvage(bytes, length, SEGMENT_MOST, out, err);
    return rc ?: GRID_ECORRUPT;
}

/* --- reading -------------------------------------------------------------------------------- */

/* Can the segment hold an event of that time or later? */
static bool may_hold(const struct file_db *db, int64_t number, int64_t since_us)
{
    char name[FILE_NAME_SIZE];
    struct stat st;
    segment_name(db, number, name);
    return since_us == 0 || fstatat(db->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0
           || st.st_mtim.tv_sec >= since_us / GRID_SECOND;
}

/* One of them; 1 is what `fn` stopped with. What cannot be read is told and left out. */
static int hand_over(const struct file_db *db, int64_t number, history_text_fn fn, void *context,
                     struct grid_error *err)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    struct grid_error why = {0};
    char name[FILE_NAME_SIZE];
    int rc = segment_text(db, number, &text, &why);
    segment_name(db, number, name);
    if (rc == GRID_ENOMEM)
        return grid_error_set(err, rc, "%s", why.message);
    if (rc < 0)
        file_note(db, GRID_NOTE_WARNING, "'%s/%s': %s: events in it are left out", db->dir, name,
                  why.message);
    return fn(context, (struct span){text.data, text.length}, err);
}

int segments_each(const struct file_db *db, int64_t since_us, bool newest_first,
                  history_text_fn fn, void *context, struct grid_error *err)
{
    grid_auto_free int64_t *numbers = NULL;
    size_t count = 0;
    char name[FILE_NAME_SIZE];
    int64_t last = db->state.segments;
    int rc = last > 0 ? segments_list(db, &numbers, &count, err) : 0;
    while (count > 0 && numbers[count - 1] > last)
        count--;
    int64_t first = count > 0 ? numbers[0] : last + 1; /* those before it were swept */
    for (int64_t i = first; rc == 0 && i <= last; i++) {
        int64_t number = newest_first ? first + last - i : i;
        segment_name(db, number, name);
        if (!segments_have(db, number))
            file_note(db, GRID_NOTE_WARNING, "'%s/%s' is missing: its events are lost", db->dir,
                      name);
        else if (may_hold(db, number, since_us))
            rc = hand_over(db, number, fn, context, err);
    }
    return rc;
}

/* --- closing -------------------------------------------------------------------------------- */

/* The time of the latest event. */
static int64_t latest(const char *text, size_t length)
{
    int64_t latest_us = 0;
    struct grid_event event;
    struct span line;
    for (const char *at = text; span_line(&at, text + length, &line);)
        if (record_event_read(line, &event, NULL) == 0)
            latest_us = file_later(latest_us, event.at_us);
    return latest_us;
}

/* Packs whole lines, piece by piece. */
static int pack(const char *text, size_t length, struct buffer *out, struct grid_error *err)
{
    size_t at = 0;
    int rc;
    do {
        const char *stop = length - at > PIECE ? memchr(text + at + PIECE, '\n',
                                                        length - at - PIECE) : NULL;
        size_t step = stop ? (size_t)(stop + 1 - text) - at : length - at;
        rc = gzip_pack(text + at, step, out, err);
        at += step;
    } while (rc == 0 && at < length);
    return rc;
}

int segment_write(const struct file_db *db, int64_t number, const char *text, size_t length,
                  struct grid_error *err)
{
    grid_auto_buffer struct buffer packed = BUFFER_INIT;
    char name[FILE_NAME_SIZE];
    int64_t latest_us = latest(text, length);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = latest_us / GRID_SECOND}};
    segment_name(db, number, name);
    int rc = pack(text, length, &packed, err);
    if (rc < 0)
        return rc;
    int failed = packed.error ? packed.error
                              : file_write_new(db, packed.data, packed.length, name);
    if (!failed && latest_us > 0)
        (void)!utimensat(db->dirfd, name, times, AT_SYMLINK_NOFOLLOW);
    if (!failed && fsync(db->dirfd) != 0)
        failed = errno;
    return failed ? grid_error_errno(err, GRID_EIO, failed, "cannot write '%s/%s'", db->dir, name)
                  : 0;
}

bool segments_close(const struct file_db *db)
{
    grid_auto_free char *text = NULL;
    size_t length = 0, counts = (size_t)db->state.history_bytes;
    struct grid_error why = {0};
    int rc = history_text(db, 0, &text, &length, &why);
    if (rc == 0 && length < counts)
        rc = grid_error_set(&why, GRID_EIO, "it is shorter than it was");
    rc = rc ?: segment_write(db, db->state.segments + 1, text, counts, &why);
    if (rc < 0)
        file_note(db, GRID_NOTE_WARNING, "'%s/%s' cannot be closed now: %s", db->dir, db->history,
                  why.message);
    return rc == 0;
}

/* --- sweeping ------------------------------------------------------------------------------- */

/* Is all of it older? What does not unpack is as old as the file. */
static bool is_older(const struct file_db *db, int64_t number, int64_t before_us)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    if (may_hold(db, number, before_us))
        return false;
    int rc = segment_text(db, number, &text, NULL);
    return (rc == 0 || rc == GRID_ECORRUPT) && latest(text.data, text.length) < before_us;
}

/*
 * Removes numbers[at], of which those from `first` on stay: it changes places with each of them
 * before, from the last on, as a number that is missing among those that count is damage. So it is
 * at any moment, and what stays keeps its order.
 */
static int sweep_one(const struct file_db *db, const int64_t *numbers, size_t first, size_t at,
                     struct grid_error *err)
{
    char name[FILE_NAME_SIZE], before[FILE_NAME_SIZE];
    segment_name(db, numbers[at], name);
    file_note(db, GRID_NOTE_VERBOSE, "sweeping '%s/%s'", db->dir, name);
    for (size_t i = at; i > first; i--) {
        segment_name(db, numbers[i], name);
        segment_name(db, numbers[i - 1], before);
        if (renameat2(db->dirfd, before, db->dirfd, name, RENAME_EXCHANGE) != 0)
            return grid_error_errno(err, GRID_EIO, errno, "cannot move '%s/%s'", db->dir, before);
    }
    segment_name(db, numbers[first], name);
    if (unlinkat(db->dirfd, name, 0) != 0 && errno != ENOENT)
        return grid_error_errno(err, GRID_EIO, errno, "cannot remove '%s/%s'", db->dir, name);
    return 0;
}

static int sweep(struct file_db *db, int64_t before_us, struct grid_error *err)
{
    grid_auto_free int64_t *numbers = NULL;
    size_t count = 0, old = 0, swept = 0;
    int rc = segments_list(db, &numbers, &count, err);
    while (old < count && may_hold(db, numbers[old], before_us))
        old++;
    if (rc < 0 || old == count)
        return rc;
    rc = file_lock_ledger(db, db->options->lock_timeout_us, err);
    rc = rc ?: file_load_state(db, false, err);
    free(steal(numbers));
    rc = rc ?: segments_list(db, &numbers, &count, err);
    for (size_t i = 0; rc == 0 && i < count && numbers[i] <= db->state.segments; i++)
        if (is_older(db, numbers[i], before_us))
            rc = sweep_one(db, numbers, swept++, i, err);
    return rc;
}

int file_sweep(void *opaque, int64_t before_us, struct grid_error *err)
{
    struct file_db *db = opaque;
    db->mode = GRID_WRITE;
    int rc = file_find(db, false, err);
    if (rc == 0)
        rc = sweep(db, before_us, err);
    file_end(db);
    return rc < 0 ? rc : 0;
}
