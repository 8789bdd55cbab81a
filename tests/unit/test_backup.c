/* Backups as files: their names, what is damaged, what goes, and what a crash left. */
#include "host/backup.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

static char folder[64];

static void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/grid-backup-XXXXXX");
    cr_assert(mkdtemp(folder) && chdir(folder) == 0);
}

static void teardown(void)
{
    char words[128];
    snprintf(words, sizeof(words), "rm -rf %s", folder);
    cr_expect_eq(system(words), 0);
}

TestSuite(backup, .init = setup, .fini = teardown, .timeout = 60);

static void shell(const char *script)
{
    cr_assert_eq(system(script), 0, "%s", script);
}

static struct backups opened(enum backups_mode mode)
{
    struct backups backups = BACKUPS_INIT;
    struct grid_error err = {0};
    cr_assert_eq(backups_open(folder, mode, 0, &backups, &err), 0, "%s", err.message);
    return backups;
}

/* Makes one at `created` seconds of the epoch, which holds `text` `times` times. */
static struct backup make_of(const char *name, int64_t created, bool compress, const char *text,
                             size_t times)
{
    auto_backups struct backups backups = opened(BACKUPS_MAKE);
    struct backup_facts facts = {created * GRID_SECOND, 7, 3, "0", "file:/x"};
    struct backup_writer *writer;
    struct backup ret = {0};
    struct grid_error err = {0};
    cr_assert_eq(backup_begin(&backups, name, compress, &writer, &err), 0, "%s", err.message);
    for (size_t i = 0; i < times; i++)
        cr_assert_eq(backup_write(writer, text, strlen(text), &err), 0, "%s", err.message);
    cr_assert_eq(backup_finish(writer, &facts, &ret, &err), 0, "%s", err.message);
    return ret;
}

static struct backup make(const char *name, int64_t created)
{
    return make_of(name, created, false, "{}\n", 1);
}

/* Names, each with a blank behind it, damaged ones with a '!', unreadable ones with a '?'. */
static int add_name(void *context, const struct backup *backup, struct grid_error *err)
{
    (void)err;
    buffer_format(context, "%s%s ", backup->name,
                  backup->sound ? "" : backup->unreadable ? "?" : "!");
    return 0;
}

static void expect_list(const char *expected)
{
    auto_backups struct backups backups = opened(BACKUPS_READ);
    grid_auto_buffer struct buffer names = BUFFER_INIT;
    struct grid_error err = {0};
    cr_expect_eq(backups_each(&backups, NULL, add_name, &names, &err), 0, "%s", err.message);
    cr_expect_str_eq(buffer_string(&names), expected);
}

static int read_one(const char *name, struct backup *ret, struct buffer *text)
{
    auto_backups struct backups backups = opened(BACKUPS_READ);
    struct grid_error err = {0};
    return backup_read(&backups, name, NULL, ret, text, &err);
}

/* --- names ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    bool good;
} names[] = {
    {"a", true}, {"before the move", true}, {"grid_backup_20261121_145318_2", true},
    {"n\xc3\xa9" "e", true}, {"a..b", true}, {"-x", true},
    {"", false}, {".", false}, {"..", false}, {".hidden", false}, {"a/b", false}, {"/etc", false},
    {"../x", false}, {"a\\b", false}, {"a\nb", false}, {"a\x7f", false}, {"\xff", false},
    {"\xe2\x80\xae" "a", false},
};

Test(backup, names_stay_within_the_directory)
{
    char longest[BACKUP_NAME_SIZE + 1];
    struct grid_error err = {0};
    for (size_t i = 0; i < countof(names); i++)
        cr_expect_eq(backup_name_check(names[i].name, &err), names[i].good ? 0 : GRID_EUSAGE,
                     "'%s'", names[i].name);
    memset(longest, 'a', sizeof(longest));
    longest[BACKUP_NAME_SIZE] = '\0';
    cr_expect_eq(backup_name_check(longest, &err), GRID_EUSAGE);
    longest[BACKUP_NAME_SIZE - 1] = '\0';
    cr_expect_eq(backup_name_check(longest, &err), 0);
}

Test(backup, default_names_are_their_time_and_unique)
{
    cr_expect_str_eq(make(NULL, 1795272918).name, "grid_backup_20261121_145518");
    cr_expect_str_eq(make(NULL, 1795272918).name, "grid_backup_20261121_145518_2");
    cr_expect_str_eq(make(NULL, 1795272918).name, "grid_backup_20261121_145518_3");
}

Test(backup, a_name_that_exists_is_refused)
{
    make("one", 1);
    shell("mkdir backups/two; ln -s nowhere backups/three");
    auto_backups struct backups backups = opened(BACKUPS_MAKE);
    struct backup_writer *writer;
    struct grid_error err = {0};
    cr_expect_eq(backup_begin(&backups, "one", false, &writer, &err), GRID_ECONFLICT);
    cr_expect_eq(backup_begin(&backups, "two", false, &writer, &err), GRID_ECONFLICT);
    cr_expect_eq(backup_begin(&backups, "three", false, &writer, &err), GRID_ECONFLICT);
}

/* --- writing and reading ---------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t times; /* of 64 bytes */
    bool compress;
} sizes[] = {
    {"empty", 0, false},         {"small", 1, false},         {"a piece", 16384, false},
    {"more", 16385, false},      {"pieces", 100000, false},   {"small.gz", 1, true},
    {"a piece.gz", 16384, true}, {"pieces.gz", 100000, true},
};

Test(backup, what_was_written_is_read)
{
    static const char line[] = "0123456789012345678901234567890123456789012345678901234567890"
                               "\n\n\n";
    struct backup made, found;
    for (size_t i = 0; i < countof(sizes); i++) {
        grid_auto_buffer struct buffer text = BUFFER_INIT;
        made = make_of(sizes[i].name, (int64_t)i + 1, sizes[i].compress, line, sizes[i].times);
        cr_assert_eq(read_one(sizes[i].name, &found, &text), 0, "%s: %s", sizes[i].name,
                     found.reason);
        cr_expect_eq(text.length, 64 * sizes[i].times, "%s", sizes[i].name);
        for (size_t at = 0; at < text.length; at += 64)
            cr_assert_arr_eq(text.data + at, line, 64, "%s at %zu", sizes[i].name, at);
        cr_expect_str_eq(found.sha256, made.sha256);
        cr_expect_eq(found.size_bytes, made.size_bytes);
        cr_expect(found.sound && found.revision == 7 && found.boosts == 3);
        cr_expect_eq(found.created_us, ((int64_t)i + 1) * GRID_SECOND);
    }
    shell("cd backups && for name in *; do f=$(jq -r .file \"$name/manifest.json\") &&"
          " test \"$(sha256sum <\"$name/$f\" | cut -d' ' -f1) $(stat -c %s \"$name/$f\")\" ="
          " \"$(jq -r '\"\\(.sha256) \\(.size_bytes)\"' \"$name/manifest.json\")\" || exit 1;"
          " done");
    shell("test \"$(stat -c %a backups backups/more backups/more/export.json"
          " backups/small.gz/manifest.json | tr '\\n' ' ')\" = '700 700 600 600 '");
}

Test(backup, one_that_cannot_be_written_leaves_nothing)
{
    static const bool compress[] = {false, true};
    static char piece[300000];
    struct rlimit limit = {1 << 21, 1 << 21};
    struct grid_error err = {0};
    for (size_t i = 0; i < sizeof(piece) - 1; i++)
        piece[i] = (char)(' ' + random() % 90);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (size_t i = 0; i < countof(compress); i++) {
        auto_backups struct backups backups = opened(BACKUPS_MAKE);
        struct backup_facts facts = {1, 1, 1, "0", NULL};
        struct backup_writer *writer;
        struct backup ret;
        int rc = backup_begin(&backups, "x", compress[i], &writer, &err);
        for (int times = 0; rc == 0 && times < 60; times++)
            rc = backup_write(writer, piece, sizeof(piece) - 1, &err);
        cr_expect_eq(rc, GRID_EIO, "it was written");
        cr_expect_eq(backup_finish(writer, &facts, &ret, &err), GRID_EIO);
        shell("test \"$(ls -A backups)\" = .lock");
    }
}

Test(backup, what_a_crash_left_goes_with_the_next_change)
{
    make("one", 1);
    shell("cd backups; cp -r one .tmp-new; mkdir .tmp-deleted; touch .tmp-deleted/half .tmp-x");
    shell("ln -s ../outside backups/.tmp-link; mkdir -p outside backups/.tmp-new/a/b;"
          " touch outside/f backups/.tmp-new/a/b/c; ln -s ../../outside backups/.tmp-new/link");
    expect_list("one ");
    shell("test -e backups/.tmp-new");
    make("two", 2);
    shell("test \"$(ls -A backups | sort | tr '\\n' ' ')\" = '.lock one two ' &&"
          " test -e outside/f");
    expect_list("two one ");
}

Test(backup, two_at_once_take_turns)
{
    auto_backups struct backups first = opened(BACKUPS_MAKE), second = BACKUPS_INIT;
    struct grid_error err = {0};
    cr_expect(first.lock_fd >= 0);
    cr_expect_eq(backups_open(folder, BACKUPS_MAKE, 0, &second, &err), GRID_ETIMEOUT);
    cr_expect_eq(backups_open(folder, BACKUPS_CHANGE, 0, &second, &err), GRID_ETIMEOUT);
    cr_expect_eq(backups_open(folder, BACKUPS_READ, 0, &second, &err), 0);
}

/* --- damage ----------------------------------------------------------------------------------- */

static const struct {
    const char *script; /* in backups/x */
    const char *reason;
} damages[] = {
    {"rm manifest.json", "manifest.json is missing"},
    {": >manifest.json", "manifest.json: "},
    {"truncate -s 100000 manifest.json", "manifest.json is too long"},
    {"truncate -s 50 manifest.json", "manifest.json: "},
    {"mv manifest.json m; ln -s m manifest.json", "manifest.json is no file"},
    {"rm manifest.json; mkfifo manifest.json", "manifest.json is no file"},
    {"sed -i 's/\"boosts\": 3/\"boosts\": -3/' manifest.json", "no good 'boosts'"},
    {"sed -i 's/\"boosts\": 3/\"boosts\": 1e300/' manifest.json", "no good 'boosts'"},
    {"sed -i 's/\"revision\": 7,//' manifest.json", "no good 'revision'"},
    {"sed -i 's/created_at\": \"/&x/' manifest.json", "no good 'created_at'"},
    {"sed -i 's/export.json/..\\/..\\/..\\/etc\\/passwd/' manifest.json", "no good 'file'"},
    {"sed -i 's/\"sha256\": \"./\"sha256\": \"x/' manifest.json", "no good 'sha256'"},
    {"sed -i 's/\"name\"/\"revision\"/' manifest.json", "manifest.json: 'revision' comes twice"},
    {"rm export.json", "export.json is missing"},
    {"rm export.json; mkdir export.json", "export.json is no file"},
    {"mv export.json e; ln -s e export.json", "export.json is no file"},
    {"printf x >>export.json", "export.json has 4 bytes instead of 3"},
    {"truncate -s 2 export.json", "export.json has 2 bytes instead of 3"},
    {"printf '{]\\n' >export.json", "another checksum"},
    {"cd ..; mv x y; ln -s y x", "it is no directory"},
    {"cd ..; rm -r x; touch x", "it is no directory"},
};

Test(backup, damage_is_found_and_told)
{
    char script[256];
    for (size_t i = 0; i < countof(damages); i++) {
        struct backup found;
        make("x", 5);
        make("sound", 4);
        snprintf(script, sizeof(script), "cd backups/x && %s", damages[i].script);
        shell(script);
        cr_expect_eq(read_one("x", &found, NULL), GRID_ECORRUPT, "%s", damages[i].script);
        cr_expect(strstr(found.reason, damages[i].reason) && !found.sound, "%s: %s",
                  damages[i].script, found.reason);
        shell("rm -rf backups/y");
        auto_backups struct backups backups = opened(BACKUPS_READ);
        grid_auto_buffer struct buffer all = BUFFER_INIT;
        cr_expect_eq(backups_each(&backups, NULL, add_name, &all, NULL), 0);
        const char *text = buffer_string(&all);
        cr_expect(strstr(text, "x! ") && strstr(text, "sound "), "%s: %s", damages[i].script, text);
        shell("rm -rf backups");
    }
}

Test(backup, what_unpacks_to_something_else_is_damaged)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT;
    struct backup found;
    make_of("x", 1, true, "0123456789", 1000);
    shell("sed -i 's/\"export_bytes\": 10000/\"export_bytes\": 9999/' backups/x/manifest.json");
    cr_expect_eq(read_one("x", &found, &text), GRID_ECORRUPT);
    cr_expect_leq(text.length, 9999);
    shell("sed -i 's/\"export_bytes\": 9999/\"export_bytes\": 10001/' backups/x/manifest.json");
    cr_expect_eq(read_one("x", &found, NULL), 0, "the sum alone is sound");
    text.length = 0;
    cr_expect_eq(read_one("x", &found, &text), GRID_ECORRUPT);
}

/* Memory for as much would be asked for. */
Test(backup, no_manifest_promises_more_than_a_file_can_hold)
{
    struct backup found;
    make_of("x", 1, true, "0123456789", 1000);
    shell("sed -i 's/\"export_bytes\": 10000/\"export_bytes\": 9007199254740992/'"
          " backups/x/manifest.json");
    cr_expect_eq(read_one("x", &found, NULL), GRID_ECORRUPT);
    cr_expect(strstr(found.reason, "no good 'export_bytes'"), "%s", found.reason);
    make_of("y", 1, true, "          ", 100000);
    cr_expect_eq(read_one("y", &found, NULL), 0, "%s", found.reason);
}

/* As another command deletes it, and perhaps makes one of that name, while it is read. */
static int delete_meanwhile(const struct backup *backup, const struct buffer *text,
                            struct grid_error *err)
{
    (void)text;
    shell("mv backups/x backups/.tmp-deleted");
    if (backup->created_us == 2 * GRID_SECOND)
        shell("cp -r backups/.tmp-deleted backups/x");
    return grid_error_set(err, GRID_ECORRUPT, "export.json is missing");
}

Test(backup, one_that_is_deleted_meanwhile_is_not_damaged)
{
    struct backup found;
    struct grid_error err = {0};
    for (int64_t created = 1; created <= 2; created++) {
        make("x", created);
        auto_backups struct backups backups = opened(BACKUPS_READ);
        cr_expect_eq(backup_read(&backups, "x", delete_meanwhile, &found, NULL, &err),
                     GRID_ENOTFOUND, "%s", err.message);
    }
}

static int fail_b(const struct backup *backup, const struct buffer *text, struct grid_error *err)
{
    enum grid_code code = backup->created_us == 3 * GRID_SECOND ? GRID_EIO : GRID_ENOMEM;
    (void)text;
    return backup->name[0] == 'b' ? grid_error_set(err, code, "it failed") : 0;
}

Test(backup, one_that_cannot_be_read_hides_no_other)
{
    make("a", 4);
    make("c", 1);
    for (int64_t created = 2; created <= 3; created++) {
        grid_auto_buffer struct buffer all = BUFFER_INIT;
        struct grid_error err = {0};
        shell("rm -rf backups/b");
        make("b", created);
        auto_backups struct backups backups = opened(BACKUPS_READ);
        cr_expect_eq(backups_each(&backups, fail_b, add_name, &all, &err),
                     created == 3 ? GRID_EIO : GRID_ENOMEM);
        cr_expect_str_eq(buffer_string(&all), "a b? c ");
        cr_expect(strstr(err.message, "backup 'b' cannot be read"), "%s", err.message);
    }
}

/* --- deleting --------------------------------------------------------------------------------- */

static int delete_one(const char *name)
{
    auto_backups struct backups backups = opened(BACKUPS_CHANGE);
    struct grid_error err = {0};
    return backup_delete(&backups, name, &err);
}

Test(backup, deleting_never_leaves_the_directory)
{
    cr_expect_eq(delete_one("one"), GRID_ENOTFOUND);
    shell("test ! -e backups");
    make("one", 1);
    make("two", 2);
    shell("mkdir outside; touch outside/f backups/file; ln -s ../outside backups/link;"
          " ln -s ../../outside backups/two/link; rm backups/two/manifest.json");
    cr_expect_eq(delete_one("three"), GRID_ENOTFOUND);
    cr_expect_eq(delete_one("link"), GRID_ECORRUPT);
    cr_expect_eq(delete_one("file"), GRID_ECORRUPT);
    cr_expect_eq(delete_one("../outside"), GRID_EUSAGE);
    cr_expect_eq(delete_one(".lock"), GRID_EUSAGE);
    cr_expect_eq(delete_one("two"), 0, "damaged ones go, too");
    cr_expect_eq(delete_one("one"), 0);
    shell("test -e outside/f && test \"$(ls -A backups | sort | tr '\\n' ' ')\" ="
          " '.lock file link '");
}

Test(backup, prune_keeps_the_newest_sound_ones)
{
    grid_auto_buffer struct buffer gone = BUFFER_INIT;
    struct grid_error err = {0};
    struct backups_kept kept = {0};
    struct backups_rule rule = {.keep = 3, .now_us = 9 * GRID_SECOND};
    make("zz-oldest", 1);
    make("middle", 5);
    make("newest-but-damaged", 9);
    make("aa", 7);
    make("old-and-damaged", 2);
    shell("printf '{]\\n' >backups/newest-but-damaged/export.json; rm backups/old*/manifest.json");
    auto_backups struct backups backups = opened(BACKUPS_CHANGE);
    cr_expect_eq(backups_prune(&backups, &rule, add_name, &gone, &kept, &err), 0);
    cr_expect_eq(gone.length, 0, "%s", buffer_string(&gone));
    cr_expect_eq(kept.damaged, 2);
    rule.keep = 2;
    cr_expect_eq(backups_prune(&backups, &rule, add_name, &gone, &kept, &err), 0);
    cr_expect_str_eq(buffer_string(&gone), "zz-oldest ");
    expect_list("newest-but-damaged! aa middle old-and-damaged! ");
    rule.keep = 1;
    cr_expect_eq(backups_prune(&backups, &rule, add_name, &gone, &kept, &err), 0);
    expect_list("newest-but-damaged! aa old-and-damaged! ");
}

/* Made by a clock that was wrong, before or now. */
Test(backup, prune_believes_no_date_in_the_future)
{
    struct grid_error err = {0};
    struct backups_kept kept = {0};
    struct backups_rule rule = {.keep = 1, .now_us = 5 * GRID_SECOND};
    make("ahead", 100);
    make("older", 2);
    make("newer", 4);
    auto_backups struct backups backups = opened(BACKUPS_CHANGE);
    cr_expect_eq(backups_prune(&backups, &rule, NULL, NULL, &kept, &err), 0, "%s", err.message);
    cr_expect_eq(kept.ahead, 1);
    expect_list("ahead newer ");
    backups_close(&backups);
    make("behind", 3);
    rule.newest = "behind";
    rule.now_us = 3 * GRID_SECOND;
    backups = opened(BACKUPS_CHANGE);
    cr_expect_eq(backups_prune(&backups, &rule, NULL, NULL, &kept, &err), 0, "%s", err.message);
    cr_expect_eq(kept.ahead, 2);
    expect_list("ahead newer behind ");
    rule.now_us = 5 * GRID_SECOND;
    cr_expect_eq(backups_prune(&backups, &rule, NULL, NULL, &kept, &err), 0, "%s", err.message);
    expect_list("ahead behind ");
}
