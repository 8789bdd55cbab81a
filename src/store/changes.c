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
    TEXT(request_id), TEXT(requested), TEXT(preempted_by),
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

/* The others are kept as they are. */
static const struct {
    size_t size, id;
} kinds[] = {
    [GRID_NODE] = {sizeof(struct grid_node), offsetof(struct grid_node, node_id)},
    [GRID_POLICY] = {sizeof(struct grid_policy), 0},
    [GRID_TICKET] = {sizeof(struct grid_ticket), offsetof(struct grid_ticket, ticket_id)},
};

static const char *record_id(enum grid_subject subject, const void *record)
{
    return record && subject != GRID_POLICY ? (const char *)record + kinds[subject].id : "";
}

/* --- by subject and id ---------------------------------------------------------------------- */

struct key {
    enum grid_subject subject;
    uint32_t hash;
    const char *id;
};

static struct key key_of(enum grid_subject subject, const char *id)
{
    return (struct key){subject, slots_hash(id) + subject, id};
}

/* A boost's id stands in the first that is packed, behind its numbers. */
static const char *id_of(const struct grid_changes *changes, const struct change_entry *entry)
{
    return entry->subject == GRID_BOOST ? changes->texts.data + entry->at + NUMBERS_SIZE
                                        : record_id(entry->subject, entry->record);
}

static bool is_about(const void *owner, uint32_t number, const void *key)
{
    const struct grid_changes *changes = owner;
    const struct change_entry *entry = &changes->entries[number];
    const struct key *wanted = key;
    return entry->hash == wanted->hash && entry->subject == wanted->subject
           && strcmp(id_of(changes, entry), wanted->id) == 0;
}

/* Its latest change, or the free slot where it belongs. */
static uint32_t *slot_of(const struct grid_changes *changes, const struct key *key)
{
    return slots_find(&changes->slots, key->hash, is_about, changes, key);
}

static uint32_t *entry_slot(const struct grid_changes *changes, const struct change_entry *entry)
{
    struct key key = {entry->subject, entry->hash, id_of(changes, entry)};
    return slot_of(changes, &key);
}

static int grow(struct grid_changes *changes)
{
    if (array_reserve(&changes->entries, &changes->capacity, changes->count + 1,
                      sizeof(*changes->entries)) != 0)
        return GRID_ENOMEM;
    int rc = slots_reserve(&changes->slots, changes->capacity);
    for (size_t i = 0; rc == 1 && i < changes->count; i++)
        *entry_slot(changes, &changes->entries[i]) = (uint32_t)i + 1;
    return rc < 0 ? rc : 0;
}

/* Appends the entry, its reason behind what was packed for it. */
static int append(struct grid_changes *changes, struct change_entry entry, const char *id,
                  const char *reason, struct grid_error *err)
{
    struct key key = key_of(entry.subject, id);
    buffer_add(&changes->texts, reason ? reason : "", reason ? strlen(reason) + 1 : 1);
    if (changes->texts.error || grow(changes) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the changes");
    uint32_t *slot = slot_of(changes, &key);
    entry.hash = key.hash;
    entry.before = *slot;
    struct change_entry *before = entry.before ? &changes->entries[entry.before - 1] : NULL;
    if (before) {
        before->superseded = true;
        entry.text = before->text;
        entry.length = before->length;
    }
    changes->entries[changes->count++] = entry;
    *slot = (uint32_t)changes->count;
    changes->about[entry.subject]++;
    changes->events += entry.event != GRID_EVENT_QUIET;
    return 0;
}

int changes_put(struct grid_changes *changes, const struct grid_boost *was,
                const struct grid_boost *now, enum grid_event_kind event, int64_t at_us,
                const char *reason, struct grid_error *err)
{
    struct change_entry entry = {.at = changes->texts.length, .at_us = at_us, .event = event,
                                 .subject = GRID_BOOST, .has_was = was != NULL,
                                 .has_now = now != NULL};
    if (was)
        pack(&changes->texts, was);
    if (now)
        pack(&changes->texts, now);
    return append(changes, entry, was ? was->boost_id : now->boost_id, reason, err);
}

int changes_put_record(struct grid_changes *changes, enum grid_subject subject,
                       const void *record, bool removed, enum grid_event_kind event,
                       const char *reason, struct grid_error *err)
{
    struct change_entry entry = {.at = changes->texts.length, .at_us = changes->now_us,
                                 .event = event, .subject = subject, .has_now = !removed};
    grid_auto_free void *copy = record ? malloc(kinds[subject].size) : NULL;
    if (record && !copy)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the changes");
    entry.record = record ? memcpy(copy, record, kinds[subject].size) : NULL;
    int rc = append(changes, entry, record_id(subject, record), reason, err);
    if (rc == 0)
        copy = NULL;
    return rc;
}

void changes_set_text(struct grid_changes *changes, const struct grid_record *record)
{
    struct change_entry *entry = &changes->entries[changes->count - 1];
    entry->text = record->text;
    entry->length = record->length;
}

int changes_keep(struct grid_changes *changes, const struct grid_record *record,
                 struct grid_error *err)
{
    if (array_reserve(&changes->kept, &changes->kept_capacity, changes->kept_count + 1,
                      sizeof(*record)) != 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the records");
    changes->kept[changes->kept_count++] = *record;
    return 0;
}

void changes_undo(struct grid_changes *changes, size_t count)
{
    while (changes->count > count) {
        struct change_entry *entry = &changes->entries[changes->count - 1];
        *entry_slot(changes, entry) = entry->before;
        if (entry->before)
            changes->entries[entry->before - 1].superseded = false;
        changes->about[entry->subject]--;
        changes->events -= entry->event != GRID_EVENT_QUIET;
        changes->texts.length = entry->at;
        free(entry->record);
        changes->count--;
    }
    if (count == 0) { /* what is taken over has no marks */
        changes->kept_count = 0;
        changes->clear = false;
    }
}

void changes_release(struct grid_changes *changes)
{
    changes_undo(changes, 0);
    free(changes->kept);
    free(changes->entries);
    free(changes->slots.at);
    buffer_release(&changes->texts);
}

bool changes_have(const struct grid_changes *changes, enum grid_subject subject, const char *id)
{
    struct key key = key_of(subject, id);
    return changes->count > 0 && *slot_of(changes, &key) != 0;
}

/* --- as drivers read it --------------------------------------------------------------------- */

bool grid_changes_find(const struct grid_changes *changes, enum grid_subject subject,
                       const char *id, struct grid_change *ret)
{
    struct key key = key_of(subject, id);
    uint32_t slot = changes->count > 0 ? *slot_of(changes, &key) : 0;
    if (slot)
        grid_changes_get(changes, slot - 1, ret);
    return slot != 0;
}

size_t grid_changes_count(const struct grid_changes *changes) { return changes->count; }
size_t grid_changes_events(const struct grid_changes *changes) { return changes->events; }
int64_t grid_changes_revision(const struct grid_changes *changes) { return changes->revision; }
int64_t grid_changes_now(const struct grid_changes *changes) { return changes->now_us; }

bool grid_changes_clear(const struct grid_changes *changes) { return changes->clear; }

bool grid_changes_kept(const struct grid_changes *changes, size_t index, struct grid_record *ret)
{
    if (index >= changes->kept_count)
        return false;
    *ret = changes->kept[index];
    return true;
}

size_t grid_changes_kept_about(const struct grid_changes *changes, enum grid_subject subject)
{
    size_t count = 0;
    for (size_t i = 0; i < changes->kept_count; i++)
        count += changes->kept[i].subject == subject;
    return count;
}

size_t grid_changes_about(const struct grid_changes *changes, enum grid_subject subject)
{
    return changes->about[subject];
}

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
    ret->node = entry->subject == GRID_NODE ? entry->record : NULL;
    ret->policy = entry->subject == GRID_POLICY ? entry->record : NULL;
    ret->ticket = entry->subject == GRID_TICKET ? entry->record : NULL;
    ret->text = entry->text;
    ret->length = entry->length;
    ret->as_text = entry->text && entry->before == 0;
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
    ret->has_boost = change.subject == GRID_BOOST || change.ticket;
    ret->boost_id[0] = '\0';
    text_copy(ret->node_id, sizeof(ret->node_id), change.node ? change.node->node_id : "");
    if (change.ticket)
        grid_ticket_boost(change.ticket, &ret->boost);
    else if (ret->has_boost)
        ret->boost = change.has_now ? change.now : change.was;
    if (ret->has_boost) {
        text_copy(ret->boost_id, sizeof(ret->boost_id), ret->boost.boost_id);
        ret->boost.ended = grid_event_ending(ret);
        ret->boost.ended_us = ret->boost.ended == GRID_ACTIVE ? 0 : change.at_us;
    }
    text_copy(ret->actor, sizeof(ret->actor), changes->actor);
    text_copy(ret->reason, sizeof(ret->reason), change.reason);
    return true;
}
