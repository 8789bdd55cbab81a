/* Nodes and the policy, as people use them: what is refused, what is warned of, what is shown. */
#include "support/cli.h"
#include "support/rows.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void begin(void)
{
    cli_begin();
    cli_expect(cli("node add gpu1 cpu=32 gpu=4 memory=256GiB --role worker --tag a100"), 0);
    cli_expect(cli("node add gpu2 memory=62.75 cpu=32"), 0);
}

TestSuite(node, .init = begin, .fini = cli_end);

/* What changes nothing. */
static const struct cli_row refused[] = {
    {"node hold gpu1 --until '2020-01-01 00:00'", 2, "--until '2020-01-01 00:00' is over already",
     "'grid node resume gpu1' ends a hold"},
    {"node hold gpu1 --until now", 2, "--until 'now' is over already", "resume"},
    {"node set gpu1 cpu=1 CPU=2", 2, "resource 'CPU' comes twice", NULL},
    {"node add gpu3 cpu=1 cpu=1", 2, "resource 'CPU' comes twice", NULL},
    {"node set gpu1 cpu=1 cpu=none", 2, "resource 'CPU' comes twice", NULL},
    {"node limit gpu1 --keep cpu=1 --keep cpu=2", 2, "--keep: resource 'CPU' comes twice", NULL},
    {"policy set quota.cpu=1 quota.CPU=2", 2, "resource 'CPU' comes twice", NULL},
    {"policy set max_duration=3h max_duration=4h", 2, "key 'max_duration' comes twice", NULL},
    {"node set gpu1 cpu=-1", 2, "amount '-1' is negative", NULL},
    {"node limit gpu1 --lend memory=-1GiB", 2, "amount '-1GiB' is negative", NULL},
    {"policy set quota.cpu=-1", 2, "amount '-1' is negative", NULL},
    {"node set gpu1 cpu 3", 2, "'cpu' is not RESOURCE=AMOUNT", "write cpu=3"},
    {"node set gpu1 --address my host", 2, "'host' is not RESOURCE=AMOUNT", "in quotes"},
    {"policy set max_duration 8h", 2, "it is not KEY=VALUE", "as in max_duration=8h"},
    {"policy set default_duration=90m max_duration=1h", 2,
     "default_duration (1h30m) is longer than max_duration (1h)", "change one of them"},
    {"node set gpu1 --role mater", 2, "unknown role 'mater'", "'master'"},
    {"node remove gpu1", 6, "node 'gpu1' is involved in 1 boost",
     "'grid boost status --all --source gpu1' (or --node) lists them; --force ends them"},
    {"node list --columns ''", 2, "--columns is empty", NULL},
    {"node list --columns ' '", 2, "--columns is empty", NULL},
    {"node list --columns node,,free", 2, "unknown column ''", NULL},
    {"node heartbeat gpu1 --columns node", 2, "'grid node heartbeat' has none", NULL},
    {"node heartbeat gpu3", 3, "no node 'gpu3'", NULL},
    {"node heartbeat", 3, "no node", "'grid node discover' registers this machine"},
};

Test(node, what_is_refused_says_what_to_do)
{
    cli_expect(cli("node hold gpu2 --reason 'fan is loud'"), 0);
    cli_expect(cli("boost request gpu2 cpu 4 --source gpu1"), 0);
    cli_rows(refused, sizeof(refused) / sizeof(refused[0]), cli_state_text());
}

/* What is done, and what is said about it. */
static const struct {
    const char *words, *prints, *lacks; /* on stdout; */
    const char *notes;                  /* and all that is on stderr */
} done[] = {
    {"node resume gpu1", "gpu1", "Hold", "grid: note: node 'gpu1' was not on hold\n"},
    {"node hold gpu1 --reason 'fan is loud'", "until resumed (fan is loud)", "held", ""},
    {"node list", "until resumed fan is loud", "CAPACITY", ""},
    {"node list -o csv", ",held,", "fan is loud", ""},
    {"node show gpu1", "until resumed (fan is loud)", "held", ""},
    {"node resume gpu1", "gpu1", "Hold", ""},
    {"node set gpu2 --owner bob --address h --label a=b --stale-after 10m --role master --tag t",
     "bob", "Free:", ""},
    {"node show gpu2", "Address:       h\n", "", ""},
    {"node show gpu2 --columns 'owner , node'", "Owner:         bob\nNode:          gpu2\n", "Role",
     ""},
    {"node set gpu2 --owner '' --address '' --role '' --tag '' --label a= --stale-after never",
     "gpu2", "bob", ""},
    {"node show gpu2", "gpu2", "Role", ""},
    {"node list --columns ' node, Hold' --no-headings", "gpu1", "NODE", ""},
    {"node add mm mem=1 gpus=1 gp=1 tpu=3 memroy=2", "TPU 3.0", "",
     "grid: warning: 'mem' is a resource of its own: did you mean 'memory'?\n"
     "grid: warning: 'gpus' is a resource of its own: did you mean 'gpu'?\n"
     "grid: warning: 'gp' is a resource of its own: did you mean 'gpu'?\n"
     "grid: warning: 'memroy' is a resource of its own: did you mean 'memory'?\n"},
    {"node set mm mem=none cores=none", "TPU", "MEM ", ""},
    {"node limit mm --keep ram=1", "RAM", "",
     "grid: warning: 'ram' is a resource of its own: did you mean 'memory'?\n"},
    {"node remove mm", "node 'mm' was removed", "", ""},
    {"node set gpu1 zpu=1 accel=2", "CPU 32.0, GPU 4.0, MEMORY 256.0 GiB, ACCEL 2.0, ZPU 1.0", "",
     ""},
    {"node limit gpu1 --keep memory=25.6GB --lend cpu=0", "MEMORY 23.8 GiB", "", ""},
    {"node list", "232.2/232.2 GiB ACCEL 2/2, ZPU 1/1", "", ""},
    {"policy set quota.memory=16GB", "quota.memory=16GB\n", "", ""},
    {"policy set quota.memory=16000000.001kB quota.cores=1", "quota.memory=16000.000001MB\n", "",
     "grid: warning: 'cores' is a resource of its own: did you mean 'cpu'?\n"},
    {"policy unset quota.memory quota.cores", "preempt_grace=30s\n", "quota", ""},
    {"policy show -o csv", "KEY,VALUE\nenabled,true\n", "", ""},
    {"policy show -o jsonl", "{\"enabled\":true,\"default_duration\":3600.0,", "schema", ""},
    {"policy show -o json", "{\n  \"schema\": 1,\n  \"policy\": {\n    \"enabled\": true", "", ""},
    {"policy show --columns value", "VALUE\ntrue\n", "enabled", ""},
};

Test(node, what_is_done_is_shown)
{
    for (size_t i = 0; i < sizeof(done) / sizeof(done[0]); i++) {
        struct cli_result result = cli("%s", done[i].words);

        cli_expect(result, 0);
        cli_has(result.out, done[i].prints);
        if (*done[i].lacks)
            cli_lacks(result.out, done[i].lacks);
        cr_expect_str_eq(result.err, done[i].notes, "%s: %s", done[i].words, result.err);
    }
    cr_expect_str_empty(cli("policy show -q").out);
    cr_expect_str_empty(cli("store info -q").out);
    cr_expect_str_empty(cli("store check -o id").out);
}

/* What `policy show` prints, `policy set` takes, and it changes nothing. */
Test(node, a_policy_that_is_shown_can_be_set)
{
    struct cli_result shown;
    const char *before, *words = "policy set";

    cli_expect(cli("policy set quota.memory=0.001kB quota.fpga=0.000001 quota.cpu=0 "
                   "max_duration=1w protected_time=0"), 0);
    shown = cli("policy show");
    before = cli_state_text();
    for (char *line = strtok((char *)cli_format("%s", shown.out), "\n"); line;
         line = strtok(NULL, "\n"))
        words = cli_format("%s %s", words, line);
    cr_expect_str_eq(cli("%s", words).out, shown.out);
    cli_state_same(before, words);
}

/* In a terminal of `columns`: without colours and carriage returns. */
static struct cli_result in_terminal(int columns)
{
    return cli_shell("script -qc \"stty cols %d; $GRID node list --color never\" /dev/null "
                     "| tr -d '\\r'", columns);
}

static size_t longest_line(const char *text)
{
    size_t longest = 0;

    for (; *text; text += text[strcspn(text, "\n")] == '\n') {
        size_t length = strcspn(text, "\n");

        longest = length > longest ? length : longest;
        text += length;
    }
    return longest;
}

Test(node, a_list_fits_a_terminal_and_keeps_what_matters)
{
    const char *shown;

    cli_expect(cli("node add gpu-master cpu=16 memory=64 --role master"), 0);
    cli_expect(cli("boost request gpu2 cpu 4 memory 16 --source gpu1"), 0);
    shown = in_terminal(80).out;
    cr_expect(longest_line(shown) <= 80, "%s", shown);
    cli_has(shown, "gpu1       worker 28/32 4/4   240/256 GiB");
    cli_has(shown, "62.8/62.8 GiB");
    cli_has(shown, "HOLD LAST_SEEN");
    cli_expect(cli("node hold gpu1 --reason 'a reason that would not fit into eighty columns'"), 0);
    cli_expect(cli("node hold gpu2 --until +2h"), 0);
    shown = in_terminal(80).out;
    cr_expect(longest_line(shown) <= 80, "%s", shown);
    cli_has(shown, "until resumed");
    cli_has(shown, "LAST_SEEN");
    shown = in_terminal(66).out;
    cr_expect(longest_line(shown) <= 66, "%s", shown);
    cli_has(shown, "until resumed");
    cli_lacks(shown, "LAST_SEEN");
}

Test(node, a_cluster_file_is_taken_with_one_note)
{
    const char *path = cli_source("tests/samples/config/cluster_enhanced.yaml");
    struct cli_result result = cli("node import %s --dry-run", path);

    cli_expect(result, 0);
    cli_has(result.err, "what these keys say is not used: 'default_gpus_per_node', ");
    cli_lacks(result.err, "warning");
    cr_expect_eq(strchr(result.err, '\n') - result.err,
                 strstr(result.err, "\ngrid: note: dry run") - result.err, "%s", result.err);
    path = "nodes:\n- {name: a, host: h, user: u, gpu_count: 0, memory_gb: 8, cpu_cuont: 99}\n";
    cli_write(cli_data("c.yaml"), path, strlen(path));
    result = cli("node import %s --dry-run", cli_data("c.yaml"));
    cli_expect(result, 0);
    cli_has(result.err, "grid: warning: ");
    cli_has(result.err, ":2:59: 'cpu_cuont' is not used: did you mean 'cpu_count'?");
    cli_has(cli("node import %s --dry-run -o json", cli_data("c.yaml")).err,
            "\"level\":\"warning\"");
}

/* A damaged ledger is told of, also by what looks at its own words first. */
Test(node, a_change_does_not_hide_what_the_store_says)
{
    cli_expect(cli("node set gpu1 cpu=31"), 0);
    cli_shell("printf '{' >$DATA/resource_boosts.json");
    cli_has(cli("node set gpu1 cpu=30").err, "warning");
}

/* How many devices it has is not known then, and that is no reason to fail for everybody. */
Test(node, an_unsound_record_does_not_stop_a_reservation_of_its_devices)
{
    const char *id;
    cJSON *boost;

    id = cli_request("gpu2 gpu 2 --start +1h");
    cli_expect(cli_shell("rm -r $DATA/generations; sed -i 's/\"GPU\": 4.0/\"GPU\": \"many\"/' "
                         "$DATA/resource_boosts.json"), 0);
    cli_time("+61m");
    cli_expect(cli("boost cleanup"), 0);
    cli_expect(cli("node set gpu2 cpu=16"), 0);
    boost = cli_json(cli("boost show %s --json", id).out);
    cr_expect_str_eq(cli_text(boost, "boost.state"), "active");
    cli_expect(cli("boost release %s", id), 0);
}
