/* The JSON of tickets: what member.h makes of them. */
#include "model/ticket_record.h"

#include "model/member.h"

#include <stddef.h>
#include <string.h>

/* --- reading ---------------------------------------------------------------------------------- */

static bool has_need(const struct grid_ticket *ticket, size_t count, const char *resource)
{
    while (count > 0 && strcmp(ticket->needs[count - 1].resource, resource) != 0)
        count--;
    return count > 0;
}

/* In their order: the first is the boost that gives its id to the group. */
static int read_needs(const cJSON *object, struct grid_ticket *ret, struct grid_error *err)
{
    const cJSON *value, *needs = member_get(object, "needs");
    if (!member_is(cJSON_Object, needs))
        return grid_error_set(err, GRID_ECORRUPT, "'needs' is missing, or no object");
    cJSON_ArrayForEach(value, needs)
    {
        struct grid_need *need = &ret->needs[ret->need_count];
        if (ret->need_count++ == GRID_NEEDS_MOST)
            return grid_error_set(err, GRID_ECORRUPT, "'needs' has more than %d",
                                  GRID_NEEDS_MOST);
        if (!member_is(cJSON_Number, value)
            || grid_resource_read(value->string, need->resource, NULL) < 0
            || grid_amount_read(need->resource, value->valuedouble, &need->amount_u, NULL) < 0
            || has_need(ret, ret->need_count - 1, need->resource))
            return grid_error_set(err, GRID_ECORRUPT, "'%s' of 'needs' is no amount, or the second",
                                  text_shown(value->string));
    }
    return ret->need_count > 0 ? 0 : grid_error_set(err, GRID_ECORRUPT, "'needs' is empty");
}

/* A time that must be there. */
static int read_time(const cJSON *object, const char *name, int64_t *ret_us,
                     struct grid_error *err)
{
    *ret_us = member_time(object, name, INT64_MIN);
    return *ret_us != INT64_MIN ? 0
                                : grid_error_set(err, GRID_ECORRUPT, "'%s' is no time", name);
}

static int read_name(const cJSON *object, const char *name, char *ret, size_t size,
                     struct grid_error *err)
{
    return member_text(object, name, ret, size) && ret[0]
               ? 0 : grid_error_set(err, GRID_ECORRUPT, "'%s' is missing, or no name", name);
}

static void read_rest(const cJSON *object, struct grid_ticket *ret)
{
    char priority[16];
    ret->priority = GRID_NORMAL;
    if (member_text(object, "priority", priority, sizeof(priority)))
        (void)grid_priority_parse(priority, &ret->priority, NULL);
    ret->split = member_is(cJSON_True, member_get(object, "split"));
    ret->preempt = member_is(cJSON_True, member_get(object, "preempt"));
    member_text(object, "source_node", ret->source_node, sizeof(ret->source_node));
    member_text(object, "prefer_node", ret->prefer_node, sizeof(ret->prefer_node));
    member_text(object, "owner", ret->owner, sizeof(ret->owner));
    member_text(object, "host", ret->host, sizeof(ret->host));
    member_text(object, "reason", ret->reason, sizeof(ret->reason));
    member_text(object, "request_id", ret->request_id, sizeof(ret->request_id));
    member_text(object, "requested", ret->requested, sizeof(ret->requested));
}

static int read_ticket(const cJSON *object, struct grid_ticket *ret, struct grid_error *err)
{
    *ret = (struct grid_ticket){0};
    int rc = read_name(object, "ticket_id", ret->ticket_id, sizeof(ret->ticket_id), err);
    rc = rc ?: read_name(object, "target_node", ret->target_node, sizeof(ret->target_node), err);
    rc = rc ?: read_needs(object, ret, err);
    rc = rc ?: read_time(object, "queued_at", &ret->queued_us, err);
    rc = rc ?: read_time(object, "expires_at", &ret->expires_us, err);
    rc = rc ?: member_seconds(object, "lease", &ret->lease_us, err);
    rc = rc ?: member_seconds(object, "duration", &ret->duration_us, err);
    if (rc == 0 && ret->duration_us == 0)
        rc = grid_error_set(err, GRID_ECORRUPT, "'duration' is none");
    read_rest(object, ret);
    return rc;
}

int ticket_record_read(struct span text, struct grid_ticket *ret, struct grid_error *err)
{
    cJSON *object = NULL;
    int rc = member_parse(text, &object, err);
    if (rc < 0)
        return rc;
    rc = read_ticket(object, ret, err);
    cJSON_Delete(object);
    return rc;
}

/* --- printing --------------------------------------------------------------------------------- */

static void print_needs(struct json *json, const char *key, const void *record)
{
    const struct grid_ticket *ticket = record;
    json_key(json, key);
    json_open(json, '{');
    for (size_t i = 0; i < ticket->need_count; i++) {
        const struct grid_need *need = &ticket->needs[i];
        json_put_float(json, need->resource, grid_amount_number(need->resource, need->amount_u));
    }
    json_close(json, '}');
}

static void print_priority(struct json *json, const char *key, const void *field)
{
    const enum grid_priority *priority = field;
    if (*priority != GRID_NORMAL)
        member_print_text(json, key, grid_priority_name(*priority));
}

static void print_mark(struct json *json, const char *key, const void *mark)
{
    if (*(const bool *)mark)
        json_put_bool(json, key, true);
}

#define AT(field) offsetof(struct grid_ticket, field)
static const struct member ticket_members[] = {
    {"ticket_id", AT(ticket_id), member_text_of},
    {"target_node", AT(target_node), member_text_of},
    {"needs", 0, print_needs},
    {"priority", AT(priority), print_priority},
    {"duration", AT(duration_us), member_seconds_of},
    {"lease", AT(lease_us), member_some_seconds_of},
    {"source_node", AT(source_node), member_text_of},
    {"prefer_node", AT(prefer_node), member_text_of},
    {"split", AT(split), print_mark},
    {"preempt", AT(preempt), print_mark},
    {"owner", AT(owner), member_text_of},
    {"host", AT(host), member_text_of},
    {"reason", AT(reason), member_text_of},
    {"request_id", AT(request_id), member_text_of},
    {"requested", AT(requested), member_text_of},
    {"queued_at", AT(queued_us), member_time_of},
    {"expires_at", AT(expires_us), member_time_of},
};
#undef AT

void ticket_record_members(struct json *json, const struct grid_ticket *ticket)
{
    member_print_all(json, ticket, ticket_members, countof(ticket_members));
}

void ticket_record_write(struct json *json, struct span old, const struct grid_ticket *ticket)
{
    struct grid_ticket was;
    int rc = old.length ? ticket_record_read(old, &was, NULL) : 0;
    member_write(json, rc, old, &was, ticket, ticket_members, countof(ticket_members));
}
