/* The hooks of one call: events are noted as they are committed, and their hooks run afterwards. */
#ifndef CMD_HOOKS_H
#define CMD_HOOKS_H

#include "grid/ledger.h"
#include "util/text.h"

struct cmd;

/* Zero-initialized: nothing is known yet. */
struct hooks {
    bool looked;         /* which there are is known */
    unsigned there;      /* a bit for each of them */
    struct buffer noted; /* see hooks.c */
    size_t run;          /* how many bytes of `noted` are done with */
    struct buffer answers; /* ids of boosts or groups, and placement groups, each with a NUL */
    int beside;          /* see hooks_beside; 0: none */
};
void hooks_release(struct hooks *hooks);

/* Is there a hook of this name, not the one that we were called from? Looks once; without a
 * directory of hooks that is one system call. */
bool hooks_have(struct cmd *cmd, const char *name);

/* For struct grid_store_options: notes an event of a commit, with the struct cmd as context. */
void hooks_event(void *context, const struct grid_event *event);

/* Notes that the hook `name` is to be run for a boost (expiring, which is no event). */
void hooks_note(struct cmd *cmd, const char *name, const struct grid_boost *boost);

/*
 * Runs the hooks for what was noted, one after the other, and stores what `granted` answered. Not
 * within a transaction. cmd_main calls it after the verb; a verb calls it itself where something is
 * to follow: a command, or the printing of what was answered. A hook that fails is a warning. Waits
 * for those of hooks_run_beside first.
 */
void hooks_run(struct cmd *cmd);

/* The same in a child, after those before, for whoever has a lease to renew meanwhile. What they
 * answer is stored, but not known here. */
void hooks_run_beside(struct cmd *cmd);

/* Have those beside not ended yet? A descriptor that is readable when they may have; -1: none. */
int hooks_beside(struct cmd *cmd);

/* Puts the placement group that a hook answered with (the last answer counts for all of a group)
 * into a boost that was handed over before. */
void hooks_answer(const struct cmd *cmd, struct grid_boost *boost);

/* Asks the hook pre-request, if there is one. Before any transaction. ENEVER: it said no, or must
 * not be run; ENOMEM. */
int hooks_veto(struct cmd *cmd, const struct grid_request *request, struct grid_error *err);

#endif
