/* The ledger file under the hands of others: links, locks, many writers, clocks, other programs. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(store, .init = cli_begin, .fini = cli_end);

#define REQUEST "boost request gpu-master cpu 2.0"
#define AT_ONCE 50

static const char *request(void)
{
    return cli_request("gpu-master cpu 2.0");
}

Test(store, fifty_at_once_lose_nothing)
{
    int count = cli_too_slow("50 at once; 6 instead") ? 6 : AT_ONCE;
    struct cli_child children[AT_ONCE];
    cJSON *state;
    double last = 0;

    for (int i = 0; i < count; i++)
        children[i] = cli_start(REQUEST " -q --lock-timeout 60s");
    for (int i = 0; i < count; i++) {
        struct cli_result result = cli_wait(children[i]);

        cli_expect(result, 0);
        cr_expect(cli_state_text() && strstr(cli_state_text(), cli_format("%.36s", result.out)),
                  "boost %s is lost", result.out);
    }
    state = cli_state();
    cr_expect_eq(cli_count(state, "boosts"), count);
    for (int i = 0; i < count; i++) {
        double token = cli_number(state, cli_format("boosts.%d.token", i));

        cr_expect(token > last, "token %g follows %g", token, last);
        last = token;
    }
    cr_expect_eq(cli_count(cli_json(cli("boost history --json").out), "events"), count);
    cr_expect_eq(cli_files("tmp") + cli_files(".resource"), 0);
}

Test(store, requests_and_releases_race)
{
    enum { PAIRS = 12 };
    int pairs = cli_too_slow("12 racing pairs; 3 instead") ? 3 : PAIRS;
    struct cli_child children[3 * PAIRS];
    const char *ids[PAIRS];
    cJSON *history;

    for (int i = 0; i < pairs; i++)
        ids[i] = request();
    for (int i = 0; i < pairs; i++) {
        children[3 * i] = cli_start("boost release %s --lock-timeout 60s", ids[i]);
        children[3 * i + 1] = cli_start(REQUEST " -q --lock-timeout 60s");
        children[3 * i + 2] = cli_start("boost release %s --lock-timeout 60s", ids[i]);
    }
    for (int i = 0; i < 3 * pairs; i++)
        cli_expect(cli_wait(children[i]), 0);
    cr_expect_eq(cli_boosts(), pairs);
    for (int i = 0; i < pairs; i++)
        cr_expect_null(strstr(cli_state_text(), cli_format("\"boost_id\": \"%s\",\n      \"source",
                                                           ids[i])), "%s came back", ids[i]);
    history = cli_json(cli("boost history --event released --json").out);
    cr_expect_eq(cli_count(history, "events"), pairs, "released twice");
}

Test(store, one_request_id_at_once_is_one_boost)
{
    struct cli_child children[8];
    const char *first = NULL;

    for (int i = 0; i < 8; i++)
        children[i] = cli_start(REQUEST " -q --request-id same --lock-timeout 60s");
    for (int i = 0; i < 8; i++) {
        struct cli_result result = cli_wait(children[i]);

        cli_expect(result, 0);
        first = first ? first : result.out;
        cr_expect_str_eq(result.out, first);
    }
    cr_expect_eq(cli_boosts(), 1);
}

Test(store, a_lock_that_is_held_times_out)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const char *before;
    int fd;

    request();
    before = cli_state_text();
    fd = open(cli_data("resource_boosts.json.lock"), O_RDWR | O_CLOEXEC);
    cr_assert(fd >= 0);
    cr_assert_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
    cli_expect(cli(REQUEST " --lock-timeout 1s"), 10);
    cli_expect(cli("--lock-timeout 1s boost release --all --yes"), 10);
    cli_expect(cli("boost status"), 0);
    cli_expect(cli("boost history"), 0);
    cli_expect(cli(REQUEST " --dry-run"), 0);
    cli_env("GRID_LOCK_TIMEOUT=1s");
    cli_expect(cli(REQUEST), 10);
    cli_state_same(before, "somebody else's lock");
    cli_time("+2h");
    cr_expect_eq(cli_number(cli_json(cli("boost status --json").out), "total_active_boosts"), 0);
    cli_state_same(before, "status beside somebody else's lock");
    close(fd);
    cli_expect(cli("boost status"), 0);
    cr_expect_eq(cli_boosts(), 0, "status does not settle");
}

Test(store, a_symbolic_link_stays_one)
{
    struct stat stat_;
    const char *target = cli_format("%s/shared/ledger.json", cli_home());

    cli_shell("mkdir -p $DATA $HOME/shared\n"
              "ln -s ../shared/ledger.json $DATA/resource_boosts.json");
    for (int i = 0; i < 3; i++)
        request();
    cr_assert_eq(lstat(cli_data("resource_boosts.json"), &stat_), 0);
    cr_expect(S_ISLNK(stat_.st_mode), "the link was replaced");
    cr_assert_eq(lstat(target, &stat_), 0);
    cr_expect(S_ISREG(stat_.st_mode));
    cr_expect_eq(cli_boosts(), 3);
    cr_expect(cli_read(cli_format("%s.lock", target), NULL), "no lock beside the target");
    cr_expect_null(cli_read(cli_data("resource_boosts.json.lock"), NULL), "a lock beside the link");
    cr_expect_eq(cli_number(cli_json(cli("--data-dir %s boost status --json", cli_home()).out),
                            "total_active_boosts"), 0);
    cli_shell("cd $DATA; rm -f resource_boosts.json; ln -s resource_boosts.json "
              "resource_boosts.json");
    cli_expect(cli("boost status"), 9);
    cli_expect(cli(REQUEST), 9);
}

Test(store, what_is_no_file_is_no_damage)
{
    static const char *const things[] = {"mkdir $DATA/resource_boosts.json",
                                         "mkfifo $DATA/resource_boosts.json",
                                         "rm -r $DATA; touch ${DATA%/}"};

    for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
        cli_shell("rm -rf ${DATA%%/}; mkdir $DATA; %s", things[i]);
        cr_expect_eq(cli("boost status").status, 9, "%s: status", things[i]);
        cr_expect_eq(cli(REQUEST).status, 9, "%s: request", things[i]);
    }
    cli_shell("rm -rf ${DATA%%/}; mkdir $DATA; ln -s /dev/full $DATA/resource_boosts.json");
    cli_expect(cli("boost status"), 9);
}

Test(store, a_read_only_directory_can_be_read)
{
    const char *as = "";

    /* The other user could not write the wrap's log. */
    if (cli_too_slow("the read-only directory"))
        return;
    request();
    request();
    if (geteuid() == 0) {
        cli_shell("chmod 755 $HOME; chown -R 65534:65534 $DATA");
        as = "setpriv --reuid 65534 --regid 65534 --clear-groups ";
    }
    cli_shell("chmod -R a-w $DATA");
    cli_time("+2h");
    for (int i = 0; i < 2; i++) {
        struct cli_result result = cli_shell("%s$GRID boost status --json", as);

        cli_expect(result, 0);
        cr_expect_eq(cli_number(cli_json(result.out), "total_active_boosts"), i == 0 ? 0 : 2);
        cli_expect(cli_shell("%s$GRID boost history", as), 0);
        cli_expect(cli_shell("%s$GRID boost request gpu-master cpu 2.0", as), 9);
        cli_expect(cli_shell("%s$GRID boost request gpu-master cpu 2.0 --dry-run", as), 0);
        cli_time(NULL);
    }
    cr_expect_eq(cli_boosts(), 2);
    cli_shell("chmod -R u+w $DATA; printf '{' >$DATA/resource_boosts.json; chmod -R a-w $DATA");
    cli_expect(cli_shell("%s$GRID boost status", as), 0);
    cli_shell("chmod -R u+w $DATA; chmod 0 $DATA/resource_boosts.json");
    cli_expect(cli_shell("%s$GRID boost status", as), 9);
    cli_shell("chmod 700 $HOME; chmod u+rw $DATA/resource_boosts.json");
}

Test(store, a_clock_that_goes_back_is_noticed)
{
    struct cli_result result;
    cJSON *state;

    cli_time("2030-01-01 12:00:00");
    request();
    cli_time("2030-01-01 11:58:00");
    result = cli(REQUEST " -q");
    cli_expect(result, 0);
    cr_expect_str_empty(result.err, "two minutes are no reason to warn: %s", result.err);
    state = cli_state();
    cr_expect(strcmp(cli_text(state, "boosts.1.allocated_at"),
                     cli_text(state, "boosts.0.allocated_at")) >= 0);
    cli_time("2030-01-01 10:00:00");
    result = cli(REQUEST);
    cli_expect(result, 0);
    cli_has(result.err, "clock");
    state = cli_state();
    cr_expect_eq(cli_count(state, "boosts"), 3);
    cr_expect(!strncmp(cli_text(state, "boosts.2.allocated_at"), "2030-01-01T10:00:00", 19));
    cr_expect(cli_number(state, "boosts.2.token") > cli_number(state, "boosts.1.token"));
}

Test(store, an_old_state_put_back_is_accepted_with_a_warning)
{
    struct cli_result result;
    const char *old;
    double revision;

    request();
    old = cli_state_text();
    request();
    request();
    revision = cli_number(cli_state(), "revision");
    cli_write(cli_data("resource_boosts.json"), old, strlen(old));
    result = cli(REQUEST " -o json");
    cli_expect(result, 0);
    cr_expect(result.err_length > 0, "no warning");
    cr_expect_eq(cli_boosts(), 2);
    cr_expect(cli_number(cli_state(), "revision") > revision, "the revision was used before");
    cr_expect(cli_number(cli_json(result.out), "boost.token") > revision, "a token used before");
    cr_expect_str_empty(cli(REQUEST " -q").err);
}

Test(store, a_missing_state_is_damage)
{
    struct cli_result result;

    request();
    request();
    cli_shell("rm $DATA/resource_boosts.json");
    result = cli("boost status --json");
    cli_expect(result, 0);
    cr_expect_eq(cli_number(cli_json(result.out), "total_active_boosts"), 2, "what came back");
    cr_expect(result.err_length > 0, "no warning");
    cli_expect(cli(REQUEST), 0);
    cr_expect_eq(cli_boosts(), 3);
    cli_shell("rm -r $DATA/resource_boosts.json $DATA/generations");
    cli_expect(cli(REQUEST), 8);
    cli_expect(cli("boost status"), 8);
    cr_expect_null(cli_state_text(), "a new ledger was begun");
    cli_expect(cli("store check"), 8);
}

static const char *const rewrite = "python3 - $DATA/resource_boosts.json <<'E'\n"
    "import json, sys\n"
    "doc = json.load(open(sys.argv[1]))\n"
    "nine = ['boost_id', 'source_node', 'target_node', 'resource_type', 'amount',\n"
    "    'allocated_at', 'expires_at', 'ray_placement_group', 'is_active']\n"
    "boosts = [{name: boost[name] for name in nine} for boost in doc['boosts']]\n"
    "boosts.append(dict(boosts[0], boost_id='515744a0-b524-4565-af67-9be9d3367a2c'))\n"
    "doc = {'boosts': boosts, 'timestamp': doc['timestamp']}\n"
    "json.dump(doc, open(sys.argv[1], 'w'), indent=2)\n"
    "E\n";

Test(store, the_original_may_write_in_between)
{
    double revision;
    cJSON *state;
    const char *id;

    request();
    request();
    id = request();
    revision = cli_number(cli_state(), "revision");
    cli_expect(cli_shell("%s", rewrite), 0);
    cr_expect_eq(cli_number(cli_json(cli("boost status --json").out), "total_active_boosts"), 4);
    cli_expect(cli(REQUEST), 0);
    state = cli_state();
    cr_expect_eq(cli_count(state, "boosts"), 5);
    cr_expect(cli_number(state, "revision") > revision);
    cr_expect(cli_number(state, "boosts.4.token") > revision);
    cr_expect(cli_count(cli_json(cli("boost history --json").out), "events") >= 3);
    cli_expect(cli("boost release %s 5157", id), 0);
    cr_expect_eq(cli_boosts(), 3);
}

Test(store, keeps_five_generations_and_reports_on_itself)
{
    struct cli_result result;

    for (int i = 0; i < 8; i++)
        request();
    result = cli_shell("ls $DATA/generations | grep -c '^resource_boosts[.][0-9]*[.]json$'");
    cr_expect_str_eq(result.out, "5\n");
    cli_expect(cli("store check"), 0);
    cli_expect(cli("store info --json"), 0);
    cli_has(cli("store info").out, cli_format("%g", cli_number(cli_state(), "revision")));
    cli_expect(cli("store repair"), 0);
    cr_expect_eq(cli_boosts(), 8);
}

/* Without a generation only repair brings back what is sound, and says what is lost. */
Test(store, repair_salvages_sound_records)
{
    const char *text;

    request();
    request();
    text = cli_state_text();
    cli_shell("rm -rf $DATA/generations $DATA/history*");
    cli_write(cli_data("resource_boosts.json"), text, strlen(text) * 3 / 4);
    cli_expect(cli("boost status"), 8);
    cli_has(cli("boost status").err, "'grid backup restore'");
    cli_expect(cli("store repair"), 8);
    cli_has(cli("store repair").err, "'grid backup restore'");
    cli_expect(cli("store repair --accept-loss"), 0);
    cli_expect(cli("boost status"), 0);
    cr_expect(cli_boosts() >= 1);
    cr_expect_eq(cli_files(".corrupt-"), 1);
    cli_expect(cli(REQUEST), 0);
}

/* Exit status 77 says that nothing can be mounted here. */
static const char *const full_disk =
    "cat >$HOME/inner <<'E'\n"
    "mount -t tmpfs -o size=4m,mode=700 grid $DATA || exit 77\n"
    "cp $1 $DATA/resource_boosts.json || exit 77\n"
    "state=$DATA/resource_boosts.json\n"
    "for i in 1 2 3 4 5 6; do\n"
    "    id=$($GRID boost request gpu-master cpu 1 -q) || { echo request $i; exit 20; }\n"
    "done\n"
    "dd if=/dev/zero of=$DATA/filler bs=4k 2>/dev/null\n"
    "$GRID boost release $id || { echo release: $?; exit 21; }\n"
    "$GRID boost cleanup || { echo cleanup: $?; exit 22; }\n"
    "dd if=/dev/zero of=$DATA/filler2 bs=4k 2>/dev/null\n"
    "for i in 1 2 3 4; do\n"
    "    cp $state $HOME/before\n"
    "    $GRID boost request gpu-master cpu 1 -q >/dev/null\n"
    "    status=$?\n"
    "    [ $status = 0 ] || break\n"
    "    dd if=/dev/zero of=$DATA/filler3$i bs=4k 2>/dev/null\n"
    "done\n"
    "[ $status = 9 ] || { echo request on a full disk: $status; exit 23; }\n"
    "cmp $state $HOME/before || exit 24\n"
    "[ -z \"$(ls -A $DATA | grep -E '^[.]resource|tmp')\" ] || { ls -lA $DATA; exit 25; }\n"
    "[ -n \"$(ls -A $DATA/generations)\" ] || { echo no generation left; exit 26; }\n"
    "$GRID boost status -q >/dev/null || { echo status: $?; exit 27; }\n"
    "rm $DATA/filler*\n"
    "$GRID boost request gpu-master cpu 1 -q >/dev/null || { echo after: $?; exit 28; }\n"
    "E\n"
    "mkdir -p $DATA\n"
    "how=-m; unshare $how true 2>/dev/null || how=-rm\n"
    "unshare $how true || exit 77\n"
    "unshare $how bash $HOME/inner %s\n";

Test(store, a_full_disk_loses_nothing)
{
    const char *sample = cli_source("tests/samples/boosts/28_large_1000.json");
    struct cli_result result;

    if (cli_too_slow("the full disk"))
        return;
    result = cli_shell(full_disk, sample);
    if (result.status == 77)
        fprintf(stderr, "NOT TESTED: a full disk; nothing can be mounted here: %s\n", result.err);
    else
        cli_expect(result, 0);
}

/* LeakSanitizer cannot work under strace. */
#define TRACED "ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 strace -f -o /dev/null "

Test(store, no_hard_links_means_copies)
{
    static const char *const errors[] = {"EPERM", "EOPNOTSUPP", "EMLINK", "ENOSYS"};

    if (cli_too_slow("a file system without hard links"))
        return;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        const char *before;
        struct cli_result result;

        cli_shell("rm -rf $DATA");
        request();
        before = cli_state_text();
        result = cli_shell(TRACED "-e inject=link,linkat:error=%s $GRID " REQUEST, errors[i]);
        cli_expect(result, 0);
        cr_expect_eq(cli_boosts(), 2);
        result = cli_shell("cat $DATA/generations/*.json");
        cr_expect_str_eq(result.out, before, "%s: no copy of the old state", errors[i]);
        cli_shell("printf '{' >$DATA/resource_boosts.json");
        result = cli_shell(TRACED "-e inject=link,linkat:error=%s $GRID " REQUEST, errors[i]);
        cli_expect(result, 0);
        cr_expect_eq(cli_boosts(), 3, "%s: %d boosts after recovery", errors[i], cli_boosts());
        cr_expect_eq(cli_files(".corrupt-"), 1);
    }
}

Test(store, a_directory_that_cannot_be_synced_is_unknown)
{
    struct cli_result result;

    if (cli_too_slow("failing fsyncs"))
        return;
    request();
    result = cli_shell(TRACED "-e inject=fsync:error=EIO:when=2+ $GRID " REQUEST);
    cli_expect(result, 11);
    cr_expect_eq(cli_boosts(), 2, "the rename was made");
    cli_has(result.err, cli_text(cli_state(), "boosts.1.boost_id"));
    result = cli_shell(TRACED "-e inject=fsync:error=EIO:when=1 $GRID " REQUEST);
    cli_expect(result, 9);
    cr_expect_eq(cli_boosts(), 2);
    cr_expect_eq(cli_files("tmp") + cli_files(".resource"), 0);
    cli_expect(cli(REQUEST), 0);
}
