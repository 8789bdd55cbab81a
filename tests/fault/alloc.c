/* alloc WORK [WORDS [N]]: every allocation of every command fails, once, and from there on. WORK
 * holds the ledgers that alloc.sh made, and the shim. WORDS: only of the commands whose ledger and
 * words, as one text, hold them; N: only the N-th. */
#include "fault/lib/alloc_rows.h"
#include "fault/lib/rig.h"
#include "fault/lib/sense.h"
#include "fault/shim/alloc.h"

#include "util/text.h"

#include <err.h>
#include <glob.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUICK_POINTS 700
#define ROWS_MOST 128

/* What the disturbed runs of a command are compared with. */
struct expected {
    char ledger[512], id[64];
    char name[512]; /* ledger and words */
    int status, next_old, next_new; /* statuses; the latter of the next command */
    long allocations;
    unsigned long *sites;
    char *before, *after; /* what is of interest in the state */
    char *recovered;      /* and in one that did not read, after going back */
    char *out;            /* masked */
    char *bytes;          /* of the state file; NULL: none */
    size_t length;
};

struct point {
    size_t row;
    long fail_at;
    bool for_ever;
    int worker; /* that tries it */
};

static struct alloc {
    struct rig rig;
    struct expected expected[ROWS_MOST];
    struct point *points;
    size_t count, capacity;
    char preload[4096];
    long *excused; /* points at which a library did wrong; shared */
    struct {
        int fd;
        struct alloc_order *order;
    } shims[3]; /* of the processes that try points, and of the first one */
} alloc;

static const char *const next_command = "boost request b gpu 1 -q --reason next";

/* --- one run --------------------------------------------------------------------------------- */

/* The row's words as they are for a ledger in `directory`. */
static void substitute(const struct alloc_row *row, const char *id, const char *directory,
                       char *to, size_t size)
{
    char folder[4096] = "";
    const struct {
        const char *word, *by;
    } words[] = {{"ID", id}, {"SAMPLES", folder}, {"WORK", alloc.rig.work}, {"DIR", directory}};
    if (strstr(row->words, "SAMPLES") && !realpath("tests/samples", folder))
        err(1, "tests/samples");
    size_t length = 0;
    for (const char *at = row->words; *at;) {
        size_t i = 0;
        while (i < countof(words) && !text_begins(at, words[i].word))
            i++;
        const char *by = i < countof(words) ? words[i].by : (char[]){*at, '\0'};
        length += strlen(rig_format(to + length, size - length, "%s", by));
        at += i < countof(words) ? strlen(words[i].word) : 1;
    }
}

static struct rig_result disturbed(const struct point *point, const char *directory, int worker)
{
    struct alloc_order *order = alloc.shims[worker].order;
    const struct alloc_row *row = &alloc_rows[point->row];
    char words[4096] = "";
    substitute(row, alloc.expected[point->row].id, directory, words, sizeof(words));
    *order = (struct alloc_order){.fail_at = point->fail_at, .for_ever = point->for_ever};
    struct rig_how how = {.variables = {alloc.preload}, .input = row->input,
                          .give_fd = alloc.shims[worker].fd};
    return rig_run(&alloc.rig, directory, words, &how);
}

static void find_id(struct expected *expected)
{
    const char *at = expected->bytes ? strstr(expected->bytes, "\"boost_id\": \"") : NULL;
    if (at)
        sscanf(at + 13, "%63[^\"]", expected->id);
}

/* The undisturbed run of a command: what comes out, and how many allocations it takes. */
static void undisturbed(size_t index)
{
    const struct alloc_row *row = &alloc_rows[index];
    struct expected *expected = &alloc.expected[index];
    struct point point = {.row = index};
    const struct alloc_order *order = alloc.shims[2].order;
    char directory[4096];
    rig_format(expected->ledger, sizeof(expected->ledger), "%s/%s", alloc.rig.work,
               row->ledger);
    rig_format(directory, sizeof(directory), "%s/point-2", alloc.rig.work);
    expected->bytes = rig_read(RIG_PATH("%s/resource_boosts.json", expected->ledger),
                               &expected->length);
    find_id(expected);
    rig_format(expected->name, sizeof(expected->name), "%s %s", row->ledger, row->words);
    rig_copy(expected->ledger, directory);
    expected->next_old = rig_run(&alloc.rig, directory, next_command, NULL).status;
    rig_copy(expected->ledger, directory);
    rig_run(&alloc.rig, directory, "boost status", NULL);
    expected->recovered = sense_take(directory, expected->bytes);
    rig_copy(expected->ledger, directory);
    expected->before = sense_take(directory, expected->bytes);
    struct rig_result result = disturbed(&point, directory, 2);
    expected->status = result.status;
    expected->out = sense_mask(strdup(result.out));
    expected->after = sense_take(directory, expected->bytes);
    expected->allocations = order->count;
    expected->sites = calloc((size_t)order->count + 1, sizeof(*expected->sites));
    for (long i = 0; i < order->count && i < ALLOC_SITES; i++)
        expected->sites[i] = order->sites[i];
    if (!order->ended || order->leaked > 0)
        rig_violation("'%s' leaks %ld blocks, the first from %s", expected->name, order->leaked,
                      order->leak);
    if (row->kind == ALLOC_CHANGES && result.status == 0
        && strcmp(expected->before, expected->after) == 0 && !strstr(row->words, "heartbeat"))
        errx(1, "'%s' changes nothing", expected->name);
    expected->next_new = rig_run(&alloc.rig, directory, next_command, NULL).status;
    if (getenv("V"))
        printf("%5ld allocations, status %d: %s\n", expected->allocations, expected->status,
               expected->name);
}

/* --- what must hold -------------------------------------------------------------------------- */

/* A new id, or what the command is about, in the message. */
static bool is_named(const struct alloc_row *row, const struct rig_result *result,
                     const char *directory, const char *bytes)
{
    char id[64] = "";
    if (row->name)
        return strstr(result->err, row->name) != NULL;
    char *now = rig_read(RIG_PATH("%s/resource_boosts.json", directory), NULL);
    bool named = false;
    for (const char *text = now; text == now || text == bytes; text = text == now ? bytes : id) {
        for (const char *at = text; at && (at = strstr(at, "\"boost_id\": \"")); at++)
            named |= sscanf(at + 13, "%63[^\"]", id) == 1 && strstr(result->err, id);
    }
    free(now);
    return named;
}

/* What libraries make of it inside is not ours: */
static void excuse(void)
{
    __atomic_add_fetch(alloc.excused, 1, __ATOMIC_RELAXED);
}

/* the absence of a variable of a thread (in libuuid), for which the loader ends the program; */
static bool is_aborted(const struct rig_result *result)
{
    return result->status == 127 && strstr(result->err, "thread-local data: ABORT");
}

/* what the C library loses when it has no memory; */
static bool leaks_inside(const struct alloc_order *order)
{
    return strstr(order->leak, "/libc.so") && !strstr(order->leak, "str")
           && !strstr(order->leak, "dir");
}

/* a heading that libsmartcols goes without, a zone or locale that the C library does. */
static bool is_quiet(const struct alloc_order *order)
{
    return strstr(order->failure, "/libsmartcols.so")
           || (strstr(order->failure, "/libc.so") && strstr(order->failure, "(?)"));
}

/* What was printed by status 0. NULL: what it must be. */
static const char *judge_text(const struct point *point, const struct rig_result *result)
{
    const struct expected *expected = &alloc.expected[point->row];
    const struct alloc_row *row = &alloc_rows[point->row];
    if (result->status != 0 || row->kind == ALLOC_LEASES || strstr(row->words, "__complete"))
        return NULL;
    grid_auto_free char *out = sense_mask(strdup(result->out));
    if (strcmp(out, expected->out) == 0)
        return NULL;
    if (getenv("V"))
        printf("expected:\n%s\nprinted:\n%s\n", expected->out, out);
    if (!is_quiet(alloc.shims[point->worker].order))
        return "it succeeded, and printed something else";
    const char *rest = strchr(out, '\n'), *rest_expected = strchr(expected->out, '\n');
    if (!rest || !rest_expected || strcmp(rest, rest_expected) != 0)
        return "more is missing than a heading";
    return excuse(), NULL;
}

/* NULL: all is well with status and state. */
static const char *judge(const struct point *point, const struct rig_result *result,
                         const char *directory)
{
    const struct alloc_row *row = &alloc_rows[point->row];
    const struct expected *expected = &alloc.expected[point->row];
    grid_auto_free char *now = sense_take(directory, expected->bytes);
    bool old = strcmp(now, expected->before) == 0
               || (strcmp(expected->before, "damaged") == 0
                   && strcmp(now, expected->recovered) == 0);
    bool new = strcmp(now, expected->after) == 0;
    bool one = row->kind == ALLOC_CHANGES || row->kind == ALLOC_READS;
    int status = result->status;
    if (one && !old && !new && getenv("V"))
        printf("before:\n%s\nafter:\n%s\nnow:\n%s\n", expected->before, expected->after, now);
    if (one && !old && !new)
        return "the state is neither the old nor the new one";
    if (is_aborted(result))
        return one && !old ? "the loader ended it, and it was done" : (excuse(), NULL);
    if (status != expected->status && status != 1 && status != 11
        && !(row->kind == ALLOC_LEASES && status == 125))
        return "its status is for something else";
    if (status == 11)
        return NULL;
    if ((row->kind == ALLOC_CHANGES || row->kind == ALLOC_LINES) && status == expected->status
        && !new)
        return "its status says done, and it is not";
    if (row->kind == ALLOC_CHANGES && status != expected->status && !old
        && !is_named(row, result, directory, expected->bytes))
        return "it was done, and the message does not say what";
    return judge_text(point, result);
}

/* Is the last line what a person or a script can use? */
static bool is_sensible(const struct rig_result *result, int usual)
{
    const char *text = result->err;
    if (result->status == 0 || (result->status == usual && usual != 1))
        return true;
    bool begins = strncmp(text, "grid: ", 6) == 0 || strstr(text, "\ngrid: ")
                  || strstr(text, "{\"error\":");
    return begins && (strstr(text, "memory") || strstr(text, "out_of_memory"));
}

/* Where the state was damaged its bytes are there still. */
static bool keeps_bytes(const struct expected *expected, const char *directory)
{
    size_t length = 0;
    bool kept = false;
    glob_t found = {0};
    glob(RIG_PATH("%s/resource_boosts.json*", directory), 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc && !kept; i++) {
        char *bytes = rig_read(found.gl_pathv[i], &length);
        kept = bytes && length == expected->length && memcmp(bytes, expected->bytes, length) == 0;
        free(bytes);
    }
    globfree(&found);
    return kept;
}

/* The next command works, and nothing is left lying about. NULL: so it is. */
static const char *afterwards(const struct point *point, const char *directory)
{
    const struct expected *expected = &alloc.expected[point->row];
    size_t length = 0;
    char *bytes = rig_read(RIG_PATH("%s/resource_boosts.json", directory), &length);
    bool same = bytes && expected->bytes && length == expected->length
                && memcmp(bytes, expected->bytes, length) == 0;
    free(bytes);
    if (!same && rig_run(&alloc.rig, directory, "store check", NULL).status != 0)
        return "store check finds damage afterwards";
    int status = rig_run(&alloc.rig, directory, next_command, NULL).status;
    if (status != expected->next_old && status != expected->next_new)
        return "the next command does not work";
    if (status == 0 && rig_count(directory, "tmp") > 0)
        return "a temporary file is left behind";
    if (strcmp(expected->before, "damaged") == 0 && !keeps_bytes(expected, directory))
        return "the bytes that did not read are not kept";
    return NULL;
}

static const char *look(const struct point *point, const struct rig_result *result,
                        const char *directory, const struct alloc_order *order)
{
    if (result->status >= 128)
        return "it was ended by a signal";
    if (!order->ended && !is_aborted(result))
        return "it did not end by itself";
    if (!is_sensible(result, alloc.expected[point->row].status) && !is_aborted(result))
        return "the message does not speak of memory";
    if (order->leaked > 0 && !leaks_inside(order))
        return "a leak";
    if (order->leaked > 0)
        excuse();
    return judge(point, result, directory);
}

static void try_point(void *context, size_t index, int worker)
{
    (void)context;
    struct point *point = &alloc.points[index];
    point->worker = worker;
    const struct expected *expected = &alloc.expected[point->row];
    const struct alloc_order *order = alloc.shims[worker].order;
    char directory[4096], said[2048];
    rig_format(directory, sizeof(directory), "%s/point-%d", alloc.rig.work, worker);
    rig_copy(expected->ledger, directory);
    struct rig_result result = disturbed(point, directory, worker);
    snprintf(said, sizeof(said), "%s", result.err);
    const char *wrong = look(point, &result, directory, order);
    wrong = wrong ?: afterwards(point, directory);
    if (wrong)
        rig_violation("%s: alloc.sh \"%s\" %ld%s, from %s (status %d: %s)%s%s", wrong,
                      expected->name, point->fail_at, point->for_ever ? " and all later ones" : "",
                      order->failure, result.status, said, order->leaked ? "; leaked from " : "",
                      order->leaked ? order->leak : "");
}

/* --- which points ---------------------------------------------------------------------------- */

static void add_point(size_t row, long fail_at, bool for_ever)
{
    if (array_reserve(&alloc.points, &alloc.capacity, alloc.count + 1, sizeof(struct point)) != 0)
        errx(1, "no memory");
    alloc.points[alloc.count++] = (struct point){row, fail_at, for_ever, 0};
}

/* Of the rows that hold the words, all allocations, or the one with that number. */
static void add_all(const char *words, long number)
{
    for (size_t i = 0; i < alloc_rows_count; i++) {
        char name[512];
        rig_format(name, sizeof(name), "%s %s", alloc_rows[i].ledger, alloc_rows[i].words);
        if (!strstr(name, words))
            continue;
        undisturbed(i);
        for (long n = number ?: 1; n <= (number ?: alloc.expected[i].allocations); n++)
            for (int for_ever = 0; for_ever < 2; for_ever++)
                add_point(i, n, for_ever);
    }
}

/* Every place that allocates once, as often as there is time; then some more by chance. */
static void choose(void)
{
    unsigned seed = alloc.rig.seed;
    size_t kept = 0;
    for (size_t i = alloc.count; i > 1; i--) {
        size_t other = rig_random(&seed, (unsigned)i);
        struct point point = alloc.points[i - 1];
        alloc.points[i - 1] = alloc.points[other];
        alloc.points[other] = point;
    }
    for (size_t i = 0; i < alloc.count; i++) {
        struct point point = alloc.points[i];
        unsigned long site = alloc.expected[point.row].sites[point.fail_at - 1];
        bool seen = false;
        for (size_t j = 0; j < kept && !seen; j++)
            seen = alloc.points[j].for_ever == point.for_ever
                   && alloc.expected[alloc.points[j].row].sites[alloc.points[j].fail_at - 1]
                          == site;
        if (!seen) {
            alloc.points[i] = alloc.points[kept];
            alloc.points[kept++] = point;
        }
    }
    printf("%zu of %zu points, %zu of them at a place of their own\n",
           alloc.count < QUICK_POINTS ? alloc.count : (size_t)QUICK_POINTS, alloc.count, kept);
    if (alloc.count > QUICK_POINTS)
        alloc.count = QUICK_POINTS;
}

static void open_shims(void)
{
    rig_format(alloc.preload, sizeof(alloc.preload), "LD_PRELOAD=%s/alloc.so", alloc.rig.work);
    for (size_t i = 0; i < countof(alloc.shims); i++) {
        int fd = memfd_create("alloc", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, sizeof(struct alloc_order)) != 0)
            err(1, "memfd");
        alloc.shims[i].fd = fd;
        alloc.shims[i].order = mmap(NULL, sizeof(struct alloc_order), PROT_READ | PROT_WRITE,
                                    MAP_SHARED, fd, 0);
        if (alloc.shims[i].order == MAP_FAILED)
            err(1, "mmap");
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4)
        errx(2, "usage: alloc WORK [WORDS [N]]");
    if (alloc_rows_count > ROWS_MOST)
        errx(1, "too many rows");
    alloc.rig = rig_begin("alloc", argv[1]);
    open_shims();
    alloc.excused = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                         -1, 0);
    add_all(argc > 2 ? argv[2] : "", argc > 3 ? strtol(argv[3], NULL, 10) : 0);
    if (!alloc.rig.full && argc == 2)
        choose();
    rig_points(alloc.count, try_point, NULL);
    printf("%ld points at which a library did wrong (see excuse)\n", *alloc.excused);
    return rig_end(&alloc.rig, argc > 2 ? 1 : alloc.rig.full ? 5000 : 500);
}
