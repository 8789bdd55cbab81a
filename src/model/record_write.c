/* Printing boosts and events: new, over the text they were read from, and for users. */
#include "model/record_table.h"

#include <string.h>

/* Has the member, in both, the same value? */
static bool same(const struct record_member *member, const void *a, const void *b)
{
    const char *left = record_field(member, a), *right = record_field(member, b);
    return member->size > sizeof(int64_t) ? strcmp(left, right) == 0
                                          : memcmp(left, right, member->size) == 0;
}

/* Would a record without this member read the same? */
static bool says_nothing(const struct record_member *member, const struct grid_boost *boost)
{
    struct grid_boost blank;
    if (member->kind <= RECORD_TIME)
        return false;
    blank.allocated_us = boost->allocated_us;
    record_reset(member, &blank);
    return same(member, boost, &blank);
}

static void print_time(struct json *json, int64_t time_us)
{
    char text[GRID_TIME_SIZE];
    json_string_or_null(json, time_us == GRID_NEVER ? NULL : grid_time_format(time_us, text));
}

static void print_devices(struct json *json, uint64_t devices)
{
    json_open(json, '[');
    for (int i = 0; i < 64; i++)
        if (devices >> i & 1)
            json_int(json, i);
    json_close(json, ']');
}

static void print_member(struct json *json, const struct record_member *member, const void *object)
{
    const void *field = record_field(member, object);
    const struct grid_boost *boost = object; /* where it is an amount */
    json_key(json, member->name);
    switch (member->kind) {
    case RECORD_NAME:
    case RECORD_RESOURCE:
    case RECORD_TEXT:
        json_string_or_null(json, field);
        break;
    case RECORD_AMOUNT:
        json_float(json, grid_amount_number(boost->resource_type, boost->amount_u));
        break;
    case RECORD_EVENT:
        json_string(json, grid_event_name(*(const enum grid_event_kind *)field));
        break;
    case RECORD_TIME:
    case RECORD_END:
    case RECORD_START:
    case RECORD_UNTIL:
        print_time(json, *(const int64_t *)field);
        break;
    case RECORD_PRIORITY:
        json_string(json, grid_priority_name(*(const enum grid_priority *)field));
        break;
    case RECORD_FLAG:
    case RECORD_MARK:
        json_bool(json, *(const bool *)field);
        break;
    case RECORD_REVISION:
    case RECORD_TOKEN:
        json_int(json, *(const int64_t *)field);
        break;
    case RECORD_DEVICES:
        print_devices(json, *(const uint64_t *)field);
        break;
    case RECORD_BOOST:
        break;
    }
}

/* The members from `first` on; of those that say nothing only the original's, and, for users, those
 * that they can rely on. */
static void print_members(struct json *json, const struct grid_boost *boost, int first, int end,
                          bool for_users)
{
    for (int i = first; i < end; i++) {
        const struct record_member *member = &record_boost_members[i];
        if (i < RECORD_ORIGINAL || (for_users && member->always_shown)
            || !says_nothing(member, boost))
            print_member(json, member, boost);
    }
}

void record_write(struct json *json, const struct grid_boost *boost)
{
    json_open(json, '{');
    print_members(json, boost, 0, RECORD_MEMBERS, false);
    json_close(json, '}');
}

struct rewriting {
    struct json *json;
    const struct grid_boost *was, *now;
    bool seen[RECORD_MEMBERS];
};

static int rewrite_member(void *context, struct span key, struct span value, struct grid_error *err)
{
    struct rewriting *rewriting = context;
    int index = record_find(record_boost_members, RECORD_MEMBERS, key);
    const struct record_member *member = index < 0 ? NULL : &record_boost_members[index];
    (void)err;
    if (member)
        rewriting->seen[index] = true;
    if (!member || same(member, rewriting->was, rewriting->now)) {
        json_key_raw(rewriting->json, key);
        json_reprint(rewriting->json, value);
    } else if (index < RECORD_ORIGINAL || !says_nothing(member, rewriting->now)) {
        print_member(rewriting->json, member, rewriting->now);
    }
    return 0;
}

void record_rewrite(struct json *json, struct span old, const struct grid_boost *boost)
{
    struct grid_boost was;
    struct rewriting rewriting = {.json = json, .was = &was, .now = boost};
    if (old.length == 0 || record_read(old, &was, NULL, NULL) != 0) {
        record_write(json, boost);
        return;
    }
    json_open(json, '{');
    json_object(old, rewrite_member, &rewriting, NULL);
    for (int i = 0; i < RECORD_MEMBERS; i++)
        if (!rewriting.seen[i] && !says_nothing(&record_boost_members[i], boost))
            print_member(json, &record_boost_members[i], boost);
    json_close(json, '}');
}

/* When it ended; 0: it has not, or nobody knows. */
static int64_t ended_at(const struct grid_boost *boost, enum grid_boost_state state)
{
    if (boost->ended != GRID_ACTIVE)
        return boost->ended_us;
    return state == GRID_EXPIRED || state == GRID_PREEMPTED ? boost->expires_us : 0;
}

void record_show(struct json *json, const struct grid_boost *boost, int64_t now_us)
{
    enum grid_boost_state state = grid_boost_state(boost, now_us);
    bool has_ended = state != GRID_ACTIVE && state != GRID_SCHEDULED;
    json_open(json, '{');
    print_members(json, boost, 0, RECORD_ORIGINAL, true);
    json_key(json, "state");
    json_string(json, grid_boost_state_name(state));
    json_key(json, "remaining_seconds");
    if (has_ended)
        json_float(json, 0);
    else if (boost->expires_us == GRID_NEVER)
        json_null(json);
    else
        json_float(json, (double)((boost->expires_us - now_us) / 1000) / 1000);
    if (ended_at(boost, state) != 0) {
        json_key(json, "ended_at");
        print_time(json, ended_at(boost, state));
    }
    print_members(json, boost, RECORD_ORIGINAL, RECORD_MEMBERS, true);
    json_close(json, '}');
}

/* Under which name it has the text of what it is about; NULL: there is only the boost. */
static const char *subject_name(const struct grid_event *event)
{
    if (event->has_boost)
        return event->event == GRID_EVENT_QUEUED || event->event == GRID_EVENT_WITHDRAWN
                   ? "ticket" : NULL;
    return event->node_id[0] ? "node" : "policy";
}

/* Who waits has no boost yet; what its event says of it, for users. */
static void show_ticket(struct json *json, const struct grid_boost *boost)
{
    json_key(json, "ticket");
    json_open(json, '{');
    json_put_text(json, "ticket_id", boost->boost_id);
    json_put_text(json, "target_node", boost->target_node);
    json_put_text(json, "priority", grid_priority_name(boost->priority));
    json_put_text(json, "owner", boost->owner);
    json_close(json, '}');
}

static void print_event(struct json *json, const struct grid_event *event, struct span subject,
                        bool for_users)
{
    const char *name = subject_name(event);
    json_open(json, '{');
    for (int i = 0; i < RECORD_EVENT_MEMBERS - 1; i++)
        print_member(json, &record_event_members[i], event);
    json_key(json, "boost");
    bool of_ticket = for_users && name && event->has_boost;
    if (!event->has_boost || of_ticket)
        json_null(json);
    else if (for_users)
        record_show(json, &event->boost, event->at_us);
    else if (subject.length > 0 && !name)
        json_reprint(json, subject);
    else
        record_write(json, &event->boost);
    if (of_ticket) {
        show_ticket(json, &event->boost);
    } else if (name && subject.length > 0) {
        json_key(json, name);
        json_reprint(json, subject);
    } else if (event->node_id[0]) {
        json_key(json, "node_id");
        json_string(json, event->node_id);
    }
    json_close(json, '}');
}

void record_event_write(struct json *json, const struct grid_event *event, struct span subject)
{
    print_event(json, event, subject, false);
}

void record_event_show(struct json *json, const struct grid_event *event)
{
    print_event(json, event, (struct span){NULL, 0}, true);
}
