/* The front of a supervised command: starts it and its keeper, hands on signals, waits. */
#include "host/supervise.h"

#include "host/keeper.h"
#include "util/clock.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define KEEPER_PAUSE_US INT64_C(300000)  /* between the starts of two: a lease of 2 s survives */
#define KEEPER_SLACK_US INT64_C(500000)  /* a keeper that is so late hangs */
#define LEAVE_US INT64_C(2000000)        /* for a keeper that is in the middle of a commit */

struct front {
    const struct supervise *supervise;
    pid_t command, keeper;      /* 0: there is none */
    int command_fd, keeper_fd;  /* their pidfds */
    int go, failed;             /* a byte lets the command begin; the errno of its exec */
    int channel;                /* to the keeper, see struct keeper */
    int state_fd;
    int64_t kept_us;            /* when the last keeper was started */
};

int supervise_signals(struct signals *ret, struct grid_error *err)
{
    static const int handed_on[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, 0};
    return signals_open(handed_on, ret, err);
}

int supervise_wait(const struct signals *signals, int fd, int64_t until_us)
{
    struct pollfd polled[] = {{signals->fd, POLLIN, 0}, {fd, POLLIN, 0}};
    while (keeper_poll(polled, countof(polled), until_us) <= 0 && clock_boot_us() < until_us)
        ;
    return signals_take(signals);
}

/* --- the command --------------------------------------------------------------------------- */

/*
 * In the child: waits at the gate until there is a keeper, then becomes the command. A front that
 * died before prctl, and so without a signal, has left the gate without a writer; behind the byte
 * it is asked for once more.
 */
static void become_command(struct front *front, int gate, int report)
{
    static const int changed[] = {SIGPIPE, SIGXFSZ, SIGCHLD}; /* by main */
    const struct supervise *supervise = front->supervise;
    struct pollfd polled = {gate, POLLIN, 0};
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    file_close_pointer(&front->go);
    if (read(gate, &byte, 1) != 1 || poll(&polled, 1, 0) != 0)
        _exit(1);
    for (size_t i = 0; i < countof(changed); i++)
        signal(changed[i], supervise->ignored & 1U << changed[i] ? SIG_IGN : SIG_DFL);
    for (size_t i = 0; supervise->environment[i]; i++)
        putenv((char *)supervise->environment[i]);
    sigprocmask(SIG_SETMASK, &supervise->signals->before, NULL);
    execvp(supervise->argv[0], supervise->argv);
    int failed = errno;
    (void)file_write_all(report, &failed, sizeof(failed));
    _exit(1);
}

static int start_command(struct front *front, struct grid_error *err)
{
    int go[2], report[2];
    if (pipe2(go, O_CLOEXEC) != 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot make a pipe");
    grid_auto_close int gate = go[0];
    front->go = go[1];
    if (pipe2(report, O_CLOEXEC) != 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot make a pipe");
    grid_auto_close int reporting = report[1];
    front->failed = report[0];
    pid_t pid = fork();
    if (pid == 0)
        become_command(front, gate, reporting);
    if (pid < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot start a process");
    front->command = pid;
    front->command_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (front->command_fd < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot watch a process");
    return 0;
}

/* Lets the command begin, and learns whether it could be executed. */
static int open_gate(struct front *front, struct grid_error *err)
{
    int failed = 0;
    ssize_t n;
    (void)file_write_all(front->go, "", 1);
    do {
        n = read(front->failed, &failed, sizeof(failed));
    } while (n < 0 && errno == EINTR);
    if (n != sizeof(failed))
        return 0;
    return grid_error_errno(err, failed == ENOENT ? GRID_ENOTFOUND : GRID_EPERM, failed,
                            "cannot run '%s'", text_shown(front->supervise->argv[0]));
}

/* Also reaps the child of a front that gave up: the gate's end makes it leave. */
static int reap_command(struct front *front)
{
    int state = 0;
    file_close_pointer(&front->go);
    front->go = -1;
    if (front->command > 0)
        while (waitpid(front->command, &state, 0) < 0 && errno == EINTR)
            ;
    return WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state);
}

/* --- the keeper ---------------------------------------------------------------------------- */

static void become_keeper(struct front *front, int channel)
{
    struct keeper keeper = {.supervise = front->supervise, .command = front->command,
                            .command_fd = front->command_fd, .channel = channel,
                            .state_fd = front->state_fd};
    setsid();
    prctl(PR_SET_NAME, "grid-keeper");
    /* The ends that say, when they are closed, that the front is gone. */
    file_close_pointer(&front->go);
    file_close_pointer(&front->channel);
    for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++) {
        close(fd);
        (void)openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
    }
    keeper_run(&keeper);
    _exit(0);
}

/* The keeper keeps the signals blocked that the front reads: whoever ends all that is called grid
 * means the front. And ^Z, which would stop it until it has a session of its own. */
static int start_keeper(struct front *front, struct grid_error *err)
{
    int ends[2];
    sigset_t set, mask;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot make a pipe");
    grid_auto_close int theirs = ends[0];
    front->channel = ends[1];
    front->kept_us = clock_boot_us();
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    sigprocmask(SIG_BLOCK, &set, &mask);
    pid_t pid = fork();
    if (pid == 0)
        become_keeper(front, theirs);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (pid < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot start a process");
    front->keeper = pid;
    front->keeper_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (front->keeper_fd < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot watch a process");
    return 0;
}

static bool await(int pidfd, int64_t for_us)
{
    struct pollfd polled = {pidfd, POLLIN, 0};
    int64_t until_us = clock_boot_us() + for_us;
    while (keeper_poll(&polled, 1, until_us) <= 0)
        if (clock_boot_us() >= until_us)
            return false;
    return true;
}

static void kill_keeper(struct front *front)
{
    kill(front->keeper, SIGKILL);
    await(front->keeper_fd, KEEPER_SLACK_US);
}

/* Forgets the keeper, which has ended, or hangs and was killed. */
static void drop_keeper(struct front *front)
{
    if (front->keeper > 0)
        waitpid(front->keeper, NULL, WNOHANG);
    front->keeper = 0;
    file_close_pointer(&front->keeper_fd);
    file_close_pointer(&front->channel);
    front->keeper_fd = front->channel = -1;
}

static void dismiss_keeper(struct front *front)
{
    if (front->keeper > 0) {
        (void)file_write_all(front->channel, "", 1);
        if (!await(front->keeper_fd, LEAVE_US))
            kill_keeper(front);
    }
    drop_keeper(front);
}

/* When a keeper that has said nothing hangs: there must be time left in which another can renew, or
 * end the command. */
static int64_t late(const struct front *front, const struct keeper_state *state)
{
    const struct supervise_lease *lease = &state->lease;
    int64_t seen_us = state->alive_us > front->kept_us ? state->alive_us : front->kept_us;
    int64_t stop_us = lease->stop_us > front->kept_us ? lease->stop_us : front->kept_us;
    int64_t rest_us = lease->stop_us - lease->renew_us;
    if (state->kill_us > 0 || stop_us == INT64_MAX)
        return INT64_MAX;
    if (rest_us <= 0)
        return stop_us + KEEPER_SLACK_US;
    int64_t slack_us = rest_us / 4 < KEEPER_SLACK_US ? rest_us / 4 : KEEPER_SLACK_US;
    int64_t late_us = lease->renew_us > seen_us ? lease->renew_us : seen_us;
    late_us += rest_us / 2 + slack_us;
    return late_us < stop_us + KEEPER_SLACK_US ? late_us : stop_us + KEEPER_SLACK_US;
}

/* Sees to it that there is a keeper, and that it does not hang. Returns when to look again. */
static int64_t mind_keeper(struct front *front)
{
    const struct supervise *supervise = front->supervise;
    struct keeper_state state;
    int64_t now_us = clock_boot_us();
    keeper_read(front->state_fd, &state);
    int64_t late_us = late(front, &state);
    if (front->keeper > 0 && now_us >= late_us) {
        supervise->warn(supervise->context, "what renews the lease, or the store, does not answer: "
                        "it is started again");
        kill_keeper(front);
        drop_keeper(front);
    } else if (front->keeper > 0) {
        return late_us;
    } else if (now_us < front->kept_us + KEEPER_PAUSE_US) {
        return front->kept_us + KEEPER_PAUSE_US;
    }
    if (start_keeper(front, NULL) < 0) {
        drop_keeper(front);
        if (now_us >= state.lease.ends_us)
            kill(front->command, SIGKILL);
    }
    return now_us + KEEPER_PAUSE_US;
}

/* --- together ------------------------------------------------------------------------------ */

/* What comes from the terminal the command gets itself. (A terminal that hangs up tells only the
 * leader of the session, though.) */
static void hand_on(struct front *front)
{
    struct signalfd_siginfo info;
    while (read(front->supervise->signals->fd, &info, sizeof(info)) == sizeof(info))
        if (info.ssi_code != SI_KERNEL || (info.ssi_signo != SIGINT && info.ssi_signo != SIGQUIT))
            kill(front->command, (int)info.ssi_signo);
}

static void attend(struct front *front)
{
    const struct supervise *supervise = front->supervise;
    for (;;) {
        int64_t until_us = mind_keeper(front);
        struct pollfd polled[] = {{front->command_fd, POLLIN, 0},
                                  {front->keeper_fd, POLLIN, 0},
                                  {supervise->signals->fd, POLLIN, 0}};
        if (keeper_poll(polled, countof(polled), until_us) <= 0)
            continue;
        hand_on(front);
        if (polled[0].revents)
            return;
        if (polled[1].revents) {
            supervise->warn(supervise->context, "what renews the lease was killed and is started "
                            "again");
            drop_keeper(front);
        }
    }
}

int supervise_run(const struct supervise *supervise, int *ret_status, struct grid_error *err)
{
    struct front front = {.supervise = supervise, .command_fd = -1, .keeper_fd = -1, .go = -1,
                          .failed = -1, .channel = -1};
    struct keeper_state state = {.lease = supervise->lease};
    front.state_fd = memfd_create("lease", MFD_CLOEXEC);
    int rc = front.state_fd < 0
                 ? grid_error_errno(err, GRID_EIO, errno, "cannot make a file in memory") : 0;
    keeper_write(front.state_fd, &state);
    rc = rc ?: start_command(&front, err);
    rc = rc ?: start_keeper(&front, err);
    rc = rc ?: open_gate(&front, err);
    if (rc == 0)
        attend(&front);
    int status = reap_command(&front);
    keeper_read(front.state_fd, &state);
    if (rc == 0 && state.kill_us > 0)
        keeper_sweep(supervise->environment[0], state.kill_us);
    dismiss_keeper(&front);
    file_close_pointer(&front.command_fd);
    file_close_pointer(&front.failed);
    file_close_pointer(&front.state_fd);
    if (rc == 0)
        *ret_status = status;
    return rc;
}
