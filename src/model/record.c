/* Reading records and events: strictly and with every tolerance, or fast in our own layout. */
#include "model/member.h"
#include "model/node_record.h"
#include "model/record_table.h"

#include <string.h>

#define LEAD(key) ",\n      \"" key "\": "
#define MEMBER(type, key, kind_, field, shown)                                                   \
    {.name = key, .lead = LEAD(key), .lead_length = sizeof(LEAD(key)) - 1,                       \
     .always_shown = shown, .kind = kind_, .offset = offsetof(type, field),                      \
     .size = sizeof(((type *)0)->field)}
#define BOOST(field, kind, shown) MEMBER(struct grid_boost, #field, kind, field, shown)
#define BOOST_AT(key, field, kind) MEMBER(struct grid_boost, key, kind, field, false)
#define EVENT(key, field, kind) MEMBER(struct grid_event, key, kind, field, true)

/* resource_type before amount, allocated_at before starts_at: the later ones build on them. */
const struct record_member record_boost_members[RECORD_MEMBERS] = {
    BOOST(boost_id, RECORD_NAME, true),
    BOOST(source_node, RECORD_NAME, true),
    BOOST(target_node, RECORD_NAME, true),
    BOOST(resource_type, RECORD_RESOURCE, true),
    BOOST_AT("amount", amount_u, RECORD_AMOUNT),
    BOOST_AT("allocated_at", allocated_us, RECORD_TIME),
    BOOST_AT("expires_at", expires_us, RECORD_END),
    BOOST(ray_placement_group, RECORD_TEXT, true),
    BOOST(is_active, RECORD_FLAG, true),
    BOOST(priority, RECORD_PRIORITY, true),
    BOOST(owner, RECORD_TEXT, true),
    BOOST(host, RECORD_TEXT, false),
    BOOST(reason, RECORD_TEXT, true),
    BOOST(token, RECORD_TOKEN, true),
    BOOST(group_id, RECORD_TEXT, false),
    BOOST(request_id, RECORD_TEXT, false),
    BOOST(requested, RECORD_TEXT, false),
    BOOST_AT("starts_at", starts_us, RECORD_START),
    BOOST(devices, RECORD_DEVICES, false),
    BOOST_AT("renews_until", renews_until_us, RECORD_UNTIL),
    BOOST(started, RECORD_MARK, false),
    BOOST(warned, RECORD_MARK, false),
    BOOST(unclaimed, RECORD_MARK, false),
    BOOST(preempted_by, RECORD_TEXT, false),
};

const struct record_member record_event_members[RECORD_EVENT_MEMBERS] = {
    EVENT("revision", revision, RECORD_REVISION),
    EVENT("at", at_us, RECORD_TIME),
    EVENT("event", event, RECORD_EVENT),
    EVENT("boost_id", boost_id, RECORD_TEXT),
    EVENT("actor", actor, RECORD_TEXT),
    EVENT("reason", reason, RECORD_TEXT),
    EVENT("boost", has_boost, RECORD_BOOST),
};

void record_reset(const struct record_member *member, void *object)
{
    void *field = record_field(member, object);
    switch (member->kind) {
    case RECORD_END:
        *(int64_t *)field = GRID_NEVER;
        break;
    case RECORD_START:
        *(int64_t *)field = ((const struct grid_boost *)object)->allocated_us;
        break;
    case RECORD_FLAG:
        *(bool *)field = true;
        break;
    case RECORD_PRIORITY:
        *(enum grid_priority *)field = GRID_NORMAL;
        break;
    case RECORD_TOKEN:
    case RECORD_UNTIL:
    case RECORD_DEVICES:
        *(int64_t *)field = 0;
        break;
    case RECORD_MARK:
        *(bool *)field = false;
        break;
    default:
        *(char *)field = '\0';
    }
}

/* --- the tolerant way ------------------------------------------------------------------------ */

static int unsound(struct grid_error *err, const struct record_member *member, const char *why)
{
    return grid_error_set(err, GRID_ECORRUPT, "'%s' %s", member->name, why);
}

int record_text(struct span value, char *to, size_t size)
{
    to[0] = '\0';
    if (!value.at || *value.at != '"' || json_has_odd_escape(value))
        return 2;
    return json_text(value, to, size) ? 0 : 1;
}

/* A text that must be there whole. */
static int read_name(const struct record_member *member, struct span value, char *to, size_t size,
                     struct grid_error *err)
{
    int rc = record_text(value, to, size);
    if (rc == 2)
        return unsound(err, member, *value.at == '"' ? "holds what no text can" : "is no text");
    if (rc == 1)
        return unsound(err, member, "is too long");
    return *to ? 0 : unsound(err, member, "is empty");
}

/* The layer below knows why; here it is not the caller's fault but the file's. */
static int unsound_because(struct grid_error *err, const struct grid_error *why)
{
    return grid_error_set(err, GRID_ECORRUPT, "%s", why->message);
}

static int read_resource(const struct record_member *member, struct span value, char *to,
                         struct grid_error *err)
{
    char text[2 * GRID_RESOURCE_SIZE];
    struct grid_error why;
    int rc = read_name(member, value, text, sizeof(text), err);
    if (rc == 0 && grid_resource_read(text, to, &why) < 0)
        return unsound_because(err, &why);
    return rc;
}

/* A number of valid JSON ends before a comma, a bracket or a space, and strtod does there, too. */
static int read_amount(const struct record_member *member, struct span value,
                       struct grid_boost *boost, struct grid_error *err)
{
    struct grid_error why;
    if (*value.at != '-' && !text_is_digit(*value.at))
        return unsound(err, member, "is no number");
    double number = strtod(value.at, NULL);
    if (grid_amount_read(boost->resource_type, number, &boost->amount_u, &why) < 0)
        return unsound_because(err, &why);
    return 0;
}

/* null is no end where that is meant. */
static int read_time(const struct record_member *member, struct span value, int64_t *to,
                     bool *ret_naive, struct grid_error *err)
{
    char text[GRID_TIME_SIZE];
    bool naive = false;
    if (*value.at == 'n' && (member->kind == RECORD_END || member->kind == RECORD_UNTIL)) {
        *to = GRID_NEVER;
        return 0;
    }
    if (record_text(value, text, sizeof(text)) != 0
        || grid_time_read(text, strlen(text), to, &naive, NULL) < 0)
        return unsound(err, member, "is no time");
    if (ret_naive)
        *ret_naive |= naive;
    return 0;
}

static int read_event(const struct record_member *member, struct span value,
                      enum grid_event_kind *to, struct grid_error *err)
{
    char text[32];
    int rc = read_name(member, value, text, sizeof(text), err);
    if (rc == 0 && grid_event_parse(text, to, NULL) < 0)
        return unsound(err, member, "is none that is known");
    return rc;
}

/* One that is none of ours stays normal. */
static void read_priority(struct span value, enum grid_priority *to)
{
    char text[16];
    if (record_text(value, text, sizeof(text)) == 0)
        (void)grid_priority_parse(text, to, NULL);
}

static int read_flag(const struct record_member *member, struct span value, bool *to,
                     struct grid_error *err)
{
    *to = *value.at == 't';
    return *to || *value.at == 'f' ? 0 : unsound(err, member, "is neither true nor false");
}

static int read_any(struct span text, struct grid_boost *ret, bool *ret_naive,
                    struct grid_error *err);

static int read_boost(struct span value, struct grid_event *event, struct grid_error *err)
{
    struct grid_boost *boost = &event->boost;
    if (*value.at == 'n')
        return 0;
    int rc = read_any(value, boost, NULL, err);
    if (rc < 0) {
        grid_error_wrap(err, "'boost'");
        return rc;
    }
    event->has_boost = true;
    boost->ended = grid_event_ending(event);
    boost->ended_us = boost->ended == GRID_ACTIVE ? 0 : event->at_us;
    return 0;
}

static int add_device(void *context, size_t index, struct span value, struct grid_error *err)
{
    (void)index, (void)err;
    int64_t device;
    if (json_integer(value, &device) && device >= 0 && device < 64)
        *(uint64_t *)context |= UINT64_C(1) << device;
    return 0;
}

static int read_member(const struct record_member *member, struct span value, void *object,
                       bool *ret_naive, struct grid_error *err)
{
    void *field = record_field(member, object);
    if (member->kind > RECORD_TIME)
        record_reset(member, object);
    else if (!value.at)
        return unsound(err, member, "is missing");
    if (!value.at)
        return 0;
    switch (member->kind) {
    case RECORD_NAME:
        return read_name(member, value, field, member->size, err);
    case RECORD_RESOURCE:
        return read_resource(member, value, field, err);
    case RECORD_AMOUNT:
        return read_amount(member, value, object, err);
    case RECORD_REVISION:
        return json_integer(value, field) ? 0 : unsound(err, member, "is no whole number");
    case RECORD_EVENT:
        return read_event(member, value, field, err);
    case RECORD_TIME:
    case RECORD_END:
    case RECORD_START:
    case RECORD_UNTIL:
        return read_time(member, value, field, ret_naive, err);
    case RECORD_FLAG:
        return read_flag(member, value, field, err);
    case RECORD_MARK:
        *(bool *)field = *value.at == 't';
        return 0;
    case RECORD_PRIORITY:
        read_priority(value, field);
        return 0;
    case RECORD_TEXT:
        (void)record_text(value, field, member->size);
        return 0;
    case RECORD_DEVICES:
        return *value.at == '[' ? json_array(value, add_device, field, err) : 0;
    case RECORD_BOOST:
        return read_boost(value, object, err);
    default:
        json_integer(value, field);
        return 0;
    }
}

int record_find(const struct record_member *members, int count, struct span key)
{
    while (--count >= 0 && !member_key_is(key, members[count].name))
        ;
    return count;
}

struct collection {
    const struct record_member *members;
    int count;
    struct span values[RECORD_MEMBERS];
};

static int collect(void *context, struct span key, struct span value, struct grid_error *err)
{
    struct collection *found = context;
    int index = record_find(found->members, found->count, key);
    if (index < 0)
        return 0;
    if (found->values[index].at)
        return unsound(err, &found->members[index], "comes twice");
    found->values[index] = value;
    return 0;
}

/* Checks the whole text and reads the members of found->members into `object`. */
static int read_object(struct span text, int depth, struct collection *found, void *object,
                       bool *ret_naive, struct grid_error *err)
{
    const char *end = json_value(text.at, text.at + text.length, depth, err);
    if (!end)
        return GRID_ECORRUPT;
    if (end != text.at + text.length || *text.at != '{')
        return grid_error_set(err, GRID_ECORRUPT, "it is not one JSON object");
    int rc = json_object(text, collect, found, err);
    for (int i = 0; i < found->count && rc == 0; i++)
        rc = read_member(&found->members[i], found->values[i], object, ret_naive, err);
    return rc;
}

int record_parse(struct span text, struct grid_boost *ret, bool *ret_naive,
                 struct grid_error *err)
{
    struct collection found = {.members = record_boost_members, .count = RECORD_MEMBERS};
    ret->ended = GRID_ACTIVE;
    ret->ended_us = 0;
    /* Every sound record fits into an event of the state file, which is four levels down. */
    return read_object(text, JSON_DEPTH_MAX - 3, &found, ret, ret_naive, err);
}

static int read_any(struct span text, struct grid_boost *ret, bool *ret_naive,
                    struct grid_error *err)
{
    const char *end = text.at + text.length;
    if (ret_naive)
        *ret_naive = false;
    return record_scan(text.at, end, ret) == end ? 0 : record_parse(text, ret, ret_naive, err);
}

/* A reservation that ends before it starts would hold a place for nothing. An event may tell of
 * one. */
int record_read(struct span text, struct grid_boost *ret, bool *ret_naive,
                struct grid_error *err)
{
    int rc = read_any(text, ret, ret_naive, err);
    if (rc == 0 && record_starts_late(ret))
        return grid_error_set(err, GRID_ECORRUPT, "'starts_at' is not before 'expires_at'");
    return rc;
}

int record_event_read(struct span text, struct grid_event *ret, struct grid_error *err)
{
    struct collection found = {.members = record_event_members, .count = RECORD_EVENT_MEMBERS};
    int rc = read_object(text, JSON_DEPTH_MAX - 2, &found, ret, NULL, err);
    ret->node_id[0] = '\0';
    if (rc < 0 || (ret->event != GRID_EVENT_NODE_SET && ret->event != GRID_EVENT_NODE_REMOVED))
        return rc;
    struct span name = node_record_subject(node_record_subject(text, "node"), "node_id");
    if (record_text(name, ret->node_id, sizeof(ret->node_id)) != 0)
        ret->node_id[0] = '\0';
    return 0;
}
