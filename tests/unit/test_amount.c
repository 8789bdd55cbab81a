/* Resources and amounts: what may be typed, what files hold, what comes out. */
#include "grid/amount.h"
#include "util/text.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *text, *typed, *read; /* NULL: refused */
} resources[] = {
    {"cpu", "CPU", "CPU"},
    {"Gpu", "GPU", "GPU"},
    {"MEMORY", "MEMORY", "MEMORY"},
    {"a", "A", "A"},
    {"tpu-v4_pod2", "TPU-V4_POD2", "TPU-V4_POD2"},
    {"in-fi", "IN-FI", "IN-FI"},
    {"abcdefghijklmnopqrstuvwxyz012345", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345",
     "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"},
    {"abcdefghijklmnopqrstuvwxyz0123456", NULL, NULL},
    {"ResourceType.GPU", NULL, "GPU"},
    {"ResourceType.", NULL, NULL},
    {"ResourceType.ResourceType.GPU", NULL, NULL},
    {"", NULL, NULL},
    {"4cpu", NULL, NULL},
    {"-cpu", NULL, NULL},
    {"_cpu", NULL, NULL},
    {"c pu", NULL, NULL},
    {"cpu ", NULL, NULL},
    {"cpu=2", NULL, NULL},
    {"cp\xc3\xbc", NULL, NULL},
    {"c\x1b[31m", NULL, NULL},
};

static void expect_resource(size_t row, bool typed, const char *expected)
{
    struct grid_error err = {0};
    char resource[GRID_RESOURCE_SIZE] = "untouched";
    const char *text = resources[row].text;
    int rc = typed ? grid_resource_parse(text, resource, &err)
                   : grid_resource_read(text, resource, &err);
    cr_expect_eq(rc, expected ? 0 : GRID_EUSAGE, "row %zu", row);
    cr_expect_str_eq(resource, expected ? expected : "untouched", "row %zu", row);
    cr_expect_eq(strlen(err.message) == 0, expected != NULL, "row %zu", row);
    cr_expect_null(strchr(err.message, '\x1b'), "row %zu", row);
}

Test(amount, resources_are_names_in_upper_case)
{
    for (size_t i = 0; i < countof(resources); i++) {
        expect_resource(i, true, resources[i].typed);
        expect_resource(i, false, resources[i].read);
    }
    cr_expect(grid_resource_is_memory("MEMORY"));
    cr_expect_not(grid_resource_is_memory("memory"));
    cr_expect_not(grid_resource_is_memory("CPU"));
}

#define GIB GRID_MEMORY_GIB
#define SIX "has more than six decimals"
#define NUMBER "is not a number"
#define OVER_0 "must be over 0"
#define BYTES "is not a whole number of bytes"
#define UNIT "has an unknown unit"
#define LIMIT "is over the limit of 1000000000"
#define MEMORY_LIMIT "is over the limit of 4096TiB"
#define DIGITS "has too many digits"

static const struct {
    const char *resource, *text;
    int64_t amount_u;
    const char *fault; /* NULL: it is read */
} typed[] = {
    {"CPU", "2", 2000000, NULL},
    {"CPU", "2.0", 2000000, NULL},
    {"CPU", "0.5", 500000, NULL},
    {"CPU", ".5", 500000, NULL},
    {"CPU", "5.", 5000000, NULL},
    {"CPU", "007", 7000000, NULL},
    {"CPU", "0.1", 100000, NULL},
    {"CPU", "0.000001", 1, NULL},
    {"CPU", "1.123456", 1123456, NULL},
    {"CPU", "1.1000000", 1100000, NULL},
    {"CPU", "1e3", 1000000000, NULL},
    {"CPU", "1E+3", 1000000000, NULL},
    {"CPU", "1e-6", 1, NULL},
    {"CPU", "1.1234567e1", 11234567, NULL},
    {"CPU", "1000000000", GRID_AMOUNT_MAX, NULL},
    {"CPU", "1e9", GRID_AMOUNT_MAX, NULL},
    {"CPU", "999999999.999999", GRID_AMOUNT_MAX - 1, NULL},
    {"CPU", "0.0000001e10", 1000000000, NULL},
    {"MEMORY", "1", GIB, NULL},
    {"MEMORY", "16", 16 * GIB, NULL},
    {"MEMORY", "0.5", GIB / 2, NULL},
    {"MEMORY", "16GiB", 16 * GIB, NULL},
    {"MEMORY", "1.5GiB", 3 * GIB / 2, NULL},
    {"MEMORY", "512MiB", GIB / 2, NULL},
    {"MEMORY", "1KiB", 1024, NULL},
    {"MEMORY", "0.5KiB", 512, NULL},
    {"MEMORY", "2TiB", 2048 * GIB, NULL},
    {"MEMORY", "1kB", 1000, NULL},
    {"MEMORY", "0.001kB", 1, NULL},
    {"MEMORY", "5.5kB", 5500, NULL},
    {"MEMORY", "1MB", 1000000, NULL},
    {"MEMORY", "16GB", INT64_C(16000000000), NULL},
    {"MEMORY", "1.234567TB", INT64_C(1234567000000), NULL},
    {"MEMORY", "1e3GiB", 1000 * GIB, NULL},
    {"MEMORY", "4096TiB", GRID_MEMORY_MAX, NULL},
    {"MEMORY", "4194304", GRID_MEMORY_MAX, NULL},
    {"MEMORY", "4503599627370.496kB", GRID_MEMORY_MAX, NULL},
    {"MEMORY", "2000000000kB", INT64_C(2000000000000), NULL},
    {"CPU", "1.1234567", 0, SIX},
    {"CPU", "0.0000001", 0, SIX},
    {"CPU", "1e-7", 0, SIX},
    {"CPU", "1e-99999999999999999999", 0, SIX},
    {"CPU", "abc", 0, NUMBER},
    {"CPU", "", 0, NUMBER},
    {"CPU", ".", 0, NUMBER},
    {"CPU", "1e", 0, NUMBER},
    {"CPU", "1e+", 0, NUMBER},
    {"CPU", "e3", 0, NUMBER},
    {"CPU", "1e3.5", 0, NUMBER},
    {"CPU", "1.2.3", 0, NUMBER},
    {"CPU", "+1", 0, NUMBER},
    {"CPU", "--1", 0, NUMBER},
    {"CPU", "-", 0, NUMBER},
    {"CPU", "-x", 0, NUMBER},
    {"CPU", "1,5", 0, NUMBER},
    {"CPU", "1_000", 0, NUMBER},
    {"CPU", "0x10", 0, NUMBER},
    {"CPU", "nan", 0, NUMBER},
    {"CPU", "inf", 0, NUMBER},
    {"CPU", "Infinity", 0, NUMBER},
    {"CPU", " 1", 0, NUMBER},
    {"CPU", "1 ", 0, NUMBER},
    {"CPU", "2x", 0, NUMBER},
    {"CPU", "2GiB", 0, NUMBER},
    {"CPU", "\xd9\xa2", 0, NUMBER}, /* an Arabic two */
    {"CPU", "0", 0, OVER_0},
    {"CPU", "0.0", 0, OVER_0},
    {"CPU", "0.0000000", 0, OVER_0},
    {"CPU", "0e99", 0, OVER_0},
    {"CPU", "-0", 0, OVER_0},
    {"CPU", "-1.0", 0, OVER_0},
    {"CPU", "-1e-9", 0, OVER_0},
    {"MEMORY", "-1GiB", 0, OVER_0},
    {"CPU", "1000000000.000001", 0, LIMIT},
    {"CPU", "1000000001", 0, LIMIT},
    {"CPU", "1e10", 0, LIMIT},
    {"CPU", "1e99999999999999999999", 0, LIMIT},
    {"CPU", "999999999999999999e99", 0, LIMIT},
    {"CPU", "1000000000000000000", 0, DIGITS},
    {"CPU", "99999999999999999999999999999999999999999999", 0, DIGITS},
    {"CPU", "0.99999999999999999999999999999999999999999999", 0, DIGITS},
    {"MEMORY", "0.1", 0, BYTES},
    {"MEMORY", "0.3KiB", 0, BYTES},
    {"MEMORY", "0.0001kB", 0, BYTES},
    {"MEMORY", "1.1234567", 0, SIX},
    {"MEMORY", "16gb", 0, UNIT},
    {"MEMORY", "16G", 0, UNIT},
    {"MEMORY", "16KB", 0, UNIT},
    {"MEMORY", "16gib", 0, UNIT},
    {"MEMORY", "16 GiB", 0, UNIT},
    {"MEMORY", "16GiBs", 0, UNIT},
    {"MEMORY", "0x10", 0, UNIT},
    {"MEMORY", "GiB", 0, NUMBER},
    {"MEMORY", "1eGiB", 0, NUMBER},
    {"MEMORY", "4194304.000001", 0, BYTES},
    {"MEMORY", "4097TiB", 0, MEMORY_LIMIT},
    {"MEMORY", "4503599627370.497kB", 0, MEMORY_LIMIT},
    {"MEMORY", "999999999999999999e99TiB", 0, MEMORY_LIMIT},
};

Test(amount, typed_amounts)
{
    for (size_t i = 0; i < countof(typed); i++) {
        struct grid_error err = {0};
        int64_t amount_u = -77;
        int rc = grid_amount_parse(typed[i].resource, typed[i].text, &amount_u, &err);
        cr_expect_eq(rc, typed[i].fault ? GRID_EUSAGE : 0, "'%s': %s", typed[i].text, err.message);
        cr_expect_eq(amount_u, typed[i].fault ? -77 : typed[i].amount_u, "'%s': %jd",
                     typed[i].text, (intmax_t)amount_u);
        char message[200] = "";
        if (typed[i].fault)
            snprintf(message, sizeof(message), "amount '%s' %s", typed[i].text, typed[i].fault);
        cr_expect_str_eq(err.message, message);
    }
    struct grid_error err = {0};
    cr_expect_eq(grid_amount_parse("CPU", "\x1b[2J", &(int64_t){0}, &err), GRID_EUSAGE);
    cr_expect_str_eq(err.message, "amount '\\x1b[2J' is not a number");
    cr_expect_str_eq(err.hint, "try 2, 0.5 or 1e3");
    static const char *const hints[][3] = {
        {"MEMORY", "16x", "512MiB"}, {"MEMORY", "16gb", "'16GB'"}, {"MEMORY", "1.5g", "'1.5GiB'"},
        {"MEMORY", "16KB", "'16kB'"}, {"CPU", "16GB", "only memory"}};
    for (size_t i = 0; i < countof(hints); i++) {
        grid_amount_parse(hints[i][0], hints[i][1], &(int64_t){0}, &err);
        cr_expect(strstr(err.hint, hints[i][2]), "%s: %s", hints[i][1], err.hint);
    }
}

static const struct {
    const char *resource;
    double number;
    int64_t amount_u; /* 0: refused */
} read_back[] = {
    {"CPU", 2.0, 2000000},
    {"CPU", 0.1, 100000},
    {"CPU", 1e-6, 1},
    {"CPU", 5e-7, 1},
    {"CPU", 4e-7, 0},
    {"CPU", 1.23456789, 1234568},
    {"CPU", 1e9, GRID_AMOUNT_MAX},
    {"CPU", 1000000000.1, 0},
    {"CPU", 1e16, 0},
    {"CPU", DBL_MAX, 0},
    {"CPU", 0.0, 0},
    {"CPU", -0.0, 0},
    {"CPU", -3.0, 0},
    {"CPU", NAN, 0},
    {"CPU", INFINITY, 0},
    {"CPU", -INFINITY, 0},
    {"CPU", DBL_MIN, 0},
    {"MEMORY", 8.0, 8 * GIB},
    {"MEMORY", 0.1, 107374182},
    {"MEMORY", 4194304.0, GRID_MEMORY_MAX},
    {"MEMORY", 4194304.1, 0},
    {"MEMORY", 1e-9, 1},
    {"MEMORY", 1e-10, 0},
};

Test(amount, amounts_of_files_are_rounded)
{
    for (size_t i = 0; i < countof(read_back); i++) {
        struct grid_error err = {0};
        int64_t amount_u = 0;
        int rc = grid_amount_read(read_back[i].resource, read_back[i].number, &amount_u, &err);
        cr_expect_eq(rc, read_back[i].amount_u ? 0 : GRID_EUSAGE, "row %zu", i);
        cr_expect_eq(amount_u, read_back[i].amount_u, "row %zu: %jd", i, (intmax_t)amount_u);
        cr_expect_eq(err.message[0] != '\0', rc != 0, "row %zu", i);
    }
}

static const struct {
    const char *resource;
    int64_t amount_u;
    const char *format, *show;
} printed[] = {
    {"CPU", 2000000, "2.0", "2.0"},
    {"CPU", 500000, "0.5", "0.5"},
    {"CPU", 100000, "0.1", "0.1"},
    {"CPU", 1, "1e-06", "1e-06"},
    {"CPU", 1123456, "1.123456", "1.123456"},
    {"CPU", GRID_AMOUNT_MAX, "1000000000.0", "1000000000.0"},
    {"CPU", GRID_AMOUNT_MAX - 1, "999999999.999999", "999999999.999999"},
    {"MEMORY", 8 * GIB, "8.0", "8.0 GiB"},
    {"MEMORY", 1, "9.313225746154785e-10", "0.001 KiB"},
    {"MEMORY", 1024, "9.5367431640625e-07", "1.0 KiB"},
    {"MEMORY", 100 << 20, "0.09765625", "100.0 MiB"},
    {"MEMORY", GIB / 2, "0.5", "0.5 GiB"},
    {"MEMORY", 0, "0.0", "0.0 GiB"},
    {"MEMORY", GRID_MEMORY_MAX - 1, "4194303.999999999", "4194304.0 GiB"},
    {"MEMORY", GRID_MEMORY_MAX, "4194304.0", "4194304.0 GiB"},
};

Test(amount, printed_amounts_read_back_the_same)
{
    char buffer[GRID_AMOUNT_SIZE];
    for (size_t i = 0; i < countof(printed); i++) {
        const char *resource = printed[i].resource;
        cr_expect_eq(grid_amount_format(resource, printed[i].amount_u, buffer), buffer);
        cr_expect_str_eq(buffer, printed[i].format, "row %zu: %s", i, buffer);
        cr_expect_str_eq(grid_amount_show(resource, printed[i].amount_u, buffer), printed[i].show);
    }
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        const char *resource = i % 2 ? "MEMORY" : "CPU";
        int64_t most = i % 2 ? GRID_MEMORY_MAX : GRID_AMOUNT_MAX;
        int64_t amount_u = (int64_t)(seed >> 11) % (most >> (i % 40)) + 1, back = 0;
        double number = grid_amount_number(resource, amount_u);
        cr_assert_eq(grid_amount_read(resource, number, &back, NULL), 0);
        cr_assert_eq(back, amount_u, "%s %jd: %jd", resource, (intmax_t)amount_u, (intmax_t)back);
    }
}

Test(amount, sums_do_not_overflow)
{
    cr_expect_eq(grid_amount_add(1, 2), 3);
    cr_expect_eq(grid_amount_add(INT64_MAX - 1, 1), INT64_MAX);
    cr_expect_eq(grid_amount_add(INT64_MAX, 1), INT64_MAX);
    cr_expect_eq(grid_amount_add(INT64_MAX, INT64_MAX), INT64_MAX);
}
