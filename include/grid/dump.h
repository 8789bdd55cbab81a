/* Export and import: a ledger as one JSON document. */
#ifndef GRID_DUMP_H
#define GRID_DUMP_H

#include "grid/ledger.h"

#define GRID_EXPORT_VERSION 1

/* Takes a piece of the document. 0, or what the caller ends with. */
typedef int (*grid_write_fn)(void *context, const char *text, size_t length,
                             struct grid_error *err);

/* What a document holds. */
struct grid_export {
    int64_t created_us, revision;
    size_t boosts, nodes, tickets, events; /* records that are not sound included */
    bool policy;
};

/*
 * Hands the whole ledger, as it stands at one revision, to `write` in pieces: every record as it is
 * stored, members and records that we do not understand included. Nothing is settled. Errors: those
 * of `write`, and of grid_store_transact.
 */
int grid_ledger_export(struct grid_store *store, grid_write_fn write, void *context,
                       struct grid_export *ret, struct grid_error *err);

/* The same as a part of a transaction, of what it began with. */
int grid_tx_export(struct grid_tx *tx, grid_write_fn write, void *context, struct grid_export *ret,
                   struct grid_error *err);

/* Reads such a document without importing it. EUSAGE: cut off, or no export; ECONFLICT: of a later
 * version; ENOMEM. `ret` may be NULL. */
int grid_export_read(const char *text, size_t length, struct grid_export *ret,
                     struct grid_error *err);

enum grid_import_mode {
    GRID_IMPORT_EMPTY,   /* only into a ledger that holds nothing, else ECONFLICT */
    GRID_IMPORT_MERGE,   /* what is there stays; the same with other content: ECONFLICT */
    GRID_IMPORT_REPLACE, /* what is there goes, history excepted */
};

/* One document, and how to take it. Strings belong to the caller. */
struct grid_import {
    const char *text;
    size_t length;
    enum grid_import_mode mode;
    bool dry_run;
    const char *reason; /* of the event `restored`: where the document comes from */
    const struct grid_caller *caller; /* who may end what is replaced; NULL: everything */
    grid_decide_fn keep; /* called before anything is replaced, with nobody changing the ledger
                            meanwhile: for a backup by grid_tx_export. Less than 0: nothing is
                            imported. Not called for a dry run; may be NULL. */
    void *keep_context;
};

struct grid_imported {
    size_t boosts, nodes, tickets, events; /* taken over */
    size_t skipped;                        /* were there already, with the same content */
    size_t ended;                          /* boosts that were there and are not in the document */
    int64_t revision;                      /* of the ledger now */
};

/*
 * Takes the document over in one commit: afterwards the ledger is the old one or the new one. Its
 * revision and all later tokens are above every one of the ledger and of the document. Errors: as
 * grid_export_read; ECONFLICT: as the mode says, the message names the first; EREFUSED: merged, a
 * node would lend more than it has; EPERM: it would end somebody else's boost; others as
 * grid_store_transact.
 */
int grid_ledger_import(struct grid_store *store, const struct grid_import *import,
                       struct grid_imported *ret, struct grid_error *err);

#endif
