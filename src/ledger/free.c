/* What is free, and when: the stretches in which a lender has all that is asked for. */
#include "ledger/capacity.h"
#include "ledger/grant.h"
#include "ledger/settle.h"
#include "util/text.h"

#include <string.h>

struct slot {
    int64_t start_us, end_us;
    size_t node;
};

struct finding {
    const struct grid_request *request;
    int64_t after_us;
    size_t most;
    struct capacity capacity;
    struct slot *slots;
    size_t count, room;
};

static int add_slots(struct finding *finding, size_t node, struct grid_error *err)
{
    struct timeline timeline = {.capacity = &finding->capacity, .node = node};
    const struct capacity_node *lender = &finding->capacity.nodes[node];
    int64_t from_us = finding->capacity.start_us, length_us = finding->capacity.length_us;
    struct timeline_run run;
    if (lender->held && lender->hold_until_us > from_us)
        from_us = lender->hold_until_us;
    for (size_t found = 0; found < finding->most && timeline_next(&timeline, &run);) {
        int64_t begins_us = run.begins_us > from_us ? run.begins_us : from_us;
        bool fits = run.ends_us == GRID_NEVER
                    || (length_us != GRID_NEVER && begins_us < run.ends_us
                        && run.ends_us - begins_us >= length_us);
        if (!fits || begins_us == GRID_NEVER)
            continue;
        if (array_reserve(&finding->slots, &finding->room, finding->count + 1,
                          sizeof(*finding->slots)) != 0)
            return grid_error_set(err, GRID_ENOMEM, "no memory for what is free");
        finding->slots[finding->count++] = (struct slot){begins_us, run.ends_us, node};
        found++;
    }
    return 0;
}

static int by_start(const void *a, const void *b, void *nodes)
{
    const struct slot *left = a, *right = b;
    const struct capacity_node *names = nodes;
    if (left->start_us != right->start_us)
        return left->start_us < right->start_us ? -1 : 1;
    return strcmp(names[left->node].name, names[right->node].name);
}

/* Could a node that is there ever lend all of it? */
static bool ever(const struct capacity *capacity, size_t node)
{
    bool has_all = capacity->nodes[node].shares;
    for (size_t i = 0; i < capacity->request->need_count; i++)
        has_all &= capacity->nodes[node].lendable_u[i] >= capacity->request->needs[i].amount_u;
    return has_all;
}

static int find(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct finding *finding = context;
    const struct grid_request *request = finding->request;
    struct capacity *capacity = &finding->capacity;
    int64_t now_us = grid_tx_now(tx);
    int64_t start_us = finding->after_us > now_us ? finding->after_us : now_us;
    int64_t length_us = grant_length(tx, request);
    bool any = false;
    capacity_release(capacity);
    finding->count = 0;
    int rc = ledger_settle(tx, err);
    if (rc == 0 && !grid_tx_managed(tx))
        return grid_error_advise(err, GRID_ENEVER, "'grid node add NAME cpu=16' registers one",
                                 "no node is registered: what is free is not known");
    rc = rc ?: capacity_read(tx, request, start_us, length_us, capacity, err);
    rc = rc ?: timeline_read(tx, capacity, err);
    for (size_t i = 0; rc == 0 && i < capacity->count; i++) {
        const struct capacity_node *node = &capacity->nodes[i];
        if ((request->source_node && strcmp(node->name, request->source_node) != 0)
            || !ever(capacity, i))
            continue;
        any = true;
        if (!node->stale)
            rc = add_slots(finding, i, err);
    }
    if (rc == 0 && !any)
        return grid_error_set(err, GRID_ENEVER, "no node that was asked for ever has so much");
    return rc;
}

int grid_ledger_free(struct grid_store *store, const struct grid_request *request,
                     int64_t after_us, size_t most, grid_slot_fn fn, void *context,
                     struct grid_error *err)
{
    struct grid_request asked = *request;
    struct finding finding = {.request = &asked, .after_us = after_us, .most = most};
    asked.target_node = "";
    asked.owner = NULL;
    int rc = grid_store_transact(store, GRID_READ, find, &finding, NULL, err);
    if (rc == 0 && finding.count > 1)
        qsort_r(finding.slots, finding.count, sizeof(*finding.slots), by_start,
                finding.capacity.nodes);
    for (size_t i = 0; rc == 0 && i < finding.count && i < most; i++) {
        struct grid_slot slot = {finding.slots[i].start_us, finding.slots[i].end_us,
                                 finding.capacity.nodes[finding.slots[i].node].name};
        rc = fn(context, &slot, err);
    }
    capacity_release(&finding.capacity);
    free(finding.slots);
    return rc < 0 ? rc : 0;
}
