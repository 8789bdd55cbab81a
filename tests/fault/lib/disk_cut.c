/* Every way in which a power cut may leave a disk. */
#include "fault/lib/disk.h"

#include "fault/lib/rig.h"

#include <stdio.h>
#include <string.h>

#define SUBSETS_MOST 5 /* changes of a directory of which all choices are tried */
#define SECTOR 512

/* --- the ways of one inode -------------------------------------------------------------------- */

static void add_way(struct disk_part *part, struct disk_way way)
{
    for (size_t i = 0; i < part->count; i++) {
        const struct disk_way *other = &part->ways[i];
        if (other->there == way.there && other->torn == way.torn && other->length == way.length
            && other->zeros == way.zeros)
            return;
    }
    if (part->count < DISK_WAYS)
        part->ways[part->count++] = way;
}

static void add_whole(struct disk_part *part, uint64_t there)
{
    add_way(part, (struct disk_way){.there = there, .torn = -1});
}

static uint64_t first(size_t count) { return (UINT64_C(1) << count) - 1; }

static void add_torn(struct disk_part *part, size_t at, size_t length)
{
    size_t parts[] = {0, length / 2, (length - 1) / SECTOR * SECTOR};
    for (size_t i = 0; i < 3; i++)
        for (int zeros = 0; zeros < 2; zeros++)
            if (parts[i] > 0 || zeros)
                add_way(part, (struct disk_way){first(at), (int)at, parts[i], zeros});
}

static void add_file_ways(const struct disk_inode *inode, struct disk_part *part)
{
    for (size_t i = inode->count; i-- > 0;) {
        if (inode->since[i]->change == DISK_WRITE && inode->since[i]->bytes.length > 0)
            add_torn(part, i, inode->since[i]->bytes.length);
        add_whole(part, first(i));
        add_whole(part, first(inode->count) & ~(UINT64_C(1) << i));
    }
}

static void add_directory_ways(const struct disk_inode *inode, struct disk_part *part)
{
    size_t n = inode->count;
    uint64_t all = first(n);
    for (uint64_t there = 0; n <= SUBSETS_MOST && there < all; there++)
        add_whole(part, there);
    for (size_t i = 0; n > SUBSETS_MOST && i < n; i++) {
        add_whole(part, first(i));
        add_whole(part, all & ~(UINT64_C(1) << i));
        add_whole(part, UINT64_C(1) << i);
        add_whole(part, all & ~first(i));
    }
}

/* The parts of the cut: the inodes of which something is not safe. */
static void find_parts(const struct disk *disk, struct disk_cut *cut)
{
    cut->disk = disk;
    cut->count = 0;
    for (int i = 0; i < disk->count; i++) {
        const struct disk_inode *inode = &disk->inodes[i];
        if (inode->count == 0)
            continue;
        struct disk_part *part = &cut->parts[cut->count++];
        part->inode = i;
        part->count = part->chosen = 0;
        add_whole(part, 0);
        add_whole(part, first(inode->count));
        if (inode->directory)
            add_directory_ways(inode, part);
        else
            add_file_ways(inode, part);
    }
}

/* --- their combinations ----------------------------------------------------------------------- */

static void choose_all(struct disk_cut *cut, size_t way)
{
    for (size_t i = 0; i < cut->count; i++)
        cut->parts[i].chosen = way;
}

static size_t product(const struct disk_cut *cut, size_t most)
{
    size_t combinations = 1;
    for (size_t i = 0; i < cut->count && combinations <= most; i++)
        combinations *= cut->parts[i].count;
    return combinations;
}

static void all_combinations(struct disk_cut *cut, disk_fn fn, void *context)
{
    choose_all(cut, 0);
    for (size_t i = 0; i < cut->count || i == 0;) {
        fn(context, cut);
        for (i = 0; i < cut->count; i++) {
            if (++cut->parts[i].chosen < cut->parts[i].count)
                break;
            cut->parts[i].chosen = 0;
        }
        if (i == cut->count)
            return;
    }
}

/* Each way of the parts from `from` on, the others as they are; `depth` parts at once. */
static void vary(struct disk_cut *cut, size_t from, int depth, disk_fn fn, void *context)
{
    for (size_t i = from; i < cut->count; i++) {
        struct disk_part *part = &cut->parts[i];
        size_t was = part->chosen;
        for (part->chosen = 0; part->chosen < part->count; part->chosen++) {
            fn(context, cut);
            if (depth > 1)
                vary(cut, i + 1, depth - 1, fn, context);
        }
        part->chosen = was;
    }
}

void disk_cuts(const struct disk *disk, size_t most, bool pairs, unsigned *seed, disk_fn fn,
               void *context)
{
    static struct disk_cut cut;
    find_parts(disk, &cut);
    if (product(&cut, most) <= most) {
        all_combinations(&cut, fn, context);
        return;
    }
    for (size_t way = 0; way < 2; way++) {
        choose_all(&cut, way);
        vary(&cut, 0, pairs ? 2 : 1, fn, context);
    }
    for (size_t i = 0; i < most; i++) {
        for (size_t k = 0; k < cut.count; k++)
            cut.parts[k].chosen = rig_random(seed, (unsigned)cut.parts[k].count);
        fn(context, &cut);
    }
}

/* --- in words --------------------------------------------------------------------------------- */

static const char *name_of(const struct disk *disk, int inode)
{
    for (int i = disk->count; i-- > 0;) {
        const struct disk_inode *directory = &disk->inodes[i];
        for (size_t k = directory->count; k-- > 0;)
            if (directory->since[k]->change != DISK_DROP && directory->since[k]->other == inode)
                return directory->since[k]->name;
        for (size_t k = 0; directory->directory && k < directory->names->count; k++)
            if (directory->names->at[k].inode == inode)
                return directory->names->at[k].name;
    }
    return "the root";
}

char *disk_describe(const struct disk_cut *cut, char *to, size_t size)
{
    size_t length = 0;
    to[0] = '\0';
    for (size_t i = 0; i < cut->count && length < size; i++) {
        const struct disk_part *part = &cut->parts[i];
        const struct disk_way *way = &part->ways[part->chosen];
        size_t most = cut->disk->inodes[part->inode].count;
        length += (size_t)snprintf(to + length, size - length, "%s%s: %#llx of %#llx",
                                   i ? ", " : "", name_of(cut->disk, part->inode),
                                   (unsigned long long)way->there,
                                   (unsigned long long)first(most));
        if (way->torn >= 0 && length < size)
            length += (size_t)snprintf(to + length, size - length, " and %zu bytes%s of %d",
                                       way->length, way->zeros ? " and zeros" : "", way->torn);
    }
    return to;
}
