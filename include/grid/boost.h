/* A boost: a lease on some of one machine's resources, for another machine, until an end. */
#ifndef GRID_BOOST_H
#define GRID_BOOST_H

#include "grid/amount.h"
#include "grid/time.h"

#define GRID_ID_SIZE 128            /* ids and request ids, with the NUL; bytes, not characters */
#define GRID_NODE_SIZE 256          /* node names: 63 characters of UTF-8 fit */
#define GRID_TEXT_SIZE 256          /* reasons, placement groups */
#define GRID_USER_SIZE 80           /* owners, hosts */
#define GRID_REQUEST_SIZE 768       /* a request as typed */
#define GRID_NODE_CHARACTERS 63
#define GRID_ANY_NODE "any"         /* the source of a boost of the open days */

enum grid_priority { GRID_LOW, GRID_NORMAL, GRID_HIGH, GRID_CRITICAL };

enum grid_boost_state {
    GRID_ACTIVE,    /* started, not ended: the only state that counts against capacity */
    GRID_SCHEDULED, /* starts later */
    GRID_RELEASED,
    GRID_EXPIRED,
    GRID_PREEMPTED,
};

/*
 * A plain value: copy it by =, nothing to free; about 2.5 KB, so it is for one at a time. A text
 * of a file that is longer than its array is cut here and kept whole in the file (an id, a node
 * name or a resource that is longer makes the record unsound instead).
 */
struct grid_boost {
    int64_t amount_u;     /* millionths, or bytes of MEMORY */
    int64_t allocated_us; /* when it was granted */
    int64_t starts_us;    /* allocated_us unless it was reserved for later */
    int64_t expires_us;   /* the first instant at which it no longer counts; GRID_NEVER */
    int64_t ended_us;     /* when it ended; meaningful for the three ended states */
    int64_t renews_until_us; /* on a lease: its holder may renew expires_us up to here, and plans
                                count it until here; 0: it is on none; GRID_NEVER */
    uint64_t devices;     /* of its source, a bit for each index; 0: none are known */
    int64_t token;        /* fencing token, rising over the ledger's life; 0: made without one */
    enum grid_priority priority;
    enum grid_boost_state ended; /* GRID_RELEASED.. once it has ended, GRID_ACTIVE before */
    bool is_active;              /* the original's flag: false in a file means released */
    bool started;                /* a reservation whose start was recorded */
    bool warned;                 /* the hook `expiring` had its call */
    bool unclaimed;              /* granted to one who waits and has not come for it yet: on a short
                                    lease */
    char boost_id[GRID_ID_SIZE];
    char source_node[GRID_NODE_SIZE]; /* the lender, or GRID_ANY_NODE */
    char target_node[GRID_NODE_SIZE]; /* the borrower */
    char resource_type[GRID_RESOURCE_SIZE]; /* upper case */
    char ray_placement_group[GRID_TEXT_SIZE]; /* "" is null */
    char owner[GRID_USER_SIZE]; /* user name; "" when the original made it */
    char host[GRID_USER_SIZE];  /* where the request was typed */
    char reason[GRID_TEXT_SIZE];
    char group_id[GRID_ID_SIZE]; /* the boost_id of the first of a group, or "" */
    char request_id[GRID_ID_SIZE];
    char requested[GRID_REQUEST_SIZE]; /* the request as typed, for comparing; "" without an id */
    char preempted_by[GRID_ID_SIZE]; /* the boost that its rest goes to, or "" */
};

/* The state at `now_us`: a boost counts from its start up to, not including, its end. */
enum grid_boost_state grid_boost_state(const struct grid_boost *boost, int64_t now_us);

/* Does it count against anybody? Not one from GRID_ANY_NODE: no node was known then. */
bool grid_boost_counts(const struct grid_boost *boost);

/* Is it a reservation whose start is still to come? (A grant counts at once, and so does what has
 * started, also by a clock that was set back since.) */
bool grid_boost_starts_later(const struct grid_boost *boost, int64_t now_us);

/* The end that plans count with: the latest to which it may be renewed without asking. */
int64_t grid_boost_until(const struct grid_boost *boost);

/* How a boost that `expired` ended: a victim of pre-emption that reached its early end counts as
 * pre-empted. */
enum grid_boost_state grid_boost_ending(const struct grid_boost *boost);

/* "active", ...; "low", ...: static strings. */
const char *grid_boost_state_name(enum grid_boost_state state);
const char *grid_priority_name(enum grid_priority priority);

/* Each priority's name in turn, the lowest first; NULL behind the last. `context` is not used. */
const char *grid_priority_next(void *context, size_t index);

/* A priority as typed, in any case. EUSAGE with a "did you mean" hint. */
int grid_priority_parse(const char *text, enum grid_priority *ret, struct grid_error *err);

/* A node name as typed: 1 to 63 characters of UTF-8 without control characters, '/', ',', '=', a
 * leading '-'; not "any". EUSAGE. */
int grid_node_name_check(const char *name, struct grid_error *err);

/*
 * What a boost must fulfil to be handed over; zero-initialized, it lets everything through.
 * Strings belong to the caller and may be NULL (no condition). A driver may hand over more than
 * match, never fewer: the transaction checks again with grid_boost_matches.
 */
struct grid_boost_filter {
    const char *boost_id;    /* this id exactly */
    const char *id_prefix;   /* ids that begin with this */
    const char *source_node, *target_node, *resource_type, *owner, *request_id, *group_id;
    int64_t ends_before_us;  /* 0: no condition; else expires_us < this, or not is_active */
    bool for_good;           /* of a lease, the end is that to which it may be renewed */
    int64_t starts_before_us; /* 0: none; else a reservation, not `started`, starts_us < this */
    bool has_priority;
    enum grid_priority priority;
    bool newest_first;       /* by allocated_us, latest first; otherwise in the order of granting */
};

/* Does the boost fulfil every condition? */
bool grid_boost_matches(const struct grid_boost *boost, const struct grid_boost_filter *filter);

/* Called for each boost; it may copy *boost, which is gone afterwards. Non-zero stops the stream
 * and is returned from it: a negative grid_code with err set, or a positive number, which is no
 * error and reaches the caller. */
typedef int (*grid_boost_fn)(void *context, const struct grid_boost *boost,
                             struct grid_error *err);

#endif
