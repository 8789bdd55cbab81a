/* The strict JSON scanner: what it takes, where it says a fault is, what it walks over. */
#include "util/json.h"

#include <criterion/criterion.h>
#include <string.h>

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

/* --- json_value ------------------------------------------------------------------------------ */

/* `taken`: how many bytes are a value; -1: none is. */
static const struct {
    const char *text;
    int taken;
} values[] = {
    {"0", 1},
    {"-0", 2},
    {"10", 2},
    {"-12.50", 6},
    {"1e5", 3},
    {"1E-05", 5},
    {"0.0e+00", 7},
    {"01", 1},
    {"1 2", 1},
    {"true", 4},
    {"false", 5},
    {"null", 4},
    {"truer", 4},
    {"{}", 2},
    {"[]", 2},
    {"[ \t\r\n]", 6},
    {"{ \"a\" : [1 , {}] }x", 18},
    {"\"\"", 2},
    {"\"a/b\x7f\"", 6},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00eF\"", 24},
    {"\"\\ud800\"", 8},
    {"\"\\u0000\"", 8},
    {"\"n\xc3\xb8\xe2\x82\xac\xf0\x9f\x9a\x80 and plain text behind it\"", 37},
    {"{\"a\":1,\"a\":2}", 13},
    {"", -1},
    {" 1", -1},
    {"-", -1},
    {"+1", -1},
    {".5", -1},
    {"1.", -1},
    {"1.e1", -1},
    {"1e", -1},
    {"1e+", -1},
    {"-x", -1},
    {"NaN", -1},
    {"Infinity", -1},
    {"-Infinity", -1},
    {"nul", -1},
    {"True", -1},
    {"'a'", -1},
    {"\"", -1},
    {"\"\\\"", -1},
    {"\"\\", -1},
    {"\"\\u12\"", -1},
    {"\"\\u12g4\"", -1},
    {"\"\\x41\"", -1},
    {"\"\\'\"", -1},
    {"\"a\nb\"", -1},
    {"\"\x1f\"", -1},
    {"\"01234567\x01\"", -1},
    {"\"\xff\"", -1},
    {"\"\xc0\xaf\"", -1},
    {"\"\xed\xa0\x80\"", -1},
    {"\"\xf4\x90\x80\x80\"", -1},
    {"\"\xe2\x82\"", -1},
    {"[", -1},
    {"[1", -1},
    {"[1,", -1},
    {"[1,]", -1},
    {"[,1]", -1},
    {"[1 2]", -1},
    {"[1}", -1},
    {"{", -1},
    {"{\"a\"", -1},
    {"{\"a\"}", -1},
    {"{\"a\":}", -1},
    {"{\"a\":1,}", -1},
    {"{a:1}", -1},
    {"{1:1}", -1},
    {"{\"a\" 1}", -1},
    {"{\"a\":1]", -1},
    {"{\"a\":01}", -1},
    {"[1]/**/", 3},
    {"/**/1", -1},
    {"\xef\xbb\xbf"
     "1",
     -1},
};

Test(json, value_takes_rfc_8259_and_nothing_else)
{
    for (size_t i = 0; i < countof(values); i++) {
        /* A copy of exact size, so that reading beyond the end is seen. */
        size_t length = strlen(values[i].text);
        char *copy = malloc(length ? length : 1);
        memcpy(copy, values[i].text, length);
        struct grid_error err = {0};
        const char *end = json_value(copy, copy + length, JSON_DEPTH_MAX, &err);
        int taken = end ? (int)(end - copy) : -1;
        cr_expect_eq(taken, values[i].taken, "%s: %d", values[i].text, taken);
        cr_expect_eq(err.code, end ? GRID_OK : GRID_ECORRUPT, "%s", values[i].text);
        free(copy);
    }
}

Test(json, value_says_what_is_wrong_and_where)
{
    static const char text[] = "{\"a\": [1, 02]}";
    struct grid_error err = {0};
    cr_expect_null(json_value(text, text + sizeof(text) - 1, JSON_DEPTH_MAX, &err));
    cr_expect_str_eq(err.message, "not JSON: no comma or ] at byte 11");
}

Test(json, value_and_balanced_keep_to_the_depth)
{
    char text[2 * JSON_DEPTH_MAX + 8];
    for (int depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        bool fits = depth <= JSON_DEPTH_MAX;
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        cr_expect_eq(json_value(text, text + 2 * depth, JSON_DEPTH_MAX, NULL) != NULL, fits);
        text[0] = '{';
        text[2 * depth - 1] = '}';
        cr_expect_eq(json_balanced(text, text + 2 * depth, JSON_DEPTH_MAX) != NULL, fits);
    }
}

static const struct {
    const char *text;
    int taken;
} objects[] = {
    {"{}x", 2},
    {"{\"a\": NaN}, {}", 10},
    {"{\"}\": \"\\\"}\"}]", 12},
    {"{[}]", 3},
    {"{]]}}", 4},
    {"{{}", -1},
    {"{\"}", -1},
    {"{\"\\", -1},
    {"[]", -1},
    {"", -1},
    {"{\"\x01\xff\": '}", 9},
};

Test(json, balanced_finds_the_end_of_what_is_no_json)
{
    for (size_t i = 0; i < countof(objects); i++) {
        const char *text = objects[i].text;
        const char *end = json_balanced(text, text + strlen(text), JSON_DEPTH_MAX);
        cr_expect_eq(end ? (int)(end - text) : -1, objects[i].taken, "%s", text);
    }
}

/* --- members, elements ----------------------------------------------------------------------- */

static int note_member(void *context, struct span key, struct span value, struct grid_error *err)
{
    (void)err;
    buffer_format(context, "<%.*s=%.*s>", (int)key.length, key.at, (int)value.length, value.at);
    return json_is(key, "stop") ? 7 : 0;
}

static int note_element(void *context, size_t index, struct span value, struct grid_error *err)
{
    (void)err;
    buffer_format(context, "<%zu=%.*s>", index, (int)value.length, value.at);
    return json_is(value, "0") ? 7 : 0;
}

static const struct {
    const char *text, *seen;
    int rc;
} walks[] = {
    {"{}", "", 0},
    {"{ }", "", 0},
    {"{\"a\":1}", "<a=1>", 0},
    {"{ \"a\" : {\"x\": \"}\"} ,\r\n\t\"b\\\"\":[ 1, 2 ] , \"c\": -1.5e3 }",
     "<a={\"x\": \"}\"}><b\\\"=[ 1, 2 ]><c=-1.5e3>", 0},
    {"{\"a\":true,\"stop\":null,\"b\":2}", "<a=true><stop=null>", 7},
    {"{\"a\":1,\"b\":2,\"a\":3}", "<a=1><b=2>", GRID_ECORRUPT},
    {"{\"a\":1,\"\\u0061\":2}", "<a=1><\\u0061=2>", 0},
    {"[]", "", 0},
    {"[\n]", "", 0},
    {"[1 , \"],\" ,[[]], {\"a\":[]}]", "<0=1><1=\"],\"><2=[[]]><3={\"a\":[]}>", 0},
    {"[1,0,2]", "<0=1><1=0>", 7},
};

Test(json, objects_and_arrays_are_walked)
{
    for (size_t i = 0; i < countof(walks); i++) {
        grid_auto_buffer struct buffer seen = BUFFER_INIT;
        struct span text = span_of(walks[i].text);
        struct grid_error err = {0};
        int rc = *text.at == '{' ? json_object(text, note_member, &seen, &err)
                                 : json_array(text, note_element, &seen, &err);
        cr_expect_eq(rc, walks[i].rc, "%s: %d", text.at, rc);
        cr_expect_str_eq(buffer_string(&seen), walks[i].seen);
        if (rc == GRID_ECORRUPT)
            cr_expect_str_eq(err.message, "'a' comes twice");
    }
}

static int count_member(void *context, struct span key, struct span value, struct grid_error *err)
{
    (void)key, (void)value, (void)err;
    ++*(int *)context;
    return 0;
}

Test(json, an_object_has_a_bounded_number_of_members)
{
    for (int members = JSON_MEMBERS_MAX; members <= JSON_MEMBERS_MAX + 1; members++) {
        grid_auto_buffer struct buffer text = BUFFER_INIT;
        int count = 0;
        buffer_text(&text, "{\"0\":0");
        for (int i = 1; i < members; i++)
            buffer_format(&text, ",\"%d\":0", i);
        buffer_text(&text, "}");
        int rc = json_object((struct span){text.data, text.length}, count_member, &count, NULL);
        cr_expect_eq(count, JSON_MEMBERS_MAX);
        cr_expect_eq(rc, members > JSON_MEMBERS_MAX ? GRID_ECORRUPT : 0);
    }
}

Test(json, odd_escapes_are_those_no_c_string_can_hold)
{
    static const struct {
        const char *text;
        bool odd;
    } rows[] = {
        {"\"\\u0000\"", true},
        {"\"\\\\u0000\"", false},
        {"\"\\\\\\u0000\"", true},
        {"\"\\ud83d\\ude80\"", false},
        {"\"\\ud83d\"", true},
        {"\"\\ude80\"", true},
        {"\"\\ud83d\\u0041\"", true},
        {"\"\\ud83d\\n\"", true},
        {"\"\\ud83dx\"", true},
        {"\"\\uD83D\\uDE80\\ude80\"", true},
        {"{\"a\": [\"\\u0000\"]}", true},
        {"\"\\u0001\"", false},
        {"\"plain\"", false},
        {"12", false},
        {"\"\\ue000\\ud7ff\"", false},
    };
    for (size_t i = 0; i < countof(rows); i++)
        cr_expect_eq(json_has_odd_escape(span_of(rows[i].text)), rows[i].odd, "%s", rows[i].text);
}

Test(json, integers_are_whole_and_of_18_digits_at_most)
{
    static const struct {
        const char *text;
        int64_t number; /* -1: none */
    } rows[] = {
        {"0", 0},     {"7", 7},    {"-5", -5},    {"999999999999999999", 999999999999999999},
        {"1.0", -1},  {"1e3", -1}, {"\"1\"", -1}, {"1000000000000000000", -1},
        {"-", -1},    {"", -1},    {"01", -1},    {"true", -1},
        {"null", -1}, {"-0", 0},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        int64_t number = -1;
        cr_expect_eq(json_integer(span_of(rows[i].text), &number), rows[i].number != -1, "%s",
                     rows[i].text);
        cr_expect_eq(number, rows[i].number, "%s", rows[i].text);
    }
}
