/* The boost: its state at an instant, the words for it, names of nodes, filters. */
#include "grid/boost.h"

#include "util/text.h"

#include <string.h>

bool grid_boost_counts(const struct grid_boost *boost)
{
    return strcmp(boost->source_node, GRID_ANY_NODE) != 0;
}

bool grid_boost_starts_later(const struct grid_boost *boost, int64_t now_us)
{
    return now_us < boost->starts_us && boost->starts_us != boost->allocated_us && !boost->started;
}

int64_t grid_boost_until(const struct grid_boost *boost)
{
    return boost->renews_until_us > boost->expires_us ? boost->renews_until_us
                                                      : boost->expires_us;
}

enum grid_boost_state grid_boost_ending(const struct grid_boost *boost)
{
    return boost->preempted_by[0] ? GRID_PREEMPTED : GRID_EXPIRED;
}

enum grid_boost_state grid_boost_state(const struct grid_boost *boost, int64_t now_us)
{
    if (boost->ended >= GRID_RELEASED)
        return boost->ended;
    if (!boost->is_active)
        return GRID_RELEASED;
    if (now_us >= boost->expires_us)
        return grid_boost_ending(boost);
    return grid_boost_starts_later(boost, now_us) ? GRID_SCHEDULED : GRID_ACTIVE;
}

const char *grid_boost_state_name(enum grid_boost_state state)
{
    static const char *const names[] = {
        [GRID_ACTIVE] = "active",   [GRID_SCHEDULED] = "scheduled", [GRID_RELEASED] = "released",
        [GRID_EXPIRED] = "expired", [GRID_PREEMPTED] = "preempted",
    };
    return (size_t)state < countof(names) ? names[state] : "unknown";
}

static const char *const priorities[] = {
    [GRID_LOW] = "low",
    [GRID_NORMAL] = "normal",
    [GRID_HIGH] = "high",
    [GRID_CRITICAL] = "critical",
};

const char *grid_priority_name(enum grid_priority priority)
{
    return (size_t)priority < countof(priorities) ? priorities[priority] : "unknown";
}

const char *grid_priority_next(void *context, size_t index)
{
    (void)context;
    return index < countof(priorities) ? priorities[index] : NULL;
}

int grid_priority_parse(const char *text, enum grid_priority *ret, struct grid_error *err)
{
    size_t index;
    int rc = text_choice("priority", text, grid_priority_next, NULL, &index, err);
    if (rc == 0)
        *ret = (enum grid_priority)index;
    return rc;
}

/* What a node name must not hold, or NULL. `*ret_count`: its characters. */
static const char *fault_of(const char *name, size_t *ret_count)
{
    size_t step;
    *ret_count = 0;
    for (const char *at = name, *end = name + strlen(name); at < end; at += step) {
        int32_t code = text_utf8(at, end, &step);
        if (code < 0)
            return "is not UTF-8";
        if (code < 0x20 || (code >= 0x7f && code < 0xa0))
            return "holds a control character";
        if (code == '/' || code == ',' || code == '=')
            return "holds '/', ',' or '='";
        ++*ret_count;
    }
    return NULL;
}

int grid_node_name_check(const char *name, struct grid_error *err)
{
    size_t count;
    const char *fault = fault_of(name, &count);
    if (!fault && count == 0)
        fault = "is empty";
    else if (!fault && count > GRID_NODE_CHARACTERS)
        fault = "is longer than 63 characters";
    else if (!fault && name[0] == '-')
        fault = "begins with '-'";
    else if (!fault && strcmp(name, GRID_ANY_NODE) == 0)
        fault = "stands for whichever node lends, no node can have it";
    if (!fault)
        return 0;
    return grid_error_set(err, GRID_EUSAGE, "node name '%s' %s", text_shown(name), fault);
}

static bool ends_in_time(const struct grid_boost *boost, const struct grid_boost_filter *filter)
{
    int64_t end_us = filter->for_good ? grid_boost_until(boost) : boost->expires_us;
    return filter->ends_before_us == 0 || !boost->is_active || end_us < filter->ends_before_us;
}

bool grid_boost_matches(const struct grid_boost *boost, const struct grid_boost_filter *filter)
{
    return text_is(boost->boost_id, filter->boost_id)
           && text_begins(boost->boost_id, filter->id_prefix)
           && text_is(boost->source_node, filter->source_node)
           && text_is(boost->target_node, filter->target_node)
           && text_is(boost->resource_type, filter->resource_type)
           && text_is(boost->owner, filter->owner)
           && text_is(boost->request_id, filter->request_id)
           && text_is(boost->group_id, filter->group_id)
           && ends_in_time(boost, filter)
           && (filter->starts_before_us == 0
               || (grid_boost_starts_later(boost, INT64_MIN)
                   && boost->starts_us < filter->starts_before_us))
           && (!filter->has_priority || boost->priority == filter->priority);
}
