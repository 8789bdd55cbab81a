/* The registry of nodes, and the policy: every change is one commit, with its events. */
#include "ledger/queue.h"
#include "ledger/settle.h"
#include "util/text.h"

#include <string.h>

/* --- looking ---------------------------------------------------------------------------------- */

struct viewing {
    const char *const *names; /* only these; NULL: all */
    size_t name_count;
    struct grid_node_view *views;
    size_t count, capacity;
    int64_t now_us;
};

static int take_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    struct viewing *viewing = context;
    bool wanted = !viewing->names;
    for (size_t i = 0; i < viewing->name_count && !wanted; i++)
        wanted = strcmp(viewing->names[i], node->node_id) == 0;
    if (!wanted)
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

/* More kinds than a view has room for are left out. */
static int take_load(void *context, const struct grid_load *load, struct grid_error *err)
{
    (void)err;
    struct viewing *viewing = context;
    struct grid_error unused;
    for (size_t i = 0; i < viewing->count; i++) {
        struct grid_node_view *view = &viewing->views[i];
        if (strcmp(view->node.node_id, load->node) != 0)
            continue;
        if (load->lent_u > 0)
            (void)grid_amounts_set(&view->lent, load->resource, load->lent_u, &unused);
        if (load->borrowed_u > 0)
            (void)grid_amounts_set(&view->borrowed, load->resource, load->borrowed_u, &unused);
        view->overcommitted |= load->lent_u > grid_node_lendable(&view->node, load->resource);
    }
    return 0;
}

/* Fills the views, as things stand in the transaction. */
static int view_nodes(struct grid_tx *tx, struct viewing *viewing, struct grid_error *err)
{
    viewing->count = 0;
    viewing->now_us = grid_tx_now(tx);
    int rc = grid_tx_nodes(tx, take_node, viewing, err);
    return rc ?: grid_tx_load(tx, take_load, viewing, err);
}

static int hand_over_views(const struct viewing *viewing, grid_node_view_fn fn, void *context,
                           struct grid_error *err)
{
    int rc = 0;
    for (size_t i = 0; fn && rc == 0 && i < viewing->count; i++)
        rc = fn(context, &viewing->views[i], err);
    return rc < 0 ? rc : 0;
}

static int look(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct viewing *viewing = context;
    struct grid_node node;
    int rc = ledger_settle(tx, err);
    if (rc == 0 && viewing->names)
        rc = grid_tx_node(tx, viewing->names[0], &node, err); /* for its message */
    return rc ?: view_nodes(tx, viewing, err);
}

int grid_ledger_nodes(struct grid_store *store, enum grid_mode mode, const char *name,
                      grid_node_view_fn fn, void *context, struct grid_error *err)
{
    struct viewing viewing = {.names = name ? &name : NULL, .name_count = name != NULL};
    int rc = grid_store_transact(store, mode == GRID_TIDY ? GRID_READ : mode, look, &viewing, NULL,
                                 err);
    rc = rc ?: hand_over_views(&viewing, fn, context, err);
    free(viewing.views);
    return rc;
}

/* --- setting ---------------------------------------------------------------------------------- */

struct setting {
    const struct grid_node_change *change;
    struct grid_node node; /* the last */
    struct viewing viewing;
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
    int rc = ledger_settle(tx, err);
    for (size_t i = 0; rc == 0 && i < setting->change->count; i++)
        rc = set_one(tx, setting, setting->change->names[i], err);
    const struct grid_node_change *change = setting->change;
    if (rc == 0 && change->policy)
        rc = edit_policy(tx, change->policy, change->context, change->reason, err);
    rc = rc ?: queue_promote(tx, err);
    return rc < 0 || !change->view ? rc : view_nodes(tx, &setting->viewing, err);
}

int grid_ledger_node_set(struct grid_store *store, const struct grid_node_change *change,
                         struct grid_node *ret_node, struct grid_error *err)
{
    struct setting setting = {.change = change,
                              .viewing = {.names = change->names, .name_count = change->count}};
    int rc = grid_store_transact(store, change->dry_run ? GRID_READ : GRID_WRITE, set_nodes,
                                 &setting, NULL, err);
    if (rc == 0 && ret_node)
        *ret_node = setting.node;
    rc = rc ?: hand_over_views(&setting.viewing, change->view, change->view_context, err);
    free(setting.viewing.views);
    return rc;
}

/* --- removing --------------------------------------------------------------------------------- */

struct removing {
    const char *name;
    bool force;
    struct boost_list involved; /* and the rest of their groups */
    size_t settled, ends;
    grid_boost_fn fn;
    void *context;
};

static int take_involved(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct removing *removing = context;
    bool involved = strcmp(boost->source_node, removing->name) == 0
                    || strcmp(boost->target_node, removing->name) == 0;
    return involved ? boost_list_add(&removing->involved, boost, err) : 0;
}

/* What is done to one member of a group is done to all; each once. */
static int end_involved(struct grid_tx *tx, struct removing *removing, struct grid_error *err)
{
    auto_boosts struct boost_list group = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < removing->involved.count; i++) {
        const char *group_id = removing->involved.at[i].group_id;
        bool done = false;
        for (size_t j = 0; group_id[0] && j < i && !done; j++)
            done = strcmp(removing->involved.at[j].group_id, group_id) == 0;
        rc = done ? 0 : ledger_group(tx, &removing->involved.at[i], &group, err);
        for (size_t j = 0; rc == 0 && !done && j < group.count; j++)
            rc = grid_tx_put_boost(tx, &group.at[j], NULL, GRID_EVENT_RELEASED, grid_tx_now(tx),
                                   "its node was removed", err);
    }
    return rc;
}

static int hand_over(void *context, const struct grid_commit *commit,
                     const struct grid_changes *changes, struct grid_error *err)
{
    (void)commit;
    const struct removing *removing = context;
    return ledger_hand_over(changes, removing->settled, removing->ends, removing->fn,
                            removing->context, err);
}

static int remove_node(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct removing *removing = context;
    struct grid_node node;
    removing->involved.count = 0;
    int rc = ledger_settle(tx, err);
    removing->settled = grid_tx_mark(tx);
    rc = rc ?: grid_tx_node(tx, removing->name, &node, err);
    if (rc == GRID_ECORRUPT) { /* a record that is not sound can be removed by its name */
        node = (struct grid_node){0};
        text_copy(node.node_id, sizeof(node.node_id), removing->name);
        rc = 0;
    }
    rc = rc ?: grid_tx_boosts(tx, NULL, take_involved, removing, err);
    if (rc < 0)
        return rc;
    size_t count = removing->involved.count;
    if (count > 0 && !removing->force)
        return grid_error_advise(err, GRID_ECONFLICT, "--force ends them",
                                 "node '%s' is involved in %zu boost%s", text_shown(removing->name),
                                 count, count == 1 ? "" : "s");
    rc = end_involved(tx, removing, err);
    removing->ends = grid_tx_mark(tx);
    grid_tx_after(tx, hand_over, removing);
    rc = rc ?: grid_tx_put_node(tx, &node, GRID_EVENT_NODE_REMOVED, NULL, err);
    return rc ?: queue_promote(tx, err);
}

int grid_ledger_node_remove(struct grid_store *store, const char *name, bool force,
                            grid_boost_fn fn, void *context, struct grid_error *err)
{
    struct removing removing = {.name = name, .force = force, .fn = fn, .context = context};
    int rc = grid_store_transact(store, GRID_WRITE, remove_node, &removing, NULL, err);
    boost_list_release(&removing.involved);
    return rc;
}

/* --- policy ----------------------------------------------------------------------------------- */

struct policy_edit {
    grid_policy_edit_fn edit; /* NULL: only read */
    void *context;
    const char *reason;
    struct grid_policy policy;
};

static int run_edit(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct policy_edit *edit = context;
    int rc = ledger_settle(tx, err);
    if (rc == 0 && edit->edit)
        rc = edit_policy(tx, edit->edit, edit->context, edit->reason, err);
    edit->policy = *grid_tx_policy(tx);
    return rc < 0 || !edit->edit ? rc : queue_promote(tx, err);
}

int grid_ledger_policy(struct grid_store *store, struct grid_policy *ret, struct grid_error *err)
{
    struct policy_edit edit = {0};
    int rc = grid_store_transact(store, GRID_READ, run_edit, &edit, NULL, err);
    if (rc == 0)
        *ret = edit.policy;
    return rc;
}

int grid_ledger_policy_set(struct grid_store *store, grid_policy_edit_fn edit, void *context,
                           const char *reason, struct grid_policy *ret, struct grid_error *err)
{
    struct policy_edit edit_of = {.edit = edit, .context = context, .reason = reason};
    int rc = grid_store_transact(store, GRID_WRITE, run_edit, &edit_of, NULL, err);
    if (rc == 0 && ret)
        *ret = edit_of.policy;
    return rc;
}
