/* Commands that hold a boost, and hooks, for tests. */
#ifndef SUPPORT_HELD_H
#define SUPPORT_HELD_H

#include "support/cli.h"

/* Seconds of a clock that never steps. */
double held_now(void);

/* A file in the home: waits until it is there with a whole line; "" if it does not come. */
const char *held_came(const char *name);

/* A running `grid boost run OPTIONS ... -- sh SCRIPT`. */
struct held {
    struct cli_child front;
    const char *id;
    int command;
};

/* `script` follows a line that lets us know of it. */
struct held held_begin(const char *options, const char *script);

bool held_lives(int pid);
bool held_ends(int pid, double seconds);

/* Installs a hook. */
void held_hook(const char *event, const char *script);

/* What hooks have written to $HOME/log is exactly this; it is emptied. */
void held_expect_log(const char *what, const char *expected);

#endif
