/* The ledgers that the torture begins with, made. */
#include "fault/lib/scene.h"

#include "fault/lib/view.h"
#include "util/clock.h"
#include "util/text.h"

#include <err.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILL_MOST 100

char *scene_directory(const struct rig *rig, const char *name, char ret[static 4096])
{
    return rig_format(ret, 4096, "%s/template-%s", rig->work, name);
}

const struct scene *scene_find(const char *name)
{
    for (size_t i = 0; i < scenes_count; i++)
        if (strcmp(scenes[i].name, name) == 0)
            return &scenes[i];
    errx(2, "no command '%s'", name);
}

static char *id_path(const struct rig *rig, const char *name, char ret[static 4096])
{
    return rig_format(ret, 4096, "%s/id-%s", rig->work, name);
}

char *scene_words(const struct rig *rig, const char *template, const char *words,
                  const char *directory, char ret[static 4096])
{
    char path[4096];
    grid_auto_free char *id = rig_read(id_path(rig, template, path), NULL);
    size_t length = 0;
    for (const char *at = words; *at;) {
        const char *by = id && text_begins(at, "ID") ? id : NULL;
        size_t skip = by ? 2 : 1;
        if (text_begins(at, "DIR"))
            by = directory, skip = 3;
        if (text_begins(at, "WORK"))
            by = rig->work, skip = 4;
        rig_format(ret + length, 4096 - length, "%.*s", by ? (int)strlen(by) : 1, by ? by : at);
        length += strlen(ret + length);
        at += skip;
    }
    ret[length] = '\0';
    return ret;
}

/* --- steps ---------------------------------------------------------------------------------- */

static const char *state_path(const char *directory, char ret[static 4096])
{
    return rig_format(ret, 4096, "%s/resource_boosts.json", directory);
}

static struct rig_result must(const struct rig *rig, const char *directory, const char *words)
{
    struct rig_result result = rig_run(rig, directory, words, NULL);
    if (result.status != 0)
        errx(1, "'%s' ended with %d: %s", words, result.status, result.err);
    return result;
}

/* The last ledger whose events are all in the state file: the next commit moves them. */
static void fill(const struct rig *rig, const char *directory)
{
    char before[4096], path[4096], words[4096];
    rig_format(before, sizeof(before), "%s.before", directory);
    rig_format(words, sizeof(words), "boost request m cpu 1 -q --reason %0200d", 0);
    for (int i = 0; i < FILL_MOST; i++) {
        rig_copy(directory, before);
        must(rig, directory, words);
        grid_auto_free char *state = rig_read(state_path(directory, path), NULL);
        if (state && strstr(state, "\n  \"history\": ")) {
            rig_copy(before, directory);
            rig_remove(before);
            return;
        }
    }
    errx(1, "no commit moves events to history.jsonl");
}

static void cut(const struct rig *rig, const char *directory)
{
    char path[4096];
    struct stat st;
    (void)rig;
    if (stat(state_path(directory, path), &st) != 0 || truncate(path, st.st_size - 7) != 0)
        err(1, "%s", path);
}

static void forget(const struct rig *rig, const char *directory)
{
    (void)rig;
    rig_remove(RIG_PATH("%s/generations", directory));
}

/* The original knows no revision, and nothing of what follows it. */
static void foreign(const struct rig *rig, const char *directory)
{
    char path[4096];
    (void)rig;
    grid_auto_free char *state = rig_read(state_path(directory, path), NULL);
    char *at = state ? strstr(state, ",\n  \"revision\": ") : NULL;
    if (!at)
        errx(1, "%s: no revision", path);
    memcpy(at, "\n}\n", 4);
    rig_write(path, state, strlen(state));
}

static void waiter(const struct rig *rig, const char *directory)
{
    struct rig_how how = {.seconds = 1}; /* so what ends in a second has ended after it, too */
    struct rig_result result = rig_run(rig, directory, "boost request m cpu 15 --source a --wait",
                                       &how);
    char path[4096];
    grid_auto_free char *state = rig_read(state_path(directory, path), NULL);
    if (result.status < 128 || !state || !strstr(state, "\"waiting\""))
        errx(1, "nobody waits: status %d: %s", result.status, result.err);
    char *at = strstr(strstr(state, "\"waiting\""), "\"expires_at\": \"20");
    if (!at)
        errx(1, "%s: a ticket that does not expire", path);
    memcpy(strstr(at, "20"), "21", 2);
    rig_write(path, state, strlen(state));
}

static void document(const struct rig *rig, const char *directory)
{
    char managed[4096];
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        err(1, "%s", directory);
    must(rig, scene_directory(rig, "managed", managed),
         RIG_PATH("export %s/export.json -q", directory));
}

/* The first of the lines that stand there as hints, again and again, all of which count. */
static void grow(const struct rig *rig, const char *directory)
{
    const size_t size = 8 << 20;
    char path[4096];
    (void)rig;
    grid_auto_free char *hints = rig_read(RIG_PATH("%s/history.jsonl", directory), NULL);
    grid_auto_free char *state = rig_read(state_path(directory, path), NULL);
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    const char *end = hints ? strchr(hints, '\n') : NULL;
    const char *pending = state ? strstr(state, "\n  \"pending\": ") : NULL;
    if (!end || !pending)
        errx(1, "%s: no events", path);
    while (out.length < size)
        buffer_add(&out, hints, (size_t)(end + 1 - hints));
    rig_write(RIG_PATH("%s/history.jsonl", directory), out.data, out.length);
    size_t length = out.length;
    out.length = 0;
    buffer_add(&out, state, (size_t)(pending - state));
    buffer_format(&out, "\n  \"history\": %zu,%s", length, pending);
    rig_write(path, out.data, out.length);
}

static const struct step {
    const char *name;
    void (*fn)(const struct rig *rig, const char *directory);
} special[] = {{"!fill", fill}, {"!cut", cut}, {"!forget", forget}, {"!foreign", foreign},
               {"!waiter", waiter}, {"!document", document}, {"!grow", grow}};

static void run_step(const struct rig *rig, const struct template *template, const char *directory,
                     const char *words)
{
    char path[4096], line[4096];
    struct stat st;
    for (size_t i = 0; i < countof(special); i++)
        if (strcmp(words, special[i].name) == 0) {
            special[i].fn(rig, directory);
            return;
        }
    struct rig_result result =
        must(rig, directory, scene_words(rig, template->name, words, directory, line));
    const char *id = view_next_id(result.out);
    if (id == result.out && stat(id_path(rig, template->name, path), &st) != 0)
        rig_write(path, id, VIEW_ID_LENGTH);
}

static void make(const struct rig *rig, const struct template *template)
{
    char directory[4096], from[4096], path[4096], other[4096];
    scene_directory(rig, template->name, directory);
    if (template->from) {
        rig_copy(scene_directory(rig, template->from, from), directory);
        grid_auto_free char *id = rig_read(id_path(rig, template->from, other), NULL);
        if (id)
            rig_write(id_path(rig, template->name, path), id, strlen(id));
    }
    for (size_t i = 0; i < countof(template->steps) && template->steps[i]; i++)
        run_step(rig, template, directory, template->steps[i]);
}

void scene_prepare(const struct rig *rig)
{
    for (const struct template *template = scene_templates; template->name; template++)
        make(rig, template);
}
