/* The change-set of a transaction, as store.c fills it. Drivers read it through grid/store.h. */
#ifndef STORE_CHANGES_H
#define STORE_CHANGES_H

#include "grid/store.h"
#include "store/slots.h"
#include "util/text.h"

/* One change: its boosts are packed into `texts` at `at`, `was` before `now`; then the reason.
 * What is none of a boost is a copy. */
struct change_entry {
    size_t at;
    void *record;
    const char *text; /* that it was taken over from; NULL: none */
    size_t length;
    int64_t at_us;
    uint32_t hash;
    uint32_t before; /* the change that this one superseded, + 1; 0: none */
    uint8_t subject, event;
    bool has_was, has_now, superseded;
};

struct grid_changes {
    struct change_entry *entries;
    size_t count, capacity;
    size_t events;   /* changes that are not quiet */
    size_t about[GRID_SUBJECTS];
    struct grid_record *kept; /* taken over as text alone */
    size_t kept_count, kept_capacity;
    bool clear; /* what is there goes */
    struct buffer texts;
    struct slots slots; /* by subject and id: the latest change of it */
    int64_t revision, now_us;
    const char *actor; /* the store's */
};

/* Takes back what was put after the first `count` changes. */
void changes_undo(struct grid_changes *changes, size_t count);
void changes_release(struct grid_changes *changes);

/* As grid_tx_put_boost. */
int changes_put(struct grid_changes *changes, const struct grid_boost *was,
                const struct grid_boost *now, enum grid_event_kind event, int64_t at_us,
                const char *reason, struct grid_error *err);

/* One of a node, a policy or a ticket, which is copied; `removed`: it is gone. ENOMEM. */
int changes_put_record(struct grid_changes *changes, enum grid_subject subject,
                       const void *record, bool removed, enum grid_event_kind event,
                       const char *reason, struct grid_error *err);

/* The latest change was taken over from this text. */
void changes_set_text(struct grid_changes *changes, const struct grid_record *record);

/* Takes a record over as text alone. ENOMEM. */
int changes_keep(struct grid_changes *changes, const struct grid_record *record,
                 struct grid_error *err);

/* Is any change about this one? Costs the same at any size. */
bool changes_have(const struct grid_changes *changes, enum grid_subject subject, const char *id);

#endif
