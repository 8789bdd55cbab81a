/* The columns of backups, and a backup in JSON. */
#include "cmd/backup.h"

#include <stddef.h>

static void print_created(struct cell *cell, const void *field)
{
    if (*(const int64_t *)field > 0)
        rows_time(cell, field);
}

static void print_known(struct cell *cell, const void *field)
{
    if (*(const int64_t *)field >= 0)
        buffer_format(cell->out, "%jd", (intmax_t)*(const int64_t *)field);
}

/* "38.8 MiB" */
static void print_size(struct cell *cell, const void *field)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int64_t bytes = *(const int64_t *)field, tenths = 10 * bytes;
    size_t unit = 0;
    if (!cell->people || bytes < 1024) {
        print_known(cell, field);
        buffer_text(cell->out, cell->people && bytes >= 0 ? " B" : "");
        return;
    }
    for (; tenths >= 10240 && unit + 1 < countof(units); unit++)
        tenths = (tenths + 512) / 1024;
    buffer_format(cell->out, "%jd.%jd %s", (intmax_t)(tenths / 10), (intmax_t)(tenths % 10),
                  units[unit]);
}

static const char *state_of(const struct backup *backup)
{
    return backup->sound ? "sound" : backup->unreadable ? "unreadable" : "damaged";
}

static void print_state(struct cell *cell, const void *row)
{
    const struct backup *backup = row;
    cell->alert = !backup->sound;
    buffer_text(cell->out, state_of(backup));
}

static void print_elsewhere(struct cell *cell, const void *row)
{
    const struct backup *backup = row;
    buffer_text(cell->out, backup->elsewhere ? backup->store : "");
}

static const struct column columns[] = {
#define AT(member) offsetof(struct backup, member)
    {"NAME", "Backup", "what it is called", COLUMN_DEFAULT, 0, AT(name), rows_text},
    {"CREATED", "Created", "when it was made", COLUMN_DEFAULT, 2, AT(created_us), print_created},
    {"BOOSTS", "Boosts", "how many boosts it holds", COLUMN_DEFAULT | COLUMN_RIGHT, 1, AT(boosts),
     print_known},
    {"REVISION", "Revision", "of the ledger then", COLUMN_DEFAULT | COLUMN_RIGHT, 3, AT(revision),
     print_known},
    {"SIZE", "Size", "of its file", COLUMN_DEFAULT | COLUMN_RIGHT, 4, AT(size_bytes), print_size},
    {"STATE", "State", "sound, damaged or unreadable", COLUMN_DEFAULT, 0, 0, print_state},
    {"STORE", NULL, "whose it is, if it is another than the present one",
     COLUMN_TABLE | COLUMN_FILLED, 4, 0, print_elsewhere},
    {"REASON", "Reason", "why it cannot be restored", COLUMN_DEFAULT | COLUMN_FILLED, 6, AT(reason),
     rows_text},
#undef AT
};

static void put_known(struct json *json, const char *key, int64_t number)
{
    json_key(json, key);
    if (number < 0)
        json_null(json);
    else
        json_int(json, number);
}

static void print_json(struct json *json, const void *row, int64_t now_us)
{
    const struct backup *backup = row;
    (void)now_us;
    json_open(json, '{');
    json_put_text(json, "name", backup->name);
    rows_put_time(json, "created_at", backup->created_us > 0 ? backup->created_us : GRID_NEVER);
    put_known(json, "boosts", backup->boosts);
    put_known(json, "revision", backup->revision);
    put_known(json, "size_bytes", backup->size_bytes);
    json_put_text(json, "state", state_of(backup));
    if (backup->reason[0])
        json_put_text(json, "reason", backup->reason);
    json_key(json, "store");
    json_string_or_null(json, backup->store);
    json_close(json, '}');
}

const struct row_kind rows_backups = {
    columns, countof(columns), print_json, offsetof(struct backup, name), "backup", "backups"};
