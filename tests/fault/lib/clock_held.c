/* The program, while the clock steps during what it waits for or runs. */
#include "fault/lib/clock_held.h"

#include "util/text.h"

#include <err.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t *offsets[2]; /* of the two workers, in seconds; the shim reads them */
static int offset_fds[2];
static char preload[4096];

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What is run while the clock steps after 0.5 s; `then` after 1 s. */
static const struct held {
    const char *ledger, *words, *then;
    int status;         /* that it must have; */
    int forward;        /* and after a step forward, where that is another */
    double least, most; /* seconds it must take */
} helds[CLOCK_HELD_ROWS] = {
    /* A step back does not prolong it, a step forward ends the lease by the rule. */
    {"open", "boost run -q --ttl 3s --kill-after 1s b cpu 1 -- sleep 1.5", NULL, 0, 143, 0.4, 5},
    {"open", "boost run -q --duration 1s --ttl 2s --kill-after 1s b cpu 1 -- sleep 9", NULL, 143,
     143, 0.4, 5},
    {"taken", "boost request b cpu 1 -q --wait=2s", NULL, 10, 10, 1.5, 5},
    {"taken", "boost request b cpu 1 -q --wait=9s", "boost release --all --yes", 0, 0, 0.9, 5},
};
static const int64_t years[] = {-10, -1, 1, 10, 0};
static const int64_t others[] = {-3600, -240, 240, -86400, 86400};

static void step_beside(const struct rig *rig, const struct held *held, const char *directory,
                        int worker, int64_t offset)
{
    usleep(500000);
    *offsets[worker] = offset;
    usleep(500000);
    struct rig_how how = {.variables = {preload}, .give_fd = offset_fds[worker]};
    if (held->then)
        rig_run(rig, directory, held->then, &how);
    _exit(0);
}

void clock_held_run(const struct rig *rig, size_t index, int worker)
{
    const struct held *held = &helds[index % countof(helds)];
    size_t which = index / countof(helds);
    int64_t offset = which < countof(years) ? years[which] * 365 * 86400
                                            : others[(which - countof(years)) % countof(others)];
    char directory[512];
    rig_format(directory, sizeof(directory), "%s/point-%d", rig->work, worker);
    rig_copy(RIG_PATH("%s/%s", rig->work, held->ledger), directory);
    *offsets[worker] = 0;
    double begun = seconds();
    pid_t pid = fork();
    if (pid == 0)
        step_beside(rig, held, directory, worker, offset);
    struct rig_how how = {.variables = {preload}, .give_fd = offset_fds[worker], .seconds = 15};
    struct rig_result result = rig_run(rig, directory, held->words, &how);
    double took = seconds() - begun;
    int status = result.status;
    waitpid(pid, NULL, 0);
    /* A boost that ends by the clock while it is waited for makes room, too. */
    bool early = offset > 0 && held->status == 10 && status == 0;
    if (status != held->status && !(offset > 3 && status == held->forward) && !early)
        rig_violation("'grid %s', the clock stepped by %ld s: status %d: %s", held->words,
                      (long)offset, status, result.err);
    else if ((took < held->least && !early) || took > held->most)
        rig_violation("'grid %s', the clock stepped by %ld s: it took %.1f s", held->words,
                      (long)offset, took);
    if (rig_run(rig, directory, "store check", &how).status != 0
        || rig_run(rig, directory, "boost request c gpu 1 -q", &how).status != 0)
        rig_violation("after 'grid %s', the clock stepped by %ld s, the next command fails",
                      held->words, (long)offset);
}

void clock_held_begin(const struct rig *rig)
{
    rig_format(preload, sizeof(preload), "LD_PRELOAD=%s/clock.so", rig->work);
    for (int i = 0; i < 2; i++) {
        offset_fds[i] = memfd_create("clock", MFD_CLOEXEC);
        if (offset_fds[i] < 0 || ftruncate(offset_fds[i], sizeof(int64_t)) != 0)
            err(1, "memfd");
        offsets[i] = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED,
                          offset_fds[i], 0);
        if (offsets[i] == MAP_FAILED)
            err(1, "mmap");
    }
}

size_t clock_held_count(void) { return countof(helds) * (countof(years) + countof(others)); }
