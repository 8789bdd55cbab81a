/* grid export, import and store copy: a whole ledger as one document. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(export, .init = cli_begin, .fini = cli_end);

#define REQUEST "boost request gpu-master cpu 2.0"

/* A ledger with something of everything but tickets. */
static void fill(void)
{
    cli_expect(cli_shell("$GRID node add gpu-master cpu=8 && $GRID node add gpu1 cpu=8"
                         " && $GRID node limit gpu1 --keep cpu=1 &&"
                         " $GRID policy set max_duration=8h && $GRID " REQUEST " -q &&"
                         " $GRID " REQUEST " -q --request-id x --duration 2h"), 0);
}

static const char *file_named(const char *name)
{
    return cli_format("%s/%s", cli_home(), name);
}

/* A ledger as a document, without what differs from one to the next. */
static const char *records(const char *options)
{
    struct cli_result result = cli_shell("$GRID %s export | jq -S 'del(.created_at, .revision,"
                                         " .events)'", options);

    cli_expect(result, 0);
    return result.out;
}

/* --- writing ---------------------------------------------------------------------------------- */

Test(export, to_standard_output_or_a_file)
{
    const char *path = file_named("out.json");
    struct cli_result result;
    cJSON *json;

    fill();
    result = cli("export");
    json = cli_json(result.out);
    cr_expect_eq(cli_count(json, "boosts"), 2);
    cr_expect_eq(cli_count(json, "nodes"), 2);
    cr_expect_eq(cli_number(json, "policy.max_duration"), 8 * 3600);
    cr_expect_eq(cli_number(json, "schema"), 1);
    cr_expect_eq(cli_number(json, "revision"), cli_number(cli_state(), "revision"));
    cli_expect(cli("export - -q"), 0);
    cli_expect(cli("export ''"), 2);
    cli_expect(cli("export %s", path), 0);
    cr_expect_eq(cli_count(cli_json(cli_read(path, NULL)), "boosts"), 2);
    cr_expect_str_eq(cli_shell("stat -c %%a %s", path).out, "600\n");
    cli_expect(cli("export %s", file_named("nowhere/out.json")), 9);
    cli_expect(cli_with((struct cli_options){.out_path = "/dev/full"}, "export"), 1);
}

Test(export, an_existing_file_is_written_over_only_with_force)
{
    const char *path = file_named("out.json"), *link = file_named("link.json");

    fill();
    cli_write(path, "mine", 4);
    cli_expect(cli_shell("chmod 644 %s; ln -s out.json %s", path, link), 0);
    cli_expect(cli("export %s", path), 6);
    cli_expect(cli("export %s", link), 6);
    cr_expect_str_eq(cli_read(path, NULL), "mine");
    cli_expect(cli("export /dev/null --force"), 9);
    cli_expect(cli("export %s --force", cli_home()), 9);
    if (!cli_too_slow("a limit on files, which valgrind's own reports obey, too"))
        cli_expect(cli_shell("ulimit -f 0; $GRID export %s --force", path), 9);
    cr_expect_str_eq(cli_read(path, NULL), "mine", "half a file");
    cli_expect(cli("export %s --force", link), 0);
    cr_expect_eq(cli_count(cli_json(cli_read(path, NULL)), "boosts"), 2);
    cli_expect(cli_shell("test -L %s; ls -A %s | grep -c tmp", link, cli_home()), 1);
}

/* --- reading ---------------------------------------------------------------------------------- */

Test(export, import_into_nothing_is_the_same_ledger)
{
    const char *path = file_named("out.json"), *before;

    fill();
    before = records("");
    cli_expect(cli("export %s", path), 0);
    cli_expect(cli("import %s", path), 6);
    cli_expect(cli("--data-dir %s import %s --dry-run", file_named("other"), path), 0);
    cli_expect(cli("--data-dir %s import %s", file_named("other"), path), 0);
    cr_expect_str_eq(records(cli_format("--data-dir %s", file_named("other"))), before);
    cli_expect(cli("--data-dir %s store check", file_named("other")), 0);
    cli_expect(cli_shell("$GRID export | $GRID --data-dir %s import -", file_named("third")), 0);
    cr_expect_str_eq(records(cli_format("--data-dir %s", file_named("third"))), before);
    cli_expect(cli_shell("$GRID --data-dir %s import <(cat %s)", file_named("fourth"), path), 0);
}

/* Nothing but a record that is not sound: it is kept as it is. */
Test(export, what_is_not_sound_comes_over)
{
    const char *path = file_named("out.json"), *other = file_named("other");

    cli_expect(cli(REQUEST " -q"), 0);
    cli_expect(cli_shell("sed -i 's/\"amount\": 2.0/\"amount\": \"2\"/' "
                         "\"$DATA/resource_boosts.json\""), 0);
    cli_expect(cli("export %s", path), 0);
    cli_expect(cli("--data-dir %s import %s", other, path), 0);
    cr_expect_str_eq(records(cli_format("--data-dir %s", other)), records(""));
    cli_has(cli_read(cli_format("%s/resource_boosts.json", other), NULL), "\"amount\": \"2\"");
}

static const struct {
    const char *script; /* makes $HOME/in.json of $HOME/out.json */
    int status;
} documents[] = {
    {": >in.json", 2},
    {"head -c 700 out.json >in.json", 2},
    {"(cat out.json; echo x) >in.json", 2},
    {"cp \"$DATA/resource_boosts.json\" in.json", 2},
    {"echo '[]' >in.json", 2},
    {"head -c 100000 /dev/zero >in.json", 2},
    {"sed 's/\"export\": 1/\"export\": 2/' out.json >in.json", 6},
    {"rm -f in.json", 9},
    {"rm -f in.json; mkdir in.json", 9},
};

Test(export, a_document_that_is_none_changes_nothing)
{
    static const char *const modes[] = {"--replace", "--merge", "", "--replace --dry-run"};
    size_t modes_tried = cli_too_slow("4 ways of each import; 1 instead") ? 1 : 4;
    const char *before;

    fill();
    cli_expect(cli("export %s", file_named("out.json")), 0);
    before = cli_state_text();
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]);
         i += modes_tried == 1 ? 4 : 1) {
        cli_expect(cli_shell("cd; rm -rf in.json; %s", documents[i].script), 0);
        for (size_t mode = 0; mode < modes_tried; mode++) {
            struct cli_result result = cli("import %s %s", file_named("in.json"), modes[mode]);

            cr_expect_eq(result.status, documents[i].status, "%s %s: %d: %s", documents[i].script,
                         modes[mode], result.status, result.err);
            cli_lacks(result.err, "--help");
        }
    }
    cli_state_same(before, "a bad document");
    cli_has(cli("import %s", cli_data("resource_boosts.json")).err,
            "'grid store copy file:DIR file:'");
    cli_expect(cli_shell("gzip -k %s", file_named("out.json")), 0);
    cli_has(cli("import %s.gz", file_named("out.json")).err,
            "out.json.gz | grid import -'");
    cli_has(cli("import %s.gz", file_named("out.json")).err, "cannot import '");
    cli_expect(cli("import %s --merge --replace", file_named("out.json")), 2);
    cli_expect(cli("import"), 2);
    cr_expect_eq(cli_files("backups"), 0, "a backup before nothing");
}

Test(export, merge_adds_and_replace_keeps_a_backup)
{
    const char *path = file_named("out.json"), *other = file_named("other.json"), *backup;
    cJSON *json;

    fill();
    cli_expect(cli("export %s", path), 0);
    json = cli_json(cli("import %s --merge -o json", path).out);
    cr_expect_eq(cli_number(json, "import.boosts"), 0);
    cr_expect_eq(cli_number(json, "import.skipped"), 5);
    cli_expect(cli_shell("sed 's/\"amount\": 2.0/\"amount\": 1.0/' %s >%s", path, other), 0);
    cli_expect(cli("import %s --merge", other), 6);
    cli_expect(cli("import %s --replace --dry-run", other), 0);
    cr_expect_eq(cli_files("backups"), 0, "a dry run made a backup");
    cr_expect_eq(cli_number(cli_state(), "boosts.0.amount"), 2);
    cli_has(cli("import %s --replace --dry-run -o csv", path).out, ",0,0,");
    backup = cli("import %s --replace -q", other).out;
    cr_expect_eq(cli_number(cli_state(), "boosts.0.amount"), 1);
    cli_expect(cli("backup restore %.*s --yes", (int)strcspn(backup, "\n"), backup), 0);
    cr_expect_eq(cli_number(cli_state(), "boosts.0.amount"), 2);
}

/* Whatever another program put there. */
Test(export, only_objects_are_events)
{
    cJSON *json;

    fill();
    cli_expect(cli_shell("sed -i 's/^  \"pending\": \\[/&5, [], \"x\", {\"odd\": 1},/'"
                         " $DATA/resource_boosts.json"), 0);
    json = cli_json(cli("export").out);
    cr_expect_eq(cli_number(json, "events.0.odd"), 1);
    cli_expect(cli("backup create --name one"), 0);
    cli_expect(cli("backup restore one --yes"), 0);
}

/* --- store copy ------------------------------------------------------------------------------- */

Test(export, store_copy_copies_and_compares)
{
    const char *to = cli_format("file:%s", file_named("copy")), *before;
    struct cli_result result;

    fill();
    before = records("");
    cli_expect(cli("store copy file: %s", to), 0);
    cr_expect_str_eq(records(cli_format("--store %s", to)), before);
    cli_expect(cli("store copy file: %s", to), 6);
    cli_expect(cli("--store %s boost release --all --yes", to), 0);
    cr_expect_str_neq(records(cli_format("--store %s", to)), before);
    cli_has(cli("store copy file: %s --force", to).out, "Safety backup: grid_backup_");
    cr_expect_str_eq(records(cli_format("--store %s", to)), before);
    cli_expect(cli("store copy file: memory:"), 2);
    cli_has(cli("store copy file: file:%s --force", cli_data("../.distributed_grid/")).err,
            "both stores are the same");
    cli_expect(cli("store copy file:%s file: --force", file_named("nowhere")), 3);
    cli_expect(cli_shell("mkdir %s; $GRID store copy file:%s file: --force",
                         file_named("nothing"), file_named("nothing")), 3);
    cli_expect(cli("store copy %s %s", to, to), 2);
    cli_expect(cli("backup create --name one"), 0);
    cli_has(cli("store copy file: file:%s", cli_data("backups/one")).err, "lies within");
    cli_has(cli("store copy file: file:%s", cli_data("generations/n/x")).err, "lies within");
    cli_has(cli("store copy file: file:%s --force", cli_home()).err, "lies within");
    cli_expect(cli("store copy file: file:%s/.distributed", cli_home()), 0);
    cli_expect(cli("backup verify one"), 0);
    cli_expect(cli("store copy file:"), 2);
    result = cli("-v store copy file: redis://:secret@localhost:6379/0");
    cli_expect(result, 2);
    cli_lacks(result.err, "secret");
    cr_expect_str_eq(records(""), before);
}

/* --- nouns without a verb --------------------------------------------------------------------- */

Test(export, a_noun_may_be_the_command)
{
    cli_has(cli("help export").out, "Usage: grid export [OPTION]... [FILE]\n");
    cli_has(cli("import --help").out, "Usage: grid import [OPTION]... FILE\n");
    cli_has(cli("--help").out, "  import FILE");
    cli_has(cli("import").err, "try 'grid import --help'");
    cli_has(cli("exprt").err, "did you mean 'export'?");
    cli_has(cli("export --columns x").err, "'grid export' has none");
    cli_has(cli("__options").out, "\nexport --force\n");
    cr_expect_str_eq(cli("__complete export ''").out, ":file\n");
    cli_has(cli("__complete export --f").out, "--force\t");
    cli_has(cli("__complete ex").out, "export\t");
}
