/* Resources and amounts: what was typed, what files hold, and what people are shown. */
#include "grid/amount.h"

#include "util/json.h"
#include "util/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define OLD_SPELLING "ResourceType."
#define EXPONENT_MAX 99
/* A number of this many digits is refused, so that 128 bits hold all that is made of the others:
 * below 10^18 as typed, then at most 10^25 millionths, times the largest unit, 2^40. */
#define DIGITS_MAX UINT64_C(1000000000000000000)
#define MILLIONTHS_MAX ((unsigned __int128)DIGITS_MAX * 1000000)

bool grid_resource_is_memory(const char *resource)
{
    return strcmp(resource, "MEMORY") == 0;
}

static bool is_letter(char c)
{
    c |= 0x20; /* in lower case */
    return c >= 'a' && c <= 'z';
}

int grid_resource_parse(const char *text, char ret_resource[static GRID_RESOURCE_SIZE],
                        struct grid_error *err)
{
    char upper[GRID_RESOURCE_SIZE];
    size_t length = 0;
    for (; is_letter(text[length]) || text_is_digit(text[length]) || text[length] == '_'
           || text[length] == '-'; length++) {
        if (length < sizeof(upper) - 1)
            upper[length] = text_upper(text[length]);
    }
    if (text[length] == '\0' && length < sizeof(upper) && is_letter(text[0])) {
        upper[length] = '\0';
        memcpy(ret_resource, upper, length + 1);
        return 0;
    }
    return grid_error_advise(err, GRID_EUSAGE,
                             "try cpu, gpu, memory, or a name of your own: a letter, then letters, "
                             "digits, '_' and '-', 32 in all at most",
                             "resource '%s' is not a name", text_shown(text));
}

int grid_resource_read(const char *text, char ret_resource[static GRID_RESOURCE_SIZE],
                       struct grid_error *err)
{
    if (text_begins(text, OLD_SPELLING))
        text += strlen(OLD_SPELLING);
    return grid_resource_parse(text, ret_resource, err);
}

/* A decimal number, exactly: digits / 10^scale. */
struct decimal {
    uint64_t digits; /* DIGITS_MAX or more: too many of them */
    int scale;
};

static const char *read_digits(const char *at, struct decimal *number)
{
    for (; text_is_digit(*at); at++, number->scale++) {
        if (number->digits < DIGITS_MAX)
            number->digits = number->digits * 10 + (uint64_t)(*at - '0');
    }
    return at;
}

/* Reads digits, decimals and exponent; returns where they end, NULL when there is no number. */
static const char *read_decimal(const char *text, struct decimal *ret)
{
    struct decimal number = {0, 0}, exponent = {0, 0};
    const char *at = read_digits(text, &number);
    bool any = at > text;
    number.scale = 0;
    if (*at == '.') {
        at = read_digits(at + 1, &number);
        any = any || number.scale > 0;
    }
    if (!any)
        return NULL;
    if (*at == 'e' || *at == 'E') {
        bool negative = at[1] == '-';
        const char *begin = at + 1 + (negative || at[1] == '+');
        at = read_digits(begin, &exponent);
        if (at == begin)
            return NULL;
        int power = exponent.digits > EXPONENT_MAX ? EXPONENT_MAX : (int)exponent.digits;
        number.scale += negative ? power : -power;
    }
    *ret = number;
    return at;
}

/* In millionths; what is more than any bound comes out more than any bound. Returns what is wrong
 * with the number, or NULL. */
static const char *to_millionths(struct decimal number, unsigned __int128 *ret)
{
    if (number.digits == 0)
        return "must be over 0";
    if (number.digits >= DIGITS_MAX)
        return "has too many digits";
    for (; number.scale > 6 && number.digits % 10 == 0; number.scale--)
        number.digits /= 10;
    if (number.scale > 6)
        return "has more than six decimals";
    *ret = number.digits;
    for (; number.scale < 6 && *ret < MILLIONTHS_MAX; number.scale++)
        *ret *= 10;
    return NULL;
}

/* Of memory; the first of those that are as short is the one that is printed. */
static const struct unit {
    const char *name;
    int64_t bytes;
} units[] = {
    {"TiB", INT64_C(1) << 40}, {"GiB", GRID_MEMORY_GIB}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
    {"TB", INT64_C(1000000000000)}, {"GB", 1000000000}, {"MB", 1000000}, {"kB", 1000},
    {"", GRID_MEMORY_GIB},
};

/* The unit that was probably meant: case apart, or a first letter ("16G"). NULL: none. */
static const struct unit *nearest_unit(const char *name)
{
    for (size_t i = 0; i < countof(units); i++)
        if (text_same(name, units[i].name)
            || (name[0] && !name[1] && text_lower(name[0]) == text_lower(units[i].name[0])))
            return &units[i];
    return NULL;
}

static int wrong_unit(bool memory, const char *text, const char *unit, struct grid_error *err)
{
    const struct unit *nearest = nearest_unit(unit);
    if (!memory)
        return grid_error_advise(err, GRID_EUSAGE,
                                 nearest ? "only memory has units" : "try 2, 0.5 or 1e3",
                                 "amount '%s' is not a number", text_shown(text));
    grid_error_advise(err, GRID_EUSAGE,
                      "memory is GiB, or carries KiB, MiB, GiB, TiB, kB, MB, GB or TB, as in "
                      "512MiB", "amount '%s' has an unknown unit", text_shown(text));
    return nearest ? grid_error_hint(err, "did you mean '%.*s%s'?", (int)(unit - text), text,
                                     nearest->name)
                   : GRID_EUSAGE;
}

/* Sets *ret_bytes to what one unit of the number is, 0 for what is not counted in bytes. */
static int read_typed(bool memory, const char *text, struct decimal *number, int64_t *ret_bytes,
                      struct grid_error *err)
{
    const char *unit = read_decimal(text + (text[0] == '-'), number);
    *ret_bytes = 0;
    if (!unit)
        return grid_error_advise(err, GRID_EUSAGE,
                                 memory ? "try 16, 0.5, 512MiB or 16GiB" : "try 2, 0.5 or 1e3",
                                 "amount '%s' is not a number", text_shown(text));
    for (size_t i = 0; memory && i < countof(units); i++)
        if (strcmp(unit, units[i].name) == 0)
            *ret_bytes = units[i].bytes;
    if (*ret_bytes > 0 || (!*unit && !memory))
        return 0;
    return wrong_unit(memory, text, unit, err);
}

static int parse(const char *resource, const char *text, bool zero, int64_t *ret_amount_u,
                 struct grid_error *err)
{
    bool memory = grid_resource_is_memory(resource);
    struct decimal number = {0};
    int64_t bytes = 0;
    int rc = read_typed(memory, text, &number, &bytes, err);
    if (rc != 0)
        return rc;
    unsigned __int128 amount = 0;
    const char *fault = text[0] == '-'              ? zero ? "is negative" : "must be over 0"
                        : zero && number.digits == 0 ? NULL
                                                     : to_millionths(number, &amount);
    if (!fault && memory) {
        amount *= (unsigned __int128)bytes;
        fault = amount % GRID_AMOUNT_UNIT ? "is not a whole number of bytes" : NULL;
        amount /= GRID_AMOUNT_UNIT;
    }
    if (!fault && amount > (unsigned __int128)(memory ? GRID_MEMORY_MAX : GRID_AMOUNT_MAX))
        fault = memory ? "is over the limit of 4096TiB" : "is over the limit of 1000000000";
    if (fault)
        return grid_error_set(err, GRID_EUSAGE, "amount '%s' %s", text_shown(text), fault);
    *ret_amount_u = (int64_t)amount;
    return 0;
}

int grid_amount_parse(const char *resource, const char *text, int64_t *ret_amount_u,
                      struct grid_error *err)
{
    return parse(resource, text, false, ret_amount_u, err);
}

int grid_amount_parse_limit(const char *resource, const char *text, int64_t *ret_amount_u,
                            struct grid_error *err)
{
    return parse(resource, text, true, ret_amount_u, err);
}

int grid_amount_read(const char *resource, double number, int64_t *ret_amount_u,
                     struct grid_error *err)
{
    bool memory = grid_resource_is_memory(resource);
    if (!isfinite(number))
        return grid_error_set(err, GRID_EUSAGE, "amount is not finite");
    double scaled = number * (double)(memory ? GRID_MEMORY_GIB : GRID_AMOUNT_UNIT);
    if (scaled < 0.5)
        return grid_error_set(err, GRID_EUSAGE, "amount is not over 0");
    int64_t most = memory ? GRID_MEMORY_MAX : GRID_AMOUNT_MAX;
    if (scaled > (double)most)
        return grid_error_set(err, GRID_EUSAGE, "amount is over the limit of %s",
                              memory ? "4194304 GiB" : "1000000000");
    *ret_amount_u = (int64_t)(scaled + 0.5); /* exact below 2^52; llround would load libm */
    return 0;
}

double grid_amount_number(const char *resource, int64_t amount_u)
{
    int64_t unit = grid_resource_is_memory(resource) ? GRID_MEMORY_GIB : GRID_AMOUNT_UNIT;
    return (double)amount_u / (double)unit;
}

char *grid_amount_format(const char *resource, int64_t amount_u,
                         char buffer[static GRID_AMOUNT_SIZE])
{
    return json_float_text(grid_amount_number(resource, amount_u), buffer, GRID_AMOUNT_SIZE);
}

char *grid_amount_exact(const char *resource, int64_t amount_u,
                        char buffer[static GRID_AMOUNT_SIZE])
{
    if (!grid_resource_is_memory(resource) || amount_u == 0)
        return grid_amount_format(resource, amount_u, buffer);
    buffer[0] = '\0';
    for (size_t i = 0; i + 1 < countof(units); i++) {
        char text[GRID_AMOUNT_SIZE];
        __int128 millionths = (__int128)amount_u * GRID_AMOUNT_UNIT;
        if (millionths % units[i].bytes)
            continue;
        millionths /= units[i].bytes;
        int length = snprintf(text, sizeof(text), "%jd.%06jd",
                              (intmax_t)(millionths / GRID_AMOUNT_UNIT),
                              (intmax_t)(millionths % GRID_AMOUNT_UNIT));
        while (text[length - 1] == '0')
            length--;
        length -= text[length - 1] == '.';
        snprintf(text + length, sizeof(text) - (size_t)length, "%s", units[i].name);
        if (!buffer[0] || strlen(text) < strlen(buffer))
            memcpy(buffer, text, sizeof(text));
    }
    return buffer;
}

/* In the largest unit of which it is a tenth or more. Whole bytes need not be short in it: a
 * thousandth is enough to read. */
char *grid_amount_show(const char *resource, int64_t amount_u,
                       char buffer[static GRID_AMOUNT_SIZE])
{
    size_t unit = 1; /* GiB, MiB, KiB */
    if (!grid_resource_is_memory(resource))
        return grid_amount_format(resource, amount_u, buffer);
    while (unit < 3 && amount_u > 0 && amount_u < units[unit].bytes / 10)
        unit++;
    size_t length = (size_t)snprintf(buffer, GRID_AMOUNT_SIZE, "%.3f",
                                     (double)amount_u / (double)units[unit].bytes);
    while (buffer[length - 1] == '0' && buffer[length - 2] != '.')
        buffer[--length] = '\0';
    snprintf(buffer + length, GRID_AMOUNT_SIZE - length, " %s", units[unit].name);
    return buffer;
}

int64_t grid_amount_add(int64_t a_u, int64_t b_u)
{
    int64_t sum;
    return __builtin_add_overflow(a_u, b_u, &sum) ? INT64_MAX : sum;
}
