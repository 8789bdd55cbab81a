/* The keeper: renews a lease, and ends the command when the lease ends or the front is gone. */
#include "host/keeper.h"

#include "util/clock.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

#define SECOND INT64_C(1000000)
#define RETRY_US SECOND
#define LOOK_PAUSE_US (SECOND / 5) /* a command that is over sooner costs no look at the store */
#define LOOK_SHARE 10              /* looking takes at most this part of the time */
#define SWEEP_MS 50
#define SWEEP_MOST_US (2 * SECOND) /* what hangs in a driver does not die even of KILL */

void keeper_read(int state_fd, struct keeper_state *ret)
{
    (void)!pread(state_fd, ret, sizeof(*ret), 0);
}

void keeper_write(int state_fd, const struct keeper_state *state)
{
    (void)file_pwrite_all(state_fd, state, sizeof(*state), 0);
}

/* A second at most, since the clock of poll stands still while the machine sleeps. */
int keeper_poll(struct pollfd *polled, size_t count, int64_t until_us)
{
    int64_t left_us = until_us - clock_boot_us();
    left_us = left_us < 0 ? 0 : left_us > SECOND ? SECOND : left_us;
    return poll(polled, count, (int)((left_us + 999) / 1000));
}

/* --- signals ------------------------------------------------------------------------------- */

/* A signal for all that carry the mark; 0 only counts them. */
struct marking {
    const char *mark;
    int signal;
    pid_t but; /* not this one */
    size_t found;
};

/* The descriptor of /proc/PID stands for one process and never for a later one of that number. */
static int visit(void *context, const char *name, struct grid_error *err)
{
    struct marking *marking = context;
    char path[64];
    grid_auto_free char *text = NULL;
    size_t length = 0;
    if (!text_is_digit(name[0]) || strtol(name, NULL, 10) == marking->but)
        return 0;
    snprintf(path, sizeof(path), "/proc/%s", name);
    grid_auto_close int fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || file_read(fd, "environ", &text, &length, NULL, err) != 0
        || !memmem(text, length, marking->mark, strlen(marking->mark) + 1))
        return 0;
    marking->found++;
    if (marking->signal)
        syscall(SYS_pidfd_send_signal, fd, marking->signal, NULL, 0);
    return 0;
}

static size_t signal_marked(const char *mark, int signal, pid_t but)
{
    struct marking marking = {.mark = mark, .signal = signal, .but = but};
    (void)file_each(AT_FDCWD, "/proc", visit, &marking, NULL);
    return marking.found;
}

void keeper_sweep(const char *mark, int64_t kill_us)
{
    while (signal_marked(mark, clock_boot_us() < kill_us ? 0 : SIGKILL, 0) > 0
           && clock_boot_us() < kill_us + SWEEP_MOST_US)
        poll(NULL, 0, SWEEP_MS);
}

static void signal_all(const struct keeper *keeper, int signal)
{
    syscall(SYS_pidfd_send_signal, keeper->command_fd, signal, NULL, 0);
    signal_marked(keeper->supervise->environment[0], signal, keeper->command);
}

/* --- waiting ------------------------------------------------------------------------------- */

enum order { NONE, LEAVE, ORPHANED };

static enum order listen_until(const struct keeper *keeper, int64_t until_us)
{
    struct pollfd polled = {keeper->channel, POLLIN, 0};
    char byte;
    do {
        if (keeper_poll(&polled, 1, until_us) > 0)
            return read(keeper->channel, &byte, 1) == 1 ? LEAVE : ORPHANED;
    } while (clock_boot_us() < until_us);
    return NONE;
}

static bool has_ended(const struct keeper *keeper)
{
    struct pollfd polled = {keeper->command_fd, POLLIN, 0};
    return poll(&polled, 1, 0) > 0;
}

static void warn(const struct keeper *keeper, const char *text, const char *why)
{
    char line[sizeof(((struct grid_error *)NULL)->message) + 128];
    snprintf(line, sizeof(line), "%s%s%s", text, *why ? ": " : "", why);
    keeper->supervise->warn(keeper->supervise->context, line);
}

/* --- renewing ------------------------------------------------------------------------------ */

static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

static int64_t renewal(const struct keeper *keeper)
{
    int64_t renew_us = keeper->state.lease.renew_us;
    return renew_us > keeper->retry_us ? renew_us : keeper->retry_us;
}

static void answered(struct keeper *keeper, bool renewed, int rc, const struct grid_error *err)
{
    if (rc == GRID_ENOTFOUND) {
        warn(keeper, "the lease is lost", err->message);
        keeper->state.lease.stop_us = 0;
    } else if (rc < 0 && renewed) {
        if (!keeper->failing)
            warn(keeper, "the lease cannot be renewed, trying on", err->message);
        keeper->failing = true;
        keeper->retry_us = clock_boot_us() + RETRY_US;
    } else if (rc == 0 && renewed && keeper->failing) {
        warn(keeper, "the lease is renewed again", "");
        keeper->failing = false;
    }
    keeper_write(keeper->state_fd, &keeper->state);
}

/* Renews the lease if it is time, or looks at it (and it may be time: it was extended). Returns how
 * long to leave the store alone: the keepers of a large ledger must not spend their time reading it
 * for each other's renewals. */
static int64_t ask(struct keeper *keeper)
{
    const struct supervise *supervise = keeper->supervise;
    struct grid_error err = {0};
    struct supervise_lease lease;
    int64_t begun_us = clock_boot_us();
    bool renew = begun_us >= renewal(keeper);
    int64_t until_us = keeper->state.lease.stop_us;
    int rc = 0;
    if (!renew) {
        rc = supervise->look(supervise->context, until_us, &lease, &err);
        renew = rc == 0 && begun_us >= lease.renew_us && begun_us >= keeper->retry_us;
    }
    if (renew)
        rc = supervise->renew(supervise->context, until_us, &lease, &err);
    if (rc == 0)
        keeper->state.lease = lease;
    answered(keeper, renew, rc, &err);
    return LOOK_PAUSE_US + (renew ? 0 : (LOOK_SHARE - 1) * (clock_boot_us() - begun_us));
}

/* Sleeps until it is time for something; true: there may be something to look at before. */
static bool watch(const struct keeper *keeper)
{
    const struct supervise *supervise = keeper->supervise;
    int64_t now_us = clock_boot_us();
    int64_t until_us = sooner(renewal(keeper), keeper->state.lease.stop_us);
    until_us = sooner(until_us, now_us + SECOND); /* as in keeper_poll */
    struct pollfd polled = {keeper->channel, POLLIN, 0};
    struct grid_error err = {0};
    if (until_us > now_us && supervise->watch(supervise->context, until_us - now_us,
                                              keeper->channel, &err) < 0)
        keeper_poll(&polled, 1, until_us);
    return clock_boot_us() < until_us;
}

/* Until the lease has to end, or the front has something to say. */
static enum order keep(struct keeper *keeper)
{
    int64_t pause_us = LOOK_PAUSE_US;
    bool look = true;
    for (;;) {
        int64_t now_us = clock_boot_us();
        int64_t stop_us = keeper->state.lease.stop_us;
        int64_t until_us = sooner(now_us + pause_us, sooner(renewal(keeper), stop_us));
        enum order order = listen_until(keeper, until_us);
        now_us = clock_boot_us();
        if (order != NONE || now_us >= stop_us)
            return order;
        if (has_ended(keeper)) /* the front will say so, unless it is stopped */
            return listen_until(keeper, INT64_MAX);
        keeper->state.alive_us = now_us;
        keeper_write(keeper->state_fd, &keeper->state);
        bool asks = look || now_us >= renewal(keeper);
        pause_us = asks ? ask(keeper) : 0;
        look = !asks && watch(keeper);
    }
}

/* --- ending -------------------------------------------------------------------------------- */

/* TERM, for a stopped one, too; then KILL. Returns when the command has ended. */
static void end_command(struct keeper *keeper)
{
    struct keeper_state *state = &keeper->state;
    struct pollfd polled = {keeper->command_fd, POLLIN, 0};
    if (state->kill_us == 0) {
        state->kill_us = sooner(clock_boot_us() + keeper->supervise->kill_after_us,
                                state->lease.ends_us > 0 ? state->lease.ends_us : 1);
        keeper_write(keeper->state_fd, state);
    }
    signal_all(keeper, SIGTERM);
    signal_all(keeper, SIGCONT);
    while (!has_ended(keeper) && clock_boot_us() < state->kill_us)
        keeper_poll(&polled, 1, state->kill_us);
    if (has_ended(keeper))
        return;
    warn(keeper, "the command did not end: it is killed", "");
    signal_all(keeper, SIGKILL);
    while (!has_ended(keeper))
        keeper_poll(&polled, 1, INT64_MAX);
}

void keeper_run(struct keeper *keeper)
{
    const struct supervise *supervise = keeper->supervise;
    keeper_read(keeper->state_fd, &keeper->state);
    bool told = keeper->state.kill_us > 0;
    enum order order = told ? NONE : keep(keeper);
    if (order == LEAVE)
        return;
    if (order == ORPHANED)
        warn(keeper, "grid was killed: the command is told to end", "");
    else if (!told)
        warn(keeper, "the lease ends: the command is told to end", "");
    end_command(keeper);
    /* What the command leaves behind the front sweeps up, unless it was killed, or is stopped. */
    if (order == NONE)
        order = listen_until(keeper, keeper->state.kill_us);
    if (order != LEAVE)
        keeper_sweep(supervise->environment[0], keeper->state.kill_us);
    if (order == NONE)
        order = listen_until(keeper, INT64_MAX);
    if (order == ORPHANED)
        supervise->release(supervise->context);
}
