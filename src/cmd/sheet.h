/* Rows on their way out, in whichever format is asked for: table, lines, csv, JSON, ids. */
#ifndef CMD_SHEET_H
#define CMD_SHEET_H

#include "grid/error.h"
#include "util/json.h"

struct cmd;

/* Unless --columns says otherwise, shown in a table, in csv, in both; left out of a table in which
 * it is empty; numbers; on a line also where little is said. */
enum {
    COLUMN_TABLE = 1,
    COLUMN_CSV = 2,
    COLUMN_DEFAULT = COLUMN_TABLE | COLUMN_CSV,
    COLUMN_FILLED = 4,
    COLUMN_RIGHT = 8,
    COLUMN_BRIEF = 16,
};

/* How a cell is printed: for people, or for programs (csv). */
struct cell {
    struct buffer *out;
    int64_t now_us;
    bool people;
    bool line;  /* behind its label, on a line of its own, for people */
    bool alert; /* set by the column: draws attention where there is colour */
};

/* One column of a kind of row: `print` gets the field at `offset` of the row. */
struct column {
    const char *name, *label; /* "ID", "Boost ID"; NULL: it has no line */
    const char *help;
    unsigned flags;
    unsigned gives; /* a narrow terminal loses the columns with the highest number first; 0 stays */
    size_t offset;
    void (*print)(struct cell *cell, const void *field);
};

#define ROW_NO_ID SIZE_MAX

/* A kind of row: its columns, its JSON, its id. */
struct row_kind {
    const struct column *columns;
    size_t count;
    void (*json)(struct json *json, const void *row, int64_t now_us);
    size_t id_offset; /* of the text that -o id prints; or ROW_NO_ID */
    const char *singular, *plural; /* the keys in JSON */
};
extern const struct row_kind rows_boosts, rows_events, rows_nodes;

/* Fields that are a text, a time, a duration that may be 0, a number that may, a priority. */
void rows_text(struct cell *cell, const void *field);
void rows_time(struct cell *cell, const void *field);
void rows_duration(struct cell *cell, const void *field);
void rows_number(struct cell *cell, const void *field);
void rows_priority(struct cell *cell, const void *field);

/* A member of a row's JSON: a time; null: never, or not known. */
void rows_put_time(struct json *json, const char *key, int64_t time_us);

#define SHEET_COLUMNS_MAX 32
#define SHEET_EMPTY "-" /* a cell of a table that holds nothing */

/* The rows of one call. */
struct sheet {
    const struct row_kind *kind;
    const struct column *columns[SHEET_COLUMNS_MAX];
    size_t count;       /* columns chosen */
    bool chosen;        /* by the user: none gives way */
    struct buffer text; /* cells, each behind a byte for `alert` and with a NUL; or JSON */
    struct json json;
    size_t rows;
};

/* Makes cmd->sheet ready for rows of the verb's kind. EUSAGE: --columns names an unknown one, or
 * the verb prints no rows. */
int sheet_begin(struct cmd *cmd, struct grid_error *err);

/* Adds a row, as of the store's time. */
void sheet_add(struct cmd *cmd, const void *row);

/* Prints members of a JSON document. */
typedef void (*sheet_head_fn)(struct json *json, const void *context);

/* Ends a list: the rows that were added; in JSON behind what `head` (may be NULL) prints. With
 * err set: EINTERNAL, ENOMEM. */
int sheet_print(struct cmd *cmd, sheet_head_fn head, const void *context, struct grid_error *err);

/*
 * Ends a call that is about one row: lines "Label: cell", those that --columns names, or else all
 * of them or the brief ones; in JSON
 * the row, what `head` prints, and the rows that were added, if any. Other formats have those that
 * were added, or else this one.
 */
void sheet_show(struct cmd *cmd, const void *row, bool whole, sheet_head_fn head,
                const void *context);

/* --- table.c ------------------------------------------------------------------------------- */

/* Puts the table of cmd->sheet onto the result. EINTERNAL, ENOMEM. */
int table_print(struct cmd *cmd, struct grid_error *err);

#endif
