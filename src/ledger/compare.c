/* Two exported ledgers compared: do they say the same? */
#include "ledger/dump.h"

#include <string.h>

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
        int same = rc == 0 ? document_same(subject, &one, &other, err) : 0;
        rc = rc ?: same < 0 ? same : !same;
    }
    return rc;
}

/* Absent is the same as absent only. */
static int is_same_text(struct span a, struct span b, struct grid_error *err)
{
    return a.length == 0 || b.length == 0 ? a.length == b.length : json_same(a, b, err);
}

int document_compare(const struct document *a, const struct document *b, const char **ret_what,
                     struct grid_error *err)
{
    const struct {
        const char *what;
        enum grid_subject subject;
        struct span a, b;
    } parts[] = {{"boosts", GRID_BOOST, a->boosts, b->boosts},
                 {"nodes", GRID_NODE, a->nodes, b->nodes},
                 {"queue", GRID_TICKET, a->waiting, b->waiting},
                 {"policy", GRID_POLICY, a->policy, b->policy},
                 {"unsound records", GRID_SUBJECTS, a->unsound, b->unsound},
                 {"members", GRID_SUBJECTS, a->members, b->members}};
    for (size_t i = 0; i < countof(parts); i++) {
        int same = is_same_text(parts[i].a, parts[i].b, err), rc = same < 0 ? same : !same;
        if (rc > 0 && parts[i].subject < GRID_SUBJECTS)
            rc = compare_records(parts[i].subject, parts[i].a, parts[i].b, err);
        if (rc > 0)
            *ret_what = parts[i].what;
        if (rc != 0)
            return rc;
    }
    return 0;
}
