/* The cluster file of the original: one table of the keys that count, and the checks behind it. */
#include "host/cluster.h"

#include "util/file.h"
#include "util/yaml.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX (4 << 20)
#define NODES_MAX 4096
#define COUNT_MAX (GRID_AMOUNT_MAX / GRID_AMOUNT_UNIT)
#define CPU_DEFAULT 4
#define PORT_DEFAULT 22

struct place {
    size_t line, column;
};

/* What a node's checks need at the end: which keys it has, and where they stand. */
enum required { NAME, HOST, USER, GPU, MEMORY, REQUIRED };
static const char *const required_keys[] = {"name", "host", "user", "gpu_count", "memory_gb"};
struct entry {
    struct place at, name_at, role_at;
    bool has[REQUIRED];
};

/* What a section about sharing says, at the top or under `execution`. */
enum setting { ENABLED, POLICY, THRESHOLD, SETTINGS };
static const char *const setting_keys[] = {"enabled", "policy", "excess_threshold"};
struct sharing {
    struct place at[SETTINGS]; /* line 0: it says nothing */
    int64_t value[SETTINGS];   /* POLICY and THRESHOLD: the share to keep, in millionths */
};

struct reading {
    const char *file;
    cluster_note_fn note;
    void *context;
    struct cluster cluster;
    struct entry *entries; /* one for each node */
    size_t node_capacity, entry_capacity;
    struct sharing sharing[2]; /* at the top; under execution */
    struct place nodes_at, noted_at;
};

/* The value of one key, on its way to the node that was begun last. */
struct value {
    struct reading *reading;
    struct grid_node *node;  /* NULL: the key is of no node */
    struct entry *entry;
    const struct key *key;
    const char *name;        /* of the key, for messages */
    const char *text;
    struct place at;
};

static struct place place_of(const struct yaml_leaf *leaf)
{
    return (struct place){leaf->line, leaf->column};
}

static int refuse(const struct reading *reading, struct place at, struct grid_error *err,
                  const char *what)
{
    return grid_error_set(err, GRID_EUSAGE, "%s:%zu:%zu: %s", reading->file, at.line, at.column,
                          what);
}

static void note_unused(struct reading *reading, struct place at, const char *key,
                        const char *why)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    if (!reading->note || (at.line == reading->noted_at.line
                           && at.column == reading->noted_at.column))
        return;
    reading->noted_at = at;
    buffer_format(&text, "%s:%zu:%zu: '%s' is not used%s", reading->file, at.line, at.column,
                  text_shown(key), why);
    if (buffer_string(&text))
        reading->note(reading->context, text.data);
}

/* --- one key each: its value into its place, or EUSAGE without a place ------------------------ */

struct key {
    const char *path; /* without the numbers of elements */
    int (*set)(const struct value *value, struct grid_error *err);
    const char *resource;
    unsigned which; /* enum required or setting */
};

static int whole_number(const struct value *value, int64_t least, int64_t most, int64_t *ret,
                        struct grid_error *err)
{
    if (value->text[0] == '-' && text_is_digit(value->text[1]))
        return grid_error_set(err, GRID_EUSAGE, "%s '%s' is less than %jd", value->name,
                              text_shown(value->text), (intmax_t)least);
    return text_integer(value->text, least, most, value->name, ret, err);
}

static bool is_zero(const char *text)
{
    size_t digits = strspn(text, "0"), point = digits + (text[digits] == '.');
    return digits > 0 && text[point + strspn(text + point, "0")] == '\0';
}

/* An amount of key->resource, which may be 0. */
static int amount(const struct value *value, int64_t *ret, struct grid_error *err)
{
    *ret = 0;
    if (is_zero(value->text))
        return 0;
    int rc = grid_amount_parse(value->key->resource, value->text, ret, err);
    if (rc < 0)
        grid_error_wrap(err, "%s", value->name);
    return rc;
}

static int truth(const struct value *value, bool *ret, struct grid_error *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < countof(words); i++)
        if (text_same(value->text, words[i])) {
            *ret = i % 2;
            return 0;
        }
    return grid_error_set(err, GRID_EUSAGE, "%s '%s' is neither true nor false", value->name,
                          text_shown(value->text));
}

/* A text that can be shown as it is. */
static int text(const struct value *value, char *to, size_t size, struct grid_error *err)
{
    char shown[GRID_NODE_SIZE * 2];
    const char *fault = NULL;
    if (!*value->text)
        fault = "is empty";
    else if (!text_copy(to, size, value->text))
        fault = "is too long";
    else if (strcmp(text_printable(to, shown, sizeof(shown)), to) != 0)
        fault = "holds a control character";
    if (!fault)
        return 0;
    return grid_error_set(err, GRID_EUSAGE, "%s '%s' %s", value->name, text_shown(value->text),
                          fault);
}

static int label(const struct value *value, struct grid_error *err)
{
    struct grid_node *node = value->node;
    text_copy(node->labels[node->label_count].key, GRID_TAG_SIZE, value->name);
    return text(value, node->labels[node->label_count++].value, GRID_TAG_SIZE, err);
}

static int set_name(const struct value *value, struct grid_error *err)
{
    text_copy(value->node->node_id, GRID_NODE_SIZE, value->text);
    value->entry->name_at = value->at;
    return grid_node_name_check(value->text, err);
}

static int set_host(const struct value *value, struct grid_error *err)
{
    return text(value, value->node->address, GRID_NODE_SIZE, err);
}

static int set_port(const struct value *value, struct grid_error *err)
{
    int64_t port = PORT_DEFAULT;
    int rc = whole_number(value, 1, 65535, &port, err);
    return port == PORT_DEFAULT ? rc : label(value, err);
}

static int set_role(const struct value *value, struct grid_error *err)
{
    value->entry->role_at = value->at;
    return grid_role_parse(value->text, &value->node->role, err);
}

static int add_tag(const struct value *value, struct grid_error *err)
{
    struct grid_node *node = value->node;
    if (node->tag_count == GRID_NODE_TAGS)
        return grid_error_set(err, GRID_EUSAGE, "more than %d tags", GRID_NODE_TAGS);
    return text(value, node->tags[node->tag_count++], GRID_TAG_SIZE, err);
}

static int set_count(const struct value *value, struct grid_error *err)
{
    int64_t count = 0;
    int rc = whole_number(value, 0, COUNT_MAX, &count, err);
    return rc ?: grid_amounts_set(&value->node->capacity, value->key->resource,
                                  count * GRID_AMOUNT_UNIT, err);
}

static int set_memory(const struct value *value, struct grid_error *err)
{
    int64_t bytes;
    int rc = amount(value, &bytes, err);
    if (rc == 0 && bytes < GRID_MEMORY_GIB)
        rc = grid_error_set(err, GRID_EUSAGE, "%s '%s' is less than 1", value->name,
                            text_shown(value->text));
    return rc ?: grid_amounts_set(&value->node->capacity, "MEMORY", bytes, err);
}

static int set_lend(const struct value *value, struct grid_error *err)
{
    int64_t amount_u;
    int rc = amount(value, &amount_u, err);
    return rc ?: grid_amounts_set(&value->node->lend, value->key->resource, amount_u, err);
}

static int set_can_share(const struct value *value, struct grid_error *err)
{
    return truth(value, &value->node->can_share, err);
}

/* Of the section that the key stands in. */
static int64_t *setting(const struct value *value)
{
    struct sharing *sharing = &value->reading->sharing[value->key->path[0] == 'e'];
    sharing->at[value->key->which] = value->at;
    return &sharing->value[value->key->which];
}

static int set_enabled(const struct value *value, struct grid_error *err)
{
    bool enabled = true;
    int rc = truth(value, &enabled, err);
    *setting(value) = enabled;
    return rc;
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
    *setting(value) = percent[index] * GRID_AMOUNT_UNIT / 100;
    return rc;
}

static int set_threshold(const struct value *value, struct grid_error *err)
{
    int64_t *share_u = setting(value);
    int rc = amount(value, share_u, err);
    if (rc == 0 && *share_u > GRID_AMOUNT_UNIT)
        return grid_error_set(err, GRID_EUSAGE, "%s '%s' is more than 1", value->name,
                              text_shown(value->text));
    return rc;
}

#define SHARING(where)                                                                           \
    {where "resource_sharing.enabled", set_enabled, NULL, ENABLED},                              \
    {where "resource_sharing.policy", set_policy, NULL, POLICY},                                 \
    {where "resource_sharing.excess_threshold", set_threshold, "CPU", THRESHOLD},                \
    {where "resource_sharing.thresholds.excess_threshold", set_threshold, "CPU", THRESHOLD}

static const struct key keys[] = {
    {"nodes[].name", set_name, NULL, NAME},
    {"nodes[].host", set_host, NULL, HOST},
    {"nodes[].user", label, NULL, USER},
    {"nodes[].gpu_count", set_count, "GPU", GPU},
    {"nodes[].memory_gb", set_memory, "MEMORY", MEMORY},
    {"nodes[].cpu_count", set_count, "CPU", REQUIRED},
    {"nodes[].port", set_port, NULL, REQUIRED},
    {"nodes[].role", set_role, NULL, REQUIRED},
    {"nodes[].tags[]", add_tag, NULL, REQUIRED},
    {"nodes[].resource_sharing.can_share", set_can_share, NULL, REQUIRED},
    {"nodes[].resource_sharing.max_share_cpu", set_lend, "CPU", REQUIRED},
    {"nodes[].resource_sharing.max_share_gpu", set_lend, "GPU", REQUIRED},
    {"nodes[].resource_sharing.max_share_memory_gb", set_lend, "MEMORY", REQUIRED},
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
    for (const struct key *key = keys; key < keys + countof(keys); key++) {
        if (strncmp(key->path, path, length) != 0 || !memchr(".[", key->path[length], 3))
            continue;
        *ret = key;
        return key->path[length];
    }
    return '?';
}

static int refuse_kind(const struct reading *reading, const struct yaml_leaf *leaf, size_t level,
                       char kind, struct grid_error *err)
{
    const struct yaml_step *step = &leaf->steps[level];
    const char *wanted = kind == '.' ? "a mapping" : kind == '[' ? "a list" : "one value";
    char what[300];
    if (step->key)
        snprintf(what, sizeof(what), "'%s' is not %s", step->key, wanted);
    else
        snprintf(what, sizeof(what), "an element of '%s' is not %s", step[-1].key, wanted);
    return refuse(reading, (struct place){step->line, step->column}, err, what);
}

/* *ret stays NULL when there is nothing to set: an unused key, or one that is empty. */
static int find_key(struct reading *reading, const struct yaml_leaf *leaf, const struct key **ret,
                    struct grid_error *err)
{
    char path[YAML_PATH_SIZE];
    const struct key *key = NULL;
    without_numbers(leaf->path, path);
    for (size_t level = 0, end = strcspn(path, ".[");; level++) {
        char kind = behind(path, end, &key);
        if (kind == '?') {
            const struct yaml_step *step = &leaf->steps[level];
            note_unused(reading, (struct place){step->line, step->column}, step->key, "");
            return 0;
        }
        if (leaf->is_null && !path[end])
            return 0;
        if (kind != path[end])
            return leaf->is_empty && !path[end] ? 0 : refuse_kind(reading, leaf, level, kind, err);
        if (!path[end])
            break;
        end += 1 + strcspn(path + end + 1, ".[");
    }
    *ret = key;
    return leaf->is_empty ? refuse(reading, place_of(leaf), err, "one value is needed") : 0;
}

static int begin_node(struct reading *reading, const struct yaml_step *step,
                      struct grid_error *err)
{
    struct cluster *cluster = &reading->cluster;
    size_t count = cluster->count + 1;
    struct place at = {step->line, step->column};
    if (count > NODES_MAX)
        return refuse(reading, at, err, "too many nodes");
    if (array_reserve(&cluster->nodes, &reading->node_capacity, count, sizeof(*cluster->nodes))
        || array_reserve(&reading->entries, &reading->entry_capacity, count,
                         sizeof(*reading->entries)))
        return grid_error_set(err, GRID_ENOMEM, "cannot read '%s': no memory", reading->file);
    struct grid_node *node = &cluster->nodes[cluster->count];
    *node = (struct grid_node){.can_share = true};
    reading->entries[cluster->count++] = (struct entry){.at = at};
    int rc = grid_amounts_set(&node->capacity, "CPU", CPU_DEFAULT * GRID_AMOUNT_UNIT, err);
    rc = rc ?: grid_amounts_set(&node->capacity, "GPU", 0, err);
    return rc ?: grid_amounts_set(&node->capacity, "MEMORY", 0, err);
}

static int take_leaf(void *context, const struct yaml_leaf *leaf, struct grid_error *err)
{
    struct reading *reading = context;
    struct cluster *cluster = &reading->cluster;
    struct value value = {.reading = reading, .text = leaf->text, .at = place_of(leaf)};
    int rc = 0;
    if (strcmp(leaf->path, "nodes") == 0)
        reading->nodes_at = value.at;
    if (text_begins(leaf->path, "nodes[") && strtoul(leaf->path + 6, NULL, 10) == cluster->count)
        rc = begin_node(reading, &leaf->steps[1], err);
    rc = rc ?: find_key(reading, leaf, &value.key, err);
    if (rc < 0 || !value.key)
        return rc;
    value.name = strrchr(value.key->path, '.') + 1;
    if (value.key->path[0] == 'n') {
        value.node = &cluster->nodes[cluster->count - 1];
        value.entry = &reading->entries[cluster->count - 1];
        if (value.key->which < REQUIRED)
            value.entry->has[value.key->which] = true;
    }
    rc = value.key->set(&value, err);
    if (rc < 0)
        grid_error_wrap(err, "%s:%zu:%zu", reading->file, value.at.line, value.at.column);
    return rc;
}
