/* Reading records: the samples, and every member with all that files are known to hold. */
#include "unit/records.h"
#include "util/file.h"

#include <fcntl.h>
#include <stdio.h>

/* --- the samples ----------------------------------------------------------------------------- */

/* Each record in short: resource, amount, when it ends; or !reason. */
static const struct {
    const char *file, *records;
} samples[] = {
    {"01_doc_example", "CPU 2.0 2026-01-23T21:00;"},
    {"02_single_cpu_active", "CPU 2.0 2099-01-01T00:00;"},
    {"03_three_types_pg_and_never",
     "CPU 2.0 2099-01-01T00:00;GPU 1.0 2099-01-01T00:00;MEMORY 8.0 never;"},
    {"04_zero_microseconds", "CPU 2.0 2099-01-01T00:00;CPU 2.0 2099-01-01T00:00;"},
    {"06_other_offsets", "CPU 2.0 2099-01-01T00:00;CPU 2.0 2026-01-24T04:30;"},
    {"08_minimal_record", "!'source_node' is missing;"},
    {"10_unknown_resource_types",
     "TPU 2.0 2099-01-01T00:00;CPU 2.0 2099-01-01T00:00;CUSTOM 2.0 2099-01-01T00:00;"
     "GPU 2.0 2099-01-01T00:00;MEMORY 2.0 2099-01-01T00:00;!'resource_type' is no text;"
     "!'resource_type' is no text;"},
    {"11_unknown_extra_fields", "CPU 2.0 2099-01-01T00:00;GPU 1.0 2099-01-01T00:00;"},
    {"12_empty_list", ""},
    {"13_unicode_names", "CPU 2.0 2099-01-01T00:00;"},
    {"15_odd_amounts",
     "!amount is not over 0;!amount is not over 0;!not JSON: no value at byte 170;"
     "!not JSON: no value at byte 170;!'amount' is no number;CPU 2.0 2099-01-01T00:00;"
     "CPU 0.1 2099-01-01T00:00;!amount is over the limit of 1000000000;"
     "!'amount' is no number;"},
    {"22_utf8_bom", "CPU 2.0 2099-01-01T00:00;GPU 1.0 2099-01-01T00:00;"},
    {"32_string_escapes_and_controls", "CPU 2.0 2099-01-01T00:00;GPU 1.0 2099-01-01T00:00;"},
    {"33_is_active_odd", "!'is_active' is neither true nor false;GPU 1.0 2099-01-01T00:00;"},
};

static void describe(struct buffer *out, struct span record)
{
    struct grid_boost boost;
    struct grid_error err = {0};
    char amount[GRID_AMOUNT_SIZE], end[GRID_TIME_SIZE];
    int rc = record_read(record, &boost, NULL, &err);
    cr_expect(rc == 0 || rc == GRID_ECORRUPT);
    if (rc < 0)
        buffer_format(out, "!%s;", err.message);
    else
        buffer_format(out, "%s %s %.16s;", boost.resource_type,
                      grid_amount_format(boost.resource_type, boost.amount_u, amount),
                      grid_time_format(boost.expires_us, end));
}

Test(record, reads_the_samples)
{
    for (size_t i = 0; i < countof(samples); i++) {
        grid_auto_buffer struct buffer seen = BUFFER_INIT;
        grid_auto_free char *text = NULL;
        char path[128];
        size_t length;
        snprintf(path, sizeof(path), "tests/samples/boosts/%s.json", samples[i].file);
        cr_assert_eq(file_read(AT_FDCWD, path, &text, &length, NULL, NULL), 0, "%s", path);
        const char *at = strchr(text, '[') + 1, *end = text + length;
        while (*(at = json_space(at, end)) == '{') {
            const char *stop = json_balanced(at, end, JSON_DEPTH_MAX);
            describe(&seen, (struct span){at, (size_t)(stop - at)});
            at = stop + (*stop == ',');
        }
        cr_expect_str_eq(buffer_string(&seen), samples[i].records, "%s: %s", path,
                         buffer_string(&seen));
    }
}

/* --- the record's members, one after the other ------------------------------------------------ */

#define E_ACUTE "\xc3\xa9"

static const char *const sound[][2] = {
    {"boost_id", "\"" ID "\""},
    {"source_node", "\"gpu1\""},
    {"target_node", "\"gpu-master\""},
    {"resource_type", "\"CPU\""},
    {"amount", "2.0"},
    {"allocated_at", "\"2026-01-23T20:00:23.954754+00:00\""},
    {"expires_at", "\"2026-01-23T21:00:23.954759+00:00\""},
    {"ray_placement_group", "null"},
    {"is_active", "true"},
};

/* A sound record with one member set, or dropped (NULL), or added. */
static struct buffer record_with(const char *key, const char *value)
{
    struct buffer out = BUFFER_INIT;
    bool found = false;
    buffer_text(&out, "{ \"_\": [{}]");
    for (size_t i = 0; i < countof(sound); i++) {
        bool here = strcmp(sound[i][0], key) == 0;
        found |= here;
        if (!here || value)
            buffer_format(&out, ", \"%s\": %s", sound[i][0], here ? value : sound[i][1]);
    }
    if (!found)
        buffer_format(&out, ", \"%s\": %s", key, value);
    buffer_text(&out, " }");
    buffer_string(&out);
    return out;
}

/* `means`: the member as it is written afterwards; NULL: as it was given; "": not at all; !why. */
static const struct {
    const char *key, *value, *means;
} members[] = {
    {"boost_id", NULL, "!'boost_id' is missing"},
    {"boost_id", "null", "!'boost_id' is no text"},
    {"boost_id", "7", "!'boost_id' is no text"},
    {"boost_id", "\"\"", "!'boost_id' is empty"},
    {"boost_id", "\"a\\u0000\"", "!'boost_id' holds what no text can"},
    {"boost_id", "\"\\ud800\"", "!'boost_id' holds what no text can"},
    {"boost_id", "\"" FIFTY FIFTY TEN TEN "0123456\"", NULL},
    {"boost_id", "\"" FIFTY FIFTY TEN TEN "01234567\"", "!'boost_id' is too long"},
    {"boost_id", "\"" FIFTY FIFTY TEN TEN "01234\\u00e9\"", NULL},
    {"boost_id", "\"" FIFTY FIFTY TEN TEN "012345\\u00e9\"", "!'boost_id' is too long"},
    {"source_node", "\"n\\u0153ud\\ud83d\\ude80\\u001b\\\"\"", NULL},
    {"source_node", "\"n" E_ACUTE "\"", "\"n\\u00e9\""},
    {"source_node", "\"\"", "!'source_node' is empty"},
    {"target_node", NULL, "!'target_node' is missing"},
    {"resource_type", "\"memory\"", "\"MEMORY\""},
    {"resource_type", "\"ResourceType.GPU\"", "\"GPU\""},
    {"resource_type", "\"a b\"", "!resource 'a b' is not a name"},
    {"resource_type", "\"" FIFTY TEN TEN "\"", "!'resource_type' is too long"},
    {"amount", NULL, "!'amount' is missing"},
    {"amount", "\"2\"", "!'amount' is no number"},
    {"amount", "true", "!'amount' is no number"},
    {"amount", "2", "2.0"},
    {"amount", "5e-1", "0.5"},
    {"amount", "0.1234564999", "0.123456"},
    {"amount", "0.000000000000000000000000000000000000000000000000000000000000000000005e69", "5.0"},
    {"amount", "-0.0", "!amount is not over 0"},
    {"amount", "1e999", "!amount is not finite"},
    {"allocated_at", NULL, "!'allocated_at' is missing"},
    {"allocated_at", "null", "!'allocated_at' is no time"},
    {"allocated_at", "\"2026-01-23 21:00:23+01:00\"", "\"2026-01-23T20:00:23.000000+00:00\""},
    {"allocated_at", "\"2026-01-23T20\\u003a00:23Z\"", "\"2026-01-23T20:00:23.000000+00:00\""},
    {"allocated_at", "\"2026-02-30T20:00:23Z\"", "!'allocated_at' is no time"},
    {"allocated_at", "\"" FIFTY FIFTY "\"", "!'allocated_at' is no time"},
    {"expires_at", NULL, "null"},
    {"expires_at", "null", NULL},
    {"expires_at", "3", "!'expires_at' is no time"},
    {"expires_at", "\"2026-01-23T10:00:00.000000+00:00\"", NULL},
    {"ray_placement_group", NULL, "null"},
    {"ray_placement_group", "\"pg\"", NULL},
    {"ray_placement_group", "{\"a\": 1}", "null"},
    {"is_active", NULL, "true"},
    {"is_active", "false", NULL},
    {"is_active", "null", "!'is_active' is neither true nor false"},
    {"is_active", "1", "!'is_active' is neither true nor false"},
    {"priority", "\"high\"", NULL},
    {"priority", "\"HIGH\"", "\"high\""},
    {"priority", "\"normal\"", ""},
    {"priority", "\"urgent, and longer than any of ours\"", ""},
    {"priority", "5", ""},
    {"owner", "\"ollie\"", NULL},
    {"owner", "null", ""},
    {"owner", "[]", ""},
    {"owner", "\"" FIFTY TEN TEN "012345678" E_ACUTE "\"", "\"" FIFTY TEN TEN "012345678\""},
    {"owner", "\"" FIFTY TEN TEN "01234567\\u00e9\"", "\"" FIFTY TEN TEN "01234567\""},
    {"owner", "\"" FIFTY TEN TEN "0123456\\u00e9\"", NULL},
    {"host", "\"gpu-master\"", NULL},
    {"reason", "\"\\ud800\"", ""},
    {"reason", "\"two\\nlines\"", NULL},
    {"token", "12", NULL},
    {"token", "0", ""},
    {"token", "1.0", ""},
    {"token", "\"12\"", ""},
    {"group_id", "\"g\"", NULL},
    {"request_id", "\"r\"", NULL},
    {"requested", "\"cpu 2\"", NULL},
    {"starts_at", "\"2026-01-23T20:30:00.000000+00:00\"", NULL},
    {"starts_at", "\"2026-01-23T20:00:23.954754+00:00\"", ""},
    {"starts_at", "\"2026-01-23T21:00:23.954758+00:00\"", NULL},
    {"starts_at", "\"2026-01-23T21:00:23.954759+00:00\"",
     "!'starts_at' is not before 'expires_at'"},
    {"starts_at", "\"2030-01-23T20:00:00Z\"", "!'starts_at' is not before 'expires_at'"},
    {"starts_at", "null", "!'starts_at' is no time"},
    {"starts_at", "\"soon\"", "!'starts_at' is no time"},
    {"renews_until", "\"2026-01-23T23:00:00.000000+00:00\"", NULL},
    {"renews_until", "\"2026-01-24 00:00:00+01:00\"", "\"2026-01-23T23:00:00.000000+00:00\""},
    {"renews_until", "null", NULL}, /* without end */
    {"renews_until", "0", "!'renews_until' is no time"},
    {"started", "true", NULL},
    {"started", "false", ""},
    {"started", "1", ""},
    {"warned", "true", NULL},
    {"warned", "null", ""},
    {"preempted_by", "\"" ID "\"", NULL},
    {"preempted_by", "null", ""},
    {"own\\u0065r", "\"ollie\"", ""}, /* read as owner, see the test of escaped keys */
    {"unknown", "NaN", "!not JSON: no value at byte 317"},
    {"_", "1", "!'_' comes twice"},
    {"boost\\u005fid", "\"x\"", "!'boost_id' comes twice"},
    {"owner\\u0000", "\"x\"", ""},
    {"Boost_Id", "7", ""},
};

Test(record, members_are_read_with_every_tolerance)
{
    for (size_t i = 0; i < countof(members); i++) {
        const char *key = members[i].key, *means = members[i].means;
        grid_auto_buffer struct buffer text = record_with(key, members[i].value);
        grid_auto_buffer struct buffer member = BUFFER_INIT, again = BUFFER_INIT;
        struct grid_boost boost;
        struct grid_error err = {0};
        int rc = record_read((struct span){text.data, text.length}, &boost, NULL, &err);
        if (means && *means == '!') {
            cr_expect_eq(rc, GRID_ECORRUPT, "%s", text.data);
            cr_expect_str_eq(err.message, means + 1);
            continue;
        }
        cr_assert_eq(rc, 0, "%s: %s", text.data, err.message);
        again = written(&boost, -1);
        buffer_format(&member, "\"%s\":%s", key, means ? means : members[i].value);
        cr_expect_eq(strstr(again.data, buffer_string(&member)) != NULL, !means || *means, "%s: %s",
                     text.data, again.data);
    }
}

Test(record, escaped_keys_are_the_keys_that_they_spell)
{
    grid_auto_buffer struct buffer text = record_with("own\\u0065r", "\"ollie\"");
    struct grid_boost boost;
    cr_assert_eq(record_read((struct span){text.data, text.length}, &boost, NULL, NULL), 0);
    cr_expect_str_eq(boost.owner, "ollie");
}

/* The fast way refuses it, too; an event may tell of one as it was. */
Test(record, a_reservation_that_ends_before_it_starts)
{
#define STARTS ",\n      \"starts_at\": \"2026-01-24T20:30:00.000000+00:00\"" CLOSE
    struct grid_boost boost;
    struct grid_event event;
    cr_expect_eq(record_read(span_of(NINE STARTS), &boost, NULL, NULL), GRID_ECORRUPT);
    cr_expect_eq(record_event_read(span_of("{\"revision\":1,\"at\":\"2026-01-23T20:00:00Z\","
                                           "\"event\":\"released\",\"boost_id\":\"b\","
                                           "\"actor\":\"a\",\"reason\":null,\"boost\":" NINE
                                           STARTS "}"), &event, NULL), 0);
}

Test(record, texts_that_are_no_object_are_unsound)
{
    static const char *const texts[] = {"",  "1",   "[]",         "\"x\"",        "{}x",
                                        "{", "{} ", "{\"a\":1,}", NINE CLOSE " ", NINE CLOSE "}"};
    for (size_t i = 0; i < countof(texts); i++) {
        struct grid_boost boost;
        struct grid_error err = {0};
        cr_expect_eq(record_read(span_of(texts[i]), &boost, NULL, &err), GRID_ECORRUPT);
        cr_expect_neq(err.message[0], '\0');
    }
}

Test(record, a_time_without_a_zone_is_noted)
{
    grid_auto_buffer struct buffer text = record_with("expires_at", "\"2026-01-23T21:00:00\"");
    struct grid_boost boost;
    bool naive;
    cr_assert_eq(record_read((struct span){text.data, text.length}, &boost, &naive, NULL), 0);
    cr_expect(naive);
}
