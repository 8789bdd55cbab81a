/* grid store copy: a ledger into another store, by an export and an import. */
#include "cmd/backup.h"
#include "ledger/dump.h"

#include <stdio.h>

/* --- is it all there? ------------------------------------------------------------------------- */

static int add_piece(void *context, const char *text, size_t length, struct grid_error *err)
{
    buffer_add(context, text, length);
    return ((struct buffer *)context)->error
               ? grid_error_set(err, GRID_ENOMEM, "no memory for the document")
               : 0;
}

/* The same values in the same order, in whatever layout? */
static bool is_same_text(struct span a, struct span b)
{
    grid_auto_buffer struct buffer left = BUFFER_INIT, right = BUFFER_INIT;
    struct json first = json_begin(&left, -1), second = json_begin(&right, -1);
    if (a.length == 0 || b.length == 0)
        return a.length == b.length;
    json_reprint(&first, a);
    json_reprint(&second, b);
    return !left.error && !right.error && left.length == right.length
           && memcmp(left.data, right.data, left.length) == 0;
}

/* A store may have an order and a layout of its own: records of one id are compared. */
struct entry {
    struct span text;
    char id[GRID_NODE_SIZE > GRID_ID_SIZE ? GRID_NODE_SIZE : GRID_ID_SIZE];
};

struct entries {
    enum grid_subject subject;
    struct entry *at;
    size_t count, capacity;
};

static void release_entries(struct entries *entries)
{
    free(entries->at);
}
#define auto_entries __attribute__((cleanup(release_entries)))

static int add_entry(void *context, size_t index, struct span text, struct grid_error *err)
{
    (void)index;
    struct entries *entries = context;
    union document_record record;
    int rc = document_record(entries->subject, text, &record, err);
    if (rc < 0)
        return rc;
    if (array_reserve(&entries->at, &entries->capacity, entries->count + 1, sizeof(*entries->at)))
        return grid_error_set(err, GRID_ENOMEM, "no memory to compare the records");
    struct entry *entry = &entries->at[entries->count++];
    entry->text = text;
    text_copy(entry->id, sizeof(entry->id), document_id(entries->subject, &record));
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->id, ((const struct entry *)b)->id);
}

/* There is one policy, and where none is it is the default. */
static int read_entries(struct span part, struct entries *ret, struct grid_error *err)
{
    int rc = ret->subject == GRID_POLICY ? add_entry(ret, 0, part, err)
             : part.length > 0           ? json_array(part, add_entry, ret, err)
                                         : 0;
    if (rc == 0 && ret->count > 1)
        qsort(ret->at, ret->count, sizeof(*ret->at), by_id);
    return rc;
}

/* 1: they are not the same. */
static int compare_records(enum grid_subject subject, struct span a, struct span b,
                           struct grid_error *err)
{
    auto_entries struct entries left = {.subject = subject}, right = {.subject = subject};
    union document_record one, other;
    int rc = read_entries(a, &left, err);
    rc = rc ?: read_entries(b, &right, err);
    if (rc == 0 && left.count != right.count)
        return 1;
    for (size_t i = 0; rc == 0 && i < left.count; i++) {
        rc = document_record(subject, left.at[i].text, &one, err);
        rc = rc ?: document_record(subject, right.at[i].text, &other, err);
        rc = rc ?: !document_same(subject, &one, &other);
    }
    return rc;
}

/* What was written, read again, against what was to be written. */
static int compare(const struct buffer *wanted, struct grid_store *to, struct grid_error *err)
{
    grid_auto_buffer struct buffer found = BUFFER_INIT;
    struct document a = {0}, b = {0};
    int rc = grid_ledger_export(to, add_piece, &found, NULL, err);
    rc = rc ?: document_read(wanted->data, wanted->length, &a, err);
    rc = rc ?: document_read(found.data, found.length, &b, err);
    const struct {
        const char *what;
        enum grid_subject subject;
        struct span a, b;
    } parts[] = {{"boosts", GRID_BOOST, a.boosts, b.boosts},
                 {"nodes", GRID_NODE, a.nodes, b.nodes},
                 {"queue", GRID_TICKET, a.waiting, b.waiting},
                 {"policy", GRID_POLICY, a.policy, b.policy},
                 {"unsound records", GRID_SUBJECTS, a.unsound, b.unsound},
                 {"members", GRID_SUBJECTS, a.members, b.members}};
    for (size_t i = 0; rc == 0 && i < countof(parts); i++) {
        if (is_same_text(parts[i].a, parts[i].b))
            continue;
        if (parts[i].subject < GRID_SUBJECTS)
            rc = compare_records(parts[i].subject, parts[i].a, parts[i].b, err);
        if (rc > 0 || parts[i].subject == GRID_SUBJECTS)
            return grid_error_advise(err, GRID_EUNKNOWN, "was it changed meanwhile? copy again",
                                     "the copy was made, but its %s are not those of the original",
                                     parts[i].what);
    }
    return rc;
}

/* --- copying ---------------------------------------------------------------------------------- */

struct copying {
    const char *from_url;
    struct grid_store *from, *to;
    struct buffer text;
};

static void release(struct copying *copying)
{
    grid_store_close(copying->from);
    grid_store_close(copying->to);
    buffer_release(&copying->text);
}
#define auto_copying __attribute__((cleanup(release)))

/* "file:" alone is the data directory, as of --store. */
static const char *whole_url(const struct cmd *cmd, size_t index, char *own, size_t size)
{
    const char *url = cmd->arguments[index];
    snprintf(own, size, "file:%s", cmd->settings.data_dir);
    return strcmp(url, "file:") == 0 ? own : url;
}

static int copy(struct cmd *cmd, struct copying *copying, struct import_row *row,
                struct grid_error *err)
{
    char reason[GRID_TEXT_SIZE], place[PATH_MAX + 8];
    struct grid_import import = {.mode = GRID_IMPORT_EMPTY, .reason = reason};
    snprintf(reason, sizeof(reason), "copy of '%.200s'",
             cmd_place(copying->from_url, place, sizeof(place)));
    int rc = grid_ledger_export(copying->from, add_piece, &copying->text, NULL, err);
    if (rc < 0)
        return rc;
    import.text = copying->text.data;
    import.length = copying->text.length;
    rc = grid_ledger_import(copying->to, &import, &row->imported, err);
    if (rc == GRID_ECONFLICT && cmd_value(cmd, "force"))
        return backup_replace(cmd, copying->to, &copying->text, reason, row, err);
    if (rc == GRID_ECONFLICT)
        grid_error_hint(err, "--force puts the copy in the place of what is there");
    if (rc == 0)
        snprintf(cmd->done, sizeof(cmd->done), "the ledger was copied");
    return rc;
}

static int run_copy(struct cmd *cmd, struct grid_error *err)
{
    auto_copying struct copying copying = {.text = BUFFER_INIT};
    struct import_row row = {0};
    char own[sizeof(cmd->settings.store)];
    const char *to_url = whole_url(cmd, 1, own, sizeof(own));
    copying.from_url = whole_url(cmd, 0, own, sizeof(own));
    if (strcmp(copying.from_url, to_url) == 0)
        return grid_error_set(err, GRID_EUSAGE, "both stores are the same");
    int rc = cmd_open(cmd, copying.from_url, &copying.from, err);
    rc = rc ?: cmd_open(cmd, to_url, &copying.to, err);
    rc = rc ?: copy(cmd, &copying, &row, err);
    if (rc < 0)
        return rc;
    rc = compare(&copying.text, copying.to, err);
    if (rc < 0 && rc != GRID_EUNKNOWN) {
        err->code = GRID_EUNKNOWN;
        rc = grid_error_wrap(err, "the ledger was copied, but cannot be compared");
    }
    if (rc == 0)
        sheet_show(cmd, &row, true, NULL, NULL);
    return rc;
}

static const struct cmd_option copy_options[] = {
    {"force", 0, NULL, "also where something is, after a backup of that"},
    {0},
};

const struct cmd_verb store_copy_verbs[] = {
    {.name = "copy", .arguments = "FROM-URL TO-URL",
     .summary = "Copy a ledger into another store, and compare the two",
     .options = copy_options, .rows = &rows_imports,
     .examples = "  grid store copy file: file:/srv/grid\n", .run = run_copy},
    {0},
};
