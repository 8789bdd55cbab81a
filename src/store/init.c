/* Making a ledger directory, for one user or for a Unix group that shares it. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>

/*
 * The directory is opened to the group last: until then its members cannot enter, and nobody finds
 * a ledger of which they may read only a part. Files that exist are handed over under the lock;
 * those made later get group and mode from the directory (file_give). Run again, it mends what an
 * interrupted run left.
 */

struct sharing {
    const struct file_db *db;
    int dirfd;
    const char *shown; /* of the directory, behind db->dir: "" or "generations/" */
    gid_t group;
};

static int cannot(const struct sharing *sharing, const char *name, struct grid_error *err)
{
    return grid_error_errno(err, GRID_EIO, errno, "cannot share '%s/%s%s'", sharing->db->dir,
                            sharing->shown, name);
}

/* What is so already stays as it is: it may be another member's. 0 or -1: errno. */
static int hand_over(int fd, gid_t group, mode_t mode)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || (st.st_gid != group && fchown(fd, (uid_t)-1, group) != 0))
        return -1;
    return (st.st_mode & 07777) == mode && st.st_gid == group ? 0 : fchmod(fd, mode);
}

/* Through descriptors and past every link: the members of the group can write here, and whoever
 * runs this again may be root. */
static int share_file(void *context, const char *name, struct grid_error *err)
{
    const struct sharing *sharing = context;
    struct stat st;
    bool settings = strcmp(name, "config.yaml") == 0; /* all read the owner's */
    bool ours = settings || sharing->shown[0] || text_begins(name, sharing->db->name)
                || text_begins(name, "history");
    if (!ours || fstatat(sharing->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0
        || !S_ISREG(st.st_mode))
        return 0;
    grid_auto_close int fd = openat(sharing->dirfd, name,
                                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || hand_over(fd, sharing->group, settings ? 0640 : 0660) != 0)
        return cannot(sharing, name, err);
    return 0;
}

/* The files, then the directory, whose bit hands the group on to what is made in there. */
static int share_directory(const struct file_db *db, const char *name, const char *shown,
                           gid_t group, struct grid_error *err)
{
    grid_auto_close int fd = openat(db->dirfd, name,
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct sharing sharing = {db, fd, shown, group};
    if (fd < 0 && errno == ENOENT)
        return 0;
    int rc = fd < 0 ? cannot(&sharing, "", err) : file_each(fd, ".", share_file, &sharing, err);
    return rc == 0 && hand_over(fd, group, 02770) != 0 ? cannot(&sharing, "", err) : rc;
}

static int share(struct file_db *db, gid_t group, struct grid_error *err)
{
    return share_directory(db, FILE_GENERATIONS, FILE_GENERATIONS "/", group, err)
               ?: share_directory(db, ".", "", group, err);
}

int file_init(void *opaque, int64_t group, struct grid_error *err)
{
    struct file_db *db = opaque;
    db->mode = GRID_WRITE;
    int rc = file_find(db, true, err);
    rc = rc ?: file_lock_ledger(db, db->options->lock_timeout_us, err);
    if (rc == 0 && group >= 0 && geteuid() != 0 && geteuid() != db->stat.st_uid)
        rc = grid_error_advise(err, GRID_EPERM, "its owner and root may",
                               "cannot share '%s': it is another user's", db->dir);
    if (rc == 0 && group >= 0)
        rc = share(db, (gid_t)group, err);
    file_end(db);
    return rc;
}
