/* Running a command: posix_spawn, both outputs by poll, and a deadline. */
#include "host/run.h"

#include "util/clock.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PIPE_BYTES 65536
#define PAUSE_MAX_MS 16
#define KILL_WAIT_US 1000000 /* a process that hangs in a driver does not die even of SIGKILL */

/* One output of the command. */
struct stream {
    struct buffer *to; /* NULL: nobody wants it */
    int ours, theirs;
};

static int open_stream(struct stream *stream, struct grid_error *err)
{
    int ends[2];
    if (!stream->to)
        stream->theirs = openat(AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC);
    else if (pipe2(ends, O_CLOEXEC) == 0)
        stream->ours = ends[0], stream->theirs = ends[1];
    if (stream->theirs < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot make a pipe");
    return 0;
}

/* A file in memory: unlike a pipe it takes the whole text, whether it is read or not. */
static int open_input(const char *text, int *ret_fd, struct grid_error *err)
{
    *ret_fd = text ? memfd_create("input", MFD_CLOEXEC)
                   : openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
    int failed = *ret_fd < 0 ? errno : 0;
    if (text && !failed)
        failed = file_pwrite_all(*ret_fd, text, strlen(text), 0);
    return failed ? grid_error_errno(err, GRID_EIO, failed, "cannot hold a command's input") : 0;
}

static int spawn(const struct run *run, int input, const struct stream *streams, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t standard;
    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE);
    sigaddset(&standard, SIGXFSZ);
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed)
        return failed;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &standard);
    /* The mask of new attributes is empty. */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF
                                              | POSIX_SPAWN_SETSIGMASK);
    failed = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
             ?: posix_spawn_file_actions_adddup2(&actions, streams[0].theirs, STDOUT_FILENO)
             ?: posix_spawn_file_actions_adddup2(&actions, streams[1].theirs, STDERR_FILENO)
             ?: (run->kept_fd ? posix_spawn_file_actions_adddup2(&actions, run->kept_fd,
                                                                 run->kept_fd) : 0)
             ?: posix_spawnp(ret_pid, run->path ?: run->argv[0], &actions, &attributes,
                             (char *const *)run->argv,
                             run->environment ? (char *const *)run->environment : environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Waits for output and takes what is there, all that a pipe can hold. False: there was none. */
static bool attend(struct stream *streams, size_t most, int wait_ms)
{
    char bytes[PIPE_BYTES];
    struct pollfd polled[2] = {{streams[0].ours, POLLIN, 0}, {streams[1].ours, POLLIN, 0}};
    if (poll(polled, 2, wait_ms) <= 0)
        return false;
    for (size_t i = 0; i < 2; i++) {
        if (!polled[i].revents)
            continue;
        struct buffer *to = streams[i].to;
        ssize_t n = read(streams[i].ours, bytes, sizeof(bytes));
        if (n > 0)
            buffer_add(to, bytes, (size_t)n < most - to->length ? (size_t)n : most - to->length);
        else if (n == 0 || errno != EINTR)
            file_close_pointer(&streams[i].ours), streams[i].ours = -1;
    }
    return true;
}

/* Asks for the end instead of sleeping until it comes: a deadline, output and an exit can be waited
 * for at once by pidfd_open only, which not every kernel and sandbox has. */
static int await(pid_t pid, const struct run *run, struct stream *streams, struct run_end *ret,
                 struct grid_error *err)
{
    struct run_end end = {0};
    int state = SIGKILL, pause_ms = 1;
    int64_t deadline_us = clock_monotonic_us() + run->limit_us;
    for (;;) {
        pid_t ended = waitpid(pid, &state, WNOHANG);
        if (ended < 0 && errno != EINTR)
            return grid_error_errno(err, GRID_EIO, errno, "the status of '%s' was lost",
                                    run->argv[0]);
        bool late = clock_monotonic_us() >= deadline_us;
        if (ended == pid || (late && end.timed_out))
            break;
        if (late) {
            kill(-pid, SIGKILL);
            end.timed_out = true;
            deadline_us += KILL_WAIT_US;
        }
        if (attend(streams, run->most, pause_ms))
            pause_ms = 1;
        else if (pause_ms < PAUSE_MAX_MS)
            pause_ms *= 2;
    }
    attend(streams, run->most, 0);
    end.status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    *ret = end;
    return 0;
}

static int start(const struct run *run, struct stream *streams, pid_t *ret_pid,
                 struct grid_error *err)
{
    grid_auto_close int input = -1;
    int rc = open_stream(&streams[0], err);
    rc = rc ?: open_stream(&streams[1], err);
    rc = rc ?: open_input(run->input, &input, err);
    int failed = rc ? 0 : spawn(run, input, streams, ret_pid);
    for (size_t i = 0; i < 2; i++)
        file_close_pointer(&streams[i].theirs);
    if (!failed)
        return rc;
    enum grid_code code = failed == ENOENT || failed == ENOTDIR ? GRID_ENOTFOUND
                          : failed == EACCES                    ? GRID_EPERM
                                                                : GRID_EIO;
    return grid_error_errno(err, code, failed, "cannot run '%s'", text_shown(run->argv[0]));
}

int run_command(const struct run *run, struct buffer *out, struct buffer *errors,
                struct run_end *ret, struct grid_error *err)
{
    struct stream streams[2] = {{out, -1, -1}, {errors, -1, -1}};
    pid_t pid;
    int rc = start(run, streams, &pid, err);
    rc = rc ?: await(pid, run, streams, ret, err);
    for (size_t i = 0; i < 2; i++)
        file_close_pointer(&streams[i].ours);
    if (rc == 0 && ((out && out->error) || (errors && errors->error)))
        return grid_error_set(err, GRID_ENOMEM, "cannot run '%s': no memory", run->argv[0]);
    return rc;
}
