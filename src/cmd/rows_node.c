/* The columns of nodes, and a node in JSON. */
#include "cmd/cmd.h"
#include "model/node_record.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* "16.0", or of memory GiB, which was measured, to the nearest tenth; if small, thousandth. */
static char *tenths(const char *resource, int64_t amount_u, char text[static GRID_AMOUNT_SIZE])
{
    int64_t digits = 1, scale = 10, number;
    if (!grid_resource_is_memory(resource))
        return grid_amount_format(resource, amount_u, text);
    if (amount_u > 0 && amount_u < GRID_MEMORY_GIB / 20)
        digits = 3, scale = 1000;
    number = (scale * amount_u + GRID_MEMORY_GIB / 2) / GRID_MEMORY_GIB;
    snprintf(text, GRID_AMOUNT_SIZE, "%jd.%0*jd", (intmax_t)(number / scale), (int)digits,
             (intmax_t)(number % scale));
    return text;
}

/* The same in a table, where room is scarce: "16". */
static char *brief(const char *resource, int64_t amount_u, char text[static GRID_AMOUNT_SIZE])
{
    char *zero = strstr(tenths(resource, amount_u, text), ".0");
    if (zero && !zero[2])
        *zero = '\0';
    return text;
}

static void print_resource(struct cell *cell, const char *resource, int64_t amount_u)
{
    char text[GRID_AMOUNT_SIZE];
    buffer_format(cell->out, "%s %s%s", resource,
                  (!cell->people ? grid_amount_format
                   : cell->line  ? tenths
                                 : brief)(resource, amount_u, text),
                  cell->people && grid_resource_is_memory(resource) ? " GiB" : "");
}

/* "CPU 16.0, MEMORY 62.7 GiB" */
static void print_amounts(struct cell *cell, const void *field)
{
    const struct grid_amounts *amounts = field;
    for (size_t i = 0; i < amounts->count; i++) {
        buffer_text(cell->out, i > 0 ? ", " : "");
        print_resource(cell, amounts->at[i].resource, amounts->at[i].amount_u);
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

/* "28/32": left to lend, of what it may lend at once. */
static void print_share(struct cell *cell, const struct grid_node_view *view, const char *resource)
{
    char left[GRID_AMOUNT_SIZE], most[GRID_AMOUNT_SIZE];
    int64_t most_u = grid_node_lendable(&view->node, resource);
    int64_t left_u = most_u - grid_amounts_get(&view->lent, resource, 0);
    cell->alert |= left_u < 0;
    buffer_format(cell->out, "%s/%s%s", brief(resource, left_u > 0 ? left_u : 0, left),
                  brief(resource, most_u, most), grid_resource_is_memory(resource) ? " GiB" : "");
}

static void print_known(struct cell *cell, const struct grid_node_view *view, const char *resource)
{
    if (grid_amounts_get(&view->node.capacity, resource, -1) >= 0
        || grid_amounts_get(&view->lent, resource, 0) > 0)
        print_share(cell, view, resource);
}

static void print_cpu(struct cell *cell, const void *field) { print_known(cell, field, "CPU"); }
static void print_gpu(struct cell *cell, const void *field) { print_known(cell, field, "GPU"); }
static void print_memory(struct cell *cell, const void *field)
{
    print_known(cell, field, "MEMORY");
}

/* "FPGA 1/2, TPU 4/4" */
static void print_other(struct cell *cell, const void *field)
{
    const struct grid_node_view *view = field;
    const char *between = "";
    for (size_t i = 0; i < view->node.capacity.count; i++) {
        const char *resource = view->node.capacity.at[i].resource;
        if (strcmp(resource, "CPU") == 0 || strcmp(resource, "GPU") == 0
            || grid_resource_is_memory(resource))
            continue;
        buffer_format(cell->out, "%s%s ", between, resource);
        print_share(cell, view, resource);
        between = ", ";
    }
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
    buffer_text(cell->out, ends ? "until " : cell->people ? "until resumed" : "held");
    if (ends)
        rows_time(cell, &view->node.hold_until_us);
    if (cell->line && view->node.hold_reason[0])
        buffer_format(cell->out, " (%s)", view->node.hold_reason);
}

static void print_reason(struct cell *cell, const void *field)
{
    const struct grid_node_view *view = field;
    buffer_text(cell->out, view->held ? view->node.hold_reason : "");
}

static void print_last_seen(struct cell *cell, const void *field)
{
    const struct grid_node_view *view = field;
    char text[GRID_TIME_SIZE];
    int64_t ago_us = cell->now_us - view->node.last_seen_us;
    cell->alert = view->stale;
    if (cell->line || !cell->people)
        rows_time(cell, &view->node.last_seen_us);
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

#define AT(field) offsetof(struct grid_node_view, field)

#define LISTED (COLUMN_DEFAULT | COLUMN_BRIEF)
#define IF_ANY (COLUMN_TABLE | COLUMN_FILLED)

/* A terminal that is too narrow loses why a node is on hold first, and last that it is. */
static const struct column node_columns[] = {
    {"NODE", "Node", "its name", LISTED, 0, AT(node.node_id), rows_text},
    {"ROLE", "Role", "master or worker", LISTED, 5, AT(node.role), print_role},
    {"ADDRESS", "Address", "how it is reached", COLUMN_BRIEF, 1, AT(node.address), rows_text},
    {"OWNER", "Owner", "whose it is", COLUMN_BRIEF, 1, AT(node.owner), rows_text},
    {"CPU", NULL, "left to lend, of what it may lend at once", IF_ANY | COLUMN_RIGHT, 0, 0,
     print_cpu},
    {"GPU", NULL, "likewise", IF_ANY | COLUMN_RIGHT, 0, 0, print_gpu},
    {"MEMORY", NULL, "likewise", IF_ANY | COLUMN_RIGHT, 0, 0, print_memory},
    {"OTHER", NULL, "likewise, of all that it has beyond those", IF_ANY, 3, 0, print_other},
    {"CAPACITY", "Capacity", "what it has", COLUMN_CSV | COLUMN_BRIEF, 0, AT(node.capacity),
     print_amounts},
    {"KEEP", "Keep", "never lent", COLUMN_BRIEF, 1, AT(node.keep), print_amounts},
    {"LEND", "Lend", "lent at most", COLUMN_BRIEF, 1, AT(node.lend), print_amounts},
    {"BORROW", "Borrow", "borrowed at most", COLUMN_BRIEF, 1, AT(node.borrow), print_amounts},
    {"SHARES", "Shares", "does it lend?", 0, 1, AT(node.can_share), print_shares},
    {"LENT", "Lent", "lent now", COLUMN_CSV, 0, 0, print_lent},
    {"FREE", "Free", "left to lend", COLUMN_CSV, 0, 0, print_free},
    {"BORROWED", "Borrowed", "borrowed now", COLUMN_DEFAULT | COLUMN_FILLED, 4, AT(borrowed),
     print_amounts},
    {"OVERCOMMITTED", "Overcommitted", "lent beyond what may be", 0, 1, 0, print_overcommitted},
    {"HOLD", "Hold", "does it lend nothing new?", LISTED, 1, 0, print_hold},
    {"REASON", NULL, "why it is on hold", IF_ANY, 6, 0, print_reason},
    {"TAGS", "Tags", "its tags", COLUMN_BRIEF, 1, AT(node), print_tags},
    {"LABELS", "Labels", "its labels", COLUMN_BRIEF, 1, AT(node), print_labels},
    {"FIRST_SEEN", "First seen", "when it was registered", 0, 1, AT(node.first_seen_us),
     rows_time},
    {"LAST_SEEN", "Last seen", "its last heartbeat", COLUMN_DEFAULT, 2, 0, print_last_seen},
    {"STALE_AFTER", "Stale after", "no source without a heartbeat so long", COLUMN_BRIEF, 1,
     AT(node.stale_after_us), rows_duration},
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
