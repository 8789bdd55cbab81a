/* Signals that are read from a descriptor. */
#include "host/signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

int signals_open(const int *numbers, struct signals *ret, struct grid_error *err)
{
    struct sigaction action;
    sigset_t set;
    sigemptyset(&set);
    for (; *numbers; numbers++)
        if (sigaction(*numbers, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&set, *numbers);
    ret->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (ret->fd < 0)
        return grid_error_errno(err, GRID_EIO, errno, "cannot wait for signals");
    sigprocmask(SIG_BLOCK, &set, &ret->before);
    return 0;
}

int signals_take(const struct signals *signals)
{
    struct signalfd_siginfo info;
    return read(signals->fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}
