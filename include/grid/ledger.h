/* The decisions: who gets what, until when, and why not. Each function is one transaction. */
#ifndef GRID_LEDGER_H
#define GRID_LEDGER_H

#include "grid/store.h"

/*
 * Every function here begins by settling the ledger: what has ended by the store's clock leaves it,
 * what starts is marked as started, tickets whose waiter is gone are withdrawn, each with an event.
 * And each that changes something ends by promoting: the tickets that fit now are granted, in their
 * order. A decision that changes nothing else commits that too; one that fails or only reads drops
 * it. So capacity that has come free is free for everyone at once, and nothing depends on a daemon
 * or on `grid boost cleanup`. What is handed over is as of grid_store_now.
 */

#define GRID_GROUP_MOST 16 /* records that one request may make */

/* Who calls, by the kernel's word. NULL where one is asked for: whoever may do everything. */
struct grid_caller {
    const char *user;
    bool is_root;
};

/* A request as a person or a script makes it. Strings belong to the caller. */
struct grid_request {
    const char *boost_id;         /* a fresh version 4 UUID; further members of a group get ids that
                                     are derived from it (grid_member_id) */
    const char *target_node;      /* checked by grid_node_name_check */
    struct grid_need needs[GRID_NEEDS_MOST];
    size_t need_count;
    enum grid_priority priority;
    int64_t duration_us;          /* GRID_NEVER for no end; 0: the policy's default */
    int64_t start_us;             /* a reservation that starts then; 0: now. in the past: EUSAGE */
    int64_t lease_us;             /* granted for so long, renewable up to the duration; 0: whole */
    const char *source_node;      /* only this lender; NULL: any */
    const char *prefer_node;      /* this one if it can; NULL: none */
    bool split;                   /* several lenders, if none has it all */
    bool preempt;                 /* may end boosts of strictly lower priority */
    const char *reason, *owner, *host; /* NULL: none */
    const char *request_id;       /* NULL: none. The same key and values again: the same boost */
};

/* The id of member `index` of the group of `boost_id`; 0: that id itself. Its first eight digits
 * differ, so that members are told apart by their beginnings. */
void grid_member_id(const char *boost_id, size_t index, char ret[static GRID_ID_SIZE]);

struct grid_grant {
    struct grid_boost boost; /* the first of them */
    bool replayed;    /* the request id was used before, this is that boost, perhaps ended */
    bool unchecked;   /* an open ledger: no node is registered, capacity is not known */
};

#define GRID_REQUEST_MEMORY (24 * GRID_HOUR) /* a request id is known this long after the end */

/* Why one node does not lend (or, of the borrower and the owner, may not borrow) one resource: the
 * word in JSON, and a text for people: "gpu1 has < of = % left", where < stands for left_u, = for
 * limit_u, and % for the resource. */
#define GRID_REASONS(X)                                                                          \
    X(TARGET, "is_target", "is the borrower itself")                                             \
    X(UNSHARED, "not_shared", "does not share")                                                  \
    X(LACKING, "lacking", "lends = % at most")                                                   \
    X(HELD, "held", "is on hold")                                                                \
    X(STALE, "stale", "sent no heartbeat")                                                       \
    X(BUSY, "busy", "has < of = % left")                                                         \
    X(PROMISED, "promised", "is promised to an earlier request in the queue")                    \
    X(BORROW, "borrow_limit", "may borrow < more of = %")                                        \
    X(QUOTA, "quota", "has < of a quota of = % left")                                            \
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
    int64_t wanted_u, left_u, limit_u; /* left for its time, and with nothing lent; millionths, or
                                          bytes of MEMORY */
    int64_t hold_until_us;  /* of HELD; GRID_NEVER: until it is resumed; */
    const char *text;       /* and why, or ""; NULL of others */
    int64_t last_seen_us, stale_after_us; /* of STALE: its last heartbeat, and how old it may be */
};
const char *grid_reason_word(enum grid_reason_kind kind);
const char *grid_reason_text(enum grid_reason_kind kind);

/* What a refusal explains itself with: called while the decision is made. Any function may be
 * NULL. `starts_us`: from then on it is sure to fit, once those that wait before it have theirs;
 * GRID_NEVER: that is not known. */
struct grid_explain {
    void (*restart)(void *context); /* the decision is made (again): forget what was told */
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
 * = target, larger than any node, over a limit, sharing disabled; EUSAGE: a start in the past;
 * ECONFLICT: the request id was used with other values; and those of grid_store_transact.
 *
 * With `preempt`, what does not fit ends boosts of strictly lower priority of one lender: none that
 * is within its protected time, the lowest priority first, then the youngest, never more than are
 * needed, none if that would not do. Their end becomes now + the policy's grace, and the boost
 * starts then; also where a lender has room by then anyway.
 *
 * While tickets wait, a request that is not before the first of them (higher priority) is granted
 * only if the start that is promised to that one stands.
 */
int grid_ledger_request(struct grid_store *store, const struct grid_request *request, bool dry_run,
                        struct grid_explain *explain, struct grid_grant *ret, grid_boost_fn fn,
                        void *context, struct grid_error *err);

/*
 * The same, but what is refused for now waits: its ticket stands in the queue until it is granted,
 * `wait_us` are over (ETIMEOUT) or `stop_fd` (-1: none) is readable (EINTERRUPTED), and what waits
 * is withdrawn. Also waits for the start of what was granted to start later (a pre-empting
 * request). GRID_NEVER: no time-out. A second call with the request id of a ticket that waits joins
 * it, and leaves without it. `queued` (may be NULL) is told that the waiting begins: position from
 * 1 (0: granted, to start later), and the promised start or GRID_NEVER. Killed while waiting: the
 * ticket, or the boost that it got, lapses after GRID_TICKET_LEASE. Where it lapses while this
 * process lives (it slept, or the clock was set forward), another ticket is taken, the last of its
 * priority, and `queued` told again; but with a request id not after a boost that it got.
 * Errors as above, and: ETIMEOUT: it did not fit in time, or the ticket was withdrawn, or what it
 * got released, by somebody else, or that lapsed with a request id; EINTERRUPTED: stop_fd.
 */
struct grid_waiting {
    int64_t wait_us;
    int stop_fd;
    void (*queued)(void *context, size_t position, int64_t promised_us);
    void (*committed)(void *context); /* after each commit on the way; may use the store, briefly */
    void *context;
};
int grid_ledger_wait(struct grid_store *store, const struct grid_request *request,
                     const struct grid_waiting *waiting, struct grid_explain *explain,
                     struct grid_grant *ret, grid_boost_fn fn, void *context,
                     struct grid_error *err);

/* --- changing boosts ------------------------------------------------------------------------ */

/*
 * Releases boosts. `ids` (count of them): each is looked up first; one that is not found or
 * ambiguous fails the whole call, which then changes nothing. One that has ended before is no
 * error: `fn` gets it as it ended. The id of a ticket withdraws it; `fn` gets grid_ticket_boost of
 * it, released. With count 0 all that live and match `filter` are released. `reason` may be NULL.
 * `fn` (may be NULL) gets each boost as it is afterwards, after the commit (with `dry_run`: as it
 * would be). EPERM: the caller is neither its owner, nor the owner of its source node, nor root; or
 * `force`d it without being one of the last two.
 */
struct grid_release {
    const char *const *ids;
    size_t count;
    struct grid_boost_filter filter;
    const char *reason;
    const struct grid_caller *caller;
    bool force; /* the reason says "forced" in the event */
    bool dry_run;
};
int grid_ledger_release(struct grid_store *store, const struct grid_release *release,
                        grid_boost_fn fn, void *context, struct grid_error *err);

/*
 * Moves the end of a boost, and of its group. Exactly one of by_us (from its end), for_us (from
 * now), until_us is not 0. Checked like a request over the time that is added, against the lender,
 * the borrower, the owner, what starts later, and what is promised to the head of the queue; never
 * past the policy's max_duration from its first start. *ret is the boost that `id` names, as it is
 * then; `fn` (may be NULL) gets every member after the commit.
 * ENOTFOUND: ended (the message says how) or never seen; EPERM as above; EREFUSED: it does not fit,
 * and the longest end that fits is in the message and in *ret_fits_us (may be NULL; 0 with other
 * errors); ENEVER: earlier without `shorten`, past max_duration; `best_effort`: takes the longest
 * end that fits instead (EREFUSED still when nothing can be added).
 */
struct grid_extend {
    const char *id;
    int64_t by_us, for_us, until_us; /* GRID_NEVER: no end, if no limit says otherwise */
    bool shorten, best_effort, dry_run;
    const char *reason;
    const struct grid_caller *caller;
};
int grid_ledger_extend(struct grid_store *store, const struct grid_extend *extend,
                       int64_t *ret_fits_us, struct grid_boost *ret, grid_boost_fn fn,
                       void *context, struct grid_error *err);

/*
 * One of several operations of one transaction; `fn` gets its boosts after the commit. Of a request
 * `explain` may be NULL and `grant` is where its result goes.
 */
struct grid_op {
    const struct grid_request *request; /* exactly one of these three is not NULL */
    const struct grid_release *release;
    const struct grid_extend *extend;
    struct grid_explain *explain;
    struct grid_grant *grant;
    grid_boost_fn fn;
    void *context;
    int rc;                /* its outcome: 0 or a code, with err set; */
    struct grid_error err;
    int64_t fits_us;       /* as ret_fits_us */
    struct grid_boost boost; /* of an extension: *ret */
    int64_t pickup_us;     /* over 0: a boost that starts later is on a lease of this length */
    size_t begins, ends;   /* private: its changes in the set */
};

/*
 * Tries each operation in its order, in one commit. One that fails changes nothing and does not
 * stop the others, unless `atomic`: then nothing is changed by any, and the rc of the first that
 * failed is returned (and is that one's; those of the others stay 0). Otherwise 0, or what
 * grid_store_transact says.
 */
int grid_ledger_batch(struct grid_store *store, struct grid_op *ops, size_t count, bool atomic,
                      bool dry_run, struct grid_error *err);

/*
 * Renews the lease of a boost, and of its group: its end becomes now + lease_us, never past
 * renews_until_us and never earlier than it is. Quiet: no event, no generation. `token` (0: any)
 * must be its own. *ret is the boost then; its preempted_by says that it ends early.
 * ENOTFOUND: it has ended, and how; ECONFLICT: another token.
 */
int grid_ledger_renew(struct grid_store *store, const char *id, int64_t token, int64_t lease_us,
                      struct grid_boost *ret, struct grid_error *err);

/* Stores what the hook `granted` answered: a quiet change. ENOTFOUND: it has ended. */
int grid_ledger_place(struct grid_store *store, const char *id, const char *placement_group,
                      struct grid_error *err);

/*
 * Only settles and promotes. `fn` gets each boost that ended, as it ended. With `expiring_us` over
 * 0 each that ends within that time and was not told of before is marked, quietly, and handed to
 * `expiring`.
 */
struct grid_cleanup {
    bool dry_run;
    int64_t expiring_us;
    grid_boost_fn fn, expiring; /* may be NULL */
    void *context;
};
int grid_ledger_cleanup(struct grid_store *store, const struct grid_cleanup *cleanup,
                        struct grid_error *err);

/*
 * After a clock that ran ahead: boosts, nodes and tickets from the future are from now on, and keep
 * the terms that they have; each with an event, and told to `fn` once it is done. `ahead`: the last
 * change lies in the future, too, as grid_store_check finds out (GRID_FINDING_CLOCK); then there is
 * a commit in any case, whose time takes its place.
 */
int grid_ledger_reset_clock(struct grid_store *store, bool ahead, grid_finding_fn fn,
                            void *context, struct grid_error *err);

/* --- looking -------------------------------------------------------------------------------- */

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

/* Is this lease still held? `token` 0: any; it must last min_remaining_us more (0: be active).
 * *ret is the boost. ENOTFOUND: ended, and how, or never seen; ECONFLICT: another token; EREFUSED:
 * less time left, or it has not started yet. */
int grid_ledger_check(struct grid_store *store, const char *id, int64_t token,
                      int64_t min_remaining_us, struct grid_boost *ret, struct grid_error *err);

/* Streams events, newest first. Those that settling would make now are among them. */
int grid_ledger_history(struct grid_store *store, const struct grid_event_filter *filter,
                        grid_event_fn fn, void *context, struct grid_error *err);

/* A stretch of time in which one lender has all that is asked for. */
struct grid_slot {
    int64_t start_us, end_us; /* GRID_NEVER: no end is known */
    const char *source_node;  /* as long as the call lasts */
};
typedef int (*grid_slot_fn)(void *context, const struct grid_slot *slot, struct grid_error *err);

/* Streams the first `most` stretches that begin at after_us (0: now) or later and last for the
 * request's duration at least, by start, then by name of the lender. Of the request count needs,
 * duration_us, source_node. ENEVER: the ledger is open, or no node ever has so much; ENOTFOUND: no
 * such node. */
int grid_ledger_free(struct grid_store *store, const struct grid_request *request,
                     int64_t after_us, size_t most, grid_slot_fn fn, void *context,
                     struct grid_error *err);

/* A ticket as it stands in the queue: position from 1; the start that is promised to it, if all
 * before it start when it is promised to them; GRID_NEVER: that is not known. */
struct grid_ticket_view {
    struct grid_ticket ticket;
    size_t position;
    int64_t promised_us;
};
typedef int (*grid_ticket_view_fn)(void *context, const struct grid_ticket_view *view,
                                   struct grid_error *err);
int grid_ledger_queue(struct grid_store *store, grid_ticket_view_fn fn, void *context,
                      struct grid_error *err);

/* --- nodes and policy ----------------------------------------------------------------------- */

/* A node, and what it lends and borrows now. */
struct grid_node_view {
    struct grid_node node;
    struct grid_amounts lent, borrowed;
    bool overcommitted; /* it lends more than it may: its capacity was lowered */
    bool held, stale;
};
typedef int (*grid_node_view_fn)(void *context, const struct grid_node_view *view,
                                 struct grid_error *err);

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
    grid_node_view_fn view;  /* gets each node as it is then, after the commit; may be NULL */
    void *view_context;
};
int grid_ledger_node_set(struct grid_store *store, const struct grid_node_change *change,
                         struct grid_node *ret_node, struct grid_error *err);

/* Removes a node. ECONFLICT while boosts involve it, unless `force`: then they end, and `fn` (may
 * be NULL) gets each. ENOTFOUND. */
int grid_ledger_node_remove(struct grid_store *store, const char *name, bool force,
                            grid_boost_fn fn, void *context, struct grid_error *err);

/* Streams the nodes, or, with a name, that one (ENOTFOUND). `mode` as of grid_ledger_list. */
int grid_ledger_nodes(struct grid_store *store, enum grid_mode mode, const char *name,
                      grid_node_view_fn fn, void *context, struct grid_error *err);

/* Reads the policy; changes it. */
int grid_ledger_policy(struct grid_store *store, struct grid_policy *ret, struct grid_error *err);
int grid_ledger_policy_set(struct grid_store *store, grid_policy_edit_fn edit, void *context,
                           const char *reason, struct grid_policy *ret, struct grid_error *err);

#endif
