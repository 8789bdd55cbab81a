/* The rules of the ledger, written down anew: capacity, devices, request ids, ends. */
#include "fault/lib/sequential.h"

#include <string.h>

void sequential_begin(struct sequential *ledger, const struct linear_history *asked)
{
    *ledger = (struct sequential){.asked = asked};
    memset(ledger->keys, NONE, sizeof(ledger->keys));
    memset(ledger->limits, NONE, sizeof(ledger->limits));
}

static bool lives(const struct sequential_boost *boost, int64_t at_us)
{
    return boost->granted && !boost->released && boost->expires_us > at_us;
}

static int64_t lent(const struct sequential *ledger, int64_t node, int64_t resource, int64_t at_us)
{
    int64_t sum_m = 0;
    for (size_t i = 0; i < ledger->asked->count; i++)
        if (lives(&ledger->boosts[i], at_us) && ledger->boosts[i].source == node
            && ledger->asked->ops[i].resource == resource)
            sum_m += ledger->asked->ops[i].amount_m;
    return sum_m;
}

static int64_t lendable(const struct sequential *ledger, int64_t node, int64_t resource)
{
    int64_t limit_m = ledger->limits[node][resource];
    int64_t capacity_m = linear_capacity_m[node][resource];
    return limit_m != NONE && limit_m < capacity_m ? limit_m : capacity_m;
}

/* The lowest devices that nobody has. */
static int64_t choose_devices(const struct sequential *ledger, int64_t node, int64_t wanted,
                              int64_t at_us)
{
    int64_t used = 0, given = 0;
    for (size_t i = 0; i < ledger->asked->count; i++)
        if (lives(&ledger->boosts[i], at_us) && ledger->boosts[i].source == node)
            used |= ledger->boosts[i].devices;
    for (int64_t bit = 1; wanted > 0 && bit < 256; bit *= 2)
        if (!(used & bit)) {
            given |= bit;
            wanted--;
        }
    return given;
}

/* The lender with the largest share left after the grant, then by name. NONE: *ret_ever, whether
 * one ever could. */
static int64_t choose_lender(const struct sequential *ledger, const struct linear_op *op,
                             int64_t at_us, bool *ret_ever)
{
    int64_t best = NONE, best_m = 0;
    *ret_ever = false;
    for (int64_t node = 0; node < NODE_COUNT; node++) {
        int64_t most_m = lendable(ledger, node, op->resource);
        if (node == op->target || (op->source != NONE && node != op->source)
            || most_m < op->amount_m)
            continue;
        *ret_ever = true;
        int64_t left_m = most_m - lent(ledger, node, op->resource, at_us) - op->amount_m;
        if (ledger->held[node] || left_m < 0)
            continue;
        if (best == NONE || left_m * linear_capacity_m[best][op->resource]
                                > best_m * linear_capacity_m[node][op->resource]) {
            best = node;
            best_m = left_m;
        }
    }
    return best;
}

static bool same_values(const struct linear_op *one, const struct linear_op *other)
{
    return one->resource == other->resource && one->amount_m == other->amount_m
           && one->duration_us == other->duration_us && one->target == other->target
           && one->source == other->source;
}

/* These take the ledger as it is, and change it when they succeed. They return the status; `told`
 * gets what the answer says. */
static int64_t request(struct sequential *ledger, size_t index, int64_t at_us,
                       struct linear_op *told)
{
    const struct linear_op *op = &ledger->asked->ops[index];
    bool ever;
    int64_t bound = op->key == NONE ? NONE : ledger->keys[op->key];
    told->found = bound == NONE ? (int64_t)index : bound;
    struct sequential_boost *boost = &ledger->boosts[told->found];
    if (bound == NONE) {
        if (op->source == op->target)
            return 5;
        int64_t node = choose_lender(ledger, op, at_us, &ever);
        if (node == NONE)
            return ever ? 4 : 5;
        int64_t devices = op->resource != GPU ? 0
                          : choose_devices(ledger, node, op->amount_m / 1000, at_us);
        *boost = (struct sequential_boost){
            .granted = true,
            .source = (int8_t)node,
            .devices = devices,
            .expires_us = op->duration_us == NEVER ? NEVER : at_us + op->duration_us,
        };
        if (op->key != NONE)
            ledger->keys[op->key] = (int64_t)index;
    } else if (!same_values(op, &ledger->asked->ops[bound])) {
        return 6;
    }
    told->found_source = boost->source;
    told->devices = boost->devices;
    told->expires_us = boost->expires_us;
    return 0;
}

static int64_t release(struct sequential *ledger, const struct linear_op *op, int64_t at_us,
                       struct linear_op *told)
{
    struct sequential_boost *boost = op->subject == NONE ? NULL : &ledger->boosts[op->subject];
    if (!boost || !boost->granted)
        return 3;
    bool ends = lives(boost, at_us);
    if (ends) {
        boost->released = true;
        boost->ended_us = op->status == 0 ? at_us : 0;
    }
    told->ended = boost->released ? RELEASED : EXPIRED;
    told->ended_us = boost->released ? boost->ended_us : boost->expires_us;
    return 0;
}

static int64_t extend(struct sequential *ledger, const struct linear_op *op, int64_t at_us,
                      struct linear_op *told)
{
    struct sequential_boost *boost = op->subject == NONE ? NULL : &ledger->boosts[op->subject];
    if (!boost || !lives(boost, at_us))
        return 3;
    int64_t end_us = boost->expires_us, goal_us = at_us + op->duration_us;
    const struct linear_op *asked = &ledger->asked->ops[op->subject];
    if (op->by)
        goal_us = end_us == NEVER ? NEVER : end_us + op->duration_us;
    if (goal_us < end_us && !op->shorten)
        return 5;
    if (goal_us > end_us) {
        int64_t left_m = lendable(ledger, boost->source, asked->resource)
                         - lent(ledger, boost->source, asked->resource, end_us);
        if (ledger->held[boost->source] || left_m < asked->amount_m)
            return 4;
    }
    told->expires_us = boost->expires_us = goal_us;
    return 0;
}

static bool saw_living(const struct sequential *ledger, const struct linear_op *op, int64_t at_us)
{
    int64_t living = 0;
    for (size_t i = 0; i < ledger->asked->count; i++)
        living += lives(&ledger->boosts[i], at_us);
    for (int64_t i = 0; i < op->seen_count; i++) {
        const struct linear_seen *seen = &op->seen[i];
        if (seen->what < 0 || seen->what >= (int64_t)ledger->asked->count
            || !lives(&ledger->boosts[seen->what], at_us)
            || ledger->boosts[seen->what].expires_us != seen->value)
            return false;
    }
    return op->seen_count == living;
}

static bool saw_nodes(const struct sequential *ledger, const struct linear_op *op)
{
    for (int64_t i = 0; i < NODE_COUNT * RESOURCES; i++)
        if (op->seen[i].what != ledger->held[i / RESOURCES]
            || op->seen[i].value != ledger->limits[i / RESOURCES][i % RESOURCES])
            return false;
    return op->seen_count == NODE_COUNT * RESOURCES;
}

static bool saw_ended(const struct sequential *ledger, const struct linear_op *op, int64_t at_us)
{
    for (int64_t i = 0; i < op->seen_count; i++) {
        int64_t what = op->seen[i].what;
        if (what < 0 || what >= (int64_t)ledger->asked->count)
            return false;
        const struct sequential_boost *boost = &ledger->boosts[what];
        if (!boost->granted || boost->released || boost->expires_us > at_us)
            return false;
    }
    return true;
}

bool linear_looks(const struct linear_op *op)
{
    return op->kind == STATUS || op->kind == NODES || op->kind == CLEANUP;
}

bool linear_unknown(const struct linear_op *op)
{
    return op->status == STATUS_KILLED || op->status == 1 || op->status == 11;
}

static bool answers_agree(const struct linear_op *op, const struct linear_op *told)
{
    switch ((enum linear_kind)op->kind) {
    case REQUEST:
        return op->found == told->found && op->found_source == told->found_source
               && op->devices == told->devices && op->expires_us == told->expires_us;
    case RELEASE:
        return op->ended == told->ended && (told->ended_us == 0 || op->ended_us == told->ended_us);
    case EXTEND:
        return op->expires_us == told->expires_us;
    default:
        return true;
    }
}

bool sequential_do(struct sequential *ledger, size_t index, int64_t at_us)
{
    const struct linear_op *op = &ledger->asked->ops[index];
    struct linear_op told = {0};
    switch ((enum linear_kind)op->kind) {
    case REQUEST: told.status = request(ledger, index, at_us, &told); break;
    case RELEASE: told.status = release(ledger, op, at_us, &told); break;
    case EXTEND: told.status = extend(ledger, op, at_us, &told); break;
    case LIMIT: ledger->limits[op->node][op->resource] = op->amount_m; break;
    case HOLD: ledger->held[op->node] = 1; break;
    case RESUME: ledger->held[op->node] = 0; break;
    case STATUS: return op->status == 0 && saw_living(ledger, op, at_us);
    case NODES: return op->status == 0 && saw_nodes(ledger, op);
    case CLEANUP: return op->status == 0 && saw_ended(ledger, op, at_us);
    }
    if (linear_unknown(op))
        return told.status == 0;
    return op->status == told.status && (op->status != 0 || answers_agree(op, &told));
}
