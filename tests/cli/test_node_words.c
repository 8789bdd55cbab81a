/* What node add, set, limit and discover take, and what they refuse without a change. */
#include "support/cli.h"
#include "support/rows.h"

#include <criterion/criterion.h>
#include <string.h>

static void begin(void)
{
    cli_begin();
    cli_expect(cli("node add gpu1 cpu=8 --label a=1 --label b=2 --tag x"), 0);
}

TestSuite(node_words, .init = begin, .fini = cli_end);

#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define TAGS " --tag 1 --tag 2 --tag 3 --tag 4 --tag 5 --tag 6 --tag 7 --tag 8 --tag 9"
#define LABELS                                                                                \
    " --label 1=a --label 2=a --label 3=a --label 4=a --label 5=a --label 6=a --label 7=a " \
    "--label 8=a --label 9=a"

static const struct cli_row wrong[] = {
    {"node set gpu1 --tag " LONG, 2, "tag", NULL},
    {"node set gpu1 --tag \xff", 2, "not UTF-8", NULL},
    {"node set gpu1" TAGS, 2, "more than 8 tags", NULL},
    {"node set gpu1" LABELS, 2, "more than 8 labels", NULL},
    {"node set gpu1 --label nothing", 2, "is not KEY=VALUE", NULL},
    {"node set gpu1 --label =x", 2, "is not KEY=VALUE", NULL},
    {"node set gpu1 --label " LONG "=x", 2, "label", NULL},
    {"node set gpu1 --label x=" LONG, 2, "the value of a label", NULL},
    {"node set gpu1 --role boss", 2, "role", NULL},
    {"node set gpu1 --stale-after soon", 2, "soon", NULL},
    {"node set gpu1 --address \xff", 2, "not UTF-8", NULL},
    {"node set gpu1 --owner \xff", 2, "not UTF-8", NULL},
    {"node set gpu1 cpu", 2, "cpu", NULL},
    {"node set gpu1 cpu=", 2, "amount '' is not a number", NULL},
    {"node set gpu1 =4", 2, "resource '' is not a name", NULL},
    {"node set gpu1 c/u=4", 2, "c/u", NULL},
    {"node limit gpu1", 2, "--keep, --lend or --borrow is missing", NULL},
    {"node limit gpu1 --keep cpu", 2, "cpu", NULL},
    {"node limit gpu1 --lend cpu=some", 2, "some", NULL},
    {"node limit gpu1 --borrow cpu=-1", 2, "-1", NULL},
    {"node hold gpu1 --until yesterday", 2, "yesterday", NULL},
    {"node discover --as a/b", 2, "a/b", NULL},
    {"node import nosuch.yaml --dry", 2, "--dry", NULL},
};

Test(node_words, refuse_and_change_nothing)
{
    cli_rows(wrong, sizeof(wrong) / sizeof(wrong[0]), cli_state_text());
    cli_expect(cli("node set nosuch cpu=1"), 3);
    cli_expect(cli("node limit nosuch --keep cpu=1"), 3);
    cli_expect(cli("node import /nosuch.yaml"), 9);
}

Test(node_words, change_what_they_name_and_nothing_else)
{
    cJSON *node;

    cli_expect(cli("node set gpu1 --label b=3 --label c=4 --tag y --tag x --tag y"), 0);
    cli_expect(cli("node set gpu1 --address '' --owner ann"), 0);
    node = cli_json(cli("node show gpu1 -o json").out);
    cr_expect_str_eq(cli_text(node, "node.labels.a"), "1");
    cr_expect_str_eq(cli_text(node, "node.labels.b"), "3");
    cr_expect_str_eq(cli_text(node, "node.labels.c"), "4");
    cr_expect_str_eq(cli_text(node, "node.owner"), "ann");
    cli_expect(cli("node limit gpu1 --keep cpu=1 --lend cpu=2 --borrow gpu=0"), 0);
    cli_expect(cli("node limit gpu1 --lend cpu=none"), 0);
    node = cli_json(cli("node show gpu1 -o json").out);
    cr_expect_eq(cli_number(node, "node.keep.CPU"), 1);
    cr_expect_null(cli_get(node, "node.lend.CPU"));
}

static void fake_smi(const char *script)
{
    cli_shell("mkdir -p $HOME/bin; printf '#!/bin/sh\\n%%s\\n' '%s' >$HOME/bin/nvidia-smi; "
              "chmod +x $HOME/bin/nvidia-smi", script);
    cli_env(cli_format("PATH=%s/bin:/usr/bin:/bin", cli_home()));
}

Test(node_words, discover_what_there_is)
{
    struct cli_result result;

    fake_smi("echo \"12, 16384, 100\"; echo \"3, 16384, 5\"");
    result = cli("node discover --as here");
    cli_expect(result, 0);
    cr_expect_eq(cli_number(cli_json(cli("node show here -o json").out), "node.capacity.GPU"), 2);
    cr_expect_gt(cli_number(cli_json(cli("node show here -o json").out), "node.capacity.CPU"), 0);
    fake_smi("echo nothing fits >&2; exit 9");
    result = cli("node discover --as here");
    cli_expect(result, 0);
    cli_has(result.err, "GPU");
}

Test(node_words, a_cluster_file_may_disable_sharing)
{
    static const char text[] = "nodes:\n  - {name: a, host: a, user: u, gpu_count: 1, "
                               "memory_gb: 4}\nresource_sharing: {enabled: false}\n";
    const char *path = cli_format("%s/cluster.yaml", cli_home());

    cli_write(path, text, strlen(text));
    cli_has(cli("node import %s", path).err, "sharing");
    cli_expect(cli("boost request a cpu 1 --source gpu1"), 5);
    cli_expect(cli("node import %s -o json", path), 0);
}
