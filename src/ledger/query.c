/* Looking: what lives, one boost, what happened. */
#include "ledger/settle.h"

struct listing {
    const struct grid_boost_filter *filter;
    grid_boost_fn fn;
    void *context;
    int64_t *ret_now_us;
};

static int list(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct listing *listing = context;
    if (listing->ret_now_us)
        *listing->ret_now_us = grid_tx_now(tx);
    int rc = ledger_settle(tx, NULL, err);
    if (rc == 0)
        rc = grid_tx_boosts(tx, listing->filter, listing->fn, listing->context, err);
    return rc < 0 ? rc : 0;
}

static int settle_only(struct grid_tx *tx, void *context, struct grid_error *err)
{
    (void)context;
    return ledger_settle(tx, NULL, err);
}

int grid_ledger_list(struct grid_store *store, const struct grid_boost_filter *filter,
                     grid_boost_fn fn, void *context, int64_t *ret_now_us, struct grid_error *err)
{
    struct listing listing = {filter, fn, context, ret_now_us};
    struct grid_commit read;
    int rc = grid_store_transact(store, GRID_READ, list, &listing, &read, err);
    if (rc == 0 && read.changes > 0) /* writing it down as well is a courtesy to cron */
        (void)grid_store_transact(store, GRID_TIDY, settle_only, NULL, NULL,
                                  &(struct grid_error){0});
    return rc;
}

struct showing {
    const char *id;
    struct grid_boost *ret;
    int64_t *ret_now_us;
};

static int show(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct showing *showing = context;
    if (showing->ret_now_us)
        *showing->ret_now_us = grid_tx_now(tx);
    int rc = ledger_settle(tx, NULL, err);
    return rc < 0 ? rc : grid_tx_find(tx, showing->id, showing->ret, err);
}

int grid_ledger_show(struct grid_store *store, const char *id, struct grid_boost *ret,
                     int64_t *ret_now_us, struct grid_error *err)
{
    struct showing showing = {id, ret, ret_now_us};
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
    int rc = ledger_settle(tx, NULL, err);
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
