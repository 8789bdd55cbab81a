/* Operations that change boosts, alone or as parts of a batch. */
#ifndef LEDGER_OP_H
#define LEDGER_OP_H

#include "ledger/settle.h"

/*
 * Each works within a transaction that has been settled. `held` (empty at first) gets the boosts
 * that are handed over beside those of the operation's own changes: what was there already, such as
 * a replay. An error leaves its puts to be undone.
 */
int op_request(struct grid_tx *tx, struct grid_op *op, struct boost_list *held,
               struct grid_error *err);
int op_release(struct grid_tx *tx, struct grid_op *op, struct boost_list *held,
               struct grid_error *err);
int op_extend(struct grid_tx *tx, struct grid_op *op, struct boost_list *held,
              struct grid_error *err);

/* The request in one spelling. ENOMEM. */
int request_spell(const struct grid_request *request, char text[static GRID_REQUEST_SIZE],
                  struct grid_error *err);

/* ECONFLICT unless both spellings are the same. */
int request_same(const char *request_id, const char *then, const char *now,
                 struct grid_error *err);

/* May the caller (NULL: may everything) release and extend it? EPERM says who may. `forced`: only
 * the source node's owner, and root. */
int op_allowed(struct grid_tx *tx, const struct grid_boost *boost,
               const struct grid_caller *caller, bool forced, struct grid_error *err);

/* ENOTFOUND, saying how and when the boost ended. */
int op_ended(const struct grid_boost *boost, struct grid_error *err);

/* As grid_tx_find; ENOTFOUND says so when the id is that of a ticket. */
int op_find(struct grid_tx *tx, const char *id, struct grid_boost *ret, struct grid_error *err);

/* The ticket with this id, or the one that begins so: 1; 0: none. ECONFLICT: several begin so. */
int op_find_ticket(struct grid_tx *tx, const char *id, struct grid_ticket *ret,
                   struct grid_error *err);

#endif
