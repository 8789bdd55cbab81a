/* Files: whole reads, writes that finish, the lock beside the data, directories. */
#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include "util/text.h"

#include <sys/stat.h>
#include <unistd.h>

static inline void file_close_pointer(int *fd) { if (*fd >= 0) close(*fd); }
#define grid_auto_close __attribute__((cleanup(file_close_pointer)))
#define steal_fd(fd) ({ int stolen_ = (fd); (fd) = -1; stolen_; })

/* openat with O_NONBLOCK, so that it never blocks, of a regular file (EIO: "it is a directory", "a
 * fifo"). `ret_stat` may be NULL. Returns 1 when it does not exist, with nothing set. */
int file_open(int dirfd, const char *name, int flags, mode_t mode, int *ret_fd,
              struct stat *ret_stat, struct grid_error *err);

/*
 * Opens `name` in the directory `dirfd` as file_open and reads it whole. *ret_text is the caller's,
 * with a NUL behind ret_length bytes. `ret_stat` may be NULL. Returns 1 when the file does not
 * exist, with nothing set. EIO, ENOMEM.
 */
int file_read(int dirfd, const char *name, char **ret_text, size_t *ret_length,
              struct stat *ret_stat, struct grid_error *err);

/* All bytes written, interruptions and short writes included; 0 or an errno value. */
int file_write_all(int fd, const void *bytes, size_t length);
int file_pwrite_all(int fd, const void *bytes, size_t length, off_t offset);

/* Follows symbolic links of the last component of `path` to the file they end in, which need not
 * exist. `ret_path` of PATH_MAX bytes. EIO: a loop, too long. */
int file_resolve(const char *path, char *ret_path, struct grid_error *err);

/* Makes a directory (with `mode`) and its parents (0777), less the umask, fsyncing the parent of
 * each one made; made by root they belong to the owner of what they lie in. EIO. */
int file_make_directory(const char *path, mode_t mode, struct grid_error *err);

/* Does a group share what lies in such a directory? (setgid, and the group writes) */
bool file_is_shared(const struct stat *directory);

/* What was made in the directory `dirfd` becomes like it: open to the group where that shares it,
 * and made by root, its owner's. As far as that goes: it is no error. */
void file_settle_in(int fd, int dirfd, bool shared);

/* Makes what happened to a directory's entries durable, if we may open it; 0 or an errno value. */
int file_sync_directory(int dirfd, const char *path);

/* Calls fn for each entry but . and ..; stops at non-zero and returns it. EIO. */
typedef int (*file_entry_fn)(void *context, const char *name, struct grid_error *err);
int file_each(int dirfd, const char *subdirectory, file_entry_fn fn, void *context,
              struct grid_error *err);

/*
 * Takes the lock of an open lock file: an open-file-description lock (exclusive), which the
 * kernel gives up with the last descriptor, so that a killed process leaves none behind. Waits at
 * most timeout_us (0: not at all). ETIMEOUT; EIO.
 */
int file_lock(int fd, int64_t timeout_us, struct grid_error *err);

#endif
