/* grid boost status, show: what is lent. */
#include "cmd/boost_watch.h"
#include "cmd/node.h"
#include "util/clock.h"

#include <string.h>

/* --- what the verbs share ------------------------------------------------------------------- */

const struct cmd_option boost_filters[] = {
    {"node", 0, "NODE", "only what this node borrows"},
    {"source", 0, "NODE", "only what this node lends"},
    {"resource", 0, "RESOURCE", "only this resource"},
    {"owner", 0, "NAME", "only this user's"},
    {"mine", 0, NULL, "only my own"},
    {"priority", 0, "PRIORITY", "only this priority"},
    {"expiring", 0, "DUR", "only what ends within DUR"},
    {0},
};

int boost_resource(struct cmd *cmd, const char *text, char ret[static GRID_RESOURCE_SIZE],
                   struct grid_error *err)
{
    int rc = grid_resource_parse(text, ret, err);
    if (rc == 0)
        node_warn(cmd, text);
    return rc;
}

int boost_choose(struct cmd *cmd, struct boost_choice *ret, struct grid_error *err)
{
    const char *resource = cmd_value(cmd, "resource"), *priority = cmd_value(cmd, "priority");
    const char *mine = cmd_value(cmd, "mine"), *owner = cmd_value(cmd, "owner");
    int64_t within_us = 0;
    if (mine && owner)
        return grid_error_set(err, GRID_EUSAGE, "--mine and --owner cannot both be given");
    *ret = (struct boost_choice){.filter = {.target_node = cmd_value(cmd, "node"),
                                            .source_node = cmd_value(cmd, "source"),
                                            .resource_type = resource ? ret->resource : NULL,
                                            .owner = mine ? cmd_user(cmd) : owner,
                                            .has_priority = priority}};
    int rc = resource ? boost_resource(cmd, resource, ret->resource, err) : 0;
    if (rc == 0 && priority)
        rc = grid_priority_parse(priority, &ret->filter.priority, err);
    rc = rc ?: cmd_duration(cmd, "expiring", false, &within_us, err);
    if (within_us > 0)
        ret->filter.ends_before_us = grid_time_add(clock_now_us(), within_us);
    ret->filter.for_good = true;
    return rc;
}

/* --- status --------------------------------------------------------------------------------- */

struct total {
    char resource[GRID_RESOURCE_SIZE];
    int64_t amount_u;
};

struct listing {
    struct cmd *cmd;
    bool all; /* scheduled ones, too */
    struct total *totals; /* by name */
    size_t active, count, capacity;
};

static int add_total(struct listing *listing, const struct grid_boost *boost,
                     struct grid_error *err)
{
    size_t i = 0;
    while (i < listing->count && strcmp(listing->totals[i].resource, boost->resource_type) < 0)
        i++;
    if (array_reserve(&listing->totals, &listing->capacity, listing->count + 1,
                      sizeof(*listing->totals)) < 0)
        return grid_error_set(err, GRID_ENOMEM, "cannot list boosts: no memory");
    struct total *at = &listing->totals[i];
    if (i == listing->count || strcmp(at->resource, boost->resource_type) != 0) {
        memmove(at + 1, at, (listing->count++ - i) * sizeof(*at));
        *at = (struct total){0};
        text_copy(at->resource, sizeof(at->resource), boost->resource_type);
    }
    at->amount_u = grid_amount_add(at->amount_u, boost->amount_u);
    return 0;
}

static int list_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct listing *listing = context;
    bool active = grid_boost_state(boost, grid_store_now(listing->cmd->store)) == GRID_ACTIVE;
    if (!active && !listing->all)
        return 0;
    sheet_add(listing->cmd, boost);
    listing->active += active;
    return active ? add_total(listing, boost, err) : 0;
}

static void print_head(struct json *json, const void *context)
{
    const struct listing *listing = context;
    json_key(json, "total_active_boosts");
    json_int(json, (int64_t)listing->active);
    json_key(json, "boosted_resources");
    json_open(json, '{');
    for (const struct total *at = listing->totals; at < listing->totals + listing->count; at++) {
        json_key(json, at->resource);
        json_float(json, grid_amount_number(at->resource, at->amount_u));
    }
    json_close(json, '}');
}

static void print_totals(const struct listing *listing)
{
    struct buffer *out = &listing->cmd->out;
    char amount[GRID_AMOUNT_SIZE];
    for (const struct total *at = listing->totals; at < listing->totals + listing->count; at++)
        buffer_format(out, "%s%s %s", at > listing->totals ? ", " : "Total: ", at->resource,
                      grid_amount_show(at->resource, at->amount_u, amount));
    buffer_text(out, listing->count > 0 ? "\n" : "");
}

/* A boost that a name was probably meant for: 1. */
static int suggest(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct cmd *cmd = context;
    const char *lenders[] = {boost->source_node, NULL}, *borrowers[] = {boost->target_node, NULL};
    const char *lender = cmd_value(cmd, "source"), *borrower = cmd_value(cmd, "node");
    const char *found = lender ? text_nearest(lender, cmd_word, lenders) : NULL;
    if (!found && borrower)
        found = text_nearest(borrower, cmd_word, borrowers);
    if (found)
        output_info(cmd, "did you mean '%s'?", found);
    return found != NULL;
}

int boost_status(struct cmd *cmd, enum grid_mode mode, struct grid_error *err)
{
    struct boost_choice choice;
    struct listing listing = {.cmd = cmd, .all = cmd_value(cmd, "all")};
    int rc = boost_choose(cmd, &choice, err);
    choice.filter.newest_first = true;
    rc = rc ?: grid_ledger_list(cmd->store, mode, &choice.filter, list_boost, &listing, err);
    rc = rc ?: sheet_print(cmd, print_head, &listing, err);
    if (rc == 0 && cmd->settings.format == FORMAT_TABLE && !cmd_value(cmd, "no-headings"))
        print_totals(&listing);
    free(listing.totals);
    return rc;
}

/* Noting ends and starts would run these hooks, and whoever only looks would wait for them. */
static enum grid_mode mode_of(struct cmd *cmd)
{
    return hooks_have(cmd, "expired") || hooks_have(cmd, "granted") ? GRID_READ : GRID_TIDY;
}

static int run_status(struct cmd *cmd, struct grid_error *err)
{
    if (cmd_value(cmd, "watch"))
        return boost_watch(cmd, err);
    int rc = boost_status(cmd, mode_of(cmd), err);
    if (rc == 0 && cmd->settings.format == FORMAT_TABLE && cmd->sheet.rows == 0)
        (void)grid_ledger_list(cmd->store, GRID_PEEK, &(struct grid_boost_filter){0}, suggest, cmd,
                               NULL);
    return rc;
}

/* --- show ----------------------------------------------------------------------------------- */

static int show_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    sheet_add(context, boost);
    return 0;
}

static int run_show(struct cmd *cmd, struct grid_error *err)
{
    struct grid_boost boost;
    int rc = grid_ledger_show(cmd->store, cmd->arguments[0], &boost, show_boost, cmd, err);
    if (rc == 0)
        sheet_show(cmd, &boost, true, NULL, NULL);
    return rc;
}

static const struct cmd_option status_options[] = {
    {"all", 0, NULL, "also what is scheduled for later"},
    {"watch", 0, "[=DUR]", "go on, and show each change; look every DUR (2s)"},
    {0},
};

const struct cmd_verb boost_list_verbs[] = {
    {.name = "status", .arguments = "", .summary = "List what is lent now, with totals",
     .options = status_options, .shared = boost_filters, .rows = &rows_boosts,
     .examples = "  grid boost status\n"
                 "  grid boost status --mine --expiring 10m\n"
                 "  grid boost status --node gpu-master -o json\n"
                 "  grid boost status --watch\n"
                 "  grid boost status --columns id,amount,reason --no-headings\n",
     .run = run_status},
    {.name = "show", .arguments = "ID",
     .summary = "Show all that is known of a boost, living or ended",
     .rows = &rows_boosts,
     .examples = "  grid boost show 515744a0\n", .run = run_show},
    {0},
};
