/* grid boost explain: would it be granted, why not, and from when on; or how a boost stands. */
#include "cmd/boost.h"

#include <string.h>

/* --- reasons, as they are told -------------------------------------------------------------- */

static void say_amounts(struct buffer *out, const struct grid_reason *reason, const char *format)
{
    char left[GRID_AMOUNT_SIZE], limit[GRID_AMOUNT_SIZE];
    const char *texts[] = {grid_amount_show(reason->resource, reason->left_u, left),
                           grid_amount_show(reason->resource, reason->limit_u, limit),
                           reason->resource};
    for (; *format; format++) /* '<': left, '=': the limit, '%': the resource */
        if (strchr("<=%", *format))
            buffer_text(out, texts[*format == '<' ? 0 : *format == '=' ? 1 : 2]);
        else
            buffer_add(out, format, 1);
}

/* "gpu1   has 2.0 of 16.0 CPU left" */
static void add_line(struct buffer *out, const struct grid_reason *reason)
{
    char node[64];
    buffer_format(out, "  %-14s ", text_printable(reason->node, node, sizeof(node)));
    if (reason->kind == GRID_REASON_LACKING)
        say_amounts(out, reason, reason->limit_u > 0 ? "lends = % at most" : "lends no %");
    else if (reason->kind == GRID_REASON_BUSY)
        say_amounts(out, reason, "has < of = % left");
    else if (reason->kind == GRID_REASON_BORROW)
        say_amounts(out, reason, "may borrow < more of = %");
    else if (reason->kind == GRID_REASON_QUOTA)
        say_amounts(out, reason, "has < of a quota of = % left");
    else
        buffer_text(out, grid_reason_text(reason->kind));
    buffer_text(out, "\n");
}

static void add_number(struct json *json, const char *key, const struct grid_reason *reason,
                       int64_t amount_u)
{
    json_key(json, key);
    json_float(json, grid_amount_number(reason->resource, amount_u));
}

static int tell_reason(void *context, const struct grid_reason *reason, struct grid_error *err)
{
    (void)err;
    struct boost_reasons *reasons = context;
    struct json *json = &reasons->json;
    add_line(&reasons->lines, reason);
    json_open(json, '{');
    json_key(json, "node");
    json_string(json, reason->node);
    json_key(json, "reason");
    json_string(json, grid_reason_word(reason->kind));
    json_key(json, "never");
    json_bool(json, reason->never);
    if (reason->resource[0]) {
        json_key(json, "resource");
        json_string(json, reason->resource);
        add_number(json, "wanted", reason, reason->wanted_u);
        add_number(json, "left", reason, reason->left_u);
        add_number(json, "limit", reason, reason->limit_u);
    }
    json_close(json, '}');
    return 0;
}

static void begin_blocking(struct boost_reasons *reasons)
{
    if (reasons->blocking)
        return;
    reasons->blocking = true;
    json_close(&reasons->json, ']');
    json_key(&reasons->json, "blocking");
    json_open(&reasons->json, '[');
}

static void add_time(struct json *json, const char *key, int64_t time_us)
{
    char text[GRID_TIME_SIZE];
    json_key(json, key);
    json_string_or_null(json, time_us == GRID_NEVER ? NULL : grid_time_format(time_us, text));
}

static int tell_blocking(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct boost_reasons *reasons = context;
    struct json *json = &reasons->json;
    char id[64], owner[64], amount[GRID_AMOUNT_SIZE], time[GRID_TIME_SIZE];
    if (!reasons->blocking)
        buffer_text(&reasons->lines, "in the way:\n");
    buffer_format(&reasons->lines, "  %.13s  %s %s  %s  until %s\n",
                  text_printable(boost->boost_id, id, sizeof(id)), boost->resource_type,
                  grid_amount_show(boost->resource_type, boost->amount_u, amount),
                  text_printable(boost->owner[0] ? boost->owner : "-", owner, sizeof(owner)),
                  grid_time_show(boost->expires_us, time));
    begin_blocking(reasons);
    json_open(json, '{');
    json_key(json, "boost_id");
    json_string(json, boost->boost_id);
    json_key(json, "owner");
    json_string_or_null(json, boost->owner);
    add_time(json, "expires_at", boost->expires_us);
    json_close(json, '}');
    return 0;
}

void boost_reasons_begin(struct cmd *cmd, struct boost_reasons *ret)
{
    *ret = (struct boost_reasons){.cmd = cmd, .lines = BUFFER_INIT};
    ret->explain = (struct grid_explain){tell_reason, tell_blocking, ret, GRID_NEVER};
    ret->json = json_begin(&cmd->details, -1);
    json_open(&ret->json, '{');
    json_key(&ret->json, "reasons");
    json_open(&ret->json, '[');
}

void boost_reasons_end(struct boost_reasons *reasons, int rc)
{
    begin_blocking(reasons);
    json_close(&reasons->json, ']');
    add_time(&reasons->json, "starts_no_later_than", reasons->explain.starts_us);
    json_close(&reasons->json, '}');
    if (rc != GRID_EREFUSED && rc != GRID_ENEVER)
        reasons->cmd->details.length = 0;
}

/* --- a request ------------------------------------------------------------------------------ */

/* People read it in words; programs get the boosts as they would be. */
static int add_member(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct cmd *cmd = context;
    char amount[GRID_AMOUNT_SIZE];
    if (cmd->settings.format == FORMAT_TABLE)
        buffer_format(&cmd->out, "  %s %s from %s\n", boost->resource_type,
                      grid_amount_show(boost->resource_type, boost->amount_u, amount),
                      text_shown(boost->source_node));
    else if (cmd->settings.format != FORMAT_ID)
        sheet_add(cmd, boost);
    return 0;
}

struct answer {
    const struct cmd *cmd;
    const struct grid_error *err; /* code 0: it fits */
};

static int add_detail(void *context, struct span key, struct span value, struct grid_error *err)
{
    (void)err;
    json_key_raw(context, key);
    json_reprint(context, value);
    return 0;
}

static void print_answer(struct json *json, const void *context)
{
    const struct answer *answer = context;
    const struct buffer *details = &answer->cmd->details;
    json_key(json, "fits");
    json_bool(json, answer->err->code == 0);
    if (answer->err->code == 0)
        return;
    json_key(json, "code");
    json_string(json, grid_code_word(answer->err->code));
    json_key(json, "message");
    json_string(json, answer->err->message);
    (void)json_object((struct span){details->data, details->length}, add_detail, json, NULL);
}

/* A refusal has no boosts that could be lines. */
static void print_answer_line(struct cmd *cmd, const struct answer *answer)
{
    struct json json = json_begin(&cmd->out, -1);
    json_open(&json, '{');
    print_answer(&json, answer);
    json_close(&json, '}');
    buffer_text(&cmd->out, "\n");
}

/* The refusal in words: what, the reasons, from when on. */
static void print_refusal(struct cmd *cmd, struct boost_reasons *reasons,
                          const struct grid_error *err)
{
    char shown[4 * sizeof(err->message)], time[GRID_TIME_SIZE], wait[GRID_TIME_SIZE];
    const char *lines = buffer_string(&reasons->lines);
    int64_t starts_us = reasons->explain.starts_us;
    buffer_format(&cmd->out, "%s\n%s", text_printable(err->message, shown, sizeof(shown)),
                  lines ? lines : "");
    if (starts_us != GRID_NEVER)
        buffer_format(&cmd->out, "it fits from %s on (in %s)\n", grid_time_show(starts_us, time),
                      grid_duration_show(starts_us - grid_store_now(cmd->store), wait));
    else if (err->code == GRID_EREFUSED)
        buffer_text(&cmd->out, "when it will fit is not known: what is in the way has no end\n");
    else
        buffer_format(&cmd->out, "waiting does not help%s%s\n",
                      reasons->lines.length == 0 && err->hint[0] ? ": " : "",
                      reasons->lines.length == 0 ? err->hint : "");
}

static int explain_request(struct cmd *cmd, struct grid_error *err)
{
    static struct boost_request request;
    struct boost_reasons reasons;
    struct grid_grant grant;
    struct answer answer = {cmd, err};
    int rc = boost_request_read(cmd, &request, err);
    if (rc < 0)
        return rc;
    boost_reasons_begin(cmd, &reasons);
    buffer_text(&cmd->out, cmd->settings.format == FORMAT_TABLE ? "it would be granted:\n" : "");
    rc = grid_ledger_request(cmd->store, &request.grid, true, &reasons.explain, &grant, add_member,
                             cmd, err);
    boost_reasons_end(&reasons, rc);
    bool refused = rc == GRID_EREFUSED || rc == GRID_ENEVER;
    if (rc < 0)
        cmd->out.length = 0;
    if (refused && cmd->settings.format == FORMAT_TABLE)
        print_refusal(cmd, &reasons, err);
    else if (refused && cmd->settings.format == FORMAT_JSONL)
        print_answer_line(cmd, &answer);
    if (rc == 0 && grant.unchecked)
        output_info(cmd, "no node is registered: capacity is not checked");
    if ((rc == 0 || refused) && cmd->settings.format != FORMAT_TABLE)
        rc = sheet_print(cmd, print_answer, &answer, NULL);
    buffer_release(&reasons.lines);
    return refused ? 0 : rc;
}

/* --- a boost -------------------------------------------------------------------------------- */

/* "515744a0 is active: CPU 2.0 from gpu1 for gpu-master", who asked for it, and how it ends. */
static void print_standing(struct cmd *cmd, const struct grid_boost *boost)
{
    char amount[GRID_AMOUNT_SIZE], time[GRID_TIME_SIZE], left[GRID_TIME_SIZE];
    int64_t now_us = grid_store_now(cmd->store);
    enum grid_boost_state state = grid_boost_state(boost, now_us);
    bool lives = state == GRID_ACTIVE || state == GRID_SCHEDULED;
    buffer_format(&cmd->out, "%s is %s: %s %s from %s for %s\n", text_shown(boost->boost_id),
                  grid_boost_state_name(state), boost->resource_type,
                  grid_amount_show(boost->resource_type, boost->amount_u, amount),
                  text_shown(boost->source_node), text_shown(boost->target_node));
    if (boost->owner[0])
        buffer_format(&cmd->out, "%s asked for it\n", text_shown(boost->owner));
    if (!lives)
        buffer_format(&cmd->out, "it ended at %s\n", grid_time_show(boost->ended_us, time));
    else if (boost->expires_us == GRID_NEVER)
        buffer_text(&cmd->out, "it has no end\n");
    else
        buffer_format(&cmd->out, "it ends at %s, in %s\n", grid_time_show(boost->expires_us, time),
                      grid_duration_show(boost->expires_us - now_us, left));
}

static int explain_boost(struct cmd *cmd, struct grid_error *err)
{
    struct grid_boost boost;
    int rc = grid_ledger_show(cmd->store, cmd->arguments[0], &boost, NULL, NULL, err);
    if (rc == 0 && cmd->settings.format == FORMAT_TABLE)
        print_standing(cmd, &boost);
    else if (rc == 0)
        sheet_show(cmd, &boost, true, NULL, NULL);
    return rc;
}

static int run_explain(struct cmd *cmd, struct grid_error *err)
{
    return cmd->argument_count == 1 ? explain_boost(cmd, err) : explain_request(cmd, err);
}

const struct cmd_verb boost_explain_verbs[] = {
    {.name = "explain", .arguments = "TARGET [RESOURCE AMOUNT]...",
     .summary = "Say whether a request fits, why not, and when; or how the boost TARGET stands",
     .shared = boost_wishes, .rows = &rows_boosts,
     .examples = "  grid boost explain gpu-master cpu 12 gpu 1\n"
                 "  grid boost explain 515744a0\n",
     .run = run_explain},
    {0},
};
