/* grid boost status, once and again. */
#ifndef CMD_BOOST_WATCH_H
#define CMD_BOOST_WATCH_H

#include "cmd/boost.h"

/* Prints what is lent onto cmd->out, by the options of status. */
int boost_status(struct cmd *cmd, enum grid_mode mode, struct grid_error *err);

/*
 * status --watch: shows what is lent, and again when the ledger changes, when a boost ends, and
 * after the option's time. On a terminal it draws a screen; otherwise each boost is a line, and one
 * again when it has changed or ended. Returns 0 when INT, TERM or HUP ended it or nobody reads any
 * more; EUSAGE; errors of the store.
 */
int boost_watch(struct cmd *cmd, struct grid_error *err);

#endif
