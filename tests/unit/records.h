/* Records in our own layout, for the tests of record*.c. */
#ifndef UNIT_RECORDS_H
#define UNIT_RECORDS_H

#include "model/record.h"

#include <criterion/criterion.h>
#include <string.h>

#define ID "515744a0-b524-4565-af67-9be9d3367a2c"
#define NINE                                                                                  \
    "{\n      \"boost_id\": \"" ID "\",\n      \"source_node\": \"gpu1\",\n"                  \
    "      \"target_node\": \"gpu-master\",\n      \"resource_type\": \"CPU\",\n"             \
    "      \"amount\": 2.0,\n      \"allocated_at\": \"2026-01-23T20:00:23.954754+00:00\",\n" \
    "      \"expires_at\": \"2026-01-23T21:00:23.954759+00:00\",\n"                           \
    "      \"ray_placement_group\": null,\n      \"is_active\": true"
#define OURS                                                                                      \
    ",\n      \"priority\": \"high\",\n      \"owner\": \"ollie\",\n      \"host\": \"gpu1\",\n"  \
    "      \"reason\": \"a \\\"b\\\"\",\n      \"token\": 12,\n      \"group_id\": \"" ID "\",\n" \
    "      \"request_id\": \"r-1\",\n      \"requested\": \"cpu 2\",\n"                           \
    "      \"starts_at\": \"2026-01-23T20:30:00.000000+00:00\",\n"                              \
    "      \"renews_until\": \"2026-01-23T23:00:00.000000+00:00\",\n"                           \
    "      \"started\": true,\n      \"warned\": true,\n"      \
    "      \"unclaimed\": true,\n      \"preempted_by\": \"" ID "\""
#define CLOSE "\n    }"

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

static inline struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static inline struct grid_boost plain_boost(void)
{
    struct grid_boost boost;
    cr_assert_eq(record_read(span_of(NINE CLOSE), &boost, NULL, NULL), 0);
    return boost;
}

/* The boost as record_write prints it; the caller releases. */
static inline struct buffer written(const struct grid_boost *boost, int indent)
{
    struct buffer out = BUFFER_INIT;
    struct json json = json_begin(&out, indent);
    record_write(&json, boost);
    buffer_string(&out);
    return out;
}

#endif
