/* Unusual places and states: whose the directory is, what stands in the way of a file, names that
 * completion offers, a clock that ran ahead of those who wait. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(unusual, .init = cli_begin, .fini = cli_end, .timeout = 60);

static const struct {
    const char *prepare, *words;
    int status;
    const char *said;  /* on stderr */
    const char *after; /* a script that ends with 0 then */
} rows[] = {
    {"ln -s loop loop", "export loop", 9, "cannot use", "test -L loop"},
    {"mkdir .out.tmp", "export out", 9, "cannot write", "test -d .out.tmp -a ! -e out"},
    {"echo mine >m; ln m .out.tmp", "export out", 9, "cannot write", "grep -qx mine m"},
    {"echo mine >m; ln -s m .out.tmp", "export out", 9, "cannot write", "grep -qx mine m"},
    {"echo mine >.out.tmp; chown 1 .out.tmp", "export out", 9, "cannot write",
     "grep -qx mine .out.tmp"},
    {"echo half >.out.tmp", "export out", 0, "", "test ! -e .out.tmp && jq -e .boosts[0] out"},
    {"echo x >$DATA/resource_boosts.json; rm -rf $DATA/generations", "export out", 8, "damaged",
     "test ! -e out -a ! -e .out.tmp"},
    {"echo x >$DATA/resource_boosts.json; rm -rf $DATA/generations", "export", 8, "damaged", ":"},
    {"echo x >$DATA/resource_boosts.json; rm -rf $DATA/generations",
     "store copy file: file:$HOME/to", 8,
     "damaged", ":"},
    {"touch file", "store copy file: file:$HOME/file", 9, "not a directory", "test -f file"},
    {"touch file", "--data-dir $HOME/file backup create", 9, "not a directory", "test -f file"},
    {"touch file", "--data-dir $HOME/file backup list", 9, "", "test -f file"},
    {"touch $DATA/backups", "backup create", 9, "not a directory", "test -f $DATA/backups"},
    {"touch $DATA/backups", "backup list", 9, "not a directory", "test -f $DATA/backups"},
    {"mkdir -p $DATA/backups/.lock", "backup create", 9, "lock", "$GRID backup list"},
    {"mkdir -p $DATA/backups; ln -s x $DATA/backups/.lock", "backup create", 9, "lock",
     "$GRID backup list"},
    {"mkdir -p $DATA/backups/deep/$(printf 'd/%.0s' {1..20})", "backup delete deep", 11,
     "is no longer listed", "$GRID backup list"},
    {"mkdir -p $DATA/backups/some/in; touch $DATA/backups/some/in/file", "backup delete some", 0,
     "", "test ! -e $DATA/backups/some"},
    {"mkdir -p $DATA/backups/.tmp-new/in; touch $DATA/backups/.tmp-new/in/file", "backup create -q",
     0, "", "test ! -e $DATA/backups/.tmp-new"},
    {"chown 1:1 $DATA", "backup create --name one -q", 0, "",
     "test \"$(stat -c %u $DATA/backups $DATA/backups/one $DATA/backups/one/* | uniq)\" = 1"},
    {"rm -rf $DATA; mkdir -m 700 $DATA; chown 1:1 $DATA", "boost request m cpu 1 -q", 0, "",
     "test \"$(stat -c %u $DATA/resource_boosts.json* | uniq)\" = 1"},
    {"mkdir theirs; chown 1:1 theirs", "--data-dir $HOME/theirs/new boost request m cpu 1 -q", 0,
     "", "test \"$(stat -c %u theirs/new theirs/new/* | uniq)\" = 1"},
    {"chown 1:1 $DATA/resource_boosts.json; chmod 640 $DATA/resource_boosts.json",
     "boost request m cpu 1 -q", 0, "",
     "test \"$(stat -c '%u %g %a' $DATA/resource_boosts.json)\" = '1 1 640'"},
    {"mkdir $DATA/hooks; mkfifo $DATA/hooks/granted", "boost request m cpu 1 -q", 0, "hook", ":"},
    {"touch $DATA/hooks", "boost request m cpu 1 -q", 0, "", ":"},
    {"ln -s hooks $DATA/hooks", "boost request m cpu 1", 5, "hook", ":"},
    {"rm -rf $DATA; ln -s /nowhere/at/all ${DATA%/}", "boost request m cpu 1", 9, "",
     "test -L ${DATA%/}"},
    {"rm $DATA/resource_boosts.json; ln -s x $DATA/resource_boosts.json; ln -s x $DATA/x",
     "boost status", 9, "", ":"},
    {"rm $DATA/resource_boosts.json; mkfifo $DATA/resource_boosts.json", "boost status", 9,
     "it is a fifo", ":"},
    {"rm $DATA/resource_boosts.json; ln -s /dev/null $DATA/resource_boosts.json", "boost status", 9,
     "it is a device", ":"},
    {"rm -rf $DATA/generations; touch $DATA/generations", "boost request m cpu 1", 9, "", ":"},
};

Test(unusual, places)
{
    size_t step = cli_too_slow("every fifth of the places") ? 5 : 1;
    if (geteuid() != 0)
        fprintf(stderr, "NOT TESTED: files of others, which root alone can make\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i += step) {
        struct cli_result result;
        if (geteuid() != 0 && strstr(rows[i].prepare, "chown"))
            continue;
        cli_shell("cd; rm -rf $DATA; find . -mindepth 1 -delete");
        cli_expect(cli("boost request m cpu 2 -q"), 0);
        cli_expect(cli_shell("cd; %s", rows[i].prepare), 0);
        result = cli_shell("cd; exec $GRID %s", rows[i].words);
        cr_expect_eq(result.status, rows[i].status, "row %zu: %s: %s: %d: %s", i, rows[i].prepare,
                     rows[i].words, result.status, result.err);
        cr_expect(strstr(result.err, rows[i].said), "row %zu: %s: no '%s' in: %s", i, rows[i].words,
                  rows[i].said, result.err);
        cr_expect_eq(cli_shell("cd; %s", rows[i].after).status, 0, "row %zu: %s: %s", i,
                     rows[i].words, rows[i].after);
    }
}

/* Another export is at work on the same file. */
Test(unusual, one_export_at_a_time)
{
    const char *path = cli_format("%s/.out.tmp", cli_home());
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    cr_assert(fd >= 0 && fcntl(fd, F_OFD_SETLK, &whole) == 0);
    cli_has(cli("export %s/out", cli_home()).err, "busy");
    cli_expect(cli("export %s/out", cli_home()), 9);
    cr_expect_eq(access(path, F_OK), 0, "the other's file was removed");
    close(fd);
    cli_expect(cli("export %s/out", cli_home()), 0);
}

Test(unusual, completion_offers_backups)
{
    struct cli_result result = cli("__complete backup restore ''");

    cr_expect_str_eq(result.out, "", "without a directory: %s", result.out);
    cli_expect(cli("boost request m cpu 1"), 0);
    cli_expect(cli("backup create --name one -q"), 0);
    cli_expect(cli("backup create --name 'other one' -q"), 0);
    cli_has(cli("__complete backup restore ''").out, "one\n");
    cli_has(cli("__complete backup verify oth").out, "other one");
    result = cli("__complete backup delete o");
    cli_lacks(result.out, ".lock");
    cr_expect_str_eq(cli("__complete backup delete x").out, "");
    cr_expect_str_eq(cli("__complete backup delete one two ''").out, "");
    cli_env("GRID_OUTPUT=nonsense");
    cli_write(cli_data("config.yaml"), "output: [\n", 10);
    cr_expect_str_eq(cli("__complete backup delete o").out, "", "its settings are damaged");
}

/* A day ahead somebody began to wait; a boost was renewed for ever. */
Test(unusual, those_who_wait_go_back_with_the_clock)
{
    cJSON *json;

    cli_expect(cli("node add a cpu=4"), 0);
    cli_expect(cli("node add b"), 0);
    cli_time("+1d");
    cli_expect(cli("node heartbeat a"), 0);
    cli_expect(cli("boost request b cpu 4 --duration never -q"), 0);
    cli_expect(cli_shell("timeout -s KILL 3 $GRID boost request b cpu 1 --wait=1h -q"), 137);
    cli_time(NULL);
    cr_expect_eq(cli_count(cli_state(), "waiting"), 1, "nobody waits");
    cli_has(cli("store repair --reset-clock").out, "it waits since");
    json = cli_json(cli("boost queue -o json").out);
    cr_expect_eq(cli_count(json, "queue"), 1, "the ticket is gone");
    cr_expect_str_eq(cli_text(cli_state(), "boosts.0.expires_at"), "");
    cli_lacks(cli("store check").out, "warning");
}
