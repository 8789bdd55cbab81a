/* grid export: the whole ledger as one document. */
#include "cmd/cmd.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>

/* Where the document goes: beside its place until all of it is there. */
struct target {
    char path[PATH_MAX], temporary[PATH_MAX];
    bool force;
    struct buffer out;
};

static int find_target(struct target *target, const char *file, struct grid_error *err)
{
    struct stat st;
    char copy[PATH_MAX];
    int rc = file_resolve(file, target->path, err);
    if (rc < 0)
        return rc;
    bool exists = fstatat(AT_FDCWD, target->path, &st, 0) == 0;
    if (exists && S_ISREG(st.st_mode) && !target->force)
        return grid_error_advise(err, GRID_ECONFLICT, "write over it with --force",
                                 "'%s' exists", text_shown(file));
    if (exists && !S_ISREG(st.st_mode))
        return grid_error_set(err, GRID_EIO, "'%s' is no file", text_shown(file));
    text_copy(copy, sizeof(copy), target->path);
    const char *name = strrchr(target->path, '/');
    if (snprintf(target->temporary, sizeof(target->temporary), "%s/.%s.tmp", dirname(copy),
                 name ? name + 1 : target->path) >= (int)sizeof(target->temporary))
        return grid_error_errno(err, GRID_EIO, ENAMETOOLONG, "cannot write '%s'",
                                text_shown(file));
    return 0;
}

static int take_piece(void *context, const char *text, size_t length, struct grid_error *err)
{
    struct buffer *out = context;
    buffer_add(out, text, length);
    if (!out->error)
        return 0;
    return grid_error_errno(err, out->fd < 0 ? GRID_ENOMEM : GRID_EIO, out->error,
                            "cannot write the document");
}

/* Without --force no other file loses its name. 0 or an errno value. */
static int rename_target(const struct target *target)
{
    unsigned flags = target->force ? 0 : RENAME_NOREPLACE;
    if (renameat2(AT_FDCWD, target->temporary, AT_FDCWD, target->path, flags) == 0)
        return 0;
    if (errno != EINVAL || target->force) /* NFS cannot */
        return errno;
    if (linkat(AT_FDCWD, target->temporary, AT_FDCWD, target->path, 0) != 0)
        return errno;
    return unlinkat(AT_FDCWD, target->temporary, 0) != 0 ? errno : 0;
}

/* It gets its name whole, and durable. */
static int give_name(struct target *target, struct grid_error *err)
{
    char copy[PATH_MAX];
    int failed = buffer_flush(&target->out);
    if (!failed && fsync(target->out.fd) != 0)
        failed = errno;
    failed = failed ? failed : rename_target(target);
    if (failed == EEXIST)
        return grid_error_set(err, GRID_ECONFLICT, "'%s' exists", text_shown(target->path));
    if (failed)
        return grid_error_errno(err, GRID_EIO, failed, "cannot write '%s'",
                                text_shown(target->path));
    text_copy(copy, sizeof(copy), target->path);
    failed = file_sync_directory(AT_FDCWD, dirname(copy));
    return failed ? grid_error_errno(err, GRID_EUNKNOWN, failed, "'%s' was written, but its "
                                     "directory cannot be synced", text_shown(target->path))
                  : 0;
}

/* It has one name for all, so that what a killed one left is written over by the next; and who
 * writes it holds its lock. 0 or an errno value. */
static int open_temporary(struct target *target, struct grid_error *err)
{
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    for (;;) {
        struct stat mine, there;
        grid_auto_close int fd = openat(AT_FDCWD, target->temporary, flags, 0600);
        if (fd < 0 || fstat(fd, &mine) != 0)
            return errno;
        if (!S_ISREG(mine.st_mode) || mine.st_uid != geteuid() || mine.st_nlink > 1)
            return EEXIST;
        int rc = file_lock(fd, 0, err);
        if (rc < 0)
            return rc == GRID_ETIMEOUT ? EBUSY : EIO;
        if (fstatat(AT_FDCWD, target->temporary, &there, AT_SYMLINK_NOFOLLOW) != 0
            || there.st_ino != mine.st_ino || there.st_dev != mine.st_dev)
            continue; /* its writer has just given it its name */
        if (ftruncate(fd, 0) != 0) {
            int failed = errno;
            unlinkat(AT_FDCWD, target->temporary, 0); /* we hold its lock */
            return failed;
        }
        target->out.fd = steal_fd(fd);
        return 0;
    }
}

static int export_file(struct cmd *cmd, struct target *target, struct grid_export *ret,
                       struct grid_error *err)
{
    int failed = open_temporary(target, err);
    if (failed)
        return grid_error_errno(err, GRID_EIO, failed, "cannot write '%s'",
                                text_shown(target->path));
    int rc = grid_ledger_export(cmd->store, take_piece, &target->out, ret, err);
    rc = rc ?: give_name(target, err);
    if (rc < 0 && rc != GRID_EUNKNOWN)
        unlinkat(AT_FDCWD, target->temporary, 0);
    close(target->out.fd);
    buffer_release(&target->out);
    return rc;
}

static int run_export(struct cmd *cmd, struct grid_error *err)
{
    struct grid_export facts;
    struct target target = {.force = cmd_value(cmd, "force"), .out = BUFFER_INIT};
    const char *file = cmd->argument_count ? cmd->arguments[0] : "-";
    if (!*file)
        return grid_error_set(err, GRID_EUSAGE, "the name of the file is empty");
    if (strcmp(file, "-") == 0) {
        int rc = grid_ledger_export(cmd->store, take_piece, &cmd->out, &facts, err);
        if (rc < 0)
            cmd->out.length = 0; /* all of it or nothing */
        return rc;
    }
    int rc = find_target(&target, file, err);
    rc = rc ?: export_file(cmd, &target, &facts, err);
    if (rc == 0)
        output_info(cmd, "%zu boost%s and %zu event%s at revision %jd written to '%s'",
                    facts.boosts, facts.boosts == 1 ? "" : "s", facts.events,
                    facts.events == 1 ? "" : "s", (intmax_t)facts.revision, text_shown(file));
    return rc;
}

static const struct cmd_option export_options[] = {
    {"force", 0, NULL, "write over a file that exists"},
    {0},
};

const struct cmd_verb export_verbs[] = {
    {.name = "", .arguments = "[FILE]",
     .summary = "Write the whole ledger as one JSON document (to standard output)",
     .options = export_options,
     .examples = "  grid export ledger.json\n"
                 "  grid export | jq '.boosts | length'\n",
     .run = run_export},
    {0},
};
