/* Completion, by the three real shells, and the hidden command that serves them. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define ID "515744a0-b524-4565-af67-9be9d3367a2c" /* of sample 03 */

static void begin(void)
{
    char *bytes;
    size_t length;

    cli_begin();
    bytes = cli_read(cli_source("tests/samples/boosts/03_three_types_pg_and_never.json"), &length);
    cr_assert(bytes);
    cli_write(cli_data("resource_boosts.json"), bytes, length);
    cli_shell("mkdir $HOME/bin; printf '#!/bin/sh\\nexec %%s \"$@\"\\n' \"$GRID\" >$HOME/bin/grid\n"
              "chmod +x $HOME/bin/grid");
    cli_env(cli_format("PATH=%s/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", cli_home()));
}

TestSuite(complete, .init = begin, .fini = cli_end);

static const struct {
    const char *line;
    const char *offers, *lacks; /* words divided by spaces */
} cases[] = {
    {"grid ", "boost store", "request"},
    {"grid bo", "boost", "store"},
    {"grid boost re", "request release", "status"},
    {"grid boost request gpu-master cpu 1 --pri", "--priority", "--duration"},
    {"grid boost request gpu-master cpu 1 --priority ", "low normal high critical", "--priority"},
    {"grid boost request gpu-master ", "cpu gpu memory", "low"},
    {"grid boost release 51", ID, "5b36ba96-1f0e-4c39-9d2f-0d1a4f7a0c11"},
    {"grid boost show ", ID " b5a5606c-8216-4985-83de-e22b2eebf59a", "request"},
    {"grid boost status --node ", "gpu-master", "request"},
    {"grid boost status -o ", "json csv table jsonl id", "boost"},
    {"grid help boost st", "status", "request"},
    {"grid policy set ", "enabled= max_duration= quota.cpu= quota.fpga=", "cpu= show"},
    {"grid policy set quota.m", "quota.memory=", "quota.cpu="},
    {"grid policy unset ", "enabled quota.fpga", "enabled="},
    {"grid node set gpu1 ", "cpu= fpga=", "gpu1 cpu"},
    {"grid node limit gpu1 --keep f", "fpga=", "cpu="},
    {"grid node set gpu1 --role ", "master worker", "gpu1"},
    {"grid boost request gpu1 fp", "fpga", "cpu"},
    {"grid boost status --columns ", "id source", "gpu1"},
    {"grid boost status --columns id,ta", "id,target", "id,source"},
    {"grid boost status --owner ", "", "gpu1"},
};

/* Is `word` a line of `text`, perhaps with a description behind it? */
static bool offered(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (!strncmp(at, word, length) && strchr(" \t\n", at[length]))
            return true;
    return false;
}

static void expect_words(const char *shell, size_t index, const char *text)
{
    char *words = (char *)cli_format("%s", cases[index].offers);

    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        cr_expect(offered(text, word), "%s: '%s' does not offer %s but: %s", shell,
                  cases[index].line, word, text);
    words = (char *)cli_format("%s", cases[index].lacks);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        cr_expect(!offered(text, word), "%s: '%s' offers %s: %s", shell, cases[index].line, word,
                  text);
}

/* Runs `script` once, which tries every line of $HOME/lines and puts the answers to number N into
 * $HOME/answer.N. */
static void expect_shell(const char *shell, const char *script)
{
    const char *lines = "", *before;
    struct cli_result result;

    if (cli_too_slow(shell))
        return;
    cli_expect(cli("node add gpu1 cpu=4 fpga=1"), 0);
    before = cli_state_text();
    cr_assert(cli_read(cli_source("completions/grid.bash"), NULL), "there is no completion");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        lines = cli_format("%s%s\n", lines, cases[i].line);
    cli_write(cli_format("%s/lines", cli_home()), lines, strlen(lines));
    result = cli_shell("cd '%s'\n%s", cli_source("."), script);
    cli_expect(result, 0);
    cr_expect_str_empty(result.err, "%s says: %s", shell, result.err);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *text = cli_read(cli_format("%s/answer.%zu", cli_home(), i + 1), NULL);

        cr_assert(text, "%s: no answer to '%s'", shell, cases[i].line);
        expect_words(shell, i, text);
    }
    cli_state_same(before, shell);
}

Test(complete, in_bash)
{
    expect_shell("bash",
                 "cat >$HOME/drive <<'E'\n"
                 "source completions/grid.bash\n"
                 "function=$(complete -p grid | sed -E 's/.*-F ([^ ]+).*/\\1/')\n"
                 "number=0\n"
                 "while IFS= read -r line; do\n"
                 "    number=$((number + 1))\n"
                 "    read -ra COMP_WORDS <<<\"$line\"\n"
                 "    [[ $line != *' ' ]] || COMP_WORDS+=('')\n"
                 "    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line}\n"
                 "    COMPREPLY=()\n"
                 "    $function grid \"${COMP_WORDS[COMP_CWORD]}\" "
                 "\"${COMP_WORDS[COMP_CWORD - 1]}\" 2>/dev/null\n"
                 "    printf '%s\\n' \"${COMPREPLY[@]}\" >$HOME/answer.$number\n"
                 "done <$HOME/lines\n"
                 "E\n"
                 "bash --norc --noprofile $HOME/drive\n");
}

Test(complete, in_fish)
{
    expect_shell("fish",
                 "cat >$HOME/drive <<'E'\n"
                 "source completions/grid.fish\n"
                 "set number 0\n"
                 "while read -l line\n"
                 "    set number (math $number + 1)\n"
                 "    complete -C $line >$HOME/answer.$number\n"
                 "end <$HOME/lines\n"
                 "E\n"
                 "fish --no-config $HOME/drive\n");
}

/* Completion works in an interactive zsh only: one on a pseudo-terminal for each line, in which
 * compadd also writes what it is given to a file. */
Test(complete, in_zsh)
{
    expect_shell("zsh",
                 "cat >$HOME/inner <<'E'\n"
                 "PROMPT= fpath=($PWD/completions $fpath)\n"
                 "autoload -Uz compinit && compinit -u -D\n"
                 "bindkey '^I' complete-word\n"
                 "compadd() {\n"
                 "    local -a hits\n"
                 "    if [[ \" $* \" != *' -'[OAD]' '* ]]; then\n"
                 "        builtin compadd -A hits \"$@\"\n"
                 "        (( $#hits )) && print -rl -- $hits >>$answer\n"
                 "    fi\n"
                 "    builtin compadd \"$@\"\n"
                 "}\n"
                 "finish() { print done >$answer.done }\n"
                 "comppostfuncs=(finish)\n"
                 "E\n"
                 "cat >$HOME/drive <<'E'\n"
                 "zmodload zsh/zpty\n"
                 "number=0\n"
                 "while IFS= read -r line; do\n"
                 "    export answer=$HOME/answer.$((++number))\n"
                 "    : >$answer\n"
                 "    zpty shell zsh -f -i\n"
                 "    zpty -w shell \"source $HOME/inner; print ready >$answer.ready\"\n"
                 "    for try in {1..300}; do [[ -e $answer.ready ]] && break; sleep 0.02; done\n"
                 "    zpty -w -n shell \"$line\"$'\\t'\n"
                 "    for try in {1..300}; do [[ -e $answer.done ]] && break; sleep 0.02; done\n"
                 "    zpty -d shell\n"
                 "done <$HOME/lines\n"
                 "E\n"
                 "zsh -f $HOME/drive 2>/dev/null\n");
}

static void expect_nothing(const char *why)
{
    struct cli_result result = cli("__complete boost release ''");

    cr_expect_eq(result.status, 0, "%s: status %d", why, result.status);
    cr_expect_str_empty(result.err, "%s: %s", why, result.err);
    cr_expect_str_empty(result.out, "%s: %s", why, result.out);
}

Test(complete, is_silent_whatever_happens)
{
    static const char *const words[] = {"boost release ''", "boost request gpu-master ''",
                                        "nosuch ''", "boost nosuch ''", "''", "boost show --",
                                        "boost request '\033[31m' ''"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct cli_result result = cli("__complete %s", words[i]);

        cli_expect(result, 0);
        cr_expect_str_empty(result.err);
    }
    cli_has(cli("__complete boost release ''").out, ID "\t");
    cli_shell("printf '{' >$DATA/resource_boosts.json");
    expect_nothing("damaged");
    cr_expect_eq(cli_files("lock"), 0, "it locks");
    cli_env("GRID_DATA_DIR=/dev/null/x");
    expect_nothing("no directory");
    cli_env("GRID_STORE=nosuch:x");
    expect_nothing("no store");
    cr_expect_str_empty(cli("__complete").err);
}

/* What is run is a command, with files: nothing of ours. */
Test(complete, offers_files_to_a_command)
{
    cr_expect_str_eq(cli("__complete boost run m cpu 1 -- ma").out, ":file\n");
    cr_expect_str_eq(cli("__complete boost run m cpu 1 -- make --o").out, ":file\n");
    cli_has(cli("__complete boost request m -- c").out, "cpu");
}

/* Beside what the shells try: corners of the hidden command itself. */
static const struct {
    const char *words, *has; /* "": nothing at all */
} corners[] = {
    {"boost status --output=js", "--output=json"},
    {"boost status --nosuch=js", ""},
    {"boost status --quiet=js", ""},
    {"boost status --columns ''", "id"},
    {"boost status --columns id,ta", "id,target"},
    {"boost show x y ''", ""},
    {"boost release x ''", ID},
    {"node import ''", ":file\n"},
    {"--data-dir ''", ":directory\n"},
    {"boost history --since ''", ""},
    {"boost request m cpu 1 --reason ''", ""},
    {"boost status --owner ''", "ann"},
    {"help boost request ''", ""},
};

Test(complete, in_corners)
{
    cli_expect(cli("boost request m cpu 1 --owner ann -q"), 0);
    for (size_t i = 0; i < sizeof(corners) / sizeof(corners[0]); i++) {
        struct cli_result result = cli("__complete %s", corners[i].words);

        cli_expect(result, 0);
        cr_expect(strstr(result.out, corners[i].has) && (*corners[i].has || !*result.out), "%s: %s",
                  corners[i].words, result.out);
    }
}
