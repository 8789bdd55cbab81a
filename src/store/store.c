/* The store: URLs, and the transaction over whichever driver there is. */
#include "store/driver.h"
#include "store/tx.h"
#include "util/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

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
    tx->policy = tx->head.policy;
    tx->changes.revision = tx->head.revision + 1;
    rc = decide(tx, context, err);
    if (rc > 0)
        rc = grid_error_set(err, GRID_EINTERNAL, "a decision returned %d", rc);
    *ret = (struct grid_commit){.revision = tx->head.revision, .now_us = tx->head.now_us,
                                .changes = tx->changes.count};
    if (rc == 0 && tx->changes.count > 0 && tx->changes.revision >= GRID_REVISION_MAX)
        rc = grid_error_set(err, GRID_EINTERNAL, "the ledger has no revision left");
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

static void tell_events(const struct grid_store_options *options,
                        const struct grid_changes *changes)
{
    struct grid_event event;
    for (size_t i = 0; options->event && i < changes->count; i++)
        if (grid_changes_event(changes, i, &event))
            options->event(options->event_context, &event);
}

int grid_store_transact(struct grid_store *store, enum grid_mode mode, grid_decide_fn decide,
                        void *context, struct grid_commit *ret, struct grid_error *err)
{
    struct grid_error unused = {0};
    err = err ? err : &unused;
    struct grid_tx tx = {.store = store, .nodes = NAMES_INIT,
                         .changes = {.texts = BUFFER_INIT, .actor = store->actor}};
    struct grid_commit commit = {0};
    int64_t deadline_us = clock_monotonic_us() + store->options.lock_timeout_us;
    bool raced;
    int rc;
    do {
        raced = false;
        tx.tokens = 0;
        tx.after = NULL;
        tx.named = false;
        names_release(&tx.nodes);
        tx_sums_release(&tx.sums);
        changes_undo(&tx.changes, 0);
        rc = attempt(&tx, mode, decide, context, &commit, &raced, err);
    } while (raced && mode >= GRID_WRITE && clock_monotonic_us() < deadline_us);
    if (raced)
        rc = grid_error_advise(err, GRID_ETIMEOUT, "try again, or longer with --lock-timeout",
                               "other writers were faster, again and again");
    if (rc == 0 && commit.committed)
        tell_events(&store->options, &tx.changes);
    if (rc == 0 || rc == GRID_EUNKNOWN) {
        if (ret)
            *ret = commit;
        int after = tx.after ? tx.after(tx.after_context, &commit, &tx.changes,
                                        rc ? &unused : err) : 0;
        rc = rc ? rc : after;
    }
    changes_release(&tx.changes);
    names_release(&tx.nodes);
    tx_sums_release(&tx.sums);
    return rc;
}

int grid_store_watch(struct grid_store *store, int64_t wait_us, int stop_fd,
                     struct grid_error *err)
{
    struct grid_error unused = {0};
    if (wait_us <= 0)
        return 0;
    return store->driver->watch(store->db, wait_us, stop_fd, err ? err : &unused);
}

int64_t grid_store_now(const struct grid_store *store) { return store->now_us; }

int grid_store_check(struct grid_store *store, unsigned flags, grid_finding_fn fn, void *context,
                     struct grid_error *err)
{
    struct grid_error unused = {0};
    return store->driver->check(store->db, flags, fn, context, err ? err : &unused);
}

int grid_store_sweep(struct grid_store *store, int64_t before_us, struct grid_error *err)
{
    struct grid_error unused = {0};
    return store->driver->sweep ? store->driver->sweep(store->db, before_us, err ? err : &unused)
                                : 0;
}

int grid_store_init(struct grid_store *store, int64_t group, struct grid_error *err)
{
    struct grid_error unused = {0};
    err = err ? err : &unused;
    if (!store->driver->init)
        return grid_error_set(err, GRID_EUSAGE, "a '%s' store has no directory to make",
                              store->driver->scheme);
    return store->driver->init(store->db, group, err);
}
