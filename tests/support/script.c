/* A ledger played by a script, one operation or one expectation a line. */
#include "support/script_play.h"

#include "ledger/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct script script;

/* --- words ------------------------------------------------------------------------------------ */

static int64_t minutes_of(const char *word)
{
    char *end;
    if (strcmp(word, "never") == 0)
        return GRID_NEVER;
    double number = strtod(word, &end);
    holds(*end == '\0' && end > word, "'%s' is no time", word);
    return (int64_t)(number * (double)GRID_MINUTE);
}

int64_t script_time(const char *word) { return grid_time_add(BEGIN_US, minutes_of(word)); }

static int64_t amount_of(const char *resource, const char *word)
{
    return strtoll(word, NULL, 10)
           * (strcmp(resource, "MEMORY") == 0 ? GRID_MEMORY_GIB : GRID_AMOUNT_UNIT);
}

static void resource_of(const char *word, char ret[static GRID_RESOURCE_SIZE])
{
    struct grid_error err;
    holds(grid_resource_parse(word, ret, &err) == 0, "'%s' is no resource", word);
}

/* The word behind this one, or NULL. */
static const char *option(const char *name)
{
    for (size_t i = 2; script.words[i]; i++)
        if (strcmp(script.words[i], name) == 0)
            return script.words[i + 1] ? script.words[i + 1] : "";
    return NULL;
}

static int take_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)context, (void)err;
    holds(script.told_count < TOLD_MOST, "too many are told of");
    text_copy(script.told[script.told_count++], GRID_ID_SIZE, boost->boost_id);
    return 0;
}

/* --- nodes and policy ------------------------------------------------------------------------- */

static int set_amount(struct grid_amounts *amounts, size_t word, struct grid_error *err)
{
    char resource[GRID_RESOURCE_SIZE];
    resource_of(script.words[word], resource);
    return grid_amounts_set(amounts, resource, amount_of(resource, script.words[word + 1]), err);
}

static int edit_node(void *context, struct grid_node *node, struct grid_error *err)
{
    (void)context;
    const char *verb = script.words[0];
    int rc = 0;
    if (strcmp(verb, "node") == 0)
        for (size_t i = 2; rc == 0 && script.words[i]; i += 2)
            rc = set_amount(&node->capacity, i, err);
    if (strcmp(verb, "limit") == 0)
        rc = set_amount(strcmp(script.words[2], "keep") == 0   ? &node->keep
                        : strcmp(script.words[2], "lend") == 0 ? &node->lend
                                                               : &node->borrow, 3, err);
    if (strcmp(verb, "hold") == 0 || strcmp(verb, "resume") == 0)
        node->held = verb[0] == 'h';
    if (strcmp(verb, "hold") == 0)
        node->hold_until_us = script_time(script.words[2]);
    if (strcmp(verb, "owner") == 0)
        text_copy(node->owner, sizeof(node->owner), script.words[2]);
    if (strcmp(verb, "stale") == 0)
        node->stale_after_us = minutes_of(script.words[2]);
    return rc;
}

static int do_node(struct grid_error *err)
{
    const char *name = script.words[1];
    struct grid_node_change change = {.names = &name, .count = 1, .edit = edit_node};
    return grid_ledger_node_set(script.store, &change, NULL, err);
}

static int edit_policy(void *context, struct grid_policy *policy, struct grid_error *err)
{
    (void)context;
    const char *key = script.words[1];
    if (strcmp(key, "max") == 0)
        policy->max_duration_us = minutes_of(script.words[2]);
    else if (strcmp(key, "grace") == 0)
        policy->grace_us = minutes_of(script.words[2]);
    else if (strcmp(key, "protected") == 0)
        policy->protected_us = minutes_of(script.words[2]);
    else if (strcmp(key, "enabled") == 0)
        policy->enabled = script.words[2][0] == '1';
    else
        return set_amount(&policy->quota, 1, err);
    return 0;
}

static int do_policy(struct grid_error *err)
{
    return grid_ledger_policy_set(script.store, edit_policy, NULL, NULL, NULL, err);
}

static int do_remove(struct grid_error *err)
{
    return grid_ledger_node_remove(script.store, script.words[1], true, take_boost, NULL, err);
}

/* --- requests and tickets --------------------------------------------------------------------- */

static void read_request(struct grid_request *request)
{
    struct grid_error err;
    *request = (struct grid_request){
        .boost_id = script.words[1], .target_node = script.words[2],
        .priority = GRID_NORMAL, .duration_us = minutes_of(option("for")),
        .source_node = option("from"), .prefer_node = option("prefer"),
        .split = option("split"), .preempt = option("preempt"), .owner = option("owner"),
        .request_id = option("key"), .host = "here",
        .start_us = option("start") ? script_time(option("start")) : 0,
        .lease_us = option("lease") ? minutes_of(option("lease")) : 0,
    };
    if (option("priority"))
        holds(grid_priority_parse(option("priority"), &request->priority, &err) == 0, "priority");
    for (size_t i = 3; script.words[i] && strcmp(script.words[i], "for") != 0; i += 2) {
        struct grid_need *need = &request->needs[request->need_count++];
        resource_of(script.words[i], need->resource);
        need->amount_u = amount_of(need->resource, script.words[i + 1]);
    }
}

static int do_get(struct grid_error *err)
{
    struct grid_request request;
    struct grid_grant grant;
    read_request(&request);
    return grid_ledger_request(script.store, &request, option("dry"), NULL, &grant, take_boost,
                               NULL, err);
}

static int put_ticket(struct grid_tx *tx, void *context, struct grid_error *err)
{
    return grid_tx_put_ticket(tx, context, GRID_EVENT_QUEUED, NULL, err);
}

static void copy_text(char *to, size_t size, const char *from)
{
    text_copy(to, size, from ? from : "");
}

/* A ticket whose waiter is elsewhere; it does not lapse unless the line says when. */
static int do_queue(struct grid_error *err)
{
    struct grid_request request;
    read_request(&request);
    struct grid_ticket ticket = {
        .queued_us = frozen_us, .duration_us = request.duration_us, .lease_us = request.lease_us,
        .expires_us = option("lapses") ? script_time(option("lapses")) : frozen_us + GRID_DAY,
        .priority = request.priority, .split = request.split, .preempt = request.preempt,
        .need_count = request.need_count,
    };
    memcpy(ticket.needs, request.needs, sizeof(ticket.needs));
    copy_text(ticket.ticket_id, sizeof(ticket.ticket_id), request.boost_id);
    copy_text(ticket.target_node, sizeof(ticket.target_node), request.target_node);
    copy_text(ticket.source_node, sizeof(ticket.source_node), request.source_node);
    copy_text(ticket.prefer_node, sizeof(ticket.prefer_node), request.prefer_node);
    copy_text(ticket.owner, sizeof(ticket.owner), request.owner);
    copy_text(ticket.request_id, sizeof(ticket.request_id), request.request_id);
    if (request.request_id)
        (void)request_spell(&request, ticket.requested, NULL);
    return grid_store_transact(script.store, GRID_WRITE, put_ticket, &ticket, NULL, err);
}

static void run_line(char *line);

/* Others go on while this one waits. */
static void run_during(void *context, size_t position, int64_t promised_us)
{
    (void)context, (void)position, (void)promised_us;
    struct grid_store *store = script.store;
    for (char **line = script.during; *line; line++)
        run_line(*line);
    script.store = store;
    script.told_count = 0;
}

static int do_wait(struct grid_error *err)
{
    struct grid_request request;
    struct grid_grant grant;
    struct grid_waiting waiting = {.wait_us = 1000, .queued = run_during};
    read_request(&request);
    holds(pipe(script.stop) == 0, "no pipe");
    waiting.stop_fd = script.stop[0];
    int rc = grid_ledger_wait(script.store, &request, &waiting, NULL, &grant, take_boost, NULL,
                              err);
    close(script.stop[0]);
    close(script.stop[1]);
    ahead_us = leap_us = 0;
    return rc;
}

static int do_stop(struct grid_error *err)
{
    (void)err;
    holds(write(script.stop[1], "", 1) == 1, "no pipe");
    return 0;
}

static int do_ahead(struct grid_error *err)
{
    (void)err;
    leap_us = minutes_of(script.words[1]);
    return 0;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int do_release(struct grid_error *err)
{
    const char *as = option("as");
    struct grid_caller caller = {as, as && strcmp(as, "root") == 0};
    struct grid_release release = {.ids = (const char *const *)&script.words[1],
                                   .force = option("force"), .caller = as ? &caller : NULL,
                                   .reason = option("because")};
    while (script.words[release.count + 1] && strcmp(script.words[release.count + 1], "as") != 0
           && strcmp(script.words[release.count + 1], "force") != 0)
        release.count++;
    if (strcmp(script.words[0], "release-owned") == 0) {
        release.filter.owner = script.words[1];
        release.count = 0;
    }
    return grid_ledger_release(script.store, &release, take_boost, NULL, err);
}

static int do_extend(struct grid_error *err)
{
    const char *as = option("as");
    struct grid_caller caller = {as, as && strcmp(as, "root") == 0};
    struct grid_boost boost;
    struct grid_extend extend = {
        .id = script.words[1], .shorten = option("shorten"), .best_effort = option("best"),
        .by_us = option("by") ? minutes_of(option("by")) : 0, .dry_run = option("dry"),
        .for_us = option("for") ? minutes_of(option("for")) : 0,
        .until_us = option("until") ? script_time(option("until")) : 0,
        .caller = as ? &caller : NULL,
    };
    return grid_ledger_extend(script.store, &extend, &script.fits_us, &boost, take_boost, NULL,
                              err);
}

static int do_renew(struct grid_error *err)
{
    struct grid_boost boost;
    return grid_ledger_renew(script.store, script.words[1], 0, minutes_of(script.words[2]),
                             &boost, err);
}

static int do_cleanup(struct grid_error *err)
{
    struct grid_cleanup cleanup = {.fn = take_boost};
    return grid_ledger_cleanup(script.store, &cleanup, err);
}

static int do_at(struct grid_error *err)
{
    (void)err;
    frozen_us = script_time(script.words[1]);
    return 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

static const struct {
    const char *verb;
    int (*run)(struct grid_error *err);
} verbs[] = {
    {"at", do_at}, {"node", do_node}, {"limit", do_node}, {"hold", do_node}, {"resume", do_node},
    {"owner", do_node}, {"stale", do_node}, {"policy", do_policy}, {"remove", do_remove},
    {"get", do_get}, {"queue", do_queue}, {"wait", do_wait}, {"release", do_release},
    {"release-owned", do_release}, {"extend", do_extend}, {"renew", do_renew},
    {"cleanup", do_cleanup}, {"is", script_is}, {"ended", script_is}, {"devices", script_is},
    {"by", script_is}, {"place", script_place}, {"tickets", script_place},
    {"boosts", script_boosts}, {"gone", script_boosts},
    {"last", script_last}, {"fits", script_fits}, {"told", script_told}, {"says", script_says},
    {"stop", do_stop}, {"ahead", do_ahead},
};

static int code_of(const char *word)
{
    static const struct {
        const char *word;
        int code;
    } codes[] = {{"refused", GRID_EREFUSED}, {"never", GRID_ENEVER}, {"usage", GRID_EUSAGE},
                 {"not_found", GRID_ENOTFOUND}, {"conflict", GRID_ECONFLICT},
                 {"perm", GRID_EPERM}, {"timeout", GRID_ETIMEOUT},
                 {"interrupted", GRID_EINTERRUPTED}};
    for (size_t i = 0; i < countof(codes); i++)
        if (strcmp(codes[i].word, word) == 0)
            return codes[i].code;
    holds(false, "'%s' is no code", word);
    return 0;
}

static void open_store(const char *url, struct grid_store **ret)
{
    struct grid_store_options options = {.url = url, .actor = "tester@here",
                                         .lock_timeout_us = GRID_SECOND};
    struct grid_error err = {0};
    holds(grid_store_open(&options, ret, &err) == 0, "%s", err.message);
}

static void run_line(char *line)
{
    struct grid_error err = {0};
    int want = 0, rc = 0;
    size_t count = 0, verb = 0;
    char *arrow = strstr(line, "=> "), *rest = line;
    if (arrow) {
        want = code_of(arrow + 3);
        *arrow = '\0';
    }
    for (char *word; (word = strsep(&rest, " "));)
        if (*word && count < WORDS_MOST)
            script.words[count++] = word;
    script.words[count] = NULL;
    if (count == 0)
        return;
    while (verb < countof(verbs) && strcmp(verbs[verb].verb, script.words[0]) != 0)
        verb++;
    holds(verb < countof(verbs), "no such verb");
    if (verbs[verb].run != script_told)
        script.told_count = 0;
    open_store(script.url, &script.store);
    rc = verbs[verb].run(&err);
    holds(rc == want, "%d: %s", rc, err.message);
    grid_store_close(script.store);
    script.err = err;
}

void script_run_on(const char *url, const char *what, const char *text)
{
    static char copy[4096], shown[4096];
    text_copy(copy, sizeof(copy), text);
    text_copy(shown, sizeof(shown), text);
    char *rest = copy, *shown_rest = shown;
    script.url = url;
    script.what = what;
    script.line = "";
    script.number = 0;
    frozen_us = BEGIN_US;
    if (setjmp(script.over) != 0)
        return; /* its stores stay open: nobody sees their ledger again */
    open_store(url, &script.base);
    for (char *line; (line = strsep(&rest, "\n"));) {
        script.line = strsep(&shown_rest, "\n");
        script.number++;
        int during = 0;
        for (; rest && rest[0] == '>' && during < LINES_MOST; during++) {
            script.during[during] = strsep(&rest, "\n") + 1;
            strsep(&shown_rest, "\n");
        }
        script.during[during] = NULL;
        run_line(line);
        script.number += during;
    }
    grid_store_close(script.base);
}

void script_run(const char *what, const char *text)
{
    static int count;
    char url[64];
    snprintf(url, sizeof(url), "memory:script-%d", count++);
    script_run_on(url, what, text);
    snprintf(url, sizeof(url), "memory:script-%d?conflict=1", count++);
    script_run_on(url, what, text);
}
