/* What the verbs of `boost` share. */
#ifndef CMD_BOOST_H
#define CMD_BOOST_H

#include "cmd/cmd.h"

/* The options that choose boosts, and the filter that they come to. */
extern const struct cmd_option boost_filters[];

struct boost_choice {
    struct grid_boost_filter filter; /* points into the rest, and at argv */
    char resource[GRID_RESOURCE_SIZE];
};
int boost_choose(struct cmd *cmd, struct boost_choice *ret, struct grid_error *err);

/* A resource as typed; a note when it looks like a misspelt well-known one. EUSAGE. */
int boost_resource(struct cmd *cmd, const char *text, char ret[static GRID_RESOURCE_SIZE],
                   struct grid_error *err);

#endif
