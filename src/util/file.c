/* Files: whole reads, writes that finish, the lock beside the data, directories. */
#include "util/file.h"

#include "util/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a directory"
           : S_ISFIFO(mode) ? "a fifo"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISLNK(mode)  ? "a symbolic link"
                            : "a device";
}

int file_open(int dirfd, const char *name, int flags, mode_t mode, int *ret_fd,
              struct stat *ret_stat, struct grid_error *err)
{
    grid_auto_close int fd = openat(dirfd, name, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, mode);
    if (fd < 0 && errno == ENOENT)
        return 1;
    if (fd < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot open '%s'", name);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot look at '%s'", name);
    if (!S_ISREG(st.st_mode))
        return grid_error_set(err, GRID_EIO, "cannot use '%s': it is %s, not a file", name,
                              kind_of(st.st_mode));
    if (ret_stat)
        *ret_stat = st;
    *ret_fd = steal_fd(fd);
    return 0;
}

int file_read(int dirfd, const char *name, char **ret_text, size_t *ret_length,
              struct stat *ret_stat, struct grid_error *err)
{
    grid_auto_close int fd = -1;
    struct stat st;
    int rc = file_open(dirfd, name, O_RDONLY, 0, &fd, &st, err);
    if (rc != 0)
        return rc;
    size_t capacity = (size_t)st.st_size + 1, length = 0;
    grid_auto_free char *text = malloc(capacity);
    if (!text)
        return grid_error_set(err, GRID_ENOMEM, "cannot read '%s': no memory", name);
    /* One byte of room more than the size: the read that finds the end needs no growing. */
    for (ssize_t n = 1; n != 0; length += n > 0 ? (size_t)n : 0) {
        if (array_reserve(&text, &capacity, length + 1, 1) != 0)
            return grid_error_set(err, GRID_ENOMEM, "cannot read '%s': no memory", name);
        n = read(fd, text + length, capacity - length);
        if (n < 0 && errno != EINTR)
            return grid_error_errno(err, GRID_EIO, errno, "cannot read '%s'", name);
    }
    text[length] = '\0';
    *ret_text = steal(text);
    *ret_length = length;
    if (ret_stat)
        *ret_stat = st;
    return 0;
}

/* `offset` < 0: where the descriptor stands. */
int file_pwrite_all(int fd, const void *bytes, size_t length, off_t offset)
{
    for (size_t done = 0; done < length;) {
        const char *at = (const char *)bytes + done;
        ssize_t n = offset < 0 ? write(fd, at, length - done)
                               : pwrite(fd, at, length - done, offset + (off_t)done);
        if (n < 0 && errno != EINTR)
            return errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int file_write_all(int fd, const void *bytes, size_t length)
{
    return file_pwrite_all(fd, bytes, length, -1);
}

int file_resolve(const char *path, char *ret_path, struct grid_error *err)
{
    char now[PATH_MAX], link[PATH_MAX], next[2 * PATH_MAX];
    if (!text_copy(now, sizeof(now), path))
        return grid_error_errno(err, GRID_EIO, ENAMETOOLONG, "cannot use '%s'", path);
    for (int hops = 0; hops < 40; hops++) {
        ssize_t n = readlink(now, link, sizeof(link) - 1);
        if (n < 0 && errno != EINVAL && errno != ENOENT)
            return grid_error_errno(err, GRID_EIO, errno, "cannot look at '%s'", now);
        if (n < 0) { /* no link, or nothing there yet */
            text_copy(ret_path, PATH_MAX, now);
            return 0;
        }
        link[n] = '\0';
        const char *slash = strrchr(now, '/');
        if (link[0] == '/' || !slash)
            snprintf(next, sizeof(next), "%s", link);
        else
            snprintf(next, sizeof(next), "%.*s/%s", (int)(slash - now), now, link);
        if (!text_copy(now, sizeof(now), next))
            return grid_error_errno(err, GRID_EIO, ENAMETOOLONG, "cannot use '%s'", path);
    }
    return grid_error_errno(err, GRID_EIO, ELOOP, "cannot use '%s'", path);
}

bool file_is_shared(const struct stat *directory)
{
    return (directory->st_mode & (S_ISGID | S_IWGRP)) == (S_ISGID | S_IWGRP);
}

void file_settle_in(int fd, int dirfd, bool shared)
{
    struct stat st, there;
    if (fstat(fd, &st) != 0)
        return;
    if (shared) /* whatever the umask */
        (void)!fchmod(fd, S_ISDIR(st.st_mode) ? 02770 : 0660);
    if (geteuid() == 0 && dirfd >= 0 && fstat(dirfd, &there) == 0 && there.st_uid != 0)
        (void)!fchown(fd, there.st_uid, there.st_gid);
}

int file_sync_directory(int dirfd, const char *path)
{
    grid_auto_close int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : errno; /* not ours to sync */
    return fsync(fd) != 0 ? errno : 0;
}

int file_make_directory(const char *path, mode_t mode, struct grid_error *err)
{
    struct stat st;
    if (fstatat(AT_FDCWD, path, &st, 0) == 0)
        return S_ISDIR(st.st_mode)
                   ? 0
                   : grid_error_set(err, GRID_EIO, "cannot use '%s': it is not a directory", path);
    char copy[PATH_MAX];
    if (!text_copy(copy, sizeof(copy), path))
        return grid_error_errno(err, GRID_EIO, ENAMETOOLONG, "cannot make '%s'", path);
    const char *parent = dirname(copy);
    if (strcmp(parent, path) != 0) {
        int rc = file_make_directory(parent, 0777, err);
        if (rc < 0)
            return rc;
    }
    if (mkdirat(AT_FDCWD, path, mode) != 0 && errno != EEXIST)
        return grid_error_errno(err, GRID_EIO, errno, "cannot make directory '%s'", path);
    if (geteuid() == 0 && fstatat(AT_FDCWD, parent, &st, 0) == 0 && st.st_uid != 0)
        (void)!fchownat(AT_FDCWD, path, st.st_uid, st.st_gid, 0); /* root visits somebody's home */
    int failed = file_sync_directory(AT_FDCWD, parent);
    if (failed)
        return grid_error_errno(err, GRID_EIO, failed, "cannot make '%s' durable", path);
    return 0;
}

int file_each(int dirfd, const char *subdirectory, file_entry_fn fn, void *context,
              struct grid_error *err)
{
    grid_auto_close int fd = openat(dirfd, subdirectory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return grid_error_errno(err, GRID_EIO, errno, "cannot list '%s'", subdirectory);
    fd = -1; /* the stream's now */
    int rc = 0;
    const struct dirent *entry;
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = fn(context, entry->d_name, err);
    if (rc == 0 && errno != 0)
        rc = grid_error_errno(err, GRID_EIO, errno, "cannot list '%s'", subdirectory);
    closedir(dir);
    return rc;
}

/*
 * Asks again and again instead of sleeping in the kernel: a blocking request can be ended only by
 * a signal, and signals are the program's, not the library's. The pauses double from 0.25 ms to
 * 8 ms; that is short beside the two fsyncs for which a writer holds the lock.
 */
int file_lock(int fd, int64_t timeout_us, struct grid_error *err)
{
    int64_t deadline_us = clock_monotonic_us() + timeout_us;
    struct timespec pause = {.tv_nsec = 250000};
    for (;;) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
            return 0;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return grid_error_errno(err, GRID_EIO, errno, "cannot lock");
        if (clock_monotonic_us() >= deadline_us)
            return grid_error_set(err, GRID_ETIMEOUT, "timed out");
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < 8000000)
            pause.tv_nsec *= 2;
    }
}
