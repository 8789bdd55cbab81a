/* Every stream of a transaction, on both drivers, ended by whoever takes from it at each place. */
#include "grid/dump.h"
#include "store/place.h"
#include "util/file.h"

#include <fcntl.h>

/* What takes: it ends the stream with `rc` at the `left`-th time. */
struct taking {
    int left, rc;
    int (*stream)(struct grid_tx *tx, struct taking *taking, struct grid_error *err);
};

static int take(struct taking *taking, struct grid_error *err)
{
    if (--taking->left != 0)
        return 0;
    return taking->rc < 0 ? grid_error_set(err, taking->rc, "enough") : taking->rc;
}

#define TAKES(name, type)                                                                         \
    static int take_##name(void *context, const struct type *taken, struct grid_error *err)       \
    {                                                                                             \
        (void)taken;                                                                              \
        return take(context, err);                                                                \
    }
TAKES(boost, grid_boost)
TAKES(node, grid_node)
TAKES(ticket, grid_ticket)
TAKES(event, grid_event)
TAKES(load, grid_load)
TAKES(record, grid_record)

static int boosts(struct grid_tx *tx, struct taking *taking, struct grid_error *err)
{
    return grid_tx_boosts(tx, NULL, take_boost, taking, err);
}

static int newest(struct grid_tx *tx, struct taking *taking, struct grid_error *err)
{
    const struct grid_boost_filter filter = {.newest_first = true};
    return grid_tx_boosts(tx, &filter, take_boost, taking, err);
}

static int nodes(struct grid_tx *tx, struct taking *taking, struct grid_error *err)
{
    return grid_tx_nodes(tx, take_node, taking, err);
}

static int tickets(struct grid_tx *tx, struct taking *taking, struct grid_error *err)
{
    return grid_tx_tickets(tx, take_ticket, taking, err);
}

static int events(struct grid_tx *tx, struct taking *taking, struct grid_error *err)
{
    const struct grid_event_filter all = {0};
    return grid_tx_events(tx, &all, take_event, taking, err);
}

static int load(struct grid_tx *tx, struct taking *taking, struct grid_error *err)
{
    return grid_tx_load(tx, take_load, taking, err);
}

static int records(struct grid_tx *tx, struct taking *taking, struct grid_error *err)
{
    return grid_tx_records(tx, take_record, taking, err);
}

static const struct {
    const char *name;
    int (*stream)(struct grid_tx *tx, struct taking *taking, struct grid_error *err);
    int least; /* so many there are */
} streams[] = {
    {"boosts", boosts, 4},   {"newest", newest, 4}, {"nodes", nodes, 2},
    {"tickets", tickets, 1}, {"events", events, 1}, {"load", load, 2},
    {"records", records, 9},
};

static int decide(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct taking *taking = context;
    return taking->stream(tx, taking, err);
}

/* How many there are: each of them ended the stream in its turn, and nobody else. */
static int stop_everywhere(struct grid_store *store, const char *name, struct taking taking)
{
    const int rc = taking.rc;
    for (int count = 0;; count++) {
        struct grid_error err = {0};
        taking.left = count + 1;
        int got = grid_store_transact(store, GRID_READ, decide, &taking, NULL, &err);
        if (taking.left > 0) {
            cr_expect_eq(got, 0, "%s, to the end: %d", name, got);
            return count;
        }
        cr_expect_eq(got, rc, "%s, stopped at %d: %d", name, count, got);
        cr_expect_eq(taking.left, 0, "%s, stopped at %d, goes on", name, count);
    }
}

static void check_streams(const char *scheme)
{
    struct place place;
    make_place(&place, scheme);
    struct grid_store *store = open_store(place.url);
    grid_auto_free char *text = NULL;
    size_t length = 0;
    struct grid_error err = {0};
    struct grid_imported imported = {0};
    cr_assert_eq(file_read(AT_FDCWD, "tests/fuzz/corpus/import/managed.json", &text, &length, NULL,
                           &err), 0, "%s", err.message);
    struct grid_import import = {.text = text, .length = length, .mode = GRID_IMPORT_REPLACE,
                                 .reason = "a test"};
    cr_assert_eq(grid_ledger_import(store, &import, &imported, &err), 0, "%s", err.message);
    for (size_t i = 0; i < countof(streams); i++) {
        struct taking taking = {.rc = GRID_EINTERNAL, .stream = streams[i].stream};
        int count = stop_everywhere(store, streams[i].name, taking);
        cr_expect_geq(count, streams[i].least, "%s: %d", streams[i].name, count);
    }
    grid_store_close(store);
    drop_place(&place);
}

Test(stopped, by_who_takes_from_a_file)
{
    check_streams("file");
}

Test(stopped, by_who_takes_from_memory)
{
    check_streams("memory");
}
