/* grid boost history: what happened, the newest first. */
#include "cmd/output.h"
#include "util/clock.h"

static const struct cmd_option history_options[] = {
    {"since", 0, "TIME", "not before: 2026-01-31T20:00Z, '2026-01-31 20:00', ...", CMD_TEXT},
    {"until", 0, "TIME", "before this time", CMD_TEXT},
    {"node", 0, "NODE", "only where this node lends or borrows", CMD_NODE},
    {"owner", 0, "NAME", "only this user's boosts", CMD_OWNER},
    {"event", 0, "EVENT", "only this kind: granted, released, expired, ...", CMD_EVENT},
    {"n", 'n', "N", "at most N events", CMD_TEXT},
    {0},
};

struct listing {
    struct sheet *sheet;
    int64_t most;
};

static int add_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    struct listing *listing = context;
    sheet_add(listing->sheet, event, event->at_us);
    return (int64_t)listing->sheet->rows >= listing->most;
}

static int read_options(struct cmd *cmd, struct grid_event_filter *filter, int64_t *ret_most,
                        struct grid_error *err)
{
    const char *since = cmd_value(cmd, "since"), *until = cmd_value(cmd, "until");
    const char *event = cmd_value(cmd, "event"), *most = cmd_value(cmd, "n");
    int64_t now_us = clock_now_us();
    int rc = since ? grid_time_parse(since, now_us, &filter->since_us, err) : 0;
    if (rc == 0 && until)
        rc = grid_time_parse(until, now_us, &filter->until_us, err);
    if (rc == 0 && event) {
        filter->has_event = true;
        rc = grid_event_parse(event, &filter->event, err);
    }
    if (rc == 0 && most)
        rc = text_integer(most, 1, INT64_MAX, "-n", ret_most, err);
    filter->node = cmd_value(cmd, "node");
    filter->owner = cmd_value(cmd, "owner");
    return rc;
}

static int run_history(struct cmd *cmd, struct grid_error *err)
{
    auto_sheet struct sheet sheet = {.text = BUFFER_INIT};
    struct listing listing = {&sheet, INT64_MAX};
    struct grid_event_filter filter = {0};
    struct grid_boost boost;
    int rc = read_options(cmd, &filter, &listing.most, err);
    rc = rc ?: sheet_begin(&sheet, cmd, &rows_events, err);
    rc = rc ?: cmd_store(cmd, err);
    if (rc == 0 && cmd->argument_count > 0) {
        filter.boost_id = boost.boost_id;
        rc = grid_ledger_show(cmd->store, cmd->arguments[0], &boost, NULL, NULL, err);
    }
    rc = rc ?: grid_ledger_history(cmd->store, &filter, add_event, &listing, err);
    if (rc < 0)
        return rc;
    if (sheet.rows == 0)
        output_info(cmd, "no events");
    if (cmd->settings.format == FORMAT_TABLE)
        return sheet_table(&sheet, err);
    if (cmd->settings.format == FORMAT_JSON) {
        struct json json = sheet_document(cmd);
        sheet_array(&sheet, &json);
        sheet_end(&json);
    }
    return 0;
}

const struct cmd_verb boost_history_verbs[] = {
    {.noun = "boost", .name = "history", .arguments = "[ID]",
     .summary = "List what happened to boosts, the newest first",
     .options = history_options, .kinds = {CMD_BOOST}, .rows = &rows_events,
     .examples = "  grid boost history 515744a0\n"
                 "  grid boost history --event expired --since '2026-01-31 08:00' -n 20\n",
     .run = run_history},
    {0},
};
