/* The fast path of reading: records in exactly the layout in which we write them to a file. */
#include "model/record_table.h"

#include <string.h>

/*
 * Whatever is accepted here, record_parse must accept and read the same (test_record compares the
 * two); whatever is in doubt returns NULL and takes the long way. No text is looked at twice.
 */

static bool begins(const char *at, const char *end, const char *text, size_t length)
{
    return (size_t)(end - at) >= length && memcmp(at, text, length) == 0;
}

/* A quoted text without escapes that fits. */
static const char *scan_text(const char *at, const char *end, char *to, size_t size)
{
    if (at == end || *at != '"')
        return NULL;
    const char *stop = json_plain(++at, end);
    size_t length = (size_t)(stop - at);
    if (stop == end || *stop != '"' || length >= size)
        return NULL;
    memcpy(to, at, length);
    to[length] = '\0';
    return stop + 1;
}

static const char *scan_resource(const char *at, const char *end, char *to)
{
    at = scan_text(at, end, to, GRID_RESOURCE_SIZE);
    return at && grid_resource_read(to, to, NULL) == 0 ? at : NULL;
}

/*
 * Digits and perhaps a fraction, 15 digits in all: the digits as a whole number are then exact in a
 * double, so is the power of ten, and one division rounds as strtod would.
 */
static const char *scan_amount(const char *at, const char *end, struct grid_boost *boost)
{
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char *start = at, *point = NULL;
    int64_t mantissa = 0;
    for (; at < end && at - start <= 16; at++) {
        if (*at == '.' && !point && at > start)
            point = at;
        else if (text_is_digit(*at))
            mantissa = 10 * mantissa + (*at - '0');
        else
            break;
    }
    ptrdiff_t whole = (point ? point : at) - start, decimals = point ? at - point - 1 : 0;
    if (whole == 0 || whole + decimals > 15 || (whole > 1 && *start == '0')
        || (point && decimals == 0))
        return NULL;
    double number = (double)mantissa / tens[decimals];
    return grid_amount_read(boost->resource_type, number, &boost->amount_u, NULL) < 0 ? NULL : at;
}

/* As we print them, of 32 bytes; one of these is never without a zone. */
static const char *scan_time(const char *at, const char *end, int64_t *to)
{
    if (end - at < 34 || at[0] != '"' || at[33] != '"')
        return NULL;
    return grid_time_read(at + 1, 32, to, NULL, NULL) == 0 ? at + 34 : NULL;
}

static const char *scan_flag(const char *at, const char *end, bool *to)
{
    *to = begins(at, end, "true", 4);
    return *to ? at + 4 : begins(at, end, "false", 5) ? at + 5 : NULL;
}

static const char *scan_priority(const char *at, const char *end, enum grid_priority *to)
{
    char text[16];
    at = scan_text(at, end, text, sizeof(text));
    return at && grid_priority_parse(text, to, NULL) == 0 ? at : NULL;
}

static const char *scan_token(const char *at, const char *end, int64_t *to)
{
    const char *start = at;
    while (at < end && text_is_digit(*at))
        at++;
    return json_integer((struct span){start, (size_t)(at - start)}, to) ? at : NULL;
}

static const char *scan_member(const struct record_member *member, const char *at, const char *end,
                               struct grid_boost *boost)
{
    void *field = record_field(member, boost);
    switch (member->kind) {
    case RECORD_NAME:
        at = scan_text(at, end, field, member->size);
        return at && *(char *)field ? at : NULL;
    case RECORD_RESOURCE:
        return scan_resource(at, end, field);
    case RECORD_AMOUNT:
        return scan_amount(at, end, boost);
    case RECORD_TEXT:
        if (begins(at, end, "null", 4))
            return *(char *)field = '\0', at + 4;
        return scan_text(at, end, field, member->size);
    case RECORD_END:
    case RECORD_UNTIL:
        if (begins(at, end, "null", 4))
            return *(int64_t *)field = GRID_NEVER, at + 4;
        return scan_time(at, end, field);
    case RECORD_TIME:
    case RECORD_START:
        return scan_time(at, end, field);
    case RECORD_FLAG:
    case RECORD_MARK:
        return scan_flag(at, end, field);
    case RECORD_PRIORITY:
        return scan_priority(at, end, field);
    case RECORD_TOKEN:
        return scan_token(at, end, field);
    default:
        return NULL;
    }
}

const char *record_scan(const char *at, const char *end, struct grid_boost *ret)
{
    const struct record_member *member = record_boost_members;
    const struct record_member *original_end = member + RECORD_ORIGINAL;
    const struct record_member *members_end = member + RECORD_MEMBERS;
    /* The first member has the opening brace where the others have their comma. */
    if (at == end || *at != '{')
        return NULL;
    for (size_t comma = 1; member < original_end; member++, comma = 0) {
        if (!begins(at + comma, end, member->lead + comma, member->lead_length - comma))
            return NULL;
        at = scan_member(member, at + member->lead_length, end, ret);
        if (!at)
            return NULL;
    }
    for (; member < members_end; member++) {
        if (at == end || *at != ',' || !begins(at, end, member->lead, member->lead_length)) {
            record_reset(member, ret);
            continue;
        }
        at = scan_member(member, at + member->lead_length, end, ret);
        if (!at)
            return NULL;
    }
    ret->ended = GRID_ACTIVE;
    ret->ended_us = 0;
    return begins(at, end, "\n    }", 6) && !record_starts_late(ret) ? at + 6 : NULL;
}
