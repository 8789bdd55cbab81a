/* What is printed: notes and errors at once, the result from a buffer at the end. */
#ifndef CMD_OUTPUT_H
#define CMD_OUTPUT_H

#include "cmd/cmd.h"
#include "util/json.h"

/* A note on stderr; as grid_note_fn, with the struct cmd as context. */
void output_note(void *context, enum grid_note_level level, const char *text);
void output_format(struct cmd *cmd, enum grid_note_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define output_warning(cmd, ...) output_format(cmd, GRID_NOTE_WARNING, __VA_ARGS__)
#define output_info(cmd, ...) output_format(cmd, GRID_NOTE_INFO, __VA_ARGS__)
#define output_verbose(cmd, ...) output_format(cmd, GRID_NOTE_VERBOSE, __VA_ARGS__)

/* Prints the result, and what went wrong (`rc` < 0). Returns the exit status. */
int output_finish(struct cmd *cmd, int rc, struct grid_error *err);

/* "Label:      value" onto the result, the value printable; nothing for an empty value. */
void output_pair(struct cmd *cmd, const char *label, const char *value);

/* --- rows ---------------------------------------------------------------------------------- */

enum { COLUMN_DEFAULT = 1, COLUMN_RIGHT = 2 };

/* How a cell is printed: for people (table) or for programs (csv). */
struct cell {
    struct buffer *out;
    int64_t now_us;
    bool people;
    bool alert; /* set by the column: draws attention where there is colour */
};

/* One column of a kind of row: `print` gets the field at `offset` of the row. */
struct column {
    const char *name, *help;
    unsigned flags;
    unsigned gives; /* a narrow terminal loses the columns with the highest number first; 0 stays */
    size_t offset;
    void (*print)(struct cell *cell, const void *field);
};

/* A kind of row: its columns, its JSON, its id. */
struct row_kind {
    const struct column *columns;
    size_t count;
    void (*json)(struct json *json, const void *row, int64_t now_us);
    size_t id_offset; /* of the text that -o id prints */
    const char *plural; /* the array's key in JSON */
};
extern const struct row_kind rows_boosts, rows_events;

/* A field that is a text. */
void rows_text(struct cell *cell, const void *field);

#define SHEET_COLUMNS_MAX 32

/* Rows on their way out, in whichever format is asked for. */
struct sheet {
    struct cmd *cmd;
    const struct row_kind *kind;
    const struct column *columns[SHEET_COLUMNS_MAX];
    size_t count;       /* columns chosen */
    bool chosen;        /* by the user: none gives way */
    struct buffer text; /* cells, each behind a byte for `alert` and with a NUL; or JSON */
    struct json json;
    size_t rows;
};

/* Chooses the columns. EUSAGE: --columns names an unknown one. */
int sheet_begin(struct sheet *sheet, struct cmd *cmd, const struct row_kind *kind,
                struct grid_error *err);
void sheet_release(struct sheet *sheet);
#define auto_sheet __attribute__((cleanup(sheet_release)))

void sheet_add(struct sheet *sheet, const void *row, int64_t now_us);

/* For FORMAT_TABLE: puts the table onto the result. EINTERNAL, ENOMEM. */
int sheet_table(struct sheet *sheet, struct grid_error *err);

/*
 * For FORMAT_JSON: sheet_document begins the document ("schema"), the caller adds members,
 * sheet_array among them for the array of rows, and sheet_end ends it.
 */
struct json sheet_document(struct cmd *cmd);
void sheet_array(struct sheet *sheet, struct json *json);
void sheet_end(struct json *json);

/* Names of columns, in lower case, for completion and messages; context is the row_kind. */
const char *sheet_column_name(void *context, size_t index);

#endif
