/* The strict JSON scanner: RFC 8259 to the letter, and the spans of what stands in a text. */
#include "util/json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS EACH_BYTE(0x80)

/* --- strict ---------------------------------------------------------------------------------- */

struct scan {
    const char *start, *end;
    struct grid_error *err;
};

static const char *fail(const struct scan *scan, const char *at, const char *what)
{
    grid_error_set(scan->err, GRID_ECORRUPT, "not JSON: %s at byte %zu", what,
                   (size_t)(at - scan->start));
    return NULL;
}

const char *json_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* Not zero when one of the eight bytes is 0; `word` may have no other meaning. */
static uint64_t zero_byte(uint64_t word)
{
    return (word - EACH_BYTE(1)) & ~word & HIGH_BITS;
}

/* Most of a file stands inside of strings: eight bytes at a time. */
const char *json_plain(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        uint64_t control = (word - EACH_BYTE(0x20)) & ~word & HIGH_BITS;
        uint64_t quote = zero_byte(word ^ EACH_BYTE('"'));
        uint64_t backslash = zero_byte(word ^ EACH_BYTE('\\'));
        uint64_t beyond = (word | (word + EACH_BYTE(1))) & HIGH_BITS; /* DEL and non-ASCII */
        if (control | quote | backslash | beyond)
            break;
        at += 8;
    }
    while (at < end && is_plain((unsigned char)*at))
        at++;
    return at;
}

/* `at` is at the backslash. */
static const char *scan_escape(const struct scan *scan, const char *at)
{
    if (scan->end - at < 2)
        return fail(scan, at, "a text that does not end");
    if (at[1] == 'u')
        return json_unit(at + 2, scan->end) < 0 ? fail(scan, at, "a wrong escape") : at + 6;
    return at[1] && strchr("\"\\/bfnrt", at[1]) ? at + 2 : fail(scan, at, "a wrong escape");
}

/* `at` is behind the opening quote. */
static const char *scan_string(const struct scan *scan, const char *at)
{
    while ((at = json_plain(at, scan->end)) < scan->end) {
        size_t length;
        if (*at == '"')
            return at + 1;
        if (*at == '\\') {
            at = scan_escape(scan, at);
            if (!at)
                return NULL;
        } else if ((unsigned char)*at < 0x20) {
            return fail(scan, at, "a control character in a text");
        } else if (text_utf8(at, scan->end, &length) < 0) {
            return fail(scan, at, "invalid UTF-8");
        } else {
            at += length;
        }
    }
    return fail(scan, at, "a text that does not end");
}

/* One digit or more; NULL: none. */
static const char *digits(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && text_is_digit(*at))
        at++;
    return at > start ? at : NULL;
}

static const char *scan_number(const struct scan *scan, const char *at)
{
    const char *start = at, *end = scan->end;
    if (*at == '-')
        at++;
    at = at < end && *at == '0' ? at + 1 : digits(at, end);
    if (at && at < end && *at == '.')
        at = digits(at + 1, end);
    if (at && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        at = digits(at, end);
    }
    return at ? at : fail(scan, start, "a wrong number");
}

static const char *scan_word(const struct scan *scan, const char *at, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(scan->end - at) < length || memcmp(at, word, length) != 0)
        return fail(scan, at, "an unknown word");
    return at + length;
}

/* A key, the colon, and the space around it. */
static const char *scan_key(const struct scan *scan, const char *at)
{
    if (at == scan->end || *at != '"')
        return fail(scan, at, "no key");
    at = scan_string(scan, at + 1);
    if (!at)
        return NULL;
    at = json_space(at, scan->end);
    if (at == scan->end || *at != ':')
        return fail(scan, at, "no colon");
    return json_space(at + 1, scan->end);
}

static const char *scan_value(const struct scan *scan, const char *at, int depth);

static const char *scan_container(const struct scan *scan, const char *at, int depth)
{
    char close = *at == '{' ? '}' : ']';
    if (depth <= 0)
        return fail(scan, at, "nested too deeply");
    at = json_space(at + 1, scan->end);
    if (at < scan->end && *at == close)
        return at + 1;
    for (;;) {
        if (close == '}')
            at = scan_key(scan, at);
        if (at)
            at = scan_value(scan, at, depth - 1);
        if (!at)
            return NULL;
        at = json_space(at, scan->end);
        if (at < scan->end && *at == close)
            return at + 1;
        if (at == scan->end || *at != ',')
            return fail(scan, at, close == '}' ? "no comma or }" : "no comma or ]");
        at = json_space(at + 1, scan->end);
    }
}

static const char *scan_value(const struct scan *scan, const char *at, int depth)
{
    if (at == scan->end)
        return fail(scan, at, "no value");
    switch (*at) {
    case '"':
        return scan_string(scan, at + 1);
    case '{':
    case '[':
        return scan_container(scan, at, depth);
    case 't':
        return scan_word(scan, at, "true");
    case 'f':
        return scan_word(scan, at, "false");
    case 'n':
        return scan_word(scan, at, "null");
    default:
        return *at == '-' || text_is_digit(*at) ? scan_number(scan, at)
                                                : fail(scan, at, "no value");
    }
}

const char *json_value(const char *at, const char *end, int depth, struct grid_error *err)
{
    struct scan scan = {at, end, err};
    return scan_value(&scan, at, depth);
}

/* --- spans ----------------------------------------------------------------------------------- */

/* Where a string ends, valid inside or not; `at` is at its opening quote. NULL: it does not. */
static const char *string_end(const char *at, const char *end)
{
    for (at = json_plain(at + 1, end); at < end; at = json_plain(at, end)) {
        if (*at == '"')
            return at + 1;
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    }
    return NULL;
}

/* Where the bracket that opens at `at` is closed, as far as brackets of its own kind say. */
static const char *balanced(const char *at, const char *end, int depth)
{
    char close = *at == '{' ? '}' : ']';
    int braces = 0, brackets = 0;
    while (at < end) {
        if (*at == '"') {
            at = string_end(at, end);
            if (!at)
                return NULL;
            continue;
        }
        braces += (*at == '{') - (*at == '}');
        brackets += (*at == '[') - (*at == ']' && brackets > 0);
        if (braces + brackets > depth)
            return NULL;
        if (*at++ == close && (close == '}' ? braces : brackets) == 0)
            return at;
    }
    return NULL;
}

const char *json_balanced(const char *at, const char *end, int depth)
{
    return at < end && *at == '{' ? balanced(at, end, depth) : NULL;
}

const char *json_skip(const char *at, const char *end)
{
    if (*at == '"')
        return string_end(at, end);
    if (*at == '{' || *at == '[')
        return balanced(at, end, JSON_DEPTH_MAX);
    while (at < end && !memchr(",:]} \t\r\n", *at, 8))
        at++;
    return at;
}

/* The value at *at; moves *at to the next key or element, or to the closing bracket. */
static struct span take_value(const char **at, const char *end)
{
    const char *stop = json_skip(*at, end);
    struct span value = {*at, (size_t)(stop - *at)};
    *at = json_space(stop, end);
    if (**at == ',')
        *at = json_space(*at + 1, end);
    return value;
}

static int comes_twice(struct span key, struct grid_error *err)
{
    char text[80];
    snprintf(text, sizeof(text), "%.*s", (int)key.length, key.at);
    return grid_error_set(err, GRID_ECORRUPT, "'%s' comes twice", text_shown(text));
}

int json_object(struct span object, json_member_fn fn, void *context, struct grid_error *err)
{
    struct span keys[JSON_MEMBERS_MAX];
    const char *end = object.at + object.length;
    assert(*object.at == '{');
    const char *at = json_space(object.at + 1, end);
    for (size_t count = 0; *at != '}'; count++) {
        const char *stop = string_end(at, end);
        struct span key = {at + 1, (size_t)(stop - at) - 2};
        for (size_t i = 0; i < count; i++)
            if (keys[i].length == key.length && memcmp(keys[i].at, key.at, key.length) == 0)
                return comes_twice(key, err);
        if (count == JSON_MEMBERS_MAX)
            return grid_error_set(err, GRID_ECORRUPT, "more than %d members", JSON_MEMBERS_MAX);
        keys[count] = key;
        at = json_space(json_space(stop, end) + 1, end);
        struct span value = take_value(&at, end);
        int rc = fn(context, key, value, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int json_array(struct span array, json_element_fn fn, void *context, struct grid_error *err)
{
    const char *end = array.at + array.length;
    assert(*array.at == '[');
    const char *at = json_space(array.at + 1, end);
    for (size_t index = 0; *at != ']'; index++) {
        struct span value = take_value(&at, end);
        int rc = fn(context, index, value, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

bool json_is(struct span text, const char *word)
{
    return strlen(word) == text.length && memcmp(text.at, word, text.length) == 0;
}

bool json_integer(struct span value, int64_t *ret)
{
    const char *at = value.at, *end = value.at + value.length;
    bool negative = at < end && *at == '-';
    at += negative;
    if (at == end || end - at > 18 || (*at == '0' && end - at > 1))
        return false;
    int64_t number = 0;
    for (; at < end; at++) {
        if (!text_is_digit(*at))
            return false;
        number = 10 * number + (*at - '0');
    }
    *ret = negative ? -number : number;
    return true;
}
