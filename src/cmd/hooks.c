/* Hooks: what is noted while commits are made, told to the user's programs when they are over. */
#include "cmd/hooks.h"

#include "cmd/cmd.h"
#include "host/hook.h"
#include "model/member.h"
#include "model/record.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LIMIT_US (30 * GRID_SECOND)

/* What there may be. A reservation is granted to those who use it when it starts. */
static const char *const names[] = {"pre-request", "granted",   "extended", "released",
                                    "expired",     "preempted", "expiring"};
static const char *const by_event[GRID_EVENT_COUNT] = {
    [GRID_EVENT_GRANTED] = "granted",     [GRID_EVENT_STARTED] = "granted",
    [GRID_EVENT_EXTENDED] = "extended",   [GRID_EVENT_RELEASED] = "released",
    [GRID_EVENT_EXPIRED] = "expired",     [GRID_EVENT_PREEMPTED] = "preempted",
};

void hooks_release(struct hooks *hooks)
{
    buffer_release(&hooks->noted);
    buffer_release(&hooks->answers);
}

/* --- which there are ------------------------------------------------------------------------ */

static const char *directory(const struct cmd *cmd, char path[static PATH_MAX])
{
    snprintf(path, PATH_MAX, "%.*s/hooks", PATH_MAX - (int)sizeof("/hooks"),
             cmd->settings.data_dir);
    return path;
}

/* What cannot be looked at is there: running it will say why not. */
static bool exists(const char *path)
{
    struct stat st;
    return fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0
           || (errno != ENOENT && errno != ENOTDIR);
}

static void look(struct cmd *cmd)
{
    char dir[PATH_MAX], path[PATH_MAX + 16];
    struct hooks *hooks = &cmd->hooks;
    hooks->looked = true;
    if (!exists(directory(cmd, dir)))
        return;
    hooks->noted = hooks->answers = BUFFER_INIT;
    for (size_t i = 0; i < countof(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        if (!exists(path))
            continue;
        if (hook_calls_us(names[i]))
            output_verbose(cmd, "hook '%s': not run, this command was called from it", names[i]);
        else
            hooks->there |= 1U << i;
    }
}

static size_t index_of(const char *name)
{
    size_t i = 0;
    while (strcmp(names[i], name) != 0)
        i++;
    return i;
}

bool hooks_have(struct cmd *cmd, const char *name)
{
    if (!cmd->hooks.looked)
        look(cmd);
    return cmd->hooks.there && cmd->hooks.there >> index_of(name) & 1;
}

/* --- noting: the index of the hook, and texts, each with its NUL ------------------------------ */

static const char *next_text(const char *at)
{
    return at + strlen(at) + 1;
}

static void add_text(struct buffer *out, const char *text)
{
    buffer_add(out, text, strlen(text) + 1);
}

void hooks_note(struct cmd *cmd, const char *name, const struct grid_boost *boost)
{
    if (!hooks_have(cmd, name))
        return;
    struct buffer *noted = &cmd->hooks.noted;
    struct json json = json_begin(noted, 0);
    buffer_add(noted, &(char){(char)index_of(name)}, 1);
    add_text(noted, boost->boost_id);
    add_text(noted, boost->source_node);
    add_text(noted, boost->target_node);
    add_text(noted, boost->group_id);
    record_show(&json, boost, grid_store_now(cmd->store));
    add_text(noted, "\n");
}

void hooks_event(void *context, const struct grid_event *event)
{
    if (event->has_boost && by_event[event->event])
        hooks_note(context, by_event[event->event], &event->boost);
}

/* --- running -------------------------------------------------------------------------------- */

struct call {
    size_t index;
    const char *id, *source, *target, *group, *input;
    struct buffer out, errors; /* what the hook printed */
};

static void release_call(struct call *call)
{
    buffer_release(&call->out);
    buffer_release(&call->errors);
}
#define auto_call __attribute__((cleanup(release_call)))

/* Returns as hook_run, or 1: there is none that is meant to be run. */
static int call_hook(struct cmd *cmd, struct call *call, struct grid_error *err)
{
    char dir[PATH_MAX];
    struct hook_file file;
    const char *name = names[call->index];
    const char *const variables[][2] = {
        {"GRID_BOOST_ID", call->id},         {"GRID_SOURCE_NODE", call->source},
        {"GRID_TARGET_NODE", call->target},  {"GRID_DATA_DIR", cmd->settings.data_dir},
        {"GRID_STORE", cmd->settings.store}, {NULL, NULL}};
    struct hook hook = {&file, name, call->input, variables,
                        cmd->settings.hook_timeout_us ?: LIMIT_US};
    int rc = hook_open(directory(cmd, dir), name, &file, err);
    if (rc == GRID_ENOTFOUND)
        output_warning(cmd, "hook '%s' is not run: %s", name, err->message);
    if (rc > 0 || rc == GRID_ENOTFOUND) {
        cmd->hooks.there &= ~(1U << call->index);
        return 1;
    }
    if (rc < 0)
        return rc;
    output_verbose(cmd, "hook '%s': for '%s'", name, call->id);
    rc = hook_run(&hook, &call->out, &call->errors, err);
    close(file.fd);
    return rc;
}

/* What it printed, without white space around it, on one line; "": nothing. */
static const char *said(struct buffer *printed, bool whole)
{
    char *text = (char *)buffer_string(printed);
    if (!text)
        return "";
    text += strspn(text, " \t\r\n");
    size_t length = whole ? strlen(text) : strcspn(text, "\r\n");
    while (length > 0 && strchr(" \t\r\n", text[length - 1]))
        length--;
    text[length] = '\0';
    for (char *at = text; *at; at++)
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    return text;
}

static void warn(struct cmd *cmd, struct call *call, const struct grid_error *err)
{
    const char *reason = said(&call->errors, false);
    output_warning(cmd, "hook '%s' for boost '%s': %s%s%s", names[call->index], call->id,
                   err->message, *reason ? ": " : "", reason);
}

/* The last object that begins at a line's beginning; none: {NULL, 0}. */
static struct span last_object(struct buffer *printed)
{
    struct span found = {NULL, 0};
    const char *at = buffer_string(printed), *end = at ? at + printed->length : NULL;
    for (; at; at = (at = memchr(at, '\n', (size_t)(end - at))) ? at + 1 : NULL) {
        const char *stop = *at == '{' ? json_value(at, end, JSON_DEPTH_MAX, NULL) : NULL;
        if (stop)
            found = (struct span){at, (size_t)(stop - at)};
    }
    return found;
}

/* Stores the answer {"ray_placement_group": "..."}, for the whole group; anything else is none. */
static void take_answer(struct cmd *cmd, struct call *call)
{
    char id[GRID_ID_SIZE], group[GRID_ID_SIZE], place[GRID_TEXT_SIZE] = "";
    struct grid_error err = {0};
    struct span answer = last_object(&call->out);
    cJSON *object = NULL;
    if (!answer.at || member_parse(answer, &object, NULL) < 0)
        return;
    bool whole = member_text(object, "ray_placement_group", place, sizeof(place));
    cJSON_Delete(object);
    if (!*place)
        return;
    text_copy(group, sizeof(group), *call->group ? call->group : call->id);
    text_copy(id, sizeof(id), call->id); /* the store may note further events meanwhile */
    int rc = whole ? 0 : grid_error_set(&err, GRID_EUSAGE, "its answer is longer than %d bytes",
                                        GRID_TEXT_SIZE - 1);
    rc = rc ?: cmd->store ? rc : cmd_store(cmd, &err);
    rc = rc ?: grid_ledger_place(cmd->store, id, place, &err);
    if (rc < 0) {
        output_warning(cmd, "hook 'granted' for boost '%s': %s", id, err.message);
        return;
    }
    add_text(&cmd->hooks.answers, group);
    add_text(&cmd->hooks.answers, place);
}

static void run_next(struct cmd *cmd)
{
    struct hooks *hooks = &cmd->hooks;
    const char *at = hooks->noted.data + hooks->run;
    auto_call struct call call = {.index = (size_t)*at, .id = at + 1, .out = BUFFER_INIT,
                                  .errors = BUFFER_INIT};
    struct grid_error err = {0};
    call.source = next_text(call.id);
    call.target = next_text(call.source);
    call.group = next_text(call.target);
    call.input = next_text(call.group);
    hooks->run = (size_t)(next_text(call.input) - hooks->noted.data);
    if (!(hooks->there >> call.index & 1))
        return;
    int rc = call_hook(cmd, &call, &err);
    if (rc < 0)
        warn(cmd, &call, &err);
    if (rc < 0 && rc != GRID_EREFUSED) /* it cannot be run at all: said once */
        hooks->there &= ~(1U << call.index);
    else if (rc == 0 && call.index == index_of("granted"))
        take_answer(cmd, &call);
}

/* Reads until the last child beside, the only one that can write there, has ended. */
static void await(int beside)
{
    char byte;
    while (beside > 0 && read(beside, &byte, 1) < 0 && errno == EINTR)
        ;
}

void hooks_run(struct cmd *cmd)
{
    struct hooks *hooks = &cmd->hooks;
    await(hooks->beside);
    if (!hooks->there)
        return;
    if (hooks->noted.error)
        output_warning(cmd, "no memory for hooks: some are not run");
    else
        while (hooks->run < hooks->noted.length)
            run_next(cmd);
    hooks->noted.length = hooks->run = 0;
}

void hooks_answer(const struct cmd *cmd, struct grid_boost *boost)
{
    const struct buffer *answers = &cmd->hooks.answers;
    const char *at = answers->data, *end = at + answers->length;
    for (; at < end; at = next_text(next_text(at)))
        if (strcmp(at, boost->group_id[0] ? boost->group_id : boost->boost_id) == 0)
            text_copy(boost->ray_placement_group, sizeof(boost->ray_placement_group),
                      next_text(at));
}

/* --- beside --------------------------------------------------------------------------------- */

int hooks_beside(struct cmd *cmd)
{
    struct pollfd polled = {cmd->hooks.beside, POLLIN, 0};
    if (cmd->hooks.beside > 0 && poll(&polled, 1, 0) > 0) {
        close(cmd->hooks.beside);
        cmd->hooks.beside = 0;
    }
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    return cmd->hooks.beside > 0 ? cmd->hooks.beside : -1;
}

/* In the child, which keeps nothing of its parent's open: a lock, the connection of a store. */
static void run_in_child(struct cmd *cmd, int last, int before)
{
    int low = before > 0 && before < last ? before : last, high = before > last ? before : last;
    syscall(SYS_close_range, 3, low - 1, 0);
    syscall(SYS_close_range, low + 1, high - 1, 0);
    syscall(SYS_close_range, high + 1, ~0U, 0);
    cmd->store = NULL;
    await(before);
    cmd->hooks.beside = 0;
    hooks_run(cmd);
    _exit(0);
}

void hooks_run_beside(struct cmd *cmd)
{
    struct hooks *hooks = &cmd->hooks;
    int ends[2];
    int before = hooks_beside(cmd);
    if (!hooks->there || hooks->noted.length == 0)
        return;
    bool piped = pipe2(ends, O_CLOEXEC) == 0;
    pid_t pid = piped ? fork() : -1;
    if (pid == 0)
        run_in_child(cmd, ends[1], before);
    if (piped)
        close(ends[1]);
    if (pid < 0) {
        if (piped)
            close(ends[0]);
        hooks_run(cmd);
        return;
    }
    file_close_pointer(&before);
    hooks->beside = ends[0];
    hooks->noted.length = hooks->run = 0;
}

/* --- pre-request ---------------------------------------------------------------------------- */

static void print_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string_or_null(json, text);
}

static void print_flag(struct json *json, const char *key, bool flag)
{
    json_key(json, key);
    json_bool(json, flag);
}

static void print_needs(struct json *json, const struct grid_request *request)
{
    json_key(json, "needs");
    json_open(json, '{');
    for (size_t i = 0; i < request->need_count; i++) {
        const struct grid_need *need = &request->needs[i];
        json_key(json, need->resource);
        json_float(json, grid_amount_number(need->resource, need->amount_u));
    }
    json_close(json, '}');
}

static void print_request(struct buffer *out, const struct grid_request *request)
{
    struct json json = json_begin(out, 0);
    json_open(&json, '{');
    print_text(&json, "boost_id", request->boost_id);
    print_text(&json, "target_node", request->target_node);
    print_needs(&json, request);
    print_text(&json, "priority", grid_priority_name(request->priority));
    if (request->duration_us > 0) /* else it is the policy's */
        member_print_seconds(&json, "duration", request->duration_us);
    if (request->start_us > 0)
        member_print_time(&json, "starts_at", request->start_us);
    print_text(&json, "source_node", request->source_node);
    print_text(&json, "prefer_node", request->prefer_node);
    print_flag(&json, "split", request->split);
    print_flag(&json, "preempt", request->preempt);
    print_text(&json, "owner", request->owner);
    print_text(&json, "host", request->host);
    print_text(&json, "reason", request->reason);
    print_text(&json, "request_id", request->request_id);
    json_close(&json, '}');
    buffer_text(out, "\n");
}

int hooks_veto(struct cmd *cmd, const struct grid_request *request, struct grid_error *err)
{
    grid_auto_buffer struct buffer input = BUFFER_INIT;
    struct grid_error why = {0};
    if (!hooks_have(cmd, "pre-request"))
        return 0;
    print_request(&input, request);
    auto_call struct call call = {.index = index_of("pre-request"), .id = request->boost_id,
                                  .source = request->source_node ?: "",
                                  .target = request->target_node, .out = BUFFER_INIT,
                                  .errors = BUFFER_INIT};
    call.input = buffer_string(&input);
    int rc = call.input ? call_hook(cmd, &call, &why)
                        : grid_error_set(&why, GRID_ENOMEM, "no memory");
    if (rc == GRID_ENOMEM)
        return grid_error_set(err, GRID_ENOMEM, "hook 'pre-request': %s", why.message);
    if (rc >= 0)
        return 0;
    const char *words = said(&call.errors, true);
    words = *words ? words : said(&call.out, true);
    if (rc == GRID_EREFUSED && *words)
        return grid_error_set(err, GRID_ENEVER, "request vetoed: %s", words);
    return grid_error_set(err, GRID_ENEVER, "request vetoed: hook 'pre-request': %s",
                          why.message);
}
