/* Looking at what lies beside the state: permissions, leftovers, backups, segments. */
#include "model/record.h"
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define LEFTOVER_US GRID_MINUTE /* no command takes longer to write one file */

/* --- permissions, leftovers, backups ---------------------------------------------------------- */

struct looking {
    struct checking *check;
    int dirfd;
    const char *dir; /* as shown */
    size_t count;    /* of the directories in it */
};

static void report_mode(struct checking *check, const struct stat *st, const char *dir,
                        const char *name)
{
    if (!S_ISLNK(st->st_mode) && (st->st_mode & S_IWOTH) && !(st->st_mode & S_ISVTX))
        check_report(check, GRID_WARNING, "permissions", "everybody may write '%s%s%s'", dir,
                     *name ? "/" : "", name);
}

static int look_at_entry(void *context, const char *name, struct grid_error *err)
{
    (void)err;
    struct looking *looking = context;
    const struct file_db *db = looking->check->db;
    struct stat st;
    if (fstatat(looking->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    report_mode(looking->check, &st, looking->dir, name);
    looking->count += S_ISDIR(st.st_mode);
    size_t length = strlen(db->name);
    bool temporary = name[0] == '.' && strncmp(name + 1, db->name, length) == 0
                     && strncmp(name + 1 + length, ".tmp", 4) == 0;
    if (temporary && clock_now_us() / GRID_SECOND - st.st_mtim.tv_sec > LEFTOVER_US / GRID_SECOND)
        check_report(looking->check, GRID_WARNING, "temporary file", "'%s/%s' was left behind; "
                     "the next command that writes removes it", looking->dir, name);
    return 0;
}

/* A directory and what is in it; *ret_count directories. One that is not there is fine. */
static int look_at(struct checking *check, int at, const char *name, const char *shown,
                   size_t *ret_count)
{
    char dir[PATH_MAX];
    struct stat st;
    snprintf(dir, sizeof(dir), "%s%s%s", shown, *name == '.' ? "" : "/", *name == '.' ? "" : name);
    grid_auto_close int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct looking looking = {check, fd, dir, 0};
    if (fd < 0 || fstat(fd, &st) != 0)
        return 0;
    report_mode(check, &st, dir, "");
    int rc = file_each(fd, ".", look_at_entry, &looking, check->err);
    *ret_count = looking.count;
    return rc < 0 ? grid_error_wrap(check->err, "'%s'", dir) : rc;
}

int check_files(struct checking *check)
{
    const struct file_db *db = check->db;
    size_t unused, backups = 0;
    int rc = look_at(check, db->dirfd, ".", db->dir, &unused);
    rc = rc ?: look_at(check, db->dirfd, FILE_GENERATIONS, db->dir, &unused);
    grid_auto_close int fd = open(db->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc < 0 || fd < 0)
        return rc;
    if (db->linked)
        rc = look_at(check, fd, ".", db->data_dir, &unused);
    rc = rc ?: look_at(check, fd, "hooks", db->data_dir, &unused);
    rc = rc ?: look_at(check, fd, "backups", db->data_dir, &backups);
    if (backups > 0)
        check_report(check, GRID_FACT, "backups", "%zu", backups);
    return rc;
}

/* --- segments --------------------------------------------------------------------------------- */

static int64_t count_events(const struct buffer *text)
{
    int64_t count = 0;
    struct grid_event event;
    struct span line;
    for (const char *at = text->data; span_line(&at, text->data + text->length, &line);)
        count += record_event_read(line, &event, NULL) == 0;
    return count;
}

/* Calls fn for each segment that counts, was not swept, and is damaged (ECORRUPT) or missing (1),
 * with what can be read of it; *ret_events counts those of all. */
typedef int (*torn_fn)(struct checking *check, int64_t number, int rc, const struct buffer *text,
                       int64_t events);
static int each_torn(struct checking *check, torn_fn fn, int64_t *ret_count, int64_t *ret_events)
{
    const struct file_db *db = check->db;
    grid_auto_free int64_t *numbers = NULL;
    size_t count = 0;
    int rc = segments_list(db, &numbers, &count, check->err);
    int64_t first = count > 0 ? numbers[0] : INT64_MAX;
    for (int64_t number = first; rc == 0 && number <= db->state.segments; number++) {
        grid_auto_buffer struct buffer text = BUFFER_INIT;
        struct grid_error why = {0};
        int read = segment_text(db, number, &text, &why);
        if (read < 0 && read != GRID_ECORRUPT)
            return grid_error_set(check->err, read, "%s", why.message);
        int64_t events = count_events(&text);
        *ret_events += events;
        ++*ret_count;
        rc = read == 0 ? 0 : fn(check, number, read, &text, events);
    }
    return rc;
}

static int report_torn(struct checking *check, int64_t number, int rc, const struct buffer *text,
                       int64_t events)
{
    (void)text;
    char name[FILE_NAME_SIZE];
    segment_name(check->db, number, name);
    check->torn = true;
    if (rc > 0)
        check_report(check, GRID_DAMAGE, name, "it is missing, though later ones are there");
    else
        check_report(check, GRID_DAMAGE, name, "it does not unpack as a whole: %lld event%s of "
                     "it do%s", (long long)events, events == 1 ? "" : "s",
                     events == 1 ? "es" : "");
    return 0;
}

int check_segments(struct checking *check, int64_t *ret_events)
{
    int64_t count = 0;
    int rc = each_torn(check, report_torn, &count, ret_events);
    if (count > 0)
        check_report(check, GRID_FACT, "segments", "%lld", (long long)count);
    return rc;
}

static int mend_torn(struct checking *check, int64_t number, int rc, const struct buffer *text,
                     int64_t events)
{
    const struct file_db *db = check->db;
    char name[FILE_NAME_SIZE], aside[FILE_NAME_SIZE] = "";
    segment_name(db, number, name);
    if (rc < 0 && (rc = recover_set_aside(db, name, aside, check->err)) < 0)
        return rc;
    rc = segment_write(db, number, text->data, text->length, check->err);
    if (rc == 0)
        check_report(check, GRID_WARNING, name, "%lld event%s of it %s kept, the others are lost",
                     (long long)events, events == 1 ? "" : "s", events == 1 ? "is" : "are");
    if (rc == 0 && aside[0])
        check_report(check, GRID_FACT, "repaired", "'%s' as it was is kept as '%s'", name, aside);
    return rc;
}

int check_mend_segments(struct checking *check, unsigned flags)
{
    int64_t count = 0, events = 0;
    if (!check->torn)
        return 0;
    if (!(flags & GRID_CHECK_ACCEPT_LOSS))
        return grid_error_advise(check->err, GRID_ECORRUPT,
                                 "accept it with 'grid store repair --accept-loss'",
                                 "the history of '%s' can be repaired only with a loss",
                                 check->db->dir);
    return each_torn(check, mend_torn, &count, &events);
}
