/* The command line: one pass of getopt_long, its table growing when the verb is known. */
#include "cmd/cmd.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

const struct cmd_option cmd_globals[] = {
    {"data-dir", 0, "DIR", "where the ledger lives (~/.distributed_grid)", CMD_DIRECTORY},
    {"store", 0, "URL", "another store than the data directory", CMD_TEXT},
    {"config", 'c', "FILE", "settings (config.yaml of the data directory)", CMD_FILE},
    {"output", 'o', "FORMAT", "table, json, jsonl, csv or id", CMD_FORMAT},
    {"json", 0, NULL, "as -o json", CMD_TEXT},
    {"quiet", 'q', NULL, "only ids, no notes", CMD_TEXT},
    {"columns", 0, "A,B", "which columns a table or csv has", CMD_COLUMNS},
    {"no-headings", 0, NULL, "table and csv without headings and totals", CMD_TEXT},
    {"color", 0, "WHEN", "auto, always or never", CMD_COLOR},
    {"lock-timeout", 0, "DUR", "how long to wait for other commands (10s)", CMD_TEXT},
    {"verbose", 'v', NULL, "say what is read, locked and written, and why", CMD_TEXT},
    {"help", 'h', NULL, "show help", CMD_TEXT},
    {"version", 'V', NULL, "show the version", CMD_TEXT},
    {0},
};

/* What getopt_long takes, made from cmd->options. */
struct tables {
    struct option longs[CMD_OPTIONS_MAX];
    char shorts[3 * CMD_OPTIONS_MAX + 3];
    size_t count;
};

#define LONG_FIRST 256 /* above every letter */

static void add_option(struct cmd *cmd, struct tables *tables, const struct cmd_option *option)
{
    size_t i = tables->count++, length = strlen(tables->shorts);
    assert(i + 1 < CMD_OPTIONS_MAX);
    int takes = !option->argument ? no_argument
                : option->argument[0] == '[' ? optional_argument : required_argument;
    cmd->options[i] = option;
    tables->longs[i] = (struct option){option->name, takes, NULL, LONG_FIRST + (int)i};
    if (option->letter)
        snprintf(tables->shorts + length, sizeof(tables->shorts) - length, "%c%s",
                 option->letter, takes == required_argument ? ":" : "");
}

static void add_table(struct cmd *cmd, struct tables *tables, const struct cmd_option *table)
{
    for (; table && table->name; table++)
        add_option(cmd, tables, table);
}

/* --- mistakes ------------------------------------------------------------------------------ */

static const char *option_name(void *context, size_t index)
{
    const struct cmd *cmd = context;
    return cmd->options[index] ? cmd->options[index]->name : NULL;
}

static const char *noun_name(void *context, size_t index)
{
    (void)context;
    const char *summary;
    return cmd_noun_at(index, &summary);
}

static const char *verb_name(void *context, size_t index)
{
    const struct cmd *cmd = context;
    const struct cmd_verb *verb;
    for (size_t i = 0; (verb = cmd_verb_at(i)); i++)
        if (strcmp(verb->noun, cmd->noun) == 0 && index-- == 0)
            return verb->name;
    return NULL;
}

/* "-1.0" and "-.5" are arguments. */
static bool is_number(const char *word)
{
    return word[0] == '-' && word[1] && strchr(".0123456789", word[1]);
}

/* What getopt_long has no place for; `token` is the word of the command line. */
static void unknown_option(struct cmd *cmd, const char *token, struct grid_error *err)
{
    char name[64] = "";
    const char *at = token + strspn(token, "-"), *nearest = NULL;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "="), at);
    for (size_t i = 0; cmd->options[i]; i++) {
        if (strncmp(token, "--", 2) == 0 && strcmp(cmd->options[i]->name, name) == 0) {
            grid_error_set(err, GRID_EUSAGE, "option '--%s' takes no value", name);
            return;
        }
    }
    if (token[1] != '-' && strlen(name) > 1 && optopt > ' ' && optopt < 0x7f
        && (unsigned char)token[1] != optopt)
        grid_error_set(err, GRID_EUSAGE, "unknown option '-%c' in '%s'", optopt,
                       text_shown(token));
    else
        grid_error_set(err, GRID_EUSAGE, "unknown option '%s'", text_shown(token));
    if (strlen(name) > 1)
        nearest = text_nearest(name, option_name, cmd);
    if (nearest)
        grid_error_hint(err, "did you mean '--%s'?", nearest);
    else if (!cmd->verb)
        grid_error_hint(err, "the options of a verb come after it: grid NOUN VERB [OPTION]...");
}

/* A word that is no noun: perhaps a verb whose noun was left out. */
static void unknown_noun(const char *word, struct grid_error *err)
{
    const struct cmd_verb *verb;
    text_unknown("command", word, noun_name, NULL, err);
    for (size_t i = 0; err && (verb = cmd_verb_at(i)); i++) {
        if (strcmp(verb->name, word) == 0) {
            grid_error_hint(err, "did you mean 'grid %s %s'?", verb->noun, verb->name);
            return;
        }
    }
}

/* --- words --------------------------------------------------------------------------------- */

static void take_noun(struct cmd *cmd, const char *word, struct grid_error *err)
{
    const char *noun;
    for (size_t i = 0; (noun = noun_name(NULL, i)) && !cmd->noun; i++)
        if (strcmp(noun, word) == 0)
            cmd->noun = noun;
    if (!cmd->noun)
        unknown_noun(word, err);
}

static void take_verb(struct cmd *cmd, struct tables *tables, const char *word,
                      struct grid_error *err)
{
    const struct cmd_verb *verb;
    for (size_t i = 0; (verb = cmd_verb_at(i)) && !cmd->verb; i++)
        if (strcmp(verb->noun, cmd->noun) == 0 && strcmp(verb->name, word) == 0)
            cmd->verb = verb;
    if (cmd->verb) {
        add_table(cmd, tables, cmd->verb->options);
        add_table(cmd, tables, cmd->verb->shared);
        return;
    }
    char what[64];
    snprintf(what, sizeof(what), "%s verb", cmd->noun);
    text_unknown(what, word, verb_name, cmd, err);
}

static void take_word(struct cmd *cmd, struct tables *tables, char *word, struct grid_error *err)
{
    if (cmd->verb)
        cmd->arguments[cmd->argument_count++] = word;
    else if (strcmp(word, "help") == 0)
        cmd->help = true;
    else if (!cmd->noun)
        take_noun(cmd, word, err);
    else
        take_verb(cmd, tables, word, err);
}

static void take_option(struct cmd *cmd, const struct tables *tables, int found,
                        const char *token, struct grid_error *err)
{
    size_t i = (size_t)(found - LONG_FIRST);
    if (found < LONG_FIRST)
        for (i = 0; cmd->options[i]->letter != found;)
            i++;
    else if (strcspn(token + 2, "=") != strlen(tables->longs[i].name)) {
        unknown_option(cmd, token, err); /* getopt_long takes abbreviations */
        return;
    }
    cmd->values[i] = optarg ? optarg : "";
    cmd->help |= strcmp(cmd->options[i]->name, "help") == 0;
    cmd->version |= strcmp(cmd->options[i]->name, "version") == 0;
    /* Of -o and --json the last one counts. */
    if (strcmp(cmd->options[i]->name, "json") == 0)
        cmd->values[i - 1] = "json";
}

/* An option without its argument; it stands last. */
static void missing_argument(struct cmd *cmd, struct grid_error *err)
{
    size_t i = 0;
    while (optopt < LONG_FIRST ? cmd->options[i]->letter != optopt : LONG_FIRST + (int)i != optopt)
        i++;
    cmd->pending = cmd->options[i];
    grid_error_set(err, GRID_EUSAGE, "option '--%s' needs a value: %s", cmd->options[i]->name,
                   cmd->options[i]->argument);
}

int option_parse(struct cmd *cmd, int argc, char **argv, struct grid_error *err)
{
    /* '-': words in order, whatever POSIXLY_CORRECT says; ':': we print the messages. */
    struct tables tables = {.shorts = "-:"};
    add_table(cmd, &tables, cmd_globals);
    cmd->arguments = argv;
    optind = 0;
    for (;;) {
        struct grid_error *first = err->code ? NULL : err;
        int at = optind > 0 ? optind : 1;
        if (at < argc && is_number(argv[at])) {
            optind = at + 1;
            take_word(cmd, &tables, argv[at], first);
            continue;
        }
        int found = getopt_long(argc, argv, tables.shorts, tables.longs, NULL);
        if (found == -1)
            break;
        if (found == 1)
            take_word(cmd, &tables, optarg, first);
        else if (found == ':')
            missing_argument(cmd, first);
        else if (found == '?')
            unknown_option(cmd, argv[at], first);
        else
            take_option(cmd, &tables, found, argv[at], first);
    }
    cmd->ended = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
    for (int i = optind; i < argc; i++)
        take_word(cmd, &tables, argv[i], err->code ? NULL : err);
    return err->code;
}

int option_count(const struct cmd *cmd, struct grid_error *err)
{
    size_t count = 0;
    bool repeats = false;
    for (const char *at = cmd->verb->arguments; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        repeats = length > 3 && strncmp(at + length - 3, "...", 3) == 0;
        if (count++ >= cmd->argument_count && at[0] != '[')
            return grid_error_set(err, GRID_EUSAGE, "%.*s is missing",
                                  (int)(repeats ? length - 3 : length), at);
        at += length;
    }
    if (cmd->argument_count <= count || repeats)
        return 0;
    return grid_error_set(err, GRID_EUSAGE, "%s '%s'",
                          cmd->verb->crowded ? cmd->verb->crowded : "unexpected argument",
                          text_shown(cmd->arguments[count]));
}
