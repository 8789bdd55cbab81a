/* What a decision sees: the driver's snapshot with the transaction's own changes over it. */
#include "store/load.h"
#include "store/tx.h"

#include <stdio.h>
#include <string.h>

#define ID_LEAST 4   /* bytes of an id that may stand for the whole */
#define NAMED_MOST 5 /* candidates that a message names */

int64_t grid_tx_now(const struct grid_tx *tx) { return tx->head.now_us; }

int64_t grid_tx_revision(const struct grid_tx *tx) { return tx->head.revision; }

int64_t grid_tx_token(struct grid_tx *tx)
{
    return tx->changes.revision = tx->head.revision + ++tx->tokens;
}

void grid_tx_after(struct grid_tx *tx, grid_after_fn fn, void *context)
{
    tx->after = fn;
    tx->after_context = context;
}

size_t grid_tx_mark(const struct grid_tx *tx) { return tx->changes.count; }

static void uncount(struct grid_tx *tx, size_t mark);

void grid_tx_undo(struct grid_tx *tx, size_t mark)
{
    struct grid_change change;
    uncount(tx, mark);
    changes_undo(&tx->changes, mark);
    bool changed = grid_changes_find(&tx->changes, GRID_POLICY, "", &change);
    tx->policy = changed ? *change.policy : tx->head.policy;
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
    size_t count; /* of changes, at the beginning: what `fn` puts is not shown */
    const struct grid_boost_filter *filter;
    grid_boost_fn fn;
    void *context;
};

static int pass_unchanged(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    const struct unchanged *pass = context;
    if (changes_have(pass->changes, GRID_BOOST, boost->boost_id)
        || !grid_boost_matches(boost, pass->filter))
        return 0;
    return pass->fn(pass->context, boost, err);
}

/* What this transaction has changed, as it is now; the newest first if that is asked for. */
static int pass_changed(const struct unchanged *pass, struct grid_error *err)
{
    struct grid_change change;
    for (size_t i = 0; i < pass->count; i++) {
        size_t at = pass->filter->newest_first ? pass->count - 1 - i : i;
        grid_changes_get(pass->changes, at, &change);
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
    struct unchanged pass = {&tx->changes, tx->changes.count, filter ? filter : &everything, fn,
                             context};
    int rc = pass.filter->newest_first ? pass_changed(&pass, err) : 0;
    if (rc == 0 && !tx->changes.clear)
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
    if (!event->has_boost || event->boost.ended == GRID_ACTIVE)
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

/* --- load: the driver's sums once, then each change as it is made or taken back ------------- */

static int take_load(void *context, const struct grid_load *load, struct grid_error *err)
{
    struct tx_sums *sums = context;
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

static int count_boost(struct tx_sums *sums, const struct grid_boost *boost, int64_t now_us,
                       int sign)
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
static int count_change(struct grid_tx *tx, size_t index, int sign)
{
    struct grid_change change;
    int rc = 0;
    grid_changes_get(&tx->changes, index, &change);
    bool counted = !tx->changes.clear || tx->changes.entries[index].before > 0;
    if (change.subject == GRID_BOOST && change.has_was && counted)
        rc = count_boost(&tx->sums, &change.was, tx->head.now_us, -sign);
    if (rc == 0 && change.subject == GRID_BOOST && change.has_now)
        rc = count_boost(&tx->sums, &change.now, tx->head.now_us, sign);
    return rc;
}

/* Before the changes behind a mark are undone. Their names and rows are there, so it cannot fail;
 * `later` stays, which costs a look at most. */
static void uncount(struct grid_tx *tx, size_t mark)
{
    while (tx->sums.changes > mark)
        (void)count_change(tx, --tx->sums.changes, -1);
}

void tx_sums_release(struct tx_sums *sums)
{
    load_release(&sums->load);
    names_release(&sums->names);
    *sums = (struct tx_sums){.names = NAMES_INIT};
}

int grid_tx_load(struct grid_tx *tx, grid_load_fn fn, void *context, struct grid_error *err)
{
    struct tx_sums *sums = &tx->sums;
    int rc = 0;
    if (!sums->read) {
        tx_sums_release(sums);
        if (!tx->changes.clear)
            rc = tx->store->driver->load(tx->store->db, take_load, sums, err);
    }
    for (; rc == 0 && sums->changes < tx->changes.count; sums->changes++)
        if (count_change(tx, sums->changes, 1) != 0)
            rc = grid_error_set(err, GRID_ENOMEM, "no memory for the sums");
    sums->read = rc == 0;
    return rc ? rc : load_stream(&sums->load, &sums->names, fn, context, err);
}
