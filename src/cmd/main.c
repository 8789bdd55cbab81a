/* The program begins: sound descriptors and signals before anything is opened. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/*
 * A closed descriptor 0 to 2 would be taken by the next file that is opened, and a message could
 * land in the lock file. Descriptor 1 is opened for reading, so that printing a result there
 * fails, as it should. A command that is run finds them closed, as they were.
 */
static void open_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)openat(AT_FDCWD, "/dev/null",
                         (fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

/* The caller's own choice is kept for a command that is run. */
static void take_signal(struct cmd *cmd, int number, void (*action)(int))
{
    if (signal(number, action) == SIG_IGN)
        cmd->ignored |= 1U << number;
}

int main(int argc, char **argv)
{
    open_descriptors();
    /* 10 KB that need no clearing. */
    static struct cmd cmd = {.out = BUFFER_INIT, .details = BUFFER_INIT};
    take_signal(&cmd, SIGPIPE, SIG_IGN); /* a closed pipe is an error of write */
    take_signal(&cmd, SIGXFSZ, SIG_IGN); /* so is a limit on the size of files, in mid-write */
    take_signal(&cmd, SIGCHLD, SIG_DFL); /* ignored, it would hide how a child ended */
    return cmd_main(&cmd, argc, argv);
}
