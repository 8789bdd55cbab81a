/* Looking into the state: boosts and sums. */
#include "store/state.h"

#include "model/record.h"

#include <string.h>

static bool is_named(const struct state *state, uint32_t number, const char *name)
{
    return !name || strcmp(names_get(&state->names, number), name) == 0;
}

static bool names_match(const struct state *state, const struct state_entry *entry,
                        const struct grid_boost_filter *filter)
{
    return is_named(state, entry->source, filter->source_node)
           && is_named(state, entry->target, filter->target_node)
           && is_named(state, entry->resource, filter->resource_type)
           && is_named(state, entry->owner, filter->owner);
}

/* False when the index shows already that the filter does not let it through. */
static bool may_match(const struct state *state, const struct state_entry *entry,
                      const struct grid_boost_filter *filter)
{
    if (entry->hash == 0 || !names_match(state, entry, filter))
        return false;
    if (filter->ends_before_us && entry->expires_us >= filter->ends_before_us)
        return false;
    if (filter->starts_before_us && (entry->starts_us == INT64_MIN
                                     || entry->starts_us >= filter->starts_before_us))
        return false;
    size_t head = filter->id_prefix ? strnlen(filter->id_prefix, sizeof(entry->head)) : 0;
    return head == 0 || memcmp(entry->head, filter->id_prefix, head) == 0;
}

static int newer_first(const void *a, const void *b, void *entries)
{
    const struct state_entry *left = (struct state_entry *)entries + *(const uint32_t *)a;
    const struct state_entry *right = (struct state_entry *)entries + *(const uint32_t *)b;
    if (left->allocated_us != right->allocated_us)
        return left->allocated_us < right->allocated_us ? 1 : -1;
    return left < right ? 1 : -1;
}

/* The order of entries, newest first; NULL: out of memory. The caller's. */
static uint32_t *order_of(const struct state *state)
{
    uint32_t *order = malloc((state->count + 1) * sizeof(*order));
    for (size_t i = 0; order && i < state->count; i++)
        order[i] = (uint32_t)(state->count - 1 - i);
    if (order && !state->sorted)
        qsort_r(order, state->count, sizeof(*order), newer_first, state->entries);
    return order;
}

static int pass_entry(const struct state *state, const struct state_entry *entry,
                      grid_boost_fn fn, void *context, struct grid_error *err)
{
    struct grid_boost boost;
    int rc = record_read(state_record(state, entry), &boost, NULL, err);
    return rc < 0 ? rc : fn(context, &boost, err);
}

int state_boosts(const struct state *state, const struct grid_boost_filter *filter,
                 grid_boost_fn fn, void *context, struct grid_error *err)
{
    if (filter->boost_id) {
        const struct state_entry *entry = state_find(state, filter->boost_id);
        return entry ? pass_entry(state, entry, fn, context, err) : 0;
    }
    grid_auto_free uint32_t *order = filter->newest_first ? order_of(state) : NULL;
    if (filter->newest_first && !order)
        return grid_error_set(err, GRID_ENOMEM, "no memory to sort");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < state->count; i++) {
        const struct state_entry *entry = &state->entries[order ? order[i] : i];
        if (may_match(state, entry, filter))
            rc = pass_entry(state, entry, fn, context, err);
    }
    return rc;
}

int state_load(const struct state *state, int64_t now_us, grid_load_fn fn, void *context,
               struct grid_error *err)
{
    struct load load = {0};
    uint32_t any = names_find(&state->names, GRID_ANY_NODE); /* counts against nobody */
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < state->count; i++) {
        const struct state_entry *entry = &state->entries[i];
        if (entry->hash != 0 && entry->source != any)
            rc = load_add(&load, entry->source, entry->target, entry->resource, entry->amount_u,
                          entry->starts_us > now_us, 1);
    }
    if (rc == 0)
        rc = load_stream(&load, &state->names, fn, context, err);
    else
        grid_error_set(err, rc, "no memory for the sums");
    load_release(&load);
    return rc;
}
