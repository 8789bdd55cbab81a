/* From system calls to what they do to a disk. */
#include "fault/lib/disk.h"

#include "fault/lib/rig.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* --- what a call is about --------------------------------------------------------------------- */

static int inode_of(const struct disk_record *record, unsigned long long fd)
{
    return fd < DISK_FDS ? record->fds[fd].inode - 1 : -1;
}

/* One step of a path: -1 when it leads out of the root, or to nothing. */
static int step(const struct disk *disk, int directory, const char *name)
{
    if (directory < 0 || strcmp(name, "") == 0 || strcmp(name, ".") == 0)
        return directory;
    return strcmp(name, "..") == 0 ? disk_parent(disk, directory)
                                   : disk_find(disk, directory, name);
}

/* The directory in which the path of a call ends (-1: none of ours), and its last name, which is ""
 * for the directory itself. */
static int locate(const struct disk_record *record, const struct trace_call *call, int dirfd_at,
                  int path_at, char name[static DISK_NAME_SIZE])
{
    char text[4096], *path = text;
    size_t root = strlen(record->root);
    if (!trace_string(call->pid, call->args[path_at], text, sizeof(text)))
        return -1;
    int dirfd = dirfd_at < 0 ? AT_FDCWD : (int)call->args[dirfd_at];
    int directory = dirfd >= 0 ? inode_of(record, (unsigned)dirfd) : -1;
    if (path[0] == '/') {
        directory = strncmp(path, record->root, root) == 0 ? 0 : -1;
        path += directory == 0 ? root : 0;
    }
    char *rest = path, *part = strsep(&rest, "/");
    for (; rest && directory >= 0; part = strsep(&rest, "/"))
        directory = step(record->disk, directory, part);
    if (directory < 0)
        return -1;
    rig_format(name, DISK_NAME_SIZE, "%s", part);
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        return directory;
    directory = step(record->disk, directory, name);
    name[0] = '\0';
    return directory;
}

static void do_op(struct disk_record *record, struct disk_op op)
{
    struct disk_op *kept = malloc(sizeof(*kept));
    if (!kept || record->count == DISK_OPS)
        errx(1, "too many changes of one command");
    *kept = op;
    disk_apply(record->disk, kept);
    record->ops[record->count++] = kept;
}

static void put(struct disk_record *record, int directory, const char *name, int inode,
                bool is_directory)
{
    struct disk_op op = {.change = DISK_PUT, .inode = directory, .other = inode,
                         .directory = is_directory};
    rig_format(op.name, sizeof(op.name), "%s", name);
    do_op(record, op);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void open_at(struct disk_record *record, const struct trace_call *call, int dirfd_at)
{
    char name[DISK_NAME_SIZE];
    int flags = (int)call->args[dirfd_at + 2];
    int directory = locate(record, call, dirfd_at, dirfd_at + 1, name);
    if (call->result >= DISK_FDS)
        errx(1, "too many open files");
    record->fds[call->result].inode = 0;
    if (directory < 0)
        return;
    int inode = name[0] ? disk_find(record->disk, directory, name) : directory;
    if (inode < 0) {
        inode = record->disk->count;
        put(record, directory, name, inode, false);
    } else if (flags & O_TRUNC && disk_size(record->disk, inode) > 0) {
        do_op(record, (struct disk_op){.change = DISK_TRUNCATE, .inode = inode});
    }
    if (flags & (O_APPEND | (O_TMPFILE & ~O_DIRECTORY)))
        errx(1, "a way of opening that is not recorded");
    record->fds[call->result].inode = inode + 1;
    record->fds[call->result].offset = 0;
}

static void on_openat(struct disk_record *record, const struct trace_call *call)
{
    open_at(record, call, 0);
}

static void on_close(struct disk_record *record, const struct trace_call *call)
{
    if (call->args[0] < DISK_FDS)
        record->fds[call->args[0]].inode = 0;
}

static void write_at(struct disk_record *record, const struct trace_call *call, size_t offset)
{
    int inode = inode_of(record, call->args[0]);
    size_t length = (size_t)call->result;
    char *bytes = malloc(length + 1);
    if (!bytes || !trace_read(call->pid, call->args[1], bytes, length))
        errx(1, "cannot read what was written");
    do_op(record, (struct disk_op){.change = DISK_WRITE, .inode = inode, .offset = offset,
                                   .bytes = {bytes, length}});
}

static void on_write(struct disk_record *record, const struct trace_call *call)
{
    if (inode_of(record, call->args[0]) < 0)
        return;
    write_at(record, call, record->fds[call->args[0]].offset);
    record->fds[call->args[0]].offset += (size_t)call->result;
}

static void on_pwrite(struct disk_record *record, const struct trace_call *call)
{
    if (inode_of(record, call->args[0]) >= 0)
        write_at(record, call, (size_t)call->args[3]);
}

static void on_read(struct disk_record *record, const struct trace_call *call)
{
    if (inode_of(record, call->args[0]) >= 0)
        record->fds[call->args[0]].offset += (size_t)call->result;
}

static void on_lseek(struct disk_record *record, const struct trace_call *call)
{
    if (inode_of(record, call->args[0]) >= 0)
        record->fds[call->args[0]].offset = (size_t)call->result;
}

static void on_ftruncate(struct disk_record *record, const struct trace_call *call)
{
    int inode = inode_of(record, call->args[0]);
    if (inode >= 0)
        do_op(record, (struct disk_op){.change = DISK_TRUNCATE, .inode = inode,
                                       .offset = (size_t)call->args[1]});
}

static void on_sync(struct disk_record *record, const struct trace_call *call)
{
    int inode = inode_of(record, call->args[0]);
    if (inode >= 0)
        do_op(record, (struct disk_op){.change = DISK_SYNC, .inode = inode});
}

static void on_mkdirat(struct disk_record *record, const struct trace_call *call)
{
    char name[DISK_NAME_SIZE];
    int directory = locate(record, call, 0, 1, name);
    if (directory >= 0)
        put(record, directory, name, record->disk->count, true);
}

static void on_linkat(struct disk_record *record, const struct trace_call *call)
{
    char old[DISK_NAME_SIZE], name[DISK_NAME_SIZE];
    int from = locate(record, call, 0, 1, old), to = locate(record, call, 2, 3, name);
    if (to >= 0 && from < 0)
        errx(1, "a link from outside");
    if (to >= 0)
        put(record, to, name, disk_find(record->disk, from, old), false);
}

static void drop(struct disk_record *record, int directory, const char *name)
{
    struct disk_op op = {.change = DISK_DROP, .inode = directory};
    rig_format(op.name, sizeof(op.name), "%s", name);
    do_op(record, op);
}

static void on_unlinkat(struct disk_record *record, const struct trace_call *call)
{
    char name[DISK_NAME_SIZE];
    int directory = locate(record, call, 0, 1, name);
    if (directory >= 0)
        drop(record, directory, name);
}

/* Between directories it is two changes, each of which may be lost. */
static void on_renameat(struct disk_record *record, const struct trace_call *call)
{
    struct disk_op op = {.change = DISK_RENAME};
    int from = locate(record, call, 0, 1, op.old);
    op.inode = locate(record, call, 2, 3, op.name);
    if (from < 0 || op.inode < 0) {
        if (from != op.inode)
            errx(1, "a rename from or to outside");
        return;
    }
    op.other = disk_find(record->disk, from, op.old);
    if (from == op.inode) {
        do_op(record, op);
        return;
    }
    put(record, op.inode, op.name, op.other, false);
    drop(record, from, op.old);
}

/* Nothing that grid does today, and nothing that may pass unseen if it did. */
static void on_unknown(struct disk_record *record, const struct trace_call *call)
{
    (void)record;
    errx(1, "'%s' is not recorded", trace_name(call->number));
}

static void on_unknown_fd(struct disk_record *record, const struct trace_call *call)
{
    if (inode_of(record, call->args[0]) >= 0)
        on_unknown(record, call);
}

static void on_fcntl(struct disk_record *record, const struct trace_call *call)
{
    if (call->args[1] == F_DUPFD || call->args[1] == F_DUPFD_CLOEXEC)
        on_unknown_fd(record, call);
}

static const struct {
    long number;
    void (*fn)(struct disk_record *record, const struct trace_call *call);
} calls[] = {
    {SYS_openat, on_openat}, {SYS_close, on_close}, {SYS_write, on_write},
    {SYS_pwrite64, on_pwrite}, {SYS_read, on_read}, {SYS_lseek, on_lseek},
    {SYS_ftruncate, on_ftruncate}, {SYS_fsync, on_sync}, {SYS_fdatasync, on_sync},
    {SYS_mkdirat, on_mkdirat}, {SYS_linkat, on_linkat}, {SYS_unlinkat, on_unlinkat},
    {SYS_renameat2, on_renameat},
#ifdef SYS_renameat
    {SYS_renameat, on_renameat},
#endif
#ifdef SYS_open /* of architectures that have more calls than they need */
    {SYS_open, on_unknown}, {SYS_creat, on_unknown}, {SYS_link, on_unknown},
    {SYS_unlink, on_unknown}, {SYS_rename, on_unknown}, {SYS_mkdir, on_unknown},
    {SYS_rmdir, on_unknown}, {SYS_symlink, on_unknown}, {SYS_dup2, on_unknown_fd},
#endif
    {SYS_dup, on_unknown_fd}, {SYS_dup3, on_unknown_fd}, {SYS_fcntl, on_fcntl},
    {SYS_writev, on_unknown_fd}, {SYS_pwritev, on_unknown_fd}, {SYS_fallocate, on_unknown_fd},
    {SYS_sendfile, on_unknown_fd}, {SYS_truncate, on_unknown}, {SYS_symlinkat, on_unknown},
    {SYS_copy_file_range, on_unknown}, {SYS_splice, on_unknown},
};

void disk_record_call(void *context, const struct trace_call *call)
{
    if (call->entry || call->result < 0)
        return;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (calls[i].number == call->number)
            calls[i].fn(context, call);
}
