/* A real terminal for tests: tmux. */
#include "support/screen.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static const char *server;

void screen_begin(void)
{
    cli_begin();
    server = cli_format("%s/tmux", cli_home());
}

void screen_end(void)
{
    tmux("kill-server");
    cli_end();
}

bool screen_open(int columns, const char *what)
{
    if (cli_with((struct cli_options){.plain = true}, "sh -c 'command -v tmux'").status != 0) {
        fprintf(stderr, "SKIPPED: tmux is missing: nothing is known of %s on a terminal\n", what);
        return false;
    }
    cli_env(cli_format("GRID=%s", cli_program()));
    cli_expect(tmux(cli_format("new-session -d -x %d -y 24 'bash --norc --noprofile -i'",
                               columns)), 0);
    return true;
}

struct cli_result tmux(const char *words)
{
    return cli_with((struct cli_options){.plain = true}, "tmux -S %s -f /dev/null %s", server,
                    words);
}

const char *screen(void)
{
    return tmux("capture-pane -p -t 0").out;
}

void shows(const char *text)
{
    bool wanted = *text != '!';

    for (int i = 0; i < 1000; i++, poll(NULL, 0, 20))
        if ((strstr(screen(), text + !wanted) != NULL) == wanted)
            return;
    cr_expect_fail("'%s' in:\n%s", text, screen());
}
