/* System calls that a kernel, a file system or a sandbox refuses: for one function, and for what
 * it starts. */
#ifndef TESTS_SUPPORT_REFUSE_H
#define TESTS_SUPPORT_REFUSE_H

#include <criterion/criterion.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

struct refusal {
    unsigned call, error; /* SYS_fsync, EIO; error 0: none */
};

struct refusing {
    struct refusal refusals[2];
    void (*fn)(void *context);
    void *context;
    bool failed;
};

static inline bool refuse_call(struct refusal refusal)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refusal.call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | refusal.error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
           && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static inline void *refuse_thread(void *opaque)
{
    struct refusing *refusing = opaque;
    for (size_t i = 0; i < 2 && refusing->refusals[i].error && !refusing->failed; i++)
        refusing->failed = !refuse_call(refusing->refusals[i]);
    if (!refusing->failed)
        refusing->fn(refusing->context);
    return NULL;
}

/* Calls fn(context) in a thread of its own, as filters stay for ever: it expects nothing itself. */
static inline void refuse(const struct refusal refusals[static 2], void (*fn)(void *context),
                          void *context)
{
    struct refusing refusing = {{refusals[0], refusals[1]}, fn, context, false};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, refuse_thread, &refusing), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_not(refusing.failed, "this kernel has no seccomp filters");
}

#endif
