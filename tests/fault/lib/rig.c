/* The program run in ledgers of their own, points tried by two processes, violations counted. */
#include "fault/lib/rig.h"

#include "util/words.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 2
#define SHOWN_MOST 60

/* Of all processes. */
static struct tally {
    long points, violations;
    long at[WORKERS]; /* the point that is tried; -1: none */
    bool failed[WORKERS]; /* it has a violation already */
} *tally;
static int worker = -1;

struct rig rig_begin(const char *name, const char *work)
{
    struct rig rig = {.name = name, .work = work};
    const char *torture = getenv("TORTURE"), *seed = getenv("SEED"), *program = getenv("GRID_BIN");
    rig.full = torture && strcmp(torture, "full") == 0;
    rig.all = rig.full && getenv("TORTURE_ALL");
    rig.seed = seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)time(NULL);
    if (!realpath(program ? program : "build/grid", rig.program))
        err(1, "%s", program ? program : "build/grid");
    tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED)
        err(1, "mmap");
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%s, %s, SEED=%u\n", name, rig.full ? "full" : "quick", rig.seed);
    return rig;
}

unsigned rig_random(unsigned *seed, unsigned limit)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (unsigned)((uint64_t)(*seed >> 4) * limit >> 28);
}

/* --- files ---------------------------------------------------------------------------------- */

char *rig_format(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(to, size, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= size)
        errx(1, "too long: %s", to);
    return to;
}

char *rig_read(const char *path, size_t *ret_length)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return NULL;
    char *text = fd >= 0 && fstat(fd, &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    if (!text || read(fd, text, (size_t)st.st_size) != st.st_size)
        err(1, "%s", path);
    close(fd);
    text[st.st_size] = '\0';
    if (ret_length)
        *ret_length = (size_t)st.st_size;
    return text;
}

void rig_write(const char *path, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length || close(fd) != 0)
        err(1, "%s", path);
}

static FTS *walk(const char *path)
{
    char *paths[] = {(char *)path, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        err(1, "%s", path);
    return tree;
}

void rig_remove(const char *path)
{
    FTS *tree = walk(path);
    for (FTSENT *entry; (entry = fts_read(tree)) != NULL;)
        if (entry->fts_info == FTS_DP)
            rmdir(entry->fts_path);
        else if (entry->fts_info != FTS_D)
            unlink(entry->fts_path);
    fts_close(tree);
}

static void copy_file(const char *from, const char *to, const struct stat *st)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st->st_mode & 07777);
    for (off_t left = st->st_size; in >= 0 && out >= 0 && left > 0;) {
        ssize_t n = sendfile(out, in, NULL, (size_t)left);
        if (n <= 0)
            err(1, "%s", to);
        left -= n;
    }
    if (in < 0 || out < 0)
        err(1, "%s", to);
    close(in);
    close(out);
}

void rig_copy(const char *from, const char *to)
{
    size_t root = strlen(from);
    rig_remove(to);
    FTS *tree = walk(from);
    for (FTSENT *entry; (entry = fts_read(tree)) != NULL;) {
        char path[8192];
        rig_format(path, sizeof(path), "%s%s", to, entry->fts_path + root);
        if (entry->fts_info == FTS_D && mkdir(path, entry->fts_statp->st_mode & 07777) != 0)
            err(1, "%s", path);
        if (entry->fts_info == FTS_F)
            copy_file(entry->fts_path, path, entry->fts_statp);
    }
    fts_close(tree);
}

int rig_count(const char *directory, const char *part)
{
    int count = 0;
    FTS *tree = walk(directory);
    for (FTSENT *entry; (entry = fts_read(tree)) != NULL;)
        count += entry->fts_level > 0 && entry->fts_info != FTS_DP
                 && strstr(entry->fts_name, part) != NULL;
    fts_close(tree);
    return count;
}

/* --- the program ---------------------------------------------------------------------------- */

/* An empty file without a name: made once, emptied for each run. */
static int scratch(int *fd)
{
    if (*fd <= 0 && (*fd = memfd_create("rig", MFD_CLOEXEC)) < 0)
        err(1, "memfd");
    if (ftruncate(*fd, 0) != 0 || lseek(*fd, 0, SEEK_SET) != 0)
        err(1, "memfd");
    return *fd;
}

static const char *content(int fd, char **kept)
{
    struct stat st;
    free(*kept);
    if (fstat(fd, &st) != 0 || !(*kept = calloc(1, (size_t)st.st_size + 1))
        || pread(fd, *kept, (size_t)st.st_size, 0) != st.st_size)
        err(1, "memfd");
    return *kept;
}

static pid_t start_program(const char *program, char **argv, char **env, const int *fds,
                           const struct rig_how *how)
{
    pid_t pid = vfork();
    if (pid != 0)
        return pid;
    for (int i = 0; i < 3; i++)
        dup2(fds[i], i);
    if (how->give_fd)
        dup2(how->give_fd, RIG_FD);
    alarm(how->seconds ? how->seconds : 20);
    if (how->faults || how->watch)
        trace_me();
    execve(program, argv, env);
    _exit(127);
}

static bool is_followed(pid_t pid, const struct rig_how *how, struct trace_result *ret)
{
    if (how->faults || how->watch)
        return trace_follow(pid, how->faults, how->fault_count, how->watch, how->context, ret)
               == 0;
    return waitpid(pid, &ret->status, 0) == pid;
}

struct rig_result rig_run(const struct rig *rig, const char *directory, const char *words,
                          const struct rig_how *how)
{
    static const struct rig_how plain;
    static pid_t owner;
    static int in, out, error;
    static char *outs, *errors;
    char line[4096], *argv[countof(line) / 2 + 2], *env[16], home[4096], data[4096];
    struct grid_error why = {0};
    size_t count = 0, variables = 0;
    how = how ? how : &plain;
    rig_format(line, sizeof(line), "%s", words);
    argv[0] = (char *)"grid";
    if (words_split(line, argv + 1, &count, &why) < 0)
        errx(1, "%s: %s", words, why.message);
    env[variables++] = rig_format(home, sizeof(home), "HOME=%s", directory);
    env[variables++] = rig_format(data, sizeof(data), "GRID_DATA_DIR=%s", directory);
    env[variables++] = (char *)"PATH=/usr/bin:/bin";
    env[variables++] = (char *)"TZ=UTC";
    env[variables++] = (char *)"LC_ALL=C.UTF-8";
    for (size_t i = 0; i < countof(how->variables) && how->variables[i]; i++)
        env[variables++] = (char *)how->variables[i];
    env[variables] = NULL;
    if (owner != getpid()) /* those of the parent are the parent's */
        in = out = error = 0;
    owner = getpid();
    scratch(&in), scratch(&out), scratch(&error);
    if (how->input && pwrite(in, how->input, strlen(how->input), 0) < 0)
        err(1, "memfd");
    struct trace_result trace = {0};
    pid_t pid = start_program(rig->program, argv, env, (int[]){in, out, error}, how);
    if (pid < 0 || !is_followed(pid, how, &trace))
        err(1, "%s", rig->program);
    int status = trace.status;
    return (struct rig_result){WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
                               content(out, &outs), content(error, &errors), trace};
}

/* --- points --------------------------------------------------------------------------------- */

void rig_violation(const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (worker >= 0 && tally->failed[worker])
        return;
    if (worker >= 0)
        tally->failed[worker] = true;
    for (char *at = text; *at; at++)
        *at = *at == '\n' ? '|' : *at;
    if (__atomic_add_fetch(&tally->violations, 1, __ATOMIC_RELAXED) <= SHOWN_MOST)
        printf("VIOLATION: %s\n", text);
}

void rig_add_points(long points)
{
    __atomic_add_fetch(&tally->points, points, __ATOMIC_RELAXED);
}

static pid_t start(size_t first, size_t count, int number, rig_point_fn fn, void *context)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    worker = number;
    for (size_t i = first; i < count; i += WORKERS) {
        tally->at[number] = (long)i;
        tally->failed[number] = false;
        fn(context, i, number);
        rig_add_points(1);
    }
    fflush(stdout);
    tally->at[number] = -1;
    _exit(0);
}

void rig_points(size_t count, rig_point_fn fn, void *context)
{
    pid_t pids[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        pids[i] = start((size_t)i, count, i, fn, context);
    for (int left = WORKERS, status = 0; left > 0; left--) {
        pid_t pid = wait(&status);
        for (int i = 0; i < WORKERS; i++) {
            if (pids[i] != pid || tally->at[i] < 0)
                continue;
            rig_violation("point %ld ended the process that tried it (status %#x)", tally->at[i],
                          status);
            rig_add_points(1);
            pids[i] = start((size_t)tally->at[i] + WORKERS, count, i, fn, context);
            left++;
        }
    }
}

int rig_end(const struct rig *rig, long least)
{
    long points = tally->points, violations = tally->violations;
    long passed = points > violations ? points - violations : 0;
    bool few = points < least;
    if (violations > SHOWN_MOST)
        printf("... and %ld more\n", violations - SHOWN_MOST);
    if (few)
        printf("only %ld points, less than %ld\n", points, least);
    printf("%s: %ld points, %ld violations\n%ld passed, %ld failed\n", rig->name, points,
           violations, passed, violations + few);
    return violations == 0 && !few ? 0 : 1;
}
