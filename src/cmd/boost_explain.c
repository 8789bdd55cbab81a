/* grid boost explain: would it be granted, why not, and from when on; or how a boost stands. */
#include "cmd/boost.h"

#include <string.h>

/* --- reasons, as they are told -------------------------------------------------------------- */

/* The reason's template, see GRID_REASONS. */
static void say_text(struct buffer *out, const struct grid_reason *reason)
{
    char left[GRID_AMOUNT_SIZE], limit[GRID_AMOUNT_SIZE];
    const char *texts[] = {grid_amount_show(reason->resource, reason->left_u, left),
                           grid_amount_show(reason->resource, reason->limit_u, limit),
                           reason->resource};
    for (const char *at = grid_reason_text(reason->kind); *at; at++)
        if (strchr("<=%", *at))
            buffer_text(out, texts[*at == '<' ? 0 : *at == '=' ? 1 : 2]);
        else
            buffer_add(out, at, 1);
}

/* "gpu1   has 2.0 of 16.0 CPU left" */
static void add_line(struct buffer *out, const struct grid_reason *reason)
{
    char node[64], time[GRID_TIME_SIZE];
    buffer_format(out, "  %-14s ", text_printable(reason->node, node, sizeof(node)));
    say_text(out, reason);
    if (reason->hold_until_us > 0 && reason->hold_until_us != GRID_NEVER)
        buffer_format(out, " until %s", grid_time_show(reason->hold_until_us, time));
    if (reason->text && *reason->text)
        buffer_format(out, ": %s", text_shown(reason->text));
    if (reason->stale_after_us > 0) {
        buffer_format(out, " since %s", grid_time_show(reason->last_seen_us, time));
        buffer_format(out, ", and counts as stale after %s",
                      grid_duration_show(reason->stale_after_us, time));
    }
    buffer_text(out, "\n");
}

static void put_facts(struct json *json, const struct grid_reason *reason)
{
    const char *resource = reason->resource;
    if (*resource) {
        json_put_text(json, "resource", resource);
        json_put_float(json, "wanted", grid_amount_number(resource, reason->wanted_u));
        json_put_float(json, "left", grid_amount_number(resource, reason->left_u));
        json_put_float(json, "limit", grid_amount_number(resource, reason->limit_u));
    }
    if (reason->kind == GRID_REASON_HELD) {
        rows_put_time(json, "hold_until", reason->hold_until_us);
        json_key(json, "hold_reason");
        json_string_or_null(json, reason->text);
    }
    if (reason->kind == GRID_REASON_STALE) {
        rows_put_time(json, "last_seen", reason->last_seen_us);
        json_put_int(json, "stale_after", reason->stale_after_us / GRID_SECOND);
    }
}

static int tell_reason(void *context, const struct grid_reason *reason, struct grid_error *err)
{
    (void)err;
    struct boost_reasons *reasons = context;
    struct json *json = &reasons->json;
    reasons->count++;
    add_line(&reasons->lines, reason);
    json_open(json, '{');
    json_put_text(json, "node", reason->node);
    json_put_text(json, "reason", grid_reason_word(reason->kind));
    json_put_bool(json, "never", reason->never);
    put_facts(json, reason);
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

static int tell_blocking(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct boost_reasons *reasons = context;
    struct json *json = &reasons->json;
    char id[64], owner[64], amount[GRID_AMOUNT_SIZE], time[GRID_TIME_SIZE];
    char from[GRID_TIME_SIZE];
    bool later = grid_boost_starts_later(boost, grid_store_now(reasons->cmd->store));
    if (!reasons->blocking)
        buffer_text(&reasons->lines, "in the way:\n");
    buffer_format(&reasons->lines, "  %.13s  %s %s  %s  %s%s%suntil %s\n",
                  text_printable(boost->boost_id, id, sizeof(id)), boost->resource_type,
                  grid_amount_show(boost->resource_type, boost->amount_u, amount),
                  text_printable(boost->owner[0] ? boost->owner : "-", owner, sizeof(owner)),
                  later ? "from " : "", later ? grid_time_show(boost->starts_us, from) : "",
                  later ? " " : "", grid_time_show(grid_boost_until(boost), time));
    begin_blocking(reasons);
    json_open(json, '{');
    json_put_text(json, "boost_id", boost->boost_id);
    json_key(json, "owner");
    json_string_or_null(json, boost->owner);
    rows_put_time(json, "expires_at", grid_boost_until(boost));
    json_close(json, '}');
    return 0;
}

static void restart(void *context)
{
    struct boost_reasons *reasons = context;
    reasons->lines.length = reasons->cmd->details.length = reasons->count = 0;
    reasons->blocking = false;
    reasons->explain.starts_us = GRID_NEVER;
    reasons->json = json_begin(&reasons->cmd->details, -1);
    json_open(&reasons->json, '{');
    json_key(&reasons->json, "reasons");
    json_open(&reasons->json, '[');
}

void boost_reasons_begin(struct cmd *cmd, struct boost_reasons *ret)
{
    *ret = (struct boost_reasons){.cmd = cmd, .lines = BUFFER_INIT};
    ret->explain = (struct grid_explain){.restart = restart, .reason = tell_reason,
                                         .blocking = tell_blocking, .context = ret};
    restart(ret);
}

void boost_reasons_end(struct boost_reasons *reasons, int rc)
{
    begin_blocking(reasons);
    json_close(&reasons->json, ']');
    rows_put_time(&reasons->json, "starts_no_later_than", reasons->explain.starts_us);
    json_close(&reasons->json, '}');
    bool late = rc == GRID_ETIMEOUT && reasons->count > 0;
    if (rc != GRID_EREFUSED && rc != GRID_ENEVER && !late)
        reasons->cmd->details.length = 0;
}

/* --- a request ------------------------------------------------------------------------------ */

/* People read it in words; programs get the boosts as they would be. */
static int add_member(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct cmd *cmd = context;
    char amount[GRID_AMOUNT_SIZE], time[GRID_TIME_SIZE];
    if (cmd->settings.format != FORMAT_TABLE) {
        if (cmd->settings.format != FORMAT_ID)
            sheet_add(cmd, boost);
        return 0;
    }
    buffer_format(&cmd->out, "  %s %s from %s", boost->resource_type,
                  grid_amount_show(boost->resource_type, boost->amount_u, amount),
                  text_shown(boost->source_node));
    if (boost->starts_us > boost->allocated_us)
        buffer_format(&cmd->out, ", starting at %s", grid_time_show(boost->starts_us, time));
    buffer_text(&cmd->out, "\n");
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
    json_put_bool(json, "fits", answer->err->code == 0);
    if (answer->err->code == 0)
        return;
    json_put_text(json, "code", grid_code_word(answer->err->code));
    json_put_text(json, "message", answer->err->message);
    if (details->error)
        json->out->error = details->error;
    else
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
    char shown[4 * sizeof(err->message)];
    const char *lines = buffer_string(&reasons->lines);
    int64_t starts_us = reasons->explain.starts_us;
    cmd->out.error = cmd->out.error ?: reasons->lines.error;
    buffer_format(&cmd->out, "%s\n%s", text_printable(err->message, shown, sizeof(shown)),
                  lines ? lines : "");
    if (starts_us != GRID_NEVER)
        buffer_format(&cmd->out, "%s\n", text_printable(err->hint, shown, sizeof(shown)));
    else if (err->code == GRID_EREFUSED)
        buffer_text(&cmd->out, "when it will fit is not known\n");
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

/* --- a boost, or a ticket ------------------------------------------------------------------- */

static void print_times(struct cmd *cmd, const struct grid_boost *boost, int64_t now_us)
{
    char time[GRID_TIME_SIZE], left[GRID_TIME_SIZE];
    if (boost->starts_us > now_us)
        buffer_format(&cmd->out, "it starts at %s, in %s\n",
                      grid_time_show(boost->starts_us, time),
                      grid_duration_show(boost->starts_us - now_us, left));
    if (boost->expires_us == GRID_NEVER)
        buffer_text(&cmd->out, "it has no end\n");
    else
        buffer_format(&cmd->out, "it ends at %s, in %s\n",
                      grid_time_show(boost->expires_us, time),
                      grid_duration_show(boost->expires_us - now_us, left));
    if (boost->renews_until_us > 0)
        buffer_format(&cmd->out, "its holder may renew it: until %s\n",
                      grid_time_show(boost->renews_until_us, time));
    if (boost->preempted_by[0])
        buffer_format(&cmd->out, "it was pre-empted by %s\n", text_shown(boost->preempted_by));
}

/* "515744a0 is active: CPU 2.0 from gpu1 for gpu-master", who asked for it, and how it ends. */
static void print_standing(struct cmd *cmd, const struct grid_boost *boost)
{
    char amount[GRID_AMOUNT_SIZE], time[GRID_TIME_SIZE];
    int64_t now_us = grid_store_now(cmd->store);
    enum grid_boost_state state = grid_boost_state(boost, now_us);
    buffer_format(&cmd->out, "%s is %s: %s %s from %s for %s\n", text_shown(boost->boost_id),
                  grid_boost_state_name(state), boost->resource_type,
                  grid_amount_show(boost->resource_type, boost->amount_u, amount),
                  text_shown(boost->source_node), text_shown(boost->target_node));
    if (boost->owner[0])
        buffer_format(&cmd->out, "%s asked for it\n", text_shown(boost->owner));
    if (state == GRID_ACTIVE || state == GRID_SCHEDULED)
        print_times(cmd, boost, now_us);
    else
        buffer_format(&cmd->out, "it ended at %s\n", grid_time_show(boost->ended_us, time));
}

static void print_waiting(struct cmd *cmd, const struct grid_ticket_view *view)
{
    const struct grid_ticket *ticket = &view->ticket;
    char amount[GRID_AMOUNT_SIZE], time[GRID_TIME_SIZE], wait[GRID_TIME_SIZE];
    int64_t now_us = grid_store_now(cmd->store);
    buffer_format(&cmd->out, "%s waits:", text_shown(ticket->ticket_id));
    for (size_t i = 0; i < ticket->need_count; i++)
        buffer_format(&cmd->out, " %s %s", ticket->needs[i].resource,
                      grid_amount_show(ticket->needs[i].resource, ticket->needs[i].amount_u,
                                       amount));
    buffer_format(&cmd->out, " for %s\n", text_shown(ticket->target_node));
    if (ticket->owner[0])
        buffer_format(&cmd->out, "%s asked for it\n", text_shown(ticket->owner));
    buffer_format(&cmd->out, "it has place %zu in the queue, since %s (%s)\n", view->position,
                  grid_time_show(ticket->queued_us, time),
                  grid_duration_show(now_us - ticket->queued_us, wait));
    if (view->promised_us == GRID_NEVER)
        buffer_text(&cmd->out, "when it starts is not known\n");
    else
        buffer_format(&cmd->out, "it starts by %s\n", grid_time_show(view->promised_us, time));
}

struct search {
    const char *id;
    struct grid_ticket_view view;
    size_t found;
};

static int match_ticket(void *context, const struct grid_ticket_view *view, struct grid_error *err)
{
    (void)err;
    struct search *search = context;
    if (strncmp(view->ticket.ticket_id, search->id, strlen(search->id)) == 0) {
        search->view = *view;
        search->found++;
    }
    return 0;
}

static void show_ticket(struct cmd *cmd, const struct grid_ticket_view *view)
{
    static struct grid_boost boost;
    if (cmd->settings.format == FORMAT_TABLE) {
        print_waiting(cmd, view);
    } else if (cmd->settings.format == FORMAT_CSV) {
        grid_ticket_boost(&view->ticket, &boost);
        sheet_add(cmd, &boost);
    } else {
        cmd->sheet.kind = &rows_queue;
        sheet_show(cmd, view, true, NULL, NULL);
    }
}

static int is_node(void *context, const struct grid_node_view *view, struct grid_error *err)
{
    (void)err;
    (void)view;
    *(bool *)context = true;
    return 0;
}

/* No boost has this id: perhaps a ticket has, or it is a node, and the rest is missing. `why` is
 * what was said of the boost. */
static int explain_other(struct cmd *cmd, const char *id, const struct grid_error *why,
                         struct grid_error *err)
{
    static struct search search;
    bool node = false;
    search.id = id;
    int rc = grid_ledger_queue(cmd->store, match_ticket, &search, err);
    if (rc < 0)
        return rc;
    if (search.found == 1 && why->code == GRID_ENOTFOUND) {
        show_ticket(cmd, &search.view);
        return 0;
    }
    (void)grid_ledger_nodes(cmd->store, GRID_PEEK, id, is_node, &node, NULL);
    if (node)
        return grid_error_set(err, GRID_EUSAGE, "RESOURCE is missing behind '%s'", text_shown(id));
    *err = *why;
    return (int)why->code;
}

static int explain_boost(struct cmd *cmd, struct grid_error *err)
{
    static struct grid_boost boost;
    struct grid_error why = {0};
    const char *id = cmd->arguments[0];
    int rc = grid_ledger_show(cmd->store, id, &boost, NULL, NULL, &why);
    if (rc == GRID_ENOTFOUND || rc == GRID_EUSAGE)
        return explain_other(cmd, id, &why, err);
    if (rc < 0)
        *err = why;
    else if (cmd->settings.format == FORMAT_TABLE)
        print_standing(cmd, &boost);
    else
        sheet_show(cmd, &boost, true, NULL, NULL);
    return rc;
}

static int run_explain(struct cmd *cmd, struct grid_error *err)
{
    return cmd->argument_count == 1 ? explain_boost(cmd, err) : explain_request(cmd, err);
}

const struct cmd_verb boost_explain_verbs[] = {
    {.name = "explain", .arguments = "TARGET|ID [RESOURCE AMOUNT]...",
     .summary = "Say whether a request fits, why not, and when; or how the boost ID stands",
     .shared = boost_wishes, .rows = &rows_boosts,
     .examples = "  grid boost explain gpu-master cpu 12 gpu 1\n"
                 "  grid boost explain 515744a0\n",
     .run = run_explain},
    {0},
};
