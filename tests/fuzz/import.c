/* Any bytes as an export: refused, the ledger is as it was; taken, it exports what it was given,
 * and takes that again. */
#include "fuzz/fuzz.h"
#include "grid/dump.h"
#include "util/json.h"

#define LONGEST 65536

static int add_piece(void *context, const char *text, size_t length, struct grid_error *err)
{
    (void)err;
    buffer_add(context, text, length);
    return 0;
}

static struct grid_store *open_ledger(const char *url)
{
    struct grid_store *store = NULL;
    struct grid_error err = {0};
    int rc = grid_store_open(&(struct grid_store_options){.url = url, .actor = "fuzz@here"},
                             &store, &err);
    fuzz_check(rc == 0, "%s", err.message);
    return store;
}

static void export_to(struct grid_store *store, struct buffer *out, struct grid_export *ret)
{
    struct grid_error err = {0};
    int rc = grid_ledger_export(store, add_piece, out, ret, &err);
    fuzz_check(rc == 0 && buffer_string(out), "it does not export: %s", err.message);
}

static int import(struct grid_store *store, const char *text, size_t length,
                  enum grid_import_mode mode, struct grid_imported *ret)
{
    struct grid_error err = {0};
    *ret = (struct grid_imported){0};
    const struct grid_import how = {.text = text, .length = length, .mode = mode, .reason = "fuzz"};
    int rc = grid_ledger_import(store, &how, ret, &err);
    static const int codes[] = {0, GRID_EUSAGE, GRID_ECONFLICT, GRID_EREFUSED};
    size_t i = 0;
    while (i < countof(codes) && codes[i] != rc)
        i++;
    fuzz_check(i < countof(codes), "code %d: %s", rc, err.message);
    fuzz_check(rc == 0 || err.message[0], "code %d says nothing", rc);
    return rc;
}

/* But for the time of the export, and the revision. */
static void check_unchanged(struct grid_store *store, const struct grid_export *was)
{
    struct grid_export is;
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    export_to(store, &out, &is);
    fuzz_check(is.revision == was->revision && is.boosts == was->boosts && is.nodes == was->nodes
                   && is.tickets == was->tickets && is.events == was->events,
               "refused, and the ledger changed");
}

/* An export of what was imported: read, merged into itself, and put into another ledger. */
static void check_again(struct grid_store *store, const struct grid_export *given)
{
    struct grid_export facts, read, copied;
    struct grid_imported imported;
    struct grid_error err = {0};
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    export_to(store, &out, &facts);
    fuzz_check(facts.revision > given->revision, "the revision does not rise");
    int rc = grid_export_read(out.data, out.length, &read, &err);
    fuzz_check(rc == 0, "%s: %s", err.message, out.data);
    fuzz_check(read.boosts == facts.boosts && read.nodes == facts.nodes
                   && read.tickets == facts.tickets && read.revision == facts.revision,
               "an export says something else when it is read");
    struct grid_store *other = open_ledger("memory:other");
    rc = import(other, out.data, out.length, GRID_IMPORT_EMPTY, &imported);
    fuzz_check(rc == 0, "an export cannot be imported: %s", out.data);
    fuzz_check(imported.boosts + imported.nodes + imported.tickets
                   <= facts.boosts + facts.nodes + facts.tickets, "more than there was");
    grid_auto_buffer struct buffer copy = BUFFER_INIT;
    export_to(other, &copy, &copied);
    fuzz_check(copied.boosts == facts.boosts && copied.nodes == facts.nodes
                   && copied.tickets == facts.tickets,
               "a copy holds less: %s\n%s", out.data, copy.data);
    grid_store_close(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > LONGEST)
        return 0;
    struct grid_export before, given;
    struct grid_imported imported;
    struct grid_error err = {0};
    grid_auto_free char *text = fuzz_text(data, size);
    struct grid_store *store = open_ledger("memory:fuzz");
    grid_auto_buffer struct buffer empty = BUFFER_INIT;
    export_to(store, &empty, &before);
    int read = grid_export_read(text, size, &given, &err);
    int rc = import(store, text, size, GRID_IMPORT_EMPTY, &imported);
    fuzz_check(read == 0 || rc == read, "read with %d, imported with %d", read, rc);
    if (rc < 0)
        check_unchanged(store, &before);
    else
        check_again(store, &given);
    before = (struct grid_export){0};
    grid_auto_buffer struct buffer whole = BUFFER_INIT;
    export_to(store, &whole, &before);
    if (import(store, text, size, GRID_IMPORT_MERGE, &imported) < 0)
        check_unchanged(store, &before);
    grid_store_close(store);
    return 0;
}
