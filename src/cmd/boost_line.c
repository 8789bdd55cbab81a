/* One line of a batch: its words, read as a call of their own. */
#include "cmd/boost_line.h"

#include "util/words.h"

#include <stddef.h>

#define TAKES "it takes request, release and extend"
#define OUTPUT offsetof(struct settings, quiet) /* from there on they are not about places */

void boost_line_release(struct boost_line *line)
{
    boost_op_release(&line->op);
    buffer_release(&line->cmd.out);
    buffer_release(&line->cmd.details);
    buffer_release(&line->cmd.sheet.text);
    free(steal(line->words));
    free(steal(line->text));
}

void boost_line_begin(struct boost_line *line, const struct cmd *outer, size_t number)
{
    struct cmd *cmd = &line->cmd;
    cmd->out = cmd->details = cmd->sheet.text = BUFFER_INIT;
    cmd->store = outer->store;
    cmd->line = number;
    cmd->in_file = true;
    /* Where things are matters to the hook alone; not touched, the pages are not there. */
    memcpy((char *)&cmd->settings + OUTPUT, (const char *)&outer->settings + OUTPUT,
           sizeof(cmd->settings) - OUTPUT);
    cmd->hooks.looked = outer->hooks.looked;
    cmd->hooks.there = outer->hooks.there;
    if (cmd->hooks.there)
        cmd->settings = outer->settings;
    memcpy(cmd->user, outer->user, sizeof(cmd->user));
    memcpy(cmd->host, outer->host, sizeof(cmd->host));
}

/* What a line may say about output counts where the batch itself has no format of its own. */
static void set_output(struct cmd *cmd, const struct cmd *outer)
{
    for (size_t i = 0; cmd_globals[i].name; i++)
        if (!cmd->values[i])
            cmd->values[i] = outer->values[i];
    if (outer->settings.format == FORMAT_TABLE) {
        cmd->settings.format = cmd_value(cmd, "quiet") ? FORMAT_ID : FORMAT_TABLE;
        config_output(cmd);
    } else if (outer->settings.format == FORMAT_JSONL) {
        cmd->settings.format = FORMAT_JSON;
    }
    cmd->settings.columns = cmd_value(cmd, "columns");
}

/* EUSAGE: what only makes sense for a call alone. */
static int check_options(const struct cmd *cmd, struct grid_error *err)
{
    static const char *const alone[] = {"data-dir", "store", "config", "lock-timeout", "help",
                                        "version",  "wait",  "dry-run"};
    for (size_t i = 0; i < cmd->given_count; i++)
        for (size_t j = 0; j < countof(alone); j++)
            if (strcmp(cmd->given[i].option->name, alone[j]) == 0)
                return grid_error_set(err, GRID_EUSAGE, "'--%s' cannot be part of a batch",
                                      alone[j]);
    return 0;
}

/* The verb is none: what a line is. */
static int unknown_verb(const char *first, struct grid_error *err)
{
    if (strcmp(first, "grid") == 0 || strcmp(first, "boost") == 0)
        return grid_error_hint(err, "leave out 'grid boost': a line begins with the verb");
    if (!text_begins(err->hint, "did you mean"))
        return grid_error_hint(err, TAKES);
    return (int)err->code;
}

static int check_verb(const struct cmd *cmd, struct grid_error *err)
{
    static const char *const verbs[] = {"request", "release", "extend"};
    if (!cmd->verb)
        return grid_error_set(err, GRID_EUSAGE, "VERB is missing");
    for (size_t i = 0; i < countof(verbs); i++)
        if (strcmp(cmd->verb->name, verbs[i]) == 0)
            return 0;
    return grid_error_advise(err, GRID_EUSAGE, TAKES,
                             "'%s' cannot be part of a batch", cmd->verb->name);
}

/* `words` has room for two in front. */
static int read_call(struct boost_line *line, const struct cmd *outer, size_t count,
                     struct grid_error *err)
{
    struct cmd *cmd = &line->cmd;
    line->words[0] = (char *)"grid";
    line->words[1] = (char *)outer->noun->name;
    const char *first = line->words[2]; /* what is parsed is also used for the arguments */
    int rc = option_parse(cmd, (int)count + 2, line->words, err);
    set_output(cmd, outer);
    if (cmd->lost)
        rc = unknown_verb(first, err);
    rc = rc ?: check_verb(cmd, err);
    rc = rc ?: check_options(cmd, err);
    rc = rc ?: option_count(cmd, err);
    rc = rc ?: sheet_begin(cmd, err);
    rc = rc ?: boost_op_read(cmd, &line->op, err);
    if (rc == 0 && line->op.asks)
        rc = grid_error_set(err, GRID_EUSAGE, "release --all needs --yes in a batch");
    return rc;
}

int boost_line_read(struct boost_line *line, const struct cmd *outer, const char *text,
                    struct grid_error *err)
{
    size_t count = 0;
    line->text = strdup(text);
    line->words = malloc((words_most(strlen(text)) + 2) * sizeof(*line->words));
    if (!line->text || !line->words)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the batch");
    int rc = words_split(line->text, line->words + 2, &count, err);
    if (rc < 0)
        return rc;
    return count == 0 ? 1 : read_call(line, outer, count, err);
}
