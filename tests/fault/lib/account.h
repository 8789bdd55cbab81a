/* What a ledger says, as text to compare; whether it is sound; whether it goes on. By libgrid. */
#ifndef FAULT_ACCOUNT_H
#define FAULT_ACCOUNT_H

#include "grid/grid.h"

/* Lines, sorted: its boosts, nodes, tickets, policy and backups, and the events of its history but
 * for that it was restored. The first id, and the highest token or revision of them all. */
struct account {
    char *text; /* the caller's, for free(); NULL: it could not be read, and err says why */
    char first[GRID_ID_SIZE];
    int64_t highest;
    struct grid_error err;
};
void account_take(const char *directory, struct account *ret);

/* 0: sound; otherwise err says what is damaged. */
int account_check(const char *directory, struct grid_error *err);

/* The next commands: a small request to gpu-master, the release of what it got, and a look at the
 * backups that removes leftovers. `account`, taken before, is then that of the ledger as it is now.
 * Nothing else may have changed, and tokens rise. Non-zero: err says what is wrong. */
int account_go_on(const char *directory, struct account *account, struct grid_error *err);

/* Are these bytes of a damaged state still there, in the state file or set aside? */
bool account_keeps(const char *directory, const void *bytes, size_t length);

/* Adds boosts that have ended and are still there, as many as `count`. */
int account_add_ended(const char *directory, int count, struct grid_error *err);

#endif
