/* Any bytes as a cluster file: the nodes that it yields can be written and read; what is refused is
 * refused with its place. */
#include "fuzz/fuzz.h"
#include "host/cluster.h"
#include "model/node_record.h"
#include "util/file.h"
#include "util/yaml.h"

#include <sys/mman.h>

#define LONGEST 16384 /* more shows nothing that less does not */

struct lines_seen {
    size_t lines;
    size_t leaves;
};

static int check_leaf(void *context, const struct yaml_leaf *leaf, struct grid_error *err)
{
    (void)err;
    struct lines_seen *seen = context;
    seen->leaves++;
    fuzz_check(leaf->line >= 1 && leaf->line <= seen->lines && leaf->column >= 1,
               "'%s' stands at %zu:%zu", leaf->path, leaf->line, leaf->column);
    fuzz_check(leaf->path[0] && strlen(leaf->path) < YAML_PATH_SIZE, "a path of %zu bytes",
               strlen(leaf->path));
    fuzz_check(text_is_utf8(leaf->text, strlen(leaf->text)), "'%s' is not UTF-8", leaf->path);
    return 0;
}

/* "NAME:LINE:COLUMN: why" or "NAME: why". */
static void check_error(int rc, const struct grid_error *err, const char *name)
{
    fuzz_check(rc == GRID_EUSAGE, "code %d: %s", rc, err->message);
    fuzz_check(text_begins(err->message, name) && err->message[strlen(name)] == ':',
               "no place: %s", err->message);
    fuzz_check(text_is_utf8(err->message, strlen(err->message)), "the message is not UTF-8");
}

/* A line ends as YAML has it; counted generously. */
static size_t count_lines(const uint8_t *data, size_t size)
{
    size_t lines = 2;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] == 0xa8
                 || data[i] == 0xa9 || data[i] == 0;
    return lines;
}

static void check_node(const struct grid_node *node)
{
    struct grid_node read;
    struct grid_error err = {0};
    grid_auto_buffer struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;
    struct json first = json_begin(&once, 2), second = json_begin(&twice, 2);
    node_record_write(&first, (struct span){0}, node);
    int rc = node_record_read((struct span){once.data, once.length}, &read, &err);
    fuzz_check(rc == 0, "what a file says of a node does not read: %s: %s", err.message,
               buffer_string(&once));
    node_record_write(&second, (struct span){0}, &read);
    fuzz_check(strcmp(buffer_string(&once), buffer_string(&twice)) == 0,
               "a node that was written and read differs: %s", twice.data);
}

static void ignore_note(void *context, bool warning, const char *text)
{
    (void)context, (void)warning;
    fuzz_check(*text && !strchr(text, '\n'), "a note is no line: '%s'", text);
}

static void check_cluster(const uint8_t *data, size_t size)
{
    char path[64];
    struct grid_error err = {0};
    grid_auto_cluster struct cluster cluster = {0};
    grid_auto_close int fd = memfd_create("cluster", MFD_CLOEXEC);
    fuzz_check(fd >= 0 && file_write_all(fd, data, size) == 0, "no file in memory");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int rc = cluster_read(path, &cluster, ignore_note, NULL, &err);
    if (rc < 0) {
        check_error(rc, &err, path);
        fuzz_check(!cluster.nodes && cluster.count == 0, "refused, and nodes are returned");
        return;
    }
    fuzz_check(cluster.count > 0, "a cluster without nodes");
    for (size_t i = 0; i < cluster.count; i++)
        check_node(&cluster.nodes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > LONGEST)
        return 0;
    struct grid_error err = {0};
    struct lines_seen seen = {.lines = count_lines(data, size)};
    grid_auto_free char *text = fuzz_text(data, size);
    int rc = yaml_read("file", text, size, check_leaf, &seen, &err);
    if (rc < 0)
        check_error(rc, &err, "file");
    check_cluster(data, size);
    return 0;
}
