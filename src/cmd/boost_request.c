/* grid boost request: asks for a boost, and prints what was granted. */
#include "cmd/boost.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

static const struct cmd_option request_options[] = {
    {"priority", 0, "PRIORITY", "low, normal, high or critical (normal)", CMD_PRIORITY},
    {"duration", 0, "DUR", "how long: 90s, 30m, 1h30m, 2d, never (1h)", CMD_TEXT},
    {"source", 0, "NODE", "only this lender", CMD_NODE},
    {"reason", 0, "TEXT", "what it is for", CMD_TEXT},
    {"owner", 0, "NAME", "for another user (root only)", CMD_OWNER},
    {"request-id", 0, "KEY", "asking again with the same key is harmless", CMD_TEXT},
    {"dry-run", 0, NULL, "decide and print, but write nothing", CMD_TEXT},
    {0},
};

/* A request, and room for what its strings point at. */
struct request {
    struct grid_request grid;
    char id[UUID_STR_LEN], resource[GRID_RESOURCE_SIZE];
};

static int read_arguments(struct cmd *cmd, struct request *request, struct grid_error *err)
{
    uuid_t uuid;
    uuid_generate_random(uuid);
    uuid_unparse_lower(uuid, request->id);
    request->grid.boost_id = request->id;
    request->grid.target_node = cmd->arguments[0];
    request->grid.resource_type = request->resource;
    int rc = grid_node_name_check(cmd->arguments[0], err);
    rc = rc ?: boost_resource(cmd, cmd->arguments[1], request->resource, err);
    return rc ?: grid_amount_parse(request->resource, cmd->arguments[2], &request->grid.amount_u,
                                   err);
}

/* Who owns it: who asks, unless root says otherwise. */
static int read_owner(struct cmd *cmd, struct request *request, struct grid_error *err)
{
    int rc = cmd_text(cmd, "owner", GRID_USER_SIZE, &request->grid.owner, err);
    if (rc == 0 && request->grid.owner && getuid() != 0)
        return grid_error_set(err, GRID_EPERM, "only root may ask for another owner");
    if (!request->grid.owner)
        request->grid.owner = cmd_user(cmd);
    request->grid.host = cmd_host(cmd);
    return rc;
}

static int read_options(struct cmd *cmd, struct request *request, struct grid_error *err)
{
    struct grid_request *grid = &request->grid;
    const char *priority = cmd_value(cmd, "priority"), *duration = cmd_value(cmd, "duration");
    grid->priority = GRID_NORMAL;
    grid->duration_us = GRID_HOUR;
    grid->source_node = cmd_value(cmd, "source");
    int rc = priority ? grid_priority_parse(priority, &grid->priority, err) : 0;
    if (rc == 0 && duration)
        rc = grid_duration_parse(duration, true, &grid->duration_us, err);
    if (rc == 0 && grid->source_node)
        rc = grid_node_name_check(grid->source_node, err);
    rc = rc ?: cmd_text(cmd, "reason", GRID_TEXT_SIZE, &grid->reason, err);
    return rc ?: cmd_text(cmd, "request-id", GRID_ID_SIZE, &grid->request_id, err);
}

/* The change may have been made: how to find out. */
static int unknown(const struct grid_request *request, struct grid_error *err)
{
    grid_error_wrap(err, "boost '%s' may have been granted", request->boost_id);
    if (request->request_id)
        return grid_error_hint(err, "ask again with the same --request-id '%s'",
                               text_shown(request->request_id));
    return grid_error_hint(err, "see 'grid boost show %s'; with --request-id a request can be "
                           "asked again", request->boost_id);
}

static int print(struct cmd *cmd, const struct grid_grant *grant, struct grid_error *err)
{
    auto_sheet struct sheet sheet;
    int rc = sheet_begin(&sheet, cmd, &rows_boosts, err);
    if (rc < 0)
        return rc;
    if (cmd->settings.format == FORMAT_TABLE) {
        boost_print(cmd, &grant->boost, grid_store_now(cmd->store), false);
        return 0;
    }
    sheet_add(&sheet, &grant->boost, grid_store_now(cmd->store));
    if (cmd->settings.format == FORMAT_JSON)
        boost_document(&sheet, &grant->boost, grid_store_now(cmd->store), &grant->replayed);
    return 0;
}

static int run_request(struct cmd *cmd, struct grid_error *err)
{
    struct request request = {0};
    struct grid_grant grant;
    bool dry_run = cmd_value(cmd, "dry-run");
    int rc = read_arguments(cmd, &request, err);
    rc = rc ?: read_options(cmd, &request, err);
    rc = rc ?: read_owner(cmd, &request, err);
    rc = rc ?: cmd_store(cmd, err);
    rc = rc ?: grid_ledger_request(cmd->store, &request.grid, dry_run, &grant, err);
    if (rc < 0)
        return rc == GRID_EUNKNOWN ? unknown(&request.grid, err) : rc;
    if (dry_run)
        output_info(cmd, "dry run: nothing was written");
    else if (!grant.replayed)
        snprintf(cmd->done, sizeof(cmd->done), "boost '%s' was granted", request.id);
    if (grant.replayed)
        output_info(cmd, "this request id was used before: this is the boost that it got");
    else if (grant.unchecked)
        output_info(cmd, "no node is registered: capacity is not checked "
                    "('grid node add NAME cpu=16' registers one)");
    return print(cmd, &grant, err);
}

const struct cmd_verb boost_request_verbs[] = {
    {.noun = "boost", .name = "request", .arguments = "TARGET RESOURCE AMOUNT",
     .summary = "Borrow an amount of a resource for the node TARGET",
     .options = request_options, .kinds = {CMD_NODE, CMD_RESOURCE, CMD_TEXT},
     .crowded = "one resource at a time: unexpected argument",
     .examples = "  grid boost request gpu-master cpu 2.0\n"
                 "  grid boost request gpu-master memory 16GiB --duration 30m --priority high\n"
                 "  id=$(grid boost request gpu-master gpu 1 --source gpu1 -q)\n",
     .run = run_request},
    {0},
};
