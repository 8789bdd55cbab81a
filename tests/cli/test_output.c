/* What comes out: the formats, and where it cannot go. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(output, .init = cli_begin, .fini = cli_end);

static int lines_of(const char *text)
{
    int lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

Test(output, every_list_in_every_format)
{
    static const struct {
        const char *words;
        int records;
    } lists[] = {{"boost status", 2}, {"boost history", 4}};
    struct cli_result result;
    char *line;

    cli_expect(cli("boost request gpu-master cpu 2.0 --reason 'a, \"b\"'"), 0);
    cli_expect(cli("boost request gpu-master memory 1.5 --source gpu1"), 0);
    cli_expect(cli("boost release %s", cli_request("x gpu 1")), 0);
    for (size_t i = 0; i < 2; i++) {
        const char *words = lists[i].words;
        int records = lists[i].records;

        result = cli("%s -o jsonl", words);
        cr_expect_eq(lines_of(result.out), records, "%s -o jsonl: %s", words, result.out);
        for (line = strtok((char *)result.out, "\n"); line; line = strtok(NULL, "\n"))
            cr_expect(*cli_text(cli_json(line), "boost_id"), "%s", line);
        result = cli("%s -o csv", words);
        cr_expect_eq(lines_of(result.out), records + 1, "%s -o csv: %s", words, result.out);
        result = cli("%s -o csv --no-headings", words);
        cr_expect_eq(lines_of(result.out), records, "%s -o csv: %s", words, result.out);
        result = cli("%s -o id", words);
        cr_expect_eq(lines_of(result.out), records, "%s -o id: %s", words, result.out);
        cr_expect_str_eq(cli("%s -q", words).out, result.out, "-q is -o id");
        cr_expect_eq(strcspn(result.out, "\n"), 36, "%s -o id: %s", words, result.out);
        result = cli("%s -o table --no-headings", words);
        cr_expect(lines_of(result.out) >= records && lines_of(result.out) <= lines_of(
                  cli("%s", words).out) - 1, "%s --no-headings: %s", words, result.out);
        cli_json(cli("%s -o json", words).out);
        cr_expect_str_empty(result.err);
    }
    cr_expect(!strncmp(cli("boost status -o json").out, "{\n  \"schema\": 1,\n  \"total", 24));
    cli_has(cli("boost status").out, "REMAINING");
    cli_has(cli("boost status").out, "1.5 GiB");
}

Test(output, csv_quotes_and_columns_are_chosen)
{
    struct cli_result result;

    cli_expect(cli("boost request gpu-master cpu 2.0 --reason 'a, \"b\"'"), 0);
    result = cli("boost status -o csv --columns reason,amount --no-headings");
    cli_expect(result, 0);
    cli_has(result.out, "\"a, \"\"b\"\"\",2");
    result = cli("boost status --columns AMOUNT,resource");
    cli_expect(result, 0);
    cli_lacks(result.out, "gpu-master");
    cli_lacks(cli("boost status --no-headings").out, "REMAINING");
}

/* People read when it is free again at the latest, programs what the ledger has. */
Test(output, a_lease_ends_when_it_cannot_be_renewed)
{
    struct cli_result result;

    if (cli_too_slow("run: valgrind 3.19 knows no pidfd_open"))
        return;
    result = cli_shell(
        "$GRID boost run gpu-master gpu 1 --duration 2h -- sh -ec '\n"
        "$GRID boost status --no-headings --columns remaining\n"
        "$GRID boost status --no-headings -o csv --columns remaining\n"
        "$GRID boost show $GRID_BOOST_ID; $GRID boost check $GRID_BOOST_ID'");
    char *rest = NULL;

    cli_expect(result, 0);
    rest = (char *)result.out + strspn(result.out, " ");
    cr_expect(!strncmp(rest, "1h59m", 5) || !strncmp(rest, "2h\n", 3), "%s", rest);
    cr_expect_leq(strtol(strchr(result.out, '\n') + 1, &rest, 10), 60);
    cr_expect_eq(*rest, '\n');
    cli_has(result.out, "\nLease: ");
    cr_expect(strstr(rest, "(1h59m") || strstr(rest, "(2h left)"), "%s", rest);
    cr_expect(strstr(rest, ", 1h59m") || strstr(rest, ", 2h left"), "%s", rest);
    cli_lacks(cli("boost request gpu-master gpu 1").out, "Lease:");
}

Test(output, a_request_prints_its_placement_group)
{
    cli_lacks(cli("boost request gpu-master gpu 1").out, "Placement:");
    cli_expect(cli_shell("mkdir -m 755 $DATA/hooks\n"
                         "echo '#!/bin/sh\necho \"{\\\"ray_placement_group\\\": \\\"pg1\\\"}\"' "
                         ">$DATA/hooks/granted; chmod 755 $DATA/hooks/granted"), 0);
    cli_has(cli("boost request gpu-master gpu 1").out, "Placement:     pg1\n");
}

/* What lists many names goes on in the next line; nothing is left out of it. */
Test(output, a_long_hint_is_wrapped)
{
    static const char *const words[] = {"boost status --columns zz", "boost history --event zzzz",
                                        "boost request a cpu 1 --priority zzz"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const char *text = cli("%s", words[i]).err;

        for (; *text; text += text[strcspn(text, "\n")] == '\n') {
            cr_expect(strcspn(text, "\n") <= 100, "%s: %s", words[i], text);
            text += strcspn(text, "\n");
        }
    }
    cli_has(cli("%s", words[0]).err, "LEASE,\nREMAINING");
    cli_has(cli("%s", words[0]).err, "TOKEN\n");
    cli_has(cli("%s -o json", words[0]).err, "EXPIRES, LEASE, REMAINING");
}

Test(output, color_only_where_it_is_wanted)
{
    static const char *const plain[] = {"boost status", "boost status --color never",
                                        "boost status --color auto"};
    const char *id = cli_request("gpu-master cpu 2.0");

    for (size_t i = 0; i < 3; i++)
        cli_lacks(cli("%s", plain[i]).out, "\033");
    cli_lacks(cli("boost show %s --json --color always", id).out, "\033");
    cli_expect(cli("boost status --color always"), 0);
}

Test(output, verbose_and_notes_go_to_stderr)
{
    struct cli_result result;

    cli_expect(cli("boost request gpu-master cpu 2.0"), 0);
    result = cli("boost status -v --json");
    cli_json(result.out);
    cr_expect(result.err_length > 0, "-v says nothing");
    result = cli("boost request gpu-master cpu 2.0 -o json");
    cr_expect_eq(cli_count(cli_json(result.out), "boosts"), 1);
    cr_expect(cJSON_IsFalse(cli_get(cli_json(result.out), "replayed")));
    result = cli("boost request gpu-master cpu 2.0 -q -v");
    cr_expect_eq(result.out_length, 37);
}

Test(output, a_full_disk_is_status_1_and_names_what_was_done)
{
    struct cli_options full = {.out_path = "/dev/full"};
    static const char *const words[] = {
        "boost status", "boost status --json", "--version", "--help", "boost history -o csv",
        "store info", "boost status -o jsonl", "boost status -q"};
    struct cli_result result = cli_with(full, "boost request gpu-master cpu 2.0");
    const char *id = cli_text(cli_state(), "boosts.0.boost_id");

    cli_expect(result, 1);
    cr_expect_eq(strlen(id), 36);
    cli_has(result.err, id);
    cli_expect(cli_with(full, "boost request gpu-master cpu 2.0 --json"), 1);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        result = cli_with(full, "%s", words[i]);
        cr_expect_eq(result.status, 1, "%s: %d", words[i], result.status);
        cli_has(result.err, "no space left on device");
    }
    result = cli_with(full, "boost release %s", id);
    cli_expect(result, 1);
    cli_has(result.err, id);
    cr_expect_eq(cli_boosts(), 1, "the release was not done");
}

/* A wrap that opens files of its own would get the numbers that are closed. */
Test(output, closed_descriptors_hurt_nothing)
{
    if (cli_too_slow("closed descriptors"))
        return;
    for (unsigned closed = 1; closed < 8; closed++) {
        struct cli_options options = {.closed = closed};
        int boosts, status;

        status = cli_with(options, "boost request gpu-master cpu 2.0").status;
        cr_expect(status == 0 || (status == 1 && (closed & 2)), "closed %u: %d", closed, status);
        status = cli_with(options, "boost status").status;
        cr_expect(status == 0 || (status == 1 && (closed & 2)), "closed %u: %d", closed, status);
        status = cli_with(options, "boost request gpu-master cpu nan").status;
        cr_expect_eq(status, 2, "closed %u: %d", closed, status);
        boosts = cli_boosts();
        cr_expect_eq(boosts, (int)closed, "closed %u: %d boosts", closed, boosts);
        cli_lacks(cli_read(cli_data("resource_boosts.json.lock"), NULL), "oost ID");
        cli_lacks(cli_read(cli_data("resource_boosts.json.lock"), NULL), "grid: ");
    }
    cli_expect(cli("store check"), 0);
}

Test(output, a_closed_pipe_ends_quietly)
{
    static const char *const words[] = {"boost request gpu-master cpu 2.0", "boost status",
                                        "boost status --json", "--help", "boost history"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct cli_result result;
        int ends[2];

        cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
        close(ends[0]);
        result = cli_with((struct cli_options){.out_fd = ends[1]}, "%s -q", words[i]);
        close(ends[1]);
        cr_expect_eq(result.status, 0, "%s: %d %s", words[i], result.status, result.err);
        cr_expect_str_empty(result.err, "%s: %s", words[i], result.err);
    }
    cr_expect_eq(cli_boosts(), 1);
}

/* A limit of the file size is a signal by default, in the middle of a write. */
Test(output, a_file_size_limit_changes_nothing)
{
    const char *before;
    struct cli_result result;

    cli_expect(cli("boost request gpu-master cpu 2.0"), 0);
    cli_expect(cli("boost request gpu-master cpu 2.0"), 0);
    if (cli_too_slow("the file size limit"))
        return;
    before = cli_state_text();
    result = cli_shell("ulimit -f 1; $GRID boost request gpu-master cpu 2.0 --reason "
                       "'a reason that makes the state file larger than one block of 1024 bytes, "
                       "for that is the limit that the shell sets in this test' >/dev/null");
    cli_expect(result, 9);
    cli_state_same(before, "a write beyond the limit");
    cr_expect_eq(cli_files("tmp") + cli_files(".resource"), 0);
    cli_expect(cli("boost request gpu-master cpu 2.0"), 0);
}
