/* Changing a boost on the command line: a later end, an earlier one, whose it is, is it held. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static void begin(void)
{
    cli_begin();
    cli_time("2030-01-01 12:00:00");
    cli_expect(cli("node add gpu1 gpu=2 cpu=16"), 0);
    cli_expect(cli("node add gpu-master cpu=4"), 0);
}

TestSuite(extend, .init = begin, .fini = cli_end);

static const char *request(const char *words)
{
    return cli_request("gpu-master %s", words);
}

/* In their order, on one boost of 12:00 to 13:00; another has it from 16:00 on. */
static const struct {
    const char *options;
    int status;
    const char *part; /* of stdout, or of stderr if it failed */
} steps[] = {
    {"--by 30m", 0, "13:30:00 UTC"},
    {"--for 2h", 0, "14:00:00 UTC"},
    {"--until '2030-01-01 15:00'", 0, "15:00:00 UTC"},
    {"--for 1h", 5, "--shorten"},
    {"--for 1h --shorten", 0, "13:00:00 UTC"},
    {"--by 4h", 4, "16:00:00 UTC"},
    {"--for never", 4, "16:00:00 UTC"},
    {"--by 4h --dry-run", 4, "--best-effort"},
    {"--by 4h --best-effort --dry-run", 0, "16:00:00 UTC"},
    {"--by 1m --dry-run", 0, "13:01:00 UTC"},
    {"--until '2030-01-01 11:00' --shorten", 2, "past"},
    {"--by 4h --best-effort", 0, "16:00:00 UTC"},
    {"--by 1m --best-effort", 4, "cannot be extended"},
};

Test(extend, moves_the_end)
{
    const char *id = request("gpu 2");

    request("gpu 1 --start '2030-01-01 16:00'");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct cli_result result = cli("boost extend %.8s %s", id, steps[i].options);

        cr_expect_eq(result.status, steps[i].status, "%s: %d %s", steps[i].options, result.status,
                     result.err);
        cr_expect(strstr(steps[i].status ? result.err : result.out, steps[i].part),
                  "%s: no '%s' in: %s%s", steps[i].options, steps[i].part, result.out, result.err);
    }
    cr_expect_eq(cli_count(cli_json(cli("boost history --event extended --json").out), "events"),
                 5);
}

Test(extend, a_refusal_has_the_longest_end_in_json)
{
    const char *id = request("gpu 2");
    struct cli_result result;

    request("gpu 1 --start '2030-01-01 16:00'");
    result = cli("boost extend %s --by 4h --json", id);
    cli_expect(result, 4);
    cr_expect_str_eq(cli_text(cli_json(result.err), "error.details.longest_end"),
                     "2030-01-01T16:00:00.000000+00:00");
    result = cli("boost extend %s --by 1h --json --reason 'not done'", id);
    cli_expect(result, 0);
    cr_expect_str_eq(cli_text(cli_json(result.out), "boost.expires_at"),
                     "2030-01-01T14:00:00.000000+00:00");
    cr_expect_str_eq(cli_text(cli_json(cli("boost history --event extended --json").out),
                              "events.0.reason"), "not done");
    cr_expect_str_eq(cli("boost extend %s --by 1h -q", id).out, cli_format("%s\n", id));
    cli_expect(cli("boost release %s", id), 0);
    result = cli("boost extend %s --by 1h", id);
    cli_expect(result, 3);
    cli_has(result.err, "been released at 2030-01-01 12:00:00 UTC");
}

/* By the id of any member: all of them move, and go. */
Test(extend, a_group_is_one)
{
    cJSON *shown = cli_json(cli("boost request gpu-master gpu 1 cpu 2 --json").out);
    const char *second = cli_text(shown, "boosts.1.boost_id");
    struct cli_result result;

    result = cli("boost extend %s --by 1h --json", second);
    cli_expect(result, 0);
    cr_expect_eq(cli_count(cli_json(result.out), "boosts"), 2);
    for (int i = 0; i < 2; i++)
        cr_expect_str_eq(cli_text(cli_json(result.out), cli_format("boosts.%d.expires_at", i)),
                         "2030-01-01T14:00:00.000000+00:00");
    cr_expect_str_eq(cli_text(cli_json(result.out), "boost.boost_id"), second);
    result = cli("boost release --all --resource cpu --dry-run");
    cli_has(result.out, "would release");
    cli_has(result.out, "GPU 1.0");
    cli_has(result.out, "CPU 2.0");
    result = cli("boost release %s %s", second, cli_text(shown, "boosts.0.boost_id"));
    cli_expect(result, 0);
    cli_has(result.out, "GPU 1.0");
    cli_has(result.out, "CPU 2.0");
    cr_expect_eq(strlen(result.out), 2 * strlen(cli_format("released %s (GPU 1.0 from gpu1)\n",
                                                           second)), "not two lines: %s",
                 result.out);
    cr_expect_eq(cli_boosts(), 0);
    request("gpu 1 cpu 2");
    shown = cli_json(cli("boost release --all --resource gpu --yes --json").out);
    cr_expect_eq(cli_number(shown, "released"), 2);
    cr_expect_eq(cli_count(shown, "boosts"), 2);
}

Test(extend, check_says_whether_it_is_held)
{
    const char *id = request("gpu 1"), *later = request("gpu 1 --start +1h");
    int token = (int)cli_number(cli_json(cli("boost show %s --json", id).out), "boost.token");
    struct cli_result result = cli("boost check %s", id);

    cli_expect(result, 0);
    cli_has(result.out, "is active: GPU 1.0 from gpu1, 1h left");
    result = cli("boost check %.8s --token %d --min-remaining 1h -q", id, token);
    cli_expect(result, 0);
    cr_expect_str_empty(result.out);
    cr_expect_str_eq(cli_text(cli_json(cli("boost check %s --json", id).out), "boost.state"),
                     "active");
    cli_expect(cli("boost check %s --token %d", id, token + 1), 6);
    cli_expect(cli("boost check %s --min-remaining 61m", id), 4);
    cli_expect(cli("boost check %s", later), 4);
    cli_time("2030-01-01 13:00:00");
    result = cli("boost check %s --token %d", id, token);
    cli_expect(result, 3);
    cli_has(result.err, "expired at 2030-01-01 13:00:00 UTC");
}

Test(extend, expiring_is_told_once)
{
    const char *id = request("gpu 1 --duration 10m");
    cJSON *shown;
    struct cli_result result;

    request("gpu 1 --duration 1h");
    cli_expect(cli_shell("mkdir -m 700 -p $DATA/hooks && cd $DATA/hooks && "
                         "printf '#!/bin/sh\\necho $GRID_BOOST_ID >>$HOME/told\\n' >expiring && "
                         "chmod 700 expiring"), 0);
    result = cli("boost cleanup --expiring 15m --dry-run");
    cli_expect(result, 0);
    cli_has(result.out, cli_format("%s ends in 10m (GPU 1.0 from gpu1)", id));
    shown = cli_json(cli("boost cleanup --expiring 15m --json").out);
    cr_expect_eq(cli_count(shown, "expiring"), 1);
    cr_expect_str_eq(cli_text(shown, "expiring.0.boost_id"), id);
    cr_expect_eq(cli_number(shown, "removed"), 0);
    shown = cli_json(cli("boost cleanup --expiring 15m --json").out);
    cr_expect_eq(cli_count(shown, "expiring"), 0, "it was told twice");
    cr_expect_str_eq(cli_read(cli_format("%s/told", cli_home()), NULL), cli_format("%s\n", id));
    cli_expect(cli("boost extend %s --by 1m", id), 0);
    shown = cli_json(cli("boost cleanup --expiring 15m --json").out);
    cr_expect_eq(cli_count(shown, "expiring"), 0, "once for each boost, whatever its end becomes");
    cr_expect_null(cli_get(cli_json(cli("boost cleanup --json").out), "expiring"));
    cr_expect_str_empty(cli("boost cleanup --expiring 15m -q").out);
}

/* Another user, by the kernel's word: needs root, and a program that others can reach. */
static struct cli_result as_other(const char *words)
{
    return cli_shell("chmod -R a+rwX \"$HOME\" && "
                     "setpriv --reuid 54321 --regid 54321 --clear-groups $GRID %s", words);
}

Test(extend, others_may_not)
{
    const char *mine = request("gpu 1"), *theirs = request("gpu 1 --owner 54321");
    struct cli_result result;

    if (getuid() != 0 || as_other("--version").status != 0)
        cr_skip("cannot be another user here");
    result = as_other(cli_format("boost release %s", mine));
    cli_expect(result, 7);
    cli_has(result.err, "belongs to");
    cli_expect(as_other(cli_format("boost extend %s --by 1m", mine)), 7);
    cli_expect(as_other(cli_format("boost release %s --force --reason now", mine)), 7);
    cli_expect(as_other("boost request gpu-master cpu 1 --owner root"), 7);
    cli_expect(as_other("boost release --all --owner root --yes"), 7);
    cli_expect(as_other(cli_format("boost extend %s --by 1m", theirs)), 0);
    result = as_other("boost release --all --yes -q");
    cli_expect(result, 0);
    cr_expect_str_eq(result.out, cli_format("%s\n", theirs), "mine is theirs");
    cli_expect(cli("node set gpu1 --owner 54321"), 0);
    cli_expect(as_other(cli_format("boost release %s --force --reason now", mine)), 0);
    cli_has(cli("boost history --event released -o jsonl").out, "forced: now");
}
