/* A boost's life on the command line: lent, listed, shown, returned, ended, remembered. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(boost, .init = cli_begin, .fini = cli_end);

/* The id that `grid boost request WORDS -q` prints. */
static const char *request(const char *words)
{
    struct cli_result result = cli("boost request %s -q", words);

    cli_expect(result, 0);
    cr_expect_eq(result.out_length, 37, "no bare id: %s", result.out);
    cr_expect_str_empty(result.err);
    return cli_format("%.36s", result.out);
}

static void expect_active(const char *what, int count)
{
    cJSON *status = cli_json(cli("boost status --json").out);

    cr_expect_eq(cli_number(status, "total_active_boosts"), count, "%s: %g active, not %d", what,
                 cli_number(status, "total_active_boosts"), count);
    cr_expect_eq(cli_count(status, "boosts"), count, "%s", what);
}

Test(boost, begins_with_nothing_and_writes_nothing)
{
    static const char *const words[] = {"boost status",  "boost cleanup -q",      "boost history",
                                        "boost status -o json", "boost cleanup --dry-run",
                                        "boost request gpu-master cpu 2 --dry-run"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        cli_expect(cli("%s", words[i]), 0);
        cr_expect_null(cli_state_text(), "%s wrote a state", words[i]);
    }
    cr_expect_str_empty(cli("boost cleanup -q").out);
    cli_expect(cli("boost show abcd1234"), 3);
    cli_expect(cli("boost release abcd1234"), 3);
}

Test(boost, says_what_was_lent)
{
    static const char *const lines[] = {"Boost ID:", "Source:", "Target:", "Resource:",
                                        "Amount:",   "Priority:", "Expires:"};
    struct cli_result result = cli("boost request gpu-master cpu 2.0");

    cli_expect(result, 0);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        cli_has(result.out, lines[i]);
    cli_has(result.err, "node");
    cr_expect_str_empty(cli("boost request gpu-master cpu 2.0 -q").err);
}

Test(boost, goes_round)
{
    const char *cpu = request("gpu-master cpu 2.0");
    const char *memory = request("gpu-master memory 512MiB --priority HIGH --source gpu1 "
                                 "--duration 30m --reason 'a run'");
    cJSON *shown = cli_json(cli("boost status -o json").out);

    cr_expect_eq(cli_number(shown, "schema"), 1);
    cr_expect_str_eq(shown->child->string, "schema");
    cr_expect_eq(cli_number(shown, "total_active_boosts"), 2);
    cr_expect_eq(cli_number(shown, "boosted_resources.CPU"), 2.0);
    cr_expect_eq(cli_number(shown, "boosted_resources.MEMORY"), 0.5);
    cr_expect_str_eq(cli_text(shown, "boosts.0.boost_id"), memory, "newest first");
    cr_expect_str_eq(cli_text(shown, "boosts.1.boost_id"), cpu);
    cr_expect_str_eq(cli_text(shown, "boosts.1.source_node"), "any");
    shown = cli_json(cli("boost show %.8s --json", memory).out);
    cr_expect_str_eq(cli_text(shown, "boost.boost_id"), memory);
    cr_expect_str_eq(cli_text(shown, "boost.state"), "active");
    cr_expect_str_eq(cli_text(shown, "boost.priority"), "high");
    cr_expect_str_eq(cli_text(shown, "boost.reason"), "a run");
    cr_expect_str_eq(cli_text(shown, "boost.source_node"), "gpu1");
    cr_expect(cli_number(shown, "boost.remaining_seconds") > 1700);
    cr_expect(cli_number(shown, "boost.remaining_seconds") <= 1800);
    cr_expect(cli_number(shown, "boost.token") > 1);
    cli_expect(cli("boost release %.8s", cpu), 0);
    expect_active("after one release", 1);
    cli_expect(cli("boost release %s", memory), 0);
    expect_active("after both", 0);
    cr_expect_eq(cli_boosts(), 0);
}

Test(boost, keeps_the_layout_of_the_original)
{
    struct cli_result result;

    request("gpu-master cpu 2.0");
    request("n\xc5\x93ud memory 0.5 --reason 'caf\xc3\xa9 \xf0\x9f\x9a\x80'");
    request("gpu-master gpu 0.000001 --duration never");
    result = cli_shell("python3 - $DATA/resource_boosts.json <<'E'\n"
                       "import json, sys\n"
                       "text = open(sys.argv[1]).read()\n"
                       "doc = json.loads(text)\n"
                       "assert json.dumps(doc, indent=2) + '\\n' == text, text\n"
                       "assert list(doc)[:3] == ['boosts', 'timestamp', 'revision'], list(doc)\n"
                       "nine = ['boost_id', 'source_node', 'target_node', 'resource_type',\n"
                       "    'amount', 'allocated_at', 'expires_at', 'ray_placement_group',\n"
                       "    'is_active']\n"
                       "for boost in doc['boosts']:\n"
                       "    assert list(boost)[:9] == nine, list(boost)\n"
                       "assert doc['boosts'][2]['expires_at'] is None\n"
                       "assert doc['boosts'][2]['amount'] == 1e-06\n"
                       "assert doc['boosts'][1]['reason'] == 'caf\\u00e9 \\U0001f680'\n"
                       "E\n");
    cli_expect(result, 0);
}

Test(boost, keeps_its_files_to_itself)
{
    static const char *const names[] = {"", "resource_boosts.json", "resource_boosts.json.lock"};
    struct stat stat_;

    request("gpu-master cpu 2.0");
    request("gpu-master cpu 2.0");
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(stat(cli_data("%s", names[i]), &stat_), 0, "no %s", names[i]);
        cr_expect_eq(stat_.st_mode & 0777, i == 0 ? 0700 : 0600, "%s: %o", names[i],
                     stat_.st_mode & 0777);
    }
    cr_expect_eq(cli_files("tmp") + cli_files(".resource"), 0, "a temporary file is left");
    chmod(cli_data("resource_boosts.json"), 0640);
    request("gpu-master cpu 2.0");
    stat(cli_data("resource_boosts.json"), &stat_);
    cr_expect_eq(stat_.st_mode & 0777, 0640, "the mode is not kept: %o", stat_.st_mode & 0777);
}

Test(boost, says_how_an_ended_boost_ended)
{
    const char *id = request("gpu-master cpu 2.0");
    const char *after;
    struct cli_result result;
    cJSON *shown;

    cli_expect(cli("boost release %s", id), 0);
    after = cli_state_text();
    result = cli("boost release %s", id);
    cli_expect(result, 0);
    cli_has(cli_format("%s%s", result.out, result.err), "released");
    cli_state_same(after, "a second release");
    shown = cli_json(cli("boost show %s --json", id).out);
    cr_expect_str_eq(cli_text(shown, "boost.state"), "released");
    shown = cli_json(cli("boost history %.8s --json", id).out);
    cr_expect_eq(cli_count(shown, "events"), 2);
    cr_expect_str_eq(cli_text(shown, "events.0.event"), "released");
    cr_expect_str_eq(cli_text(shown, "events.1.event"), "granted");
    cr_expect_str_eq(cli_text(shown, "events.1.boost.boost_id"), id);
    cli_has(cli_text(shown, "events.0.actor"), "@");
}

/* Each moment is a process of its own with its own clock, which stands still. */
Test(boost, ends_at_its_end_and_not_before)
{
    const char *id, *short_one;
    cJSON *history;

    cli_time("2030-01-01 12:00:00");
    id = request("gpu-master cpu 2.0 --duration 1h");
    short_one = request("gpu-master gpu 1 --duration 10m");
    cli_time("2030-01-01 12:09:59");
    expect_active("a second before the first end", 2);
    cli_time("2030-01-01 12:10:00");
    expect_active("at the first end", 1);
    cr_expect_eq(cli_boosts(), 1, "status did not settle");
    cli_time("2030-01-01 12:59:59");
    expect_active("a second before the second end", 1);
    cli_time("2030-01-01 14:00:00");
    cli_has(cli("boost show %s", id).out, "expired");
    cli_has(cli("boost cleanup --dry-run").out, "1");
    history = cli_json(cli("boost cleanup -o json").out);
    cr_expect_eq(cli_number(history, "removed"), 1);
    cr_expect_str_eq(cli_text(history, "boosts.0.boost_id"), id);
    history = cli_json(cli("boost history --event expired --json").out);
    cr_expect_eq(cli_count(history, "events"), 2);
    cr_expect_str_eq(cli_text(history, "events.0.at"), "2030-01-01T13:00:00.000000+00:00");
    cr_expect_str_eq(cli_text(history, "events.1.at"), "2030-01-01T12:10:00.000000+00:00");
    cr_expect_str_eq(cli_text(history, "events.1.boost_id"), short_one);
    cr_expect_eq(cli_boosts(), 0);
    cli_expect(cli("boost release %s", id), 0);
    cr_expect_str_empty(cli("boost cleanup -q").out);
}

Test(boost, cleanup_counts_what_ended)
{
    const char *before;

    cli_time("2030-01-01 12:00:00");
    for (int i = 0; i < 3; i++)
        request("gpu-master cpu 1 --duration 1h");
    request("gpu-master cpu 1 --duration never");
    cli_time("2030-01-01 15:00:00");
    before = cli_state_text();
    cr_expect_eq(cli_number(cli_json(cli("boost cleanup --dry-run --json").out), "removed"), 3);
    cli_state_same(before, "cleanup --dry-run");
    cli_has(cli("boost cleanup").out, "3");
    cr_expect_eq(cli_boosts(), 1);
    before = cli_state_text();
    cli_expect(cli("boost cleanup"), 0);
    cli_state_same(before, "cleanup with nothing to do");
}

Test(boost, a_request_id_binds_a_grant)
{
    const char *words = "boost request gpu-master cpu 2.0 --duration 1h --request-id job-7";
    const char *id, *before;
    cJSON *replay;

    cli_time("2030-01-01 12:00:00");
    id = cli_format("%.36s", cli("%s -q", words).out);
    before = cli_state_text();
    cli_time("2030-01-01 12:30:00");
    replay = cli_json(cli("%s --json", words).out);
    cr_expect(cJSON_IsTrue(cli_get(replay, "replayed")));
    cr_expect_str_eq(cli_text(replay, "boost.boost_id"), id);
    cr_expect_str_eq(cli("%s -q", words).out, cli_format("%s\n", id));
    cli_expect(cli("boost request gpu-master cpu 3.0 --duration 1h --request-id job-7"), 6);
    cli_expect(cli("boost request gpu-master gpu 2.0 --duration 1h --request-id job-7"), 6);
    cli_expect(cli("boost request other cpu 2.0 --duration 1h --request-id job-7"), 6);
    cli_expect(cli("%s --priority low", words), 6);
    cli_state_same(before, "replays");
    cli_time("2030-01-02 12:59:00");
    replay = cli_json(cli("%s --json", words).out);
    cr_expect(cJSON_IsTrue(cli_get(replay, "replayed")), "forgotten within 24 h of its end");
    cr_expect_str_eq(cli_text(replay, "boost.boost_id"), id);
    cr_expect_str_eq(cli_text(replay, "boost.state"), "expired");
    cli_time("2030-01-02 13:00:01");
    replay = cli_json(cli("%s --json", words).out);
    cr_expect(cJSON_IsFalse(cli_get(replay, "replayed")), "known for more than 24 h");
    cr_expect_str_neq(cli_text(replay, "boost.boost_id"), id);
}

Test(boost, a_request_id_does_not_bind_a_refusal_or_a_dry_run)
{
    cli_expect(cli("boost request a cpu 1 --source a --request-id r"), 5);
    cli_expect(cli("boost request a cpu 1 --request-id r --dry-run"), 0);
    cli_expect(cli("boost request b cpu 2 --request-id r"), 0);
    cr_expect_eq(cli_boosts(), 1);
}

Test(boost, dry_run_says_the_same_and_writes_nothing)
{
    struct cli_result dry, wet;
    const char *before;

    request("gpu-master cpu 1");
    before = cli_state_text();
    dry = cli("boost request gpu-master cpu 2 --dry-run");
    cli_expect(dry, 0);
    cli_has(dry.out, "Boost ID:");
    cli_expect(cli("boost request a cpu 2 --source a --dry-run"), 5);
    cli_state_same(before, "request --dry-run");
    wet = cli("boost release --all --dry-run -o json");
    cli_expect(wet, 0);
    cli_state_same(before, "release --dry-run");
}

/* A ledger with ids that begin alike; `end` of each. */
static void write_ids(const char *const *ids, size_t count)
{
    const char *text = "{\"boosts\": [";

    for (size_t i = 0; i < count; i++)
        text = cli_format("%s%s{\"boost_id\": \"%s\", \"source_node\": \"gpu1\", \"target_node\": "
                          "\"gpu-master\", \"resource_type\": \"CPU\", \"amount\": 2.0, "
                          "\"allocated_at\": \"2026-01-23T20:00:2%zu+00:00\", \"expires_at\": "
                          "\"2099-01-01T00:00:00+00:00\", \"ray_placement_group\": null, "
                          "\"is_active\": true}",
                          text, i ? ", " : "", ids[i], i);
    text = cli_format("%s], \"timestamp\": \"2026-01-23T20:00:23.954801\"}", text);
    cli_write(cli_data("resource_boosts.json"), text, strlen(text));
}

Test(boost, finds_ids_by_prefix)
{
    static const char *const ids[] = {"abcd1111-0000-4000-8000-000000000001",
                                      "abcd2222-0000-4000-8000-000000000002", "bbbb", "bbbb-too",
                                      "Job Nr. 5/7 (night)"};
    static const struct {
        const char *words;
        int status;
        const char *says;
    } cases[] = {
        {"release abcd", 6, "abcd2222"},   {"show abcd", 6, "abcd1111"},
        {"show abcd1", 0, "abcd1111"},     {"release abc", 2, "abc"},
        {"show zzzz", 3, "zzzz"},          {"release zzzz abcd1", 3, "zzzz"},
        {"release abcd1 abcd", 6, "abcd"}, {"show bbbb", 0, "bbbb"},
        {"show ''", 2, ""},                {"show 'Job Nr. 5/7 (night)'", 0, "night"},
        {"show 'Job '", 0, "night"},       {"show '../../etc/passwd'", 3, "passwd"},
        {"show '%s%n'", 3, "%s%n"},    {"release '*&^!'", 3, "*&^!"},
    };
    const char *before;

    write_ids(ids, 5);
    before = cli_state_text();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cli_result result = cli_with((struct cli_options){0}, "boost %s", cases[i].words);

        cr_expect_eq(result.status, cases[i].status, "%s: %d, %s", cases[i].words, result.status,
                     result.err);
        cli_has(cli_format("%s%s", result.out, result.err), cases[i].says);
        cli_state_same(before, cases[i].words);
    }
    cli_expect(cli("boost release bbbb"), 0);
    cr_expect_eq(cli_boosts(), 4);
    cli_expect(cli("boost release abcd1 abcd2 bbbb-"), 0);
    cr_expect_eq(cli_boosts(), 1);
    cli_expect(cli("boost release abcd"), 6);
    cli_expect(cli("boost show abcd1"), 0);
}

Test(boost, filters)
{
    static const struct {
        const char *words;
        int count;
    } cases[] = {
        {"", 5},
        {"--node gpu-master", 3},
        {"--node gpu", 0},
        {"--source gpu1", 2},
        {"--resource cpu", 3},
        {"--resource MEMORY", 1},
        {"--priority high", 1},
        {"--priority NORMAL", 3},
        {"--node gpu-master --resource cpu", 2},
        {"--expiring 30m", 1},
        {"--expiring 2d", 4},
        {"--mine", 5},
        {"--owner nobody-at-all", 0},
        {"--all", 5},
    };
    size_t step = cli_too_slow("most of the filters") ? 3 : 1;

    request("gpu-master cpu 1 --source gpu1");
    request("gpu-master cpu 1.5 --source gpu2 --priority high");
    request("gpu-master memory 4 --duration 20m");
    request("other cpu 1 --source gpu1 --priority critical");
    request("other gpu 1 --duration never");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i += step) {
        struct cli_result result = cli("boost status %s --json", cases[i].words);
        cJSON *status = cli_json(result.out);

        cli_expect(result, 0);
        cr_expect_eq(cli_count(status, "boosts"), cases[i].count, "status %s: %d", cases[i].words,
                     cli_count(status, "boosts"));
        cr_expect_eq(cli_number(status, "total_active_boosts"), cases[i].count);
    }
    cr_expect_eq(cli_number(cli_json(cli("boost status --node gpu-master --json").out),
                            "boosted_resources.CPU"), 2.5, "totals of the filter");
}

Test(boost, releases_all_that_match)
{
    const char *before;

    request("gpu-master cpu 1 --source gpu1");
    request("gpu-master cpu 1 --source gpu2");
    request("gpu-master gpu 1 --source gpu2");
    before = cli_state_text();
    cli_expect(cli("boost release --all"), 2);
    cli_state_same(before, "release --all without --yes");
    cli_expect(cli("boost release"), 2);
    cli_expect(cli("boost release --all abcd1234 --yes"), 2);
    cli_state_same(before, "release of nothing or of both");
    cli_expect(cli("boost release --all --yes --owner nobody-at-all"), 0);
    cli_state_same(before, "release of nobody's");
    cli_expect(cli("boost release --all --source gpu2 --resource cpu --yes"), 0);
    cr_expect_eq(cli_boosts(), 2);
    cli_expect(cli("boost release --all --yes"), 0);
    cr_expect_eq(cli_boosts(), 0);
}

Test(boost, history_is_filtered_and_newest_first)
{
    cJSON *history;

    cli_time("2030-01-01 12:00:00");
    request("gpu-master cpu 1 --source gpu1 --duration 1h");
    cli_time("2030-01-01 12:10:00");
    request("other cpu 1 --source gpu2 --duration 30m");
    cli_time("2030-01-01 15:00:00");
    cli_expect(cli("boost cleanup -q"), 0);
    history = cli_json(cli("boost history --json").out);
    cr_expect_eq(cli_count(history, "events"), 4);
    cr_expect_eq(cli_count(cli_json(cli("boost history -n 2 --json").out), "events"), 2);
    cr_expect_eq(cli_count(cli_json(cli("boost history --node other --json").out), "events"), 2);
    cr_expect_eq(cli_count(cli_json(cli("boost history --event granted --json").out), "events"),
                 2);
    history = cli_json(cli("boost history --since '2030-01-01 12:05' "
                           "--until 2030-01-01T12:50:00Z --json").out);
    cr_expect_eq(cli_count(history, "events"), 2, "12:10 granted, 12:40 expired");
    cli_expect(cli("boost history --event nonsense"), 2);
    cli_expect(cli("boost history --since yesterday-ish"), 2);
    cli_expect(cli("boost history -n x"), 2);
}

/* More events than `pending` holds: they move to history.jsonl and are all still there. */
Test(boost, remembers_many_events)
{
    int rounds = cli_too_slow("60 rounds of history") ? 3 : 60;

    for (int i = 0; i < rounds; i++)
        cli_expect(cli("boost release -q %s", request("gpu-master cpu 1")), 0);
    cr_expect_eq(cli_count(cli_json(cli("boost history --json").out), "events"), 2 * rounds);
    cr_expect_eq(cli_files("tmp"), 0);
}
