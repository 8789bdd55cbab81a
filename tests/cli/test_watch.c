/* grid boost status --watch: lines for programs, a screen for people. */
#include "support/screen.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

TestSuite(watch, .init = screen_begin, .fini = screen_end, .timeout = 60);

/* --- lines ------------------------------------------------------------------------------------ */

/* What a process that runs has printed so far. */
static char *printed(struct cli_child child)
{
    char *text = (char *)cli_format("%65536s", "");
    ssize_t length = pread(child.out, text, 65536, 0);

    text[length > 0 ? length : 0] = '\0';
    return text;
}

/* Line `number`, from 0, as soon as it is there. */
static const char *line(struct cli_child child, int number)
{
    for (int i = 0; i < 1000; i++, poll(NULL, 0, 20)) {
        char *at = printed(child), *next;
        for (int left = number; at && left > 0; left--)
            at = (next = strchr(at, '\n')) ? next + 1 : NULL;
        if (!at || !(next = strchr(at, '\n')))
            continue;
        *next = '\0';
        return at;
    }
    cr_assert_fail("no line %d in: %s", number, printed(child));
    return "";
}

static void expect_line(struct cli_child child, int number, const char *id, const char *state)
{
    cJSON *boost = cli_json(line(child, number));

    cr_expect_str_eq(cli_text(boost, "boost_id"), id, "line %d", number);
    cr_expect_str_eq(cli_text(boost, "state"), state, "line %d", number);
}

static void stop(struct cli_child child, int signal_, int lines)
{
    struct cli_result result;
    int count = 0;

    line(child, lines - 1);
    poll(NULL, 0, 200); /* for one too many */
    kill(child.pid, signal_);
    result = cli_wait(child);
    cli_expect(result, 0);
    cr_expect_str_empty(result.err);
    for (const char *at = result.out; (at = strchr(at, '\n')); at++)
        count++;
    cr_expect_eq(count, lines, "%d lines: %s", count, result.out);
}

Test(watch, prints_what_there_is_and_what_changes)
{
    const char *first = cli_request("a cpu 1"), *second = cli_request("b gpu 1"), *third, *short_;
    struct cli_child child = cli_start("boost status --watch=1h");

    expect_line(child, 0, second, "active");
    expect_line(child, 1, first, "active");
    third = cli_request("c cpu 1");
    expect_line(child, 2, third, "active");
    cli_expect(cli("boost extend %s --by 1h", first), 0);
    expect_line(child, 3, first, "active");
    cr_expect(cli_number(cli_json(line(child, 3)), "remaining_seconds") > 7000);
    cli_expect(cli("boost release %s", second), 0);
    expect_line(child, 4, second, "released");
    /* Nobody says that it ends. */
    short_ = cli_request("d cpu 1 --duration 2s");
    expect_line(child, 5, short_, "active");
    expect_line(child, 6, short_, "expired");
    cli_expect(cli("boost cleanup -q"), 0);
    cli_expect(cli("boost release --all --yes -q"), 0);
    stop(child, SIGINT, 9);
}

Test(watch, shows_what_is_chosen)
{
    const char *mine = cli_request("a cpu 1 --duration 10m"), *later;
    struct cli_child one, all, soon;

    cli_request("b cpu 1");
    one = cli_start("boost status --node a --watch");
    all = cli_start("boost status --all --watch -o json");
    soon = cli_start("boost status --expiring 15m --watch -q");
    expect_line(one, 0, mine, "active");
    line(all, 1);
    line(soon, 0);
    later = cli_request("c cpu 1 --start +2s");
    expect_line(all, 2, later, "scheduled");
    expect_line(all, 3, later, "active");
    cli_expect(cli("boost extend %s --by 10m -q", mine), 0);
    expect_line(one, 1, mine, "active");
    stop(one, SIGTERM, 2);
    stop(all, SIGHUP, 5);
    stop(soon, SIGINT, 2);
}

Test(watch, ends_when_nobody_reads)
{
    struct cli_result result;

    cli_request("a cpu 1");
    result = cli_shell("$GRID boost status --watch=1s | head -1 | wc -l; echo ${PIPESTATUS[0]}");
    cli_expect(result, 0);
    cr_expect_str_eq(result.out, "1\n0\n");
    cr_expect_str_empty(result.err);
    cli_expect(cli("boost status --watch=0"), 2);
    cli_expect(cli("boost status --watch=soon"), 2);
    cli_expect(cli("boost status --watch --priority x"), 2);
    cli_expect(cli_with((struct cli_options){.out_path = "/dev/full"}, "boost status --watch"), 1);
}

Test(watch, is_deaf_to_what_its_caller_ignores)
{
    struct cli_result result;

    cli_request("a cpu 1");
    result = cli_shell("trap '' INT; $GRID boost status --watch >$HOME/lines &\n"
                       "until [ -s $HOME/lines ]; do sleep 0.05; done; kill -INT $!\n"
                       "sleep 0.3; kill -0 $! || exit 9; kill $!; wait $!");
    cli_expect(result, 0);
}

/* --- the screen ------------------------------------------------------------------------------ */

static void type(const char *words)
{
    tmux(cli_format("send-keys -t 0 %s", words));
}

/* With a text on its screen. */
static bool open_terminal(void)
{
    if (!screen_open(130, "--watch"))
        return false;
    type("'PS1=\"$ \"; set -m; clear; echo be''fore' Enter");
    shows("before\n");
    return true;
}

static bool other_screen(void)
{
    return tmux("display-message -p -t 0 '#{alternate_on}'").out[0] == '1';
}

Test(watch, draws_a_screen)
{
    const char *id;

    if (cli_too_slow("a terminal") || !open_terminal())
        return;
    type("'$GRID boost status --watch=1h; echo ended $?' Enter");
    shows("no boosts");
    shows("every 1h");
    shows("!before");
    cr_expect(other_screen());
    id = cli_request("gpu-master cpu 2");
    shows(id);
    shows("Total: CPU 2.0");
    /* Narrower, ids are short; and what does not fit is counted. */
    tmux("resize-window -t 0 -x 70 -y 24");
    shows(cli_format("!%s", id));
    shows(cli_format("%.8s", id));
    for (int i = 0; i < 10; i++)
        cli_request("gpu-master gpu 1");
    shows("Total: CPU 2.0, GPU 10.0");
    tmux("resize-window -t 0 -x 70 -y 10");
    shows("... and 6 lines more");
    tmux("resize-window -t 0 -x 130 -y 24");
    shows("Total: CPU 2.0, GPU 10.0");
    cli_expect(cli("boost release --all --yes -q"), 0);
    shows("no boosts");
    cr_expect_null(strstr(screen(), "GPU"), "%s", screen());
    type("C-c");
    shows("ended 0");
    shows("before");
    cr_expect_not(other_screen());
}

Test(watch, gives_the_terminal_back)
{
    if (cli_too_slow("a terminal") || !open_terminal())
        return;
    cli_request("gpu-master cpu 2");
    type("'$GRID boost status --watch; echo ended $?' Enter");
    shows("Total: CPU 2.0");
    type("C-z");
    shows("Stopped");
    shows("before");
    cr_expect_not(other_screen());
    type("'fg' Enter");
    shows("!before");
    shows("Total: CPU 2.0");
    cr_expect(other_screen());
    cli_shell("kill $(ps -o pid= --ppid %s)", tmux("display-message -p -t 0 '#{pane_pid}'").out);
    shows("before");
    cr_expect_not(other_screen());
    /* On a terminal, too, a program's format stays a program's. */
    type("'clear; $GRID boost status --watch -o jsonl; echo over-$?' Enter");
    shows("\"boost_id\"");
    cr_expect_not(other_screen());
    type("C-c");
    shows("over-0");
    type("'clear; echo sec''ond; TERM=dumb $GRID boost status --watch; echo over-$?' Enter");
    shows("second\n"); /* what is seen from here on is not the first one's */
    shows("\"boost_id\"");
    type("C-c");
    shows("over-0");
    /* Lines are broken at the edge again. */
    type("'clear; printf %0200d 1' Enter");
    shows("0\n0000");
}
