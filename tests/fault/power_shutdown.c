/* power_shutdown DIRECTORY FLAG: the file system there stops at once, as after a power cut; FLAG 0:
 * after a sync, 1: its log written, 2: nothing written any more. */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define SHUTDOWN _IOR('X', 125, uint32_t) /* of ext4, xfs and others the same */

int main(int argc, char **argv)
{
    if (argc != 3)
        errx(2, "usage: power_shutdown DIRECTORY FLAG");
    uint32_t flag = (uint32_t)strtoul(argv[2], NULL, 10);
    int fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, SHUTDOWN, &flag) != 0)
        err(1, "%s", argv[1]);
    return 0;
}
