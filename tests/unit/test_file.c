/* Files that are none, paths that lead nowhere, and what is said of them. */
#include "util/file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

static char place[32];

static void begin(void)
{
    strcpy(place, "/tmp/grid-file-XXXXXX");
    cr_assert(mkdtemp(place));
    cr_assert_eq(chdir(place), 0);
}

static void end(void)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", place);
    cr_assert_eq(chdir("/") + system(command), 0);
}

TestSuite(file, .init = begin, .fini = end);

static void make_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, name);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

static const struct {
    const char *name, *why; /* "": there is none */
} odd[] = {
    {"nothing", ""},         {"directory", "a directory"},     {"fifo", "a fifo"},
    {"socket", "'socket'"}, {"/dev/null", "'/dev/null'"}, {"loop", "'loop'"},
};

Test(file, only_regular_files_are_opened)
{
    mkdir("directory", 0700);
    mkfifo("fifo", 0600);
    make_socket("socket");
    cr_assert_eq(symlink("loop", "loop"), 0);
    for (size_t i = 0; i < countof(odd); i++) {
        struct grid_error err = {0};
        char *text = NULL;
        size_t length;
        int rc = file_read(AT_FDCWD, odd[i].name, &text, &length, NULL, &err);
        cr_expect_eq(rc, *odd[i].why ? GRID_EIO : 1, "%s: %d: %s", odd[i].name, rc, err.message);
        cr_expect(strstr(err.message, odd[i].why), "%s: %s", odd[i].name, err.message);
        cr_expect_null(text);
    }
}

Test(file, is_read_whole_whatever_its_size)
{
    char *text;
    size_t length;
    struct stat status;
    struct grid_error err = {0};
    for (size_t size = 0; size < 300000; size = size * 3 + 1) {
        grid_auto_free char *bytes = malloc(size + 1);
        memset(bytes, 'x', size);
        grid_auto_close int fd = open("whole", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        cr_assert_eq(file_write_all(fd, bytes, size), 0);
        cr_assert_eq(file_read(AT_FDCWD, "whole", &text, &length, &status, &err), 0);
        cr_expect_eq(length, size);
        cr_expect_eq((size_t)status.st_size, size);
        cr_expect_eq(strlen(text), size);
        free(text);
    }
    cr_expect_eq(file_read(AT_FDCWD, "/proc/self/status", &text, &length, NULL, &err), 0);
    cr_expect_gt(length, 0, "what says to be empty is read, too");
    free(text);
}

Test(file, links_are_followed_to_what_they_end_in)
{
    char path[PATH_MAX], longest[PATH_MAX + 8];
    struct grid_error err = {0};
    cr_assert_eq(mkdir("real", 0700) + symlink("real/target", "link")
                     + symlink("../link", "real/back") + symlink("/nowhere/x", "absolute")
                     + symlink("a", "b") + symlink("b", "a"), 0);
    cr_expect_eq(file_resolve("link", path, &err), 0);
    cr_expect_str_eq(path, "real/target");
    cr_expect_eq(file_resolve("real/back", path, &err), 0, "%s", err.message);
    cr_expect(strstr(path, "target"), "%s", path);
    cr_expect_eq(file_resolve("absolute", path, &err), 0);
    cr_expect_str_eq(path, "/nowhere/x");
    cr_expect_eq(file_resolve("plain", path, &err), 0);
    cr_expect_str_eq(path, "plain");
    cr_expect_eq(file_resolve("a", path, &err), GRID_EIO);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    cr_expect_eq(file_resolve(longest, path, &err), GRID_EIO);
    longest[300] = '\0'; /* a name that is too long for a directory */
    cr_expect_eq(file_resolve(longest, path, &err), GRID_EIO);
    cr_expect_eq(file_resolve("link/x", path, &err), 0, "%s", err.message);
}

Test(file, directories_are_made_with_their_parents)
{
    struct grid_error err = {0};
    struct stat status;
    char longest[PATH_MAX + 8];
    cr_expect_eq(file_make_directory("one/two/three", 0700, &err), 0, "%s", err.message);
    cr_expect_eq(file_make_directory("one/two/three", 0700, &err), 0, "%s", err.message);
    cr_expect(stat("one/two/three", &status) == 0 && (status.st_mode & 07777) == 0700);
    close(open("file", O_CREAT | O_WRONLY, 0600));
    cr_expect_eq(file_make_directory("file", 0700, &err), GRID_EIO);
    cr_expect_eq(file_make_directory("file/below", 0700, &err), GRID_EIO);
    cr_expect_eq(file_make_directory("/proc/grid", 0700, &err), GRID_EIO);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    cr_expect_eq(file_make_directory(longest, 0700, &err), GRID_EIO);
    cr_expect_eq(chown("one", 1, 1), geteuid() == 0 ? 0 : -1);
    cr_expect_eq(file_make_directory("one/hers", 0700, &err), 0);
    cr_expect(stat("one/hers", &status) == 0 && (geteuid() != 0 || status.st_uid == 1));
    cr_expect_neq(file_sync_directory(AT_FDCWD, "nowhere"), 0);
    cr_expect_eq(file_sync_directory(AT_FDCWD, "one"), 0);
}

static int stop_at(void *context, const char *name, struct grid_error *err)
{
    (void)err;
    ++*(int *)context;
    return strcmp(name, "two") == 0 ? 7 : 0;
}

Test(file, entries_come_until_one_is_enough)
{
    struct grid_error err = {0};
    int seen = 0;
    cr_assert_eq(mkdir("one", 0700) + mkdir("one/two", 0700), 0);
    cr_expect_eq(file_each(AT_FDCWD, "one", stop_at, &seen, &err), 7);
    cr_expect_eq(seen, 1);
    cr_expect_eq(file_each(AT_FDCWD, "one/two", stop_at, &seen, &err), 0);
    cr_expect_eq(file_each(AT_FDCWD, "nowhere", stop_at, &seen, &err), GRID_EIO);
    cr_expect_eq(file_each(AT_FDCWD, "/dev/null", stop_at, &seen, &err), GRID_EIO);
    cr_expect_eq(seen, 1);
}

Test(file, a_lock_is_waited_for_as_long_as_one_wants)
{
    struct grid_error err = {0};
    grid_auto_close int one = open("lock", O_RDWR | O_CREAT, 0600);
    grid_auto_close int two = open("lock", O_RDWR);
    grid_auto_close int reads = open("lock", O_RDONLY);
    cr_expect_eq(file_lock(one, 0, &err), 0);
    cr_expect_eq(file_lock(two, 0, &err), GRID_ETIMEOUT);
    cr_expect_eq(file_lock(two, 30000, &err), GRID_ETIMEOUT);
    cr_expect_eq(file_lock(reads, 0, &err), GRID_EIO, "not open for writing");
    cr_expect_eq(file_write_all(reads, "x", 1), EBADF);
    cr_expect_eq(file_pwrite_all(reads, "x", 1, 0), EBADF);
}
