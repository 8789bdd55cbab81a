/* Preloaded: the time of day is off by what stands in the file that is open as descriptor 200. */
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CLOCK_FD 200

static const volatile int64_t *offset_seconds;

__attribute__((constructor)) static void begin(void)
{
    void *at = mmap(NULL, sizeof(*offset_seconds), PROT_READ, MAP_SHARED, CLOCK_FD, 0);
    offset_seconds = at == MAP_FAILED ? NULL : at;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME && offset_seconds)
        now->tv_sec += *offset_seconds;
    return rc;
}
