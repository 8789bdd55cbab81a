/* Waiting until somebody else changes the state file. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>

/*
 * What has changed is told by a look at the state file alone. inotify says when to look: it also
 * speaks of this store's own commits, of the lock file and of temporary files, does not tell of
 * other hosts on a network file system, and may not be there at all (a limit for each user, a
 * directory that does not exist yet). So one look a second is had in any case.
 */
#define STEP_US GRID_SECOND

bool file_looks(const struct file_look *look, const struct stat *stat)
{
    return look->inode == stat->st_ino && look->device == stat->st_dev
           && look->size == stat->st_size && look->changed.tv_sec == stat->st_mtim.tv_sec
           && look->changed.tv_nsec == stat->st_mtim.tv_nsec;
}

/* Made before the look, so that nothing falls between the two. Adding it again costs next to
 * nothing, and finds a directory that is new, or another one. */
static void listen_to(struct file_db *db)
{
    if (db->watch_fd < 0)
        db->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (db->watch_fd >= 0)
        (void)inotify_add_watch(db->watch_fd, db->dir, IN_MOVED_TO | IN_CLOSE_WRITE);
}

static bool has_changed(const struct file_db *db)
{
    char path[PATH_MAX + FILE_NAME_SIZE];
    struct stat now;
    snprintf(path, sizeof(path), "%s/%s", db->dir, db->name);
    if (fstatat(AT_FDCWD, path, &now, 0) != 0)
        return db->seen.inode != 0;
    return !file_looks(&db->seen, &now);
}

/* 0: time to look again; 1: a signal, or the stop; EIO. */
static int wait_for(const struct file_db *db, int64_t wait_us, int stop_fd, struct grid_error *err)
{
    char told[4096];
    struct pollfd ends[] = {{.fd = stop_fd, .events = POLLIN},
                            {.fd = db->watch_fd, .events = POLLIN}};
    int step_ms = (int)((wait_us < STEP_US ? wait_us : STEP_US) / 1000) + 1;
    int count = poll(ends, countof(ends), step_ms);
    if (count < 0 && errno != EINTR)
        return grid_error_errno(err, GRID_EIO, errno, "cannot wait for '%s/%s'", db->dir,
                                db->name);
    if (count < 0 || ends[0].revents)
        return 1;
    if (ends[1].revents)
        while (read(db->watch_fd, told, sizeof(told)) > 0)
            ;
    return 0;
}

int file_watch(void *opaque, int64_t wait_us, int stop_fd, struct grid_error *err)
{
    struct file_db *db = opaque;
    int64_t begun_us = clock_monotonic_us();
    int rc = file_locate(db, err);
    while (rc == 0) {
        int64_t rest_us = wait_us - (clock_monotonic_us() - begun_us);
        listen_to(db);
        if (rest_us <= 0 || has_changed(db))
            return 0;
        rc = wait_for(db, rest_us, stop_fd, err);
    }
    return rc < 0 ? rc : 0;
}
