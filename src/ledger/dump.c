/* Export: the whole ledger as one JSON document. */
#include "ledger/dump.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * The document has the members of the state file, each record as it is stored: so nothing that
 * others wrote there is lost. What is not sound may be no JSON; it stands apart, as a text.
 */

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
    buffer_format(&dumping->out, ",\n  \"%s\": ", document_member(subject));
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

static int put_record(void *context, const struct grid_record *record, struct grid_error *err)
{
    struct dumping *dumping = context;
    document_count(dumping->facts, record->subject);
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
