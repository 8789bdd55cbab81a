/* A node: one machine, what it has, and how much of it may be lent and borrowed. And the policy. */
#ifndef GRID_NODE_H
#define GRID_NODE_H

#include "grid/boost.h"

#define GRID_NODE_RESOURCES 16      /* kinds of resource of one node */
#define GRID_NODE_TAGS 8            /* tags, and labels, of one node */
#define GRID_TAG_SIZE 64

/* Amounts by resource: a small map, in the order CPU, GPU, MEMORY, then by name. */
struct grid_amounts {
    size_t count;
    struct {
        char resource[GRID_RESOURCE_SIZE]; /* upper case */
        int64_t amount_u;                  /* 0 or more */
    } at[GRID_NODE_RESOURCES];
};

/* The amount of a resource; `missing` when there is none. */
int64_t grid_amounts_get(const struct grid_amounts *amounts, const char *resource,
                         int64_t missing);

/* Sets one; a negative amount removes it. EUSAGE: more than GRID_NODE_RESOURCES. */
int grid_amounts_set(struct grid_amounts *amounts, const char *resource, int64_t amount_u,
                     struct grid_error *err);

enum grid_role { GRID_ROLE_NONE, GRID_MASTER, GRID_WORKER };

/* A plain value, about 5.5 KB. Absent limits do not limit; a limit of 0 is never. */
struct grid_node {
    char node_id[GRID_NODE_SIZE];
    char address[GRID_NODE_SIZE];
    char owner[GRID_USER_SIZE];   /* who may release and hold here; "" */
    enum grid_role role;
    struct grid_amounts capacity; /* what it has */
    struct grid_amounts keep;     /* of it, never lent */
    struct grid_amounts lend;     /* lent at most */
    struct grid_amounts borrow;   /* borrowed at most */
    bool can_share;               /* false: lends nothing */
    bool held;                    /* lends nothing new until hold_until_us */
    int64_t hold_until_us;        /* GRID_NEVER: until it is resumed */
    char hold_reason[GRID_TEXT_SIZE];
    int64_t first_seen_us;        /* when it was registered */
    int64_t last_seen_us;         /* its last heartbeat, or registration */
    int64_t stale_after_us;       /* no source when last_seen is older than this; 0: never stale */
    size_t tag_count, label_count;
    char tags[GRID_NODE_TAGS][GRID_TAG_SIZE];
    struct {
        char key[GRID_TAG_SIZE], value[GRID_TAG_SIZE];
    } labels[GRID_NODE_TAGS];
};

/* "master", "worker", "": static strings; and back. EUSAGE with a hint. */
const char *grid_role_name(enum grid_role role);
int grid_role_parse(const char *text, enum grid_role *ret, struct grid_error *err);
const char *grid_role_next(void *context, size_t index); /* each in turn, up to NULL */

/* min(capacity - keep, lend), 0 at least: what may be lent at once. 0 when it shares nothing. */
int64_t grid_node_lendable(const struct grid_node *node, const char *resource);

/* Held, or stale, at an instant? */
bool grid_node_is_held(const struct grid_node *node, int64_t now_us);
bool grid_node_is_stale(const struct grid_node *node, int64_t now_us);

typedef int (*grid_node_fn)(void *context, const struct grid_node *node, struct grid_error *err);

/* What the whole ledger obeys. */
struct grid_policy {
    bool enabled;                /* false: every request is refused for good */
    int64_t default_duration_us; /* of a request that names none */
    int64_t max_duration_us;     /* from the first start; GRID_NEVER: any */
    int64_t protected_us;        /* no pre-emption so long after the start */
    int64_t grace_us;            /* what a victim has left */
    struct grid_amounts quota;   /* of one owner, over all active boosts */
};

/* Everything allowed, one hour, 10 min, 30 s (formats.md, Nodes). */
#define GRID_POLICY_DEFAULT                                                                      \
    ((struct grid_policy){.enabled = true, .default_duration_us = GRID_HOUR,                     \
                          .max_duration_us = GRID_NEVER, .protected_us = 10 * GRID_MINUTE,       \
                          .grace_us = 30 * GRID_SECOND})

#endif
