/* A disk that knows what is safe on it, and every tree that a power cut may leave of it. */
#ifndef FAULT_DISK_H
#define FAULT_DISK_H

#include "fault/lib/trace.h"

#include <stdint.h>

/*
 * A file keeps what it held when it was last synced, and what was written to it since; a directory
 * the same of its names. What a cut leaves of the things since is the model:
 *
 *   a file        the first of its writes, the last of them in part or as zeros of its length, or
 *                 all but one of them;
 *   a directory   any of its changes and not the others (a rename is one change), as syncing a
 *                 file syncs no name of it;
 *
 * each file and each directory by itself. An inode that no name leads to is lost.
 */
#define DISK_INODES 96
#define DISK_SINCE 40  /* changes of one inode between two syncs */
#define DISK_NAMES 40  /* of one directory */
#define DISK_NAME_SIZE 96

struct disk_bytes {
    const char *at;
    size_t length;
};

struct disk_names {
    size_t count;
    struct {
        char name[DISK_NAME_SIZE];
        int inode;
    } at[DISK_NAMES];
};

enum disk_change {
    DISK_WRITE,    /* bytes at offset */
    DISK_TRUNCATE, /* to offset */
    DISK_SYNC,
    DISK_PUT,      /* `name` in the directory `inode` is `other`, a new inode if it is not there */
    DISK_DROP,     /* `name` goes from the directory `inode` */
    DISK_RENAME,   /* both: `old` of it becomes `name`, which is `other` */
};

struct disk_op {
    enum disk_change change;
    int inode, other;
    bool directory; /* is what a DISK_PUT makes one? */
    size_t offset;
    struct disk_bytes bytes;
    char name[DISK_NAME_SIZE], old[DISK_NAME_SIZE];
};

/* What it held is never changed, shared by copies, and lasts as long as the process; so are ops. */
struct disk_inode {
    bool directory;
    struct disk_bytes bytes;        /* of a file, when it was last synced */
    const struct disk_names *names; /* of a directory */
    const struct disk_op *since[DISK_SINCE];
    size_t count;
};

/* Copies by =. Inode 0 is the directory in which all others are. */
struct disk {
    struct disk_inode inodes[DISK_INODES];
    int count;
};

/* The tree at `path` as it is, all of it safe. */
void disk_load(struct disk *disk, const char *path);

/* `op` must last as long as the disk. */
void disk_apply(struct disk *disk, const struct disk_op *op);

/* As they are now, or -1: the inode of a name; the directory in which a directory is. */
int disk_find(const struct disk *disk, int directory, const char *name);
int disk_parent(const struct disk *disk, int directory);
size_t disk_size(const struct disk *disk, int inode);

/* --- cuts ------------------------------------------------------------------------------------- */

#define DISK_WAYS 64

/* What of the changes of one inode is there: bit i the change i; of the write `torn` (-1: none)
 * the first `length` bytes, and, with `zeros`, zeros for the rest of it. */
struct disk_way {
    uint64_t there;
    int torn;
    size_t length;
    bool zeros;
};

/* Way 0 of each: nothing of it is there; 1: everything. */
struct disk_part {
    int inode;
    size_t count, chosen;
    struct disk_way ways[DISK_WAYS];
};
struct disk_cut {
    const struct disk *disk;
    size_t count;
    struct disk_part parts[DISK_INODES];
};

/*
 * Calls `fn` for each way in which the power may be cut now. All combinations of the inodes' ways
 * where there are at most `most`; otherwise, from nothing and from everything that is not safe,
 * each way of one inode, with `pairs` of two, and `most` combinations at random. Different cuts may
 * leave the same tree.
 */
typedef void (*disk_fn)(void *context, const struct disk_cut *cut);
void disk_cuts(const struct disk *disk, size_t most, bool pairs, unsigned *seed, disk_fn fn,
               void *context);

/* The tree that a cut leaves (NULL: that which is there without one): a number for it, and itself,
 * made at `path`. */
uint64_t disk_hash(const struct disk *disk, const struct disk_cut *cut);
void disk_make(const struct disk *disk, const struct disk_cut *cut, const char *path);

/* What the cut leaves of each inode, for a person. */
char *disk_describe(const struct disk_cut *cut, char *to, size_t size);

/* --- recording -------------------------------------------------------------------------------- */

#define DISK_FDS 64
#define DISK_OPS 256

/* What a program does below `root`, as ops of `disk`, which has them applied. */
struct disk_record {
    const char *root;
    struct disk *disk;
    size_t count;
    const struct disk_op *ops[DISK_OPS];
    struct {
        int inode; /* +1; 0: none of ours */
        size_t offset;
    } fds[DISK_FDS];
};

/* The trace_fn of it; its context is the record. A call that could change a file in a way that is
 * not known here ends the program. */
void disk_record_call(void *context, const struct trace_call *call);

#endif
