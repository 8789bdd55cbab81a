/* What the verbs of `boost` share. */
#ifndef CMD_BOOST_H
#define CMD_BOOST_H

#include "cmd/cmd.h"

#include <uuid/uuid.h>

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

/* A request as it is typed, and room for what its strings point at. The options are those of
 * boost_wishes. */
struct boost_request {
    struct grid_request grid;
    char ids[GRID_GROUP_MOST][UUID_STR_LEN], resources[GRID_NEEDS_MOST][GRID_RESOURCE_SIZE];
    const char *id_list[GRID_GROUP_MOST];
};
extern const struct cmd_option boost_wishes[];
int boost_request_read(struct cmd *cmd, struct boost_request *ret, struct grid_error *err);

/* Why a request was refused, as it is told: lines for people, and JSON. */
struct boost_reasons {
    struct cmd *cmd;
    struct grid_explain explain; /* for grid_ledger_request */
    struct buffer lines;
    struct json json;            /* onto cmd->details */
    bool blocking;               /* the boosts in the way have begun */
};
void boost_reasons_begin(struct cmd *cmd, struct boost_reasons *ret);
/* After the decision: ends the JSON, or drops it when `rc` is no refusal. */
void boost_reasons_end(struct boost_reasons *reasons, int rc);

#endif
