/* A ledger of a contract test's own, on any driver, and how to reach it. */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include "grid/store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct place {
    char url[128], directory[64]; /* no directory: it has none */
};

static inline void make_place(struct place *place, const char *scheme)
{
    static int number;
    *place = (struct place){0};
    if (strcmp(scheme, "file") == 0) {
        strcpy(place->directory, "/tmp/grid-contract-XXXXXX");
        cr_assert_not_null(mkdtemp(place->directory));
        snprintf(place->url, sizeof(place->url), "file:%s", place->directory);
    } else {
        snprintf(place->url, sizeof(place->url), "%s:contract-%d", scheme, ++number);
    }
}

static inline void drop_place(struct place *place)
{
    char command[128];
    if (!place->directory[0])
        return;
    snprintf(command, sizeof(command), "rm -rf '%s'", place->directory);
    cr_assert_eq(system(command), 0);
}

static inline struct grid_store *open_with(struct grid_store_options options, const char *url)
{
    struct grid_store *store = NULL;
    struct grid_error err = {0};
    options.url = url;
    options.actor = "tester@here";
    options.lock_timeout_us = 200000;
    cr_assert_eq(grid_store_open(&options, &store, &err), 0, "%s: %s", url, err.message);
    return store;
}

static inline struct grid_store *open_store(const char *url)
{
    return open_with((struct grid_store_options){0}, url);
}

typedef void (*contract_fn)(const struct place *place);

static inline void check_driver(const char *scheme, const contract_fn *contract, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct place place;
        make_place(&place, scheme);
        contract[i](&place);
        drop_place(&place);
    }
}

#endif
