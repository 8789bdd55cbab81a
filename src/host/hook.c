/* Hooks: whether one may be run, and running it. */
#include "host/hook.h"

#include "grid/time.h"
#include "host/supervise.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define OUTPUT_MOST 65536
#define CHAIN "GRID_HOOKS" /* the hooks that led to this process: "granted extended" */

static bool is_trusted(uid_t owner)
{
    return owner == 0 || owner == getuid();
}

static int check(const struct stat *st, const char *name, struct grid_error *err)
{
    if (!is_trusted(st->st_uid))
        return grid_error_set(err, GRID_EPERM, "'%s' belongs neither to you nor to root",
                              text_shown(name));
    if (!S_ISLNK(st->st_mode) && st->st_mode & (S_IWGRP | S_IWOTH))
        return grid_error_set(err, GRID_EPERM, "'%s' can be written by others (chmod go-w)",
                              text_shown(name));
    return 0;
}

static int unseen(const char *name, struct grid_error *err)
{
    return grid_error_errno(err, GRID_EIO, errno, "'%s' cannot be looked at", text_shown(name));
}

/* O_PATH: who may execute it need not be able to read it. Returns 1, with err set, if there is no
 * such thing. */
static int open_checked(int dir, const char *at, int flags, const char *name, int *ret_fd,
                        struct stat *ret, struct grid_error *err)
{
    *ret_fd = openat(dir, at, O_PATH | O_CLOEXEC | flags);
    bool missing = *ret_fd < 0 && (errno == ENOENT || errno == ENOTDIR);
    if (*ret_fd < 0 || fstat(*ret_fd, ret) != 0)
        return unseen(name, err), missing ? 1 : GRID_EIO;
    return check(ret, name, err);
}

/* What a link leads to may lie where others can put something else there: the file itself is held,
 * not the link. Else the directory, which nobody else can write: so a script's $0 lies where its
 * own files are. */
static int open_file(int dir, const char *event, struct hook_file *ret, struct grid_error *err)
{
    grid_auto_close int fd = -1;
    struct stat entry, st;
    if (fstatat(dir, event, &entry, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 1 : unseen(ret->name, err);
    int rc = S_ISLNK(entry.st_mode) ? check(&entry, ret->name, err) : 0;
    rc = rc ?: open_checked(dir, event, S_ISLNK(entry.st_mode) ? 0 : O_NOFOLLOW, ret->name, &fd,
                            &st, err);
    if (rc != 0)
        return rc < 0 ? rc : GRID_EIO;
    if (!S_ISREG(st.st_mode))
        return grid_error_set(err, GRID_EIO, "'%s' is not a file", text_shown(ret->name));
    if (!(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
        return grid_error_set(err, GRID_ENOTFOUND, "'%s' is not executable",
                              text_shown(ret->name));
    if (S_ISLNK(entry.st_mode))
        ret->fd = steal_fd(fd);
    return 0;
}

int hook_open(const char *dir, const char *event, struct hook_file *ret, struct grid_error *err)
{
    grid_auto_close int fd = -1;
    struct stat st;
    ret->fd = -1;
    if (snprintf(ret->name, sizeof(ret->name), "%s/%s", dir, event) >= (int)sizeof(ret->name))
        return grid_error_set(err, GRID_EIO, "its path is too long");
    int rc = open_checked(AT_FDCWD, dir, O_NOFOLLOW, dir, &fd, &st, err);
    if (rc != 0)
        return rc;
    if (S_ISLNK(st.st_mode))
        return grid_error_set(err, GRID_EPERM, "'%s' is a symbolic link", text_shown(dir));
    if (!S_ISDIR(st.st_mode))
        return 1;
    rc = open_file(fd, event, ret, err);
    if (rc != 0)
        return rc;
    bool linked = ret->fd >= 0;
    ret->fd = linked ? ret->fd : steal_fd(fd);
    snprintf(ret->path, sizeof(ret->path), "/proc/self/fd/%d%s%s", ret->fd, linked ? "" : "/",
             linked ? "" : event);
    return 0;
}

bool hook_calls_us(const char *event)
{
    const char *at = getenv(CHAIN);
    size_t length = strlen(event);
    while (at && *at) {
        size_t word = strcspn(at, " ");
        if (word == length && strncmp(at, event, length) == 0)
            return true;
        at += word + strspn(at + word, " ");
    }
    return false;
}

/* --- running -------------------------------------------------------------------------------- */

/* Is this "NAME=value" of a variable that the hook gets anew, or not at all? */
static bool is_replaced(const struct hook *hook, const char *entry)
{
    size_t length = strcspn(entry, "=");
    for (const char *const (*at)[2] = hook->variables; (*at)[0]; at++)
        if (strlen((*at)[0]) == length && strncmp((*at)[0], entry, length) == 0)
            return true;
    return text_begins(entry, "GRID_EVENT=") || text_begins(entry, CHAIN "=")
           || text_begins(entry, SUPERVISE_MARK "=");
}

/* The variables that are new, each with its NUL. Returns how many. */
static size_t print_variables(const struct hook *hook, struct buffer *out)
{
    const char *chain = getenv(CHAIN);
    size_t count = 2;
    buffer_format(out, "GRID_EVENT=%s%c", hook->event, '\0');
    buffer_format(out, CHAIN "=%s%s%s%c", chain ? chain : "", chain && *chain ? " " : "",
                  hook->event, '\0');
    for (const char *const (*at)[2] = hook->variables; (*at)[0]; at++, count++)
        buffer_format(out, "%s=%s%c", (*at)[0], (*at)[1], '\0');
    return count;
}

/* An array that the caller frees; its new strings are in `text`. */
static const char **make_environment(const struct hook *hook, struct buffer *text)
{
    size_t count = print_variables(hook, text), at = 0;
    for (char **old = environ; *old; old++)
        count++;
    const char **entries = text->error ? NULL : calloc(count + 1, sizeof(*entries));
    if (!entries)
        return NULL;
    for (const char *next = text->data; next < text->data + text->length; next += strlen(next) + 1)
        entries[at++] = next;
    for (char **old = environ; *old; old++)
        if (!is_replaced(hook, *old))
            entries[at++] = *old;
    return entries;
}

int hook_run(const struct hook *hook, struct buffer *out, struct buffer *errors,
             struct grid_error *err)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    grid_auto_free const char **environment = make_environment(hook, &text);
    char limit[GRID_TIME_SIZE];
    struct run_end end = {0};
    if (!environment)
        return grid_error_set(err, GRID_ENOMEM, "no memory");
    struct run run = {.argv = (const char *[]){hook->file->name, NULL},
                      .path = hook->file->path, .kept_fd = hook->file->fd,
                      .environment = environment,
                      .input = hook->input, .limit_us = hook->limit_us, .most = OUTPUT_MOST};
    int rc = run_command(&run, out, errors, &end, err);
    if (rc < 0 || (end.status == 0 && !end.timed_out))
        return rc;
    if (end.timed_out)
        return grid_error_set(err, GRID_EREFUSED, "it did not end within %s",
                              grid_duration_show(hook->limit_us, limit));
    return grid_error_set(err, GRID_EREFUSED, "it ended with status %d", end.status);
}
