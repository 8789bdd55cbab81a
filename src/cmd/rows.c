/* The kinds of row: their columns, and how each is printed for people and for programs. */
#include "cmd/cmd.h"
#include "model/record.h"

#include <stddef.h>

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

static const struct column event_columns[] = {
    {"TIME", NULL, "when it happened", COLUMN_DEFAULT, 0, AT(at_us), print_time},
    {"EVENT", NULL, "what happened", COLUMN_DEFAULT, 0, AT(event), print_event},
    {"ID", NULL, "the boost's id", COLUMN_DEFAULT, 0, AT(boost_id), rows_text},
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
