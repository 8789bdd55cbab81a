/* JSON text: a strict scanner that finds the spans of values, and a small printer. */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include "util/text.h"

#define JSON_DEPTH_MAX 64   /* of nesting, the outermost value counted as 1 */
#define JSON_MEMBERS_MAX 512 /* of one object that is looked into, see json_object */

/* A stretch of somebody else's text. */
struct span {
    const char *at;
    size_t length;
};

/* The next line of a text, without its newline, which the last one may lack; *at, where it begins,
 * is then behind it. False: there is none. */
static inline bool span_line(const char **at, const char *end, struct span *ret)
{
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *ret = (struct span){*at, (size_t)((stop ? stop : end) - *at)};
    *at = stop ? stop + 1 : end;
    return true;
}

/* --- reading: cJSON takes what no JSON parser should (doubled keys, 01, invalid UTF-8, texts cut
 * at \u0000), so text is checked here before cJSON sees it ----------------------------------- */

/* Skips white space (space, tab, CR, LF). */
const char *json_space(const char *at, const char *end);

/*
 * Checks one value at `at` by RFC 8259: grammar, numbers, escapes, UTF-8, no raw control
 * characters, at most `depth` levels. Returns where it ends; NULL with err set (ECORRUPT, what and
 * at which offset from `at`) otherwise. NaN and Infinity are no JSON.
 */
const char *json_value(const char *at, const char *end, int depth, struct grid_error *err);

/* Skips printable ASCII without quote and backslash: what every string holds as it is. */
const char *json_plain(const char *at, const char *end);

/* Where a valid value ends that begins at `at`. */
const char *json_skip(const char *at, const char *end);

/*
 * Only finds where an object ends, by its balanced braces outside of strings: for a record that is
 * no JSON inside. NULL when it does not end, or nests brackets of either kind deeper than `depth`.
 */
const char *json_balanced(const char *at, const char *end, int depth);

/* Called for each member: the key's text between the quotes (escapes not resolved) and the
 * value's span. Non-zero stops and is returned. */
typedef int (*json_member_fn)(void *context, struct span key, struct span value,
                              struct grid_error *err);

/* The members of a valid object (json_value has passed it). Returns 0 or what fn returned;
 * ECORRUPT for a key that comes twice (compared byte for byte) or for more than
 * JSON_MEMBERS_MAX. */
int json_object(struct span object, json_member_fn fn, void *context, struct grid_error *err);

/* The elements of a valid array, in order. Returns 0 or what fn returned. */
typedef int (*json_element_fn)(void *context, size_t index, struct span value,
                               struct grid_error *err);
int json_array(struct span array, json_element_fn fn, void *context, struct grid_error *err);

/* Is a key or a string's inside exactly this? (ASCII without escapes only.) */
bool json_is(struct span text, const char *word);

/* Does a valid value hold the escape \u0000 anywhere, or half a surrogate pair? Then no C string
 * can hold it. */
bool json_has_odd_escape(struct span value);

/* What a valid string without such escapes says, as UTF-8: whole characters, as many as fit into
 * `size` bytes with a NUL. False: some did not. */
bool json_text(struct span value, char *to, size_t size);

/* The number behind \u at `at`: four hexadecimal digits. -1: it is none. */
int json_unit(const char *at, const char *end);

/* A whole number of at most 18 digits without fraction or exponent. False: it is not. */
bool json_integer(struct span value, int64_t *ret);

/* --- printing: as Python's json.dumps does, ASCII with \uXXXX ------------------------------- */

/*
 * A printer onto a buffer. indent < 0: compact, one line, "," and ":" without spaces; otherwise
 * each level 2 spaces, beginning at level `indent`. It puts the commas and the line breaks; the
 * caller puts values in order:
 *     json_open(&json, '{'); json_key(&json, "a"); json_int(&json, 1); json_close(&json, '}');
 */
struct json {
    struct buffer *out;
    int indent;    /* current level; -1: compact */
    bool begun;    /* something stands in the current object or array already */
    bool after_key;
};
struct json json_begin(struct buffer *out, int indent);

void json_open(struct json *json, char bracket);  /* '{' or '[' */
void json_close(struct json *json, char bracket); /* '}' or ']'; empty ones as {} and [] */
void json_key(struct json *json, const char *key);
void json_key_raw(struct json *json, struct span key); /* its text between the quotes, as it is */
void json_string(struct json *json, const char *text); /* invalid UTF-8 becomes \ufffd */
void json_string_or_null(struct json *json, const char *text); /* "" or NULL as null */
void json_int(struct json *json, int64_t number);
void json_float(struct json *json, double number); /* finite; as Python's repr */
void json_bool(struct json *json, bool value);
void json_null(struct json *json);

/* A member: its key, and its value as above. */
void json_put_text(struct json *json, const char *key, const char *text);
void json_put_int(struct json *json, const char *key, int64_t number);
void json_put_float(struct json *json, const char *key, double number);
void json_put_bool(struct json *json, const char *key, bool value);

/* A value whose text exists already, printed as it is (its own layout and all). */
void json_raw(struct json *json, struct span value);
/* A valid value, printed anew in this printer's layout: only white space between tokens changes;
 * numbers and strings keep their own text. */
void json_reprint(struct json *json, struct span value);

/* Do two valid values say the same, in whatever layout? Numbers and strings by their text; of
 * objects the order counts. 1: yes; 0: no; ENOMEM. */
int json_same(struct span a, struct span b, struct grid_error *err);

/* A float as Python's repr prints it: shortest text that reads back equal; "2.0", "1e-06",
 * "1e+16". `size` of 32 always suffices. Returns `buffer`. */
char *json_float_text(double number, char *buffer, size_t size);

#endif
