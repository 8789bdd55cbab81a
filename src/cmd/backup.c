/* grid backup: whole copies of the ledger, and the way back to one. */
#include "cmd/backup.h"

#include <stdio.h>

/* --- making ----------------------------------------------------------------------------------- */

static int open_backups(const struct cmd *cmd, enum backups_mode mode, struct backups *ret,
                        struct grid_error *err)
{
    return backups_open(cmd->settings.data_dir, mode, cmd->settings.lock_timeout_us, ret, err);
}

/* What is to be made of which store, in which directory. */
struct wish {
    struct grid_store *store;
    struct backups *backups;
    const char *name; /* NULL: after its time */
    bool compress;
};

static int make(struct cmd *cmd, const struct wish *wish, struct backup *ret,
                struct grid_error *err)
{
    struct backup_writer *writer;
    struct grid_export facts;
    int rc = backup_begin(wish->backups, wish->name, wish->compress, &writer, err);
    if (rc < 0)
        return rc;
    rc = grid_ledger_export(wish->store, backup_write, writer, &facts, err);
    if (rc < 0)
        return backup_drop(writer), rc;
    struct backup_facts told = {facts.created_us, facts.revision, (int64_t)facts.boosts,
                                GRID_VERSION};
    rc = backup_finish(writer, &told, ret, err);
    if (rc == 0)
        output_verbose(cmd, "wrote '%s/%s': %jd bytes, revision %jd, SHA-256 %s",
                       wish->backups->path, ret->name, (intmax_t)ret->size_bytes,
                       (intmax_t)ret->revision, ret->sha256);
    return rc;
}

static int warn_damage(void *context, const struct grid_finding *finding, struct grid_error *err)
{
    (void)err;
    if (finding->severity != GRID_FACT)
        output_warning(context, "%s: %s", finding->subject, finding->text);
    return 0;
}

/* Keeps the ledger as it is. */
static int make_before(struct cmd *cmd, struct grid_store *store, struct backup *ret,
                       struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    struct wish wish = {.store = store, .backups = &backups};
    int rc = open_backups(cmd, BACKUPS_MAKE, &backups, err);
    rc = rc ?: make(cmd, &wish, ret, err);
    if (rc != GRID_ECORRUPT)
        return rc < 0 ? grid_error_wrap(err, "cannot keep the ledger as it is") : 0;
    output_warning(cmd, "%s", err->message);
    rc = grid_store_check(store, GRID_CHECK_REPAIR | GRID_CHECK_ACCEPT_LOSS, warn_damage, cmd,
                          err);
    return rc ?: make(cmd, &wish, ret, err);
}

int backup_replace(struct cmd *cmd, struct grid_store *store, const struct buffer *text,
                   const char *reason, struct import_row *row, struct grid_error *err)
{
    struct backup backup;
    struct grid_import import = {.text = text->data, .length = text->length,
                                 .mode = GRID_IMPORT_REPLACE, .reason = reason};
    int rc = make_before(cmd, store, &backup, err);
    if (rc < 0)
        return rc;
    text_copy(row->backup, sizeof(row->backup), backup.name);
    rc = grid_ledger_import(store, &import, &row->imported, err);
    if (rc < 0) {
        output_info(cmd, "the ledger as it was is backup '%s'", backup.name);
        return rc;
    }
    snprintf(cmd->done, sizeof(cmd->done), "the ledger was replaced; as it was, it is backup '%s'",
             backup.name);
    return 0;
}

/* --- create, prune ---------------------------------------------------------------------------- */

static int read_keep(const struct cmd *cmd, int64_t *ret, struct grid_error *err)
{
    const char *keep = cmd_value(cmd, "keep");
    *ret = 0;
    return keep ? text_integer(keep, 1, INT32_MAX, "--keep", ret, err) : 0;
}

static int say_deleted(void *context, const struct backup *backup, struct grid_error *err)
{
    (void)err;
    output_info(context, "backup '%s' was deleted", backup->name);
    return 0;
}

static void say_damaged(struct cmd *cmd, size_t damaged)
{
    if (damaged > 0)
        output_warning(cmd, "%zu damaged backup%s kept: see 'grid backup list'", damaged,
                       damaged == 1 ? " is" : "s are");
}

static int run_create(struct cmd *cmd, struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    struct wish wish = {cmd->store, &backups, cmd_value(cmd, "name"),
                        cmd_value(cmd, "compress") != NULL};
    struct backup backup;
    int64_t keep;
    size_t damaged = 0;
    int rc = read_keep(cmd, &keep, err);
    if (rc == 0 && wish.name)
        rc = backup_name_check(wish.name, err);
    rc = rc ?: open_backups(cmd, BACKUPS_MAKE, &backups, err);
    rc = rc ?: make(cmd, &wish, &backup, err);
    if (rc < 0)
        return rc;
    snprintf(cmd->done, sizeof(cmd->done), "backup '%s' was made", backup.name);
    sheet_show(cmd, &backup, true, NULL, NULL);
    if (keep > 0)
        rc = backups_prune(&backups, (size_t)keep, say_deleted, cmd, &damaged, err);
    say_damaged(cmd, damaged);
    return rc;
}

static void say_done(struct cmd *cmd, const char *name)
{
    snprintf(cmd->done, sizeof(cmd->done), "backup '%s' was deleted", text_shown(name));
}

static int add_deleted(void *context, const struct backup *backup, struct grid_error *err)
{
    (void)err;
    struct cmd *cmd = context;
    say_done(cmd, backup->name);
    if (cmd->settings.format == FORMAT_TABLE)
        buffer_format(&cmd->out, "deleted %s\n", text_shown(backup->name));
    else
        sheet_add(cmd, backup);
    return 0;
}

static int run_prune(struct cmd *cmd, struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    int64_t keep;
    size_t damaged = 0;
    int rc = read_keep(cmd, &keep, err);
    if (rc == 0 && keep == 0)
        rc = grid_error_set(err, GRID_EUSAGE, "--keep N is missing");
    rc = rc ?: open_backups(cmd, BACKUPS_CHANGE, &backups, err);
    rc = rc ?: backups_prune(&backups, (size_t)keep, add_deleted, cmd, &damaged, err);
    say_damaged(cmd, damaged);
    if (rc == 0 && cmd->settings.format != FORMAT_TABLE)
        rc = sheet_print(cmd, NULL, NULL, err);
    return rc;
}

static int run_delete(struct cmd *cmd, struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    int rc = backup_name_check(cmd->arguments[0], err);
    rc = rc ?: open_backups(cmd, BACKUPS_CHANGE, &backups, err);
    rc = rc ?: backup_delete(&backups, cmd->arguments[0], err);
    if (rc == 0)
        say_done(cmd, cmd->arguments[0]);
    if (rc == 0 && cmd->settings.format == FORMAT_TABLE)
        buffer_format(&cmd->out, "deleted %s\n", text_shown(cmd->arguments[0]));
    return rc;
}

/* --- list, verify ----------------------------------------------------------------------------- */

static int add_backup(void *context, const struct backup *backup, struct grid_error *err)
{
    (void)err;
    sheet_add(context, backup);
    return 0;
}

static int run_list(struct cmd *cmd, struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    int rc = open_backups(cmd, BACKUPS_READ, &backups, err);
    rc = rc ?: backups_each(&backups, NULL, add_backup, cmd, err);
    return rc ?: sheet_print(cmd, NULL, NULL, err);
}

/* Is the document an export, and the one that the manifest speaks of? */
static int check_document(const struct backup *backup, const struct buffer *text,
                          struct grid_error *err)
{
    struct grid_export facts;
    int rc = grid_export_read(text->data, text->length, &facts, err);
    if (rc == GRID_EUSAGE) {
        char why[sizeof(err->message)];
        text_copy(why, sizeof(why), err->message);
        return grid_error_set(err, GRID_ECORRUPT, "%s", why);
    }
    if (rc < 0)
        return rc;
    if (facts.revision != backup->revision || (int64_t)facts.boosts != backup->boosts
        || facts.created_us != backup->created_us)
        return grid_error_set(err, GRID_ECORRUPT, "its manifest is of another document");
    return 0;
}

struct verifying {
    struct cmd *cmd;
    size_t count, damaged;
};

static int add_verified(void *context, const struct backup *backup, struct grid_error *err)
{
    struct verifying *verifying = context;
    verifying->count++;
    verifying->damaged += !backup->sound;
    return add_backup(verifying->cmd, backup, err);
}

static int run_verify(struct cmd *cmd, struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    struct verifying all = {.cmd = cmd};
    struct backup backup;
    const char *name = cmd->argument_count ? cmd->arguments[0] : NULL;
    int rc = open_backups(cmd, BACKUPS_READ, &backups, err);
    if (rc == 0 && name) {
        rc = backup_read(&backups, name, check_document, &backup, NULL, err);
        if (rc == 0 || rc == GRID_ECORRUPT)
            sheet_add(cmd, &backup);
    } else if (rc == 0) {
        rc = backups_each(&backups, check_document, add_verified, &all, err);
    }
    if (rc < 0 && rc != GRID_ECORRUPT)
        return rc;
    int printed = sheet_print(cmd, NULL, NULL, rc ? NULL : err);
    if (rc == 0 && printed == 0 && all.damaged > 0)
        return grid_error_set(err, GRID_ECORRUPT, "%zu of %zu backups %s damaged", all.damaged,
                              all.count, all.damaged == 1 ? "is" : "are");
    return rc ?: printed;
}

/* --- restore ---------------------------------------------------------------------------------- */

static int check_consent(const struct cmd *cmd, struct grid_error *err)
{
    if (cmd_value(cmd, "yes") || output_can_ask(cmd))
        return 0;
    return grid_error_set(err, GRID_EUSAGE, "restore needs --yes where nobody can be asked");
}

static bool is_agreed(const struct cmd *cmd, const struct backup *backup)
{
    char time[GRID_TIME_SIZE], question[512];
    snprintf(question, sizeof(question),
             "replace the ledger by '%s' of %s: revision %jd, %jd boost%s?",
             backup->name, grid_time_show(backup->created_us, time), (intmax_t)backup->revision,
             (intmax_t)backup->boosts, backup->boosts == 1 ? "" : "s");
    return cmd_value(cmd, "yes") || output_ask(question);
}

static void print_restored(struct json *json, const void *name)
{
    json_put_text(json, "restored", name);
}

static int run_restore(struct cmd *cmd, struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    struct backup backup;
    struct import_row row = {0};
    char reason[64 + BACKUP_NAME_SIZE];
    int rc = check_consent(cmd, err);
    rc = rc ?: open_backups(cmd, BACKUPS_READ, &backups, err);
    rc = rc ?: backup_read(&backups, cmd->arguments[0], check_document, &backup, &text, err);
    if (rc < 0)
        return rc;
    if (!is_agreed(cmd, &backup)) {
        output_info(cmd, "nothing was restored");
        return 0;
    }
    snprintf(reason, sizeof(reason), "backup '%s' of revision %jd", backup.name,
             (intmax_t)backup.revision);
    rc = backup_replace(cmd, cmd->store, &text, reason, &row, err);
    if (rc == 0 && cmd->settings.format == FORMAT_TABLE)
        output_pair(cmd, "Restored", backup.name);
    if (rc == 0)
        sheet_show(cmd, &row, true, print_restored, backup.name);
    return rc;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct cmd_option create_options[] = {
    {"name", 0, "TEXT", "what it is called (grid_backup_YYYYMMDD_HHMMSS, UTC)"},
    {"compress", 0, NULL, "smaller, and slower"},
    {"keep", 0, "N", "then delete all sound ones but the N newest"},
    {0},
};
static const struct cmd_option restore_options[] = {
    {"yes", 0, NULL, "do not ask"},
    {0},
};
static const struct cmd_option prune_options[] = {
    {"keep", 0, "N", "how many sound ones stay, the newest"},
    {0},
};

const struct cmd_verb backup_verbs[] = {
    {.name = "create", .arguments = "", .summary = "Keep a copy of the whole ledger",
     .options = create_options, .rows = &rows_backups,
     .examples = "  grid backup create --name before-the-move\n"
                 "  @daily grid backup create -q --compress --keep 30 >/dev/null   (a crontab)\n",
     .run = run_create},
    {.name = "list", .arguments = "", .summary = "List the backups, newest first",
     .rows = &rows_backups, .examples = "  grid backup list\n", .run = run_list},
    {.name = "verify", .arguments = "[BACKUP]",
     .summary = "Read a backup, or all of them, as restore would", .rows = &rows_backups,
     .examples = "  grid backup verify\n", .run = run_verify},
    {.name = "restore", .arguments = "BACKUP",
     .summary = "Put a backup in the place of the ledger, after a backup of that",
     .options = restore_options, .rows = &rows_imports,
     .examples = "  grid backup restore grid_backup_20261121_020000\n", .run = run_restore},
    {.name = "delete", .arguments = "BACKUP", .summary = "Delete a backup, sound or not",
     .examples = "  grid backup delete before-the-move\n", .run = run_delete},
    {.name = "prune", .arguments = "", .summary = "Delete all sound backups but the newest",
     .options = prune_options, .rows = &rows_backups,
     .examples = "  grid backup prune --keep 30\n", .run = run_prune},
    {0},
};
