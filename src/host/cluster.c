/* The cluster file of the original: one table of the keys that count, and the checks behind it. */
#include "host/cluster.h"

#include "host/cluster_unused.h"
#include "util/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX (4 << 20)
#define NODES_MAX 4096
#define CPU_DEFAULT (4 * GRID_AMOUNT_UNIT)
#define PORT_DEFAULT 22

/* Keys of a node, in the order of `keys`; the first ones every node has to have. */
enum field { NAME, HOST, USER, GPU, MEMORY, REQUIRED, ROLE = REQUIRED, OTHER, FIELDS };
struct entry {
    struct yaml_step begin, at[FIELDS]; /* line 0: it is not there */
};

/* What a section about sharing says, at the top or under `execution`. */
enum setting { ENABLED, POLICY, THRESHOLD, SETTINGS };
struct sharing {
    struct yaml_step at[SETTINGS]; /* line 0: it says nothing */
    int64_t value[SETTINGS];       /* POLICY and THRESHOLD: the share to keep, in millionths */
};

struct reading {
    const char *file;
    struct cluster_unused unused;
    struct cluster cluster;
    struct entry *entries; /* one for each node */
    size_t node_capacity, entry_capacity;
    struct sharing top, execution;
    struct yaml_step nodes; /* the key `nodes` */
};

/* The value of one key, on its way to the node that was begun last, or else to a setting. */
struct value {
    const struct key *key;
    const char *name, *text; /* of the key, for messages; and the value's */
    struct grid_node *node;
    int64_t *setting;
};

struct key {
    const char *path; /* without the numbers of elements */
    int (*set)(const struct value *value, struct grid_error *err);
    unsigned which; /* enum field or setting */
    const char *resource;
};

static int refuse(const struct reading *reading, const struct yaml_step *at,
                  struct grid_error *err, const char *what, const char *subject)
{
    return grid_error_set(err, GRID_EUSAGE, "%s:%zu:%zu: '%s' %s", reading->file, at->line,
                          at->column, text_shown(subject), what);
}

/* --- one key each: its value into its place, or EUSAGE without a place ------------------------ */

static int refuse_value(const struct value *value, const char *fault, struct grid_error *err)
{
    return grid_error_set(err, GRID_EUSAGE, "%s '%s' %s", value->name, text_shown(value->text),
                          fault);
}

/* An amount of key->resource, which may be 0. Both bounds are 1 as people see them. */
static int amount(const struct value *value, int64_t least_u, int64_t most_u, int64_t *ret_u,
                  struct grid_error *err)
{
    if (value->text[0] == '-')
        return refuse_value(value, "is negative", err);
    int rc = grid_amount_parse_limit(value->key->resource, value->text, ret_u, err);
    if (rc < 0)
        grid_error_wrap(err, "%s", value->name);
    else if (*ret_u < least_u || *ret_u > most_u)
        rc = refuse_value(value, *ret_u < least_u ? "is less than 1" : "is more than 1", err);
    return rc;
}

static int set_capacity(const struct value *value, struct grid_error *err)
{
    const char *resource = value->key->resource;
    bool memory = grid_resource_is_memory(resource);
    int64_t amount_u;
    int rc = amount(value, memory ? GRID_MEMORY_GIB : 0, INT64_MAX, &amount_u, err);
    if (rc == 0 && !memory && amount_u % GRID_AMOUNT_UNIT)
        rc = refuse_value(value, "is not a whole number", err);
    return rc ?: grid_amounts_set(&value->node->capacity, resource, amount_u, err);
}

static int set_lend(const struct value *value, struct grid_error *err)
{
    int64_t amount_u;
    int rc = amount(value, 0, INT64_MAX, &amount_u, err);
    return rc ?: grid_amounts_set(&value->node->lend, value->key->resource, amount_u, err);
}

static int set_threshold(const struct value *value, struct grid_error *err)
{
    return amount(value, 0, GRID_AMOUNT_UNIT, value->setting, err);
}

static const char *next_policy(void *context, size_t index)
{
    static const char *const policies[] = {"conservative", "balanced", "aggressive", "predictive"};
    (void)context;
    return index < countof(policies) ? policies[index] : NULL;
}

static int set_policy(const struct value *value, struct grid_error *err)
{
    static const int64_t percent[] = {40, 20, 0, 20};
    size_t index = 0;
    int rc = text_choice("policy", value->text, next_policy, NULL, &index, err);
    *value->setting = percent[index] * GRID_AMOUNT_UNIT / 100;
    return rc;
}

static int set_truth(const struct value *value, struct grid_error *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    size_t i = 0;
    while (i < countof(words) && !text_same(value->text, words[i]))
        i++;
    if (value->node)
        value->node->can_share = i % 2;
    else
        *value->setting = i % 2;
    return i < countof(words) ? 0 : refuse_value(value, "is neither true nor false", err);
}

/* A text that can be shown as it is. */
static int copy(const struct value *value, char *to, size_t size, struct grid_error *err)
{
    if (*value->text && text_copy(to, size, value->text)
        && strcmp(text_shown(value->text), value->text) == 0)
        return 0;
    return refuse_value(value, "is empty, too long, or holds control characters", err);
}

static int set_name(const struct value *value, struct grid_error *err)
{
    text_copy(value->node->node_id, GRID_NODE_SIZE, value->text);
    return grid_node_name_check(value->text, err);
}

static int set_host(const struct value *value, struct grid_error *err)
{
    return copy(value, value->node->address, GRID_NODE_SIZE, err);
}

static int set_role(const struct value *value, struct grid_error *err)
{
    return grid_role_parse(value->text, &value->node->role, err);
}

static int add_tag(const struct value *value, struct grid_error *err)
{
    struct grid_node *node = value->node;
    if (node->tag_count == GRID_NODE_TAGS)
        return grid_error_set(err, GRID_EUSAGE, "more than %d tags", GRID_NODE_TAGS);
    return copy(value, node->tags[node->tag_count++], GRID_TAG_SIZE, err);
}

static int add_label(const struct value *value, struct grid_error *err)
{
    struct grid_node *node = value->node;
    text_copy(node->labels[node->label_count].key, GRID_TAG_SIZE, value->name);
    return copy(value, node->labels[node->label_count++].value, GRID_TAG_SIZE, err);
}

static int set_port(const struct value *value, struct grid_error *err)
{
    int64_t port;
    int rc = text_integer(value->text, 1, 65535, "port", &port, err);
    return rc < 0 || port == PORT_DEFAULT ? rc : add_label(value, err);
}

#define SHARING(where)                                                                           \
    {where "resource_sharing.enabled", set_truth, ENABLED, NULL},                                \
    {where "resource_sharing.policy", set_policy, POLICY, NULL},                                 \
    {where "resource_sharing.excess_threshold", set_threshold, THRESHOLD, "CPU"},                \
    {where "resource_sharing.thresholds.excess_threshold", set_threshold, THRESHOLD, "CPU"}

static const struct key keys[] = {
    {"nodes[].name", set_name, NAME, NULL},
    {"nodes[].host", set_host, HOST, NULL},
    {"nodes[].user", add_label, USER, NULL},
    {"nodes[].gpu_count", set_capacity, GPU, "GPU"},
    {"nodes[].memory_gb", set_capacity, MEMORY, "MEMORY"},
    {"nodes[].role", set_role, ROLE, NULL},
    {"nodes[].cpu_count", set_capacity, OTHER, "CPU"},
    {"nodes[].port", set_port, OTHER, NULL},
    {"nodes[].tags[]", add_tag, OTHER, NULL},
    {"nodes[].resource_sharing.can_share", set_truth, OTHER, NULL},
    {"nodes[].resource_sharing.max_share_cpu", set_lend, OTHER, "CPU"},
    {"nodes[].resource_sharing.max_share_gpu", set_lend, OTHER, "GPU"},
    {"nodes[].resource_sharing.max_share_memory_gb", set_lend, OTHER, "MEMORY"},
    SHARING(""),
    SHARING("execution."),
};

/* --- from a leaf to its key ------------------------------------------------------------------- */

/* "nodes[12].name" as the table has it. */
static void without_numbers(const char *path, char to[static YAML_PATH_SIZE])
{
    while (*path) {
        *to++ = *path;
        if (*path++ == '[')
            path += strspn(path, "0123456789");
    }
    *to = '\0';
}

/* What the table has behind the first `length` bytes of a path: '\0', that is the key; '.', a
 * mapping; '[', a list; '?', no such key. */
static char behind(const char *path, size_t length, const struct key **ret)
{
    for (const struct key *key = *ret = keys; key < keys + countof(keys); *ret = ++key)
        if (strncmp(key->path, path, length) == 0 && memchr(".[", key->path[length], 3))
            return key->path[length];
    return '?';
}

/* What a key is not. */
static const char *wrong_kind(const struct yaml_step *step, char kind)
{
    return !step->key    ? "has an element of a wrong kind"
           : kind == '.' ? "is not a mapping"
           : kind == '[' ? "is not a list"
                         : "is not one value";
}

/* ret->key stays NULL when there is nothing to set: an unused key, or one that is empty. */
static int find_key(struct reading *reading, const struct yaml_leaf *leaf, struct value *ret,
                    struct grid_error *err)
{
    char path[YAML_PATH_SIZE];
    const struct key *key;
    without_numbers(leaf->path, path);
    size_t end = strcspn(path, ".[");
    for (const struct yaml_step *step = leaf->steps;; step++) {
        char kind = behind(path, end, &key);
        bool is_last = !path[end];
        if (kind == '?') {
            cluster_unused_key(&reading->unused, step);
            return 0;
        }
        if (is_last && (leaf->is_null || (leaf->is_empty && kind)))
            return 0;
        ret->name = step->key ? step->key : step[-1].key;
        if (kind != path[end] || (is_last && leaf->is_empty))
            return refuse(reading, step, err, wrong_kind(step, kind), ret->name);
        if (is_last) {
            ret->key = key;
            return 0;
        }
        end += 1 + strcspn(path + end + 1, ".[");
    }
}

static int begin_node(struct reading *reading, const struct yaml_step *step,
                      struct grid_error *err)
{
    struct cluster *cluster = &reading->cluster;
    size_t last = cluster->count++;
    if (last == NODES_MAX)
        return refuse(reading, step, err, "has too many elements", "nodes");
    if (array_reserve(&cluster->nodes, &reading->node_capacity, last + 1, sizeof(struct grid_node))
        || array_reserve(&reading->entries, &reading->entry_capacity, last + 1,
                         sizeof(struct entry)))
        return grid_error_set(err, GRID_ENOMEM, "cannot read '%s': no memory", reading->file);
    cluster->nodes[last] = (struct grid_node){
        .can_share = true, .capacity = {3, {{"CPU", CPU_DEFAULT}, {"GPU", 0}, {"MEMORY", 0}}}};
    reading->entries[last] = (struct entry){.begin = *step};
    return 0;
}

/* Where the key's value goes, and where it stands. */
static void aim(struct reading *reading, struct value *value, const struct yaml_leaf *leaf)
{
    const struct key *key = value->key;
    struct yaml_step at = {strrchr(key->path, '.') + 1, leaf->line, leaf->column};
    if (text_begins(key->path, "nodes")) {
        size_t last = reading->cluster.count - 1;
        value->node = &reading->cluster.nodes[last];
        reading->entries[last].at[key->which] = at;
    } else {
        struct sharing *sharing = key->path[0] == 'e' ? &reading->execution : &reading->top;
        value->setting = &sharing->value[key->which];
        sharing->at[key->which] = at;
    }
}

static int take_leaf(void *context, const struct yaml_leaf *leaf, struct grid_error *err)
{
    struct reading *reading = context;
    struct value value = {.text = leaf->text};
    int rc = 0;
    if (text_is(leaf->path, "nodes"))
        reading->nodes = leaf->steps[0];
    else if (text_begins(leaf->path, "nodes[")
             && strtoll(leaf->path + 6, NULL, 10) == (long long)reading->cluster.count)
        rc = begin_node(reading, &leaf->steps[1], err);
    rc = rc ?: find_key(reading, leaf, &value, err);
    if (rc < 0 || !value.key)
        return rc;
    aim(reading, &value, leaf);
    rc = value.key->set(&value, err);
    if (rc < 0)
        grid_error_wrap(err, "%s:%zu:%zu", reading->file, leaf->line, leaf->column);
    return rc;
}

/* --- the whole ------------------------------------------------------------------------------ */

static int check_nodes(const struct reading *reading, struct grid_error *err)
{
    const struct grid_node *nodes = reading->cluster.nodes;
    const struct entry *entry = reading->entries;
    size_t masters = 0;
    if (reading->cluster.count == 0)
        return refuse(reading, &reading->nodes, err,
                      reading->nodes.key ? "has no elements" : "is missing", "nodes");
    for (size_t i = 0; i < reading->cluster.count; i++, entry++) {
        for (size_t field = 0; field < REQUIRED; field++)
            if (entry->at[field].line == 0)
                return refuse(reading, &entry->begin, err, "is missing",
                              strrchr(keys[field].path, '.') + 1);
        for (size_t j = 0; j < i; j++)
            if (strcmp(nodes[i].node_id, nodes[j].node_id) == 0)
                return refuse(reading, &entry->at[NAME], err, "comes twice", nodes[i].node_id);
        if (nodes[i].role == GRID_MASTER && masters++ > 0)
            return refuse(reading, &entry->at[ROLE], err, "is a second master", nodes[i].node_id);
    }
    return 0;
}

static void note_loser(const struct reading *reading, const struct yaml_step *step)
{
    char text[PATH_MAX + 128];
    if (!reading->unused.note)
        return;
    snprintf(text, sizeof(text), "%s:%zu:%zu: '%s' is not used, execution.resource_sharing wins",
             reading->file, step->line, step->column, step->key);
    reading->unused.note(reading->unused.context, false, text);
}

/* Lets `execution` win, key by key. */
static void merge_sharing(struct reading *reading)
{
    struct sharing *top = &reading->top, *execution = &reading->execution;
    for (size_t i = 0; i < SETTINGS; i++) {
        if (execution->at[i].line == 0)
            continue;
        if (top->at[i].line > 0)
            note_loser(reading, &top->at[i]);
        top->at[i] = execution->at[i];
        top->value[i] = execution->value[i];
    }
}

static int apply_sharing(struct reading *reading, struct grid_error *err)
{
    static const char *const kept[] = {"CPU", "MEMORY"};
    const struct sharing *sharing = &reading->top;
    struct cluster *cluster = &reading->cluster;
    merge_sharing(reading);
    __int128 share_u = sharing->value[sharing->at[THRESHOLD].line > 0 ? THRESHOLD : POLICY];
    int rc = 0;
    cluster->says_enabled = sharing->at[ENABLED].line > 0;
    cluster->enabled = sharing->value[ENABLED];
    for (size_t i = 0; rc == 0 && share_u > 0 && i < 2 * cluster->count; i++) {
        struct grid_node *node = &cluster->nodes[i / 2];
        int64_t capacity_u = grid_amounts_get(&node->capacity, kept[i % 2], 0);
        rc = grid_amounts_set(&node->keep, kept[i % 2],
                              (int64_t)(capacity_u * share_u / GRID_AMOUNT_UNIT), err);
    }
    return rc;
}

void cluster_release(struct cluster *cluster)
{
    free(cluster->nodes);
    *cluster = (struct cluster){0};
}

int cluster_read(const char *path, struct cluster *ret, cluster_note_fn note, void *context,
                 struct grid_error *err)
{
    grid_auto_free char *text = NULL;
    size_t length;
    struct stat st;
    struct reading reading = {.file = path, .nodes = {NULL, 1, 1},
                              .unused = {.file = path, .note = note, .context = context,
                                         .originals = BUFFER_INIT}};
    if (fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISREG(st.st_mode) && st.st_size > FILE_MAX)
        return grid_error_set(err, GRID_EUSAGE, "%s:1:1: larger than 4 MiB", path);
    int rc = file_read(AT_FDCWD, path, &text, &length, NULL, err);
    if (rc > 0)
        return grid_error_set(err, GRID_EIO, "cannot read '%s': no such file", path);
    rc = rc ?: yaml_read(path, text, length, take_leaf, &reading, err);
    rc = rc ?: check_nodes(&reading, err);
    rc = rc ?: apply_sharing(&reading, err);
    cluster_unused_end(&reading.unused, rc);
    free(reading.entries);
    if (rc == 0)
        *ret = reading.cluster;
    else
        cluster_release(&reading.cluster);
    return rc;
}
