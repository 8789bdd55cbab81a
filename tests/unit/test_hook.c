/* Which hook is run: the one that was looked at, whatever is put in its place meanwhile. */
#include "host/hook.h"

#include "util/file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>

static char folder[64];

static void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/grid-hook-XXXXXX");
    cr_assert(mkdtemp(folder) && chdir(folder) == 0);
}

static void teardown(void)
{
    char words[128];
    snprintf(words, sizeof(words), "rm -rf %s", folder);
    cr_expect_eq(system(words), 0);
}

TestSuite(hook, .init = setup, .fini = teardown, .timeout = 30);

static void write_script(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    cr_assert(file);
    fprintf(file, "#!/bin/sh\n%s\n", text);
    cr_assert_eq(fchmod(fileno(file), 0755), 0);
    fclose(file);
}

static const struct {
    const char *what, *prepare, *swap;
} rows[] = {
    {"the directory", "mkdir hooks; mv good hooks/granted",
     "mv hooks away; mkdir hooks; mv evil hooks/granted"},
    {"the directory, by a link", "mkdir hooks; mv good hooks/granted",
     "mv hooks away; mkdir other; mv evil other/granted; ln -s other hooks"},
    {"what a link leads to", "mkdir hooks; ln -s ../good hooks/granted", "mv evil good"},
    {"a directory on the way", "mkdir hooks way; mv good way; ln -s ../way/good hooks/granted",
     "mv way away; mkdir way; mv evil way/good"},
};

Test(hook, runs_what_was_looked_at)
{
    const char *const variables[][2] = {{NULL, NULL}};
    for (size_t i = 0; i < countof(rows); i++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT, errors = BUFFER_INIT;
        struct grid_error err = {0};
        struct hook_file file;
        struct hook hook = {&file, "granted", "", variables, 10000000};
        cr_assert_eq(system("rm -rf *"), 0);
        write_script("good", "echo good $#");
        write_script("evil", "echo evil");
        cr_assert_eq(system(rows[i].prepare), 0);
        cr_expect_eq(hook_open("hooks", "granted", &file, &err), 0, "%s", err.message);
        cr_assert_eq(system(rows[i].swap), 0);
        cr_expect_eq(hook_run(&hook, &out, &errors, &err), 0, "%s: %s", rows[i].what, err.message);
        cr_expect_str_eq(buffer_string(&out), "good 0\n", "%s", rows[i].what);
        close(file.fd);
    }
}

/* Its own files lie beside it; a link to a directory could be turned elsewhere. */
Test(hook, lies_in_its_directory)
{
    grid_auto_buffer struct buffer out = BUFFER_INIT, errors = BUFFER_INIT;
    const char *const variables[][2] = {{"GRID_STORE", "given"}, {NULL, NULL}};
    struct grid_error err = {0};
    struct hook_file file;
    struct hook hook = {&file, "granted", "", variables, 10000000};
    setenv("GRID_RUN", "of a command", 1);
    write_script("common", "echo common $GRID_EVENT $GRID_STORE \"($GRID_RUN)\"");
    write_script("script", ". \"$(dirname \"$0\")/common\"");
    cr_assert_eq(system("mkdir real; mv script real/granted; mv common real; ln -s real hooks"), 0);
    cr_expect_eq(hook_open("real", "granted", &file, &err), 0, "%s", err.message);
    cr_expect_eq(hook_run(&hook, &out, &errors, &err), 0, "%s", err.message);
    cr_expect_str_eq(buffer_string(&out), "common granted given ()\n");
    close(file.fd);
    cr_expect_eq(hook_open("hooks", "granted", &file, &err), GRID_EPERM);
    cr_expect_eq(hook_open("real", "expired", &file, &err), 1);
    cr_expect_eq(hook_open("nowhere", "granted", &file, &err), 1);
}
