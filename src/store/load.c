/* Names as numbers, and sums by node and resource. */
#include "store/load.h"

#include <errno.h>
#include <string.h>

/* --- names ------------------------------------------------------------------------------------ */

const char *names_get(const struct names *names, uint32_t number)
{
    return names->text.data + names->at[number];
}

static bool is_name(const void *names, uint32_t number, const void *text)
{
    return strcmp(names_get(names, number), text) == 0;
}

static uint32_t *name_slot(const struct names *names, const char *text)
{
    return slots_find(&names->slots, slots_hash(text), is_name, names, text);
}

static int grow_names(struct names *names)
{
    if (array_reserve(&names->at, &names->capacity, names->count + 1, sizeof(*names->at)) != 0)
        return GRID_ENOMEM;
    int rc = slots_reserve(&names->slots, names->capacity);
    for (size_t i = 0; rc == 1 && i < names->count; i++)
        *name_slot(names, names_get(names, (uint32_t)i)) = (uint32_t)i + 1;
    return rc < 0 ? rc : 0;
}

uint32_t names_find(const struct names *names, const char *text)
{
    const uint32_t *slot = names->slots.count ? name_slot(names, text) : NULL;
    return slot && *slot ? *slot - 1 : UINT32_MAX;
}

uint32_t names_add(struct names *names, const char *text)
{
    uint32_t *slot = names->slots.count ? name_slot(names, text) : NULL;
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
    free(names->slots.at);
    *names = (struct names)NAMES_INIT;
}

/* --- sums ------------------------------------------------------------------------------------- */

static bool is_row(const void *load, uint32_t number, const void *key)
{
    const struct load_row *row = &((const struct load *)load)->rows[number], *wanted = key;
    return row->node == wanted->node && row->resource == wanted->resource;
}

static uint32_t *row_slot(const struct load *load, const struct load_row *key)
{
    uint32_t hash = key->node * 2654435761u + key->resource * 40503u;
    return slots_find(&load->slots, hash, is_row, load, key);
}

static int grow_rows(struct load *load)
{
    if (array_reserve(&load->rows, &load->capacity, load->count + 1, sizeof(*load->rows)) != 0)
        return GRID_ENOMEM;
    int rc = slots_reserve(&load->slots, load->capacity);
    for (size_t i = 0; rc == 1 && i < load->count; i++)
        *row_slot(load, &load->rows[i]) = (uint32_t)i + 1;
    return rc < 0 ? rc : 0;
}

struct load_row *load_row(struct load *load, uint32_t node, uint32_t resource)
{
    struct load_row row = {.node = node, .resource = resource};
    uint32_t *slot = load->slots.count ? row_slot(load, &row) : NULL;
    if (slot && *slot)
        return &load->rows[*slot - 1];
    if (grow_rows(load) != 0)
        return NULL;
    load->rows[load->count] = row;
    *row_slot(load, &row) = (uint32_t)load->count + 1;
    return &load->rows[load->count++];
}

void load_release(struct load *load)
{
    free(load->rows);
    free(load->slots.at);
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
