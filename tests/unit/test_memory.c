/* What is the memory driver's own, beside the contract. */
#include "grid/dump.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
    const char *url;
    int rc;
} urls[] = {
    {"memory:", 0},
    {"memory:name?conflict=1", 0},
    {"memory:name?conflict=2", GRID_EUSAGE},
    {"memory:name?", GRID_EUSAGE},
    {"memory:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", GRID_EUSAGE},
};

Test(memory, urls)
{
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct grid_store *store = NULL;
        struct grid_error err = {0};
        int rc = grid_store_open(&(struct grid_store_options){.url = urls[i].url}, &store, &err);
        cr_expect_eq(rc, urls[i].rc, "%s: %s", urls[i].url, err.message);
        cr_expect_eq(store != NULL, rc == 0);
        grid_store_close(store);
    }
}

static int count_finding(void *context, const struct grid_finding *finding, struct grid_error *err)
{
    (void)err;
    cr_expect_eq(finding->severity, GRID_FACT, "%s: %s", finding->subject, finding->text);
    ++*(int *)context;
    return 0;
}

Test(memory, is_always_sound)
{
    int findings = 0;
    struct grid_store *store;
    struct grid_error err = {0};
    cr_assert_eq(grid_store_open(&(struct grid_store_options){.url = "memory:sound"}, &store, &err),
                 0);
    cr_expect_eq(grid_store_check(store, 0, count_finding, &findings, &err), 0, "%s", err.message);
    cr_expect_eq(grid_store_check(store, GRID_CHECK_REPAIR, count_finding, &findings, &err), 0);
    cr_expect_gt(findings, 0);
    grid_store_close(store);
}
