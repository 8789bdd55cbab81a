/* The command line: one pass of getopt_long, its table growing when the verb is known. */
#include "cmd/cmd.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

const struct cmd_option cmd_globals[] = {
    {"data-dir", 0, "DIR", "where the ledger lives (~/.distributed_grid)"},
    {"store", 0, "URL", "another store than the data directory"},
    {"config", 'c', "FILE", "settings (config.yaml of the data directory)"},
    {"output", 'o', "FORMAT", "table, json, jsonl, csv or id"},
    {"json", 0, NULL, "as -o json"},
    {"quiet", 'q', NULL, "only ids, no notes"},
    {"columns", 0, "A,B", "which columns a table or csv has"},
    {"no-headings", 0, NULL, "table and csv without headings and totals"},
    {"color", 0, "WHEN", "auto, always or never"},
    {"lock-timeout", 0, "DUR", "how long to wait for other commands (10s)"},
    {"verbose", 'v', NULL, "say what is read, locked and written, and why"},
    {"help", 'h', NULL, "show help"},
    {"version", 'V', NULL, "show the version"},
    {0},
};

const char *option_dashes(const struct cmd_option *option)
{
    return option->name[1] ? "--" : "-";
}

size_t option_find(const struct cmd *cmd, const char *name, size_t length)
{
    size_t i = 0;
    while (cmd->options[i] && (cmd->options[i]->name[0] != *name
                               || strncmp(cmd->options[i]->name, name, length) != 0
                               || cmd->options[i]->name[length]))
        i++;
    return i;
}

/* What getopt_long takes, made from cmd->options. */
struct tables {
    struct option longs[CMD_OPTIONS_MAX];
    char shorts[3 * CMD_OPTIONS_MAX + 3];
    size_t count;
};

#define LONG_FIRST 256 /* above every letter */

static void add_table(struct cmd *cmd, struct tables *tables, const struct cmd_option *at)
{
    for (; at && at->name; at++) {
        size_t i = tables->count++, length = strlen(tables->shorts);
        assert(i + 1 < CMD_OPTIONS_MAX);
        int takes = !at->argument ? no_argument
                    : at->argument[0] == '[' ? optional_argument : required_argument;
        cmd->options[i] = at;
        tables->longs[i] = (struct option){at->name, takes, NULL, LONG_FIRST + (int)i};
        tables->shorts[length] = at->letter;
        if (at->letter && takes == required_argument)
            tables->shorts[length + 1] = ':';
    }
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
    return cmd_nouns[index].name;
}

static const char *verb_name(void *noun, size_t index)
{
    const struct cmd_verb *verb = cmd_verb_at(noun, index);
    return verb ? verb->name : NULL;
}

/* "-1.0" and "-.5" are arguments. */
static bool is_number(const char *word)
{
    return word[0] == '-' && word[1] && strchr(".0123456789", word[1]);
}

/* What getopt_long has no place for; `token` is the word of the command line. */
static void unknown_option(struct cmd *cmd, const char *token, struct grid_error *err)
{
    bool is_long = token[1] == '-';
    const char *at = token + strspn(token, "-"), *nearest = NULL;
    size_t length = strcspn(at, "="), known = option_find(cmd, at, length);
    grid_auto_free char *name = strndup(at, length);
    if (is_long && cmd->options[known] && !cmd->options[known]->argument) {
        grid_error_set(err, GRID_EUSAGE, "option '--%s' takes no value",
                       cmd->options[known]->name);
        return;
    }
    if (is_long || token[1] == optopt)
        grid_error_set(err, GRID_EUSAGE, "unknown option '%s'", text_shown(token));
    else
        grid_error_set(err, GRID_EUSAGE, "unknown option '%s' in '%s'",
                       text_shown(((char[]){'-', (char)optopt, '\0'})), text_shown(token));
    if (name && length > 1)
        nearest = text_nearest(name, option_name, cmd);
    if (nearest)
        grid_error_hint(err, "did you mean '--%s'?", nearest);
    else if (!cmd->verb)
        grid_error_hint(err, "the options of a verb come after it: grid NOUN VERB [OPTION]...");
}

/* A word that is no noun: perhaps a verb whose noun was left out. */
static void unknown_noun(const char *word, struct grid_error *err)
{
    const char *name;
    text_unknown("command", word, noun_name, NULL, err);
    for (const struct cmd_noun *noun = cmd_nouns; err && noun->name; noun++) {
        for (size_t i = 0; (name = verb_name((void *)noun, i)); i++) {
            if (strcmp(name, word) == 0) {
                grid_error_hint(err, "did you mean 'grid %s %s'?", noun->name, name);
                return;
            }
        }
    }
}

/* Where the command of a verb that runs one seems to begin without a "--": the first word that is
 * no resource with an amount behind it. argument_count: nowhere. */
static size_t command_at(const struct cmd *cmd)
{
    size_t i = 1;
    while (i + 1 < cmd->argument_count && strchr("0123456789.+-", cmd->arguments[i + 1][0]))
        i += 2;
    return i < cmd->argument_count ? i : cmd->argument_count;
}

static bool runs_command(const struct cmd *cmd)
{
    return cmd->verb && strstr(cmd->verb->arguments, " -- ");
}

/* "grid boost run gpu-master gpu 1 -- python ..." */
static int missing_dashes(const struct cmd *cmd, size_t at, struct grid_error *err)
{
    grid_auto_buffer struct buffer hint = BUFFER_INIT;
    const char *command = cmd->arguments[at];
    grid_error_set(err, GRID_EUSAGE, "'%s' is no resource and amount: '--' has to stand before "
                   "the command", text_shown(command));
    buffer_format(&hint, "grid %s %s", cmd->noun->name, cmd->verb->name);
    for (size_t i = 0; i < at; i++)
        buffer_format(&hint, " %s", text_shown(cmd->arguments[i]));
    buffer_format(&hint, " -- %s ...", text_shown(command));
    if (buffer_string(&hint))
        grid_error_hint(err, "%s", hint.data);
    return text_is_digit(*command) ? option_advise(cmd, err) : (int)err->code; /* "--wait 2h" */
}

/* What may have been meant for an option: a duration with its unit, or else the last word. */
static const char *stray_time(const struct cmd *cmd)
{
    const char *found = NULL;
    int64_t time_us;
    for (size_t i = cmd->argument_count; i-- > 0;) {
        const char *word = cmd->arguments[i];
        bool bare = word[strspn(word, "0123456789")] == '\0';
        if (text_is_digit(word[0]) && grid_duration_parse(word, false, &time_us, NULL) == 0
            && (!bare || i + 1 == cmd->argument_count))
            found = word;
    }
    return found;
}

int option_advise(const struct cmd *cmd, struct grid_error *err)
{
    const char *time = stray_time(cmd);
    for (size_t i = 0; i < cmd->given_count; i++) {
        const struct cmd_option *option = cmd->given[i].option;
        const char *argument = option->argument ? option->argument : "";
        if (argument[0] == '[' && !cmd->given[i].value[0] && time)
            return grid_error_hint(err, "--%s takes its time in the same word: --%s=%s",
                                   option->name, option->name, text_shown(time));
        if (strcmp(argument, "TEXT") == 0)
            return grid_error_hint(err, "put a text of several words in quotes");
    }
    return (int)err->code;
}

/* --- words --------------------------------------------------------------------------------- */

/* The word of another program for a verb that the noun has. */
static void advise_synonym(const struct cmd_noun *noun, const char *word, struct grid_error *err)
{
    static const char *const pairs[][2] = {{"remove", "delete"}, {"rm", "delete"},
                                           {"delete", "remove"}, {"rm", "remove"}};
    const char *name;
    for (size_t i = 0; err && i < countof(pairs); i++)
        for (size_t at = 0; strcmp(pairs[i][0], word) == 0
                            && (name = verb_name((void *)noun, at)); at++)
            if (strcmp(name, pairs[i][1]) == 0)
                grid_error_hint(err, "did you mean '%s'?", name);
}

static void take_verb(struct cmd *cmd, struct tables *tables, const char *word,
                      struct grid_error *err)
{
    const struct cmd_verb *verb;
    char what[64];
    for (size_t i = 0; (verb = cmd_verb_at(cmd->noun, i)) && !cmd->verb; i++)
        if (strcmp(verb->name, word) == 0)
            cmd->verb = verb;
    if (!cmd->verb) {
        cmd->lost = true;
        snprintf(what, sizeof(what), "%s verb", cmd->noun->name);
        text_unknown(what, word, verb_name, (void *)cmd->noun, err);
        advise_synonym(cmd->noun, word, err);
        return;
    }
    add_table(cmd, tables, cmd->verb->options);
    add_table(cmd, tables, cmd->verb->shared);
}

static void take_noun(struct cmd *cmd, struct tables *tables, const char *word,
                      struct grid_error *err)
{
    for (const struct cmd_noun *noun = cmd_nouns; noun->name; noun++)
        if (strcmp(noun->name, word) == 0)
            cmd->noun = noun;
    cmd->lost = !cmd->noun;
    if (cmd->lost)
        unknown_noun(word, err);
    else if (cmd_verb_at(cmd->noun, 0)->name[0] == '\0')
        take_verb(cmd, tables, "", err);
}

static void take_word(struct cmd *cmd, struct tables *tables, char *word, struct grid_error *err)
{
    if (cmd->verb)
        cmd->arguments[cmd->argument_count++] = word;
    else if (strcmp(word, "help") == 0)
        cmd->help = true;
    else if (!cmd->noun)
        take_noun(cmd, tables, word, err);
    else
        take_verb(cmd, tables, word, err);
}

/* The index of the option that getopt_long means by `code`: a letter, or a row. */
static size_t coded(const struct cmd *cmd, int code)
{
    size_t i = 0;
    if (code >= LONG_FIRST)
        return (size_t)(code - LONG_FIRST);
    while (cmd->options[i]->letter != code)
        i++;
    return i;
}

static void take_option(struct cmd *cmd, int code, const char *token, struct grid_error *err)
{
    size_t i = coded(cmd, code), length = strlen(cmd->options[i]->name);
    const char *name = cmd->options[i]->name;
    if (code >= LONG_FIRST && (length == 1 || strcspn(token + 2, "=") != length)) {
        unknown_option(cmd, token, err); /* getopt_long takes abbreviations */
        return;
    }
    cmd->values[i] = optarg ? optarg : "";
    if (cmd->given_count == CMD_GIVEN_MAX) {
        grid_error_set(err, GRID_EUSAGE, "more than %d options", CMD_GIVEN_MAX);
        return;
    }
    cmd->given[cmd->given_count].option = cmd->options[i];
    cmd->given[cmd->given_count++].value = cmd->values[i];
    cmd->help |= strcmp(name, "help") == 0;
    cmd->version |= strcmp(name, "version") == 0;
    if (strcmp(name, "json") == 0) /* of -o and --json the last one counts */
        cmd->values[coded(cmd, 'o')] = "json";
}

/* An option without its argument; it stands last. */
static void missing_argument(struct cmd *cmd, struct grid_error *err)
{
    cmd->pending = cmd->options[coded(cmd, optopt)];
    grid_error_set(err, GRID_EUSAGE, "option '%s%s' needs a value: %s",
                   option_dashes(cmd->pending), cmd->pending->name, cmd->pending->argument);
}

int option_parse(struct cmd *cmd, int argc, char **argv, struct grid_error *err)
{
    /* '-': words in order, whatever POSIXLY_CORRECT says; ':': we print the messages. */
    struct tables tables = {.shorts = "-:"};
    size_t right = SIZE_MAX; /* words before the first mistake */
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
            take_option(cmd, found, argv[at], first);
        if (first && err->code)
            right = cmd->argument_count;
    }
    cmd->ended = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
    cmd->ended_at = cmd->argument_count;
    for (int i = optind; i < argc; i++)
        take_word(cmd, &tables, argv[i], err->code ? NULL : err);
    if (err->code && !cmd->ended && runs_command(cmd) && command_at(cmd) < right)
        return missing_dashes(cmd, command_at(cmd), err); /* it was the command's own option */
    return err->code;
}

int option_count(const struct cmd *cmd, struct grid_error *err)
{
    const char *at = cmd->verb->arguments, *command = strstr(at, " -- ");
    const char *end = command ? command : at + strlen(at);
    size_t count = 0, given = command && cmd->ended ? cmd->ended_at : cmd->argument_count;
    bool repeats = false;
    for (; at < end; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        repeats = length > 3 && strncmp(at + length - 3, "...", 3) == 0;
        bool optional = at[0] == '[' || memchr(at, ']', length);
        if (count++ >= given && !optional)
            return grid_error_set(err, GRID_EUSAGE, "%.*s is missing",
                                  (int)(repeats ? length - 3 : length), at);
        at += length;
    }
    if (given > count && !repeats) {
        grid_error_set(err, GRID_EUSAGE, "unexpected argument '%s'",
                       text_shown(cmd->arguments[count]));
        return option_advise(cmd, err);
    }
    if (command && !cmd->ended && command_at(cmd) < given)
        return missing_dashes(cmd, command_at(cmd), err);
    if (command && given == cmd->argument_count)
        return grid_error_advise(err, GRID_EUSAGE, "'--' has to stand before the command",
                                 "%s is missing", command + 1);
    return 0;
}
