/* grid boost request: asks for a boost, and prints what was granted. */
#include "cmd/boost.h"
#include "util/lazy.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

/* Only who asks for a boost needs an id. */
#define UUID_FUNCTIONS(X) X(uuid_generate_random) X(uuid_unparse_lower)
LAZY_LIBRARY(open_uuid, UUID_FUNCTIONS, "libuuid.so.1", "libuuid1")

const struct cmd_option boost_wishes[] = {
    {"priority", 0, "PRIORITY", "low, normal, high or critical (normal)"},
    {"duration", 0, "DUR", "how long: 90s, 30m, 1h30m, 2d, never (1h)"},
    {"source", 0, "NODE", "only this lender"},
    {"prefer", 0, "NODE", "this lender if it can, else any"},
    {"split", 0, NULL, "several lenders, if none has it all"},
    {"start", 0, "TIME", "reserve it from then on: +2h, '2027-01-31 20:00', ..."},
    {"preempt", 0, NULL, "end boosts of lower priority if need be"},
    {"owner", 0, "NAME", "for another user (root only)"},
    {0},
};

static const struct cmd_option request_options[] = {
    {"wait", 0, "[=DUR]", "wait until it fits, so long at most"},
    {"reason", 0, "TEXT", "what it is for"},
    {"request-id", 0, "KEY", "asking again with the same key is harmless"},
    {"dry-run", 0, NULL, "decide and print, but write nothing"},
    {0},
};

/* --- reading -------------------------------------------------------------------------------- */

static int read_need(struct cmd *cmd, size_t at, struct grid_request *request,
                     struct grid_error *err)
{
    struct grid_need *need = &request->needs[request->need_count];
    const char *amount = cmd->arguments[at + 1];
    int rc = boost_resource(cmd, cmd->arguments[at], need->resource, err);
    for (size_t i = 0; rc == 0 && i < request->need_count; i++)
        if (strcmp(need->resource, request->needs[i].resource) == 0)
            return grid_error_set(err, GRID_EUSAGE, "resource '%s' comes twice", need->resource);
    request->need_count++;
    rc = rc ?: grid_amount_parse(need->resource, amount, &need->amount_u, err);
    return rc < 0 && at > 1 && !text_is_digit(*amount) ? option_advise(cmd, err) : rc;
}

/* A word too many: the unit of the amount before it, or more of a text without quotes? */
static int odd_words(const struct cmd *cmd, size_t first, struct grid_error *err)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "kB", "MB", "GB", "TB"};
    grid_error_set(err, GRID_EUSAGE, "AMOUNT is missing behind '%s'",
                   text_shown(cmd->arguments[cmd->argument_count - 1]));
    for (size_t at = first + 2; at < cmd->argument_count; at++) {
        const char *number = cmd->arguments[at - 1];
        for (size_t i = 0; text_is_digit(number[0]) && i < countof(units); i++)
            if (text_same(cmd->arguments[at], units[i]))
                return grid_error_hint(err, "write the unit with the number: '%s%s'",
                                       text_shown(number), units[i]);
    }
    return option_advise(cmd, err);
}

int boost_needs_read(struct cmd *cmd, size_t first, struct grid_request *ret,
                     struct grid_error *err)
{
    size_t count = cmd->argument_count - first;
    int rc = 0;
    if (count % 2 == 1)
        return odd_words(cmd, first, err);
    if (count / 2 > GRID_NEEDS_MOST)
        return grid_error_set(err, GRID_EUSAGE, "more than %d resources", GRID_NEEDS_MOST);
    for (size_t at = first; rc == 0 && at < cmd->argument_count; at += 2)
        rc = read_need(cmd, at, ret, err);
    return rc;
}

static int read_nodes(struct cmd *cmd, struct grid_request *grid, struct grid_error *err)
{
    grid->target_node = cmd->arguments[0];
    grid->split = cmd_value(cmd, "split");
    grid->prefer_node = cmd_value(cmd, "prefer");
    grid->source_node = cmd_value(cmd, "source");
    int rc = grid_node_name_check(grid->target_node, err);
    if (rc == 0 && grid->source_node)
        rc = grid_node_name_check(grid->source_node, err);
    if (rc == 0 && grid->prefer_node)
        rc = grid_node_name_check(grid->prefer_node, err);
    if (rc == 0 && grid->source_node && (grid->prefer_node || grid->split))
        rc = grid_error_set(err, GRID_EUSAGE, "--source goes with neither --prefer nor --split");
    return rc;
}

static int read_options(struct cmd *cmd, struct grid_request *grid, struct grid_error *err)
{
    const char *priority = cmd_value(cmd, "priority"), *start = cmd_value(cmd, "start");
    grid->priority = GRID_NORMAL;
    grid->preempt = cmd_value(cmd, "preempt");
    grid->host = cmd_host(cmd);
    int rc = priority ? grid_priority_parse(priority, &grid->priority, err) : 0;
    rc = rc ?: cmd_duration(cmd, "duration", true, &grid->duration_us, err);
    if (rc == 0 && start && strcmp(start, "now") != 0) /* which is past when it is looked at */
        rc = cmd_time(cmd, "start", &grid->start_us, err);
    rc = rc ?: cmd_text(cmd, "owner", GRID_USER_SIZE, &grid->owner, err);
    if (rc == 0 && grid->owner && getuid() != 0)
        return grid_error_set(err, GRID_EPERM, "only root may ask for another owner");
    grid->owner = grid->owner ? grid->owner : cmd_user(cmd);
    return rc;
}

int boost_request_read(struct cmd *cmd, struct boost_request *ret, struct grid_error *err)
{
    uuid_t uuid;
    int rc = boost_needs_read(cmd, 1, &ret->grid, err);
    rc = rc ?: read_nodes(cmd, &ret->grid, err);
    rc = rc ?: read_options(cmd, &ret->grid, err);
    rc = rc ?: open_uuid(err);
    if (rc < 0)
        return rc;
    lazy_uuid_generate_random(uuid);
    lazy_uuid_unparse_lower(uuid, ret->id);
    ret->grid.boost_id = ret->id;
    return 0;
}

/* --reason, --request-id, --wait: what does not bear on the decision. */
static int read_more(struct cmd *cmd, struct boost_request *ret, struct grid_error *err)
{
    const char *wait = cmd_value(cmd, "wait");
    ret->waits = wait;
    ret->wait_us = GRID_NEVER;
    int rc = cmd_text(cmd, "reason", GRID_TEXT_SIZE, &ret->grid.reason, err);
    rc = rc ?: cmd_text(cmd, "request-id", GRID_ID_SIZE, &ret->grid.request_id, err);
    if (rc == 0 && wait && *wait)
        rc = grid_duration_parse(wait, true, &ret->wait_us, err);
    if (rc == 0 && wait && cmd_value(cmd, "start"))
        return grid_error_advise(err, GRID_EUSAGE, "a reservation needs no waiting",
                                 "--start and --wait cannot both be given");
    return rc;
}

static int read_request(struct boost_op *op, struct grid_error *err)
{
    struct cmd *cmd = op->cmd;
    boost_reasons_begin(cmd, &op->reasons);
    op->op.request = &op->request.grid;
    op->op.explain = &op->reasons.explain;
    op->op.grant = &op->grant;
    op->op.fn = boost_op_keep;
    int rc = boost_request_read(cmd, &op->request, err);
    rc = rc ?: read_more(cmd, &op->request, err);
    if (rc == 0 && op->request.waits && op->dry_run)
        rc = grid_error_set(err, GRID_EUSAGE, "--wait and --dry-run cannot both be given");
    rc = rc ?: hooks_veto(cmd, &op->request.grid, err);
    if (rc < 0)
        boost_reasons_end(&op->reasons, 0); /* nothing was decided, a veto has no reasons */
    return rc;
}

/* --- printing ------------------------------------------------------------------------------- */

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

/* A word as a shell wants it. */
static void add_word(struct buffer *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-.,:/@%+";
    buffer_text(out, " ");
    if (*word && word[strspn(word, plain)] == '\0') {
        buffer_text(out, word);
        return;
    }
    buffer_text(out, "\"");
    for (; *word; word++) {
        buffer_text(out, strchr("\"\\$`", *word) ? "\\" : "");
        buffer_add(out, word, 1);
    }
    buffer_text(out, "\"");
}

/* Those that bear on the decision, and on which ledger makes it. */
static bool explain_takes(const struct cmd_option *option)
{
    static const char *const globals[] = {"data-dir", "store", "config"};
    for (const struct cmd_option *at = boost_wishes; at->name; at++)
        if (at == option)
            return true;
    for (size_t i = 0; i < countof(globals); i++)
        if (strcmp(option->name, globals[i]) == 0)
            return true;
    return false;
}

/* "'grid boost explain gpu-master gpu 5' has the reasons": what was typed, asked as a question. */
static int advise(const struct boost_op *op, struct grid_error *err)
{
    grid_auto_buffer struct buffer hint = BUFFER_INIT;
    const struct cmd *cmd = op->cmd;
    buffer_format(&hint, "%s%s'grid boost explain", err->hint, err->hint[0] ? "; " : "");
    for (size_t i = 0; i < cmd->argument_count; i++)
        add_word(&hint, cmd->arguments[i]);
    for (size_t i = 0; i < cmd->given_count; i++) {
        if (!explain_takes(cmd->given[i].option))
            continue;
        buffer_format(&hint, " --%s", cmd->given[i].option->name);
        if (cmd->given[i].option->argument)
            add_word(&hint, cmd->given[i].value);
    }
    buffer_text(&hint, "' has the reasons");
    const char *text = buffer_string(&hint);
    if (!text || hint.length >= sizeof(err->hint)) /* a part of a command is no use */
        return (int)err->code;
    return grid_error_hint(err, "%s", text);
}

static int fail_request(struct boost_op *op, struct grid_error *err)
{
    bool refused = err->code == GRID_EREFUSED || (err->code == GRID_ENEVER && !err->hint[0]);
    boost_reasons_end(&op->reasons, err->code);
    if (err->code == GRID_EUNKNOWN)
        return unknown(op->op.request, err);
    return refused && op->reasons.count > 0 ? advise(op, err) : (int)err->code;
}

static void print_replayed(struct json *json, const void *context)
{
    const struct grid_grant *grant = context;
    json_put_bool(json, "replayed", grant->replayed);
}

static void print_request(struct boost_op *op)
{
    struct cmd *cmd = op->cmd;
    const struct grid_grant *grant = &op->grant;
    boost_reasons_end(&op->reasons, 0);
    if (!op->dry_run && !grant->replayed)
        snprintf(cmd->done, sizeof(cmd->done), "boost '%s' was granted", grant->boost.boost_id);
    if (grant->replayed)
        output_info(cmd, "this request id was used before: this is the boost that it got");
    else if (grant->unchecked)
        output_info(cmd, "no node is registered: capacity is not checked "
                    "('grid node add NAME cpu=16' registers one)");
    boost_op_show(op, &grant->boost, print_replayed, grant);
}

const struct boost_op_kind boost_request_kind = {read_request, print_request, fail_request};

/* --- the verb ------------------------------------------------------------------------------- */

static int run_request(struct cmd *cmd, struct grid_error *err)
{
    auto_boost_op struct boost_op op;
    int rc = boost_op_read(cmd, &op, err);
    if (rc < 0)
        return rc;
    (void)boost_op_do(cmd, &op, err);
    hooks_run(cmd);
    rc = boost_op_print(cmd, &op, err);
    if (rc != GRID_EINTERRUPTED || op.signal == 0 || op.signal == SIGINT)
        return rc;
    output_error(cmd, err);
    cmd->status = 128 + op.signal;
    return 0;
}

const struct cmd_verb boost_request_verbs[] = {
    {.name = "request", .arguments = "TARGET RESOURCE AMOUNT [RESOURCE AMOUNT]...",
     .summary = "Borrow an amount of a resource for the node TARGET",
     .options = request_options, .shared = boost_wishes, .rows = &rows_boosts,
     .examples = "  grid boost request gpu-master cpu 2.0\n"
                 "  grid boost request gpu-master memory 16GiB --duration 30m --priority high\n"
                 "  id=$(grid boost request gpu-master gpu 1 --wait=2h -q)\n"
                 "  grid boost request gpu-master gpu 4 --start '2027-01-31 20:00' --duration 8h\n",
     .run = run_request},
    {0},
};
