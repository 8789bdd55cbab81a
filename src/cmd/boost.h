/* What the verbs of `boost` share. */
#ifndef CMD_BOOST_H
#define CMD_BOOST_H

#include "cmd/output.h"

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

/* "CPU 2.0 from gpu1". Returns `buffer`. */
#define BOOST_BRIEF_SIZE 512
char *boost_brief(const struct grid_boost *boost, char buffer[static BOOST_BRIEF_SIZE]);

/* The boost as lines "Label:  value"; `whole`: with all that is known. */
void boost_print(struct cmd *cmd, const struct grid_boost *boost, int64_t now_us, bool whole);

/* The JSON of one boost: itself, and the rows of the sheet; `replayed` (may be NULL) says whether
 * a request was. */
void boost_document(struct sheet *sheet, const struct grid_boost *boost, int64_t now_us,
                    const bool *replayed);

#endif
