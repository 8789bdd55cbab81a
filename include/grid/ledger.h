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

#define GRID_NEEDS_MOST 8  /* resources of one request */
#define GRID_GROUP_MOST 16 /* records that one request may make */

/* A request as a person or a script makes it. Strings belong to the caller. */
struct grid_request {
    const char *const *boost_ids; /* fresh version 4 UUIDs, one for each record that it may make: */
    size_t id_count;              /* 1 for one resource of one lender, at most GRID_GROUP_MOST */
    const char *target_node;      /* checked by grid_node_name_check */
    struct {
        const char *resource;     /* upper case, each once */
        int64_t amount_u;
    } needs[GRID_NEEDS_MOST];
    size_t need_count;
    enum grid_priority priority;
    int64_t duration_us;          /* GRID_NEVER for no end; 0: the policy's default */
    const char *source_node;      /* only this lender; NULL: any */
    const char *prefer_node;      /* this one if it can; NULL: none */
    bool split;                   /* several lenders, if none has it all */
    const char *reason, *owner, *host; /* NULL: none */
    const char *request_id;       /* NULL: none. The same key and values again: the same boost */
};

struct grid_grant {
    struct grid_boost boost; /* the first of them */
    bool replayed;    /* the request id was used before, this is that boost, perhaps ended */
    bool unchecked;   /* an open ledger: no node is registered, capacity is not known */
};

#define GRID_REQUEST_MEMORY (24 * GRID_HOUR) /* a request id is known this long after the end */

/* Why one node does not lend (or, of the borrower and the owner, may not borrow) one resource. */
#define GRID_REASONS(X)                                                                          \
    X(TARGET, "is_target", "is the borrower itself")                                             \
    X(UNSHARED, "not_shared", "does not share")                                                  \
    X(LACKING, "lacking", "has less than that to lend")                                          \
    X(HELD, "held", "is on hold")                                                                \
    X(STALE, "stale", "sent no heartbeat")                                                       \
    X(BUSY, "busy", "has less than that left")                                                   \
    X(BORROW, "borrow_limit", "may borrow no more")                                              \
    X(QUOTA, "quota", "the owner's quota is full")                                               \
    X(OTHER, "not_asked", "is not the node asked for")
enum grid_reason_kind {
#define GRID_REASON(name, word, text) GRID_REASON_##name,
    GRID_REASONS(GRID_REASON)
#undef GRID_REASON
};
struct grid_reason {
    const char *node;     /* the lender; of BORROW the borrower, of QUOTA the owner */
    enum grid_reason_kind kind;
    bool never;           /* no waiting helps */
    const char *resource; /* "" when it is not about one */
    int64_t wanted_u, left_u, limit_u; /* left now, and what would be there with nothing lent */
};
const char *grid_reason_word(enum grid_reason_kind kind);
const char *grid_reason_text(enum grid_reason_kind kind);

/* What a refusal explains itself with: called while the decision is made. Any function may be
 * NULL. `starts_us`: from then on it is sure to fit; GRID_NEVER: that is not known. */
struct grid_explain {
    int (*reason)(void *context, const struct grid_reason *reason, struct grid_error *err);
    grid_boost_fn blocking; /* boosts whose end is waited for */
    void *context;
    int64_t starts_us;
};

/*
 * Grants a boost, or, for several resources, a group of them, whole or not at all. `dry_run`: the
 * same decision, nothing is written. *ret is filled on success and with EUNKNOWN (what was granted
 * if it was); `fn` (may be NULL) gets every member after the commit. `explain` may be NULL.
 * ENOTFOUND: the ledger is managed and a node is not registered; EREFUSED: not now; ENEVER: source
 * = target, larger than any node, over a limit, sharing disabled; ECONFLICT: the request id was
 * used with other values; and those of grid_store_transact.
 */
int grid_ledger_request(struct grid_store *store, const struct grid_request *request, bool dry_run,
                        struct grid_explain *explain, struct grid_grant *ret, grid_boost_fn fn,
                        void *context, struct grid_error *err);

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

/* --- nodes and policy ----------------------------------------------------------------------- */

/* Changes *node, which is as it stands (or new, with name, times and can_share set); an error
 * drops all. May run more than once. */
typedef int (*grid_policy_edit_fn)(void *context, struct grid_policy *policy,
                                   struct grid_error *err);
typedef int (*grid_node_edit_fn)(void *context, struct grid_node *node, struct grid_error *err);

/* Registers nodes or changes them, all in one commit. `must`: GRID_NODE_NEW: ECONFLICT when one is
 * there; GRID_NODE_OLD: ENOTFOUND when one is not; GRID_NODE_ANY: either. *ret_node (may be NULL)
 * is the last. `reason` may be NULL. `quiet`: a heartbeat, no event. */
enum grid_node_must { GRID_NODE_ANY, GRID_NODE_NEW, GRID_NODE_OLD };
struct grid_node_change {
    const char *const *names;
    size_t count;
    enum grid_node_must must;
    grid_node_edit_fn edit;
    grid_policy_edit_fn policy; /* changes the policy in the same commit; may be NULL */
    void *context;
    const char *reason;
    bool quiet, dry_run;
};
int grid_ledger_node_set(struct grid_store *store, const struct grid_node_change *change,
                         struct grid_node *ret_node, struct grid_error *err);

/* Removes a node. ECONFLICT while boosts involve it, unless `force`: then they end, and `fn` (may
 * be NULL) gets each. ENOTFOUND. */
int grid_ledger_node_remove(struct grid_store *store, const char *name, bool force,
                            grid_boost_fn fn, void *context, struct grid_error *err);

/* A node, and what it lends and borrows now. */
struct grid_node_view {
    struct grid_node node;
    struct grid_amounts lent, borrowed;
    bool overcommitted; /* it lends more than it may: its capacity was lowered */
    bool held, stale;
};
typedef int (*grid_node_view_fn)(void *context, const struct grid_node_view *view,
                                 struct grid_error *err);

/* Streams the nodes, or, with a name, that one (ENOTFOUND). `mode` as of grid_ledger_list. */
int grid_ledger_nodes(struct grid_store *store, enum grid_mode mode, const char *name,
                      grid_node_view_fn fn, void *context, struct grid_error *err);

/* Reads the policy; changes it. */
int grid_ledger_policy(struct grid_store *store, struct grid_policy *ret, struct grid_error *err);
int grid_ledger_policy_set(struct grid_store *store, grid_policy_edit_fn edit, void *context,
                           const char *reason, struct grid_policy *ret, struct grid_error *err);

#endif
