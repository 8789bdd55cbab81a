/* Looking: what lives, one boost, what happened. */
#include "ledger/op.h"
#include "ledger/queue.h"

#include <string.h>

struct listing {
    const struct grid_boost_filter *filter;
    grid_boost_fn fn;
    void *context;
};

static int list(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct listing *listing = context;
    int rc = ledger_settle(tx, err);
    if (rc == 0)
        rc = grid_tx_boosts(tx, listing->filter, listing->fn, listing->context, err);
    return rc < 0 ? rc : 0;
}

static int tidy(struct grid_tx *tx, void *context, struct grid_error *err)
{
    (void)context;
    int rc = ledger_settle(tx, err);
    return rc ?: queue_promote(tx, err);
}

int grid_ledger_list(struct grid_store *store, enum grid_mode mode,
                     const struct grid_boost_filter *filter, grid_boost_fn fn, void *context,
                     struct grid_error *err)
{
    struct listing listing = {filter, fn, context};
    struct grid_commit read;
    int rc = grid_store_transact(store, mode == GRID_TIDY ? GRID_READ : mode, list, &listing, &read,
                                 err);
    if (rc == 0 && mode == GRID_TIDY && read.changes > 0)
        (void)grid_store_transact(store, GRID_TIDY, tidy, NULL, NULL, NULL);
    return rc;
}

struct showing {
    const char *id;
    struct grid_boost *ret;
    grid_boost_fn fn;
    void *context;
};

static int show_other(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    const struct showing *showing = context;
    if (strcmp(boost->boost_id, showing->ret->boost_id) == 0)
        return 0;
    return showing->fn(showing->context, boost, err);
}

static int show(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct showing *showing = context;
    struct grid_boost_filter group = {.group_id = showing->ret->group_id};
    int rc = ledger_settle(tx, err);
    if (rc == 0)
        rc = op_find(tx, showing->id, showing->ret, err);
    if (rc == 0 && showing->fn)
        rc = showing->fn(showing->context, showing->ret, err);
    if (rc == 0 && showing->fn && showing->ret->group_id[0])
        rc = grid_tx_boosts(tx, &group, show_other, showing, err);
    return rc < 0 ? rc : 0;
}

int grid_ledger_show(struct grid_store *store, const char *id, struct grid_boost *ret,
                     grid_boost_fn fn, void *context, struct grid_error *err)
{
    struct showing showing = {id, ret, fn, context};
    return grid_store_transact(store, GRID_READ, show, &showing, NULL, err);
}

struct reading {
    const struct grid_event_filter *filter;
    grid_event_fn fn;
    void *context;
};

static int read_events(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct reading *reading = context;
    int rc = ledger_settle(tx, err);
    if (rc == 0)
        rc = grid_tx_events(tx, reading->filter, reading->fn, reading->context, err);
    return rc < 0 ? rc : 0;
}

int grid_ledger_history(struct grid_store *store, const struct grid_event_filter *filter,
                        grid_event_fn fn, void *context, struct grid_error *err)
{
    struct reading reading = {filter, fn, context};
    return grid_store_transact(store, GRID_READ, read_events, &reading, NULL, err);
}
