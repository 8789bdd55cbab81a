/* System calls of a program and its children, by ptrace; strace's `inject` is the model. */
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MOST 64
#define INTERRUPTIONS_MOST 100

/* A process of the tree; `error` is what the call that it is in ends with. */
struct process {
    pid_t pid;
    int error;
    struct trace_call call;
};

/* A fault in the course of a run. `number`: that of its call, from its first time on. */
struct course {
    const struct trace_fault *fault;
    long seen, times, number;
};

struct tracing {
    struct course courses[TRACE_FAULTS_MOST];
    size_t count;
    bool to_the_end; /* there is something to see after the last fault, too */
    trace_fn fn;
    void *context;
    struct trace_result result;
    struct process processes[PROCESSES_MOST];
    size_t processes_count;
};

/* --- registers ------------------------------------------------------------------------------ */

#ifdef __x86_64__
static int set_register(pid_t pid, size_t offset, long long value)
{
    return (int)ptrace(PTRACE_POKEUSER, pid, offset, value);
}
#define NUMBER_AT offsetof(struct user, regs.orig_rax)
#define RESULT_AT offsetof(struct user, regs.rax)
#else
static int set_register(pid_t pid, size_t offset, long long value)
{
    (void)pid, (void)offset, (void)value;
    errno = ENOSYS;
    return -1;
}
#define NUMBER_AT 0
#define RESULT_AT 0
#endif

/* --- faults --------------------------------------------------------------------------------- */

static bool is_over(const struct course *course)
{
    const struct trace_fault *fault = course->fault;
    long most = !fault->for_ever            ? 1
                : fault->error == EINTR     ? INTERRUPTIONS_MOST
                                            : INT32_MAX;
    return course->times >= most;
}

/* Is this call one that the fault is for? Counts it. */
static bool strikes(struct course *course, long number)
{
    const struct trace_fault *fault = course->fault;
    if (is_over(course))
        return false;
    if (course->times > 0)
        return number == course->number;
    if (fault->call && strcmp(fault->call, trace_name(number)) != 0)
        return false;
    return ++course->seen == fault->when;
}

static int strike(struct tracing *tracing, struct course *course, struct process *process)
{
    course->times++;
    course->number = tracing->result.failed = process->call.number;
    tracing->result.faults++;
    if (course->fault->error == 0)
        kill(process->pid, SIGKILL);
    process->error = course->fault->error;
    return set_register(process->pid, NUMBER_AT, -1);
}

/* Can no fault come any more, and does nobody look? */
static bool is_done(const struct tracing *tracing)
{
    bool done = !tracing->to_the_end;
    for (size_t i = 0; done && i < tracing->count; i++)
        done = is_over(&tracing->courses[i]);
    return done;
}

/* --- stops ---------------------------------------------------------------------------------- */

static int enter(struct tracing *tracing, struct process *process,
                 const struct __ptrace_syscall_info *info)
{
    process->call = (struct trace_call){
        .pid = process->pid, .number = (long)info->entry.nr, .entry = true};
    memcpy(process->call.args, info->entry.args, sizeof(process->call.args));
    process->error = 0;
    tracing->result.calls++;
    if (tracing->fn)
        tracing->fn(tracing->context, &process->call);
    int rc = 0;
    for (size_t i = 0; i < tracing->count; i++)
        if (strikes(&tracing->courses[i], process->call.number) && process->error == 0)
            rc |= strike(tracing, &tracing->courses[i], process);
    return rc;
}

static int leave(struct tracing *tracing, struct process *process, long long result)
{
    process->call.entry = false;
    process->call.result = process->error ? -process->error : result;
    int rc = process->error ? set_register(process->pid, RESULT_AT, -process->error) : 0;
    process->error = 0;
    if (tracing->fn)
        tracing->fn(tracing->context, &process->call);
    return rc;
}

/* A process that was killed meanwhile is gone (ESRCH), and that is all right. */
static int at_call(struct tracing *tracing, struct process *process)
{
    struct __ptrace_syscall_info info;
    int rc = 0;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, sizeof(info), &info) <= 0)
        rc = -1;
    else if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        rc = enter(tracing, process, &info);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT && process->call.entry)
        rc = leave(tracing, process, (long long)info.exit.rval);
    return rc != 0 && errno != ESRCH ? -1 : 0;
}

static struct process *find_process(struct tracing *tracing, pid_t pid, bool *ret_new)
{
    size_t i = 0;
    while (i < tracing->processes_count && tracing->processes[i].pid != pid)
        i++;
    *ret_new = i == tracing->processes_count;
    if (i == PROCESSES_MOST)
        return NULL;
    if (*ret_new)
        tracing->processes[tracing->processes_count++] = (struct process){.pid = pid};
    return &tracing->processes[i];
}

static void forget_process(struct tracing *tracing, struct process *process)
{
    *process = tracing->processes[--tracing->processes_count];
}

/* A stop of one of the processes; it goes on. Signals are handed over, but not ptrace's own. */
static int at_stop(struct tracing *tracing, struct process *process, bool is_new, int status)
{
    int number = WSTOPSIG(status);
    if (number == (SIGTRAP | 0x80)) {
        number = 0;
        if (at_call(tracing, process) != 0)
            return -1;
    } else if (status >> 16 || (is_new && number == SIGSTOP)) {
        number = 0;
    }
    int how = is_done(tracing) && process->error == 0 ? PTRACE_CONT : PTRACE_SYSCALL;
    return ptrace(how, process->pid, 0, number) != 0 && errno != ESRCH ? -1 : 0;
}

static int follow(struct tracing *tracing, pid_t first)
{
    while (tracing->processes_count > 0) {
        int status;
        bool is_new;
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR)
            continue;
        struct process *process = pid > 0 ? find_process(tracing, pid, &is_new) : NULL;
        if (!process)
            return -1;
        if (!WIFSTOPPED(status)) {
            if (pid == first)
                tracing->result.status = status;
            forget_process(tracing, process);
        } else if (at_stop(tracing, process, is_new, status) != 0) {
            return -1;
        }
    }
    return 0;
}

/* --- a run ---------------------------------------------------------------------------------- */

int trace_me(void)
{
    return (int)ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static void kill_all(struct tracing *tracing)
{
    int failed = errno;
    for (size_t i = 0; i < tracing->processes_count; i++) {
        kill(tracing->processes[i].pid, SIGKILL);
        waitpid(tracing->processes[i].pid, NULL, __WALL);
    }
    errno = failed;
}

int trace_follow(pid_t pid, const struct trace_fault *faults, size_t count, trace_fn fn,
                 void *context, struct trace_result *ret)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK
                         | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    struct tracing tracing = {.count = count, .to_the_end = fn || count == 0, .fn = fn,
                              .context = context, .processes[0].pid = pid, .processes_count = 1};
    if (count > TRACE_FAULTS_MOST) {
        errno = E2BIG;
        kill_all(&tracing);
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        tracing.courses[i].fault = &faults[i];
    int status;
    pid_t stopped;
    do
        stopped = waitpid(pid, &status, __WALL);
    while (stopped < 0 && errno == EINTR);
    if (stopped == pid && !WIFSTOPPED(status)) { /* it did not come to its execve */
        *ret = (struct trace_result){.status = status};
        return 0;
    }
    if (stopped != pid || ptrace(PTRACE_SETOPTIONS, pid, 0, options) != 0
        || ptrace(PTRACE_SYSCALL, pid, 0, 0) != 0 || follow(&tracing, pid) != 0) {
        kill_all(&tracing);
        return -1;
    }
    *ret = tracing.result;
    return 0;
}

/* --- looking into it ------------------------------------------------------------------------ */

bool trace_read(pid_t pid, unsigned long long at, void *to, size_t length)
{
    struct iovec here = {to, length}, there = {(void *)(uintptr_t)at, length};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)length;
}

/* By parts that do not cross a page, for the next page may not be there. */
bool trace_string(pid_t pid, unsigned long long at, char *to, size_t size)
{
    const size_t page = 256;
    for (size_t done = 0; done + 1 < size;) {
        size_t part = page - (size_t)((at + done) % page);
        if (part > size - 1 - done)
            part = size - 1 - done;
        if (!trace_read(pid, at + done, to + done, part))
            return false;
        if (memchr(to + done, '\0', part))
            return true;
        done += part;
    }
    to[size - 1] = '\0';
    return true;
}
