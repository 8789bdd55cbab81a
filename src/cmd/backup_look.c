/* Looking before a ledger or a backup is taken: is there one, whose is it, what else was meant. */
#include "cmd/backup.h"
#include "util/gzip.h"

#include <errno.h>
#include <stdio.h>

#define DOCUMENT_MOST ((size_t)1 << 30) /* of one that is only looked at for a hint */

/* --- a store ---------------------------------------------------------------------------------- */

static int drop_piece(void *context, const char *text, size_t length, struct grid_error *err)
{
    (void)context, (void)text, (void)length, (void)err;
    return 0;
}

/* What other programs wrote has no revision, and may hold something all the same. */
int backup_source(struct grid_tx *tx, void *url, struct grid_error *err)
{
    char place[PATH_MAX + 8];
    struct grid_export facts;
    if (grid_tx_revision(tx) > 0)
        return 0;
    int rc = grid_tx_export(tx, drop_piece, NULL, &facts, err);
    if (rc < 0 || facts.boosts || facts.nodes || facts.tickets || facts.events || facts.policy)
        return rc;
    return grid_error_advise(err, GRID_ENOTFOUND,
                             "is this the right one? --store, --data-dir and HOME say which it is",
                             "there is no ledger in '%s' yet",
                             text_shown(cmd_place(url, place, sizeof(place))));
}

/* The directory of a URL that names one; NULL: it names none. */
static const char *directory_of(const char *url)
{
    if (strncmp(url, "file:", 5) == 0)
        return url + 5;
    return url[0] == '/' || url[0] == '.' ? url : NULL;
}

/* A state may be a link, too. */
bool backup_same_store(const char *a, const char *b)
{
    static const char *const names[] = {"", "/resource_boosts.json"};
    const char *left = directory_of(a), *right = directory_of(b);
    if (strcmp(a, b) == 0 || !left || !right)
        return strcmp(a, b) == 0;
    for (size_t i = 0; i < countof(names); i++) {
        char path[PATH_MAX], one[PATH_MAX], other[PATH_MAX];
        snprintf(path, sizeof(path), "%.*s%s", PATH_MAX - 32, left, names[i]);
        if (!realpath(path, one))
            continue;
        snprintf(path, sizeof(path), "%.*s%s", PATH_MAX - 32, right, names[i]);
        if (realpath(path, other) && strcmp(one, other) == 0)
            return true;
    }
    return false;
}

/* As realpath, with a slash behind it; also when the last parts of it are not there yet. */
static bool resolve(const char *path, char ret[static PATH_MAX])
{
    char above[PATH_MAX], real[PATH_MAX];
    size_t length = strlen(path);
    bool found = false;
    while (!found && length > 0) {
        snprintf(above, sizeof(above), "%.*s", (int)length, path);
        found = realpath(above, real) != NULL;
        while (!found && length > 0 && path[--length] != '/')
            continue;
    }
    if (!found && !realpath(path[0] == '/' ? "/" : ".", real))
        return false;
    const char *rest = path + length + strspn(path + length, "/");
    return snprintf(ret, PATH_MAX, "%s/%s%s", real, rest, *rest ? "/" : "") < PATH_MAX;
}

bool backup_nested_stores(const char *a, const char *b)
{
    const char *left = directory_of(a), *right = directory_of(b);
    char one[PATH_MAX], other[PATH_MAX];
    return left && right && resolve(left, one) && resolve(right, other)
           && (text_begins(one, other) || text_begins(other, one));
}

/* --- a backup --------------------------------------------------------------------------------- */

struct names {
    char (*at)[BACKUP_NAME_SIZE];
    size_t count, capacity;
};

static int add_name(void *context, const char *name, struct grid_error *err)
{
    (void)err;
    struct names *names = context;
    if (name[0] != '.'
        && array_reserve(&names->at, &names->capacity, names->count + 1, sizeof(*names->at)) == 0)
        text_copy(names->at[names->count++], BACKUP_NAME_SIZE, name);
    return 0;
}

static const char *next_name(void *context, size_t index)
{
    const struct names *names = context;
    return index < names->count ? names->at[index] : NULL;
}

static void advise_name(const struct backups *backups, const char *name, struct grid_error *err)
{
    struct names names = {0};
    if (backups->dirfd >= 0)
        (void)file_each(backups->dirfd, ".", add_name, &names, &(struct grid_error){0});
    const char *nearest = text_nearest(name, next_name, &names);
    if (nearest)
        grid_error_hint(err, "did you mean '%s'?", text_shown(nearest));
    free(names.at);
}

/* A manifest that is lost, or a sum that is another, do not mean that there is nothing in it. */
static void advise_document(const struct backups *backups, const char *name,
                            struct grid_error *err)
{
    static const char *const files[] = {"export.json", "export.json.gz"};
    for (size_t i = 0; i < countof(files); i++) {
        grid_auto_buffer struct buffer whole = BUFFER_INIT;
        grid_auto_free char *text = NULL;
        char path[BACKUP_NAME_SIZE + 32];
        size_t length = 0;
        struct grid_error why = {0};
        snprintf(path, sizeof(path), "%s/%s", name, files[i]);
        if (file_read(backups->dirfd, path, &text, &length, NULL, &why) != 0)
            continue;
        if (i > 0 && gzip_unpack(text, length, DOCUMENT_MOST, &whole, &why) < 0)
            continue;
        if (grid_export_read(i > 0 ? whole.data : text, i > 0 ? whole.length : length, NULL,
                             &why) < 0)
            continue;
        grid_error_hint(err, i > 0 ? "its document still reads, if you trust it: 'zcat %s/%s | "
                                     "grid import - --replace'"
                                   : "its document still reads, if you trust it: 'grid import "
                                     "%s/%s --replace'", backups->path, text_shown(path));
        return;
    }
}

void backup_advise(const struct backups *backups, const char *name, struct grid_error *err)
{
    if (err->code == GRID_ENOTFOUND)
        advise_name(backups, name, err);
    else if (err->code == GRID_ECORRUPT && backups->dirfd >= 0)
        advise_document(backups, name, err);
}
