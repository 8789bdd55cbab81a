/* The part of an import that is kept as text alone: unsound records, members of other programs. */
#include "ledger/import.h"
#include "ledger/settle.h"
#include "model/record.h"

#include <string.h>

/* The value of a member, which stands as `"key": value`. */
static struct span value_of(const struct grid_record *member)
{
    const char *end = member->text + member->length;
    const char *at = json_space(json_skip(member->text, end), end); /* the colon */
    at = json_space(at + 1, end);
    return (struct span){at, (size_t)(end - at)};
}

/* Of the same key, the same value is the same member; ECONFLICT: another. */
static int is_member(void *context, const struct grid_record *there, struct grid_error *err)
{
    const struct grid_record *wanted = context;
    size_t key = (size_t)(json_skip(wanted->text, wanted->text + wanted->length) - wanted->text);
    if (there->subject != GRID_MEMBER || there->length < key
        || memcmp(there->text, wanted->text, key) != 0)
        return 0;
    int rc = json_same(value_of(there), value_of(wanted), err);
    if (rc != 0)
        return rc;
    return grid_error_set(err, GRID_ECONFLICT, "member %.*s is in the ledger with other content",
                          (int)(key < 64 ? key : 64), wanted->text);
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
        rc = grid_tx_records(taking->tx, record->subject == GRID_MEMBER ? is_member : is_kept,
                             (void *)record, err);
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

/* A second record of an id is not sound, whatever it says. 1: it is one. */
static int is_known(const struct taking *taking, enum grid_subject subject, const char *id,
                    struct grid_error *err)
{
    struct grid_boost boost;
    struct grid_node node;
    struct grid_boost_filter filter = {.boost_id = id};
    if (grid_tx_has_put(taking->tx, subject, id))
        return 1;
    if (subject == GRID_BOOST)
        return grid_tx_boosts(taking->tx, &filter, boost_take, &boost, err);
    if (subject != GRID_NODE)
        return 0;
    int rc = grid_tx_node(taking->tx, id, &node, err);
    return rc == GRID_ENOTFOUND || rc == GRID_ECORRUPT ? 0 : rc ?: 1;
}

/* 1: the text would be read as a record. */
static int is_sound(const struct taking *taking, enum grid_subject subject, const char *text,
                    struct grid_error *err)
{
    union document_record record;
    int rc = document_record(subject, (struct span){text, strlen(text)}, &record, err);
    if (rc < 0)
        return rc == GRID_ENOMEM ? rc : 0;
    rc = is_known(taking, subject, document_id(subject, &record), err);
    return rc < 0 ? rc : !rc;
}

/* {"of": "boosts", "text": "..."} */
int import_unsound(void *context, size_t index, struct span value, struct grid_error *err)
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
    if (!text)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the records");
    if (rc != 0 || record_text(found[1], text, found[1].length + 1) != 0
        || subject == GRID_SUBJECTS || !may_stand(subject, text, strlen(text)))
        return grid_error_set(err, GRID_EUSAGE, "unsound record %zu of the document is none",
                              index);
    rc = is_sound(taking, subject, text, err);
    if (rc > 0)
        return grid_error_set(err, GRID_EUSAGE, "unsound record %zu of the document is sound",
                              index);
    return rc ?: keep(taking, &(struct grid_record){subject, false, text, strlen(text)}, err);
}

/* A member of another program; the ledger's own have names of their own. */
int import_member(void *context, struct span key, struct span value, struct grid_error *err)
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
