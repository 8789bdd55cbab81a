/* Runs the program for tests: its home, its environment, its words, what it said. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MOST 80
#define KEPT_MOST 8192
#define ENV_MOST 32

static char home[64];
static int watched = -1; /* its end tells the watcher that the test is over */
static pid_t watcher;
static char *environment[ENV_MOST + 1];
static struct {
    void *pointer;
    bool is_json;
} kept[KEPT_MOST];
static size_t kept_count;

/* Everything that tests are given stays until cli_end, so that no test frees anything. */
static void *keep(void *pointer, bool is_json)
{
    cr_assert(kept_count < KEPT_MOST, "more results than cli.c keeps");
    kept[kept_count].pointer = pointer;
    kept[kept_count++].is_json = is_json;
    return pointer;
}

cJSON *cli_keep(cJSON *json)
{
    return keep(json, true);
}

static char *format_text(const char *format, va_list arguments)
{
    char *text = NULL;

    cr_assert(vasprintf(&text, format, arguments) >= 0);
    return keep(text, false);
}

const char *cli_format(const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = format_text(format, arguments);
    va_end(arguments);
    return text;
}

const char *cli_data(const char *format, ...)
{
    va_list arguments;
    char *name;

    va_start(arguments, format);
    name = format_text(format, arguments);
    va_end(arguments);
    return cli_format("%s/.distributed_grid/%s", home, name);
}

const char *cli_home(void)
{
    return home;
}

const char *cli_source(const char *path)
{
    char here[PATH_MAX];

    cr_assert(getcwd(here, sizeof(here)));
    return cli_format("%s/%s", here, path);
}

const char *cli_program(void)
{
    const char *name = getenv("GRID_BIN");
    char *path = realpath(name ? name : "build/grid", NULL);

    cr_assert(path, "there is no program '%s'", name ? name : "build/grid");
    return keep(path, false);
}

static void environment_remove(const char *name, size_t length)
{
    size_t to = 0;

    for (size_t i = 0; environment[i]; i++)
        if (strncmp(environment[i], name, length) != 0 || environment[i][length] != '=')
            environment[to++] = environment[i];
    environment[to] = NULL;
}

void cli_env(const char *assignment)
{
    size_t count = 0;

    environment_remove(assignment, strcspn(assignment, "="));
    if (!strchr(assignment, '='))
        return;
    while (environment[count])
        count++;
    cr_assert(count < ENV_MOST, "more variables than cli.c keeps");
    environment[count] = keep(strdup(assignment), false);
    environment[count + 1] = NULL;
}

/* Waits for the end of this test, however it comes, and kills and removes what it leaves: processes
 * are known by their HOME. In a session of its own: what ends the whole run does not reach it. */
static void start_watcher(void)
{
    static const char script[] =
        "cat >/dev/null; for i in 1 2 3 4 5 6 7 8 9; do "
        "found=$(grep -lszxF \"HOME=$0\" /proc/[0-9]*/environ) || break; "
        "for at in $found; do at=${at#/proc/}; kill -9 ${at%/*}; done; sleep .05; "
        "done 2>/dev/null; rm -rf \"$0\"";
    char *words[] = {"sh", "-c", (char *)script, home, NULL}, path[512];
    char *variables[] = {path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int ends[2];

    snprintf(path, sizeof(path), "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    cr_assert_eq(posix_spawnp(&watcher, words[0], &actions, &attributes, words, variables), 0);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(ends[0]);
    watched = ends[1];
}

void cli_begin(void)
{
    static const char *const handed_on[] = {"PATH",         "TMPDIR",       "ASAN_OPTIONS",
                                            "UBSAN_OPTIONS", "LSAN_OPTIONS", "GRID_WRAP"};
    const char *base = getenv("TMPDIR");

    snprintf(home, sizeof(home), "%.40s/grid-test-XXXXXX", base ? base : "/tmp");
    cr_assert(mkdtemp(home), "no home in %s", home);
    start_watcher();
    for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
        if (getenv(handed_on[i]))
            cli_env(cli_format("%s=%s", handed_on[i], getenv(handed_on[i])));
    cli_env(cli_format("HOME=%s", home));
    cli_env("TZ=UTC");
    cli_env("LC_ALL=C.UTF-8");
}

void cli_end(void)
{
    cli_time(NULL);
    close(watched);
    waitpid(watcher, NULL, 0);
    while (kept_count > 0) {
        kept_count--;
        if (kept[kept_count].is_json)
            cJSON_Delete(kept[kept_count].pointer);
        else
            free(kept[kept_count].pointer);
    }
}

/* libfaketime leaves its semaphore behind when its process ends at once, and a later process with
 * the same number, but of another user, could not open it. */
static void drop_stale_semaphores(void)
{
    glob_t found;
    if (glob("/dev/shm/*faketime_*", 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *number = strrchr(found.gl_pathv[i], '_') + 1;
        if (atoi(number) > 0 && kill(atoi(number), 0) != 0 && errno == ESRCH)
            unlink(found.gl_pathv[i]);
    }
    globfree(&found);
}

void cli_time(const char *faketime)
{
    glob_t found = {0};

    drop_stale_semaphores();
    if (!faketime) {
        cli_env("LD_PRELOAD");
        cli_env("FAKETIME");
        return;
    }
    glob("/usr/lib/*/faketime/libfaketime.so.1", 0, NULL, &found);
    glob("/usr/lib*/faketime/libfaketime.so.1", GLOB_APPEND, NULL, &found);
    cr_assert(found.gl_pathc > 0, "libfaketime is not installed (package faketime)");
    cli_env(cli_format("LD_PRELOAD=%s", found.gl_pathv[0]));
    globfree(&found);
    cli_env(cli_format("FAKETIME=%s", faketime));
    cli_env("NO_FAKE_STAT=1");
    cli_env("FAKETIME_DONT_FAKE_MONOTONIC=1");
    /* The sanitizer's library wants to be first, but works behind this one. */
    cli_env(cli_format("ASAN_OPTIONS=%s%sverify_asan_link_order=0",
                       getenv("ASAN_OPTIONS") ? getenv("ASAN_OPTIONS") : "",
                       getenv("ASAN_OPTIONS") ? ":" : ""));
}

bool cli_too_slow(const char *what)
{
    if (!getenv("GRID_WRAP") || !*getenv("GRID_WRAP"))
        return false;
    fprintf(stderr, "left out under GRID_WRAP: %s\n", what);
    return true;
}

/* Cuts `text` into words in place; '...' holds spaces together, '' is an empty word. */
static size_t split(char *text, char **words, size_t count)
{
    while (*text) {
        char *to = text;
        bool quoted = false;

        if (*text == ' ') {
            text++;
            continue;
        }
        cr_assert(count < WORDS_MOST, "more words than cli.c keeps");
        words[count++] = to;
        for (; *text && (quoted || *text != ' '); text++) {
            if (*text == '\'')
                quoted = !quoted;
            else
                *to++ = *text;
        }
        if (*text)
            text++;
        *to = '\0';
    }
    words[count] = NULL;
    return count;
}

static int input_file(const char *text)
{
    int fd = memfd_create("stdin", MFD_CLOEXEC);

    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void set_descriptors(posix_spawn_file_actions_t *actions, const struct cli_options *options,
                            struct cli_child *child, int input)
{
    posix_spawn_file_actions_init(actions);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(actions, input, 0);
    else
        posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (options->out_path)
        posix_spawn_file_actions_addopen(actions, 1, options->out_path, O_WRONLY, 0);
    else
        posix_spawn_file_actions_adddup2(actions, options->out_fd ? options->out_fd : child->out,
                                         1);
    posix_spawn_file_actions_adddup2(actions, child->err, 2);
    for (int fd = 0; fd < 3; fd++)
        if (options->closed & 1U << fd)
            posix_spawn_file_actions_addclose(actions, fd);
}

static struct cli_child start(const struct cli_options *options, char *text)
{
    struct cli_child child = {.out = memfd_create("stdout", MFD_CLOEXEC),
                              .err = memfd_create("stderr", MFD_CLOEXEC)};
    int input = options->input ? input_file(options->input) : -1;
    posix_spawn_file_actions_t actions;
    char *words[WORDS_MOST + 1];
    size_t count = 0;

    cr_assert(child.out >= 0 && child.err >= 0);
    if (!options->plain) {
        static unsigned calls; /* every second is wrapped: of valgrind that takes long enough */
        if (getenv("GRID_WRAP") && calls++ % 2 == 0)
            count = split(keep(strdup(getenv("GRID_WRAP")), false), words, 0);
        words[count++] = (char *)cli_program();
    }
    split(text, words, count);
    set_descriptors(&actions, options, &child, input);
    cr_assert_eq(posix_spawnp(&child.pid, words[0], &actions, NULL, words, environment), 0,
                 "cannot run '%s'", words[0]);
    posix_spawn_file_actions_destroy(&actions);
    if (input >= 0)
        close(input);
    return child;
}

static const char *take_output(int fd, size_t *ret_length)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = keep(calloc(1, (size_t)size + 1), false);

    cr_assert(pread(fd, text, (size_t)size, 0) == size);
    close(fd);
    *ret_length = (size_t)size;
    return text;
}

struct cli_result cli_wait(struct cli_child child)
{
    struct cli_result result = {0};
    int status;

    cr_assert_eq(waitpid(child.pid, &status, 0), child.pid);
    result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    result.out = take_output(child.out, &result.out_length);
    result.err = take_output(child.err, &result.err_length);
    return result;
}

struct cli_child cli_start(const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = format_text(format, arguments);
    va_end(arguments);
    return start(&(struct cli_options){0}, text);
}

struct cli_result cli(const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = format_text(format, arguments);
    va_end(arguments);
    return cli_wait(start(&(struct cli_options){0}, text));
}

struct cli_result cli_with(struct cli_options options, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = format_text(format, arguments);
    va_end(arguments);
    return cli_wait(start(&options, text));
}

const char *cli_request(const char *format, ...)
{
    struct cli_result result;
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = format_text(format, arguments);
    va_end(arguments);
    result = cli("boost request %s -q", text);
    cli_expect(result, 0);
    return cli_format("%.36s", result.out);
}

struct cli_result cli_shell(const char *format, ...)
{
    const char *script = cli_format("%s/script", home), *wrap = getenv("GRID_WRAP");
    va_list arguments;
    const char *text;

    va_start(arguments, format);
    text = format_text(format, arguments);
    va_end(arguments);
    cli_write(script, text, strlen(text));
    cli_env(cli_format("GRID=%s %s", wrap ? wrap : "", cli_program()));
    cli_env(cli_format("DATA=%s", cli_data("%s", "")));
    return cli_with((struct cli_options){.plain = true}, "bash %s", script);
}
