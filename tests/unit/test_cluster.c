/* The cluster file: the samples, what each key means, what is refused and where, what is noted. */
#include "host/cluster.h"

#include "util/clock.h"
#include "util/file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* A file of its own for each test; its path and the text, which may be sparse (`size` > 0). */
static char path[64];

static void begin(void)
{
    snprintf(path, sizeof(path), "/tmp/grid-cluster-XXXXXX");
    grid_auto_close int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
}

static void end(void) { unlink(path); }

static void put(const char *text, size_t length, off_t size)
{
    grid_auto_close int fd = open(path, O_WRONLY | O_TRUNC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(file_write_all(fd, text, length), 0);
    if (size > 0)
        cr_assert_eq(ftruncate(fd, size), 0);
}

static void show_amounts(struct buffer *to, const char *what, const struct grid_amounts *amounts)
{
    buffer_format(to, " %s", what);
    for (size_t i = 0; i < amounts->count; i++)
        buffer_format(to, " %s=%jd", amounts->at[i].resource, (intmax_t)amounts->at[i].amount_u);
}

/* "a@h worker lends user=u #gpu has CPU=... keep ... lend ...; enabled". */
static void show(struct buffer *to, const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++) {
        const struct grid_node *node = &cluster->nodes[i];
        buffer_format(to, "%s@%s %s%s", node->node_id, node->address, grid_role_name(node->role),
                      node->can_share ? "" : " alone");
        for (size_t j = 0; j < node->label_count; j++)
            buffer_format(to, " %s=%s", node->labels[j].key, node->labels[j].value);
        for (size_t j = 0; j < node->tag_count; j++)
            buffer_format(to, " #%s", node->tags[j]);
        show_amounts(to, "has", &node->capacity);
        show_amounts(to, "keep", &node->keep);
        show_amounts(to, "lend", &node->lend);
        buffer_text(to, ";");
    }
    if (cluster->says_enabled)
        buffer_text(to, cluster->enabled ? " enabled" : " disabled");
}

/* Notes without the file's name, one a line. */
static void take_note(void *context, bool warning, const char *text)
{
    cr_expect(text_begins(text, path), "%s", text);
    buffer_format(context, "%s%s\n", warning ? "warning: " : "", text + strlen(path) + 1);
}

/* Reads `path`: what it holds, or the message without the file's name; and the notes. */
static int look(struct buffer *seen, struct buffer *notes, struct grid_error *err)
{
    grid_auto_cluster struct cluster cluster = {0};
    *err = (struct grid_error){0};
    int rc = cluster_read(path, &cluster, take_note, notes, err);
    if (rc == 0) {
        show(seen, &cluster);
        return 0;
    }
    cr_expect(!cluster.nodes && cluster.count == 0, "something came of '%s'", err->message);
    bool placed = text_begins(err->message, path);
    buffer_text(seen, placed ? err->message + strlen(path) + 1 : err->message);
    return rc;
}

static void expect(const char *what, int wanted_rc, const char *wanted, const char *wanted_notes)
{
    grid_auto_buffer struct buffer seen = BUFFER_INIT, notes = BUFFER_INIT;
    struct grid_error err;
    int rc = look(&seen, &notes, &err);
    cr_expect_eq(rc, wanted_rc, "%s: %d, %s", what, rc, err.message);
    cr_expect_str_eq(buffer_string(&seen), wanted, "%s:\n %s\nnot\n %s", what, seen.data, wanted);
    if (wanted_notes)
        cr_expect_str_eq(buffer_string(&notes), wanted_notes, "%s: notes\n%s", what, notes.data);
}

/* --- the samples ----------------------------------------------------------------------------- */

#define GIB8 "MEMORY=8589934592"
#define UNUSED " what these keys say is not used: "
static const struct {
    const char *file;
    int rc;
    const char *expected, *notes; /* NULL: whatever */
} samples[] = {
    {"bad_duplicate_node_names", GRID_EUSAGE, "4:10: 'a' comes twice", NULL},
    {"bad_empty", GRID_EUSAGE, "1:1: 'nodes' is missing", ""},
    {"bad_missing_host", GRID_EUSAGE, "3:3: 'host' is missing", NULL},
    {"bad_missing_nodes", GRID_EUSAGE, "2:1: 'nodes' has no elements", NULL},
    {"bad_negative_gpu", GRID_EUSAGE, "3:42: gpu_count '-1' is negative", NULL},
    {"bad_policy", GRID_EUSAGE, "4:28: unknown policy 'turbo'", NULL},
    {"bad_role", GRID_EUSAGE, "3:65: unknown role 'king'", NULL},
    {"bad_zero_memory", GRID_EUSAGE, "3:56: memory_gb '0' is less than 1", NULL},
    {"cluster_minimal", 0, "a@h  user=u has CPU=4000000 GPU=0 MEMORY=1073741824 keep lend;",
     UNUSED "'name'\n"},
    {"cluster_init_default", 0,
     "node-01@192.0.2.100  user=username #gpu #cuda has CPU=4000000 GPU=4000000 MEMORY=68719476736 "
     "keep lend;", NULL},
    {"cluster_guide_keys", 0,
     "gpu-master@gpu-master master user=u has CPU=4000000 GPU=1000000 MEMORY=34359738368 "
     "keep CPU=800000 MEMORY=6871947673 lend;"
     "gpu1@gpu1  user=u has CPU=4000000 GPU=1000000 MEMORY=17179869184 "
     "keep CPU=800000 MEMORY=3435973836 lend; enabled",
     UNUSED "'name', 'rebalance_interval', 'pressure_thresholds'\n"},
    {"cluster_sharing_disabled", 0,
     "m@m master user=u has CPU=4000000 GPU=0 " GIB8 " keep lend;"
     "w@w  user=u has CPU=4000000 GPU=1000000 " GIB8 " keep lend; disabled", NULL},
    {"cluster_enhanced", 0,
     "gpu-master@gpu-master master alone user=alice #gpu #cuda #master "
     "has CPU=8000000 GPU=1000000 MEMORY=34359738368 keep CPU=1600000 MEMORY=6871947673 "
     "lend CPU=4000000 GPU=0 MEMORY=0;"
     "gpu1@gpu1 worker user=bob #gpu #worker "
     "has CPU=6000000 GPU=1000000 MEMORY=17179869184 keep CPU=1200000 MEMORY=3435973836 "
     "lend CPU=8000000 GPU=1000000 " GIB8 ";"
     "gpu2@gpu2 worker user=alice #gpu #cuda #worker "
     "has CPU=8000000 GPU=1000000 MEMORY=34359738368 keep CPU=1600000 MEMORY=6871947673 "
     "lend CPU=12000000 GPU=1000000 MEMORY=17179869184; enabled",
     UNUSED "'default_gpus_per_node', 'default_nodes', 'retry_attempts', 'timeout_seconds', "
     "'working_directory', 'runtime_env', 'mode', 'rebalance_interval_seconds', "
     "'allocation_timeout_minutes', 'monitoring_interval_seconds', 'cpu_pressure_high', "
     "'cpu_pressure_low', 'memory_pressure_high', 'memory_pressure_low', 'gpu_pressure_high', "
     "'gpu_pressure_low', 'priorities', 'logging', 'name', 'priority', 'ray_start_params', "
     "'initialization_commands'\n"},
};

Test(cluster, reads_and_refuses_the_samples)
{
    for (size_t i = 0; i < countof(samples); i++) {
        snprintf(path, sizeof(path), "tests/samples/config/%s.yaml", samples[i].file);
        expect(samples[i].file, samples[i].rc, samples[i].expected, samples[i].notes);
    }
}

/* --- keys and values -------------------------------------------------------------------------- */

#define N "nodes:\n- {name: a, host: h, user: u, gpu_count: 0, memory_gb: 8" /* one node, open */
#define HAS "a@h  user=u has CPU=4000000 GPU=0 " GIB8
static const struct {
    const char *text, *expected; /* of a good file, what it holds; else the message */
} cases[] = {
    {N "}\n", HAS " keep lend;"},
    {N "}\nresource_sharing: {policy: conservative}\n",
     HAS " keep CPU=1600000 MEMORY=3435973836 lend;"},
    {N "}\nresource_sharing: {policy: Predictive}\n",
     HAS " keep CPU=800000 MEMORY=1717986918 lend;"},
    {N "}\nresource_sharing: {policy: aggressive}\n", HAS " keep lend;"},
    {N "}\nresource_sharing: {policy: balanced, excess_threshold: 0}\n", HAS " keep lend;"},
    {N "}\nresource_sharing: {excess_threshold: 1.0, policy: balanced}\n",
     HAS " keep CPU=4000000 MEMORY=8589934592 lend;"},
    {N ", cpu_count: 1}\nresource_sharing: {thresholds: {excess_threshold: 0.333333}}\n",
     "a@h  user=u has CPU=1000000 GPU=0 " GIB8 " keep CPU=333333 MEMORY=2863308667 lend;"},
    {"execution: {resource_sharing: {policy: balanced}}\n" N "}\n"
     "resource_sharing: {policy: aggressive, enabled: no}\n",
     HAS " keep CPU=800000 MEMORY=1717986918 lend; disabled"},
    {N "}\nresource_sharing: {enabled: On}\n", HAS " keep lend; enabled"},
    {N "}\nresource_sharing: {enabled: ~}\nexecution:\n", HAS " keep lend;"},
    {N ", port: 22}\n", HAS " keep lend;"},
    {N ", port: 65535, tags: [], role: Worker}\n",
     "a@h worker user=u port=65535 has CPU=4000000 GPU=0 " GIB8 " keep lend;"},
    {N ", resource_sharing: {max_share_gpu: 0.5, max_share_memory_gb: 512MiB}}\n",
     HAS " keep lend GPU=500000 MEMORY=536870912;"},
    {N ", resource_sharing: {max_share_cpu: 0.0, can_share: 'false'}}\n",
     "a@h  alone user=u has CPU=4000000 GPU=0 " GIB8 " keep lend CPU=0;"},
    {"nodes:\n- &n {name: 1, host: h, user: u, gpu_count: '2', memory_gb: 16GiB, cpu_count: 0}\n",
     "1@h  user=u has CPU=0 GPU=2000000 MEMORY=17179869184 keep lend;"},
    {"\xef\xbb\xbf" N "}\n", HAS " keep lend;"},
    {N "}\nnodes[0].name: b\nresource_sharing.enabled: no\n'': {nodes: 3}\n", HAS " keep lend;"},
    /* refused */
    {"nodes:\n- {host: h, user: u, gpu_count: 0, memory_gb: 8}\n", "2:3: 'name' is missing"},
    {"nodes:\n- {name: a, host: h, gpu_count: 0, memory_gb: 8}\n", "2:3: 'user' is missing"},
    {"nodes:\n- {name: a, host: h, user: u, memory_gb: 8}\n", "2:3: 'gpu_count' is missing"},
    {"nodes:\n- name: a\n  host: h\n  user: u\n  gpu_count: 1\n  memory_gb:\n",
     "2:3: 'memory_gb' is missing"},
    {N "}\n-\n", "3:2: 'name' is missing"},
    {N "}\n- x\n", "3:3: 'nodes' has an element of a wrong kind"},
    {N "}\n- [x]\n", "3:3: 'nodes' has an element of a wrong kind"},
    {"nodes: {a: {host: h}}\n", "1:1: 'nodes' is not a list"},
    {"nodes: 3\n", "1:1: 'nodes' is not a list"},
    {"nodes:\n", "1:1: 'nodes' has no elements"},
    {"x: 1\n", "1:1: 'nodes' is missing"},
    {N "}\nresource_sharing: on\n", "3:1: 'resource_sharing' is not a mapping"},
    {N "}\nresource_sharing: [1]\n", "3:1: 'resource_sharing' is not a mapping"},
    {N ", port: [1]}\n", "2:59: 'port' is not one value"},
    {N ", port: {}}\n", "2:59: 'port' is not one value"},
    {N ", tags: x}\n", "2:59: 'tags' is not a list"},
    {N ", tags: [[x]]}\n", "2:66: 'tags' has an element of a wrong kind"},
    {N ", tags: [\"a\\nb\"]}\n",
     "2:66: tags 'a\\nb' is empty, too long, or holds control characters"},
    {N ", tags: [1, 2, 3, 4, 5, 6, 7, 8, 9]}\n", "2:90: more than 8 tags"},
    {N ", port: 0}\n", "2:65: port '0' is less than 1"},
    {N ", port: 65536}\n", "2:65: port '65536' is more than 65535"},
    {N ", port: 22.0}\n", "2:65: port '22.0' is not a whole number"},
    {N ", cpu_count: -4}\n", "2:70: cpu_count '-4' is negative"},
    {N ", cpu_count: 1.5}\n", "2:70: cpu_count '1.5' is not a whole number"},
    {N ", cpu_count: 0x10}\n",
     "2:70: cpu_count: amount '0x10' is not a number"},
    {N ", cpu_count: 1000000001}\n",
     "2:70: cpu_count: amount '1000000001' is over the limit of 1000000000"},
    {"nodes:\n- {memory_gb: 0.5}\n", "2:15: memory_gb '0.5' is less than 1"},
    {"nodes:\n- {name: a/b}\n", "2:10: node name 'a/b' holds '/', ',' or '='"},
    {"nodes:\n- {name: any}\n",
     "2:10: node name 'any' stands for whichever node lends, no node can have it"},
    {"nodes:\n- {host: ''}\n",
     "2:10: host '' is empty, too long, or holds control characters"},
    {N ", resource_sharing: {can_share: maybe}}\n",
     "2:89: can_share 'maybe' is neither true nor false"},
    {N "}\nresource_sharing: {excess_threshold: 1.5}\n",
     "3:38: excess_threshold '1.5' is more than 1"},
    {N "}\nresource_sharing: {excess_threshold: -0.1}\n",
     "3:38: excess_threshold '-0.1' is negative"},
    {"nodes:\n- {name: a, host: h, user: u, gpu_count: 0, memory_gb: 8, role: master}\n"
     "- {name: b, host: h, user: u, gpu_count: 0, memory_gb: 8, role: master}\n",
     "3:65: 'b' is a second master"},
    {N ", name: b}\n", "2:59: 'name' comes twice"},
    {"nodes:\n\t- x\n", "2:1: found character that cannot start any token"},
    {N "}\n---\nnodes: []\n", "3:1: a second document"},
    {"nodes: *a\n", "1:8: found undefined alias"},
    {"a: [1\n", "2:1: did not find expected ',' or ']'"},
};

Test(cluster, says_what_it_holds_or_what_is_wrong, .init = begin, .fini = end)
{
    for (size_t i = 0; i < countof(cases); i++) {
        put(cases[i].text, strlen(cases[i].text), 0);
        bool bad = text_is_digit(cases[i].expected[0]) && !strstr(cases[i].expected, " has CPU=");
        expect(cases[i].text, bad ? GRID_EUSAGE : 0, cases[i].expected, NULL);
    }
}

static const struct {
    const char *text, *notes;
} unused[] = {
    {N "}\n", ""},
    {N ", gpus: 3, <<: {role: master}}\nx: {y: {z: [1, 2]}, w: 1}\n'a.b': ~\n",
     "warning: 2:59: 'gpus' is not used\nwarning: 2:68: '<<' is not used\n"
     "warning: 3:1: 'x' is not used\nwarning: 4:1: 'a.b' is not used\n"},
    {N "}\nnodes[0].name: b\n", "warning: 3:1: 'nodes[0].name' is not used\n"},
    {N ", cpu_cuont: 99}\nlogging: {a: 1, b: 2}\nexecution: {logging: 1}\n",
     "warning: 2:59: 'cpu_cuont' is not used: did you mean 'cpu_count'?\n" UNUSED "'logging'\n"},
    {N "}\nresource_shraing: {enabled: no}\ncpu_count: 3\n",
     "warning: 3:1: 'resource_shraing' is not used: did you mean 'resource_sharing'?\n"
     "warning: 4:1: 'cpu_count' is not used here\n"},
    {"execution: {resource_sharing: {policy: balanced}}\n" N "}\n"
     "resource_sharing: {policy: aggressive, enabled: no}\n",
     "4:28: 'policy' is not used, execution.resource_sharing wins\n"},
};

Test(cluster, names_each_key_that_is_not_used, .init = begin, .fini = end)
{
    for (size_t i = 0; i < countof(unused); i++) {
        grid_auto_buffer struct buffer seen = BUFFER_INIT, notes = BUFFER_INIT;
        struct grid_error err;
        put(unused[i].text, strlen(unused[i].text), 0);
        cr_expect_eq(look(&seen, &notes, &err), 0, "%s: %s", unused[i].text, err.message);
        cr_expect_str_eq(buffer_string(&notes), unused[i].notes, "%s", notes.data);
        struct cluster cluster = {0};
        cr_expect_eq(cluster_read(path, &cluster, NULL, NULL, &err), 0); /* nobody listens */
        cluster_release(&cluster);
        cluster_release(&cluster);
    }
}

Test(cluster, advises_the_nearest_word, .init = begin, .fini = end)
{
    grid_auto_buffer struct buffer seen = BUFFER_INIT, notes = BUFFER_INIT;
    struct grid_error err;
    put("resource_sharing: {policy: balansed}\n", 37, 0);
    cr_expect_eq(look(&seen, &notes, &err), GRID_EUSAGE);
    cr_expect_str_eq(err.hint, "did you mean 'balanced'?");
    put("nodes: [{role: mater}]\n", 23, 0);
    cr_expect_eq(look(&seen, &notes, &err), GRID_EUSAGE);
    cr_expect_str_eq(err.hint, "did you mean 'master'?");
}

/* --- what is refused quickly ----------------------------------------------------------------- */

#define LARGE ((size_t)4 << 20)
static const struct {
    const char *begin, *repeat; /* the second one up to 4 MiB; "%d" becomes a number */
    const char *expected;       /* the end of the message */
} floods[] = {
    {"a: ", "[", "too deep, or too large"},
    {"a: ", "{x: ", "too deep, or too large"},
    {"", "- ", "too deep, or too large"},
    {"a:\n", "- &a%d x\n", "too deep, or too large"},
    {"", "%%TAG !a%d! b\n", "too deep, or too large"},
    {"", "k%d: 1\n", "too deep, or too large"},
    {"nodes:\n", "- {host: h}\n", "too deep, or too large"},
    {"a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
     "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
     "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n", "",
     "too deep, or too large"},
    {"", "                              \n", "'nodes' is missing"},
};

Test(cluster, refuses_floods_quickly, .init = begin, .fini = end)
{
    for (size_t i = 0; i < countof(floods); i++) {
        grid_auto_buffer struct buffer text = BUFFER_INIT, seen = BUFFER_INIT, notes = BUFFER_INIT;
        struct grid_error err;
        buffer_text(&text, floods[i].begin);
        for (int number = 0; *floods[i].repeat && text.length < LARGE - 64; number++) {
            char piece[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(piece, sizeof(piece), floods[i].repeat, number);
#pragma GCC diagnostic pop
            buffer_text(&text, piece);
        }
        put(text.data, text.length, 0);
        int64_t start_us = clock_monotonic_us();
        cr_expect_eq(look(&seen, &notes, &err), GRID_EUSAGE, "%zu", i);
        int64_t took_us = clock_monotonic_us() - start_us;
        cr_expect(strstr(err.message, floods[i].expected), "%zu: %s", i, err.message);
        cr_expect_lt(took_us, 2000000, "%zu: %jd us", i, (intmax_t)took_us);
    }
}

Test(cluster, many_keys_of_one_mapping_are_too_many, .init = begin, .fini = end)
{
    for (int most = 1000; most <= 1001; most++) {
        grid_auto_buffer struct buffer text = BUFFER_INIT, seen = BUFFER_INIT, notes = BUFFER_INIT;
        struct grid_error err;
        for (int i = 0; i < most - 1; i++)
            buffer_format(&text, "k%d: 1\n", i);
        buffer_text(&text, N "}\n");
        put(text.data, text.length, 0);
        cr_expect_eq(look(&seen, &notes, &err), most > 1000 ? GRID_EUSAGE : 0, "%d", most);
    }
}

/* libyaml compares each anchor with those before it. */
Test(cluster, many_anchors_are_too_many, .init = begin, .fini = end)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT, seen = BUFFER_INIT, notes = BUFFER_INIT;
    struct grid_error err;
    buffer_text(&text, N "}\nx:\n");
    for (int i = 0; i < 2000; i++)
        buffer_format(&text, "- &a%d x\n", i);
    put(text.data, text.length, 0);
    cr_expect_eq(look(&seen, &notes, &err), GRID_EUSAGE);
}

Test(cluster, too_many_nodes_are_not_held, .init = begin, .fini = end)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    buffer_text(&text, "nodes:\n");
    for (int i = 0; i <= 4096; i++)
        buffer_text(&text, "- {}\n");
    put(text.data, text.length, 0);
    expect("4097 nodes", GRID_EUSAGE, "4098:3: 'nodes' has too many elements", "");
}

Test(cluster, a_large_file_is_not_read, .init = begin, .fini = end)
{
    put(N "}\n", strlen(N "}\n"), (off_t)(4 << 20) + 1);
    expect("4 MiB and a byte", GRID_EUSAGE, "1:1: larger than 4 MiB", "");
    put("", 0, (off_t)100 << 20);
    int64_t start_us = clock_monotonic_us();
    expect("100 MB", GRID_EUSAGE, "1:1: larger than 4 MiB", "");
    cr_expect_lt(clock_monotonic_us() - start_us, 50000);
}

Test(cluster, what_is_no_file_is_an_input_output_error, .init = begin, .fini = end)
{
    struct cluster cluster = {0};
    struct grid_error err = {0};
    cr_expect_eq(cluster_read("/tmp", &cluster, NULL, NULL, &err), GRID_EIO);
    cr_expect_str_eq(err.message, "cannot use '/tmp': it is a directory, not a file");
    cr_expect_eq(cluster_read("/dev/null", &cluster, NULL, NULL, &err), GRID_EIO);
    end();
    cr_expect_eq(cluster_read(path, &cluster, NULL, NULL, &err), GRID_EIO);
    cr_expect(strstr(err.message, "no such file"));
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_eq(cluster_read(path, &cluster, NULL, NULL, &err), GRID_EIO);
    cr_expect(strstr(err.message, "a fifo"), "%s", err.message);
}
