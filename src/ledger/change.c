/* Ending boosts: who may, release, and cleanup. */
#include "ledger/op.h"
#include "ledger/queue.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

/* --- who may ---------------------------------------------------------------------------------- */

int op_allowed(struct grid_tx *tx, const struct grid_boost *boost,
               const struct grid_caller *caller, bool forced, struct grid_error *err)
{
    struct grid_node node;
    struct grid_error why = {0};
    if (!caller || caller->is_root)
        return 0;
    if (!forced && (!boost->owner[0] || strcmp(boost->owner, caller->user) == 0))
        return 0;
    int rc = grid_tx_node(tx, boost->source_node, &node, &why);
    if (rc == 0 && node.owner[0] && strcmp(node.owner, caller->user) == 0)
        return 0;
    if (rc < 0 && rc != GRID_ENOTFOUND) {
        *err = why;
        return rc;
    }
    if (forced)
        return grid_error_set(err, GRID_EPERM, "only root and the owner of node '%s' may force",
                              text_shown(boost->source_node));
    return grid_error_advise(err, GRID_EPERM,
                             "its owner, the owner of its source node, and root may",
                             "boost '%s' belongs to '%s'", text_shown(boost->boost_id),
                             text_shown(boost->owner));
}

/* --- release ---------------------------------------------------------------------------------- */

struct ending {
    struct grid_tx *tx;
    const struct grid_release *release;
    struct boost_list *held;
    const char *reason;
};

static int end_boost(const struct ending *ending, const struct grid_boost *boost,
                     struct grid_error *err)
{
    int rc = op_allowed(ending->tx, boost, ending->release->caller, ending->release->force, err);
    return rc ?: grid_tx_put_boost(ending->tx, boost, NULL, GRID_EVENT_RELEASED,
                                   grid_tx_now(ending->tx), ending->reason, err);
}

/* A ticket is withdrawn; what waits for it finds that out. */
static int withdraw(struct ending *ending, const struct grid_ticket *ticket,
                    struct grid_error *err)
{
    struct grid_boost boost;
    grid_ticket_boost(ticket, &boost);
    int rc = op_allowed(ending->tx, &boost, ending->release->caller, ending->release->force, err);
    boost.ended = GRID_RELEASED;
    boost.ended_us = grid_tx_now(ending->tx);
    rc = rc ?: boost_list_add(ending->held, &boost, err);
    return rc ?: grid_tx_put_ticket(ending->tx, ticket, GRID_EVENT_WITHDRAWN, ending->reason, err);
}

/* What one of the ids names. */
struct named {
    char id[GRID_ID_SIZE], group_id[GRID_ID_SIZE]; /* the latter of a boost that lives */
    bool waits;                                    /* a ticket */
};

static int look_up(struct grid_tx *tx, const char *id, struct named *ret, struct grid_error *err)
{
    struct grid_boost boost;
    struct grid_ticket ticket;
    struct grid_error why = {0};
    int rc = grid_tx_find(tx, id, &boost, &why), waits = 0;
    if (rc == GRID_ENOTFOUND || (rc == 0 && strcmp(boost.boost_id, id) != 0))
        waits = op_find_ticket(tx, id, &ticket, err);
    if (waits < 0)
        return waits;
    bool lives = rc == 0 && boost.ended == GRID_ACTIVE;
    if (waits && lives && strcmp(ticket.ticket_id, id) != 0)
        return grid_error_set(err, GRID_ECONFLICT, "'%s' is ambiguous: '%s', which waits, and '%s'",
                              text_shown(id), text_shown(ticket.ticket_id),
                              text_shown(boost.boost_id));
    if (rc < 0 && !waits) {
        *err = why;
        return rc;
    }
    ret->waits = waits;
    text_copy(ret->id, sizeof(ret->id), waits ? ticket.ticket_id : boost.boost_id);
    text_copy(ret->group_id, sizeof(ret->group_id), lives && !waits ? boost.group_id : "");
    return 0;
}

/* Each once, whether it was named twice or as another member of its group. */
static int end_named(struct ending *ending, const struct named *named, size_t index,
                     struct grid_error *err)
{
    auto_boosts struct boost_list group = {0};
    struct grid_boost boost;
    struct grid_ticket ticket;
    const struct named *one = &named[index];
    for (size_t i = 0; i < index; i++)
        if (strcmp(named[i].id, one->id) == 0
            || (one->group_id[0] && strcmp(named[i].group_id, one->group_id) == 0))
            return 0;
    if (one->waits) {
        int found = op_find_ticket(ending->tx, one->id, &ticket, err);
        return found > 0 ? withdraw(ending, &ticket, err) : found;
    }
    int rc = grid_tx_find(ending->tx, one->id, &boost, err);
    if (rc == 0 && boost.ended != GRID_ACTIVE)
        return boost_list_add(ending->held, &boost, err);
    rc = rc ?: ledger_group(ending->tx, &boost, &group, err);
    for (size_t i = 0; rc == 0 && i < group.count; i++)
        rc = end_boost(ending, &group.at[i], err);
    return rc;
}

/* All are looked up before one is ended: what was ambiguous must not become clear on the way. */
static int end_all_named(struct ending *ending, struct grid_error *err)
{
    const struct grid_release *release = ending->release;
    grid_auto_free struct named *named = calloc(release->count, sizeof(*named));
    int rc = named ? 0 : grid_error_set(err, GRID_ENOMEM, "no memory for the ids");
    for (size_t i = 0; rc == 0 && i < release->count; i++)
        rc = look_up(ending->tx, release->ids[i], &named[i], err);
    for (size_t i = 0; rc == 0 && i < release->count; i++)
        rc = end_named(ending, named, i, err);
    return rc;
}

/* What the filter met, and what belongs to it: by name, as there may be very many. */
struct met {
    char boost_id[GRID_ID_SIZE], group_id[GRID_ID_SIZE];
};
struct met_list {
    struct met *at;
    size_t count, room;
    size_t grouped; /* so many, the first, are looked up as groups */
};

static int take_met(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct met_list *list = context;
    if (array_reserve(&list->at, &list->room, list->count + 1, sizeof(*list->at)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the boosts");
    struct met *met = &list->at[list->count++];
    text_copy(met->boost_id, sizeof(met->boost_id), boost->boost_id);
    text_copy(met->group_id, sizeof(met->group_id), boost->group_id);
    return 0;
}

static int by_group(const void *a, const void *b)
{
    return strcmp(((const struct met *)a)->group_id, ((const struct met *)b)->group_id);
}

static int take_member(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct met_list *list = context;
    struct met key;
    text_copy(key.group_id, sizeof(key.group_id), boost->group_id);
    return key.group_id[0] && bsearch(&key, list->at, list->grouped, sizeof(key), by_group)
               ? take_met(list, boost, err) : 0;
}

/* Whole groups end, whichever of their members the filter met; what comes twice ends once. */
static int end_met(struct ending *ending, struct met_list *list, struct grid_error *err)
{
    struct grid_boost boost;
    int rc = grid_tx_boosts(ending->tx, &ending->release->filter, take_met, list, err);
    bool any = false;
    for (size_t i = 0; rc == 0 && i < list->count && !any; i++)
        any = list->at[i].group_id[0];
    if (any) {
        list->grouped = list->count;
        qsort(list->at, list->count, sizeof(*list->at), by_group);
        rc = grid_tx_boosts(ending->tx, NULL, take_member, list, err);
    }
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        struct grid_boost_filter one = {.boost_id = list->at[i].boost_id};
        rc = grid_tx_boosts(ending->tx, &one, boost_take, &boost, err);
        if (rc > 0)
            rc = end_boost(ending, &boost, err);
    }
    return rc;
}

static int end_filtered(struct ending *ending, struct grid_error *err)
{
    struct met_list list = {0};
    int rc = end_met(ending, &list, err);
    free(list.at);
    return rc;
}

int op_release(struct grid_tx *tx, struct grid_op *op, struct boost_list *held,
               struct grid_error *err)
{
    char reason[GRID_TEXT_SIZE];
    const struct grid_release *release = op->release;
    struct ending ending = {.tx = tx, .release = release, .held = held, .reason = release->reason};
    if (release->force) {
        snprintf(reason, sizeof(reason), "forced: %s", release->reason ? release->reason : "");
        ending.reason = reason;
    }
    int rc = release->count > 0 ? end_all_named(&ending, err) : end_filtered(&ending, err);
    return rc;
}

/* --- cleanup ---------------------------------------------------------------------------------- */

struct cleaning {
    const struct grid_cleanup *cleanup;
    bool tells; /* the last of the transactions */
    struct boost_list expiring;
    size_t settled;
};

static int take_unwarned(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    return boost->warned ? 0 : boost_list_add(context, boost, err);
}

/* Those that end soon are marked, for the hook to be called once. */
static int warn(struct grid_tx *tx, struct cleaning *cleaning, struct grid_error *err)
{
    int64_t until_us = grid_time_add(grid_tx_now(tx), cleaning->cleanup->expiring_us);
    struct grid_boost_filter soon = {.ends_before_us = until_us, .for_good = true};
    cleaning->expiring.count = 0;
    int rc = grid_tx_boosts(tx, &soon, take_unwarned, &cleaning->expiring, err);
    for (size_t i = 0; rc == 0 && i < cleaning->expiring.count; i++) {
        struct grid_boost *boost = &cleaning->expiring.at[i], was = *boost;
        boost->warned = true;
        rc = grid_tx_put_boost(tx, &was, boost, GRID_EVENT_QUIET, grid_tx_now(tx), NULL, err);
    }
    return rc;
}

static int hand_over(void *context, const struct grid_commit *commit,
                     const struct grid_changes *changes, struct grid_error *err)
{
    (void)commit;
    const struct cleaning *cleaning = context;
    const struct grid_cleanup *cleanup = cleaning->cleanup;
    struct grid_event event;
    int rc = 0;
    for (size_t i = 0; cleaning->tells && cleanup->fn && rc == 0 && i < cleaning->settled; i++)
        if (grid_changes_event(changes, i, &event) && event.has_boost
            && event.boost.ended != GRID_ACTIVE)
            rc = cleanup->fn(cleanup->context, &event.boost, err);
    for (size_t i = 0; cleaning->tells && cleanup->expiring && rc == 0
                       && i < cleaning->expiring.count; i++)
        rc = cleanup->expiring(cleanup->context, &cleaning->expiring.at[i], err);
    return rc < 0 ? rc : 0;
}

static int clean(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct cleaning *cleaning = context;
    grid_tx_after(tx, hand_over, cleaning);
    int rc = ledger_settle(tx, err);
    cleaning->settled = grid_tx_mark(tx);
    if (rc == 0 && cleaning->cleanup->expiring_us > 0)
        rc = warn(tx, cleaning, err);
    return rc ?: queue_promote(tx, err);
}

/* Looks first: a cleanup that has nothing to do takes no lock and writes nothing, not even who
 * held it. */
int grid_ledger_cleanup(struct grid_store *store, const struct grid_cleanup *cleanup,
                        struct grid_error *err)
{
    struct cleaning cleaning = {.cleanup = cleanup, .tells = cleanup->dry_run};
    struct grid_commit look;
    int rc = grid_store_transact(store, GRID_READ, clean, &cleaning, &look, err);
    if (rc == 0 && !cleanup->dry_run && look.changes > 0) {
        cleaning.tells = true;
        rc = grid_store_transact(store, GRID_WRITE, clean, &cleaning, NULL, err);
    }
    boost_list_release(&cleaning.expiring);
    return rc;
}
