/* What this machine has: the affinity mask, /proc/meminfo, and nvidia-smi's word. */
#include "host/discover.h"

#include "host/run.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>

#define CORES_MOST (1 << 20)
#define SMI_LIMIT_US (5 * GRID_SECOND)
#define SMI_OUTPUT_MOST 65536 /* a device takes about 20 bytes */
#define SMI_COMMAS 2          /* between the three fields that are asked for */

static int count_cores(int64_t *ret, struct grid_error *err)
{
    errno = EINVAL; /* what the kernel says of a set that is too small for its cores */
    for (int most = CPU_SETSIZE; errno == EINVAL && most <= CORES_MOST; most *= 2) {
        size_t size = CPU_ALLOC_SIZE(most);
        grid_auto_free cpu_set_t *set = calloc(1, size);
        if (!set)
            return grid_error_set(err, GRID_ENOMEM, "cannot count the cores: no memory");
        if (sched_getaffinity(0, size, set) == 0) {
            *ret = CPU_COUNT_S(size, set);
            return 0;
        }
    }
    return grid_error_errno(err, GRID_EIO, errno, "cannot count the cores");
}

static int find_memory(int64_t *ret_bytes, struct grid_error *err)
{
    grid_auto_free char *text = NULL;
    size_t length;
    int rc = file_read(AT_FDCWD, "/proc/meminfo", &text, &length, NULL, err);
    if (rc < 0)
        return rc;
    const char *total = text ? strstr(text, "MemTotal:") : NULL;
    long long kib = 0;
    if (!total || sscanf(total, "MemTotal: %lld kB", &kib) != 1 || kib <= 0)
        return grid_error_set(err, GRID_EIO, "cannot find MemTotal in '/proc/meminfo'");
    *ret_bytes = kib > GRID_MEMORY_MAX / 1024 ? GRID_MEMORY_MAX : kib * 1024;
    return 0;
}

/* A line of a device has three fields, the first a number or "[N/A]". */
static int64_t count_devices(const char *text)
{
    int64_t devices = 0;
    while (*text) {
        int commas = 0;
        bool is_device = *text && strchr("[0123456789", *text);
        for (; *text && *text != '\n'; text++)
            commas += *text == ',';
        devices += is_device && commas >= SMI_COMMAS;
        text += *text == '\n';
    }
    return devices;
}

static int count_gpus(const char *smi, int64_t *ret, struct buffer *problem,
                      struct grid_error *err)
{
    const char *const argv[] = {smi, "--query-gpu=utilization.gpu,memory.total,memory.used",
                                "--format=csv,noheader,nounits", NULL};
    struct run run = {.argv = argv, .limit_us = SMI_LIMIT_US, .most = SMI_OUTPUT_MOST};
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct grid_error why = {0};
    struct run_end end = {0};
    *ret = -1;
    int rc = run_command(&run, &out, NULL, &end, &why);
    /* Directories of PATH that are closed to us say EACCES, too: nothing to speak of. */
    if (rc == GRID_ENOTFOUND || rc == GRID_EPERM)
        return 0;
    if (rc == 0 && !buffer_string(&out))
        rc = grid_error_set(&why, GRID_ENOMEM, "no memory");
    if (rc == GRID_ENOMEM)
        return grid_error_set(err, rc, "%s", why.message);
    if (rc < 0)
        buffer_text(problem, why.message);
    else if (end.timed_out)
        buffer_format(problem, "'%s' did not answer within 5 seconds", smi);
    else if (end.status != 0)
        buffer_format(problem, "'%s' ended with status %d%s%.*s", smi, end.status,
                      out.length > 0 ? " and said: " : "", (int)strcspn(out.data, "\n"), out.data);
    else
        *ret = count_devices(out.data);
    return 0;
}

int discover_capacity(const char *smi, struct grid_amounts *ret,
                      void (*note)(void *context, const char *text), void *context,
                      struct grid_error *err)
{
    grid_auto_buffer struct buffer problem = BUFFER_INIT;
    int64_t cores = 0, bytes = 0, gpus = 0;
    int rc = count_cores(&cores, err);
    rc = rc ?: find_memory(&bytes, err);
    rc = rc ?: count_gpus(smi ? smi : "nvidia-smi", &gpus, &problem, err);
    if (rc < 0)
        return rc;
    if (problem.length > 0 && note) {
        buffer_text(&problem, ", no GPUs are counted");
        note(context, buffer_string(&problem) ? problem.data : "no GPUs are counted");
    }
    *ret = (struct grid_amounts){2, {{"CPU", cores * GRID_AMOUNT_UNIT}, {"MEMORY", bytes}}};
    return gpus < 0 ? 0 : grid_amounts_set(ret, "GPU", gpus * GRID_AMOUNT_UNIT, err);
}
