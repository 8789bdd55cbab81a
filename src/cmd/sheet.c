/* Rows on their way out: csv, json, jsonl, ids; a table waits until all its rows are known. */
#include "cmd/output.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- which columns ------------------------------------------------------------------------- */

const char *sheet_column_name(void *context, size_t index)
{
    static char lower[GRID_RESOURCE_SIZE];
    const struct row_kind *kind = context;
    if (index >= kind->count)
        return NULL;
    text_copy(lower, sizeof(lower), kind->columns[index].name);
    for (char *at = lower; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return lower;
}

static const char *heading(void *context, size_t index)
{
    const struct row_kind *kind = context;
    return index < kind->count ? kind->columns[index].name : NULL;
}

static int choose(struct sheet *sheet, const char *names, struct grid_error *err)
{
    const struct row_kind *kind = sheet->kind;
    for (const char *at = names;; at++) {
        size_t length = strcspn(at, ","), i = 0;
        while (i < kind->count && (strlen(kind->columns[i].name) != length
                                   || strncasecmp(kind->columns[i].name, at, length) != 0))
            i++;
        if (i == kind->count) {
            grid_auto_free char *name = strndup(at, length);
            return text_unknown("column", name ? name : "", heading, (void *)kind, err);
        }
        if (sheet->count == SHEET_COLUMNS_MAX)
            return grid_error_set(err, GRID_EUSAGE, "more than %d columns", SHEET_COLUMNS_MAX);
        sheet->columns[sheet->count++] = &kind->columns[i];
        at += length;
        if (!*at)
            return 0;
    }
}

static void add_csv_field(struct buffer *out, const char *text, bool first)
{
    buffer_text(out, first ? "" : ",");
    if (!strpbrk(text, ",\"\r\n")) {
        buffer_text(out, text);
        return;
    }
    buffer_text(out, "\"");
    for (; *text; text++)
        buffer_add(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    buffer_text(out, "\"");
}

int sheet_begin(struct sheet *sheet, struct cmd *cmd, const struct row_kind *kind,
                struct grid_error *err)
{
    *sheet = (struct sheet){.cmd = cmd, .kind = kind, .text = BUFFER_INIT};
    sheet->chosen = cmd->settings.columns != NULL;
    int rc = sheet->chosen ? choose(sheet, cmd->settings.columns, err) : 0;
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < kind->count && !sheet->chosen; i++)
        if (kind->columns[i].flags & COLUMN_DEFAULT)
            sheet->columns[sheet->count++] = &kind->columns[i];
    if (cmd->settings.format == FORMAT_CSV && !cmd_value(cmd, "no-headings")) {
        for (size_t i = 0; i < sheet->count; i++)
            add_csv_field(&cmd->out, sheet->columns[i]->name, i == 0);
        buffer_text(&cmd->out, "\n");
    }
    return 0;
}

void sheet_release(struct sheet *sheet)
{
    buffer_release(&sheet->text);
}

/* --- rows ---------------------------------------------------------------------------------- */

/* The text of one cell as it may be shown; `room` is emptied first. */
static const char *cell_text(struct cell *cell, const struct column *column, const void *row,
                             char *shown, size_t size)
{
    cell->out->length = 0;
    cell->alert = false;
    column->print(cell, (const char *)row + column->offset);
    const char *text = buffer_string(cell->out);
    return text_printable(text ? text : "", shown, size);
}

static void add_cells(struct sheet *sheet, const void *row, int64_t now_us)
{
    grid_auto_buffer struct buffer room = BUFFER_INIT;
    char shown[4 * GRID_TEXT_SIZE];
    bool people = sheet->cmd->settings.format == FORMAT_TABLE;
    struct cell cell = {.out = &room, .now_us = now_us, .people = people};
    for (size_t i = 0; i < sheet->count; i++) {
        const char *text = cell_text(&cell, sheet->columns[i], row, shown, sizeof(shown));
        if (!people) {
            add_csv_field(&sheet->cmd->out, text, i == 0);
            continue;
        }
        for (char *at = shown; (at = strstr(at, "\\x"));) /* libsmartcols would escape it again */
            at[1] = 'X';
        buffer_text(&sheet->text, cell.alert ? "!" : " ");
        buffer_text(&sheet->text, *text ? text : "-");
        buffer_add(&sheet->text, "", 1);
    }
    if (!people)
        buffer_text(&sheet->cmd->out, "\n");
}

static void add_json(struct sheet *sheet, const void *row, int64_t now_us)
{
    bool lines = sheet->cmd->settings.format == FORMAT_JSONL;
    if (lines) {
        sheet->json = json_begin(&sheet->cmd->out, -1);
    } else if (sheet->rows == 0) {
        sheet->json = json_begin(&sheet->text, 1);
        json_open(&sheet->json, '[');
    }
    sheet->kind->json(&sheet->json, row, now_us);
    if (lines)
        buffer_text(&sheet->cmd->out, "\n");
}

static void add_id(struct sheet *sheet, const void *row)
{
    char shown[4 * GRID_ID_SIZE];
    const char *id = (const char *)row + sheet->kind->id_offset;
    if (*id)
        buffer_format(&sheet->cmd->out, "%s\n", text_printable(id, shown, sizeof(shown)));
}

void sheet_add(struct sheet *sheet, const void *row, int64_t now_us)
{
    enum format format = sheet->cmd->settings.format;
    if (format == FORMAT_ID)
        add_id(sheet, row);
    else if (format == FORMAT_JSON || format == FORMAT_JSONL)
        add_json(sheet, row, now_us);
    else
        add_cells(sheet, row, now_us);
    sheet->rows++;
}

/* --- the JSON document --------------------------------------------------------------------- */

struct json sheet_document(struct cmd *cmd)
{
    struct json json = json_begin(&cmd->out, 0);
    json_open(&json, '{');
    json_key(&json, "schema");
    json_int(&json, 1);
    return json;
}

void sheet_array(struct sheet *sheet, struct json *json)
{
    json_key(json, sheet->kind->plural);
    if (sheet->rows > 0) {
        json_close(&sheet->json, ']');
        json->out->error = json->out->error ? json->out->error : sheet->text.error;
        json_raw(json, (struct span){sheet->text.data, sheet->text.length});
    } else {
        json_open(json, '[');
        json_close(json, ']');
    }
}

void sheet_end(struct json *json)
{
    json_close(json, '}');
    buffer_text(json->out, "\n");
}
