/* Nodes and the policy: their JSON there and back, and what may be lent. */
#include "model/node_record.h"
#include "model/ticket_record.h"
#include "unit/records.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NODE                                                                                      \
    "{\"node_id\":\"a\",\"capacity\":{\"CPU\":8.0},\"keep\":{\"CPU\":2.0},\"lend\":{\"CPU\":5.0}," \
    "\"borrow\":{\"CPU\":0.0},\"can_share\":true,\"tags\":[\"t\"],\"labels\":{\"k\":\"v\"},"      \
    "\"hold\":{\"until\":null,\"reason\":\"r\"},"                                                 \
    "\"first_seen\":\"2026-01-23T20:00:23.954754+00:00\","                                        \
    "\"last_seen\":\"2026-01-23T20:00:23.954754+00:00\",\"stale_after\":60.0,\"x\":[1, 2]}"

/* The order is that of all lists, whatever they were set in; what is removed leaves no trace. */
Test(node, amounts_have_one_order)
{
    static const char *const words[] = {"TPU", "MEMORY", "ACCEL", "GPU", "CPU"};
    static const char *const order[] = {"CPU", "GPU", "MEMORY", "ACCEL", "TPU"};
    struct grid_amounts amounts = {0}, again = {0};
    for (size_t i = 0; i < countof(words); i++)
        cr_assert_eq(grid_amounts_set(&amounts, words[i], (int64_t)i, NULL), 0);
    cr_assert_eq(amounts.count, countof(order));
    for (size_t i = 0; i < countof(order); i++) {
        cr_expect_str_eq(amounts.at[i].resource, order[i]);
        cr_expect_str_eq(order[i], words[amounts.at[i].amount_u], "%s has another's", order[i]);
        cr_assert_eq(grid_amounts_set(&again, order[i], amounts.at[i].amount_u, NULL), 0);
    }
    cr_expect_arr_eq(&amounts, &again, sizeof(amounts));
    cr_assert_eq(grid_amounts_set(&amounts, "GPU", -1, NULL), 0);
    cr_assert_eq(grid_amounts_set(&amounts, "GPU", 3, NULL), 0);
    cr_expect_arr_eq(&amounts, &again, sizeof(amounts));
    for (int i = 0; amounts.count < GRID_NODE_RESOURCES; i++)
        grid_amounts_set(&amounts, (char[]){'A', (char)('A' + i), '\0'}, 1, NULL);
    cr_expect_eq(grid_amounts_set(&amounts, "Z", 1, NULL), GRID_EUSAGE);
    cr_expect_eq(grid_amounts_set(&amounts, "Z", -1, NULL), 0);
}

/* What `policy show` prints is what `policy set` takes, to the byte. */
Test(node, exact_amounts_come_back)
{
    static const struct {
        const char *resource, *text, *shown;
    } cases[] = {
        {"MEMORY", "16GB", "16GB"},       {"MEMORY", "64", "64GiB"},
        {"MEMORY", "2048GiB", "2TiB"},    {"MEMORY", "0.5", "0.5GiB"},
        {"MEMORY", "0.001kB", "0.001kB"}, {"MEMORY", "4503599627370.495kB", NULL},
        {"MEMORY", "4096TiB", "4096TiB"}, {"MEMORY", "6871947.673kB", NULL},
        {"MEMORY", "1000MiB", "1000MiB"}, {"MEMORY", "0GiB", "0.0"},
        {"CPU", "0.000001", "1e-06"},     {"CPU", "999999999.999999", NULL},
        {"CPU", "0", "0.0"},              {"MEMORY", "1536GiB", "1.5TiB"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        char text[GRID_AMOUNT_SIZE];
        const char *resource = cases[i].resource;
        int64_t amount_u = -1, again_u = -2;
        cr_assert_eq(grid_amount_parse_limit(resource, cases[i].text, &amount_u, NULL), 0);
        grid_amount_exact(resource, amount_u, text);
        cr_expect(!cases[i].shown || strcmp(text, cases[i].shown) == 0, "%s: %s", cases[i].text,
                  text);
        cr_assert_eq(grid_amount_parse_limit(resource, text, &again_u, NULL), 0, "%s", text);
        cr_expect_eq(again_u, amount_u, "%s came back from %s", cases[i].text, text);
    }
}

Test(node, a_limit_may_be_0_and_not_less)
{
    static const struct {
        const char *text;
        int rc;
        const char *says;
    } cases[] = {{"0", 0, ""}, {"0.000", 0, ""}, {"0e5", 0, ""}, {"0MiB", 0, ""},
                 {"-1", GRID_EUSAGE, "amount '-1' is negative"},
                 {"-0", GRID_EUSAGE, "amount '-0' is negative"},
                 {"", GRID_EUSAGE, "amount '' is not a number"},
                 {"0x", GRID_EUSAGE, "amount '0x' has an unknown unit"}};
    for (size_t i = 0; i < countof(cases); i++) {
        struct grid_error err = {0};
        int64_t amount_u = -1;
        cr_expect_eq(grid_amount_parse_limit("MEMORY", cases[i].text, &amount_u, &err),
                     cases[i].rc, "%s", cases[i].text);
        cr_expect_str_eq(err.message, cases[i].says);
        cr_expect_eq(amount_u, cases[i].rc == 0 ? 0 : -1);
    }
}

Test(node, comes_back_as_it_was)
{
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct json json = json_begin(&out, -1);
    struct grid_node node;
    struct grid_error err = {0};
    cr_assert_eq(node_record_read(span_of(NODE), &node, &err), 0, "%s", err.message);
    node_record_write(&json, span_of(NODE), &node);
    const char *text = buffer_string(&out);
    cr_expect(strncmp(text, NODE, sizeof(NODE) - 8) == 0, "%s", text);
    cr_expect_not_null(strstr(text, "\"x\":[1"), "%s", text);
    cr_expect_eq(grid_node_lendable(&node, "CPU"), 5 * GRID_AMOUNT_UNIT);
    cr_expect_eq(grid_node_lendable(&node, "GPU"), 0);
    cr_expect(grid_node_is_held(&node, 0));
    cr_expect(!grid_node_is_stale(&node, node.last_seen_us + GRID_MINUTE));
    cr_expect(grid_node_is_stale(&node, node.last_seen_us + GRID_MINUTE + 1));
    node.can_share = false;
    cr_expect_eq(grid_node_lendable(&node, "CPU"), 0);
}

/* --- records by hand ------------------------------------------------------------------------ */

#define LONG FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY

/* One member, or more, behind the name; `why` it is not sound, NULL: it is. */
static const struct {
    const char *members, *why;
} by_hand[] = {
    {"\"role\":\"head\"", NULL},
    {"\"role\":7", NULL},
    {"\"address\":\"" LONG "\"", NULL},
    {"\"owner\":[\"a\"]", NULL},
    {"\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\"]", NULL},
    {"\"tags\":[\"" LONG "\",7,null]", NULL},
    {"\"tags\":{\"a\":\"b\"}", NULL},
    {"\"tags\":\"a\"", NULL},
    {"\"labels\":[\"a\",[\"b\"]]", NULL},
    {"\"labels\":{\"rack\":7,\"row\":\"b\"}", NULL},
    {"\"labels\":null", NULL},
    {"\"hold\":{\"until\":null,\"by\":\"alice\"}", NULL},
    {"\"hold\":{\"until\":\"soon\"}", NULL},
    {"\"hold\":null", NULL},
    {"\"can_share\":false,\"first_seen\":\"2026-01-23 20:00:23Z\"", NULL},
    {"\"capacity\":{\"cpu\":8,\"GPU\":0}", NULL},
    {"\"stale_after\":60", NULL},
    {"\"stale_after\":null", NULL},
    {"\"capa\\u0063ity\":{\"CPU\":4}", NULL},
    {"\"x\":1,\"y\":{\"z\":[1.50,true]}", NULL},
    {"\"can_share\":0", "'can_share' is neither true nor false"},
    {"\"can_share\":\"false\"", "'can_share' is neither true nor false"},
    {"\"can_share\":null", "'can_share' is neither true nor false"},
    {"\"stale_after\":\"10m\"", "'stale_after' is no duration"},
    {"\"stale_after\":-1", "'stale_after' is no duration"},
    {"\"stale_after\":1e999", "'stale_after' is no duration"},
    {"\"hold\":true", "'hold' is not an object"},
    {"\"hold\":\"2026-01-23T20:00:23Z\"", "'hold' is not an object"},
    {"\"keep\":[2]", "'keep' is not an object"},
    {"\"keep\":null", "'keep' is not an object"},
    {"\"lend\":{\"CPU\":\"2\"}", "'CPU' of 'lend' is no amount, or the second"},
    {"\"lend\":{\"CPU\":-1}", "'CPU' of 'lend' is no amount, or the second"},
    {"\"borrow\":{\"CPU\":1,\"cpu\":2}", "'cpu' of 'borrow' is no amount, or the second"},
    {"\"capacity\":{\"CPU\":1},\"capacity\":{\"CPU\":9}", "'capacity' comes twice"},
    {"\"can_share\":false,\"c\\u0061n_share\":true", "'can_share' comes twice"},
    {"\"x\":\"a\\u0000\"", "it holds what no text can"},
};

/* A heartbeat changes one member; every other keeps its text. */
Test(node, what_is_not_understood_is_kept_or_reported)
{
    for (size_t i = 0; i < countof(by_hand); i++) {
        char text[2048], means[2048];
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        struct json json = json_begin(&out, -1);
        struct grid_node node;
        struct grid_error err = {0};
        snprintf(text, sizeof(text), "{\"node_id\":\"a\",%s}", by_hand[i].members);
        int rc = node_record_read(span_of(text), &node, &err);
        cr_expect_str_eq(err.message, by_hand[i].why ? by_hand[i].why : "", "%s", text);
        cr_expect_eq(rc, by_hand[i].why ? GRID_ECORRUPT : 0, "%s", text);
        if (rc < 0)
            continue;
        node.last_seen_us = 1;
        node_record_write(&json, span_of(text), &node);
        snprintf(means, sizeof(means), "%.*s,\"last_seen\":\"1970-01-01T00:00:00.000001+00:00\"}",
                 (int)strlen(text) - 1, text);
        cr_expect_str_eq(buffer_string(&out), means);
    }
}

/* What did change is printed in its place, or taken out. */
Test(node, what_changed_is_printed_anew)
{
    static const char text[] = "{\"x\":1,\"node_id\":\"a\",\"hold\":{\"by\":\"b\"},\"tags\":[7],"
                               "\"capacity\":{\"cpu\":8},\"y\":2}";
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct json json = json_begin(&out, -1);
    struct grid_node node;
    cr_assert_eq(node_record_read(span_of(text), &node, NULL), 0);
    node.held = false;
    node.hold_until_us = 0;
    cr_assert_eq(grid_amounts_set(&node.capacity, "CPU", 2 * GRID_AMOUNT_UNIT, NULL), 0);
    text_copy(node.owner, sizeof(node.owner), "o");
    node_record_write(&json, span_of(text), &node);
    cr_expect_str_eq(buffer_string(&out), "{\"x\":1,\"node_id\":\"a\",\"tags\":[7],\"capacity\":"
                     "{\"CPU\":2.0},\"y\":2,\"owner\":\"o\"}");
}

Test(node, names_that_no_node_can_have)
{
    static const char *const names[] = {
        "\"any\"", "\"\"", "\"a,b\"", "\"-a\"", "\"a/b\"", "\"a\\nb\"", "\"a\\u0000\"", "7", "null",
        "\"" FIFTY FIFTY "\"", "\"" LONG "\"", "\"\\ud800\"", "[\"a\"]"};
    for (size_t i = 0; i < countof(names); i++) {
        char text[512];
        struct grid_node node;
        snprintf(text, sizeof(text), "{\"node_id\":%s,\"capacity\":{\"CPU\":1.0}}", names[i]);
        cr_expect_eq(node_record_read(span_of(text), &node, NULL), GRID_ECORRUPT, "%s", text);
    }
}

/* Every member with every kind of value: read or refused, and what is read comes back. */
Test(node, no_value_of_a_member_is_fatal)
{
    static const char *const keys[] = {
        "node_id", "address", "role", "capacity", "keep", "lend", "borrow", "can_share", "tags",
        "labels", "hold", "owner", "first_seen", "last_seen", "stale_after", "x"};
    static const char *const values[] = {
        "null", "true", "false", "0", "-1", "1e999", "-0.0", "\"\"", "\"a\"", "\"\\u00e9\"", "[]",
        "{}", "[1]", "[null,[],{}]", "[\"a\"]", "{\"a\":1}", "{\"a\":\"b\"}", "{\"a\":null}",
        "{\"a\":[{\"b\":{}}]}", "{\"\":\"\"}", "[[[[[[\"x\"]]]]]]", "{\"until\":7,\"reason\":{}}",
        "1" FIFTY FIFTY ".0", "\"" LONG "\"", "{\"" LONG "\":1}"};
    for (size_t i = 0; i < countof(keys) * countof(values); i++) {
        char text[1024], member[512];
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        struct json json = json_begin(&out, -1);
        struct grid_node node;
        const char *key = keys[i / countof(values)];
        snprintf(member, sizeof(member), "\"%s\":%s", key, values[i % countof(values)]);
        snprintf(text, sizeof(text), "{%s%s}", strcmp(key, "node_id") ? "\"node_id\":\"a\"," : "",
                 member);
        int rc = node_record_read(span_of(text), &node, NULL);
        cr_expect(rc == 0 || rc == GRID_ECORRUPT, "%s: %d", text, rc);
        if (rc == 0)
            node_record_write(&json, span_of(text), &node);
        cr_expect(rc < 0 || strcmp(buffer_string(&out), text) == 0, "%s: %s", text, out.data);
    }
}

/* An event is a level deeper than the list: what is read here can be written there. */
Test(node, nests_no_deeper_than_an_event_can)
{
    for (int depth = JSON_DEPTH_MAX - 5; depth < JSON_DEPTH_MAX; depth++) {
        char text[256];
        struct grid_node node;
        int length = snprintf(text, sizeof(text), "{\"node_id\":\"a\",\"x\":");
        memset(text + length, '[', (size_t)depth - 1);
        memset(text + length + depth - 1, ']', (size_t)depth - 1);
        strcpy(text + length + 2 * (depth - 1), "}");
        cr_expect_eq(node_record_read(span_of(text), &node, NULL),
                     depth <= JSON_DEPTH_MAX - 3 ? 0 : GRID_ECORRUPT, "%d", depth);
    }
}

Test(node, without_a_hold_is_as_after_resume)
{
    struct grid_node node;
    cr_assert_eq(node_record_read(span_of("{\"node_id\":\"a\"}"), &node, NULL), 0);
    cr_expect(!node.held && node.hold_until_us == 0);
    cr_assert_eq(node_record_read(span_of("{\"node_id\":\"a\",\"hold\":{}}"), &node, NULL), 0);
    cr_expect(node.held && node.hold_until_us == GRID_NEVER);
}

/* --- the policy ----------------------------------------------------------------------------- */

/* `means`: what it is after `enabled` was set to false; !why it is not sound. */
static const struct {
    const char *text, *means;
} policies[] = {
    {"{\"enabled\":true,\"x\":[1.50]}", "{\"enabled\":false,\"x\":[1.50]}"},
    {"{\"max_duration\":3600,\"quota\":{\"cpu\":4},\"enabled\":false}",
     "{\"max_duration\":3600,\"quota\":{\"cpu\":4},\"enabled\":false}"},
    {"{}", "{\"enabled\":false}"},
    {"{\"quota\":5}", "!'quota' is not an object"},
    {"{\"quota\":{\"CPU\":\"2\"}}", "!'CPU' of 'quota' is no amount, or the second"},
    {"{\"enabled\":0}", "!'enabled' is neither true nor false"},
    {"{\"enabled\":\"no\"}", "!'enabled' is neither true nor false"},
    {"{\"max_duration\":\"1h\"}", "!'max_duration' is no duration"},
    {"{\"max_duration\":0}", "!'max_duration' is no duration"},
    {"{\"default_duration\":[]}", "!'default_duration' is no duration"},
    {"{\"preempt_grace\":null}", "!'preempt_grace' is no duration"},
    {"{\"enabled\":false,\"enabled\":true}", "!'enabled' comes twice"},
};

Test(node, a_policy_by_hand)
{
    for (size_t i = 0; i < countof(policies); i++) {
        const char *means = policies[i].means;
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        struct json json = json_begin(&out, -1);
        struct grid_policy policy;
        struct grid_error err = {0};
        int rc = policy_record_read(span_of(policies[i].text), &policy, &err);
        cr_expect_eq(rc, *means == '!' ? GRID_ECORRUPT : 0, "%s", policies[i].text);
        policy.enabled = false;
        if (rc == 0)
            policy_record_rewrite(&json, span_of(policies[i].text), &policy);
        cr_expect_str_eq(rc == 0 ? buffer_string(&out) : err.message, means + (*means == '!'));
    }
}

/* --- no memory ------------------------------------------------------------------------------ */

static int left; /* so many allocations go well */

static void *fail_at(size_t size)
{
    if (left-- > 0)
        return malloc(size);
    errno = ENOMEM;
    return NULL;
}

#define TICKET                                                                                   \
    "{\"ticket_id\":\"t\",\"target_node\":\"n\",\"needs\":{\"CPU\":2.0},\"duration\":3600.0,"     \
    "\"queued_at\":\"2026-01-23T20:00:00Z\",\"expires_at\":\"2026-01-23T20:00:30Z\"}"
#define EVENT "{\"revision\":1,\"at\":\"2026-01-23T20:00:00Z\",\"event\":"

static int read_kind(size_t kind, struct grid_error *err)
{
    static union {
        struct grid_node node;
        struct grid_policy policy;
        struct grid_ticket ticket;
    } to;
    switch (kind) {
    case 0:
        return node_record_read(span_of(NODE), &to.node, err);
    case 1:
        return policy_record_read(span_of("{\"quota\":{\"CPU\":2}}"), &to.policy, err);
    default:
        return ticket_record_read(span_of(TICKET), &to.ticket, err);
    }
}

/* What is read without memory cannot be taken for damage for want of it. */
Test(node, boosts_and_events_need_no_memory)
{
    static const char *const events[] = {
        EVENT "\"granted\",\"boost_id\":\"b\",\"actor\":\"a\",\"reason\":\"\\u00e9\","
              "\"boost\":" NINE OURS CLOSE "}",
        EVENT "\"node_set\",\"boost_id\":null,\"actor\":\"a\",\"reason\":null,\"boost\":null,"
              "\"node\":{\"node_id\":\"\\u00e9\"}}"};
    for (size_t i = 0; i < countof(events); i++) {
        struct grid_event event;
        struct grid_error err = {0};
        left = 0;
        cJSON_InitHooks(&(cJSON_Hooks){fail_at, free});
        int rc = record_event_read(span_of(events[i]), &event, &err);
        cJSON_InitHooks(NULL);
        cr_expect_eq(rc, 0, "%zu: %s", i, err.message);
        cr_expect_str_eq(i == 0 ? event.reason : event.node_id, "\xc3\xa9");
    }
}

Test(node, no_memory_is_no_damage)
{
    for (size_t kind = 0; kind < 6; kind++) {
        int rc = GRID_ENOMEM;
        for (int n = 0; rc == GRID_ENOMEM && n < 1000; n++) {
            struct grid_error err = {0};
            left = n;
            cJSON_InitHooks(&(cJSON_Hooks){fail_at, free});
            rc = read_kind(kind / 2, kind % 2 ? &err : NULL);
            cJSON_InitHooks(NULL);
            cr_expect(rc == 0 || rc == GRID_ENOMEM, "%zu, %d: %d %s", kind, n, rc, err.message);
            cr_expect(n > 0 || rc == GRID_ENOMEM, "%zu: it allocates nothing", kind);
        }
        cr_expect_eq(rc, 0);
    }
}
