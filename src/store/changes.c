/* The change-set: what a transaction wants to change, packed, and found again by id. */
#include "store/changes.h"

#include <stddef.h>
#include <string.h>

/*
 * A boost is 2.5 KB of arrays that are mostly empty, and a ledger that nobody looked at for a week
 * may have 100,000 of them ending in one commit. So they are kept packed: the numbers as they are,
 * then each text with its NUL.
 */
#define TEXT(member) {offsetof(struct grid_boost, member), sizeof(((struct grid_boost *)0)->member)}
static const struct {
    size_t offset, size;
} boost_texts[] = {
    TEXT(boost_id), TEXT(source_node), TEXT(target_node), TEXT(resource_type),
    TEXT(ray_placement_group), TEXT(owner), TEXT(host), TEXT(reason), TEXT(group_id),
    TEXT(request_id), TEXT(requested),
};
#define NUMBERS_SIZE offsetof(struct grid_boost, boost_id)

static void pack(struct buffer *out, const struct grid_boost *boost)
{
    buffer_add(out, boost, NUMBERS_SIZE);
    for (size_t i = 0; i < countof(boost_texts); i++) {
        const char *text = (const char *)boost + boost_texts[i].offset;
        buffer_add(out, text, strlen(text) + 1);
    }
}

static const char *unpack(const char *at, struct grid_boost *ret)
{
    memcpy(ret, at, NUMBERS_SIZE);
    at += NUMBERS_SIZE;
    for (size_t i = 0; i < countof(boost_texts); i++) {
        size_t size = strlen(at) + 1;
        memcpy((char *)ret + boost_texts[i].offset, at, size);
        at += size;
    }
    return at;
}

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

/* The id stands in the first packed boost, behind its numbers. */
static const char *id_of(const struct grid_changes *changes, size_t index)
{
    return changes->texts.data + changes->entries[index].at + NUMBERS_SIZE;
}

/* The slot of this id: its latest change, or the free slot where it belongs. */
static uint32_t *slot_of(const struct grid_changes *changes, const char *id, uint32_t hash)
{
    for (size_t i = hash;; i++) {
        uint32_t *slot = &changes->slots[i & (changes->slot_count - 1)];
        if (*slot == 0)
            return slot;
        if (changes->entries[*slot - 1].hash == hash && strcmp(id_of(changes, *slot - 1), id) == 0)
            return slot;
    }
}

/* Room for one more, and slots at most half full. */
static int grow(struct grid_changes *changes)
{
    if (changes->count < changes->capacity)
        return 0;
    size_t capacity = changes->capacity ? 2 * changes->capacity : 8;
    struct change_entry *entries = realloc(changes->entries, capacity * sizeof(*entries));
    if (!entries)
        return GRID_ENOMEM;
    changes->entries = entries;
    uint32_t *slots = calloc(2 * capacity, sizeof(*slots));
    if (!slots)
        return GRID_ENOMEM;
    free(changes->slots);
    changes->slots = slots;
    changes->slot_count = 2 * capacity;
    changes->capacity = capacity;
    for (size_t i = 0; i < changes->count; i++)
        if (changes->entries[i].subject == GRID_BOOST)
            *slot_of(changes, id_of(changes, i), changes->entries[i].hash) = (uint32_t)i + 1;
    return 0;
}

/* Appends the entry, its reason behind what was packed for it. */
static int append(struct grid_changes *changes, const struct change_entry *entry,
                  const char *reason, struct grid_error *err)
{
    buffer_add(&changes->texts, reason ? reason : "", reason ? strlen(reason) + 1 : 1);
    if (changes->texts.error || grow(changes) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the changes");
    changes->entries[changes->count++] = *entry;
    changes->events += entry->event != GRID_EVENT_QUIET;
    return 0;
}

int changes_put(struct grid_changes *changes, const struct grid_boost *was,
                const struct grid_boost *now, enum grid_event_kind event, int64_t at_us,
                const char *reason, struct grid_error *err)
{
    const char *id = was ? was->boost_id : now->boost_id;
    struct change_entry entry = {.at = changes->texts.length, .at_us = at_us, .event = event,
                                 .subject = GRID_BOOST, .has_was = was != NULL,
                                 .has_now = now != NULL, .hash = hash_of(id)};
    if (was)
        pack(&changes->texts, was);
    if (now)
        pack(&changes->texts, now);
    int rc = append(changes, &entry, reason, err);
    if (rc < 0)
        return rc;
    uint32_t *slot = slot_of(changes, id, entry.hash);
    if (*slot)
        changes->entries[*slot - 1].superseded = true;
    *slot = (uint32_t)changes->count;
    return 0;
}

/* Nodes are few: the latest change of one is looked for from the end. */
static struct change_entry *node_entry(const struct grid_changes *changes, const char *node_id)
{
    for (size_t i = changes->count; i-- > 0;) {
        struct change_entry *entry = &changes->entries[i];
        if (entry->subject == GRID_NODE &&
            strcmp(changes->nodes[entry->node]->node_id, node_id) == 0)
            return entry;
    }
    return NULL;
}

int changes_put_node(struct grid_changes *changes, const struct grid_node *node, bool removed,
                     enum grid_event_kind event, const char *reason, struct grid_error *err)
{
    struct change_entry *before = node_entry(changes, node->node_id);
    struct grid_node *copy = malloc(sizeof(*copy));
    if (!copy || array_reserve(&changes->nodes, &changes->node_capacity, changes->node_count + 1,
                               sizeof(*changes->nodes)) != 0) {
        free(copy);
        return grid_error_set(err, GRID_ENOMEM, "no memory for the changes");
    }
    *copy = *node;
    changes->nodes[changes->node_count++] = copy;
    if (before)
        before->superseded = true;
    struct change_entry entry = {.at = changes->texts.length, .node = changes->node_count - 1,
                                 .at_us = changes->now_us, .event = event, .subject = GRID_NODE,
                                 .has_now = !removed};
    return append(changes, &entry, reason, err);
}

int changes_put_policy(struct grid_changes *changes, const struct grid_policy *policy,
                       enum grid_event_kind event, const char *reason, struct grid_error *err)
{
    struct change_entry entry = {.at = changes->texts.length, .at_us = changes->now_us,
                                 .event = event, .subject = GRID_POLICY,
                                 .has_now = true};
    changes->policy = *policy;
    return append(changes, &entry, reason, err);
}

const struct grid_node *changes_node(const struct grid_changes *changes, const char *node_id,
                                     bool *ret_removed)
{
    const struct change_entry *entry = node_entry(changes, node_id);
    *ret_removed = entry && !entry->has_now;
    return entry ? changes->nodes[entry->node] : NULL;
}

bool changes_have(const struct grid_changes *changes, const char *boost_id)
{
    return changes->count > 0 && *slot_of(changes, boost_id, hash_of(boost_id)) != 0;
}

static void drop_nodes(struct grid_changes *changes)
{
    while (changes->node_count > 0)
        free(changes->nodes[--changes->node_count]);
}

void changes_clear(struct grid_changes *changes)
{
    drop_nodes(changes);
    changes->count = changes->events = 0;
    changes->texts.length = 0;
    if (changes->slots)
        memset(changes->slots, 0, changes->slot_count * sizeof(*changes->slots));
}

void changes_release(struct grid_changes *changes)
{
    drop_nodes(changes);
    free(changes->nodes);
    free(changes->entries);
    free(changes->slots);
    buffer_release(&changes->texts);
}

size_t grid_changes_count(const struct grid_changes *changes) { return changes->count; }
bool grid_changes_nodes(const struct grid_changes *changes) { return changes->node_count > 0; }
size_t grid_changes_events(const struct grid_changes *changes) { return changes->events; }
int64_t grid_changes_revision(const struct grid_changes *changes) { return changes->revision; }
int64_t grid_changes_now(const struct grid_changes *changes) { return changes->now_us; }

void grid_changes_get(const struct grid_changes *changes, size_t index, struct grid_change *ret)
{
    const struct change_entry *entry = &changes->entries[index];
    const char *at = changes->texts.data + entry->at;
    if (entry->subject == GRID_BOOST && entry->has_was)
        at = unpack(at, &ret->was);
    if (entry->subject == GRID_BOOST && entry->has_now)
        at = unpack(at, &ret->now);
    ret->reason = at;
    ret->subject = (enum grid_subject)entry->subject;
    ret->node = entry->subject == GRID_NODE ? changes->nodes[entry->node] : NULL;
    ret->policy = entry->subject == GRID_POLICY ? &changes->policy : NULL;
    ret->event = (enum grid_event_kind)entry->event;
    ret->at_us = entry->at_us;
    ret->has_was = entry->has_was;
    ret->has_now = entry->has_now;
    ret->superseded = entry->superseded;
}

bool grid_changes_event(const struct grid_changes *changes, size_t index, struct grid_event *ret)
{
    struct grid_change change;
    grid_changes_get(changes, index, &change);
    if (change.event == GRID_EVENT_QUIET)
        return false;
    ret->revision = changes->revision;
    ret->at_us = change.at_us;
    ret->event = change.event;
    ret->has_boost = change.subject == GRID_BOOST;
    ret->boost_id[0] = '\0';
    text_copy(ret->node_id, sizeof(ret->node_id), change.node ? change.node->node_id : "");
    if (ret->has_boost) {
        ret->boost = change.has_now ? change.now : change.was;
        text_copy(ret->boost_id, sizeof(ret->boost_id), ret->boost.boost_id);
    }
    if (ret->has_boost && !change.has_now) {
        ret->boost.ended = grid_event_ends(change.event);
        ret->boost.ended_us = change.at_us;
    }
    text_copy(ret->actor, sizeof(ret->actor), changes->actor);
    text_copy(ret->reason, sizeof(ret->reason), change.reason);
    return true;
}
