/* Writing a backup: the document is packed and written piece by piece as it is made, and summed. */
#include "host/backup_file.h"

#include "util/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define NEW BACKUP_TEMPORARY "new"
#define PIECE ((size_t)1 << 20)
#define NAMES_MOST 10000 /* of one second */

/*
 * Taking the sum costs more than all else but packing, so a document of more than one piece has a
 * thread of its own for it, which does nothing else, and cannot fail. `handed` is the thread's
 * while it holds something; that and `ended` are used under the lock.
 */
struct backup_writer {
    struct backups *backups;
    struct backup backup;
    int dirfd, fd;
    struct sha256 *sum;
    struct buffer filling, packed;
    bool compress, threaded;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct buffer handed;
    bool ended;
    int rc; /* once a piece failed, all fails, with `err` */
    struct grid_error err;
};

/* --- the sum ---------------------------------------------------------------------------------- */

static void *add_pieces(void *context)
{
    struct backup_writer *writer = context;
    pthread_mutex_lock(&writer->lock);
    while (!writer->ended || writer->handed.length > 0) {
        if (writer->handed.length == 0) {
            pthread_cond_wait(&writer->changed, &writer->lock);
            continue;
        }
        pthread_mutex_unlock(&writer->lock);
        sha256_add(writer->sum, writer->handed.data, writer->handed.length);
        pthread_mutex_lock(&writer->lock);
        writer->handed.length = 0;
        pthread_cond_signal(&writer->changed);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* Without a thread, where there can be none, it takes longer. */
static void start_thread(struct backup_writer *writer)
{
    if (writer->threaded || writer->backup.size_bytes > 0)
        return;
    writer->threaded = true;
    if (pthread_create(&writer->thread, NULL, add_pieces, writer) != 0)
        writer->threaded = false;
}

/* The last piece; then nothing is under way any more. */
static void stop_thread(struct backup_writer *writer)
{
    if (!writer->threaded)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->ended = true;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    writer->threaded = false;
}

/* Takes what the piece holds, and leaves it empty. */
static void add_piece(struct backup_writer *writer, struct buffer *piece)
{
    if (!writer->threaded) {
        sha256_add(writer->sum, piece->data, piece->length);
        piece->length = 0;
        return;
    }
    pthread_mutex_lock(&writer->lock);
    while (writer->handed.length > 0)
        pthread_cond_wait(&writer->changed, &writer->lock);
    struct buffer empty = writer->handed;
    writer->handed = *piece;
    *piece = empty;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

/* --- pieces ----------------------------------------------------------------------------------- */

static int put_piece(struct backup_writer *writer, struct buffer *piece, struct grid_error *err)
{
    int64_t *size = &writer->backup.size_bytes;
    if (piece->error)
        return grid_error_set(err, GRID_ENOMEM, "no memory for a backup");
    if (piece->length == 0)
        return 0;
    writer->backup.export_bytes += (int64_t)piece->length;
    if (writer->compress) {
        int rc = gzip_pack(piece->data, piece->length, &writer->packed, err);
        if (rc < 0)
            return rc;
        piece->length = 0;
        piece = &writer->packed;
    }
    int failed = file_write_all(writer->fd, piece->data, piece->length);
    if (failed)
        return grid_error_errno(err, GRID_EIO, failed, "cannot write a backup to '%s'",
                                writer->backups->path);
    if (writer->threaded) /* the disk begins now; its errors are those of the fsync */
        (void)sync_file_range(writer->fd, *size, (off_t)piece->length, SYNC_FILE_RANGE_WRITE);
    *size += (int64_t)piece->length;
    add_piece(writer, piece);
    return 0;
}

static int put_filling(struct backup_writer *writer, struct grid_error *err)
{
    if (writer->rc == 0)
        writer->rc = put_piece(writer, &writer->filling, &writer->err);
    if (writer->rc < 0)
        *err = writer->err;
    return writer->rc;
}

int backup_write(void *opaque, const char *text, size_t length, struct grid_error *err)
{
    struct backup_writer *writer = opaque;
    while (length > 0) {
        size_t room = PIECE - writer->filling.length, taken = length < room ? length : room;
        buffer_add(&writer->filling, text, taken);
        text += taken;
        length -= taken;
        if (writer->filling.length < PIECE && !writer->filling.error)
            continue;
        start_thread(writer);
        int rc = put_filling(writer, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* --- beginning, and giving up ----------------------------------------------------------------- */

static void release(struct backup_writer *writer)
{
    stop_thread(writer);
    file_close_pointer(&writer->fd);
    file_close_pointer(&writer->dirfd);
    sha256_end(writer->sum, NULL);
    buffer_release(&writer->filling);
    buffer_release(&writer->handed);
    buffer_release(&writer->packed);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

void backup_drop(struct backup_writer *writer)
{
    if (!writer)
        return;
    (void)backup_remove(writer->backups, NEW, &(struct grid_error){0});
    release(writer);
}

static bool is_there(const struct backups *backups, const char *name)
{
    struct stat st;
    return fstatat(backups->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int refuse_name(const char *name, struct grid_error *err)
{
    return grid_error_advise(err, GRID_ECONFLICT, "take another name, or delete that one",
                             "there is a backup '%s'", name);
}

static int make_file(struct backup_writer *writer, const char *name, int *ret_fd,
                     struct grid_error *err)
{
    *ret_fd = openat(writer->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*ret_fd < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot make '%s/" NEW "/%s'",
                                writer->backups->path, name);
    backup_give(writer->backups, *ret_fd);
    return 0;
}

static int make_directory(struct backup_writer *writer, struct grid_error *err)
{
    struct backups *backups = writer->backups;
    mode_t was = backup_umask(backups);
    int made = mkdirat(backups->dirfd, NEW, 0770);
    umask(was);
    if (made == 0)
        writer->dirfd = openat(backups->dirfd, NEW,
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (writer->dirfd < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot make '%s/" NEW "'", backups->path);
    backup_give(backups, writer->dirfd);
    return make_file(writer, writer->backup.file, &writer->fd, err);
}

int backup_begin(struct backups *backups, const char *name, bool compress,
                 struct backup_writer **ret, struct grid_error *err)
{
    int rc = name ? backup_name_check(name, err) : 0;
    if (rc == 0 && name && name[0] == '-')
        rc = grid_error_set(err, GRID_EUSAGE, "no backup can be called '%s': it begins with a dash",
                            name);
    if (rc == 0 && name && is_there(backups, name))
        rc = refuse_name(name, err);
    if (rc < 0)
        return rc;
    struct backup_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return grid_error_set(err, GRID_ENOMEM, "no memory for a backup");
    writer->backups = backups;
    writer->dirfd = writer->fd = -1;
    writer->compress = compress;
    writer->filling = writer->handed = writer->packed = BUFFER_INIT;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    text_copy(writer->backup.name, sizeof(writer->backup.name), name ? name : "");
    text_copy(writer->backup.file, sizeof(writer->backup.file),
              compress ? BACKUP_PACKED : BACKUP_PLAIN);
    rc = sha256_begin(&writer->sum, err);
    if (rc == 0)
        rc = make_directory(writer, err);
    if (rc < 0)
        backup_drop(writer);
    else
        *ret = writer;
    return rc;
}

/* --- finishing -------------------------------------------------------------------------------- */

/* "grid_backup_20261121_143520", "..._2" */
static int choose_name(struct backup_writer *writer, struct grid_error *err)
{
    char *name = writer->backup.name, stamp[32];
    struct tm utc;
    time_t time = (time_t)(writer->backup.created_us / GRID_SECOND);
    if (*name)
        return 0;
    strftime(stamp, sizeof(stamp), "%Y%m%d_%H%M%S", gmtime_r(&time, &utc));
    snprintf(name, BACKUP_NAME_SIZE, "grid_backup_%s", stamp);
    for (int i = 2; is_there(writer->backups, name); i++) {
        if (i > NAMES_MOST)
            return refuse_name(name, err);
        snprintf(name, BACKUP_NAME_SIZE, "grid_backup_%s_%d", stamp, i);
    }
    return 0;
}

/* An fsync that failed is never tried again. */
static int close_synced(const struct backup_writer *writer, int *fd, struct grid_error *err)
{
    int failed = fsync(*fd) != 0 ? errno : 0;
    if (close(steal_fd(*fd)) != 0 && !failed)
        failed = errno;
    return failed ? grid_error_errno(err, GRID_EIO, failed, "cannot write a backup to '%s'",
                                     writer->backups->path)
                  : 0;
}

static int write_manifest(struct backup_writer *writer, const char *version,
                          struct grid_error *err)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    grid_auto_close int fd = -1;
    backup_manifest_write(&text, &writer->backup, version);
    int rc = text.error ? grid_error_set(err, GRID_ENOMEM, "no memory for a backup")
                        : make_file(writer, BACKUP_MANIFEST, &fd, err);
    int failed = rc == 0 ? file_write_all(fd, text.data, text.length) : 0;
    if (failed)
        rc = grid_error_errno(err, GRID_EIO, failed, "cannot write a backup to '%s'",
                              writer->backups->path);
    return rc ?: close_synced(writer, &fd, err);
}

/* Everything within is durable before the name is. */
static int give_name(struct backup_writer *writer, struct grid_error *err)
{
    const struct backups *backups = writer->backups;
    const char *name = writer->backup.name;
    int rc = close_synced(writer, &writer->dirfd, err);
    if (rc < 0)
        return rc;
    if (backup_rename(backups, NEW, name) != 0)
        return errno == EEXIST ? refuse_name(name, err)
                               : grid_error_errno(err, GRID_EIO, errno, "cannot name it '%s'",
                                                  name);
    int failed = file_sync_directory(backups->dirfd, ".");
    return failed ? grid_error_errno(err, GRID_EUNKNOWN, failed, "backup '%s' was made, but '%s' "
                                     "cannot be synced", name, backups->path)
                  : 0;
}

int backup_finish(struct backup_writer *writer, const struct backup_facts *facts,
                  struct backup *ret, struct grid_error *err)
{
    struct backup *backup = &writer->backup;
    int rc = put_filling(writer, err);
    rc = rc ?: close_synced(writer, &writer->fd, err);
    if (rc == 0) {
        stop_thread(writer);
        sha256_end(steal(writer->sum), backup->sha256);
        backup->created_us = facts->created_us;
        backup->revision = facts->revision;
        backup->boosts = facts->boosts;
        text_copy(backup->store, sizeof(backup->store), facts->store ? facts->store : "");
        backup->sound = true;
        rc = choose_name(writer, err);
    }
    rc = rc ?: write_manifest(writer, facts->version, err);
    rc = rc ?: give_name(writer, err);
    if (rc == 0 || rc == GRID_EUNKNOWN) {
        *ret = *backup;
        release(writer);
    } else {
        backup_drop(writer);
    }
    return rc;
}
