/* The store: URLs, and the transaction over whichever driver there is. */
#include "store/changes.h"
#include "store/driver.h"
#include "util/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define ID_LEAST 4 /* bytes of an id that may stand for the whole */
#define NAMED_MOST 5 /* candidates that a message names */

struct grid_store {
    const struct grid_store_driver *driver;
    void *db;
    struct grid_store_options options;
    char *actor;
    int64_t now_us; /* of the last transaction */
};

struct grid_tx {
    struct grid_store *store;
    struct grid_head head;
    struct grid_changes changes;
    int64_t tokens; /* handed out */
    grid_after_fn after;
    void *after_context;
};

static const struct grid_store_driver *const drivers[] = {&store_file_driver,
                                                          &store_memory_driver};

/* "scheme:location", or a path. Messages name the scheme only: what follows may hold a password. */
static int find_driver(const char *url, const struct grid_store_driver **ret_driver,
                       const char **ret_location, struct grid_error *err)
{
    size_t length = 0;
    while (isalnum((unsigned char)url[length]) || (length > 0 && url[length] == '+'))
        length++;
    if (length == 0 || url[length] != ':') {
        if (!strchr(url, '/'))
            return grid_error_set(err, GRID_EUSAGE, "store URL without a scheme, such as 'file:'");
        *ret_driver = &store_file_driver;
        *ret_location = url;
        return 0;
    }
    for (size_t i = 0; i < countof(drivers); i++) {
        if (strlen(drivers[i]->scheme) != length || strncmp(drivers[i]->scheme, url, length) != 0)
            continue;
        *ret_driver = drivers[i];
        *ret_location = url + length + 1;
        return 0;
    }
    grid_error_set(err, GRID_EUSAGE, "no kind of store is called '%.*s'", (int)length, url);
    return grid_error_hint(err, "use file:DIR, or the path of a directory");
}

int grid_store_open(const struct grid_store_options *options, struct grid_store **ret,
                    struct grid_error *err)
{
    const struct grid_store_driver *driver = NULL;
    const char *location = NULL;
    int rc = find_driver(options->url, &driver, &location, err);
    if (rc < 0)
        return rc;
    struct grid_store *store = calloc(1, sizeof(*store));
    if (!store || !(store->actor = strdup(options->actor ? options->actor : ""))) {
        grid_store_close(store);
        return grid_error_set(err, GRID_ENOMEM, "cannot open the store: no memory");
    }
    store->options = *options;
    store->options.actor = store->actor;
    store->options.url = NULL;
    if (store->options.keep_generations <= 0)
        store->options.keep_generations = GRID_GENERATIONS;
    rc = driver->open(location, &store->options, &store->db, err);
    if (rc < 0) {
        grid_store_close(store);
        return rc;
    }
    store->driver = driver;
    *ret = store;
    return 0;
}

void grid_store_close(struct grid_store *store)
{
    if (!store)
        return;
    if (store->driver)
        store->driver->close(store->db);
    free(store->actor);
    free(store);
}

/* One run of `decide`. *ret_raced: the commit found that another writer had been faster. */
static int attempt(struct grid_tx *tx, enum grid_mode mode, grid_decide_fn decide, void *context,
                   struct grid_commit *ret, bool *ret_raced, struct grid_error *err)
{
    const struct grid_store_driver *driver = tx->store->driver;
    void *db = tx->store->db;
    int rc = driver->begin(db, mode, &tx->head, err);
    *ret_raced = rc == GRID_ECONFLICT;
    if (rc < 0)
        return rc;
    tx->store->now_us = tx->changes.now_us = tx->head.now_us;
    tx->changes.revision = tx->head.revision + 1;
    rc = decide(tx, context, err);
    if (rc > 0)
        rc = grid_error_set(err, GRID_EINTERNAL, "a decision returned %d", rc);
    *ret = (struct grid_commit){.revision = tx->head.revision, .now_us = tx->head.now_us,
                                .changes = tx->changes.count};
    if (rc == 0 && mode >= GRID_TIDY && tx->changes.count > 0) {
        rc = driver->commit(db, &tx->changes, err);
        *ret_raced = rc == GRID_ECONFLICT;
        ret->committed = rc == 0 || rc == GRID_EUNKNOWN;
        if (ret->committed)
            ret->revision = tx->changes.revision;
    }
    driver->end(db);
    return rc;
}

int grid_store_transact(struct grid_store *store, enum grid_mode mode, grid_decide_fn decide,
                        void *context, struct grid_commit *ret, struct grid_error *err)
{
    struct grid_error unused = {0};
    err = err ? err : &unused;
    struct grid_tx tx = {.store = store,
                         .changes = {.texts = BUFFER_INIT, .actor = store->actor}};
    struct grid_commit commit = {0};
    int64_t deadline_us = clock_monotonic_us() + store->options.lock_timeout_us;
    bool raced;
    int rc;
    do {
        raced = false;
        tx.tokens = 0;
        tx.after = NULL;
        changes_clear(&tx.changes);
        rc = attempt(&tx, mode, decide, context, &commit, &raced, err);
    } while (raced && mode == GRID_WRITE && clock_monotonic_us() < deadline_us);
    if (raced)
        rc = grid_error_set(err, GRID_ETIMEOUT, "other writers were faster, again and again");
    if (rc == 0 || rc == GRID_EUNKNOWN) {
        if (ret)
            *ret = commit;
        int after = tx.after ? tx.after(tx.after_context, &commit, &tx.changes,
                                        rc ? &unused : err) : 0;
        rc = rc ? rc : after;
    }
    changes_release(&tx.changes);
    return rc;
}

int64_t grid_store_now(const struct grid_store *store) { return store->now_us; }
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
        if (change.superseded || !change.has_now || !grid_boost_matches(&change.now, pass->filter))
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

int grid_store_check(struct grid_store *store, unsigned flags, grid_finding_fn fn, void *context,
                     struct grid_error *err)
{
    struct grid_error unused = {0};
    return store->driver->check(store->db, flags, fn, context, err ? err : &unused);
}
