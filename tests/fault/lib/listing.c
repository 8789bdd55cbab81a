/* What a ledger says of its boosts, by the library, without a process of its own. */
#include "fault/lib/listing.h"

#include "fault/lib/rig.h"

#include <err.h>
#include <string.h>

/* --- looking at a ledger ---------------------------------------------------------------------- */

static int keep_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct listing *listing = context;
    if (listing->count == LISTING_MOST)
        return grid_error_set(err, GRID_EINTERNAL, "too many boosts");
    listing->at[listing->count++] = *boost;
    return 0;
}

static void hear(void *context, enum grid_note_level level, const char *text)
{
    struct listing *listing = context;
    listing->told_damage |= level == GRID_NOTE_WARNING && strstr(text, "was damaged") != NULL;
}

static struct grid_store *open_store(const char *directory, struct listing *listing)
{
    char url[4096];
    struct grid_error why = {0};
    struct grid_store *store = NULL;
    struct grid_store_options options = {
        .url = rig_format(url, sizeof(url), "file:%s", directory), .actor = "tester@here",
        .lock_timeout_us = 5 * GRID_SECOND, .note = hear, .note_context = listing};
    if (grid_store_open(&options, &store, &why) < 0)
        errx(1, "%s: %s", directory, why.message);
    return store;
}

void listing_take(const char *directory, struct listing *ret)
{
    struct grid_boost_filter all = {0};
    struct grid_error why = {0};
    *ret = (struct listing){0};
    struct grid_store *store = open_store(directory, ret);
    ret->rc = grid_ledger_list(store, GRID_READ, &all, keep_boost, ret, &why);
    grid_store_close(store);
}

int listing_request(const char *directory, struct grid_grant *ret, struct listing *heard)
{
    struct grid_error why = {0};
    struct grid_request request = {.boost_id = "00000000-0000-4000-8000-000000000001",
                                   .target_node = "b", .duration_us = GRID_HOUR, .need_count = 1,
                                   .needs = {{.resource = "GPU", .amount_u = GRID_AMOUNT_UNIT}},
                                   .owner = "tester", .priority = GRID_NORMAL};
    struct grid_store *store = open_store(directory, heard);
    int rc = grid_ledger_request(store, &request, false, NULL, ret, NULL, NULL, &why);
    grid_store_close(store);
    return rc;
}

/* --- the sums, counted again ------------------------------------------------------------------ */

struct sums {
    const struct listing *listing;
    int64_t now_us;
    bool wrong;
};

static int compare_load(void *context, const struct grid_load *load, struct grid_error *err)
{
    struct sums *sums = context;
    int64_t lent_u = 0, borrowed_u = 0;
    (void)err;
    for (size_t i = 0; i < sums->listing->count; i++) {
        const struct grid_boost *boost = &sums->listing->at[i];
        if (!grid_boost_counts(boost) || grid_boost_starts_later(boost, sums->now_us)
            || strcmp(boost->resource_type, load->resource) != 0)
            continue;
        lent_u += strcmp(boost->source_node, load->node) == 0 ? boost->amount_u : 0;
        borrowed_u += strcmp(boost->target_node, load->node) == 0 ? boost->amount_u : 0;
    }
    sums->wrong |= lent_u != load->lent_u || borrowed_u != load->borrowed_u;
    return 0;
}

static int look_at_load(struct grid_tx *tx, void *context, struct grid_error *err)
{
    ((struct sums *)context)->now_us = grid_tx_now(tx);
    return grid_tx_load(tx, compare_load, context, err);
}

static int ignore(void *context, const struct grid_finding *finding, struct grid_error *err)
{
    (void)context, (void)finding, (void)err;
    return 0;
}

const char *listing_check(const char *directory, const struct listing *listing)
{
    struct sums sums = {.listing = listing};
    struct listing unused;
    struct grid_error why = {0};
    struct grid_store *store = open_store(directory, &unused);
    int checked = grid_store_check(store, 0, ignore, NULL, &why);
    int rc = grid_store_transact(store, GRID_PEEK, look_at_load, &sums, NULL, &why);
    grid_store_close(store);
    return checked < 0 ? "store check finds damage afterwards"
           : rc < 0    ? "the sums cannot be read afterwards"
           : sums.wrong ? "the sums are not those of the boosts"
                        : NULL;
}

/* --- comparing ------------------------------------------------------------------------------- */

static bool equal(const struct grid_boost *a, const struct grid_boost *b)
{
    return strcmp(a->boost_id, b->boost_id) == 0 && a->amount_u == b->amount_u
           && a->allocated_us == b->allocated_us && a->starts_us == b->starts_us
           && a->expires_us == b->expires_us && a->token == b->token
           && a->priority == b->priority && a->is_active == b->is_active
           && strcmp(a->source_node, b->source_node) == 0
           && strcmp(a->target_node, b->target_node) == 0
           && strcmp(a->resource_type, b->resource_type) == 0
           && strcmp(a->owner, b->owner) == 0 && strcmp(a->group_id, b->group_id) == 0;
}

size_t listing_missing(const struct listing *a, const struct listing *b)
{
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++) {
        bool found = false;
        for (size_t j = 0; j < b->count && !found; j++)
            found = equal(&a->at[i], &b->at[j]);
        count += !found;
    }
    return count;
}
