/* grid backup: a ledger kept, and put back. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(backup, .init = cli_begin, .fini = cli_end);

#define REQUEST "boost request gpu-master cpu 2.0"

static const char *request(void)
{
    return cli_request("gpu-master cpu 2.0");
}

/* The names that `backup list` has, each with its state in the next line. */
static const char *list(void)
{
    struct cli_result result = cli_shell("$GRID backup list --columns name,state --no-headings"
                                         " -o csv | tr , '\\n'");

    cli_expect(result, 0);
    return result.out;
}

static void damage(const char *name)
{
    cli_expect(cli_shell("sed -i 's/gpu-master/gpu-mASTER/' \"$DATA/backups/%s/export.json\"",
                         name), 0);
}

Test(backup, create_list_verify)
{
    cJSON *json, *first;

    request();
    cli_time("2026-11-20 12:00:00");
    cr_expect_str_eq(cli("backup create -q").out, "grid_backup_20261120_120000\n");
    cr_expect_str_eq(cli("backup create -q").out, "grid_backup_20261120_120000_2\n");
    cli_time("2026-11-21 12:00:00");
    json = cli_json(cli("backup create --name 'before the move' --compress --json").out);
    cr_expect_str_eq(cli_text(json, "backup.name"), "before the move");
    cli_has(cli("backup create --name last").out, "Backup:        last");
    cli_expect(cli("backup create --name last"), 6);
    json = cli_json(cli("backup list -o json").out);
    cr_expect_eq(cli_count(json, "backups"), 4);
    first = cli_get(json, "backups.2");
    cr_expect_str_eq(cli_text(first, "name"), "grid_backup_20261120_120000");
    cr_expect_str_eq(cli_text(first, "created_at"), "2026-11-20T12:00:00.000000+00:00");
    cr_expect_str_eq(cli_text(first, "state"), "sound");
    cr_expect_eq(cli_number(first, "boosts"), 1);
    cr_expect_eq(cli_number(first, "revision"), 1);
    cr_expect(cli_number(first, "size_bytes") > 500);
    cr_expect_str_eq(list(), "before the move\nsound\nlast\nsound\n"
                     "grid_backup_20261120_120000\nsound\ngrid_backup_20261120_120000_2\nsound\n");
    cli_expect(cli("backup verify"), 0);
    cli_expect(cli("backup verify 'before the move'"), 0);
    cli_expect(cli("backup verify nope"), 3);
    cr_expect_eq(cli_files("tmp"), 0);
}

Test(backup, without_one_nothing_is_made)
{
    cli_expect(cli("backup list"), 0);
    cr_expect_str_eq(cli("backup list -q").out, "");
    cli_expect(cli("backup verify"), 0);
    cli_expect(cli("backup verify x"), 3);
    cli_expect(cli("backup restore x --yes"), 3);
    cli_expect(cli("backup delete x"), 3);
    cli_expect(cli("backup prune --keep 1"), 0);
    cli_expect(cli("backup create"), 3);
    cli_has(cli("backup create").err, "there is no ledger in 'file:/");
    cli_expect(cli_shell("test ! -e \"$DATA\""), 0);
}

/* --- wrong calls ------------------------------------------------------------------------------ */

static const struct {
    const char *words;
    int status;
} calls[] = {
    {"create --name ../x", 2},      {"create --name .x", 2},       {"create --name ''", 2},
    {"create --name a/b", 2},       {"create --keep 0", 2},        {"create --keep x", 2},
    {"delete ../../etc", 2},        {"delete ..", 2},              {"verify /etc", 2},
    {"restore ../x --yes", 2},      {"restore", 2},                {"restore one", 2},
    {"prune", 2},                   {"prune --keep 0", 2},         {"prune --keep -1", 2},
    {"delete two", 3},              {"create --name one", 6},      {"create extra", 2},
    {"create --name=-x", 2},       {"create --store memory:", 2},
    {"delete link", 8},             {"restore link --yes", 8},     {"verify link", 8},
};

Test(backup, wrong_calls_change_nothing)
{
    size_t step = cli_too_slow("23 wrong calls; 6 instead") ? 4 : 1;
    const char *before, *files;

    request();
    cli_expect(cli("backup create --name one"), 0);
    cli_expect(cli_shell("ln -s /etc \"$DATA/backups/link\""), 0);
    before = cli_state_text();
    files = cli_shell("ls -AR \"$DATA/backups\"").out;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i += step) {
        struct cli_result result = cli("backup %s", calls[i].words);

        cr_expect_eq(result.status, calls[i].status, "backup %s: %d: %s", calls[i].words,
                     result.status, result.err);
        cli_state_same(before, calls[i].words);
        cr_expect_str_eq(cli_shell("ls -AR \"$DATA/backups\"").out, files, "%s", calls[i].words);
    }
}

/* --- restore ---------------------------------------------------------------------------------- */

Test(backup, restore_brings_back_and_keeps_what_was)
{
    const char *kept = request(), *later, *safety;
    cJSON *json, *state;

    cli_expect(cli("backup create --name one -q"), 0);
    cli_expect(cli("boost release %s", kept), 0);
    later = request();
    json = cli_json(cli("backup restore one --yes -o json").out);
    cr_expect_eq(cli_number(json, "import.boosts"), 1);
    cr_expect_eq(cli_number(json, "import.ended"), 1);
    cr_expect_str_eq(cli_text(json, "restored"), "one");
    safety = cli_text(json, "import.backup");
    state = cli_state();
    cr_expect_eq(cli_count(state, "boosts"), 1);
    cr_expect_str_eq(cli_text(state, "boosts.0.boost_id"), kept);
    cr_expect(cli_number(state, "revision") > 3);
    json = cli_json(cli("boost history -o json").out);
    cr_expect_str_eq(cli_text(json, "events.0.event"), "restored");
    cr_expect_str_eq(cli_text(json, "events.0.reason"), "backup 'one' of revision 1");
    cr_expect_str_eq(cli_text(json, "events.2.boost_id"), kept, "it does not say what came back");
    cr_expect_eq(cli_count(json, "events"), 6, "the history was not kept");
    request();
    cr_expect(cli_number(cli_state(), "boosts.1.token") > cli_number(state, "revision"));
    cli_has(list(), cli("backup restore %s --yes -q", safety).out);
    state = cli_state();
    cr_expect_eq(cli_count(state, "boosts"), 1);
    cr_expect_str_eq(cli_text(state, "boosts.0.boost_id"), later);
}

Test(backup, a_damaged_one_is_marked_and_never_restored)
{
    const char *before, *all;

    request();
    cli_expect(cli("backup create --name one"), 0);
    cli_expect(cli("backup create --name two"), 0);
    cli_expect(cli("backup create --name three"), 0);
    cli_expect(cli("boost release --all --yes"), 0);
    before = cli_state_text();
    damage("two");
    cli_expect(cli_shell("rm \"$DATA/backups/three/manifest.json\""), 0);
    all = list();
    cli_has(all, "one\nsound\n");
    cli_has(all, "two\ndamaged\n");
    cli_has(all, "three\ndamaged\n");
    cli_expect(cli("backup verify one"), 0);
    cli_expect(cli("backup verify two"), 8);
    cli_expect(cli("backup verify three"), 8);
    cli_has(cli("backup verify").err, "2 of 3 backups are damaged");
    cli_expect(cli("backup verify"), 8);
    cli_expect(cli("backup restore two --yes"), 8);
    cli_expect(cli("backup restore three --yes"), 8);
    cli_state_same(before, "restoring a damaged backup");
    cr_expect_str_eq(list(), all, "a safety backup for nothing");
    cli_expect(cli("backup prune --keep 1"), 0);
    cr_expect_str_eq(list(), all, "damaged ones were counted");
    cli_expect(cli("backup delete two"), 0);
    cli_lacks(list(), "two");
}

/* Sum and size are right, and what was summed is none. */
Test(backup, verify_reads_the_document)
{
    request();
    cli_expect(cli("backup create --name one"), 0);
    cli_expect(cli_shell("cd \"$DATA/backups/one\"; head -c 400 export.json >e; mv e export.json;"
                         "sed -i -E \"s/(\\\"sha256\\\": ).*,/\\1\\\"$(sha256sum <export.json |"
                         " cut -d' ' -f1)\\\",/; s/(\\\"size_bytes\\\": ).*,/\\1400,/\""
                         " manifest.json"), 0);
    cli_has(list(), "one\nsound");
    cli_expect(cli("backup verify one"), 8);
    cli_expect(cli("backup verify"), 8);
    cli_expect(cli("backup restore one --yes"), 8);
    cli_expect(cli("backup create --name two"), 0);
    cli_expect(cli_shell("cd \"$DATA/backups/two\"; sed -i 's/\"boosts\": 1/\"boosts\": 2/'"
                         " manifest.json"), 0);
    cli_has(cli("backup verify two").err, "of another document");
}

Test(backup, restore_asks_a_person)
{
    const char *ask = "(sleep 0.3; echo %s) | script -qec \"$GRID backup restore one\" /dev/null";
    struct cli_result result;

    cli_expect(cli("boost release %s", request()), 0);
    cli_expect(cli("backup create --name one"), 0);
    request();
    result = cli_shell(ask, "n");
    cli_expect(result, 0);
    cli_has(result.out, "' by 'one' of ");
    cli_has(result.out, "nothing was restored");
    cr_expect_eq(cli_boosts(), 1);
    cli_expect(cli_shell(ask, "y"), 0);
    cr_expect_eq(cli_boosts(), 0);
}

/* Exactly when one is needed. */
Test(backup, a_ruined_ledger_is_restored_and_its_bytes_are_kept)
{
    const char *kept = request(), *ruin = "{\"boosts\": [ {";
    struct cli_result result;

    cli_expect(cli("backup create --name one"), 0);
    cli_expect(cli_shell("rm -rf \"$DATA/generations\" \"$DATA\"/history*"), 0);
    cli_write(cli_data("resource_boosts.json"), ruin, strlen(ruin));
    cli_expect(cli("boost status"), 8);
    cli_expect(cli("backup restore one"), 2);
    result = cli("backup restore one --yes");
    cli_expect(result, 0);
    cli_has(result.err, "damaged");
    cr_expect_eq(cli_boosts(), 1);
    cr_expect_str_eq(cli_text(cli_state(), "boosts.0.boost_id"), kept);
    cli_expect(cli_shell("cat \"$DATA\"/resource_boosts.json.corrupt-*"), 0);
    cr_expect_str_eq(cli_shell("cat \"$DATA\"/resource_boosts.json.corrupt-*").out, ruin);
    cli_expect(cli("store check"), 0);
}

/* --- keeping a number of them ----------------------------------------------------------------- */

Test(backup, keep_counts_the_sound_ones)
{
    request();
    cli_expect(cli("backup create --name zz"), 0);
    cli_expect(cli("backup create --name b"), 0);
    cli_expect(cli("backup create --name a"), 0);
    damage("a");
    cli_has(cli("backup create --name c --keep 2 -q").err, "1 damaged backup is kept");
    cr_expect_str_eq(list(), "c\nsound\na\ndamaged\nb\nsound\n");
    cr_expect_str_eq(cli("backup prune --keep 1 -q").out, "b\n");
    cr_expect_str_eq(list(), "c\nsound\na\ndamaged\n");
}

Test(backup, keep_never_deletes_the_one_that_was_just_made)
{
    struct cli_result result;

    request();
    cli_time("2031-01-01 00:00:00");
    cli_expect(cli("backup create --name ahead"), 0);
    cli_time("2026-11-20 12:00:00");
    cli_expect(cli("backup create --name before"), 0);
    cli_time("2026-11-21 12:00:00");
    result = cli("backup create --name now --keep 1");
    cli_expect(result, 0);
    cli_has(result.err, "1 backup is dated in the future");
    cr_expect_str_eq(list(), "ahead\nsound\nnow\nsound\n");
    cli_has(cli("backup prune --keep 1").err, "1 backup is dated in the future");
    cr_expect_str_eq(list(), "ahead\nsound\nnow\nsound\n");
}

Test(backup, of_another_ledger_is_told_apart)
{
    const char *other = cli_format("--store file:%s/other", cli_home());
    struct cli_result result;

    request();
    cli_expect(cli("backup create --name mine"), 0);
    cli_lacks(cli("backup list").out, "STORE");
    result = cli("--store file:%s backup list", cli_data("../.distributed_grid/"));
    cli_has(result.out, "mine");
    cli_lacks(result.out, "STORE");
    cli_expect(cli("%s " REQUEST " -q", other), 0);
    cli_expect(cli("%s backup create --name other", other), 0);
    cli_has(cli("backup list").out, "STORE");
    cli_has(cli("backup list").out, "/other");
    cr_expect(cli_get(cli_json(cli("backup list -o json").out), "backups.0.store"));
    cli_has(cli("backup restore other --yes").err, "is of another ledger, of 'file:/");
    cli_lacks(cli("backup restore mine --yes").err, "another ledger");
}

Test(backup, errors_say_what_may_be_done)
{
    request();
    cli_expect(cli("backup create --name before-the-move"), 0);
    cli_expect(cli("backup create --name packed --compress"), 0);
    cli_has(cli("backup delete before-the-mov").err, "did you mean 'before-the-move'?");
    cli_has(cli("backup restore befor-the-move --yes").err, "did you mean 'before-the-move'?");
    cli_has(cli("backup remove x").err, "did you mean 'delete'?");
    cli_expect(cli_shell("rm \"$DATA\"/backups/*/manifest.json"), 0);
    cli_has(cli("backup restore before-the-move --yes").err,
            "backups/before-the-move/export.json --replace'");
    cli_has(cli("backup verify packed").err, "packed/export.json.gz | grid import - --replace'");
    damage("before-the-move");
    cli_expect(cli_shell("echo x >>\"$DATA/backups/before-the-move/export.json\""), 0);
    cli_lacks(cli("backup restore before-the-move --yes").err, "still reads");
}

/* LeakSanitizer cannot work under strace. */
Test(backup, one_that_cannot_be_read_now_is_not_damaged)
{
    const char *failing = "ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 strace -f -o /dev/null -P"
                          " \"$DATA/backups/two/export.json\" -e trace=read"
                          " -e inject=read:error=EIO $GRID backup %s";
    struct cli_result result;

    if (cli_shell("command -v strace").status != 0) {
        fprintf(stderr, "NOT TESTED: a backup that cannot be read: no strace\n");
        return;
    }
    request();
    cli_expect(cli("backup create --name one"), 0);
    cli_expect(cli("backup create --name two"), 0);
    damage("one");
    result = cli_shell(failing, "verify -o csv --no-headings --columns name,state");
    cli_expect(result, 9);
    cli_has(result.out, "one,damaged\n");
    cli_has(result.out, "two,unreadable\n");
    cli_has(result.err, "backup 'two' cannot be read");
    cli_expect(cli_shell(failing, "verify two"), 9);
    result = cli_shell(failing, "list");
    cli_expect(result, 9);
    cli_has(result.out, "unreadable");
    cli_expect(cli("backup verify two"), 0);
}

Test(backup, of_a_newer_format_is_sound_and_not_restored)
{
    request();
    cli_expect(cli("backup create --name one"), 0);
    cli_expect(cli_shell("cd \"$DATA/backups/one\"; sed -i 's/\"export\": 1/\"export\": 2/'"
                         " export.json; sed -i -E \"s/(\\\"sha256\\\": ).*,/\\1\\\"$(sha256sum"
                         " <export.json | cut -d' ' -f1)\\\",/\" manifest.json"), 0);
    cli_expect(cli("backup verify one"), 6);
    cli_expect(cli("backup verify"), 6);
    cr_expect_str_eq(cli_text(cli_json(cli("backup verify -o json").out), "backups.0.state"),
                     "sound");
    cli_expect(cli("backup restore one --yes"), 6);
}

/* A disk that is not mounted, say. */
Test(backup, a_directory_that_is_a_dangling_link_is_no_empty_one)
{
    request();
    cli_expect(cli_shell("ln -s nowhere \"$DATA/backups\""), 0);
    cli_expect(cli("backup list"), 9);
    cli_expect(cli("backup verify"), 9);
    cli_expect(cli("backup prune --keep 1"), 9);
    cli_expect(cli("backup restore x --yes"), 9);
    cli_expect(cli("backup create"), 9);
}

Test(backup, many_at_once)
{
    int count = cli_too_slow("8 at once; 2 instead") ? 2 : 8;
    struct cli_child children[8];

    request();
    for (int i = 0; i < count; i++)
        children[i] = cli_start("backup create -q --keep 3 --lock-timeout 60s");
    for (int i = 0; i < count; i++)
        cli_expect(cli_wait(children[i]), 0);
    cr_expect_eq(cli_count(cli_json(cli("backup list -o json").out), "backups"),
                 count < 3 ? count : 3);
    cr_expect_eq(cli_shell("ls -A \"$DATA/backups\" | grep -c tmp").status, 1);
}

Test(backup, of_a_shared_ledger_are_shared)
{
    cli_expect(cli_shell("$GRID store init --group $(id -g)"), 0);
    request();
    cli_expect(cli_shell("umask 077; $GRID backup create --name one"), 0);
    cr_expect_str_eq(cli_shell("cd \"$DATA/backups\"; stat -c %%a . .lock one one/*").out,
                     "2770\n660\n2770\n660\n660\n");
}

Test(backup, a_full_disk_leaves_nothing)
{
    if (cli_too_slow("a limit on files, which valgrind's own reports obey, too"))
        return;
    request();
    cli_expect(cli_shell("trap '' XFSZ; ulimit -f 0; $GRID backup create"), 9);
    cr_expect_eq(cli_shell("ls -A \"$DATA/backups\"").out_length, strlen(".lock\n"));
    cli_expect(cli("backup create --name one"), 0);
    cr_expect_str_eq(list(), "one\nsound\n");
}
