/* grid boost run: the command's status and surroundings, and a boost that lives as long as it. */
#include "support/held.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

TestSuite(run, .init = cli_begin, .fini = cli_end, .timeout = 60);

#define RUN_TEST(name)                                                                           \
    static void name(void);                                                                      \
    Test(run, name)                                                                              \
    {                                                                                            \
        if (!cli_too_slow("run: valgrind 3.19 knows no pidfd_open"))                             \
            name();                                                                              \
    }                                                                                            \
    static void name(void)

/* Deaf to what should end it. */
#define DEAF "trap '' TERM INT; echo set >$HOME/set; while :; do sleep .1; done"

/* Waits until a script that says so has set its traps. */
static void wait_for_traps(const char *script)
{
    if (strstr(script, "$HOME/set"))
        cr_expect(*held_came("set"), "no traps: %s", script);
    unlink(cli_format("%s/set", cli_home()));
}

/* The keeper of this front; 0: none within ten seconds. */
static int keeper_of(int front)
{
    for (int i = 0; i < 500; i++, poll(NULL, 0, 20)) {
        FILE *file = fopen(cli_format("/proc/%d/task/%d/children", front, front), "re");
        char name[32];
        int pid;
        while (file && fscanf(file, "%d", &pid) == 1) {
            FILE *of = fopen(cli_format("/proc/%d/comm", pid), "re");
            bool is = of && fscanf(of, "%31s", name) == 1 && strcmp(name, "grid-keeper") == 0;
            if (of)
                fclose(of);
            if (is) {
                fclose(file);
                return pid;
            }
        }
        if (file)
            fclose(file);
    }
    return 0;
}

static void expect_active(int count, const char *what)
{
    cJSON *status = cli_json(cli("boost status --json").out);
    cr_expect_eq(cli_number(status, "total_active_boosts"), count, "%s: not %d active", what,
                 count);
}

RUN_TEST(mirrors_the_status)
{
    static const struct {
        const char *words;
        int status;
        const char *err;
    } rows[] = {
        {"m cpu 1 -- true", 0, ""},
        {"m cpu 1 -- sh -c 'exit 7'", 7, ""},
        {"m cpu 1 -- sh -c 'exit 125'", 125, ""},
        {"m cpu 1 -- sh -c 'kill -KILL $$'", 137, ""},
        {"m cpu 1 -- sh -c 'kill -HUP $$'", 129, ""},
        {"m cpu 1 --duration never --ttl 5s -- sh -c 'exit 3'", 3, ""},
        {"m cpu 1 --dry-run -- sh -c 'exit 3'", 0, ""},
        {"m cpu 1 -- no-such-command", 127, "cannot run 'no-such-command'"},
        {"m cpu 1 -- /", 126, "cannot run '/'"},
        {"m cpu 1", 125, "-- COMMAND [ARG]... is missing"},
        {"m cpu 1 --", 125, "-- COMMAND [ARG]... is missing"},
        {"m cpu -- true", 125, "AMOUNT is missing"},
        {"-- m cpu 1 true", 125, "TARGET is missing"},
        {"m cpu 0 -- true", 125, "'0'"},
        {"m cpu 1 --tll 5s -- true", 125, "did you mean '--ttl'?"},
        {"m cpu 1 --ttl 10s --kill-after 6s -- true", 125, "more than half"},
        {"m cpu 99 -- true", 125, "can ever lend"},
        {"no-node cpu 1 -- true", 125, "no-node"},
        {"m cpu 1 --store ftp:x -- true", 125, "ftp"},
    };
    cli("node add m cpu=1");
    cli("node add lender cpu=4");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cli_result result = cli("boost run -q %s", rows[i].words);
        cr_expect_eq(result.status, rows[i].status, "%s: status %d: %s", rows[i].words,
                     result.status, result.err);
        cr_expect_str_empty(result.out, "%s", rows[i].words);
        cli_has(result.err, rows[i].err);
        cr_expect(*rows[i].err || !*result.err, "%s: %s", rows[i].words, result.err);
        cr_expect_eq(cli_boosts() > 0 ? cli_boosts() : 0, 0, "%s: a boost is left", rows[i].words);
    }
    cJSON *error = cli_json(cli("boost run --json m cpu 99 -- true").err);
    cr_expect_eq(cli_number(error, "error.status"), 5, "the reason keeps its own status");
}

RUN_TEST(says_nothing_and_hands_on_everything)
{
    struct cli_result result = cli("boost run m cpu 1 -o json -- printf '%%s|' --json -q -- 'a b'");
    cli_expect(result, 0);
    cr_expect_str_eq(result.out, "--json|-q|--|a b|");
    result = cli_with((struct cli_options){.input = "one\ntwo\n"}, "boost run m cpu 1 -q -- cat");
    cr_expect_str_eq(result.out, "one\ntwo\n");
    cr_expect_str_empty(result.err);
    /* Descriptors: those that were given, and no other. */
    result = cli_shell("sh -c 'ls /proc/self/fd' >$HOME/plain 3</dev/null;"
                       "$GRID boost run m cpu 1 -q -- sh -c 'ls /proc/self/fd' 3</dev/null |"
                       "diff $HOME/plain - && $GRID boost run m cpu 1 -q -- sh -c "
                       "'! test -e /proc/self/fd/0 && ! test -e /proc/self/fd/2' <&- 2>&-");
    cli_expect(result, 0);
}

/* The last line that begins so. */
static const char *variable(const struct cli_result *result, const char *name)
{
    const char *at = strstr(result->out, cli_format("\n%s=", name));
    at = at ? at + strlen(name) + 2 : NULL;
    return at ? cli_format("%.*s", (int)strcspn(at, "\n"), at) : "(none)";
}

RUN_TEST(tells_the_command_what_it_has)
{
    static const struct {
        const char *words, *source, *devices, *until;
    } rows[] = {
        {"m gpu 2", "lender", "0,1", "20"},
        {"m gpu 0.5", "lender", "(none)", "20"},
        {"m cpu 1 gpu 1 --duration never", "lender", "0", "never"},
        {"m cpu 5 --split", "lender,other", "(none)", "20"},
    };
    cli_env("CUDA_VISIBLE_DEVICES"); /* ours would be handed on */
    cli("node add lender cpu=4 gpu=3");
    cli("node add other cpu=2");
    cli("node add m cpu=1");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cli_result result = cli("boost run %s --priority high -- sh -c "
                                       "'echo; env; %s boost show $GRID_BOOST_ID -o json'",
                                       rows[i].words, cli_program());
        cJSON *boost = cli_get(cli_json(strstr(result.out, "\n{") ? strstr(result.out, "\n{")
                                                                  : "{}"), "boost");
        cli_expect(result, 0);
        cr_expect_str_eq(variable(&result, "GRID_BOOST_ID"), cli_text(boost, "boost_id"));
        cr_expect_eq(atof(variable(&result, "GRID_TOKEN")), cli_number(boost, "token"));
        cr_expect_str_eq(variable(&result, "GRID_TARGET_NODE"), "m");
        cr_expect_str_eq(variable(&result, "GRID_SOURCE_NODE"), rows[i].source);
        cr_expect_str_eq(variable(&result, "GRID_DEVICES"), rows[i].devices);
        cr_expect_str_eq(variable(&result, "CUDA_VISIBLE_DEVICES"), rows[i].devices);
        cr_expect(strncmp(variable(&result, "GRID_EXPIRES_AT"), rows[i].until, 2) == 0, "%s: %s",
                  rows[i].words, variable(&result, "GRID_EXPIRES_AT"));
        cr_expect_str_eq(cli_text(boost, "priority"), "high");
        cr_expect_eq(cli_boosts(), 0, "%s: not released", rows[i].words);
    }
}

RUN_TEST(hands_on_signals)
{
    static const int sent[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        static const char script[] = "trap 'exit 21' TERM; trap 'exit 22' INT\n"
                                     "trap 'exit 23' HUP; trap 'exit 24' USR1\n"
                                     "echo set >$HOME/set; while :; do sleep .05; done";
        struct held held = held_begin("", script);
        wait_for_traps(script);
        kill(held.front.pid, sent[i]);
        cli_expect(cli_wait(held.front), 21 + (int)i);
        cr_expect_eq(cli_boosts(), 0, "signal %d: not released", sent[i]);
    }
}

/* Renewed beyond its lease, by a second keeper once the first was killed. */
RUN_TEST(keeps_what_it_holds)
{
    struct held held = held_begin("--ttl 3s", "sleep 7");
    kill(keeper_of(held.front.pid), SIGKILL);
    poll(NULL, 0, 4500);
    expect_active(1, "after one and a half leases");
    struct cli_result result = cli_wait(held.front);
    cli_expect(result, 0);
    cli_has(result.err, "killed");
    cr_expect_eq(cli_boosts(), 0);
    cr_expect_eq(cli_count(cli_json(cli("boost history --json").out), "events"), 2,
                 "renewals are quiet");
}

RUN_TEST(outlives_its_front)
{
    static const struct {
        const char *script;
        double seconds;
    } rows[] = {
        {"sleep 60", 4.0},
        {DEAF, 4.0},
        {"sh -c 'echo $$ >$HOME/inner; sleep 60; :'; :", 4.0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct held held = held_begin("--ttl 20s --kill-after 1s", rows[i].script);
        keeper_of(held.front.pid);
        wait_for_traps(rows[i].script);
        kill(held.front.pid, SIGKILL);
        double begun = held_now();
        cli_wait(held.front);
        cr_expect(held_ends(held.command, rows[i].seconds), "%s lives on", rows[i].script);
        while (cli_boosts() > 0 && held_now() < begun + 10)
            poll(NULL, 0, 20);
        cr_expect_eq(cli_boosts(), 0, "%s: not released", rows[i].script);
        cli_has(cli("boost history -n 1").out, "released");
    }
    cr_expect(held_ends(atoi(held_came("inner")), 1.0), "a child of the command lives on");
}

RUN_TEST(ends_with_a_lease_that_is_taken_away)
{
    static const struct {
        const char *script;
        int status;
        double from, to;
    } rows[] = {
        {"sleep 60", 143, 0, 4.0},
        {"kill -STOP $$; sleep 60", 143, 0, 4.0},
        {"trap 'exit 9' TERM; echo set >$HOME/set; while :; do sleep .05; done", 9, 0, 4.0},
        {DEAF, 137, 1.0, 4.0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct held held = held_begin("--ttl 20s --kill-after 1s", rows[i].script);
        wait_for_traps(rows[i].script);
        poll(NULL, 0, 500);
        double begun = held_now();
        cli_expect(cli("boost release %s --force --reason gone", held.id), 0);
        struct cli_result result = cli_wait(held.front);
        double took = held_now() - begun;
        cr_expect_eq(result.status, rows[i].status, "%s: %d", rows[i].script, result.status);
        cr_expect(took >= rows[i].from && took <= rows[i].to, "%s: %.3f s", rows[i].script, took);
        cli_has(result.err, "the lease is lost");
        cr_expect(!held_lives(held.command));
    }
}

RUN_TEST(ends_with_its_duration)
{
    double took = 9, begun;
    for (int i = 0; i < 4 && took >= 2.98; i++) { /* what else runs may delay it */
        begun = held_now();
        cli_expect(cli("boost run -q m cpu 1 --duration 3s -- sleep 60"), 143);
        took = held_now() - begun;
    }
    cr_expect(took >= 2.6 && took < 2.98, "%.3f s: not in the last tenth", took);
    begun = held_now();
    struct held held = held_begin("--duration 3s", DEAF);
    cli_expect(cli_wait(held.front), 137);
    took = held_now() - begun;
    cr_expect(took >= 2.8 && took < 4.5, "%.3f s", took);
    held = held_begin("--duration 3s", "sleep 5");
    cli_expect(cli("boost extend %s --by 5s", held.id), 0);
    cli_expect(cli_wait(held.front), 0);
}

/* Nobody can write as long as somebody holds the lock. */
RUN_TEST(ends_when_the_store_does_not_answer)
{
    struct held held = held_begin("--ttl 3s --kill-after 1s --lock-timeout 1s", DEAF);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(cli_data("resource_boosts.json.lock"), O_RDWR | O_CLOEXEC);
    double begun = held_now();
    cr_assert_eq(fcntl(fd, F_OFD_SETLK, &whole), 0);
    struct cli_result result = cli_wait(held.front);
    double took = held_now() - begun;
    cr_expect_eq(result.status, 137, "status %d", result.status);
    cr_expect(took >= 2.0 && took < 5.5, "%.3f s", took);
    cr_expect(!held_lives(held.command));
    cli_has(result.err, "trying on");
    cli_has(result.err, "is not released");
    close(fd);

    held = held_begin("--ttl 3s --kill-after 1s --lock-timeout 1s", "sleep 5");
    fd = open(cli_data("resource_boosts.json.lock"), O_RDWR | O_CLOEXEC);
    cr_assert_eq(fcntl(fd, F_OFD_SETLK, &whole), 0);
    poll(NULL, 0, 1400);
    close(fd);
    cli_expect(cli_wait(held.front), 0);
}

RUN_TEST(runs_once_for_a_key)
{
    cli_expect(cli("boost run -q m cpu 1 --request-id k -- touch %s/first", cli_home()), 0);
    struct cli_result again = cli("boost run -q m cpu 1 --request-id k -- touch %s/second",
                                  cli_home());
    cli_expect(again, 125);
    cli_has(again.err, "'k'");
    cr_expect(access(cli_format("%s/first", cli_home()), F_OK) == 0);
    cr_expect(access(cli_format("%s/second", cli_home()), F_OK) != 0);
}

RUN_TEST(waits_for_its_turn)
{
    static const int sent[] = {SIGINT, SIGTERM, SIGHUP};
    cli("node add lender cpu=1");
    cli("node add m");
    struct held held = held_begin("", "while ! test -e $HOME/done; do sleep .05; done");
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        struct cli_child waiter = cli_start("boost run m cpu 1 --wait -- touch %s/ran", cli_home());
        for (int j = 0; j < 250 && cli_count(cli_json(cli("boost queue --json").out), "queue") < 1;
             j++)
            poll(NULL, 0, 20);
        kill(waiter.pid, sent[i]);
        struct cli_result result = cli_wait(waiter);
        cli_expect(result, 128 + sent[i]);
        cr_expect_str_empty(result.out);
        cr_expect_eq(cli_count(cli_json(cli("boost queue --json").out), "queue"), 0);
    }
    cli_expect(cli("boost run -q m cpu 1 --wait=1s -- touch %s/ran", cli_home()), 125);
    cr_expect(access(cli_format("%s/ran", cli_home()), F_OK) != 0, "it was run");
    struct cli_child waiter = cli_start("boost run -q m cpu 1 --wait -- sh -c 'echo ran; exit 4'");
    poll(NULL, 0, 300);
    cli_write(cli_format("%s/done", cli_home()), "\n", 1);
    cli_expect(cli_wait(held.front), 0);
    struct cli_result result = cli_wait(waiter);
    cli_expect(result, 4);
    cr_expect_str_eq(result.out, "ran\n");
    cr_expect_eq(cli_boosts(), 0);
}

RUN_TEST(gives_way_and_is_given_way)
{
    cli("node add lender cpu=1");
    cli("node add m");
    cli_expect(cli("policy set protected_time=1s preempt_grace=2s"), 0);
    struct held held = held_begin("--priority low --ttl 20s", "sleep 60");
    poll(NULL, 0, 1500);
    double begun = held_now();
    struct cli_child winner = cli_start("boost run -q m cpu 1 --preempt --priority high -- sh -c "
                                        "'date +%%s.%%N'");
    struct cli_result victim = cli_wait(held.front), result = cli_wait(winner);
    cr_expect_eq(victim.status, 143, "status %d", victim.status);
    cli_has(victim.err, "pre-empted");
    cli_expect(result, 0);
    cr_expect(held_now() - begun >= 1.9, "%.3f s: begun before its start", held_now() - begun);
}

/* Its end does not wait for the lock, however long others may. */
RUN_TEST(ends_in_time_without_front_and_lock)
{
    cli_env("GRID_LOCK_TIMEOUT=1m");
    struct held held = held_begin("--ttl 3s --kill-after 1s", DEAF);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(cli_data("resource_boosts.json.lock"), O_RDWR | O_CLOEXEC);
    cr_assert_eq(fcntl(fd, F_OFD_SETLK, &whole), 0);
    poll(NULL, 0, 1500); /* it waits for the lock */
    kill(held.front.pid, SIGKILL);
    cli_wait(held.front);
    cr_expect(held_ends(held.command, 3.0), "it outlives its lease");
    close(fd);
    for (double until = held_now() + 10; cli_boosts() > 0 && held_now() < until;)
        poll(NULL, 0, 20);
    cr_expect_eq(cli_boosts(), 0, "not released");
}

RUN_TEST(hands_on_what_is_ignored)
{
    static const struct {
        const char *trap, *expected;
    } rows[] = {{"", "000"}, {"trap '' PIPE", "010"}, {"trap '' XFSZ PIPE", "110"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cli_result result = cli_shell("%s\n$GRID boost run -q m cpu 1 -- grep SigIgn "
                                             "/proc/self/status", rows[i].trap);
        unsigned long long set = 0;
        cr_expect_eq(sscanf(result.out, "SigIgn: %llx", &set), 1, "%s", result.out);
        const char *ignored = cli_format("%d%d%d", (int)(set >> (SIGXFSZ - 1) & 1),
                                         (int)(set >> (SIGPIPE - 1) & 1),
                                         (int)(set >> (SIGTERM - 1) & 1));
        cr_expect_str_eq(ignored, rows[i].expected, "%s", rows[i].trap);
    }
}

/* The ledger's clock counts, also where it is set back meanwhile. */
RUN_TEST(begins_by_the_clock_of_the_ledger)
{
    const char *offset = cli_format("%s/offset", cli_home());
    cli_time("+0");
    cli_env("FAKETIME");
    cli_env(cli_format("FAKETIME_TIMESTAMP_FILE=%s", offset));
    cli_env("FAKETIME_NO_CACHE=1");
    cli_write(offset, "+0", 2);
    double begun = held_now();
    struct cli_child front = cli_start("boost run -q m cpu 1 --start +2s -- true");
    poll(NULL, 0, 1000);
    cli_write(offset, "-3", 2);
    cli_expect(cli_wait(front), 0);
    cr_expect(held_now() - begun > 4.5 && held_now() - begun < 8, "%.3f s", held_now() - begun);
}
