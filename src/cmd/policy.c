/* grid policy show, set, unset: what the whole ledger obeys. */
#include "cmd/node.h"
#include "model/node_record.h"

#include <stddef.h>
#include <string.h>

/* The keys but "quota.RESOURCE". */
static const struct key {
    const char *name;
    size_t offset; /* of a duration; 0: it is `enabled` */
    bool never;    /* may a duration be "never", and else, may it be 0? */
} keys[] = {
    {"enabled", 0, false},
    {"default_duration", offsetof(struct grid_policy, default_duration_us), true},
    {"max_duration", offsetof(struct grid_policy, max_duration_us), true},
    {"protected_time", offsetof(struct grid_policy, protected_us), false},
    {"preempt_grace", offsetof(struct grid_policy, grace_us), false},
};

static const char *key_name(void *context, size_t index)
{
    (void)context;
    if (index < countof(keys))
        return keys[index].name;
    return index == countof(keys) ? "quota.RESOURCE" : NULL;
}

static int64_t *duration_of(struct grid_policy *policy, const struct key *key)
{
    return (int64_t *)((char *)policy + key->offset);
}

/* --- showing -------------------------------------------------------------------------------- */

static void print_json(struct cmd *cmd, const struct grid_policy *policy)
{
    struct json json = json_begin(&cmd->out, 0);
    json_open(&json, '{');
    json_key(&json, "schema");
    json_int(&json, 1);
    json_key(&json, "policy");
    policy_record_write(&json, policy);
    json_close(&json, '}');
    buffer_text(&cmd->out, "\n");
}

static int print_policy(struct cmd *cmd, struct grid_policy *policy)
{
    char text[GRID_TIME_SIZE];
    if (cmd->settings.format == FORMAT_JSON || cmd->settings.format == FORMAT_JSONL)
        return print_json(cmd, policy), 0;
    if (cmd->settings.format == FORMAT_ID)
        return 0;
    for (size_t i = 0; i < countof(keys); i++) {
        int64_t *duration_us = duration_of(policy, &keys[i]);
        const char *value = !keys[i].offset ? policy->enabled ? "true" : "false"
                            : *duration_us > 0 ? grid_duration_show(*duration_us, text) : "0";
        buffer_format(&cmd->out, "%s=%s\n", keys[i].name, value);
    }
    for (size_t i = 0; i < policy->quota.count; i++) {
        const char *resource = policy->quota.at[i].resource;
        buffer_text(&cmd->out, "quota.");
        for (const char *at = resource; *at; at++)
            buffer_format(&cmd->out, "%c", text_lower(*at));
        buffer_format(&cmd->out, "=%s\n",
                      grid_amount_format(resource, policy->quota.at[i].amount_u, text));
    }
    return 0;
}

static int run_show(struct cmd *cmd, struct grid_error *err)
{
    struct grid_policy policy;
    int rc = grid_ledger_policy(cmd->store, &policy, err);
    return rc ?: print_policy(cmd, &policy);
}

/* --- changing ------------------------------------------------------------------------------- */

/* One word "KEY=VALUE", or "KEY" alone, which gets its default again. */
static int change_quota(struct cmd *cmd, struct grid_policy *policy, const char *word, bool unset,
                        struct grid_error *err)
{
    char resource[GRID_RESOURCE_SIZE];
    int64_t amount_u = -1;
    int rc = unset ? grid_resource_parse(word, resource, err)
                   : node_amount(cmd, word, resource, &amount_u, err);
    return rc ?: grid_amounts_set(&policy->quota, resource, amount_u, err);
}

static int set_key(struct grid_policy *policy, const struct key *key, const char *value,
                   struct grid_error *err)
{
    bool on = strcmp(value, "true") == 0;
    if (key->offset && !key->never && strcmp(value, "0") == 0) {
        *duration_of(policy, key) = 0;
        return 0;
    }
    if (key->offset)
        return grid_duration_parse(value, key->never, duration_of(policy, key), err);
    if (!on && strcmp(value, "false") != 0)
        return grid_error_set(err, GRID_EUSAGE, "'%s' is neither true nor false",
                              text_shown(value));
    policy->enabled = on;
    return 0;
}

static int change_key(struct cmd *cmd, struct grid_policy *policy, const char *word, bool unset,
                      struct grid_error *err)
{
    const char *equals = strchr(word, '=');
    grid_auto_free char *name = strndup(word, unset || !equals ? strlen(word)
                                                               : (size_t)(equals - word));
    struct grid_policy standard = GRID_POLICY_DEFAULT;
    size_t i = 0;
    if (!name)
        return grid_error_set(err, GRID_ENOMEM, "no memory");
    if (!unset && !equals)
        return grid_error_set(err, GRID_EUSAGE, "'%s' is not KEY=VALUE", text_shown(word));
    if (text_begins(word, "quota."))
        return change_quota(cmd, policy, word + strlen("quota."), unset, err);
    int rc = text_choice("key", name, key_name, NULL, &i, err);
    if (rc == 0 && i == countof(keys))
        rc = grid_error_set(err, GRID_EUSAGE, "RESOURCE is missing: quota.cpu");
    if (rc < 0 || !unset)
        return rc ?: set_key(policy, &keys[i], equals + 1, err);
    if (keys[i].offset)
        *duration_of(policy, &keys[i]) = *duration_of(&standard, &keys[i]);
    else
        policy->enabled = standard.enabled;
    return 0;
}

static int edit(void *context, struct grid_policy *policy, struct grid_error *err)
{
    struct cmd *cmd = context;
    bool unset = strcmp(cmd->verb->name, "unset") == 0;
    for (size_t i = 0; i < cmd->argument_count; i++)
        if (change_key(cmd, policy, cmd->arguments[i], unset, err) < 0)
            return grid_error_wrap(err, "%s", text_shown(cmd->arguments[i]));
    if (policy->default_duration_us > policy->max_duration_us)
        return grid_error_advise(err, GRID_EUSAGE, "set default_duration, too",
                                 "default_duration is longer than max_duration");
    return 0;
}

static int run_change(struct cmd *cmd, struct grid_error *err)
{
    struct grid_policy policy;
    int rc = grid_ledger_policy_set(cmd->store, edit, cmd, NULL, &policy, err);
    return rc ?: print_policy(cmd, &policy);
}

const struct cmd_verb policy_verbs[] = {
    {.name = "show", .arguments = "", .summary = "Show the policy",
     .examples = "  grid policy show -o json\n", .run = run_show},
    {.name = "set", .arguments = "KEY=VALUE...",
     .summary = "Change it: enabled, durations, quotas of each owner",
     .examples = "  grid policy set max_duration=8h quota.cpu=8 quota.gpu=1\n"
                 "  grid policy set enabled=false\n",
     .run = run_change},
    {.name = "unset", .arguments = "KEY...", .summary = "Give keys their default again",
     .examples = "  grid policy unset quota.cpu max_duration\n", .run = run_change},
    {0},
};
