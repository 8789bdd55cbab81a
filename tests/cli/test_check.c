/* grid store check, info and repair: what is found, how bad it is, and what is done about it. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(check, .init = cli_begin, .fini = cli_end);

static const char *const made =
    "state=$DATA/resource_boosts.json\n"
    "for node in a x y; do $GRID node add $node cpu=8 gpu=4 -q >/dev/null; done\n"
    "$GRID boost request x cpu 2 gpu 2 --source a -q >/dev/null\n"
    "$GRID boost request y gpu 1 --source a -q >/dev/null\n";

/* What is done to a ledger, and what `store check` says of it then; NULL: nothing beside that it is
 * sound. */
static const struct row {
    const char *script, *finding;
    int status;
} rows[] = {
    {":", NULL, 0},
    {"chmod o+w $DATA", "warning: permissions: everybody may write '%s'", 0},
    {"chmod o+w $state", "resource_boosts.json'", 0},
    {"mkdir $DATA/hooks; touch $DATA/hooks/granted; chmod 777 $DATA/hooks/granted",
     "hooks/granted'", 0},
    {"chmod 777 $DATA/generations", "generations'", 0},
    {"touch -d '-1 hour' $DATA/.resource_boosts.json.tmp-1", "warning: temporary file:", 0},
    {"sed -i 's/\"token\": [0-9]*/\"token\": 1/' $state",
     "an earlier boost has its token, 1, too", 0},
    {"sed -i 's/\"token\": [0-9]*/\"token\": 99/' $state", "its token is above the revision", 0},
    {"sed -i 's/\\(\"amount\": \\)1.0/\\19.0/' $state",
     "warning: sums: 'a' lends 11.0 GPU, and has 4.0", 0},
    {"sed -i 's/\"group_id\": \"./&zz/' $state", "is not whole", 0},
    {"sed -i 's/\"\\(allocated_at\\|expires_at\\)\": \"20/\"\\1\": \"21/' $state",
     "it was granted in the future", 0},
    {"sed -i 's/\"timestamp\": \"20/\"timestamp\": \"21/' $state", "warning: clock: the last", 0},
    {"for f in $DATA/generations/*; do truncate -s 9 $f; done", "warning: generation", 0},
    {"sed -i '2s/.*/x/' $state", "damage: state:", 8},
};

Test(check, finds)
{
    size_t step = cli_too_slow("every fifth of the rows") ? 5 : 1;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i += step) {
        cli_shell("rm -rf $DATA");
        cli_expect(cli_shell("%s%s", made, rows[i].script), 0);
        struct cli_result result = cli("store check");
        cr_expect_eq(result.status, rows[i].status, "%s: status %d: %s", rows[i].script,
                     result.status, result.err);
        if (!rows[i].finding)
            cr_expect_str_eq(result.out, "the ledger is sound\n");
        else
            cli_has(result.out, strchr(rows[i].finding, '%') ? "everybody may write"
                                                             : rows[i].finding);
    }
}

Test(check, devices_that_are_lent_twice)
{
    cli_shell("%s", made);
    cli_expect(cli_shell("state=$DATA/resource_boosts.json\n"
                         "tr -d '\\n' <$state | sed -E 's/\"devices\": \\[[^]]*\\]/"
                         "\"devices\": [1]/g' >$HOME/new; cp $HOME/new $state"), 0);
    cli_has(cli("store check").out, "device 1 of 'a' is lent twice");
}

Test(check, info_has_the_facts)
{
    static const char *const facts[] = {"store", "revision", "last change", "size", "nodes",
                                        "records", "generations", "history", "events"};
    cJSON *json;

    cli_shell("%s", made);
    json = cli_json(cli("store info -o json").out);
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        bool found = false;

        for (int k = 0; k < cli_count(json, "findings"); k++)
            found |= strcmp(cli_text(json, cli_format("findings.%d.subject", k)), facts[i]) == 0;
        cr_expect(found, "no fact '%s'", facts[i]);
    }
}

/* A day ahead, a boost, a reservation, a node and a heartbeat; then the clock is right again. */
Test(check, reset_clock)
{
    cJSON *state;
    double before;

    cli_expect(cli("node add old cpu=8"), 0);
    cli_expect(cli("node add x cpu=8"), 0);
    cli_expect(cli("boost request x cpu 1 -q --duration 8h"), 0);
    cli_time("+1d");
    cli_expect(cli("node add a cpu=8"), 0);
    cli_expect(cli("node add y"), 0);
    cli_expect(cli("node add z"), 0);
    cli_expect(cli("boost request y cpu 1 -q --duration 2h"), 0);
    cli_expect(cli("boost request z cpu 1 -q --duration 1h --start +3h"), 0);
    cli_time(NULL);
    cli_has(cli("store check").out, "--reset-clock");
    before = cli_number(cli_state(), "revision");
    struct cli_result result = cli("store repair --reset-clock");
    cli_expect(result, 0);
    cli_has(result.out, "its term is counted from now");
    cli_has(result.out, "node a: it was seen at");
    cli_lacks(result.out, "node old");
    state = cli_state();
    cr_expect_eq(cli_number(state, "revision"), before + 1, "not one commit");
    cli_lacks(cli("store check").out, "warning");
    result = cli("boost status -o json");
    cli_expect(result, 0);
    state = cli_json(result.out);
    for (int i = 0; i < cli_count(state, "boosts"); i++) {
        const char *target = cli_text(state, cli_format("boosts.%d.target_node", i));
        double left = cli_number(state, cli_format("boosts.%d.remaining_seconds", i));

        if (*target == 'y')
            cr_expect(left > 6900 && left <= 7200, "%g s left of 2 h", left);
        if (*target == 'z')
            cr_expect(left > 0 && left <= 14400, "%g s left up to the end in 4 h", left);
    }
    cli_has(cli("boost history --event extended").out, "the clock had run ahead");
    cli_has(cli("boost history --event restored").out, "the clock had run ahead");
    const char *text = cli_state_text();
    cli_expect(cli("store repair --reset-clock"), 0);
    cli_state_same(text, "nothing is ahead any more");
}

/* Bytes that are gone are a warning until somebody accepts it. */
Test(check, a_history_that_was_cut_off)
{
    cli_expect(cli("boost request gpu1 cpu 1 -q"), 0);
    cli_lacks(cli("store info").out, "History:       0 bytes");
    cli_expect(cli_shell("for i in $(seq 20); do echo request gpu1 cpu 1 --reason"
                         " $(printf %%0250d 0); done | $GRID boost batch --atomic"), 0);
    cli_expect(cli("boost request gpu1 cpu 1 -q"), 0);
    cli_expect(cli_shell("test -s $DATA/history.jsonl"), 0);
    cli_expect(cli_shell("truncate -s 10 $DATA/history.jsonl"), 0);
    cli_has(cli("store check").out, "'grid store repair --accept-loss'");
    cli_expect(cli("store repair"), 0);
    cli_has(cli("store check").out, "it ends before what the state counts on");
    cli_expect(cli("store repair --accept-loss"), 0);
    cli_lacks(cli("store check").out, "warning: history");
    cli_lacks(cli("boost history").err, "events are lost");
}
