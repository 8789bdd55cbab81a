/* faults kill|errors|twofaults WORK [POINT]: SIGKILL at every system call of every command; every
 * system call failing; and a fault in the command that follows one. POINT is what a violation says:
 * NAME CALL KILL|ERROR [ever], and then that point alone is tried. */
#include "fault/lib/trial.h"

#include "fault/lib/view.h"
#include "util/text.h"

#include <err.h>
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const int errors[] = {EIO, ENOSPC, EDQUOT, EINTR, ENOMEM, EMFILE,
                             EACCES, EROFS, ESTALE, ENOLCK, EAGAIN, EFBIG};

/* At most so many points; TORTURE_ALL lifts it, for a night. */
enum { KILL_QUICK = 700, ERRORS_QUICK = 700, TWO_QUICK = 500, ERRORS_FULL = 48000,
       TWO_FULL = 12000 };
#define SLOW_EVERY 16

struct point {
    const struct trial *trial;
    struct trial_fault fault;
};

static struct faults {
    struct rig rig;
    struct trial *trials;
    size_t trials_count, trials_capacity;
    struct point *points;
    size_t count, capacity;
} faults;

static void *room(void *array, size_t *capacity, size_t count, size_t size)
{
    if (array_reserve(array, capacity, count, size) != 0)
        errx(1, "no memory");
    return *(void **)array;
}

/* --- points --------------------------------------------------------------------------------- */

static void add_point(const struct trial *trial, size_t at, int error, bool for_ever)
{
    room(&faults.points, &faults.capacity, faults.count + 1, sizeof(*faults.points));
    faults.points[faults.count++] = (struct point){trial, {at, error, for_ever}};
}

static void add_kills(const struct trial *trial)
{
    for (size_t at = 0; at < trial->count; at++)
        add_point(trial, at, 0, false);
}

static void add_errors(const struct trial *trial)
{
    for (size_t at = 0; at < trial->count; at++)
        for (size_t i = 0; i < countof(errors) && trial_can_fail(trial->calls[at]); i++) {
            add_point(trial, at, errors[i], false);
            add_point(trial, at, errors[i], true);
        }
}

/* Of each call one death, and one failure. */
static void add_both(const struct trial *trial)
{
    static unsigned seed = 1;
    for (size_t at = trial->start; at < trial->count; at++) {
        add_point(trial, at, 0, false);
        if (trial_can_fail(trial->calls[at]))
            add_point(trial, at, errors[rig_random(&seed, countof(errors))],
                      rig_random(&seed, 2) != 0);
    }
}

/* Is the point at a call of the program's own that changes what is on disk, or opens it? */
static bool is_weighty(const struct point *point)
{
    static const char *const parts[] = {"open", "write", "sync", "rename",
                                        "link", "mkdir", "truncate"};
    const char *call = trace_name(point->trial->calls[point->fault.at]);
    for (size_t i = 0; i < countof(parts) && point->fault.at >= point->trial->start; i++)
        if (strstr(call, parts[i]))
            return true;
    return false;
}

/* Of `count` points `most`, evenly spread, beginning where the seed says; how many they are. */
static size_t pick(struct point *to, const struct point *from, size_t count, size_t most)
{
    unsigned seed = faults.rig.seed * 2654435761U;
    if (count < most)
        most = count;
    size_t offset = most ? rig_random(&seed, (unsigned)(count / most)) : 0;
    for (size_t i = 0; i < most; i++)
        to[i] = from[i * count / most + offset];
    return most;
}

/* Leaves `most` of the points, half of them weighty ones. */
static void thin(size_t most)
{
    size_t count = faults.count, weighty = 0, others = 0;
    if (count <= most)
        return;
    struct point *sorted = calloc(count, sizeof(*sorted));
    if (!sorted)
        errx(1, "no memory");
    for (size_t i = 0; i < count; i++)
        if (is_weighty(&faults.points[i]))
            sorted[weighty++] = faults.points[i];
        else
            sorted[count - ++others] = faults.points[i];
    size_t picked = pick(faults.points, sorted, weighty, most / 2);
    faults.count = picked + pick(faults.points + picked, sorted + weighty, others, most - picked);
    free(sorted);
}

static void try_point(void *context, size_t index, int number)
{
    char directory[4096];
    const struct point *point = &faults.points[index];
    (void)context;
    rig_format(directory, sizeof(directory), "%s/point-%d", faults.rig.work, number);
    trial_point(point->trial, &faults.rig, directory, &point->fault, index % SLOW_EVERY == 0);
}

/* --- one fault ------------------------------------------------------------------------------ */

static struct trial *new_trial(void)
{
    room(&faults.trials, &faults.trials_capacity, faults.trials_count + 1,
         sizeof(*faults.trials));
    return &faults.trials[faults.trials_count++];
}

static void begin_scene(const struct scene *scene)
{
    char directory[4096];
    trial_begin(new_trial(), &faults.rig, scene,
                scene_directory(&faults.rig, scene->template, directory), scene->words,
                scene->name);
}

static void begin_scenes(void)
{
    for (size_t i = 0; i < scenes_count; i++)
        if (faults.rig.full || !(scenes[i].flags & SCENE_SLOW))
            begin_scene(&scenes[i]);
}

/* --- and a second one ----------------------------------------------------------------------- */

/* What a fault left behind, more closely than a view: files of all kinds, their sizes and links. */
static unsigned long look_closely(const char *directory, const struct trial *trial)
{
    char *paths[] = {(char *)directory, NULL};
    unsigned long hash = 5381;
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; (entry = fts_read(tree)) != NULL;)
        if (entry->fts_info == FTS_F && !strstr(entry->fts_name, "tmp"))
            hash += entry->fts_statp->st_size * 31 + entry->fts_statp->st_nlink
                    + (unsigned char)entry->fts_name[0] * 131UL;
        else if (entry->fts_info == FTS_F)
            hash += 7 + (entry->fts_statp->st_size > 0);
    fts_close(tree);
    struct view view = view_take(directory);
    grid_auto_free char *masked = view_mask(view.text, trial->old);
    for (const char *at = masked; *at; at++)
        hash = hash * 33 + (unsigned char)*at;
    view_release(&view);
    return hash;
}

/* What the faults of a scene left: each kind once, and a trial of the next command in it. */
struct aftermath {
    const struct trial *first;
    unsigned long seen[256];
    size_t count;
};

static bool is_new(struct aftermath *aftermath, unsigned long hash)
{
    for (size_t i = 0; i < aftermath->count; i++)
        if (aftermath->seen[i] == hash)
            return false;
    if (aftermath->count == countof(aftermath->seen))
        return false;
    aftermath->seen[aftermath->count++] = hash;
    return true;
}

/* What a waiter has 30 seconds to pick up would lapse before all points are tried. */
static bool holds_lease(const char *directory)
{
    grid_auto_free char *state = rig_read(RIG_PATH("%s/resource_boosts.json", directory), NULL);
    return state && strstr(state, "\"unclaimed\": true");
}

static void begin_second(struct aftermath *aftermath, const struct trial_fault *fault)
{
    char here[4096], kept[4096], name[160];
    const struct trial *first = aftermath->first;
    rig_format(here, sizeof(here), "%s/first", faults.rig.work);
    int at = trial_run(first, &faults.rig, here, fault, NULL);
    if (at < 0 || holds_lease(here) || !is_new(aftermath, look_closely(here, first)))
        return;
    rig_format(name, sizeof(name), "%s/%zu/%s", first->scene->name, fault->at,
               trial_fault_name(fault));
    rig_format(kept, sizeof(kept), "%s/after-%zu", faults.rig.work, faults.trials_count);
    rig_copy(here, kept);
    const char *next = first->scene->next ? first->scene->next : SCENE_NEXT;
    struct trial *second = new_trial();
    trial_begin(second, &faults.rig, first->scene, kept, next, name);
    if (at == 0 || !first->bytes)
        return;
    second->flags &= ~(unsigned)SCENE_DAMAGED;
    second->length = first->length;
    memcpy(second->bytes = realloc(second->bytes, first->length), first->bytes, first->length);
}

/* Faults at each call of the program proper: death, and an error of each call's own. */
static void begin_seconds(const struct trial *first, unsigned *seed)
{
    struct aftermath aftermath = {.first = first};
    size_t step = faults.rig.full ? 1 : 4;
    for (size_t at = first->start + rig_random(seed, (unsigned)step); at < first->count;
         at += step) {
        begin_second(&aftermath, &(struct trial_fault){at, 0, false});
        int error = errors[rig_random(seed, countof(errors))];
        if (trial_can_fail(first->calls[at]))
            begin_second(&aftermath, &(struct trial_fault){at, error, rig_random(seed, 2) != 0});
    }
}

static bool is_in_quick_set(const struct scene *scene)
{
    static const char *const names[] = {"first", "move", "recover", "preempt", "release"};
    for (size_t i = 0; i < countof(names); i++)
        if (strcmp(scene->name, names[i]) == 0)
            return true;
    return false;
}

static void begin_pairs(void)
{
    unsigned seed = faults.rig.seed;
    for (size_t i = 0; i < scenes_count; i++) {
        struct trial first;
        char directory[4096];
        if (!faults.rig.full && !is_in_quick_set(&scenes[i]))
            continue;
        trial_begin(&first, &faults.rig, &scenes[i],
                    scene_directory(&faults.rig, scenes[i].template, directory), scenes[i].words,
                    scenes[i].name);
        begin_seconds(&first, &seed);
        trial_release(&first);
    }
}

/* --- the parts ------------------------------------------------------------------------------ */

static const struct part {
    const char *name;
    void (*begin)(void);
    void (*add)(const struct trial *trial);
    size_t quick, full;
    long least, least_full; /* fewer points are a failure */
} parts[] = {
    {"kill", begin_scenes, add_kills, KILL_QUICK, SIZE_MAX, KILL_QUICK / 2, 1500},
    {"errors", begin_scenes, add_errors, ERRORS_QUICK, ERRORS_FULL, ERRORS_QUICK / 2, 10000},
    {"twofaults", begin_pairs, add_both, TWO_QUICK, TWO_FULL, TWO_QUICK / 2, 5000},
};

static int run(const struct part *part)
{
    part->begin();
    for (size_t i = 0; i < faults.trials_count; i++)
        part->add(&faults.trials[i]);
    printf("%zu commands, %zu points", faults.trials_count, faults.count);
    thin(faults.rig.all ? SIZE_MAX : faults.rig.full ? part->full : part->quick);
    printf(", %zu of them tried\n", faults.count);
    rig_points(faults.count, try_point, NULL);
    return rig_end(&faults.rig, faults.rig.full ? part->least_full : part->least);
}

/* --- one point again ------------------------------------------------------------------------ */

static int parse_error(const char *name)
{
    for (size_t i = 0; i < countof(errors); i++)
        if (strcmp(name, strerrorname_np(errors[i])) == 0)
            return errors[i];
    if (strcmp(name, "KILL") != 0)
        errx(2, "no error '%s'", name);
    return 0;
}

/* NAME, or, of a pair, NAME/CALL/FAULT, with a blank before "ever". */
static const struct trial *begin_again(char *name)
{
    char *save, *scene = strtok_r(name, "/", &save), *at = strtok_r(NULL, "/", &save);
    begin_scene(scene_find(scene));
    if (!at)
        return &faults.trials[0];
    char *error = strtok_r(NULL, " ", &save);
    static struct aftermath aftermath;
    static struct trial first;
    first = faults.trials[0];
    aftermath.first = &first;
    begin_second(&aftermath, &(struct trial_fault){strtoul(at, NULL, 10), parse_error(error),
                                                   strtok_r(NULL, " ", &save) != NULL});
    return &faults.trials[faults.trials_count - 1];
}

static int again(char **words)
{
    const struct trial *trial = begin_again(words[0]);
    add_point(trial, strtoul(words[1], NULL, 10), parse_error(words[2]), words[3] != NULL);
    if (faults.points[0].fault.at >= trial->count)
        errx(2, "'%s' has %zu calls", words[0], trial->count);
    rig_points(1, try_point, NULL);
    return rig_end(&faults.rig, 1);
}

int main(int argc, char **argv)
{
    const struct part *part = NULL;
    for (size_t i = 0; i < countof(parts) && argc > 2; i++)
        if (strcmp(argv[1], parts[i].name) == 0)
            part = &parts[i];
    if (!part || (argc > 3 && argc < 6))
        errx(2, "faults kill|errors|twofaults WORK [NAME CALL KILL|ERROR [ever]]");
    faults.rig = rig_begin(part->name, argv[2]);
    scene_prepare(&faults.rig);
    return argc > 3 ? again(argv + 3) : run(part);
}
