/* grid boost request: asks for a boost, and prints what was granted. */
#include "cmd/boost.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct cmd_option boost_wishes[] = {
    {"priority", 0, "PRIORITY", "low, normal, high or critical (normal)"},
    {"duration", 0, "DUR", "how long: 90s, 30m, 1h30m, 2d, never (1h)"},
    {"source", 0, "NODE", "only this lender"},
    {"prefer", 0, "NODE", "this lender if it can, else any"},
    {"split", 0, NULL, "several lenders, if none has it all"},
    {"owner", 0, "NAME", "for another user (root only)"},
    {0},
};

static const struct cmd_option request_options[] = {
    {"reason", 0, "TEXT", "what it is for"},
    {"request-id", 0, "KEY", "asking again with the same key is harmless"},
    {"dry-run", 0, NULL, "decide and print, but write nothing"},
    {0},
};

static int read_need(struct cmd *cmd, struct boost_request *request, size_t index,
                     struct grid_error *err)
{
    struct grid_request *grid = &request->grid;
    char *resource = request->resources[index];
    const char *amount = cmd->arguments[2 + 2 * index];
    int rc = boost_resource(cmd, cmd->arguments[1 + 2 * index], resource, err);
    grid->needs[index].resource = resource;
    for (size_t i = 0; rc == 0 && i < index; i++)
        if (strcmp(resource, request->resources[i]) == 0)
            return grid_error_set(err, GRID_EUSAGE, "resource '%s' comes twice", resource);
    return rc ?: grid_amount_parse(resource, amount, &grid->needs[index].amount_u, err);
}

static int read_arguments(struct cmd *cmd, struct boost_request *request, struct grid_error *err)
{
    struct grid_request *grid = &request->grid;
    grid->target_node = cmd->arguments[0];
    grid->need_count = (cmd->argument_count - 1) / 2;
    if (cmd->argument_count % 2 == 0)
        return grid_error_set(err, GRID_EUSAGE, "AMOUNT is missing behind '%s'",
                              text_shown(cmd->arguments[cmd->argument_count - 1]));
    if (grid->need_count > GRID_NEEDS_MOST)
        return grid_error_set(err, GRID_EUSAGE, "more than %d resources", GRID_NEEDS_MOST);
    int rc = grid_node_name_check(grid->target_node, err);
    for (size_t i = 0; rc == 0 && i < grid->need_count; i++)
        rc = read_need(cmd, request, i, err);
    return rc;
}

static int read_options(struct cmd *cmd, struct grid_request *grid, struct grid_error *err)
{
    const char *priority = cmd_value(cmd, "priority");
    grid->priority = GRID_NORMAL;
    grid->split = cmd_value(cmd, "split");
    grid->prefer_node = cmd_value(cmd, "prefer");
    grid->source_node = cmd_value(cmd, "source");
    grid->host = cmd_host(cmd);
    int rc = priority ? grid_priority_parse(priority, &grid->priority, err) : 0;
    rc = rc ?: cmd_duration(cmd, "duration", true, &grid->duration_us, err);
    if (rc == 0 && grid->source_node)
        rc = grid_node_name_check(grid->source_node, err);
    if (rc == 0 && grid->prefer_node)
        rc = grid_node_name_check(grid->prefer_node, err);
    if (rc == 0 && grid->source_node && (grid->prefer_node || grid->split))
        rc = grid_error_set(err, GRID_EUSAGE, "--source goes with neither --prefer nor --split");
    rc = rc ?: cmd_text(cmd, "owner", GRID_USER_SIZE, &grid->owner, err);
    if (rc == 0 && grid->owner && getuid() != 0)
        return grid_error_set(err, GRID_EPERM, "only root may ask for another owner");
    grid->owner = grid->owner ? grid->owner : cmd_user(cmd);
    return rc;
}

/* One id for each record that the request may make. */
static void make_ids(struct boost_request *request)
{
    struct grid_request *grid = &request->grid;
    grid->boost_ids = request->id_list;
    grid->id_count = grid->need_count > 1 || grid->split ? GRID_GROUP_MOST : 1;
    for (size_t i = 0; i < grid->id_count; i++) {
        uuid_t uuid;
        uuid_generate_random(uuid);
        uuid_unparse_lower(uuid, request->ids[i]);
        request->id_list[i] = request->ids[i];
    }
}

int boost_request_read(struct cmd *cmd, struct boost_request *ret, struct grid_error *err)
{
    int rc = read_arguments(cmd, ret, err);
    rc = rc ?: read_options(cmd, &ret->grid, err);
    make_ids(ret);
    return rc;
}

/* The change may have been made: how to find out. */
static int unknown(const struct grid_request *request, struct grid_error *err)
{
    grid_error_wrap(err, "boost '%s' may have been granted", request->boost_ids[0]);
    if (request->request_id)
        return grid_error_hint(err, "ask again with the same --request-id '%s'",
                               text_shown(request->request_id));
    return grid_error_hint(err, "see 'grid boost show %s'; with --request-id a request can be "
                           "asked again", request->boost_ids[0]);
}

/* People get the members one after the other; the id is that of the first. */
static int add_member(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct cmd *cmd = context;
    if (cmd->settings.format == FORMAT_TABLE) {
        buffer_text(&cmd->out, cmd->out.length > 0 ? "\n" : "");
        sheet_show(cmd, boost, false, NULL, NULL);
    } else if (cmd->sheet.rows == 0 || cmd->settings.format != FORMAT_ID) {
        sheet_add(cmd, boost);
    }
    return 0;
}

static void print_replayed(struct json *json, const void *context)
{
    const struct grid_grant *grant = context;
    json_key(json, "replayed");
    json_bool(json, grant->replayed);
}

/* A refusal leaves its reasons in cmd->details. */
static int ask(struct cmd *cmd, const struct grid_request *request, bool dry_run,
               struct grid_grant *ret, struct grid_error *err)
{
    struct boost_reasons reasons;
    boost_reasons_begin(cmd, &reasons);
    int rc = grid_ledger_request(cmd->store, request, dry_run, &reasons.explain, ret, add_member,
                                 cmd, err);
    boost_reasons_end(&reasons, rc);
    buffer_release(&reasons.lines);
    return rc;
}

static int run_request(struct cmd *cmd, struct grid_error *err)
{
    static struct boost_request request;
    struct grid_grant grant;
    bool dry_run = cmd_value(cmd, "dry-run");
    int rc = boost_request_read(cmd, &request, err);
    rc = rc ?: cmd_text(cmd, "reason", GRID_TEXT_SIZE, &request.grid.reason, err);
    rc = rc ?: cmd_text(cmd, "request-id", GRID_ID_SIZE, &request.grid.request_id, err);
    rc = rc ?: ask(cmd, &request.grid, dry_run, &grant, err);
    if (rc < 0)
        return rc == GRID_EUNKNOWN ? unknown(&request.grid, err) : rc;
    if (dry_run)
        output_info(cmd, "dry run: nothing was written");
    else if (!grant.replayed)
        snprintf(cmd->done, sizeof(cmd->done), "boost '%s' was granted", request.ids[0]);
    if (grant.replayed)
        output_info(cmd, "this request id was used before: this is the boost that it got");
    else if (grant.unchecked)
        output_info(cmd, "no node is registered: capacity is not checked "
                    "('grid node add NAME cpu=16' registers one)");
    if (cmd->settings.format != FORMAT_TABLE)
        sheet_show(cmd, &grant.boost, false, print_replayed, &grant);
    return 0;
}

const struct cmd_verb boost_request_verbs[] = {
    {.name = "request", .arguments = "TARGET RESOURCE AMOUNT [RESOURCE AMOUNT]...",
     .summary = "Borrow an amount of a resource for the node TARGET",
     .options = request_options, .shared = boost_wishes, .rows = &rows_boosts,
     .examples = "  grid boost request gpu-master cpu 2.0\n"
                 "  grid boost request gpu-master memory 16GiB --duration 30m --priority high\n"
                 "  id=$(grid boost request gpu-master gpu 1 --source gpu1 -q)\n",
     .run = run_request},
    {0},
};
