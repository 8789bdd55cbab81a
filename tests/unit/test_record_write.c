/* Writing records and events, over what was there and anew; events are read back, too. */
#include "unit/records.h"

Test(record_write, is_written_in_the_layout_of_the_original)
{
    struct grid_boost boost;
    static const char *const texts[] = {NINE CLOSE, NINE OURS CLOSE};
    for (size_t i = 0; i < countof(texts); i++) {
        cr_assert_eq(record_parse(span_of(texts[i]), &boost, NULL, NULL), 0);
        grid_auto_buffer struct buffer text = written(&boost, 2);
        cr_expect_str_eq(text.data, texts[i]);
    }
    boost = plain_boost();
    cr_expect_eq(boost.starts_us, boost.allocated_us);
    cr_expect_eq(boost.ended, GRID_ACTIVE);
    boost.expires_us = GRID_NEVER;
    boost.is_active = false;
    grid_auto_buffer struct buffer line = written(&boost, -1);
    cr_expect_str_eq(line.data,
                     "{\"boost_id\":\"" ID "\",\"source_node\":\"gpu1\",\"target_node\":"
                     "\"gpu-master\",\"resource_type\":\"CPU\",\"amount\":2.0,\"allocated_at\":"
                     "\"2026-01-23T20:00:23.954754+00:00\",\"expires_at\":null,"
                     "\"ray_placement_group\":null,\"is_active\":false}");
}

/* What a rewrite changes: one field of what was read. */
enum change {
    NOTHING,
    RELEASE,
    EXTEND,
    FOREVER,
    REASON,
    NO_REASON,
    OWNER,
    NORMAL,
    AMOUNT,
    REGRANT,
    GROUP,
    NO_GROUP,
    LEASE,
    NO_LEASE,
    START,
    VICTIM
};

static void apply(enum change change, struct grid_boost *boost)
{
    boost->is_active = change != RELEASE && boost->is_active;
    if (change == EXTEND || change == FOREVER)
        boost->expires_us = change == FOREVER ? GRID_NEVER : boost->expires_us + GRID_HOUR;
    if (change == REASON || change == NO_REASON)
        text_copy(boost->reason, sizeof(boost->reason), change == REASON ? "why\xc3\xa9" : "");
    if (change == OWNER)
        text_copy(boost->owner, sizeof(boost->owner), "root");
    if (change == NORMAL)
        boost->priority = GRID_NORMAL;
    if (change == AMOUNT)
        boost->amount_u += GRID_AMOUNT_UNIT / 2;
    if (change == REGRANT)
        boost->allocated_us += GRID_SECOND;
    if (change == LEASE || change == NO_LEASE)
        boost->renews_until_us = change == LEASE ? GRID_NEVER : 0;
    boost->started |= change == START;
    if (change == VICTIM)
        text_copy(boost->preempted_by, sizeof(boost->preempted_by), "w");
    if (change == GROUP || change == NO_GROUP)
        text_copy(boost->ray_placement_group, sizeof(boost->ray_placement_group),
                  change == GROUP ? "pg" : "");
}

/* Members of a foreign record around the ones that change, which stand for '@'. */
#define BEGIN                                                                 \
    "{ \"x\": [1.50, {}], \"boost_id\":\"b\", \"source_node\" :\"\\u0061\", " \
    "\"target_node\":\"t\", \"resource_type\":\"cpu\", "
#define AT "\"allocated_at\": \"2026-01-23T20:00:23Z\""
#define BEGUN                                                          \
    "{\"x\":[1.50,{}],\"boost_id\":\"b\",\"source_node\":\"\\u0061\"," \
    "\"target_node\":\"t\",\"resource_type\":\"cpu\","
#define AT_SAME "\"allocated_at\":\"2026-01-23T20:00:23Z\""

static const struct {
    enum change change;
    const char *old, *now; /* what comes between BEGIN and the end */
} rewrites[] = {
    {NOTHING, "\"amount\": 2, " AT ", \"owner\": 5, \"priority\": \"urgent\"",
     "\"amount\":2," AT_SAME ",\"owner\":5,\"priority\":\"urgent\""},
    {RELEASE, "\"amount\": 2e0, " AT, "\"amount\":2e0," AT_SAME ",\"is_active\":false"},
    {RELEASE, "\"is_active\": true, \"amount\": 2, " AT,
     "\"is_active\":false,\"amount\":2," AT_SAME},
    {EXTEND, "\"amount\": 2, \"expires_at\": \"2026-01-23T21:00:00Z\", " AT,
     "\"amount\":2,\"expires_at\":\"2026-01-23T22:00:00.000000+00:00\"," AT_SAME},
    {FOREVER, "\"amount\": 2, \"expires_at\": \"2026-01-23T21:00:00Z\", " AT,
     "\"amount\":2,\"expires_at\":null," AT_SAME},
    {REASON, "\"amount\": 2, " AT, "\"amount\":2," AT_SAME ",\"reason\":\"why\\u00e9\""},
    {REASON, "\"r\\u0065ason\": \"old\", \"amount\": 2, " AT,
     "\"reason\":\"why\\u00e9\",\"amount\":2," AT_SAME},
    {NO_REASON, "\"reason\": \"old\", \"amount\": 2, " AT, "\"amount\":2," AT_SAME},
    {OWNER, "\"owner\": [5], \"amount\": 2, " AT, "\"owner\":\"root\",\"amount\":2," AT_SAME},
    {NORMAL, "\"priority\": \"HIGH\", \"amount\": 2, " AT, "\"amount\":2," AT_SAME},
    {NORMAL, "\"priority\": \"NORMAL\", \"amount\": 2, " AT,
     "\"priority\":\"NORMAL\",\"amount\":2," AT_SAME},
    {AMOUNT, "\"amount\": 2, " AT, "\"amount\":2.5," AT_SAME},
    {REGRANT, "\"amount\": 2, " AT,
     "\"amount\":2,\"allocated_at\":\"2026-01-23T20:00:24.000000+00:00\","
     "\"starts_at\":\"2026-01-23T20:00:23.000000+00:00\""},
    {GROUP, "\"amount\": 2, " AT, "\"amount\":2," AT_SAME ",\"ray_placement_group\":\"pg\""},
    {LEASE, "\"amount\": 2, " AT, "\"amount\":2," AT_SAME ",\"renews_until\":null"},
    {LEASE, "\"renews_until\": null, \"amount\": 2, " AT,
     "\"renews_until\":null,\"amount\":2," AT_SAME},
    {NO_LEASE, "\"renews_until\": null, \"amount\": 2, " AT, "\"amount\":2," AT_SAME},
    {START, "\"started\": 1, \"amount\": 2, " AT, "\"started\":true,\"amount\":2," AT_SAME},
    {START, "\"amount\": 2, " AT, "\"amount\":2," AT_SAME ",\"started\":true"},
    {NOTHING, "\"warned\": false, \"amount\": 2, " AT, "\"warned\":false,\"amount\":2," AT_SAME},
    {VICTIM, "\"amount\": 2, " AT, "\"amount\":2," AT_SAME ",\"preempted_by\":\"w\""},
    {NO_GROUP, "\"ray_placement_group\": \"pg\", \"amount\": 2, " AT,
     "\"ray_placement_group\":null,\"amount\":2," AT_SAME},
};

Test(record_write, rewriting_keeps_the_text_of_what_did_not_change)
{
    for (size_t i = 0; i < countof(rewrites); i++) {
        grid_auto_buffer struct buffer old = BUFFER_INIT, now = BUFFER_INIT, out = BUFFER_INIT;
        struct json json = json_begin(&out, -1);
        struct grid_boost boost;
        buffer_format(&old, BEGIN "%s }", rewrites[i].old);
        buffer_format(&now, BEGUN "%s}", rewrites[i].now);
        cr_assert_eq(record_read(span_of(buffer_string(&old)), &boost, NULL, NULL), 0);
        apply(rewrites[i].change, &boost);
        record_rewrite(&json, (struct span){old.data, old.length}, &boost);
        cr_expect_str_eq(buffer_string(&out), buffer_string(&now));
    }
}

Test(record_write, rewriting_in_the_same_layout_changes_nothing_else)
{
    static const char unknown[] = ",\n      \"labels\": {\n        \"n\": [\n          1e2\n"
                                  "        ],\n        \"e\": {}\n      }";
    grid_auto_buffer struct buffer old = BUFFER_INIT, now = BUFFER_INIT, out = BUFFER_INIT;
    struct json json = json_begin(&out, 2);
    struct grid_boost boost;
    buffer_format(&old, "%s%s%s", NINE, unknown, CLOSE);
    buffer_format(&now, "%s%s,\n      \"reason\": \"why\\u00e9\"%s", NINE, unknown, CLOSE);
    cr_assert_eq(record_read(span_of(buffer_string(&old)), &boost, NULL, NULL), 0);
    apply(REASON, &boost);
    record_rewrite(&json, (struct span){old.data, old.length}, &boost);
    cr_expect_str_eq(buffer_string(&out), buffer_string(&now));
}

Test(record_write, rewriting_over_nothing_is_writing)
{
    struct grid_boost boost = plain_boost();
    static const char *const olds[] = {"", "{\"boost_id\": \"x\"}", "{NaN}"};
    for (size_t i = 0; i < countof(olds); i++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        struct json json = json_begin(&out, 2);
        record_rewrite(&json, span_of(olds[i]), &boost);
        cr_expect_str_eq(buffer_string(&out), NINE CLOSE);
    }
}

/* --- for users, and events ------------------------------------------------------------------- */

#define LINE                                                                            \
    "{\"boost_id\":\"" ID "\",\"source_node\":\"gpu1\",\"target_node\":\"gpu-master\"," \
    "\"resource_type\":\"CPU\",\"amount\":2.0,\"allocated_at\":"                        \
    "\"2026-01-23T20:00:23.954754+00:00\",\"expires_at\":"
#define END_AT "\"2026-01-23T21:00:23.954759+00:00\""
#define AFTER ",\"ray_placement_group\":null,\"is_active\":true,\"state\":"
#define NORMAL_TAIL ",\"priority\":\"normal\",\"owner\":null,\"reason\":null,\"token\":0}"

Test(record_write, users_see_state_and_what_remains)
{
    struct grid_boost boost = plain_boost();
    const int64_t end_us = boost.expires_us;
    static const struct {
        enum grid_boost_state ended;
        int64_t ended_us; /* before the end */
        int64_t left_us;
        bool never;
        const char *shown;
    } rows[] = {
        {GRID_ACTIVE, 0, 1500 * 1000 + 999, false,
         LINE END_AT AFTER "\"active\",\"remaining_seconds\":1.5" NORMAL_TAIL},
        {GRID_ACTIVE, 0, GRID_MINUTE, true,
         LINE "null" AFTER "\"active\",\"remaining_seconds\":null" NORMAL_TAIL},
        {GRID_ACTIVE, 0, 0, false,
         LINE END_AT AFTER
         "\"expired\",\"remaining_seconds\":0.0,\"ended_at\":" END_AT NORMAL_TAIL},
        {GRID_RELEASED, GRID_SECOND, -GRID_SECOND, false,
         LINE END_AT AFTER "\"released\",\"remaining_seconds\":0.0,\"ended_at\":"
                           "\"2026-01-23T21:00:22.954759+00:00\"" NORMAL_TAIL},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        struct json json = json_begin(&out, -1);
        boost.expires_us = rows[i].never ? GRID_NEVER : end_us;
        boost.ended = rows[i].ended;
        boost.ended_us = end_us - rows[i].ended_us;
        record_show(&json, &boost, end_us - rows[i].left_us);
        cr_expect_str_eq(buffer_string(&out), rows[i].shown);
    }
}

Test(record_write, users_see_all_that_a_boost_says)
{
    struct grid_boost boost;
    grid_auto_buffer struct buffer out = BUFFER_INIT, expected = BUFFER_INIT;
    struct json json = json_begin(&out, 2);
    cr_assert_eq(record_read(span_of(NINE OURS CLOSE), &boost, NULL, NULL), 0);
    buffer_format(&expected,
                  "%s,\n      \"state\": \"active\",\n"
                  "      \"remaining_seconds\": 3600.0%s%s",
                  NINE, OURS, CLOSE);
    record_show(&json, &boost, boost.expires_us - GRID_HOUR);
    cr_expect_str_eq(buffer_string(&out), buffer_string(&expected));
}

#define EVENT "{\"revision\":7,\"at\":\"2026-01-23T20:30:00.000000+00:00\",\"event\":\"released\","
#define BY "\"boost_id\":\"" ID "\",\"actor\":\"ollie@gpu1\",\"reason\":\"done\",\"boost\":"
#define BOOST LINE END_AT ",\"ray_placement_group\":null,\"is_active\":true}"

Test(record_write, events_are_written_and_read_back)
{
    struct grid_event event;
    grid_auto_buffer struct buffer out = BUFFER_INIT, kept = BUFFER_INIT, shown = BUFFER_INIT;
    struct json json = json_begin(&out, -1), with_text = json_begin(&kept, -1);
    struct json for_users = json_begin(&shown, -1);
    cr_assert_eq(record_event_read(span_of(EVENT BY BOOST "}"), &event, NULL), 0);
    cr_expect_eq(event.revision, 7);
    cr_expect_eq(event.event, GRID_EVENT_RELEASED);
    cr_expect(event.has_boost);
    cr_expect_eq(event.boost.ended, GRID_RELEASED);
    cr_expect_eq(event.boost.ended_us, event.at_us);
    cr_expect_str_eq(event.actor, "ollie@gpu1");

    record_event_write(&json, &event, (struct span){NULL, 0});
    cr_expect_str_eq(buffer_string(&out), EVENT BY BOOST "}");
    record_event_write(&with_text, &event, span_of("{ \"x\" : [ 1 ] }"));
    cr_expect_str_eq(buffer_string(&kept), EVENT BY "{\"x\":[1]}}");
    record_event_show(&for_users, &event);
    cr_expect_str_eq(buffer_string(&shown), EVENT BY LINE END_AT AFTER
                     "\"released\",\"remaining_seconds\":0.0,"
                     "\"ended_at\":\"2026-01-23T20:30:00.000000+00:00\"" NORMAL_TAIL "}");
}

/* How the event left its boost, which ends 21:00:23. */
static const struct {
    const char *event, *at, *by;
    enum grid_boost_state ended;
} endings[] = {
    {"expired", "21:00:23.954759", "", GRID_EXPIRED},
    {"expired", "21:00:23.954759", ",\"preempted_by\":\"w\"", GRID_PREEMPTED},
    {"released", "20:30:00", ",\"preempted_by\":\"w\"", GRID_RELEASED},
    {"preempted", "20:30:00", ",\"preempted_by\":\"w\"", GRID_ACTIVE}, /* it has its grace */
    {"preempted", "21:00:23.954759", ",\"preempted_by\":\"w\"", GRID_PREEMPTED},
    {"preempted", "20:30:00", "", GRID_PREEMPTED},
    {"extended", "20:30:00", "", GRID_ACTIVE},
};

Test(record_write, events_say_how_a_boost_ended)
{
    for (size_t i = 0; i < countof(endings); i++) {
        grid_auto_buffer struct buffer text = BUFFER_INIT;
        struct grid_event event;
        buffer_format(&text,
                      "{\"revision\":7,\"at\":\"2026-01-23T%sZ\",\"event\":\"%s\","
                      "\"boost\":%s%s}}",
                      endings[i].at, endings[i].event, NINE, endings[i].by);
        cr_assert_eq(record_event_read(span_of(buffer_string(&text)), &event, NULL), 0);
        cr_expect_eq(event.boost.ended, endings[i].ended, "row %zu", i);
        cr_expect_eq(event.boost.ended_us, endings[i].ended == GRID_ACTIVE ? 0 : event.at_us);
    }
}

/* `kept`: what is printed again; NULL: as it is. !why */
static const struct {
    const char *text, *kept;
} events[] = {
    {"{\"revision\":1,\"at\":\"2026-01-23T20:30:00.000000+00:00\",\"event\":\"node_set\","
     "\"boost_id\":null,\"actor\":\"a@b\",\"reason\":null,\"boost\":null}",
     NULL},
    {"{\"revision\":1,\"at\":\"2026-01-23T20:30:00Z\",\"event\":\"granted\",\"more\":[]}",
     "{\"revision\":1,\"at\":\"2026-01-23T20:30:00.000000+00:00\",\"event\":\"granted\","
     "\"boost_id\":null,\"actor\":null,\"reason\":null,\"boost\":null}"},
    {"{\"at\":\"2026-01-23T20:30:00Z\",\"event\":\"granted\"}", "!'revision' is missing"},
    {"{\"revision\":1.5,\"at\":\"2026-01-23T20:30:00Z\",\"event\":\"granted\"}",
     "!'revision' is no whole number"},
    {"{\"revision\":1,\"at\":7,\"event\":\"granted\"}", "!'at' is no time"},
    {"{\"revision\":1,\"at\":\"2026-01-23T20:30:00Z\"}", "!'event' is missing"},
    {"{\"revision\":1,\"at\":\"2026-01-23T20:30:00Z\",\"event\":\"eaten\"}",
     "!'event' is none that is known"},
    {"{\"revision\":1,\"at\":\"2026-01-23T20:30:00Z\",\"event\":\"granted\",\"boost\":{}}",
     "!'boost': 'boost_id' is missing"},
    {"{\"revision\":1,\"at\":\"2026-01-23T20:30:00Z\",\"event\":\"granted\",\"boost\":7}",
     "!'boost': it is not one JSON object"},
    {"{\"revision\":1,\"event\":\"granted\",\"event\":\"expired\"}", "!'event' comes twice"},
    {"{\"revision\":1", "!not JSON: no comma or } at byte 13"},
    {"[]", "!it is not one JSON object"},
};

Test(record_write, events_that_are_odd)
{
    for (size_t i = 0; i < countof(events); i++) {
        const char *kept = events[i].kept ? events[i].kept : events[i].text;
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        struct json json = json_begin(&out, -1);
        struct grid_event event;
        struct grid_error err = {0};
        int rc = record_event_read(span_of(events[i].text), &event, &err);
        cr_expect_eq(rc, *kept == '!' ? GRID_ECORRUPT : 0, "%s", events[i].text);
        if (rc < 0) {
            cr_expect_str_eq(err.message, kept + 1);
            continue;
        }
        record_event_write(&json, &event, (struct span){NULL, 0});
        cr_expect_str_eq(buffer_string(&out), kept);
    }
}
