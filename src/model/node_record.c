/* The JSON of nodes and of the policy: few and small, so cJSON reads them whole. */
#include "model/node_record.h"

#include <cjson/cJSON.h>
#include <string.h>

/* --- reading ---------------------------------------------------------------------------------- */

/* cJSON_IsString and its like, each a symbol that the loader would look for at every start. */
static bool is_a(int type, const cJSON *value)
{
    return value && (value->type & 0xff) == type;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static void read_text(const cJSON *object, const char *name, char *ret, size_t size)
{
    const cJSON *value = member(object, name);
    text_copy(ret, size, is_a(cJSON_String, value) ? value->valuestring : "");
}

static int64_t read_time(const cJSON *object, const char *name, int64_t missing)
{
    const cJSON *value = member(object, name);
    int64_t time_us = missing;
    if (is_a(cJSON_String, value) && grid_time_read(value->valuestring, strlen(value->valuestring),
                                                &time_us, NULL, NULL) < 0)
        return missing;
    return time_us;
}

/* Durations are seconds; null is never. */
static int64_t read_seconds(const cJSON *object, const char *name, int64_t missing)
{
    const cJSON *value = member(object, name);
    if (is_a(cJSON_NULL, value))
        return GRID_NEVER;
    if (!is_a(cJSON_Number, value) || !(value->valuedouble >= 0 && value->valuedouble < 1e10))
        return missing;
    return (int64_t)(value->valuedouble * 1e6 + 0.5);
}

/* {"CPU": 16.0, ...}: 0 is allowed here. */
static int read_amounts(const cJSON *object, const char *name, struct grid_amounts *ret,
                        struct grid_error *err)
{
    const cJSON *value;
    const cJSON *amounts = member(object, name);
    ret->count = 0;
    if (amounts && !is_a(cJSON_Object, amounts))
        return grid_error_set(err, GRID_ECORRUPT, "'%s' is not an object", name);
    cJSON_ArrayForEach(value, amounts)
    {
        char resource[GRID_RESOURCE_SIZE];
        int64_t amount_u = 0;
        bool zero = is_a(cJSON_Number, value) && value->valuedouble == 0;
        if (!is_a(cJSON_Number, value) || grid_resource_read(value->string, resource, err) < 0 ||
            (!zero && grid_amount_read(resource, value->valuedouble, &amount_u, err) < 0) ||
            grid_amounts_set(ret, resource, amount_u, err) < 0)
            return grid_error_set(err, GRID_ECORRUPT, "'%s' of '%s' is no amount",
                                  text_shown(value->string), name);
    }
    return 0;
}

static void read_lists(const cJSON *object, struct grid_node *ret)
{
    const cJSON *value;
    ret->tag_count = ret->label_count = 0;
    cJSON_ArrayForEach(value, member(object, "tags"))
        if (is_a(cJSON_String, value) && ret->tag_count < GRID_NODE_TAGS)
            text_copy(ret->tags[ret->tag_count++], GRID_TAG_SIZE, value->valuestring);
    cJSON_ArrayForEach(value, member(object, "labels"))
        if (is_a(cJSON_String, value) && ret->label_count < GRID_NODE_TAGS) {
            text_copy(ret->labels[ret->label_count].key, GRID_TAG_SIZE, value->string);
            text_copy(ret->labels[ret->label_count++].value, GRID_TAG_SIZE, value->valuestring);
        }
}

static int read_node(const cJSON *object, struct grid_node *ret, struct grid_error *err)
{
    char role[16];
    const cJSON *share = member(object, "can_share"), *hold = member(object, "hold");
    const cJSON *name = member(object, "node_id");
    *ret = (struct grid_node){0};
    if (!is_a(cJSON_String, name) || !name->valuestring[0] ||
        !text_copy(ret->node_id, sizeof(ret->node_id), name->valuestring))
        return grid_error_set(err, GRID_ECORRUPT, "node_id is missing, or no name");
    int rc = read_amounts(object, "capacity", &ret->capacity, err);
    rc = rc ?: read_amounts(object, "keep", &ret->keep, err);
    rc = rc ?: read_amounts(object, "lend", &ret->lend, err);
    rc = rc ?: read_amounts(object, "borrow", &ret->borrow, err);
    read_text(object, "address", ret->address, sizeof(ret->address));
    read_text(object, "owner", ret->owner, sizeof(ret->owner));
    read_text(object, "role", role, sizeof(role));
    if (role[0] && grid_role_parse(role, &ret->role, NULL) < 0)
        ret->role = GRID_ROLE_NONE;
    ret->can_share = !is_a(cJSON_False, share);
    ret->held = is_a(cJSON_Object, hold);
    ret->hold_until_us = read_time(hold, "until", GRID_NEVER);
    read_text(hold, "reason", ret->hold_reason, sizeof(ret->hold_reason));
    ret->first_seen_us = read_time(object, "first_seen", 0);
    ret->last_seen_us = read_time(object, "last_seen", 0);
    ret->stale_after_us = read_seconds(object, "stale_after", 0);
    read_lists(object, ret);
    return rc;
}

/* Checked strictly, as cJSON takes too much; the caller deletes what comes. */
static int parse(struct span text, cJSON **ret, struct grid_error *err)
{
    const char *end = json_value(text.at, text.at + text.length, JSON_DEPTH_MAX - 2, err);
    if (!end)
        return GRID_ECORRUPT;
    *ret = cJSON_ParseWithLength(text.at, text.length);
    if (!is_a(cJSON_Object, *ret)) {
        cJSON_Delete(*ret);
        return grid_error_set(err, GRID_ECORRUPT, "it is not an object");
    }
    return 0;
}

int node_record_read(struct span text, struct grid_node *ret, struct grid_error *err)
{
    cJSON *object = NULL;
    int rc = parse(text, &object, err);
    if (rc < 0)
        return rc;
    rc = read_node(object, ret, err);
    cJSON_Delete(object);
    return rc;
}

int policy_record_read(struct span text, struct grid_policy *ret, struct grid_error *err)
{
    cJSON *object = NULL;
    *ret = GRID_POLICY_DEFAULT;
    int rc = text.length ? parse(text, &object, err) : 0;
    if (rc < 0 || !object)
        return rc;
    ret->enabled = !is_a(cJSON_False, member(object, "enabled"));
    ret->default_duration_us = read_seconds(object, "default_duration", ret->default_duration_us);
    ret->max_duration_us = read_seconds(object, "max_duration", ret->max_duration_us);
    ret->protected_us = read_seconds(object, "protected_time", ret->protected_us);
    ret->grace_us = read_seconds(object, "preempt_grace", ret->grace_us);
    rc = read_amounts(object, "quota", &ret->quota, err);
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
    (void)json_object(event, find_member, &wanted, NULL);
    return wanted.found;
}

/* --- printing --------------------------------------------------------------------------------- */

void node_record_amounts(struct json *json, const struct grid_amounts *amounts)
{
    json_open(json, '{');
    for (size_t i = 0; i < amounts->count; i++) {
        json_key(json, amounts->at[i].resource);
        json_float(json, grid_amount_number(amounts->at[i].resource, amounts->at[i].amount_u));
    }
    json_close(json, '}');
}

static void print_amounts(struct json *json, const char *key, const struct grid_amounts *amounts)
{
    if (amounts->count == 0)
        return;
    json_key(json, key);
    node_record_amounts(json, amounts);
}

static void print_text(struct json *json, const char *key, const char *text)
{
    if (!text[0])
        return;
    json_key(json, key);
    json_string(json, text);
}

static void print_time(struct json *json, const char *key, int64_t time_us)
{
    char text[GRID_TIME_SIZE];
    json_key(json, key);
    json_string_or_null(json, time_us == GRID_NEVER ? NULL : grid_time_format(time_us, text));
}

static void print_seconds(struct json *json, const char *key, int64_t duration_us)
{
    json_key(json, key);
    if (duration_us == GRID_NEVER)
        json_null(json);
    else
        json_float(json, (double)duration_us / 1e6);
}

static void print_lists(struct json *json, const struct grid_node *node)
{
    if (node->tag_count > 0) {
        json_key(json, "tags");
        json_open(json, '[');
        for (size_t i = 0; i < node->tag_count; i++)
            json_string(json, node->tags[i]);
        json_close(json, ']');
    }
    if (node->label_count > 0) {
        json_key(json, "labels");
        json_open(json, '{');
        for (size_t i = 0; i < node->label_count; i++) {
            json_key(json, node->labels[i].key);
            json_string(json, node->labels[i].value);
        }
        json_close(json, '}');
    }
}

/* The members of ours, and where they stand: what is none of them is somebody else's. */
static const char *const node_members[] = {
    "node_id", "address", "role", "capacity", "keep", "lend", "borrow", "can_share", "tags",
    "labels", "hold", "owner", "first_seen", "last_seen", "stale_after",
};

void node_record_members(struct json *json, const struct grid_node *node)
{
    json_key(json, "node_id");
    json_string(json, node->node_id);
    print_text(json, "address", node->address);
    print_text(json, "role", grid_role_name(node->role));
    json_key(json, "capacity");
    node_record_amounts(json, &node->capacity);
    print_amounts(json, "keep", &node->keep);
    print_amounts(json, "lend", &node->lend);
    print_amounts(json, "borrow", &node->borrow);
    json_key(json, "can_share");
    json_bool(json, node->can_share);
    print_lists(json, node);
    if (node->held) {
        json_key(json, "hold");
        json_open(json, '{');
        print_time(json, "until", node->hold_until_us);
        print_text(json, "reason", node->hold_reason);
        json_close(json, '}');
    }
    print_text(json, "owner", node->owner);
    print_time(json, "first_seen", node->first_seen_us);
    print_time(json, "last_seen", node->last_seen_us);
    if (node->stale_after_us > 0)
        print_seconds(json, "stale_after", node->stale_after_us);
}

static int keep_unknown(void *context, struct span key, struct span value, struct grid_error *err)
{
    (void)err;
    struct json *json = context;
    for (size_t i = 0; i < countof(node_members); i++)
        if (json_is(key, node_members[i]))
            return 0;
    json_key_raw(json, key);
    json_reprint(json, value);
    return 0;
}

void node_record_write(struct json *json, struct span old, const struct grid_node *node)
{
    json_open(json, '{');
    node_record_members(json, node);
    if (old.length)
        (void)json_object(old, keep_unknown, json, NULL);
    json_close(json, '}');
}

void policy_record_write(struct json *json, const struct grid_policy *policy)
{
    json_open(json, '{');
    json_key(json, "enabled");
    json_bool(json, policy->enabled);
    print_seconds(json, "default_duration", policy->default_duration_us);
    print_seconds(json, "max_duration", policy->max_duration_us);
    print_seconds(json, "protected_time", policy->protected_us);
    print_seconds(json, "preempt_grace", policy->grace_us);
    print_amounts(json, "quota", &policy->quota);
    json_close(json, '}');
}
