/* The store: where a ledger lives, and the one way to read and change it. */
#ifndef GRID_STORE_H
#define GRID_STORE_H

#include "grid/event.h"
#include "grid/node.h"
#include "grid/ticket.h"

/*
 * The calling sequence
 * ====================
 *
 * A ledger is read and changed in transactions, and in no other way:
 *
 *     struct grid_store *store;
 *     grid_store_open(&options, &store, err);
 *     grid_store_transact(store, GRID_WRITE, decide, &context, &commit, err);
 *     grid_store_close(store);
 *
 * grid_store_transact begins a transaction of the driver, and calls `decide` with it:
 *
 *     static int decide(struct grid_tx *tx, void *context, struct grid_error *err)
 *     {
 *         clear what an earlier run of this function left in *context;
 *         look: grid_tx_now, _find, _boosts, _events;
 *         decide; on a refusal: return grid_error_set(err, GRID_EREFUSED, ...);
 *         grid_tx_put_boost(tx, was, now, GRID_EVENT_..., at, reason, err);
 *         return 0;
 *     }
 *
 * Nothing is written while `decide` runs. What it puts goes into a change-set, which the reads of
 * the same transaction see; when it returns 0 the driver is given the whole set, once, to commit.
 * From this follows nearly everything:
 *
 *   - A `decide` that fails changes nothing. A refusal leaves no trace.
 *   - GRID_READ is the same without the commit: the set is dropped. This is --dry-run, and it is
 *     how readers apply the rule that what has ended no longer counts.
 *   - A set without changes is not committed: a command that changes nothing writes nothing.
 *   - A driver that locks runs `decide` once. A driver that does not may find at the commit that
 *     another writer was faster; it says ECONFLICT, the set is emptied, and `decide` runs again on
 *     the new state. So `decide` clears its result first, and takes time, revision and tokens from
 *     the transaction, ids from its context (the same in each run), and nothing from outside.
 *
 * The outcome of a commit is one of three. 0: it is durable. GRID_EUNKNOWN: it may have been made
 * (the reply was lost, or the last step of making it durable failed); the context holds the result
 * that it then has. Any other code: nothing happened.
 *
 * Revisions and tokens: each commit has a revision above all earlier ones, in whichever order
 * files were lost, restored or put back. A transaction that hands out n tokens commits as the last
 * of them, so that tokens need no counter of their own and rise as revisions do.
 */

enum grid_mode {
    GRID_PEEK,  /* as GRID_READ, without notes: never locks, never repairs (completion) */
    GRID_READ,  /* a snapshot; what `decide` puts is dropped */
    GRID_TIDY,  /* as GRID_WRITE, if nobody else is writing (ETIMEOUT at once), without notes */
    GRID_WRITE, /* alone, or the commit notices that it was not */
    GRID_SALVAGE, /* as GRID_WRITE; of a ledger that is damaged, with no earlier state to go back
                     to, it begins with what can be read: the commit keeps the damaged bytes */
};

/* A note on the way: something that a person should know, though it is no failure. `text` is one
 * line, lower case, gone after the call. */
enum grid_note_level { GRID_NOTE_WARNING, GRID_NOTE_INFO, GRID_NOTE_VERBOSE };
typedef void (*grid_note_fn)(void *context, enum grid_note_level level, const char *text);

/* Told of an event; as long as the call lasts. It must not use the store. */
typedef void (*grid_event_tell_fn)(void *context, const struct grid_event *event);

#define GRID_GENERATIONS 5

/* How to open a store. Strings belong to the caller and are copied. */
struct grid_store_options {
    const char *url;         /* "file:DIR" or a path with a '/'; "memory:NAME" (tests) */
    const char *actor;       /* "user@host", written into events */
    int64_t lock_timeout_us; /* how long a writer waits for its turn; 0: not at all */
    int keep_generations;    /* earlier states to keep; 0: GRID_GENERATIONS */
    grid_note_fn note;       /* may be NULL */
    void *note_context;
    grid_event_tell_fn event; /* told of each event of a commit that was made (not of one whose
                                 outcome is unknown), in order, outside the lock; may be NULL */
    void *event_context;
};

/* Revisions, and so tokens, are below this: at a thousand a second it lasts for ever. */
#define GRID_REVISION_MAX (INT64_C(1) << 52)

struct grid_store;
struct grid_tx;

/* What a transaction came to. */
struct grid_commit {
    bool committed;   /* something was to be written, and was (or GRID_EUNKNOWN was returned) */
    int64_t revision; /* of the ledger now */
    int64_t now_us;   /* the time of the decision */
    size_t changes;   /* in the set, committed or dropped */
};

/* Runs inside a transaction; see above. Returns 0, or a negative code with err set. */
typedef int (*grid_decide_fn)(struct grid_tx *tx, void *context, struct grid_error *err);

/*
 * Opens the store that options->url names. Opening creates and reads nothing: the first
 * transaction does. *ret is the caller's, for grid_store_close, which takes NULL, too. EUSAGE: an
 * unknown scheme or a bad URL; ENOMEM.
 */
int grid_store_open(const struct grid_store_options *options, struct grid_store **ret,
                    struct grid_error *err);
void grid_store_close(struct grid_store *store);

/*
 * Runs `decide` in a transaction, as above. `ret` (may be NULL) is filled on success and with
 * EUNKNOWN. Errors: those of `decide`; ETIMEOUT: the lock, or one lost race after the other for
 * lock_timeout_us; ECORRUPT: damaged, and nothing to go back to; EIO; EUNKNOWN; ENOMEM.
 */
int grid_store_transact(struct grid_store *store, enum grid_mode mode, grid_decide_fn decide,
                        void *context, struct grid_commit *ret, struct grid_error *err);

/*
 * Waits until somebody has changed the ledger since this store's last transaction began (or its own
 * commit was made), `wait_us` are over, a signal was caught, or `stop_fd` (-1: none) is readable.
 * It may return early; the caller looks again. Between transactions only. EIO.
 */
int grid_store_watch(struct grid_store *store, int64_t wait_us, int stop_fd,
                     struct grid_error *err);

/* The time of the transaction that runs, or of the last one; 0 before the first. What a list says
 * of the time that is left counts from here. */
int64_t grid_store_now(const struct grid_store *store);

/* --- inside a transaction ----------------------------------------------------------------- */

/* The store's clock at the beginning, the same for the whole transaction. */
int64_t grid_tx_now(const struct grid_tx *tx);

/* The highest revision that is known, which the state may be behind. */
int64_t grid_tx_revision(const struct grid_tx *tx);

/* A fencing token above every one handed out before. */
int64_t grid_tx_token(struct grid_tx *tx);

/*
 * Streams the boosts that match, own changes included: those come after all others, or, with
 * newest_first, before. `fn` may put changes, which this stream then does not show; it must not
 * read. Returns 0, or what `fn` stopped it with.
 */
int grid_tx_boosts(struct grid_tx *tx, const struct grid_boost_filter *filter, grid_boost_fn fn,
                   void *context, struct grid_error *err);

/* Streams the events that match, newest first, those of own changes included. Same returns. */
int grid_tx_events(struct grid_tx *tx, const struct grid_event_filter *filter, grid_event_fn fn,
                   void *context, struct grid_error *err);

/*
 * The boost with this id, or the one whose id begins with it (4 or more bytes; an id that is equal
 * wins over ids that begin so). One that has ended is looked for in the events when no living one
 * matches; its `ended` and `ended_us` say how and when.
 * ENOTFOUND; ECONFLICT: several begin so, the message names them; EUSAGE: fewer than 4 bytes.
 */
int grid_tx_find(struct grid_tx *tx, const char *id, struct grid_boost *ret,
                 struct grid_error *err);

/* Is any node registered, sound or not? Then capacity is known, and counts. Own changes included,
 * as in all that follows. */
bool grid_tx_managed(struct grid_tx *tx);
const struct grid_policy *grid_tx_policy(const struct grid_tx *tx);

/* Streams the registered nodes, in the order of registration. */
int grid_tx_nodes(struct grid_tx *tx, grid_node_fn fn, void *context, struct grid_error *err);

/* The node with this name. ENOTFOUND, with the nearest name as a hint; ECORRUPT: it has a record
 * that is not sound, so that nobody registers a second one. */
int grid_tx_node(struct grid_tx *tx, const char *name, struct grid_node *ret,
                 struct grid_error *err);

/* What a node lends and borrows of one resource at the time of the transaction. The strings are
 * gone after the call. */
struct grid_load {
    const char *node, *resource;
    int64_t lent_u, borrowed_u;
    bool later; /* a boost of it starts later, and is not counted */
};
typedef int (*grid_load_fn)(void *context, const struct grid_load *load, struct grid_error *err);

/* Streams the sums of all nodes and resources that boosts name, registered or not. Costs a look at
 * each boost's index entry at most; exact after settling. */
int grid_tx_load(struct grid_tx *tx, grid_load_fn fn, void *context, struct grid_error *err);

/*
 * Changes one boost. `was` NULL: a new one; `now` NULL: it ends (and leaves the ledger; the event
 * keeps it as `was` says). `at_us` is when it happened, `reason` may be NULL. With
 * GRID_EVENT_QUIET no event is written. The values are copied. ENOMEM.
 */
int grid_tx_put_boost(struct grid_tx *tx, const struct grid_boost *was,
                      const struct grid_boost *now, enum grid_event_kind event, int64_t at_us,
                      const char *reason, struct grid_error *err);

/*
 * Asks for `fn` to be called once the transaction is over and nothing failed (or with EUNKNOWN),
 * with the change-set that was committed, or dropped in GRID_READ. Called outside the lock. The
 * last call in a run of `decide` counts.
 */
struct grid_changes;
typedef int (*grid_after_fn)(void *context, const struct grid_commit *commit,
                             const struct grid_changes *changes, struct grid_error *err);
void grid_tx_after(struct grid_tx *tx, grid_after_fn fn, void *context);

/* Registers or changes a node (GRID_EVENT_NODE_SET), or removes it (GRID_EVENT_NODE_REMOVED; `node`
 * as it was last); GRID_EVENT_QUIET: a heartbeat. `reason` as above. ENOMEM. */
int grid_tx_put_node(struct grid_tx *tx, const struct grid_node *node, enum grid_event_kind event,
                     const char *reason, struct grid_error *err);

/* Changes the policy. ENOMEM. */
int grid_tx_put_policy(struct grid_tx *tx, const struct grid_policy *policy, const char *reason,
                       struct grid_error *err);

/* Streams the tickets, in the order in which they were put, own changes included. */
int grid_tx_tickets(struct grid_tx *tx, grid_ticket_fn fn, void *context, struct grid_error *err);

/* Are there any? Costs nothing while there are none. */
bool grid_tx_waiting(struct grid_tx *tx);

/* Queues a ticket (GRID_EVENT_QUEUED), renews its lease (GRID_EVENT_QUIET), or drops it: withdrawn
 * (GRID_EVENT_WITHDRAWN), or granted (GRID_EVENT_GRANTED: no event, the boost's own says it). The
 * value is copied. ENOMEM. */
int grid_tx_put_ticket(struct grid_tx *tx, const struct grid_ticket *ticket,
                       enum grid_event_kind event, const char *reason, struct grid_error *err);

/*
 * A mark of what was put so far, and the way back to it: what was put since is as if it had never
 * been (tokens stay used). Marks nest. For trying something out, and for one line of a batch.
 */
size_t grid_tx_mark(const struct grid_tx *tx);
void grid_tx_undo(struct grid_tx *tx, size_t mark);

/* --- whole ledgers: what export and import are made of ------------------------------------- */

/* What a record, or a change, is about. */
enum grid_subject {
    GRID_BOOST, GRID_NODE, GRID_POLICY, GRID_TICKET,
    GRID_EVENT,  /* one that has happened */
    GRID_MEMBER, /* of the ledger, that we do not know: `"key": value` */
    GRID_SUBJECTS
};

/* A record as the text in which it is stored; JSON, unless it is not sound. */
struct grid_record {
    enum grid_subject subject;
    bool sound; /* else it is kept, and never counts */
    const char *text;
    size_t length;
};
typedef int (*grid_record_fn)(void *context, const struct grid_record *record,
                              struct grid_error *err);

/* Streams every record of the snapshot, own changes not included, by subject in the order above;
 * events oldest first. The text is gone after the call. Stops as the other streams do. */
int grid_tx_records(struct grid_tx *tx, grid_record_fn fn, void *context, struct grid_error *err);

/* From here on the ledger is empty, its history excepted: what is put later is all of it. */
void grid_tx_clear(struct grid_tx *tx);

/* Takes a record over as it stands, without an event; its text must live until the transaction is
 * over. A sound one must not be there already (grid_tx_has_put, grid_tx_boosts, ...). ECORRUPT: it
 * is called sound and is not; ENOMEM. */
int grid_tx_put_record(struct grid_tx *tx, const struct grid_record *record,
                       struct grid_error *err);

/* Did this transaction put a change about it? */
bool grid_tx_has_put(const struct grid_tx *tx, enum grid_subject subject, const char *id);
/* An event (`restored`) that is about the ledger as a whole. ENOMEM. */
int grid_tx_put_restored(struct grid_tx *tx, const char *reason, struct grid_error *err);

/* The commit gets a revision above this one, as do all tokens that follow. */
void grid_tx_raise(struct grid_tx *tx, int64_t revision);

/* --- looking after a store ---------------------------------------------------------------- */

enum grid_severity { GRID_FACT, GRID_WARNING, GRID_DAMAGE };

#define GRID_FINDING_CLOCK "clock" /* subject: the last change lies in the future */

/* One thing that a check found, or a fact about the store. Strings are gone after the call. */
struct grid_finding {
    enum grid_severity severity;
    const char *subject; /* "revision", "state", "record 3", "generation 17" */
    const char *text;
};
typedef int (*grid_finding_fn)(void *context, const struct grid_finding *finding,
                               struct grid_error *err);

/*
 * Makes the place where a ledger lives, if it is not there; `group` (-1: none) is the Unix group
 * that shares it from now on: its members read and write, whatever their umask (2770, files 0660).
 * Run again it mends what is not so. EUSAGE: this kind of store has no directory; EIO, ETIMEOUT.
 */
int grid_store_init(struct grid_store *store, int64_t group, struct grid_error *err);

enum grid_check_flag {
    GRID_CHECK_REPAIR = 1,      /* mend what can be mended without loss */
    GRID_CHECK_ACCEPT_LOSS = 2, /* and go on with what is left where something is lost */
};

/* Looks at everything and reports each finding; with GRID_CHECK_REPAIR mends it under the lock.
 * Returns 0 when the ledger is sound (now). ECORRUPT: it is not, or only with a loss that was not
 * accepted; others as grid_store_transact. */
int grid_store_check(struct grid_store *store, unsigned flags, grid_finding_fn fn, void *context,
                     struct grid_error *err);

/*
 * Drops closed parts of the history whose events are all from before `before_us`, if the store
 * keeps its history in parts; a damaged one goes by the time of its file, and what cannot be read
 * now stays. The ledger stays as it is. EIO, ETIMEOUT.
 */
int grid_store_sweep(struct grid_store *store, int64_t before_us, struct grid_error *err);

/* --- what a driver is --------------------------------------------------------------------- */

/* What a driver's transaction begins with. */
struct grid_head {
    int64_t now_us;   /* the store's clock, never before the last commit's (within 5 minutes) */
    int64_t revision; /* the highest ever known, though the state itself may be older */
    size_t nodes;     /* how many are registered, sound or not */
    size_t tickets;   /* how many wait, sound or not */
    struct grid_policy policy;
};

/* One change, in the order in which they were made. One of GRID_EVENT is the event alone. */
struct grid_change {
    enum grid_subject subject;
    enum grid_event_kind event;
    int64_t at_us;
    const char *reason;   /* "" when there is none; lives until the next change is put */
    bool has_was, has_now;
    bool superseded;      /* a later change of the same set is about the same subject */
    struct grid_boost was, now;      /* of a boost */
    const struct grid_node *node;    /* of a node: as it is, or, without has_now, as it was last */
    const struct grid_policy *policy;
    const struct grid_ticket *ticket; /* of a ticket: as it is, or, without has_now, was last */
    const char *text; /* of a record that was taken over; NULL: it was not */
    size_t length;
    bool as_text;     /* and nothing has changed since: it says just that */
};

/* The change-set: `count` changes, read one at a time. */
size_t grid_changes_count(const struct grid_changes *changes);
void grid_changes_get(const struct grid_changes *changes, size_t index, struct grid_change *ret);
int64_t grid_changes_revision(const struct grid_changes *changes); /* that the commit gets */
int64_t grid_changes_now(const struct grid_changes *changes);      /* the decision's time */
size_t grid_changes_events(const struct grid_changes *changes);    /* how many are not quiet */
/* How many are about such a subject; and the latest about this one, "" being the id of the policy.
 * False: none. */
size_t grid_changes_about(const struct grid_changes *changes, enum grid_subject subject);
bool grid_changes_find(const struct grid_changes *changes, enum grid_subject subject,
                       const char *id, struct grid_change *ret);
/* What is there goes before anything is written, history excepted? */
bool grid_changes_clear(const struct grid_changes *changes);
/* The records that are taken over as text alone, in turn: events of the past, what is not sound,
 * members. False: no more. */
bool grid_changes_kept(const struct grid_changes *changes, size_t index, struct grid_record *ret);
size_t grid_changes_kept_about(const struct grid_changes *changes, enum grid_subject subject);
/* The event of change `index`; false: a quiet one, which has none. */
bool grid_changes_event(const struct grid_changes *changes, size_t index, struct grid_event *ret);

/*
 * A driver: one table of functions. `db` is its own. The calls of a transaction come between
 * `begin` and `end`, from one thread, one transaction at a time on a `db`; `end` always follows a
 * `begin` that succeeded, also after a commit, whatever that returned. `err` is never NULL.
 */
struct grid_store_driver {
    const char *scheme; /* "file" */

    /* `location` is the URL behind "scheme:". Checks it, and leaves the store alone: a server is
     * reached in the first `begin`. The options live as long as the db. */
    int (*open)(const char *location, const struct grid_store_options *options, void **ret_db,
                struct grid_error *err);
    void (*close)(void *db);

    /* A snapshot; from GRID_TIDY on, one that no other writer changes before `end`, or whose commit
     * notices it. Damage is dealt with here: recovered, or ECORRUPT. ETIMEOUT, EIO. */
    int (*begin)(void *db, enum grid_mode mode, struct grid_head *ret, struct grid_error *err);

    /* Stream what the snapshot holds; see the filters for what may be left out. Unsound records
     * are never handed over. Boosts with expires_us <= now are: settling them is the ledger's. */
    int (*boosts)(void *db, const struct grid_boost_filter *filter, grid_boost_fn fn,
                  void *context, struct grid_error *err);
    int (*events)(void *db, const struct grid_event_filter *filter, grid_event_fn fn,
                  void *context, struct grid_error *err);

    /* The sums of the snapshot, at head.now_us; and its nodes, unsound records left out. */
    int (*load)(void *db, grid_load_fn fn, void *context, struct grid_error *err);
    int (*nodes)(void *db, grid_node_fn fn, void *context, struct grid_error *err);
    /* One of them, found by its name; ENOTFOUND; ECORRUPT: its record is not sound. */
    int (*node)(void *db, const char *name, struct grid_node *ret, struct grid_error *err);
    int (*tickets)(void *db, grid_ticket_fn fn, void *context, struct grid_error *err);
    /* As grid_tx_records. */
    int (*records)(void *db, grid_record_fn fn, void *context, struct grid_error *err);

    /* All or nothing, and durable when it returns 0. ECONFLICT: another writer was faster, nothing
     * happened, run again. EUNKNOWN: may have been made. Others: nothing happened. */
    int (*commit)(void *db, const struct grid_changes *changes, struct grid_error *err);

    /* Gives up the snapshot and the lock. Not committed: nothing happened. */
    void (*end)(void *db);

    /* As grid_store_watch. Outside a transaction. */
    int (*watch)(void *db, int64_t wait_us, int stop_fd, struct grid_error *err);

    /* As grid_store_init; NULL: there is nothing to make. */
    int (*init)(void *db, int64_t group, struct grid_error *err);

    /* As grid_store_check. Outside a transaction. */
    int (*check)(void *db, unsigned flags, grid_finding_fn fn, void *context,
                 struct grid_error *err);

    /* As grid_store_sweep; NULL: there are no parts. Outside a transaction. */
    int (*sweep)(void *db, int64_t before_us, struct grid_error *err);
};

#endif
