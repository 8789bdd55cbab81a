/* Completion: what the last word may become. Never locks, never writes, never complains. */
#include "cmd/output.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 256 /* of nodes or owners that are told apart */

struct completing {
    struct cmd *cmd;
    const char *word; /* what is there so far */
    const char *before; /* what goes in front of each candidate: "--output=", "id,amount," */
    enum cmd_kind kind;
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

static void offer_all(const struct completing *completing, text_next_fn next, void *context)
{
    const char *candidate;
    for (size_t i = 0; (candidate = next(context, i)); i++)
        offer(completing, candidate, "");
}

/* --- what the ledger holds ------------------------------------------------------------------ */

static void offer_name(struct completing *completing, const char *name)
{
    for (size_t i = 0; i < completing->name_count; i++)
        if (strcmp(completing->names[i], name) == 0)
            return;
    if (!*name || completing->name_count == NAMES_MAX)
        return;
    text_copy(completing->names[completing->name_count++], GRID_NODE_SIZE, name);
    offer(completing, name, "");
}

/* "CPU 2.0 gpu1 -> gpu-master, 42m left" */
static void offer_boost(const struct completing *completing, const struct grid_boost *boost)
{
    char amount[GRID_AMOUNT_SIZE], left[GRID_TIME_SIZE], help[4 * GRID_NODE_SIZE];
    int64_t left_us = boost->expires_us == GRID_NEVER ? GRID_NEVER
                                                      : boost->expires_us - grid_store_now(completing->cmd->store);
    snprintf(help, sizeof(help), "%s %s %s -> %s, %s%s", boost->resource_type,
             grid_amount_show(boost->resource_type, boost->amount_u, amount), boost->source_node,
             boost->target_node, left_us == GRID_NEVER ? "" : grid_duration_show(left_us, left),
             left_us == GRID_NEVER ? "never ends" : " left");
    offer(completing, boost->boost_id, help);
}

static int take_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct completing *completing = context;
    if (completing->kind == CMD_BOOST) {
        offer_boost(completing, boost);
    } else if (completing->kind == CMD_OWNER) {
        offer_name(completing, boost->owner);
    } else {
        if (strcmp(boost->source_node, GRID_ANY_NODE) != 0)
            offer_name(completing, boost->source_node);
        offer_name(completing, boost->target_node);
    }
    return 0;
}

static void offer_from_ledger(struct completing *completing)
{
    struct cmd *cmd = completing->cmd;
    struct grid_boost_filter filter = {.newest_first = true};
    if (completing->kind == CMD_BOOST)
        filter.id_prefix = completing->word;
    if (config_load(cmd, NULL) == 0 && cmd_store(cmd, NULL) == 0)
        (void)grid_ledger_list(cmd->store, GRID_PEEK, &filter, take_boost, completing, NULL);
}

/* --- words of ours -------------------------------------------------------------------------- */

static const char *priority_name(void *context, size_t index)
{
    (void)context;
    return index <= GRID_CRITICAL ? grid_priority_name((enum grid_priority)index) : NULL;
}

static const char *event_name(void *context, size_t index)
{
    (void)context;
    index += GRID_EVENT_QUIET + 1;
    return index < GRID_EVENT_COUNT ? grid_event_name((enum grid_event_kind)index) : NULL;
}

/* The last of a comma-separated list; what stands before it stays. */
static void offer_columns(struct completing *completing)
{
    const struct row_kind *kind = completing->cmd->verb ? completing->cmd->verb->rows : NULL;
    const char *comma = strrchr(completing->word, ','), *name;
    grid_auto_free char *before = NULL;
    if (!kind || asprintf(&before, "%s%.*s", completing->before,
                          comma ? (int)(comma + 1 - completing->word) : 0, completing->word) < 0)
        return;
    completing->before = before;
    completing->word = comma ? comma + 1 : completing->word;
    for (size_t i = 0; (name = sheet_column_name((void *)kind, i)); i++)
        offer(completing, name, kind->columns[i].help);
}

static void offer_values(struct completing *completing)
{
    switch (completing->kind) {
    case CMD_TEXT: return;
    case CMD_RESOURCE: offer_all(completing, cmd_word, (void *)cmd_resources); return;
    case CMD_PRIORITY: offer_all(completing, priority_name, NULL); return;
    case CMD_EVENT: offer_all(completing, event_name, NULL); return;
    case CMD_FORMAT: offer_all(completing, cmd_word, (void *)config_formats); return;
    case CMD_COLOR: offer_all(completing, cmd_word, (void *)config_colors); return;
    case CMD_COLUMNS: offer_columns(completing); return;
    case CMD_FILE: buffer_text(&completing->cmd->out, ":file\n"); return;
    case CMD_DIRECTORY: buffer_text(&completing->cmd->out, ":directory\n"); return;
    case CMD_NODE:
    case CMD_OWNER:
    case CMD_BOOST: offer_from_ledger(completing); return;
    }
}

/* --- where the word stands ------------------------------------------------------------------ */

/* The verb's own first, then the global ones. */
static void offer_options(const struct completing *completing)
{
    const struct cmd *cmd = completing->cmd;
    size_t globals = 0, count = 0;
    while (cmd_globals[globals].name)
        globals++;
    while (cmd->options[count])
        count++;
    for (size_t at = globals; at < globals + count; at++) {
        size_t i = at % count;
        char text[64];
        snprintf(text, sizeof(text), "%s%s", option_dashes(cmd->options[i]),
                 cmd->options[i]->name);
        if (!cmd->values[i])
            offer(completing, text, cmd->options[i]->help);
    }
}

/* "--output=js": the value of an option, in one word with it. */
static void offer_joined(struct completing *completing, const char *equals)
{
    const struct cmd *cmd = completing->cmd;
    grid_auto_free char *before = strndup(completing->word,
                                          (size_t)(equals + 1 - completing->word));
    size_t length = (size_t)(equals - completing->word) - 2;
    for (size_t i = 0; before && cmd->options[i]; i++) {
        if (strlen(cmd->options[i]->name) != length
            || strncmp(cmd->options[i]->name, completing->word + 2, length) != 0)
            continue;
        completing->kind = cmd->options[i]->kind;
        completing->word = equals + 1;
        completing->before = before;
        offer_values(completing);
        return;
    }
}

static void offer_words(struct completing *completing)
{
    const struct cmd *cmd = completing->cmd;
    const struct cmd_verb *verb;
    const char *noun, *summary;
    for (size_t i = 0; !cmd->noun && (noun = cmd_noun_at(i, &summary)); i++)
        offer(completing, noun, summary);
    if (!cmd->noun)
        offer(completing, "help", "say how something is used");
    for (size_t i = 0; cmd->noun && !cmd->verb && (verb = cmd_verb_at(i)); i++)
        if (strcmp(verb->noun, cmd->noun) == 0)
            offer(completing, verb->name, verb->summary);
}

/* The kind of the next argument; the last kind goes on. */
static enum cmd_kind next_kind(const struct cmd *cmd)
{
    bool repeats = strstr(cmd->verb->arguments, "...");
    size_t last = 0, next = cmd->argument_count;
    while (last + 1 < countof(cmd->verb->kinds) && cmd->verb->kinds[last + 1] != CMD_TEXT)
        last++;
    if (next < countof(cmd->verb->kinds) && !repeats)
        return cmd->verb->kinds[next];
    return repeats ? cmd->verb->kinds[next < last ? next : last] : CMD_TEXT;
}

void complete_print(struct cmd *cmd, int count, char **words)
{
    struct grid_error err = {0};
    struct completing completing = {.cmd = cmd, .before = ""};
    if (count < 1)
        return;
    cmd->silent = true;
    completing.word = words[count - 1];
    /* words[-1] stands for the program's name; the last word is not part of the command line. */
    words[count - 1] = NULL;
    option_parse(cmd, count, words - 1, &err);
    const char *equals = strncmp(completing.word, "--", 2) == 0 ? strchr(completing.word, '=')
                                                                 : NULL;
    if (cmd->pending) {
        completing.kind = cmd->pending->kind;
        offer_values(&completing);
    } else if (completing.word[0] == '-' && !cmd->ended && equals) {
        offer_joined(&completing, equals);
    } else if (completing.word[0] == '-' && !cmd->ended) {
        offer_options(&completing);
    } else if (cmd->verb && !cmd->help) {
        completing.kind = next_kind(cmd);
        offer_values(&completing);
    } else {
        offer_words(&completing);
    }
}
