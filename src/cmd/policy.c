/* grid policy show, set, unset: what the whole ledger obeys. */
#include "cmd/node.h"
#include "model/node_record.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define QUOTA "quota."

const char *policy_key_next(void *context, size_t index)
{
    (void)context;
    return index < POLICY_MEMBERS ? policy_members[index].name : NULL;
}

static const char *next_key(void *context, size_t index)
{
    return index == POLICY_MEMBERS ? QUOTA "RESOURCE" : policy_key_next(context, index);
}

/* --- showing -------------------------------------------------------------------------------- */

/* A key and its value, as `set` takes them. */
struct row {
    char key[sizeof(QUOTA) + GRID_RESOURCE_SIZE];
    char value[GRID_TIME_SIZE > GRID_AMOUNT_SIZE ? GRID_TIME_SIZE : GRID_AMOUNT_SIZE];
};

static const struct column columns[] = {
    {"KEY", NULL, "what it is about", COLUMN_DEFAULT, 0, offsetof(struct row, key), rows_text},
    {"VALUE", NULL, "as 'set' takes it", COLUMN_DEFAULT, 0, offsetof(struct row, value),
     rows_text},
};

static const struct row_kind rows_keys = {.columns = columns, .count = countof(columns),
                                          .id_offset = ROW_NO_ID, .plural = "keys"};

static void print_json(struct cmd *cmd, const struct grid_policy *policy)
{
    bool line = cmd->settings.format == FORMAT_JSONL;
    struct json json = json_begin(&cmd->out, line ? -1 : 0);
    if (!line) {
        json_open(&json, '{');
        json_key(&json, "schema");
        json_int(&json, 1);
        json_key(&json, "policy");
    }
    policy_record_write(&json, policy);
    if (!line)
        json_close(&json, '}');
    buffer_text(&cmd->out, "\n");
}

static void add_row(struct cmd *cmd, const struct row *row)
{
    if (cmd->settings.format == FORMAT_TABLE && !cmd->sheet.chosen)
        buffer_format(&cmd->out, "%s=%s\n", row->key, row->value);
    else
        sheet_add(cmd, row);
}

static int print_policy(struct cmd *cmd, const struct grid_policy *policy, struct grid_error *err)
{
    struct row row;
    if (cmd->settings.format == FORMAT_JSON || cmd->settings.format == FORMAT_JSONL)
        return print_json(cmd, policy), 0;
    for (size_t i = 0; i < POLICY_MEMBERS; i++) {
        const struct policy_member *member = &policy_members[i];
        const void *field = (const char *)policy + member->offset;
        int64_t duration_us = member->truth ? 0 : *(const int64_t *)field;
        text_copy(row.key, sizeof(row.key), member->name);
        if (duration_us > 0)
            grid_duration_show(duration_us, row.value);
        else
            text_copy(row.value, sizeof(row.value), !member->truth              ? "0"
                                                    : *(const bool *)field ? "true"
                                                                           : "false");
        add_row(cmd, &row);
    }
    for (size_t i = 0; i < policy->quota.count; i++) {
        const char *resource = policy->quota.at[i].resource;
        text_copy(row.key, sizeof(row.key), QUOTA);
        text_copy_lower(row.key + strlen(QUOTA), GRID_RESOURCE_SIZE, resource);
        grid_amount_exact(resource, policy->quota.at[i].amount_u, row.value);
        add_row(cmd, &row);
    }
    return cmd->sheet.rows > 0 ? sheet_print(cmd, NULL, NULL, err) : 0;
}

static int run_show(struct cmd *cmd, struct grid_error *err)
{
    struct grid_policy policy;
    int rc = grid_ledger_policy(cmd->store, &policy, err);
    return rc ?: print_policy(cmd, &policy, err);
}

/* --- changing ------------------------------------------------------------------------------- */

/* One call; first tried on a policy that nobody sees, with warnings. */
struct editing {
    struct cmd *cmd;
    bool unset, trial;
    unsigned seen; /* in the trial: bits, by member; */
    struct grid_amounts quotas;
};

/* The last of two would win silently. */
static int see_key(struct editing *editing, size_t index, const char *name, struct grid_error *err)
{
    if (editing->trial && editing->seen & 1u << index)
        return grid_error_set(err, GRID_EUSAGE, "key '%s' comes twice", name);
    editing->seen |= 1u << index;
    return 0;
}

static int change_quota(struct editing *editing, struct grid_policy *policy,
                        const char *word, struct grid_error *err)
{
    char resource[GRID_RESOURCE_SIZE];
    int64_t amount_u = -1;
    int rc = editing->unset ? grid_resource_parse(word, resource, err)
                            : node_amount(word, NULL, resource, &amount_u, err);
    if (rc == 0 && editing->trial && grid_amounts_get(&editing->quotas, resource, -1) == 0)
        rc = grid_error_set(err, GRID_EUSAGE, "resource '%s' comes twice", resource);
    rc = rc ?: grid_amounts_set(&editing->quotas, resource, 0, err);
    if (rc == 0 && editing->trial && amount_u >= 0)
        node_warn(editing->cmd, resource);
    return rc ?: grid_amounts_set(&policy->quota, resource, amount_u, err);
}

static int set_member(const struct policy_member *member, void *field, const char *value,
                      struct grid_error *err)
{
    bool on = strcmp(value, "true") == 0;
    if (!member->truth && !member->never && strcmp(value, "0") == 0) {
        *(int64_t *)field = 0;
        return 0;
    }
    if (!member->truth)
        return grid_duration_parse(value, member->never, field, err);
    if (!on && strcmp(value, "false") != 0)
        return grid_error_set(err, GRID_EUSAGE, "'%s' is neither true nor false",
                              text_shown(value));
    *(bool *)field = on;
    return 0;
}

/* One word "KEY=VALUE", or "KEY" alone, which gets its default again. */
static int change_key(struct editing *editing, struct grid_policy *policy,
                      const char *word, struct grid_error *err)
{
    struct grid_policy standard = GRID_POLICY_DEFAULT;
    const char *equals = strchr(word, '=');
    size_t length = !editing->unset && equals ? (size_t)(equals - word) : strlen(word), i = 0;
    grid_auto_free char *name = strndup(word, length);
    if (!name)
        return grid_error_set(err, GRID_ENOMEM, "no memory");
    if (!editing->unset && !equals)
        return grid_error_advise(err, GRID_EUSAGE, "as in max_duration=8h quota.cpu=8",
                                 "it is not KEY=VALUE");
    if (text_begins(word, QUOTA))
        return change_quota(editing, policy, word + strlen(QUOTA), err);
    int rc = text_choice("key", name, next_key, NULL, &i, err);
    if (rc == 0 && i == POLICY_MEMBERS)
        rc = grid_error_set(err, GRID_EUSAGE, "RESOURCE is missing: quota.cpu");
    rc = rc ?: see_key(editing, i, name, err);
    if (rc < 0)
        return rc;
    const struct policy_member *member = &policy_members[i];
    char *field = (char *)policy + member->offset;
    if (!editing->unset)
        return set_member(member, field, equals + 1, err);
    memcpy(field, (char *)&standard + member->offset,
           member->truth ? sizeof(bool) : sizeof(int64_t));
    return 0;
}

static int edit(void *context, struct grid_policy *policy, struct grid_error *err)
{
    struct editing *editing = context;
    char most[GRID_TIME_SIZE], usual[GRID_TIME_SIZE];
    char *const *words = editing->cmd->arguments;
    for (size_t i = 0; i < editing->cmd->argument_count; i++)
        if (change_key(editing, policy, words[i], err) < 0)
            return grid_error_wrap(err, "%s", text_shown(words[i]));
    if (editing->trial || policy->default_duration_us <= policy->max_duration_us)
        return 0;
    return grid_error_advise(err, GRID_EUSAGE, "change one of them",
                             "default_duration (%s) is longer than max_duration (%s)",
                             grid_duration_show(policy->default_duration_us, usual),
                             grid_duration_show(policy->max_duration_us, most));
}

static int run_change(struct cmd *cmd, struct grid_error *err)
{
    struct grid_policy policy = {0};
    struct editing editing = {.cmd = cmd, .unset = strcmp(cmd->verb->name, "unset") == 0,
                              .trial = true};
    int rc = edit(&editing, &policy, err);
    editing.trial = false;
    rc = rc ?: grid_ledger_policy_set(cmd->store, edit, &editing, NULL, &policy, err);
    if (rc < 0)
        return rc;
    snprintf(cmd->done, sizeof(cmd->done), "the policy was set");
    return print_policy(cmd, &policy, err);
}

const struct cmd_verb policy_verbs[] = {
    {.name = "show", .arguments = "", .summary = "Show the policy", .rows = &rows_keys,
     .examples = "  grid policy show -o json\n", .run = run_show},
    {.name = "set", .arguments = "KEY=VALUE...", .rows = &rows_keys,
     .summary = "Change it: enabled, durations, quotas of each owner",
     .examples = "  grid policy set max_duration=8h quota.cpu=8 quota.gpu=1\n"
                 "  grid policy set enabled=false\n",
     .run = run_change},
    {.name = "unset", .arguments = "KEY...", .summary = "Give keys their default again",
     .rows = &rows_keys,
     .examples = "  grid policy unset quota.cpu max_duration\n", .run = run_change},
    {0},
};
