/* Reading and printing the members of nodes, tickets and the policy. */
#include "model/member.h"

#include "model/record.h"

#include <errno.h>
#include <string.h>

/* cJSON would take the first of two. */
static int check_keys(const cJSON *object, struct grid_error *err)
{
    size_t count = 0;
    for (const cJSON *value = object->child; value; value = value->next) {
        if (++count > JSON_MEMBERS_MAX)
            return grid_error_set(err, GRID_ECORRUPT, "more than %d members", JSON_MEMBERS_MAX);
        for (const cJSON *earlier = object->child; earlier != value; earlier = earlier->next)
            if (strcmp(earlier->string, value->string) == 0)
                return grid_error_set(err, GRID_ECORRUPT, "'%s' comes twice",
                                      text_shown(value->string));
    }
    return 0;
}

int member_parse(struct span text, cJSON **ret, struct grid_error *err)
{
    /* What is read here fits into an event of the state file, which is four levels down. */
    const char *end = json_value(text.at, text.at + text.length, JSON_DEPTH_MAX - 3, err);
    if (!end)
        return GRID_ECORRUPT;
    if (json_has_odd_escape(text))
        return grid_error_set(err, GRID_ECORRUPT, "it holds what no text can");
    errno = 0;
    cJSON *object = cJSON_ParseWithLength(text.at, text.length);
    if (!object && errno == ENOMEM)
        return grid_error_set(err, GRID_ENOMEM, "no memory");
    int rc = member_is(cJSON_Object, object)
                 ? check_keys(object, err)
                 : grid_error_set(err, GRID_ECORRUPT, "it is not an object");
    if (rc < 0)
        cJSON_Delete(object);
    else
        *ret = object;
    return rc;
}

bool member_key_is(struct span key, const char *name)
{
    char text[32];
    if (!memchr(key.at, '\\', key.length))
        return json_is(key, name);
    struct span quoted = {key.at - 1, key.length + 2};
    return record_text(quoted, text, sizeof(text)) == 0 && strcmp(text, name) == 0;
}

bool member_text(const cJSON *object, const char *name, char *ret, size_t size)
{
    const cJSON *value = member_get(object, name);
    bool is_text = member_is(cJSON_String, value);
    return text_copy(ret, size, is_text ? value->valuestring : "") && is_text;
}

int64_t member_time(const cJSON *object, const char *name, int64_t missing)
{
    const cJSON *value = member_get(object, name);
    int64_t time_us = missing;
    if (member_is(cJSON_String, value) &&
        grid_time_read(value->valuestring, strlen(value->valuestring), &time_us, NULL, NULL) < 0)
        return missing;
    return time_us;
}

int member_seconds(const cJSON *object, const char *name, int64_t *ret_us,
                   struct grid_error *err)
{
    const cJSON *value = member_get(object, name);
    double seconds = member_is(cJSON_Number, value) ? value->valuedouble : -1;
    if (member_is(cJSON_NULL, value))
        *ret_us = GRID_NEVER;
    else if (seconds >= 0 && seconds < 1e10)
        *ret_us = (int64_t)(seconds * 1e6 + 0.5);
    else if (value)
        return grid_error_set(err, GRID_ECORRUPT, "'%s' is no duration", name);
    return 0;
}

int member_flag(const cJSON *object, const char *name, bool *ret, struct grid_error *err)
{
    const cJSON *value = member_get(object, name);
    bool on = member_is(cJSON_True, value);
    if (value && !on && !member_is(cJSON_False, value))
        return grid_error_set(err, GRID_ECORRUPT, "'%s' is neither true nor false", name);
    *ret = value ? on : *ret;
    return 0;
}

int member_amounts(const cJSON *object, const char *name, struct grid_amounts *ret,
                   struct grid_error *err)
{
    const cJSON *value;
    const cJSON *amounts = member_get(object, name);
    ret->count = 0;
    if (amounts && !member_is(cJSON_Object, amounts))
        return grid_error_set(err, GRID_ECORRUPT, "'%s' is not an object", name);
    cJSON_ArrayForEach(value, amounts)
    {
        char resource[GRID_RESOURCE_SIZE];
        int64_t amount_u = 0;
        bool number = member_is(cJSON_Number, value), zero = number && value->valuedouble == 0;
        if (!number || grid_resource_read(value->string, resource, err) < 0 ||
            (!zero && grid_amount_read(resource, value->valuedouble, &amount_u, err) < 0) ||
            grid_amounts_get(ret, resource, -1) >= 0 ||
            grid_amounts_set(ret, resource, amount_u, err) < 0)
            return grid_error_set(err, GRID_ECORRUPT, "'%s' of '%s' is no amount, or the second",
                                  text_shown(value->string), name);
    }
    return 0;
}

/* --- printing ------------------------------------------------------------------------------- */

void member_print_text(struct json *json, const char *key, const char *text)
{
    if (!text[0])
        return;
    json_key(json, key);
    json_string(json, text);
}

void member_print_time(struct json *json, const char *key, int64_t time_us)
{
    char text[GRID_TIME_SIZE];
    json_key(json, key);
    json_string_or_null(json, time_us == GRID_NEVER ? NULL : grid_time_format(time_us, text));
}

void member_print_seconds(struct json *json, const char *key, int64_t duration_us)
{
    json_key(json, key);
    if (duration_us == GRID_NEVER)
        json_null(json);
    else
        json_float(json, (double)duration_us / 1e6);
}

void member_print_amounts(struct json *json, const char *key, const struct grid_amounts *amounts)
{
    if (key)
        json_key(json, key);
    json_open(json, '{');
    for (size_t i = 0; i < amounts->count; i++) {
        json_key(json, amounts->at[i].resource);
        json_float(json, grid_amount_number(amounts->at[i].resource, amounts->at[i].amount_u));
    }
    json_close(json, '}');
}

void member_text_of(struct json *json, const char *key, const void *field)
{
    member_print_text(json, key, field);
}

void member_time_of(struct json *json, const char *key, const void *field)
{
    member_print_time(json, key, *(const int64_t *)field);
}

void member_seconds_of(struct json *json, const char *key, const void *field)
{
    member_print_seconds(json, key, *(const int64_t *)field);
}

void member_some_seconds_of(struct json *json, const char *key, const void *field)
{
    if (*(const int64_t *)field > 0)
        member_seconds_of(json, key, field);
}

void member_flag_of(struct json *json, const char *key, const void *field)
{
    json_key(json, key);
    json_bool(json, *(const bool *)field);
}

void member_amounts_of(struct json *json, const char *key, const void *field)
{
    if (((const struct grid_amounts *)field)->count > 0)
        member_print_amounts(json, key, field);
}

static void print(struct json *json, const struct member *member, const void *record)
{
    member->print(json, member->name, (const char *)record + member->offset);
}

void member_print_all(struct json *json, const void *record, const struct member *members,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        print(json, &members[i], record);
}

struct rewriting {
    struct json *json;
    const void *was, *now;
    const struct member *members;
    size_t count;
    uint32_t seen; /* bits, by member */
    struct buffer scratch;
};

/* Does the member say the same of both? */
static bool is_same(struct rewriting *rewriting, const struct member *member)
{
    struct buffer *out = &rewriting->scratch;
    struct json json = json_begin(out, -1);
    out->length = 0;
    print(&json, member, rewriting->was);
    size_t half = out->length;
    json = json_begin(out, -1);
    print(&json, member, rewriting->now);
    if (out->error)
        rewriting->json->out->error = out->error;
    return out->length == 2 * half && (half == 0 || memcmp(out->data, out->data + half, half) == 0);
}

static int rewrite_member(void *context, struct span key, struct span value,
                          struct grid_error *err)
{
    (void)err;
    struct rewriting *rewriting = context;
    size_t i = 0;
    while (i < rewriting->count && !member_key_is(key, rewriting->members[i].name))
        i++;
    bool ours = i < rewriting->count;
    if (ours)
        rewriting->seen |= UINT32_C(1) << i;
    if (ours && !is_same(rewriting, &rewriting->members[i])) {
        print(rewriting->json, &rewriting->members[i], rewriting->now);
    } else {
        json_key_raw(rewriting->json, key);
        json_reprint(rewriting->json, value);
    }
    return 0;
}

static void rewrite(struct json *json, struct span old, const void *was, const void *now,
                    const struct member *members, size_t count)
{
    struct rewriting rewriting = {json, was, now, members, count, 0, BUFFER_INIT};
    (void)json_object(old, rewrite_member, &rewriting, NULL);
    for (size_t i = 0; i < count; i++)
        if (!(rewriting.seen >> i & 1) && !is_same(&rewriting, &members[i]))
            print(json, &members[i], now);
    buffer_release(&rewriting.scratch);
}

void member_write(struct json *json, int read_rc, struct span old, const void *was,
                  const void *now, const struct member *members, size_t count)
{
    if (read_rc == GRID_ENOMEM)
        json->out->error = ENOMEM;
    json_open(json, '{');
    if (read_rc == 0 && old.length)
        rewrite(json, old, was, now, members, count);
    else
        member_print_all(json, now, members, count);
    json_close(json, '}');
}
