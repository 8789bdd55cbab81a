/* linear LEDGER SEED HISTORY: processes use one new ledger at once, some of them killed, some with
 * a fault of their own; HISTORY gets what each asked and was told, for linear_check. */
#include "fault/lib/linear_ask.h"
#include "fault/lib/rig.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPERATIONS 300
#define OUTPUT_MOST (1 << 20)

static struct linear_shared *shared;
static const char *program;

/* --- one call of the program ------------------------------------------------------------------ */

struct call {
    struct linear_words words;
    unsigned kill_us; /* 0: not */
    long number;      /* a system call that fails, */
    int fd;           /* if it is about this one (-1: any), */
    unsigned action;  /* so; 0: none */
};

/* From here on the system call does what the action says. */
static int filter(long number, int fd, unsigned action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)fd, 0, fd < 0 ? 0 : 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog whole = {sizeof(code) / sizeof(*code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole);
}

static pid_t start(const struct call *call, int *ret_out)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (dup2(null, 0) < 0 || dup2(out[1], 1) < 0 || dup2(null, 2) < 0
            || (call->action && filter(call->number, call->fd, call->action) != 0))
            _exit(126);
        execv(program, call->words.at);
        _exit(127);
    }
    close(out[1]);
    *ret_out = out[0];
    return pid;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Reads what it prints, until it ends; it is killed when its time is over, and may have ended well
 * just before that. */
static size_t listen_to(const struct call *call, pid_t pid, int fd, char *out)
{
    int64_t end_ns = clock_ns(CLOCK_MONOTONIC) + INT64_C(1000) * call->kill_us;
    bool over = call->kill_us == 0; /* nothing is timed any more */
    size_t length = 0;
    for (;;) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        int64_t left_ns = end_ns - clock_ns(CLOCK_MONOTONIC);
        struct timespec left = {.tv_nsec = left_ns > 0 ? left_ns : 0};
        if (ppoll(&one, 1, over ? NULL : &left, NULL) == 0) {
            over = kill(pid, SIGKILL) == 0;
            continue;
        }
        ssize_t n = read(fd, out + length, OUTPUT_MOST - 1 - length);
        if (n <= 0)
            return length;
        length += (size_t)n;
    }
}

/* Runs it; `op` gets the times. What it printed lasts until the next call. */
static const char *run(struct call *call, struct linear_op *op)
{
    static char out[OUTPUT_MOST];
    int fd, ended;
    op->invoked_ns = clock_ns(CLOCK_MONOTONIC);
    op->from_us = clock_ns(CLOCK_REALTIME) / 1000;
    pid_t pid = start(call, &fd);
    out[pid < 0 ? 0 : listen_to(call, pid, fd, out)] = '\0';
    if (pid < 0 || waitpid(pid, &ended, 0) != pid) {
        perror("linear: cannot run the program");
        exit(1);
    }
    close(fd);
    op->until_us = clock_ns(CLOCK_REALTIME) / 1000;
    op->responded_ns = clock_ns(CLOCK_MONOTONIC);
    op->status = WIFEXITED(ended) ? WEXITSTATUS(ended) : STATUS_KILLED;
    return out;
}

static cJSON *run_words(const char *words)
{
    struct call call = {.action = 0};
    struct linear_op op;
    char text[256], *rest = text;
    snprintf(text, sizeof(text), "grid %s", words);
    for (char *word; (word = strsep(&rest, " "));)
        linear_word(&call.words, "%s", word);
    const char *out = run(&call, &op);
    if (op.status != 0) {
        printf("VIOLATION: 'grid %s': status %d\n", words, (int)op.status);
        exit(1);
    }
    return cJSON_Parse(out);
}

/* --- faults ----------------------------------------------------------------------------------- */

/* How it goes wrong: a quarter is to be killed, by the clock or at a system call, of which some are
 * done before that; 6 in 100 meet a fault. */
static void choose_fault(struct linear_op *op, struct call *call, unsigned *seed)
{
    static const struct {
        long number;
        int fd;
    } at[] = {{SYS_fsync, -1}, {SYS_fsync, 3}, {SYS_fsync, 3}, {SYS_fsync, 5}, {SYS_renameat, -1},
              {SYS_linkat, -1}, {SYS_fdatasync, -1}, {SYS_unlinkat, -1}, {SYS_ftruncate, -1},
              {SYS_pwrite64, -1}, {SYS_write, 5}};
    unsigned chance = rig_random(seed, 100), where = rig_random(seed, sizeof(at) / sizeof(*at));
    op->fault = chance < 24 ? KILLED : chance < 30 ? INJECTED : NO_FAULT;
    if (op->fault == KILLED && rig_random(seed, 3) > 0) {
        call->kill_us = 800 + rig_random(seed, 1u << (10 + rig_random(seed, 4)));
    } else if (op->fault != NO_FAULT) {
        call->number = at[where].number;
        call->fd = at[where].fd;
        call->action = op->fault == KILLED
                           ? SECCOMP_RET_KILL_PROCESS
                           : SECCOMP_RET_ERRNO | (rig_random(seed, 2) ? EIO : ENOSPC);
    }
}

/* --- a history -------------------------------------------------------------------------------- */

static void carry_out(struct linear_op *op, struct call *call)
{
    linear_spell(shared, op, &call->words);
    const char *out = run(call, op);
    if (op->status != 0)
        return;
    cJSON *json = cJSON_Parse(out);
    if (!json) {
        printf("VIOLATION: no JSON came out of operation %td: %.80s\n", op - shared->ops, out);
        exit(1);
    }
    linear_take(shared, op, json);
    cJSON_Delete(json);
}

static struct linear_op *next_op(void)
{
    size_t index = shared->next++;
    struct linear_op *op = &shared->ops[index];
    *op = (struct linear_op){.target = NONE, .source = NONE, .key = NONE, .subject = NONE,
                             .node = NONE, .found = NONE, .found_source = NONE};
    return index < OPS_MOST ? op : NULL;
}

static void work(int process, unsigned seed)
{
    unsigned pause_us = seed % 2 ? 60000 : 2000; /* time for leases to end; or a crowd */
    while (shared->next < OPERATIONS) {
        struct call call = {.action = 0};
        struct linear_op *op = next_op();
        op->process = process;
        choose_fault(op, &call, &seed);
        linear_choose(shared, op, &seed);
        carry_out(op, &call);
        usleep(rig_random(&seed, pause_us));
    }
}

static bool run_all(int processes, unsigned seed)
{
    pid_t pids[16];
    bool well = true;
    int ended;
    for (int i = 0; i < processes; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            work(i, seed * 64 + 2 * (unsigned)i + seed % 2);
            fflush(stdout);
            _exit(0);
        }
    }
    for (int i = 0; i < processes; i++)
        well &= waitpid(pids[i], &ended, 0) == pids[i] && ended == 0;
    return well;
}

/* All events are there after a commit that nobody disturbed. */
static void take_events(const char *ledger)
{
    char *text = rig_read(RIG_PATH("%s/history.jsonl", ledger), NULL), *rest = text;
    struct linear_limits before = {0};
    memset(before.limits_m, NONE, sizeof(before.limits_m));
    for (char *line; (line = strsep(&rest, "\n"));) {
        cJSON *event = cJSON_Parse(line);
        linear_take_event(shared, &before, event);
        cJSON_Delete(event);
    }
    free(text);
}

/* The last to look see what is left of it all. */
static void look_at_last(const char *ledger)
{
    static const enum linear_kind last[] = {HOLD, RESUME, STATUS, NODES};
    for (size_t i = 0; i < sizeof(last) / sizeof(*last); i++) {
        struct call call = {.action = 0};
        struct linear_op *op = next_op();
        op->kind = last[i];
        op->node = 0;
        carry_out(op, &call);
    }
    take_events(ledger);
    cJSON_Delete(run_words("store check"));
    if (rig_count(ledger, "tmp") > 0 || rig_count(ledger, ".resource") > 0)
        printf("VIOLATION: a temporary file is left in '%s'\n", ledger);
}

static void add_nodes(void)
{
    for (int i = 0; i < NODE_COUNT; i++) {
        char words[128];
        snprintf(words, sizeof(words), "node add %s cpu=%d gpu=%d", linear_nodes[i],
                 (int)(linear_capacity_m[i][CPU] / 1000), (int)(linear_capacity_m[i][GPU] / 1000));
        cJSON_Delete(run_words(words));
    }
}

int main(int argc, char **argv)
{
    FILE *file = argc == 4 ? fopen(argv[3], "we") : NULL;
    program = getenv("GRID_BIN");
    if (!file || !program) {
        fprintf(stderr, "usage: GRID_BIN=PROGRAM linear LEDGER SEED HISTORY\n");
        return 2;
    }
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                  0);
    if (shared == MAP_FAILED)
        return 1;
    unsigned seed = (unsigned)strtoul(argv[2], NULL, 10);
    setenv("GRID_DATA_DIR", argv[1], 1);
    setenv("GRID_LOCK_TIMEOUT", "60s", 1);
    add_nodes();
    bool well = run_all(8 + (int)(seed % 9), seed);
    look_at_last(argv[1]);
    for (size_t i = 0; i < shared->next && i < OPS_MOST; i++)
        linear_write(file, &shared->ops[i]);
    return fclose(file) == 0 && well ? 0 : 1;
}
