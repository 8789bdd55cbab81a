/* What a directory holds that counts: its files, and their text made comparable. */
#include "fault/lib/view.h"

#include "fault/lib/rig.h"
#include "util/gzip.h"
#include "util/text.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <err.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

#define STATE "resource_boosts.json"
#define LARGE ((size_t)8 << 20) /* of a history that is closed next */

static bool is_temporary(const char *name)
{
    return strstr(name, "tmp") || text_begins(name, ".resource");
}

static bool ends(const char *name, const char *with)
{
    size_t length = strlen(name), part = strlen(with);
    return length >= part && strcmp(name + length - part, with) == 0;
}

static bool is_left_out(const char *name)
{
    return ends(name, ".lock") || strstr(name, ".corrupt-") || text_begins(name, "history");
}

/* What a buffer holds; the caller's. */
static char *text_of(struct buffer *buffer)
{
    buffer_add(buffer, "", 1);
    if (buffer->error)
        errx(1, "no memory");
    return buffer->data;
}

static void unpack(char **text, size_t *length)
{
    struct buffer out = BUFFER_INIT;
    if (gzip_unpack(*text, *length, (size_t)1 << 26, &out, NULL) < 0)
        buffer_text(&out, "(not gzip)");
    free(*text);
    *length = out.length;
    *text = out.data;
}

/* --- a ledger ------------------------------------------------------------------------------- */

/* The member of that name of a state, from the comma before it on, and its end; NULL: none. */
static char *find_member(const char *state, const char *key, char **ret_end)
{
    char text[32];
    rig_format(text, sizeof(text), ",\n  \"%s\": ", key);
    char *at = strstr(state, text), *value = at ? at + strlen(text) : NULL;
    char *end = value ? strstr(value, *value == '[' ? "\n  ]" : "\n") : NULL;
    if (!end)
        return NULL;
    *ret_end = *value == '[' ? end + strlen("\n  ]") : end - (end[-1] == ',');
    return at;
}

/* Takes a number out of it; 0: there is none. */
static size_t take_number(char *state, const char *key)
{
    char *end, *at = find_member(state, key, &end);
    size_t number = at ? strtoul(strchr(at, ':') + 1, NULL, 10) : 0;
    if (at)
        memmove(at, end, strlen(end) + 1);
    return number;
}

static void add_event(struct buffer *out, const char *text)
{
    cJSON *event = cJSON_Parse(text);
    grid_auto_free char *line = event ? cJSON_PrintUnformatted(event) : NULL;
    buffer_format(out, "%s\n", line ? line : text);
    cJSON_Delete(event);
}

/* All history that counts: closed segments, then as much of history.jsonl as the state says. */
static void gather_history(struct buffer *out, const char *path, size_t segments, size_t counted)
{
    int dirname = (int)(strrchr(path, '/') - path);
    size_t length = 0;
    for (size_t number = 1; number <= segments; number++) {
        grid_auto_free char *text = rig_read(
            RIG_PATH("%.*s/history-%06zu.jsonl.gz", dirname, path, number), &length);
        if (text)
            unpack(&text, &length);
        buffer_add(out, text ? text : "", text ? length : 0);
    }
    grid_auto_free char *text =
        counted ? rig_read(RIG_PATH("%.*s/history.jsonl", dirname, path), &length) : NULL;
    buffer_add(out, text ? text : "", !text ? 0 : counted < length ? counted : length);
}

/* The sum of what was there already when a history is so large that it is closed: of no more. */
static const char *add_sum(struct buffer *out, const char *text, size_t length)
{
    const char *end = length < LARGE ? NULL : strchr(text + LARGE - 1, '\n');
    size_t sum = 5381;
    if (!end)
        return text;
    for (const char *at = text; at < end; at++)
        sum = sum * 33 + (unsigned char)*at;
    buffer_format(out, "%td bytes, %zx\n", end - text, sum);
    return end + 1;
}

/* All events, wherever they stand: a full disk keeps those that should have been moved where they
 * are. They go out of the state. */
static void add_events(struct buffer *out, const char *path, char *state)
{
    grid_auto_buffer struct buffer history = BUFFER_INIT;
    size_t counted = take_number(state, "history");
    char *end, *pending, *save;
    gather_history(&history, path, take_number(state, "segments"), counted);
    char *lines = text_of(&history);
    lines += add_sum(out, lines, history.length) - lines;
    for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        add_event(out, line);
    if (!(pending = find_member(state, "pending", &end)))
        return;
    cJSON *array = cJSON_ParseWithLength(strchr(pending, '['), (size_t)(end - pending)), *event;
    cJSON_ArrayForEach(event, array)
    {
        grid_auto_free char *text = cJSON_Print(event);
        add_event(out, text);
    }
    cJSON_Delete(array);
    memmove(pending, end, strlen(end) + 1);
}

/* --- files ---------------------------------------------------------------------------------- */

/* How much is left of a text when it is packed depends on what is new in it. */
static void hide_size(char *text)
{
    static const char key[] = "\"size_bytes\": ";
    char *at = strstr(text, ".gz\"") ? strstr(text, key) : NULL;
    if (!at)
        return;
    at += strlen(key);
    memmove(at, at + strspn(at, "0123456789"), strlen(at + strspn(at, "0123456789")) + 1);
}

static void add_file(struct buffer *out, const FTSENT *entry, size_t root)
{
    const char *name = entry->fts_name, *path = entry->fts_path;
    size_t length = 0;
    grid_auto_free char *text = rig_read(path, &length);
    if (!text)
        return;
    buffer_format(out, "== %s %o\n", path + root + 1, entry->fts_statp->st_mode & 07777U);
    if (ends(name, ".gz"))
        unpack(&text, &length);
    if (strcmp(name, "manifest.json") == 0)
        hide_size(text);
    if (strcmp(name, STATE) == 0 && strlen(text) == length) {
        add_events(out, path, text);
        length = strlen(text);
    }
    buffer_add(out, text, length);
}

/* The text with one word for another. */
static char *replace(const char *text, const char *word, const char *by)
{
    struct buffer out = BUFFER_INIT;
    for (const char *at; (at = strstr(text, word)) != NULL; text = at + strlen(word)) {
        buffer_add(&out, text, (size_t)(at - text));
        buffer_text(&out, by);
    }
    buffer_text(&out, text);
    return text_of(&out);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

struct view view_take(const char *directory)
{
    struct view view = {0};
    struct buffer own = BUFFER_INIT, others = BUFFER_INIT;
    char *paths[] = {(char *)directory, NULL};
    size_t root = strlen(directory);
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (!tree)
        err(1, "%s", directory);
    for (FTSENT *entry; (entry = fts_read(tree)) != NULL;) {
        const char *name = entry->fts_name;
        if (entry->fts_level == 0 || entry->fts_info == FTS_DP)
            continue;
        if (is_temporary(name)) {
            view.temporaries++;
            fts_set(tree, entry, FTS_SKIP);
        } else if (entry->fts_info == FTS_D && strcmp(name, "generations") == 0) {
            view.temporaries += (size_t)rig_count(entry->fts_path, "tmp");
            fts_set(tree, entry, FTS_SKIP);
        } else if (entry->fts_info == FTS_F && !is_left_out(name)) {
            add_file(entry->fts_level == 1 && strcmp(name, STATE) == 0 ? &own : &others, entry,
                     root);
        }
    }
    fts_close(tree);
    grid_auto_free char *rest = replace(buffer_string(&others), directory, "DIR");
    view.ledger = replace(buffer_string(&own), directory, "DIR");
    buffer_release(&own);
    buffer_release(&others);
    buffer_text(&own, view.ledger);
    buffer_text(&own, rest);
    view.text = text_of(&own);
    return view;
}

void view_release(struct view *view)
{
    free(view->text);
    free(view->ledger);
    *view = (struct view){0};
}

/* --- what is new in each run ---------------------------------------------------------------- */

/* The shapes: 'd' a digit, 'x' a hexadecimal one in lower case, the others themselves. */
static const struct shape {
    const char *shape, *name;
} shapes[] = {
    {"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "id"},
    {"dddd-dd-ddTdd:dd:dd", "time"},
    {"ddddddddTddddddZ", "stamp"},
    {"dddddddd_dddddd", "stamp"},
    {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "sum"},
};

static size_t fits(const char *text, const char *shape)
{
    size_t i = 0;
    for (; shape[i]; i++) {
        char c = text[i];
        bool digit = c >= '0' && c <= '9';
        if (shape[i] == 'd' ? !digit
            : shape[i] == 'x' ? !digit && (c < 'a' || c > 'f')
                              : c != shape[i])
            return 0;
    }
    return i;
}

const char *view_next_id(const char *text)
{
    while (*text && !fits(text, shapes[0].shape))
        text++;
    return *text ? text : NULL;
}

/* What the text at `at` begins with that is new in each run: its length, 0: nothing. */
static size_t find_shape(const char *text, const char *at, const char **ret_name)
{
    if (at > text && isalnum((unsigned char)at[-1]))
        return 0;
    for (size_t i = 0; i < countof(shapes); i++) {
        size_t length = fits(at, shapes[i].shape);
        if (length == 0 || isalnum((unsigned char)at[length]))
            continue;
        *ret_name = shapes[i].name;
        if (strcmp(*ret_name, "time") == 0 && at[length] == '.')
            length += 1 + strspn(at + length + 1, "0123456789");
        return length;
    }
    return 0;
}

static size_t number_of(struct buffer *ids, const char *id)
{
    size_t count = ids->length / VIEW_ID_LENGTH;
    for (size_t i = 0; i < count; i++)
        if (memcmp(ids->data + i * VIEW_ID_LENGTH, id, VIEW_ID_LENGTH) == 0)
            return i + 1;
    buffer_add(ids, id, VIEW_ID_LENGTH);
    return count + 1;
}

char *view_mask(const char *text, const char *known)
{
    struct buffer out = BUFFER_INIT;
    grid_auto_buffer struct buffer ids = BUFFER_INIT;
    size_t known_length = strlen(known);
    const char *name, *from = text, *at = text;
    while (*at) {
        size_t length = find_shape(text, at, &name);
        if (length == 0) {
            at++;
            continue;
        }
        if (!memmem(known, known_length, at, length)) {
            buffer_add(&out, from, (size_t)(at - from));
            buffer_format(&out, "<%s", name);
            if (length == VIEW_ID_LENGTH)
                buffer_format(&out, " %zu", number_of(&ids, at));
            buffer_text(&out, ">");
            from = at + length;
        }
        at += length;
    }
    buffer_text(&out, from);
    return text_of(&out);
}
