/* The kinds of row: their columns, and how each is printed for people and for programs. */
#include "cmd/cmd.h"
#include "model/node_record.h"
#include "model/record.h"

#include <stddef.h>
#include <stdio.h>

#define SOON_US (10 * GRID_MINUTE) /* what ends sooner is drawn attention to */

/* --- one cell: from the field of the row at the column's offset ------------------------------- */

void rows_text(struct cell *cell, const void *field)
{
    buffer_text(cell->out, field);
}

static void print_time(struct cell *cell, const void *field)
{
    const int64_t *time_us = field;
    char text[GRID_TIME_SIZE];
    if (cell->people)
        buffer_text(cell->out, grid_time_show(*time_us, text));
    else if (*time_us != GRID_NEVER)
        buffer_text(cell->out, grid_time_format(*time_us, text));
}

static void print_duration(struct cell *cell, const void *field)
{
    const int64_t *duration_us = field;
    char text[GRID_TIME_SIZE];
    if (*duration_us > 0 && cell->people)
        buffer_text(cell->out, grid_duration_show(*duration_us, text));
    else if (*duration_us > 0)
        buffer_format(cell->out, "%jd", (intmax_t)(*duration_us / GRID_SECOND));
}

static void print_number(struct cell *cell, const void *field)
{
    const int64_t *number = field;
    if (*number > 0)
        buffer_format(cell->out, "%jd", (intmax_t)*number);
}

static void print_amount(struct cell *cell, const void *field)
{
    const struct grid_boost *boost = field;
    char text[GRID_AMOUNT_SIZE];
    if (boost->amount_u > 0)
        buffer_text(cell->out,
                    (cell->people ? grid_amount_show : grid_amount_format)(
                        boost->resource_type, boost->amount_u, text));
}

static void print_remaining(struct cell *cell, const void *field)
{
    const struct grid_boost *boost = field;
    char text[GRID_TIME_SIZE];
    int64_t left_us = boost->expires_us;
    if (left_us != GRID_NEVER)
        left_us = left_us > cell->now_us ? left_us - cell->now_us : 0;
    cell->alert = left_us < SOON_US;
    if (cell->people)
        buffer_text(cell->out, grid_duration_show(left_us, text));
    else if (left_us != GRID_NEVER)
        buffer_format(cell->out, "%jd", (intmax_t)(left_us / GRID_SECOND));
}

static bool lives(const struct cell *cell, const struct grid_boost *boost)
{
    return grid_boost_state(boost, cell->now_us) <= GRID_SCHEDULED;
}

/* "2026-01-23 21:00:23 CET (41m12s left)": a line has room for it. */
static void print_expires(struct cell *cell, const void *field)
{
    const struct grid_boost *boost = field;
    print_time(cell, &boost->expires_us);
    if (!cell->line || !lives(cell, boost) || boost->expires_us == GRID_NEVER)
        return;
    buffer_text(cell->out, " (");
    print_remaining(cell, boost);
    buffer_text(cell->out, " left)");
}

static void print_ended(struct cell *cell, const void *field)
{
    const struct grid_boost *boost = field;
    if (lives(cell, boost))
        return;
    if (cell->people)
        buffer_format(cell->out, "%s at ",
                      grid_boost_state_name(grid_boost_state(boost, cell->now_us)));
    print_time(cell, &boost->ended_us);
}

/* Lines leave out what the one before has said. */
static void print_starts(struct cell *cell, const void *field)
{
    const struct grid_boost *boost = field;
    if (!cell->line || boost->starts_us != boost->allocated_us)
        print_time(cell, &boost->starts_us);
}

static void print_priority(struct cell *cell, const void *field)
{
    buffer_text(cell->out, grid_priority_name(*(const enum grid_priority *)field));
}

static void print_state(struct cell *cell, const void *field)
{
    buffer_text(cell->out, grid_boost_state_name(grid_boost_state(field, cell->now_us)));
}

static void print_event(struct cell *cell, const void *field)
{
    buffer_text(cell->out, grid_event_name(*(const enum grid_event_kind *)field));
}

/* The indices of GPUs: "0, 3". */
static void print_devices(struct cell *cell, const void *field)
{
    const uint64_t *devices = field;
    for (uint64_t left = *devices; left; left &= left - 1)
        buffer_format(cell->out, "%s%d", left == *devices ? "" : ", ", __builtin_ctzll(left));
}

/* --- kinds --------------------------------------------------------------------------------- */

#define AT(field) offsetof(struct grid_boost, field)
#define LISTED (COLUMN_DEFAULT | COLUMN_BRIEF)

/* In a narrow terminal REMAINING says what EXPIRES does, and so on down to what must stay. */
static const struct column boost_columns[] = {
    {"ID", "Boost ID", "the boost's id", LISTED, 0, AT(boost_id), rows_text},
    {"SOURCE", "Source", "lender", LISTED, 0, AT(source_node), rows_text},
    {"TARGET", "Target", "borrower", LISTED, 0, AT(target_node), rows_text},
    {"RESOURCE", "Resource", "what is lent", LISTED, 0, AT(resource_type), rows_text},
    {"AMOUNT", "Amount", "how much", LISTED | COLUMN_RIGHT, 0, 0, print_amount},
    {"PRIORITY", "Priority", "low, normal, high or critical", LISTED, 2, AT(priority),
     print_priority},
    {"OWNER", "Owner", "who asked for it", COLUMN_DEFAULT, 3, AT(owner), rows_text},
    {"EXPIRES", "Expires", "when it ends", LISTED, 4, 0, print_expires},
    {"REMAINING", NULL, "how long it still lasts", COLUMN_DEFAULT | COLUMN_RIGHT, 0, 0,
     print_remaining},
    {"ENDED", "Ended", "how and when it ended", COLUMN_BRIEF, 1, 0, print_ended},
    {"STATE", "State", "active, scheduled, or how it ended", 0, 1, 0, print_state},
    {"ALLOCATED", "Granted", "when it was granted", 0, 1, AT(allocated_us), print_time},
    {"STARTS", "Starts", "when it begins", 0, 1, 0, print_starts},
    {"HOST", "Host", "where it was asked for", 0, 1, AT(host), rows_text},
    {"DEVICES", "Devices", "which of its source's GPUs", 0, 1, AT(devices), print_devices},
    {"REASON", "Reason", "what it is for", 0, 1, AT(reason), rows_text},
    {"GROUP", "Group", "the group that it belongs to", 0, 1, AT(group_id), rows_text},
    {"REQUEST_ID", "Request ID", "the request's own key", 0, 1, AT(request_id), rows_text},
    {"PLACEMENT", "Placement", "its placement group", 0, 1, AT(ray_placement_group), rows_text},
    {"TOKEN", "Token", "fencing token", COLUMN_RIGHT, 1, AT(token), print_number},
};

static void boost_json(struct json *json, const void *row, int64_t now_us)
{
    record_show(json, row, now_us);
}

const struct row_kind rows_boosts = {boost_columns, countof(boost_columns), boost_json,
                                     AT(boost_id), "boost", "boosts"};

#undef AT
#define AT(field) offsetof(struct grid_event, field)

static void print_subject(struct cell *cell, const void *field)
{
    const struct grid_event *event = field;
    buffer_text(cell->out, event->boost_id[0] ? event->boost_id : event->node_id);
}

static const struct column event_columns[] = {
    {"TIME", NULL, "when it happened", COLUMN_DEFAULT, 0, AT(at_us), print_time},
    {"EVENT", NULL, "what happened", COLUMN_DEFAULT, 0, AT(event), print_event},
    {"ID", NULL, "the boost's id, or the node", COLUMN_DEFAULT, 0, 0, print_subject},
    {"RESOURCE", NULL, "what was lent", COLUMN_DEFAULT, 0, AT(boost.resource_type), rows_text},
    {"AMOUNT", NULL, "how much", COLUMN_DEFAULT | COLUMN_RIGHT, 0, AT(boost), print_amount},
    {"SOURCE", NULL, "lender", COLUMN_DEFAULT, 2, AT(boost.source_node), rows_text},
    {"TARGET", NULL, "borrower", COLUMN_DEFAULT, 1, AT(boost.target_node), rows_text},
    {"ACTOR", NULL, "who did it, and where", COLUMN_DEFAULT, 3, AT(actor), rows_text},
    {"REASON", NULL, "what was said about it", COLUMN_DEFAULT, 4, AT(reason), rows_text},
    {"OWNER", NULL, "who had asked for the boost", 0, 1, AT(boost.owner), rows_text},
    {"REVISION", NULL, "of the ledger", COLUMN_RIGHT, 1, AT(revision), print_number},
};

static void event_json(struct json *json, const void *row, int64_t now_us)
{
    (void)now_us;
    record_event_show(json, row);
}

const struct row_kind rows_events = {event_columns, countof(event_columns), event_json,
                                     AT(boost_id), "event", "events"};

/* --- nodes --------------------------------------------------------------------------------- */

/* "CPU 16.0, MEMORY 62.7 GiB": people get whole tenths, rounded down, of what was measured. */
static void print_amounts(struct cell *cell, const void *field)
{
    const struct grid_amounts *amounts = field;
    char text[GRID_AMOUNT_SIZE];
    for (size_t i = 0; i < amounts->count; i++) {
        const char *resource = amounts->at[i].resource;
        int64_t amount_u = amounts->at[i].amount_u;
        int64_t tenths = 10 * amount_u / GRID_MEMORY_GIB;
        grid_amount_format(resource, amount_u, text);
        if (cell->people && grid_resource_is_memory(resource))
            snprintf(text, sizeof(text), "%jd.%jd GiB", (intmax_t)(tenths / 10),
                     (intmax_t)(tenths % 10));
        buffer_format(cell->out, "%s%s %s", i > 0 ? ", " : "", resource, text);
    }
}

static void print_lent(struct cell *cell, const void *field)
{
    const struct grid_node_view *view = field;
    print_amounts(cell, &view->lent);
    cell->alert = view->overcommitted;
}

/* What may be lent now, were it not for holds. */
static struct grid_amounts free_amounts(const struct grid_node_view *view)
{
    struct grid_amounts free = view->node.capacity;
    for (size_t i = 0; i < free.count; i++) {
        const char *resource = free.at[i].resource;
        int64_t left_u = grid_node_lendable(&view->node, resource)
                         - grid_amounts_get(&view->lent, resource, 0);
        free.at[i].amount_u = left_u > 0 ? left_u : 0;
    }
    return free;
}

static void print_free(struct cell *cell, const void *field)
{
    struct grid_amounts free = free_amounts(field);
    print_amounts(cell, &free);
}

/* "CPU 8.0 lent of 4.0" */
static void print_overcommitted(struct cell *cell, const void *field)
{
    const struct grid_node_view *view = field;
    char lent[GRID_AMOUNT_SIZE], most[GRID_AMOUNT_SIZE];
    const char *between = "";
    cell->alert = view->overcommitted;
    for (size_t i = 0; i < view->lent.count; i++) {
        const char *resource = view->lent.at[i].resource;
        int64_t lent_u = view->lent.at[i].amount_u;
        int64_t most_u = grid_node_lendable(&view->node, resource);
        if (lent_u <= most_u)
            continue;
        buffer_format(cell->out, "%s%s %s lent of %s", between, resource,
                      grid_amount_show(resource, lent_u, lent),
                      grid_amount_show(resource, most_u, most));
        between = ", ";
    }
}

static void print_hold(struct cell *cell, const void *field)
{
    const struct grid_node_view *view = field;
    cell->alert = view->held;
    if (!view->held)
        return;
    bool ends = view->node.hold_until_us != GRID_NEVER;
    buffer_text(cell->out, ends ? "until " : "held");
    if (ends)
        print_time(cell, &view->node.hold_until_us);
    if (cell->line && view->node.hold_reason[0])
        buffer_format(cell->out, " (%s)", view->node.hold_reason);
}

static void print_last_seen(struct cell *cell, const void *field)
{
    const struct grid_node_view *view = field;
    char text[GRID_TIME_SIZE];
    int64_t ago_us = cell->now_us - view->node.last_seen_us;
    cell->alert = view->stale;
    if (cell->line || !cell->people)
        print_time(cell, &view->node.last_seen_us);
    else
        buffer_format(cell->out, "%s ago", grid_duration_show(ago_us > 0 ? ago_us : 0, text));
    if (cell->people && view->stale)
        buffer_text(cell->out, " (stale)");
}

static void print_role(struct cell *cell, const void *field)
{
    buffer_text(cell->out, grid_role_name(*(const enum grid_role *)field));
}

static void print_shares(struct cell *cell, const void *field)
{
    buffer_text(cell->out, *(const bool *)field ? "yes" : "no");
}

static void print_tags(struct cell *cell, const void *field)
{
    const struct grid_node *node = field;
    for (size_t i = 0; i < node->tag_count; i++)
        buffer_format(cell->out, "%s%s", i > 0 ? ", " : "", node->tags[i]);
}

static void print_labels(struct cell *cell, const void *field)
{
    const struct grid_node *node = field;
    for (size_t i = 0; i < node->label_count; i++)
        buffer_format(cell->out, "%s%s=%s", i > 0 ? ", " : "", node->labels[i].key,
                      node->labels[i].value);
}

#undef AT
#define AT(field) offsetof(struct grid_node_view, field)

static const struct column node_columns[] = {
    {"NODE", "Node", "its name", LISTED, 0, AT(node.node_id), rows_text},
    {"ROLE", "Role", "master or worker", COLUMN_DEFAULT, 4, AT(node.role), print_role},
    {"ADDRESS", "Address", "how it is reached", 0, 1, AT(node.address), rows_text},
    {"OWNER", "Owner", "whose it is", 0, 1, AT(node.owner), rows_text},
    {"CAPACITY", "Capacity", "what it has", LISTED, 0, AT(node.capacity), print_amounts},
    {"KEEP", "Keep", "never lent", COLUMN_BRIEF, 1, AT(node.keep), print_amounts},
    {"LEND", "Lend", "lent at most", COLUMN_BRIEF, 1, AT(node.lend), print_amounts},
    {"BORROW", "Borrow", "borrowed at most", COLUMN_BRIEF, 1, AT(node.borrow), print_amounts},
    {"SHARES", "Shares", "does it lend?", 0, 1, AT(node.can_share), print_shares},
    {"LENT", "Lent", "lent now", COLUMN_DEFAULT, 0, 0, print_lent},
    {"FREE", "Free", "left to lend", COLUMN_DEFAULT, 0, 0, print_free},
    {"BORROWED", "Borrowed", "borrowed now", COLUMN_DEFAULT, 3, AT(borrowed), print_amounts},
    {"OVERCOMMITTED", "Overcommitted", "lent beyond what may be", 0, 1, 0, print_overcommitted},
    {"HOLD", "Hold", "does it lend nothing new?", LISTED, 1, 0, print_hold},
    {"TAGS", "Tags", "its tags", 0, 1, AT(node), print_tags},
    {"LABELS", "Labels", "its labels", 0, 1, AT(node), print_labels},
    {"FIRST_SEEN", "First seen", "when it was registered", 0, 1, AT(node.first_seen_us),
     print_time},
    {"LAST_SEEN", "Last seen", "its last heartbeat", COLUMN_DEFAULT, 2, 0, print_last_seen},
    {"STALE_AFTER", "Stale after", "no source without a heartbeat so long", 0, 1,
     AT(node.stale_after_us), print_duration},
};

static void add_json_amounts(struct json *json, const char *key,
                             const struct grid_amounts *amounts)
{
    json_key(json, key);
    node_record_amounts(json, amounts);
}

static void add_json_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}

static void node_json(struct json *json, const void *row, int64_t now_us)
{
    (void)now_us;
    const struct grid_node_view *view = row;
    struct grid_amounts free = free_amounts(view);
    json_open(json, '{');
    node_record_members(json, &view->node);
    add_json_amounts(json, "lent", &view->lent);
    add_json_amounts(json, "free", &free);
    add_json_amounts(json, "borrowed", &view->borrowed);
    add_json_bool(json, "overcommitted", view->overcommitted);
    add_json_bool(json, "held", view->held);
    add_json_bool(json, "stale", view->stale);
    json_close(json, '}');
}

const struct row_kind rows_nodes = {node_columns, countof(node_columns), node_json,
                                    AT(node.node_id), "node", "nodes"};
