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

void rows_time(struct cell *cell, const void *field)
{
    const int64_t *time_us = field;
    char text[GRID_TIME_SIZE];
    if (cell->people)
        buffer_text(cell->out, grid_time_show(*time_us, text));
    else if (*time_us != GRID_NEVER)
        buffer_text(cell->out, grid_time_format(*time_us, text));
}

/* Nothing for a time that was never set. */
static void print_set_time(struct cell *cell, const void *field)
{
    if (*(const int64_t *)field > 0)
        rows_time(cell, field);
}

void rows_duration(struct cell *cell, const void *field)
{
    const int64_t *duration_us = field;
    char text[GRID_TIME_SIZE];
    if (*duration_us > 0 && cell->people)
        buffer_text(cell->out, grid_duration_show(*duration_us, text));
    else if (*duration_us > 0)
        buffer_format(cell->out, "%jd", (intmax_t)(*duration_us / GRID_SECOND));
}

void rows_number(struct cell *cell, const void *field)
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

static bool lives(const struct cell *cell, const struct grid_boost *boost)
{
    return grid_boost_state(boost, cell->now_us) <= GRID_SCHEDULED;
}

/* For people, the time at which it is over for good: that to which its lease may be renewed. */
static int64_t end_of(const struct cell *cell, const struct grid_boost *boost)
{
    return cell->people && lives(cell, boost) ? grid_boost_until(boost) : boost->expires_us;
}

static bool starts_later(const struct cell *cell, const struct grid_boost *boost)
{
    return grid_boost_state(boost, cell->now_us) == GRID_SCHEDULED;
}

/* What is yet to start has all of its time left. */
static void print_remaining(struct cell *cell, const void *field)
{
    const struct grid_boost *boost = field;
    char text[GRID_TIME_SIZE];
    bool later = starts_later(cell, boost);
    int64_t left_us = end_of(cell, boost);
    int64_t from_us = later && cell->people ? boost->starts_us : cell->now_us;
    if (left_us != GRID_NEVER)
        left_us = left_us > from_us ? left_us - from_us : 0;
    cell->alert = left_us < SOON_US && !later;
    if (cell->people)
        buffer_text(cell->out, grid_duration_show(left_us, text));
    else if (left_us != GRID_NEVER)
        buffer_format(cell->out, "%jd", (intmax_t)(left_us / GRID_SECOND));
}

void rows_put_time(struct json *json, const char *key, int64_t time_us)
{
    char text[GRID_TIME_SIZE];
    json_key(json, key);
    json_string_or_null(json, time_us == GRID_NEVER ? NULL : grid_time_format(time_us, text));
}

/* "2027-01-23 21:00:23 CET (41m12s left)": a line has room for it. */
static void print_expires(struct cell *cell, const void *field)
{
    const struct grid_boost *boost = field;
    int64_t end_us = end_of(cell, boost);
    rows_time(cell, &end_us);
    if (!cell->line || !lives(cell, boost) || end_us == GRID_NEVER)
        return;
    buffer_text(cell->out, " (");
    print_remaining(cell, boost);
    buffer_text(cell->out, starts_later(cell, boost) ? " from its start)" : " left)");
}

/* Of a boost that is held by renewing it. */
static void print_lease(struct cell *cell, const void *field)
{
    const struct grid_boost *boost = field;
    if (boost->renews_until_us > boost->expires_us && lives(cell, boost))
        rows_time(cell, &boost->expires_us);
}

static void print_ended(struct cell *cell, const void *field)
{
    const struct grid_boost *boost = field;
    if (lives(cell, boost))
        return;
    if (cell->people)
        buffer_format(cell->out, "%s at ",
                      grid_boost_state_name(grid_boost_state(boost, cell->now_us)));
    rows_time(cell, &boost->ended_us);
}

/* Lines leave out what the one before has said. */
static void print_starts(struct cell *cell, const void *field)
{
    const struct grid_boost *boost = field;
    if (!cell->people || boost->starts_us != boost->allocated_us)
        rows_time(cell, &boost->starts_us);
}

void rows_priority(struct cell *cell, const void *field)
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
    {"DEVICES", "Devices", "which of its source's GPUs", COLUMN_BRIEF, 1, AT(devices),
     print_devices},
    {"PRIORITY", "Priority", "low, normal, high or critical", LISTED, 2, AT(priority),
     rows_priority},
    {"OWNER", "Owner", "who asked for it", COLUMN_DEFAULT, 3, AT(owner), rows_text},
    {"STARTS", "Starts", "when it begins",
     COLUMN_TABLE | COLUMN_FILLED | COLUMN_BRIEF, 1, 0, print_starts},
    {"EXPIRES", "Expires", "when it ends", LISTED, 4, 0, print_expires},
    {"LEASE", "Lease", "when it ends unless its holder renews it", COLUMN_BRIEF, 1, 0, print_lease},
    {"REMAINING", NULL, "how long it still lasts", COLUMN_DEFAULT | COLUMN_RIGHT, 0, 0,
     print_remaining},
    {"ENDED", "Ended", "how and when it ended", COLUMN_BRIEF, 1, 0, print_ended},
    {"STATE", "State", "active, scheduled, or how it ended", 0, 1, 0, print_state},
    {"ALLOCATED", "Granted", "when it was granted", 0, 1, AT(allocated_us), rows_time},
    {"RENEWABLE", NULL, "to when its holder may renew it", 0, 1, AT(renews_until_us),
     print_set_time},
    {"PREEMPTED_BY", "Pre-empted by", "the boost that ends it early", COLUMN_BRIEF, 1,
     AT(preempted_by), rows_text},
    {"HOST", "Host", "where it was asked for", 0, 1, AT(host), rows_text},
    {"REASON", "Reason", "what it is for", 0, 1, AT(reason), rows_text},
    {"GROUP", "Group", "the group that it belongs to", 0, 1, AT(group_id), rows_text},
    {"REQUEST_ID", "Request ID", "the request's own key", 0, 1, AT(request_id), rows_text},
    {"PLACEMENT", "Placement", "its placement group", COLUMN_BRIEF, 1, AT(ray_placement_group),
     rows_text},
    {"TOKEN", "Token", "fencing token", COLUMN_RIGHT, 1, AT(token), rows_number},
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
    {"TIME", NULL, "when it happened", COLUMN_DEFAULT, 0, AT(at_us), rows_time},
    {"EVENT", NULL, "what happened", COLUMN_DEFAULT, 0, AT(event), print_event},
    {"ID", NULL, "the boost's id, or the node", COLUMN_DEFAULT, 0, 0, print_subject},
    {"RESOURCE", NULL, "what was lent", COLUMN_DEFAULT, 0, AT(boost.resource_type), rows_text},
    {"AMOUNT", NULL, "how much", COLUMN_DEFAULT | COLUMN_RIGHT, 0, AT(boost), print_amount},
    {"SOURCE", NULL, "lender", COLUMN_DEFAULT, 2, AT(boost.source_node), rows_text},
    {"TARGET", NULL, "borrower", COLUMN_DEFAULT, 1, AT(boost.target_node), rows_text},
    {"ACTOR", NULL, "who did it, and where", COLUMN_DEFAULT, 3, AT(actor), rows_text},
    {"REASON", NULL, "what was said about it", COLUMN_DEFAULT, 4, AT(reason), rows_text},
    {"OWNER", NULL, "who had asked for the boost", 0, 1, AT(boost.owner), rows_text},
    {"REVISION", NULL, "of the ledger", COLUMN_RIGHT, 1, AT(revision), rows_number},
};

static void event_json(struct json *json, const void *row, int64_t now_us)
{
    (void)now_us;
    record_event_show(json, row);
}

const struct row_kind rows_events = {event_columns, countof(event_columns), event_json,
                                     AT(boost_id), "event", "events"};
