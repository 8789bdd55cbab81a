/* grid boost release, cleanup: what is lent goes back. */
#include "cmd/boost.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Boosts on their way out. */
struct ending {
    struct cmd *cmd;
    const char *verb;    /* "released", "would release" */
    struct sheet sheet;
    struct buffer lines; /* for people */
    size_t ended;        /* by this call, not before */
    struct buffer ids;   /* of those, each with its NUL */
};

/* "released ID (CPU 2.0 from gpu1)", or how it had ended before. */
static void add_line(struct ending *ending, const struct grid_boost *boost, bool before)
{
    char brief[BOOST_BRIEF_SIZE], time[GRID_TIME_SIZE];
    const char *id = text_shown(boost->boost_id);
    if (before)
        buffer_format(&ending->lines, "%s had already %s%s at %s\n", id,
                      boost->ended == GRID_EXPIRED ? "" : "been ",
                      grid_boost_state_name(boost->ended), grid_time_show(boost->ended_us, time));
    else
        buffer_format(&ending->lines, "%s %s (%s)\n", ending->verb, id,
                      boost_brief(boost, brief));
}

static int add_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct ending *ending = context;
    bool before = boost->ended == GRID_EXPIRED || boost->ended == GRID_PREEMPTED
                  || (boost->ended == GRID_RELEASED && boost->ended_us < grid_store_now(ending->cmd->store));
    add_line(ending, boost, before);
    if (ending->sheet.kind && ending->cmd->settings.format != FORMAT_TABLE)
        sheet_add(&ending->sheet, boost, grid_store_now(ending->cmd->store));
    if (before)
        return 0;
    buffer_add(&ending->ids, boost->boost_id, strlen(boost->boost_id) + 1);
    ending->ended++;
    return 0;
}

static void print_document(struct ending *ending, const char *key)
{
    struct json json = sheet_document(ending->cmd);
    json_key(&json, key);
    json_int(&json, (int64_t)ending->ended);
    sheet_array(&ending->sheet, &json);
    sheet_end(&json);
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void forget(struct ending *ending)
{
    buffer_release(&ending->lines);
    buffer_release(&ending->ids);
    sheet_release(&ending->sheet);
}

/* --- release -------------------------------------------------------------------------------- */

static bool can_ask(const struct cmd *cmd)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && cmd->settings.format != FORMAT_JSON
           && cmd->settings.format != FORMAT_JSONL;
}

static int check_call(const struct cmd *cmd, struct grid_error *err)
{
    bool all = cmd_value(cmd, "all");
    for (const struct cmd_option *filter = boost_filters; filter->name && !all; filter++)
        if (cmd_value(cmd, filter->name))
            return grid_error_set(err, GRID_EUSAGE, "--%s needs --all", filter->name);
    if (all && cmd->argument_count > 0)
        return grid_error_set(err, GRID_EUSAGE, "--all and ids cannot both be given");
    if (!all && cmd->argument_count == 0)
        return grid_error_set(err, GRID_EUSAGE, "ID is missing");
    if (!all || cmd_value(cmd, "yes") || cmd_value(cmd, "dry-run") || can_ask(cmd))
        return 0;
    grid_error_set(err, GRID_EUSAGE, "release --all needs --yes where nobody can be asked");
    return grid_error_hint(err, "--dry-run shows what would be released");
}

/* The ids of `ending`, for a second call; the caller frees the array. */
static const char **list_ids(const struct ending *ending)
{
    const char **ids = ending->ids.error ? NULL : calloc(ending->ended, sizeof(*ids));
    const char *at = ending->ids.data;
    for (size_t i = 0; ids && i < ending->ended; i++, at += strlen(at) + 1)
        ids[i] = at;
    return ids;
}

/* Shows a person what would be released: 1 for yes, 0 for no. */
static int ask(struct ending *seen)
{
    char answer[16] = "";
    const char *lines = buffer_string(&seen->lines);
    fprintf(stderr, "%srelease %zu boost%s? [y/N] ", lines ? lines : "", seen->ended,
            plural(seen->ended));
    return fgets(answer, sizeof(answer), stdin)
           && (strcasecmp(answer, "y\n") == 0 || strcasecmp(answer, "yes\n") == 0);
}

/* Releases what the person saw and agreed to, and nothing that came later. */
static int release_agreed(struct cmd *cmd, struct grid_release *release,
                          struct ending *seen, struct ending *ending, struct grid_error *err)
{
    struct grid_release look = *release;
    look.dry_run = true;
    int rc = grid_ledger_release(cmd->store, &look, add_boost, seen, err);
    if (rc < 0 || seen->ended == 0)
        return rc;
    if (!ask(seen)) {
        output_info(ending->cmd, "nothing was released");
        return 0;
    }
    grid_auto_free const char **ids = list_ids(seen);
    if (!ids)
        return grid_error_set(err, GRID_ENOMEM, "cannot release: no memory");
    release->ids = ids;
    release->count = seen->ended;
    return grid_ledger_release(cmd->store, release, add_boost, ending, err);
}

static int release(struct cmd *cmd, struct ending *seen, struct ending *ending,
                   struct grid_error *err)
{
    struct boost_choice choice;
    struct grid_release release = {.ids = (const char *const *)cmd->arguments,
                                   .count = cmd->argument_count,
                                   .dry_run = cmd_value(cmd, "dry-run")};
    int rc = check_call(cmd, err);
    rc = rc ?: boost_choose(cmd, &choice, err);
    rc = rc ?: cmd_text(cmd, "reason", GRID_TEXT_SIZE, &release.reason, err);
    rc = rc ?: cmd_store(cmd, err);
    if (rc < 0)
        return rc;
    release.filter = choice.filter;
    if (!release.filter.owner)
        release.filter.owner = cmd_user(cmd);
    if (release.count == 0 && !release.dry_run && !cmd_value(cmd, "yes"))
        return release_agreed(cmd, &release, seen, ending, err);
    return grid_ledger_release(cmd->store, &release, add_boost, ending, err);
}

/* For the case that the result cannot be printed: which they were, as many as there is room for. */
static void note_done(const struct ending *ending, char *done, size_t size)
{
    const char *at = ending->ids.data, *end = at + ending->ids.length;
    size_t taken = (size_t)snprintf(done, size, "%zu boost%s ended", ending->ended,
                                    plural(ending->ended));
    for (; at < end && taken + GRID_ID_SIZE < size; at += strlen(at) + 1)
        taken += (size_t)snprintf(done + taken, size - taken, " '%s'", text_shown(at));
}

static int end(struct ending *ending, int rc, const char *key)
{
    struct cmd *cmd = ending->cmd;
    if (rc < 0)
        return rc;
    if (cmd_value(cmd, "dry-run"))
        output_info(cmd, "dry run: nothing was written");
    else if (ending->ended > 0)
        note_done(ending, cmd->done, sizeof(cmd->done));
    if (cmd->settings.format == FORMAT_JSON)
        print_document(ending, key);
    return 0;
}

static int run_release(struct cmd *cmd, struct grid_error *err)
{
    struct ending seen = {.cmd = cmd, .verb = "would release", .lines = BUFFER_INIT,
                          .ids = BUFFER_INIT}, ending = seen;
    int rc = sheet_begin(&ending.sheet, cmd, &rows_boosts, err);
    ending.verb = cmd_value(cmd, "dry-run") ? "would release" : "released";
    rc = rc ?: release(cmd, &seen, &ending, err);
    if (rc == GRID_EUNKNOWN) {
        grid_error_wrap(err, "the boosts may have been released");
        grid_error_hint(err, "do it again: releasing what has ended is no error");
    }
    rc = end(&ending, rc, "released");
    if (rc == 0 && cmd->settings.format == FORMAT_TABLE)
        buffer_add(&cmd->out, ending.lines.data, ending.lines.length);
    if (rc == 0 && cmd_value(cmd, "all") && ending.ids.length + seen.ids.length == 0)
        output_info(cmd, "there is nothing to release");
    forget(&seen);
    forget(&ending);
    return rc;
}

/* --- cleanup -------------------------------------------------------------------------------- */

static int count_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct ending *ending = context;
    ending->ended++;
    if (ending->cmd->settings.format != FORMAT_TABLE)
        sheet_add(&ending->sheet, boost, grid_store_now(ending->cmd->store));
    return 0;
}

static int run_cleanup(struct cmd *cmd, struct grid_error *err)
{
    struct ending ending = {.cmd = cmd, .lines = BUFFER_INIT, .ids = BUFFER_INIT};
    bool dry_run = cmd_value(cmd, "dry-run");
    int rc = sheet_begin(&ending.sheet, cmd, &rows_boosts, err);
    rc = rc ?: cmd_store(cmd, err);
    rc = rc ?: grid_ledger_cleanup(cmd->store, dry_run, count_boost, &ending, err);
    rc = end(&ending, rc, "removed");
    if (rc == 0 && cmd->settings.format == FORMAT_TABLE)
        buffer_format(&cmd->out, "%zu boost%s %s\n", ending.ended, plural(ending.ended),
                      dry_run ? "would end" : "ended");
    forget(&ending);
    return rc;
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct cmd_option release_options[] = {
    {"all", 0, NULL, "all of mine that the options below choose", CMD_TEXT},
    {"reason", 0, "TEXT", "why, for the history", CMD_TEXT},
    {"dry-run", 0, NULL, "show what would be released", CMD_TEXT},
    {"yes", 0, NULL, "do not ask", CMD_TEXT},
    {0},
};

static const struct cmd_option cleanup_options[] = {
    {"dry-run", 0, NULL, "say how many would end, write nothing", CMD_TEXT},
    {0},
};

const struct cmd_verb boost_change_verbs[] = {
    {.noun = "boost", .name = "release", .arguments = "[ID]...",
     .summary = "Return boosts before their end",
     .options = release_options, .shared = boost_filters, .kinds = {CMD_BOOST},
     .rows = &rows_boosts,
     .examples = "  grid boost release 515744a0\n"
                 "  grid boost release --all --node gpu-master --yes\n",
     .run = run_release},
    {.noun = "boost", .name = "cleanup", .arguments = "",
     .summary = "Note the end of boosts whose time is over",
     .options = cleanup_options, .rows = &rows_boosts,
     .examples = "  */5 * * * * grid boost cleanup -q     (in a crontab)\n",
     .run = run_cleanup},
    {0},
};
