/* Leases that are held: checking and renewing them; and where their holder put them. */
#include "ledger/op.h"
#include "ledger/queue.h"
#include "util/text.h"

#include <string.h>

int op_ended(const struct grid_boost *boost, struct grid_error *err)
{
    char time[GRID_TIME_SIZE];
    return grid_error_set(err, GRID_ENOTFOUND, "boost '%s' has %s%s at %s",
                          text_shown(boost->boost_id),
                          boost->ended == GRID_EXPIRED ? "" : "been ",
                          grid_boost_state_name(boost->ended),
                          grid_time_show(boost->ended_us, time));
}

/* The boost, living and with this token (0: any). */
static int find_held(struct grid_tx *tx, const char *id, int64_t token, struct grid_boost *ret,
                     struct grid_error *err)
{
    int rc = op_find(tx, id, ret, err);
    if (rc < 0)
        return rc;
    if (ret->ended != GRID_ACTIVE)
        return op_ended(ret, err);
    if (token != 0 && token != ret->token)
        return grid_error_set(err, GRID_ECONFLICT, "boost '%s' has the token %lld, not %lld",
                              text_shown(ret->boost_id), (long long)ret->token, (long long)token);
    return 0;
}

/* --- renewing --------------------------------------------------------------------------------- */

struct renewing {
    const char *id;
    int64_t token, lease_us;
    const char *placement_group; /* NULL: it is renewed; else only placed */
    struct grid_boost boost;
};

static int64_t renewed_until(const struct grid_boost *boost, int64_t now_us, int64_t lease_us)
{
    int64_t until_us = grid_time_add(now_us, lease_us);
    if (until_us > boost->renews_until_us)
        until_us = boost->renews_until_us;
    return until_us > boost->expires_us ? until_us : boost->expires_us;
}

static int renew(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct renewing *renewing = context;
    auto_boosts struct boost_list group = {0};
    int rc = ledger_settle(tx, err);
    rc = rc ?: find_held(tx, renewing->id, renewing->token, &renewing->boost, err);
    rc = rc ?: ledger_group(tx, &renewing->boost, &group, err);
    for (size_t i = 0; rc == 0 && i < group.count; i++) {
        struct grid_boost now = group.at[i];
        if (renewing->placement_group)
            text_copy(now.ray_placement_group, sizeof(now.ray_placement_group),
                      renewing->placement_group);
        else if (now.renews_until_us)
            now.expires_us = renewed_until(&now, grid_tx_now(tx), renewing->lease_us);
        if (i == 0)
            renewing->boost = now;
        if (now.expires_us != group.at[i].expires_us || renewing->placement_group)
            rc = grid_tx_put_boost(tx, &group.at[i], &now, GRID_EVENT_QUIET, grid_tx_now(tx),
                                   NULL, err);
    }
    return rc ?: queue_promote(tx, err);
}

int grid_ledger_renew(struct grid_store *store, const char *id, int64_t token, int64_t lease_us,
                      struct grid_boost *ret, struct grid_error *err)
{
    struct renewing renewing = {.id = id, .token = token, .lease_us = lease_us};
    int rc = grid_store_transact(store, GRID_WRITE, renew, &renewing, NULL, err);
    if (rc == 0)
        *ret = renewing.boost;
    return rc;
}

int grid_ledger_place(struct grid_store *store, const char *id, const char *placement_group,
                      struct grid_error *err)
{
    struct renewing renewing = {.id = id, .placement_group = placement_group};
    return grid_store_transact(store, GRID_WRITE, renew, &renewing, NULL, err);
}

/* --- checking --------------------------------------------------------------------------------- */

struct checking {
    const char *id;
    int64_t token, min_us;
    struct grid_boost boost;
};

static int check(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct checking *checking = context;
    struct grid_boost *boost = &checking->boost;
    char time[GRID_TIME_SIZE];
    int64_t now_us = grid_tx_now(tx);
    int rc = ledger_settle(tx, err);
    rc = rc ?: find_held(tx, checking->id, checking->token, boost, err);
    if (rc < 0)
        return rc;
    if (grid_boost_starts_later(boost, now_us))
        return grid_error_set(err, GRID_EREFUSED, "boost '%s' starts at %s",
                              text_shown(boost->boost_id), grid_time_show(boost->starts_us, time));
    int64_t until_us = grid_boost_until(boost); /* its holder renews it */
    if (until_us != GRID_NEVER && until_us - now_us < checking->min_us)
        return grid_error_set(err, GRID_EREFUSED, "boost '%s' ends in %s",
                              text_shown(boost->boost_id),
                              grid_duration_show(until_us - now_us, time));
    return 0;
}

int grid_ledger_check(struct grid_store *store, const char *id, int64_t token,
                      int64_t min_remaining_us, struct grid_boost *ret, struct grid_error *err)
{
    struct checking checking = {.id = id, .token = token, .min_us = min_remaining_us};
    int rc = grid_store_transact(store, GRID_READ, check, &checking, NULL, err);
    if (rc == 0)
        *ret = checking.boost;
    return rc;
}
