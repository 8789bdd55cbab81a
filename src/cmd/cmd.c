/* Dispatch: the one list of nouns, and a call's way from its words to its exit status. */
#include "cmd/cmd.h"
#include "util/clock.h"

#include <assert.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct cmd_noun cmd_nouns[] = {
    {"boost", "lend, list and return resources",
     {boost_request_verbs, boost_list_verbs, boost_extend_verbs, boost_change_verbs,
      boost_run_verbs, boost_explain_verbs, boost_free_verbs, boost_queue_verbs,
      boost_history_verbs, boost_batch_verbs}},
    {"node", "register the machines, and what they have", {node_set_verbs, node_verbs}},
    {"policy", "what the whole ledger obeys", {policy_verbs}},
    {"backup", "keep copies of the ledger, and go back to one", {backup_verbs}},
    {"store", "look after the ledger", {store_verbs, store_copy_verbs}},
    {"export", "write the whole ledger as one document", {export_verbs}},
    {"import", "take over such a document", {import_verbs}},
    {0},
};

const struct cmd_verb *cmd_verb_at(const struct cmd_noun *noun, size_t index)
{
    for (size_t i = 0; noun->tables[i]; i++)
        for (const struct cmd_verb *verb = noun->tables[i]; verb->name; verb++)
            if (index-- == 0)
                return verb;
    return NULL;
}

const char *cmd_word(void *words, size_t index)
{
    return ((const char *const *)words)[index];
}

const char *const cmd_resources[] = {"cpu", "gpu", "memory", NULL};

/* --- what verbs ask of the call ------------------------------------------------------------- */

const char *cmd_value(const struct cmd *cmd, const char *option)
{
    size_t i = option_find(cmd, option, strlen(option));
    assert(cmd->options[i]);
    return cmd->values[i];
}

const char *cmd_next(const struct cmd *cmd, const char *option, size_t *at)
{
    while (*at < cmd->given_count) {
        size_t i = (*at)++;
        if (strcmp(cmd->given[i].option->name, option) == 0)
            return cmd->given[i].value;
    }
    return NULL;
}

int cmd_text(const struct cmd *cmd, const char *option, size_t size, const char **ret,
             struct grid_error *err)
{
    const char *text = cmd_value(cmd, option);
    *ret = text;
    if (!text)
        return 0;
    if (!*text)
        return grid_error_set(err, GRID_EUSAGE, "--%s is empty", option);
    if (strlen(text) >= size)
        return grid_error_set(err, GRID_EUSAGE, "--%s is longer than %zu bytes", option, size - 1);
    if (!text_is_utf8(text, strlen(text)))
        return grid_error_set(err, GRID_EUSAGE, "--%s is not UTF-8: '%s'", option,
                              text_shown(text));
    return 0;
}

int cmd_duration(const struct cmd *cmd, const char *option, bool never, int64_t *ret_us,
                 struct grid_error *err)
{
    const char *text = cmd_value(cmd, option);
    return text ? grid_duration_parse(text, never, ret_us, err) : 0;
}

int cmd_time(const struct cmd *cmd, const char *option, int64_t *ret_us, struct grid_error *err)
{
    const char *text = cmd_value(cmd, option);
    return text ? grid_time_parse(text, clock_now_us(), ret_us, err) : 0;
}

/* Who has no name is called by his number; who has one that cannot be read now is not, for what he
 * does would be another owner's. */
static int find_user(struct cmd *cmd, struct grid_error *err)
{
    char text[16384];
    struct passwd entry, *found;
    if (cmd->user[0])
        return 0;
    int failed = getpwuid_r(getuid(), &entry, text, sizeof(text), &found);
    if (failed)
        return grid_error_errno(err, GRID_EIO, failed, "cannot look up the name of user %u",
                                (unsigned)getuid());
    if (!found || !text_copy(cmd->user, sizeof(cmd->user), found->pw_name))
        snprintf(cmd->user, sizeof(cmd->user), "%u", (unsigned)getuid());
    return 0;
}

const char *cmd_user(struct cmd *cmd)
{
    if (find_user(cmd, NULL) < 0)
        snprintf(cmd->user, sizeof(cmd->user), "%u", (unsigned)getuid());
    return cmd->user;
}

const char *cmd_host(struct cmd *cmd)
{
    if (!cmd->host[0])
        gethostname(cmd->host, sizeof(cmd->host) - 1); /* a longer name is cut */
    return cmd->host;
}

int cmd_open(struct cmd *cmd, const char *url, struct grid_store **ret, struct grid_error *err)
{
    char actor[2 * GRID_USER_SIZE];
    int rc = find_user(cmd, err);
    if (rc < 0)
        return rc;
    snprintf(actor, sizeof(actor), "%s@%s", cmd_user(cmd), cmd_host(cmd));
    struct grid_store_options options = {.url = url,
                                         .actor = actor,
                                         .lock_timeout_us = cmd->settings.lock_timeout_us,
                                         .keep_generations = (int)cmd->settings.keep_generations,
                                         .note = output_note,
                                         .note_context = cmd,
                                         .event = hooks_event,
                                         .event_context = cmd};
    return grid_store_open(&options, ret, err);
}

int cmd_store(struct cmd *cmd, struct grid_error *err)
{
    return cmd_open(cmd, cmd->settings.store, &cmd->store, err);
}

int cmd_lasting(const char *url, struct grid_error *err)
{
    if (strncmp(url, "memory:", 7) != 0)
        return 0;
    return grid_error_set(err, GRID_EUSAGE,
                          "a store 'memory:' would be lost when the command ends");
}

char *cmd_place(const char *url, char *buffer, size_t size)
{
    text_copy(buffer, size, url);
    if (strncmp(buffer, "file:", 5) != 0 && !strchr("/.", buffer[0]))
        buffer[strcspn(buffer, ":")] = '\0';
    return buffer;
}

/* --- a call --------------------------------------------------------------------------------- */

/* Prints what was asked about grid itself, whatever else is wrong; false: nothing was. */
static bool inform(struct cmd *cmd, int rc)
{
    if (cmd->lost)
        return false;
    if (cmd->version)
        buffer_text(&cmd->out, "grid " GRID_VERSION "\n");
    else if (cmd->help || (!cmd->verb && rc == 0))
        help_print(cmd);
    else
        return false;
    return true;
}

static int run(struct cmd *cmd, struct grid_error *err)
{
    int rc = option_count(cmd, err);
    rc = rc ?: config_load(cmd, err);
    rc = rc ?: sheet_begin(cmd, err);
    rc = rc ?: cmd_lasting(cmd->settings.store, err);
    rc = rc ?: cmd_store(cmd, err);
    return rc ?: cmd->verb->run(cmd, err);
}

int cmd_main(struct cmd *cmd, int argc, char **argv)
{
    struct grid_error err = {0};
    const char *hidden = argc > 1 ? argv[1] : "";
    int rc = 0;
    if (strcmp(hidden, "__complete") == 0)
        complete_print(cmd, argc - 2, argv + 2);
    else if (strcmp(hidden, "__options") == 0)
        help_options(cmd);
    else {
        rc = option_parse(cmd, argc, argv, &err);
        config_output(cmd); /* an early error is printed as it is asked for */
        if (inform(cmd, rc))
            rc = 0;
        else if (rc == 0)
            rc = run(cmd, &err);
    }
    hooks_run(cmd);
    grid_store_close(cmd->store);
    hooks_release(&cmd->hooks);
    buffer_release(&cmd->sheet.text);
    return output_finish(cmd, rc, &err);
}
