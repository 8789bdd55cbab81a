/* System calls of a program and its children: watched, failed, or the process killed at them. */
#ifndef FAULT_TRACE_H
#define FAULT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The `when`-th (from 1) system call of that name (NULL: of any name), counted over the whole tree
 * of processes from the execve of the program on, which is not counted itself. `error` 0: SIGKILL
 * to the process just before the call is carried out. Otherwise the call is not made, and returns
 * -error; `for_ever`: all later ones of its name, too (EINTR: a hundred of them, for who tries
 * again is right).
 */
struct trace_fault {
    const char *call;
    long when;
    int error;
    bool for_ever;
};

struct trace_call {
    pid_t pid;
    long number;
    unsigned long long args[6];
    long long result; /* at exit: as of the kernel, -errno for a failure */
    bool entry;
};

/* Called at entry and at exit of each call; one that kills has no exit. */
typedef void (*trace_fn)(void *context, const struct trace_call *call);

/* `calls`: how many were counted, until the last fault unless there is a trace_fn or no fault at
 * all; `faults`: how many took effect; `failed`: the number of the call of the latest one. */
struct trace_result {
    int status; /* of the program, as of waitpid */
    long calls;
    size_t faults;
    long failed;
};

#define TRACE_FAULTS_MOST 4

/*
 * The child (of fork or vfork) calls trace_me just before execve, and the parent trace_follow
 * instead of waiting for it: until it and all its children have ended. The caller has no other
 * children meanwhile. Only for x86-64 (ENOSYS). Both 0, or -1 with errno.
 */
int trace_me(void);
int trace_follow(pid_t pid, const struct trace_fault *faults, size_t count, trace_fn fn,
                 void *context, struct trace_result *ret);

/* The name of a call, or "call-NUMBER", which lasts until the next one. */
const char *trace_name(long number);

/* Memory of a process that stands at a call; a text is cut to fit. False: it cannot be read. */
bool trace_read(pid_t pid, unsigned long long at, void *to, size_t length);
bool trace_string(pid_t pid, unsigned long long at, char *to, size_t size);

#endif
