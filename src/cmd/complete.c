/* Completion: what the last word may become. Never locks, never writes, never complains. */
#include "cmd/node.h"
#include "host/backup.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 256 /* of nodes or owners that are told apart */

enum wanted { WORDS, COLUMNS, KEYS, BOOSTS, NODES, RESOURCES, OWNERS, BACKUPS, PATHS };

struct completing {
    struct cmd *cmd;
    enum wanted wanted;
    const char *word; /* what is there so far */
    const char *before; /* what goes in front of each candidate: "--output=", "id,amount," */
    const char *lead, *behind; /* of each name: "quota.", "=" */
    char names[NAMES_MAX][GRID_NODE_SIZE];
    size_t name_count;
};

/* A candidate, if it begins as the word does. A tab or a line break cannot be offered. */
static void offer(const struct completing *completing, const char *candidate, const char *help)
{
    char shown[4 * GRID_NODE_SIZE];
    if (strncmp(candidate, completing->word, strlen(completing->word)) != 0
        || strcmp(text_printable(candidate, shown, sizeof(shown)), candidate) != 0)
        return;
    buffer_format(&completing->cmd->out, "%s%s%s%s\n", completing->before, candidate,
                  *help ? "\t" : "", text_printable(help, shown, sizeof(shown)));
}

/* --- what the ledger holds ------------------------------------------------------------------ */

static void offer_name(struct completing *completing, const char *name)
{
    for (size_t i = 0; i < completing->name_count; i++)
        if (strcmp(completing->names[i], name) == 0)
            return;
    if (!*name || completing->name_count == NAMES_MAX)
        return;
    char whole[GRID_NODE_SIZE + 16];
    text_copy(completing->names[completing->name_count++], GRID_NODE_SIZE, name);
    snprintf(whole, sizeof(whole), "%s%s%s", completing->lead, name, completing->behind);
    offer(completing, whole, "");
}

/* "CPU 2.0 gpu1 -> gpu-master, 42m left" */
static void offer_boost(const struct completing *completing, const struct grid_boost *boost)
{
    char amount[GRID_AMOUNT_SIZE], left[GRID_TIME_SIZE] = "never ends", help[4 * GRID_NODE_SIZE];
    int64_t end_us = grid_boost_until(boost);
    bool ends = end_us != GRID_NEVER;
    if (ends)
        grid_duration_show(end_us - grid_store_now(completing->cmd->store), left);
    snprintf(help, sizeof(help), "%s %s %s -> %s, %s%s", boost->resource_type,
             grid_amount_show(boost->resource_type, boost->amount_u, amount), boost->source_node,
             boost->target_node, left, ends ? " left" : "");
    offer(completing, boost->boost_id, help);
}

static int take_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct completing *completing = context;
    if (completing->wanted == BOOSTS) {
        offer_boost(completing, boost);
    } else if (completing->wanted == OWNERS) {
        offer_name(completing, boost->owner);
    } else {
        if (strcmp(boost->source_node, GRID_ANY_NODE) != 0)
            offer_name(completing, boost->source_node);
        offer_name(completing, boost->target_node);
    }
    return 0;
}

/* Registered nodes come first; or the resources that they have, beyond those that all know. */
static int take_node(void *context, const struct grid_node_view *view, struct grid_error *err)
{
    (void)err;
    struct completing *completing = context;
    const struct grid_amounts *capacity = &view->node.capacity;
    if (completing->wanted == NODES)
        offer_name(completing, view->node.node_id);
    for (size_t i = 0; completing->wanted == RESOURCES && i < capacity->count; i++) {
        char name[GRID_RESOURCE_SIZE];
        offer_name(completing, text_copy_lower(name, sizeof(name), capacity->at[i].resource));
    }
    return 0;
}

static void offer_from_ledger(struct completing *completing)
{
    struct cmd *cmd = completing->cmd;
    struct grid_boost_filter filter = {.newest_first = true};
    if (completing->wanted == BOOSTS)
        filter.id_prefix = completing->word;
    if (config_load(cmd, NULL) < 0 || cmd_store(cmd, NULL) < 0)
        return;
    if (completing->wanted == NODES || completing->wanted == RESOURCES)
        (void)grid_ledger_nodes(cmd->store, GRID_PEEK, NULL, take_node, completing, NULL);
    if (completing->wanted != RESOURCES)
        (void)grid_ledger_list(cmd->store, GRID_PEEK, &filter, take_boost, completing, NULL);
}

static int take_backup(void *context, const char *name, struct grid_error *err)
{
    if (backup_name_check(name, err) == 0)
        offer(context, name, "");
    return 0;
}

static void offer_backups(struct completing *completing)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    struct cmd *cmd = completing->cmd;
    if (config_load(cmd, NULL) == 0
        && backups_open(cmd->settings.data_dir, BACKUPS_READ, 0, &backups, NULL) == 0
        && backups.dirfd >= 0)
        (void)file_each(backups.dirfd, ".", take_backup, completing, NULL);
}

/* --- what a value may be -------------------------------------------------------------------- */

/* The last of a comma-separated list; what stands before it stays. */
static void offer_columns(struct completing *completing)
{
    const struct row_kind *kind = completing->cmd->verb ? completing->cmd->verb->rows : NULL;
    const char *comma = strrchr(completing->word, ',');
    size_t size = strlen(completing->before) + strlen(completing->word) + 1;
    grid_auto_free char *before = malloc(size);
    if (!kind || !before)
        return;
    snprintf(before, size, "%s%.*s", completing->before,
             comma ? (int)(comma + 1 - completing->word) : 0, completing->word);
    completing->before = before;
    completing->word = comma ? comma + 1 : completing->word;
    for (const struct column *at = kind->columns; at < kind->columns + kind->count; at++) {
        char name[32];
        offer(completing, text_copy_lower(name, sizeof(name), at->name), at->help);
    }
}

/* Of a policy: those with a name of their own; the quotas are those of the resources. */
static void offer_keys(struct completing *completing)
{
    const char *name;
    for (size_t i = 0; (name = policy_key_next(NULL, i)); i++)
        offer_name(completing, name);
    completing->lead = "quota.";
}

/* By the word that stands for the value in help. */
static const struct value {
    const char *argument;
    enum wanted wanted;
    text_next_fn next; /* of WORDS */
    const void *words; /* its context; of PATHS: what to tell the shell */
} values[] = {
    {"RESOURCE", RESOURCES, NULL, NULL},
    {"RESOURCE=AMOUNT", RESOURCES, NULL, NULL},
    {"R=A", RESOURCES, NULL, NULL},
    {"KEY", KEYS, NULL, NULL},
    {"KEY=VALUE", KEYS, NULL, NULL},
    {"ROLE", WORDS, grid_role_next, NULL},
    {"PRIORITY", WORDS, grid_priority_next, NULL},
    {"EVENT", WORDS, grid_event_next, NULL},
    {"FORMAT", WORDS, cmd_word, config_formats},
    {"WHEN", WORDS, cmd_word, config_colors},
    {"A,B", COLUMNS, NULL, NULL},
    {"ID", BOOSTS, NULL, NULL},
    {"NODE", NODES, NULL, NULL},
    {"TARGET", NODES, NULL, NULL},
    {"NAME", OWNERS, NULL, NULL},
    {"USER", OWNERS, NULL, NULL},
    {"BACKUP", BACKUPS, NULL, NULL},
    {"FILE", PATHS, NULL, ":file\n"},
    {"DIR", PATHS, NULL, ":directory\n"},
};

static void offer_values(struct completing *completing, const char *argument, size_t length)
{
    const char *word;
    size_t i = 0;
    while (i < countof(values) && (strncmp(values[i].argument, argument, length) != 0
                                   || values[i].argument[length]))
        i++;
    if (i == countof(values))
        return;
    const struct value *value = &values[i];
    completing->wanted = value->wanted == KEYS ? RESOURCES : value->wanted;
    completing->behind = memchr(argument, '=', length) ? "=" : "";
    if (value->wanted == COLUMNS)
        offer_columns(completing);
    else if (value->wanted == KEYS)
        offer_keys(completing);
    else if (value->wanted == PATHS)
        buffer_text(&completing->cmd->out, value->words);
    for (i = 0; completing->wanted == RESOURCES && cmd_resources[i]; i++)
        offer_name(completing, cmd_resources[i]);
    if (value->wanted >= KEYS && value->wanted < BACKUPS)
        offer_from_ledger(completing);
    else if (value->wanted == BACKUPS)
        offer_backups(completing);
    for (i = 0; value->next && (word = value->next((void *)value->words, i)); i++)
        offer(completing, word, "");
}

/* --- where the word stands ------------------------------------------------------------------ */

/* "--output=js": the value of an option, in one word with it. */
static void offer_joined(struct completing *completing, const char *equals)
{
    const char *name = completing->word + 2;
    size_t i = option_find(completing->cmd, name, (size_t)(equals - name));
    const struct cmd_option *option = completing->cmd->options[i];
    grid_auto_free char *before = strndup(name - 2, (size_t)(equals - name) + 3);
    if (!option || !option->argument || !before)
        return;
    completing->word = equals + 1;
    completing->before = before;
    offer_values(completing, option->argument, strlen(option->argument));
}

/* The verb's own first, then the global ones. */
static void offer_options(struct completing *completing)
{
    const struct cmd *cmd = completing->cmd;
    const char *equals = completing->word[1] == '-' ? strchr(completing->word, '=') : NULL;
    size_t globals = 0, count = 0;
    if (equals) {
        offer_joined(completing, equals);
        return;
    }
    while (cmd_globals[globals].name)
        globals++;
    while (cmd->options[count])
        count++;
    for (size_t at = globals; at < globals + count; at++) {
        const struct cmd_option *option = cmd->options[at % count];
        char text[64];
        snprintf(text, sizeof(text), "%s%s", option_dashes(option), option->name);
        if (!cmd->values[at % count])
            offer(completing, text, option->help);
    }
}

static void offer_words(struct completing *completing)
{
    const struct cmd_noun *noun = completing->cmd->noun;
    const struct cmd_verb *verb;
    for (size_t i = 0; noun && !completing->cmd->verb && (verb = cmd_verb_at(noun, i)); i++)
        offer(completing, verb->name, verb->summary);
    if (noun)
        return;
    for (noun = cmd_nouns; noun->name; noun++)
        offer(completing, noun->name, noun->summary);
    offer(completing, "help", "say how something is used");
}

/* What is in the last brackets, or else the last word, may repeat. */
static void offer_argument(struct completing *completing)
{
    const char *at = completing->cmd->verb->arguments, *group = strrchr(at, '[');
    for (size_t left = completing->cmd->argument_count; left > 0; left--) {
        const char *next = strchr(at, ' ');
        if (!next && !strstr(at, "..."))
            return;
        at = next ? next + 1 : group ? group : at;
    }
    at += *at == '[';
    for (size_t length = strcspn(at, "]. |"); length > 0; length = strcspn(at, "]. |")) {
        offer_values(completing, at, length);
        at += length + (at[length] == '|');
    }
}

void complete_print(struct cmd *cmd, int count, char **words)
{
    struct grid_error err = {0};
    struct completing completing = {.cmd = cmd, .before = "", .lead = "", .behind = ""};
    if (count < 1)
        return;
    cmd->silent = true;
    completing.word = words[count - 1];
    /* words[-1] stands for the program's name; the last word is not part of the command line. */
    words[count - 1] = NULL;
    option_parse(cmd, count, words - 1, &err);
    if (cmd->pending)
        offer_values(&completing, cmd->pending->argument, strlen(cmd->pending->argument));
    else if (completing.word[0] == '-' && !cmd->ended)
        offer_options(&completing);
    else if (cmd->verb && cmd->ended && strstr(cmd->verb->arguments, " -- "))
        offer_values(&completing, "FILE", strlen("FILE"));
    else if (cmd->verb && !cmd->help)
        offer_argument(&completing);
    else
        offer_words(&completing);
}
