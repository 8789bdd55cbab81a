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
 * its bytes are kept beside it, and what could be read of it is in the backup. `url` is the
 * store's. `row` is filled; its backup also when the import failed. Errors as of backups,
 * grid_store_check, grid_ledger_import.
 */
int backup_replace(struct cmd *cmd, struct grid_store *store, const char *url,
                   const struct buffer *text, const char *reason, struct import_row *row,
                   struct grid_error *err);

/* --- backup_look.c ---------------------------------------------------------------------------- */

/* Was anything ever written to the ledger, of the store of this URL? ENOTFOUND: no; as
 * grid_tx_export. A grid_decide_fn: `url` is a const char *. */
int backup_source(struct grid_tx *tx, void *url, struct grid_error *err);

/* Do two URLs lead to one ledger, however they are spelled? */
bool backup_same_store(const char *a, const char *b);

/* Does one of them lie within the directory of the other: among its backups, say? */
bool backup_nested_stores(const char *a, const char *b);

/* The hint for a backup that is not there, or is damaged. */
void backup_advise(const struct backups *backups, const char *name, struct grid_error *err);

#endif
