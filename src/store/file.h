/* The file driver's parts: one ledger directory, and a transaction on it. */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include "store/state.h"
#include "util/clock.h"
#include "util/file.h"

#include <limits.h>

#define FILE_NAME_SIZE 256
#define FILE_GENERATIONS "generations"
#define FILE_PENDING_MOST 8192 /* bytes of events in the state file; more go to history.jsonl */
#define FILE_HISTORY_MOST (8 << 20) /* bytes of history.jsonl; then it is closed into a segment */

/* What tells one state file from the next. */
struct file_look {
    dev_t device;
    ino_t inode; /* 0: there was none */
    off_t size;
    struct timespec changed;
};

/*
 * All names below are relative to `dirfd`, the directory of the state file proper: behind a
 * symbolic link that is the directory of its target, because those who share a ledger must share
 * lock, history and generations.
 */
struct file_db {
    const struct grid_store_options *options;
    char data_dir[PATH_MAX - FILE_NAME_SIZE];
    char dir[PATH_MAX];
    char name[FILE_NAME_SIZE - 64]; /* of the state file */
    char history[FILE_NAME_SIZE]; /* history.jsonl */
    int dirfd, lock_fd;           /* -1: not open, not locked */
    struct state state;
    bool exists;
    bool linked;                  /* the data directory has only a link to it */
    bool shared;                  /* the directory belongs to a group that may write */
    struct stat stat;             /* of the state file; of the directory without one */
    struct file_look seen;        /* the state file that the last transaction read or wrote */
    int watch_fd;                 /* inotify; -1: not open */
    int64_t revision;             /* the highest known */
    int64_t noted;                /* the revision in the lock file; 0: none */
    int64_t told, noted_nodes;    /* also there: the last one with an event; how many nodes */
    bool salvaged;                /* the state is what could be read of damaged bytes */
    bool adopted;                 /* the state was another program's, and got our members back */
    int64_t now_us;
    enum grid_mode mode;          /* of the transaction */
};

/* A note for the person who called, in printf format. */
void file_note(const struct file_db *db, enum grid_note_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads and indexes `name`: 0; 1: it does not exist; ECORRUPT; EIO. `state` is to be released in
 * every case. `ret_stat` and `note` may be NULL. */
int file_load(const struct file_db *db, const char *name, struct state *state,
              struct stat *ret_stat, state_note_fn note, struct grid_error *err);

/* Step 1, first part: finds the ledger's directory and opens it (1: there is none; `make`: it is
 * made). file_end gives up everything. */
int file_find(struct file_db *db, bool make, struct grid_error *err);
void file_end(void *db);

/* The first half of it: names only. */
int file_locate(struct file_db *db, struct grid_error *err);

/* Reads the state file into db->state as it is; `tell`: with notes about records. ECORRUPT: it is
 * damaged, or missing though a revision is known. */
int file_load_state(struct file_db *db, bool tell, struct grid_error *err);

static inline int64_t file_later(int64_t a, int64_t b) { return a > b ? a : b; }

/* Step 2: which revision it is. What is of another program, or was put back, gets what it lacks. */
int file_find_revision(struct file_db *db, struct grid_error *err);

/* What is known of revisions apart from the state file itself: lock note, generations, history.
 * What cannot be read is not nothing: EIO, ENOMEM. */
int file_highest_elsewhere(const struct file_db *db, int64_t *ret, struct grid_error *err);

/* A new file takes the directory's owner when root makes it. */
void file_give(const struct file_db *db, int fd);
mode_t file_mode(const struct file_db *db);

/* --- lock.c --- */

void file_lock_name(const struct file_db *db, char ret[static FILE_NAME_SIZE]);

/* Step 1, second part: takes the lock, and reads the note in it. ETIMEOUT names who held it. */
int file_lock_ledger(struct file_db *db, int64_t timeout_us, struct grid_error *err);

/* Notes in the lock file who holds it, and db->noted and the like: what they were, or, after
 * file_note_commit, what they are. */
void file_note_lock(const struct file_db *db);
void file_note_commit(struct file_db *db, const struct state *state,
                      const struct state_commit *commit);

/* What is noted there, read without the lock. EIO. */
int file_peek_note(struct file_db *db, struct grid_error *err);

/* --- commit.c --- */

/* As the driver's commit. */
int file_commit(void *db, const struct grid_changes *changes, struct grid_error *err);

/* Steps 5 and 6: writes `commit` over `state` to a temporary file, durably, and renames it over
 * the state file. `generation` (0: none) is the number under which the old one is kept. */
int file_replace(struct file_db *db, const struct state *state, const struct state_commit *commit,
                 int64_t generation, struct grid_error *err);

/* Keeps the bytes of `name` under `other`, too: a link, or a copy where there are no links. 0 or
 * an errno value. An `other` that is the same file already is fine; another is replaced. */
int file_keep(const struct file_db *db, const char *name, const char *other);

/* Writes a file anew, as durable as a state before it is given its name. 0 or an errno value. */
int file_write_new(const struct file_db *db, const char *text, size_t length, const char *other);

/* Removes what a crash in the middle of that left beside the generations. */
void file_drop_copy(const struct file_db *db);

/* --- recover.c --- */

/* The numbers of the files in `directory` whose names are as `name` has them, from byte `prefix` of
 * the file's own name on; rising; *ret is the caller's. ENOMEM, EIO. */
typedef void (*file_name_fn)(const struct file_db *db, int64_t number,
                             char ret[static FILE_NAME_SIZE]);
int file_numbers(const struct file_db *db, const char *directory, size_t prefix,
                 file_name_fn name, int64_t **ret, size_t *ret_count, struct grid_error *err);

/* The numbers of the generations, rising; *ret is the caller's. ENOMEM, EIO. */
int recover_generations(const struct file_db *db, int64_t **ret, size_t *ret_count,
                        struct grid_error *err);
void recover_generation_name(const struct file_db *db, int64_t revision,
                             char ret[static FILE_NAME_SIZE]);

/*
 * Puts the newest generation that reads, brought forward by history, in the place of a state that
 * does not: in db->state, and, under the lock, in the file, the damaged bytes kept aside. `why`
 * goes into the warning. ECORRUPT when no generation reads: nothing is changed then.
 */
int recover_state(struct file_db *db, const char *why, struct grid_error *err);

/* The state file is an older one that was put back: keeps the events since, which are history. */
int recover_events(struct file_db *db, struct grid_error *err);

/* What counted of history.jsonl stands in a segment now: goes on behind the segments there are.
 * ENOMEM, EIO. */
int recover_segments(struct file_db *db, struct grid_error *err);

/* The original does not know our members of the state file, and drops them: takes them from the
 * newest generation that reads, brought forward by the events since. ENOMEM, EIO. */
int recover_adopt(struct file_db *db, struct grid_error *err);

/* For `store repair`: the policy of the newest generation in which one reads, brought forward in
 * the same way. 1: there is none. ENOMEM, EIO. */
int recover_policy(struct file_db *db, struct grid_policy *ret, struct grid_error *err);

/* Gives the damaged bytes of `name` a second name, before anything replaces them. EIO. */
int recover_set_aside(const struct file_db *db, const char *name,
                      char ret_name[static FILE_NAME_SIZE], struct grid_error *err);

/* Begins with what can be read of damaged bytes, of which file_commit keeps a copy: what else there
 * was is lost. `why` goes into the warning. ENOMEM, EIO. */
int recover_rest(struct file_db *db, const char *why, struct grid_error *err);

/* The sound records in damaged bytes, as the text of a state file in db->state, with the history
 * that is left, and db->revision the highest known. *ret_kept counts them. ENOMEM, EIO. */
int recover_salvage(struct file_db *db, size_t *ret_kept, struct grid_error *err);

/* --- history.c --- */

/* As the driver's events. */
int history_events(void *db, const struct grid_event_filter *filter, grid_event_fn fn,
                   void *context, struct grid_error *err);

/* Step 4: writes the pending events of the state to history.jsonl, durably, or closes that as a
 * segment, and notes in `commit` what counts then. 1: the disk is full, they stay pending. EIO,
 * ENOMEM. */
int history_move(const struct file_db *db, struct state_commit *commit, struct grid_error *err);

/* Step 7: writes what is pending now behind what counts, as a hint for recovery. */
void history_hint(const struct file_db *db, const struct state_commit *commit);

/* Hands over every line that counts and is an event, and what is pending, oldest first; stops at
 * non-zero and returns it. ENOMEM, EIO. */
typedef int (*history_line_fn)(void *context, struct span line, struct grid_error *err);
int history_each(const struct file_db *db, history_line_fn fn, void *context,
                 struct grid_error *err);

/* The text of history.jsonl from `offset` on, hints included; *ret is the caller's; "" when there
 * is none. */
int history_text(const struct file_db *db, int64_t offset, char **ret, size_t *ret_length,
                 struct grid_error *err);

/* Where the last whole line of history.jsonl ends that stands before the first event of revision
 * `before` or later. EIO, ENOMEM. */
int history_whole_lines(const struct file_db *db, int64_t before, int64_t *ret_bytes,
                        struct grid_error *err);

/* After the state was read: what counts of history.jsonl must be there. Where somebody has cut it,
 * what is left counts, less the hints of what is pending. EIO: it is no file, ...; ENOMEM. */
int history_settle(struct file_db *db, struct grid_error *err);

/* Calls fn for each line that counts and is no event, with where it begins; -1 when the file ends
 * before what counts. Returns how many events there are. EIO, ENOMEM. */
typedef int (*history_bad_fn)(void *context, int64_t offset, struct grid_error *err);
int64_t history_check(const struct file_db *db, history_bad_fn fn, void *context,
                      struct grid_error *err);

/* The revision of the last event of all, hints included; 0: none. EIO, ENOMEM. */
int history_last_revision(const struct file_db *db, int64_t *ret, struct grid_error *err);

/* --- segments.c: closed parts of the history, packed, numbered from 1 --- */

void segment_name(const struct file_db *db, int64_t number, char ret[static FILE_NAME_SIZE]);
bool segments_have(const struct file_db *db, int64_t number);

/* The numbers of those that are there, rising, whether they count or not; *ret is the caller's.
 * ENOMEM, EIO. */
int segments_list(const struct file_db *db, int64_t **ret, size_t *ret_count,
                  struct grid_error *err);

/* The text of one. 1: there is none; ECORRUPT: part of it does not unpack, `out` has the rest;
 * ENOMEM, EIO. */
int segment_text(const struct file_db *db, int64_t number, struct buffer *out,
                 struct grid_error *err);

/* Hands over the text of each that counts and may hold events of since_us (0: no bound) or later.
 * One that is missing or damaged is told; those before the first were swept. */
typedef int (*history_text_fn)(void *context, struct span text, struct grid_error *err);
int segments_each(const struct file_db *db, int64_t since_us, bool newest_first,
                  history_text_fn fn, void *context, struct grid_error *err);

/* Writes one, durably. EINTERNAL: zlib is not installed; EIO, ENOMEM. */
int segment_write(const struct file_db *db, int64_t number, const char *text, size_t length,
                  struct grid_error *err);

/* Writes what counts of history.jsonl as the segment after the last that counts. False: it could
 * not be written, which is told. */
bool segments_close(const struct file_db *db);

/* As the driver's sweep. */
int file_sweep(void *db, int64_t before_us, struct grid_error *err);

/* --- records.c --- */

/* As the driver's records. */
int file_records(void *db, grid_record_fn fn, void *context, struct grid_error *err);

/* --- watch.c --- */

static inline struct file_look file_look(const struct stat *stat)
{
    return (struct file_look){stat->st_dev, stat->st_ino, stat->st_size, stat->st_mtim};
}
bool file_looks(const struct file_look *look, const struct stat *stat);

/* As the driver's watch. */
int file_watch(void *db, int64_t wait_us, int stop_fd, struct grid_error *err);

/* --- init.c, check.c --- */

int file_init(void *db, int64_t group, struct grid_error *err);

int file_check(void *db, unsigned flags, grid_finding_fn fn, void *context,
               struct grid_error *err);

#endif
