/* The backups directory: whole copies of a ledger, each a directory of its own. */
#ifndef HOST_BACKUP_H
#define HOST_BACKUP_H

#include "grid/time.h"
#include "util/file.h"
#include "util/sha256.h"

#include <limits.h>

/*
 * DIR/backups/NAME/ holds the document (export.json, or export.json.gz) and manifest.json, which
 * says what it is and its SHA-256. A backup is written under a temporary name and renamed whole, so
 * what has a name is complete; one that is deleted is renamed first, so that half of one is never
 * listed. Whoever creates or deletes holds the lock of the directory; temporary names that are
 * found then are what a crash left, and go.
 *
 * Nothing here leaves the directory: names have no separators and no leading dot, and no link
 * within it is followed. What the document says is not known here.
 */

#define BACKUP_NAME_SIZE 129
#define BACKUP_STORE_SIZE 1024 /* a longer place is cut */

/* One backup, as its manifest says and its file was found. */
struct backup {
    char name[BACKUP_NAME_SIZE];
    bool sound;           /* manifest, size and sum are as they should be */
    bool unreadable;      /* now: it may well be sound */
    char reason[256];     /* of one that is not sound, or of a newer format: why */
    int64_t created_us;   /* 0: not known; */
    int64_t revision, boosts, size_bytes; /* -1: not known */
    int64_t export_bytes; /* of the document, when it was not compressed */
    char file[16], sha256[SHA256_TEXT_SIZE];
    char store[BACKUP_STORE_SIZE]; /* the place of the ledger that it is of; "": not known */
    bool elsewhere;       /* of another ledger than the present one; set by who knows that */
};

/* The directory, open. */
struct backups {
    char path[PATH_MAX]; /* for messages */
    int dirfd;           /* -1: there is none yet */
    int lock_fd;         /* -1: not locked */
    bool shared;         /* by a Unix group: modes 2770 and 0660 instead of 0700 and 0600 */
};

enum backups_mode {
    BACKUPS_READ,
    BACKUPS_CHANGE, /* locks it, if it is there, and removes what a crash left */
    BACKUPS_MAKE,   /* and makes it, with its parents, if it is not */
};

/* Opens DIR/backups. *ret is for backups_close. ETIMEOUT: another command has had the lock for
 * lock_timeout_us; EIO. */
int backups_open(const char *data_dir, enum backups_mode mode, int64_t lock_timeout_us,
                 struct backups *ret, struct grid_error *err);
void backups_close(struct backups *backups);
#define BACKUPS_INIT ((struct backups){.dirfd = -1, .lock_fd = -1})
#define auto_backups __attribute__((cleanup(backups_close)))

/* May a backup be called so? UTF-8 of 1 to 128 bytes that can be printed as it is, without '/' or
 * '\' and without a leading dot. EUSAGE. */
int backup_name_check(const char *name, struct grid_error *err);

/* --- creating --------------------------------------------------------------------------------- */

struct backup_writer;

/* What a manifest says of the document. */
struct backup_facts {
    int64_t created_us, revision, boosts;
    const char *version; /* of the program */
    const char *store;   /* its place, without a password; or NULL */
};

/*
 * Begins a backup in a directory opened with BACKUPS_MAKE. `name` NULL: after its time, made
 * unique. *ret is the caller's, for backup_finish or backup_drop. EUSAGE: the name; ECONFLICT:
 * there is one; EIO, EINTERNAL (libmd or zlib is not installed), ENOMEM.
 */
int backup_begin(struct backups *backups, const char *name, bool compress,
                 struct backup_writer **ret, struct grid_error *err);

/* Takes a piece of the document. `writer` is the struct backup_writer. Errors as backup_begin, of
 * earlier pieces, too. */
int backup_write(void *writer, const char *text, size_t length, struct grid_error *err);

/* Makes it durable and gives it its name; frees the writer in any case. EUNKNOWN: it has its name,
 * which may be lost when the power fails now. */
int backup_finish(struct backup_writer *writer, const struct backup_facts *facts,
                  struct backup *ret, struct grid_error *err);

/* Leaves nothing of it. Takes NULL. */
void backup_drop(struct backup_writer *writer);

/* --- looking, and deleting -------------------------------------------------------------------- */

/* Is the document, uncompressed, what its manifest says? ECORRUPT; ECONFLICT: it is sound, and of a
 * newer format; or what it is not read with. */
typedef int (*backup_check_fn)(const struct backup *backup, const struct buffer *text,
                               struct grid_error *err);

/* Hands over each backup, newest first, then by name; the sum of each is taken, and `check` (may
 * be NULL) looks at its document. One that is damaged, or cannot be read, is handed over as not
 * sound. Stops at non-zero and returns it; otherwise, in the end, why one cannot be read: EIO,
 * ENOMEM, EINTERNAL. */
typedef int (*backup_fn)(void *context, const struct backup *backup, struct grid_error *err);
int backups_each(const struct backups *backups, backup_check_fn check, backup_fn fn,
                 void *context, struct grid_error *err);

/*
 * Reads one backup: *ret in any case, and into `text` (an empty buffer, or NULL) its document. Of
 * one that is not sound ret->reason is why. EUSAGE: the name; ENOTFOUND; ECORRUPT: it is damaged,
 * or a link; EIO; ENOMEM; EINTERNAL; and those of `check` (may be NULL).
 */
int backup_read(const struct backups *backups, const char *name, backup_check_fn check,
                struct backup *ret, struct buffer *text, struct grid_error *err);

/* Deletes one, sound or not. ENOTFOUND; ECORRUPT: no directory; EUSAGE: the name; EIO. */
int backup_delete(const struct backups *backups, const char *name, struct grid_error *err);

/* What prune goes by. */
struct backups_rule {
    size_t keep;        /* so many of the newest sound ones stay */
    int64_t now_us;     /* one that is dated later was made by a clock that was wrong */
    const char *newest; /* the one that was just made, whatever its date; or NULL */
};

/* What is not counted, and kept. */
struct backups_kept {
    size_t damaged; /* they may be all that is left of something */
    size_t ahead;   /* dated in the future: nobody knows how old they are */
};

/* Keeps the newest sound backups and deletes the other sound ones, the oldest first; `fn` (may be
 * NULL) gets each that was deleted. *ret also of errors behind the listing. */
int backups_prune(const struct backups *backups, const struct backups_rule *rule, backup_fn fn,
                  void *context, struct backups_kept *ret, struct grid_error *err);

#endif
