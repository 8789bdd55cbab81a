/* grid boost release, cleanup: what is lent goes back. */
#include "cmd/boost.h"
#include "util/file.h"

#include <stdio.h>
#include <string.h>

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

/* "released ID (CPU 2.0 from gpu1)", or how it had ended before. */
static void add_line(struct boost_ending *ending, const struct grid_boost *boost, bool before)
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

static void add_ended(struct cmd *cmd, struct boost_ending *ending, const struct grid_boost *boost)
{
    bool before = ending->verb
                  && (boost->ended == GRID_EXPIRED || boost->ended == GRID_PREEMPTED
                      || (boost->ended == GRID_RELEASED
                          && boost->ended_us < grid_store_now(cmd->store)));
    if (ending->verb)
        add_line(ending, boost, before);
    if (!ending->only_lines && cmd->settings.format != FORMAT_TABLE)
        sheet_add(cmd, boost);
    if (before)
        return;
    if (ending->ended == 0)
        text_copy(ending->first, sizeof(ending->first), boost->boost_id);
    buffer_add(&ending->ids, boost->boost_id, strlen(boost->boost_id) + 1);
    ending->ended++;
}

/* For the case that the result cannot be printed: which they were, as many as there is room for. */
static void note_done(const struct boost_ending *ending, char *done, size_t size)
{
    const char *at = ending->ids.data, *end = at + ending->ids.length;
    size_t taken = (size_t)snprintf(done, size, "%zu boost%s ended", ending->ended,
                                    plural(ending->ended));
    if (at == end && ending->ended > 0)
        snprintf(done + taken, size - taken, " '%s'", text_shown(ending->first));
    for (; at < end && taken + GRID_ID_SIZE < size; at += strlen(at) + 1)
        taken += (size_t)snprintf(done + taken, size - taken, " '%s'", text_shown(at));
}

/* --- release -------------------------------------------------------------------------------- */

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
    if (cmd_value(cmd, "force") && !cmd_value(cmd, "reason"))
        return grid_error_set(err, GRID_EUSAGE, "--force needs a --reason");
    return 0;
}

static int read_consent(struct boost_op *op, struct grid_error *err)
{
    struct cmd *cmd = op->cmd;
    op->asks = cmd_value(cmd, "all") && !cmd_value(cmd, "yes") && !op->dry_run;
    if (!op->asks || output_can_ask(cmd))
        return 0;
    return grid_error_advise(err, GRID_EUSAGE, "--dry-run shows what would be released",
                             "release --all needs --yes where nobody can be asked");
}

static int add_released(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct boost_op *op = context;
    add_ended(op->cmd, &op->ending, boost);
    return 0;
}

static int read_release(struct boost_op *op, struct grid_error *err)
{
    struct cmd *cmd = op->cmd;
    struct grid_release *release = &op->release;
    op->ending.verb = op->dry_run ? "would release" : "released";
    op->op.fn = add_released;
    op->op.release = release;
    *release = (struct grid_release){.ids = (const char *const *)cmd->arguments,
                                     .count = cmd->argument_count, .caller = &op->caller,
                                     .dry_run = op->dry_run};
    int rc = check_call(cmd, err);
    rc = rc ?: read_consent(op, err);
    rc = rc ?: boost_choose(cmd, &op->choice, err);
    rc = rc ?: cmd_text(cmd, "reason", GRID_TEXT_SIZE, &release->reason, err);
    release->force = cmd_value(cmd, "force");
    release->filter = op->choice.filter;
    if (!release->filter.owner)
        release->filter.owner = cmd_user(cmd);
    return rc;
}

static void print_released(struct json *json, const void *context)
{
    const struct boost_ending *ending = context;
    json_put_int(json, "released", (int64_t)ending->ended);
}

static void print_release(struct boost_op *op)
{
    struct cmd *cmd = op->cmd;
    const struct boost_ending *ending = &op->ending;
    if (!op->dry_run && ending->ended > 0)
        note_done(ending, cmd->done, sizeof(cmd->done));
    if (cmd->settings.format != FORMAT_TABLE)
        (void)sheet_print(cmd, print_released, ending, NULL); /* only a table can fail */
    else
        buffer_add(&cmd->out, ending->lines.data, ending->lines.length);
    cmd->out.error = cmd->out.error ? cmd->out.error : ending->lines.error;
    if (ending->ended == 0 && op->release.count == 0)
        output_info(cmd, "there is nothing to release");
}

static int fail_release(struct boost_op *op, struct grid_error *err)
{
    (void)op;
    if (err->code != GRID_EUNKNOWN)
        return (int)err->code;
    grid_error_wrap(err, "the boosts may have been released");
    return grid_error_hint(err, "do it again: releasing what has ended is no error");
}

const struct boost_op_kind boost_release_kind = {read_release, print_release, fail_release};

/* The ids of `ending`, for a second call; the caller frees the array. */
static const char **list_ids(const struct boost_ending *ending)
{
    const char **ids = ending->ids.error ? NULL : calloc(ending->ended, sizeof(*ids));
    const char *at = ending->ids.data;
    for (size_t i = 0; ids && i < ending->ended; i++, at += strlen(at) + 1)
        ids[i] = at;
    return ids;
}

/* Shows a person what would be released. */
static bool ask(struct boost_ending *seen)
{
    char question[64];
    snprintf(question, sizeof(question), "release %zu boost%s?", seen->ended,
             plural(seen->ended));
    (void)file_write_all(STDERR_FILENO, seen->lines.data, seen->lines.length);
    return output_ask(question);
}

/* Releases what the person saw and agreed to, and nothing that came later. 1: did not agree. */
static int release_agreed(struct boost_op *op, struct grid_error *err)
{
    struct cmd *cmd = op->cmd;
    auto_boost_op struct boost_op seen = {.cmd = cmd, .release = op->release};
    seen.ending = (struct boost_ending){.verb = "would release", .only_lines = true,
                                        .lines = BUFFER_INIT, .ids = BUFFER_INIT};
    seen.release.dry_run = true;
    int rc = grid_ledger_release(cmd->store, &seen.release, add_released, &seen, err);
    if (rc < 0 || seen.ending.ended == 0)
        return rc;
    if (!ask(&seen.ending)) {
        output_info(cmd, "nothing was released");
        return 1;
    }
    grid_auto_free const char **ids = list_ids(&seen.ending);
    if (!ids)
        return grid_error_set(err, GRID_ENOMEM, "cannot release: no memory");
    op->release.ids = ids;
    op->release.count = seen.ending.ended;
    (void)boost_op_do(cmd, op, err);
    return 0;
}

static int run_release(struct cmd *cmd, struct grid_error *err)
{
    auto_boost_op struct boost_op op;
    int rc = boost_op_read(cmd, &op, err);
    if (rc == 0 && op.asks)
        rc = release_agreed(&op, err);
    else if (rc == 0)
        (void)boost_op_do(cmd, &op, err);
    return rc != 0 ? rc : boost_op_print(cmd, &op, err);
}

/* --- cleanup -------------------------------------------------------------------------------- */

struct cleaning {
    struct cmd *cmd;
    struct boost_ending ending;
    bool dry_run;
    int64_t expiring_us;
    struct buffer soon; /* JSON of those that end soon */
    struct json json;   /* onto it */
    size_t count;       /* how many those are */
};

static int add_over(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct cleaning *cleaning = context;
    add_ended(cleaning->cmd, &cleaning->ending, boost);
    return 0;
}

/* "ID ends in 12m (CPU 2.0 from gpu1)" */
static int add_soon(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct cleaning *cleaning = context;
    struct cmd *cmd = cleaning->cmd;
    char amount[GRID_AMOUNT_SIZE], left[GRID_TIME_SIZE];
    int64_t now_us = grid_store_now(cmd->store);
    if (!cleaning->dry_run)
        hooks_note(cmd, "expiring", boost);
    cleaning->count++;
    buffer_format(&cleaning->ending.lines, "%s ends in %s (%s %s from %s)\n",
                  text_shown(boost->boost_id),
                  grid_duration_show(grid_boost_until(boost) - now_us, left), boost->resource_type,
                  grid_amount_show(boost->resource_type, boost->amount_u, amount),
                  text_shown(boost->source_node));
    if (cmd->settings.format == FORMAT_JSON)
        rows_boosts.json(&cleaning->json, boost, now_us);
    else if (cmd->settings.format == FORMAT_JSONL || cmd->settings.format == FORMAT_CSV)
        sheet_add(cmd, boost);
    return 0;
}

static void print_removed(struct json *json, const void *context)
{
    const struct cleaning *cleaning = context;
    json_put_int(json, "removed", (int64_t)cleaning->ending.ended);
    if (cleaning->expiring_us == 0)
        return;
    json_key(json, "expiring");
    json_raw(json, (struct span){cleaning->soon.data, cleaning->soon.length});
}

static int print_cleanup(struct cleaning *cleaning, struct grid_error *err)
{
    struct cmd *cmd = cleaning->cmd;
    struct boost_ending *ending = &cleaning->ending;
    if (cleaning->dry_run)
        output_info(cmd, "dry run: nothing was written");
    else if (ending->ended > 0)
        note_done(ending, cmd->done, sizeof(cmd->done));
    json_close(&cleaning->json, ']');
    cmd->out.error = cmd->out.error ?: ending->lines.error ?: cleaning->soon.error;
    if (cmd->settings.format != FORMAT_TABLE)
        return sheet_print(cmd, print_removed, cleaning, err);
    buffer_format(&cmd->out, "%zu boost%s %s\n", ending->ended, plural(ending->ended),
                  cleaning->dry_run ? "would end" : "ended");
    buffer_add(&cmd->out, ending->lines.data, ending->lines.length);
    return 0;
}

/* Drops history that is older than anybody wants, and than request ids are known. */
static void sweep_history(struct cmd *cmd)
{
    struct grid_error why = {0};
    int64_t keep_us = cmd->settings.keep_history * GRID_DAY;
    if (keep_us < GRID_REQUEST_MEMORY)
        keep_us = GRID_REQUEST_MEMORY;
    if (grid_store_sweep(cmd->store, grid_store_now(cmd->store) - keep_us, &why) < 0)
        output_warning(cmd, "old history is not swept: %s", why.message);
}

static int run_cleanup(struct cmd *cmd, struct grid_error *err)
{
    struct cleaning cleaning = {.cmd = cmd, .dry_run = cmd_value(cmd, "dry-run"),
                                .ending = {.lines = BUFFER_INIT, .ids = BUFFER_INIT},
                                .soon = BUFFER_INIT};
    struct grid_cleanup cleanup = {.dry_run = cleaning.dry_run, .fn = add_over,
                                   .expiring = add_soon, .context = &cleaning};
    cleaning.json = json_begin(&cleaning.soon, 1);
    json_open(&cleaning.json, '[');
    int rc = cmd_duration(cmd, "expiring", false, &cleaning.expiring_us, err);
    cleanup.expiring_us = cleaning.expiring_us;
    rc = rc ?: grid_ledger_cleanup(cmd->store, &cleanup, err);
    if (rc == 0 && !cleaning.dry_run)
        sweep_history(cmd);
    rc = rc ?: print_cleanup(&cleaning, err);
    buffer_release(&cleaning.ending.lines);
    buffer_release(&cleaning.ending.ids);
    buffer_release(&cleaning.soon);
    return rc;
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct cmd_option release_options[] = {
    {"all", 0, NULL, "all of mine that the options below choose"},
    {"reason", 0, "TEXT", "why, for the history"},
    {"force", 0, NULL, "also another's (root, and the lender's owner); needs --reason"},
    {"dry-run", 0, NULL, "show what would be released"},
    {"yes", 0, NULL, "do not ask"},
    {0},
};

static const struct cmd_option cleanup_options[] = {
    {"expiring", 0, "DUR", "and tell the hook of those that end within DUR"},
    {"dry-run", 0, NULL, "say which would end, or end soon; write nothing"},
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
     .examples = "  */5 * * * * /usr/local/bin/grid boost cleanup -q --expiring 15m   (cron)\n",
     .run = run_cleanup},
    {0},
};
