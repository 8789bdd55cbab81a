/* The table: which columns a terminal has room for; libsmartcols lays them out. */
#include "cmd/cmd.h"
#include "util/lazy.h"

#include <langinfo.h>
#include <libsmartcols/libsmartcols.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define BOLD "\033[1m"
#define YELLOW "\033[33m"
#define UUID_LENGTH 36
#define UUID_SHORT 8

#define FUNCTIONS(X)                                                                             \
    X(scols_new_table) X(scols_unref_table) X(scols_table_new_column) X(scols_table_new_line)    \
    X(scols_table_enable_colors) X(scols_table_enable_noheadings) X(scols_table_set_termforce)   \
    X(scols_column_get_header) X(scols_cell_set_color) X(scols_line_get_cell)                    \
    X(scols_line_set_data) X(scols_print_table_to_string)

LAZY_LIBRARY(open_library, FUNCTIONS, "libsmartcols.so.1", "libsmartcols1")

/* --- what fits ----------------------------------------------------------------------------- */

/* How wide a row may be: the terminal, or without one as wide as it gets. */
static size_t room(void)
{
    struct winsize size = {0};
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_col)
        return SIZE_MAX;
    return size.ws_col;
}

static bool is_uuid(const char *text)
{
    return strlen(text) == UUID_LENGTH && strspn(text, "0123456789abcdef-") == UUID_LENGTH
           && text[UUID_SHORT] == '-';
}

static size_t width_of(const char *text, bool short_ids)
{
    wchar_t wide[4 * GRID_TEXT_SIZE];
    if (short_ids && is_uuid(text))
        return UUID_SHORT;
    size_t count = mbstowcs(wide, text, countof(wide));
    int width = count < countof(wide) ? wcswidth(wide, count) : -1;
    return width < 0 ? strlen(text) : (size_t)width;
}

/* The cells in order of rows, each with its mark in front; see struct sheet. */
static const char *next_cell(const char *cell)
{
    return cell + strlen(cell) + 1;
}

struct layout {
    size_t widths[SHEET_COLUMNS_MAX];
    bool shown[SHEET_COLUMNS_MAX];
    bool short_ids;
};

static void measure(const struct sheet *sheet, struct layout *layout)
{
    const char *cell = sheet->text.data;
    for (size_t i = 0; i < sheet->count; i++)
        layout->widths[i] = strlen(sheet->columns[i]->name);
    for (size_t row = 0; row < sheet->rows; row++) {
        for (size_t i = 0; i < sheet->count; i++, cell = next_cell(cell)) {
            size_t width = width_of(cell + 1, layout->short_ids);
            if (width > layout->widths[i])
                layout->widths[i] = width;
        }
    }
}

static bool fits(const struct sheet *sheet, const struct layout *layout, size_t width)
{
    size_t sum = 0;
    for (size_t i = 0; i < sheet->count; i++)
        sum += layout->shown[i] ? layout->widths[i] + 1 : 0;
    return sum <= width + 1;
}

static void hide_empty(const struct sheet *sheet, struct layout *layout)
{
    bool filled[SHEET_COLUMNS_MAX] = {false};
    const char *cell = sheet->text.data;
    for (size_t row = 0; row < sheet->rows; row++)
        for (size_t i = 0; i < sheet->count; i++, cell = next_cell(cell))
            filled[i] |= strcmp(cell + 1, SHEET_EMPTY) != 0;
    for (size_t i = 0; i < sheet->count; i++)
        layout->shown[i] = sheet->chosen || filled[i]
                           || !(sheet->columns[i]->flags & COLUMN_FILLED);
}

/* The column that gives way first; sheet->count: none does. */
static size_t least(const struct sheet *sheet, const struct layout *layout)
{
    size_t found = sheet->count;
    unsigned most = 0;
    for (size_t i = 0; i < sheet->count && !sheet->chosen; i++)
        if (layout->shown[i] && sheet->columns[i]->gives > most)
            most = sheet->columns[found = i]->gives;
    return found;
}

/* Shortens ids, then drops columns, the least important first, until a row fits. What is left may
 * still be too wide: it is then broken by the terminal, not cut. */
static void arrange(const struct sheet *sheet, struct layout *layout)
{
    size_t width = room(), i;
    hide_empty(sheet, layout);
    if (width == SIZE_MAX)
        return;
    measure(sheet, layout);
    if (fits(sheet, layout, width))
        return;
    layout->short_ids = true;
    measure(sheet, layout);
    while (!fits(sheet, layout, width) && (i = least(sheet, layout)) < sheet->count)
        layout->shown[i] = false;
}

/* --- laying out ---------------------------------------------------------------------------- */

static bool add_columns(const struct sheet *sheet, const struct layout *layout,
                        struct libscols_table *table)
{
    for (size_t i = 0; i < sheet->count; i++) {
        if (!layout->shown[i])
            continue;
        int flags = sheet->columns[i]->flags & COLUMN_RIGHT ? SCOLS_FL_RIGHT : 0;
        struct libscols_column *column =
            lazy_scols_table_new_column(table, sheet->columns[i]->name, 0, flags);
        if (!column || lazy_scols_cell_set_color(lazy_scols_column_get_header(column), BOLD) != 0)
            return false;
    }
    return true;
}

static bool add_cell(struct libscols_line *line, size_t at, const char *cell, bool short_ids)
{
    char brief[UUID_SHORT + 1];
    bool shorten = short_ids && is_uuid(cell + 1);
    if (shorten)
        text_copy(brief, sizeof(brief), cell + 1);
    return lazy_scols_line_set_data(line, at, shorten ? brief : cell + 1) == 0
           && (*cell != '!'
               || lazy_scols_cell_set_color(lazy_scols_line_get_cell(line, at), YELLOW) == 0);
}

static bool add_lines(const struct sheet *sheet, const struct layout *layout,
                      struct libscols_table *table)
{
    const char *cell = sheet->text.data;
    for (size_t row = 0; row < sheet->rows; row++) {
        struct libscols_line *line = lazy_scols_table_new_line(table, NULL);
        size_t at = 0;
        for (size_t i = 0; i < sheet->count; i++, cell = next_cell(cell))
            if (!line || (layout->shown[i] && !add_cell(line, at++, cell, layout->short_ids)))
                return false;
    }
    return true;
}

/* "auto" is a terminal that is not dumb, unless NO_COLOR says no (no-color.org). */
static bool wants_color(const struct cmd *cmd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    if (cmd->settings.color != COLOR_AUTO)
        return cmd->settings.color == COLOR_ALWAYS;
    return (!no || !*no) && term && *term && strcmp(term, "dumb") != 0 && isatty(STDOUT_FILENO);
}

int table_print(struct cmd *cmd, struct grid_error *err)
{
    const struct sheet *sheet = &cmd->sheet;
    struct layout layout = {0};
    grid_auto_free char *text = NULL;
    int rc = open_library(err);
    if (rc < 0)
        return rc;
    /* Widths are those of UTF-8, whatever the locale; messages and numbers stay as they are. */
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    struct libscols_table *table = sheet->text.error ? NULL : lazy_scols_new_table();
    if (table) {
        arrange(sheet, &layout);
        lazy_scols_table_enable_colors(table, wants_color(cmd));
        lazy_scols_table_enable_noheadings(table, cmd_value(cmd, "no-headings") != NULL);
        /* Cells are never cut: no terminal here, only rows as wide as they are. */
        lazy_scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
        if (add_columns(sheet, &layout, table) && add_lines(sheet, &layout, table)
            && lazy_scols_print_table_to_string(table, &text) != 0)
            free(steal(text));
        lazy_scols_unref_table(table);
    }
    if (!text)
        return grid_error_set(err, GRID_ENOMEM, "cannot print the table: no memory");
    buffer_format(&cmd->out, "%s\n", text);
    return 0;
}
