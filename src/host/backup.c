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
    file_settle_in(fd, backups->dirfd, backups->shared);
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
    return fstatat(AT_FDCWD, data_dir, &st, 0) == 0 && file_is_shared(&st);
}

/* Somebody may have been killed before it was open to the group. A link may lead to what is not
 * the group's. */
static void share(const struct backups *backups)
{
    struct stat st;
    grid_auto_close int fd = openat(AT_FDCWD, backups->path,
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (backups->shared && fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) != 02770)
        backup_give(backups, fd);
}

static int make(struct backups *backups, const char *data_dir, struct grid_error *err)
{
    struct stat st;
    char above[PATH_MAX];
    int rc = file_make_directory(data_dir, 0700, err);
    backups->shared = is_shared(data_dir);
    bool is_new = fstatat(AT_FDCWD, backups->path, &st, 0) != 0;
    mode_t was = backup_umask(backups);
    rc = rc ?: file_make_directory(backups->path, 0770, err);
    umask(was);
    /* A first command that was killed may have made the ledger's directory, and no more. */
    snprintf(above, sizeof(above), "%.*s/..", PATH_MAX - 4, data_dir);
    int failed = rc == 0 && is_new ? file_sync_directory(AT_FDCWD, above) : 0;
    if (failed)
        return grid_error_errno(err, GRID_EIO, failed, "cannot make '%s' durable", data_dir);
    if (rc == 0)
        share(backups);
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
    mode_t was = backup_umask(backups);
    int rc = file_open(backups->dirfd, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW, 0660,
                       &backups->lock_fd, NULL, err);
    umask(was);
    if (rc == 0) {
        backup_give(backups, backups->lock_fd);
        rc = file_lock(backups->lock_fd, timeout_us, err);
    }
    if (rc == GRID_ETIMEOUT)
        return grid_error_advise(err, rc, "wait longer with --lock-timeout",
                                 "another 'grid backup' is at work in '%s': it held the lock "
                                 "longer than %.3g s", backups->path, (double)timeout_us / 1e6);
    if (rc < 0)
        return grid_error_wrap(err, "the lock of '%s'", backups->path);
    return file_each(backups->dirfd, ".", remove_leftover, backups, err);
}

/* Does a link lead nowhere? errno stays. */
static bool is_dangling(const char *path)
{
    struct stat st;
    int failed = errno;
    bool dangling = fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    errno = failed;
    return dangling;
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
    if (backups.dirfd < 0 && (errno != ENOENT || mode == BACKUPS_MAKE || is_dangling(backups.path)))
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
    if (unlinkat(removing->dirfd, name, AT_REMOVEDIR) == 0) /* another's, which we cannot open */
        return 0;
    grid_auto_close int fd = openat(removing->dirfd, name,
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct removing inside = {fd, removing->depth + 1};
    int rc = fd < 0 ? grid_error_errno(err, GRID_EIO, errno, "cannot open '%s'", text_shown(name))
                    : file_each(fd, ".", remove_tree, &inside, err);
    if (rc == 0 && unlinkat(removing->dirfd, name, AT_REMOVEDIR) != 0)
        rc = grid_error_errno(err, GRID_EIO, errno, "cannot remove '%s'", text_shown(name));
    return rc;
}

/* A backup, without looking what is in it: that works without memory, too. */
static void remove_known(int dirfd, const char *name)
{
    static const char *const files[] = {BACKUP_PLAIN, BACKUP_PACKED, BACKUP_MANIFEST};
    grid_auto_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < countof(files); i++)
        (void)unlinkat(fd, files[i], 0);
    if (fd >= 0)
        (void)unlinkat(dirfd, name, AT_REMOVEDIR);
}

int backup_remove(const struct backups *backups, const char *name, struct grid_error *err)
{
    remove_known(backups->dirfd, name);
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
    struct grid_error unreadable; /* why the first that cannot be read now, but may well be sound,
                                     is so */
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
    struct backup *backup = &listing->all[listing->count];
    int rc = backup_read(listing->backups, name, listing->check, backup, NULL, &why);
    listing->count += rc != GRID_ENOTFOUND; /* deleted meanwhile */
    if (backup->unreadable && !listing->unreadable.code)
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
    if (rc == 0 && listing.unreadable.code && err)
        *err = listing.unreadable;
    return rc ?: listing.unreadable.code;
}

static bool is_newest(const struct backups_rule *rule, const struct backup *backup)
{
    return rule->newest && strcmp(rule->newest, backup->name) == 0;
}

static bool is_ahead(const struct backups_rule *rule, const struct backup *backup)
{
    return backup->sound && backup->created_us > rule->now_us && !is_newest(rule, backup);
}

int backups_prune(const struct backups *backups, const struct backups_rule *rule, backup_fn fn,
                  void *context, struct backups_kept *ret, struct grid_error *err)
{
    auto_listing struct listing listing = {.backups = backups};
    int rc = list(&listing, err);
    *ret = (struct backups_kept){0};
    if (rc == 0 && listing.unreadable.code)
        return *err = listing.unreadable, err->code;
    for (size_t i = 0; i < listing.count; i++) {
        ret->damaged += !listing.all[i].sound;
        ret->ahead += is_ahead(rule, &listing.all[i]);
    }
    size_t counted = listing.count - ret->damaged - ret->ahead;
    for (size_t i = listing.count; rc == 0 && i-- > 0 && counted > rule->keep;) {
        const struct backup *backup = &listing.all[i];
        if (!backup->sound || is_ahead(rule, backup) || is_newest(rule, backup))
            continue;
        counted--;
        rc = backup_delete(backups, backup->name, err);
        if (rc == 0 && fn)
            rc = fn(context, backup, err);
    }
    return rc;
}
