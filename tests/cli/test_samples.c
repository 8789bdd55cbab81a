/* Files that the Python original wrote, and damaged ones: read, kept, rewritten without a loss. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(samples, .init = cli_begin, .fini = cli_end);

struct sample {
    const char *name;
    int active;           /* of `boost status` */
    const char *kept;     /* indexes of the records that stay byte for byte after a request */
    int ended;            /* what cleanup finds */
    const char *unsound;  /* indexes of those that are reported */
    const char *totals;   /* "CPU=2 GPU=1" */
    const char *ids;      /* first four letters of the active ones, newest first; NULL: any */
};

static const struct sample samples[] = {
    {"01_doc_example", 0, "", 1, "", "", ""},
    {"02_single_cpu_active", 1, "0", 0, "", "CPU=2", "5157"},
    {"03_three_types_pg_and_never", 3, "012", 0, "", "CPU=2 GPU=1 MEMORY=8", "5b36 b5a5 5157"},
    {"04_zero_microseconds", 2, "01", 0, "", "CPU=4", "b5a5 5157"},
    {"06_other_offsets", 1, "0", 1, "", "CPU=2", "5157"},
    {"07_expired_inactive_active", 1, "2", 3, "", "GPU=1", "5b36"},
    {"08_minimal_record", 0, "0", 0, "0", "", ""},
    {"10_unknown_resource_types", 5, "0123456", 0, "56", "CPU=2 GPU=2 MEMORY=2 TPU=2 CUSTOM=2",
     NULL},
    {"11_unknown_extra_fields", 2, "01", 0, "", "CPU=2 GPU=1", NULL},
    {"12_empty_list", 0, "", 0, "", "", ""},
    {"13_unicode_names", 1, "0", 0, "", "CPU=2", "5157"},
    {"15_odd_amounts", 2, "012345678", 0, "0123478", "CPU=2.1", NULL},
    {"22_utf8_bom", 2, "01", 0, "", NULL, NULL},
    {"28_large_1000", 750, NULL, -1, "", NULL, NULL},
    {"32_string_escapes_and_controls", 2, "01", 0, "", "CPU=2 GPU=1", NULL},
    {"33_is_active_odd", 1, "01", 0, "0", "GPU=1", "b5a5"},
};

static const char *place(const char *name)
{
    size_t length;
    const char *path = cli_source(cli_format("tests/samples/boosts/%s.json", name));
    char *bytes = cli_read(path, &length);

    cr_assert(bytes, "there is no %s", path);
    cli_shell("rm -rf $DATA");
    cli_write(cli_data("resource_boosts.json"), bytes, length);
    return bytes;
}

/* The text of record `index` of a state file, by its balanced braces; NULL: no more. */
static const char *record_text(const char *state, int index)
{
    int depth = 0;
    bool in_string = false;
    const char *began = NULL;

    for (const char *at = strchr(state, '['); at && *at; at++) {
        if (in_string) {
            in_string = *at != '"';
            at += *at == '\\';
            continue;
        }
        in_string = *at == '"';
        if (*at == '{' && depth++ == 0)
            began = at;
        if (*at == '}' && --depth == 0 && index-- == 0)
            return cli_format("%.*s", (int)(at - began + 1), began);
        if (*at == ']' && depth == 0)
            return NULL;
    }
    return NULL;
}

static void expect_totals(const struct sample *sample, const cJSON *status)
{
    const char *at = sample->totals;
    char resource[40];
    double amount;
    int length, count = 0;

    for (; at && sscanf(at, " %39[A-Z]=%lf%n", resource, &amount, &length) == 2; at += length) {
        double got = cli_number(status, cli_format("boosted_resources.%s", resource));

        cr_expect_eq(got, amount, "%s: %s is %g", sample->name, resource, got);
        count++;
    }
    if (at)
        cr_expect_eq(cJSON_GetArraySize(cli_get(status, "boosted_resources")), count,
                     "%s: other resources than %s", sample->name, sample->totals);
}

static void expect_listed(const struct sample *sample)
{
    struct cli_result result = cli("boost status -o json");
    cJSON *status = cli_json(result.out);
    const char *ids = "";

    cli_expect(result, 0);
    cr_expect_eq(cli_number(status, "total_active_boosts"), sample->active, "%s: %g active",
                 sample->name, cli_number(status, "total_active_boosts"));
    expect_totals(sample, status);
    for (int i = 0; sample->ids && i < cli_count(status, "boosts"); i++)
        ids = cli_format("%s%s%.4s", ids, *ids ? " " : "",
                         cli_text(status, cli_format("boosts.%d.boost_id", i)));
    if (sample->ids)
        cr_expect_str_eq(ids, sample->ids, "%s: %s", sample->name, ids);
    for (const char *index = sample->unsound; *index; index++)
        cr_expect(strchr(result.err, *index), "%s: record %c is not reported: %s", sample->name,
                  *index, result.err);
    if (!*sample->unsound && strcmp(sample->name, "11_unknown_extra_fields") != 0)
        cr_expect_str_empty(result.err, "%s: %s", sample->name, result.err);
    cli_lacks(result.out, "\033");
    cli_lacks(cli("boost status").out, "\033");
}

/* After a request: the same records, byte for byte, and the new one. */
static void expect_kept(const struct sample *sample, const char *before)
{
    const char *now;
    int count = 0;

    cli_expect(cli("boost request brand-new cpu 1 --duration 2h"), 0);
    now = cli_state_text();
    for (const char *index = sample->kept; *index; index++) {
        const char *record = record_text(before, *index - '0');

        cr_assert(record, "%s has no record %c", sample->name, *index);
        cr_expect(strstr(now, record), "%s: record %c is not kept:\n%s\n%s", sample->name, *index,
                  record, now);
        count++;
    }
    while (record_text(now, count))
        count++;
    cr_expect_eq(count, (int)strlen(sample->kept) + 1, "%s: %d records", sample->name, count);
    cr_expect_eq(cli_number(cli_json(cli("boost status --json").out), "total_active_boosts"),
                 sample->active + 1, "%s", sample->name);
}

Test(samples, are_read_and_kept)
{
    size_t step = cli_too_slow("two thirds of the samples") ? 3 : 1;

    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i += step) {
        const struct sample *sample = &samples[i];
        const char *before = place(sample->name);
        cJSON *cleaned;

        if (sample->ended >= 0) {
            cleaned = cli_json(cli("boost cleanup --dry-run --json").out);
            cr_expect_eq(cli_number(cleaned, "removed"), sample->ended, "%s: cleanup says %g",
                         sample->name, cli_number(cleaned, "removed"));
        }
        cli_state_same(before, sample->name);
        expect_listed(sample);
        if (sample->kept)
            expect_kept(sample, before);
    }
}

Test(samples, what_ended_goes_to_history)
{
    cJSON *history;

    place("01_doc_example");
    cli_expect(cli("boost cleanup"), 0);
    cr_expect_eq(cli_boosts(), 0);
    history = cli_json(cli("boost history --json").out);
    cr_expect_str_eq(cli_text(history, "events.0.event"), "expired");
    cr_expect_str_eq(cli_text(history, "events.0.at"), "2026-01-23T21:00:23.954759+00:00");
    cr_expect_str_eq(cli_text(history, "events.0.boost_id"), "uuid-string");
    place("06_other_offsets");
    cli_expect(cli("boost cleanup"), 0);
    history = cli_json(cli("boost history --json").out);
    cr_expect_str_eq(cli_text(history, "events.0.at"), "2026-01-24T04:30:00.000000+00:00");
}

Test(samples, details_are_understood)
{
    cJSON *shown;
    struct cli_result result;

    place("03_three_types_pg_and_never");
    shown = cli_json(cli("boost show 5157 --json").out);
    cr_expect_str_eq(cli_text(shown, "boost.ray_placement_group"), "boost_pg_515744a0");
    shown = cli_json(cli("boost show 5b36 --json").out);
    cr_expect(cJSON_IsNull(cli_get(shown, "boost.expires_at")));
    cr_expect(cJSON_IsNull(cli_get(shown, "boost.remaining_seconds")));
    cli_has(cli("boost show 5b36").out, "never");
    cli_has(cli("boost status").out, "never");
    place("13_unicode_names");
    cr_expect_eq(cli_count(cli_json(cli("boost status --node '\xe8\x8a\x82\xe7\x82\xb9\xf0\x9f\x9a"
                                        "\x80' --json").out), "boosts"), 1);
    shown = cli_json(cli("boost status --source 'n\xc5\x93ud-\xc3\xa9-1' --json").out);
    cr_expect_eq(cli_count(shown, "boosts"), 1);
    place("11_unknown_extra_fields");
    cr_expect_str_eq(cli_text(cli_json(cli("boost show 5157 --json").out), "boost.priority"),
                     "high");
    cli_expect(cli("boost release b5a5"), 0);
    shown = cli_state();
    cr_expect_eq(cli_number(shown, "schema"), 3);
    cr_expect_str_eq(cli_text(shown, "cluster"), "my-cluster");
    cr_expect_eq(cli_number(shown, "boosts.0.labels.n.1"), 2);
    place("32_string_escapes_and_controls");
    for (int i = 0; i < 4; i++) {
        static const char *const formats[] = {"table", "csv", "jsonl", "json"};

        result = cli("boost status -o %s", formats[i]);
        cli_lacks(result.out, "\033");
        cli_has(result.out, "[31mred");
        result = cli("boost show 5157 -o %s", formats[i]);
        cli_lacks(result.out, "\033");
    }
    place("10_unknown_resource_types");
    cli_expect(cli("boost release 00000000-0000-4000-8000-000000000003"), 0);
    cr_expect_eq(cli_boosts(), 6);
}

static const char *const damaged[] = {"16_truncated_mid_record", "17_zero_bytes", "18_not_json",
                                      "20_boosts_null",          "24_invalid_utf8",
                                      "26_nul_filled"};

Test(samples, damaged_ones_are_never_taken_for_empty)
{
    static const char *const words[] = {"boost status", "boost request gpu-master cpu 2.0",
                                        "boost release abcd1234", "boost cleanup",
                                        "boost status -o json", "boost show abcd1234"};

    size_t step = cli_too_slow("most commands on damaged states") ? 5 : 1;

    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        const char *path = cli_data("resource_boosts.json");
        const char *before = place(damaged[i]);
        size_t length_before, length;

        cli_read(path, &length_before);
        for (size_t j = 0; j < sizeof(words) / sizeof(words[0]); j += step) {
            struct cli_result result = cli("%s", words[j]);
            const char *now = cli_read(path, &length);

            cr_expect_eq(result.status, 8, "%s: %s: %d %s", damaged[i], words[j], result.status,
                         result.err);
            cr_expect_str_empty(result.out, "%s: %s", damaged[i], words[j]);
            cli_has(result.err, "store");
            cr_expect(length == length_before && !memcmp(now, before, length), "%s: changed by %s",
                      damaged[i], words[j]);
        }
        cli_expect(cli("store check"), 8);
    }
}

Test(samples, damaged_ones_go_back_to_a_generation)
{
    size_t step = cli_too_slow("most of the damaged states with a generation") ? 3 : 1;

    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i += step) {
        struct cli_result result;
        cJSON *status;
        char *bytes;
        size_t length;

        cli_shell("rm -rf $DATA");
        for (int j = 0; j < 3; j++)
            cli_expect(cli("boost request gpu-master cpu 2.0"), 0);
        bytes = cli_read(cli_source(cli_format("tests/samples/boosts/%s.json", damaged[i])),
                         &length);
        cli_write(cli_data("resource_boosts.json"), bytes, length);
        result = cli("boost status --json");
        cli_expect(result, 0);
        status = cli_json(result.out);
        cr_expect_eq(cli_number(status, "total_active_boosts"), 3, "%s: %g boosts came back",
                     damaged[i], cli_number(status, "total_active_boosts"));
        cr_expect(result.err_length > 0, "%s: no warning", damaged[i]);
        result = cli("boost request gpu-master cpu 2.0 -o json");
        cli_expect(result, 0);
        cr_expect_eq(cli_boosts(), 4, "%s", damaged[i]);
        cr_expect(cli_number(cli_state(), "revision") > 3, "%s: the revision", damaged[i]);
        cr_expect(cli_number(cli_json(result.out), "boost.token") > 3, "%s: the token", damaged[i]);
        cr_expect_eq(cli_files(".corrupt-"), 1, "%s: nothing is set aside", damaged[i]);
        result = cli_shell("cmp $DATA/*.corrupt-* %s",
                           cli_source(cli_format("tests/samples/boosts/%s.json", damaged[i])));
        cli_expect(result, 0);
        cr_expect_str_empty(cli("boost status --json").err, "%s: warns again", damaged[i]);
        cr_expect_eq(cli_files("tmp") + cli_files(".resource"), 0);
    }
}
