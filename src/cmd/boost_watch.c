/* grid boost status --watch: a screen that is drawn again, or a line for each change. */
#include "cmd/boost_watch.h"
#include "host/signals.h"
#include "model/record.h"
#include "util/clock.h"
#include "util/file.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EVERY_US (2 * GRID_SECOND)
#define PACE_MS 100 /* of a ledger that changes all the time */
#define ROWS 24     /* of a terminal that does not say */

#define SCREEN_ENTER "\033[?1049h\033[?7l" /* the other screen; lines are cut, not broken */
#define SCREEN_LEAVE "\033[?7h\033[?1049l"

/* A boost as it was shown last. */
struct shown {
    char id[GRID_ID_SIZE];
    uint64_t content; /* a hash */
    bool lives;       /* it was met again */
};

struct watch {
    struct cmd *cmd;
    int64_t every_us, next_us; /* how often to look; when something ends or starts next */
    int64_t revision;          /* events before it are known */
    struct boost_choice choice;
    struct shown *shown, *found; /* by id; in this pass */
    size_t shown_count, found_count, found_capacity;
    struct signals signals;
    bool screen;
};

/* --- lines: each boost that is new or has changed, then those that have ended ----------------- */

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct shown *)a)->id, ((const struct shown *)b)->id);
}

static struct shown *find(const struct watch *watch, const char *id)
{
    struct shown key;
    text_copy(key.id, sizeof(key.id), id);
    return watch->shown_count == 0 ? NULL
                                   : bsearch(&key, watch->shown, watch->shown_count, sizeof(key),
                                             compare);
}

/* Of all that a file would say of the boost, and its state (FNV-1a). */
static uint64_t hash(const struct grid_boost *boost, enum grid_boost_state state)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    struct json json = json_begin(&text, -1);
    uint64_t result = 0xcbf29ce484222325 ^ (uint64_t)state;
    record_write(&json, boost);
    for (size_t i = 0; i < text.length; i++)
        result = (result ^ (unsigned char)text.data[i]) * 0x100000001b3;
    return result;
}

static void note_next(struct watch *watch, int64_t now_us, int64_t time_us)
{
    if (time_us > now_us && time_us < watch->next_us)
        watch->next_us = time_us;
}

static int take_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct watch *watch = context;
    int64_t now_us = grid_store_now(watch->cmd->store);
    enum grid_boost_state state = grid_boost_state(boost, now_us);
    struct shown *before = find(watch, boost->boost_id);
    note_next(watch, now_us, boost->expires_us);
    note_next(watch, now_us, boost->starts_us);
    if (state != GRID_ACTIVE && !cmd_value(watch->cmd, "all"))
        return 0;
    if (array_reserve(&watch->found, &watch->found_capacity, watch->found_count + 1,
                      sizeof(*watch->found)) < 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for what is watched");
    struct shown *now = &watch->found[watch->found_count++];
    text_copy(now->id, sizeof(now->id), boost->boost_id);
    now->content = hash(boost, state);
    now->lives = false;
    if (before)
        before->lives = true;
    if (!before || before->content != now->content)
        sheet_add(watch->cmd, boost);
    return 0;
}

/* Newest first, up to those of the commit that was the latest before. */
static int take_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    struct watch *watch = context;
    if (event->revision < watch->revision)
        return 1;
    bool ends = event->has_boost && grid_event_ending(event) != GRID_ACTIVE;
    struct shown *before = ends ? find(watch, event->boost_id) : NULL;
    if (before && !before->lives) {
        before->lives = true;
        sheet_add(watch->cmd, &event->boost);
    }
    return 0;
}

static int take_revision(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    *(int64_t *)context = event->revision;
    return 1;
}

/* What is not there any more: it has ended, or is none of those that are looked for (--expiring,
 * and it was extended). */
static int show_gone(struct watch *watch, struct grid_error *err)
{
    static const struct grid_event_filter all;
    struct grid_boost boost;
    size_t gone = 0;
    for (size_t i = 0; i < watch->shown_count; i++)
        gone += !watch->shown[i].lives;
    int rc = gone ? grid_ledger_history(watch->cmd->store, &all, take_event, watch, err) : 0;
    for (size_t i = 0; rc == 0 && i < watch->shown_count; i++) {
        if (watch->shown[i].lives)
            continue;
        rc = grid_ledger_show(watch->cmd->store, watch->shown[i].id, &boost, NULL, NULL, err);
        if (rc == 0)
            sheet_add(watch->cmd, &boost);
        else if (rc == GRID_ENOTFOUND)
            rc = 0;
    }
    return rc;
}

static int show_lines(struct watch *watch, struct grid_error *err)
{
    static const struct grid_event_filter all;
    struct cmd *cmd = watch->cmd;
    int64_t revision = 0;
    watch->found_count = 0;
    int rc = grid_ledger_history(cmd->store, &all, take_revision, &revision, err);
    rc = rc ?: grid_ledger_list(cmd->store, GRID_READ, &watch->choice.filter, take_boost, watch,
                                err);
    rc = rc ?: show_gone(watch, err);
    if (rc < 0)
        return rc;
    struct shown *found = watch->found;
    qsort(found, watch->found_count, sizeof(*found), compare);
    free(watch->shown);
    watch->shown = found;
    watch->shown_count = watch->found_count;
    watch->found = NULL;
    watch->found_capacity = 0;
    watch->revision = revision;
    buffer_flush(&cmd->out);
    return 0;
}

/* --- the screen ----------------------------------------------------------------------------- */

static size_t screen_rows(void)
{
    struct winsize size = {0};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : ROWS;
}

static void add_heading(const struct watch *watch, struct buffer *frame)
{
    char time[GRID_TIME_SIZE], every[GRID_TIME_SIZE];
    buffer_format(frame, "grid boost status   %s   every %s\033[K\r\n\033[K",
                  grid_time_show(grid_store_now(watch->cmd->store), time),
                  grid_duration_show(watch->every_us, every));
}

/* As many lines of the result as there is room for below the heading. */
static void add_lines(struct buffer *frame, const char *text, size_t rows)
{
    size_t count = 0, room = rows > 3 ? rows - 2 : 1;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        count++;
    size_t most = count > room ? room - 1 : count;
    for (size_t i = 0; i < most; i++) {
        size_t length = strcspn(text, "\n");
        buffer_format(frame, "\r\n%.*s\033[K", (int)length, text);
        text += length + 1;
    }
    if (most < count)
        buffer_format(frame, "\r\n... and %zu lines more\033[K", count - most);
}

static int show_screen(struct watch *watch, struct grid_error *err)
{
    grid_auto_buffer struct buffer frame = BUFFER_INIT;
    struct cmd *cmd = watch->cmd;
    buffer_release(&cmd->sheet.text);
    int rc = sheet_begin(cmd, err);
    rc = rc ?: boost_status(cmd, GRID_READ, err);
    const char *text = rc < 0 ? NULL : buffer_string(&cmd->out);
    if (rc < 0)
        return rc;
    buffer_text(&frame, "\033[H");
    add_heading(watch, &frame);
    add_lines(&frame, cmd->sheet.rows > 0 && text ? text : "no boosts\n", screen_rows());
    buffer_text(&frame, "\033[J");
    cmd->out.length = 0;
    if (!frame.error)
        cmd->out.error = file_write_all(STDOUT_FILENO, frame.data, frame.length);
    return 0;
}

static void switch_screen(const struct watch *watch, const char *how)
{
    if (watch->screen)
        (void)file_write_all(STDOUT_FILENO, how, strlen(how));
}

/* --- waiting -------------------------------------------------------------------------------- */

/* Stopped from the keyboard: the terminal is the shell's meanwhile. */
static void stop(const struct watch *watch)
{
    switch_screen(watch, SCREEN_LEAVE);
    kill(getpid(), SIGSTOP);
    switch_screen(watch, SCREEN_ENTER);
}

/* Takes the signals that have come. True: one of them ends the watch. */
static bool take_signals(const struct watch *watch)
{
    int number;
    while ((number = signals_take(&watch->signals)) != 0) {
        if (number == SIGTSTP)
            stop(watch);
        else if (number != SIGWINCH)
            return true;
    }
    return false;
}

/* Does nobody read any more? Then nothing more is written, either, that would say so. */
static bool is_closed(const struct watch *watch)
{
    struct pollfd polled = {STDOUT_FILENO, 0, 0};
    return watch->cmd->out.error || (poll(&polled, 1, 0) > 0 && polled.revents != 0);
}

/* Until there is something to look at. 1: it is the end. */
static int wait_for_change(struct watch *watch, struct grid_error *err)
{
    struct pollfd polled = {watch->signals.fd, POLLIN, 0};
    int64_t left_us = watch->next_us - grid_store_now(watch->cmd->store);
    int rc = 0;
    if (poll(&polled, 1, PACE_MS) == 0)
        rc = grid_store_watch(watch->cmd->store,
                              left_us < watch->every_us ? left_us : watch->every_us,
                              watch->signals.fd, err);
    if (rc < 0)
        return rc;
    return take_signals(watch) || is_closed(watch);
}

static int look_again_and_again(struct watch *watch, struct grid_error *err)
{
    int rc;
    do {
        watch->next_us = GRID_NEVER;
        rc = boost_choose(watch->cmd, &watch->choice, err);
        watch->choice.filter.newest_first = true;
        rc = rc ?: (watch->screen ? show_screen : show_lines)(watch, err);
        watch->cmd->silent = true; /* what there was to note is noted */
        rc = rc ?: wait_for_change(watch, err);
    } while (rc == 0);
    return rc < 0 ? rc : 0;
}

/* Without a terminal, or with another format than a table. */
static int begin_lines(struct cmd *cmd, struct grid_error *err)
{
    if (cmd->settings.format == FORMAT_TABLE || cmd->settings.format == FORMAT_JSON)
        cmd->settings.format = FORMAT_JSONL;
    cmd->out.fd = STDOUT_FILENO;
    buffer_release(&cmd->sheet.text);
    return sheet_begin(cmd, err);
}

int boost_watch(struct cmd *cmd, struct grid_error *err)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, 0};
    struct watch watch = {.cmd = cmd, .every_us = EVERY_US};
    const char *term = getenv("TERM"), *every = cmd_value(cmd, "watch");
    int rc = *every ? cmd_duration(cmd, "watch", false, &watch.every_us, err) : 0;
    watch.screen = cmd->settings.format == FORMAT_TABLE && isatty(STDOUT_FILENO) && term && *term
                   && strcmp(term, "dumb") != 0;
    if (rc == 0 && !watch.screen)
        rc = begin_lines(cmd, err);
    rc = rc ?: signals_open(numbers, &watch.signals, err);
    if (rc < 0)
        return rc;
    switch_screen(&watch, SCREEN_ENTER);
    rc = look_again_and_again(&watch, err);
    switch_screen(&watch, SCREEN_LEAVE);
    close(watch.signals.fd);
    free(watch.shown);
    free(watch.found);
    return rc;
}
