/* What happened to the ledger: events are part of the commit that made them, and never change. */
#ifndef GRID_EVENT_H
#define GRID_EVENT_H

#include "grid/boost.h"

/* Names as files and --event have them. QUIET stands for a lease renewal: it is not recorded. */
#define GRID_EVENTS(X)                                                                           \
    X(QUIET, "quiet") X(GRANTED, "granted") X(SCHEDULED, "scheduled") X(STARTED, "started")      \
    X(EXTENDED, "extended") X(RELEASED, "released") X(EXPIRED, "expired")                        \
    X(PREEMPTED, "preempted") X(QUEUED, "queued") X(WITHDRAWN, "withdrawn")                      \
    X(RESTORED, "restored") X(NODE_SET, "node_set") X(NODE_REMOVED, "node_removed")              \
    X(POLICY_SET, "policy_set")

enum grid_event_kind {
#define GRID_EVENT_KIND(name, word) GRID_EVENT_##name,
    GRID_EVENTS(GRID_EVENT_KIND)
#undef GRID_EVENT_KIND
    GRID_EVENT_COUNT
};

struct grid_event {
    int64_t revision;           /* of the commit */
    int64_t at_us;              /* when it happened; of `expired`, the true end */
    enum grid_event_kind event;
    char boost_id[GRID_ID_SIZE];    /* or a ticket's; "" when it is about a node or the policy */
    char node_id[GRID_NODE_SIZE];   /* of node_set and node_removed; else "" */
    char actor[2 * GRID_USER_SIZE]; /* "user@host" */
    char reason[GRID_TEXT_SIZE];
    bool has_boost;
    struct grid_boost boost;    /* as the change left it; as it was last, if it ended; of a ticket
                                   (queued, withdrawn) grid_ticket_boost */
};

/* "granted", ...: static strings. */
const char *grid_event_name(enum grid_event_kind event);

/* The name of each kind that a person may see, in turn; NULL behind the last. `context` is not
 * used. */
const char *grid_event_next(void *context, size_t index);

/* An event as typed. EUSAGE with a "did you mean" hint. */
int grid_event_parse(const char *text, enum grid_event_kind *ret, struct grid_error *err);

/* The state in which the event leaves its boost: GRID_RELEASED, ... or GRID_ACTIVE. */
enum grid_boost_state grid_event_ends(enum grid_event_kind event);

/* The same of one event: a victim of pre-emption that expired was pre-empted, and as long as it has
 * its grace it lives. */
enum grid_boost_state grid_event_ending(const struct grid_event *event);

/* Zero-initialized: everything. Times are [since, until); 0: no bound. As for boosts, a driver may
 * hand over more than match. */
struct grid_event_filter {
    const char *boost_id, *id_prefix, *node, *owner, *request_id;
    int64_t since_us, until_us;
    int64_t newer_than;    /* only events of a revision above this */
    bool has_event;
    enum grid_event_kind event;
};

/* Does the event fulfil every condition? */
bool grid_event_matches(const struct grid_event *event, const struct grid_event_filter *filter);

/* As grid_boost_fn. Events are handed over newest first. */
typedef int (*grid_event_fn)(void *context, const struct grid_event *event,
                             struct grid_error *err);

#endif
