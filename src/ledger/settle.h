/* Settling: what has ended leaves the ledger, before anything is decided. */
#ifndef LEDGER_SETTLE_H
#define LEDGER_SETTLE_H

#include "grid/ledger.h"

/* Ends every boost whose end has come (event `expired`, at the true end) or that another program
 * marked as inactive (event `released`). The first step of every decision; *ret_ended (may be
 * NULL) counts what ended: the first so many changes of the set. */
int ledger_settle(struct grid_tx *tx, size_t *ret_ended, struct grid_error *err);

#endif
