/* Export: the whole ledger as one JSON document; and reading such a document. */
#include "ledger/dump.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * The document has the members of the state file, each record as it is stored: so nothing that
 * others wrote there is lost. What is not sound may be no JSON; it stands apart, as a text.
 */
static const char *const keys[GRID_SUBJECTS] = {
    [GRID_BOOST] = "boosts", [GRID_NODE] = "nodes", [GRID_POLICY] = "policy",
    [GRID_TICKET] = "waiting", [GRID_EVENT] = "events", [GRID_MEMBER] = "members"};

const char *document_key(enum grid_subject subject)
{
    bool listed = subject == GRID_BOOST || subject == GRID_NODE || subject == GRID_TICKET;
    return listed ? keys[subject] : NULL;
}

/* --- writing -------------------------------------------------------------------------------- */

#define PIECE ((size_t)256 * 1024)

struct dumping {
    grid_write_fn write;
    void *context;
    struct grid_export *facts;
    struct buffer out, unsound; /* the latter is small, and comes last */
    int subject;  /* whose member is open; -1: none */
    bool begun;   /* it has an element */
    bool boosts;  /* theirs was opened */
};

static int flush(struct dumping *dumping, size_t least, struct grid_error *err)
{
    struct buffer *out = &dumping->out;
    if (out->error || dumping->unsound.error)
        return grid_error_set(err, GRID_ENOMEM, "no memory to export the ledger");
    if (out->length < least)
        return 0;
    int rc = dumping->write(dumping->context, out->data, out->length, err);
    out->length = 0;
    return rc;
}

static bool is_array(int subject) { return subject != GRID_POLICY && subject != GRID_MEMBER; }

static void close_member(struct dumping *dumping)
{
    if (dumping->subject >= 0 && dumping->subject != GRID_POLICY)
        buffer_text(&dumping->out, is_array(dumping->subject) ? "\n  ]" : "\n  }");
    dumping->subject = -1;
}

static void open_member(struct dumping *dumping, enum grid_subject subject)
{
    close_member(dumping);
    buffer_format(&dumping->out, ",\n  \"%s\": ", keys[subject]);
    if (subject != GRID_POLICY)
        buffer_text(&dumping->out, is_array(subject) ? "[" : "{");
    dumping->subject = (int)subject;
    dumping->begun = false;
    dumping->boosts |= subject == GRID_BOOST;
}

static void put_unsound(struct dumping *dumping, const struct grid_record *record)
{
    struct buffer *out = &dumping->unsound;
    grid_auto_free char *text = strndup(record->text, record->length);
    if (!text || !document_key(record->subject))
        return (void)(out->error = text ? out->error : ENOMEM);
    struct json json = json_begin(out, 2);
    buffer_text(out, out->length ? ",\n    " : "\n    ");
    json_open(&json, '{');
    json_put_text(&json, "of", document_key(record->subject));
    json_put_text(&json, "text", text);
    json_close(&json, '}');
}

static void count(struct grid_export *facts, enum grid_subject subject)
{
    facts->boosts += subject == GRID_BOOST;
    facts->nodes += subject == GRID_NODE;
    facts->tickets += subject == GRID_TICKET;
    facts->events += subject == GRID_EVENT;
    facts->policy |= subject == GRID_POLICY;
}

static int put_record(void *context, const struct grid_record *record, struct grid_error *err)
{
    struct dumping *dumping = context;
    count(dumping->facts, record->subject);
    if (!record->sound) {
        put_unsound(dumping, record);
        return flush(dumping, PIECE, err);
    }
    if (dumping->subject != (int)record->subject)
        open_member(dumping, record->subject);
    if (record->subject != GRID_POLICY)
        buffer_text(&dumping->out, dumping->begun ? ",\n    " : "\n    ");
    dumping->begun = true;
    buffer_add(&dumping->out, record->text, record->length);
    return flush(dumping, PIECE, err);
}

static void put_head(struct dumping *dumping, struct grid_tx *tx)
{
    char time[GRID_TIME_SIZE];
    struct grid_export *facts = dumping->facts;
    *facts = (struct grid_export){.created_us = grid_tx_now(tx),
                                  .revision = grid_tx_revision(tx)};
    buffer_format(&dumping->out, "{\n  \"schema\": 1,\n  \"export\": %d,\n"
                  "  \"created_at\": \"%s\",\n  \"revision\": %lld", GRID_EXPORT_VERSION,
                  grid_time_format(facts->created_us, time), (long long)facts->revision);
}

static int put_all(struct dumping *dumping, struct grid_tx *tx, struct grid_error *err)
{
    put_head(dumping, tx);
    int rc = grid_tx_records(tx, put_record, dumping, err);
    if (rc < 0)
        return rc;
    if (!dumping->boosts) /* always there: an empty ledger is one, too */
        open_member(dumping, GRID_BOOST);
    close_member(dumping);
    if (dumping->unsound.length) {
        buffer_text(&dumping->out, ",\n  \"unsound\": [");
        buffer_add(&dumping->out, dumping->unsound.data, dumping->unsound.length);
        buffer_text(&dumping->out, "\n  ]");
    }
    buffer_text(&dumping->out, "\n}\n");
    return flush(dumping, 0, err);
}

int grid_tx_export(struct grid_tx *tx, grid_write_fn write, void *context, struct grid_export *ret,
                   struct grid_error *err)
{
    struct grid_export facts;
    struct dumping dumping = {.write = write, .context = context, .facts = &facts,
                              .out = BUFFER_INIT, .unsound = BUFFER_INIT, .subject = -1};
    int rc = put_all(&dumping, tx, err);
    buffer_release(&dumping.out);
    buffer_release(&dumping.unsound);
    if (rc == 0 && ret)
        *ret = facts;
    return rc;
}

struct exporting {
    grid_write_fn write;
    void *context;
    struct grid_export *ret;
};

static int export(struct grid_tx *tx, void *context, struct grid_error *err)
{
    const struct exporting *exporting = context;
    return grid_tx_export(tx, exporting->write, exporting->context, exporting->ret, err);
}

int grid_ledger_export(struct grid_store *store, grid_write_fn write, void *context,
                       struct grid_export *ret, struct grid_error *err)
{
    struct exporting exporting = {write, context, ret};
    return grid_store_transact(store, GRID_READ, export, &exporting, NULL, err);
}

/* --- reading -------------------------------------------------------------------------------- */

#define DEPTH (JSON_DEPTH_MAX + 1) /* members lie one deeper than in the state file */

struct reading {
    struct document *document;
    int64_t schema, version;
    bool has_boosts;
};

static int no_export(const char *why, struct grid_error *err)
{
    return grid_error_set(err, GRID_EUSAGE, "it is no export of a ledger: %s", why);
}

static int bad_member(const char *name, struct grid_error *err)
{
    char why[64];
    snprintf(why, sizeof(why), "'%s' is not what it should be", name);
    return no_export(why, err);
}

static bool read_time(struct span value, int64_t *ret_us)
{
    return value.length >= 2 && value.at[0] == '"'
           && grid_time_read(value.at + 1, value.length - 2, ret_us, NULL, NULL) == 0;
}

static int read_member(void *context, struct span key, struct span value, struct grid_error *err)
{
    struct reading *reading = context;
    struct document *document = reading->document;
    const struct {
        const char *name;
        char opens;
        struct span *span;
    } spans[] = {{"boosts", '[', &document->boosts}, {"nodes", '[', &document->nodes},
                 {"waiting", '[', &document->waiting}, {"events", '[', &document->events},
                 {"policy", '{', &document->policy}, {"unsound", '[', &document->unsound},
                 {"members", '{', &document->members}};
    const struct {
        const char *name;
        int64_t *number;
    } numbers[] = {{"schema", &reading->schema}, {"export", &reading->version},
                   {"revision", &document->facts.revision}};
    for (size_t i = 0; i < countof(spans); i++) {
        if (!json_is(key, spans[i].name))
            continue;
        *spans[i].span = value;
        return value.at[0] == spans[i].opens ? 0 : bad_member(spans[i].name, err);
    }
    for (size_t i = 0; i < countof(numbers); i++)
        if (json_is(key, numbers[i].name))
            return json_integer(value, numbers[i].number) ? 0 : bad_member(numbers[i].name, err);
    if (json_is(key, "created_at") && !read_time(value, &document->facts.created_us))
        return bad_member("created_at", err);
    return 0;
}

static int count_element(void *context, size_t index, struct span value, struct grid_error *err)
{
    (void)value, (void)err;
    *(size_t *)context = index + 1;
    return 0;
}

static int count_unsound(void *context, size_t index, struct span value, struct grid_error *err)
{
    (void)index, (void)err;
    struct grid_export *facts = context;
    for (enum grid_subject subject = GRID_BOOST; subject <= GRID_TICKET; subject++) {
        char begins[32];
        const char *key = document_key(subject);
        snprintf(begins, sizeof(begins), "\"%s\"", key ? key : "");
        if (key && memmem(value.at, value.length < 32 ? value.length : 32, begins, strlen(begins)))
            count(facts, subject);
    }
    return 0;
}

static int count_all(struct document *document, struct grid_error *err)
{
    struct grid_export *facts = &document->facts;
    const struct {
        struct span array;
        size_t *count;
    } arrays[] = {{document->boosts, &facts->boosts}, {document->nodes, &facts->nodes},
                  {document->waiting, &facts->tickets}, {document->events, &facts->events}};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < countof(arrays); i++)
        if (arrays[i].array.length)
            rc = json_array(arrays[i].array, count_element, arrays[i].count, err);
    facts->policy = document->policy.length > 0;
    if (rc == 0 && document->unsound.length)
        rc = json_array(document->unsound, count_unsound, facts, err);
    return rc;
}

int document_read(const char *text, size_t length, struct document *ret, struct grid_error *err)
{
    struct grid_error why = {0};
    struct reading reading = {.document = ret, .version = -1};
    *ret = (struct document){.facts = {.revision = -1}};
    const char *end = text + length, *at = json_space(text, end);
    if (at == end)
        return no_export("it is empty", err);
    const char *stop = *at == '{' ? json_value(at, end, DEPTH, &why) : NULL;
    if (!stop)
        return no_export(*at == '{' ? why.message : "it is not a JSON object", err);
    if (json_space(stop, end) != end)
        return no_export("more follows its end", err);
    int rc = json_object((struct span){at, (size_t)(stop - at)}, read_member, &reading, err);
    if (rc == GRID_ECORRUPT)
        return no_export("a member comes twice", err);
    if (rc < 0)
        return rc;
    if (reading.version < 1 || !ret->boosts.length || ret->facts.revision < 0
        || ret->facts.revision >= GRID_REVISION_MAX)
        return no_export("'export', 'revision' or 'boosts' is missing", err);
    if (reading.version > GRID_EXPORT_VERSION || reading.schema > 1)
        return grid_error_set(err, GRID_ECONFLICT, "the export is of a newer format (export %lld, "
                              "schema %lld) than this program knows (%d, 1)",
                              (long long)reading.version, (long long)reading.schema,
                              GRID_EXPORT_VERSION);
    return count_all(ret, err);
}

static int check_boost(void *context, size_t index, struct span text, struct grid_error *err)
{
    return document_check(GRID_BOOST, index, text, context, err);
}

static int check_node(void *context, size_t index, struct span text, struct grid_error *err)
{
    return document_check(GRID_NODE, index, text, context, err);
}

static int check_ticket(void *context, size_t index, struct span text, struct grid_error *err)
{
    return document_check(GRID_TICKET, index, text, context, err);
}

static int check_event(void *context, size_t index, struct span text, struct grid_error *err)
{
    (void)context;
    return text.at[0] == '{' ? 0 : document_bad(GRID_EVENT, index, "it is not an object", err);
}

/* What an import would stumble over, whatever the ledger. */
static int check_records(const struct document *document, struct grid_error *err)
{
    union document_record record;
    int rc = json_array(document->boosts, check_boost, &record, err);
    if (rc == 0 && document->nodes.length)
        rc = json_array(document->nodes, check_node, &record, err);
    if (rc == 0 && document->waiting.length)
        rc = json_array(document->waiting, check_ticket, &record, err);
    if (rc == 0 && document->events.length)
        rc = json_array(document->events, check_event, NULL, err);
    if (rc == 0 && document->policy.length)
        rc = document_check(GRID_POLICY, 0, document->policy, &record, err);
    return rc;
}

int grid_export_read(const char *text, size_t length, struct grid_export *ret,
                     struct grid_error *err)
{
    struct document document;
    int rc = document_read(text, length, &document, err);
    rc = rc ?: check_records(&document, err);
    if (rc == 0 && ret)
        *ret = document.facts;
    return rc;
}
