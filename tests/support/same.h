/* Do two boosts say the same? */
#ifndef TESTS_SUPPORT_SAME_H
#define TESTS_SUPPORT_SAME_H

#include "grid/boost.h"

#include <string.h>

/* The first field that differs, or NULL. */
static inline const char *boost_difference(const struct grid_boost *a, const struct grid_boost *b)
{
#define NUMBER(field)         \
    if (a->field != b->field) \
        return #field;
#define WORDS(field)                     \
    if (strcmp(a->field, b->field) != 0) \
        return #field;
    NUMBER(amount_u)
    NUMBER(allocated_us)
    NUMBER(starts_us)
    NUMBER(expires_us)
    NUMBER(ended_us)
    NUMBER(renews_until_us)
    NUMBER(devices)
    NUMBER(token)
    NUMBER(priority)
    NUMBER(ended)
    NUMBER(is_active)
    NUMBER(started)
    NUMBER(warned)
    NUMBER(unclaimed)
    WORDS(boost_id)
    WORDS(source_node)
    WORDS(target_node)
    WORDS(resource_type)
    WORDS(ray_placement_group)
    WORDS(owner)
    WORDS(host)
    WORDS(reason)
    WORDS(group_id)
    WORDS(request_id)
    WORDS(requested)
    WORDS(preempted_by)
#undef NUMBER
#undef WORDS
    return NULL;
}

#endif
