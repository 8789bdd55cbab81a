/* Settling: what has ended leaves the ledger, before anything is decided. */
#include "ledger/settle.h"

struct settling {
    struct grid_tx *tx;
    size_t ended;
};

static int end_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct settling *settling = context;
    int64_t now_us = grid_tx_now(settling->tx);
    settling->ended++;
    /* The original's sweep marks what has expired, too: the end that came first is the true one. */
    if (boost->expires_us <= now_us)
        return grid_tx_put_boost(settling->tx, boost, NULL, GRID_EVENT_EXPIRED,
                                 boost->expires_us, NULL, err);
    return grid_tx_put_boost(settling->tx, boost, NULL, GRID_EVENT_RELEASED, now_us,
                             "marked inactive by another program", err);
}

int ledger_settle(struct grid_tx *tx, size_t *ret_ended, struct grid_error *err)
{
    struct settling settling = {.tx = tx};
    struct grid_boost_filter ended = {.ends_before_us = grid_tx_now(tx) + 1};
    int rc = grid_tx_boosts(tx, &ended, end_boost, &settling, err);
    if (ret_ended)
        *ret_ended = settling.ended;
    return rc;
}
