/* What recoveries of the file driver begin with: a generation, brought forward by the history. */
#ifndef STORE_REPLAY_H
#define STORE_REPLAY_H

#include "store/changes.h"
#include "store/file.h"

#define REPLAY_BACK "back to revision " /* so begins the reason of a recovery's own event */

struct found {
    struct state state;
    int64_t revision;  /* of the generation */
    int64_t reached;   /* by the history */
    bool gap;          /* a revision on the way has no event */
    int64_t whole;     /* a ledger was taken over whole then, which no event does again; 0: none */
    bool torn;         /* a line on the way is none */
    bool needs_policy; /* a generation in which it does not read is none */
    bool keeps_boosts; /* what happened to boosts is not done again */
    char *lines;       /* what history.jsonl holds beyond what counts for it */
    struct buffer event; /* that tells of the recovery */
    struct grid_changes changes;
};

#define FOUND_INIT {.event = BUFFER_INIT, .changes = {.texts = BUFFER_INIT, .actor = ""}}
void replay_release(struct found *found);
#define auto_found __attribute__((cleanup(replay_release)))

/* Finds the newest generation that reads. 1: there is none; ENOMEM, EIO. */
int replay_find(const struct file_db *db, struct found *found, struct grid_error *err);

/*
 * Adds the events that history.jsonl holds beyond what counts for `state` (NULL: for nothing), and
 * that are newer than the state itself, to its pending ones. `redone` (may be NULL) gets what those
 * did that are newer than the generation which it is: an older file that was put back keeps its old
 * revision inside, but nothing from before may be done to it again. All of them are of commits that
 * were made; a torn line is the last that was written. *ret_lines is the caller's: the events point
 * into it.
 * ENOMEM, EIO.
 */
int replay_events(const struct file_db *db, struct state *state, struct found *redone,
                  char **ret_lines, struct grid_error *err);

/* The first half of it: if the history was closed since, or before what another program wrote, does
 * what the segments say that `state` (NULL: knows none) does not count, and lets it count them, and
 * nothing of history.jsonl. *ret_last: the last revision in them; 0: there were none. ENOMEM,
 * EIO. */
int replay_segments(const struct file_db *db, struct state *state, struct found *redone,
                    int64_t *ret_last, struct grid_error *err);

#endif
