/* grid node list, show, remove, heartbeat, hold, resume: the machines that are registered. */
#include "cmd/node.h"
#include "util/clock.h"

#include <stdio.h>
#include <string.h>

/* --- looking -------------------------------------------------------------------------------- */

/* The name typed as argument `index`, or else this host's. */
static int read_name(struct cmd *cmd, size_t index, const char **ret, struct grid_error *err)
{
    *ret = index < cmd->argument_count ? cmd->arguments[index] : cmd_host(cmd);
    return grid_node_name_check(*ret, err);
}

static int list_node(void *context, const struct grid_node_view *view, struct grid_error *err)
{
    (void)err;
    sheet_add(context, view);
    return 0;
}

static int run_list(struct cmd *cmd, struct grid_error *err)
{
    int rc = grid_ledger_nodes(cmd->store, GRID_TIDY, NULL, list_node, cmd, err);
    return rc ?: sheet_print(cmd, NULL, NULL, err);
}

struct showing {
    struct cmd *cmd;
    bool whole;
};

static int show_node(void *context, const struct grid_node_view *view, struct grid_error *err)
{
    (void)err;
    const struct showing *showing = context;
    sheet_show(showing->cmd, view, showing->whole, NULL, NULL);
    return 0;
}

int node_change(struct cmd *cmd, struct grid_node_change *change, struct grid_error *err)
{
    struct showing showing = {cmd, false};
    change->view = show_node;
    change->view_context = &showing;
    int rc = grid_ledger_node_set(cmd->store, change, NULL, err);
    if (rc == 0)
        snprintf(cmd->done, sizeof(cmd->done), "node '%s' was set", text_shown(change->names[0]));
    return rc;
}

static int run_show(struct cmd *cmd, struct grid_error *err)
{
    struct showing showing = {cmd, true};
    return grid_ledger_nodes(cmd->store, GRID_READ, cmd->arguments[0], show_node, &showing, err);
}

/* --- remove --------------------------------------------------------------------------------- */

struct removing {
    struct cmd *cmd;
    size_t ended;
};

static int end_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct removing *removing = context;
    struct cmd *cmd = removing->cmd;
    char amount[GRID_AMOUNT_SIZE];
    removing->ended++;
    if (cmd->settings.format == FORMAT_TABLE)
        buffer_format(&cmd->out, "released %s (%s %s from %s to %s)\n",
                      text_shown(boost->boost_id), boost->resource_type,
                      grid_amount_show(boost->resource_type, boost->amount_u, amount),
                      text_shown(boost->source_node), text_shown(boost->target_node));
    else
        sheet_add(cmd, boost);
    return 0;
}

static void print_removed(struct json *json, const void *name)
{
    json_key(json, "removed");
    json_string(json, name);
}

static int run_remove(struct cmd *cmd, struct grid_error *err)
{
    const char *name = cmd->arguments[0];
    struct removing removing = {.cmd = cmd};
    int rc = grid_ledger_node_remove(cmd->store, name, cmd_value(cmd, "force"), end_boost,
                                     &removing, err);
    if (rc == GRID_ECONFLICT)
        return grid_error_hint(err, "'grid boost status --all --source %s' (or --node) lists them; "
                               "--force ends them", text_shown(name));
    if (rc < 0)
        return rc;
    snprintf(cmd->done, sizeof(cmd->done), "node '%s' was removed", text_shown(name));
    if (cmd->settings.format != FORMAT_TABLE)
        return sheet_print(cmd, print_removed, name, err);
    buffer_format(&cmd->out, "node '%s' was removed\n", text_shown(name));
    return 0;
}

/* --- heartbeat, hold, resume ---------------------------------------------------------------- */

struct holding {
    struct cmd *cmd;
    bool hold, was_held;
    int64_t until_us;
    const char *reason;
};

static int set_hold(void *context, struct grid_node *node, struct grid_error *err)
{
    (void)err;
    struct holding *holding = context;
    holding->was_held = grid_node_is_held(node, grid_store_now(holding->cmd->store));
    node->held = holding->hold;
    node->hold_until_us = holding->hold ? holding->until_us : 0;
    memset(node->hold_reason, 0, sizeof(node->hold_reason));
    text_copy(node->hold_reason, sizeof(node->hold_reason),
              holding->reason ? holding->reason : "");
    return 0;
}

static int change_hold(struct holding *holding, struct grid_error *err)
{
    struct cmd *cmd = holding->cmd;
    const char *names[] = {cmd->arguments[0]};
    struct grid_node_change change = {.names = names, .count = 1, .must = GRID_NODE_OLD,
                                      .edit = set_hold, .context = holding,
                                      .reason = holding->reason};
    return node_change(cmd, &change, err);
}

static int over_already(const struct cmd *cmd, struct grid_error *err)
{
    grid_error_set(err, GRID_EUSAGE, "--until '%s' is over already",
                   text_shown(cmd_value(cmd, "until")));
    return grid_error_hint(err, "'grid node resume %s' ends a hold",
                           text_shown(cmd->arguments[0]));
}

static int run_hold(struct cmd *cmd, struct grid_error *err)
{
    struct holding holding = {.cmd = cmd, .hold = true, .until_us = GRID_NEVER};
    int rc = cmd_time(cmd, "until", &holding.until_us, err);
    if (rc == 0 && holding.until_us <= clock_now_us())
        rc = over_already(cmd, err);
    rc = rc ?: cmd_text(cmd, "reason", GRID_TEXT_SIZE, &holding.reason, err);
    return rc ?: change_hold(&holding, err);
}

static int run_resume(struct cmd *cmd, struct grid_error *err)
{
    struct holding holding = {.cmd = cmd};
    int rc = change_hold(&holding, err);
    if (rc == 0 && !holding.was_held)
        output_info(cmd, "node '%s' was not on hold", text_shown(cmd->arguments[0]));
    return rc;
}

static int beat(void *context, struct grid_node *node, struct grid_error *err)
{
    (void)err;
    struct cmd *cmd = context;
    node->last_seen_us = grid_store_now(cmd->store);
    return 0;
}

static int run_heartbeat(struct cmd *cmd, struct grid_error *err)
{
    const char *name;
    struct grid_node_change change = {.names = &name, .count = 1, .must = GRID_NODE_OLD,
                                      .edit = beat, .context = cmd, .quiet = true};
    int rc = read_name(cmd, 0, &name, err);
    rc = rc ?: grid_ledger_node_set(cmd->store, &change, NULL, err);
    if (rc == GRID_ENOTFOUND && strcmp(name, cmd_host(cmd)) == 0)
        return grid_error_hint(err, "'grid node discover' registers this machine");
    return rc;
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct cmd_option remove_options[] = {
    {"force", 0, NULL, "end the boosts that involve it"},
    {0},
};

static const struct cmd_option hold_options[] = {
    {"until", 0, "TIME", "when it lends again: +2h, '2027-01-31 20:00' (until resumed)"},
    {"reason", 0, "TEXT", "why, for those who ask"},
    {0},
};

const struct cmd_verb node_verbs[] = {
    {.name = "list", .arguments = "", .summary = "List the nodes, with what they lend and borrow",
     .rows = &rows_nodes,
     .examples = "  grid node list\n"
                 "  grid node list --columns node,free,hold --no-headings\n",
     .run = run_list},
    {.name = "show", .arguments = "NODE", .summary = "Show all that is known of a node",
     .rows = &rows_nodes, .examples = "  grid node show gpu1\n", .run = run_show},
    {.name = "remove", .arguments = "NODE", .summary = "Forget a node that nobody uses",
     .options = remove_options, .rows = &rows_boosts,
     .examples = "  grid node remove gpu1 --force\n", .run = run_remove},
    {.name = "hold", .arguments = "NODE", .summary = "Let a node lend nothing new for a while",
     .options = hold_options, .rows = &rows_nodes,
     .examples = "  grid node hold gpu1 --until +2h --reason 'new disk'\n", .run = run_hold},
    {.name = "resume", .arguments = "NODE", .summary = "Let a node lend again",
     .rows = &rows_nodes, .examples = "  grid node resume gpu1\n", .run = run_resume},
    {.name = "heartbeat", .arguments = "[NODE]",
     .summary = "Say that a node is well (this host, if no other is named)",
     .examples = "  * * * * * /usr/local/bin/grid node heartbeat     (cron)\n",
     .run = run_heartbeat},
    {0},
};
