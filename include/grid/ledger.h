/* The decisions: who gets what, until when, and why not. Each function is one transaction. */
#ifndef GRID_LEDGER_H
#define GRID_LEDGER_H

#include "grid/store.h"

/*
 * Every function here begins by settling the ledger: what has ended by the store's clock leaves it,
 * each with an event. A decision that changes nothing else commits that too; one that fails or only
 * reads drops it. So capacity that has come free is free for everyone at once, and nothing depends
 * on a daemon or on `grid boost cleanup`. What is handed over is as of grid_store_now.
 */

/* A request as a person or a script makes it. Strings belong to the caller. */
struct grid_request {
    const char *boost_id;      /* the id that the boost gets: a fresh version 4 UUID */
    const char *target_node;   /* checked by grid_node_name_check */
    const char *resource_type; /* upper case */
    int64_t amount_u;
    enum grid_priority priority;
    int64_t duration_us;       /* GRID_NEVER for no end */
    const char *source_node;   /* NULL: any */
    const char *reason, *owner, *host; /* NULL: none */
    const char *request_id;    /* NULL: none. The same key and values again is the same boost */
};

struct grid_grant {
    struct grid_boost boost;
    bool replayed;    /* the request id was used before, this is that boost, perhaps ended */
    bool unchecked;   /* an open ledger: no node is registered, capacity is not known */
};

#define GRID_REQUEST_MEMORY (24 * GRID_HOUR) /* a request id is known this long after the end */

/*
 * Grants a boost. `dry_run`: the same decision, nothing is written. *ret is filled on success and
 * with EUNKNOWN (what was granted if it was).
 * EREFUSED, ENEVER (source = target, ...); ECONFLICT: the request id was used with other values;
 * and those of grid_store_transact.
 */
int grid_ledger_request(struct grid_store *store, const struct grid_request *request, bool dry_run,
                        struct grid_grant *ret, struct grid_error *err);

/*
 * Streams the boosts that match and live (state active or scheduled) to `fn`. `mode` is GRID_PEEK
 * or GRID_READ; or GRID_TIDY: when something has ended since the last commit, that is written
 * afterwards, if the lock is free at once; a store that cannot be written is no error.
 */
int grid_ledger_list(struct grid_store *store, enum grid_mode mode,
                     const struct grid_boost_filter *filter, grid_boost_fn fn, void *context,
                     struct grid_error *err);

/* The boost that `id` names (see grid_tx_find), living or ended; and to `fn` (may be NULL) first
 * that one, then the others of its group that live. */
int grid_ledger_show(struct grid_store *store, const char *id, struct grid_boost *ret,
                     grid_boost_fn fn, void *context, struct grid_error *err);

/*
 * Releases boosts. `ids` (count of them): each is looked up first; one that is not found or
 * ambiguous fails the whole call, which then changes nothing. One that has ended before is no
 * error: `fn` gets it as it ended. With count 0 all that live and match `filter` are released.
 * `reason` may be NULL. `fn` (may be NULL) gets each boost as it is afterwards, after the commit
 * (with `dry_run`: as it would be).
 */
struct grid_release {
    const char *const *ids;
    size_t count;
    struct grid_boost_filter filter;
    const char *reason;
    bool dry_run;
};
int grid_ledger_release(struct grid_store *store, const struct grid_release *release,
                        grid_boost_fn fn, void *context, struct grid_error *err);

/* Only settles. `fn` gets each boost that ended, as it ended. */
int grid_ledger_cleanup(struct grid_store *store, bool dry_run, grid_boost_fn fn, void *context,
                        struct grid_error *err);

/* Streams events, newest first. Those that settling would make now are among them. */
int grid_ledger_history(struct grid_store *store, const struct grid_event_filter *filter,
                        grid_event_fn fn, void *context, struct grid_error *err);

#endif
