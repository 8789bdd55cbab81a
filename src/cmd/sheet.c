/* Rows on their way out: csv, json, jsonl, ids, lines; a table waits until it has them all. */
#include "cmd/cmd.h"

#include <string.h>

/* --- which columns ------------------------------------------------------------------------- */

static const char *heading(void *context, size_t index)
{
    const struct row_kind *kind = context;
    return index < kind->count ? kind->columns[index].name : NULL;
}

static int choose(struct sheet *sheet, const char *names, struct grid_error *err)
{
    grid_auto_free char *copy = strdup(names);
    char *rest = copy, *name;
    size_t i = 0;
    if (!names[strspn(names, " ")])
        return grid_error_set(err, GRID_EUSAGE, "--columns is empty");
    while ((name = strsep(&rest, ","))) {
        name += strspn(name, " ");
        for (size_t length = strlen(name); length > 0 && name[length - 1] == ' ';)
            name[--length] = '\0';
        int rc = text_choice("column", name, heading, (void *)sheet->kind, &i, err);
        if (rc == 0 && sheet->count == SHEET_COLUMNS_MAX)
            rc = grid_error_set(err, GRID_EUSAGE, "more than %d columns", SHEET_COLUMNS_MAX);
        if (rc < 0)
            return rc;
        sheet->columns[sheet->count++] = &sheet->kind->columns[i];
    }
    return copy ? 0 : grid_error_set(err, GRID_ENOMEM, "no memory");
}

int sheet_begin(struct cmd *cmd, struct grid_error *err)
{
    struct sheet *sheet = &cmd->sheet;
    const struct row_kind *kind = cmd->verb->rows;
    *sheet = (struct sheet){.kind = kind, .text = BUFFER_INIT, .chosen = cmd->settings.columns};
    unsigned shown = cmd->settings.format == FORMAT_CSV ? COLUMN_CSV : COLUMN_TABLE;
    if (!kind && sheet->chosen)
        return grid_error_set(err, GRID_EUSAGE, "--columns: 'grid %s%s%s' has none",
                              cmd->noun->name, cmd_blank(cmd->verb), cmd->verb->name);
    if (!kind)
        return 0;
    if (cmd->settings.format == FORMAT_JSON) {
        sheet->json = json_begin(&sheet->text, 1);
        json_open(&sheet->json, '[');
    }
    if (sheet->chosen)
        return choose(sheet, cmd->settings.columns, err);
    for (size_t i = 0; i < kind->count; i++)
        if (kind->columns[i].flags & shown)
            sheet->columns[sheet->count++] = &kind->columns[i];
    return 0;
}

/* --- cells --------------------------------------------------------------------------------- */

#define SHOWN_SIZE (4 * GRID_TEXT_SIZE)

/* The text of one cell as it may be shown. */
static const char *cell_text(struct cell *cell, const struct column *column, const void *row,
                             char shown[static SHOWN_SIZE])
{
    cell->out->length = 0;
    cell->alert = false;
    column->print(cell, (const char *)row + column->offset);
    const char *text = buffer_string(cell->out);
    return text_printable(text ? text : "", shown, SHOWN_SIZE);
}

static void add_csv(struct buffer *out, const char *text, bool last)
{
    bool quote = text[strcspn(text, ",\"\r\n")];
    buffer_text(out, quote ? "\"" : text);
    for (; quote && *text; text++)
        buffer_add(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    buffer_text(out, quote ? "\"" : "");
    buffer_text(out, last ? "\n" : ",");
}

static void add_headings(struct cmd *cmd)
{
    const struct sheet *sheet = &cmd->sheet;
    for (size_t i = 0; i < sheet->count && !cmd_value(cmd, "no-headings"); i++)
        add_csv(&cmd->out, sheet->columns[i]->name, i + 1 == sheet->count);
}

static void add_cell(struct buffer *out, char *text, bool alert)
{
    for (char *at = text; (at = strstr(at, "\\x"));) /* libsmartcols would escape it again */
        at[1] = 'X';
    buffer_text(out, alert ? "!" : " ");
    buffer_text(out, *text ? text : SHEET_EMPTY);
    buffer_add(out, "", 1);
}

static void add_cells(struct cmd *cmd, const void *row)
{
    grid_auto_buffer struct buffer room = BUFFER_INIT;
    struct sheet *sheet = &cmd->sheet;
    char shown[SHOWN_SIZE];
    struct cell cell = {.out = &room, .now_us = grid_store_now(cmd->store),
                        .people = cmd->settings.format == FORMAT_TABLE};
    if (!cell.people && sheet->rows == 0)
        add_headings(cmd);
    for (size_t i = 0; i < sheet->count; i++) {
        cell_text(&cell, sheet->columns[i], row, shown);
        if (cell.people)
            add_cell(&sheet->text, shown, cell.alert);
        else
            add_csv(&cmd->out, shown, i + 1 == sheet->count);
    }
    cmd->out.error = cmd->out.error ? cmd->out.error : room.error;
}

static void print_lines(struct cmd *cmd, const void *row, bool whole)
{
    grid_auto_buffer struct buffer room = BUFFER_INIT;
    const struct sheet *sheet = &cmd->sheet;
    char shown[SHOWN_SIZE];
    struct cell cell = {.out = &room, .now_us = grid_store_now(cmd->store), .people = true,
                        .line = true};
    for (size_t i = 0; i < (sheet->chosen ? sheet->count : sheet->kind->count); i++) {
        const struct column *at = sheet->chosen ? sheet->columns[i] : &sheet->kind->columns[i];
        if (sheet->chosen || (at->label && (whole || at->flags & COLUMN_BRIEF)))
            output_pair(cmd, at->label ? at->label : at->name, cell_text(&cell, at, row, shown));
    }
    cmd->out.error = cmd->out.error ? cmd->out.error : room.error;
}

/* --- rows ---------------------------------------------------------------------------------- */

static void add_id(struct cmd *cmd, const void *row)
{
    char shown[SHOWN_SIZE];
    bool has_id = cmd->sheet.kind->id_offset != ROW_NO_ID;
    const char *id = has_id ? (const char *)row + cmd->sheet.kind->id_offset : "";
    if (*id)
        buffer_format(&cmd->out, "%s\n", text_printable(id, shown, sizeof(shown)));
}

void sheet_add(struct cmd *cmd, const void *row)
{
    struct sheet *sheet = &cmd->sheet;
    struct json line = json_begin(&cmd->out, -1);
    bool lines = cmd->settings.format == FORMAT_JSONL;
    if (lines || cmd->settings.format == FORMAT_JSON) {
        sheet->kind->json(lines ? &line : &sheet->json, row, grid_store_now(cmd->store));
        buffer_text(&cmd->out, lines ? "\n" : "");
    } else if (cmd->settings.format == FORMAT_ID) {
        add_id(cmd, row);
    } else {
        add_cells(cmd, row);
    }
    sheet->rows++;
}

/* --- the end ------------------------------------------------------------------------------- */

/* `one` (or NULL) is the row that it is about. */
static void print_document(struct cmd *cmd, const void *one, sheet_head_fn head,
                           const void *context)
{
    struct sheet *sheet = &cmd->sheet;
    struct json json = json_begin(&cmd->out, 0);
    json_open(&json, '{');
    json_key(&json, "schema");
    json_int(&json, 1);
    if (one) {
        json_key(&json, sheet->kind->singular);
        sheet->kind->json(&json, one, grid_store_now(cmd->store));
    }
    if (head)
        head(&json, context);
    if (!one || sheet->rows > 0) {
        json_close(&sheet->json, ']');
        cmd->out.error = cmd->out.error ? cmd->out.error : sheet->text.error;
        json_key(&json, sheet->kind->plural);
        json_raw(&json, (struct span){sheet->text.data, sheet->text.length});
    }
    json_close(&json, '}');
    buffer_text(&cmd->out, "\n");
}

int sheet_print(struct cmd *cmd, sheet_head_fn head, const void *context, struct grid_error *err)
{
    if (cmd->settings.format == FORMAT_JSON)
        print_document(cmd, NULL, head, context);
    else if (cmd->settings.format == FORMAT_CSV && cmd->sheet.rows == 0)
        add_headings(cmd);
    if (cmd->settings.format != FORMAT_TABLE)
        return 0;
    if (cmd->sheet.rows > 0)
        return table_print(cmd, err);
    output_info(cmd, "no %s", cmd->sheet.kind->plural);
    return 0;
}

void sheet_show(struct cmd *cmd, const void *row, bool whole, sheet_head_fn head,
                const void *context)
{
    if (cmd->settings.format == FORMAT_TABLE)
        print_lines(cmd, row, whole);
    else if (cmd->settings.format == FORMAT_JSON)
        print_document(cmd, row, head, context);
    else if (cmd->sheet.rows == 0)
        sheet_add(cmd, row);
}
