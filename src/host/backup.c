/* The backups directory: its lock, its names, and what leaves it. */
#include "host/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define DIRECTORY "backups"
#define LOCK ".lock"
#define DELETED BACKUP_TEMPORARY "deleted"
#define DEPTH_MOST 16 /* of directories in a backup; grid makes none */

/* --- the directory ---------------------------------------------------------------------------- */

void backup_give(const struct backups *backups, int fd)
{
    struct stat st, there;
    if (fstat(fd, &st) != 0)
        return;
    if (backups->shared) /* whatever the umask */
        (void)!fchmod(fd, S_ISDIR(st.st_mode) ? 02770 : 0660);
    if (geteuid() == 0 && backups->dirfd >= 0 && fstat(backups->dirfd, &there) == 0
        && there.st_uid != 0)
        (void)!fchown(fd, there.st_uid, there.st_gid);
}

void backups_close(struct backups *backups)
{
    file_close_pointer(&backups->lock_fd);
    file_close_pointer(&backups->dirfd);
    *backups = BACKUPS_INIT;
}

static bool is_shared(const char *data_dir)
{
    struct stat st;
    return fstatat(AT_FDCWD, data_dir, &st, 0) == 0
           && (st.st_mode & (S_ISGID | S_IWGRP)) == (S_ISGID | S_IWGRP);
}

static int make(struct backups *backups, const char *data_dir, struct grid_error *err)
{
    struct stat st;
    char above[PATH_MAX];
    int rc = file_make_directory(data_dir, 0700, err);
    backups->shared = is_shared(data_dir);
    bool is_new = fstatat(AT_FDCWD, backups->path, &st, 0) != 0;
    rc = rc ?: file_make_directory(backups->path, 0700, err);
    /* A first command that was killed may have made the ledger's directory, and no more. */
    snprintf(above, sizeof(above), "%.*s/..", PATH_MAX - 4, data_dir);
    int failed = rc == 0 && is_new ? file_sync_directory(AT_FDCWD, above) : 0;
    if (failed)
        return grid_error_errno(err, GRID_EIO, failed, "cannot make '%s' durable", data_dir);
    if (rc == 0 && is_new && backups->shared)
        (void)!fchmodat(AT_FDCWD, backups->path, 02770, 0);
    return rc;
}

/* We hold the lock: nobody is at work on it. What does not go now goes another time. */
static int remove_leftover(void *context, const char *name, struct grid_error *err)
{
    (void)err;
    if (text_begins(name, BACKUP_TEMPORARY))
        (void)backup_remove(context, name, &(struct grid_error){0});
    return 0;
}

static int lock(struct backups *backups, int64_t timeout_us, struct grid_error *err)
{
    int rc = file_open(backups->dirfd, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW,
                       backups->shared ? 0660 : 0600, &backups->lock_fd, NULL, err);
    if (rc == 0) {
        backup_give(backups, backups->lock_fd);
        rc = file_lock(backups->lock_fd, timeout_us, err);
    }
    if (rc < 0)
        return grid_error_wrap(err, "the lock of '%s'", backups->path);
    return file_each(backups->dirfd, ".", remove_leftover, backups, err);
}

int backups_open(const char *data_dir, enum backups_mode mode, int64_t lock_timeout_us,
                 struct backups *ret, struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    backups.shared = is_shared(data_dir);
    if (snprintf(backups.path, sizeof(backups.path), "%s/" DIRECTORY, data_dir)
        >= (int)sizeof(backups.path))
        return grid_error_errno(err, GRID_EIO, ENAMETOOLONG, "cannot use '%s'", data_dir);
    int rc = mode == BACKUPS_MAKE ? make(&backups, data_dir, err) : 0;
    if (rc < 0)
        return rc;
    backups.dirfd = openat(AT_FDCWD, backups.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (backups.dirfd < 0 && (errno != ENOENT || mode == BACKUPS_MAKE))
        return grid_error_errno(err, GRID_EIO, errno, "cannot open '%s'", backups.path);
    if (mode != BACKUPS_READ && backups.dirfd >= 0)
        rc = lock(&backups, lock_timeout_us, err);
    if (rc < 0)
        return rc;
    *ret = backups;
    backups = BACKUPS_INIT;
    return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

int backup_name_check(const char *name, struct grid_error *err)
{
    char shown[4 * BACKUP_NAME_SIZE];
    const char *why = NULL;
    if (!*name)
        why = "it is empty";
    else if (strlen(name) >= BACKUP_NAME_SIZE)
        why = "it is longer than 128 bytes";
    else if (name[0] == '.')
        why = "it begins with a dot";
    else if (strpbrk(name, "/\\"))
        why = "it has a separator in it";
    else if (strcmp(text_printable(name, shown, sizeof(shown)), name) != 0)
        why = "it has a character in it that cannot be printed";
    if (!why)
        return 0;
    return grid_error_set(err, GRID_EUSAGE, "no backup can be called '%s': %s", text_shown(name),
                          why);
}

/* NFS has no RENAME_NOREPLACE; there we look first, and the lock keeps others of us away. */
int backup_rename(const struct backups *backups, const char *from, const char *to)
{
    struct stat st;
    if (renameat2(backups->dirfd, from, backups->dirfd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (fstatat(backups->dirfd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
        errno = EEXIST;
    else if (errno == ENOENT)
        return renameat(backups->dirfd, from, backups->dirfd, to);
    return -1;
}

/* --- removing --------------------------------------------------------------------------------- */

struct removing {
    int dirfd;
    int depth;
};

static int remove_tree(void *context, const char *name, struct grid_error *err)
{
    const struct removing *removing = context;
    if (unlinkat(removing->dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if ((errno != EISDIR && errno != EPERM) || removing->depth == DEPTH_MOST)
        return grid_error_errno(err, GRID_EIO, errno, "cannot remove '%s'", text_shown(name));
    grid_auto_close int fd = openat(removing->dirfd, name,
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct removing inside = {fd, removing->depth + 1};
    int rc = fd < 0 ? grid_error_errno(err, GRID_EIO, errno, "cannot open '%s'", text_shown(name))
                    : file_each(fd, ".", remove_tree, &inside, err);
    if (rc == 0 && unlinkat(removing->dirfd, name, AT_REMOVEDIR) != 0)
        rc = grid_error_errno(err, GRID_EIO, errno, "cannot remove '%s'", text_shown(name));
    return rc;
}

int backup_remove(const struct backups *backups, const char *name, struct grid_error *err)
{
    return remove_tree(&(struct removing){backups->dirfd, 0}, name, err);
}

int backup_delete(const struct backups *backups, const char *name, struct grid_error *err)
{
    struct stat st;
    int rc = backup_name_check(name, err);
    if (rc < 0)
        return rc;
    bool there = backups->dirfd >= 0
                 && fstatat(backups->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && (backups->dirfd < 0 || errno == ENOENT))
        return grid_error_advise(err, GRID_ENOTFOUND, "see 'grid backup list'", "no backup '%s'",
                                 name);
    if (!there)
        return grid_error_errno(err, GRID_EIO, errno, "cannot look at backup '%s'", name);
    if (!S_ISDIR(st.st_mode))
        return grid_error_advise(err, GRID_ECORRUPT, "grid did not make it: remove it by hand",
                                 "'%s/%s' is no backup, as it is no directory", backups->path,
                                 name);
    if (backup_rename(backups, name, DELETED) != 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot delete backup '%s'", name);
    rc = backup_remove(backups, DELETED, err);
    int failed = file_sync_directory(backups->dirfd, ".");
    if (rc == 0 && failed)
        rc = grid_error_errno(err, GRID_EIO, failed, "cannot sync '%s'", backups->path);
    if (rc == 0)
        return 0;
    err->code = GRID_EUNKNOWN; /* no longer "nothing happened" */
    return grid_error_wrap(err, "backup '%s' is no longer listed", name);
}

/* --- all of them ------------------------------------------------------------------------------ */

struct listing {
    const struct backups *backups;
    backup_check_fn check;
    struct backup *all;
    size_t count, capacity;
    struct grid_error unreadable; /* why one cannot be read now, which may well be sound */
};

static void release_listing(struct listing *listing)
{
    free(listing->all);
}
#define auto_listing __attribute__((cleanup(release_listing)))

/* What is wrong with one of them is a word in its row. */
static int add_entry(void *context, const char *name, struct grid_error *err)
{
    struct listing *listing = context;
    struct grid_error why = {0};
    if (name[0] == '.')
        return 0;
    if (array_reserve(&listing->all, &listing->capacity, listing->count + 1,
                      sizeof(*listing->all)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory to list the backups");
    int rc = backup_read(listing->backups, name, listing->check, &listing->all[listing->count],
                         NULL, &why);
    if (rc == GRID_ENOMEM || rc == GRID_EINTERNAL)
        return *err = why, rc;
    listing->count += rc != GRID_ENOTFOUND; /* deleted meanwhile */
    if (rc == GRID_EIO)
        listing->unreadable = why;
    return 0;
}

static int by_age(const void *a, const void *b)
{
    const struct backup *left = a, *right = b;
    if (left->created_us != right->created_us)
        return left->created_us > right->created_us ? -1 : 1;
    return strcmp(left->name, right->name);
}

static int list(struct listing *listing, struct grid_error *err)
{
    if (listing->backups->dirfd < 0)
        return 0;
    int rc = file_each(listing->backups->dirfd, ".", add_entry, listing, err);
    if (rc == 0 && listing->count > 1)
        qsort(listing->all, listing->count, sizeof(*listing->all), by_age);
    return rc < 0 ? grid_error_wrap(err, "the backups in '%s'", listing->backups->path) : 0;
}

int backups_each(const struct backups *backups, backup_check_fn check, backup_fn fn,
                 void *context, struct grid_error *err)
{
    auto_listing struct listing listing = {.backups = backups, .check = check};
    int rc = list(&listing, err);
    for (size_t i = 0; rc == 0 && i < listing.count; i++)
        rc = fn(context, &listing.all[i], err);
    return rc;
}

int backups_prune(const struct backups *backups, size_t keep, backup_fn fn, void *context,
                  size_t *ret_damaged, struct grid_error *err)
{
    auto_listing struct listing listing = {.backups = backups};
    size_t sound = 0;
    int rc = list(&listing, err);
    if (rc == 0 && listing.unreadable.code)
        return *err = listing.unreadable, err->code;
    for (size_t i = 0; i < listing.count; i++)
        sound += listing.all[i].sound;
    *ret_damaged = listing.count - sound;
    for (size_t i = listing.count; rc == 0 && i-- > 0 && sound > keep;) {
        if (!listing.all[i].sound)
            continue;
        sound--;
        rc = backup_delete(backups, listing.all[i].name, err);
        if (rc == 0 && fn)
            rc = fn(context, &listing.all[i], err);
    }
    return rc;
}
