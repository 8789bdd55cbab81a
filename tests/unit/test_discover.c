/* What this machine has, with stand-ins for nvidia-smi; and the command that is run for it. */
#include "host/discover.h"

#include "host/run.h"
#include "util/clock.h"
#include "util/file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

static char directory[64], script[96];

static void begin(void)
{
    snprintf(directory, sizeof(directory), "/tmp/grid-discover-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(script, sizeof(script), "%s/nvidia-smi", directory);
}

static void end(void)
{
    unlink(script);
    rmdir(directory);
}

/* Puts a stand-in there. */
static void stand_in(const char *text)
{
    grid_auto_close int fd = open(script, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    cr_assert_geq(fd, 0);
    cr_assert_eq(file_write_all(fd, "#!/bin/sh\n", 10), 0);
    cr_assert_eq(file_write_all(fd, text, strlen(text)), 0);
}

static void take_note(void *context, const char *text) { buffer_format(context, "%s\n", text); }

/* The GPUs that are found with the stand-in, and what is noted behind its name. */
static void expect(const char *what, const char *smi, int64_t gpus, const char *note)
{
    grid_auto_buffer struct buffer notes = BUFFER_INIT;
    struct grid_amounts found = {0};
    struct grid_error err = {0};
    cr_expect_eq(discover_capacity(smi, &found, take_note, &notes, &err), 0, "%s", err.message);
    cr_expect_eq(grid_amounts_get(&found, "GPU", 0), gpus * GRID_AMOUNT_UNIT, "%s: %jd", what,
                 (intmax_t)grid_amounts_get(&found, "GPU", 0));
    cr_expect(*note ? strstr(buffer_string(&notes), note) != NULL : notes.length == 0, "%s: %s",
              what, buffer_string(&notes));
}

static const struct {
    const char *script;
    int64_t gpus;
    const char *note; /* "" none */
} cases[] = {
    {"cat tests/samples/gpu/nvidia_smi_query.csv", 2, ""},
    {"cat tests/samples/gpu/nvidia_smi_not_supported.csv", 2, ""},
    {"[ \"$*\" = '--query-gpu=utilization.gpu,memory.total,memory.used "
     "--format=csv,noheader,nounits' ] && echo 1, 2, 3", 1, ""},
    {"printf '\\n1, 2, 3\\n\\n  \\n4, 5, 6'", 2, ""},
    {"printf '1, 2, 3\\r\\n4, 5, 6\\r\\n'", 2, ""},
    {"echo No devices were found", 0, ""},
    {"echo 1, 2", 0, ""},
    {"true", 0, ""},
    {"echo 1, 2, 3; echo 'driver is gone' >&2; exit 9", 0, "status 9 and said: 1, 2, 3, no GPUs"},
    {"exit 6", 0, "' ended with status 6, no GPUs are counted\n"},
    {"kill -KILL $$", 0, "ended with status 137"},
    {"cat; echo 1, 2, 3", 1, ""},                        /* stdin is empty, and not ours */
    {"echo 1, 2, 3; (sleep 60; echo 4, 5, 6) &", 1, ""}, /* not waited for */
    {"yes '1, 2, 3' | head -n 100000", 8192, ""},        /* 64 KiB of it */
};

Test(discover, counts_devices_as_the_tool_says, .init = begin, .fini = end)
{
    for (size_t i = 0; i < countof(cases); i++) {
        stand_in(cases[i].script);
        int64_t start_us = clock_monotonic_us();
        expect(cases[i].script, script, cases[i].gpus, cases[i].note);
        cr_expect_lt(clock_monotonic_us() - start_us, 4000000, "%s", cases[i].script);
    }
}

Test(discover, finds_the_tool_in_path_or_goes_without, .init = begin, .fini = end)
{
    char search[160];
    snprintf(search, sizeof(search), "%s:/usr/bin:/bin", directory);
    stand_in("echo 1, 2, 3");
    setenv("PATH", search, 1);
    expect("in PATH", NULL, 1, "");
    cr_assert_eq(chmod(script, 0644), 0);
    expect("not executable", NULL, 0, "");
    unlink(script);
    expect("not there", NULL, 0, "");
    expect("not there", "/nonexistent/smi", 0, "");
}

/* Waits for the file that the stand-in makes when it is not killed. */
static void expect_killed(const char *text)
{
    char left[160];
    snprintf(left, sizeof(left), "%s/left", directory);
    stand_in(text);
    int64_t start_us = clock_monotonic_us();
    expect(text, script, 0, "did not answer within 5 seconds, no GPUs are counted");
    int64_t took_us = clock_monotonic_us() - start_us;
    cr_expect(took_us >= 5000000 && took_us < 8000000, "%jd us", (intmax_t)took_us);
    sleep(2);
    cr_expect_eq(access(left, F_OK), -1, "a process went on after the time was up");
    unlink(left);
}

Test(discover, does_not_wait_for_ever, .init = begin, .fini = end)
{
    expect_killed("echo 1, 2, 3\ntrap '' TERM INT HUP\n(sleep 6; : >${0%/*}/left) &\nsleep 1000\n");
}

Test(discover, does_not_read_for_ever, .init = begin, .fini = end)
{
    expect_killed("yes '1, 2, 3'\n");
}

Test(discover, says_what_the_system_says)
{
    struct grid_amounts found = {0};
    struct grid_error err = {0};
    FILE *cores = popen("nproc", "r"), *memory = popen("grep MemTotal /proc/meminfo", "r");
    long count = 0, kib = 0;
    cr_assert_eq(fscanf(cores, "%ld", &count), 1);
    cr_assert_eq(fscanf(memory, "MemTotal: %ld", &kib), 1);
    pclose(cores);
    pclose(memory);
    cr_assert_eq(discover_capacity("true", &found, NULL, NULL, &err), 0, "%s", err.message);
    cr_expect_eq(found.count, 3);
    cr_expect_eq(grid_amounts_get(&found, "CPU", -1), count * GRID_AMOUNT_UNIT);
    cr_expect_eq(grid_amounts_get(&found, "MEMORY", -1), kib * 1024);
    /* One core of them is all there is for a process that is bound to it. */
    cpu_set_t set, one;
    int core = 0;
    cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
    while (!CPU_ISSET(core, &set))
        core++;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    cr_assert_eq(discover_capacity("true", &found, NULL, NULL, &err), 0);
    cr_expect_eq(grid_amounts_get(&found, "CPU", -1), GRID_AMOUNT_UNIT);
}

/* --- running a command ----------------------------------------------------------------------- */

static const struct {
    const char *script, *input;
    int status;
    const char *out, *errors;
} runs[] = {
    {"echo out; echo err >&2", NULL, 0, "out\n", "err\n"},
    {"exit 3", NULL, 3, "", ""},
    {"kill -TERM $$", NULL, 143, "", ""},
    {"cat", "{\"boost_id\": 1}", 0, "{\"boost_id\": 1}", ""},
    {"cat", "", 0, "", ""},
    {"true", "never read", 0, "", ""},
    {"echo 1234567890abcdef", NULL, 0, "1234567890", ""}, /* the 10 bytes that are kept */
    {"echo $WORD", NULL, 0, "here\n", ""},
    {"kill -PIPE $$; echo alive", NULL, 141, "", ""}, /* main ignores the signal, hooks do not */
    {"exec >&- 2>&-; sleep 0.2; exit 4", NULL, 4, "", ""},
};

Test(run, says_how_it_ended_and_what_it_printed)
{
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < countof(runs); i++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT, errors = BUFFER_INIT;
        const char *const argv[] = {"/bin/sh", "-c", runs[i].script, NULL};
        const char *const environment[] = {"PATH=/usr/bin:/bin", "WORD=here", NULL};
        struct run run = {.argv = argv, .environment = environment, .input = runs[i].input,
                          .limit_us = 10 * GRID_SECOND,
                          .most = strcmp(runs[i].out, "1234567890") == 0 ? 10 : 4096};
        struct run_end ended = {0};
        struct grid_error err = {0};
        cr_expect_eq(run_command(&run, &out, &errors, &ended, &err), 0, "%s", err.message);
        cr_expect_eq(ended.status, runs[i].status, "%s: %d", runs[i].script, ended.status);
        cr_expect_not(ended.timed_out, "%s", runs[i].script);
        cr_expect_str_eq(buffer_string(&out), runs[i].out, "%s: %s", runs[i].script, out.data);
        cr_expect_str_eq(buffer_string(&errors), runs[i].errors, "%s", runs[i].script);
    }
}

Test(run, loses_nothing_of_a_long_answer)
{
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    const char *const argv[] = {"sh", "-c", "head -c 3000000 /dev/zero; echo end", NULL};
    struct run run = {.argv = argv, .limit_us = 60 * GRID_SECOND, .most = 4 << 20};
    struct run_end ended;
    struct grid_error err = {0};
    cr_assert_eq(run_command(&run, &out, NULL, &ended, &err), 0, "%s", err.message);
    cr_expect_eq(out.length, 3000004);
    cr_expect_eq(memcmp(out.data + out.length - 4, "end\n", 4), 0);
}

Test(run, loses_no_last_word)
{
    const char *const argv[] = {"sh", "-c", "echo one; echo two", NULL};
    struct run run = {.argv = argv, .limit_us = 60 * GRID_SECOND, .most = 100};
    for (int i = 0; i < 300; i++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        struct run_end ended;
        struct grid_error err = {0};
        cr_assert_eq(run_command(&run, &out, NULL, &ended, &err), 0, "%s", err.message);
        cr_assert_str_eq(buffer_string(&out), "one\ntwo\n", "run %d", i);
    }
}

Test(run, sleeps_while_nothing_comes)
{
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    const char *const argv[] = {"sh", "-c", "exec >&- 2>&-; sleep 1", NULL};
    struct run run = {.argv = argv, .limit_us = 60 * GRID_SECOND, .most = 100};
    struct run_end ended;
    struct grid_error err = {0};
    clock_t begun = clock();
    cr_assert_eq(run_command(&run, &out, NULL, &ended, &err), 0, "%s", err.message);
    cr_expect_lt(clock() - begun, CLOCKS_PER_SEC / 4);
}

Test(run, says_why_it_could_not, .init = begin, .fini = end)
{
    const char *argv[] = {"/nonexistent/command", NULL};
    struct run run = {.argv = argv, .limit_us = GRID_SECOND, .most = 10};
    struct run_end ended = {-1, false};
    struct grid_error err = {0};
    cr_expect_eq(run_command(&run, NULL, NULL, &ended, &err), GRID_ENOTFOUND);
    cr_expect(strstr(err.message, "cannot run '/nonexistent/command': no such file"), "%s",
              err.message);
    stand_in("true");
    cr_assert_eq(chmod(script, 0644), 0);
    argv[0] = script;
    cr_expect_eq(run_command(&run, NULL, NULL, &ended, &err), GRID_EPERM, "%s", err.message);
    argv[0] = "sleep";
    cr_expect_eq(ended.status, -1);
    signal(SIGCHLD, SIG_IGN); /* then the kernel keeps no status */
    cr_expect_eq(run_command(&run, NULL, NULL, &ended, &err), GRID_EIO, "%s", err.message);
}

Test(run, leaves_no_descriptor_open)
{
    const char *const argv[] = {"true", NULL};
    struct run run = {.argv = argv, .input = "text", .limit_us = GRID_SECOND * 10, .most = 10};
    struct run_end ended;
    struct grid_error err = {0};
    int before = dup(0);
    for (int i = 0; i < 5; i++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        cr_assert_eq(run_command(&run, &out, NULL, &ended, &err), 0, "%s", err.message);
    }
    close(before);
    int after = dup(0);
    cr_expect_eq(after, before);
    close(after);
}
