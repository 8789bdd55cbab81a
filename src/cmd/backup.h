/* What backup, import and store copy share. */
#ifndef CMD_BACKUP_H
#define CMD_BACKUP_H

#include "cmd/cmd.h"
#include "host/backup.h"

/* Backups, as struct backup. */
extern const struct row_kind rows_backups;

/* What an import came to, as a row. */
struct import_row {
    struct grid_imported imported;
    char backup[BACKUP_NAME_SIZE]; /* of the ledger as it was; "": none was made */
};
extern const struct row_kind rows_imports;

/*
 * Puts the document in the place of the ledger, after a backup of the ledger as it is. One that is
 * damaged beyond recovery is mended before, as `store repair --accept-loss` does, with warnings:
 * its bytes are kept beside it, and what could be read of it is in the backup. `row` is filled; its
 * backup also when the import failed. Errors as of backups, grid_store_check, grid_ledger_import.
 */
int backup_replace(struct cmd *cmd, struct grid_store *store, const struct buffer *text,
                   const char *reason, struct import_row *row, struct grid_error *err);

#endif
