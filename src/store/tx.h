/* A store and its transaction, as store.c and tx.c share them. */
#ifndef STORE_TX_H
#define STORE_TX_H

#include "store/changes.h"

struct grid_store {
    const struct grid_store_driver *driver;
    void *db;
    struct grid_store_options options;
    char *actor;
    int64_t now_us; /* of the last transaction */
};

struct grid_tx {
    struct grid_store *store;
    struct grid_head head;
    struct grid_policy policy; /* own change included */
    struct grid_changes changes;
    int64_t tokens; /* handed out */
    grid_after_fn after;
    void *after_context;
};

#endif
