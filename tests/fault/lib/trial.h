/* One command on one ledger, with a fault in it: what it may come to, and what must hold after. */
#ifndef FAULT_TRIAL_H
#define FAULT_TRIAL_H

#include "fault/lib/scene.h"

/* What an undisturbed run showed. */
struct trial {
    const struct scene *scene;
    char name[160];       /* as it is named in violations, and on the command line */
    char directory[4096]; /* the ledger before: copied for each point */
    char words[4096];     /* with DIR for where it is */
    const char *next, *then, *says; /* as the scene's; of the second of two, its own */
    unsigned flags;       /* enum scene_flag */
    char *old;            /* the view before, as it is */
    char **views;         /* masked: before, after each commit */
    size_t views_count;
    long *calls;          /* system calls, in their order; `count` of them */
    size_t count, capacity;
    size_t start;         /* the first of them that is not the loader's */
    char *bytes;          /* of the state file, if it is damaged, or was; they must be kept */
    size_t length;
};

/* Runs the words once in a copy of the directory; with words that are not the scene's it is what
 * comes second, after a fault in the scene. A scene that makes another number of states than
 * its row says is a violation. */
void trial_begin(struct trial *trial, const struct rig *rig, const struct scene *scene,
                 const char *directory, const char *words, const char *name);
void trial_release(struct trial *trial);

/* A fault at the system call `at` (from 0); error 0 kills. */
struct trial_fault {
    size_t at;
    int error;
    bool for_ever;
};
/* "KILL", "EIO", "EIO ever" */
const char *trial_fault_name(const struct trial_fault *fault);

/* Can this call fail at all? Those that cannot, and those after which nothing is left to look at,
 * are passed over. */
bool trial_can_fail(long call);

/* Where the state of the ledger in `directory` is in trial->views; -1: in none. */
int trial_state(const struct trial *trial, const char *directory);

/* Does a message of status 1 name what was done: what its row says, or an id of the ledger? */
bool trial_named(const struct trial *trial, const char *directory, const char *message);

/* Copies the ledger to `directory` and runs the command with the fault. Returns where the state is
 * in trial->views; -1: in none. `ret` (may be NULL): how the run ended. */
int trial_run(const struct trial *trial, const struct rig *rig, const char *directory,
              const struct trial_fault *fault, struct rig_result *ret);

/* trial_run, and every rule after it; violations say how to have that point again: `part` and the
 * trial's name. `slow`: `store check` by the program itself, too. */
void trial_point(const struct trial *trial, const struct rig *rig, const char *directory,
                 const struct trial_fault *fault, bool slow);

#endif
