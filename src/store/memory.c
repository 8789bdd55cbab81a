/* The memory driver: a ledger that lives as long as the process. The plainest statement of the
 * contract; optimistic, so that the running again of a decision is tested. */
#include "store/driver.h"

#include "model/node_record.h"
#include "model/record.h"
#include "model/ticket_record.h"
#include "util/clock.h"

#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* One ledger; every store that was opened with the same name shares it. */
struct ledger {
    struct ledger *next;
    char name[64];
    size_t users;
    int64_t revision, last_us;
    struct grid_boost *boosts; /* in the order of granting */
    size_t count, capacity;
    struct grid_event *events;
    size_t event_count, event_capacity;
    struct grid_node *nodes;
    size_t node_count, node_capacity;
    struct grid_ticket *tickets; /* in the order in which they were put */
    size_t ticket_count, ticket_capacity;
    struct grid_policy policy;
};

static struct ledger *ledgers;

struct memory_db {
    struct ledger *ledger;
    int64_t begun;         /* the revision that the transaction began with, or its commit made */
    int64_t now_us;
    bool fail_next_commit; /* memory:NAME?conflict=1 */
};

static struct ledger *find_ledger(const char *name)
{
    for (struct ledger *ledger = ledgers; ledger; ledger = ledger->next)
        if (strcmp(ledger->name, name) == 0)
            return ledger;
    struct ledger *ledger = calloc(1, sizeof(*ledger));
    if (!ledger)
        return NULL;
    text_copy(ledger->name, sizeof(ledger->name), name);
    ledger->policy = GRID_POLICY_DEFAULT;
    ledger->next = ledgers;
    ledgers = ledger;
    return ledger;
}

static int memory_open(const char *location, const struct grid_store_options *options,
                       void **ret_db, struct grid_error *err)
{
    (void)options;
    char name[64];
    const char *question = strchr(location, '?');
    size_t length = question ? (size_t)(question - location) : strlen(location);
    if (length >= sizeof(name) || (question && strcmp(question, "?conflict=1") != 0))
        return grid_error_set(err, GRID_EUSAGE, "memory store URL is not memory:NAME");
    snprintf(name, sizeof(name), "%.*s", (int)length, location);
    struct memory_db *db = calloc(1, sizeof(*db));
    if (!db || !(db->ledger = find_ledger(name))) {
        free(db);
        return grid_error_set(err, GRID_ENOMEM, "cannot open the store: no memory");
    }
    db->ledger->users++;
    db->fail_next_commit = question != NULL;
    *ret_db = db;
    return 0;
}

static void memory_close(void *opaque)
{
    struct memory_db *db = opaque;
    struct ledger *ledger = db->ledger;
    free(db);
    if (--ledger->users > 0)
        return;
    struct ledger **at = &ledgers;
    while (*at != ledger)
        at = &(*at)->next;
    *at = ledger->next;
    free(ledger->boosts);
    free(ledger->events);
    free(ledger->nodes);
    free(ledger->tickets);
    free(ledger);
}

static int memory_begin(void *opaque, enum grid_mode mode, struct grid_head *ret,
                        struct grid_error *err)
{
    (void)mode;
    (void)err;
    struct memory_db *db = opaque;
    int64_t clock_us = clock_now_us();
    db->begun = db->ledger->revision;
    *ret = (struct grid_head){.now_us = clock_us > db->ledger->last_us ? clock_us
                                                                       : db->ledger->last_us,
                              .revision = db->ledger->revision,
                              .nodes = db->ledger->node_count,
                              .tickets = db->ledger->ticket_count,
                              .policy = db->ledger->policy};
    db->now_us = ret->now_us;
    return 0;
}

static int newer_first(const void *a, const void *b)
{
    const struct grid_boost *left = *(struct grid_boost *const *)a;
    const struct grid_boost *right = *(struct grid_boost *const *)b;
    if (left->allocated_us != right->allocated_us)
        return left->allocated_us < right->allocated_us ? 1 : -1;
    return left < right ? 1 : -1;
}

static int memory_boosts(void *opaque, const struct grid_boost_filter *filter, grid_boost_fn fn,
                         void *context, struct grid_error *err)
{
    const struct ledger *ledger = ((struct memory_db *)opaque)->ledger;
    grid_auto_free const struct grid_boost **order =
        malloc((ledger->count + 1) * sizeof(*order));
    if (!order)
        return grid_error_set(err, GRID_ENOMEM, "no memory to list the boosts");
    for (size_t i = 0; i < ledger->count; i++)
        order[i] = &ledger->boosts[i];
    if (filter->newest_first)
        qsort(order, ledger->count, sizeof(*order), newer_first);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ledger->count; i++)
        rc = fn(context, order[i], err);
    return rc;
}

static int memory_events(void *opaque, const struct grid_event_filter *filter, grid_event_fn fn,
                         void *context, struct grid_error *err)
{
    (void)filter;
    const struct ledger *ledger = ((struct memory_db *)opaque)->ledger;
    int rc = 0;
    for (size_t i = ledger->event_count; rc == 0 && i-- > 0;)
        rc = fn(context, &ledger->events[i], err);
    return rc;
}

static int memory_load(void *opaque, grid_load_fn fn, void *context, struct grid_error *err)
{
    const struct memory_db *db = opaque;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < db->ledger->count; i++) {
        const struct grid_boost *boost = &db->ledger->boosts[i];
        bool later = grid_boost_starts_later(boost, db->now_us);
        int64_t counted_u = later ? 0 : boost->amount_u;
        if (!grid_boost_counts(boost))
            continue;
        struct grid_load lent = {boost->source_node, boost->resource_type, counted_u, 0, later};
        struct grid_load borrowed = {boost->target_node, boost->resource_type, 0, counted_u,
                                     later};
        rc = fn(context, &lent, err);
        rc = rc ?: fn(context, &borrowed, err);
    }
    return rc;
}

static int memory_nodes(void *opaque, grid_node_fn fn, void *context, struct grid_error *err)
{
    const struct ledger *ledger = ((struct memory_db *)opaque)->ledger;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ledger->node_count; i++)
        rc = fn(context, &ledger->nodes[i], err);
    return rc;
}

static int memory_node(void *opaque, const char *name, struct grid_node *ret,
                       struct grid_error *err)
{
    const struct ledger *ledger = ((struct memory_db *)opaque)->ledger;
    for (size_t i = 0; i < ledger->node_count; i++)
        if (strcmp(ledger->nodes[i].node_id, name) == 0) {
            *ret = ledger->nodes[i];
            return 0;
        }
    return grid_error_set(err, GRID_ENOTFOUND, "no node '%s'", text_shown(name));
}

static int memory_tickets(void *opaque, grid_ticket_fn fn, void *context, struct grid_error *err)
{
    const struct ledger *ledger = ((struct memory_db *)opaque)->ledger;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ledger->ticket_count; i++)
        rc = fn(context, &ledger->tickets[i], err);
    return rc;
}

static int hand_over(enum grid_subject subject, struct buffer *text, grid_record_fn fn,
                     void *context, struct grid_error *err)
{
    const char *string = buffer_string(text);
    struct grid_record record = {subject, true, string, text->length};
    int rc = string ? fn(context, &record, err)
                    : grid_error_set(err, GRID_ENOMEM, "no memory to export");
    text->length = 0;
    return rc;
}

static int memory_records(void *opaque, grid_record_fn fn, void *context, struct grid_error *err)
{
    const struct ledger *ledger = ((struct memory_db *)opaque)->ledger;
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ledger->count; i++) {
        struct json json = json_begin(&text, 2);
        record_write(&json, &ledger->boosts[i]);
        rc = hand_over(GRID_BOOST, &text, fn, context, err);
    }
    for (size_t i = 0; rc == 0 && i < ledger->node_count; i++) {
        struct json json = json_begin(&text, 2);
        node_record_write(&json, (struct span){0}, &ledger->nodes[i]);
        rc = hand_over(GRID_NODE, &text, fn, context, err);
    }
    int is_default = rc < 0 ? rc : policy_record_is_default(&ledger->policy, err);
    if (is_default < 0)
        rc = is_default;
    if (rc == 0 && !is_default) {
        struct json json = json_begin(&text, 1);
        policy_record_write(&json, &ledger->policy);
        rc = hand_over(GRID_POLICY, &text, fn, context, err);
    }
    for (size_t i = 0; rc == 0 && i < ledger->ticket_count; i++) {
        struct json json = json_begin(&text, 2);
        ticket_record_write(&json, (struct span){0}, &ledger->tickets[i]);
        rc = hand_over(GRID_TICKET, &text, fn, context, err);
    }
    for (size_t i = 0; rc == 0 && i < ledger->event_count; i++) {
        struct json json = json_begin(&text, -1);
        record_event_write(&json, &ledger->events[i], (struct span){0});
        rc = hand_over(GRID_EVENT, &text, fn, context, err);
    }
    return rc;
}

/* Puts the record in the place of the one with its id, which is `id` bytes into it, or behind all;
 * or, with `gone`, takes that one out. There is room. */
static void apply(void *records, size_t *count, size_t size, size_t id, const void *record,
                  bool gone)
{
    char *at = records, *end = at + *count * size;
    while (at < end && strcmp(at + id, (const char *)record + id) != 0)
        at += size;
    if (!gone) {
        memcpy(at, record, size);
        *count += at == end;
    } else if (at < end) {
        memmove(at, at + size, (size_t)(end - at) - size);
        --*count;
    }
}

static void apply_change(struct ledger *ledger, const struct grid_change *change)
{
    bool gone = !change->has_now;
    if (change->subject == GRID_BOOST)
        apply(ledger->boosts, &ledger->count, sizeof(change->now),
              offsetof(struct grid_boost, boost_id), gone ? &change->was : &change->now, gone);
    else if (change->subject == GRID_NODE)
        apply(ledger->nodes, &ledger->node_count, sizeof(*change->node),
              offsetof(struct grid_node, node_id), change->node, gone);
    else if (change->subject == GRID_TICKET)
        apply(ledger->tickets, &ledger->ticket_count, sizeof(*change->ticket),
              offsetof(struct grid_ticket, ticket_id), change->ticket, gone);
    else if (change->subject == GRID_POLICY)
        ledger->policy = *change->policy;
}

/* Events of the past; there is room. What is not sound cannot be kept here. */
static void apply_kept(struct ledger *ledger, const struct grid_changes *changes)
{
    struct grid_record kept;
    for (size_t i = 0; grid_changes_kept(changes, i, &kept); i++)
        if (kept.subject == GRID_EVENT
            && record_event_read((struct span){kept.text, kept.length},
                                 &ledger->events[ledger->event_count], NULL) == 0)
            ledger->event_count++;
}

static int memory_commit(void *opaque, const struct grid_changes *changes, struct grid_error *err)
{
    struct memory_db *db = opaque;
    struct ledger *ledger = db->ledger;
    size_t count = grid_changes_count(changes);
    if (db->fail_next_commit || db->begun != ledger->revision) {
        db->fail_next_commit = false;
        return grid_error_set(err, GRID_ECONFLICT, "another writer was faster");
    }
    size_t events = ledger->event_count + count + grid_changes_kept_about(changes, GRID_EVENT);
    if (array_reserve(&ledger->boosts, &ledger->capacity, ledger->count + count,
                sizeof(*ledger->boosts)) != 0 ||
        array_reserve(&ledger->events, &ledger->event_capacity, events,
                      sizeof(*ledger->events)) != 0 ||
        array_reserve(&ledger->nodes, &ledger->node_capacity, ledger->node_count + count,
                      sizeof(*ledger->nodes)) != 0 ||
        array_reserve(&ledger->tickets, &ledger->ticket_capacity, ledger->ticket_count + count,
                      sizeof(*ledger->tickets)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory to commit");
    if (grid_changes_clear(changes)) {
        ledger->count = ledger->node_count = ledger->ticket_count = 0;
        ledger->policy = GRID_POLICY_DEFAULT;
    }
    apply_kept(ledger, changes);
    struct grid_change change;
    for (size_t i = 0; i < count; i++) {
        grid_changes_get(changes, i, &change);
        apply_change(ledger, &change);
        if (grid_changes_event(changes, i, &ledger->events[ledger->event_count]))
            ledger->event_count++;
    }
    db->begun = grid_changes_revision(changes);
    __atomic_store_n(&ledger->revision, db->begun, __ATOMIC_RELEASE); /* for those that watch */
    ledger->last_us = grid_changes_now(changes);
    return 0;
}

static void memory_end(void *db) { (void)db; }

/* Nobody tells of a change: it is looked for, some fifty times a second. */
static int memory_watch(void *opaque, int64_t wait_us, int stop_fd, struct grid_error *err)
{
    (void)err;
    const struct memory_db *db = opaque;
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
    int64_t begun_us = clock_monotonic_us();
    while (__atomic_load_n(&db->ledger->revision, __ATOMIC_ACQUIRE) == db->begun
           && clock_monotonic_us() - begun_us < wait_us) {
        if (poll(&stop, 1, 20) != 0)
            break;
    }
    return 0;
}

static int memory_check(void *opaque, unsigned flags, grid_finding_fn fn, void *context,
                        struct grid_error *err)
{
    (void)flags;
    const struct ledger *ledger = ((struct memory_db *)opaque)->ledger;
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)ledger->revision);
    struct grid_finding finding = {GRID_FACT, "revision", text};
    return fn(context, &finding, err);
}

const struct grid_store_driver store_memory_driver = {
    .scheme = "memory",
    .open = memory_open,
    .close = memory_close,
    .begin = memory_begin,
    .boosts = memory_boosts,
    .events = memory_events,
    .load = memory_load,
    .nodes = memory_nodes,
    .node = memory_node,
    .tickets = memory_tickets,
    .records = memory_records,
    .commit = memory_commit,
    .end = memory_end,
    .watch = memory_watch,
    .check = memory_check,
};
