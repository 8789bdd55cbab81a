/* The JSON printer; what it must print is what Python's json.dumps made of the same. */
#include "util/json.h"

#include <criterion/criterion.h>
#include <string.h>

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

Test(json_print, strings_print_as_python_prints_them)
{
    static const struct {
        const char *text, *printed;
    } rows[] = {
        {"", "\"\""},
        {"plain / text", "\"plain / text\""},
        {"\"\\\n\r\t\b\f", "\"\\\"\\\\\\n\\r\\t\\b\\f\""},
        {"\x01\x1b[31m\x1f\x7f", "\"\\u0001\\u001b[31m\\u001f\\u007f\""},
        {"n\xc5\x93ud-\xc3\xa9", "\"n\\u0153ud-\\u00e9\""},
        {"\xe8\x8a\x82\xf0\x9f\x9a\x80\xf4\x8f\xbf\xbf", "\"\\u8282\\ud83d\\ude80\\udbff\\udfff\""},
        {"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80",
         "\"\\u0080\\u07ff\\u0800\\uffff\\ud800\\udc00\""},
        {"a\xff"
         "b\xe2\x82",
         "\"a\\ufffdb\\ufffd\\ufffd\""}, /* ours: Python has no such text */
    };
    for (size_t i = 0; i < countof(rows); i++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        struct json json = json_begin(&out, -1);
        json_string(&json, rows[i].text);
        cr_expect_str_eq(buffer_string(&out), rows[i].printed);
    }
}

Test(json_print, floats_print_as_python_prints_them)
{
    static const struct {
        double number;
        const char *printed;
    } rows[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {2.0, "2.0"},
        {0.5, "0.5"},
        {-1.25, "-1.25"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e15, "1000000000000000.0"},
        {9999999999999998.0, "9999999999999998.0"},
        {1e16, "1e+16"},
        {1.5e16, "1.5e+16"},
        {1e-4, "0.0001"},
        {1.25e-4, "0.000125"},
        {1e-5, "1e-05"},
        {1e-6, "1e-06"},
        {1e22, "1e+22"},
        {1e100, "1e+100"},
        {-2.5e-300, "-2.5e-300"},
        {123456.789012, "123456.789012"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {0x1p-24, "5.960464477539063e-08"},
        {0x1p-44, "5.684341886080802e-14"},
        {0x1p-1074, "5e-324"},
        {0x1.fffffffffffffp+1023, "1.7976931348623157e+308"},
    };
    char text[32];
    for (size_t i = 0; i < countof(rows); i++)
        cr_expect_str_eq(json_float_text(rows[i].number, text, sizeof(text)), rows[i].printed);
}

static void print_everything(struct json *json)
{
    json_open(json, '{');
    json_key(json, "a\"\n");
    json_open(json, '[');
    json_int(json, INT64_MIN);
    json_float(json, 2);
    json_open(json, '{');
    json_close(json, '}');
    json_open(json, '[');
    json_close(json, ']');
    json_open(json, '[');
    json_bool(json, true);
    json_close(json, ']');
    json_close(json, ']');
    json_key(json, "b");
    json_string_or_null(json, "");
    json_key_raw(json, span_of("\\u0063"));
    json_raw(json, span_of("[1,  2]"));
    json_key(json, "d");
    json_string_or_null(json, "x");
    json_key(json, "e");
    json_bool(json, false);
    json_close(json, '}');
}

Test(json_print, documents_print_pretty_at_any_level_and_on_one_line)
{
    static const char *const printed[] = {
        "{\"a\\\"\\n\":[-9223372036854775808,2.0,{},[],[true]],\"b\":null,\"\\u0063\":[1,  2],"
        "\"d\":\"x\",\"e\":false}",
        "{\n  \"a\\\"\\n\": [\n    -9223372036854775808,\n    2.0,\n    {},\n    [],\n    [\n"
        "      true\n    ]\n  ],\n  \"b\": null,\n  \"\\u0063\": [1,  2],\n  \"d\": \"x\",\n"
        "  \"e\": false\n}",
        "{\n    \"a\\\"\\n\": [\n      -9223372036854775808,\n      2.0,\n      {},\n      [],\n"
        "      [\n        true\n      ]\n    ],\n    \"b\": null,\n    \"\\u0063\": [1,  2],\n"
        "    \"d\": \"x\",\n    \"e\": false\n  }",
    };
    for (int indent = -1; indent <= 1; indent++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        struct json json = json_begin(&out, indent);
        print_everything(&json);
        cr_expect_str_eq(buffer_string(&out), printed[indent + 1]);
    }
}

Test(json_print, reprinting_changes_white_space_only)
{
    static const char source[] =
        " {\"b\\u0061\" :1.50,\"n\":[ ],\"o\":{ },\"s\":\" a , b : {\",\r\n"
        "\"x\":[1e5,[-0,null],{\"y\":true}]} ";
    static const char pretty[] =
        "{\n  \"b\\u0061\": 1.50,\n  \"n\": [],\n  \"o\": {},\n  \"s\": \" a , b : {\",\n"
        "  \"x\": [\n    1e5,\n    [\n      -0,\n      null\n    ],\n    {\n      \"y\": true\n"
        "    }\n  ]\n}";
    static const char compact[] = "{\"b\\u0061\":1.50,\"n\":[],\"o\":{},\"s\":\" a , b : {\","
                                  "\"x\":[1e5,[-0,null],{\"y\":true}]}";
    static const char *const sources[] = {source, pretty, compact};
    for (size_t i = 0; i < countof(sources); i++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT, line = BUFFER_INIT;
        struct json json = json_begin(&out, 0), one_line = json_begin(&line, -1);
        json_reprint(&json, span_of(sources[i]));
        json_reprint(&one_line, span_of(sources[i]));
        cr_expect_str_eq(buffer_string(&out), pretty);
        cr_expect_str_eq(buffer_string(&line), compact);
    }
}

Test(json_print, deep_levels_get_all_their_spaces)
{
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct json json = json_begin(&out, 40);
    json_open(&json, '[');
    json_null(&json);
    json_close(&json, ']');
    cr_expect_eq(out.length, strlen("[\nnull\n]") + 2 * 41 + 2 * 40);
    cr_expect_eq(strspn(out.data + 2, " "), 2 * 41);
}
