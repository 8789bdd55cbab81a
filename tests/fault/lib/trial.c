/* One command on one ledger, with a fault in it, and the rules. */
#include "fault/lib/trial.h"

#include "fault/lib/account.h"
#include "fault/lib/view.h"
#include "util/text.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- an undisturbed run --------------------------------------------------------------------- */

static void add_view(struct trial *trial, const char *directory)
{
    struct view view = view_take(directory);
    char *masked = view_mask(view.text, trial->old);
    view_release(&view);
    for (size_t i = 0; i < trial->views_count; i++)
        if (strcmp(masked, trial->views[i]) == 0) {
            free(masked);
            return;
        }
    trial->views = realloc(trial->views, (trial->views_count + 1) * sizeof(*trial->views));
    trial->views[trial->views_count++] = masked;
}

struct watching {
    struct trial *trial;
    const char *directory;
};

static bool may_change(const char *call)
{
    static const char *const parts[] = {"rename", "link", "write", "chmod", "truncate", "open",
                                        "copy_file_range"};
    for (size_t i = 0; i < countof(parts); i++)
        if (strstr(call, parts[i]))
            return true;
    return false;
}

static void watch(void *context, const struct trace_call *call)
{
    const struct watching *watching = context;
    struct trial *trial = watching->trial;
    const char *name = trace_name(call->number);
    if (!call->entry) {
        if (may_change(name))
            add_view(trial, watching->directory);
        return;
    }
    if (array_reserve(&trial->calls, &trial->capacity, trial->count + 1, sizeof(*trial->calls)))
        errx(1, "no memory");
    if (trial->start == 0 && strcmp(name, "fcntl") == 0 && call->args[1] == F_GETFD)
        trial->start = trial->count; /* the first thing that main does */
    trial->calls[trial->count++] = call->number;
}

/* The command of the trial in `directory`, as `how` says. */
static struct rig_result run(const struct trial *trial, const struct rig *rig,
                             const char *directory, struct rig_how *how)
{
    char words[4096], input[4096];
    const struct scene *scene = trial->scene;
    how->variables[0] = "GRID_LOCK_TIMEOUT=0";
    const char *lines = how->input ? how->input : scene->input;
    if (lines)
        how->input = scene_words(rig, scene->template, lines, directory, input);
    return rig_run(rig, directory,
                   scene_words(rig, scene->template, trial->words, directory, words), how);
}

/* What comes of some of the lines alone. */
static void add_lines(struct trial *trial, const struct rig *rig, const char *here)
{
    char lines[4096];
    unsigned count = 0;
    for (const char *at = trial->scene->input; (at = strchr(at, '\n')); at++)
        count++;
    for (unsigned set = 1; set + 1 < 1U << count; set++) {
        const char *at = trial->scene->input;
        size_t length = 0;
        for (unsigned i = 0; i < count; i++, at = strchr(at, '\n') + 1)
            if (set >> i & 1) {
                rig_format(lines + length, sizeof(lines) - length, "%.*s",
                           (int)(strchr(at, '\n') + 1 - at), at);
                length += strlen(lines + length);
            }
        rig_copy(trial->directory, here);
        run(trial, rig, here, &(struct rig_how){.input = lines});
        add_view(trial, here);
    }
    rig_copy(trial->directory, here);
}

static int states_of(const struct scene *scene)
{
    return scene->flags & SCENE_UNSEEN ? 0 : scene->commits ? scene->commits : 1;
}

/* After a scene its next commands; after those the same, where they can be given twice. */
static void begin_next(struct trial *trial, bool is_second)
{
    const struct scene *scene = trial->scene;
    const char *next = scene->next ? scene->next : SCENE_NEXT;
    bool is_backup = strstr(next, "backup create"), again = scene->next && !strstr(next, " add ");
    trial->next = !is_second ? next : is_backup ? SCENE_BACKUP : again ? next : SCENE_AFTER;
    trial->then = is_second && scene->then ? SCENE_AFTER : scene->then;
    trial->says = !is_second ? scene->says : scene->next ? " was " : NULL;
}

void trial_begin(struct trial *trial, const struct rig *rig, const struct scene *scene,
                 const char *directory, const char *words, const char *name)
{
    char here[4096];
    struct view view = view_take(directory);
    *trial = (struct trial){.scene = scene, .flags = scene->flags, .old = view.text};
    rig_format(trial->name, sizeof(trial->name), "%s", name);
    rig_format(trial->directory, sizeof(trial->directory), "%s", directory);
    rig_format(trial->words, sizeof(trial->words), "%s", words);
    begin_next(trial, strcmp(words, scene->words) != 0);
    if (trial->flags & SCENE_DAMAGED)
        trial->bytes = rig_read(RIG_PATH("%s/resource_boosts.json", directory), &trial->length);
    rig_format(here, sizeof(here), "%s/point-r", rig->work);
    rig_copy(directory, here);
    add_view(trial, here);
    if (trial->flags & SCENE_LINES)
        add_lines(trial, rig, here);
    struct watching watching = {trial, here};
    struct rig_how how = {.watch = watch, .context = &watching};
    struct rig_result result = run(trial, rig, here, &how);
    add_view(trial, here);
    if (result.status != 0)
        rig_violation("'%s' of '%s' ends with %d: %s", words, name, result.status, result.err);
    if (strcmp(name, scene->name) == 0 && (int)trial->views_count - 1 != states_of(scene))
        rig_violation("'%s' makes %d states, not %d", words, (int)trial->views_count - 1,
                      states_of(scene));
    rig_remove(here);
}

void trial_release(struct trial *trial)
{
    for (size_t i = 0; i < trial->views_count; i++)
        free(trial->views[i]);
    free(trial->views);
    free(trial->old);
    free(trial->calls);
    free(trial->bytes);
    *trial = (struct trial){0};
}

/* --- faults --------------------------------------------------------------------------------- */

const char *trial_fault_name(const struct trial_fault *fault)
{
    static char name[32];
    return rig_format(name, sizeof(name), "%s%s",
                      fault->error ? strerrorname_np(fault->error) : "KILL",
                      fault->for_ever ? " ever" : "");
}

bool trial_can_fail(long call)
{
    static const struct {
        const char *name, *why;
    } never[] = {
        {"exit", "does not return"},
        {"exit_group", "does not return"},
        {"rt_sigreturn", "does not return"},
        {"getpid", "always succeeds"},
        {"getppid", "always succeeds"},
        {"gettid", "always succeeds"},
        {"getuid", "always succeeds"},
        {"geteuid", "always succeeds"},
        {"getgid", "always succeeds"},
        {"getegid", "always succeeds"},
        {"umask", "always succeeds"},
        {"set_tid_address", "always succeeds"},
        {"uname", "fails for a bad pointer only"},
        {"brk", "returns another end, never an error"},
        {"futex", "fails for bad arguments only, and the libc then aborts"},
    };
    for (size_t i = 0; i < countof(never); i++)
        if (strcmp(trace_name(call), never[i].name) == 0)
            return false;
    return true;
}

static int find_view(const struct trial *trial, const char *text)
{
    if (strcmp(text, trial->old) == 0)
        return 0;
    grid_auto_free char *masked = view_mask(text, trial->old);
    for (size_t i = 0; i < trial->views_count; i++)
        if (strcmp(masked, trial->views[i]) == 0)
            return (int)i;
    return -1;
}

int trial_state(const struct trial *trial, const char *directory)
{
    struct view view = view_take(directory);
    int at = find_view(trial, view.text);
    view_release(&view);
    return at;
}

bool trial_named(const struct trial *trial, const char *directory, const char *message)
{
    if (trial->says)
        return strstr(message, trial->says) != NULL;
    struct view view = view_take(directory);
    bool named = false;
    for (const char *id = view_next_id(message); id && !named; id = view_next_id(id + 1))
        named = memmem(view.text, strlen(view.text), id, VIEW_ID_LENGTH) != NULL;
    view_release(&view);
    return named;
}

int trial_run(const struct trial *trial, const struct rig *rig, const char *directory,
              const struct trial_fault *fault, struct rig_result *ret)
{
    struct trace_fault trace = {NULL, (long)fault->at + 1, fault->error, fault->for_ever};
    struct rig_how how = {.faults = &trace, .fault_count = 1};
    rig_copy(trial->directory, directory);
    struct rig_result result = run(trial, rig, directory, &how);
    if (ret)
        *ret = result;
    return trial_state(trial, directory);
}

/* --- the rules ------------------------------------------------------------------------------ */

/* What is wrong at a point, and how to have it again. */
struct judging {
    const struct trial *trial;
    const struct rig *rig;
    const struct trial_fault *fault;
    const char *directory;
    const char *call; /* that failed: not always the one that stood there in the first run */
};

static void __attribute__((format(printf, 2, 3)))
violation(const struct judging *judging, const char *format, ...)
{
    char text[2048];
    const struct trial *trial = judging->trial;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    rig_violation("%s; '%s', %s at its call %zu (%s): tests/fault/%s.sh %s %zu %s", text,
                  trial->words, trial_fault_name(judging->fault), judging->fault->at,
                  judging->call, judging->rig->name, trial->name,
                  judging->fault->at, trial_fault_name(judging->fault));
}

/* As trial_named; but not if nothing can be printed any more. */
static bool is_named(const struct judging *judging, const char *message)
{
    return (judging->fault->for_ever && strcmp(judging->call, "write") == 0)
           || trial_named(judging->trial, judging->directory, message);
}

/* Did the call fail that makes something durable? A full disk may have been helped meanwhile; and
 * a warning is enough where only a copy of the state, or of its history, is not made. */
static bool is_sync_failed(const struct judging *judging, const char *message)
{
    int error = judging->fault->error;
    if (strstr(message, "warning: cannot keep") || strstr(message, "cannot be closed now"))
        return false;
    return error && error != ENOSPC && error != EDQUOT && !(judging->trial->flags & SCENE_TIDIES)
           && (strcmp(judging->call, "fsync") == 0 || strcmp(judging->call, "fdatasync") == 0);
}

/* How the program may end, where the state is then: 0 old, views_count - 1 new. */
static void judge_status(const struct judging *judging, const struct rig_result *result, int at)
{
    const struct trial *trial = judging->trial;
    const struct trial_fault *fault = judging->fault;
    int status = result->status, last = (int)trial->views_count - 1;
    bool done = at == last && last > 0, early = fault->at < trial->start;
    if (fault->error == 0 && status == 128 + SIGKILL) /* else it was a child that died */
        return;
    if (status > 128 && !early)
        violation(judging, "ended by signal %d", status - 128);
    else if (status == 0 && last > 0 && !done && !(trial->flags & SCENE_TIDIES))
        violation(judging, "status 0, and not done");
    else if (status == 0 && is_sync_failed(judging, result->err))
        violation(judging, "status 0, though it could not be made durable");
    else if (status == 1 && done && !(trial->flags & SCENE_TIDIES)
             && !is_named(judging, result->err))
        violation(judging, "status 1, done, and not named: %s", result->err);
    else if (trial->flags & SCENE_LINES && result->out[0])
        return; /* it says itself how far it came */
    else if (status > 1 && status < 128 && status != 11 && done && !(trial->flags & SCENE_TIDIES))
        violation(judging, "status %d, but it was done: %s", status, result->err);
}

/* `grid store check`, within this process; and bytes that could not be read are still there. */
static void judge_store(const struct judging *judging, const char *when)
{
    struct grid_error err = {0};
    if (account_check(judging->directory, &err) != 0)
        violation(judging, "store check %s: %s", when, err.message);
}

static void judge_bytes(const struct judging *judging, const char *when)
{
    const struct trial *trial = judging->trial;
    if (trial->bytes && !account_keeps(judging->directory, trial->bytes, trial->length))
        violation(judging, "the damaged bytes are gone %s", when);
}

/* Another command in the ledger; it must end with 0. */
static void go_on(const struct judging *judging, const char *words)
{
    char line[4096];
    scene_words(judging->rig, judging->trial->scene->template, words, judging->directory, line);
    struct rig_result result = rig_run(judging->rig, judging->directory, line, NULL);
    if (result.status != 0)
        violation(judging, "then '%s': %d: %s", line, result.status, result.err);
}

/* The next command ends with 0, tidies, and nothing of the ledger is lost by it. */
static void judge_next(const struct judging *judging)
{
    const struct trial *trial = judging->trial;
    struct view before = view_take(judging->directory);
    go_on(judging, trial->next);
    if (trial->then)
        go_on(judging, trial->then);
    struct view after = view_take(judging->directory);
    if (after.temporaries > 0)
        violation(judging, "%zu temporary files are left", after.temporaries);
    if (strcmp(trial->next, trial->scene->words) == 0 && !trial->then
        && find_view(trial, after.text) != (int)trial->views_count - 1)
        violation(judging, "another state after the same command again");
    for (const char *id = view_next_id(before.ledger); id; id = view_next_id(id + 1))
        if (!memmem(after.ledger, strlen(after.ledger), id, VIEW_ID_LENGTH)) {
            violation(judging, "%.*s is lost by the next command", VIEW_ID_LENGTH, id);
            break;
        }
    view_release(&before);
    view_release(&after);
}

/* Where a state that is none of those that may be differs from the nearest of them. */
static void tell_difference(const struct judging *judging)
{
    const struct trial *trial = judging->trial;
    struct view view = view_take(judging->directory);
    grid_auto_free char *masked = view_mask(view.text, trial->old);
    size_t best = 0;
    const char *wanted = "";
    for (size_t i = 0; i < trial->views_count; i++) {
        size_t same = 0;
        while (masked[same] && masked[same] == trial->views[i][same])
            same++;
        if (same < best)
            continue;
        best = same;
        wanted = trial->views[i];
    }
    size_t from = best > 60 ? best - 60 : 0;
    violation(judging, "neither old nor new: ...%.120s..., not ...%.120s...", masked + from,
              wanted + from);
    view_release(&view);
}

void trial_point(const struct trial *trial, const struct rig *rig, const char *directory,
                 const struct trial_fault *fault, bool slow)
{
    struct rig_result result;
    int at = trial_run(trial, rig, directory, fault, &result);
    long call = result.trace.faults ? result.trace.failed : trial->calls[fault->at];
    struct judging judging = {trial, rig, fault, directory, trace_name(call)};
    if (fault->error && !trial_can_fail(call))
        return;
    if (at < 0)
        tell_difference(&judging);
    else
        judge_status(&judging, &result, at);
    if (at > 0 || !(trial->flags & SCENE_DAMAGED))
        judge_store(&judging, "then");
    judge_bytes(&judging, "then");
    judge_next(&judging);
    judge_store(&judging, "after the next command");
    judge_bytes(&judging, "after the next command");
    if (slow)
        go_on(&judging, "store check");
}
