/* Reading an exported ledger: the whole document, and its records, whichever kind. */
#include "ledger/dump.h"

#include "model/node_record.h"
#include "model/record.h"
#include "model/ticket_record.h"

#include <stdio.h>
#include <string.h>

static const char *const keys[GRID_SUBJECTS] = {
    [GRID_BOOST] = "boosts", [GRID_NODE] = "nodes", [GRID_POLICY] = "policy",
    [GRID_TICKET] = "waiting", [GRID_EVENT] = "events", [GRID_MEMBER] = "members"};

const char *document_member(enum grid_subject subject) { return keys[subject]; }

const char *document_key(enum grid_subject subject)
{
    bool listed = subject == GRID_BOOST || subject == GRID_NODE || subject == GRID_TICKET;
    return listed ? keys[subject] : NULL;
}

void document_count(struct grid_export *facts, enum grid_subject subject)
{
    facts->boosts += subject == GRID_BOOST;
    facts->nodes += subject == GRID_NODE;
    facts->tickets += subject == GRID_TICKET;
    facts->events += subject == GRID_EVENT;
    facts->policy |= subject == GRID_POLICY;
}

/* --- records --------------------------------------------------------------------------------- */

int document_record(enum grid_subject subject, struct span text, union document_record *ret,
                    struct grid_error *err)
{
    if (subject == GRID_BOOST)
        return record_read(text, &ret->boost, NULL, err);
    if (subject == GRID_NODE)
        return node_record_read(text, &ret->node, err);
    if (subject == GRID_TICKET)
        return ticket_record_read(text, &ret->ticket, err);
    return policy_record_read(text, &ret->policy, err);
}

const char *document_id(enum grid_subject subject, const union document_record *record)
{
    return subject == GRID_BOOST    ? record->boost.boost_id
           : subject == GRID_NODE   ? record->node.node_id
           : subject == GRID_TICKET ? record->ticket.ticket_id : "";
}

const char *document_word(enum grid_subject subject)
{
    return subject == GRID_BOOST    ? "boost"
           : subject == GRID_NODE   ? "node"
           : subject == GRID_TICKET ? "ticket"
           : subject == GRID_EVENT  ? "event" : "policy";
}

int document_bad(enum grid_subject subject, size_t index, const char *why, struct grid_error *err)
{
    return grid_error_set(err, GRID_EUSAGE, "%s %zu of the document: %s", document_word(subject),
                          index, why);
}

int document_check(enum grid_subject subject, size_t index, struct span text,
                   union document_record *ret, struct grid_error *err)
{
    struct grid_error why = {0};
    int rc = document_record(subject, text, ret, &why);
    if (rc == GRID_ENOMEM)
        return *err = why, rc;
    return rc < 0 ? document_bad(subject, index, why.message, err) : 0;
}

static void print(struct json *json, enum grid_subject subject,
                  const union document_record *record)
{
    if (subject == GRID_BOOST)
        record_write(json, &record->boost);
    else if (subject == GRID_NODE)
        node_record_write(json, (struct span){0}, &record->node);
    else if (subject == GRID_TICKET)
        ticket_record_write(json, (struct span){0}, &record->ticket);
    else
        policy_record_write(json, &record->policy);
}

int document_same(enum grid_subject subject, const union document_record *a,
                  const union document_record *b, struct grid_error *err)
{
    grid_auto_buffer struct buffer left = BUFFER_INIT, right = BUFFER_INIT;
    struct json first = json_begin(&left, -1), second = json_begin(&right, -1);
    print(&first, subject, a);
    print(&second, subject, b);
    return buffer_same(&left, &right, err);
}

/* --- the whole -------------------------------------------------------------------------------- */

#define DEPTH (JSON_DEPTH_MAX + 1) /* members lie one deeper than in the state file */

struct reading {
    struct document *document;
    int64_t schema, version;
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
            document_count(facts, subject);
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
