/* grid import: a document becomes the ledger, or a part of it. */
#include "cmd/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>

#define PIECE ((size_t)1 << 18)

/* --- rows ------------------------------------------------------------------------------------- */

static void print_size(struct cell *cell, const void *field)
{
    buffer_format(cell->out, "%zu", *(const size_t *)field);
}

static void print_count(struct cell *cell, const void *field)
{
    if (!cell->people || *(const size_t *)field > 0)
        print_size(cell, field);
}

static const struct column columns[] = {
#define AT(member) offsetof(struct import_row, member)
    {"BOOSTS", "Boosts", "taken over", COLUMN_DEFAULT, 0, AT(imported.boosts), print_size},
    {"NODES", "Nodes", "taken over", COLUMN_DEFAULT, 0, AT(imported.nodes), print_count},
    {"WAITING", "Waiting", "tickets taken over", COLUMN_DEFAULT, 0, AT(imported.tickets),
     print_count},
    {"EVENTS", "Events", "taken over", COLUMN_DEFAULT, 0, AT(imported.events), print_count},
    {"SKIPPED", "Skipped", "there already, the same", COLUMN_DEFAULT, 0, AT(imported.skipped),
     print_count},
    {"ENDED", "Ended", "boosts that the document does not have", COLUMN_DEFAULT, 0,
     AT(imported.ended), print_count},
    {"REVISION", "Revision", "of the ledger now", COLUMN_DEFAULT, 0, AT(imported.revision),
     rows_number},
    {"BACKUP", "Safety backup", "the ledger as it was", COLUMN_DEFAULT, 0, AT(backup), rows_text},
#undef AT
};

static void print_json(struct json *json, const void *row, int64_t now_us)
{
    const struct import_row *import = row;
    const struct grid_imported *imported = &import->imported;
    (void)now_us;
    json_open(json, '{');
    json_put_int(json, "boosts", (int64_t)imported->boosts);
    json_put_int(json, "nodes", (int64_t)imported->nodes);
    json_put_int(json, "waiting", (int64_t)imported->tickets);
    json_put_int(json, "events", (int64_t)imported->events);
    json_put_int(json, "skipped", (int64_t)imported->skipped);
    json_put_int(json, "ended", (int64_t)imported->ended);
    json_put_int(json, "revision", imported->revision);
    json_key(json, "backup");
    json_string_or_null(json, import->backup);
    json_close(json, '}');
}

const struct row_kind rows_imports = {
    columns, countof(columns), print_json, offsetof(struct import_row, backup), "import",
    "imports"};

/* --- import ----------------------------------------------------------------------------------- */

static int read_mode(const struct cmd *cmd, enum grid_import_mode *ret, struct grid_error *err)
{
    bool merge = cmd_value(cmd, "merge"), replace = cmd_value(cmd, "replace");
    *ret = merge ? GRID_IMPORT_MERGE : replace ? GRID_IMPORT_REPLACE : GRID_IMPORT_EMPTY;
    if (merge && replace)
        return grid_error_set(err, GRID_EUSAGE, "--merge and --replace cannot both be given");
    return 0;
}

/* Pipes are files, too. */
static int read_file(const char *path, struct buffer *ret, struct grid_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *shown = is_stdin ? "standard input" : text_shown(path);
    grid_auto_close int opened = is_stdin ? -1 : openat(AT_FDCWD, path,
                                                        O_RDONLY | O_CLOEXEC | O_NOCTTY);
    grid_auto_free char *piece = malloc(PIECE);
    if (!is_stdin && opened < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot open '%s'", shown);
    for (ssize_t n = 1; piece && n != 0 && !ret->error;) {
        n = read(is_stdin ? STDIN_FILENO : opened, piece, PIECE);
        if (n < 0 && errno != EINTR)
            return grid_error_errno(err, GRID_EIO, errno, "cannot read '%s'", shown);
        if (n > 0)
            buffer_add(ret, piece, (size_t)n);
    }
    if (!piece || !buffer_string(ret))
        return grid_error_set(err, GRID_ENOMEM, "no memory to read '%s'", shown);
    return 0;
}

static int import(struct cmd *cmd, enum grid_import_mode mode, const struct buffer *text,
                  struct import_row *row, struct grid_error *err)
{
    char reason[GRID_TEXT_SIZE];
    const char *from = strcmp(cmd->arguments[0], "-") == 0 ? "standard input" : cmd->arguments[0];
    struct grid_import import = {.text = text->data, .length = text->length, .mode = mode,
                                 .dry_run = cmd_value(cmd, "dry-run"), .reason = reason};
    snprintf(reason, sizeof(reason), "import of '%.200s'", text_shown(from));
    if (mode == GRID_IMPORT_REPLACE && !import.dry_run)
        return backup_replace(cmd, cmd->store, cmd->settings.store, text, reason, row, err);
    int rc = grid_ledger_import(cmd->store, &import, &row->imported, err);
    if (rc == 0 && !import.dry_run)
        snprintf(cmd->done, sizeof(cmd->done), "the document was imported");
    return rc;
}

/* A ledger's own file has boosts, and is no export. */
static bool is_state(const struct buffer *text)
{
    const char *begins = memchr(text->data, '{', text->length);
    return begins && memmem(text->data, text->length, "\"boosts\"", 8)
           && !memmem(text->data, text->length < 256 ? text->length : 256, "\"export\"", 8);
}

/* What is it, if it is no export? */
static int refuse(const char *path, const struct buffer *text, struct grid_error *err)
{
    const char *shown = strcmp(path, "-") == 0 ? "standard input" : text_shown(path);
    if (err->code == GRID_EUSAGE && text->length >= 2 && memcmp(text->data, "\x1f\x8b", 2) == 0)
        grid_error_hint(err, "it is compressed: 'zcat %s | grid import -'", shown);
    else if (err->code == GRID_EUSAGE && is_state(text))
        grid_error_hint(err, "it looks like the state of a ledger: 'grid store copy file:DIR "
                        "file:' copies that, DIR being where it lies");
    return grid_error_wrap(err, "cannot import '%s'", shown);
}

static int run_import(struct cmd *cmd, struct grid_error *err)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    struct import_row row = {0};
    enum grid_import_mode mode;
    int rc = read_mode(cmd, &mode, err);
    rc = rc ?: read_file(cmd->arguments[0], &text, err);
    if (rc < 0)
        return rc;
    cmd->in_file = true;
    rc = grid_export_read(text.data, text.length, NULL, err);
    if (rc < 0)
        return refuse(cmd->arguments[0], &text, err);
    rc = import(cmd, mode, &text, &row, err);
    if (rc < 0)
        return rc;
    if (cmd_value(cmd, "dry-run"))
        output_info(cmd, "dry run: nothing was written");
    sheet_show(cmd, &row, true, NULL, NULL);
    return 0;
}

static const struct cmd_option import_options[] = {
    {"merge", 0, NULL, "add it to what is there"},
    {"replace", 0, NULL, "put it in the place of what is there, after a backup"},
    {"dry-run", 0, NULL, "the same verdict; nothing is written"},
    {0},
};

const struct cmd_verb import_verbs[] = {
    {.name = "", .arguments = "FILE",
     .summary = "Take over what 'grid export' wrote ('-': from standard input)",
     .options = import_options, .rows = &rows_imports,
     .examples = "  grid import ledger.json\n"
                 "  ssh gpu-master grid export | grid import - --merge --dry-run\n",
     .run = run_import},
    {0},
};
