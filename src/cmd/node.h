/* What the verbs of `node` and `policy` share. */
#ifndef CMD_NODE_H
#define CMD_NODE_H

#include "cmd/cmd.h"

/* "cpu=16": a resource and its amount, which may be 0; -1 for "none". EUSAGE. */
int node_amount(struct cmd *cmd, const char *word, char ret_resource[static GRID_RESOURCE_SIZE],
                int64_t *ret_amount_u, struct grid_error *err);

/* Prints one node as it is now in the ledger, after a change (brief) or for `node show`. */
int node_print(struct cmd *cmd, const char *name, bool whole, struct grid_error *err);

/* The name typed as argument `index`, or else this host's. EUSAGE. */
int node_name(struct cmd *cmd, size_t index, const char **ret, struct grid_error *err);

#endif
