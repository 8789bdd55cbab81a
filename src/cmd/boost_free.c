/* grid boost free: when, and where, there is room for a request. */
#include "cmd/boost.h"

#include <stddef.h>

#define SLOTS_DEFAULT 10

/* A slot, copied, as a row. */
struct row {
    int64_t start_us, end_us;
    char source_node[GRID_NODE_SIZE];
};

/* START of one that has begun is now, and is told so. */
static void print_start(struct cell *cell, const void *field)
{
    const struct row *row = field;
    rows_time(cell, &row->start_us);
    if (cell->people && row->start_us <= cell->now_us)
        buffer_text(cell->out, " (now)");
}

static void print_length(struct cell *cell, const void *field)
{
    const struct row *row = field;
    int64_t length_us = row->end_us == GRID_NEVER ? GRID_NEVER : row->end_us - row->start_us;
    if (cell->people || length_us != GRID_NEVER)
        rows_duration(cell, &length_us);
}

static const struct column columns[] = {
    {"START", NULL, "from then on it fits", COLUMN_DEFAULT, 0, 0, print_start},
    {"END", NULL, "up to then", COLUMN_DEFAULT, 1, offsetof(struct row, end_us), rows_time},
    {"LENGTH", NULL, "how long that is", COLUMN_DEFAULT | COLUMN_RIGHT, 0, 0, print_length},
    {"SOURCE", NULL, "the lender", COLUMN_DEFAULT, 0, offsetof(struct row, source_node),
     rows_text},
};

static void print_json(struct json *json, const void *field, int64_t now_us)
{
    (void)now_us;
    const struct row *row = field;
    json_open(json, '{');
    rows_put_time(json, "start", row->start_us);
    rows_put_time(json, "end", row->end_us);
    json_put_text(json, "source_node", row->source_node);
    json_close(json, '}');
}

static const struct row_kind rows_slots = {
    columns, countof(columns), print_json, offsetof(struct row, source_node), "slot", "slots"};

static int add_slot(void *context, const struct grid_slot *slot, struct grid_error *err)
{
    (void)err;
    struct row row = {.start_us = slot->start_us, .end_us = slot->end_us};
    text_copy(row.source_node, sizeof(row.source_node), slot->source_node);
    sheet_add(context, &row);
    return 0;
}

static int run_free(struct cmd *cmd, struct grid_error *err)
{
    static struct grid_request request;
    const char *most = cmd_value(cmd, "n");
    int64_t after_us = 0, count = SLOTS_DEFAULT;
    request.source_node = cmd_value(cmd, "node");
    int rc = boost_needs_read(cmd, 0, &request, err);
    if (rc == 0 && request.source_node)
        rc = grid_node_name_check(request.source_node, err);
    rc = rc ?: cmd_duration(cmd, "for", true, &request.duration_us, err);
    rc = rc ?: cmd_time(cmd, "after", &after_us, err);
    if (rc == 0 && most)
        rc = text_integer(most, 1, INT64_MAX, "-n", &count, err);
    rc = rc ?: grid_ledger_free(cmd->store, &request, after_us, (size_t)count, add_slot, cmd, err);
    return rc ?: sheet_print(cmd, NULL, NULL, err);
}

static const struct cmd_option free_options[] = {
    {"node", 0, "NODE", "only this lender"},
    {"for", 0, "DUR", "how long it has to fit (1h)"},
    {"after", 0, "TIME", "from then on: +2h, '2027-01-31 20:00', ... (now)"},
    {"n", 'n', "N", "at most N slots (10)"},
    {0},
};

const struct cmd_verb boost_free_verbs[] = {
    {.name = "free", .arguments = "RESOURCE AMOUNT [RESOURCE AMOUNT]...",
     .summary = "List when and where there is room", .options = free_options, .rows = &rows_slots,
     .examples = "  grid boost free gpu 4 --for 8h\n"
                 "  grid boost free gpu 1 memory 16GiB --node gpu1 --after +2h -n 1\n",
     .run = run_free},
    {0},
};
