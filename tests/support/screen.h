/* A real terminal for tests: a shell with job control in tmux, what is typed, what it shows. */
#ifndef TESTS_SUPPORT_SCREEN_H
#define TESTS_SUPPORT_SCREEN_H

#include "support/cli.h"

/* cli_begin and cli_end with a tmux server of one's own: .init and .fini of a suite. */
void screen_begin(void);
void screen_end(void);

/* Opens a terminal of so many columns, and 24 lines, with a shell that has $GRID. Without tmux:
 * false, with a line that nothing is known of `what`. */
bool screen_open(int columns, const char *what);

/* Runs `tmux WORDS`. */
struct cli_result tmux(const char *words);

/* The text of the screen. */
const char *screen(void);

/* Waits until the screen shows a text, or ("!text") not any more. */
void shows(const char *text);

#endif
