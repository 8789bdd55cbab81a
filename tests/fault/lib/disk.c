/* A disk that knows what is safe on it: files, directories, and what was done since they were. */
#include "fault/lib/disk.h"

#include "fault/lib/rig.h"

#include <dirent.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- names ------------------------------------------------------------------------------------ */

static int find_name(const struct disk_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->at[i].name, name) == 0)
            return (int)i;
    return -1;
}

static void put_name(struct disk_names *names, const char *name, int inode)
{
    int at = find_name(names, name);
    if (at < 0 && names->count == DISK_NAMES)
        errx(1, "too many names: %s", name);
    if (at < 0)
        at = (int)names->count++;
    rig_format(names->at[at].name, DISK_NAME_SIZE, "%s", name);
    names->at[at].inode = inode;
}

static void drop_name(struct disk_names *names, const char *name)
{
    int at = find_name(names, name);
    if (at >= 0)
        names->at[at] = names->at[--names->count];
}

static int compare(const void *a, const void *b) { return strcmp(a, b); }

/* The names of a directory after a choice of what was done to them; sorted. */
static struct disk_names names_of(const struct disk_inode *inode, const struct disk_way *way)
{
    struct disk_names names = *inode->names;
    for (size_t i = 0; i < inode->count; i++) {
        const struct disk_op *op = inode->since[i];
        if (!(way->there >> i & 1))
            continue;
        if (op->change == DISK_DROP)
            drop_name(&names, op->name);
        else if (op->change == DISK_RENAME)
            drop_name(&names, op->old);
        if (op->change != DISK_DROP)
            put_name(&names, op->name, op->other);
    }
    qsort(names.at, names.count, sizeof(names.at[0]), compare);
    return names;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void grow(char **text, size_t *length, size_t to)
{
    if (to <= *length)
        return;
    if (!(*text = realloc(*text, to)))
        err(1, "bytes");
    memset(*text + *length, 0, to - *length);
    *length = to;
}

/* The bytes of a file after such a choice; the caller's. */
static struct disk_bytes bytes_of(const struct disk_inode *inode, const struct disk_way *way)
{
    size_t length = 0;
    char *text = malloc(1);
    grow(&text, &length, inode->bytes.length);
    if (length)
        memcpy(text, inode->bytes.at, length);
    for (size_t i = 0; i < inode->count; i++) {
        const struct disk_op *op = inode->since[i];
        bool torn = (int)i == way->torn;
        if (!torn && !(way->there >> i & 1))
            continue;
        if (op->change == DISK_TRUNCATE) {
            grow(&text, &length, op->offset);
            length = op->offset;
            continue;
        }
        size_t part = torn ? way->length : op->bytes.length;
        grow(&text, &length, part ? op->offset + part : 0);
        memcpy(text + op->offset, op->bytes.at, part);
        if (torn && way->zeros)
            grow(&text, &length, op->offset + op->bytes.length);
    }
    return (struct disk_bytes){text, length};
}

/* --- the disk --------------------------------------------------------------------------------- */

static const struct disk_way everything = {.there = UINT64_MAX, .torn = -1};

static int add_inode(struct disk *disk, bool directory)
{
    static const struct disk_names none;
    if (disk->count == DISK_INODES)
        errx(1, "too many inodes");
    disk->inodes[disk->count] = (struct disk_inode){.directory = directory, .names = &none};
    return disk->count++;
}

static void load(struct disk *disk, const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0 || (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)))
        errx(1, "no file and no directory: %s", path);
    int inode = add_inode(disk, S_ISDIR(st.st_mode));
    if (S_ISREG(st.st_mode)) {
        struct disk_bytes *bytes = &disk->inodes[inode].bytes;
        bytes->at = rig_read(path, &bytes->length);
        return;
    }
    struct disk_names *names = calloc(1, sizeof(*names));
    DIR *dir = opendir(path);
    if (!names || !dir)
        err(1, "%s", path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        put_name(names, entry->d_name, disk->count);
        load(disk, RIG_PATH("%s/%s", path, entry->d_name));
    }
    closedir(dir);
    disk->inodes[inode].names = names;
}

void disk_load(struct disk *disk, const char *path)
{
    disk->count = 0;
    load(disk, path);
}

static void sync_inode(struct disk_inode *inode)
{
    if (inode->count == 0)
        return;
    if (inode->directory) {
        struct disk_names *names = malloc(sizeof(*names));
        if (!names)
            err(1, "names");
        *names = names_of(inode, &everything);
        inode->names = names;
    } else {
        inode->bytes = bytes_of(inode, &everything);
    }
    inode->count = 0;
}

void disk_apply(struct disk *disk, const struct disk_op *op)
{
    struct disk_inode *inode = &disk->inodes[op->inode];
    if (op->change == DISK_SYNC) {
        sync_inode(inode);
        return;
    }
    if (inode->count == DISK_SINCE)
        errx(1, "too many changes between two syncs");
    inode->since[inode->count++] = op;
    if (op->change == DISK_PUT && op->other == disk->count)
        add_inode(disk, op->directory);
}

int disk_find(const struct disk *disk, int directory, const char *name)
{
    struct disk_names names = names_of(&disk->inodes[directory], &everything);
    int at = find_name(&names, name);
    return at < 0 ? -1 : names.at[at].inode;
}

int disk_parent(const struct disk *disk, int directory)
{
    for (int i = 0; i < disk->count; i++) {
        if (!disk->inodes[i].directory)
            continue;
        struct disk_names names = names_of(&disk->inodes[i], &everything);
        for (size_t k = 0; k < names.count; k++)
            if (names.at[k].inode == directory)
                return i;
    }
    return -1;
}

size_t disk_size(const struct disk *disk, int inode)
{
    struct disk_bytes bytes = bytes_of(&disk->inodes[inode], &everything);
    free((char *)bytes.at);
    return bytes.length;
}

/* --- trees ------------------------------------------------------------------------------------ */

static const struct disk_way *way_of(const struct disk_cut *cut, int inode)
{
    for (size_t i = 0; cut && i < cut->count; i++)
        if (cut->parts[i].inode == inode)
            return &cut->parts[i].ways[cut->parts[i].chosen];
    return &everything;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 0x100000001b3;
    return hash * 31 + length;
}

static uint64_t hash_inode(const struct disk *disk, const struct disk_cut *cut, int number)
{
    const struct disk_inode *inode = &disk->inodes[number];
    uint64_t hash = 0xcbf29ce484222325 + inode->directory;
    if (!inode->directory) {
        struct disk_bytes bytes = bytes_of(inode, way_of(cut, number));
        hash = mix(hash, bytes.at, bytes.length);
        free((char *)bytes.at);
        return hash;
    }
    struct disk_names names = names_of(inode, way_of(cut, number));
    for (size_t i = 0; i < names.count; i++) {
        uint64_t below = hash_inode(disk, cut, names.at[i].inode);
        hash = mix(hash, names.at[i].name, strlen(names.at[i].name));
        hash = mix(hash, &below, sizeof(below));
    }
    return hash;
}

uint64_t disk_hash(const struct disk *disk, const struct disk_cut *cut)
{
    return hash_inode(disk, cut, 0);
}

/* `made`: the path at which an inode is already, by number; further names are links to it. */
static void make_inode(const struct disk *disk, const struct disk_cut *cut, int number,
                       const char *path, char *made[])
{
    const struct disk_inode *inode = &disk->inodes[number];
    if (made[number]) {
        if (link(made[number], path) != 0)
            err(1, "%s", path);
        return;
    }
    if (!inode->directory) {
        struct disk_bytes bytes = bytes_of(inode, way_of(cut, number));
        rig_write(path, bytes.at, bytes.length);
        free((char *)bytes.at);
        made[number] = strdup(path);
        return;
    }
    struct disk_names names = names_of(inode, way_of(cut, number));
    if (mkdir(path, 0700) != 0)
        err(1, "%s", path);
    for (size_t i = 0; i < names.count; i++)
        make_inode(disk, cut, names.at[i].inode, RIG_PATH("%s/%s", path, names.at[i].name), made);
}

void disk_make(const struct disk *disk, const struct disk_cut *cut, const char *path)
{
    char *made[DISK_INODES] = {0};
    rig_remove(path);
    make_inode(disk, cut, 0, path, made);
    for (int i = 0; i < disk->count; i++)
        free(made[i]);
}
