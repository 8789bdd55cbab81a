/* Names as numbers, and sums by node and resource: what a decision needs to know of all boosts. */
#ifndef STORE_LOAD_H
#define STORE_LOAD_H

#include "grid/store.h"
#include "store/slots.h"
#include "util/text.h"

/* Each text once. Zero-initialized with NAMES_INIT; names_add returns its number, UINT32_MAX when
 * there is no memory. */
struct names {
    struct buffer text;
    uint32_t *at; /* where each begins */
    size_t count, capacity;
    struct slots slots;
};
#define NAMES_INIT {.text = BUFFER_INIT}

uint32_t names_add(struct names *names, const char *text);
uint32_t names_find(const struct names *names, const char *text); /* UINT32_MAX: it is none */
const char *names_get(const struct names *names, uint32_t number);
void names_release(struct names *names);

/* Sums of what is lent and borrowed now, by numbers of node and resource. */
struct load_row {
    uint32_t node, resource;
    __int128 lent_u, borrowed_u; /* no file, however odd, makes them overflow */
    bool later; /* a reservation of it starts later */
};
struct load {
    struct load_row *rows;
    size_t count, capacity;
    struct slots slots;
};

/* The row of node and resource, made when it is missing; NULL: no memory. */
struct load_row *load_row(struct load *load, uint32_t node, uint32_t resource);
void load_release(struct load *load);

/* Adds a boost to both its nodes, or, with sign -1, takes it away. 0 or GRID_ENOMEM. */
int load_add(struct load *load, uint32_t source, uint32_t target, uint32_t resource,
             int64_t amount_u, bool later, int sign);

/* Hands over every row. */
int load_stream(const struct load *load, const struct names *names, grid_load_fn fn, void *context,
                struct grid_error *err);

#endif
