/* grid boost history: what happened, the newest first. */
#include "cmd/cmd.h"

static const struct cmd_option history_options[] = {
    {"since", 0, "TIME", "not before: 2026-01-31T20:00Z, '2026-01-31 20:00', ..."},
    {"until", 0, "TIME", "before this time"},
    {"node", 0, "NODE", "only where this node lends or borrows"},
    {"owner", 0, "NAME", "only this user's boosts"},
    {"event", 0, "EVENT", "only this kind: granted, released, expired, ..."},
    {"n", 'n', "N", "at most N events"},
    {0},
};

struct listing {
    struct cmd *cmd;
    int64_t most;
};

static int add_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)err;
    const struct listing *listing = context;
    struct grid_event row = *event;
    if (!row.has_boost) /* it may hold another's */
        row.boost = (struct grid_boost){0};
    sheet_add(listing->cmd, &row);
    return (int64_t)listing->cmd->sheet.rows >= listing->most;
}

static int run_history(struct cmd *cmd, struct grid_error *err)
{
    const char *event = cmd_value(cmd, "event"), *most = cmd_value(cmd, "n");
    struct listing listing = {cmd, INT64_MAX};
    struct grid_event_filter filter = {.node = cmd_value(cmd, "node"),
                                       .owner = cmd_value(cmd, "owner"), .has_event = event};
    struct grid_boost boost;
    int rc = cmd_time(cmd, "since", &filter.since_us, err);
    rc = rc ?: cmd_time(cmd, "until", &filter.until_us, err);
    if (rc == 0 && event)
        rc = grid_event_parse(event, &filter.event, err);
    if (rc == 0 && most)
        rc = text_integer(most, 1, INT64_MAX, "-n", &listing.most, err);
    if (rc == 0 && cmd->argument_count > 0) {
        filter.boost_id = boost.boost_id;
        rc = grid_ledger_show(cmd->store, cmd->arguments[0], &boost, NULL, NULL, err);
    }
    rc = rc ?: grid_ledger_history(cmd->store, &filter, add_event, &listing, err);
    return rc ?: sheet_print(cmd, NULL, NULL, err);
}

const struct cmd_verb boost_history_verbs[] = {
    {.name = "history", .arguments = "[ID]",
     .summary = "List what happened to boosts, the newest first",
     .options = history_options, .rows = &rows_events,
     .examples = "  grid boost history 515744a0\n"
                 "  grid boost history --event expired --since '2026-01-31 08:00' -n 20\n",
     .run = run_history},
    {0},
};
