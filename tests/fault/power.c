/* power WORKDIR: the power cut after every change on disk of sequences of commands. Each tree that
 * a cut may leave holds the state before or after the command, after it once it has said so. */
#include "fault/lib/account.h"
#include "fault/lib/disk.h"
#include "fault/lib/rig.h"
#include "util/text.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEQUENCE_MOST 3
#define PROGRAM_SHARE 64 /* one state in so many goes on with the program, too */
#define STATE "resource_boosts.json"

/* --- ledgers to begin with -------------------------------------------------------------------- */

struct base {
    const char *name, *data; /* where in the root its data directory is */
    void (*make)(const struct rig *rig, const char *data);
    int quick, full;         /* how many commands in a row */
    bool nodes;              /* registered? */
    bool unsafe;             /* the data directory is there, but its name is not safe yet */
};

static void must(const struct rig *rig, const char *data, const char *words)
{
    struct rig_result result = rig_run(rig, data, words, NULL);
    if (result.status != 0)
        errx(1, "status %d: %s: %s", result.status, words, result.err);
}

static void make_nothing(const struct rig *rig, const char *data)
{
    (void)rig;
    rig_remove(data);
}

static void make_three(const struct rig *rig, const char *data)
{
    must(rig, data, "node add gpu1 cpu=64");
    must(rig, data, "node add gpu-master cpu=64");
    for (int i = 0; i < 3; i++)
        must(rig, data, "boost request gpu-master cpu 1 -q");
}

/* So many pending events that the next commit moves them, for the `turn`-th time, to history. */
static void fill(const struct rig *rig, const char *data, int turn)
{
    char words[512], was[4096];
    rig_format(words, sizeof(words), "boost request gpu-master cpu 1 -q --reason %0220d", 0);
    for (size_t at = 0; turn > 0;) {
        rig_format(was, sizeof(was), "%s.was", data);
        rig_copy(data, was);
        must(rig, data, words);
        char *text = rig_read(RIG_PATH("%s/" STATE, data), NULL);
        const char *moved = strstr(text, "\n  \"history\": ");
        size_t now = moved ? (size_t)strtoul(moved + 14, NULL, 10) : 0;
        turn -= now != at;
        at = now;
        free(text);
    }
    rig_copy(was, data);
    rig_remove(was);
}

static void make_full(const struct rig *rig, const char *data) { fill(rig, data, 1); }
static void make_moved(const struct rig *rig, const char *data) { fill(rig, data, 2); }

/* No hint was ever written, or they were lost. */
static void make_unhinted(const struct rig *rig, const char *data)
{
    fill(rig, data, 1);
    unlink(RIG_PATH("%s/history.jsonl", data));
}

static void make_ended(const struct rig *rig, const char *data)
{
    struct grid_error why;
    make_three(rig, data);
    if (account_add_ended(data, 3, &why) != 0)
        errx(1, "%s", why.message);
}

static void make_damaged(const struct rig *rig, const char *data)
{
    struct stat st;
    const char *path = RIG_PATH("%s/" STATE, data);
    make_three(rig, data);
    if (stat(path, &st) != 0 || truncate(path, st.st_size - 7) != 0)
        err(1, "%s", path);
}

static void make_missing(const struct rig *rig, const char *data)
{
    make_three(rig, data);
    unlink(RIG_PATH("%s/" STATE, data));
}

/* Written by the original, over a ledger of ours. */
static void make_foreign(const struct rig *rig, const char *data)
{
    size_t length;
    char *text = rig_read("tests/samples/boosts/02_single_cpu_active.json", &length);
    make_three(rig, data);
    rig_write(RIG_PATH("%s/" STATE, data), text, length);
    free(text);
}

static const struct base bases[] = {
    {"nothing", "data", make_nothing, 2, 3, false, false},
    {"nothing, two deep", "a/b", make_nothing, 1, 1, false, false},
    {"a directory just made", "data", make_nothing, 1, 2, false, true},
    {"three boosts", "data", make_three, 1, 2, true, false},
    {"8 KiB of events", "data", make_full, 1, 3, false, false},
    {"8 KiB of events and no hints", "data", make_unhinted, 1, 1, false, false},
    {"8 KiB more", "data", make_moved, 1, 2, false, false},
    {"ended boosts", "data", make_ended, 1, 2, true, false},
    {"damaged", "data", make_damaged, 1, 2, true, false},
    {"missing", "data", make_missing, 1, 2, true, false},
    {"another program's", "data", make_foreign, 1, 2, true, false},
};

/* --- commands --------------------------------------------------------------------------------- */

static const struct command {
    const char *words; /* ID: the first boost; BATCH: the file of batch lines */
    bool id, nodes, quick;
} commands[] = {
    {"boost request gpu-master cpu 2.0 -q --reason power", false, false, true},
    {"boost release ID", true, false, true},
    {"boost extend ID --by 1h", true, false, true},
    {"boost cleanup", false, false, true},
    {"boost batch BATCH", false, false, false},
    {"node set gpu1 cpu=63", false, true, true},
    {"policy set protected_time=5m", false, false, false},
    {"backup create -q", false, false, false},
};
static const char batch[] = "request gpu-master cpu 1\nrequest gpu-master cpu 3 --reason two\n";

/* One command, after others: what it did, and what the ledger said before and after. */
struct step {
    const struct base *base;
    char words[512];
    struct disk start;
    size_t count;
    const struct disk_op **ops;
    struct account before, after;
    struct disk_bytes damaged; /* the state file of a base that is damaged; else none */
};

struct power {
    const struct rig *rig;
    size_t count, capacity, refused;
    struct step *steps;
    uint64_t *seen; /* of all processes */
};

static const char *fill_in(const struct power *power, const char *words, const char *id, char *to,
                           size_t size)
{
    const char *part = strstr(words, "ID"), *file = strstr(words, "BATCH");
    if (part)
        return rig_format(to, size, "%.*s%s%s", (int)(part - words), words, id, part + 2);
    if (file)
        return rig_format(to, size, "%.*s%s/batch", (int)(file - words), words, power->rig->work);
    return rig_format(to, size, "%s", words);
}

/* What the ledger at `data` says, of a copy: a reader mends what is damaged. */
static struct account look(const struct power *power, const char *data)
{
    struct account account;
    const char *copy = RIG_PATH("%s/look", power->rig->work);
    rig_remove(copy);
    if (access(data, F_OK) == 0)
        rig_copy(data, copy);
    account_take(copy, &account);
    if (!account.text)
        errx(1, "%s: %s", data, account.err.message);
    return account;
}

static struct step *add_step(struct power *power)
{
    if (array_reserve(&power->steps, &power->capacity, power->count + 1, sizeof(struct step)) != 0)
        err(1, "steps");
    return &power->steps[power->count++];
}

/* Runs `words` on what `disk` holds, which is afterwards as the command left it. False: refused. */
static bool record_step(struct power *power, const struct base *base, const char *sequence,
                        const char *words, struct disk *disk, const struct account *before,
                        struct account *ret_after)
{
    const char *root = RIG_PATH("%s/root", power->rig->work);
    const char *data = RIG_PATH("%s/%s", root, base->data);
    struct disk_record record = {.root = root, .disk = disk};
    const struct rig_how how = {.watch = disk_record_call, .context = &record};
    struct disk start = *disk;
    static struct disk real;
    disk_make(disk, NULL, root);
    if (rig_run(power->rig, data, words, &how).status != 0) {
        power->refused++;
        return false;
    }
    disk_load(&real, root);
    if (disk_hash(&real, NULL) != disk_hash(disk, NULL))
        errx(1, "'%s' did more than was recorded", words);
    *ret_after = look(power, data);
    struct step *step = add_step(power);
    *step = (struct step){.base = base, .start = start, .count = record.count,
                          .before = *before, .after = *ret_after};
    rig_format(step->words, sizeof(step->words), "%s", sequence);
    step->ops = calloc(record.count + 1, sizeof(*step->ops));
    memcpy(step->ops, record.ops, record.count * sizeof(*step->ops));
    return true;
}

/* All sequences of up to `depth` commands. */
static void grow(struct power *power, const struct base *base, const struct disk *disk,
                 const struct account *before, const char *sequence, int depth,
                 struct disk_bytes damaged)
{
    for (size_t i = 0; i < countof(commands) && depth > 0; i++) {
        const struct command *command = &commands[i];
        char words[512], all[512];
        struct account after;
        if ((command->id && !before->first[0]) || (command->nodes && !base->nodes)
            || (!power->rig->full && !command->quick))
            continue;
        struct disk now = *disk;
        fill_in(power, command->words, before->first, words, sizeof(words));
        rig_format(all, sizeof(all), "%s%s%s", sequence, *sequence ? "; " : "", command->words);
        if (!record_step(power, base, all, words, &now, before, &after))
            continue;
        power->steps[power->count - 1].damaged = damaged;
        grow(power, base, &now, &after, all, depth - 1, damaged);
    }
}

static void record_base(struct power *power, const struct base *base)
{
    const char *root = RIG_PATH("%s/root", power->rig->work);
    const char *data = RIG_PATH("%s/%s", root, base->data);
    static const struct disk_op made = {.change = DISK_PUT, .other = 1, .directory = true,
                                        .name = "data"};
    struct disk_bytes damaged = {0};
    struct disk disk;
    rig_remove(root);
    if (mkdir(root, 0700) != 0)
        err(1, "%s", root);
    base->make(power->rig, data);
    if (base->make == make_damaged)
        damaged.at = rig_read(RIG_PATH("%s/" STATE, data), &damaged.length);
    disk_load(&disk, root);
    if (base->unsafe)
        disk_apply(&disk, &made);
    struct account before = look(power, data);
    grow(power, base, &disk, &before, "", power->rig->full ? base->full : base->quick, damaged);
}

/* --- what a cut left -------------------------------------------------------------------------- */

#define SEEN_SIZE (UINT64_C(1) << 21)

/* Is the number new? */
static bool note(uint64_t *seen, uint64_t number)
{
    number |= number == 0;
    for (uint64_t at = number % SEEN_SIZE;; at = (at + 1) % SEEN_SIZE) {
        uint64_t was = 0;
        if (__atomic_compare_exchange_n(&seen[at], &was, number, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return true;
        if (was == number)
            return false;
    }
}

struct point {
    const struct power *power;
    const struct step *step;
    size_t done; /* changes made before the cut */
    char root[4096], data[4096], where[4096];
    const struct disk_cut *cut;
    size_t tried;
};

static void violation(const struct point *point, const char *what)
{
    char left[2048];
    rig_violation("%s: on %s: %s: cut after %zu of %zu changes (%s)", what, point->step->base->name,
                  point->step->words, point->done, point->step->count,
                  disk_describe(point->cut, left, sizeof(left)));
}

/* Is the state file the damaged one? */
static bool is_damaged(const struct point *point)
{
    size_t length;
    char *text = rig_read(RIG_PATH("%s/" STATE, point->data), &length);
    bool same = text && length == point->step->damaged.length
                && memcmp(text, point->step->damaged.at, length) == 0;
    free(text);
    return same;
}

/* The program itself on the state, once in a while. */
static void run_program(const struct point *point)
{
    const struct rig *rig = point->power->rig;
    const char *words = "boost request gpu-master cpu 0.5 -q";
    struct rig_result result = rig_run(rig, point->data, words, NULL);
    char id[64] = "";
    if (result.status == 0)
        sscanf(result.out, "%63s", id);
    if (result.status == 0)
        result = rig_run(rig, point->data, RIG_PATH("boost release %s", id), NULL);
    if (result.status == 0)
        result = rig_run(rig, point->data, "store check", NULL);
    if (result.status != 0)
        violation(point, RIG_PATH("the next commands: status %d: %s", result.status, result.err));
}

/* The rule; the state is at point->data. What is wrong, or NULL. */
static const char *break_of(const struct point *point, char *to, size_t size)
{
    const struct step *step = point->step;
    struct grid_error why = {0};
    struct account account = {0};
    bool damaged = step->damaged.at != NULL, over = point->done == step->count;
    const char *wrong = NULL;
    bool still = damaged && is_damaged(point), missing = step->base->make == make_missing;
    if (account_check(point->data, &why) != 0 && !still && !(missing && !over))
        return rig_format(to, size, "store check: %s", why.message);
    account_take(point->data, &account);
    if (!account.text)
        return rig_format(to, size, "cannot be read: %s", account.err.message);
    bool old = strcmp(account.text, step->before.text) == 0;
    if (strcmp(account.text, step->after.text) != 0 && (over || !old))
        wrong = over && old ? "what was acknowledged is lost" : "neither old nor new";
    account.highest = old ? step->before.highest : step->after.highest;
    if (!wrong && account_go_on(point->data, &account, &why) != 0)
        wrong = rig_format(to, size, "the next command: %s", why.message);
    if (!wrong && account_check(point->data, &why) != 0)
        wrong = rig_format(to, size, "store check afterwards: %s", why.message);
    if (!wrong && rig_count(point->data, "tmp") > 0)
        wrong = "a temporary file is left";
    if (!wrong && damaged
        && !account_keeps(point->data, step->damaged.at, step->damaged.length))
        wrong = "the damaged bytes are lost";
    free(account.text);
    return wrong;
}

static void try_cut(void *context, const struct disk_cut *cut)
{
    struct point *point = context;
    char why[2048];
    uint64_t number = disk_hash(cut->disk, cut);
    bool over = point->done == point->step->count;
    if (!note(point->power->seen, number * 2 + over))
        return;
    if (note(point->power->seen, ~number))
        point->tried++;
    point->cut = cut;
    disk_make(cut->disk, cut, point->root);
    const char *wrong = break_of(point, why, sizeof(why));
    if (wrong)
        violation(point, wrong);
    else if (number % PROGRAM_SHARE == 0)
        run_program(point);
}

static void try_step(void *context, size_t index, int worker)
{
    const struct power *power = context;
    const struct step *step = &power->steps[index];
    struct point point = {.power = power, .step = step};
    struct disk disk = step->start;
    unsigned seed = power->rig->seed + (unsigned)index;
    bool pairs = power->rig->full && !strchr(step->words, ';');
    rig_format(point.root, sizeof(point.root), "%s/cut-%d", power->rig->work, worker);
    rig_format(point.data, sizeof(point.data), "%s/%s", point.root, step->base->data);
    for (size_t i = 0; i < step->count; i++) {
        disk_apply(&disk, step->ops[i]);
        point.done = i + 1;
        disk_cuts(&disk, pairs ? 256 : 48, pairs, &seed, try_cut, &point);
    }
    rig_add_points((long)point.tried - 1); /* the step itself counts as one */
}

int main(int argc, char **argv)
{
    if (argc != 2)
        errx(2, "usage: power WORKDIR");
    struct rig rig = rig_begin("power", argv[1]);
    struct power power = {.rig = &rig};
    power.seen = mmap(NULL, SEEN_SIZE * sizeof(*power.seen), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (power.seen == MAP_FAILED)
        err(1, "mmap");
    rig_write(RIG_PATH("%s/batch", rig.work), batch, sizeof(batch) - 1);
    for (size_t i = 0; i < countof(bases); i++)
        record_base(&power, &bases[i]);
    printf("%zu commands recorded in their sequences, %zu refused\n", power.count, power.refused);
    rig_points(power.count, try_step, &power);
    return rig_end(&rig, rig.full ? 5000 : 500);
}
