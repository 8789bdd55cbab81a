/* The arrays of small records in the state file, `nodes` and `waiting`: reading and rewriting. */
#include "store/state.h"

#include "model/node_record.h"
#include "model/record.h"
#include "model/ticket_record.h"

union record {
    struct grid_node node;
    struct grid_ticket ticket;
};

/* Long enough for either. */
#define ID_SIZE (GRID_NODE_SIZE > GRID_ID_SIZE ? GRID_NODE_SIZE : GRID_ID_SIZE)

static const struct state_list *list_of(const struct state *state, enum grid_subject subject)
{
    return subject == GRID_NODE ? &state->nodes : &state->waiting;
}

static int read_record(enum grid_subject subject, struct span text, union record *ret,
                       struct grid_error *err)
{
    return subject == GRID_NODE ? node_record_read(text, &ret->node, err)
                                : ticket_record_read(text, &ret->ticket, err);
}

static void write_record(struct json *json, struct span old, const struct grid_change *change)
{
    if (change->text)
        old = (struct span){change->text, change->length};
    if (change->node)
        node_record_write(json, old, change->node);
    else
        ticket_record_write(json, old, change->ticket);
}

static const char *id_of(const struct grid_change *change)
{
    return change->node ? change->node->node_id : change->ticket->ticket_id;
}

/* --- the index ------------------------------------------------------------------------------ */

struct indexing {
    struct state_list *list;
    enum grid_subject subject;
};

/* Of two with one id, the first that is sound counts. */
static int index_id(struct state_list *list, const char *id, struct state_item *item)
{
    size_t known = list->ids.count;
    uint32_t number = item->id = names_add(&list->ids, id);
    if (number == UINT32_MAX
        || array_reserve(&list->first, &list->first_capacity, (size_t)number + 1,
                         sizeof(*list->first)) != 0)
        return GRID_ENOMEM;
    if (number < known && list->items[list->first[number]].sound)
        item->sound = false;
    else if (number == known || item->sound)
        list->first[number] = (uint32_t)list->count;
    return 0;
}

static int add_item(void *context, size_t index, struct span value, struct grid_error *err)
{
    (void)index;
    const struct indexing *indexing = context;
    struct state_list *list = indexing->list;
    struct state_item item = {value, UINT32_MAX, false};
    union record record;
    char said[ID_SIZE];
    bool is_node = indexing->subject == GRID_NODE;
    const char *id = is_node ? record.node.node_id : record.ticket.ticket_id;
    int rc = read_record(indexing->subject, value, &record, err);
    item.sound = rc == 0;
    if (rc == GRID_ECORRUPT) { /* its id, if it says one, for messages and removal */
        struct span text = node_record_subject(value, is_node ? "node_id" : "ticket_id");
        rc = record_text(text, said, sizeof(said));
        id = said;
    }
    if (rc == 0)
        rc = index_id(list, id, &item);
    if (rc == GRID_ENOMEM || array_reserve(&list->items, &list->capacity, list->count + 1,
                                           sizeof(*list->items)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the records");
    list->items[list->count++] = item;
    return 0;
}

static int index_list(struct state_list *list, enum grid_subject subject, struct grid_error *err)
{
    struct indexing indexing = {list, subject};
    struct span text = list->text;
    state_list_release(list);
    list->text = text;
    return text.length ? json_array(text, add_item, &indexing, err) : 0;
}

int state_index_lists(struct state *state, struct grid_error *err)
{
    return index_list(&state->nodes, GRID_NODE, err)
               ?: index_list(&state->waiting, GRID_TICKET, err);
}

void state_list_release(struct state_list *list)
{
    free(list->items);
    free(list->first);
    names_release(&list->ids);
    *list = (struct state_list){.ids = NAMES_INIT};
}

/* What stands in the file, unless the changes clear it. */
static size_t old_count(const struct state_list *list, const struct grid_changes *changes)
{
    return changes && grid_changes_clear(changes) ? 0 : list->count;
}

/* The item that counts, or else an unsound one; NULL: none has this id. */
static const struct state_item *find_item(const struct state_list *list, const char *id)
{
    uint32_t number = list->count ? names_find(&list->ids, id) : UINT32_MAX;
    return number == UINT32_MAX ? NULL : &list->items[list->first[number]];
}

/* --- reading -------------------------------------------------------------------------------- */

int state_nodes(const struct state *state, grid_node_fn fn, void *context, struct grid_error *err)
{
    struct grid_node node;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < state->nodes.count; i++) {
        if (!state->nodes.items[i].sound)
            continue;
        rc = node_record_read(state->nodes.items[i].text, &node, err);
        rc = rc ?: fn(context, &node, err);
    }
    return rc;
}

int state_tickets(const struct state *state, grid_ticket_fn fn, void *context,
                  struct grid_error *err)
{
    struct grid_ticket ticket;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < state->waiting.count; i++) {
        if (!state->waiting.items[i].sound)
            continue;
        rc = ticket_record_read(state->waiting.items[i].text, &ticket, err);
        /* One that has its boost is over, whatever an older file says that was put back. */
        if (rc == 0 && !state_find(state, ticket.ticket_id))
            rc = fn(context, &ticket, err);
    }
    return rc;
}

int state_node(const struct state *state, const char *name, struct grid_node *ret,
               struct grid_error *err)
{
    const struct state_item *item = find_item(&state->nodes, name);
    if (!item)
        return grid_error_set(err, GRID_ENOTFOUND, "no node '%s'", text_shown(name));
    int rc = node_record_read(item->text, ret, err);
    if (rc != GRID_ECORRUPT)
        return rc;
    grid_error_wrap(err, "the record of node '%s' is not sound", text_shown(name));
    grid_error_hint(err, "mend it in the file, or drop it with 'grid store repair --accept-loss'");
    return rc;
}

size_t state_check_list(const struct state *state, enum grid_subject subject, state_note_fn note,
                        void *context)
{
    const struct state_list *list = list_of(state, subject);
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        union record record;
        struct grid_error why = {0};
        if (list->items[i].sound)
            continue;
        count++;
        int rc = read_record(subject, list->items[i].text, &record, &why);
        if (rc == GRID_ENOMEM)
            return SIZE_MAX;
        if (rc == 0)
            grid_error_set(&why, GRID_ECORRUPT, "an earlier record has the same %s",
                           subject == GRID_NODE ? "node_id" : "ticket_id");
        if (note)
            note(context, i, why.message);
    }
    return count;
}

/* Of those that stay when it is written: all of them, or (id not NULL) those that have this id. */
static size_t count_items(const struct state *state, const struct state_list *list,
                          const char *id)
{
    uint32_t number = id && list->count ? names_find(&list->ids, id) : UINT32_MAX;
    size_t count = 0;
    for (size_t i = 0; (!id || number != UINT32_MAX) && i < list->count; i++)
        count += (!id || list->items[i].id == number)
                 && (list->items[i].sound || !state->drops_unsound);
    return count;
}

size_t state_count(const struct state *state, enum grid_subject subject,
                   const struct grid_changes *changes)
{
    const struct state_list *list = list_of(state, subject);
    struct grid_change change;
    bool cleared = changes && grid_changes_clear(changes);
    size_t count = cleared ? 0 : count_items(state, list, NULL);
    count += changes ? grid_changes_kept_about(changes, subject) : 0;
    if (!changes || grid_changes_about(changes, subject) == 0)
        return count;
    for (size_t i = 0; i < grid_changes_count(changes); i++) {
        grid_changes_get(changes, i, &change);
        if (change.subject != subject || change.superseded)
            continue;
        if (!change.has_now)
            count -= cleared ? 0 : count_items(state, list, id_of(&change));
        else if (cleared || !find_item(list, id_of(&change)))
            count++;
    }
    return count;
}

struct span state_old_record(const struct state *state, enum grid_subject subject, const char *id)
{
    const struct state_item *item = find_item(list_of(state, subject), id);
    return item ? item->text : (struct span){0};
}

/* --- writing -------------------------------------------------------------------------------- */

/* The member is begun with its first element: an empty array is not written. */
struct list_writer {
    enum grid_subject subject;
    struct json *json;
    bool begun;
};

static const char *key_of(enum grid_subject subject)
{
    return subject == GRID_NODE ? "nodes" : "waiting";
}

/* `change` NULL: as it stood. */
static void put_element(struct list_writer *writer, struct span old,
                        const struct grid_change *change)
{
    if (!writer->begun) {
        json_key(writer->json, key_of(writer->subject));
        json_open(writer->json, '[');
        writer->begun = true;
    }
    if (change && change->as_text)
        json_raw(writer->json, (struct span){change->text, change->length});
    else if (change)
        write_record(writer->json, old, change);
    else
        json_raw(writer->json, old);
}

/* What is removed goes with all that have its id: the next reader would take one of them. */
static void rewrite_items(struct list_writer *writer, const struct state *state,
                          const struct grid_changes *changes)
{
    const struct state_list *list = list_of(state, writer->subject);
    struct grid_change change;
    for (size_t i = 0; i < old_count(list, changes); i++) {
        const struct state_item *item = &list->items[i];
        const char *id = item->id == UINT32_MAX ? NULL : names_get(&list->ids, item->id);
        bool changed = changes && id && grid_changes_find(changes, writer->subject, id, &change);
        if ((changed && !change.has_now) || (!item->sound && state->drops_unsound))
            continue;
        changed = changed && list->first[item->id] == i;
        put_element(writer, item->text, changed ? &change : NULL);
    }
}

static void write_new(struct list_writer *writer, const struct state *state,
                      const struct grid_changes *changes)
{
    const struct state_list *list = list_of(state, writer->subject);
    struct grid_change change;
    struct grid_record kept;
    for (size_t i = 0; i < grid_changes_count(changes); i++) {
        grid_changes_get(changes, i, &change);
        if (change.subject == writer->subject && change.has_now && !change.superseded
            && (old_count(list, changes) == 0 || !find_item(list, id_of(&change))))
            put_element(writer, (struct span){0}, &change);
    }
    for (size_t i = 0; grid_changes_kept(changes, i, &kept); i++)
        if (kept.subject == writer->subject)
            put_element(writer, (struct span){kept.text, kept.length}, NULL);
}

void state_write_list(const struct state *state, enum grid_subject subject,
                      const struct grid_changes *changes, struct json *json)
{
    struct list_writer writer = {subject, json, false};
    const struct state_list *list = list_of(state, subject);
    bool changed = changes && (grid_changes_about(changes, subject) > 0
                               || grid_changes_clear(changes)
                               || grid_changes_kept_about(changes, subject) > 0);
    if (!changed && !state->drops_unsound) {
        if (list->count == 0)
            return;
        json_key(json, key_of(subject));
        json_raw(json, list->text);
        return;
    }
    rewrite_items(&writer, state, changes);
    if (changed)
        write_new(&writer, state, changes);
    if (writer.begun)
        json_close(json, ']');
}
