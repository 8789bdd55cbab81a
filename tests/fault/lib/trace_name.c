/* The names of system calls: those that grid, the libc under it and its hooks make. */
#include "trace.h"

#include <stdio.h>
#include <sys/syscall.h>

#define CALL(name) [SYS_##name] = #name

static const char *const names[] = {
    CALL(accept4), CALL(bind), CALL(brk), CALL(capget), CALL(chdir), CALL(clock_getres),
    CALL(clock_gettime), CALL(clock_nanosleep), CALL(clone), CALL(clone3), CALL(close),
    CALL(close_range), CALL(connect), CALL(copy_file_range), CALL(dup), CALL(dup3),
    CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_pwait), CALL(eventfd2), CALL(execve),
    CALL(exit), CALL(exit_group), CALL(faccessat), CALL(faccessat2), CALL(fadvise64),
    CALL(fallocate), CALL(fchdir), CALL(fchmod), CALL(fchmodat), CALL(fchown), CALL(fchownat),
    CALL(fcntl), CALL(fdatasync), CALL(flock), CALL(fstat), CALL(fstatfs), CALL(fsync),
    CALL(ftruncate), CALL(futex), CALL(getcwd), CALL(getdents64), CALL(getegid), CALL(geteuid),
    CALL(getgid), CALL(getgroups), CALL(getpeername), CALL(getpgid), CALL(getpid), CALL(getppid),
    CALL(getpriority), CALL(getrandom), CALL(getrusage), CALL(getsid), CALL(getsockname),
    CALL(getsockopt), CALL(gettid), CALL(gettimeofday), CALL(getuid), CALL(inotify_add_watch),
    CALL(inotify_init1), CALL(inotify_rm_watch), CALL(ioctl), CALL(kill), CALL(linkat),
    CALL(listen), CALL(lseek), CALL(madvise), CALL(membarrier), CALL(memfd_create),
    CALL(mkdirat), CALL(mmap), CALL(mprotect), CALL(mremap), CALL(msync), CALL(munmap),
    CALL(nanosleep), CALL(newfstatat), CALL(openat), CALL(personality), CALL(pidfd_open),
    CALL(pidfd_send_signal), CALL(pipe2), CALL(ppoll), CALL(prctl), CALL(pread64), CALL(preadv),
    CALL(prlimit64), CALL(pselect6), CALL(pwrite64), CALL(pwritev), CALL(read), CALL(readlinkat),
    CALL(readv), CALL(recvfrom), CALL(recvmsg), CALL(renameat), CALL(renameat2), CALL(rseq),
    CALL(rt_sigaction), CALL(rt_sigpending), CALL(rt_sigprocmask), CALL(rt_sigreturn),
    CALL(rt_sigsuspend), CALL(rt_sigtimedwait), CALL(sched_getaffinity), CALL(sched_yield),
    CALL(sendfile), CALL(sendmsg), CALL(sendto), CALL(set_robust_list), CALL(set_tid_address),
    CALL(setgid), CALL(setitimer), CALL(setpgid), CALL(setpriority), CALL(setresgid),
    CALL(setresuid), CALL(setsid), CALL(setsockopt), CALL(setuid), CALL(shutdown),
    CALL(sigaltstack), CALL(signalfd4), CALL(socket), CALL(socketpair), CALL(splice),
    CALL(statfs), CALL(statx), CALL(symlinkat), CALL(sync), CALL(syncfs), CALL(sysinfo),
    CALL(tgkill), CALL(timerfd_create), CALL(timerfd_settime), CALL(umask), CALL(uname),
    CALL(unlinkat), CALL(utimensat), CALL(wait4), CALL(waitid), CALL(write), CALL(writev),
#ifdef SYS_open /* those that later machines have not any more */
    CALL(access), CALL(alarm), CALL(arch_prctl), CALL(chmod), CALL(chown), CALL(creat),
    CALL(dup2), CALL(fork), CALL(getdents), CALL(getpgrp), CALL(getrlimit), CALL(lchown),
    CALL(link), CALL(lstat), CALL(mkdir), CALL(open), CALL(pause), CALL(pipe), CALL(poll),
    CALL(readlink), CALL(rename), CALL(rmdir), CALL(select), CALL(setrlimit), CALL(stat),
    CALL(symlink), CALL(time), CALL(unlink), CALL(utime), CALL(vfork),
#endif
};

const char *trace_name(long number)
{
    static char other[32];
    if (number >= 0 && (size_t)number < sizeof(names) / sizeof(*names) && names[number])
        return names[number];
    snprintf(other, sizeof(other), "call-%ld", number);
    return other;
}
