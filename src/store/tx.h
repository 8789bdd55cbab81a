/* A store and its transaction, as store.c and tx.c share them. */
#ifndef STORE_TX_H
#define STORE_TX_H

#include "store/changes.h"
#include "store/load.h"

struct grid_store {
    const struct grid_store_driver *driver;
    void *db;
    struct grid_store_options options;
    char *actor;
    int64_t now_us; /* of the last transaction */
};

/* What grid_tx_load streams, by names of its own: the driver's sums, read once, and of the changes
 * the first `changes`. */
struct tx_sums {
    struct names names;
    struct load load;
    size_t changes;
    bool read;
};
void tx_sums_release(struct tx_sums *sums);

struct grid_tx {
    struct grid_store *store;
    struct grid_head head;
    struct grid_policy policy; /* own change included */
    struct grid_changes changes;
    int64_t tokens; /* handed out */
    struct names nodes; /* of the driver, for hints, once one was needed */
    bool named;
    struct tx_sums sums;
    grid_after_fn after;
    void *after_context;
};

#endif
