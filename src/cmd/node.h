/* What the verbs of `node` and `policy` share. */
#ifndef CMD_NODE_H
#define CMD_NODE_H

#include "cmd/cmd.h"

/* "cpu=16": a resource and its amount, which may be 0; -1 for "none". EUSAGE; the hint may make use
 * of the word that comes next (or NULL). */
int node_amount(const char *word, const char *next, char ret_resource[static GRID_RESOURCE_SIZE],
                int64_t *ret_amount_u, struct grid_error *err);

/* Warns, in any case, of a resource that is probably a well-known one mistyped ("mem", "gpus",
 * "memroy"). */
void node_warn(struct cmd *cmd, const char *resource);

/* The keys of the policy, as typed, up to NULL: a text_next_fn. */
const char *policy_key_next(void *context, size_t index);

/* Makes the change of one node, and prints the node as it is then, all in one transaction. */
int node_change(struct cmd *cmd, struct grid_node_change *change, struct grid_error *err);

#endif
