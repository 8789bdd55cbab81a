/* Instants and durations: what files and people may write, and what they are shown. */
#include "grid/time.h"
#include "util/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define S GRID_SECOND
#define M GRID_MINUTE
#define H GRID_HOUR
#define D GRID_DAY
#define JANUARY INT64_C(1769198423954754) /* 2026-01-23T20:00:23.954754Z */

static const struct {
    const char *text;
    int64_t time_us; /* -1: refused */
    bool naive;
} instants[] = {
    {"2026-01-23T20:00:23.954754+00:00", JANUARY, false},
    {"2026-01-23T20:00:23.954754-00:00", JANUARY, false},
    {"2026-01-23T20:00:23.954754Z", JANUARY, false},
    {"2026-01-23t20:00:23.954754z", JANUARY, false},
    {"2026-01-23 20:00:23.954754+00:00", JANUARY, false},
    {"2026-01-23T21:00:23.954754+01:00", JANUARY, false},
    {"2026-01-24T01:30:23.954754+05:30", JANUARY, false},
    {"2026-01-24T01:30:23.954754+0530", JANUARY, false},
    {"2026-01-23T15:00:23.954754-05:00", JANUARY, false},
    {"2026-01-23T15:00:23.954754-0500", JANUARY, false},
    {"2026-01-23T20:00:23.954754", JANUARY, true},
    {"2026-01-23 20:00:23.954754", JANUARY, true},
    {"2026-01-23T20:00:23.954754999Z", JANUARY, false},
    {"2026-01-23T20:00:23.95475400+00:00", JANUARY, false},
    {"2026-01-23T20:00:23+00:00", JANUARY - 954754, false},
    {"2026-01-23T20:00:23", JANUARY - 954754, true},
    {"2026-01-23T20:00:23.+00:00", JANUARY - 954754, false},
    {"2026-01-23T20:00:23.9Z", JANUARY - 54754, false},
    {"2026-01-23T20:00:23.95Z", JANUARY - 4754, false},
    {"2026-01-23T20:00:23.954Z", JANUARY - 754, false},
    {"2026-01-23T20:00:23.000001Z", JANUARY - 954753, false},
    {"1970-01-01T00:00:00.000000+00:00", 0, false},
    {"1969-12-31T23:59:59.999998Z", -2, false},
    {"2000-02-29T00:00:00Z", 951782400 * S, false},
    {"2024-02-29T12:00:00Z", 1709208000 * S, false},
    {"2016-12-31T23:59:60Z", 1483228800 * S, false},
    {"2016-12-31T23:59:60.500000+00:00", 1483228800 * S + S / 2, false},
    {"2099-01-01T00:00:00.123456+00:00", 4070908800 * S + 123456, false},
    {"0001-01-01T00:00:00.000000+00:00", -62135596800 * S, false},
    {"0001-01-01T00:00:00-00:01", -62135596740 * S, false},
    {"9999-12-31T23:59:59.999999+00:00", 253402300799 * S + 999999, false},
    {"2026-01-23T20:00:23+23:59", JANUARY - 954754 - 23 * H - 59 * M, false},
    {"0000-12-31T23:59:59Z", -1, false},
    {"0000-12-31T23:59:59.000000+00:00", -1, false},
    {"0001-01-01T00:00:00+00:01", -1, false},
    {"9999-12-31T23:59:59-00:01", -1, false},
    {"9999-12-31T23:59:60Z", -1, false},
    {"2026-02-29T00:00:00Z", -1, false},
    {"2026-02-29T00:00:00.000000+00:00", -1, false},
    {"1900-02-29T00:00:00Z", -1, false},
    {"2024-02-30T00:00:00Z", -1, false},
    {"2026-04-31T00:00:00Z", -1, false},
    {"2026-00-01T00:00:00Z", -1, false},
    {"2026-13-01T00:00:00.000000+00:00", -1, false},
    {"2026-01-00T00:00:00Z", -1, false},
    {"2026-01-32T00:00:00.000000+00:00", -1, false},
    {"2026-01-23T24:00:00.000000+00:00", -1, false},
    {"2026-01-23T20:60:00.000000+00:00", -1, false},
    {"2026-01-23T20:00:61.000000+00:00", -1, false},
    {"2026-01-23T20:00:23.954754+24:00", -1, false},
    {"2026-01-23T20:00:23.954754+00:60", -1, false},
    {"2026-01-23T20:00:23.954754+1:00", -1, false},
    {"2026-01-23T20:00:23.954754+01", -1, false},
    {"2026-01-23T20:00:23.954754+01:000", -1, false},
    {"2026-01-23T20:00:23.954754+01-00", -1, false},
    {"2026-01-23T20:00:23.954754+0a:00", -1, false},
    {"2026-01-23T20:00:23.954754*00:00", -1, false},
    {"2026-01-23T20:00:23.954754+00:0x", -1, false},
    {"2026-01-23T20:00:23.954754ZZ", -1, false},
    {"2026-01-23T20:00:23.954754 Z", -1, false},
    {"2026-01-23T20:00:23.9547549999Z", -1, false},
    {"2026-01-23T20:00:23,954754Z", -1, false},
    {"2026-01-23T20:00:23.95x754+00:00", -1, false},
    {"2026-01-23T20:00Z", -1, false},
    {"2026-01-23", -1, false},
    {"2026-1-23T20:00:23Z", -1, false},
    {"2026/01/23T20:00:23.954754+00:00", -1, false},
    {"2026-01-23_20:00:23.954754+00:00", -1, false},
    {"20260123T200023Z", -1, false},
    {"+2026-01-23T20:00:23Z", -1, false},
    {"-026-01-23T20:00:23.954754+00:00", -1, false},
    {" 026-01-23T20:00:23.954754+00:00", -1, false},
    {"2026-01-23T20:00:23.954754+00:00 ", -1, false},
    {"\xb2" "026-01-23T20:00:23.954754+00:00", -1, false},
    {"never", -1, false},
    {"", -1, false},
    {"\x1b[2J\x1b[2J\x1b[2J\x1b[2J\x1b[2J\x1b[2J\x1b[2J\x1b[2J", -1, false},
};

Test(time, times_of_files)
{
    for (size_t i = 0; i < countof(instants); i++) {
        const char *text = instants[i].text;
        struct grid_error err = {0};
        int64_t time_us = -77;
        bool naive = false, refused = instants[i].time_us == -1;
        /* Not terminated, at the very end of its memory. */
        grid_auto_free char *copy = malloc(strlen(text) + 1);
        char *at = memcpy(copy, text, strlen(text));
        copy = realloc(at, strlen(text) ? strlen(text) : 1);
        int rc = grid_time_read(copy, strlen(text), &time_us, &naive, &err);
        cr_expect_eq(rc, refused ? GRID_EUSAGE : 0, "'%s': %s", text, err.message);
        cr_expect_eq(time_us, refused ? -77 : instants[i].time_us, "'%s': %jd", text,
                     (intmax_t)time_us);
        cr_expect_eq(naive, instants[i].naive, "'%s'", text);
        cr_expect_eq(err.message[0] != '\0', refused, "'%s'", text);
        cr_expect_null(strchr(err.message, '\x1b'), "'%s'", text);
    }
    struct grid_error err;
    int64_t time_us = -1;
    cr_expect_eq(grid_time_read("1970-01-01T00:00:00", 19, &time_us, NULL, NULL), 0);
    cr_expect_eq(time_us, 0);
    grid_time_read("2026-02-30T00:00:00Z", 20, &time_us, NULL, &err);
    cr_expect_str_eq(err.message, "time '2026-02-30T00:00:00Z' does not exist");
    grid_time_read("tomorrow", 8, &time_us, NULL, &err);
    cr_expect_str_eq(err.message, "time 'tomorrow' is not of the form 2026-01-31T20:00:00+00:00");
}

/* The calendar against the C library's, a day at a time over all years. */
Test(time, every_day_of_the_calendar)
{
    char buffer[GRID_TIME_SIZE], expected[GRID_TIME_SIZE];
    for (int64_t day = -719162; day < 2932897; day++) {
        int64_t time_us = day * D + (day * 7919 % D + D) % D, back;
        time_t seconds = (time_us - ((time_us % S) + S) % S) / S;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%06d+00:00",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)(time_us - seconds * S));
        grid_time_format(time_us, buffer);
        cr_assert(strcmp(buffer, expected) == 0, "%s, not %s", buffer, expected);
        cr_assert_eq(grid_time_read(buffer, 32, &back, NULL, NULL), 0, "%s", buffer);
        cr_assert_eq(back, time_us, "%s: %jd", buffer, (intmax_t)back);
    }
}

static const struct {
    int64_t time_us;
    const char *format, *naive, *show;
} printed[] = {
    {JANUARY, "2026-01-23T20:00:23.954754+00:00", "2026-01-23T20:00:23.954754",
     "2026-01-23 21:00:23 CET"},
    {JANUARY + 182 * D, "2026-07-24T20:00:23.954754+00:00", "2026-07-24T20:00:23.954754",
     "2026-07-24 22:00:23 CEST"},
    {0, "1970-01-01T00:00:00.000000+00:00", "1970-01-01T00:00:00.000000",
     "1970-01-01 01:00:00 CET"},
    {-1, "1969-12-31T23:59:59.999999+00:00", "1969-12-31T23:59:59.999999",
     "1970-01-01 00:59:59 CET"},
    {-S, "1969-12-31T23:59:59.000000+00:00", "1969-12-31T23:59:59.000000",
     "1970-01-01 00:59:59 CET"},
    {GRID_NEVER, "never", "never", "never"},
};

static void set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

Test(time, printed_times)
{
    char buffer[GRID_TIME_SIZE];
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    for (size_t i = 0; i < countof(printed); i++) {
        cr_expect_eq(grid_time_format(printed[i].time_us, buffer), buffer);
        cr_expect_str_eq(buffer, printed[i].format);
        cr_expect_str_eq(grid_time_format_naive(printed[i].time_us, buffer), printed[i].naive);
        cr_expect_str_eq(grid_time_show(printed[i].time_us, buffer), printed[i].show);
    }
    /* Out of what four digits can say. */
    cr_expect_str_eq(grid_time_format(INT64_MAX - 1, buffer), "9999-12-31T23:59:59.999999+00:00");
    cr_expect_str_eq(grid_time_format(INT64_MIN, buffer), "0001-01-01T00:00:00.000000+00:00");
    cr_expect_lt(strlen(grid_time_show(INT64_MIN, buffer)), GRID_TIME_SIZE);
    set_zone("<AAAAAAAAAABBBBBBBBBBAAAAAAAAAABBBBBBBBBBAAAAAAAAAABBBBBBBBBB>3");
    cr_expect(strncmp(grid_time_show(JANUARY, buffer), "2026-01-23", 10) == 0);
    cr_expect_lt(strlen(buffer), GRID_TIME_SIZE);
}

static const struct {
    const char *text;
    int64_t time_us; /* -1: refused */
} typed[] = {
    {"now", JANUARY},
    {"+2h", JANUARY + 2 * H},
    {"+90", JANUARY + 90 * S},
    {"+PT1H30M", JANUARY + 90 * M},
    {"2026-01-23T20:00:23.954754Z", JANUARY},
    {"2026-01-23 21:00:23.954754+01:00", JANUARY},
    {"2026-01-23 21:00:23", JANUARY - 954754},
    {"2026-01-23 21:00", JANUARY - 954754 - 23 * S},
    {"2026-07-01 00:00", 1782856800 * S},
    {"1970-01-01 00:59:59", -S},
    {"2026-01-23T21:00:23", -1}, /* neither a zone nor the local form */
    {"2026-01-23 21:00:23.5", -1},
    {"2026-01-23", -1},
    {"2026-01-23 21", -1},
    {"2026-01-23 21:0", -1},
    {"2026-01-23 21:00:", -1},
    {"2026-01-23 21:00:2", -1},
    {"2026-02-29 00:00", -1},
    {"2026-01-23 24:00", -1},
    {"2026-01-23 21:60", -1},
    {"2026-01-23 21:00:61", -1},
    {"0000-01-01 00:00", -1},
    {"0001-01-01 00:30", -1}, /* the year 0, in UTC */
    {"2026-01-23 2x:00", -1},
    {"Now", -1},
    {"", -1},
    {"+", -1},
    {"+0s", -1},
    {"+never", -1},
    {"2h", -1},
    {"-2h", -1},
    {"tomorrow", -1},
    {"never", -1},
    {"1769198423", -1},
};

Test(time, typed_times)
{
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    for (size_t i = 0; i < countof(typed); i++) {
        struct grid_error err = {0};
        int64_t time_us = -77;
        bool refused = typed[i].time_us == -1;
        int rc = grid_time_parse(typed[i].text, JANUARY, &time_us, &err);
        cr_expect_eq(rc, refused ? GRID_EUSAGE : 0, "'%s': %s", typed[i].text, err.message);
        cr_expect_eq(time_us, refused ? -77 : typed[i].time_us, "'%s': %jd", typed[i].text,
                     (intmax_t)time_us);
    }
    struct grid_error err;
    grid_time_parse("to\tday", JANUARY, &(int64_t){0}, &err);
    cr_expect_str_eq(err.message, "time 'to\\tday' is not understood");
    cr_expect(strstr(err.hint, "+2h"));
}

#define UNCLEAR "is not understood"
#define OVER_0 "must be over 0"
#define LIMIT "is over the limit of ten years"

static const struct {
    const char *text;
    int64_t duration_us;
    const char *fault; /* NULL: it is read */
} durations[] = {
    {"3600", H, NULL},
    {"1", S, NULL},
    {"90s", 90 * S, NULL},
    {"30m", 30 * M, NULL},
    {"1h", H, NULL},
    {"1h30m", 90 * M, NULL},
    {"2d", 2 * D, NULL},
    {"1w", 7 * D, NULL},
    {"1w2d3h4m5s", 9 * D + 3 * H + 4 * M + 5 * S, NULL},
    {"1d5s", D + 5 * S, NULL},
    {"0h5m", 5 * M, NULL},
    {"007m", 7 * M, NULL},
    {"100m", 100 * M, NULL},
    {"PT1H30M", 90 * M, NULL},
    {"P1D", D, NULL},
    {"P2W", 14 * D, NULL},
    {"P1W1D", 8 * D, NULL},
    {"P1DT12H", 36 * H, NULL},
    {"PT30S", 30 * S, NULL},
    {"PT5M", 5 * M, NULL},
    {"3653d", GRID_DURATION_MAX, NULL},
    {"315619200", GRID_DURATION_MAX, NULL},
    {"1h30", 0, UNCLEAR},
    {"1h1h", 0, UNCLEAR},
    {"30m1h", 0, UNCLEAR},
    {"1h 30m", 0, UNCLEAR},
    {"1.5h", 0, UNCLEAR},
    {"1e3", 0, UNCLEAR},
    {"-5", 0, UNCLEAR},
    {"-5m", 0, UNCLEAR},
    {"+5m", 0, UNCLEAR},
    {"5min", 0, UNCLEAR},
    {"5ms", 0, UNCLEAR},
    {"5M", 0, UNCLEAR},
    {"5H", 0, UNCLEAR},
    {"5y", 0, UNCLEAR},
    {"h", 0, UNCLEAR},
    {"1hm", 0, UNCLEAR},
    {"5 ", 0, UNCLEAR},
    {" 5", 0, UNCLEAR},
    {"", 0, UNCLEAR},
    {"P", 0, UNCLEAR},
    {"PT", 0, UNCLEAR},
    {"P1DT", 0, UNCLEAR},
    {"P1H", 0, UNCLEAR},
    {"P1M", 0, UNCLEAR},
    {"P1Y", 0, UNCLEAR},
    {"PT1D", 0, UNCLEAR},
    {"PT1HT1M", 0, UNCLEAR},
    {"PTT1H", 0, UNCLEAR},
    {"P3600", 0, UNCLEAR},
    {"PT1H30", 0, UNCLEAR},
    {"PT1h", 0, UNCLEAR},
    {"pt1h", 0, UNCLEAR},
    {"T1H", 0, UNCLEAR},
    {"1H30M", 0, UNCLEAR},
    {"0", 0, OVER_0},
    {"0s", 0, OVER_0},
    {"0h0m", 0, OVER_0},
    {"PT0S", 0, OVER_0},
    {"3653d1s", 0, LIMIT},
    {"315619201", 0, LIMIT},
    {"99999999999999999999999999w", 0, LIMIT},
    {"99999999999999999999999999w99999999999999999999999999d", 0, LIMIT},
    {"99999999999999999999999999", 0, LIMIT},
};

Test(time, typed_durations)
{
    for (size_t i = 0; i < countof(durations); i++) {
        struct grid_error err = {0};
        int64_t duration_us = -77;
        const char *text = durations[i].text, *fault = durations[i].fault;
        int rc = grid_duration_parse(text, i % 2, &duration_us, &err);
        cr_expect_eq(rc, fault ? GRID_EUSAGE : 0, "'%s': %s", text, err.message);
        cr_expect_eq(duration_us, fault ? -77 : durations[i].duration_us, "'%s': %jd", text,
                     (intmax_t)duration_us);
        char message[200] = "";
        if (fault)
            snprintf(message, sizeof(message), "duration '%s' %s", text, fault);
        cr_expect_str_eq(err.message, message);
    }
    struct grid_error err = {0};
    int64_t duration_us = 0;
    cr_expect_eq(grid_duration_parse("never", true, &duration_us, &err), 0);
    cr_expect_eq(duration_us, GRID_NEVER);
    cr_expect_eq(grid_duration_parse("never", false, &duration_us, &err), GRID_EUSAGE);
    cr_expect_str_eq(err.hint, "try 90s, 30m, 1h30m, 2d, 1w or PT1H30M");
    grid_duration_parse("\x1b", true, &duration_us, &err);
    cr_expect_str_eq(err.message, "duration '\\x1b' is not understood");
    cr_expect_str_eq(err.hint, "try 90s, 30m, 1h30m, 2d, 1w or PT1H30M, or never");
}

static const struct {
    int64_t duration_us;
    const char *shown;
} shown[] = {
    {0, "0s"},          {S - 1, "0s"},          {S, "1s"},
    {45 * S, "45s"},    {M, "1m"},              {90 * S, "1m30s"},
    {H - 1, "59m59s"},  {H, "1h"},              {H + M, "1h1m"},
    {90 * M + 59 * S, "1h30m"},                 {H + 30 * S, "1h"},
    {D - 1, "23h59m"},  {D, "1d"},              {2 * D + 3 * H, "2d3h"},
    {2 * D + 3 * M, "2d"},                      {14 * D, "14d"},
    {-S, "0s"},         {GRID_DURATION_MAX, "3653d"}, {GRID_NEVER, "never"},
    {INT64_MIN, "0s"},
};

Test(time, shown_durations_and_sums)
{
    char buffer[GRID_TIME_SIZE];
    for (size_t i = 0; i < countof(shown); i++) {
        cr_expect_eq(grid_duration_show(shown[i].duration_us, buffer), buffer);
        cr_expect_str_eq(buffer, shown[i].shown);
    }
    const int64_t last = 253402300799 * S + 999999;
    cr_expect_eq(grid_time_add(JANUARY, H), JANUARY + H);
    cr_expect_eq(grid_time_add(GRID_NEVER, -H), GRID_NEVER);
    cr_expect_eq(grid_time_add(JANUARY, GRID_NEVER), GRID_NEVER);
    cr_expect_eq(grid_time_add(-JANUARY, GRID_NEVER), GRID_NEVER);
    cr_expect_eq(grid_time_add(last - 1, 1), last);
    cr_expect_eq(grid_time_add(last, 1), GRID_NEVER);
    cr_expect_eq(grid_time_add(INT64_MAX - 1, H), GRID_NEVER);
}
