/* Boosts and events: states, words, names of nodes, filters. */
#include "grid/event.h"
#include "util/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int64_t starts_us, expires_us;
    enum grid_boost_state ended;
    bool is_active;
    int64_t now_us;
    enum grid_boost_state state;
} states[] = {
    {10, 20, GRID_ACTIVE, true, 9, GRID_SCHEDULED},
    {10, 20, GRID_ACTIVE, true, 10, GRID_ACTIVE},
    {10, 20, GRID_ACTIVE, true, 19, GRID_ACTIVE},
    {10, 20, GRID_ACTIVE, true, 20, GRID_EXPIRED},
    {10, 20, GRID_ACTIVE, true, INT64_MAX, GRID_EXPIRED},
    {10, GRID_NEVER, GRID_ACTIVE, true, INT64_MAX - 1, GRID_ACTIVE},
    {10, 20, GRID_ACTIVE, false, 9, GRID_RELEASED},
    {10, 20, GRID_ACTIVE, false, 15, GRID_RELEASED},
    {10, 20, GRID_ACTIVE, false, 25, GRID_RELEASED},
    {10, 20, GRID_RELEASED, true, 15, GRID_RELEASED},
    {10, 20, GRID_RELEASED, true, 25, GRID_RELEASED},
    {10, 20, GRID_EXPIRED, true, 15, GRID_EXPIRED},
    {10, 20, GRID_EXPIRED, false, 15, GRID_EXPIRED},
    {10, 20, GRID_PREEMPTED, true, 25, GRID_PREEMPTED},
    {20, 20, GRID_ACTIVE, true, 19, GRID_SCHEDULED},
    {20, 20, GRID_ACTIVE, true, 20, GRID_EXPIRED},
    {30, 20, GRID_ACTIVE, true, 25, GRID_EXPIRED},
};

Test(boost, state_at_an_instant)
{
    for (size_t i = 0; i < countof(states); i++) {
        struct grid_boost boost = {.starts_us = states[i].starts_us,
                                   .expires_us = states[i].expires_us,
                                   .ended = states[i].ended,
                                   .is_active = states[i].is_active};
        cr_expect_eq(grid_boost_state(&boost, states[i].now_us), states[i].state, "row %zu", i);
    }
}

/* What a reservation, a lease and a victim of pre-emption are at an instant. */
Test(boost, marks_and_leases)
{
    struct grid_boost boost = {.starts_us = 10, .expires_us = 20, .is_active = true};
    cr_expect(grid_boost_starts_later(&boost, 9) && !grid_boost_starts_later(&boost, 10));
    boost.started = true; /* the clock was set back */
    cr_expect(!grid_boost_starts_later(&boost, 9));
    cr_expect_eq(grid_boost_state(&boost, 9), GRID_ACTIVE);
    cr_expect_eq(grid_boost_until(&boost), 20);
    boost.renews_until_us = 15;
    cr_expect_eq(grid_boost_until(&boost), 20);
    boost.renews_until_us = GRID_NEVER;
    cr_expect_eq(grid_boost_until(&boost), GRID_NEVER);
    cr_expect_eq(grid_boost_state(&boost, 20), GRID_EXPIRED);
    strcpy(boost.preempted_by, "winner");
    cr_expect_eq(grid_boost_ending(&boost), GRID_PREEMPTED);
    cr_expect_eq(grid_boost_state(&boost, 19), GRID_ACTIVE);
    cr_expect_eq(grid_boost_state(&boost, 20), GRID_PREEMPTED);
}

static const char *const state_names[] = {"active", "scheduled", "released", "expired",
                                          "preempted"};
static const char *const priority_names[] = {"low", "normal", "high", "critical"};

static const struct {
    const char *text;
    int priority; /* -1: refused */
    const char *hint;
} priorities[] = {
    {"low", GRID_LOW, ""},
    {"NORMAL", GRID_NORMAL, ""},
    {"High", GRID_HIGH, ""},
    {"critical", GRID_CRITICAL, ""},
    {"hihg", -1, "did you mean 'high'?"},
    {"Crit", -1, "did you mean 'critical'?"},
    {"urgent", -1, "known: low, normal, high, critical"},
    {"", -1, "known: low, normal, high, critical"},
    {"low ", -1, "did you mean 'low'?"},
    {"1", -1, "known: low, normal, high, critical"},
};

Test(boost, words)
{
    for (size_t i = 0; i < countof(state_names); i++)
        cr_expect_str_eq(grid_boost_state_name((enum grid_boost_state)i), state_names[i]);
    for (size_t i = 0; i < countof(priority_names); i++)
        cr_expect_str_eq(grid_priority_name((enum grid_priority)i), priority_names[i]);
    cr_expect_str_eq(grid_boost_state_name((enum grid_boost_state)5), "unknown");
    cr_expect_str_eq(grid_priority_name((enum grid_priority)-1), "unknown");
    for (size_t i = 0; i < countof(priorities); i++) {
        struct grid_error err = {0};
        enum grid_priority priority = 77;
        int rc = grid_priority_parse(priorities[i].text, &priority, &err);
        bool refused = priorities[i].priority < 0;
        cr_expect_eq(rc, refused ? GRID_EUSAGE : 0, "'%s'", priorities[i].text);
        cr_expect_eq((int)priority, refused ? 77 : priorities[i].priority, "'%s'",
                     priorities[i].text);
        cr_expect_str_eq(err.hint, priorities[i].hint);
    }
}

#define TEN "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
#define WIDE "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80" \
             "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"

static const struct {
    const char *name, *message; /* NULL: it is a name */
} nodes[] = {
    {"g", NULL},
    {"gpu-master", NULL},
    {"node 1.example.org:22", NULL},
    {"..", NULL},
    {"Any", NULL},
    {"anyone", NULL},
    {"n\xc3\xb6rdlich", NULL},
    {TEN TEN TEN TEN TEN TEN "abc", NULL},
    {WIDE WIDE WIDE WIDE WIDE WIDE WIDE, NULL},
    {WIDE WIDE WIDE WIDE WIDE WIDE WIDE "x", "is longer than 63 characters"},
    {"0123456789012345678901234567890123456789012345678901234567890123",
     "is longer than 63 characters"},
    {"", "is empty"},
    {"any", "stands for whichever node lends, no node can have it"},
    {"-a", "begins with '-'"},
    {"-", "begins with '-'"},
    {"a/b", "holds '/', ',' or '='"},
    {"a,b", "holds '/', ',' or '='"},
    {"a=b", "holds '/', ',' or '='"},
    {"a\nb", "holds a control character"},
    {"a\x7f", "holds a control character"},
    {"\x1b[31m", "holds a control character"},
    {"a\xc2\x9b" "b", "holds a control character"},
    {"a\xff", "is not UTF-8"},
    {"a\xc3", "is not UTF-8"},
    {"\xed\xa0\x80", "is not UTF-8"},
};

Test(boost, node_names)
{
    for (size_t i = 0; i < countof(nodes); i++) {
        struct grid_error err = {0};
        int rc = grid_node_name_check(nodes[i].name, &err);
        cr_expect_eq(rc, nodes[i].message ? GRID_EUSAGE : 0, "row %zu: %s", i, err.message);
        char message[600] = "";
        if (nodes[i].message)
            snprintf(message, sizeof(message), "node name '%s' %s", text_shown(nodes[i].name),
                     nodes[i].message);
        cr_expect_str_eq(err.message, message);
    }
}

static const struct grid_boost example = {
    .expires_us = 100,
    .priority = GRID_HIGH,
    .is_active = true,
    .boost_id = "abcd-1",
    .source_node = "gpu1",
    .target_node = "master",
    .resource_type = "CPU",
    .owner = "ann",
    .group_id = "abcd-0",
    .request_id = "r1",
};

static const struct {
    struct grid_boost_filter filter;
    bool matches;
} filters[] = {
    {{0}, true},
    {{.newest_first = true}, true},
    {{.boost_id = "abcd-1"}, true},
    {{.boost_id = "abcd"}, false},
    {{.boost_id = "ABCD-1"}, false},
    {{.id_prefix = "abcd"}, true},
    {{.id_prefix = "abcd-1"}, true},
    {{.id_prefix = "abcd-11"}, false},
    {{.id_prefix = "bcd"}, false},
    {{.id_prefix = ""}, true},
    {{.source_node = "gpu1"}, true},
    {{.source_node = "master"}, false},
    {{.target_node = "master"}, true},
    {{.target_node = "gpu1"}, false},
    {{.resource_type = "CPU"}, true},
    {{.resource_type = "GPU"}, false},
    {{.owner = "ann"}, true},
    {{.owner = ""}, false},
    {{.request_id = "r1"}, true},
    {{.request_id = "r2"}, false},
    {{.group_id = "abcd-0"}, true},
    {{.group_id = "abcd-1"}, false},
    {{.ends_before_us = 101}, true},
    {{.ends_before_us = 100}, false},
    {{.priority = GRID_LOW}, true},
    {{.has_priority = true, .priority = GRID_HIGH}, true},
    {{.has_priority = true, .priority = GRID_LOW}, false},
    {{.owner = "ann", .source_node = "gpu1", .resource_type = "CPU"}, true},
    {{.owner = "ann", .source_node = "gpu1", .resource_type = "GPU"}, false},
};

Test(boost, filters)
{
    for (size_t i = 0; i < countof(filters); i++)
        cr_expect_eq(grid_boost_matches(&example, &filters[i].filter), filters[i].matches,
                     "row %zu", i);
    struct grid_boost released = example;
    released.is_active = false; /* it has ended, whatever its end says */
    cr_expect(grid_boost_matches(&released, &(struct grid_boost_filter){.ends_before_us = 1}));
    struct grid_boost reserved = example;
    struct grid_boost_filter starting = {.starts_before_us = 51};
    cr_expect(!grid_boost_matches(&reserved, &starting), "a grant has no start of its own");
    reserved.starts_us = 50;
    cr_expect(grid_boost_matches(&reserved, &starting));
    reserved.starts_us = 51;
    cr_expect(!grid_boost_matches(&reserved, &starting));
    reserved.starts_us = 50;
    reserved.started = true;
    cr_expect(!grid_boost_matches(&reserved, &starting));
}

static const struct {
    enum grid_event_kind event;
    const char *name;
    enum grid_boost_state ends;
} kinds[] = {
    {GRID_EVENT_GRANTED, "granted", GRID_ACTIVE},
    {GRID_EVENT_SCHEDULED, "scheduled", GRID_ACTIVE},
    {GRID_EVENT_STARTED, "started", GRID_ACTIVE},
    {GRID_EVENT_EXTENDED, "extended", GRID_ACTIVE},
    {GRID_EVENT_RELEASED, "released", GRID_RELEASED},
    {GRID_EVENT_EXPIRED, "expired", GRID_EXPIRED},
    {GRID_EVENT_PREEMPTED, "preempted", GRID_PREEMPTED},
    {GRID_EVENT_QUEUED, "queued", GRID_ACTIVE},
    {GRID_EVENT_WITHDRAWN, "withdrawn", GRID_ACTIVE},
    {GRID_EVENT_RESTORED, "restored", GRID_ACTIVE},
    {GRID_EVENT_NODE_SET, "node_set", GRID_ACTIVE},
    {GRID_EVENT_NODE_REMOVED, "node_removed", GRID_ACTIVE},
    {GRID_EVENT_POLICY_SET, "policy_set", GRID_ACTIVE},
};

Test(event, words_and_what_ends_a_boost)
{
    cr_assert_eq(countof(kinds), GRID_EVENT_COUNT - 1);
    for (size_t i = 0; i < countof(kinds); i++) {
        enum grid_event_kind event = GRID_EVENT_QUIET;
        cr_expect_str_eq(grid_event_name(kinds[i].event), kinds[i].name);
        cr_expect_eq(grid_event_parse(kinds[i].name, &event, NULL), 0, "%s", kinds[i].name);
        cr_expect_eq(event, kinds[i].event, "%s", kinds[i].name);
        cr_expect_eq(grid_event_ends(kinds[i].event), kinds[i].ends, "%s", kinds[i].name);
    }
    struct grid_error err = {0};
    enum grid_event_kind event = GRID_EVENT_QUEUED;
    cr_expect_str_eq(grid_event_name(GRID_EVENT_QUIET), "quiet");
    cr_expect_eq(grid_event_ends(GRID_EVENT_QUIET), GRID_ACTIVE);
    cr_expect_str_eq(grid_event_name(GRID_EVENT_COUNT), "unknown");
    cr_expect_eq(grid_event_parse("quiet", &event, &err), GRID_EUSAGE);
    cr_expect_eq(grid_event_parse("realesed", &event, &err), GRID_EUSAGE);
    cr_expect_str_eq(err.hint, "did you mean 'released'?");
    cr_expect_eq(event, GRID_EVENT_QUEUED);
}

static const struct {
    struct grid_event_filter filter;
    bool matches, without_boost;
} event_filters[] = {
    {{0}, true, true},
    {{.boost_id = "abcd-1"}, true, true},
    {{.boost_id = "abcd"}, false, false},
    {{.id_prefix = "abcd"}, true, true},
    {{.id_prefix = "abce"}, false, false},
    {{.node = "gpu1"}, true, false},
    {{.node = "master"}, true, false},
    {{.node = "gpu2"}, false, false},
    {{.owner = "ann"}, true, false},
    {{.owner = "bob"}, false, false},
    {{.request_id = "r1"}, true, false},
    {{.request_id = "r2"}, false, false},
    {{.since_us = 50}, true, true},
    {{.since_us = 51}, false, false},
    {{.until_us = 51}, true, true},
    {{.until_us = 50}, false, false},
    {{.newer_than = 6}, true, true},
    {{.newer_than = 7}, false, false},
    {{.has_event = true, .event = GRID_EVENT_GRANTED}, true, true},
    {{.has_event = true, .event = GRID_EVENT_EXPIRED}, false, false},
    {{.event = GRID_EVENT_EXPIRED}, true, true},
    {{.node = "gpu1", .owner = "bob"}, false, false},
};

Test(event, filters)
{
    struct grid_event event = {.revision = 7, .at_us = 50, .event = GRID_EVENT_GRANTED,
                               .boost_id = "abcd-1", .has_boost = true, .boost = example};
    struct grid_event bare = event;
    bare.has_boost = false;
    for (size_t i = 0; i < countof(event_filters); i++) {
        const struct grid_event_filter *filter = &event_filters[i].filter;
        cr_expect_eq(grid_event_matches(&event, filter), event_filters[i].matches, "row %zu", i);
        cr_expect_eq(grid_event_matches(&bare, filter), event_filters[i].without_boost,
                     "row %zu without a boost", i);
    }
}
