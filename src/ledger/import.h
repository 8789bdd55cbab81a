/* An import under way, as its two halves share it. */
#ifndef LEDGER_IMPORT_H
#define LEDGER_IMPORT_H

#include "ledger/dump.h"

struct importing {
    const struct grid_import *import;
    struct document document;
    struct grid_imported *ret;
    size_t taken;     /* records, of whatever kind */
    int64_t seen;     /* the highest revision or token in the document */
    bool has_history; /* the ledger has events of its own: those of the document stay out */
    uint64_t *living; /* of the ids of boosts that are there, hashes, sorted */
    size_t living_count, living_capacity;
    char **texts;     /* of unsound records, decoded */
    size_t text_count, text_capacity;
};

/* One array of the document, on its way into a transaction. */
struct taking {
    struct grid_tx *tx;
    struct importing *importing;
    enum grid_subject subject;
};

/* --- import_text.c: what is kept as text alone --- */

/* {"of": "boosts", "text": "..."}, a record that is not sound. `context` is the struct taking.
 * EUSAGE: it is none; ENOMEM, ... */
int import_unsound(void *context, size_t index, struct span value, struct grid_error *err);

/* A member of another program. EUSAGE: it is one of ours; ECONFLICT: merged, the ledger has it with
 * another value; ENOMEM, ... */
int import_member(void *context, struct span key, struct span value, struct grid_error *err);

#endif
