/* Runs tables of scripts and of calls. */
#include "support/rows.h"
#include "support/cli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* is STATUS WORDS: that is what `grid WORDS` ends with, and it does not hang. */
static const char *const basis =
    "state=$DATA/resource_boosts.json history=$DATA/history.jsonl out=$HOME/out err=$HOME/err\n"
    "die() { echo \"$*\"; exit 1; }\n"
    "is() {\n"
    "    local want=$1 got; shift\n"
    "    timeout -k 1 30 ${as-} $GRID \"$@\" >$out 2>$err; got=$?\n"
    "    [ $got = $want ] || die \"status $got, not $want: $*: $(head -c 500 $out $err)\"\n"
    "}\n";

static void run_script(const char *helpers, const struct cli_script *row)
{
    struct cli_result result;

    if (row->many && cli_too_slow(row->name))
        return;
    cli_shell("chmod -R u+w $DATA; rm -rf $DATA");
    result = cli_shell("%s%s%s", basis, helpers, row->script);
    if (result.status == 77)
        fprintf(stderr, "NOT TESTED: %s: %s\n", row->name, result.out);
    else
        cr_expect_eq(result.status, 0, "%s: status %d: %.900s %.300s", row->name, result.status,
                     result.out, result.err);
}

void cli_scripts(const char *helpers, const struct cli_script *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_script(helpers, &rows[i]);
}

void cli_rows(const struct cli_row *rows, size_t count, const char *before)
{
    size_t step = count > 8 && cli_too_slow("every fourth of the calls") ? 4 : 1;

    for (const struct cli_row *row = rows; row < rows + count; row += step) {
        struct cli_result result = cli("%s", row->words);
        const char *more = strchr(result.err, '\n');

        cr_expect_eq(result.status, row->status, "%s: %d: %s", row->words, result.status,
                     result.err);
        cr_expect(strstr(result.err, row->says), "%s: no '%s' in: %s", row->words, row->says,
                  result.err);
        if (row->hint)
            cr_expect(more && strstr(more, row->hint), "%s: no '%s' behind: %s", row->words,
                      row->hint, result.err);
        if (before)
            cli_state_same(before, row->words);
    }
}
