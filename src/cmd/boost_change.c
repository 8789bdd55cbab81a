/* grid boost release, cleanup: what is lent goes back. */
#include "cmd/boost.h"
#include "util/file.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Boosts on their way out. */
struct ending {
    struct cmd *cmd;
    const char *key;     /* of the count in JSON */
    const char *verb;    /* "released", "would release"; NULL: nobody is told one by one */
    bool only_lines;     /* to ask somebody with */
    struct buffer lines; /* for people */
    struct buffer ids;   /* of those that ended by this call, not before, each with its NUL */
    size_t ended;        /* how many those are */
};

/* "released ID (CPU 2.0 from gpu1)", or how it had ended before. */
static void add_line(struct ending *ending, const struct grid_boost *boost, bool before)
{
    char amount[GRID_AMOUNT_SIZE], time[GRID_TIME_SIZE];
    const char *id = text_shown(boost->boost_id);
    if (before)
        buffer_format(&ending->lines, "%s had already %s%s at %s\n", id,
                      boost->ended == GRID_EXPIRED ? "" : "been ",
                      grid_boost_state_name(boost->ended), grid_time_show(boost->ended_us, time));
    else
        buffer_format(&ending->lines, "%s %s (%s %s from %s)\n", ending->verb, id,
                      boost->resource_type,
                      grid_amount_show(boost->resource_type, boost->amount_u, amount),
                      text_shown(boost->source_node));
}

static int add_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct ending *ending = context;
    struct cmd *cmd = ending->cmd;
    bool before = ending->verb
                  && (boost->ended == GRID_EXPIRED || boost->ended == GRID_PREEMPTED
                      || (boost->ended == GRID_RELEASED
                          && boost->ended_us < grid_store_now(cmd->store)));
    if (ending->verb)
        add_line(ending, boost, before);
    if (!ending->only_lines && cmd->settings.format != FORMAT_TABLE)
        sheet_add(cmd, boost);
    if (before)
        return 0;
    buffer_add(&ending->ids, boost->boost_id, strlen(boost->boost_id) + 1);
    ending->ended++;
    return 0;
}

static void print_count(struct json *json, const void *context)
{
    const struct ending *ending = context;
    json_key(json, ending->key);
    json_int(json, (int64_t)ending->ended);
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
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

static int end(const struct ending *ending, struct grid_error *err)
{
    struct cmd *cmd = ending->cmd;
    if (cmd_value(cmd, "dry-run"))
        output_info(cmd, "dry run: nothing was written");
    else if (ending->ended > 0)
        note_done(ending, cmd->done, sizeof(cmd->done));
    if (cmd->settings.format != FORMAT_TABLE)
        return sheet_print(cmd, print_count, ending, err);
    buffer_add(&cmd->out, ending->lines.data, ending->lines.length);
    return 0;
}

static void forget(struct ending *ending)
{
    buffer_release(&ending->lines);
    buffer_release(&ending->ids);
}
#define auto_ending __attribute__((cleanup(forget)))

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
    return grid_error_advise(err, GRID_EUSAGE, "--dry-run shows what would be released",
                             "release --all needs --yes where nobody can be asked");
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

/* Shows a person what would be released. */
static bool ask(struct ending *seen)
{
    char answer[16] = "";
    buffer_format(&seen->lines, "release %zu boost%s? [y/N] ", seen->ended, plural(seen->ended));
    (void)file_write_all(STDERR_FILENO, seen->lines.data, seen->lines.length);
    return read(STDIN_FILENO, answer, sizeof(answer) - 1) > 0 /* a line of a terminal */
           && (text_same(answer, "y\n") || text_same(answer, "yes\n"));
}

/* Releases what the person saw and agreed to, and nothing that came later. 1: did not agree. */
static int release_agreed(struct ending *ending, struct grid_release *release,
                          struct grid_error *err)
{
    struct cmd *cmd = ending->cmd;
    auto_ending struct ending seen = {.cmd = cmd, .verb = "would release", .only_lines = true,
                                      .lines = BUFFER_INIT, .ids = BUFFER_INIT};
    release->dry_run = true;
    int rc = grid_ledger_release(cmd->store, release, add_boost, &seen, err);
    if (rc < 0 || seen.ended == 0)
        return rc;
    if (!ask(&seen)) {
        output_info(cmd, "nothing was released");
        return 1;
    }
    grid_auto_free const char **ids = list_ids(&seen);
    if (!ids)
        return grid_error_set(err, GRID_ENOMEM, "cannot release: no memory");
    release->ids = ids;
    release->count = seen.ended;
    release->dry_run = false;
    return grid_ledger_release(cmd->store, release, add_boost, ending, err);
}

static int run_release(struct cmd *cmd, struct grid_error *err)
{
    struct boost_choice choice;
    bool dry_run = cmd_value(cmd, "dry-run"), all = cmd_value(cmd, "all");
    auto_ending struct ending ending = {.cmd = cmd, .key = "released",
                                        .verb = dry_run ? "would release" : "released",
                                        .lines = BUFFER_INIT, .ids = BUFFER_INIT};
    struct grid_release release = {.ids = (const char *const *)cmd->arguments,
                                   .count = cmd->argument_count, .dry_run = dry_run};
    int rc = check_call(cmd, err);
    rc = rc ?: boost_choose(cmd, &choice, err);
    rc = rc ?: cmd_text(cmd, "reason", GRID_TEXT_SIZE, &release.reason, err);
    if (rc < 0)
        return rc;
    release.filter = choice.filter;
    if (!release.filter.owner)
        release.filter.owner = cmd_user(cmd);
    if (all && !dry_run && !cmd_value(cmd, "yes"))
        rc = release_agreed(&ending, &release, err);
    else
        rc = grid_ledger_release(cmd->store, &release, add_boost, &ending, err);
    if (rc == GRID_EUNKNOWN) {
        grid_error_wrap(err, "the boosts may have been released");
        grid_error_hint(err, "do it again: releasing what has ended is no error");
    }
    rc = rc ?: end(&ending, err);
    if (rc == 0 && all && ending.ended == 0)
        output_info(cmd, "there is nothing to release");
    return rc;
}

/* --- cleanup -------------------------------------------------------------------------------- */

static int run_cleanup(struct cmd *cmd, struct grid_error *err)
{
    auto_ending struct ending ending = {.cmd = cmd, .key = "removed", .lines = BUFFER_INIT,
                                        .ids = BUFFER_INIT};
    bool dry_run = cmd_value(cmd, "dry-run");
    int rc = grid_ledger_cleanup(cmd->store, dry_run, add_boost, &ending, err);
    if (rc == 0)
        buffer_format(&ending.lines, "%zu boost%s %s\n", ending.ended, plural(ending.ended),
                      dry_run ? "would end" : "ended");
    return rc ?: end(&ending, err);
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct cmd_option release_options[] = {
    {"all", 0, NULL, "all of mine that the options below choose"},
    {"reason", 0, "TEXT", "why, for the history"},
    {"dry-run", 0, NULL, "show what would be released"},
    {"yes", 0, NULL, "do not ask"},
    {0},
};

static const struct cmd_option cleanup_options[] = {
    {"dry-run", 0, NULL, "say how many would end, write nothing"},
    {0},
};

const struct cmd_verb boost_change_verbs[] = {
    {.name = "release", .arguments = "[ID]...", .summary = "Return boosts before their end",
     .options = release_options, .shared = boost_filters, .rows = &rows_boosts,
     .examples = "  grid boost release 515744a0\n"
                 "  grid boost release --all --node gpu-master --yes\n",
     .run = run_release},
    {.name = "cleanup", .arguments = "", .summary = "Note the end of boosts whose time is over",
     .options = cleanup_options, .rows = &rows_boosts,
     .examples = "  */5 * * * * grid boost cleanup -q     (in a crontab)\n",
     .run = run_cleanup},
    {0},
};
