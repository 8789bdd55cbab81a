/* Import: a document becomes the ledger, or a part of it, in one commit. */
#include "ledger/dump.h"
#include "ledger/queue.h"
#include "ledger/settle.h"
#include "model/record.h"

#include <string.h>

struct importing {
    const struct grid_import *import;
    struct document document;
    struct grid_imported *ret;
    size_t taken;     /* records, of whatever kind */
    int64_t seen;     /* the highest revision or token in the document */
    bool has_history; /* the ledger has events of its own: those of the document stay out */
    char **texts;     /* of unsound records, decoded */
    size_t text_count, text_capacity;
};

static size_t *taken(struct grid_imported *ret, enum grid_subject subject)
{
    return subject == GRID_BOOST    ? &ret->boosts
           : subject == GRID_NODE   ? &ret->nodes
           : subject == GRID_TICKET ? &ret->tickets
           : subject == GRID_EVENT  ? &ret->events : NULL;
}

static int bad_record(enum grid_subject subject, size_t index, const char *why,
                      struct grid_error *err)
{
    return grid_error_set(err, GRID_EUSAGE, "%s %zu of the document: %s", document_word(subject),
                          index, why);
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

struct taking {
    struct grid_tx *tx;
    struct importing *importing;
    enum grid_subject subject;
};

static bool is_over(const struct grid_boost *boost, int64_t now_us)
{
    return !boost->is_active || boost->expires_us <= now_us;
}

static int take(void *context, size_t index, struct span text, struct grid_error *err)
{
    const struct taking *taking = context;
    struct importing *importing = taking->importing;
    enum grid_subject subject = taking->subject;
    struct grid_error why = {0};
    union document_record record;
    int rc = document_record(subject, text, &record, &why);
    if (rc < 0)
        return rc == GRID_ENOMEM ? (*err = why, rc) : bad_record(subject, index, why.message, err);
    if (subject == GRID_BOOST && record.boost.token > importing->seen)
        importing->seen = record.boost.token;
    if (importing->seen >= GRID_REVISION_MAX)
        return bad_record(subject, index, "its token is too large", err);
    if (grid_tx_has_put(taking->tx, subject, document_id(subject, &record)))
        return bad_record(subject, index, "an earlier one has the same id", err);
    bool merges = importing->import->mode == GRID_IMPORT_MERGE;
    if (merges && subject == GRID_BOOST && is_over(&record.boost, grid_tx_now(taking->tx)))
        rc = 1; /* it is history, which is not merged */
    else if (merges)
        rc = merge_compare(taking->tx, subject, &record, err);
    if (rc != 0) {
        importing->ret->skipped += rc > 0;
        return rc < 0 ? rc : 0;
    }
    size_t *count = taken(importing->ret, subject);
    *(count ? count : &(size_t){0}) += 1;
    importing->taken++;
    return grid_tx_put_record(taking->tx, &(struct grid_record){subject, true, text.at,
                                                                text.length}, err);
}

static int take_event(void *context, size_t index, struct span text, struct grid_error *err)
{
    const struct taking *taking = context;
    struct grid_event event;
    if (text.at[0] != '{')
        return grid_error_set(err, GRID_EUSAGE, "event %zu of the document is none", index);
    if (record_event_read(text, &event, NULL) == 0 && event.revision > taking->importing->seen
        && event.revision < GRID_REVISION_MAX)
        taking->importing->seen = event.revision;
    taking->importing->ret->events++;
    taking->importing->taken++;
    return grid_tx_put_record(taking->tx, &(struct grid_record){GRID_EVENT, true, text.at,
                                                                text.length}, err);
}

/* Does the ledger hold this very text? */
static int is_kept(void *context, const struct grid_record *record, struct grid_error *err)
{
    (void)err;
    const struct grid_record *wanted = context;
    return record->subject == wanted->subject && record->sound == wanted->sound
           && record->length == wanted->length
           && memcmp(record->text, wanted->text, wanted->length) == 0;
}

/* Puts what stands as text alone, once. */
static int keep(const struct taking *taking, const struct grid_record *record,
                struct grid_error *err)
{
    int rc = 0;
    if (taking->importing->import->mode == GRID_IMPORT_MERGE)
        rc = grid_tx_records(taking->tx, is_kept, (void *)record, err);
    taking->importing->ret->skipped += rc > 0;
    taking->importing->taken += rc == 0;
    return rc ? (rc < 0 ? rc : 0) : grid_tx_put_record(taking->tx, record, err);
}

static int find_value(void *context, struct span key, struct span value, struct grid_error *err)
{
    (void)err;
    struct span *found = context; /* "of", "text" */
    if (json_is(key, "of"))
        found[0] = value;
    if (json_is(key, "text"))
        found[1] = value;
    return 0;
}

/* In the file it must end where it seems to: what is no JSON is so only among the boosts. */
static bool may_stand(enum grid_subject subject, const char *text, size_t length)
{
    const char *end = text + length;
    struct grid_error unused;
    if (!text_is_utf8(text, length) || length == 0)
        return false;
    if (json_value(text, end, JSON_DEPTH_MAX - 2, &unused) == end)
        return true;
    return subject == GRID_BOOST && text[0] == '{'
           && json_balanced(text, end, JSON_DEPTH_MAX - 2) == end;
}

/* {"of": "boosts", "text": "..."} */
static int take_unsound(void *context, size_t index, struct span value, struct grid_error *err)
{
    struct taking *taking = context;
    struct importing *importing = taking->importing;
    struct span found[2] = {{0}};
    int rc = value.at[0] == '{' ? json_object(value, find_value, found, err) : GRID_ECORRUPT;
    enum grid_subject subject = GRID_BOOST;
    while (rc == 0 && subject < GRID_SUBJECTS) {
        const char *key = document_key(subject);
        if (key && found[0].length > 2
            && json_is((struct span){found[0].at + 1, found[0].length - 2}, key))
            break;
        subject++;
    }
    if (array_reserve(&importing->texts, &importing->text_capacity, importing->text_count + 1,
                      sizeof(*importing->texts)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the records");
    char *text = malloc(found[1].length + 1);
    importing->texts[importing->text_count] = text;
    importing->text_count += text != NULL;
    rc = rc ?: text ? record_text(found[1], text, found[1].length + 1, err) : GRID_ENOMEM;
    if (rc == GRID_ENOMEM)
        return grid_error_set(err, rc, "no memory for the records");
    if (rc != 0 || subject == GRID_SUBJECTS || !may_stand(subject, text, strlen(text)))
        return grid_error_set(err, GRID_EUSAGE, "unsound record %zu of the document is none",
                              index);
    return keep(taking, &(struct grid_record){subject, false, text, strlen(text)}, err);
}

/* A member of another program; the ledger's own have names of their own. */
static int take_member(void *context, struct span key, struct span value, struct grid_error *err)
{
    static const char *const ours[] = {"boosts", "timestamp", "revision", "nodes", "policy",
                                       "waiting", "history", "segments", "pending"};
    for (size_t i = 0; i < countof(ours); i++)
        if (json_is(key, ours[i]))
            return grid_error_set(err, GRID_EUSAGE, "'members' of the document has a '%s'",
                                  ours[i]);
    struct grid_record record = {GRID_MEMBER, true, key.at - 1,
                                 (size_t)(value.at + value.length - key.at) + 1};
    return keep(context, &record, err);
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
    if (rc < 0 || mode == GRID_IMPORT_MERGE)
        return rc < 0 ? rc : 0;
    if (mode == GRID_IMPORT_REPLACE)
        return grid_tx_clear(tx), 0;
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
        rc = json_array(document->unsound, take_unsound, taking, err);
    if (rc == 0 && document->members.length)
        rc = json_object(document->members, take_member, taking, err);
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

/* The revision leaves one out: a recovery from an earlier generation, which cannot do this again
 * from its event, sees that something is missing. */
static int finish(struct grid_tx *tx, const struct importing *importing, struct grid_error *err)
{
    int rc = grid_tx_put_restored(tx, importing->import->reason, err);
    int64_t next = grid_tx_token(tx);
    if (importing->seen >= GRID_REVISION_MAX - 2 || next >= GRID_REVISION_MAX - 2)
        return grid_error_set(err, GRID_EUSAGE, "the document's revision is too large");
    grid_tx_raise(tx, importing->seen > next ? importing->seen : next);
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
    return rc == 0 && changes ? finish(tx, importing, err) : rc;
}

int grid_ledger_import(struct grid_store *store, const struct grid_import *import,
                       struct grid_imported *ret, struct grid_error *err)
{
    struct grid_commit commit = {0};
    struct importing importing = {.import = import, .ret = ret};
    int rc = document_read(import->text, import->length, &importing.document, err);
    if (rc == 0)
        rc = grid_store_transact(store, import->dry_run ? GRID_READ : GRID_WRITE, decide,
                                 &importing, &commit, err);
    if (rc == 0)
        ret->revision = commit.revision;
    while (importing.text_count > 0)
        free(importing.texts[--importing.text_count]);
    free(importing.texts);
    return rc;
}
