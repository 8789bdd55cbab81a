/* Import: a document becomes the ledger, or a part of it, in one commit. */
#include "ledger/import.h"
#include "ledger/op.h"
#include "ledger/queue.h"
#include "ledger/settle.h"
#include "model/record.h"

#include <string.h>

static size_t *taken(struct grid_imported *ret, enum grid_subject subject)
{
    return subject == GRID_BOOST    ? &ret->boosts
           : subject == GRID_NODE   ? &ret->nodes
           : subject == GRID_TICKET ? &ret->tickets
           : subject == GRID_EVENT  ? &ret->events : NULL;
}

/* --- what is taken over ----------------------------------------------------------------------- */

static int is_ended(void *context, const struct grid_event *event, struct grid_error *err)
{
    const struct grid_tx *tx = context; /* which has put nothing else as yet */
    if (!event->has_boost || event->boost.ended == GRID_ACTIVE
        || !grid_tx_has_put(tx, GRID_BOOST, event->boost_id))
        return 0;
    return grid_error_set(err, GRID_ECONFLICT, "boost '%s' has ended in this ledger",
                          text_shown(event->boost_id));
}

static uint64_t hash_of(const char *id)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    while (*id)
        hash = (hash ^ (unsigned char)*id++) * UINT64_C(1099511628211);
    return hash;
}

static int by_hash(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static int add_living(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct importing *importing = context;
    if (array_reserve(&importing->living, &importing->living_capacity,
                      importing->living_count + 1, sizeof(*importing->living)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the boosts");
    importing->living[importing->living_count++] = hash_of(boost->boost_id);
    return 0;
}

static int read_living(struct grid_tx *tx, struct importing *importing, struct grid_error *err)
{
    importing->living_count = 0;
    int rc = grid_tx_boosts(tx, NULL, add_living, importing, err);
    if (importing->living_count > 1)
        qsort(importing->living, importing->living_count, sizeof(*importing->living), by_hash);
    return rc;
}

/* In a ledger that goes on, a boost that lives again has an event that says so. */
static int tell_revived(const struct taking *taking, const struct grid_boost *boost,
                        struct grid_error *err)
{
    const struct importing *importing = taking->importing;
    uint64_t hash = hash_of(boost->boost_id);
    if (importing->import->mode != GRID_IMPORT_REPLACE || !importing->has_history
        || (importing->living_count > 0
            && bsearch(&hash, importing->living, importing->living_count, sizeof(hash), by_hash)))
        return 0;
    return grid_tx_put_boost(taking->tx, boost, boost, GRID_EVENT_RESTORED,
                             grid_tx_now(taking->tx), importing->import->reason, err);
}

/* Of a merge: what is over is history, which is not merged; and who waits, waits in the other
 * ledger. */
static bool is_left_out(enum grid_subject subject, const union document_record *record,
                        int64_t now_us)
{
    return subject == GRID_TICKET
           || (subject == GRID_BOOST
               && (!record->boost.is_active || record->boost.expires_us <= now_us));
}

/* A token that this ledger may have given to somebody else, or may yet give, is given anew. */
static int renew_token(const struct taking *taking, const struct grid_boost *boost,
                       struct grid_error *err)
{
    struct grid_tx *tx = taking->tx;
    struct grid_boost now = *boost;
    if (boost->token == 0 || (boost->token > grid_tx_revision(tx)
                              && boost->token <= taking->importing->document.facts.revision))
        return 0;
    now.token = grid_tx_token(tx);
    return grid_tx_put_boost(tx, boost, &now, GRID_EVENT_QUIET, grid_tx_now(tx), NULL, err);
}

/* One above the document's revision: its ledger has lost that. */
static void see_token(const struct taking *taking, int64_t token)
{
    taking->importing->seen = token;
    if (taking->importing->import->mode == GRID_IMPORT_MERGE)
        grid_tx_raise(taking->tx, token); /* those that are given anew are above it, too */
}

static int take(void *context, size_t index, struct span text, struct grid_error *err)
{
    const struct taking *taking = context;
    struct importing *importing = taking->importing;
    enum grid_subject subject = taking->subject;
    union document_record record;
    int rc = document_check(subject, index, text, &record, err);
    if (rc < 0)
        return rc;
    bool merges = importing->import->mode == GRID_IMPORT_MERGE;
    if (subject == GRID_BOOST && record.boost.token >= GRID_REVISION_MAX / 2)
        return document_bad(subject, index, "its token is too large", err);
    if (subject == GRID_BOOST && record.boost.token > importing->seen)
        see_token(taking, record.boost.token);
    if (grid_tx_has_put(taking->tx, subject, document_id(subject, &record)))
        return document_bad(subject, index, "an earlier one has the same id", err);
    if (subject == GRID_TICKET && grid_tx_has_put(taking->tx, GRID_BOOST, record.ticket.ticket_id))
        rc = 1; /* it has been granted */
    else if (merges && is_left_out(subject, &record, grid_tx_now(taking->tx)))
        rc = 1;
    else if (merges)
        rc = merge_compare(taking->tx, subject, &record, err);
    if (rc != 0) {
        importing->ret->skipped += rc > 0;
        return rc < 0 ? rc : 0;
    }
    size_t *count = taken(importing->ret, subject);
    *(count ? count : &(size_t){0}) += 1;
    importing->taken++;
    rc = grid_tx_put_record(taking->tx, &(struct grid_record){subject, true, text.at, text.length},
                            err);
    if (rc < 0 || subject != GRID_BOOST)
        return rc;
    return merges ? renew_token(taking, &record.boost, err)
                  : tell_revived(taking, &record.boost, err);
}

static int take_event(void *context, size_t index, struct span text, struct grid_error *err)
{
    const struct taking *taking = context;
    struct grid_event event;
    if (text.at[0] != '{')
        return document_bad(GRID_EVENT, index, "it is not an object", err);
    if (record_event_read(text, &event, NULL) == 0 && event.revision > taking->importing->seen
        && event.revision < GRID_REVISION_MAX)
        taking->importing->seen = event.revision;
    taking->importing->ret->events++;
    taking->importing->taken++;
    return grid_tx_put_record(taking->tx, &(struct grid_record){GRID_EVENT, true, text.at,
                                                                text.length}, err);
}

/* --- what goes -------------------------------------------------------------------------------- */

/* A record of the old ledger that the document does not have ends, with an event. */
static int end_record(void *context, const struct grid_record *old, struct grid_error *err)
{
    static const char reason[] = "not in what was restored";
    const struct taking *taking = context;
    struct grid_tx *tx = taking->tx;
    union document_record record;
    struct span text = {old->text, old->length};
    if (!old->sound || old->subject > GRID_TICKET || old->subject == GRID_POLICY)
        return 0;
    int rc = document_record(old->subject, text, &record, err);
    if (rc < 0 || grid_tx_has_put(tx, old->subject, document_id(old->subject, &record)))
        return rc;
    if (old->subject == GRID_NODE)
        return grid_tx_put_node(tx, &record.node, GRID_EVENT_NODE_REMOVED, reason, err);
    if (old->subject == GRID_TICKET)
        return grid_tx_put_ticket(tx, &record.ticket, GRID_EVENT_WITHDRAWN, reason, err);
    bool expired = record.boost.is_active && record.boost.expires_us <= grid_tx_now(tx);
    if (!expired)
        rc = op_allowed(tx, &record.boost, taking->importing->import->caller, false, err);
    if (rc < 0)
        return rc;
    taking->importing->ret->ended++;
    return expired ? grid_tx_put_boost(tx, &record.boost, NULL, GRID_EVENT_EXPIRED,
                                       record.boost.expires_us, NULL, err)
                   : grid_tx_put_boost(tx, &record.boost, NULL, GRID_EVENT_RELEASED,
                                       grid_tx_now(tx), reason, err);
}

/* --- the transaction -------------------------------------------------------------------------- */

static int any_record(void *context, const struct grid_record *record, struct grid_error *err)
{
    (void)context, (void)record, (void)err;
    return 1;
}

static int any_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)context, (void)event, (void)err;
    return 1;
}

static int begin(struct grid_tx *tx, struct importing *importing, struct grid_error *err)
{
    enum grid_import_mode mode = importing->import->mode;
    *importing->ret = (struct grid_imported){.revision = grid_tx_revision(tx)};
    importing->seen = importing->document.facts.revision;
    importing->taken = 0;
    int rc = grid_tx_events(tx, NULL, any_event, NULL, err);
    importing->has_history = rc > 0;
    if (rc < 0)
        return rc;
    if (mode == GRID_IMPORT_MERGE)
        return grid_tx_raise(tx, importing->seen), 0; /* new tokens are above those that stay */
    if (mode == GRID_IMPORT_REPLACE) {
        rc = importing->has_history ? read_living(tx, importing, err) : 0;
        grid_tx_clear(tx);
        return rc;
    }
    rc = grid_tx_records(tx, any_record, NULL, err);
    if (rc <= 0)
        return rc;
    grid_error_set(err, GRID_ECONFLICT, "the ledger is not empty");
    return grid_error_hint(err, "add the document to it with --merge, or put it in its place with "
                           "--replace");
}

static int take_all(struct taking *taking, struct grid_error *err)
{
    const struct importing *importing = taking->importing;
    const struct document *document = &importing->document;
    const struct {
        enum grid_subject subject;
        struct span array;
    } arrays[] = {{GRID_BOOST, document->boosts}, {GRID_NODE, document->nodes},
                  {GRID_TICKET, document->waiting}};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < countof(arrays); i++) {
        taking->subject = arrays[i].subject;
        if (arrays[i].array.length)
            rc = json_array(arrays[i].array, take, taking, err);
    }
    taking->subject = GRID_POLICY;
    if (rc == 0 && document->policy.length)
        rc = take(taking, 0, document->policy, err);
    if (rc == 0 && document->unsound.length)
        rc = json_array(document->unsound, import_unsound, taking, err);
    if (rc == 0 && document->members.length)
        rc = json_object(document->members, import_member, taking, err);
    if (rc == 0 && document->events.length && !importing->has_history)
        rc = json_array(document->events, take_event, taking, err);
    return rc;
}

/* What was merged is decided about as a grant is. */
static int settle_merged(struct grid_tx *tx, struct grid_error *err)
{
    int rc = grid_tx_events(tx, NULL, is_ended, tx, err);
    rc = rc ?: ledger_settle(tx, err);
    rc = rc ?: merge_fits(tx, err);
    return rc ?: queue_promote(tx, err);
}

static int finish(struct grid_tx *tx, const struct importing *importing, struct grid_error *err)
{
    int rc = grid_tx_put_restored(tx, importing->import->reason, err);
    if (importing->seen >= GRID_REVISION_MAX / 2) /* no ledger comes so far by itself */
        return grid_error_set(err, GRID_EUSAGE, "the document's revision is too large");
    grid_tx_raise(tx, importing->seen);
    return rc;
}

static int decide(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct importing *importing = context;
    struct taking taking = {.tx = tx, .importing = importing};
    bool merges = importing->import->mode == GRID_IMPORT_MERGE;
    bool replaces = importing->import->mode == GRID_IMPORT_REPLACE;
    while (importing->text_count > 0) /* of an earlier run */
        free(importing->texts[--importing->text_count]);
    int rc = begin(tx, importing, err);
    rc = rc ?: take_all(&taking, err);
    if (rc == 0 && replaces)
        rc = grid_tx_records(tx, end_record, &taking, err);
    bool changes = replaces || importing->taken > 0;
    if (rc == 0 && merges && changes)
        rc = settle_merged(tx, err);
    if (rc == 0 && changes)
        rc = finish(tx, importing, err);
    /* Last: what cannot be imported leaves no backup behind. */
    const struct grid_import *import = importing->import;
    return rc == 0 && replaces && import->keep && !import->dry_run
               ? import->keep(tx, import->keep_context, err) : rc;
}

/* What is replaced may as well be damaged. */
static enum grid_mode mode_of(const struct grid_import *import)
{
    return import->dry_run                        ? GRID_READ
           : import->mode == GRID_IMPORT_REPLACE ? GRID_SALVAGE : GRID_WRITE;
}

int grid_ledger_import(struct grid_store *store, const struct grid_import *import,
                       struct grid_imported *ret, struct grid_error *err)
{
    struct grid_commit commit = {0};
    struct importing importing = {.import = import, .ret = ret};
    int rc = document_read(import->text, import->length, &importing.document, err);
    if (rc == 0)
        rc = grid_store_transact(store, mode_of(import), decide, &importing, &commit, err);
    if (rc == 0)
        ret->revision = commit.revision;
    while (importing.text_count > 0)
        free(importing.texts[--importing.text_count]);
    free(importing.texts);
    free(importing.living);
    return rc;
}
