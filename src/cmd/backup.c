/* grid backup: whole copies of the ledger, and the way back to one. */
#include "cmd/backup.h"
#include "util/clock.h"

#include <stdio.h>
#include <unistd.h>

/* --- making ----------------------------------------------------------------------------------- */

static int open_backups(const struct cmd *cmd, enum backups_mode mode, struct backups *ret,
                        struct grid_error *err)
{
    return backups_open(cmd->settings.data_dir, mode, cmd->settings.lock_timeout_us, ret, err);
}

/* What is to be made, and then what was. */
struct making {
    struct cmd *cmd;
    const char *url;  /* of the store */
    const char *name; /* NULL: after its time */
    bool compress;
    struct backups backups; /* open */
    struct backup backup;
    bool made;
};

/* Of the ledger as the transaction sees it. */
static int make(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct making *making = context;
    struct backup_writer *writer;
    struct grid_export facts;
    char place[PATH_MAX + 8];
    int rc = backup_begin(&making->backups, making->name, making->compress, &writer, err);
    if (rc < 0)
        return rc;
    rc = grid_tx_export(tx, backup_write, writer, &facts, err);
    if (rc < 0)
        return backup_drop(writer), rc;
    struct backup_facts told = {facts.created_us, facts.revision, (int64_t)facts.boosts,
                                GRID_VERSION,
                                cmd_place(making->url, place, sizeof(place))};
    rc = backup_finish(writer, &told, &making->backup, err);
    making->made = rc == 0;
    if (rc == 0)
        output_verbose(making->cmd, "wrote '%s/%s': %jd bytes, revision %jd, SHA-256 %s",
                       making->backups.path, making->backup.name,
                       (intmax_t)making->backup.size_bytes, (intmax_t)making->backup.revision,
                       making->backup.sha256);
    return rc;
}

static int make_of_ledger(struct grid_tx *tx, void *context, struct grid_error *err)
{
    const struct making *making = context;
    return backup_source(tx, (void *)making->url, err) ?: make(tx, context, err);
}

static int make_before(struct grid_tx *tx, void *context, struct grid_error *err)
{
    int rc = make(tx, context, err);
    return rc < 0 ? grid_error_wrap(err, "cannot keep the ledger as it is") : 0;
}

static int warn_damage(void *context, const struct grid_finding *finding, struct grid_error *err)
{
    (void)err;
    if (finding->severity != GRID_FACT)
        output_warning(context, "%s: %s", finding->subject, finding->text);
    return 0;
}

/* Backup and import are one transaction: nothing that others do comes between them. */
static int replace(struct making *making, struct grid_store *store,
                   const struct grid_import *import, struct grid_imported *ret,
                   struct grid_error *err)
{
    int rc = grid_ledger_import(store, import, ret, err);
    if (rc != GRID_ECORRUPT || making->made)
        return rc;
    output_warning(making->cmd, "%s", err->message);
    rc = grid_store_check(store, GRID_CHECK_REPAIR | GRID_CHECK_ACCEPT_LOSS, warn_damage,
                          making->cmd, err);
    return rc ?: grid_ledger_import(store, import, ret, err);
}

int backup_replace(struct cmd *cmd, struct grid_store *store, const char *url,
                   const struct buffer *text, const char *reason, struct import_row *row,
                   struct grid_error *err)
{
    struct making making = {.cmd = cmd, .url = url, .backups = BACKUPS_INIT};
    struct grid_caller caller = {cmd_user(cmd), getuid() == 0};
    struct grid_import import = {.text = text->data, .length = text->length,
                                 .mode = GRID_IMPORT_REPLACE, .reason = reason,
                                 .caller = &caller,
                                 .keep = make_before, .keep_context = &making};
    int rc = open_backups(cmd, BACKUPS_MAKE, &making.backups, err);
    rc = rc ?: replace(&making, store, &import, &row->imported, err);
    backups_close(&making.backups);
    if (making.made)
        text_copy(row->backup, sizeof(row->backup), making.backup.name);
    if (rc < 0 && making.made)
        output_info(cmd, "the ledger as it was is backup '%s'", making.backup.name);
    if (rc == 0)
        snprintf(cmd->done, sizeof(cmd->done),
                 "the ledger was replaced; as it was, it is backup '%s'", making.backup.name);
    return rc;
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

static void say_kept(struct cmd *cmd, const struct backups_kept *kept)
{
    if (kept->damaged > 0)
        output_warning(cmd, "%zu damaged backup%s kept: see 'grid backup list'", kept->damaged,
                       kept->damaged == 1 ? " is" : "s are");
    if (kept->ahead > 0)
        output_warning(cmd, "%zu backup%s dated in the future, neither counted nor deleted: see "
                       "'grid backup list'", kept->ahead, kept->ahead == 1 ? " is" : "s are");
}

/* The directory is made only where there is a ledger. */
static int open_target(struct making *making, struct grid_error *err)
{
    auto_backups struct backups there = BACKUPS_INIT;
    int rc = open_backups(making->cmd, BACKUPS_READ, &there, err);
    if (rc == 0 && there.dirfd < 0)
        rc = grid_store_transact(making->cmd->store, GRID_READ, backup_source,
                                 (void *)making->url, NULL, err);
    return rc ?: open_backups(making->cmd, BACKUPS_MAKE, &making->backups, err);
}

static int create(struct making *making, int64_t keep, struct grid_error *err)
{
    struct cmd *cmd = making->cmd;
    struct backups_kept kept = {0};
    struct backups_rule rule = {.keep = (size_t)keep, .newest = making->backup.name};
    int rc = open_target(making, err);
    rc = rc ?: grid_store_transact(cmd->store, GRID_READ, make_of_ledger, making, NULL, err);
    if (rc < 0)
        return rc;
    snprintf(cmd->done, sizeof(cmd->done), "backup '%s' was made", making->backup.name);
    sheet_show(cmd, &making->backup, true, NULL, NULL);
    rule.now_us = making->backup.created_us;
    if (keep > 0)
        rc = backups_prune(&making->backups, &rule, say_deleted, cmd, &kept, err);
    say_kept(cmd, &kept);
    return rc;
}

static int run_create(struct cmd *cmd, struct grid_error *err)
{
    struct making making = {.cmd = cmd, .url = cmd->settings.store,
                            .name = cmd_value(cmd, "name"),
                            .compress = cmd_value(cmd, "compress"), .backups = BACKUPS_INIT};
    int64_t keep;
    int rc = read_keep(cmd, &keep, err);
    if (rc == 0 && making.name)
        rc = backup_name_check(making.name, err);
    rc = rc ?: create(&making, keep, err);
    backups_close(&making.backups);
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
    struct backups_kept kept = {0};
    struct backups_rule rule = {.now_us = clock_now_us()};
    int rc = read_keep(cmd, &keep, err);
    rule.keep = (size_t)keep;
    if (rc == 0 && keep == 0)
        rc = grid_error_set(err, GRID_EUSAGE, "--keep N is missing");
    rc = rc ?: open_backups(cmd, BACKUPS_CHANGE, &backups, err);
    rc = rc ?: backups_prune(&backups, &rule, add_deleted, cmd, &kept, err);
    say_kept(cmd, &kept);
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
    if (rc == GRID_ENOTFOUND)
        backup_advise(&backups, cmd->arguments[0], err);
    if (rc == 0)
        say_done(cmd, cmd->arguments[0]);
    if (rc == 0 && cmd->settings.format == FORMAT_TABLE)
        buffer_format(&cmd->out, "deleted %s\n", text_shown(cmd->arguments[0]));
    return rc;
}

/* --- list, verify ----------------------------------------------------------------------------- */

static void look_whose(const struct cmd *cmd, struct backup *backup)
{
    char place[PATH_MAX + 8];
    cmd_place(cmd->settings.store, place, sizeof(place));
    backup->elsewhere = backup->store[0] && !backup_same_store(backup->store, place);
}

static void add_backup(struct cmd *cmd, const struct backup *backup)
{
    struct backup row = *backup;
    look_whose(cmd, &row);
    sheet_add(cmd, &row);
}

/* What there is of each state. */
struct tally {
    struct cmd *cmd;
    size_t count, damaged, newer;
};

static int add_counted(void *context, const struct backup *backup, struct grid_error *err)
{
    (void)err;
    struct tally *tally = context;
    tally->count++;
    tally->damaged += !backup->sound && !backup->unreadable;
    tally->newer += backup->sound && backup->reason[0];
    add_backup(tally->cmd, backup);
    return 0;
}

static int run_list(struct cmd *cmd, struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    struct tally all = {.cmd = cmd};
    int rc = open_backups(cmd, BACKUPS_READ, &backups, err);
    rc = rc ?: backups_each(&backups, NULL, add_counted, &all, err);
    if (rc < 0 && all.count == 0)
        return rc;
    int printed = sheet_print(cmd, NULL, NULL, rc ? NULL : err);
    return rc ?: printed;
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

static int run_verify(struct cmd *cmd, struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    struct tally all = {.cmd = cmd};
    struct backup backup;
    const char *name = cmd->argument_count ? cmd->arguments[0] : NULL;
    int rc = open_backups(cmd, BACKUPS_READ, &backups, err);
    if (rc == 0 && name) {
        rc = backup_read(&backups, name, check_document, &backup, NULL, err);
        if (rc == 0 || rc == GRID_ECORRUPT || rc == GRID_ECONFLICT)
            add_backup(cmd, &backup);
        if (rc < 0)
            backup_advise(&backups, name, err);
    } else if (rc == 0) {
        rc = backups_each(&backups, check_document, add_counted, &all, err);
    }
    if (rc < 0 && rc != GRID_ECORRUPT && rc != GRID_ECONFLICT && all.count == 0)
        return rc;
    int printed = sheet_print(cmd, NULL, NULL, rc ? NULL : err);
    if (rc == 0 && printed == 0 && all.damaged > 0)
        return grid_error_set(err, GRID_ECORRUPT, "%zu of %zu backups %s damaged", all.damaged,
                              all.count, all.damaged == 1 ? "is" : "are");
    if (rc == 0 && printed == 0 && all.newer > 0)
        return grid_error_set(err, GRID_ECONFLICT, "%zu of %zu backups %s of a newer format than "
                              "this program knows", all.newer, all.count,
                              all.newer == 1 ? "is" : "are");
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
    char time[GRID_TIME_SIZE], place[PATH_MAX + 8], question[PATH_MAX + 512];
    cmd_place(cmd->settings.store, place, sizeof(place));
    snprintf(question, sizeof(question),
             "replace the ledger in '%s' by '%s' of %s%s: revision %jd, %jd boost%s?", place,
             backup->name, grid_time_show(backup->created_us, time),
             backup->elsewhere ? ", another ledger" : "", (intmax_t)backup->revision,
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
        return backup_advise(&backups, cmd->arguments[0], err), rc;
    look_whose(cmd, &backup);
    if (backup.elsewhere)
        output_warning(cmd, "backup '%s' is of another ledger, of '%s'", backup.name,
                       backup.store);
    if (!is_agreed(cmd, &backup)) {
        output_info(cmd, "nothing was restored");
        return 0;
    }
    snprintf(reason, sizeof(reason), "backup '%s' of revision %jd", backup.name,
             (intmax_t)backup.revision);
    rc = backup_replace(cmd, cmd->store, cmd->settings.store, &text, reason, &row, err);
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
    {"yes", 0, NULL, "do not ask (at a terminal it asks)"},
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
                 "  @daily /usr/local/bin/grid backup create -q --keep 30 >/dev/null   (cron)\n",
     .run = run_create},
    {.name = "list", .arguments = "", .summary = "List the backups, newest first",
     .rows = &rows_backups, .examples = "  grid backup list\n", .run = run_list},
    {.name = "verify", .arguments = "[BACKUP]",
     .summary = "Read a backup, or all of them, as restore would", .rows = &rows_backups,
     .examples = "  grid backup verify\n", .run = run_verify},
    {.name = "restore", .arguments = "BACKUP",
     .summary = "Put a backup in the place of the ledger, after a backup of that",
     .options = restore_options, .rows = &rows_imports,
     .examples = "  grid backup restore grid_backup_20261121_020000\n"
                 "  grid backup restore before-the-move --yes   (in a script)\n",
     .run = run_restore},
    {.name = "delete", .arguments = "BACKUP", .summary = "Delete a backup, sound or not",
     .examples = "  grid backup delete before-the-move\n", .run = run_delete},
    {.name = "prune", .arguments = "", .summary = "Delete all sound backups but the newest",
     .options = prune_options, .rows = &rows_backups,
     .examples = "  grid backup prune --keep 30\n", .run = run_prune},
    {0},
};
