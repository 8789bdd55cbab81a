/* What every durable change costs: lock, read the whole, write anew, fsync, rename, fsync the
 * directory. Shared by the programs that grid is compared with, so that they differ in nothing
 * else. Everything here ends the program when it fails. */
#ifndef BENCH_DURABLE_H
#define BENCH_DURABLE_H

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void durable_check(int bad, const char *what)
{
    if (!bad)
        return;
    perror(what);
    exit(1);
}

/* Locks `path`.lock the way grid does; the lock lasts as long as the program. */
static inline void durable_lock(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char name[4096];
    int fd;

    snprintf(name, sizeof(name), "%s.lock", path);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    durable_check(fd < 0, name);
    durable_check(fcntl(fd, F_OFD_SETLKW, &lock) < 0, "lock");
}

/* The whole file, with a NUL behind it; the caller's. */
static inline char *durable_read(const char *path, size_t *ret_length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    char *text;
    size_t done = 0;

    durable_check(fd < 0 || fstat(fd, &stat) < 0, path);
    text = malloc((size_t)stat.st_size + 1);
    durable_check(!text, "memory");
    while (done < (size_t)stat.st_size) {
        ssize_t got = read(fd, text + done, (size_t)stat.st_size - done);

        durable_check(got <= 0, "read");
        done += (size_t)got;
    }
    close(fd);
    text[done] = '\0';
    *ret_length = done;
    return text;
}

static inline void durable_replace(const char *path, const char *text, size_t length)
{
    char name[4096], directory[4096];
    int fd;

    snprintf(name, sizeof(name), "%s.tmp", path);
    fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    durable_check(fd < 0, name);
    while (length > 0) {
        ssize_t put = write(fd, text, length);

        durable_check(put < 0, "write");
        text += put;
        length -= (size_t)put;
    }
    durable_check(fsync(fd) < 0 || close(fd) < 0, "fsync");
    durable_check(rename(name, path) < 0, "rename");
    snprintf(directory, sizeof(directory), "%s", path);
    fd = open(dirname(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    durable_check(fd < 0 || fsync(fd) < 0, "fsync of the directory");
    close(fd);
}

#endif
