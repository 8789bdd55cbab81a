/* grid boost queue: who waits, in which order, and from when on it is sure to be granted. */
#include "cmd/boost.h"
#include "model/ticket_record.h"

#include <stddef.h>

static void print_position(struct cell *cell, const void *field)
{
    buffer_format(cell->out, "%zu", *(const size_t *)field);
}

/* "GPU 1.0, MEMORY 16.0 GiB" */
static void print_needs(struct cell *cell, const void *field)
{
    const struct grid_ticket *ticket = field;
    char amount[GRID_AMOUNT_SIZE];
    for (size_t i = 0; i < ticket->need_count; i++) {
        const struct grid_need *need = &ticket->needs[i];
        buffer_format(cell->out, "%s%s %s", i > 0 ? ", " : "", need->resource,
                      (cell->people ? grid_amount_show : grid_amount_format)(
                          need->resource, need->amount_u, amount));
    }
}

static void print_waited(struct cell *cell, const void *field)
{
    int64_t waited_us = cell->now_us - *(const int64_t *)field;
    char text[GRID_TIME_SIZE];
    waited_us = waited_us > 0 ? waited_us : 0;
    if (cell->people)
        buffer_text(cell->out, grid_duration_show(waited_us, text));
    else
        buffer_format(cell->out, "%lld", (long long)(waited_us / GRID_SECOND));
}

static void print_promised(struct cell *cell, const void *field)
{
    if (*(const int64_t *)field != GRID_NEVER)
        rows_time(cell, field);
}

#define AT(field) offsetof(struct grid_ticket_view, field)

static const struct column columns[] = {
    {"POSITION", NULL, "its place, from 1", COLUMN_DEFAULT | COLUMN_RIGHT, 0, AT(position),
     print_position},
    {"TARGET", NULL, "borrower", COLUMN_DEFAULT, 0, AT(ticket.target_node), rows_text},
    {"RESOURCES", NULL, "what is asked for", COLUMN_DEFAULT, 0, AT(ticket), print_needs},
    {"PRIORITY", NULL, "low, normal, high or critical", COLUMN_DEFAULT, 2, AT(ticket.priority),
     rows_priority},
    {"OWNER", NULL, "who waits", COLUMN_DEFAULT, 1, AT(ticket.owner), rows_text},
    {"WAITED", NULL, "how long so far", COLUMN_DEFAULT | COLUMN_RIGHT, 3, AT(ticket.queued_us),
     print_waited},
    {"PROMISED", NULL, "it starts by then", COLUMN_DEFAULT, 0, AT(promised_us), print_promised},
    {"ID", NULL, "of the boost that it will get", COLUMN_DEFAULT, 0, AT(ticket.ticket_id),
     rows_text},
    {"SOURCE", NULL, "the only lender that is asked", 0, 1, AT(ticket.source_node), rows_text},
    {"DURATION", NULL, "how long it is to last", COLUMN_RIGHT, 1, AT(ticket.duration_us),
     rows_duration},
    {"QUEUED", NULL, "since when it waits", 0, 1, AT(ticket.queued_us), rows_time},
    {"HOST", NULL, "where it was asked for", 0, 1, AT(ticket.host), rows_text},
    {"REASON", NULL, "what it is for", 0, 1, AT(ticket.reason), rows_text},
    {"REQUEST_ID", NULL, "the request's own key", 0, 1, AT(ticket.request_id), rows_text},
};

static void print_json(struct json *json, const void *field, int64_t now_us)
{
    const struct grid_ticket_view *view = field;
    int64_t waited_us = now_us - view->ticket.queued_us;
    struct grid_ticket ticket = view->ticket;
    ticket.requested[0] = '\0'; /* for comparing, and the other members say the same */
    json_open(json, '{');
    json_put_int(json, "position", (int64_t)view->position);
    ticket_record_members(json, &ticket);
    if (ticket.priority == GRID_NORMAL) /* which a file leaves out */
        json_put_text(json, "priority", grid_priority_name(ticket.priority));
    json_put_float(json, "waited_seconds", (double)(waited_us > 0 ? waited_us / 1000 : 0) / 1000);
    rows_put_time(json, "promised_start", view->promised_us);
    json_close(json, '}');
}

const struct row_kind rows_queue = {
    columns, countof(columns), print_json, AT(ticket.ticket_id), "ticket", "queue"};

static int add_ticket(void *context, const struct grid_ticket_view *view, struct grid_error *err)
{
    (void)err;
    sheet_add(context, view);
    return 0;
}

static int run_queue(struct cmd *cmd, struct grid_error *err)
{
    int rc = grid_ledger_queue(cmd->store, add_ticket, cmd, err);
    if (rc == 0 && cmd->sheet.rows == 0 && cmd->settings.format == FORMAT_TABLE) {
        output_info(cmd, "nobody waits");
        return 0;
    }
    return rc ?: sheet_print(cmd, NULL, NULL, err);
}

const struct cmd_verb boost_queue_verbs[] = {
    {.name = "queue", .arguments = "", .summary = "List who waits, and when their turn comes",
     .rows = &rows_queue,
     .examples = "  grid boost queue\n"
                 "  grid boost queue --columns position,owner,promised,reason\n",
     .run = run_queue},
    {0},
};
