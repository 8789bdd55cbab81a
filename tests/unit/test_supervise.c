/* A command that lives as long as a lease: its status, its environment, and who ends it when. */
#include "host/supervise.h"

#include "util/clock.h"
#include "util/text.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS INT64_C(1000)

/* What the callbacks answer, and what they saw: shared with keepers. */
struct world {
    int answer;        /* of renew and look */
    bool hangs;        /* renew does not return */
    int64_t renew_us, stop_us, ends_us, kill_after_us; /* from now */
    volatile int renewals, looks, releases, warnings;
    volatile pid_t keeper;
    volatile int rc, status;
    char said[1024];
};

static struct world *world;
static struct signals signals;
static unsigned ignored;
static char folder[64], mark[96];

static struct supervise_lease lease_now(void)
{
    int64_t now_us = clock_boot_us();
    return (struct supervise_lease){now_us + world->renew_us, now_us + world->stop_us,
                                    now_us + world->ends_us};
}

static int answer(struct supervise_lease *ret, struct grid_error *err)
{
    world->keeper = getpid();
    while (world->hangs)
        pause();
    if (world->answer)
        return grid_error_set(err, world->answer, "no answer");
    *ret = lease_now();
    return 0;
}

static int renew(void *context, int64_t until_us, struct supervise_lease *ret,
                 struct grid_error *err)
{
    (void)context;
    (void)until_us;
    world->renewals++;
    return answer(ret, err);
}

static int look(void *context, int64_t until_us, struct supervise_lease *ret,
                struct grid_error *err)
{
    (void)context;
    (void)until_us;
    world->looks++;
    return answer(ret, err);
}

static int watch(void *context, int64_t wait_us, int stop_fd, struct grid_error *err)
{
    (void)context;
    (void)err;
    struct pollfd polled = {stop_fd, POLLIN, 0};
    poll(&polled, 1, (int)(wait_us / 1000 + 1));
    return 0;
}

static void release(void *context)
{
    (void)context;
    world->releases++;
}

static void warn(void *context, const char *text)
{
    (void)context;
    size_t length = strlen(world->said);
    world->warnings++;
    snprintf(world->said + length, sizeof(world->said) - length, "%s\n", text);
}

static int run(const char *const *argv, struct grid_error *err)
{
    const char *environment[] = {mark, "GIVEN=a b", NULL};
    struct supervise supervise = {
        .argv = (char *const *)argv, .environment = environment, .signals = &signals,
        .ignored = ignored, .kill_after_us = world->kill_after_us, .lease = lease_now(),
        .renew = renew, .look = look, .watch = watch, .release = release, .warn = warn};
    int status = -1;
    world->rc = supervise_run(&supervise, &status, err);
    world->status = status;
    return status;
}

static int run_shell(const char *script)
{
    struct grid_error err = {0};
    return run((const char *[]){"sh", "-c", script, NULL}, &err);
}

/* Runs it beside the test: returns the process that is the front. Nothing in it asserts. */
static pid_t begin(const char *script)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is killed leaves nothing behind */
        run_shell(script);
        _exit(0);
    }
    return pid;
}

static void setup(void)
{
    world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *world = (struct world){.renew_us = 100 * MS, .stop_us = 3000 * MS, .ends_us = 4000 * MS,
                            .kill_after_us = 400 * MS};
    snprintf(folder, sizeof(folder), "/tmp/grid-supervise-XXXXXX");
    cr_assert(mkdtemp(folder) && chdir(folder) == 0);
    snprintf(mark, sizeof(mark), "GRID_MARK=%s", folder);
    cr_assert_eq(supervise_signals(&signals, NULL), 0);
}

static void teardown(void)
{
    char words[128];
    snprintf(words, sizeof(words), "rm -rf %s", folder);
    cr_expect_eq(system(words), 0);
}

TestSuite(supervise, .init = setup, .fini = teardown, .timeout = 30);

/* What a file here holds; waits until there is a line. */
static const char *line_of(const char *name)
{
    static char text[4096];
    for (int i = 0; i < 500; i++) {
        FILE *file = fopen(name, "re");
        bool found = file && fgets(text, sizeof(text), file) && strchr(text, '\n');
        if (file)
            fclose(file);
        if (found)
            return text;
        poll(NULL, 0, 10);
    }
    return "";
}

/* Is the process whose number is in the file gone, or a zombie that nobody waits for? */
static bool is_gone(const char *name)
{
    char path[64], state[64] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", atoi(line_of(name)));
    FILE *file = fopen(path, "re");
    if (!file)
        return true;
    if (fscanf(file, "%*d %*s %63s", state) != 1)
        state[0] = 'Z';
    fclose(file);
    return state[0] == 'Z' || state[0] == 'X';
}

static bool becomes(bool (*is)(const char *), const char *name, int ms)
{
    for (; ms > 0 && !is(name); ms -= 10)
        poll(NULL, 0, 10);
    return is(name);
}

Test(supervise, mirrors_the_status)
{
    static const struct {
        const char *argv[4];
        int rc, status;
    } rows[] = {
        {{"true", NULL}, 0, 0},
        {{"sh", "-c", "exit 7", NULL}, 0, 7},
        {{"sh", "-c", "exit 255", NULL}, 0, 255},
        {{"sh", "-c", "kill -KILL $$", NULL}, 0, 137},
        {{"sh", "-c", "kill -TERM $$", NULL}, 0, 143},
        {{"sh", "-c", "test \"$GIVEN\" = 'a b'", NULL}, 0, 0},
        {{"no-such-command", NULL}, GRID_ENOTFOUND, -1},
        {{"./nothing/here", NULL}, GRID_ENOTFOUND, -1},
        {{"/", NULL}, GRID_EPERM, -1},
        {{"/etc/passwd", NULL}, GRID_EPERM, -1},
    };
    world->renew_us = 2500 * MS;
    for (size_t i = 0; i < countof(rows); i++) {
        struct grid_error err = {0};
        int status = run(rows[i].argv, &err);
        cr_expect_eq(world->rc, rows[i].rc, "%s: %d %s", rows[i].argv[0], world->rc, err.message);
        cr_expect_eq(status, rows[i].status, "%s: status %d", rows[i].argv[0], status);
    }
    cr_expect_eq(world->looks + world->renewals, 0, "a short command costs no look");
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "a process is left");
    cr_expect_str_empty(world->said);
}

/* Signals and descriptors of the command are those that we were given. */
Test(supervise, hands_over_what_it_was_given)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* nohup */
    signal(SIGINT, SIG_DFL); /* a shell's background jobs ignore these */
    signal(SIGQUIT, SIG_DFL);
    cr_expect_eq(run_shell("grep -E 'Sig(Blk|Ign)' /proc/self/status >has; ls /proc/self/fd >fds"),
                 0);
    cr_expect_eq(run_shell("grep -q 'SigBlk:.0*$' has && grep -q 'SigIgn:.*0000001$' has"), 0,
                 "signals: %s", line_of("has"));
    ignored = 1U << SIGPIPE | 1U << SIGXFSZ | 1U << SIGCHLD;
    struct grid_error err = {0};
    cr_expect_eq(run((const char *[]){"grep", "-q", "SigIgn:.*1011001$", "/proc/self/status", NULL},
                     &err), 0, "what the caller ignored is not ignored");
    /* 0, 1, 2 and the folder that ls reads. Criterion leaves descriptors of its own open. */
    int given = 1;
    for (int fd = 0; fd < 200; fd++)
        given += fcntl(fd, F_GETFD) >= 0 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    char script[64];
    snprintf(script, sizeof(script), "test $(wc -l <fds) = %d", given);
    cr_expect_eq(run_shell(script), 0, "%d descriptors were given", given - 1);
}

Test(supervise, renews_while_it_runs)
{
    cr_expect_eq(run_shell("sleep 1.5"), 0);
    cr_expect(world->renewals >= 4, "%d renewals", world->renewals);
    cr_expect_str_empty(world->said);
    cr_expect_eq(world->releases, 0);
}

/* How a command ends, and when, if the lease is not renewed. */
Test(supervise, ends_with_the_lease)
{
    static const struct {
        const char *what, *script;
        int answer;
        bool hangs;
        int64_t renew_us, stop_us, ends_us, kill_after_us;
        int status;
        int from_ms, to_ms;
    } rows[] = {
        {"lost", "sleep 9", GRID_ENOTFOUND, 0, 300 * MS, 5000 * MS, 9000 * MS, 2000 * MS,
         143, 200, 1500},
        {"lost, and deaf", "trap '' TERM; while :; do sleep .1; done", GRID_ENOTFOUND, 0,
         300 * MS, 5000 * MS, 9000 * MS, 300 * MS, 137, 500, 1800},
        {"lost, ends soon", "trap '' TERM; while :; do sleep .1; done", GRID_ENOTFOUND, 0,
         300 * MS, 600 * MS, 900 * MS, 9000 * MS, 137, 850, 1800},
        {"unreachable", "sleep 9", GRID_EIO, 0, 100 * MS, 1500 * MS, 9000 * MS, 500 * MS,
         143, 1450, 2400},
        {"unreachable, and deaf", "trap '' TERM; while :; do sleep .1; done", GRID_EIO, 0,
         100 * MS, 700 * MS, 1200 * MS, 9000 * MS, 137, 1150, 2000},
        {"hangs", "sleep 9", 0, 1, 100 * MS, 500 * MS, 9000 * MS, 500 * MS, 143, 500, 2400},
        {"says when it ends", "trap 'exit 3' TERM; while :; do sleep .1; done", 0, 0, INT64_MAX / 2,
         700 * MS, 9000 * MS, 500 * MS, 3, 600, 9000},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        *world = (struct world){rows[i].answer, rows[i].hangs, rows[i].renew_us, rows[i].stop_us,
                                rows[i].ends_us, rows[i].kill_after_us, .status = -1};
        int64_t begun_us = clock_boot_us();
        int status = run_shell(rows[i].script);
        int took_ms = (int)((clock_boot_us() - begun_us) / 1000);
        cr_expect_eq(status, rows[i].status, "%s: status %d", rows[i].what, status);
        cr_expect(took_ms >= rows[i].from_ms && took_ms <= rows[i].to_ms, "%s: %d ms",
                  rows[i].what, took_ms);
        cr_expect(world->warnings > 0, "%s: nothing was said", rows[i].what);
        cr_expect_eq(world->releases, 0, "%s", rows[i].what);
    }
}

Test(supervise, survives_a_store_that_comes_back)
{
    world->answer = GRID_EIO;
    world->stop_us = 5000 * MS;
    world->ends_us = 6000 * MS;
    pid_t front = begin("sleep 3");
    poll(NULL, 0, 1000);
    cr_expect(world->renewals > 0 && world->warnings == 1, "%d warnings", world->warnings);
    world->answer = 0;
    waitpid(front, NULL, 0);
    cr_expect_eq(world->status, 0, "%d: %s", world->status, world->said);
    cr_expect_eq(world->warnings, 2, "%s", world->said);
}

/* What it started goes with it when the lease is lost, not when it ends by itself. */
Test(supervise, leaves_nothing_behind_a_lost_lease)
{
    cr_expect_eq(run_shell("sleep 9 & echo $! >left"), 0);
    cr_expect(!is_gone("left"), "what was left in the background has ended");
    kill(atoi(line_of("left")), SIGKILL);

    world->answer = GRID_ENOTFOUND;
    cr_expect_eq(run_shell("sleep 9 & echo $! >mild; wait"), 143);
    cr_expect(is_gone("mild"), "%s", world->said);
    cr_expect_eq(run_shell("(trap '' TERM; echo $$ >none; sh -c 'echo $$ >deaf; sleep 9; :') & "
                           "wait"), 143);
    cr_expect(is_gone("deaf"), "%s", world->said);
}

Test(supervise, ends_a_stopped_command)
{
    world->answer = GRID_ENOTFOUND;
    cr_expect_eq(run_shell("kill -STOP $$; sleep 9"), 143);
}

Test(supervise, hands_on_signals)
{
    static const int sent[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < countof(sent); i++) {
        unlink("ready");
        pid_t front = begin("trap 'exit 10' INT; trap 'exit 11' TERM; trap 'exit 12' HUP;"
                            "trap 'exit 13' QUIT; trap 'exit 14' USR1; trap 'exit 15' USR2;"
                            "echo yes >ready; while :; do sleep .05; done");
        line_of("ready");
        kill(front, sent[i]);
        waitpid(front, NULL, 0);
        cr_expect_eq(world->status, 10 + (int)i, "signal %d: %d", sent[i], world->status);
    }
}

static void wait_for_keeper(pid_t but)
{
    for (int i = 0; i < 500 && (world->keeper == 0 || world->keeper == but); i++)
        poll(NULL, 0, 10);
}

Test(supervise, replaces_a_killed_keeper)
{
    world->stop_us = 3000 * MS; /* there is at most one a second */
    world->ends_us = 4000 * MS;
    pid_t front = begin("sleep 4");
    wait_for_keeper(0);
    pid_t first = world->keeper;
    kill(first, SIGTERM);
    poll(NULL, 0, 200);
    cr_expect_eq(kill(first, 0), 0, "the keeper ends with TERM");
    kill(first, SIGKILL);
    wait_for_keeper(first);
    cr_expect(world->keeper != first, "no other keeper");
    waitpid(front, NULL, 0);
    cr_expect_eq(world->status, 0, "%s", world->said);
}

/* While there is time to renew, so that the command does not notice. */
Test(supervise, replaces_a_stopped_keeper)
{
    world->stop_us = 2000 * MS;
    world->ends_us = 3000 * MS;
    pid_t front = begin("sleep 3");
    wait_for_keeper(0);
    pid_t first = world->keeper;
    kill(first, SIGSTOP);
    waitpid(front, NULL, 0);
    cr_expect_eq(world->status, 0, "%s", world->said);
    cr_expect(world->keeper != first, "no other keeper");
    cr_expect(kill(first, 0) != 0, "the stopped one is left");
}

Test(supervise, outlives_a_killed_front)
{
    static const char *const scripts[] = {
        "echo $$ >command; sleep 9",
        "trap '' TERM; echo $$ >command; while :; do sleep .1; done",
        "echo $$ >outer; sh -c 'echo $$ >command; sleep 9; :'; :",
    };
    for (size_t i = 0; i < countof(scripts); i++) {
        unlink("command");
        world->releases = 0;
        world->keeper = 0;
        pid_t front = begin(scripts[i]);
        line_of("command");
        wait_for_keeper(0);
        kill(front, SIGKILL);
        waitpid(front, NULL, 0);
        cr_expect(becomes(is_gone, "command", 3000), "%s", scripts[i]);
        for (int ms = 0; ms < 3000 && world->releases == 0; ms += 10)
            poll(NULL, 0, 10);
        cr_expect_eq(world->releases, 1, "%s: %d", scripts[i], world->releases);
    }
}

Test(supervise, goes_when_both_are_killed)
{
    pid_t front = begin("echo $$ >command; exec sleep 9");
    line_of("command");
    wait_for_keeper(0);
    kill(front, SIGSTOP); /* it would start another */
    kill(world->keeper, SIGKILL);
    kill(front, SIGKILL);
    waitpid(front, NULL, 0);
    cr_expect(becomes(is_gone, "command", 3000), "the command lives on");
    cr_expect_eq(world->releases, 0);
}
