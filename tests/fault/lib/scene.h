/* What is done to a ledger in the torture: the ledgers to begin with, and the commands. */
#ifndef FAULT_SCENE_H
#define FAULT_SCENE_H

#include "fault/lib/rig.h"

/*
 * A ledger to begin with. `from`: another one, which this one goes on from. Each step is the words
 * of a command that must end with 0, or one of
 *     !fill      requests, until the next commit moves events to history.jsonl
 *     !cut       the state file loses its last bytes
 *     !forget    the generations go
 *     !foreign   the state becomes what the original would have written of it
 *     !document  the ledger `managed`, exported to export.json in the directory
 *     !grow      history.jsonl becomes so large that the next commit closes it
 *     !waiter    somebody waits for all that `a` has, and is killed: a ticket, for a hundred years
 * "ID" in a step or a scene is the id that the first request of the ledger printed, DIR the ledger,
 * WORK where all of them lie.
 */
struct template {
    const char *name, *from;
    const char *steps[8];
};

enum scene_flag {
    SCENE_TIDIES = 1,  /* reads; what it writes meanwhile it may leave to others: 0 either way */
    SCENE_DAMAGED = 2, /* the template is: the damaged bytes must be kept */
    SCENE_UNSEEN = 4,  /* what it does is not seen in a view */
    SCENE_LINES = 8,   /* of its input any may be done, and others not */
    SCENE_SLOW = 16,   /* not in the quick set */
};

/*
 * One command. `next` (NULL: a request) is what is run after a fault, and must end with 0; and
 * `then` (NULL: nothing). `commits` (0: one): how many states it makes one after the other, each
 * of which may be the one that a fault leaves. `says` must be in a message of status 1 when all is
 * done (NULL: an id of the ledger).
 */
struct scene {
    const char *name, *template, *words, *input, *next, *then, *says;
    unsigned flags;
    int commits;
};

#define SCENE_NEXT "boost request m gpu 1 -q --reason next"
/* What comes after that, in each ledger; and where backups are made, which tidy themselves. */
#define SCENE_AFTER "policy set default_duration=2h -q"
#define SCENE_BACKUP "backup create --name after -q"

extern const struct template scene_templates[];
extern const struct scene scenes[];
extern const size_t scenes_count;

/* The scene of that name; there is one, or the program ends. */
const struct scene *scene_find(const char *name);

/* Makes all templates below rig->work, which is empty; then what ends in a second has ended. A step
 * that fails ends the program. */
void scene_prepare(const struct rig *rig);

/* Where the template of that name is. */
char *scene_directory(const struct rig *rig, const char *name, char ret[static 4096]);

/* The words as they are for a ledger in `directory`, made from the template. */
char *scene_words(const struct rig *rig, const char *template, const char *words,
                  const char *directory, char ret[static 4096]);

#endif
