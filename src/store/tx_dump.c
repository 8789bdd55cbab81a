/* Whole ledgers in a transaction: every record as its text, for export and import. */
#include "store/tx.h"

#include "model/node_record.h"
#include "model/record.h"
#include "model/ticket_record.h"

#include <assert.h>

int grid_tx_records(struct grid_tx *tx, grid_record_fn fn, void *context, struct grid_error *err)
{
    return tx->store->driver->records(tx->store->db, fn, context, err);
}

void grid_tx_clear(struct grid_tx *tx)
{
    assert(tx->changes.count == 0 && tx->changes.kept_count == 0);
    tx->changes.clear = true;
    tx->policy = GRID_POLICY_DEFAULT;
    tx_sums_release(&tx->sums);
}

bool grid_tx_has_put(const struct grid_tx *tx, enum grid_subject subject, const char *id)
{
    return changes_have(&tx->changes, subject, id);
}

/* Puts what the text says, quietly. */
static int put_sound(struct grid_tx *tx, enum grid_subject subject, struct span text,
                     struct grid_error *err)
{
    union {
        struct grid_boost boost;
        struct grid_node node;
        struct grid_policy policy;
        struct grid_ticket ticket;
    } now;
    int rc;
    if (subject == GRID_BOOST) {
        rc = record_read(text, &now.boost, NULL, err);
        return rc ?: changes_put(&tx->changes, NULL, &now.boost, GRID_EVENT_QUIET, 0, NULL, err);
    }
    if (subject == GRID_NODE)
        rc = node_record_read(text, &now.node, err);
    else if (subject == GRID_TICKET)
        rc = ticket_record_read(text, &now.ticket, err);
    else
        rc = policy_record_read(text, &now.policy, err);
    if (rc == 0 && subject == GRID_POLICY)
        tx->policy = now.policy;
    return rc ?: changes_put_record(&tx->changes, subject, &now, false, GRID_EVENT_QUIET, NULL,
                                    err);
}

int grid_tx_put_record(struct grid_tx *tx, const struct grid_record *record,
                       struct grid_error *err)
{
    if (!record->sound || record->subject == GRID_EVENT || record->subject == GRID_MEMBER)
        return changes_keep(&tx->changes, record, err);
    struct span text = {record->text, record->length};
    int rc = put_sound(tx, record->subject, text, err);
    if (rc == 0)
        changes_set_text(&tx->changes, record);
    return rc;
}

int grid_tx_put_restored(struct grid_tx *tx, const char *reason, struct grid_error *err)
{
    return changes_put_record(&tx->changes, GRID_EVENT, NULL, false, GRID_EVENT_RESTORED, reason,
                              err);
}

void grid_tx_raise(struct grid_tx *tx, int64_t revision)
{
    if (tx->changes.revision <= revision)
        tx->changes.revision = revision + 1;
    if (tx->head.revision + tx->tokens < revision)
        tx->tokens = revision - tx->head.revision;
}
