/* Any text as an amount, a duration, a time, a name: what is taken is within its bounds, and its
 * printed form is taken again as the same. */
#include "fuzz/fuzz.h"
#include "grid/boost.h"

#include <math.h>
#include <time.h>

#define NOW_US (INT64_C(1769200000) * GRID_SECOND)
#define YEAR_1_US (INT64_C(-62135596800) * GRID_SECOND)
#define YEAR_10000_US (INT64_C(253402300800) * GRID_SECOND)

/* --- amounts -------------------------------------------------------------------------------- */

static int64_t most_of(const char *resource)
{
    return grid_resource_is_memory(resource) ? GRID_MEMORY_MAX : GRID_AMOUNT_MAX;
}

/* As the C library reads it: no unit, no hex. */
static void check_value(const char *resource, const char *text, int64_t amount_u)
{
    char *end;
    double unit = grid_resource_is_memory(resource) ? GRID_MEMORY_GIB : GRID_AMOUNT_UNIT;
    long double number = strtold(text, &end);
    if (*end)
        return;
    fuzz_check(fabsl(number * unit - amount_u) <= fabsl(number * unit) * 1e-15L,
               "'%s' is read as %jd", text, (intmax_t)amount_u);
}

static void check_amount(const char *resource, const char *text)
{
    int64_t amount_u = -1, limit_u = -1, read_u;
    char printed[GRID_AMOUNT_SIZE];
    struct grid_error err = {0};
    int rc = grid_amount_parse(resource, text, &amount_u, &err);
    int limit_rc = grid_amount_parse_limit(resource, text, &limit_u, &err);
    fuzz_check((rc == 0 || rc == GRID_EUSAGE) && (limit_rc == 0 || limit_rc == GRID_EUSAGE),
               "codes %d and %d", rc, limit_rc);
    fuzz_check(rc < 0 ? limit_rc < 0 || limit_u == 0 : limit_rc == 0 && limit_u == amount_u,
               "'%s' is another limit than amount", text);
    if (limit_rc < 0)
        return;
    fuzz_check(limit_u >= (rc == 0) && limit_u <= most_of(resource), "'%s' is %jd", text,
               (intmax_t)limit_u);
    check_value(resource, text, limit_u);
    grid_amount_exact(resource, limit_u, printed);
    fuzz_check(grid_amount_parse_limit(resource, printed, &read_u, &err) == 0 && read_u == limit_u,
               "'%s' is printed as '%s': %s", text, printed, err.message);
    grid_amount_show(resource, limit_u, printed);
    if (rc < 0)
        return;
    double number = grid_amount_number(resource, amount_u);
    fuzz_check(grid_amount_read(resource, number, &read_u, &err) == 0 && read_u == amount_u,
               "'%s' is stored as %.17g", text, number);
    grid_amount_format(resource, amount_u, printed);
    fuzz_check(strtod(printed, NULL) == number, "'%s' is printed as '%s'", text, printed);
}

static void check_number(const char *resource, double number)
{
    int64_t amount_u, again_u;
    if (grid_amount_read(resource, number, &amount_u, NULL) < 0)
        return;
    fuzz_check(isfinite(number) && amount_u > 0 && amount_u <= most_of(resource), "%g is %jd",
               number, (intmax_t)amount_u);
    number = grid_amount_number(resource, amount_u);
    fuzz_check(grid_amount_read(resource, number, &again_u, NULL) == 0 && again_u == amount_u,
               "%jd is written as %.17g", (intmax_t)amount_u, number);
}

/* --- durations and times -------------------------------------------------------------------- */

static void check_duration(const char *text)
{
    int64_t us, again_us;
    char printed[GRID_TIME_SIZE];
    struct grid_error err = {0};
    int rc = grid_duration_parse(text, true, &us, &err);
    fuzz_check(rc == 0 || rc == GRID_EUSAGE, "code %d", rc);
    if (rc < 0 || us == GRID_NEVER) {
        fuzz_check(grid_duration_parse(text, false, &us, NULL) == GRID_EUSAGE,
                   "'%s' is a duration only where never is none", text);
        return;
    }
    fuzz_check(us > 0 && us <= GRID_DURATION_MAX && us % GRID_SECOND == 0, "'%s' is %jd", text,
               (intmax_t)us);
    snprintf(printed, sizeof(printed), "%jd", (intmax_t)(us / GRID_SECOND));
    fuzz_check(grid_duration_parse(printed, false, &again_us, &err) == 0 && us == again_us,
               "'%s' is %s seconds", text, printed);
    grid_duration_show(us, printed);
    fuzz_check(grid_duration_parse(printed, false, &again_us, &err) == 0 && again_us <= us,
               "'%s' is shown as '%s'", text, printed);
}

/* The same day by the C library. */
static void check_calendar(int64_t us, const char *printed)
{
    char day[GRID_TIME_SIZE];
    time_t seconds = (time_t)(us / GRID_SECOND - (us % GRID_SECOND < 0));
    struct tm parts;
    if (seconds < 0)
        return; /* %Y prints early years without leading zeros */
    gmtime_r(&seconds, &parts);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts);
    fuzz_check(strncmp(day, printed, strlen(day)) == 0, "'%s' is %s", printed, day);
}

static void check_printed(int64_t us)
{
    int64_t again_us;
    bool naive = true;
    char printed[GRID_TIME_SIZE];
    fuzz_check(us >= YEAR_1_US && us < YEAR_10000_US, "%jd is of no year", (intmax_t)us);
    grid_time_format(us, printed);
    fuzz_check(grid_time_read(printed, strlen(printed), &again_us, &naive, NULL) == 0
                   && again_us == us && !naive, "%jd is printed as %s", (intmax_t)us, printed);
    check_calendar(us, printed);
    grid_time_format_naive(us, printed);
    fuzz_check(grid_time_read(printed, strlen(printed), &again_us, &naive, NULL) == 0
                   && again_us == us && naive, "%jd is printed as %s", (intmax_t)us, printed);
    grid_time_show(us, printed);
}

static void check_time(const char *text, size_t length)
{
    int64_t us;
    int rc = grid_time_read(text, length, &us, NULL, NULL);
    fuzz_check(rc == 0 || rc == GRID_EUSAGE, "code %d", rc);
    if (rc == 0)
        check_printed(us);
    rc = grid_time_parse(text, NOW_US, &us, NULL);
    fuzz_check(rc == 0 || rc == GRID_EUSAGE, "code %d", rc);
    if (rc == 0)
        check_printed(us);
}

/* --- names ---------------------------------------------------------------------------------- */

static void check_names(const char *text)
{
    char resource[GRID_RESOURCE_SIZE], again[GRID_RESOURCE_SIZE], shown[64];
    enum grid_priority priority;
    if (grid_resource_read(text, resource, NULL) == 0)
        fuzz_check(grid_resource_parse(resource, again, NULL) == 0
                       && strcmp(resource, again) == 0,
                   "'%s' is the resource '%s'", text, resource);
    else
        fuzz_check(grid_resource_parse(text, resource, NULL) < 0, "'%s' is in no file", text);
    if (grid_priority_parse(text, &priority, NULL) == 0)
        fuzz_check(text_same(text, grid_priority_name(priority)), "'%s' is a priority", text);
    if (grid_node_name_check(text, NULL) == 0)
        fuzz_check(text_is_utf8(text, strlen(text)) && *text && strlen(text) < GRID_NODE_SIZE
                       && !strpbrk(text, "/,=\n\033"), "'%s' is a node", text);
    text_printable(text, shown, sizeof(shown));
    fuzz_check(text_is_utf8(shown, strlen(shown)) && !strpbrk(shown, "\n\033\177"),
               "'%s' is shown", shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const resources[] = {"CPU", "MEMORY"};
    grid_auto_free char *text = fuzz_text(data, size);
    double number;
    for (size_t i = 0; i < countof(resources); i++) {
        check_amount(resources[i], text);
        check_number(resources[i], strtod(text, NULL));
        if (size < sizeof(number))
            continue;
        memcpy(&number, data, sizeof(number));
        check_number(resources[i], number);
    }
    check_duration(text);
    check_time(text, strlen(text));
    check_names(text);
    return 0;
}
