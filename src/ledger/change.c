/* Ending boosts: release and cleanup. */
#include "ledger/settle.h"
#include "util/text.h"

#include <string.h>

struct ending {
    const struct grid_release *release;
    struct grid_boost *named;   /* the boosts of release->ids, as they are afterwards */
    struct grid_tx *tx;
    size_t settled;             /* changes that were not asked for */
    grid_boost_fn fn;
    void *context;
};

static int end_boost(struct ending *ending, const struct grid_boost *boost,
                     struct grid_error *err)
{
    return grid_tx_put_boost(ending->tx, boost, NULL, GRID_EVENT_RELEASED,
                             grid_tx_now(ending->tx), ending->release->reason, err);
}

static int end_matching(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    return end_boost(context, boost, err);
}

/* The one that was named before and is this one, too; NULL: none. */
static const struct grid_boost *named_before(const struct ending *ending, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(ending->named[i].boost_id, ending->named[index].boost_id) == 0)
            return &ending->named[i];
    return NULL;
}

struct member_search {
    struct ending *ending;
    const char *named; /* this one is done already */
};

static int end_member(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    const struct member_search *search = context;
    return strcmp(boost->boost_id, search->named) == 0 ? 0 : end_boost(search->ending, boost, err);
}

/* What is done to one member of a group is done to all. */
static int end_others(struct ending *ending, const struct grid_boost *boost,
                      struct grid_error *err)
{
    struct grid_boost_filter group = {.group_id = boost->group_id};
    struct member_search search = {ending, boost->boost_id};
    return boost->group_id[0] ? grid_tx_boosts(ending->tx, &group, end_member, &search, err) : 0;
}

/* All are looked up before one is ended: what was ambiguous must not become clear on the way. */
static int end_named(struct ending *ending, struct grid_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ending->release->count; i++)
        rc = grid_tx_find(ending->tx, ending->release->ids[i], &ending->named[i], err);
    for (size_t i = 0; rc == 0 && i < ending->release->count; i++) {
        struct grid_boost *boost = &ending->named[i];
        const struct grid_boost *before = named_before(ending, i);
        if (before)
            *boost = *before;
        if (boost->ended != GRID_ACTIVE)
            continue;
        rc = end_boost(ending, boost, err);
        rc = rc ?: end_others(ending, boost, err);
        boost->ended = GRID_RELEASED;
        boost->ended_us = grid_tx_now(ending->tx);
    }
    return rc;
}

/* Hands over what the set ended, after the first `settled` of them. */
static int hand_over(void *context, const struct grid_commit *commit,
                     const struct grid_changes *changes, struct grid_error *err)
{
    (void)commit;
    const struct ending *ending = context;
    struct grid_event event;
    int rc = 0;
    for (size_t i = ending->settled; rc == 0 && i < grid_changes_count(changes); i++)
        if (ending->fn && grid_changes_event(changes, i, &event))
            rc = ending->fn(ending->context, &event.boost, err);
    return rc < 0 ? rc : 0;
}

static int release(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct ending *ending = context;
    ending->tx = tx;
    int rc = ledger_settle(tx, &ending->settled, err);
    if (rc < 0 || ending->release->count > 0)
        return rc < 0 ? rc : end_named(ending, err);
    grid_tx_after(tx, hand_over, ending);
    return grid_tx_boosts(tx, &ending->release->filter, end_matching, ending, err);
}

int grid_ledger_release(struct grid_store *store, const struct grid_release *asked,
                        grid_boost_fn fn, void *context, struct grid_error *err)
{
    grid_auto_free struct grid_boost *named = calloc(asked->count + 1, sizeof(*named));
    if (!named)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the boosts");
    struct ending ending = {.release = asked, .named = named, .fn = fn, .context = context};
    int rc = grid_store_transact(store, asked->dry_run ? GRID_READ : GRID_WRITE, release, &ending,
                                 NULL, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; fn && rc == 0 && i < asked->count; i++)
        rc = fn(context, &named[i], err);
    return rc < 0 ? rc : 0;
}

static int settle(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct ending *ending = context;
    grid_tx_after(tx, hand_over, ending);
    return ledger_settle(tx, NULL, err);
}

/* Looks first: a cleanup that has nothing to do takes no lock and writes nothing, not even who
 * held it. */
int grid_ledger_cleanup(struct grid_store *store, bool dry_run, grid_boost_fn fn, void *context,
                        struct grid_error *err)
{
    struct ending ending = {.fn = dry_run ? fn : NULL, .context = context};
    struct grid_commit look;
    int rc = grid_store_transact(store, GRID_READ, settle, &ending, &look, err);
    if (rc == 0 && !dry_run && look.changes > 0) {
        ending.fn = fn;
        rc = grid_store_transact(store, GRID_WRITE, settle, &ending, NULL, err);
    }
    return rc;
}
