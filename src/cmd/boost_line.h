/* A line of a batch: a call within the call. */
#ifndef CMD_BOOST_LINE_H
#define CMD_BOOST_LINE_H

#include "cmd/boost.h"

/* A call of its own that uses the store of the outer one, and what it came to. Not to be moved. */
struct boost_line {
    char *text, **words; /* what cmd and op point into */
    struct cmd cmd;
    struct boost_op op;
    int rc; /* of reading it, then of doing it */
    struct grid_error err;
};

/* Makes a line ready, a zeroed one or one that had nothing in it; `number` is for its errors. */
void boost_line_begin(struct boost_line *line, const struct cmd *outer, size_t number);

/* Reads a request, a release or an extension; the hook pre-request has its say. 1: there is nothing
 * in `text`. EUSAGE, also for what makes sense only for a call alone; EPERM, ENEVER, ENOMEM. */
int boost_line_read(struct boost_line *line, const struct cmd *outer, const char *text,
                    struct grid_error *err);

/* Takes a zeroed one, too. */
void boost_line_release(struct boost_line *line);

#endif
