/* Commands that hold a boost, for tests. */
#include "support/held.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

double held_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

const char *held_came(const char *name)
{
    for (int i = 0; i < 500; i++) {
        const char *text = cli_read(cli_format("%s/%s", cli_home(), name), NULL);
        if (text && strchr(text, '\n'))
            return text;
        poll(NULL, 0, 20);
    }
    return "";
}

struct held held_begin(const char *options, const char *script)
{
    struct held held;
    char id[64] = "";
    const char *path = cli_format("%s/script", cli_home());
    const char *text = cli_format("echo $GRID_BOOST_ID $$ >$HOME/new; mv $HOME/new $HOME/began\n"
                                  "%s\n", script);
    cli_write(path, text, strlen(text));
    unlink(cli_format("%s/began", cli_home()));
    held.front = cli_start("boost run -q %s m cpu 1 -- sh %s", options, path);
    cr_expect_eq(sscanf(held_came("began"), "%63s %d", id, &held.command), 2, "%s did not begin",
                 options);
    held.id = cli_format("%s", id);
    return held;
}

bool held_lives(int pid)
{
    char state = 'X';
    const char *text = cli_read(cli_format("/proc/%d/stat", pid), NULL);
    FILE *file = text ? fopen(cli_format("/proc/%d/stat", pid), "re") : NULL;
    if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'X';
    if (file)
        fclose(file);
    return state != 'X' && state != 'Z';
}

bool held_ends(int pid, double seconds)
{
    for (double until = held_now() + seconds; held_lives(pid) && held_now() < until;)
        poll(NULL, 0, 10);
    return !held_lives(pid);
}

void held_hook(const char *event, const char *script)
{
    const char *path = cli_data("hooks/%s", event);
    const char *text = cli_format("#!/bin/bash\n%s\n", script);
    mkdir(cli_data("%s", ""), 0700);
    mkdir(cli_data("hooks"), 0755);
    unlink(path);
    cli_write(path, text, strlen(text));
    cr_assert_eq(chmod(path, 0755), 0);
}

void held_expect_log(const char *what, const char *expected)
{
    const char *path = cli_format("%s/log", cli_home());
    const char *text = cli_read(path, NULL);

    cr_expect_str_eq(text ? text : "", expected, "%s", what);
    unlink(path);
}
