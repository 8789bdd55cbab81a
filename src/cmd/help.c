/* Help at every level, all of it made from the tables. */
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

#define LEFT 27 /* where the right column of a list begins */

static void print_row(struct buffer *out, const char *left, const char *right)
{
    buffer_format(out, "  %-*s%s%s\n", LEFT - 2, left, strlen(left) < LEFT - 2 ? "" : "  ", right);
}

static void print_options(struct buffer *out, const struct cmd_option *table)
{
    for (; table && table->name; table++) {
        char left[64], letter[8] = "    ";
        const char *argument = table->argument ? table->argument : "";
        if (table->letter && table->name[1])
            snprintf(letter, sizeof(letter), "-%c, ", table->letter);
        snprintf(left, sizeof(left), "%s%s%s%s%s", letter, option_dashes(table),
                 table->name, *argument && *argument != '[' ? " " : "", argument);
        print_row(out, left, table->help);
    }
}

static void print_columns(struct buffer *out, const struct row_kind *kind)
{
    buffer_text(out, "\nColumns (* by default, * table and * csv only there; or --columns):\n");
    for (size_t i = 0; i < kind->count; i++) {
        char left[64];
        static const char *const marks[] = {"", "* table", "* csv", "*"};
        snprintf(left, sizeof(left), "%-14s%s", kind->columns[i].name,
                 marks[kind->columns[i].flags & COLUMN_DEFAULT]);
        print_row(out, left, kind->columns[i].help);
    }
}

static void print_verb(struct buffer *out, const char *noun, const struct cmd_verb *verb)
{
    bool takes = verb->options || verb->shared;
    buffer_format(out, "Usage: grid %s%s%s%s%s%s\n\n%s.\n", noun, cmd_blank(verb), verb->name,
                  takes ? " [OPTION]..." : "", *verb->arguments ? " " : "", verb->arguments,
                  verb->summary);
    buffer_text(out, takes ? "\nOptions:\n" : "");
    print_options(out, verb->options);
    print_options(out, verb->shared);
    if (verb->rows)
        print_columns(out, verb->rows);
    buffer_format(out, "\nExamples:\n%s"
                  "\nThe options of every command: grid --help. More: man grid-%s\n",
                  verb->examples, noun);
}

static void print_noun(struct buffer *out, const struct cmd_noun *noun)
{
    const struct cmd_verb *verb;
    buffer_format(out, "\n%s: %s\n", noun->name, noun->summary);
    for (size_t i = 0; (verb = cmd_verb_at(noun, i)); i++) {
        char left[64];
        const char *more = verb->name[0] ? verb->name : verb->arguments;
        snprintf(left, sizeof(left), "%s %s", noun->name, more);
        print_row(out, left, verb->summary);
    }
}

void help_print(struct cmd *cmd)
{
    struct buffer *out = &cmd->out;
    const char *name = cmd->noun ? cmd->noun->name : "NOUN";
    if (cmd->verb) {
        print_verb(out, name, cmd->verb);
        return;
    }
    buffer_format(out, "Usage: grid [GLOBAL OPTION]... %s VERB [OPTION]... [ARGUMENT]...\n", name);
    for (const struct cmd_noun *noun = cmd_nouns; noun->name; noun++)
        if (!cmd->noun || noun == cmd->noun)
            print_noun(out, noun);
    if (!cmd->noun) {
        buffer_text(out, "\nGlobal options, anywhere on the line:\n");
        print_options(out, cmd_globals);
        buffer_text(out, "\nA first try:\n  grid boost request gpu-master cpu 2.0\n");
    }
    buffer_format(out, "\nMore about one of them: grid help %s VERB\n", name);
}

char *help_where(const struct cmd *cmd, char *buffer, size_t size)
{
    snprintf(buffer, size, "try 'grid %s%s%s%s--help'", cmd->noun ? cmd->noun->name : "",
             cmd->noun ? " " : "", cmd->verb ? cmd->verb->name : "",
             cmd->verb ? cmd_blank(cmd->verb) : "");
    return buffer;
}

static void list_options(struct buffer *out, const char *words, const struct cmd_option *table)
{
    for (; table && table->name; table++)
        buffer_format(out, "%s%s%s\n", words, option_dashes(table), table->name);
}

void help_options(struct cmd *cmd)
{
    const struct cmd_verb *verb;
    char words[64];
    list_options(&cmd->out, "", cmd_globals);
    for (const struct cmd_noun *noun = cmd_nouns; noun->name; noun++) {
        for (size_t i = 0; (verb = cmd_verb_at(noun, i)); i++) {
            snprintf(words, sizeof(words), "%s%s%s ", noun->name, cmd_blank(verb), verb->name);
            list_options(&cmd->out, words, verb->options);
            list_options(&cmd->out, words, verb->shared);
        }
    }
}
