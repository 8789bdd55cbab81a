/* What a decision sees: the driver's snapshot with the transaction's own changes over it. */
#include "store/load.h"
#include "store/tx.h"

#include <stdio.h>
#include <string.h>

#define ID_LEAST 4   /* bytes of an id that may stand for the whole */
#define NAMED_MOST 5 /* candidates that a message names */

int64_t grid_tx_now(const struct grid_tx *tx) { return tx->head.now_us; }

int64_t grid_tx_token(struct grid_tx *tx)
{
    return tx->changes.revision = tx->head.revision + ++tx->tokens;
}

void grid_tx_after(struct grid_tx *tx, grid_after_fn fn, void *context)
{
    tx->after = fn;
    tx->after_context = context;
}

int grid_tx_put_boost(struct grid_tx *tx, const struct grid_boost *was,
                      const struct grid_boost *now, enum grid_event_kind event, int64_t at_us,
                      const char *reason, struct grid_error *err)
{
    return changes_put(&tx->changes, was, now, event, at_us, reason, err);
}

/* What the driver streams, less what this transaction has changed. */
struct unchanged {
    const struct grid_changes *changes;
    const struct grid_boost_filter *filter;
    grid_boost_fn fn;
    void *context;
};

static int pass_unchanged(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    const struct unchanged *pass = context;
    if (changes_have(pass->changes, boost->boost_id) || !grid_boost_matches(boost, pass->filter))
        return 0;
    return pass->fn(pass->context, boost, err);
}

/* What this transaction has changed, as it is now; the newest first if that is asked for. */
static int pass_changed(const struct unchanged *pass, struct grid_error *err)
{
    struct grid_change change;
    size_t count = pass->changes->count;
    for (size_t i = 0; i < count; i++) {
        grid_changes_get(pass->changes, pass->filter->newest_first ? count - 1 - i : i, &change);
        if (change.subject != GRID_BOOST || change.superseded || !change.has_now
            || !grid_boost_matches(&change.now, pass->filter))
            continue;
        int rc = pass->fn(pass->context, &change.now, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int grid_tx_boosts(struct grid_tx *tx, const struct grid_boost_filter *filter, grid_boost_fn fn,
                   void *context, struct grid_error *err)
{
    static const struct grid_boost_filter everything;
    struct unchanged pass = {&tx->changes, filter ? filter : &everything, fn, context};
    int rc = pass.filter->newest_first ? pass_changed(&pass, err) : 0;
    if (rc == 0)
        rc = tx->store->driver->boosts(tx->store->db, pass.filter, pass_unchanged, &pass, err);
    if (rc == 0 && !pass.filter->newest_first)
        rc = pass_changed(&pass, err);
    return rc;
}

struct matching {
    const struct grid_event_filter *filter;
    grid_event_fn fn;
    void *context;
};

static int pass_matching(void *context, const struct grid_event *event, struct grid_error *err)
{
    const struct matching *pass = context;
    return grid_event_matches(event, pass->filter) ? pass->fn(pass->context, event, err) : 0;
}

int grid_tx_events(struct grid_tx *tx, const struct grid_event_filter *filter, grid_event_fn fn,
                   void *context, struct grid_error *err)
{
    static const struct grid_event_filter everything;
    struct matching pass = {filter ? filter : &everything, fn, context};
    struct grid_event event;
    for (size_t i = tx->changes.count; i-- > 0;) {
        int rc = grid_changes_event(&tx->changes, i, &event) ? pass_matching(&pass, &event, err)
                                                             : 0;
        if (rc != 0)
            return rc;
    }
    return tx->store->driver->events(tx->store->db, pass.filter, pass_matching, &pass, err);
}

/* A search for an id, or for the one that begins so. */
struct search {
    const char *id;
    struct grid_boost *ret;
    size_t found;
    bool exact;
    char names[NAMED_MOST][GRID_ID_SIZE];
};

static int search_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct search *search = context;
    for (size_t i = 0; i < search->found && i < NAMED_MOST; i++)
        if (strcmp(search->names[i], boost->boost_id) == 0)
            return 0;
    search->exact = strcmp(boost->boost_id, search->id) == 0;
    if (search->exact || search->found == 0)
        *search->ret = *boost;
    if (search->found < NAMED_MOST)
        text_copy(search->names[search->found], GRID_ID_SIZE, boost->boost_id);
    search->found++;
    return search->exact;
}

static int search_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    if (!event->has_boost || grid_event_ends(event->event) == GRID_ACTIVE)
        return 0;
    return search_boost(context, &event->boost, err);
}

static int ambiguous(const struct search *search, struct grid_error *err)
{
    char shown[GRID_ID_SIZE], names[NAMED_MOST * (GRID_ID_SIZE + 4)] = "";
    for (size_t i = 0; i < search->found && i < NAMED_MOST; i++) {
        size_t length = strlen(names);
        snprintf(names + length, sizeof(names) - length, "%s'%s'", i ? ", " : "",
                 text_printable(search->names[i], shown, sizeof(shown)));
    }
    grid_error_set(err, GRID_ECONFLICT, "'%s' is ambiguous: %s%s",
                   text_printable(search->id, shown, sizeof(shown)), names,
                   search->found > NAMED_MOST ? " and others" : "");
    return grid_error_hint(err, "give more of the id");
}

int grid_tx_find(struct grid_tx *tx, const char *id, struct grid_boost *ret,
                 struct grid_error *err)
{
    struct search search = {.id = id, .ret = ret};
    struct grid_boost_filter whole = {.boost_id = id}, living = {.id_prefix = id};
    int rc = grid_tx_boosts(tx, &whole, search_boost, &search, err);
    if (rc == 0) /* only now: a whole id is found at once, a prefix costs a look at every boost */
        rc = grid_tx_boosts(tx, &living, search_boost, &search, err);
    if (rc == 0 && (search.found == 0 || strlen(id) < ID_LEAST)) {
        struct grid_event_filter ended = {.id_prefix = id};
        rc = grid_tx_events(tx, &ended, search_event, &search, err);
    }
    if (rc < 0 || search.exact)
        return rc < 0 ? rc : 0;
    char shown[GRID_ID_SIZE];
    text_printable(id, shown, sizeof(shown));
    if (strlen(id) < ID_LEAST) {
        grid_error_set(err, GRID_EUSAGE, "'%s' is too short for an id", shown);
        return grid_error_hint(err, "give %d or more characters of it", ID_LEAST);
    }
    if (search.found > 1)
        return ambiguous(&search, err);
    if (search.found == 0)
        return grid_error_set(err, GRID_ENOTFOUND, "no boost '%s'", shown);
    return 0;
}

/* --- nodes, policy, load ---------------------------------------------------------------------- */

int grid_tx_put_node(struct grid_tx *tx, const struct grid_node *node, enum grid_event_kind event,
                     const char *reason, struct grid_error *err)
{
    return changes_put_node(&tx->changes, node, event == GRID_EVENT_NODE_REMOVED, event, reason,
                            err);
}

int grid_tx_put_policy(struct grid_tx *tx, const struct grid_policy *policy, const char *reason,
                       struct grid_error *err)
{
    tx->policy = *policy;
    return changes_put_policy(&tx->changes, policy, GRID_EVENT_POLICY_SET, reason, err);
}

const struct grid_policy *grid_tx_policy(const struct grid_tx *tx) { return &tx->policy; }

struct node_pass {
    const struct grid_tx *tx;
    grid_node_fn fn;
    void *context;
};

static int pass_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    const struct node_pass *pass = context;
    bool removed = false;
    const struct grid_node *changed = changes_node(&pass->tx->changes, node->node_id, &removed);
    if (removed)
        return 0;
    return pass->fn(pass->context, changed ? changed : node, err);
}

static int see_name(void *context, const struct grid_node *node, struct grid_error *err)
{
    (void)err;
    return strcmp(context, node->node_id) == 0;
}

/* The new ones come behind those that the driver has. */
int grid_tx_nodes(struct grid_tx *tx, grid_node_fn fn, void *context, struct grid_error *err)
{
    const struct grid_store_driver *driver = tx->store->driver;
    struct node_pass pass = {tx, fn, context};
    struct grid_change change;
    int rc = driver->nodes(tx->store->db, pass_node, &pass, err);
    for (size_t i = 0; rc == 0 && i < tx->changes.count; i++) {
        if (tx->changes.entries[i].subject != GRID_NODE)
            continue;
        grid_changes_get(&tx->changes, i, &change);
        if (change.superseded || !change.has_now)
            continue;
        char name[GRID_NODE_SIZE];
        text_copy(name, sizeof(name), change.node->node_id);
        int old = driver->nodes(tx->store->db, see_name, name, err);
        rc = old < 0 ? old : old > 0 ? 0 : fn(context, change.node, err);
    }
    return rc;
}

static int stop_at_once(void *context, const struct grid_node *node, struct grid_error *err)
{
    (void)context, (void)node, (void)err;
    return 1;
}

bool grid_tx_managed(struct grid_tx *tx)
{
    if (tx->changes.node_count == 0)
        return tx->head.nodes > 0;
    return grid_tx_nodes(tx, stop_at_once, NULL, NULL) > 0;
}

struct node_search {
    const char *name;
    struct grid_node *ret;
    struct names names;
};

static int search_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    struct node_search *search = context;
    if (strcmp(node->node_id, search->name) == 0) {
        *search->ret = *node;
        return 1;
    }
    if (names_add(&search->names, node->node_id) == UINT32_MAX)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the nodes");
    return 0;
}

static const char *next_name(void *context, size_t index)
{
    const struct names *names = context;
    return index < names->count ? names_get(names, (uint32_t)index) : NULL;
}

int grid_tx_node(struct grid_tx *tx, const char *name, struct grid_node *ret,
                 struct grid_error *err)
{
    struct node_search search = {name, ret, NAMES_INIT};
    int rc = grid_tx_nodes(tx, search_node, &search, err);
    const char *nearest = rc == 0 ? text_nearest(name, next_name, &search.names) : NULL;
    if (rc == 0) {
        rc = grid_error_set(err, GRID_ENOTFOUND, "no node '%s'", text_shown(name));
        if (nearest)
            grid_error_hint(err, "did you mean '%s'?", text_shown(nearest));
    }
    names_release(&search.names);
    return rc > 0 ? 0 : rc;
}

/* The driver's sums, by names of our own. */
struct sums {
    struct names names;
    struct load load;
};

static int take_load(void *context, const struct grid_load *load, struct grid_error *err)
{
    struct sums *sums = context;
    uint32_t node = names_add(&sums->names, load->node);
    uint32_t resource = names_add(&sums->names, load->resource);
    struct load_row *row = node == UINT32_MAX || resource == UINT32_MAX
                               ? NULL : load_row(&sums->load, node, resource);
    if (!row)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the sums");
    row->lent_u += load->lent_u;
    row->borrowed_u += load->borrowed_u;
    row->later |= load->later;
    return 0;
}

static int add_boost(struct sums *sums, const struct grid_boost *boost, int64_t now_us, int sign)
{
    if (!grid_boost_counts(boost))
        return 0;
    uint32_t source = names_add(&sums->names, boost->source_node);
    uint32_t target = names_add(&sums->names, boost->target_node);
    uint32_t resource = names_add(&sums->names, boost->resource_type);
    if (source == UINT32_MAX || target == UINT32_MAX || resource == UINT32_MAX)
        return GRID_ENOMEM;
    return load_add(&sums->load, source, target, resource, boost->amount_u,
                    grid_boost_starts_later(boost, now_us), sign);
}

/* What was counted goes, what counts now comes: over several changes of one boost this adds up. */
static int add_changes(struct grid_tx *tx, struct sums *sums)
{
    struct grid_change change;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < tx->changes.count; i++) {
        grid_changes_get(&tx->changes, i, &change);
        if (change.subject == GRID_BOOST && change.has_was)
            rc = add_boost(sums, &change.was, tx->head.now_us, -1);
        if (rc == 0 && change.subject == GRID_BOOST && change.has_now)
            rc = add_boost(sums, &change.now, tx->head.now_us, 1);
    }
    return rc;
}

int grid_tx_load(struct grid_tx *tx, grid_load_fn fn, void *context, struct grid_error *err)
{
    struct sums sums = {.names = NAMES_INIT};
    int rc = tx->store->driver->load(tx->store->db, take_load, &sums, err);
    if (rc == 0 && add_changes(tx, &sums) != 0)
        rc = grid_error_set(err, GRID_ENOMEM, "no memory for the sums");
    if (rc == 0)
        rc = load_stream(&sums.load, &sums.names, fn, context, err);
    load_release(&sums.load);
    names_release(&sums.names);
    return rc;
}
