/* The JSON printer: byte for byte what Python's json.dumps writes, pretty or on one line. */
#include "util/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct json json_begin(struct buffer *out, int indent)
{
    /* The outermost value needs neither comma nor line break before it, as if behind a key. */
    return (struct json){.out = out, .indent = indent < 0 ? -1 : indent, .after_key = true};
}

/* A comma, if one is wanted, and in the indented layout a line break and blanks; in one piece, as
 * there is one before every key. */
static void next_line(struct json *json, bool comma)
{
    static const char lead[] = ",\n                                ";
    size_t blanks = json->indent < 0 ? 0 : 2 * (size_t)json->indent;
    size_t most = sizeof(lead) - 3, first = blanks < most ? blanks : most;
    buffer_add(json->out, lead + !comma, (size_t)comma + (json->indent < 0 ? 0 : 1 + first));
    for (size_t left = blanks - first, step; left > 0; left -= step) {
        step = left < most ? left : most;
        buffer_add(json->out, lead + 2, step);
    }
}

/* What goes before a value or a key. */
static void separate(struct json *json)
{
    if (!json->after_key)
        next_line(json, json->begun);
    json->after_key = false;
    json->begun = true;
}

void json_open(struct json *json, char bracket)
{
    separate(json);
    buffer_add(json->out, &bracket, 1);
    json->begun = false;
    if (json->indent >= 0)
        json->indent++;
}

void json_close(struct json *json, char bracket)
{
    if (json->indent >= 0)
        json->indent--;
    if (json->begun)
        next_line(json, false);
    buffer_add(json->out, &bracket, 1);
    json->begun = true;
}

/* Prints the UTF-8 character, control character, quote or backslash at `at`; returns its end. */
static const char *print_escape(struct json *json, const char *at, const char *end)
{
    static const char names[][2] = {"\"\"", "\\\\", "\bb", "\ff", "\nn", "\rr", "\tt"};
    for (size_t i = 0; i < countof(names); i++) {
        if (*at == names[i][0]) {
            buffer_add(json->out, (char[]){'\\', names[i][1]}, 2);
            return at + 1;
        }
    }
    size_t length = 1;
    int32_t code = text_utf8(at, end, &length);
    if (code < 0)
        buffer_format(json->out, "\\ufffd");
    else if (code < 0x10000)
        buffer_format(json->out, "\\u%04x", (unsigned)code);
    else
        buffer_format(json->out, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (code >> 10)),
                      (unsigned)(0xdc00 + (code & 0x3ff)));
    return at + (code < 0 ? 1 : length);
}

#define SHORT_MOST 96 /* nearly every key and value: goes out in one piece */

/* A text without escapes that is short, in quotes, with `behind` after it. False: it is neither. */
static bool print_short(struct json *json, const char *text, size_t length, const char *behind)
{
    char room[SHORT_MOST + 8];
    size_t more = strlen(behind);
    if (length > SHORT_MOST || json_plain(text, text + length) < text + length)
        return false;
    room[0] = '"';
    memcpy(room + 1, text, length);
    room[length + 1] = '"';
    memcpy(room + length + 2, behind, more);
    buffer_add(json->out, room, length + 2 + more);
    return true;
}

static void print_quoted(struct json *json, const char *text)
{
    const char *end = text + strlen(text);
    if (print_short(json, text, (size_t)(end - text), ""))
        return;
    buffer_text(json->out, "\"");
    while (text < end) {
        const char *stop = json_plain(text, end);
        buffer_add(json->out, text, (size_t)(stop - text));
        text = stop < end ? print_escape(json, stop, end) : end;
    }
    buffer_text(json->out, "\"");
}

static void print_colon(struct json *json)
{
    buffer_text(json->out, json->indent < 0 ? ":" : ": ");
    json->after_key = true;
}

void json_key(struct json *json, const char *key)
{
    separate(json);
    json->after_key = true;
    if (print_short(json, key, strlen(key), json->indent < 0 ? ":" : ": "))
        return;
    print_quoted(json, key);
    print_colon(json);
}

void json_key_raw(struct json *json, struct span key)
{
    separate(json);
    buffer_text(json->out, "\"");
    buffer_add(json->out, key.at, key.length);
    buffer_text(json->out, "\"");
    print_colon(json);
}

void json_string(struct json *json, const char *text)
{
    separate(json);
    print_quoted(json, text);
}

void json_string_or_null(struct json *json, const char *text)
{
    if (text && *text)
        json_string(json, text);
    else
        json_null(json);
}

static void print_word(struct json *json, const char *word)
{
    separate(json);
    buffer_text(json->out, word);
}

void json_int(struct json *json, int64_t number)
{
    separate(json);
    buffer_format(json->out, "%jd", (intmax_t)number);
}

void json_float(struct json *json, double number)
{
    char text[32];
    print_word(json, json_float_text(number, text, sizeof(text)));
}

void json_bool(struct json *json, bool value)
{
    print_word(json, value ? "true" : "false");
}

void json_null(struct json *json)
{
    print_word(json, "null");
}

void json_put_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, text);
}

void json_put_int(struct json *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_int(json, number);
}

void json_put_float(struct json *json, const char *key, double number)
{
    json_key(json, key);
    json_float(json, number);
}

void json_put_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}

void json_raw(struct json *json, struct span value)
{
    separate(json);
    buffer_add(json->out, value.at, value.length);
}

/* Commas and colons are left out: the printer puts its own. */
void json_reprint(struct json *json, struct span value)
{
    const char *end = value.at + value.length;
    for (const char *at = value.at; (at = json_space(at, end)) < end;) {
        char first = *at;
        if (first == '{' || first == '[')
            json_open(json, first);
        else if (first == '}' || first == ']')
            json_close(json, first);
        if (strchr("{}[],:", first)) {
            at++;
            continue;
        }
        const char *stop = json_skip(at, end), *next = json_space(stop, end);
        if (next < end && *next == ':')
            json_key_raw(json, (struct span){at + 1, (size_t)(stop - at) - 2});
        else
            json_raw(json, (struct span){at, (size_t)(stop - at)});
        at = stop;
    }
}

/* Lays out `count` digits with the point behind the first `point` of them (perhaps none). */
static void place_point(const char *digits, int count, int point, char *to, size_t size)
{
    if (point <= 0)
        snprintf(to, size, "0.%.*s%s", -point, "0000", digits);
    else if (point >= count)
        snprintf(to, size, "%s%.*s.0", digits, point - count, "0000000000000000");
    else
        snprintf(to, size, "%.*s.%s", point, digits, digits + point);
}

/* Adds one to the last digit in front of the exponent. False: all of them are nines. */
static bool round_up(char *text)
{
    char *at = strchr(text, 'e') - 1;
    for (; at > text && (*at == '9' || *at == '.'); at--)
        if (*at == '9')
            *at = '0';
    return *at != '9' && ++*at;
}

/* Below a power of two the floats lie closer together than above it: there the nearest decimal may
 * be too far off while the one above it reads back equal. */
static void shortest(double number, char *text, size_t size)
{
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, size, "%.*e", precision, number);
        if (strtod(text, NULL) == number || (round_up(text) && strtod(text, NULL) == number))
            return;
    }
}

/* Nearly every number here has few decimals. Read as an integer of at most 15 digits that are its
 * own: no shorter text can read back equal. False: it is another. */
static bool plain_text(double number, char *buffer, size_t size)
{
    int decimals = number < 1e9 ? 6 : 3;
    uint64_t scale = number < 1e9 ? 1000000 : 1000;
    if (!(number >= 1e-4 && number < 1e12))
        return false;
    uint64_t digits = (uint64_t)(number * (double)scale + 0.5);
    if ((double)digits / (double)scale != number)
        return false;
    size_t length = (size_t)snprintf(buffer, size, "%" PRIu64 ".%0*" PRIu64, digits / scale,
                                     decimals, digits % scale);
    while (buffer[length - 1] == '0' && buffer[length - 2] != '.')
        buffer[--length] = '\0';
    return true;
}

char *json_float_text(double number, char *buffer, size_t size)
{
    char text[32], all[20];
    assert(isfinite(number));
    if (plain_text(number, buffer, size))
        return buffer;
    shortest(fabs(number), text, sizeof(text));
    char *mark = strchr(text, 'e');
    int exponent = atoi(mark + 1), count = 0;
    for (const char *at = text; at < mark; at++)
        if (*at != '.')
            all[count++] = *at;
    all[count] = '\0';
    const char *sign = signbit(number) ? "-" : "";
    size_t taken = (size_t)snprintf(buffer, size, "%s", sign);
    if (exponent >= -4 && exponent < 16)
        place_point(all, count, exponent + 1, buffer + taken, size - taken);
    else
        snprintf(buffer, size, "%s%.1s%s%se%+03d", sign, all, count > 1 ? "." : "", all + 1,
                 exponent);
    return buffer;
}

int json_same(struct span a, struct span b, struct grid_error *err)
{
    grid_auto_buffer struct buffer left = BUFFER_INIT, right = BUFFER_INIT;
    struct json first = json_begin(&left, -1), second = json_begin(&right, -1);
    json_reprint(&first, a);
    json_reprint(&second, b);
    return buffer_same(&left, &right, err);
}
