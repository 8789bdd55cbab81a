/* grid boost batch: lines as one would type them, few commits, and errors that name the line. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

TestSuite(batch, .init = cli_begin, .fini = cli_end);

static struct cli_result batch(const char *options, const char *lines)
{
    return cli_with((struct cli_options){.input = lines}, "boost batch %s", options);
}

static int count(const char *text, const char *part)
{
    int found = 0;

    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        found++;
    return found;
}

static void nodes(void)
{
    cli_expect(cli("node add lender cpu=4"), 0);
    cli_expect(cli("node add borrower cpu=1"), 0);
}

/* --- what a line may be ----------------------------------------------------------------------- */

static const struct {
    const char *line;
    int status;
    const char *says;
} lines[] = {
    {"", 0, ""},
    {"  # nothing", 0, ""},
    {"request b cpu 1 # x", 0, ""},
    {"request 'b' \"cpu\" 1 --reason 'two words'", 0, ""},
    {"request b cpu 1 -q --json --no-headings --columns ID -v --color never", 0, ""},
    {"release --all --yes", 0, ""},
    {"request b cpu", 2, "line 1: AMOUNT is missing"},
    {"request b cpu 0", 2, "line 1: "},
    {"request 'b cpu 1", 2, "line 1: column 9: the quote is not closed"},
    {"request b cpu 1 \\", 2, "line 1: column 17: nothing follows the backslash"},
    {"requst b cpu 1", 2, "did you mean 'request'"},
    {"request b cpu 1 --priorty low", 2, "--priority"},
    {"status", 2, "line 1: 'status' cannot be part of a batch"},
    {"run b cpu 1 -- true", 2, "'run' cannot be part of a batch"},
    {"batch", 2, "'batch' cannot be part of a batch"},
    {"grid boost request b cpu 1", 2, "line 1: unknown boost verb 'grid'\nleave out 'grid boost'"},
    {"boost request b cpu 1", 2, "line 1: unknown boost verb 'boost'\nleave out 'grid boost'"},
    {"lend b cpu 1", 2, "unknown boost verb 'lend'\nit takes request, release and extend"},
    {"lend request", 2, "unknown boost verb 'lend'\nit takes request, release and extend"},
    {"request b cpu 1 --reason two words", 2, "several words in quotes"},
    {"-q", 2, "VERB is missing"},
    {"--help", 2, "VERB is missing"},
    {"request b cpu 1 --help", 2, "'--help' cannot be part of a batch"},
    {"--data-dir /tmp request b cpu 1", 2, "'--data-dir' cannot be part of a batch"},
    {"request b cpu 1 --store file:/tmp", 2, "'--store' cannot be part of a batch"},
    {"request b cpu 1 -c /dev/null", 2, "'--config' cannot be part of a batch"},
    {"request b cpu 1 --lock-timeout 1s", 2, "'--lock-timeout' cannot be part of a batch"},
    {"request b cpu 1 --wait", 2, "'--wait' cannot be part of a batch"},
    {"request b cpu 1 --dry-run", 2, "'--dry-run' cannot be part of a batch"},
    {"release --all", 2, "--yes"},
    {"release abcdefgh", 3, "line 1: no boost 'abcdefgh'"},
    {"extend abcdefgh --by 1h", 3, "line 1: no boost 'abcdefgh'"},
    {"request b cpu 1 --source b", 5, "line 1: "},
};

Test(batch, tries_each_line)
{
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct cli_result result = batch("", cli_format("%s\n", lines[i].line)),
                          atomic = batch("--atomic", lines[i].line);

        cli_expect(result, lines[i].status);
        cli_expect(atomic, lines[i].status);
        cli_has(result.err, lines[i].says);
        cli_has(atomic.err, lines[i].says);
        cli_lacks(result.err, "try 'grid");
    }
}

Test(batch, goes_on_and_keeps_the_order)
{
    cJSON *status;
    struct cli_result result;
    const char *id;

    nodes();
    result = batch("", "request borrower cpu 3 -q\n\n"
                       "request borrower cpu 2 -q   # too much\n"
                       "release zzzzzzzz\n"
                       "request borrower cpu 1 --reason \"the 'last' one\"\n");
    cli_expect(result, 4);
    cr_expect_eq(result.out[36], '\n');
    cli_has(result.out + 37, "Boost ID:");
    cli_has(result.err, "grid: line 3: no node can lend now");
    cli_has(result.err, "grid: line 4: no boost 'zzzzzzzz'");
    cr_expect(strstr(result.err, "line 3") < strstr(result.err, "line 4"));
    id = cli_format("%.36s", result.out);
    status = cli_json(cli("boost status -o json").out);
    cr_expect_eq(cli_number(status, "boosted_resources.CPU"), 4);
    cr_expect_str_eq(cli_text(status, "boosts.0.reason"), "the 'last' one");
    status = cli_json(batch("-o json", "request borrower cpu 2\n").out);
    cr_expect_str_eq(cli_text(status, "results.0.error.code"), "no_capacity");
    cr_expect_str_eq(cli_text(status, "results.0.error.details.reasons.0.node"), "lender");
    cr_expect(cli_count(status, "results.0.error.details.blocking") > 0);
    /* What is released in one line is free in the next. */
    result = batch("-", cli_format("extend %.8s --by 30m\nrelease %s\n"
                                   "request borrower cpu 3 -q\n", id, id));
    cli_expect(result, 0);
    cli_has(result.out, cli_format("released %s", id));
    cr_expect_eq(cli_boosts(), 2);
}

/* --- how results are printed ------------------------------------------------------------------ */

#define MIXED "request b cpu 1 --request-id k\nrelease zzzzzzzz\nrequest c gpu 2\n"

Test(batch, prints_one_document)
{
    struct cli_result result = batch("-o json", MIXED);
    cJSON *document = cli_json(result.out), *alone;

    cli_expect(result, 3);
    cr_expect_eq(cli_number(document, "schema"), 1);
    cr_expect_eq(cli_count(document, "results"), 3);
    cr_expect_eq(cli_number(document, "results.0.line"), 1);
    cr_expect_eq(cli_number(document, "results.0.status"), 0);
    cr_expect_eq(cli_number(document, "results.1.status"), 3);
    cr_expect_str_eq(cli_text(document, "results.1.error.code"), "not_found");
    cr_expect_str_eq(cli_text(document, "results.2.boost.resource_type"), "GPU");
    cr_expect_null(cli_get(document, "results.0.schema"));
    alone = cli_json(cli("boost request b cpu 1 --request-id k -o json").out);
    cr_expect_str_eq(cli_text(document, "results.0.boost.boost_id"),
                     cli_text(alone, "boost.boost_id"));
    for (const cJSON *member = alone->child->next; member; member = member->next)
        cr_expect(cli_get(document, cli_format("results.0.%s", member->string)), "no %s",
                  member->string);
    for (char *line = strtok((char *)result.err, "\n"); line; line = strtok(NULL, "\n"))
        if (strstr(line, "\"error\""))
            cr_expect_eq(cli_number(cli_json(line), "error.line"), 2);
    document = cli_json(batch("-o json", "requst b cpu 1\n").out);
    cr_expect_str_eq(cli_text(document, "results.0.error.hint"), "did you mean 'request'?");
    result = batch("-o json", "# nothing\n");
    cli_expect(result, 0);
    cr_expect_eq(cli_count(cli_json(result.out), "results"), 0);
}

Test(batch, prints_a_line_for_each)
{
    struct cli_result result = batch("-o jsonl", MIXED);
    int number = 0;

    cli_expect(result, 3);
    for (char *line = strtok((char *)result.out, "\n"); line; line = strtok(NULL, "\n"))
        cr_expect_eq(cli_number(cli_json(line), "line"), ++number);
    cr_expect_eq(number, 3);
    result = batch("-q", MIXED);
    cli_expect(result, 3);
    cr_expect_eq(result.out_length, 2 * 37);
    cli_lacks(result.err, "note:");
    result = batch("-o csv", MIXED "release --all --yes\n");
    cr_expect_eq(count(result.out, "ID,SOURCE"), 1, "%s", result.out);
    cr_expect(count(result.out, "\n") >= 4);
    result = batch("-o csv --no-headings", MIXED);
    cr_expect_eq(count(result.out, "ID,SOURCE"), 0);
    result = batch("", "request b cpu 1\nrequest b cpu 1\n");
    cr_expect_eq(count(result.err, "capacity is not checked"), 1, "%s", result.err);
}

/* --- all or nothing ------------------------------------------------------------------------ */

Test(batch, is_atomic_if_asked)
{
    const char *before;
    struct cli_result result;

    nodes();
    before = cli_state_text();
    result = batch("--atomic", "request borrower cpu 3\n\nrequest borrower cpu 2\n"
                               "request borrower cpu 1\n");
    cli_expect(result, 4);
    cr_expect_str_empty(result.out);
    cli_has(result.err, "grid: line 3: no node can lend now");
    cr_expect_eq(count(result.err, "line "), 1, "%s", result.err);
    cli_state_same(before, "an atomic batch that failed");
    result = batch("--atomic -o json", "request borrower cpu 3\nrelease zzzzzzzz\n");
    cli_expect(result, 3);
    cr_expect_str_empty(result.out);
    cr_expect_eq(cli_number(cli_json(result.err), "error.line"), 2);
    cli_state_same(before, "another");
    result = batch("--atomic", "request borrower cpu 3 -q\nrequest borrower cpu 1 -q");
    cli_expect(result, 0);
    cr_expect_eq(result.out_length, 2 * 37);
    cr_expect_eq(cli_boosts(), 2);
}

/* --- where lines come from ----------------------------------------------------------------- */

Test(batch, says_what_it_cannot_read)
{
    struct cli_result result;

    cli_expect(cli("boost batch /no/such/file"), 9);
    result = cli("boost batch %s", cli_home());
    cli_expect(result, 9);
    cr_expect_str_eq(result.err, cli_format("grid: cannot read '%s': is a directory\n",
                                            cli_home()));
    cli_expect(cli("boost batch %s --atomic", cli_home()), 9);
    cli_expect(cli("boost batch a b"), 2);
    result = cli_shell("{ echo 'request a cpu 1 -q'; printf 'request a\\0 cpu 1\\n'\n"
                       "head -c 70000 /dev/zero | tr '\\0' x; echo\n"
                       "printf 'request a cpu 1 -q\\r\\n'; } >$HOME/lines\n"
                       "$GRID boost batch $HOME/lines");
    cli_expect(result, 2);
    cr_expect_eq(result.out_length, 2 * 37, "%s", result.out);
    cli_has(result.err, "line 2: it has a NUL byte");
    cli_has(result.err, "line 3: it is longer than 65536 bytes");
    cli_expect(cli_shell("$GRID boost batch <(echo request a cpu 1)"), 0);
}

Test(batch, answers_somebody_who_waits)
{
    struct cli_result result = cli_shell(
        "coproc $GRID boost batch -q\n"
        "for i in 1 2 3; do echo request a cpu $i >&${COPROC[1]}\n"
        "read -t 10 -u ${COPROC[0]} id || exit 1; echo $id; done\n"
        "exec {COPROC[1]}>&-; wait $COPROC_PID\n");

    cli_expect(result, 0);
    cr_expect_eq(result.out_length, 3 * 37, "%s", result.out);
}

Test(batch, commits_a_chunk_at_a_time)
{
    struct cli_result result;

    if (cli_too_slow("a batch of 1200 lines"))
        return;
    cli_shell("for i in {1..1200}; do echo request a cpu 1 --reason $i -q; done >$HOME/lines");
    cli_expect(cli("boost batch %s/lines", cli_home()), 0);
    result = cli_shell("$GRID boost history -o jsonl | grep -o '\"revision\":[0-9]*' | sort | "
                       "uniq -c | awk '{print $1}' | sort -n | xargs");
    cr_expect_str_eq(result.out, "200 500 500\n");
    cli_expect(cli_shell("rm -r $DATA; $GRID boost batch --atomic $HOME/lines | wc -l"), 0);
    result = cli_shell("$GRID boost history -o jsonl | grep -o '\"revision\":[0-9]*' | sort -u | "
                       "wc -l");
    cr_expect_str_eq(result.out, "1\n");
}

Test(batch, does_its_work_even_if_nobody_reads)
{
    struct cli_result result;

    if (cli_too_slow("a batch of 1200 lines"))
        return;
    cli_shell("for i in {1..1200}; do echo request a cpu 1 --reason $i; done >$HOME/lines");
    result = cli_shell("$GRID boost batch $HOME/lines 2>$HOME/err | head -1; "
                       "echo ${PIPESTATUS[0]}; grep -v note $HOME/err");
    cli_has(result.out, "\n0\n");
    cr_expect_eq(cli_boosts(), 1200);
    result = cli_shell("$GRID boost batch $HOME/lines >/dev/full");
    cli_expect(result, 1);
    cli_has(result.err, "500 lines up to line 500 were done, but the result could not");
    cr_expect_eq(cli_boosts(), 1700);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The figure (100 times) is the benchmark's; this is to notice what is quadratic. */
Test(batch, is_faster_than_calls)
{
    double begun, calls, lines_;

    if (cli_too_slow("a comparison of speed"))
        return;
    nodes();
    cli_expect(cli("node set lender cpu=1000"), 0);
    cli_shell("for i in {1..500}; do echo request borrower cpu 1 -q; done >$HOME/lines");
    begun = seconds();
    for (int i = 0; i < 25; i++)
        cli_expect(cli("boost request borrower cpu 1 -q"), 0);
    calls = (seconds() - begun) / 25;
    begun = seconds();
    cli_expect(cli("boost batch %s/lines", cli_home()), 0);
    lines_ = (seconds() - begun) / 500;
    cr_expect(lines_ * 20 < calls, "%.0f us a line, %.0f us a call", 1e6 * lines_, 1e6 * calls);
}
