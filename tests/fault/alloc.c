/* alloc WORK: every allocation of every command fails, once, and from there on. WORK holds the
 * ledgers that alloc.sh made, and the shim. */
#include "fault/lib/rig.h"
#include "fault/shim/alloc.h"

#include "util/text.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <err.h>
#include <glob.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUICK_POINTS 700

enum kind {
    CHANGES,
    READS,  /* the state may be settled or recovered, or stay as it was, whatever the status */
    LINES,  /* each line by itself, done or not */
    LEASES, /* what is left behind has a lease: nothing is said of the boosts */
};

/* What is tried: ID stands for the first boost of the ledger, SAMPLES for the folder of samples.
 * `name` is what a message of status 1 must hold when the change was made (NULL: its id). */
static const struct command {
    const char *ledger, *words, *input, *name;
    enum kind kind;
} commands[] = {
    {"empty", "boost request gpu-master cpu 2.0", NULL, NULL, CHANGES},
    {"open", "boost request b cpu 2.0 -q --request-id k1 --reason why --priority high", NULL, NULL,
     CHANGES},
    {"open", "boost request b cpu 1 gpu 2 memory 4GiB -o json --duration never", NULL, NULL,
     CHANGES},
    {"configured", "boost request b cpu 2.0", NULL, NULL, CHANGES},
    {"hooked", "boost request b cpu 2.0 -q", NULL, NULL, CHANGES},
    {"managed", "boost request b cpu 1 memory 4 --split --prefer a", NULL, NULL, CHANGES},
    {"managed", "boost request b cpu 2 --start +3000h", NULL, NULL, CHANGES},
    {"managed", "boost request b cpu 3 --priority critical --preempt --wait=1s --duration 30m",
     NULL, NULL, CHANGES},
    {"managed", "boost request b cpu 1 --dry-run -o json", NULL, NULL, READS},
    {"managed", "boost request b cpu 6.9", NULL, NULL, READS},
    {"managed", "boost request b cpu 7000 -o json", NULL, NULL, READS},
    {"full", "boost request b cpu 1 -q", NULL, NULL, CHANGES},
    {"ended", "boost request b cpu 1", NULL, NULL, CHANGES},
    {"broken", "boost request b cpu 1", NULL, NULL, CHANGES},
    {"foreign", "boost request b cpu 1", NULL, NULL, CHANGES},
    {"open", "boost release ID", NULL, NULL, CHANGES},
    {"managed", "boost release ID -o json", NULL, NULL, CHANGES},
    {"open", "boost release --all --yes", NULL, NULL, CHANGES},
    {"open", "boost extend ID --until 2031-01-01T00:00:00Z --shorten", NULL, NULL, CHANGES},
    {"managed", "boost extend ID --until 2031-01-01T00:00:00Z --shorten -o json", NULL, NULL, CHANGES},
    {"ended", "boost cleanup", NULL, "", CHANGES},
    {"ended", "boost cleanup -o json", NULL, "", CHANGES},
    {"open", "boost batch",
     "request b cpu 1 -q\nrequest c gpu 1 --duration 2h\nrequest 'c d' memory 3GiB\n", NULL,
     LINES},
    {"managed", "boost batch --atomic -o json", "request b cpu 1\nrequest b gpu 1\n", "lines",
     CHANGES},
    {"open", "boost run b cpu 1 -- true", NULL, NULL, LEASES},
    {"managed", "boost status", NULL, NULL, READS},
    {"managed", "boost status --all -o json", NULL, NULL, READS},
    {"managed", "boost status -o csv --columns id,amount", NULL, NULL, READS},
    {"ended", "boost status", NULL, NULL, READS},
    {"broken", "boost status", NULL, NULL, READS},
    {"foreign", "boost status -o jsonl", NULL, NULL, READS},
    {"lost", "boost status", NULL, NULL, READS},
    {"managed", "boost show ID", NULL, NULL, READS},
    {"managed", "boost check ID --min-remaining 1s", NULL, NULL, READS},
    {"managed", "boost explain b cpu 6.9", NULL, NULL, READS},
    {"managed", "boost explain b cpu 1 -o json", NULL, NULL, READS},
    {"managed", "boost explain ID", NULL, NULL, READS},
    {"managed", "boost free cpu 2 --for 1h -n 3", NULL, NULL, READS},
    {"managed", "boost free cpu 2 -o json", NULL, NULL, READS},
    {"managed", "boost queue", NULL, NULL, READS},
    {"managed", "boost queue -o json", NULL, NULL, READS},
    {"full", "boost history -n 40", NULL, NULL, READS},
    {"full", "boost history -o json", NULL, NULL, READS},
    {"managed", "boost history ID -o jsonl", NULL, NULL, READS},
    {"empty", "node add n1 cpu=4 gpu=1 memory=16 --tag fast --label rack=2", NULL, "n1", CHANGES},
    {"managed", "node set a cpu=9 --role worker --address host:1", NULL, "a", CHANGES},
    {"managed", "node limit a --lend cpu=7.5 --borrow gpu=1", NULL, "a", CHANGES},
    {"managed", "node hold b --reason 'new disk'", NULL, "b", CHANGES},
    {"managed", "node remove c", NULL, "c", CHANGES},
    {"managed", "node heartbeat a", NULL, "a", CHANGES},
    {"managed", "node list", NULL, NULL, READS},
    {"managed", "node list -o json", NULL, NULL, READS},
    {"managed", "node show a", NULL, NULL, READS},
    {"empty", "node discover --as here", NULL, "here", CHANGES},
    {"open", "node import SAMPLES/config/cluster_minimal.yaml", NULL, "", CHANGES},
    {"managed", "node import SAMPLES/config/cluster_enhanced.yaml -o json", NULL, "", CHANGES},
    {"empty", "node import SAMPLES/config/bad_negative_gpu.yaml", NULL, NULL, READS},
    {"managed", "policy show", NULL, NULL, READS},
    {"managed", "policy set max_duration=3d quota.cpu=70", NULL, "", CHANGES},
    {"managed", "policy unset quota.memory", NULL, "", CHANGES},
    {"full", "store check", NULL, NULL, READS},
    {"full", "store check -o json", NULL, NULL, READS},
    {"broken", "store check", NULL, NULL, READS},
    {"full", "store info", NULL, NULL, READS},
    {"broken", "store repair", NULL, "", CHANGES},
    {"lost", "store repair --accept-loss", NULL, "", CHANGES},
    {"unsound", "store repair --accept-loss", NULL, "", CHANGES},
    {"unsound", "store repair", NULL, NULL, READS},
    {"empty", "store init", NULL, "", READS},
    {"managed", "export", NULL, NULL, READS},
    {"managed", "backup create --name n1", NULL, NULL, READS},
    {"open", "--help", NULL, NULL, READS},
    {"open", "boost reques b cpu 1", NULL, NULL, READS},
    {"open", "__complete boost release ''", NULL, NULL, READS},
};

/* What the disturbed runs of a command are compared with. */
struct expected {
    char words[1024], ledger[512], id[64];
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
    size_t command;
    long fail_at;
    bool for_ever;
};

static struct alloc {
    struct rig rig;
    struct expected expected[countof(commands)];
    struct point *points;
    size_t count, capacity;
    char preload[4096];
    long *libraries; /* points at which a library did wrong; shared */
    struct {
        int fd;
        struct alloc_order *order;
    } shims[3]; /* of the processes that try points, and of the first one */
} alloc;

static const char *const next_command = "boost request b gpu 1 -q --reason next";

/* --- what a state says ----------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is made anew in each run: times, tokens, and the ids of what was not there before. */
static void simplify(cJSON *record, const char *before)
{
    static const char *const passing[] = {
        "allocated_at", "starts_at", "token", "protected_until", "first_seen", "last_seen", "at",
        "queued_at", "lease_until", "revision", "ray_placement_group",
        "renews_until"};
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "boost_id"));
    for (size_t i = 0; i < countof(passing); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(record, passing[i]);
    const char *end = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "expires_at"));
    if (end && strncmp(end, "2031", 4) != 0 && (!before || !strstr(before, end)))
        cJSON_DeleteItemFromObjectCaseSensitive(record, "expires_at");
    if (id && (!before || !strstr(before, id))) {
        cJSON_DeleteItemFromObjectCaseSensitive(record, "boost_id");
        cJSON_DeleteItemFromObjectCaseSensitive(record, "group_id");
    }
}

static void add_records(struct buffer *out, cJSON *state, const char *member, const char *before)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(state, member), *record;
    char *lines[256];
    size_t count = 0;
    cJSON_ArrayForEach(record, list) {
        simplify(record, before);
        if (count < countof(lines))
            lines[count++] = cJSON_PrintUnformatted(record);
    }
    qsort(lines, count, sizeof(lines[0]), by_text);
    for (size_t i = 0; i < count; i++) {
        buffer_format(out, "%s %s\n", member, lines[i]);
        free(lines[i]);
    }
}

/* The sense of the state file in the directory, as a text to compare; of one that does not read:
 * "damaged". `before`: a text that holds the ids that were there. The caller's. */
static char *sense(const char *directory, const char *before)
{
    size_t length = 0;
    char *text = rig_read(RIG_PATH("%s/resource_boosts.json", directory), &length);
    struct buffer out = BUFFER_INIT;
    cJSON *state = text ? cJSON_ParseWithLengthOpts(text, length + 1, NULL, 1) : NULL;
    if (text && !state)
        buffer_text(&out, "damaged");
    add_records(&out, state, "boosts", before);
    add_records(&out, state, "nodes", before);
    add_records(&out, state, "waiting", before);
    char *policy = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(state, "policy"));
    buffer_text(&out, policy ? policy : "");
    free(policy);
    cJSON_Delete(state);
    free(text);
    return strdup(buffer_string(&out));
}

/* Every run of digits, of hexadecimal ones, and of what stands between those in times and ids, is
 * one '#'; the zone, which the C library leaves out where it has no memory, is nothing. In place. */
static char *mask(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (strncmp(at, "UTC", 3) == 0) {
            at += 2;
            continue;
        }
        bool number = isxdigit((unsigned char)*at) || strchr("-.:+TZ", *at);
        if (!number || to == text || to[-1] != '#')
            *to++ = number ? '#' : *at;
    }
    *to = '\0';
    return text;
}

/* --- one run --------------------------------------------------------------------------------- */

static struct rig_result disturbed(const struct point *point, const char *directory, int worker)
{
    struct alloc_order *order = alloc.shims[worker].order;
    const struct command *command = &commands[point->command];
    *order = (struct alloc_order){.fail_at = point->fail_at, .for_ever = point->for_ever};
    struct rig_how how = {.variables = {alloc.preload}, .input = command->input,
                          .give_fd = alloc.shims[worker].fd};
    return rig_run(&alloc.rig, directory, alloc.expected[point->command].words, &how);
}

static char *substitute(const struct expected *expected, const char *words, char *to, size_t size)
{
    const char *id = strstr(words, " ID"), *samples = strstr(words, "SAMPLES");
    char folder[4096] = "";
    if (samples && !realpath("tests/samples", folder))
        err(1, "tests/samples");
    const char *at = id ? id + 1 : samples;
    if (!at)
        return rig_format(to, size, "%s", words);
    return rig_format(to, size, "%.*s%s%s", (int)(at - words), words, id ? expected->id : folder,
                      at + (id ? 2 : 7));
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
    const struct command *command = &commands[index];
    struct expected *expected = &alloc.expected[index];
    struct point point = {.command = index};
    const struct alloc_order *order = alloc.shims[2].order;
    char directory[4096];
    rig_format(expected->ledger, sizeof(expected->ledger), "%s/%s", alloc.rig.work,
               command->ledger);
    rig_format(directory, sizeof(directory), "%s/point-2", alloc.rig.work);
    expected->bytes = rig_read(RIG_PATH("%s/resource_boosts.json", expected->ledger),
                               &expected->length);
    find_id(expected);
    substitute(expected, command->words, expected->words, sizeof(expected->words));
    rig_copy(expected->ledger, directory);
    expected->next_old = rig_run(&alloc.rig, directory, next_command, NULL).status;
    rig_copy(expected->ledger, directory);
    rig_run(&alloc.rig, directory, "boost status", NULL);
    expected->recovered = sense(directory, expected->bytes);
    rig_copy(expected->ledger, directory);
    expected->before = sense(directory, expected->bytes);
    struct rig_result result = disturbed(&point, directory, 2);
    expected->status = result.status;
    expected->out = mask(strdup(result.out));
    expected->after = sense(directory, expected->bytes);
    expected->allocations = order->count;
    expected->sites = calloc((size_t)order->count + 1, sizeof(*expected->sites));
    for (long i = 0; i < order->count && i < ALLOC_SITES; i++)
        expected->sites[i] = order->sites[i];
    if (!order->ended || order->leaked > 0)
        rig_violation("'%s' leaks %ld blocks, the first from %s", expected->words, order->leaked,
                      order->leak);
    if (command->kind == CHANGES && result.status == 0
        && strcmp(expected->before, expected->after) == 0 && !strstr(command->words, "heartbeat"))
        errx(1, "'%s' in '%s' changes nothing", expected->words, command->ledger);
    expected->next_new = rig_run(&alloc.rig, directory, next_command, NULL).status;
    if (getenv("V"))
        printf("%5ld allocations, status %d: %s: %s\n", expected->allocations, expected->status,
               command->ledger, expected->words);
}

/* --- what must hold -------------------------------------------------------------------------- */

/* A new id, or what the command is about, in the message. */
static bool is_named(const struct command *command, const struct rig_result *result,
                     const char *directory, const char *bytes)
{
    char id[64] = "";
    if (command->name)
        return strstr(result->err, command->name) != NULL;
    char *now = rig_read(RIG_PATH("%s/resource_boosts.json", directory), NULL);
    bool named = false;
    for (const char *text = now; text == now || text == bytes; text = text == now ? bytes : id) {
        for (const char *at = text; at && (at = strstr(at, "\"boost_id\": \"")); at++)
            named |= sscanf(at + 13, "%63[^\"]", id) == 1 && strstr(result->err, id);
    }
    free(now);
    return named;
}

static const char other_text[] = "it succeeded, and printed something else";

/* NULL: all is well with status and state. */
static const char *judge(const struct point *point, const struct rig_result *result,
                         const char *directory)
{
    const struct command *command = &commands[point->command];
    const struct expected *expected = &alloc.expected[point->command];
    grid_auto_free char *now = sense(directory, expected->bytes);
    bool old = strcmp(now, expected->before) == 0
               || (strcmp(expected->before, "damaged") == 0
                   && strcmp(now, expected->recovered) == 0);
    bool new = strcmp(now, expected->after) == 0;
    int status = result->status;
    if (command->kind < LINES && !old && !new && getenv("V"))
        printf("before:\n%s\nafter:\n%s\nnow:\n%s\n", expected->before, expected->after, now);
    if (command->kind < LINES && !old && !new)
        return "the state is neither the old nor the new one";
    if (status != expected->status && status != 1 && status != 11
        && !(command->kind == LEASES && status == 125))
        return "its status is for something else";
    if (status == 11)
        return NULL;
    if ((command->kind == CHANGES || command->kind == LINES) && status == expected->status && !new)
        return "its status says done, and it is not";
    if (command->kind == CHANGES && status != expected->status && !old
        && !is_named(command, result, directory, expected->bytes))
        return "it was done, and the message does not say what";
    if (status == 0 && command->kind != LEASES && !strstr(command->words, "__complete")) {
        grid_auto_free char *out = mask(strdup(result->out));
        if (strcmp(out, expected->out) != 0) {
            if (getenv("V"))
                printf("expected:\n%s\nprinted:\n%s\n", expected->out, out);
            return other_text;
        }
    }
    return NULL;
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
    const struct expected *expected = &alloc.expected[point->command];
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
    /* What is left of a backup goes with the next one. */
    if (strncmp(expected->words, "backup", 6) == 0)
        rig_run(&alloc.rig, directory, "backup create", NULL);
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
    if (!order->ended)
        return "it did not end by itself";
    if (!is_sensible(result, alloc.expected[point->command].status))
        return "the message does not speak of memory";
    if (order->leaked > 0)
        return "a leak";
    return judge(point, result, directory);
}

/* What libraries make of it inside is not ours: a variable of a thread (in libuuid), whose absence
 * ends the program; what the C library loses then; a heading that libsmartcols, or a zone or
 * locale that the C library goes without. */
static bool is_of_library(const char *wrong, const struct rig_result *result,
                          const struct alloc_order *order)
{
    bool quiet = strstr(order->failure, "/libsmartcols.so")
                 || (strstr(order->failure, "/libc.so") && strstr(order->failure, "(?)"));
    return (wrong == other_text && quiet)
           || (result->status == 127 && strstr(result->err, "thread-local data: ABORT"))
           || (order->leaked > 0 && strstr(order->leak, "/libc.so")
               && !strstr(order->leak, "str") && !strstr(order->leak, "dir"));
}

static void try_point(void *context, size_t index, int worker)
{
    (void)context;
    const struct point *point = &alloc.points[index];
    const struct expected *expected = &alloc.expected[point->command];
    const struct alloc_order *order = alloc.shims[worker].order;
    char directory[4096], said[2048];
    rig_format(directory, sizeof(directory), "%s/point-%d", alloc.rig.work, worker);
    rig_copy(expected->ledger, directory);
    struct rig_result result = disturbed(point, directory, worker);
    snprintf(said, sizeof(said), "%s", result.err);
    const char *wrong = look(point, &result, directory, order);
    if (wrong && is_of_library(wrong, &result, order)) {
        __atomic_add_fetch(alloc.libraries, 1, __ATOMIC_RELAXED);
        wrong = NULL;
    }
    wrong = wrong ?: afterwards(point, directory);
    if (wrong)
        rig_violation("%s: allocation %ld%s of 'grid %s' in '%s', from %s (status %d: %s)%s%s",
                      wrong, point->fail_at, point->for_ever ? " and all later ones" : "",
                      expected->words, commands[point->command].ledger, order->failure,
                      result.status, said, order->leaked ? "; leaked from " : "",
                      order->leaked ? order->leak : "");
}

/* --- which points ---------------------------------------------------------------------------- */

static void add_point(size_t command, long fail_at, bool for_ever)
{
    if (array_reserve(&alloc.points, &alloc.capacity, alloc.count + 1, sizeof(struct point)) != 0)
        errx(1, "no memory");
    alloc.points[alloc.count++] = (struct point){command, fail_at, for_ever};
}

static void add_all(void)
{
    for (size_t i = 0; i < countof(commands); i++)
        for (long n = 1; n <= alloc.expected[i].allocations; n++)
            for (int for_ever = 0; for_ever < 2; for_ever++)
                add_point(i, n, for_ever);
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
        unsigned long site = alloc.expected[point.command].sites[point.fail_at - 1];
        bool seen = false;
        for (size_t j = 0; j < kept && !seen; j++)
            seen = alloc.points[j].for_ever == point.for_ever
                   && alloc.expected[alloc.points[j].command].sites[alloc.points[j].fail_at - 1]
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
    if (argc != 2)
        errx(2, "usage: alloc WORK");
    alloc.rig = rig_begin("alloc", argv[1]);
    open_shims();
    alloc.libraries = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                           -1, 0);
    for (size_t i = 0; i < countof(commands); i++)
        undisturbed(i);
    add_all();
    if (!alloc.rig.full)
        choose();
    rig_points(alloc.count, try_point, NULL);
    printf("%ld points at which a library did wrong (see is_of_library)\n", *alloc.libraries);
    return rig_end(&alloc.rig, alloc.rig.full ? 5000 : 500);
}
