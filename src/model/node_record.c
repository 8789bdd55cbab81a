/* The JSON of nodes and of the policy: what member.h makes of them. */
#include "model/node_record.h"

#include "model/member.h"

#include <stddef.h>

#define AT(field) offsetof(struct grid_policy, field)
const struct policy_member policy_members[POLICY_MEMBERS] = {
    {"enabled", AT(enabled), true, false},
    {"default_duration", AT(default_duration_us), false, true},
    {"max_duration", AT(max_duration_us), false, true},
    {"protected_time", AT(protected_us), false, false},
    {"preempt_grace", AT(grace_us), false, false},
};
#undef AT

static void read_tags(const cJSON *tags, struct grid_node *ret)
{
    const cJSON *value;
    cJSON_ArrayForEach(value, tags)
        if (member_is(cJSON_String, value) && ret->tag_count < GRID_NODE_TAGS)
            text_copy(ret->tags[ret->tag_count++], GRID_TAG_SIZE, value->valuestring);
}

static void read_labels(const cJSON *labels, struct grid_node *ret)
{
    const cJSON *value;
    cJSON_ArrayForEach(value, labels)
        if (member_is(cJSON_String, value) && ret->label_count < GRID_NODE_TAGS) {
            text_copy(ret->labels[ret->label_count].key, GRID_TAG_SIZE, value->string);
            text_copy(ret->labels[ret->label_count++].value, GRID_TAG_SIZE, value->valuestring);
        }
}

static int read_name(const cJSON *object, struct grid_node *ret, struct grid_error *err)
{
    struct grid_error why = {0};
    if (!member_text(object, "node_id", ret->node_id, sizeof(ret->node_id)))
        return grid_error_set(err, GRID_ECORRUPT, "node_id is missing, or no name");
    if (grid_node_name_check(ret->node_id, &why) < 0)
        return grid_error_set(err, GRID_ECORRUPT, "%s", why.message);
    return 0;
}

/* What limits it: nothing of that may be passed over, or more would be lent than it says. */
static int read_limits(const cJSON *object, struct grid_node *ret, struct grid_error *err)
{
    const cJSON *hold = member_get(object, "hold");
    ret->can_share = true;
    int rc = member_amounts(object, "capacity", &ret->capacity, err);
    rc = rc ?: member_amounts(object, "keep", &ret->keep, err);
    rc = rc ?: member_amounts(object, "lend", &ret->lend, err);
    rc = rc ?: member_amounts(object, "borrow", &ret->borrow, err);
    rc = rc ?: member_flag(object, "can_share", &ret->can_share, err);
    rc = rc ?: member_seconds(object, "stale_after", &ret->stale_after_us, err);
    if (rc < 0 || !hold || member_is(cJSON_NULL, hold))
        return rc;
    if (!member_is(cJSON_Object, hold))
        return grid_error_set(err, GRID_ECORRUPT, "'hold' is not an object");
    ret->held = true;
    ret->hold_until_us = member_time(hold, "until", GRID_NEVER);
    member_text(hold, "reason", ret->hold_reason, sizeof(ret->hold_reason));
    return 0;
}

static int read_node(const cJSON *object, struct grid_node *ret, struct grid_error *err)
{
    char role[16];
    const cJSON *tags = member_get(object, "tags"), *labels = member_get(object, "labels");
    *ret = (struct grid_node){0};
    int rc = read_name(object, ret, err);
    rc = rc ?: read_limits(object, ret, err);
    member_text(object, "address", ret->address, sizeof(ret->address));
    member_text(object, "owner", ret->owner, sizeof(ret->owner));
    member_text(object, "role", role, sizeof(role));
    if (role[0] && grid_role_parse(role, &ret->role, NULL) < 0)
        ret->role = GRID_ROLE_NONE;
    ret->first_seen_us = member_time(object, "first_seen", 0);
    ret->last_seen_us = member_time(object, "last_seen", 0);
    if (member_is(cJSON_Array, tags))
        read_tags(tags, ret);
    if (member_is(cJSON_Object, labels))
        read_labels(labels, ret);
    return rc;
}

int node_record_read(struct span text, struct grid_node *ret, struct grid_error *err)
{
    cJSON *object = NULL;
    int rc = member_parse(text, &object, err);
    if (rc < 0)
        return rc;
    rc = read_node(object, ret, err);
    cJSON_Delete(object);
    return rc;
}

static int read_policy(const cJSON *object, struct grid_policy *ret, struct grid_error *err)
{
    int rc = member_amounts(object, "quota", &ret->quota, err);
    for (size_t i = 0; rc == 0 && i < POLICY_MEMBERS; i++) {
        const struct policy_member *at = &policy_members[i];
        void *field = (char *)ret + at->offset;
        rc = at->truth ? member_flag(object, at->name, field, err)
                       : member_seconds(object, at->name, field, err);
        if (rc == 0 && !at->truth && *(int64_t *)field == (at->never ? 0 : GRID_NEVER))
            rc = grid_error_set(err, GRID_ECORRUPT, "'%s' is no duration", at->name);
    }
    return rc;
}

int policy_record_read(struct span text, struct grid_policy *ret, struct grid_error *err)
{
    cJSON *object = NULL;
    *ret = GRID_POLICY_DEFAULT;
    int rc = text.length ? member_parse(text, &object, err) : 0;
    if (rc < 0 || !object)
        return rc;
    rc = read_policy(object, ret, err);
    cJSON_Delete(object);
    return rc;
}

struct wanted {
    const char *name;
    struct span found;
};

static int find_member(void *context, struct span key, struct span value, struct grid_error *err)
{
    (void)err;
    struct wanted *wanted = context;
    if (!json_is(key, wanted->name))
        return 0;
    wanted->found = value;
    return 1;
}

struct span node_record_subject(struct span event, const char *name)
{
    struct wanted wanted = {.name = name};
    if (event.length && *event.at == '{')
        (void)json_object(event, find_member, &wanted, NULL);
    return wanted.found;
}

/* --- printing --------------------------------------------------------------------------------- */

void node_record_amounts(struct json *json, const struct grid_amounts *amounts)
{
    member_print_amounts(json, NULL, amounts);
}

static void print_role(struct json *json, const char *key, const void *role)
{
    member_print_text(json, key, grid_role_name(*(const enum grid_role *)role));
}

static void print_capacity(struct json *json, const char *key, const void *amounts)
{
    member_print_amounts(json, key, amounts);
}

static void print_tags(struct json *json, const char *key, const void *record)
{
    const struct grid_node *node = record;
    if (node->tag_count == 0)
        return;
    json_key(json, key);
    json_open(json, '[');
    for (size_t i = 0; i < node->tag_count; i++)
        json_string(json, node->tags[i]);
    json_close(json, ']');
}

static void print_labels(struct json *json, const char *key, const void *record)
{
    const struct grid_node *node = record;
    if (node->label_count == 0)
        return;
    json_key(json, key);
    json_open(json, '{');
    for (size_t i = 0; i < node->label_count; i++)
        json_put_text(json, node->labels[i].key, node->labels[i].value);
    json_close(json, '}');
}

static void print_hold(struct json *json, const char *key, const void *record)
{
    const struct grid_node *node = record;
    if (!node->held)
        return;
    json_key(json, key);
    json_open(json, '{');
    member_print_time(json, "until", node->hold_until_us);
    member_print_text(json, "reason", node->hold_reason);
    json_close(json, '}');
}

#define AT(field) offsetof(struct grid_node, field)
static const struct member node_members[] = {
    {"node_id", AT(node_id), member_text_of},
    {"address", AT(address), member_text_of},
    {"role", AT(role), print_role},
    {"capacity", AT(capacity), print_capacity},
    {"keep", AT(keep), member_amounts_of},
    {"lend", AT(lend), member_amounts_of},
    {"borrow", AT(borrow), member_amounts_of},
    {"can_share", AT(can_share), member_flag_of},
    {"tags", 0, print_tags},
    {"labels", 0, print_labels},
    {"hold", 0, print_hold},
    {"owner", AT(owner), member_text_of},
    {"first_seen", AT(first_seen_us), member_time_of},
    {"last_seen", AT(last_seen_us), member_time_of},
    {"stale_after", AT(stale_after_us), member_some_seconds_of},
};
#undef AT

void node_record_members(struct json *json, const struct grid_node *node)
{
    member_print_all(json, node, node_members, countof(node_members));
}

void node_record_write(struct json *json, struct span old, const struct grid_node *node)
{
    struct grid_node was;
    int rc = old.length ? node_record_read(old, &was, NULL) : 0;
    member_write(json, rc, old, &was, node, node_members, countof(node_members));
}

void policy_record_rewrite(struct json *json, struct span old, const struct grid_policy *policy)
{
    struct grid_policy was;
    struct member members[POLICY_MEMBERS + 1] = {
        [POLICY_MEMBERS] = {"quota", offsetof(struct grid_policy, quota), member_amounts_of}};
    for (size_t i = 0; i < POLICY_MEMBERS; i++)
        members[i] = (struct member){policy_members[i].name, policy_members[i].offset,
                                     policy_members[i].truth ? member_flag_of : member_seconds_of};
    int rc = policy_record_read(old, &was, NULL);
    member_write(json, rc, old, &was, policy, members, countof(members));
}

void policy_record_write(struct json *json, const struct grid_policy *policy)
{
    policy_record_rewrite(json, (struct span){0}, policy);
}

int policy_record_is_default(const struct grid_policy *policy, struct grid_error *err)
{
    const struct grid_policy unset = GRID_POLICY_DEFAULT;
    grid_auto_buffer struct buffer left = BUFFER_INIT, right = BUFFER_INIT;
    struct json first = json_begin(&left, -1), second = json_begin(&right, -1);
    policy_record_write(&first, policy);
    policy_record_write(&second, &unset);
    return buffer_same(&left, &right, err);
}
