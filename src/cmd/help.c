/* Help at every level, all of it made from the tables. */
#include "cmd/output.h"

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
        snprintf(left, sizeof(left), "%s%s%s%s%s", table->name[1] ? letter : "",
                 option_dashes(table), table->name, *argument && *argument != '[' ? " " : "",
                 argument);
        print_row(out, left, table->help);
    }
}

static void print_columns(struct buffer *out, const struct row_kind *kind)
{
    buffer_text(out, "\nColumns (* unless --columns says otherwise):\n");
    for (size_t i = 0; i < kind->count; i++) {
        char left[64];
        snprintf(left, sizeof(left), "%s%s", kind->columns[i].name,
                 kind->columns[i].flags & COLUMN_DEFAULT ? " *" : "");
        print_row(out, left, kind->columns[i].help);
    }
}

static void print_verb(struct buffer *out, const struct cmd_verb *verb)
{
    buffer_format(out, "Usage: grid %s %s%s%s%s\n\n%s.\n", verb->noun, verb->name,
                  verb->options || verb->shared ? " [OPTION]..." : "",
                  *verb->arguments ? " " : "", verb->arguments, verb->summary);
    if (verb->options || verb->shared)
        buffer_text(out, "\nOptions:\n");
    print_options(out, verb->options);
    print_options(out, verb->shared);
    if (verb->rows)
        print_columns(out, verb->rows);
    if (verb->examples)
        buffer_format(out, "\nExamples:\n%s", verb->examples);
    buffer_format(out, "\nThe options of every command: grid --help. More: man grid-%s\n",
                  verb->noun);
}

/* The verbs of one noun, or of all. */
static void print_verbs(struct buffer *out, const char *noun)
{
    const struct cmd_verb *verb;
    for (size_t i = 0; (verb = cmd_verb_at(i)); i++) {
        char left[64];
        snprintf(left, sizeof(left), "%s %s", verb->noun, verb->name);
        if (strcmp(verb->noun, noun) == 0)
            print_row(out, left, verb->summary);
    }
}

void help_print(struct cmd *cmd)
{
    struct buffer *out = &cmd->out;
    if (cmd->verb) {
        print_verb(out, cmd->verb);
        return;
    }
    const char *only = cmd->noun ? cmd->noun : NULL, *noun, *summary;
    buffer_format(out, "Usage: grid [GLOBAL OPTION]... %s VERB [OPTION]... [ARGUMENT]...\n",
                  only ? only : "NOUN");
    for (size_t i = 0; (noun = cmd_noun_at(i, &summary)); i++) {
        if (only && strcmp(only, noun) != 0)
            continue;
        buffer_format(out, "\n%s: %s\n", noun, summary);
        print_verbs(out, noun);
    }
    if (!only) {
        buffer_text(out, "\nGlobal options, anywhere on the line:\n");
        print_options(out, cmd_globals);
        buffer_text(out, "\nA first try:\n  grid boost request gpu-master cpu 2.0\n");
    }
    buffer_format(out, "\nMore about one of them: grid help %s VERB\n", only ? only : "NOUN");
}

char *help_where(const struct cmd *cmd, char *buffer, size_t size)
{
    snprintf(buffer, size, "try 'grid %s%s%s%s--help'", cmd->noun ? cmd->noun : "",
             cmd->noun ? " " : "", cmd->verb ? cmd->verb->name : "", cmd->verb ? " " : "");
    return buffer;
}

static void list_options(struct buffer *out, const struct cmd_verb *verb,
                         const struct cmd_option *table)
{
    for (; table && table->name; table++)
        buffer_format(out, "%s%s%s%s%s%s\n", verb ? verb->noun : "", verb ? " " : "",
                      verb ? verb->name : "", verb ? " " : "", option_dashes(table), table->name);
}

void help_options(struct cmd *cmd)
{
    const struct cmd_verb *verb;
    list_options(&cmd->out, NULL, cmd_globals);
    for (size_t i = 0; (verb = cmd_verb_at(i)); i++) {
        list_options(&cmd->out, verb, verb->options);
        list_options(&cmd->out, verb, verb->shared);
    }
}
