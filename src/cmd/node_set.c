/* grid node add, set, limit, discover, import: what a machine is and has. */
#include "cmd/node.h"
#include "host/cluster.h"
#include "host/discover.h"

#include <stdio.h>
#include <string.h>

/* --- amounts -------------------------------------------------------------------------------- */

/* One call of `add`, `set` or `limit`; first tried on a node that nobody sees, with warnings. */
struct editing {
    struct cmd *cmd;
    bool trial;
};

/* The values of an option, or (NULL) the arguments behind the name. */
static const char *next_word(const struct cmd *cmd, const char *option, size_t *at)
{
    if (option)
        return cmd_next(cmd, option, at);
    return ++*at < cmd->argument_count ? cmd->arguments[*at] : NULL;
}

static int set_amounts(const struct editing *editing, const char *option,
                       struct grid_amounts *amounts, struct grid_error *err)
{
    struct grid_amounts seen = {0};
    char resource[GRID_RESOURCE_SIZE];
    const char *word;
    int64_t amount_u;
    int rc = 0;
    for (size_t at = 0; rc == 0 && (word = next_word(editing->cmd, option, &at));) {
        size_t behind = at;
        rc = node_amount(word, next_word(editing->cmd, option, &behind), resource, &amount_u, err);
        if (rc == 0 && grid_amounts_get(&seen, resource, -1) == 0)
            rc = grid_error_set(err, GRID_EUSAGE, "resource '%s' comes twice", resource);
        rc = rc ?: grid_amounts_set(&seen, resource, 0, err);
        rc = rc ?: grid_amounts_set(amounts, resource, amount_u, err);
        if (rc == 0 && editing->trial && amount_u >= 0)
            node_warn(editing->cmd, resource);
    }
    return rc < 0 && option ? grid_error_wrap(err, "--%s", option) : rc;
}

/* --- tags and labels ------------------------------------------------------------------------ */

static int check_tag(const char *text, const char *what, struct grid_error *err)
{
    if (strlen(text) >= GRID_TAG_SIZE || !text_is_utf8(text, strlen(text)))
        return grid_error_set(err, GRID_EUSAGE, "%s '%s' is not UTF-8 of at most %d bytes", what,
                              text_shown(text), GRID_TAG_SIZE - 1);
    return 0;
}

/* The tags that are named replace those that were; an empty one alone leaves none. */
static int set_tags(const struct cmd *cmd, struct grid_node *node, struct grid_error *err)
{
    const char *tag;
    size_t at = 0;
    if (cmd_value(cmd, "tag"))
        node->tag_count = 0;
    while ((tag = cmd_next(cmd, "tag", &at))) {
        int rc = check_tag(tag, "tag", err);
        if (rc == 0 && *tag && node->tag_count == GRID_NODE_TAGS)
            rc = grid_error_set(err, GRID_EUSAGE, "more than %d tags", GRID_NODE_TAGS);
        if (rc < 0)
            return rc;
        if (*tag)
            text_copy(node->tags[node->tag_count++], GRID_TAG_SIZE, tag);
    }
    return 0;
}

/* An empty value removes the label. */
static int set_label(struct grid_node *node, const char *key, const char *value,
                     struct grid_error *err)
{
    size_t i = 0;
    while (i < node->label_count && strcmp(node->labels[i].key, key) != 0)
        i++;
    if (!*value) {
        if (i < node->label_count)
            node->labels[i] = node->labels[--node->label_count];
        return 0;
    }
    if (i == GRID_NODE_TAGS)
        return grid_error_set(err, GRID_EUSAGE, "more than %d labels", GRID_NODE_TAGS);
    node->label_count += i == node->label_count;
    text_copy(node->labels[i].key, GRID_TAG_SIZE, key);
    text_copy(node->labels[i].value, GRID_TAG_SIZE, value);
    return 0;
}

static int set_labels(const struct cmd *cmd, struct grid_node *node, struct grid_error *err)
{
    const char *word;
    int rc = 0;
    for (size_t at = 0; rc == 0 && (word = cmd_next(cmd, "label", &at));) {
        grid_auto_free char *key = strdup(word);
        char *value = key ? strchr(key, '=') : NULL;
        if (!key)
            return grid_error_set(err, GRID_ENOMEM, "no memory for the labels");
        if (!value || value == key)
            return grid_error_set(err, GRID_EUSAGE, "label '%s' is not KEY=VALUE",
                                  text_shown(word));
        *value++ = '\0';
        rc = check_tag(key, "label", err);
        rc = rc ?: check_tag(value, "the value of a label", err);
        rc = rc ?: set_label(node, key, value, err);
    }
    return rc;
}

/* --- add, set, limit ------------------------------------------------------------------------ */

/* An empty text takes away what was there. */
static int set_text(const struct cmd *cmd, const char *option, char *to, size_t size,
                    struct grid_error *err)
{
    const char *text = cmd_value(cmd, option);
    int rc = text && *text ? cmd_text(cmd, option, size, &text, err) : 0;
    if (rc == 0 && text)
        text_copy(to, size, text);
    return rc;
}

/* A grid_node_edit_fn: what the command line says of the node. */
static int edit_node(void *context, struct grid_node *node, struct grid_error *err)
{
    const struct editing *editing = context;
    const struct cmd *cmd = editing->cmd;
    const char *role = cmd_value(cmd, "role");
    int rc = set_amounts(editing, NULL, &node->capacity, err);
    rc = rc ?: set_text(cmd, "address", node->address, sizeof(node->address), err);
    rc = rc ?: set_text(cmd, "owner", node->owner, sizeof(node->owner), err);
    if (rc == 0 && role && !*role)
        node->role = GRID_ROLE_NONE;
    else if (rc == 0 && role)
        rc = grid_role_parse(role, &node->role, err);
    rc = rc ?: set_tags(cmd, node, err);
    rc = rc ?: set_labels(cmd, node, err);
    rc = rc ?: cmd_duration(cmd, "stale-after", true, &node->stale_after_us, err);
    if (node->stale_after_us == GRID_NEVER)
        node->stale_after_us = 0;
    return rc;
}

static int edit_limits(void *context, struct grid_node *node, struct grid_error *err)
{
    const struct editing *editing = context;
    int rc = set_amounts(editing, "keep", &node->keep, err);
    rc = rc ?: set_amounts(editing, "lend", &node->lend, err);
    return rc ?: set_amounts(editing, "borrow", &node->borrow, err);
}

/* What is wrong with the call is said before the ledger is touched, and said once. */
static int change_node(struct cmd *cmd, enum grid_node_must must, grid_node_edit_fn edit,
                       struct grid_error *err)
{
    struct grid_node scratch = {0};
    struct editing editing = {cmd, true};
    const char *name = cmd->arguments[0];
    struct grid_node_change change = {.names = &name, .count = 1, .must = must, .edit = edit,
                                      .context = &editing};
    int rc = must == GRID_NODE_NEW ? grid_node_name_check(name, err) : 0;
    rc = rc ?: edit(&editing, &scratch, err);
    editing.trial = false;
    return rc ?: node_change(cmd, &change, err);
}

static int run_add(struct cmd *cmd, struct grid_error *err)
{
    return change_node(cmd, GRID_NODE_NEW, edit_node, err);
}

static int run_set(struct cmd *cmd, struct grid_error *err)
{
    return change_node(cmd, GRID_NODE_OLD, edit_node, err);
}

static int run_limit(struct cmd *cmd, struct grid_error *err)
{
    if (!cmd_value(cmd, "keep") && !cmd_value(cmd, "lend") && !cmd_value(cmd, "borrow"))
        return grid_error_set(err, GRID_EUSAGE, "--keep, --lend or --borrow is missing");
    return change_node(cmd, GRID_NODE_OLD, edit_limits, err);
}

/* --- discover ------------------------------------------------------------------------------- */

static void say(void *context, const char *text)
{
    output_info(context, "%s", text);
}

struct found {
    struct cmd *cmd;
    struct grid_amounts capacity;
};

static int edit_found(void *context, struct grid_node *node, struct grid_error *err)
{
    const struct found *found = context;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < found->capacity.count; i++)
        rc = grid_amounts_set(&node->capacity, found->capacity.at[i].resource,
                              found->capacity.at[i].amount_u, err);
    node->last_seen_us = grid_store_now(found->cmd->store);
    return rc;
}

static int run_discover(struct cmd *cmd, struct grid_error *err)
{
    struct found found = {.cmd = cmd};
    const char *as = cmd_value(cmd, "as"), *name = as ? as : cmd_host(cmd);
    struct grid_node_change change = {.names = &name, .count = 1, .edit = edit_found,
                                      .context = &found};
    int rc = grid_node_name_check(name, err);
    rc = rc ?: discover_capacity(NULL, &found.capacity, say, cmd, err);
    return rc ?: node_change(cmd, &change, err);
}

/* --- import --------------------------------------------------------------------------------- */

struct importing {
    struct cmd *cmd;
    struct cluster cluster;
};

/* What the file says; the rest stays. */
static int merge(struct grid_amounts *to, const struct grid_amounts *file, struct grid_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < file->count; i++)
        rc = grid_amounts_set(to, file->at[i].resource, file->at[i].amount_u, err);
    return rc;
}

static int edit_imported(void *context, struct grid_node *node, struct grid_error *err)
{
    const struct importing *importing = context;
    size_t i = 0;
    while (strcmp(importing->cluster.nodes[i].node_id, node->node_id) != 0)
        i++;
    const struct grid_node *file = &importing->cluster.nodes[i];
    memcpy(node->address, file->address, sizeof(node->address));
    memcpy(node->tags, file->tags, sizeof(node->tags));
    node->tag_count = file->tag_count;
    node->role = file->role;
    node->can_share = file->can_share;
    int rc = merge(&node->capacity, &file->capacity, err);
    rc = rc ?: merge(&node->keep, &file->keep, err);
    rc = rc ?: merge(&node->lend, &file->lend, err);
    for (size_t j = 0; rc == 0 && j < file->label_count; j++)
        rc = set_label(node, file->labels[j].key, file->labels[j].value, err);
    return rc;
}

static int edit_enabled(void *context, struct grid_policy *policy, struct grid_error *err)
{
    (void)err;
    policy->enabled = ((const struct importing *)context)->cluster.enabled;
    return 0;
}

static int add_node(void *context, const struct grid_node_view *view, struct grid_error *err)
{
    (void)err;
    sheet_add(context, view);
    return 0;
}

static int import(struct importing *importing, const char **names, struct grid_error *err)
{
    struct cmd *cmd = importing->cmd;
    const struct cluster *cluster = &importing->cluster;
    bool dry_run = cmd_value(cmd, "dry-run");
    struct grid_node_change change = {.names = names, .count = cluster->count,
                                      .edit = edit_imported, .context = importing,
                                      .reason = "import", .dry_run = dry_run,
                                      .view = add_node, .view_context = cmd};
    for (size_t i = 0; i < cluster->count; i++)
        names[i] = cluster->nodes[i].node_id;
    if (cluster->says_enabled)
        change.policy = edit_enabled;
    int rc = grid_ledger_node_set(cmd->store, &change, NULL, err);
    if (rc == 0 && cluster->says_enabled && !cluster->enabled)
        output_warning(cmd, "the file disables sharing: every request is refused until "
                            "'grid policy set enabled=true'");
    if (dry_run)
        output_info(cmd, "dry run: nothing was written");
    else if (rc == 0)
        snprintf(cmd->done, sizeof(cmd->done), "%zu nodes were imported", cluster->count);
    return rc ?: sheet_print(cmd, NULL, NULL, err);
}

static void say_of_file(void *context, bool warning, const char *text)
{
    output_note(context, warning ? GRID_NOTE_WARNING : GRID_NOTE_INFO, text);
}

static int run_import(struct cmd *cmd, struct grid_error *err)
{
    struct importing importing = {.cmd = cmd};
    cmd->in_file = true;
    int rc = cluster_read(cmd->arguments[0], &importing.cluster, say_of_file, cmd, err);
    if (rc < 0)
        return rc;
    grid_auto_free const char **names = calloc(importing.cluster.count + 1, sizeof(*names));
    rc = names ? import(&importing, names, err) : grid_error_set(err, GRID_ENOMEM, "no memory");
    cluster_release(&importing.cluster);
    return rc;
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct cmd_option set_options[] = {
    {"address", 0, "A", "how it is reached; '' for none"},
    {"role", 0, "ROLE", "master or worker; '' for none"},
    {"tag", 0, "T", "a tag; may be repeated, and replaces those that were"},
    {"label", 0, "K=V", "a label; may be repeated, K= removes one"},
    {"owner", 0, "USER", "whose it is: who may release and hold here; '' for none"},
    {"stale-after", 0, "DUR", "no source without a heartbeat so long (never)"},
    {0},
};

static const struct cmd_option limit_options[] = {
    {"keep", 0, "R=A", "never lend this much of its own; may be repeated"},
    {"lend", 0, "R=A", "lend at most; 0: nothing, none: no limit; may be repeated"},
    {"borrow", 0, "R=A", "borrow at most; likewise"},
    {0},
};

static const struct cmd_option discover_options[] = {
    {"as", 0, "NODE", "under this name (the host's)"},
    {0},
};

static const struct cmd_option import_options[] = {
    {"dry-run", 0, NULL, "read and show, but write nothing"},
    {0},
};

const struct cmd_verb node_set_verbs[] = {
    {.name = "add", .arguments = "NODE [RESOURCE=AMOUNT]...",
     .summary = "Register a node with what it has", .options = set_options, .rows = &rows_nodes,
     .examples = "  grid node add gpu1 cpu=16 gpu=2 memory=64GiB\n"
                 "  grid node add gpu2 cpu=32 --tag fast --label rack=b3 --stale-after 10m\n",
     .run = run_add},
    {.name = "set", .arguments = "NODE [RESOURCE=AMOUNT]...",
     .summary = "Change what is named of a node, and nothing else", .options = set_options,
     .rows = &rows_nodes,
     .examples = "  grid node set gpu1 gpu=4\n  grid node set gpu1 fpga=none --role worker\n",
     .run = run_set},
    {.name = "limit", .arguments = "NODE", .summary = "Limit what a node lends and borrows",
     .options = limit_options, .rows = &rows_nodes,
     .examples = "  grid node limit gpu1 --keep cpu=4 --lend memory=32 --borrow gpu=0\n"
                 "  grid node limit gpu1 --lend memory=none\n",
     .run = run_limit},
    {.name = "discover", .arguments = "",
     .summary = "Register this machine with what it has, or update it",
     .options = discover_options, .rows = &rows_nodes,
     .examples = "  grid node discover --as gpu1\n", .run = run_discover},
    {.name = "import", .arguments = "FILE", .summary = "Register the nodes of a cluster file",
     .options = import_options, .rows = &rows_nodes,
     .examples = "  grid node import cluster.yaml --dry-run\n", .run = run_import},
    {0},
};
