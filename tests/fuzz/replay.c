/* replay PATH...: gives a target each file, and each file of a directory, one after the other. */
#include "fuzz/fuzz.h"
#include "util/file.h"

#include <fcntl.h>

static size_t files;

static int replay(const char *path, struct grid_error *err)
{
    grid_auto_free char *text = NULL;
    size_t length;
    int rc = file_read(AT_FDCWD, path, &text, &length, NULL, err);
    if (rc != 0)
        return rc;
    fprintf(stderr, "%s\n", path); /* the last one is the one that it came to grief with */
    LLVMFuzzerTestOneInput((const uint8_t *)text, length);
    files++;
    return 0;
}

static int replay_entry(void *context, const char *name, struct grid_error *err)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", (const char *)context, name);
    return replay(path, err);
}

int main(int argc, char **argv)
{
    struct grid_error err = {0};
    for (int i = 1; i < argc; i++) {
        struct stat info;
        bool directory = stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode);
        int rc = directory ? file_each(AT_FDCWD, argv[i], replay_entry, argv[i], &err)
                           : replay(argv[i], &err);
        fuzz_check(rc == 0, "%s: %s", argv[i], rc > 0 ? "there is no such file" : err.message);
    }
    printf("%zu files\n", files);
    return files == 0;
}
