/* Hooks: whether one may be run, and running it. */
#include "host/hook.h"

#include "grid/time.h"
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

/* A link is trusted as little as what it leads to: who owns it can turn it elsewhere. */
static int check(const char *path, struct stat *ret, struct grid_error *err)
{
    struct stat link;
    if (fstatat(AT_FDCWD, path, &link, AT_SYMLINK_NOFOLLOW) != 0
        || fstatat(AT_FDCWD, path, ret, 0) != 0)
        return grid_error_errno(err, GRID_EIO, errno, "'%s' cannot be looked at",
                                text_shown(path));
    if (!is_trusted(link.st_uid) || !is_trusted(ret->st_uid))
        return grid_error_set(err, GRID_EPERM, "'%s' belongs neither to you nor to root",
                              text_shown(path));
    if (ret->st_mode & (S_IWGRP | S_IWOTH))
        return grid_error_set(err, GRID_EPERM, "'%s' can be written by others (chmod go-w)",
                              text_shown(path));
    return 0;
}

int hook_find(const char *dir, const char *event, char ret_path[static PATH_MAX],
              struct grid_error *err)
{
    struct stat st;
    if (snprintf(ret_path, PATH_MAX, "%s/%s", dir, event) >= PATH_MAX)
        return grid_error_set(err, GRID_EIO, "its path is too long");
    if (fstatat(AT_FDCWD, ret_path, &st, AT_SYMLINK_NOFOLLOW) != 0
        && (errno == ENOENT || errno == ENOTDIR))
        return 1;
    int rc = check(dir, &st, err);
    rc = rc ?: check(ret_path, &st, err);
    if (rc == 0 && !S_ISREG(st.st_mode))
        rc = grid_error_set(err, GRID_EIO, "'%s' is not a file", text_shown(ret_path));
    if (rc == 0 && !(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
        rc = grid_error_set(err, GRID_ENOTFOUND, "'%s' is not executable", text_shown(ret_path));
    return rc;
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

/* Is this "NAME=value" of a variable that the hook gets anew? */
static bool is_replaced(const struct hook *hook, const char *entry)
{
    size_t length = strcspn(entry, "=");
    for (const char *const (*at)[2] = hook->variables; (*at)[0]; at++)
        if (strlen((*at)[0]) == length && strncmp((*at)[0], entry, length) == 0)
            return true;
    return text_begins(entry, "GRID_EVENT=") || text_begins(entry, CHAIN "=");
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
    struct run run = {.argv = (const char *[]){hook->path, NULL}, .environment = environment,
                      .input = hook->input, .limit_us = hook->limit_us, .most = OUTPUT_MOST};
    int rc = run_command(&run, out, errors, &end, err);
    if (rc < 0 || (end.status == 0 && !end.timed_out))
        return rc;
    if (end.timed_out)
        return grid_error_set(err, GRID_EREFUSED, "it did not end within %s",
                              grid_duration_show(hook->limit_us, limit));
    return grid_error_set(err, GRID_EREFUSED, "it ended with status %d", end.status);
}
