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

int main(int argc, char **argv)
{
    open_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write */
    signal(SIGXFSZ, SIG_IGN); /* and so is a limit on the size of files, in mid-write */
    signal(SIGCHLD, SIG_DFL); /* ignored by the caller, it would hide how a child ended */
    /* 10 KB that need no clearing. */
    static struct cmd cmd = {.out = BUFFER_INIT, .details = BUFFER_INIT};
    return cmd_main(&cmd, argc, argv);
}
