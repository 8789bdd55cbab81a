/* One request, release or extension: from the words to the grid_op, and from its result to text. */
#include "cmd/boost.h"
#include "host/signals.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Does the verb have this option? */
static bool has_option(const struct cmd *cmd, const char *name)
{
    return cmd->options[option_find(cmd, name, strlen(name))];
}

static const struct boost_op_kind *kind_of(const struct cmd *cmd)
{
    if (strcmp(cmd->verb->name, "release") == 0)
        return &boost_release_kind;
    return strcmp(cmd->verb->name, "extend") == 0 ? &boost_extend_kind : &boost_request_kind;
}

int boost_op_read(struct cmd *cmd, struct boost_op *ret, struct grid_error *err)
{
    *ret = (struct boost_op){.cmd = cmd};
    ret->caller = (struct grid_caller){cmd_user(cmd), getuid() == 0};
    ret->dry_run = has_option(cmd, "dry-run") && cmd_value(cmd, "dry-run");
    ret->reasons.lines = ret->ending.lines = ret->ending.ids = BUFFER_INIT;
    ret->op.context = ret;
    return kind_of(cmd)->read(ret, err);
}

void boost_op_release(struct boost_op *op)
{
    buffer_release(&op->reasons.lines);
    buffer_release(&op->ending.lines);
    buffer_release(&op->ending.ids);
    free(op->members);
}

/* --- doing ---------------------------------------------------------------------------------- */

static void note_place(void *context, size_t position, int64_t promised_us)
{
    struct boost_op *op = context;
    char time[GRID_TIME_SIZE];
    grid_time_show(promised_us, time);
    if (position == 0)
        output_info(op->cmd, "granted: it starts at %s", time);
    else if (promised_us == GRID_NEVER)
        output_info(op->cmd, "waiting: place %zu in the queue, when it starts is not known",
                    position);
    else
        output_info(op->cmd, "waiting: place %zu in the queue, it starts by %s", position, time);
    hooks_run_beside(op->cmd);
}

/* A hook may take longer than the lease of the place in the queue. */
static void run_hooks(void *context)
{
    hooks_run_beside(((struct boost_op *)context)->cmd);
}

static int wait_for(struct boost_op *op, struct grid_error *err)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, 0};
    struct signals signals;
    int rc = signals_open(numbers, &signals, err);
    if (rc < 0)
        return rc;
    struct grid_waiting waiting = {.wait_us = op->request.wait_us, .stop_fd = signals.fd,
                                   .queued = note_place, .committed = run_hooks, .context = op};
    rc = grid_ledger_wait(op->cmd->store, op->op.request, &waiting, op->op.explain,
                          op->op.grant, op->op.fn, op->op.context, err);
    if (rc == GRID_EINTERRUPTED)
        op->signal = signals_take(&signals);
    close(signals.fd);
    return rc;
}

int boost_op_do(struct cmd *cmd, struct boost_op *op, struct grid_error *err)
{
    int rc = op->op.request && op->request.waits
                 ? wait_for(op, err)
                 : grid_ledger_batch(cmd->store, &op->op, 1, true, op->dry_run, err);
    op->op.rc = rc;
    if (rc < 0)
        op->op.err = *err;
    return rc;
}

/* --- printing ------------------------------------------------------------------------------- */

/* It is done already: what is short of memory is the result. */
int boost_op_keep(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct boost_op *op = context;
    struct grid_boost *members = realloc(op->members, (op->count + 1) * sizeof(*members));
    if (!members) {
        op->cmd->out.error = ENOMEM;
        return 0;
    }
    op->members = members;
    op->members[op->count++] = *boost;
    return 0;
}

void boost_op_show(struct boost_op *op, const struct grid_boost *first, sheet_head_fn head,
                   const void *context)
{
    struct cmd *cmd = op->cmd;
    struct grid_boost boost = *first;
    bool table = cmd->settings.format == FORMAT_TABLE;
    hooks_answer(cmd, &boost);
    for (size_t i = 0; i < op->count && cmd->settings.format != FORMAT_ID; i++) {
        hooks_answer(cmd, &op->members[i]);
        if (table)
            buffer_text(&cmd->out, i > 0 ? "\n" : "");
        if (table)
            sheet_show(cmd, &op->members[i], false, NULL, NULL);
        else
            sheet_add(cmd, &op->members[i]);
    }
    if (!table)
        sheet_show(cmd, &boost, false, head, context);
}

int boost_op_print(struct cmd *cmd, struct boost_op *op, struct grid_error *err)
{
    const struct boost_op_kind *kind = kind_of(cmd);
    if (op->op.rc < 0) {
        *err = op->op.err;
        return kind->fail(op, err);
    }
    if (op->dry_run)
        output_info(cmd, "dry run: nothing was written");
    kind->print(op);
    return 0;
}
