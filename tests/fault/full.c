/* full WORKDIR [mount]: commands without what they need: space, page by page, inodes, a disk that
 * takes writes, files as large as they should be, open descriptors, a stdout that takes anything.
 * WORKDIR is then in a mount namespace of its own. */
#include "fault/lib/account.h"
#include "fault/lib/trial.h"
#include "fault/lib/view.h"
#include "util/text.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define PAGE 4096
#define MEMORY (64 << 20)

/* --- what there is too little of -------------------------------------------------------------- */

enum lack { LACK_PAGES, LACK_INODES, LACK_WRITING, LACK_SIZE, LACK_DESCRIPTORS, LACK_STDOUT };

/* `quick`, `full`: how many amounts of it are tried, from 0 on. */
static const struct {
    const char *text; /* with the amount */
    int quick, full;
    bool mounts;
} lacks[] = {
    [LACK_PAGES] = {"%d free pages", 5, 20, true},
    [LACK_INODES] = {"%d free inodes", 3, 8, true},
    [LACK_WRITING] = {"a disk that is read-only", 1, 1, true},
    [LACK_SIZE] = {"files of %d times 512 bytes at most", 6, 40, false},
    [LACK_DESCRIPTORS] = {"descriptors closed by the mask %d", 8, 8, false},
    [LACK_STDOUT] = {"/dev/full as stdout", 1, 1, false},
};

/* `frees`: it must work on a full disk, by giving up generations (formats.md, A commit). */
static const struct {
    const char *scene;
    bool frees, quick;
} chosen[] = {
    {"first", false, true}, {"request", false, true}, {"move", false, true},
    {"release", true, true}, {"release-all", false, false}, {"extend", false, true},
    {"cleanup", true, true}, {"batch", false, true}, {"add", false, true},
    {"recover", false, true}, {"adopt", false, false}, {"preempt", false, false},
    {"promote", false, false}, {"import", false, false}, {"policy", false, false},
    {"repair", false, false}, {"export", false, false}, {"replace", false, false},
    {"backup", false, true}, {"backup-packed", false, false}, {"restore", false, false},
};

/* 8 KiB of events that are to be moved to a history for which there is no room. */
static const struct scene releasing_moving = {
    .name = "release-moving", .template = "full", .words = "boost release ID"};

struct tried {
    struct trial trial;
    bool frees, prints;
};

struct full {
    const struct rig *rig;
    size_t tried_count, points_count, capacity;
    struct tried tried[countof(chosen) + 1];
    struct point {
        const struct rig *rig;
        const struct tried *tried;
        enum lack lack;
        int amount;
    } *points;
};

/* --- making it scarce ------------------------------------------------------------------------- */

static void remount(const char *path, unsigned long flags, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void remount(const char *path, unsigned long flags, const char *format, ...)
{
    char options[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(options, sizeof(options), format, arguments);
    va_end(arguments);
    if (mount("grid", path, "tmpfs", flags, options) != 0)
        err(1, "mount of %s: %s", path, options);
}

/* The ledger's disk, before its command runs; and after it. */
static void make_scarce(const struct point *point, const char *path)
{
    struct statfs st;
    if (statfs(path, &st) != 0)
        err(1, "%s", path);
    if (point->lack == LACK_PAGES)
        remount(path, MS_REMOUNT, "size=%llu", (unsigned long long)PAGE
                * (st.f_blocks - st.f_bfree + (unsigned)point->amount));
    else if (point->lack == LACK_INODES)
        remount(path, MS_REMOUNT, "nr_inodes=%llu",
                (unsigned long long)(st.f_files - st.f_ffree + (unsigned)point->amount));
    else
        remount(path, MS_REMOUNT | MS_RDONLY, "size=%d", MEMORY);
}

static void make_plenty(const char *path)
{
    remount(path, MS_REMOUNT, "size=%d,nr_inodes=100000", MEMORY);
}

static char *wrapper(const struct rig *rig, enum lack lack, int amount, char ret[static 4096])
{
    return rig_format(ret, 4096, "%s/wrapper-%d-%d", rig->work, lack, amount);
}

/* A program that runs grid in its place, without something. */
static void write_wrapper(const struct rig *rig, enum lack lack, int amount)
{
    char path[4096], text[8192], closed[64] = "";
    static const char *const closing[] = {" <&-", " >&-", " 2>&-"};
    wrapper(rig, lack, amount, path);
    for (int fd = 0; lack == LACK_DESCRIPTORS && fd < 3; fd++)
        if (amount >> fd & 1)
            strcat(closed, closing[fd]);
    if (lack == LACK_SIZE)
        rig_format(text, sizeof(text), "#!/bin/sh\nulimit -f %d\nexec %s \"$@\"\n", amount,
                   rig->program);
    else
        rig_format(text, sizeof(text), "#!/bin/sh\nexec %s \"$@\" %s\n", rig->program,
                   lack == LACK_STDOUT ? ">/dev/full" : closed);
    rig_write(path, text, strlen(text));
    if (chmod(path, 0700) != 0)
        err(1, "%s", path);
}

/* --- the rules -------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3)))
violation(const struct point *point, const char *format, ...)
{
    char text[2048], lack[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(lack, sizeof(lack), lacks[point->lack].text, point->amount);
#pragma GCC diagnostic pop
    rig_violation("%s; '%s' (%s) with %s", text, point->tried->trial.words,
                  point->tried->trial.name, lack);
}

static void judge_status(const struct point *point, const char *directory,
                         const struct rig_result *result)
{
    const struct tried *tried = point->tried;
    const struct trial *trial = &tried->trial;
    int at = trial_state(trial, directory), last = (int)trial->views_count - 1;
    int status = result->status;
    bool done = at == last && last > 0, mounts = lacks[point->lack].mounts;
    bool no_stdout = point->lack == LACK_STDOUT
                     || (point->lack == LACK_DESCRIPTORS && point->amount & 2);
    bool no_stderr = point->lack == LACK_DESCRIPTORS && point->amount & 4;
    if (at < 0)
        violation(point, "neither old nor new: status %d: %s", status, result->err);
    else if (status == 0 && !done)
        violation(point, "status 0, and not done");
    else if (status != 0 && status != 1 && status != 11 && done)
        violation(point, "status %d, but it was done: %s", status, result->err);
    else if (status == 1 && done && !no_stderr && !trial_named(trial, directory, result->err))
        violation(point, "status 1, done, and not named: %s", result->err);
    else if (status != 0 && status != 9 && status != 11 && !done)
        violation(point, "status %d: %s", status, result->err);
    else if (no_stdout && tried->prints && status != 1)
        violation(point, "status %d, and nothing was printed", status);
    else if (tried->frees && status != 0 && mounts && point->lack != LACK_WRITING)
        violation(point, "it does not work: %d: %s", status, result->err);
    else if (point->lack == LACK_WRITING && status != 9)
        violation(point, "status %d: %s", status, result->err);
}

/* The note in the lock file is still one, and no message. */
static bool is_note(const char *directory)
{
    size_t length = 0;
    grid_auto_free char *note = rig_read(RIG_PATH("%s/resource_boosts.json.lock", directory),
                                         &length);
    return !note || length == 0 || (note[0] == '{' && length == 512 && note[511] == '\n');
}

static void go_on(const struct point *point, const char *directory, const char *words)
{
    char line[4096];
    const struct trial *trial = &point->tried->trial;
    scene_words(point->rig, trial->scene->template, words, directory, line);
    struct rig_result result = rig_run(point->rig, directory, line, NULL);
    if (result.status != 0)
        violation(point, "then '%s': %d: %s", line, result.status, result.err);
}

static void judge_after(const struct point *point, const char *directory)
{
    const struct trial *trial = &point->tried->trial;
    struct grid_error why = {0};
    if (!is_note(directory))
        violation(point, "the lock file holds something else");
    if (trial->bytes && !account_keeps(directory, trial->bytes, trial->length))
        violation(point, "the damaged bytes are gone");
    go_on(point, directory, trial->scene->next ? trial->scene->next : SCENE_NEXT);
    if (trial->scene->then)
        go_on(point, directory, trial->scene->then);
    struct view view = view_take(directory);
    if (view.temporaries > 0)
        violation(point, "%zu temporary files are left", view.temporaries);
    view_release(&view);
    if (account_check(directory, &why) != 0)
        violation(point, "store check afterwards: %s", why.message);
}

/* --- points ----------------------------------------------------------------------------------- */

static void try_point(void *context, size_t index, int worker)
{
    const struct full *full = context;
    const struct point *point = &full->points[index];
    const struct trial *trial = &point->tried->trial;
    bool mounts = lacks[point->lack].mounts;
    char disk[4096], directory[4096], words[4096], input[4096];
    struct rig rig = *full->rig;
    struct rig_how how = {.variables = {"GRID_LOCK_TIMEOUT=0"}};
    rig_format(disk, sizeof(disk), "%s/disk-%d", rig.work, worker);
    rig_format(directory, sizeof(directory), "%s/ledger", disk);
    if (mounts)
        remount(disk, 0, "mode=700,size=%d,nr_inodes=100000", MEMORY);
    if (mounts) /* a size of 0 would be none */
        rig_write(RIG_PATH("%s/filler", disk), "", 1);
    rig_copy(trial->directory, directory);
    if (mounts)
        make_scarce(point, disk);
    else
        wrapper(full->rig, point->lack, point->amount, rig.program);
    if (trial->scene->input)
        how.input = scene_words(&rig, trial->scene->template, trial->scene->input, directory,
                                input);
    scene_words(&rig, trial->scene->template, trial->words, directory, words);
    struct rig_result result = rig_run(&rig, directory, words, &how);
    judge_status(point, directory, &result);
    if (mounts)
        make_plenty(disk);
    judge_after(point, directory);
    if (mounts && umount2(disk, MNT_DETACH) != 0)
        err(1, "umount of %s", disk);
}

static void add_points(struct full *full, const struct tried *tried, bool mounts)
{
    for (size_t lack = 0; lack < countof(lacks); lack++) {
        int amounts = full->rig->full ? lacks[lack].full : lacks[lack].quick;
        for (int amount = 0; amount < amounts && (mounts || !lacks[lack].mounts); amount++) {
            if (lack == LACK_DESCRIPTORS && amount & 1 && tried->trial.scene->input)
                continue; /* it would have nothing to read */
            if (array_reserve(&full->points, &full->capacity, full->points_count + 1,
                              sizeof(*full->points)) != 0)
                err(1, "points");
            full->points[full->points_count++] = (struct point){full->rig, tried,
                                                                (enum lack)lack, amount};
        }
    }
}

/* What the command does when nothing is missing; and its points. */
static void begin(struct full *full, const struct scene *scene, const char *directory, bool frees,
                  bool mounts)
{
    struct tried *tried = &full->tried[full->tried_count++];
    char here[4096], words[4096];
    trial_begin(&tried->trial, full->rig, scene, directory, scene->words, scene->name);
    rig_format(here, sizeof(here), "%s/reference", full->rig->work);
    rig_copy(directory, here);
    scene_words(full->rig, scene->template, scene->words, here, words);
    tried->frees = frees;
    tried->prints = scene->input || rig_run(full->rig, here, words, NULL).out[0];
    add_points(full, tried, mounts);
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3)
        errx(2, "usage: full WORKDIR [mount]");
    struct rig rig = rig_begin("full", argv[1]);
    static struct full full;
    bool mounts = argc == 3;
    char directory[4096];
    full.rig = &rig;
    scene_prepare(&rig);
    for (int worker = 0; worker < 2; worker++)
        if (mkdir(RIG_PATH("%s/disk-%d", rig.work, worker), 0700) != 0)
            err(1, "%s", rig.work);
    for (int lack = LACK_SIZE; lack <= LACK_STDOUT; lack++)
        for (int amount = 0; amount < lacks[lack].full; amount++)
            write_wrapper(&rig, (enum lack)lack, amount);
    for (size_t i = 0; i < countof(chosen); i++) {
        if (!chosen[i].quick && !rig.full)
            continue;
        scene_directory(&rig, scene_find(chosen[i].scene)->template, directory);
        begin(&full, scene_find(chosen[i].scene), directory, chosen[i].frees, mounts);
    }
    rig_copy(scene_directory(&rig, "full", directory), RIG_PATH("%s/unhinted", rig.work));
    rig_format(directory, sizeof(directory), "%s/unhinted", rig.work);
    unlink(RIG_PATH("%s/history.jsonl", directory)); /* nothing of it counts yet */
    begin(&full, &releasing_moving, directory, true, mounts);
    rig_points(full.points_count, try_point, &full);
    return rig_end(&rig, mounts ? 200 : 100);
}
