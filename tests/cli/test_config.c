/* The configuration file and the environment: what they may say, and how they are refused. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void begin(void)
{
    cli_begin();
    cli_shell("mkdir -p $DATA");
}

TestSuite(config, .init = begin, .fini = cli_end);

static void set_file(const char *text)
{
    cli_write(cli_data("config.yaml"), text, strlen(text));
}

static const struct {
    const char *text;
    int status;
    const char *said; /* on stderr */
} files[] = {
    {"output: json\n", 0, ""},
    {"lock_timeout: 0\nhook_timeout: 5s\nkeep_generations: 3\nkeep_history: 10\n", 0, ""},
    {"color: never\nstore: 'file:'\n", 0, ""},
    {"outptu: json\n", 0, "did you mean 'output'"},
    {"outptu: json\nzzz: 1\n", 0, "config.yaml:2: unknown key 'zzz'"},
    {"zzz: {a: 1, b: 2}\n", 0, "unknown key 'zzz'"},
    {"output: xml\n", 2, "config.yaml:1:9: unknown output 'xml'"},
    {"output:\n", 2, "output needs one value"},
    {"output: [json, csv]\n", 2, "output needs one value"},
    {"output: {}\n", 2, "output needs one value"},
    {"keep_generations: 0\n", 2, "keep_generations"},
    {"keep_generations: many\n", 2, "keep_generations"},
    {"lock_timeout: soon\n", 2, "config.yaml:1:15: "},
    {"hook_timeout: 0\n", 2, "config.yaml:1:15: "},
    {"store: ''\n", 2, "the store's URL is empty"},
    {"store: nosuch:x\n", 2, "nosuch"},
    {"- output\n", 2, "config.yaml:1:1: "},
    {"output: [\n", 2, "config.yaml:"},
};

Test(config, files_are_read_strictly)
{
    size_t step = cli_too_slow("every third of the files") ? 3 : 1;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i += step) {
        struct cli_result result;

        set_file(files[i].text);
        result = cli("boost status");
        cr_expect_eq(result.status, files[i].status, "%s: %d: %s", files[i].text, result.status,
                     result.err);
        cr_expect(strstr(result.err, files[i].said), "%s: no '%s' in: %s", files[i].text,
                  files[i].said, result.err);
    }
}

Test(config, a_file_that_is_named_must_be_there)
{
    cli_expect(cli("-c /nosuch/config boost status"), 9);
    cli_expect(cli("-c / boost status"), 9);
    set_file("output: xml\n");
    cli_expect(cli("-c /dev/null boost status"), 0);
    cli_env("GRID_CONFIG=/dev/null");
    cli_expect(cli("boost status"), 0);
    cli_expect(cli("-c %s boost status", cli_data("config.yaml")), 2);
}

Test(config, the_environment_is_checked_too)
{
    char path[5000];

    cli_env("GRID_LOCK_TIMEOUT=soon");
    cli_expect(cli("boost status"), 2);
    cli_env("GRID_LOCK_TIMEOUT");
    cli_env("GRID_LOG=0");
    cr_expect_null(strstr(cli("boost status").err, "verbose"));
    cli_env("GRID_LOG=1");
    cr_expect_neq(cli("boost status").err_length, 0);
    cli_env("GRID_LOG");
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    cli_expect(cli("--data-dir %s boost status", path), 2);
    cli_expect(cli("--store file:%s boost status", path), 2);
    cli_expect(cli("--store %s boost status", "''"), 2);
    cli_expect(cli("--data-dir relative boost status"), 2);
    cli_expect(cli("--data-dir '' boost status"), 2);
    cli_env("HOME=relative");
    cli_expect(cli("boost status"), 2);
}
