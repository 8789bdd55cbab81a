/* grid boost status, show: what is lent. */
#include "cmd/boost.h"
#include "model/record.h"
#include "util/clock.h"

#include <stdio.h>
#include <string.h>

/* --- what the verbs share ------------------------------------------------------------------- */

const struct cmd_option boost_filters[] = {
    {"node", 0, "NODE", "only what this node borrows", CMD_NODE},
    {"source", 0, "NODE", "only what this node lends", CMD_NODE},
    {"resource", 0, "RESOURCE", "only this resource", CMD_RESOURCE},
    {"owner", 0, "NAME", "only this user's", CMD_OWNER},
    {"mine", 0, NULL, "only my own", CMD_TEXT},
    {"priority", 0, "PRIORITY", "only this priority", CMD_PRIORITY},
    {"expiring", 0, "DUR", "only what ends within DUR", CMD_TEXT},
    {0},
};

int boost_resource(struct cmd *cmd, const char *text, char ret[static GRID_RESOURCE_SIZE],
                   struct grid_error *err)
{
    int rc = grid_resource_parse(text, ret, err);
    if (rc < 0 || strcmp(ret, "CPU") == 0 || strcmp(ret, "GPU") == 0
        || grid_resource_is_memory(ret))
        return rc;
    /* A short name may well be meant: "tpu". */
    const char *nearest = strlen(text) > 3 ? text_nearest(text, cmd_word, (void *)cmd_resources)
                                           : NULL;
    if (nearest)
        output_warning(cmd, "'%s' is a resource of its own: did you mean '%s'?", text, nearest);
    return 0;
}

int boost_choose(struct cmd *cmd, struct boost_choice *ret, struct grid_error *err)
{
    const char *resource = cmd_value(cmd, "resource"), *priority = cmd_value(cmd, "priority");
    const char *expiring = cmd_value(cmd, "expiring");
    struct grid_boost_filter *filter = &ret->filter;
    int64_t within_us = 0;
    int rc = 0;
    *ret = (struct boost_choice){.filter = {.target_node = cmd_value(cmd, "node"),
                                            .source_node = cmd_value(cmd, "source"),
                                            .owner = cmd_value(cmd, "owner")}};
    if (cmd_value(cmd, "mine") && filter->owner)
        rc = grid_error_set(err, GRID_EUSAGE, "--mine and --owner cannot both be given");
    else if (cmd_value(cmd, "mine"))
        filter->owner = cmd_user(cmd);
    if (rc == 0 && resource) {
        filter->resource_type = ret->resource;
        rc = boost_resource(cmd, resource, ret->resource, err);
    }
    if (rc == 0 && priority) {
        filter->has_priority = true;
        rc = grid_priority_parse(priority, &filter->priority, err);
    }
    if (rc == 0 && expiring) {
        rc = grid_duration_parse(expiring, false, &within_us, err);
        filter->ends_before_us = grid_time_add(clock_now_us(), within_us);
    }
    return rc;
}

char *boost_brief(const struct grid_boost *boost, char buffer[static BOOST_BRIEF_SIZE])
{
    char amount[GRID_AMOUNT_SIZE];
    snprintf(buffer, BOOST_BRIEF_SIZE, "%s %s from %s", boost->resource_type,
             grid_amount_show(boost->resource_type, boost->amount_u, amount),
             text_shown(boost->source_node));
    return buffer;
}

/* "2026-01-23 21:00:23 CET (41m12s left)"; of one that has ended, when it did. */
static void print_end(struct cmd *cmd, const struct grid_boost *boost, int64_t now_us)
{
    char text[2 * GRID_TIME_SIZE], time[GRID_TIME_SIZE], left[GRID_TIME_SIZE];
    enum grid_boost_state state = grid_boost_state(boost, now_us);
    grid_time_show(boost->expires_us, time);
    if (boost->expires_us == GRID_NEVER || boost->expires_us <= now_us)
        snprintf(text, sizeof(text), "%s", time);
    else
        snprintf(text, sizeof(text), "%s (%s left)", time,
                 grid_duration_show(boost->expires_us - now_us, left));
    if (state == GRID_ACTIVE || state == GRID_SCHEDULED) {
        output_pair(cmd, "Expires:", text);
        return;
    }
    output_pair(cmd, "Expires:", time);
    snprintf(text, sizeof(text), "%s at %s", grid_boost_state_name(state),
             grid_time_show(boost->ended_us, time));
    output_pair(cmd, "Ended:", text);
}

void boost_print(struct cmd *cmd, const struct grid_boost *boost, int64_t now_us, bool whole)
{
    char text[GRID_TIME_SIZE];
    output_pair(cmd, "Boost ID:", boost->boost_id);
    output_pair(cmd, "Source:", boost->source_node);
    output_pair(cmd, "Target:", boost->target_node);
    output_pair(cmd, "Resource:", boost->resource_type);
    output_pair(cmd, "Amount:", grid_amount_show(boost->resource_type, boost->amount_u, text));
    output_pair(cmd, "Priority:", grid_priority_name(boost->priority));
    print_end(cmd, boost, now_us);
    if (!whole)
        return;
    output_pair(cmd, "State:", grid_boost_state_name(grid_boost_state(boost, now_us)));
    output_pair(cmd, "Granted:", grid_time_show(boost->allocated_us, text));
    if (boost->starts_us != boost->allocated_us)
        output_pair(cmd, "Starts:", grid_time_show(boost->starts_us, text));
    output_pair(cmd, "Owner:", boost->owner);
    output_pair(cmd, "Host:", boost->host);
    output_pair(cmd, "Reason:", boost->reason);
    output_pair(cmd, "Group:", boost->group_id);
    output_pair(cmd, "Request ID:", boost->request_id);
    output_pair(cmd, "Placement:", boost->ray_placement_group);
    snprintf(text, sizeof(text), "%jd", (intmax_t)boost->token);
    output_pair(cmd, "Token:", boost->token > 0 ? text : "");
}

void boost_document(struct sheet *sheet, const struct grid_boost *boost, int64_t now_us,
                    const bool *replayed)
{
    struct json json = sheet_document(sheet->cmd);
    json_key(&json, "boost");
    record_show(&json, boost, now_us);
    sheet_array(sheet, &json);
    if (replayed) {
        json_key(&json, "replayed");
        json_bool(&json, *replayed);
    }
    sheet_end(&json);
}

/* --- status --------------------------------------------------------------------------------- */

struct total {
    char resource[GRID_RESOURCE_SIZE];
    int64_t amount_u;
};

struct listing {
    struct sheet sheet;
    bool all; /* scheduled ones, too */
    struct total *totals; /* by name */
    size_t active, total_count;
};

static int add_total(struct listing *listing, const struct grid_boost *boost,
                     struct grid_error *err)
{
    size_t i = 0;
    while (i < listing->total_count
           && strcmp(listing->totals[i].resource, boost->resource_type) < 0)
        i++;
    struct total *at = &listing->totals[i];
    if (i == listing->total_count || strcmp(at->resource, boost->resource_type) != 0) {
        size_t size = (listing->total_count + 1) * sizeof(*at);
        struct total *totals = realloc(listing->totals, size);
        if (!totals)
            return grid_error_set(err, GRID_ENOMEM, "cannot list boosts: no memory");
        listing->totals = totals;
        at = &totals[i];
        memmove(at + 1, at, (listing->total_count++ - i) * sizeof(*at));
        *at = (struct total){0};
        text_copy(at->resource, sizeof(at->resource), boost->resource_type);
    }
    at->amount_u = grid_amount_add(at->amount_u, boost->amount_u);
    return 0;
}

static int list_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct listing *listing = context;
    bool active = grid_boost_state(boost, grid_store_now(listing->sheet.cmd->store)) == GRID_ACTIVE;
    if (!active && !listing->all)
        return 0;
    sheet_add(&listing->sheet, boost, grid_store_now(listing->sheet.cmd->store));
    listing->active += active;
    return active ? add_total(listing, boost, err) : 0;
}

static void print_document(struct listing *listing)
{
    struct json json = sheet_document(listing->sheet.cmd);
    json_key(&json, "total_active_boosts");
    json_int(&json, (int64_t)listing->active);
    json_key(&json, "boosted_resources");
    json_open(&json, '{');
    for (const struct total *at = listing->totals; at < listing->totals + listing->total_count;
         at++) {
        json_key(&json, at->resource);
        json_float(&json, grid_amount_number(at->resource, at->amount_u));
    }
    json_close(&json, '}');
    sheet_array(&listing->sheet, &json);
    sheet_end(&json);
}

static int print_table(struct listing *listing, struct grid_error *err)
{
    struct cmd *cmd = listing->sheet.cmd;
    char amount[GRID_AMOUNT_SIZE];
    int rc = sheet_table(&listing->sheet, err);
    if (rc < 0 || listing->total_count == 0 || cmd_value(cmd, "no-headings"))
        return rc;
    for (size_t i = 0; i < listing->total_count; i++)
        buffer_format(&cmd->out, "%s%s %s", i > 0 ? ", " : "Total: ", listing->totals[i].resource,
                      grid_amount_show(listing->totals[i].resource, listing->totals[i].amount_u,
                                       amount));
    buffer_text(&cmd->out, "\n");
    return 0;
}

/* A node's name that nothing matched, and one of the ledger that is nearly it. */
struct likeness {
    const char *lender, *borrower; /* as typed; or NULL */
    char found[GRID_NODE_SIZE];
};

static int look_alike(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct likeness *like = context;
    const char *lenders[] = {boost->source_node, NULL}, *borrowers[] = {boost->target_node, NULL};
    const char *found = like->lender ? text_nearest(like->lender, cmd_word, lenders) : NULL;
    if (!found && like->borrower)
        found = text_nearest(like->borrower, cmd_word, borrowers);
    if (found)
        text_copy(like->found, sizeof(like->found), found);
    return found != NULL;
}

static void say_none(struct cmd *cmd)
{
    struct grid_boost_filter all = {0};
    struct likeness like = {.lender = cmd_value(cmd, "source"),
                            .borrower = cmd_value(cmd, "node")};
    if (like.lender || like.borrower)
        (void)grid_ledger_list(cmd->store, GRID_READ, &all, look_alike, &like, NULL);
    if (like.found[0])
        output_info(cmd, "no boosts: did you mean '%s'?", like.found);
    else
        output_info(cmd, "no boosts");
}

static int list(struct cmd *cmd, struct listing *listing, struct grid_error *err)
{
    struct boost_choice choice;
    int rc = boost_choose(cmd, &choice, err);
    choice.filter.newest_first = true;
    rc = rc ?: sheet_begin(&listing->sheet, cmd, &rows_boosts, err);
    rc = rc ?: cmd_store(cmd, err);
    rc = rc ?: grid_ledger_list(cmd->store, GRID_TIDY, &choice.filter, list_boost, listing, err);
    if (rc < 0)
        return rc;
    if (cmd->settings.format == FORMAT_JSON)
        print_document(listing);
    if (cmd->settings.format != FORMAT_TABLE)
        return 0;
    if (listing->sheet.rows == 0)
        say_none(cmd);
    return print_table(listing, err);
}

static int run_status(struct cmd *cmd, struct grid_error *err)
{
    struct listing listing = {.sheet.text = BUFFER_INIT, .all = cmd_value(cmd, "all")};
    int rc = list(cmd, &listing, err);
    free(listing.totals);
    sheet_release(&listing.sheet);
    return rc;
}

/* --- show ----------------------------------------------------------------------------------- */

static int show_member(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct sheet *sheet = context;
    sheet_add(sheet, boost, grid_store_now(sheet->cmd->store));
    return 0;
}

static int run_show(struct cmd *cmd, struct grid_error *err)
{
    auto_sheet struct sheet sheet = {.text = BUFFER_INIT};
    struct grid_boost boost;
    bool table = cmd->settings.format == FORMAT_TABLE;
    int rc = sheet_begin(&sheet, cmd, &rows_boosts, err);
    rc = rc ?: cmd_store(cmd, err);
    rc = rc ?: grid_ledger_show(cmd->store, cmd->arguments[0], &boost, table ? NULL : show_member,
                                &sheet, err);
    if (rc == 0 && table)
        boost_print(cmd, &boost, grid_store_now(cmd->store), true);
    else if (rc == 0 && cmd->settings.format == FORMAT_JSON)
        boost_document(&sheet, &boost, grid_store_now(cmd->store), NULL);
    return rc;
}

static const struct cmd_option status_options[] = {
    {"all", 0, NULL, "also what is scheduled for later", CMD_TEXT},
    {0},
};

const struct cmd_verb boost_list_verbs[] = {
    {.noun = "boost", .name = "status", .arguments = "",
     .summary = "List what is lent now, with totals",
     .options = status_options, .shared = boost_filters, .rows = &rows_boosts,
     .examples = "  grid boost status\n"
                 "  grid boost status --mine --expiring 10m\n"
                 "  grid boost status --node gpu-master -o json\n"
                 "  grid boost status --columns id,amount,reason --no-headings\n",
     .run = run_status},
    {.noun = "boost", .name = "show", .arguments = "ID",
     .summary = "Show all that is known of a boost, living or ended",
     .kinds = {CMD_BOOST}, .rows = &rows_boosts,
     .examples = "  grid boost show 515744a0\n", .run = run_show},
    {0},
};
