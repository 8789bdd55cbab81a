/* One backup: what its manifest says, and whether its document is what was written. */
#include "host/backup_file.h"

#include "model/member.h"
#include "util/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define MANIFEST_MOST 65536
#define PIECE ((size_t)1 << 18)
#define NUMBER_MOST INT64_C(9007199254740992) /* beyond it cJSON rounds */

/* --- the manifest ----------------------------------------------------------------------------- */

void backup_manifest_write(struct buffer *out, const struct backup *backup, const char *version)
{
    char time[GRID_TIME_SIZE];
    struct json json = json_begin(out, 0);
    json_open(&json, '{');
    json_put_text(&json, "name", backup->name);
    json_put_text(&json, "created_at", grid_time_format(backup->created_us, time));
    json_put_int(&json, "revision", backup->revision);
    json_put_int(&json, "boosts", backup->boosts);
    json_put_text(&json, "file", backup->file);
    json_put_int(&json, "size_bytes", backup->size_bytes);
    json_put_text(&json, "sha256", backup->sha256);
    if (strcmp(backup->file, BACKUP_PACKED) == 0)
        json_put_int(&json, "export_bytes", backup->export_bytes);
    json_put_text(&json, "version", version);
    if (backup->store[0])
        json_put_text(&json, "store", backup->store);
    json_close(&json, '}');
    buffer_text(out, "\n");
}

static bool read_count(const cJSON *object, const char *name, int64_t *ret)
{
    const cJSON *value = member_get(object, name);
    if (!member_is(cJSON_Number, value) || !(value->valuedouble >= 0)
        || value->valuedouble > (double)NUMBER_MOST
        || value->valuedouble != (double)(int64_t)value->valuedouble)
        return false;
    *ret = (int64_t)value->valuedouble;
    return true;
}

/* The first member that is not as it should be; NULL: all are. */
static const char *read_members(const cJSON *object, struct backup *ret)
{
    char time[GRID_TIME_SIZE], name[BACKUP_NAME_SIZE];
    ret->created_us = 0;
    (void)member_text(object, "store", ret->store, sizeof(ret->store)); /* earlier ones have none */
    if (!member_text(object, "created_at", time, sizeof(time))
        || grid_time_read(time, strlen(time), &ret->created_us, NULL, NULL) < 0)
        return "created_at";
    if (!read_count(object, "revision", &ret->revision))
        return "revision";
    if (!read_count(object, "boosts", &ret->boosts))
        return "boosts";
    if (!member_text(object, "file", ret->file, sizeof(ret->file))
        || (strcmp(ret->file, BACKUP_PLAIN) != 0 && strcmp(ret->file, BACKUP_PACKED) != 0))
        return "file";
    if (!read_count(object, "size_bytes", &ret->size_bytes))
        return "size_bytes";
    if (!member_text(object, "sha256", ret->sha256, sizeof(ret->sha256))
        || strspn(ret->sha256, "0123456789abcdef") != SHA256_TEXT_SIZE - 1)
        return "sha256";
    ret->export_bytes = ret->size_bytes;
    if (strcmp(ret->file, BACKUP_PACKED) == 0
        && (!read_count(object, "export_bytes", &ret->export_bytes)
            || ret->export_bytes / GZIP_RATIO_MOST > ret->size_bytes))
        return "export_bytes";
    return member_text(object, "name", name, sizeof(name)) ? NULL : "name";
}

/* --- its files -------------------------------------------------------------------------------- */

/* Opens a file of the backup; ECORRUPT: it is not there, or it is none. */
static int open_part(int dirfd, const char *name, int *ret_fd, int64_t *ret_size,
                     struct grid_error *err)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
        return grid_error_set(err, GRID_ECORRUPT, "%s is no file", name);
    int rc = file_open(dirfd, name, O_RDONLY | O_NOFOLLOW, 0, ret_fd, &st, err);
    if (rc > 0)
        return grid_error_set(err, GRID_ECORRUPT, "%s is missing", name);
    *ret_size = rc == 0 ? st.st_size : -1;
    return rc;
}

/* Reads to the end: onto `text`, into `sum`, either of which may be NULL. */
static int read_part(int fd, const char *name, struct buffer *text, struct sha256 *sum,
                     struct grid_error *err)
{
    grid_auto_free char *piece = malloc(PIECE);
    if (!piece)
        return grid_error_set(err, GRID_ENOMEM, "no memory to read %s", name);
    for (ssize_t n = 1; n != 0;) {
        n = read(fd, piece, PIECE);
        if (n < 0 && errno != EINTR)
            return grid_error_errno(err, GRID_EIO, errno, "cannot read %s", name);
        if (n > 0 && sum)
            sha256_add(sum, piece, (size_t)n);
        if (n > 0 && text)
            buffer_add(text, piece, (size_t)n);
    }
    if (text && text->error)
        return grid_error_set(err, GRID_ENOMEM, "no memory to read %s", name);
    return 0;
}

static int read_manifest(int dirfd, struct backup *ret, struct grid_error *err)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    grid_auto_close int fd = -1;
    int64_t size = 0;
    cJSON *object = NULL;
    int rc = open_part(dirfd, BACKUP_MANIFEST, &fd, &size, err);
    if (rc == 0 && size > MANIFEST_MOST)
        rc = grid_error_set(err, GRID_ECORRUPT, BACKUP_MANIFEST " is too long");
    rc = rc ?: read_part(fd, BACKUP_MANIFEST, &text, NULL, err);
    if (rc < 0)
        return rc;
    if (member_parse((struct span){text.data, text.length}, &object, err) < 0)
        return grid_error_wrap(err, BACKUP_MANIFEST);
    const char *bad = read_members(object, ret);
    cJSON_Delete(object);
    return bad ? grid_error_set(err, GRID_ECORRUPT, BACKUP_MANIFEST " has no good '%s'", bad) : 0;
}

/* The stored bytes, if they are those that were written. */
static int read_stored(int dirfd, const struct backup *backup, struct buffer *text,
                       struct grid_error *err)
{
    char found[SHA256_TEXT_SIZE];
    grid_auto_close int fd = -1;
    struct sha256 *sum = NULL;
    int64_t size = 0;
    int rc = open_part(dirfd, backup->file, &fd, &size, err);
    if (rc == 0 && size != backup->size_bytes)
        rc = grid_error_set(err, GRID_ECORRUPT, "%s has %jd bytes instead of %jd", backup->file,
                            (intmax_t)size, (intmax_t)backup->size_bytes);
    rc = rc ?: sha256_begin(&sum, err);
    if (rc < 0)
        return rc;
    rc = read_part(fd, backup->file, text, sum, err);
    sha256_end(sum, found);
    if (rc == 0 && strcmp(found, backup->sha256) != 0)
        rc = grid_error_set(err, GRID_ECORRUPT, "%s has another checksum than when it was written",
                            backup->file);
    return rc;
}

/* Of the document itself, when it was compressed. */
static int unpack(const struct backup *backup, struct buffer *text, struct grid_error *err)
{
    grid_auto_buffer struct buffer packed = *text;
    *text = BUFFER_INIT;
    int rc = gzip_unpack(packed.data, packed.length, (size_t)backup->export_bytes, text, err);
    if (rc == 0 && (int64_t)text->length != backup->export_bytes)
        rc = grid_error_set(err, GRID_ECORRUPT, "it unpacks to %zu bytes instead of %jd",
                            text->length, (intmax_t)backup->export_bytes);
    return rc < 0 ? grid_error_wrap(err, "%s", backup->file) : 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int read_all(int dirfd, backup_check_fn check, struct backup *ret, struct buffer *text,
                    struct grid_error *err)
{
    int rc = read_manifest(dirfd, ret, err);
    rc = rc ?: read_stored(dirfd, ret, text, err);
    if (rc == 0 && text && strcmp(ret->file, BACKUP_PACKED) == 0)
        rc = unpack(ret, text, err);
    return rc == 0 && check ? check(ret, text, err) : rc;
}

static int not_found(const char *name, struct grid_error *err)
{
    return grid_error_advise(err, GRID_ENOTFOUND, "see 'grid backup list'", "no backup '%s'",
                             text_shown(name));
}

static int open_directory(const struct backups *backups, const char *name, int *ret_fd,
                          struct grid_error *err)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    *ret_fd = backups->dirfd < 0 ? -1 : openat(backups->dirfd, name, flags);
    if (*ret_fd >= 0)
        return 0;
    if (backups->dirfd < 0 || errno == ENOENT)
        return not_found(name, err);
    if (errno == ELOOP || errno == ENOTDIR)
        return grid_error_set(err, GRID_ECORRUPT, "it is no directory");
    return grid_error_errno(err, GRID_EIO, errno, "cannot open it");
}

/* What is being deleted loses its name first, and then its files. */
static bool has_name(const struct backups *backups, const char *name, int fd)
{
    struct stat st, now;
    if (fstat(fd, &st) != 0 || fstatat(backups->dirfd, name, &now, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT;
    return st.st_dev == now.st_dev && st.st_ino == now.st_ino;
}

int backup_read(const struct backups *backups, const char *name, backup_check_fn check,
                struct backup *ret, struct buffer *text, struct grid_error *err)
{
    grid_auto_close int fd = -1;
    grid_auto_buffer struct buffer own = BUFFER_INIT;
    *ret = (struct backup){.revision = -1, .boosts = -1, .size_bytes = -1};
    text_copy(ret->name, sizeof(ret->name), name);
    int rc = backup_name_check(name, err);
    rc = rc ?: open_directory(backups, name, &fd, err);
    if (fd >= 0)
        rc = read_all(fd, check, ret, text || !check ? text : &own, err);
    if (rc == GRID_ECORRUPT && fd >= 0 && !has_name(backups, name, fd))
        return not_found(name, err);
    ret->sound = rc == 0 || rc == GRID_ECONFLICT;
    ret->unreadable = rc == GRID_EIO || rc == GRID_ENOMEM || rc == GRID_EINTERNAL;
    if (rc == 0)
        return 0;
    text_copy(ret->reason, sizeof(ret->reason), err->message);
    if (rc == GRID_EUSAGE || rc == GRID_ENOTFOUND)
        return rc;
    return grid_error_wrap(err, "backup '%s' %s", text_shown(name),
                           rc == GRID_ECORRUPT ? "is damaged" : "cannot be read");
}
