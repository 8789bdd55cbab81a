/* Instants and durations: reading, printing, arithmetic; all of it on integers. */
#include "grid/time.h"

#include "util/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define YEAR_1_US (-719162 * GRID_DAY)          /* 0001-01-01 */
#define YEAR_10000_US (2932897 * GRID_DAY)      /* the first instant that cannot be written */
#define MARCH_0_TO_EPOCH 719468                 /* days from 1 March of the year 0 */

/* Broken down, as it is written. */
struct civil {
    int year, month, day, hour, minute, second;
    int64_t fraction_us, offset_us;
};

/* --- the calendar: years are counted from March, so that the leap day is a year's last ------ */

static int64_t days_before_year(int64_t year)
{
    return 365 * year + year / 4 - year / 100 + year / 400;
}

/* Days from 1 March to the first of the month that is `month` months after it. */
static int days_before_month(int month)
{
    return (153 * month + 2) / 5;
}

/* Days since the epoch; the year is 0 or more. */
static int64_t days_of(int year, int month, int day)
{
    bool early = month < 3;
    return days_before_year(early ? year - 1 : year)
           + days_before_month(early ? month + 9 : month - 3) + day - 1 - MARCH_0_TO_EPOCH;
}

static void set_date(struct civil *civil, int64_t days)
{
    days += MARCH_0_TO_EPOCH;
    int64_t year = days * 400 / days_before_year(400); /* or one too few */
    if (days_before_year(year + 1) <= days)
        year++;
    int rest = (int)(days - days_before_year(year)), month = rest / 31;
    if (days_before_month(month + 1) <= rest)
        month++;
    civil->day = rest - days_before_month(month) + 1;
    civil->month = month < 10 ? month + 3 : month - 9;
    civil->year = (int)year + (month >= 10);
}

static bool is_real(const struct civil *civil)
{
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (civil->month < 1 || civil->month > 12)
        return false;
    bool leap = civil->year % 4 == 0 && (civil->year % 100 != 0 || civil->year % 400 == 0);
    int last = days[civil->month - 1] + (leap && civil->month == 2);
    return civil->year >= 1 && civil->day >= 1 && civil->day <= last && civil->hour <= 23
           && civil->minute <= 59 && civil->second <= 60;
}

static int64_t instant_of(const struct civil *civil)
{
    return days_of(civil->year, civil->month, civil->day) * GRID_DAY + civil->hour * GRID_HOUR
           + civil->minute * GRID_MINUTE + civil->second * GRID_SECOND + civil->fraction_us
           - civil->offset_us;
}

static bool is_writable(int64_t time_us)
{
    return time_us >= YEAR_1_US && time_us < YEAR_10000_US;
}

/* --- reading ------------------------------------------------------------------------------- */

/* Is each byte of the text between those of `least` and `most`? A loop without branches, which
 * the compiler does sixteen bytes at a time. */
static inline bool fits(const char *text, const char *least, const char *most, size_t length)
{
    unsigned char bad = 0;
    for (size_t i = 0; i < length; i++)
        bad |= (unsigned char)((text[i] < least[i]) | (text[i] > most[i]));
    return bad == 0;
}

static inline int two(const char *at)
{
    return (at[0] - '0') * 10 + at[1] - '0';
}

/* "YYYY-MM-DD?HH:MM:SS", whose layout was checked. */
static inline void read_clock(const char *text, struct civil *civil)
{
    civil->year = two(text) * 100 + two(text + 2);
    civil->month = two(text + 5);
    civil->day = two(text + 8);
    civil->hour = two(text + 11);
    civil->minute = two(text + 14);
    civil->second = two(text + 17);
}

/* What follows the seconds: a fraction; returns where it ends, NULL when it is too long. */
static const char *read_fraction(const char *at, const char *end, struct civil *civil)
{
    civil->fraction_us = 0;
    if (at == end || *at != '.')
        return at;
    int64_t weight = GRID_SECOND / 10;
    const char *begin = ++at;
    for (; at < end && text_is_digit(*at); at++, weight /= 10)
        civil->fraction_us += (*at - '0') * weight;
    return at - begin <= 9 ? at : NULL;
}

/* "Z", "+01:00", "+0530" or nothing, to the end of the text. */
static bool read_zone(const char *at, const char *end, struct civil *civil, bool *naive)
{
    civil->offset_us = 0;
    *naive = at == end;
    if (*naive || (end - at == 1 && (*at == 'Z' || *at == 'z')))
        return true;
    bool colon = end - at == 6 && at[3] == ':';
    const char *minutes = at + (colon ? 4 : 3);
    if ((!colon && end - at != 5) || (*at != '+' && *at != '-') || !fits(at + 1, "00", "29", 2)
        || !fits(minutes, "00", "59", 2) || two(at + 1) > 23)
        return false;
    int64_t offset_us = two(at + 1) * GRID_HOUR + two(minutes) * GRID_MINUTE;
    civil->offset_us = *at == '-' ? -offset_us : offset_us;
    return true;
}

/* Any of the forms that files may have. False: none of them. */
static bool read_any(const char *text, size_t length, struct civil *civil, bool *naive)
{
    if (length < 19 || !fits(text, "0000-00-00", "9999-99-99", 10)
        || !fits(text + 11, "00:00:00", "99:99:99", 8)
        || (text[10] != 'T' && text[10] != 't' && text[10] != ' '))
        return false;
    read_clock(text, civil);
    const char *at = read_fraction(text + 19, text + length, civil);
    return at && read_zone(at, text + length, civil, naive);
}

int grid_time_read(const char *text, size_t length, int64_t *ret_us, bool *ret_naive,
                   struct grid_error *err)
{
    static const char least[] = "0000-00-00T00:00:00.000000+00:00";
    static const char most[] = "9999-99-99T99:99:99.999999+00:00";
    struct civil civil = {0};
    bool naive = false;
    if (length == sizeof(least) - 1 && fits(text, least, most, sizeof(least) - 1)) {
        read_clock(text, &civil);
        civil.fraction_us = two(text + 20) * 10000 + two(text + 22) * 100 + two(text + 24);
    } else if (!read_any(text, length, &civil, &naive)) {
        char copy[GRID_TIME_SIZE];
        snprintf(copy, sizeof(copy), "%.*s", (int)(length < 60 ? length : 60), text);
        return grid_error_set(err, GRID_EUSAGE,
                              "time '%s' is not of the form 2026-01-31T20:00:00+00:00",
                              text_shown(copy));
    }
    int64_t time_us = is_real(&civil) ? instant_of(&civil) : YEAR_10000_US;
    if (!is_writable(time_us))
        return grid_error_set(err, GRID_EUSAGE, "time '%.*s' does not exist", (int)length, text);
    *ret_us = time_us;
    if (ret_naive)
        *ret_naive = naive;
    return 0;
}

/* "YYYY-MM-DD HH:MM[:SS]" in local time. False: not that, or no such time. */
static bool read_local(const char *text, int64_t *ret_us)
{
    char whole[] = "YYYY-MM-DD HH:MM:00";
    size_t length = strlen(text);
    if (length != sizeof(whole) - 1 && length != sizeof(whole) - 4)
        return false;
    memcpy(whole, text, length);
    struct civil civil = {0};
    if (!fits(whole, "0000-00-00 00:00:00", "9999-99-99 99:99:99", sizeof(whole) - 1))
        return false;
    read_clock(whole, &civil);
    if (!is_real(&civil))
        return false;
    struct tm tm = {.tm_year = civil.year - 1900, .tm_mon = civil.month - 1,
                    .tm_mday = civil.day, .tm_hour = civil.hour, .tm_min = civil.minute,
                    .tm_sec = civil.second, .tm_isdst = -1, .tm_wday = -1};
    time_t seconds = mktime(&tm);
    *ret_us = seconds * GRID_SECOND;
    return tm.tm_wday >= 0 && is_writable(*ret_us);
}

int grid_time_parse(const char *text, int64_t now_us, int64_t *ret_us, struct grid_error *err)
{
    int64_t time_us;
    bool naive;
    if (strcmp(text, "now") == 0) {
        *ret_us = now_us;
        return 0;
    }
    if (text[0] == '+') {
        int rc = grid_duration_parse(text + 1, false, &time_us, err);
        if (rc == 0)
            *ret_us = grid_time_add(now_us, time_us);
        return rc;
    }
    if (!read_local(text, &time_us)
        && (grid_time_read(text, strlen(text), &time_us, &naive, NULL) != 0 || naive))
        return grid_error_advise(err, GRID_EUSAGE,
                                 "try 2027-01-31T20:00:00Z, '2027-01-31 20:00' (local time), +2h "
                                 "or now", "time '%s' is not understood", text_shown(text));
    *ret_us = time_us;
    return 0;
}

/* --- printing ------------------------------------------------------------------------------ */

static void put(char *to, int64_t number, int width)
{
    for (; width-- > 0; number /= 10)
        to[width] = (char)('0' + number % 10);
}

char *grid_time_format(int64_t time_us, char buffer[static GRID_TIME_SIZE])
{
    if (time_us == GRID_NEVER)
        return strcpy(buffer, "never");
    /* What no four digits can say is shown as the nearest that they can. */
    if (!is_writable(time_us))
        time_us = time_us < YEAR_1_US ? YEAR_1_US : YEAR_10000_US - 1;
    int64_t rest = time_us - YEAR_1_US;
    struct civil civil;
    set_date(&civil, rest / GRID_DAY + YEAR_1_US / GRID_DAY);
    strcpy(buffer, "0000-00-00T00:00:00.000000+00:00");
    put(buffer, civil.year, 4);
    put(buffer + 5, civil.month, 2);
    put(buffer + 8, civil.day, 2);
    put(buffer + 11, rest / GRID_HOUR % 24, 2);
    put(buffer + 14, rest / GRID_MINUTE % 60, 2);
    put(buffer + 17, rest / GRID_SECOND % 60, 2);
    put(buffer + 20, rest % GRID_SECOND, 6);
    return buffer;
}

char *grid_time_format_naive(int64_t time_us, char buffer[static GRID_TIME_SIZE])
{
    char *zone = strchr(grid_time_format(time_us, buffer), '+');
    if (zone)
        *zone = '\0';
    return buffer;
}

char *grid_time_show(int64_t time_us, char buffer[static GRID_TIME_SIZE])
{
    time_t seconds = time_us / GRID_SECOND - (time_us % GRID_SECOND < 0);
    struct tm tm;
    if (time_us == GRID_NEVER || !localtime_r(&seconds, &tm)
        || strftime(buffer, GRID_TIME_SIZE, "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
        return grid_time_format(time_us, buffer);
    return buffer;
}

int64_t grid_time_add(int64_t time_us, int64_t duration_us)
{
    int64_t sum;
    if (time_us == GRID_NEVER || duration_us == GRID_NEVER
        || __builtin_add_overflow(time_us, duration_us, &sum) || sum >= YEAR_10000_US)
        return GRID_NEVER;
    return sum;
}

/* --- durations ----------------------------------------------------------------------------- */

static const int64_t unit_us[] = {7 * GRID_DAY, GRID_DAY, GRID_HOUR, GRID_MINUTE, GRID_SECOND};
#define FIRST_UNIT_OF_TIME 2 /* ISO 8601 has a T before it */

/* A whole number; returns where it ends, NULL when there is none. One that is beyond any bound
 * stays beyond it. */
static const char *read_count(const char *at, int64_t *ret)
{
    const char *begin = at;
    for (*ret = 0; text_is_digit(*at); at++) {
        if (*ret <= GRID_DURATION_MAX)
            *ret = *ret * 10 + *at - '0';
    }
    return at > begin ? at : NULL;
}

/* Numbers with units that fall in size: "1h30m", or of ISO 8601 what follows the P. False: it is
 * something else. */
static bool read_units(const char *at, bool iso, __int128 *ret_us)
{
    const char *units = iso ? "WDHMS" : "wdhms", *left = units;
    bool time = !iso;
    *ret_us = 0;
    do {
        if (iso && !time && *at == 'T') {
            time = true;
            at++;
        }
        int64_t count;
        at = read_count(at, &count);
        const char *unit = at && *at ? strchr(left, *at) : NULL;
        if (!unit || (iso && time != (unit - units >= FIRST_UNIT_OF_TIME)))
            return false;
        *ret_us += (__int128)count * unit_us[unit - units];
        left = unit + 1;
    } while (*++at);
    return true;
}

int grid_duration_parse(const char *text, bool never, int64_t *ret_us, struct grid_error *err)
{
    if (never && strcmp(text, "never") == 0) {
        *ret_us = GRID_NEVER;
        return 0;
    }
    int64_t seconds;
    const char *end = read_count(text, &seconds);
    __int128 sum = end ? (__int128)seconds * GRID_SECOND : 0;
    bool iso = text[0] == 'P';
    if (!(end && *end == '\0') && !read_units(text + iso, iso, &sum))
        return grid_error_advise(err, GRID_EUSAGE,
                                 never ? "try 90s, 30m, 1h30m, 2d, 1w or PT1H30M, or never"
                                       : "try 90s, 30m, 1h30m, 2d, 1w or PT1H30M",
                                 "duration '%s' is not understood", text_shown(text));
    if (sum == 0 || sum > GRID_DURATION_MAX)
        return grid_error_set(err, GRID_EUSAGE, "duration '%s' %s", text_shown(text),
                              sum == 0 ? "must be over 0" : "is over the limit of ten years");
    *ret_us = (int64_t)sum;
    return 0;
}

char *grid_duration_show(int64_t duration_us, char buffer[static GRID_TIME_SIZE])
{
    static const char units[] = "wdhms";
    if (duration_us == GRID_NEVER)
        return strcpy(buffer, "never");
    size_t unit = 1, last = countof(unit_us) - 1;
    while (unit < last && duration_us < unit_us[unit])
        unit++;
    if (duration_us < 0)
        duration_us = 0;
    int used = snprintf(buffer, GRID_TIME_SIZE, "%jd%c", (intmax_t)(duration_us / unit_us[unit]),
                        units[unit]);
    duration_us %= unit_us[unit];
    if (unit < last && duration_us >= unit_us[unit + 1])
        snprintf(buffer + used, GRID_TIME_SIZE - (size_t)used, "%jd%c",
                 (intmax_t)(duration_us / unit_us[unit + 1]), units[unit + 1]);
    return buffer;
}
