/* The change-set of a transaction, as store.c fills it. Drivers read it through grid/store.h. */
#ifndef STORE_CHANGES_H
#define STORE_CHANGES_H

#include "grid/store.h"
#include "util/text.h"

/* One change: its boosts are packed into `texts` at `at`, `was` before `now`; then the reason. A
 * node is an element of `nodes`. */
struct change_entry {
    size_t at, node;
    int64_t at_us;
    uint32_t hash;
    uint8_t subject, event;
    bool has_was, has_now, superseded;
};

struct grid_changes {
    struct change_entry *entries;
    size_t count, capacity;
    size_t events; /* changes that are not quiet */
    struct grid_node **nodes;
    size_t node_count, node_capacity;
    struct grid_policy policy; /* the last that was put */
    struct buffer texts;
    uint32_t *slots; /* by id: the latest change of it, + 1; 0: free */
    size_t slot_count;
    int64_t revision, now_us;
    const char *actor; /* the store's */
};

/* Empties it, or gives back what it holds. */
void changes_clear(struct grid_changes *changes);
void changes_release(struct grid_changes *changes);

/* As grid_tx_put_boost. */
int changes_put(struct grid_changes *changes, const struct grid_boost *was,
                const struct grid_boost *now, enum grid_event_kind event, int64_t at_us,
                const char *reason, struct grid_error *err);

/* As grid_tx_put_node and grid_tx_put_policy. */
int changes_put_node(struct grid_changes *changes, const struct grid_node *node, bool removed,
                     enum grid_event_kind event, const char *reason, struct grid_error *err);
int changes_put_policy(struct grid_changes *changes, const struct grid_policy *policy,
                       enum grid_event_kind event, const char *reason, struct grid_error *err);

/* The latest change of this node; NULL: none. *ret_removed says that it is gone. */
const struct grid_node *changes_node(const struct grid_changes *changes, const char *node_id,
                                     bool *ret_removed);

/* Has this boost been changed? Costs the same at any size. */
bool changes_have(const struct grid_changes *changes, const char *boost_id);

#endif
