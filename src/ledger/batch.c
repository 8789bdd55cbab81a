/* One transaction for one operation or many: settle, try each, promote; hand over afterwards. */
#include "ledger/op.h"
#include "ledger/queue.h"

#include <stdlib.h>

struct batch {
    struct grid_op *ops;
    struct boost_list *held; /* of each */
    size_t count;
    bool atomic;
};

static int apply(struct grid_tx *tx, struct grid_op *op, struct boost_list *held,
                 struct grid_error *err)
{
    if (op->request)
        return op_request(tx, op, held, err);
    return op->release ? op_release(tx, op, held, err) : op_extend(tx, op, held, err);
}

/* A failure of the store is not the operation's own. */
static bool is_fatal(int rc)
{
    return rc == GRID_EIO || rc == GRID_ENOMEM || rc == GRID_ECORRUPT || rc == GRID_EINTERNAL;
}

/* Who waits and could start has its turn before each operation, not only after the last. */
static int decide(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct batch *batch = context;
    int rc = ledger_settle(tx, err);
    rc = rc ?: queue_promote(tx, err);
    for (size_t i = 0; rc == 0 && i < batch->count; i++) {
        struct grid_op *op = &batch->ops[i];
        op->err = (struct grid_error){0};
        op->begins = grid_tx_mark(tx);
        batch->held[i].count = 0;
        op->rc = apply(tx, op, &batch->held[i], &op->err);
        if (op->rc < 0)
            grid_tx_undo(tx, op->begins);
        op->ends = grid_tx_mark(tx);
        if (op->rc < 0 && (batch->atomic || is_fatal(op->rc))) {
            *err = op->err;
            rc = op->rc;
        } else if (op->ends > op->begins) {
            rc = queue_promote(tx, err);
        }
    }
    return rc;
}

/* What all share did not come off: nothing of it is done, or (EUNKNOWN) nobody knows. Where one of
 * an atomic batch is the reason, its code alone says which. */
static void fail_all(struct batch *batch, int rc, const struct grid_error *err)
{
    for (size_t i = 0; batch->atomic && i < batch->count; i++)
        if (batch->ops[i].rc < 0)
            return;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->ops[i].rc == 0
            && (rc != GRID_EUNKNOWN || batch->ops[i].ends > batch->ops[i].begins)) {
            batch->ops[i].rc = rc;
            batch->ops[i].err = *err;
        }
}

static int hand_over(void *context, const struct grid_commit *commit,
                     const struct grid_changes *changes, struct grid_error *err)
{
    (void)commit;
    struct batch *batch = context;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < batch->count; i++) {
        struct grid_op *op = &batch->ops[i];
        for (size_t j = 0; rc == 0 && op->rc == 0 && op->fn && j < batch->held[i].count; j++)
            rc = op->fn(op->context, &batch->held[i].at[j], err);
        if (rc == 0 && op->rc == 0)
            rc = ledger_hand_over(changes, op->begins, op->ends, op->fn, op->context, err);
    }
    return rc < 0 ? rc : 0;
}

static int decide_and_hand_over(struct grid_tx *tx, void *context, struct grid_error *err)
{
    grid_tx_after(tx, hand_over, context);
    return decide(tx, context, err);
}

int grid_ledger_batch(struct grid_store *store, struct grid_op *ops, size_t count, bool atomic,
                      bool dry_run, struct grid_error *err)
{
    struct batch batch = {.ops = ops, .count = count, .atomic = atomic};
    struct grid_error unused;
    batch.held = calloc(count + 1, sizeof(*batch.held));
    if (!batch.held)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the batch");
    for (size_t i = 0; i < count; i++) {
        ops[i].rc = 0;
        ops[i].begins = ops[i].ends = 0;
    }
    err = err ? err : &unused;
    int rc = grid_store_transact(store, dry_run ? GRID_READ : GRID_WRITE, decide_and_hand_over,
                                 &batch, NULL, err);
    if (rc < 0)
        fail_all(&batch, rc, err);
    for (size_t i = 0; i < count; i++)
        boost_list_release(&batch.held[i]);
    free(batch.held);
    return rc;
}

/* --- one alone -------------------------------------------------------------------------------- */

int grid_ledger_request(struct grid_store *store, const struct grid_request *request, bool dry_run,
                        struct grid_explain *explain, struct grid_grant *ret, grid_boost_fn fn,
                        void *context, struct grid_error *err)
{
    struct grid_grant grant;
    struct grid_op op = {.request = request, .explain = explain, .grant = &grant, .fn = fn,
                         .context = context};
    int rc = grid_ledger_batch(store, &op, 1, true, dry_run, err);
    if (rc == 0 || rc == GRID_EUNKNOWN)
        *ret = grant;
    return rc;
}

int grid_ledger_release(struct grid_store *store, const struct grid_release *release,
                        grid_boost_fn fn, void *context, struct grid_error *err)
{
    struct grid_op op = {.release = release, .fn = fn, .context = context};
    return grid_ledger_batch(store, &op, 1, true, release->dry_run, err);
}

int grid_ledger_extend(struct grid_store *store, const struct grid_extend *extend,
                       int64_t *ret_fits_us, struct grid_boost *ret, grid_boost_fn fn,
                       void *context, struct grid_error *err)
{
    struct grid_op op = {.extend = extend, .fn = fn, .context = context};
    int rc = grid_ledger_batch(store, &op, 1, true, extend->dry_run, err);
    if (ret_fits_us)
        *ret_fits_us = op.fits_us;
    if (rc == 0 || rc == GRID_EUNKNOWN)
        *ret = op.boost;
    return rc;
}
