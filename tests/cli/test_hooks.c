/* Hooks: which run, when, with what, as whom; and what they cannot break. */
#include "support/held.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

TestSuite(hooks, .init = cli_begin, .fini = cli_end, .timeout = 90);

#define ID_LENGTH 36

static const char *const all[] = {"granted",   "extended", "released",
                                  "expired", "preempted", "expiring"};

/* Each appends a line to the log, and leaves what it got on stdin. */
static void log_all(void)
{
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        held_hook(all[i], "echo \"$GRID_EVENT ${GRID_BOOST_ID:0:8} $GRID_SOURCE_NODE "
                          "$GRID_TARGET_NODE\" >>$HOME/log\ncat >$HOME/got-$GRID_EVENT");
    cli_shell("rm -f $HOME/log");
}

static void nodes(void)
{
    cli_expect(cli("node add lender cpu=4"), 0);
    cli_expect(cli("node add borrower cpu=1"), 0);
}

static const char *line(const char *event, const char *id)
{
    return cli_format("%s %.8s lender borrower\n", event, id);
}

static cJSON *got(const char *event)
{
    const char *text = cli_read(cli_format("%s/got-%s", cli_home(), event), NULL);

    cr_assert(text, "%s got nothing", event);
    return cli_json(text);
}

Test(hooks, run_once_for_each_event)
{
    const char *id, *victim;

    nodes();
    log_all();
    id = cli_request("borrower cpu 1 --duration 10m --reason 'a run'");
    held_expect_log("granted", line("granted", id));
    cr_expect_str_eq(cli_text(got("granted"), "boost_id"), id);
    cr_expect_str_eq(cli_text(got("granted"), "state"), "active");
    cr_expect_str_eq(cli_text(got("granted"), "reason"), "a run");
    cli_expect(cli("boost extend %s --by 10m", id), 0);
    held_expect_log("extended", line("extended", id));
    cr_expect(cli_number(got("extended"), "remaining_seconds") > 1100);
    cli_expect(cli("boost cleanup --expiring 15m"), 0);
    held_expect_log("not yet", "");
    cli_expect(cli("boost cleanup --expiring 30m --dry-run"), 0);
    held_expect_log("a dry run", "");
    cli_expect(cli("boost cleanup --expiring 30m"), 0);
    held_expect_log("expiring", line("expiring", id));
    cr_expect_str_eq(cli_text(got("expiring"), "state"), "active");
    cli_expect(cli("boost cleanup --expiring 30m"), 0);
    held_expect_log("expiring, once", "");
    cli_expect(cli("boost release %s", id), 0);
    held_expect_log("released", line("released", id));
    cr_expect_str_eq(cli_text(got("released"), "state"), "released");
    cli_expect(cli("boost release %s", id), 0);
    held_expect_log("a second time", "");
    victim = cli_request("borrower cpu 3 --duration 10m");
    held_expect_log("granted again", line("granted", victim));
    cli_time("+1h");
    cli_expect(cli("boost cleanup"), 0);
    held_expect_log("expired", line("expired", victim));
    cr_expect_str_eq(cli_text(got("expired"), "state"), "expired");
}

Test(hooks, tell_a_victim_and_who_comes_after_it)
{
    const char *victim, *winner, *log;

    nodes();
    cli_expect(cli("policy set protected_time=1s"), 0);
    victim = cli_request("borrower cpu 4 --priority low");
    log_all();
    cli_time("+1m");
    winner = cli_request("borrower cpu 3 --priority high --preempt");
    held_expect_log("preempted", line("preempted", victim));
    cr_expect_str_eq(cli_text(got("preempted"), "state"), "active", "it has its grace");
    cli_time("+10m");
    cli_expect(cli("boost cleanup"), 0);
    log = cli_read(cli_format("%s/log", cli_home()), NULL);
    cr_assert(log, "neither end nor start");
    cli_has(log, line("expired", victim));
    cli_has(log, line("granted", winner));
    cr_expect_eq(strlen(log), strlen(line("expired", victim)) + strlen(line("granted", winner)));
    cr_expect_str_eq(cli_text(got("expired"), "state"), "preempted");
}

Test(hooks, see_where_the_ledger_is)
{
    const char *other = cli_format("%s/other", cli_home());
    const char *store = cli_format("%s/there", cli_home());

    mkdir(other, 0700);
    held_hook("granted", "echo wrong >>$HOME/log");
    cli_shell("mkdir %s/hooks; cp $DATA/hooks/granted %s/hooks/\n"
              "sed -i 's/echo wrong/echo \"$GRID_DATA_DIR $GRID_STORE\"/' %s/hooks/granted", other,
              other, other);
    cli_expect(cli("--data-dir %s boost request a cpu 1", other), 0);
    held_expect_log("another directory", cli_format("%s file:%s\n", other, other));
    cli_expect(cli("--data-dir %s --store file:%s boost request a cpu 1", other, store), 0);
    held_expect_log("another store", cli_format("%s file:%s\n", other, store));
}

/* --- pre-request ---------------------------------------------------------------------------- */

static const struct {
    const char *script, *says; /* NULL: the request is granted */
} vetoes[] = {
    {"exit 0", NULL},
    {"echo fine; echo fine >&2", NULL},
    {"exit 1", "request vetoed: hook 'pre-request': it ended with status 1"},
    {"echo not today; exit 1", "request vetoed: not today"},
    {"echo out; echo 'no more' >&2; exit 3", "request vetoed: no more"},
    {"printf ' \\n two\\nlines \\n\\n' >&2; exit 3", "request vetoed: two lines"},
    {"printf 'a\\033[31mred' >&2; exit 3", "request vetoed: a\\x1b[31mred"},
    {"kill -9 $$", "it ended with status 137"},
    {"sleep 60", "it did not end within 1s"},
    {"[[ $(cat) == *'\"owner\": \"'* ]] || exit 1", NULL},
};

Test(hooks, may_veto_a_request)
{
    cli_shell("mkdir -p $DATA; echo 'hook_timeout: 1s' >$DATA/config.yaml");
    for (size_t i = 0; i < sizeof(vetoes) / sizeof(vetoes[0]); i++) {
        const char *before = cli_state_text();
        held_hook("pre-request", vetoes[i].script);
        struct cli_result result = cli("boost request a cpu 1"),
                          dry = cli("boost request a cpu 1 --dry-run");

        cli_expect(result, vetoes[i].says ? 5 : 0);
        cli_expect(dry, vetoes[i].says ? 5 : 0);
        if (!vetoes[i].says)
            continue;
        cli_has(result.err, vetoes[i].says);
        cli_has(dry.err, vetoes[i].says);
        cr_expect_str_empty(result.out);
        cli_state_same(before, vetoes[i].script);
    }
}

Test(hooks, see_a_request_before_it_is_decided)
{
    cJSON *seen;
    const char *id;

    held_hook("pre-request", "cat >$HOME/got-pre-request; echo \"$GRID_EVENT $GRID_BOOST_ID "
                        "$GRID_SOURCE_NODE $GRID_TARGET_NODE\" >>$HOME/log");
    id = cli_request("borrower cpu 2 memory 512MiB --source lender --priority high --duration 30m "
                     "--reason 'a run' --request-id key");
    held_expect_log("environment", cli_format("pre-request %s lender borrower\n", id));
    seen = got("pre-request");
    cr_expect_str_eq(cli_text(seen, "boost_id"), id);
    cr_expect_str_eq(cli_text(seen, "target_node"), "borrower");
    cr_expect_eq(cli_number(seen, "needs.CPU"), 2);
    cr_expect_eq(cli_number(seen, "needs.MEMORY"), 0.5);
    cr_expect_str_eq(cli_text(seen, "priority"), "high");
    cr_expect_eq(cli_number(seen, "duration"), 1800);
    cr_expect_str_eq(cli_text(seen, "source_node"), "lender");
    cr_expect_str_eq(cli_text(seen, "reason"), "a run");
    cr_expect_str_eq(cli_text(seen, "request_id"), "key");
    cli_expect(cli("boost explain borrower cpu 1"), 0);
    held_expect_log("explain is no request", "");
    cli_request("borrower cpu 1 --duration never");
    held_expect_log("another", cli_format("%s", cli_read(cli_format("%s/log", cli_home()), NULL)));
    cr_expect(cJSON_IsNull(cli_get(got("pre-request"), "duration")));
}

/* --- whose they are ------------------------------------------------------------------------- */

static const struct {
    const char *change; /* of the hook that is named $1 */
    bool refused;       /* not run, with a warning; a veto of pre-request */
    const char *says;
} owners[] = {
    {"true", false, ""},
    {"chmod 700 $1", false, ""},
    {"chmod 600 $1", false, "not executable"},
    {"chmod 775 $1", true, "written by others"},
    {"chmod 757 $1", true, "written by others"},
    {"chmod g+w $DATA/hooks", true, "written by others"},
    {"chmod 1777 $DATA/hooks", true, "written by others"},
    {"rm $1; mkdir $1", true, "not a file"},
    {"mv $1 $HOME/real; ln -s $HOME/real $1", false, ""},
    {"mv $1 $HOME/real; chmod o+w $HOME/real; ln -s $HOME/real $1", true, "written by others"},
    {"rm $1; ln -s nowhere $1", true, "cannot be looked at"},
    {"chown 12345 $1", true, "neither to you nor to root"},
    {"chown 12345 $DATA/hooks", true, "neither to you nor to root"},
    {"mv $1 $HOME/real; ln -s $HOME/real $1; chown -h 12345 $1", true, "neither to you nor"},
};

Test(hooks, are_run_only_when_nobody_else_could_have_written_them)
{
    for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
        const char *change = owners[i].change;
        bool runs = !owners[i].refused && !*owners[i].says;
        struct cli_result result;

        if (strstr(change, "chown") && getuid() != 0)
            continue;
        cli_shell("rm -rf $DATA/hooks $HOME/real $HOME/log");
        held_hook("granted", "echo granted >>$HOME/log");
        cli_expect(cli_shell("set -- $DATA/hooks/granted; %s", change), 0);
        result = cli("boost request a cpu 1 -q");
        cli_expect(result, 0);
        cr_expect_eq(result.out_length, ID_LENGTH + 1);
        cli_has(result.err, owners[i].says);
        held_expect_log(change, runs ? "granted\n" : "");
        cli_shell("rm -rf $DATA/hooks $HOME/real");
        held_hook("pre-request", "echo asked >>$HOME/log");
        cli_expect(cli_shell("set -- $DATA/hooks/pre-request; %s", change), 0);
        result = cli("boost request a cpu 1 -q");
        cli_expect(result, owners[i].refused ? 5 : 0);
        cli_has(result.err, owners[i].says);
        held_expect_log(change, runs ? "asked\n" : "");
    }
}

/* --- what goes wrong, and what is answered --------------------------------------------------- */

static const struct {
    const char *script, *says;
} failures[] = {
    {"exit 3", "it ended with status 3"},
    {"echo oh >&2; echo no >&2; exit 1", "it ended with status 1: oh\n"},
    {"printf 'a\\033[31m' >&2; exit 1", "a\\x1b[31m"},
    {"sleep 60", "it did not end within 1s"},
    {"sleep 60 & sleep 60", "it did not end within 1s"},
    {"kill -15 $$", "status 143"},
};

Test(hooks, that_fail_are_warned_of)
{
    cli_shell("mkdir -p $DATA; echo 'hook_timeout: 1s' >$DATA/config.yaml");
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        time_t before = time(NULL);
        held_hook("granted", failures[i].script);
        struct cli_result result = cli("boost request a cpu 1 -q");

        cli_expect(result, 0);
        cr_expect_eq(result.out_length, ID_LENGTH + 1);
        cli_has(result.err, "grid: warning: hook 'granted' for boost '");
        cli_has(result.err, failures[i].says);
        cr_expect(time(NULL) - before < 20, "%s", failures[i].script);
    }
    if (cli_too_slow("a program that cannot be executed"))
        return; /* valgrind dies of it */
    held_hook("granted", "");
    cli_shell("sed -i '1s/.*/#!\\/not\\/there/' $DATA/hooks/granted");
    cli_has(cli("boost request a cpu 1").err, "cannot run");
    cr_expect_eq(cli_boosts(), 7);
}

Test(hooks, may_print_what_they_like)
{
    static const char *const scripts[] = {
        "echo hello", "echo '{'", "echo '{\"ray_placement_group\": 3}'", "echo '[]'", "echo '{}'",
        "head -c 200000 /dev/zero", "yes | head -c 200000", "exec cat >/dev/null",
        "echo '{\"ray_placement_group\": null}'", "cat; exec 1>&-"};

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        held_hook("granted", scripts[i]);
        struct cli_result result = cli("boost request a cpu 1 -q --duration 1m");

        cli_expect(result, 0);
        cr_expect_eq(result.out_length, ID_LENGTH + 1, "%s", scripts[i]);
        cr_expect_str_empty(result.err, "%s", scripts[i]);
    }
    cli_lacks(cli_state_text(), "placement_group\": \"");
}

Test(hooks, answer_with_a_placement_group)
{
    cJSON *shown;
    const char *id;

    held_hook("granted",
              "echo; echo '{\"ray_placement_group\": \"pg-'$GRID_BOOST_ID'\", \"x\": 1}'");
    shown = cli_json(cli("boost request a cpu 1 -o json").out);
    id = cli_text(shown, "boost.boost_id");
    cr_expect_str_eq(cli_text(shown, "boost.ray_placement_group"), cli_format("pg-%s", id));
    cr_expect_str_eq(cli_text(shown, "boosts.0.ray_placement_group"), cli_format("pg-%s", id));
    shown = cli_json(cli("boost show %s -o json", id).out);
    cr_expect_str_eq(cli_text(shown, "boost.ray_placement_group"), cli_format("pg-%s", id));
    /* Of a group the last answer counts, for all. */
    held_hook("granted", "echo '{\"ray_placement_group\": \"'$(grep -o '[CG]PU')'\"}'");
    shown = cli_json(cli("boost request a cpu 1 gpu 1 -o json").out);
    cr_expect_str_eq(cli_text(shown, "boost.ray_placement_group"), "GPU");
    cr_expect_str_eq(cli_text(shown, "boosts.0.ray_placement_group"), "GPU");
    shown = cli_json(cli("boost show %s -o json", cli_text(shown, "boost.boost_id")).out);
    cr_expect_str_eq(cli_text(shown, "boosts.0.ray_placement_group"), "GPU");
    cr_expect_str_eq(cli_text(shown, "boosts.1.ray_placement_group"), "GPU");
    held_hook("granted", "printf '{\"ray_placement_group\": \"%0300d\"}' 1");
    cli_has(cli("boost request a cpu 1").err, "longer than 255 bytes");
}

Test(hooks, may_call_grid_but_are_not_called_from_themselves)
{
    const char *id;
    nodes();
    log_all();
    held_hook("granted", "echo granted $GRID_HOOKS >>$HOME/log\n"
                    "$GRID boost extend $GRID_BOOST_ID --by 10m -q || echo failed >>$HOME/log\n"
                    "$GRID boost request borrower cpu 1 -q >/dev/null || echo failed >>$HOME/log");
    cli_shell("true"); /* sets $GRID */
    id = cli_request("borrower cpu 1");
    held_expect_log("what one request led to",
                    cli_format("granted granted\n%s", line("extended", id)));
    cr_expect_eq(cli_boosts(), 2);
}

Test(hooks, run_for_what_a_batch_did)
{
    struct cli_result result;

    nodes();
    log_all();
    held_hook("pre-request", "[[ $(cat) != *memory* ]] || { echo no memory; exit 1; }");
    result = cli_with((struct cli_options){.input = "request borrower cpu 1\n"
                                                    "request borrower cpu 1 --reason memory\n"
                                                    "request borrower cpu 9\n"
                                                    "release --all --yes\n"},
                      "boost batch -o jsonl");
    cli_expect(result, 5);
    cli_has(result.err, "\"line\":2,\"status\":5");
    cli_has(result.err, "no memory");
    const char *text = cli_read(cli_format("%s/log", cli_home()), NULL);
    const char *id = cli_format("%.8s", strstr(result.out, "boost_id\":\"") + 11);
    cr_expect_str_eq(text ? text : "",
                     cli_format("%s%s", line("granted", id), line("released", id)));
}

/* Whoever only looks does not wait for a hook. */
Test(hooks, do_not_run_for_status)
{
    const char *id, *before;

    nodes();
    id = cli_request("borrower cpu 1 --duration 10m");
    log_all();
    cli_shell("rm $DATA/hooks/granted");
    cli_time("+1h");
    before = cli_state_text();
    cli_expect(cli("boost status"), 0);
    cli_state_same(before, "status");
    held_expect_log("status", "");
    cli_expect(cli("boost cleanup -q"), 0);
    held_expect_log("cleanup", line("expired", id));
    cli_shell("rm $DATA/hooks/*; touch $DATA/hooks/README");
    cli_time(NULL);
    id = cli_request("borrower cpu 1 --duration 10m");
    cli_time("+1h");
    before = cli_state_text();
    cli_expect(cli("boost status"), 0);
    cr_expect_str_neq(cli_state_text(), before, "without such a hook it tidies");
}

Test(hooks, veto_without_reasons)
{
    held_hook("pre-request", "echo no; exit 1");
    cJSON *error = cli_json(cli("boost request a cpu 1 -o json").err);
    cr_expect_null(cli_get(error, "error.reasons"));
    cr_expect_null(cli_get(error, "error.details"));
}
