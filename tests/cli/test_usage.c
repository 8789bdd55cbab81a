/* How the program is called: help, global options, and what it says to bad calls of every kind. */
#include "support/cli.h"
#include "support/rows.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(usage, .init = cli_begin, .fini = cli_end);

#define LONG_NAME "a123456789b123456789c123456789d123456789e123456789f123456789g12"

struct bad_call {
    const char *words;
    int status;
    const char *says; /* on stderr, beside "grid: " */
};

static const struct bad_call bad_calls[] = {
    /* nouns, verbs, options */
    {"bost request a cpu 1", 2, "'boost'"},
    {"qqqqqqqq", 2, "qqqqqqqq"},
    {"boost requst a cpu 1", 2, "'request'"},
    {"boost xyzzy", 2, "xyzzy"},
    {"boost request a cpu 1 --priorty high", 2, "--priority"},
    {"boost request a cpu 1 --dur 5m", 2, "--dur"},
    {"boost request a cpu 1 --prio=high", 2, "--prio"},
    {"boost request a cpu 1 --xyzzy", 2, "--xyzzy"},
    {"boost request a cpu 1 -Z", 2, "Z"},
    {"boost request a cpu 1 --duration", 2, "duration"},
    {"boost request a cpu 1 --dry-run=yes", 2, "dry-run"},
    {"--xyzzy boost status", 2, "--xyzzy"},
    {"help bost", 2, "boost"},
    {"help boost requst", 2, "request"},
    /* how many arguments */
    {"boost request", 2, ""},
    {"boost request a", 2, ""},
    {"boost request a cpu", 2, ""},
    {"boost request a cpu 1 gpu", 2, ""},
    {"boost status extra", 2, "extra"},
    {"boost cleanup extra", 2, "extra"},
    {"boost show", 2, ""},
    {"boost show abcd efgh", 2, ""},
    {"boost release", 2, ""},
    /* amounts */
    {"boost request a cpu 0", 2, "0"},
    {"boost request a cpu -1", 2, "-1"},
    {"boost request a cpu -1.0", 2, "-1.0"},
    {"boost request a cpu -.5", 2, "-.5"},
    {"boost request a cpu +1", 2, "+1"},
    {"boost request a cpu nan", 2, "nan"},
    {"boost request a cpu inf", 2, "inf"},
    {"boost request a cpu -inf", 2, "inf"},
    {"boost request a cpu infinity", 2, "infinity"},
    {"boost request a cpu 0x10", 2, "0x10"},
    {"boost request a cpu 1_000", 2, "1_000"},
    {"boost request a cpu 1,5", 2, "1,5"},
    {"boost request a cpu ''", 2, ""},
    {"boost request a cpu ' 1'", 2, ""},
    {"boost request a cpu '1 '", 2, ""},
    {"boost request a cpu 1.1234567", 2, "1.1234567"},
    {"boost request a cpu 1e-7", 2, "1e-7"},
    {"boost request a cpu 1e10", 2, "1e10"},
    {"boost request a cpu 1000000001", 2, "1000000001"},
    {"boost request a cpu 1e999999999999", 2, ""},
    {"boost request a cpu 99999999999999999999999999999999999999", 2, ""},
    {"boost request a cpu 1e", 2, "1e"},
    {"boost request a cpu .", 2, ""},
    {"boost request a cpu two", 2, "two"},
    {"boost request a cpu 2GiB", 2, "2GiB"},
    {"boost request a memory 2XB", 2, "2XB"},
    {"boost request a memory 0.1kB", 0, ""},
    {"boost request a memory 0.0001kB", 2, ""},
    {"boost request a memory 4097TiB", 2, "4097TiB"},
    {"boost request a memory 4194305", 2, "4194305"},
    {"boost request a memory 1e30", 2, "1e30"},
    {"boost request a memory -1GiB", 2, "-1GiB"},
    /* resources */
    {"boost request a 9cpu 1", 2, "9cpu"},
    {"boost request a 'c pu' 1", 2, "c pu"},
    {"boost request a '' 1", 2, ""},
    {"boost request a cpu/gpu 1", 2, "cpu/gpu"},
    {"boost request a a23456789b23456789c23456789d23456 1", 2, ""},
    /* names of nodes */
    {"boost request '' cpu 1", 2, ""},
    {"boost request any cpu 1", 2, "any"},
    {"boost request a/b cpu 1", 2, "a/b"},
    {"boost request a,b cpu 1", 2, "a,b"},
    {"boost request a=b cpu 1", 2, "a=b"},
    {"boost request " LONG_NAME "3 cpu 1", 2, ""},
    {"boost request 'a\tb' cpu 1", 2, "a\\tb"},
    {"boost request 'a\033[31mb' cpu 1", 2, "\\x1b"},
    {"boost request 'a\xff' cpu 1", 2, ""},
    {"boost request -- -a cpu 1", 2, "-a"},
    {"boost request a cpu 1 --source b/c", 2, "b/c"},
    {"boost request a cpu 1 --source ''", 2, ""},
    {"boost request a cpu 1 --source a", 5, "a"},
    /* durations, priorities, request ids, times */
    {"boost request a cpu 1 --duration 0", 2, "0"},
    {"boost request a cpu 1 --duration -5", 2, "-5"},
    {"boost request a cpu 1 --duration=-5m", 2, "-5m"},
    {"boost request a cpu 1 --duration 1h30", 2, "1h30"},
    {"boost request a cpu 1 --duration 1.5h", 2, "1.5h"},
    {"boost request a cpu 1 --duration 30m1h", 2, "30m1h"},
    {"boost request a cpu 1 --duration 1h1h", 2, "1h1h"},
    {"boost request a cpu 1 --duration 11y", 2, "11y"},
    {"boost request a cpu 1 --duration 600w", 2, "600w"},
    {"boost request a cpu 1 --duration 99999999999999999999", 2, ""},
    {"boost request a cpu 1 --duration ''", 2, ""},
    {"boost request a cpu 1 --duration 'PT'", 2, "PT"},
    {"boost request a cpu 1 --duration forever", 2, "forever"},
    {"boost request a cpu 1 --priority hihg", 2, "'high'"},
    {"boost request a cpu 1 --priority ''", 2, ""},
    {"boost request a cpu 1 --priority 1", 2, "1"},
    {"boost request a cpu 1 --request-id ''", 2, ""},
    {"boost status --priority urgent", 2, "urgent"},
    {"boost status --expiring soon", 2, "soon"},
    {"boost status --resource 9", 2, "9"},
    {"boost history --event grantd", 2, "granted"},
    {"boost history --since 2026-13-01T00:00:00Z", 2, "2026-13-01"},
    {"boost history --since 2026-02-30T00:00:00Z", 2, "2026-02-30"},
    {"boost history -n -1", 2, "-1"},
    /* ids */
    {"boost release abc", 2, "abc"},
    {"boost release abcdefgh", 3, "abcdefgh"},
    {"boost show ''", 2, ""},
    {"boost show abcdefgh", 3, "abcdefgh"},
    {"boost show '\033[31mred'", 3, "\\x1b"},
    /* global options */
    {"boost status -o xml", 2, "xml"},
    {"boost status -o jso", 2, "json"},
    {"boost status --color sometimes", 2, "sometimes"},
    {"boost status --lock-timeout x", 2, "x"},
    {"boost status --columns nosuch", 2, "nosuch"},
    {"boost status --data-dir ''", 2, ""},
    {"boost status --data-dir relative", 2, "relative"},
    {"boost status --store nosuch:place", 2, "nosuch"},
    {"store xyzzy", 2, "xyzzy"},
    {"store info extra", 2, "extra"},
    {"boost status --columns ''", 2, "--columns is empty"},
    {"policy unset nosuch", 2, "nosuch"},
    {"node hold b --until now", 2, "over already"},
};

/* One bad call, in text and in JSON: its status, its message, and that nothing changed. */
static void expect_bad(const struct bad_call *call, const char *before)
{
    struct cli_result text = cli("%s", call->words), json;
    const char *last;
    cJSON *error;

    cr_expect_eq(text.status, call->status, "%s: status %d\n%s%s", call->words, text.status,
                 text.out, text.err);
    cr_expect_str_empty(text.out, "%s: on stdout: %s", call->words, text.out);
    cr_expect(!strncmp(text.err, "grid: ", 6), "%s: %s", call->words, text.err);
    cr_expect(strstr(text.err, call->says) != NULL, "%s: no '%s' in %s", call->words, call->says,
              text.err);
    for (const char *at = text.err; *at; at++)
        cr_expect(*at == '\n' || (unsigned char)*at >= ' ', "%s: control character", call->words);
    cli_state_same(before, call->words);
    if (strstr(call->words, "-o ") || strstr(call->words, "--xyzzy boost"))
        return;
    json = cli("-o json %s", call->words);
    cr_expect_eq(json.status, call->status, "-o json %s: status %d", call->words, json.status);
    cr_expect_str_empty(json.out, "-o json %s: on stdout", call->words);
    last = json.err;
    while (strchr(last, '\n') && strchr(last, '\n')[1])
        last = strchr(last, '\n') + 1;
    error = cJSON_Parse(last);
    cr_expect_eq(cli_number(error, "error.status"), call->status, "-o json %s: %s", call->words,
                 json.err);
    cr_expect(*cli_text(error, "error.code") && *cli_text(error, "error.message"));
    cJSON_Delete(error);
}

Test(usage, bad_calls_say_what_is_wrong_and_change_nothing)
{
    size_t step = cli_too_slow("most of the bad calls") ? 7 : 1;
    const char *before;

    cli_expect(cli("boost request gpu-master cpu 2.0 --request-id first"), 0);
    before = cli_state_text();
    for (size_t i = 0; i < sizeof(bad_calls) / sizeof(bad_calls[0]); i += step) {
        if (bad_calls[i].status)
            expect_bad(&bad_calls[i], before);
        else
            cli_expect(cli("%s --dry-run", bad_calls[i].words), 0);
    }
}

Test(usage, good_calls_are_taken)
{
    static const char *const words[] = {
        "boost request a cpu 1e3",
        "boost request a CPU .5",
        "boost request a cpu 1.000000",
        "boost request a cpu 1.0000000000",
        "boost request a Memory 16GiB",
        "boost request a memory 1.5",
        "boost request a memory 512MB",
        "boost request a tpu-v4_x 1",
        "boost request a cpu 1 --duration 3600",
        "boost request a cpu 1 --duration 1h30m",
        "boost request a cpu 1 --duration PT1H30M",
        "boost request a cpu 1 --duration 1w",
        "boost request a cpu 1 --duration=never",
        "boost request a cpu 1 --priority CRITICAL",
        "boost request " LONG_NAME " cpu 1",
        "boost request '\xe8\x8a\x82\xe7\x82\xb9\xf0\x9f\x9a\x80' cpu 1",
        "boost request 'two words' cpu 1",
        "boost request --source b --priority low -- a cpu 1",
        "boost --data-dir /nonexistent/x request a cpu 1",
        "--lock-timeout 5s boost request a cpu 1",
        "boost request a --duration 5m cpu --priority low 1",
    };
    size_t step = cli_too_slow("most of the good calls") ? 4 : 1;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i += step) {
        bool ends = strstr(words[i], " -- ") != NULL;

        cli_expect(cli("%s%s", ends ? "" : words[i], ends ? "boost status" : " --dry-run"), 0);
        if (ends)
            cli_expect(cli("%s", words[i]), 0);
    }
}

Test(usage, options_stand_anywhere)
{
    static const char *const words[] = {
        "--json boost status",          "-o json boost status",     "-ojson boost status",
        "boost status --output=json",   "boost --json status",      "boost status -o json",
        "--output json boost status -v", "boost status -qo json",
    };
    const char *dir = cli_format("%s/else where", cli_home());

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct cli_result result = cli("%s", words[i]);

        cli_expect(result, 0);
        cr_expect_eq(cli_number(cli_json(result.out), "total_active_boosts"), 0, "%s", words[i]);
    }
    cli_env("POSIXLY_CORRECT=1");
    cli_expect(cli("boost request a cpu 1 --dry-run"), 0);
    cr_expect_null(cli_state_text());
    cli_env("POSIXLY_CORRECT");
    cli_expect(cli("--data-dir '%s' boost request a cpu 1 -q", dir), 0);
    cr_expect_null(cli_state_text(), "--data-dir is not heeded");
    cr_expect(cli_read(cli_format("%s/resource_boosts.json", dir), NULL));
    cli_has(cli("boost status --data-dir '%s'", dir).out, "CPU");
    cli_env(cli_format("GRID_DATA_DIR=%s", dir));
    cli_has(cli("boost status").out, "CPU");
    cli_lacks(cli("boost status --data-dir %s/other", cli_home()).out, "CPU");
    cli_env("GRID_DATA_DIR");
    cli_env(cli_format("GRID_STORE=file:%s", dir));
    cli_has(cli("boost status").out, "CPU");
    cli_lacks(cli("boost status --store file:%s/other", cli_home()).out, "CPU");
}

Test(usage, the_data_directory_needs_a_name)
{
    cli_env("GRID_DATA_DIR=");
    cli_expect(cli("boost status"), 2);
    cli_env("GRID_DATA_DIR=relative");
    cli_expect(cli("boost status"), 2);
    cli_env("GRID_DATA_DIR");
    cli_env("HOME=");
    cli_expect(cli("boost status"), 2);
    cli_env("HOME=relative");
    cli_expect(cli("boost status"), 2);
    cli_env("GRID_LOCK_TIMEOUT=soon");
    cli_env(cli_format("HOME=%s", cli_home()));
    cli_expect(cli("boost status"), 2);
}

Test(usage, help_at_every_level)
{
    static const char *const words[] = {"",       "--help",        "-h",           "help",
                                        "boost",  "boost --help",  "help boost",   "store",
                                        "store -h", "help help",   "--json --help"};
    struct cli_result options = cli("__options");
    char *line;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct cli_result result = cli("%s", words[i]);

        cr_expect_eq(result.status, 0, "'%s': %d %s", words[i], result.status, result.err);
        cr_expect(result.out_length > 20, "'%s' says little: %s", words[i], result.out);
        cr_expect_str_empty(result.err, "'%s'", words[i]);
    }
    cli_expect(options, 0);
    line = strtok((char *)options.out, "\n");
    for (const char *last = ""; line; line = strtok(NULL, "\n")) {
        const char *verb = cli_format("%.*s", (int)strcspn(line, "-"), line);
        const char *option = strchr(line, '-');
        struct cli_result result;

        if (!option || !strchr(verb, ' ') || !strcmp(verb, last))
            continue;
        last = verb;
        result = cli("help %s", verb);
        cli_expect(result, 0);
        cli_has(result.out, option);
        cr_expect_str_eq(cli("%s --help", verb).out, result.out, "%s --help is another", verb);
    }
    cli_has(cli("--version").out, "grid 0.");
    cr_expect_str_eq(cli("-V").out, cli("--version").out);
    cli_has(cli("boost request a cpu 1 --help").out, "--request-id");
    cr_expect_null(cli_state_text());
}

static const struct cli_row hints[] = {
    {"boost rn", 2, "unknown boost verb 'rn'", "did you mean 'run'?"},
    /* a command without its "--" */
    {"boost run gpu-master gpu 1 python train.py --epochs 3", 125,
     "'python' is no resource and amount: '--' has to stand before the command",
     "grid boost run gpu-master gpu 1 -- python ..."},
    {"boost run --duration 5m gpu-master gpu 1 cpu 2 python -c", 125, "'python' is no resource",
     "grid boost run gpu-master gpu 1 cpu 2 -- python ..."},
    {"boost run gpu-master gpu 1 --reason x true", 125, "'true' is no resource",
     "gpu 1 -- true ..."},
    {"boost run gpu-master gpu 1 sleep 10", 125, "is missing", "'--' has to stand before"},
    {"boost run gpu-master gpu 1 --", 125, "-- COMMAND [ARG]... is missing", ""},
    {"boost run gpu-master gpu 1 --priorty high", 125, "'--priorty'", "'--priority'?"},
    {"boost run gpu-master gpu 1 --priorty high -- true", 125, "'--priorty'", "'--priority'?"},
    /* a time that is no part of its option's word */
    {"boost request gpu-master gpu 1 --wait 2h", 2, "missing behind '2h'",
     "--wait takes its time in the same word: --wait=2h"},
    {"boost request gpu-master gpu 1 --wait 30", 2, "'30'", "--wait=30"},
    {"boost request --wait 2h gpu-master gpu 1", 2, "", "--wait=2h"},
    {"boost run gpu-master gpu 1 --wait 2h -- true", 125, "", "--wait=2h"},
    {"boost run gpu-master gpu 1 --wait 2h true", 125, "", "--wait=2h"},
    {"boost status --watch 5s", 2, "unexpected argument '5s'", "same word: --watch=5s"},
    /* a text without its quotes */
    {"boost request a cpu 2 --reason night build", 2, "'build'", "several words in quotes"},
    {"boost request a cpu 2 --reason night build now", 2, "'now'", "several words in quotes"},
    {"boost extend abcdef --by 1h --reason a b", 2, "argument 'b'", "several words in quotes"},
    {"node hold gpu1 --reason new disks", 2, "argument 'disks'", "several words in quotes"},
};

Test(usage, a_hint_says_what_was_meant)
{
    cli_rows(hints, sizeof(hints) / sizeof(hints[0]), NULL);
    cr_expect_null(cli_state_text());
}

Test(usage, a_usage_error_points_to_help)
{
    struct cli_result result = cli("boost request gpu-master cpu nan");

    cli_has(result.err, "try 'grid boost request --help'");
    cli_has(cli("boost xyzzy").err, "--help'");
    cli_has(cli("xyzzy").err, "--help'");
}
