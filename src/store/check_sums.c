/* The boosts of a ledger counted again: against each other, and against what the nodes have. */
#include "model/record.h"
#include "store/check.h"

#include <stdio.h>
#include <string.h>

struct counting {
    struct checking *check;
    struct names seen; /* tokens and devices */
    int64_t now_us;
    bool failed; /* there is no memory */
};

/* True the first time that this is seen. */
static bool is_new(struct counting *counting, const char *text)
{
    size_t before = counting->seen.count;
    counting->failed |= names_add(&counting->seen, text) == UINT32_MAX;
    return counting->failed || counting->seen.count > before;
}

static void count_devices(struct counting *counting, const struct grid_boost *boost)
{
    char text[2 * GRID_NODE_SIZE + GRID_RESOURCE_SIZE];
    for (int i = 0; i < 64; i++) {
        snprintf(text, sizeof(text), "%s/%s/%d", boost->source_node, boost->resource_type, i);
        if ((boost->devices >> i & 1) && !is_new(counting, text))
            check_report(counting->check, GRID_WARNING, boost->boost_id,
                         "device %d of '%s' is lent twice", i, boost->source_node);
    }
}

/* The boosts of a group begin and end together, with the one that it is named after. */
static int check_group(struct counting *counting, const struct grid_boost *boost,
                       struct grid_error *err)
{
    const struct state *state = &counting->check->db->state;
    const struct state_entry *entry = state_find(state, boost->group_id);
    struct grid_boost first;
    int rc = entry ? record_read(state_record(state, entry), &first, NULL, err) : 1;
    if (rc < 0)
        return rc;
    if (rc > 0 || strcmp(first.group_id, boost->group_id) != 0
        || first.expires_us != boost->expires_us)
        check_report(counting->check, GRID_WARNING, boost->boost_id,
                     "the group '%s' that it is of is not whole", boost->group_id);
    return 0;
}

static int count_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct counting *counting = context;
    struct checking *check = counting->check;
    char token[32];
    snprintf(token, sizeof(token), "%lld", (long long)boost->token);
    if (boost->token > 0 && !is_new(counting, token))
        check_report(check, GRID_WARNING, boost->boost_id,
                     "an earlier boost has its token, %s, too", token);
    if (check->db->state.has_revision && boost->token > check->db->state.revision)
        check_report(check, GRID_WARNING, boost->boost_id, "its token is above the revision");
    if (boost->allocated_us > counting->now_us)
        check_report(check, GRID_WARNING, boost->boost_id, "it was granted in the future");
    if (grid_boost_state(boost, counting->now_us) == GRID_ACTIVE)
        count_devices(counting, boost);
    int rc = boost->group_id[0] ? check_group(counting, boost, err) : 0;
    return counting->failed ? grid_error_set(err, GRID_ENOMEM, "no memory to count") : rc;
}

/* --- what nodes have -------------------------------------------------------------------------- */

static int compare_node(void *context, const struct grid_load *load, struct grid_error *err)
{
    struct checking *check = context;
    struct grid_node node;
    char lent[GRID_AMOUNT_SIZE], has[GRID_AMOUNT_SIZE];
    int rc = load->lent_u ? state_node(&check->db->state, load->node, &node, err) : 1;
    if (rc != 0)
        return rc == GRID_ENOMEM ? rc : 0;
    int64_t has_u = grid_amounts_get(&node.capacity, load->resource, 0);
    if (load->lent_u > has_u)
        check_report(check, GRID_WARNING, "sums", "'%s' lends %s %s, and has %s", load->node,
                     grid_amount_show(load->resource, load->lent_u, lent), load->resource,
                     grid_amount_show(load->resource, has_u, has));
    return 0;
}

int check_sums(struct checking *check)
{
    struct counting counting = {check, NAMES_INIT, clock_now_us(), false};
    const struct state *state = &check->db->state;
    struct grid_boost_filter all = {0};
    int rc = state_boosts(state, &all, count_boost, &counting, check->err);
    names_release(&counting.seen);
    rc = rc ?: state_load(state, counting.now_us, compare_node, check, check->err);
    return rc < 0 ? rc : 0;
}
