/* The fast reader of records must read what the tolerant one reads, or leave it to that one. */
#include "support/same.h"
#include "unit/records.h"

#include <time.h>

static uint64_t random_state;

static size_t random_below(size_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % bound);
}

#define EMPTY_OURS                                     \
    ",\n      \"owner\": \"\",\n      \"starts_at\": " \
    "\"2026-01-23T20:00:23.954754+00:00\""

/* Values near the edges of what the fast path takes, put in place of any value. */
static const char *const edges[] = {
    "0.1",
    "1e3",
    "1E3",
    "999999999999999",
    "9999999999999999",
    "0.0000005",
    "0.00000049999999",
    "1000000000.000000",
    "1000000000.000001",
    "4194304.0",
    "00.5",
    "5.",
    ".5",
    "-2.0",
    "0",
    "0.0",
    "0.123456789012345",
    "123456.7890125",
    "2.0000005",
    "null",
    "true",
    "false",
    "\"\"",
    "\"low\"",
    "\"LOW\"",
    "\"normal\"",
    "\"urgent\"",
    "\"cpu\"",
    "\"GPU\"",
    "\"MEMORY\"",
    "\"X_1-\"",
    "\"_\"",
    "\"ResourceType.GPU\"",
    "\"CPU.\"",
    "\"\\u0041\"",
    "\"\xc3\xa9\"",
    "\"a\x7f\"",
    "12",
    "012",
    "1.0",
    "999999999999999999",
    "1000000000000000000",
    "\"" FIFTY FIFTY FIFTY FIFTY FIFTY "01234\"",
    "\"" FIFTY FIFTY FIFTY FIFTY FIFTY "012345\"",
    "\"" FIFTY FIFTY FIFTY FIFTY FIFTY "0123456\"",
    "\"" FIFTY FIFTY TEN TEN "0123456\"",
    "\"" FIFTY FIFTY TEN TEN "01234567\"",
    "\"ABCDEFGHIJABCDEFGHIJABCDEFGHIJAB\"",
    "\"ABCDEFGHIJABCDEFGHIJABCDEFGHIJABC\"",
    "\"2024-02-29T23:59:59.999999+00:00\"",
    "\"2023-02-29T00:00:00.000000+00:00\"",
    "\"2100-02-29T00:00:00.000000+00:00\"",
    "\"2000-02-29T00:00:00.000000+00:00\"",
    "\"2000-03-01T00:00:00.000000+00:00\"",
    "\"1970-01-01T00:00:00.000000+00:00\"",
    "\"1969-12-31T23:59:59.999999+00:00\"",
    "\"9999-12-31T23:59:59.999999+00:00\"",
    "\"0000-01-01T00:00:00.000000+00:00\"",
    "\"2026-04-31T00:00:00.000000+00:00\"",
    "\"2026-12-31T24:00:00.000000+00:00\"",
    "\"2026-12-31T23:59:60.000000+00:00\"",
    "\"2026-12-31T23:60:00.000000+00:00\"",
    "\"2026-12-31t23:00:00.000000+00:00\"",
    "\"2026-12-31T23:00:00.000000+01:00\"",
    "\"2026-12-31T23:00:00.0000000+00:00\"",
};

static void replace(struct buffer *text, size_t at, size_t length, const char *by)
{
    grid_auto_free char *tail = strdup(buffer_string(text) + at + length);
    text->length = at;
    buffer_text(text, by);
    buffer_text(text, tail);
}

static void mutate(struct buffer *text)
{
    static const char bytes[] =
        "0123456789012345678901234567890123456789.-+eE\"\\,:{}[] \nTZtfn\x01\xc3";
    const char *string = buffer_string(text);
    size_t at = random_below(text->length), kind = random_below(4);
    if (kind == 0) {
        const char *value = strstr(string + at, "\": ");
        if (value)
            replace(text, (size_t)(value + 3 - string), strcspn(value + 3, ",\n"),
                    edges[random_below(countof(edges))]);
    } else if (kind == 1) {
        const char *digit = strpbrk(string + at, "0123456789");
        if (digit)
            text->data[digit - string] = bytes[random_below(10)];
    } else {
        char byte[2] = {bytes[random_below(sizeof(bytes) - 1)], '\0'};
        replace(text, at, random_below(2), kind == 2 ? byte : "");
    }
}

Test(record_scan, the_fast_reader_agrees_with_the_tolerant_one)
{
    static const char *const seeds[] = {NINE CLOSE, NINE OURS CLOSE, NINE EMPTY_OURS CLOSE};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    size_t accepted = 0;
    random_state = seed | 1;
    for (int round = 0; round < 60000; round++) {
        grid_auto_buffer struct buffer text = BUFFER_INIT;
        buffer_text(&text, seeds[random_below(countof(seeds))]);
        for (size_t changes = random_below(3) + (round > 0); changes > 0; changes--)
            mutate(&text);
        grid_auto_free char *copy = malloc(text.length); /* so that reading beyond it is seen */
        memcpy(copy, text.data, text.length);
        struct grid_boost fast, slow;
        struct grid_error err = {0};
        const char *end = record_scan(copy, copy + text.length, &fast);
        if (!end)
            continue;
        accepted++;
        size_t length = (size_t)(end - copy);
        int rc = record_parse((struct span){copy, length}, &slow, NULL, &err);
        cr_assert_eq(rc, 0, "seed %ju: %s: %.*s", (uintmax_t)seed, err.message, (int)length, copy);
        const char *differs = boost_difference(&fast, &slow);
        cr_assert_null(differs, "seed %ju: %s: %.*s", (uintmax_t)seed, differs, (int)length, copy);
    }
    cr_expect_gt(accepted, 5000, "seed %ju: only %zu", (uintmax_t)seed, accepted);
}

Test(record_scan, what_we_write_is_read_fast)
{
    struct grid_boost boost = plain_boost(), fast;
    static const char *const nodes[] = {"a", "gpu-1.cluster", "any", "with space ~!"};
    for (size_t i = 0; i < countof(nodes); i++) {
        text_copy(boost.source_node, sizeof(boost.source_node), nodes[i]);
        boost.amount_u = (int64_t)(i * i * 123457 + 100);
        boost.priority = (enum grid_priority)i;
        boost.token = (int64_t)i;
        boost.starts_us += (int64_t)i;
        boost.is_active = i % 2;
        boost.expires_us = i == 2 ? GRID_NEVER : boost.expires_us;
        boost.renews_until_us = i < 2 ? (int64_t)i * boost.expires_us : GRID_NEVER;
        boost.started = i % 2;
        boost.warned = i == 2;
        boost.unclaimed = i == 1;
        text_copy(boost.preempted_by, sizeof(boost.preempted_by), i == 3 ? ID : "");
        text_copy(boost.ray_placement_group, sizeof(boost.ray_placement_group), i == 1 ? "pg" : "");
        grid_auto_buffer struct buffer text = written(&boost, 2);
        size_t length = text.length;
        buffer_text(&text, ",\n    {");
        cr_assert_eq(record_scan(text.data, text.data + text.length, &fast), text.data + length,
                     "%s", text.data);
        const char *differs = boost_difference(&fast, &boost);
        cr_expect_null(differs, "%s: %s", differs, text.data);
        for (size_t cut = 0; cut < length; cut++)
            cr_expect_null(record_scan(text.data, text.data + cut, &fast));
    }
}
