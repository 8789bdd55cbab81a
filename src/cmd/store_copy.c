/* grid store copy: a ledger into another store, by an export and an import. */
#include "cmd/backup.h"
#include "ledger/dump.h"

#include <stdio.h>

/* --- is it all there? ------------------------------------------------------------------------- */

static int add_piece(void *context, const char *text, size_t length, struct grid_error *err)
{
    buffer_add(context, text, length);
    return ((struct buffer *)context)->error
               ? grid_error_set(err, GRID_ENOMEM, "no memory for the document")
               : 0;
}

/* What was written, read again, against what was to be written. */
static int compare(const struct buffer *wanted, struct grid_store *to, struct grid_error *err)
{
    grid_auto_buffer struct buffer found = BUFFER_INIT;
    struct document a = {0}, b = {0};
    const char *what;
    int rc = grid_ledger_export(to, add_piece, &found, NULL, err);
    rc = rc ?: document_read(wanted->data, wanted->length, &a, err);
    rc = rc ?: document_read(found.data, found.length, &b, err);
    rc = rc ?: document_compare(&a, &b, &what, err);
    if (rc <= 0)
        return rc;
    return grid_error_advise(err, GRID_EUNKNOWN, "was it changed meanwhile? copy again",
                             "the copy was made, but its %s are not those of the original", what);
}

/* --- copying ---------------------------------------------------------------------------------- */

struct copying {
    const char *from_url, *to_url;
    struct grid_store *from, *to;
    struct buffer text;
};

static void release(struct copying *copying)
{
    grid_store_close(copying->from);
    grid_store_close(copying->to);
    buffer_release(&copying->text);
}
#define auto_copying __attribute__((cleanup(release)))

/* "file:" alone is the data directory, as of --store. */
static const char *whole_url(const struct cmd *cmd, size_t index, char *own, size_t size)
{
    const char *url = cmd->arguments[index];
    snprintf(own, size, "file:%s", cmd->settings.data_dir);
    return strcmp(url, "file:") == 0 ? own : url;
}

static int export(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct copying *copying = context;
    return backup_source(tx, (void *)copying->from_url, err)
           ?: grid_tx_export(tx, add_piece, &copying->text, NULL, err);
}

static int copy(struct cmd *cmd, struct copying *copying, struct import_row *row,
                struct grid_error *err)
{
    char reason[GRID_TEXT_SIZE], place[PATH_MAX + 8];
    struct grid_import import = {.mode = GRID_IMPORT_EMPTY, .reason = reason};
    snprintf(reason, sizeof(reason), "copy of '%.200s'",
             cmd_place(copying->from_url, place, sizeof(place)));
    int rc = grid_store_transact(copying->from, GRID_READ, export, copying, NULL, err);
    if (rc < 0)
        return rc;
    import.text = copying->text.data;
    import.length = copying->text.length;
    rc = grid_ledger_import(copying->to, &import, &row->imported, err);
    if (rc == GRID_ECONFLICT && cmd_value(cmd, "force"))
        return backup_replace(cmd, copying->to, copying->to_url, &copying->text, reason, row,
                              err);
    if (rc == GRID_ECONFLICT)
        grid_error_hint(err, "--force puts the copy in the place of what is there");
    if (rc == 0)
        snprintf(cmd->done, sizeof(cmd->done), "the ledger was copied");
    return rc;
}

static int run_copy(struct cmd *cmd, struct grid_error *err)
{
    auto_copying struct copying copying = {.text = BUFFER_INIT};
    struct import_row row = {0};
    char own[sizeof(cmd->settings.store)];
    copying.to_url = whole_url(cmd, 1, own, sizeof(own));
    copying.from_url = whole_url(cmd, 0, own, sizeof(own));
    if (backup_same_store(copying.from_url, copying.to_url))
        return grid_error_set(err, GRID_EUSAGE, "both stores are the same");
    if (backup_nested_stores(copying.from_url, copying.to_url))
        return grid_error_set(err, GRID_EUSAGE, "one store lies within the directory of the other");
    int rc = cmd_lasting(copying.to_url, err);
    rc = rc ?: cmd_lasting(copying.from_url, err);
    rc = rc ?: cmd_open(cmd, copying.from_url, &copying.from, err);
    rc = rc ?: cmd_open(cmd, copying.to_url, &copying.to, err);
    rc = rc ?: copy(cmd, &copying, &row, err);
    if (rc < 0)
        return rc;
    rc = compare(&copying.text, copying.to, err);
    if (rc < 0 && rc != GRID_EUNKNOWN) {
        err->code = GRID_EUNKNOWN;
        rc = grid_error_wrap(err, "the ledger was copied, but cannot be compared");
    }
    if (rc == 0)
        sheet_show(cmd, &row, true, NULL, NULL);
    return rc;
}

static const struct cmd_option copy_options[] = {
    {"force", 0, NULL, "also where something is, after a backup of that"},
    {0},
};

const struct cmd_verb store_copy_verbs[] = {
    {.name = "copy", .arguments = "FROM-URL TO-URL",
     .summary = "Copy a ledger into another store, and compare the two",
     .options = copy_options, .rows = &rows_imports,
     .examples = "  grid store copy file: file:/srv/grid\n", .run = run_copy},
    {0},
};
