/* Waiting for a boost: real processes in the queue, in their order, and out of it again. */
#include "support/held.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LONG_MS 20000

static void add_nodes(void)
{
    cli_expect(cli("node add lender gpu=1 cpu=8"), 0);
    cli_expect(cli("node add borrower cpu=1"), 0);
}

static void begin(void)
{
    cli_begin();
    signal(SIGHUP, SIG_DFL);
    signal(SIGINT, SIG_DFL); /* a runner in the background ignores it, and children inherit that */
    add_nodes();
}

TestSuite(wait, .init = begin, .fini = cli_end, .timeout = 120);

static cJSON *queue(void)
{
    return cli_json(cli("boost queue --json").out);
}

/* Until so many wait. */
static void expect_waiting(int count)
{
    for (int waited_ms = 0; waited_ms < LONG_MS && cli_count(queue(), "queue") != count;
         waited_ms += 20)
        poll(NULL, 0, 20);
    cr_assert_eq(cli_count(queue(), "queue"), count, "%d wait, not %d",
                 cli_count(queue(), "queue"), count);
}

/* Until a waiter has said that. */
static void expect_note(struct cli_child waiter, const char *note)
{
    char text[4096] = "";

    for (int waited_ms = 0; waited_ms < LONG_MS && !strstr(text, note); waited_ms += 20) {
        ssize_t got = pread(waiter.err, text, sizeof(text) - 1, 0);

        text[got > 0 ? got : 0] = '\0';
        poll(NULL, 0, 20);
    }
    cli_has(text, note);
}

static const char *hold_gpu(const char *options)
{
    struct cli_result result = cli("boost request borrower gpu 1 -q %s", options);

    cli_expect(result, 0);
    return cli_format("%.36s", result.out);
}

static const char *source_of_line(const char *text, const char *label)
{
    const char *at = strstr(text, label);

    return at ? cli_format("%.*s", (int)strcspn(at, "\n"), at) : "";
}

Test(wait, is_granted_by_priority_then_age)
{
    static const char *const priorities[] = {"normal", "high", "normal"};
    static const int order[] = {1, 0, 2};
    const char *held = hold_gpu("--duration 30m"), *ids[3];
    struct cli_child waiters[3];
    cJSON *rows;

    for (int i = 0; i < 3; i++) {
        waiters[i] = cli_start("boost request borrower gpu 1 --wait --duration 1h --priority %s",
                               priorities[i]);
        expect_waiting(i + 1);
    }
    rows = queue();
    for (int i = 0; i < 3; i++) {
        const char *row = cli_format("queue.%d", i);

        ids[i] = cli_text(rows, cli_format("%s.ticket_id", row));
        cr_expect_eq(cli_number(rows, cli_format("%s.position", row)), i + 1);
        cr_expect_eq(cli_number(rows, cli_format("%s.needs.GPU", row)), 1);
        cr_expect_str_eq(cli_text(rows, cli_format("%s.priority", row)), priorities[order[i]]);
        cr_expect_str_eq(cli_text(rows, cli_format("%s.target_node", row)), "borrower");
        cr_expect(cli_number(rows, cli_format("%s.waited_seconds", row)) < 100);
    }
    cr_expect_str_eq(cli_text(rows, "queue.0.promised_start"),
                     cli_text(cli_json(cli("boost show %s --json", held).out),
                              "boost.expires_at"));
    cli_has(cli("boost queue").out, "GPU 1.0");
    cli_has(cli("boost explain %.8s", ids[2]).out, "place 3 in the queue");
    for (int i = 0; i < 3; i++) {
        struct cli_result result;

        cli_expect(cli("boost release %s", held), 0);
        result = cli_wait(waiters[order[i]]);
        cli_expect(result, 0);
        cli_has(result.err, cli_format("waiting: place %d", i == 0 ? 1 : i == 1 ? 1 : 3));
        held = ids[i];
        cli_has(source_of_line(result.out, "Boost ID"), held);
    }
    expect_waiting(0);
    cli_has(cli("boost queue").err, "nobody waits");
    cr_expect_eq(cli_boosts(), 1, "%d boosts", cli_boosts());
    cr_expect(cli_number(cli_json(cli("boost show %s --json", held).out),
                         "boost.remaining_seconds") > 3500, "it is left on its short lease");
}

Test(wait, ends_by_a_signal_and_withdraws)
{
    static const int signals[][2] = {{SIGINT, 130}, {SIGTERM, 143}, {SIGHUP, 129}};

    hold_gpu("--duration never");
    for (size_t i = 0; i < 3; i++) {
        struct cli_child waiter = cli_start("boost request borrower gpu 1 --wait");
        struct cli_result result;

        expect_note(waiter, "when it starts is not known");
        expect_waiting(1);
        kill(waiter.pid, signals[i][0]);
        result = cli_wait(waiter);
        cli_expect(result, signals[i][1]);
        cli_has(result.err, "interrupted");
        cr_expect_str_empty(result.out);
        expect_waiting(0);
    }
    cr_expect_eq(cli_boosts(), 1);
    cr_expect_eq(cli_count(cli_json(cli("boost history --event withdrawn --json").out), "events"),
                 3);
}

Test(wait, times_out_and_leaves_history_only)
{
    struct cli_result result;

    hold_gpu("");
    result = cli("boost request borrower gpu 1 --wait=300ms --json");
    cli_expect(result, 2); /* durations are whole seconds */
    result = cli("boost request borrower gpu 1 --wait=1s --json");
    cli_expect(result, 10);
    cli_has(result.err, "\"status\":10");
    cr_expect_str_empty(result.out);
    cr_expect_eq(cli_count(queue(), "queue"), 0);
    cr_expect_eq(cli_boosts(), 1);
    cr_expect_eq(cli_get(cli_state(), "waiting"), NULL, "a ticket is left");
    cr_expect_eq(cli_count(cli_json(cli("boost history --event withdrawn --json").out), "events"),
                 1);
    cli_expect(cli("boost request borrower gpu 2 --wait"), 5);
    cli_expect(cli("boost request borrower tpu 2 --wait"), 5);
}

Test(wait, what_fits_does_not_wait)
{
    struct cli_result result = cli("boost request borrower gpu 1 --wait=1h --json");

    cli_expect(result, 0);
    cr_expect_str_empty(result.err);
    cr_expect_str_eq(cli_text(cli_json(result.out), "boost.state"), "active");
    cr_expect(cli_number(cli_json(result.out), "boost.remaining_seconds") > 3500);
}

/* Each is told of one boost; nobody gets a second one. */
Test(wait, ten_with_one_request_id_get_one_boost)
{
    struct cli_child waiters[10];
    const char *held = hold_gpu(""), *id = NULL;
    int replayed = 0;

    if (cli_too_slow("ten processes"))
        return;
    for (int i = 0; i < 10; i++)
        waiters[i] = cli_start("boost request borrower gpu 1 --wait=60s --request-id one --json");
    expect_waiting(1);
    cli_expect(cli("boost request borrower gpu 1 --wait=60s --request-id one --duration 2h"), 6);
    cli_expect(cli("boost release %s", held), 0);
    for (int i = 0; i < 10; i++) {
        struct cli_result result = cli_wait(waiters[i]);
        const char *got;

        cli_expect(result, 0);
        got = cli_text(cli_json(result.out), "boost.boost_id");
        cr_expect(!id || strcmp(got, id) == 0, "%s and %s", got, id);
        id = got;
        replayed += cJSON_IsTrue(cli_get(cli_json(result.out), "replayed"));
    }
    cr_expect_eq(cli_boosts(), 1);
    cr_expect_eq(cli_count(cli_json(cli("boost history --event granted --json").out), "events"),
                 2);
    cr_expect_leq(replayed, 10);
}

Test(wait, a_ticket_can_be_released)
{
    struct cli_child waiter;
    struct cli_result result;

    hold_gpu("");
    waiter = cli_start("boost request borrower gpu 1 --wait");
    expect_waiting(1);
    cli_expect(cli("boost release %.8s", cli_text(queue(), "queue.0.ticket_id")), 0);
    result = cli_wait(waiter);
    cr_expect_neq(result.status, 0, "it was withdrawn: %s", result.out);
    cr_expect_eq(cli_boosts(), 1);
}

/* Somebody's clock is ahead, or ours stood still: the ticket lapses while its waiter lives. */
Test(wait, goes_on_when_its_ticket_lapsed)
{
    struct cli_child waiter;
    struct cli_result result;

    hold_gpu("");
    waiter = cli_start("boost request borrower gpu 1 --wait");
    expect_waiting(1);
    cli_time("+40s");
    cli_expect(cli("boost cleanup"), 0);
    cli_time(NULL);
    cli_has(cli("boost history --event withdrawn").out, "its waiter is gone");
    expect_waiting(1);
    cli_expect(cli("boost release --all --yes"), 0);
    result = cli_wait(waiter);
    cli_expect(result, 0);
    cr_expect_eq(cli_boosts(), 1);
}

/* A victim has a grace, and its successor starts when that is over. */
Test(wait, for_the_start_of_what_preempts)
{
    struct cli_result result;

    cli_expect(cli("policy set protected_time=1s preempt_grace=1s"), 0);
    hold_gpu("--priority low --duration never");
    poll(NULL, 0, 1100);
    result = cli("boost request borrower gpu 1 --preempt --wait --json");
    cli_expect(result, 0);
    cli_has(result.err, "granted: it starts at");
    cr_expect_str_eq(cli_text(cli_json(result.out), "boost.state"), "active");
    cr_expect(cli_number(cli_json(result.out), "boost.remaining_seconds") > 3500);
    cr_expect_eq(cli_boosts(), 1);
}

/* By whoever looks when nothing is due to be renewed for another seven seconds. */
Test(wait, preempts_as_soon_as_the_protection_is_over)
{
    double begun;

    if (cli_too_slow("a wait of seconds"))
        return;
    cli_expect(cli("policy set protected_time=2s preempt_grace=1s"), 0);
    hold_gpu("--priority low --duration never");
    begun = held_now();
    cli_expect(cli("boost request borrower gpu 1 --preempt --wait=30s"), 0);
    cr_expect(held_now() - begun < 9, "%.3f s", held_now() - begun);
}

/* --- a store that fails meanwhile ------------------------------------------------------------- */

/* LeakSanitizer cannot work under strace. */
static const char *const failing =
    "gives() { # gives FSYNCS OPTIONS: waits, and has its fsync fail\n"
    "    rm -f $HOME/err $HOME/trace\n"
    "    ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 strace -f -o $HOME/trace -e trace=fsync \\\n"
    "        -e inject=fsync:error=EIO:when=$1 $GRID boost request borrower gpu 1 $2 \\\n"
    "        >$HOME/out 2>$HOME/err &\n"
    "    while kill -0 $! && ! grep -qs place $HOME/err; do sleep .05; done\n"
    "}\n"
    /* It stands still, and the next that it writes is to pick up. */
    "halt() {\n"
    "    read waiter _ <$HOME/trace && kill -STOP $waiter || exit 98\n"
    "    [ $(grep -c 'fsync(' $HOME/trace) = 2 ] || { kill -KILL $waiter; wait; exit 98; }\n"
    "}\n";

/* Status 98: on a busy machine its place was renewed, or its time over, before it stood still. */
static struct cli_result fails_to_pick_up(const char *fsyncs, const char *options)
{
    struct cli_result result = {.status = 98};

    for (int i = 0; i < 5 && result.status == 98; i++) {
        cli_shell("rm -rf $DATA");
        add_nodes();
        const char *held = hold_gpu("");
        result = cli_shell("%sgives %s %s\nhalt\n$GRID boost release %s || exit 99\n"
                           "kill -CONT $waiter\nwait $!", failing, fsyncs, options, held);
    }
    return result;
}

/* What is said to be granted is picked up; of what is not, no more than its short lease is left. */
Test(wait, what_was_not_written_was_not_picked_up)
{
    static const struct {
        const char *fsyncs, *options; /* the first two queue it */
        int status;
        bool picked_up;
    } rows[] = {
        {"3", "--wait", 0, true},     /* of the file: the next look mends it */
        {"4", "--wait", 11, true},    /* of the directory: it may be lost, and is not */
        {"3+", "--wait=3s", 10, false},
    };

    if (cli_too_slow("strace"))
        return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cli_result result = fails_to_pick_up(rows[i].fsyncs, rows[i].options);
        cJSON *boost = cli_get(cli_state(), "boosts.0");

        cr_expect_eq(result.status, rows[i].status, "%s: status %d: %s", rows[i].fsyncs,
                     result.status, cli_read(cli_format("%s/err", cli_home()), NULL));
        cr_expect(boost && !cli_get(boost, "unclaimed") == rows[i].picked_up, "%s: %s",
                  rows[i].fsyncs, cli_state_text());
    }
}

/* The one whose ticket it had joined leaves, and it is granted at once, but for the disk. */
Test(wait, who_joined_waits_on_when_that_cannot_be_written)
{
    struct cli_child first;
    const char *held = hold_gpu("");
    struct cli_result result;

    if (cli_too_slow("strace"))
        return;
    first = cli_start("boost request borrower gpu 1 --wait --request-id one");
    expect_waiting(1);
    result = cli_shell("%sgives 1 '--wait --request-id one'\n"
                       "$GRID boost release %s %s || exit 99\nwait $!", failing,
                       cli_text(queue(), "queue.0.ticket_id"), held);
    cli_expect(result, 0);
    cr_expect_neq(cli_wait(first).status, 0, "it was withdrawn");
    cr_expect_eq(cli_boosts(), 1, "%d boosts", cli_boosts());
}

Test(wait, the_next_gets_what_one_that_came_later_does_not)
{
    struct cli_child waiter;
    struct cli_result result;

    hold_gpu("--duration 30m");
    waiter = cli_start("boost request borrower gpu 1 cpu 8 --wait");
    expect_waiting(1);
    cli_expect(cli("boost request borrower cpu 1 --duration 10m"), 0);
    result = cli("boost request borrower cpu 1 --duration 2h --json");
    cli_expect(result, 4);
    cli_has(result.err, "\"promised\"");
    kill(waiter.pid, SIGTERM);
    cli_expect(cli_wait(waiter), 143);
    cli_expect(cli("boost request borrower cpu 1 --duration 2h"), 0);
}
