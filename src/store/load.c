/* Names as numbers, and sums by node and resource. */
#include "store/load.h"

#include <errno.h>
#include <string.h>

/* --- names ------------------------------------------------------------------------------------ */

const char *names_get(const struct names *names, uint32_t number)
{
    return names->text.data + names->at[number];
}

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static uint32_t *name_slot(const struct names *names, const char *text)
{
    for (size_t i = hash_of(text);; i++) {
        uint32_t *slot = &names->slots[i & (names->slot_count - 1)];
        if (*slot == 0 || strcmp(names_get(names, *slot - 1), text) == 0)
            return slot;
    }
}

static int grow_names(struct names *names)
{
    size_t before = names->capacity;
    if (array_reserve(&names->at, &names->capacity, names->count + 1, sizeof(*names->at)) != 0)
        return GRID_ENOMEM;
    if (names->capacity == before)
        return 0;
    size_t slot_count = 64;
    while (slot_count < 2 * names->capacity)
        slot_count *= 2;
    uint32_t *slots = calloc(slot_count, sizeof(*slots));
    if (!slots)
        return GRID_ENOMEM;
    free(names->slots);
    names->slots = slots;
    names->slot_count = slot_count;
    for (size_t i = 0; i < names->count; i++)
        *name_slot(names, names_get(names, (uint32_t)i)) = (uint32_t)i + 1;
    return 0;
}

uint32_t names_find(const struct names *names, const char *text)
{
    const uint32_t *slot = names->slot_count ? name_slot(names, text) : NULL;
    return slot && *slot ? *slot - 1 : UINT32_MAX;
}

uint32_t names_add(struct names *names, const char *text)
{
    uint32_t *slot = names->slot_count ? name_slot(names, text) : NULL;
    if (slot && *slot)
        return *slot - 1;
    size_t at = names->text.length;
    buffer_add(&names->text, text, strlen(text) + 1);
    if (names->text.error || grow_names(names) != 0) {
        names->text.error = ENOMEM;
        return UINT32_MAX;
    }
    names->at[names->count] = (uint32_t)at;
    *name_slot(names, text) = (uint32_t)names->count + 1;
    return (uint32_t)names->count++;
}

void names_release(struct names *names)
{
    buffer_release(&names->text);
    free(names->at);
    free(names->slots);
    *names = (struct names)NAMES_INIT;
}

/* --- sums ------------------------------------------------------------------------------------- */

static uint32_t *row_slot(const struct load *load, uint32_t node, uint32_t resource)
{
    for (size_t i = node * 2654435761u + resource * 40503u;; i++) {
        uint32_t *slot = &load->slots[i & (load->slot_count - 1)];
        if (*slot == 0 || (load->rows[*slot - 1].node == node &&
                           load->rows[*slot - 1].resource == resource))
            return slot;
    }
}

static int grow_rows(struct load *load)
{
    size_t before = load->capacity;
    if (array_reserve(&load->rows, &load->capacity, load->count + 1, sizeof(*load->rows)) != 0)
        return GRID_ENOMEM;
    if (load->capacity == before)
        return 0;
    size_t slot_count = 64;
    while (slot_count < 2 * load->capacity)
        slot_count *= 2;
    uint32_t *slots = calloc(slot_count, sizeof(*slots));
    if (!slots)
        return GRID_ENOMEM;
    free(load->slots);
    load->slots = slots;
    load->slot_count = slot_count;
    for (size_t i = 0; i < load->count; i++)
        *row_slot(load, load->rows[i].node, load->rows[i].resource) = (uint32_t)i + 1;
    return 0;
}

struct load_row *load_row(struct load *load, uint32_t node, uint32_t resource)
{
    uint32_t *slot = load->slot_count ? row_slot(load, node, resource) : NULL;
    if (slot && *slot)
        return &load->rows[*slot - 1];
    if (grow_rows(load) != 0)
        return NULL;
    load->rows[load->count] = (struct load_row){.node = node, .resource = resource};
    *row_slot(load, node, resource) = (uint32_t)load->count + 1;
    return &load->rows[load->count++];
}

void load_release(struct load *load)
{
    free(load->rows);
    free(load->slots);
}

int load_add(struct load *load, uint32_t source, uint32_t target, uint32_t resource,
             int64_t amount_u, bool later, int sign)
{
    struct load_row *row = load_row(load, source, resource);
    if (!row)
        return GRID_ENOMEM;
    row->lent_u += later ? 0 : sign * amount_u;
    row->later |= later;
    row = load_row(load, target, resource);
    if (!row)
        return GRID_ENOMEM;
    row->borrowed_u += later ? 0 : sign * amount_u;
    row->later |= later;
    return 0;
}

static int64_t bounded(__int128 sum_u)
{
    return sum_u < 0 ? 0 : sum_u > INT64_MAX ? INT64_MAX : (int64_t)sum_u;
}

int load_stream(const struct load *load, const struct names *names, grid_load_fn fn, void *context,
                struct grid_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < load->count; i++) {
        const struct load_row *row = &load->rows[i];
        struct grid_load sums = {names_get(names, row->node), names_get(names, row->resource),
                                 bounded(row->lent_u), bounded(row->borrowed_u), row->later};
        rc = fn(context, &sums, err);
    }
    return rc;
}
