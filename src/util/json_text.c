/* What the escapes in texts of JSON say. */
#include "util/json.h"

#include "util/text.h"

#include <string.h>

static int hex_digit(char digit)
{
    if (text_is_digit(digit))
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

int json_unit(const char *at, const char *end)
{
    int unit = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

bool json_has_odd_escape(struct span value)
{
    const char *at = value.at, *end = value.at + value.length;
    while ((at = memchr(at, '\\', (size_t)(end - at)))) {
        if (at[1] != 'u') {
            at += 2;
            continue;
        }
        int unit = json_unit(at + 2, end);
        at += 6;
        if (unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff))
            return true;
        if (unit < 0xd800 || unit > 0xdfff)
            continue;
        int low = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? json_unit(at + 2, end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return true;
        at += 6;
    }
    return false;
}

/* As UTF-8; returns its length. */
static size_t put_character(int code, char *to)
{
    static const int leads[] = {0, 0xc0, 0xe0, 0xf0};
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    to[0] = (char)(leads[more] | code >> 6 * more);
    for (int i = 1; i <= more; i++)
        to[i] = (char)(0x80 | (code >> 6 * (more - i) & 0x3f));
    return 1 + (size_t)more;
}

/* *at is at the backslash of a valid escape, and goes behind it. Returns the length. */
static size_t unescape(const char **at, const char *end, char *to)
{
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    char letter = (*at)[1];
    const char *found = strchr(letters, letter);
    if (letter != 'u') {
        *to = found ? meant[found - letters] : letter;
        *at += 2;
        return 1;
    }
    int code = json_unit(*at + 2, end);
    *at += 6;
    if (code >= 0xd800 && code <= 0xdbff) {
        code = 0x10000 + ((code - 0xd800) << 10) + json_unit(*at + 2, end) - 0xdc00;
        *at += 6;
    }
    return put_character(code, to);
}

bool json_text(struct span value, char *to, size_t size)
{
    const char *at = value.at + 1, *end = value.at + value.length - 1;
    size_t length = 0;
    bool whole = true;
    while (whole && at < end) {
        char character[4];
        const char *stop = memchr(at, '\\', (size_t)(end - at)), *from = at;
        size_t bytes = (size_t)((stop ? stop : end) - at);
        if (bytes == 0) {
            bytes = unescape(&at, end, character);
            from = character;
        } else {
            at += bytes;
        }
        size_t fits = text_cut(from, bytes, size - length);
        memcpy(to + length, from, fits);
        length += fits;
        whole = fits == bytes;
    }
    to[length] = '\0';
    return whole;
}
