/* The change-set of a transaction, as store.c fills it. Drivers read it through grid/store.h. */
#ifndef STORE_CHANGES_H
#define STORE_CHANGES_H

#include "grid/store.h"
#include "util/text.h"

/* One change: its boosts are packed into `texts` at `at`, `was` before `now`. */
struct change_entry {
    size_t at;
    int64_t at_us;
    uint32_t hash;
    uint8_t event;
    bool has_was, has_now, superseded;
};

struct grid_changes {
    struct change_entry *entries;
    size_t count, capacity;
    size_t events; /* changes that are not quiet */
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

/* Has this boost been changed? Costs the same at any size. */
bool changes_have(const struct grid_changes *changes, const char *boost_id);

#endif
