/* grid boost explain in every format: what would be granted, what would not, how things stand. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <string.h>

static void begin(void)
{
    cli_begin();
    cli_expect(cli("node add gpu1 cpu=8 gpu=2 memory=64"), 0);
    cli_expect(cli("node add master cpu=2"), 0);
}

TestSuite(explain, .init = begin, .fini = cli_end);

static const struct {
    const char *words;
    const char *has, *lacks; /* on stdout */
} answers[] = {
    {"master cpu 2", "it would be granted:\n  CPU 2.0 from gpu1\n", "starting"},
    {"master cpu 2 memory 1 --start +1h", ", starting at ", "refused"},
    {"master cpu 2 -o json", "\"fits\": true", "\"code\""},
    {"master cpu 2 -o jsonl", "\"resource_type\":\"CPU\"", "code"},
    {"master cpu 2 -o csv", ",CPU,", "granted"},
    {"master cpu 2 -q", "", "granted"},
    {"master cpu 20", "20", "granted:"},
    {"master cpu 20 -o json", "\"code\": \"never\"", "\"fits\": true"},
    {"master cpu 20 -o json", "\"reasons\": [", "\"boosts\": [{"},
    {"master cpu 20 -o jsonl", "{\"fits\":false,\"code\":\"never\"", "\n{"},
    {"gpu1 cpu 1 --source gpu1", "gpu1", "granted:"},
    {"master tpu 1", "tpu", "granted:"},
};

Test(explain, answers_in_every_format)
{
    size_t step = cli_too_slow("every third of the answers") ? 3 : 1;

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i += step) {
        struct cli_result result = cli("boost explain %s", answers[i].words);

        cr_expect_eq(result.status, 0, "%s: %d: %s", answers[i].words, result.status, result.err);
        cr_expect(strcasestr(result.out, answers[i].has), "%s: no '%s' in: %s", answers[i].words,
                  answers[i].has, result.out);
        cr_expect(!strstr(result.out, answers[i].lacks), "%s: '%s' in: %s", answers[i].words,
                  answers[i].lacks, result.out);
        if (strstr(answers[i].words, "-o json") && !strstr(answers[i].words, "jsonl"))
            cli_json(result.out);
    }
}

Test(explain, refuses_what_is_no_question)
{
    cli_expect(cli("boost explain nowhere cpu 1"), 3);
    cli_expect(cli("boost explain master cpu"), 2);
    cli_expect(cli("boost explain master cpu -1"), 2);
    cli_expect(cli("boost explain ab"), 2);
    cli_expect(cli("boost explain master"), 2);
    cli_env("GRID_STORE=nosuch:x");
    cli_expect(cli("boost explain master"), 2);
}

Test(explain, says_that_nothing_is_checked_where_no_node_is_registered)
{
    cli_expect(cli("node remove gpu1"), 0);
    cli_expect(cli("node remove master"), 0);
    cli_has(cli("boost explain a cpu 1").err, "capacity is not checked");
}

/* How it stands, by what it was asked for with. */
static const struct {
    const char *request, *has;
} standings[] = {
    {"--duration 1h", "it ends at "},
    {"--duration never", "it has no end"},
    {"--duration 1h --start +2h", "it starts at "},
    {"--owner ann", "ann"},
};

Test(explain, says_how_a_boost_stands)
{
    size_t step = cli_too_slow("every third of the standings") ? 3 : 1;

    for (size_t i = 0; i < sizeof(standings) / sizeof(standings[0]); i += step) {
        const char *id = cli_request("master cpu 1 %s", standings[i].request);
        struct cli_result result = cli("boost explain %s", id);

        cli_expect(result, 0);
        cli_has(result.out, standings[i].has);
        cr_expect_str_eq(cli_text(cli_json(cli("boost explain %s -o json", id).out),
                                  "boost.boost_id"), id);
        cli_has(cli("boost explain %s -o csv", id).out, "CPU");
        cli_expect(cli("boost release %s", id), 0);
        cli_has(cli("boost explain %s", id).out, "it ended at ");
    }
}

Test(explain, says_how_a_ticket_and_a_lease_stand)
{
    struct cli_child run, wait;
    const char *ticket = "", *lease = "";

    if (cli_too_slow("run needs pidfd_open"))
        return;
    run = cli_start("boost run --ttl 20s master cpu 8 -- sleep 60");
    for (int i = 0; i < 200 && !*lease; i++, cli_shell("sleep 0.05"))
        lease = cli_text(cli_state(), "boosts.0.boost_id");
    cli_has(cli("boost explain %.8s", lease).out, "its holder may renew it: until ");
    wait = cli_start("boost request master cpu 8 --wait=60s -q");
    for (int i = 0; i < 200 && !*ticket; i++, cli_shell("sleep 0.05"))
        ticket = cli_text(cli_state(), "waiting.0.ticket_id");
    cr_assert(*ticket, "nothing waits");
    cli_has(cli("boost explain %.8s", ticket).out, "master");
    cli_has(cli("boost explain %s -o json", ticket).out, "\"position\": 1");
    cli_has(cli("boost explain %s -o csv", ticket).out, "master");
    cli_expect(cli("boost release %s", ticket), 0);
    cli_expect(cli("boost release %s", lease), 0);
    cli_wait(wait);
    cli_wait(run);
}
