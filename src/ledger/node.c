/* The registry of nodes, and the policy: every change is one commit, with its events. */
#include "ledger/settle.h"
#include "util/text.h"

#include <string.h>

/* --- setting ---------------------------------------------------------------------------------- */

struct setting {
    const struct grid_node_change *change;
    struct grid_node node; /* the last */
};

static void make_node(struct grid_node *node, const char *name, int64_t now_us)
{
    *node = (struct grid_node){.can_share = true, .first_seen_us = now_us,
                               .last_seen_us = now_us};
    text_copy(node->node_id, sizeof(node->node_id), name);
}

static int set_one(struct grid_tx *tx, struct setting *setting, const char *name,
                   struct grid_error *err)
{
    const struct grid_node_change *change = setting->change;
    struct grid_node *node = &setting->node;
    int rc = grid_tx_node(tx, name, node, err);
    bool is_new = rc == GRID_ENOTFOUND;
    if (rc < 0 && (!is_new || change->must == GRID_NODE_OLD))
        return rc;
    if (!is_new && change->must == GRID_NODE_NEW)
        return grid_error_advise(err, GRID_ECONFLICT, "'grid node set' changes it",
                                 "node '%s' is registered already", text_shown(name));
    *err = (struct grid_error){0};
    if (is_new)
        make_node(node, name, grid_tx_now(tx));
    struct grid_node before = *node;
    rc = change->edit(change->context, node, err);
    if (rc < 0 || (!is_new && memcmp(&before, node, sizeof(before)) == 0))
        return rc;
    return grid_tx_put_node(tx, node, change->quiet ? GRID_EVENT_QUIET : GRID_EVENT_NODE_SET,
                            change->reason, err);
}

static int edit_policy(struct grid_tx *tx, grid_policy_edit_fn edit, void *context,
                       const char *reason, struct grid_error *err)
{
    struct grid_policy policy = *grid_tx_policy(tx);
    int rc = edit(context, &policy, err);
    if (rc < 0 || memcmp(&policy, grid_tx_policy(tx), sizeof(policy)) == 0)
        return rc;
    return grid_tx_put_policy(tx, &policy, reason, err);
}

static int set_nodes(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct setting *setting = context;
    int rc = ledger_settle(tx, NULL, err);
    for (size_t i = 0; rc == 0 && i < setting->change->count; i++)
        rc = set_one(tx, setting, setting->change->names[i], err);
    const struct grid_node_change *change = setting->change;
    if (rc == 0 && change->policy)
        rc = edit_policy(tx, change->policy, change->context, change->reason, err);
    return rc;
}

int grid_ledger_node_set(struct grid_store *store, const struct grid_node_change *change,
                         struct grid_node *ret_node, struct grid_error *err)
{
    struct setting setting = {.change = change};
    int rc = grid_store_transact(store, change->dry_run ? GRID_READ : GRID_WRITE, set_nodes,
                                 &setting, NULL, err);
    if (rc == 0 && ret_node)
        *ret_node = setting.node;
    return rc;
}

/* --- removing --------------------------------------------------------------------------------- */

struct removing {
    const char *name;
    bool force;
    struct grid_tx *tx;
    size_t settled, involved;
    grid_boost_fn fn;
    void *context;
};

static int end_involved(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct removing *removing = context;
    if (strcmp(boost->source_node, removing->name) != 0
        && strcmp(boost->target_node, removing->name) != 0)
        return 0;
    removing->involved++;
    return grid_tx_put_boost(removing->tx, boost, NULL, GRID_EVENT_RELEASED,
                             grid_tx_now(removing->tx), "its node was removed", err);
}

static int hand_over(void *context, const struct grid_commit *commit,
                     const struct grid_changes *changes, struct grid_error *err)
{
    (void)commit;
    const struct removing *removing = context;
    struct grid_event event;
    int rc = 0;
    for (size_t i = removing->settled; rc == 0 && i < grid_changes_count(changes); i++)
        if (grid_changes_event(changes, i, &event) && event.has_boost)
            rc = removing->fn(removing->context, &event.boost, err);
    return rc < 0 ? rc : 0;
}

static int remove_node(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct removing *removing = context;
    struct grid_node node;
    removing->tx = tx;
    removing->involved = 0;
    int rc = ledger_settle(tx, &removing->settled, err);
    if (rc == 0)
        rc = grid_tx_node(tx, removing->name, &node, err);
    if (rc == 0)
        rc = grid_tx_boosts(tx, NULL, end_involved, removing, err);
    if (rc < 0)
        return rc;
    if (removing->involved > 0 && !removing->force)
        return grid_error_advise(err, GRID_ECONFLICT, "--force ends them",
                                 "node '%s' is involved in %zu boost%s", text_shown(removing->name),
                                 removing->involved, removing->involved == 1 ? "" : "s");
    if (removing->fn)
        grid_tx_after(tx, hand_over, removing);
    return grid_tx_put_node(tx, &node, GRID_EVENT_NODE_REMOVED, NULL, err);
}

int grid_ledger_node_remove(struct grid_store *store, const char *name, bool force,
                            grid_boost_fn fn, void *context, struct grid_error *err)
{
    struct removing removing = {.name = name, .force = force, .fn = fn, .context = context};
    return grid_store_transact(store, GRID_WRITE, remove_node, &removing, NULL, err);
}

/* --- looking ---------------------------------------------------------------------------------- */

struct viewing {
    const char *name;
    grid_node_view_fn fn;
    void *context;
    struct grid_node_view *views;
    size_t count, capacity;
    int64_t now_us;
};

static int take_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    struct viewing *viewing = context;
    if (viewing->name && strcmp(viewing->name, node->node_id) != 0)
        return 0;
    if (array_reserve(&viewing->views, &viewing->capacity, viewing->count + 1,
                      sizeof(*viewing->views)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the nodes");
    struct grid_node_view *view = &viewing->views[viewing->count++];
    *view = (struct grid_node_view){.node = *node};
    view->held = grid_node_is_held(node, viewing->now_us);
    view->stale = grid_node_is_stale(node, viewing->now_us);
    return 0;
}

static int take_load(void *context, const struct grid_load *load, struct grid_error *err)
{
    struct viewing *viewing = context;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < viewing->count; i++) {
        struct grid_node_view *view = &viewing->views[i];
        if (strcmp(view->node.node_id, load->node) != 0)
            continue;
        if (load->lent_u > 0)
            rc = grid_amounts_set(&view->lent, load->resource, load->lent_u, err);
        if (rc == 0 && load->borrowed_u > 0)
            rc = grid_amounts_set(&view->borrowed, load->resource, load->borrowed_u, err);
        view->overcommitted |= load->lent_u > grid_node_lendable(&view->node, load->resource);
    }
    return rc;
}

static int view_nodes(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct viewing *viewing = context;
    struct grid_node node;
    viewing->count = 0;
    viewing->now_us = grid_tx_now(tx);
    int rc = ledger_settle(tx, NULL, err);
    if (rc == 0)
        rc = grid_tx_nodes(tx, take_node, viewing, err);
    if (rc == 0 && viewing->name && viewing->count == 0)
        rc = grid_tx_node(tx, viewing->name, &node, err); /* for its message */
    if (rc == 0)
        rc = grid_tx_load(tx, take_load, viewing, err);
    for (size_t i = 0; rc == 0 && i < viewing->count; i++)
        rc = viewing->fn(viewing->context, &viewing->views[i], err);
    return rc < 0 ? rc : 0;
}

int grid_ledger_nodes(struct grid_store *store, enum grid_mode mode, const char *name,
                      grid_node_view_fn fn, void *context, struct grid_error *err)
{
    struct viewing viewing = {.name = name, .fn = fn, .context = context};
    int rc = grid_store_transact(store, mode == GRID_TIDY ? GRID_READ : mode, view_nodes,
                                 &viewing, NULL, err);
    free(viewing.views);
    return rc;
}

/* --- policy ----------------------------------------------------------------------------------- */

struct policing {
    grid_policy_edit_fn edit; /* NULL: only read */
    void *context;
    const char *reason;
    struct grid_policy policy;
};

static int police(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct policing *policing = context;
    int rc = policing->edit ? edit_policy(tx, policing->edit, policing->context,
                                          policing->reason, err) : 0;
    policing->policy = *grid_tx_policy(tx);
    return rc;
}

int grid_ledger_policy(struct grid_store *store, struct grid_policy *ret, struct grid_error *err)
{
    struct policing policing = {0};
    int rc = grid_store_transact(store, GRID_READ, police, &policing, NULL, err);
    if (rc == 0)
        *ret = policing.policy;
    return rc;
}

int grid_ledger_policy_set(struct grid_store *store, grid_policy_edit_fn edit, void *context,
                           const char *reason, struct grid_policy *ret, struct grid_error *err)
{
    struct policing policing = {.edit = edit, .context = context, .reason = reason};
    int rc = grid_store_transact(store, GRID_WRITE, police, &policing, NULL, err);
    if (rc == 0 && ret)
        *ret = policing.policy;
    return rc;
}
