/* Two ledgers made one must not promise anything twice: the sums over time, of all that lives. */
#include "ledger/dump.h"
#include "ledger/settle.h"
#include "model/node_record.h"

#include <stdio.h>
#include <string.h>

/* --- what is there already -------------------------------------------------------------------- */

/* What the ledger has under this id: 1; 0: nothing. Tickets are not merged. */
static int find_there(struct grid_tx *tx, enum grid_subject subject, const char *id,
                      union document_record *ret, struct grid_error *err)
{
    struct grid_boost_filter boost = {.boost_id = id};
    if (subject == GRID_BOOST)
        return grid_tx_boosts(tx, &boost, boost_take, &ret->boost, err);
    if (subject == GRID_NODE) {
        int rc = grid_tx_node(tx, id, &ret->node, err);
        return rc == GRID_ENOTFOUND ? 0 : rc < 0 ? rc : 1;
    }
    ret->policy = *grid_tx_policy(tx);
    int rc = policy_record_is_default(&ret->policy, err);
    return rc < 0 ? rc : !rc;
}

int merge_compare(struct grid_tx *tx, enum grid_subject subject,
                  const union document_record *record, struct grid_error *err)
{
    union document_record there;
    const char *id = document_id(subject, record);
    int rc = find_there(tx, subject, id, &there, err);
    if (rc > 0 && subject == GRID_NODE) { /* each ledger has seen it at times of its own */
        there.node.first_seen_us = record->node.first_seen_us;
        there.node.last_seen_us = record->node.last_seen_us;
    }
    if (rc > 0)
        rc = document_same(subject, record, &there, err) ?: 2;
    if (rc < 2)
        return rc;
    return grid_error_advise(err, GRID_ECONFLICT, "see 'grid export' of both; what is in the "
                             "ledger stays: change it there, or leave it out of the document",
                             "%s%s%s%s is in the ledger with other content",
                             document_word(subject), *id ? " '" : "", *id ? text_shown(id) : "",
                             *id ? "'" : "");
}

/* --- what it comes to ------------------------------------------------------------------------- */

/*
 * Every boost adds to what its lender lends and its borrower borrows, from its start to the end
 * that plans count with; and each of its devices to a sum of its own, that may be 1. The steps of
 * one such sum, in the order of time, are added up.
 */
enum { LENT, BORROWED, DEVICE };

struct step {
    uint32_t key; /* where its key begins in `keys`: what is summed, node and resource */
    bool merged;  /* of a boost that was put */
    int64_t at_us, by_u;
};

struct sums {
    struct grid_tx *tx;
    struct buffer keys;
    struct step *steps;
    size_t count, capacity;
};

static int add_sum(struct sums *sums, int kind, const char *node, const char *resource,
                   const struct grid_boost *boost, int64_t amount_u, struct grid_error *err)
{
    uint32_t key = (uint32_t)sums->keys.length;
    bool merged = grid_tx_has_put(sums->tx, GRID_BOOST, boost->boost_id);
    buffer_format(&sums->keys, "%d/%s/%s", kind, node, resource);
    buffer_add(&sums->keys, "", 1);
    if (sums->keys.error || sums->keys.length > UINT32_MAX
        || array_reserve(&sums->steps, &sums->capacity, sums->count + 2, sizeof(*sums->steps)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the sums");
    int64_t begins_us = grid_boost_starts_later(boost, grid_tx_now(sums->tx))
                            ? boost->starts_us : INT64_MIN;
    sums->steps[sums->count++] = (struct step){key, merged, begins_us, amount_u};
    sums->steps[sums->count++] = (struct step){key, merged, grid_boost_until(boost), -amount_u};
    return 0;
}

static int add_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct sums *sums = context;
    char device[32];
    if (!grid_boost_counts(boost))
        return 0;
    int rc = add_sum(sums, LENT, boost->source_node, boost->resource_type, boost, boost->amount_u,
                     err);
    rc = rc ?: add_sum(sums, BORROWED, boost->target_node, boost->resource_type, boost,
                       boost->amount_u, err);
    for (int i = 0; rc == 0 && i < 64; i++) {
        if (!(boost->devices >> i & 1))
            continue;
        snprintf(device, sizeof(device), "%d", i);
        rc = add_sum(sums, DEVICE, boost->source_node, device, boost, 1, err);
    }
    return rc;
}

/* At one instant, what ends goes before what begins. */
static int in_order(const void *a, const void *b, void *keys)
{
    const struct step *left = a, *right = b;
    int order = strcmp((char *)keys + left->key, (char *)keys + right->key);
    if (order != 0)
        return order;
    if (left->at_us != right->at_us)
        return left->at_us < right->at_us ? -1 : 1;
    return (left->by_u > right->by_u) - (left->by_u < right->by_u);
}

/* How much the sum of this key may be. A node that is not registered bears no limit. */
static int limit_of(const struct sums *sums, const char *key, int64_t *ret_u,
                    struct grid_error *err)
{
    struct grid_node node;
    char name[GRID_NODE_SIZE];
    const char *resource = strrchr(key + 2, '/');
    snprintf(name, sizeof(name), "%.*s", (int)(resource - key) - 2, key + 2);
    *ret_u = key[0] == '0' + DEVICE ? 1 : INT64_MAX;
    if (key[0] == '0' + DEVICE || !grid_tx_managed(sums->tx))
        return 0;
    struct grid_error why = {0};
    int rc = grid_tx_node(sums->tx, name, &node, &why);
    if (rc < 0)
        return rc == GRID_ENOTFOUND || rc == GRID_ECORRUPT ? 0 : (*err = why, rc);
    *ret_u = key[0] == '0' + LENT ? grid_node_lendable(&node, resource + 1)
                                  : grid_amounts_get(&node.borrow, resource + 1, INT64_MAX);
    return 0;
}

static int too_much(const char *key, struct grid_error *err)
{
    const char *resource = strrchr(key + 2, '/');
    int length = (int)(resource - key) - 2;
    if (key[0] == '0' + DEVICE)
        return grid_error_set(err, GRID_EREFUSED, "device %s of '%.*s' would be lent twice",
                              resource + 1, length, key + 2);
    return grid_error_set(err, GRID_EREFUSED, "'%.*s' would %s more %s than it may", length,
                          key + 2, key[0] == '0' + LENT ? "lend" : "borrow", resource + 1);
}

/* The steps of one sum, from `begin` on; *ret_end is where the next begins. */
static int check_sum(const struct sums *sums, size_t begin, size_t *ret_end,
                     struct grid_error *err)
{
    const char *key = sums->keys.data + sums->steps[begin].key;
    __int128 sum_u = 0, most_u = 0;
    bool merged = false;
    size_t i = begin;
    for (; i < sums->count && strcmp(sums->keys.data + sums->steps[i].key, key) == 0; i++) {
        sum_u += sums->steps[i].by_u;
        most_u = sum_u > most_u ? sum_u : most_u;
        merged |= sums->steps[i].merged;
    }
    *ret_end = i;
    int64_t limit_u = INT64_MAX;
    int rc = merged ? limit_of(sums, key, &limit_u, err) : 0;
    return rc ?: most_u > limit_u ? too_much(key, err) : 0;
}

int merge_fits(struct grid_tx *tx, struct grid_error *err)
{
    struct sums sums = {.tx = tx, .keys = BUFFER_INIT};
    int rc = grid_tx_boosts(tx, NULL, add_boost, &sums, err);
    if (rc == 0 && sums.count)
        qsort_r(sums.steps, sums.count, sizeof(*sums.steps), in_order, sums.keys.data);
    for (size_t i = 0; rc == 0 && i < sums.count;)
        rc = check_sum(&sums, i, &i, err);
    buffer_release(&sums.keys);
    free(sums.steps);
    return rc;
}
