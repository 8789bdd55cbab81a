/* grid boost run: a boost that lives exactly as long as a command. */
#include "cmd/boost.h"
#include "host/supervise.h"
#include "util/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TTL_US GRID_MINUTE
#define KILL_AFTER_US (30 * GRID_SECOND)
#define PAUSE_US (GRID_SECOND / 20)

/* As coreutils' timeout and env: grid failed; the command cannot be executed; there is none. */
enum { FAILED = 125, NOT_EXECUTED = 126, NO_COMMAND = 127 };

static const struct cmd_option run_options[] = {
    {"ttl", 0, "DUR", "the lease that is renewed while the command runs (60s)"},
    {"kill-after", 0, "DUR", "from TERM to KILL, when the boost ends (30s)"},
    {"wait", 0, "[=DUR]", "wait until it fits, so long at most"},
    {"reason", 0, "TEXT", "what it is for"},
    {"request-id", 0, "KEY", "the command is run only once for this key"},
    {"dry-run", 0, NULL, "decide, but run and write nothing"},
    {0},
};

/* One call: the front's, and, copied by fork, the keeper's. */
struct running {
    struct cmd *cmd;
    struct boost_op op;
    char **argv;
    int64_t ttl_us, kill_after_us;
    int64_t lock_timeout_us; /* as it was set */
    struct signals signals;
    bool told; /* that it was pre-empted */
};

static const struct grid_boost *boost_of(const struct running *running)
{
    return &running->op.grant.boost;
}

/* --- reading ------------------------------------------------------------------------------- */

static int read_times(struct running *running, struct grid_error *err)
{
    struct cmd *cmd = running->cmd;
    running->ttl_us = TTL_US;
    int rc = cmd_duration(cmd, "ttl", false, &running->ttl_us, err);
    int64_t most_us = running->ttl_us / 2;
    running->kill_after_us = most_us < KILL_AFTER_US ? most_us : KILL_AFTER_US;
    rc = rc ?: cmd_duration(cmd, "kill-after", false, &running->kill_after_us, err);
    if (rc == 0 && running->kill_after_us > most_us)
        return grid_error_advise(err, GRID_EUSAGE, "a store that does not answer is asked again "
                                 "for the rest of it", "--kill-after is more than half of --ttl");
    return rc;
}

static int read_words(struct running *running, struct grid_error *err)
{
    struct cmd *cmd = running->cmd;
    running->lock_timeout_us = cmd->settings.lock_timeout_us;
    running->argv = cmd->arguments + cmd->ended_at;
    cmd->arguments[cmd->argument_count] = NULL; /* argv has room: the noun and the verb are gone */
    cmd->argument_count = cmd->ended_at;
    int rc = read_times(running, err);
    rc = rc ?: boost_op_read(cmd, &running->op, err);
    running->op.request.grid.lease_us = running->ttl_us;
    return rc;
}

/* --- the environment of the command -------------------------------------------------------- */

#define VARIABLES_MOST 9

struct variables {
    struct buffer text; /* each with its NUL */
    const char *list[VARIABLES_MOST];
};

/* The lenders: one, unless --split found more. */
static void add_sources(struct buffer *out, const struct boost_op *op)
{
    for (size_t i = 0; i < op->count; i++) {
        size_t before = 0;
        while (strcmp(op->members[before].source_node, op->members[i].source_node) != 0)
            before++;
        if (before == i)
            buffer_format(out, "%s%s", i > 0 ? "," : "", op->members[i].source_node);
    }
}

/* The indices of the devices, if all of them are one lender's: others could not be told apart. */
static uint64_t devices_of(const struct boost_op *op)
{
    const struct grid_boost *first = NULL;
    uint64_t devices = 0;
    for (size_t i = 0; i < op->count; i++) {
        const struct grid_boost *boost = &op->members[i];
        if (boost->devices && !first)
            first = boost;
        if (boost->devices && strcmp(boost->source_node, first->source_node) != 0)
            return 0;
        devices |= boost->devices;
    }
    return devices;
}

static void add_devices(struct buffer *out, const char *name, uint64_t devices)
{
    buffer_text(out, name);
    for (uint64_t left = devices; left; left &= left - 1)
        buffer_format(out, "%s%d", left == devices ? "" : ",", __builtin_ctzll(left));
    buffer_add(out, "", 1);
}

/* The mark comes first: by it supervise knows what the command has started. */
static int make_variables(const struct running *running, struct variables *ret,
                          struct grid_error *err)
{
    const struct grid_boost *boost = boost_of(running);
    struct buffer *out = &ret->text;
    uint64_t devices = devices_of(&running->op);
    char until[GRID_TIME_SIZE];
    size_t count = 0;
    buffer_format(out, SUPERVISE_MARK "=%s%c", boost->boost_id, '\0');
    buffer_format(out, "GRID_BOOST_ID=%s%c", boost->boost_id, '\0');
    buffer_format(out, "GRID_TOKEN=%lld%c", (long long)boost->token, '\0');
    buffer_text(out, "GRID_SOURCE_NODE=");
    add_sources(out, &running->op);
    buffer_format(out, "%cGRID_TARGET_NODE=%s%c", '\0', boost->target_node, '\0');
    buffer_format(out, "GRID_EXPIRES_AT=%s%c",
                  grid_time_format(grid_boost_until(boost), until), '\0');
    if (devices) {
        add_devices(out, "GRID_DEVICES=", devices);
        add_devices(out, "CUDA_VISIBLE_DEVICES=", devices);
    }
    if (out->error)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the environment");
    for (const char *at = out->data; at < out->data + out->length; at += strlen(at) + 1)
        ret->list[count++] = at;
    return 0;
}

/* --- the lease ----------------------------------------------------------------------------- */

/*
 * What is to be done when, if the decision was made at `since_us` or later. The last tenth of the
 * whole time, or kill_after_us if that is less, is for ending, so that all is over when the next
 * one begins.
 */
static struct supervise_lease lease_of(struct running *running, const struct grid_boost *boost,
                                       int64_t since_us)
{
    struct cmd *cmd = running->cmd;
    int64_t until_us = grid_boost_until(boost);
    int64_t ends_us = since_us + boost->expires_us - grid_store_now(cmd->store);
    struct supervise_lease lease = {.renew_us = ends_us - running->ttl_us / 3 * 2,
                                    .stop_us = ends_us - running->kill_after_us,
                                    .ends_us = ends_us};
    if (boost->expires_us >= until_us) {
        int64_t tenth_us = (until_us - boost->starts_us) / 10;
        lease.renew_us = INT64_MAX;
        lease.stop_us = ends_us - (tenth_us < running->kill_after_us ? tenth_us
                                                                     : running->kill_after_us);
    }
    if (boost->preempted_by[0]) {
        lease.renew_us = INT64_MAX;
        lease.stop_us = since_us;
        if (!running->told)
            output_warning(cmd, "boost '%s' is pre-empted by '%s'", boost->boost_id,
                           boost->preempted_by);
        running->told = true;
    }
    return lease;
}

/* Opens the store with a lock time-out that leaves time for another attempt before until_us. */
static int open_store(struct running *running, int64_t until_us, struct grid_error *err)
{
    struct cmd *cmd = running->cmd;
    int64_t *timeout_us = &cmd->settings.lock_timeout_us, now_us = clock_boot_us();
    int64_t left_us = until_us > now_us ? until_us - now_us : 0;
    int64_t most_us = left_us / 2 < running->lock_timeout_us ? left_us / 2
                                                             : running->lock_timeout_us;
    if (cmd->store && *timeout_us <= left_us && *timeout_us >= most_us / 2)
        return 0;
    grid_store_close(cmd->store);
    cmd->store = NULL;
    *timeout_us = most_us;
    return cmd_store(cmd, err);
}

static int renew(void *context, int64_t until_us, struct supervise_lease *ret,
                 struct grid_error *err)
{
    struct running *running = context;
    struct grid_boost boost;
    int64_t since_us = clock_boot_us();
    int rc = open_store(running, until_us, err);
    rc = rc ?: grid_ledger_renew(running->cmd->store, boost_of(running)->boost_id,
                                 boost_of(running)->token, running->ttl_us, &boost, err);
    if (rc == 0)
        *ret = lease_of(running, &boost, since_us);
    /* Settling may have ended boosts of others. */
    hooks_run_beside(running->cmd);
    return rc;
}

static int look(void *context, int64_t until_us, struct supervise_lease *ret,
                struct grid_error *err)
{
    struct running *running = context;
    struct grid_boost boost;
    int64_t since_us = clock_boot_us();
    int rc = open_store(running, until_us, err);
    rc = rc ?: grid_ledger_check(running->cmd->store, boost_of(running)->boost_id,
                                 boost_of(running)->token, 0, &boost, err);
    if (rc == 0)
        *ret = lease_of(running, &boost, since_us);
    return rc;
}

static int watch(void *context, int64_t wait_us, int stop_fd, struct grid_error *err)
{
    struct grid_store *store = ((struct running *)context)->cmd->store;
    return store ? grid_store_watch(store, wait_us, stop_fd, err)
                 : grid_error_set(err, GRID_EIO, "no store is open");
}

/* The command's status stands, whatever becomes of this. */
static void give_back(void *context)
{
    struct running *running = context;
    struct cmd *cmd = running->cmd;
    const char *id = boost_of(running)->boost_id;
    struct grid_release release = {.ids = &id, .count = 1};
    struct grid_error err = {0};
    int rc = open_store(running, INT64_MAX, &err);
    rc = rc ?: grid_ledger_release(cmd->store, &release, NULL, NULL, &err);
    if (rc < 0)
        output_warning(cmd, "boost '%s' is not released, and ends by itself: %s", id,
                       err.message);
}

/* In the place of the front, which runs hooks when everything is over. */
static void give_back_for_front(void *context)
{
    give_back(context);
    hooks_run(((struct running *)context)->cmd);
}

/* Whoever has to end a command must not wait for a reader of stderr. */
static void warn(void *context, const char *text)
{
    struct pollfd polled = {STDERR_FILENO, POLLOUT, 0};
    if (poll(&polled, 1, 0) > 0)
        output_warning(((struct running *)context)->cmd, "%s", text);
}

/* --- the call ------------------------------------------------------------------------------ */

static int interrupted(struct running *running, int signal, struct grid_error *err)
{
    running->cmd->status = 128 + (signal ? signal : SIGINT);
    return grid_error_set(err, GRID_EINTERRUPTED, "interrupted: the command was not run");
}

/* Gets the boost; nothing is held unless it returns 0. */
static int acquire(struct running *running, struct grid_error *err)
{
    struct cmd *cmd = running->cmd;
    struct boost_op *op = &running->op;
    int rc = boost_op_do(cmd, op, err);
    if (rc == GRID_EINTERRUPTED)
        return interrupted(running, op->signal, err);
    if (rc < 0)
        return boost_op_print(cmd, op, err);
    boost_reasons_end(&op->reasons, 0);
    if (strcmp(boost_of(running)->boost_id, op->request.id) != 0) /* another's: it is held */
        return grid_error_advise(err, GRID_ECONFLICT, "a command is run only once for a key",
                                 "the request id '%s' was used before, by boost '%s'",
                                 text_shown(op->request.grid.request_id),
                                 boost_of(running)->boost_id);
    if (op->grant.unchecked)
        output_info(cmd, "no node is registered: capacity is not checked "
                    "('grid node add NAME cpu=16' registers one)");
    return 0;
}

/* Has it, by the ledger's clock? Its hook `granted` is due with the commit that notes that. */
static int check_start(struct running *running, struct supervise_lease *lease, bool *ret_started,
                       struct grid_error *err)
{
    int rc = look(running, lease->stop_us, lease, err);
    if (rc == GRID_EREFUSED)
        return 0;
    rc = rc ?: renew(running, lease->stop_us, lease, err);
    *ret_started = rc == 0;
    return rc;
}

/* As the keeper does it: what is no answer is asked again in a second. */
static int renew_again(struct running *running, struct supervise_lease *lease,
                       struct grid_error *err)
{
    int rc = renew(running, lease->stop_us, lease, err);
    if (rc == 0 || rc == GRID_ENOTFOUND || clock_boot_us() >= lease->stop_us)
        return rc;
    lease->renew_us = clock_boot_us() + GRID_SECOND;
    return 0;
}

/* Until the boost has started and the hooks are over; renews it meanwhile. */
static int begin(struct running *running, struct supervise_lease *lease, struct grid_error *err)
{
    const int64_t starts_us = boost_of(running)->starts_us;
    bool started = starts_us <= grid_store_now(running->cmd->store);
    int rc = 0;
    hooks_run_beside(running->cmd);
    for (int64_t until_us = 0; rc == 0;) {
        int signal = supervise_wait(&running->signals, hooks_beside(running->cmd), until_us);
        if (signal)
            return interrupted(running, signal, err);
        if (clock_boot_us() >= lease->renew_us)
            rc = renew_again(running, lease, err);
        if (rc == 0 && !started && clock_now_us() >= starts_us)
            rc = check_start(running, lease, &started, err);
        int64_t now_us = clock_boot_us(), left_us = starts_us - clock_now_us();
        if (rc == 0 && now_us >= lease->stop_us)
            return grid_error_set(err, GRID_EREFUSED, "boost '%s' ends before the command began",
                                  boost_of(running)->boost_id);
        if (rc == 0 && started && hooks_beside(running->cmd) < 0)
            return 0;
        /* The wall clock may be set: it is looked at once a second. */
        left_us = started || left_us > GRID_SECOND ? GRID_SECOND : left_us;
        until_us = now_us + (left_us > PAUSE_US ? left_us : PAUSE_US);
        until_us = lease->renew_us < until_us ? lease->renew_us : until_us;
    }
    return rc;
}

static int run_command(struct running *running, struct supervise_lease *lease,
                       struct grid_error *err)
{
    struct cmd *cmd = running->cmd;
    struct variables variables = {.text = BUFFER_INIT};
    struct supervise supervise = {
        .argv = running->argv, .environment = variables.list, .signals = &running->signals,
        .ignored = cmd->ignored, .kill_after_us = running->kill_after_us, .lease = *lease,
        .renew = renew, .look = look, .watch = watch, .release = give_back_for_front,
        .warn = warn, .context = running};
    grid_store_close(cmd->store); /* the front holds nothing open while the command runs */
    cmd->store = NULL;
    int rc = make_variables(running, &variables, err);
    rc = rc ?: supervise_run(&supervise, &cmd->status, err);
    if (rc == GRID_ENOTFOUND || rc == GRID_EPERM)
        cmd->status = rc == GRID_ENOTFOUND ? NO_COMMAND : NOT_EXECUTED;
    buffer_release(&variables.text);
    return rc;
}

static int run_run(struct cmd *cmd, struct grid_error *err)
{
    struct running running = {.cmd = cmd};
    struct supervise_lease lease;
    int rc = read_words(&running, err);
    rc = rc ?: supervise_signals(&running.signals, err);
    int64_t since_us = clock_boot_us();
    rc = rc ?: acquire(&running, err);
    if (rc == 0 && running.op.dry_run) {
        output_info(cmd, "dry run: nothing was written, nothing is run");
    } else if (rc == 0) {
        lease = lease_of(&running, boost_of(&running), since_us);
        rc = begin(&running, &lease, err);
        rc = rc ?: run_command(&running, &lease, err);
        give_back(&running);
    }
    boost_op_release(&running.op);
    return rc;
}

const struct cmd_verb boost_run_verbs[] = {
    {.name = "run",
     .arguments = "TARGET RESOURCE AMOUNT [RESOURCE AMOUNT]... -- COMMAND [ARG]...",
     .summary = "Borrow for as long as a command runs",
     .options = run_options, .shared = boost_wishes,
     .examples = "  grid boost run gpu-master gpu 1 --wait=2h -- python train.py\n"
                 "  grid boost run gpu-master cpu 8 memory 32GiB --duration 4h -- make -j8\n",
     .failed = FAILED, .run = run_run},
    {0},
};
