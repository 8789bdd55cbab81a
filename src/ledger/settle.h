/* What every decision begins and ends with: settling, and handing over. */
#ifndef LEDGER_SETTLE_H
#define LEDGER_SETTLE_H

#include "grid/ledger.h"

/*
 * Brings the ledger to the transaction's time: ends every boost whose end has come (event
 * `expired`, at the true end) or that another program marked as inactive (`released`), marks what
 * has started (`started`; whole GPUs get their devices then), withdraws tickets whose waiter is
 * gone. Costs a look at each index entry when nothing is due.
 */
int ledger_settle(struct grid_tx *tx, struct grid_error *err);

/* A list of boosts that a decision works on, or hands over: at most a few dozen. */
struct boost_list {
    struct grid_boost *at;
    size_t count, room;
};
void boost_list_release(struct boost_list *list);
#define auto_boosts __attribute__((cleanup(boost_list_release)))

/* Makes room for so many in all: until there are more, boost_list_add does not fail. ENOMEM. */
int boost_list_reserve(struct boost_list *list, size_t count, struct grid_error *err);

/* A grid_boost_fn that appends to the list that is its context. ENOMEM. */
int boost_list_add(void *list, const struct grid_boost *boost, struct grid_error *err);

/* A grid_boost_fn that copies the boost to its context, and stops with 1. */
int boost_take(void *boost, const struct grid_boost *found, struct grid_error *err);

/* The boost and the others of its group that live; *ret is emptied first. */
int ledger_group(struct grid_tx *tx, const struct grid_boost *boost, struct boost_list *ret,
                 struct grid_error *err);

/* Hands over the boosts of the changes from `begins` up to `ends` as their events have them; those
 * of tickets and of victims left out. Stops as a stream does. */
int ledger_hand_over(const struct grid_changes *changes, size_t begins, size_t ends,
                     grid_boost_fn fn, void *context, struct grid_error *err);

#endif
