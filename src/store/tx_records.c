/* What a decision sees of nodes, tickets and the policy, its own changes included. */
#include "store/load.h"
#include "store/tx.h"

#include <string.h>

int grid_tx_put_node(struct grid_tx *tx, const struct grid_node *node, enum grid_event_kind event,
                     const char *reason, struct grid_error *err)
{
    return changes_put_record(&tx->changes, GRID_NODE, node, event == GRID_EVENT_NODE_REMOVED,
                              event, reason, err);
}

int grid_tx_put_policy(struct grid_tx *tx, const struct grid_policy *policy, const char *reason,
                       struct grid_error *err)
{
    int rc = changes_put_record(&tx->changes, GRID_POLICY, policy, false, GRID_EVENT_POLICY_SET,
                                reason, err);
    if (rc == 0)
        tx->policy = *policy;
    return rc;
}

int grid_tx_put_ticket(struct grid_tx *tx, const struct grid_ticket *ticket,
                       enum grid_event_kind event, const char *reason, struct grid_error *err)
{
    bool granted = event == GRID_EVENT_GRANTED;
    return changes_put_record(&tx->changes, GRID_TICKET, ticket,
                              granted || event == GRID_EVENT_WITHDRAWN,
                              granted ? GRID_EVENT_QUIET : event, reason, err);
}

const struct grid_policy *grid_tx_policy(const struct grid_tx *tx) { return &tx->policy; }

/* --- streams: what the driver has, as it is now, then what is new --------------------------- */

struct pass {
    const struct grid_tx *tx;
    enum grid_subject subject;
    grid_node_fn node_fn;
    grid_ticket_fn ticket_fn;
    void *context;
    size_t count;     /* of changes, at the beginning: what `fn` puts is not shown */
    struct names old; /* ids that the driver has, as long as any was changed */
};

static int hand_over(const struct pass *pass, const void *record, struct grid_error *err)
{
    return pass->node_fn ? pass->node_fn(pass->context, record, err)
                         : pass->ticket_fn(pass->context, record, err);
}

static const void *record_of(const struct grid_change *change)
{
    return change->node ? (const void *)change->node : change->ticket;
}

static int pass_old(struct pass *pass, const char *id, const void *record, struct grid_error *err)
{
    const struct grid_changes *changes = &pass->tx->changes;
    struct grid_change change;
    if (grid_changes_about(changes, pass->subject) == 0)
        return hand_over(pass, record, err);
    if (names_add(&pass->old, id) == UINT32_MAX)
        return grid_error_set(err, GRID_ENOMEM, "no memory to look at the changes");
    if (!grid_changes_find(changes, pass->subject, id, &change))
        return hand_over(pass, record, err);
    return change.has_now ? hand_over(pass, record_of(&change), err) : 0;
}

static int pass_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    return pass_old(context, node->node_id, node, err);
}

static int pass_ticket(void *context, const struct grid_ticket *ticket, struct grid_error *err)
{
    return pass_old(context, ticket->ticket_id, ticket, err);
}

static int pass_new(struct pass *pass, struct grid_error *err)
{
    const struct grid_changes *changes = &pass->tx->changes;
    struct grid_change change;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < pass->count; i++) {
        if (changes->entries[i].subject != pass->subject || changes->entries[i].superseded
            || !changes->entries[i].has_now)
            continue;
        grid_changes_get(changes, i, &change);
        const char *id = change.node ? change.node->node_id : change.ticket->ticket_id;
        if (names_find(&pass->old, id) == UINT32_MAX)
            rc = hand_over(pass, record_of(&change), err);
    }
    return rc;
}

static int stream(struct pass *pass, struct grid_error *err)
{
    const struct grid_store *store = pass->tx->store;
    pass->count = pass->tx->changes.count;
    int rc = 0;
    if (!pass->tx->changes.clear)
        rc = pass->subject == GRID_NODE
                 ? store->driver->nodes(store->db, pass_node, pass, err)
                 : store->driver->tickets(store->db, pass_ticket, pass, err);
    if (rc == 0)
        rc = pass_new(pass, err);
    names_release(&pass->old);
    return rc;
}

int grid_tx_nodes(struct grid_tx *tx, grid_node_fn fn, void *context, struct grid_error *err)
{
    struct pass pass = {tx, GRID_NODE, fn, NULL, context, 0, NAMES_INIT};
    return stream(&pass, err);
}

int grid_tx_tickets(struct grid_tx *tx, grid_ticket_fn fn, void *context, struct grid_error *err)
{
    struct pass pass = {tx, GRID_TICKET, NULL, fn, context, 0, NAMES_INIT};
    return stream(&pass, err);
}

/* Of `count` at the beginning, and of what was put since, is any left? One that was changed and
 * then removed counts as new: at worst there seem to be some. */
static bool have_any(const struct grid_tx *tx, enum grid_subject subject, size_t count)
{
    const struct grid_changes *changes = &tx->changes;
    size_t left = grid_changes_about(changes, subject), removed = 0;
    count = changes->clear ? 0 : count;
    for (size_t i = 0; left > 0; i++) {
        const struct change_entry *entry = &changes->entries[i];
        if (entry->subject != subject)
            continue;
        left--;
        if (!entry->superseded && entry->has_now)
            return true;
        removed += !entry->superseded && entry->before == 0;
    }
    return count > removed;
}

bool grid_tx_managed(struct grid_tx *tx) { return have_any(tx, GRID_NODE, tx->head.nodes); }
bool grid_tx_waiting(struct grid_tx *tx) { return have_any(tx, GRID_TICKET, tx->head.tickets); }

/* --- one node ------------------------------------------------------------------------------- */

static int add_name(void *context, const struct grid_node *node, struct grid_error *err)
{
    if (names_add(context, node->node_id) == UINT32_MAX)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the nodes");
    return 0;
}

/* The driver's names, then those that were put; "" for one that is none now. */
static const char *next_name(void *context, size_t index)
{
    const struct grid_tx *tx = context;
    struct grid_change change;
    if (index < tx->nodes.count) {
        const char *name = names_get(&tx->nodes, (uint32_t)index);
        bool changed = grid_changes_find(&tx->changes, GRID_NODE, name, &change);
        return changed && !change.has_now ? "" : name;
    }
    index -= tx->nodes.count;
    if (index >= tx->changes.count)
        return NULL;
    const struct change_entry *entry = &tx->changes.entries[index];
    return entry->subject == GRID_NODE && entry->has_now
               ? ((const struct grid_node *)entry->record)->node_id : "";
}

static int no_node(struct grid_tx *tx, const char *name, struct grid_error *err)
{
    int rc = 0;
    if (!tx->named && !tx->changes.clear)
        rc = tx->store->driver->nodes(tx->store->db, add_name, &tx->nodes, err);
    if (rc < 0)
        return rc;
    tx->named = true;
    const char *nearest = text_nearest(name, next_name, tx);
    grid_error_set(err, GRID_ENOTFOUND, "no node '%s'", text_shown(name));
    if (nearest)
        grid_error_hint(err, "did you mean '%s'?", text_shown(nearest));
    return GRID_ENOTFOUND;
}

int grid_tx_node(struct grid_tx *tx, const char *name, struct grid_node *ret,
                 struct grid_error *err)
{
    struct grid_error unused = {0};
    struct grid_change change;
    err = err ? err : &unused;
    if (grid_changes_find(&tx->changes, GRID_NODE, name, &change)) {
        if (!change.has_now)
            return no_node(tx, name, err);
        *ret = *change.node;
        return 0;
    }
    int rc = tx->changes.clear ? GRID_ENOTFOUND
                               : tx->store->driver->node(tx->store->db, name, ret, err);
    return rc == GRID_ENOTFOUND ? no_node(tx, name, err) : rc;
}
