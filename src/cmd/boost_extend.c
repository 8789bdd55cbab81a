/* grid boost extend, check: a later end, and whether there is time left. */
#include "cmd/boost.h"

#include <stdio.h>
#include <string.h>

/* --- extend --------------------------------------------------------------------------------- */

static int read_end(struct cmd *cmd, struct grid_extend *extend, struct grid_error *err)
{
    int count = (cmd_value(cmd, "by") != NULL) + (cmd_value(cmd, "for") != NULL)
                + (cmd_value(cmd, "until") != NULL);
    if (count != 1)
        return grid_error_advise(err, GRID_EUSAGE,
                                 "--by counts from its end, --for from now: --by 30m",
                                 count == 0 ? "one of --by, --for and --until is missing"
                                            : "only one of --by, --for and --until can be given");
    int rc = cmd_duration(cmd, "by", false, &extend->by_us, err);
    rc = rc ?: cmd_duration(cmd, "for", true, &extend->for_us, err);
    return rc ?: cmd_time(cmd, "until", &extend->until_us, err);
}

static int read_extend(struct boost_op *op, struct grid_error *err)
{
    struct cmd *cmd = op->cmd;
    op->op.fn = boost_op_keep;
    op->op.extend = &op->extend;
    op->extend = (struct grid_extend){.id = cmd->arguments[0], .caller = &op->caller,
                                      .shorten = cmd_value(cmd, "shorten"),
                                      .best_effort = cmd_value(cmd, "best-effort"),
                                      .dry_run = op->dry_run};
    int rc = read_end(cmd, &op->extend, err);
    return rc ?: cmd_text(cmd, "reason", GRID_TEXT_SIZE, &op->extend.reason, err);
}

static void print_extend(struct boost_op *op)
{
    if (!op->dry_run)
        snprintf(op->cmd->done, sizeof(op->cmd->done), "boost '%s' was extended",
                 text_shown(op->op.boost.boost_id));
    boost_op_show(op, &op->op.boost, NULL, NULL);
}

static int fail_extend(struct boost_op *op, struct grid_error *err)
{
    struct json json = json_begin(&op->cmd->details, -1);
    char time[GRID_TIME_SIZE];
    if (err->code == GRID_EUNKNOWN) {
        grid_error_wrap(err, "boost '%s' may have been extended", text_shown(op->extend.id));
        return grid_error_hint(err, "see 'grid boost show %s'", text_shown(op->extend.id));
    }
    if (op->op.fits_us > 0) {
        json_open(&json, '{');
        json_put_text(&json, "longest_end", grid_time_format(op->op.fits_us, time));
        json_close(&json, '}');
    }
    return (int)err->code;
}

const struct boost_op_kind boost_extend_kind = {read_extend, print_extend, fail_extend};

static int run_extend(struct cmd *cmd, struct grid_error *err)
{
    auto_boost_op struct boost_op op;
    int rc = boost_op_read(cmd, &op, err);
    if (rc < 0)
        return rc;
    (void)boost_op_do(cmd, &op, err);
    return boost_op_print(cmd, &op, err);
}

/* --- check ---------------------------------------------------------------------------------- */

/* "515744a0-... is active: GPU 1.0 from gpu1, 41m left" */
static void print_held(struct cmd *cmd, const struct grid_boost *boost)
{
    char amount[GRID_AMOUNT_SIZE], left[GRID_TIME_SIZE];
    int64_t end_us = grid_boost_until(boost);
    bool ends = end_us != GRID_NEVER;
    buffer_format(&cmd->out, "%s is active: %s %s from %s, %s%s\n", text_shown(boost->boost_id),
                  boost->resource_type,
                  grid_amount_show(boost->resource_type, boost->amount_u, amount),
                  text_shown(boost->source_node),
                  ends ? grid_duration_show(end_us - grid_store_now(cmd->store), left)
                       : "no end",
                  ends ? " left" : "");
}

static int run_check(struct cmd *cmd, struct grid_error *err)
{
    static struct grid_boost boost;
    const char *token = cmd_value(cmd, "token");
    int64_t wanted = 0, least_us = 0;
    int rc = token ? text_integer(token, 1, INT64_MAX, "--token", &wanted, err) : 0;
    rc = rc ?: cmd_duration(cmd, "min-remaining", false, &least_us, err);
    rc = rc ?: grid_ledger_check(cmd->store, cmd->arguments[0], wanted, least_us, &boost, err);
    if (rc < 0 || cmd->settings.quiet)
        return rc;
    if (cmd->settings.format == FORMAT_TABLE)
        print_held(cmd, &boost);
    else
        sheet_show(cmd, &boost, true, NULL, NULL);
    return 0;
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct cmd_option extend_options[] = {
    {"by", 0, "DUR", "so much later than its end"},
    {"for", 0, "DUR", "so long from now on, or never: without an end"},
    {"until", 0, "TIME", "to this time: +2h, '2027-01-31 20:00', ..."},
    {"shorten", 0, NULL, "let it end earlier, if that is what it comes to"},
    {"best-effort", 0, NULL, "if it does not fit, as long as it fits"},
    {"reason", 0, "TEXT", "why, for the history"},
    {"dry-run", 0, NULL, "decide and print, but write nothing"},
    {0},
};

static const struct cmd_option check_options[] = {
    {"token", 0, "N", "its fencing token must be this"},
    {"min-remaining", 0, "DUR", "it must last so long yet"},
    {0},
};

const struct cmd_verb boost_extend_verbs[] = {
    {.name = "extend", .arguments = "ID", .summary = "Move the end of a boost, and of its group",
     .options = extend_options, .rows = &rows_boosts,
     .examples = "  grid boost extend 515744a0 --by 30m\n"
                 "  grid boost extend 515744a0 --until '2027-01-31 20:00' --best-effort\n"
                 "  grid boost extend 515744a0 --for 5m --shorten\n",
     .run = run_extend},
    {.name = "check", .arguments = "ID", .summary = "Is the boost still held? For scripts",
     .options = check_options, .rows = &rows_boosts,
     .examples = "  grid boost check 515744a0 --min-remaining 10m -q || exit\n"
                 "  grid boost check \"$GRID_BOOST_ID\" --token \"$GRID_TOKEN\"\n",
     .run = run_check},
    {0},
};
