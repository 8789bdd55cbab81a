/* Hooks that run beside something with a lease: one who waits, or a command. */
#include "support/held.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <string.h>

TestSuite(hooks_beside, .init = cli_begin, .fini = cli_end, .timeout = 90);

/* Waits until the log holds this. */
static bool logs(const char *part)
{
    for (int i = 0; i < 300; i++, poll(NULL, 0, 20)) {
        const char *text = cli_read(cli_format("%s/log", cli_home()), NULL);
        if (text && strstr(text, part))
            return true;
    }
    return false;
}

/* What a waiter's commits have ended is told at once, however long it still waits. */
Test(hooks_beside, run_while_a_request_waits)
{
    cli_expect(cli("node add lender cpu=4"), 0);
    cli_expect(cli("node add borrower cpu=1"), 0);
    cli_expect(cli("boost request borrower cpu 2"), 0);
    const char *id = cli_request("borrower cpu 2 --duration 1s");
    held_hook("expired", "echo begun >>$HOME/log; sleep 1\n"
                         "echo expired ${GRID_BOOST_ID:0:8} >>$HOME/log");
    poll(NULL, 0, 1200);
    struct cli_child waiter = cli_start("boost request borrower cpu 4 --wait=20s");
    cr_expect(logs(cli_format("expired %.8s\n", id)), "not run while it waits");
    cr_expect_eq(kill(waiter.pid, SIGTERM), 0);
    struct cli_result result = cli_wait(waiter);
    cli_expect(result, 143);
    held_expect_log("once", cli_format("begun\nexpired %.8s\n", id));

    /* Also by a later commit: it renews its place every ten seconds. */
    id = cli_request("borrower cpu 2 --duration 4s");
    unlink(cli_format("%s/log", cli_home()));
    waiter = cli_start("boost request borrower cpu 4 --wait=60s");
    for (int i = 0; i < 14 && !logs("begun"); i += 6)
        ;
    kill(waiter.pid, SIGTERM); /* it waits for the hook */
    cli_expect(cli_wait(waiter), 143);
    held_expect_log("later", cli_format("begun\nexpired %.8s\n", id));
}

/* The hook tells of the boost whose command is ended, and outlives it. */
Test(hooks_beside, are_not_ended_with_a_command)
{
    if (cli_too_slow("hooks of run"))
        return;
    held_hook("granted", "echo $GRID_BOOST_ID >$HOME/id; echo granted >>$HOME/log");
    held_hook("released", "sleep 1; echo released >>$HOME/log");
    struct cli_child front = cli_start("boost run -q m cpu 1 --kill-after 1s -- sh -c "
                                       "'echo command >>$HOME/log; sleep 60'");
    cr_expect(logs("command"));
    const char *id = cli_read(cli_format("%s/id", cli_home()), NULL);
    struct cli_result result = cli("boost release %.36s --force --reason test", id ? id : "");
    cli_expect(result, 0);
    cr_expect_str_empty(result.err);
    cli_expect(cli_wait(front), 143);
    held_expect_log("released", "granted\ncommand\nreleased\n");
}

/* Of the boosts of others, and then of its own, in the place of a killed front. */
Test(hooks_beside, run_by_a_keeper)
{
    if (cli_too_slow("hooks of run"))
        return;
    held_hook("expired", "echo expired >>$HOME/log");
    held_hook("released", "echo released >>$HOME/log");
    cli_expect(cli("boost request m cpu 1 --duration 1s"), 0);
    struct cli_child front = cli_start("boost run -q m cpu 1 --ttl 3s -- sleep 60");
    cr_expect(logs("expired"));
    poll(NULL, 0, 300);
    kill(front.pid, SIGKILL);
    cr_expect(logs("released"));
    poll(NULL, 0, 300);
    struct cli_result result = cli_wait(front);
    cli_lacks(result.err, "hook");
    held_expect_log("each once", "expired\nreleased\n");
}

/* Each once; also where the boost starts later, or a hook takes longer than the lease. */
Test(hooks_beside, run_before_and_after_a_command)
{
    if (cli_too_slow("hooks of run"))
        return;
    static const struct {
        const char *options, *granted;
    } rows[] = {
        {"", "sleep .2"},
        {"--start +2s --ttl 3s", "sleep .2"},
        {"--ttl 2s", "sleep 4"},
        {"--ttl 2s --start +1s", "sleep 3"},
    };
    held_hook("released", "echo released >>$HOME/log");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        held_hook("granted", cli_format("%s; echo granted >>$HOME/log", rows[i].granted));
        struct cli_result result = cli_shell("rm -f $HOME/log; $GRID boost run -q m cpu 1 %s -- "
                                             "sh -c 'echo command >>$HOME/log; sleep 2'",
                                             rows[i].options);
        cli_expect(result, 0);
        cr_expect_str_eq(held_came("log"), "granted\ncommand\nreleased\n", "%s", rows[i].options);
    }
}
