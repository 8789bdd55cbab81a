/* On a terminal: questions before much is ended, colours, and what fits into a narrow one. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <string.h>

static void begin(void)
{
    cli_begin();
    cli_expect(cli("boost request a cpu 1 -q --reason first"), 0);
    cli_expect(cli("boost request b cpu 2 -q --reason second"), 0);
}

TestSuite(terminal, .init = begin, .fini = cli_end);

/* Runs `grid WORDS` on a pseudo-terminal; `answer` is typed. Its status is that of grid. */
static struct cli_result on_terminal(const char *answer, const char *words)
{
    return cli_shell("printf '%s' | TERM=xterm script -qec \"$GRID %s\" /dev/null", answer,
                     words);
}

Test(terminal, ends_boosts_when_somebody_agrees)
{
    struct cli_result result = on_terminal("n\\n", "boost release --all");

    cli_has(result.out, "release 2 boosts?");
    cli_has(result.out, "nothing was released");
    cr_expect_eq(cli_boosts(), 2);
    result = on_terminal("y\\n", "boost release --all --node a");
    cli_has(result.out, "release 1 boost?");
    cli_expect(result, 0);
    cr_expect_eq(cli_boosts(), 1);
    on_terminal("", "boost release --all");
    cr_expect_eq(cli_boosts(), 1, "released without an answer");
    cli_expect(on_terminal("y\\n", "boost release --all -q"), 0);
    cr_expect_eq(cli_boosts(), 0);
}

Test(terminal, asks_nobody_who_cannot_answer)
{
    cli_expect(cli("boost release --all"), 2);
    cli_expect(on_terminal("y\\n", "boost release --all -o json"), 2);
    cr_expect_eq(cli_boosts(), 2);
}

static const struct {
    const char *before, *words;
    bool colours;
} shows[] = {
    {"TERM=xterm", "boost status", true},
    {"TERM=dumb", "boost status", false},
    {"TERM=", "boost status", false},
    {"TERM=xterm NO_COLOR=1", "boost status", false},
    {"TERM=xterm NO_COLOR=", "boost status", true},
    {"TERM=xterm", "boost status --color never", false},
    {"TERM=dumb", "boost status --color always", true},
    {"TERM=xterm", "boost status -o json", false},
};

Test(terminal, is_shown_colours_if_it_has_some)
{
    for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
        struct cli_result result = cli_shell("%s script -qec \"$GRID %s\" /dev/null",
                                             shows[i].before, shows[i].words);

        cr_expect_eq(strstr(result.out, "\033[") != NULL, shows[i].colours, "%s %s: %s",
                     shows[i].before, shows[i].words, result.out);
    }
}

Test(terminal, that_is_narrow_gets_fewer_columns)
{
    struct cli_result wide, narrow;

    wide = cli_shell("TERM=dumb script -qec \"stty cols 200; $GRID boost status\" /dev/null");
    narrow = cli_shell("TERM=dumb script -qec \"stty cols 40; $GRID boost status\" /dev/null");
    cli_expect(wide, 0);
    cli_expect(narrow, 0);
    cr_expect_gt(strcspn(wide.out, "\n"), strcspn(narrow.out, "\n"));
    cli_expect(cli_shell("TERM=dumb LC_ALL=C script -qec \"$GRID boost status\" /dev/null"), 0);
}

Test(terminal, suggests_names_that_were_nearly_right)
{
    cli_expect(cli("boost request gpu-master cpu 1 --source gpu1 -q"), 0);
    cli_has(cli("boost status --node gpu-mastr").err, "did you mean 'gpu-master'");
    cli_has(cli("boost status --source gpu11").err, "did you mean 'gpu1'");
    cr_expect_null(strstr(cli("boost status --node zzz").err, "did you mean"));
}
