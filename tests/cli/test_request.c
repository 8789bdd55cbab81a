/* Asking: for now, for later, at the cost of others; and what a refusal tells. */
#include "support/cli.h"
#include "support/rows.h"

#include <criterion/criterion.h>
#include <string.h>

static void begin(void)
{
    cli_begin();
    cli_time("2030-01-01 12:00:00");
    cli_expect(cli("node add gpu1 gpu=2 cpu=16 memory=64GiB"), 0);
    cli_expect(cli("node add gpu-master cpu=4"), 0);
}

TestSuite(request, .init = begin, .fini = cli_end);

static const struct cli_row calls[] = {
    {"boost request gpu-master cpu 1 --start '2029-12-31 20:00'", 2, "in the past", NULL},
    {"boost request gpu-master cpu 1 --start yesterday", 2, "yesterday", NULL},
    {"boost request gpu-master cpu 1 --start +1h --wait", 2, "--wait", NULL},
    {"boost request gpu-master cpu 1 --start now --dry-run", 0, "", NULL},
    {"boost request gpu-master cpu 1 --wait --dry-run", 2, "--dry-run", NULL},
    {"boost request gpu-master cpu 1 --wait=", 0, "", NULL},
    {"boost request gpu-master cpu 1 --wait=soon", 2, "soon", NULL},
    {"boost request gpu-master cpu 1 --source gpu1 --prefer gpu1", 2, "--prefer", NULL},
    {"boost request gpu-master cpu 1 --source gpu1 --split", 2, "--split", NULL},
    {"boost request gpu-master cpu 2 --reason night build", 2, "in quotes", NULL},
    {"boost request gpu-master memory 16 GiB", 2, "'16GiB'", NULL},
    {"boost request gpu-master memory 16 gib cpu 1", 2, "'16GiB'", NULL},
    {"boost request gpu-master memory 16gib", 2, "did you mean '16GiB'", NULL},
    {"boost request gpu-master cpu 16GB", 2, "only memory", NULL},
    {"boost request gpu-master cpu 1 cpu 2", 2, "twice", NULL},
    {"boost explain gpu-master", 2, "RESOURCE is missing", NULL},
    {"boost explain gpu1", 2, "RESOURCE is missing", NULL},
    {"boost explain deadbeef", 3, "deadbeef", NULL},
    {"boost request gpu-master mem 1 --dry-run", 5, "did you mean 'memory'", NULL},
    {"boost request gpu-master ram 1 --dry-run", 5, "did you mean 'memory'", NULL},
    {"boost request gpu-master gpus 1 --dry-run", 5, "did you mean 'gpu'", NULL},
    {"boost request gpu-master cp 1 --dry-run", 5, "did you mean 'cpu'", NULL},
    {"boost request gpu-master memroy 1 --dry-run", 5, "did you mean 'memory'", NULL},
    {"boost free gp 1", 5, "did you mean 'gpu'", NULL},
    {"boost free cpu 1 --after yesterday", 2, "yesterday", NULL},
    {"boost free cpu 1 -n 0", 2, "-n", NULL},
    {"boost free cpu 1 -n x", 2, "-n", NULL},
    {"boost free cpu", 2, "AMOUNT is missing", NULL},
    {"boost free cpu 17", 5, "", NULL},
    {"boost free cpu 1 --node nobody", 3, "nobody", NULL},
    {"boost extend deadbeef --by 1h", 3, "deadbeef", NULL},
    {"boost extend deadbeef", 2, "--by", NULL},
    {"boost extend deadbeef --by 1h --for 1h", 2, "only one", NULL},
    {"boost check deadbeef", 3, "deadbeef", NULL},
    {"boost check deadbeef --token x", 2, "--token", NULL},
    {"boost release deadbeef --force", 2, "--reason", NULL},
    {"boost cleanup --expiring soon", 2, "soon", NULL},
};

Test(request, calls_and_what_is_said_of_them)
{
    cli_rows(calls, sizeof(calls) / sizeof(calls[0]), NULL);
}

/* What stands between quotes is run as it is. */
Test(request, a_refusal_names_a_command_with_the_reasons)
{
    struct cli_result result;
    const char *command;

    cli_expect(cli_shell("mv $DATA \"$HOME/a ledger\""), 0);
    result = cli("boost request gpu-master gpu 3 --source gpu1 --duration 2h --reason 'a b' "
                 "--data-dir '%s/a ledger'", cli_home());
    cli_expect(result, 5);
    command = strstr(result.err, "'grid boost explain");
    cr_assert(command, "%s", result.err);
    command = cli_format("%.*s", (int)strcspn(command + 1, "'"), command + 1);
    cr_expect_str_eq(command, cli_format("grid boost explain gpu-master gpu 3 --source gpu1 "
                                         "--duration 2h --data-dir \"%s/a ledger\"", cli_home()));
    result = cli_shell("$GRID %s", command + strlen("grid "));
    cli_expect(result, 0);
    cli_has(result.out, "gpu1           lends 2.0 GPU at most");
    cli_lacks(result.out, "is the borrower itself");
}

Test(request, reasons_have_their_facts)
{
    struct cli_result result;
    cJSON *error;

    cli_expect(cli("node hold gpu1 --until +2h --reason 'new fan'"), 0);
    result = cli("boost request gpu-master gpu 1 --json");
    cli_expect(result, 4);
    error = cli_json(result.err);
    cr_expect_str_eq(cli_text(error, "error.details.reasons.0.reason"), "held");
    cr_expect_str_eq(cli_text(error, "error.details.reasons.0.hold_reason"), "new fan");
    cr_expect_str_eq(cli_text(error, "error.details.reasons.0.hold_until"),
                     "2030-01-01T14:00:00.000000+00:00");
    cr_expect_str_eq(cli_text(error, "error.details.starts_no_later_than"),
                     "2030-01-01T14:00:00.000000+00:00");
    cli_has(cli("boost explain gpu-master gpu 1").out,
            "is on hold until 2030-01-01 14:00:00 UTC: new fan");
    cli_expect(cli("node resume gpu1"), 0);
    cli_expect(cli("node set gpu1 --stale-after 10m"), 0);
    cli_time("2030-01-01 13:00:00");
    error = cli_json(cli("boost request gpu-master gpu 1 --json").err);
    cr_expect_str_eq(cli_text(error, "error.details.reasons.0.reason"), "stale");
    cr_expect_eq(cli_number(error, "error.details.reasons.0.stale_after"), 600);
    cli_has(cli("boost explain gpu-master gpu 1").out,
            "sent no heartbeat since 2030-01-01 12:00:00 UTC");
}

Test(request, reserves_for_later)
{
    struct cli_result result = cli("boost request gpu-master gpu 2 --start +2h --duration 1h");
    cJSON *slots;

    cli_expect(result, 0);
    cli_has(result.out, "Starts:        2030-01-01 14:00:00 UTC");
    cli_has(result.out, "Expires:       2030-01-01 15:00:00 UTC (1h from its start)");
    result = cli("boost status --all --no-headings --columns starts,remaining");
    cli_has(result.out, "2030-01-01 14:00:00 UTC ");
    cli_has(result.out, " 1h\n");
    result = cli("boost status --all --no-headings -o csv --columns remaining");
    cr_expect_str_eq(result.out, "10800\n");
    cr_expect_eq(cli_number(cli_json(cli("boost status --json").out), "total_active_boosts"), 0);
    cli_has(cli("boost status --all -o jsonl").out, "\"scheduled\"");
    slots = cli_json(cli("boost free gpu 1 --for 1h --json").out);
    cr_expect_eq(cli_count(slots, "slots"), 2);
    cr_expect_str_eq(cli_text(slots, "slots.0.source_node"), "gpu1");
    cr_expect_str_eq(cli_text(slots, "slots.0.end"), "2030-01-01T14:00:00.000000+00:00");
    cr_expect_str_eq(cli_text(slots, "slots.1.start"), "2030-01-01T15:00:00.000000+00:00");
    cr_expect(cJSON_IsNull(cli_get(slots, "slots.1.end")));
    slots = cli_json(cli("boost free gpu 1 --for 3h --json -n 1").out);
    cr_expect_eq(cli_count(slots, "slots"), 1);
    cr_expect_str_eq(cli_text(slots, "slots.0.start"), "2030-01-01T15:00:00.000000+00:00");
    slots = cli_json(cli("boost free gpu 1 --after +10h --json").out);
    cr_expect_str_eq(cli_text(slots, "slots.0.start"), "2030-01-01T22:00:00.000000+00:00");
    cli_has(cli("boost free gpu 1").out, "START");
    cli_has(cli("boost free gpu 1").out, "(now)");
    cli_expect(cli("boost request gpu-master gpu 1 --duration 2h"), 0);
    cli_expect(cli("boost request gpu-master gpu 1 --duration 2h1m"), 4);
    cli_time("2030-01-01 14:00:00");
    cli_has(cli("boost status").out, "gpu1");
    cr_expect_eq(cli_number(cli_json(cli("boost status --json").out), "total_active_boosts"), 1);
    cli_has(cli("boost history --event started -o jsonl").out, "started");
    cli_has(cli("boost status -o csv --columns devices,resource").out, "\"0, 1\",GPU");
}

Test(request, preempts_what_is_of_lower_priority)
{
    const char *victim = cli_request("gpu-master gpu 2 --priority low --duration 5h");
    struct cli_result result;

    cli_time("2030-01-01 12:05:00");
    cli_expect(cli("boost request gpu-master gpu 1 --priority high --preempt"), 4);
    cli_time("2030-01-01 12:15:00");
    cli_expect(cli("boost request gpu-master gpu 1 --priority low --preempt"), 4);
    result = cli("boost explain gpu-master gpu 1 --priority high --preempt");
    cli_expect(result, 0);
    cli_has(result.out, "starting at 2030-01-01 12:15:30 UTC");
    result = cli("boost request gpu-master gpu 1 --priority high --preempt");
    cli_expect(result, 0);
    cli_has(result.out, "Starts:        2030-01-01 12:15:30 UTC");
    cli_has(cli("boost show %s", victim).out, "Pre-empted by:");
    cli_has(cli("boost explain %s", victim).out, "it was pre-empted by");
    cli_time("2030-01-01 12:15:30");
    cli_has(cli("boost show %s --json", victim).out, "\"state\": \"preempted\"");
}
