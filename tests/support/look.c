/* Looks at what the program left: files of its data directory, and JSON. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *cli_read(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "re");
    struct stat stat;
    char *text;

    if (ret_length)
        *ret_length = 0;
    if (!file)
        return NULL;
    cr_assert_eq(fstat(fileno(file), &stat), 0);
    text = (char *)cli_format("%*s", (int)stat.st_size, "");
    cr_assert_eq(fread(text, 1, (size_t)stat.st_size, file), (size_t)stat.st_size);
    fclose(file);
    if (ret_length)
        *ret_length = (size_t)stat.st_size;
    return text;
}

void cli_write(const char *path, const void *bytes, size_t length)
{
    char *directory = (char *)cli_format("%s", path);
    FILE *file;

    *strrchr(directory, '/') = '\0';
    mkdir(directory, 0700);
    file = fopen(path, "we");
    cr_assert(file, "cannot write %s", path);
    cr_assert_eq(fwrite(bytes, 1, length, file), length);
    cr_assert_eq(fclose(file), 0);
}

char *cli_state_text(void)
{
    return cli_read(cli_data("resource_boosts.json"), NULL);
}

void cli_state_same(const char *before, const char *what)
{
    const char *now = cli_state_text();

    if (!before || !now)
        cr_expect(before == now, "the state file came or went: %s", what);
    else
        cr_expect_str_eq(now, before, "the state changed: %s", what);
}

cJSON *cli_json(const char *text)
{
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithOpts(text, &end, false);

    cr_assert(json, "no JSON: %.300s", text);
    while (*end == '\n')
        end++;
    cr_expect(*end == '\0', "more than one document: %.300s", text);
    return cli_keep(json);
}

cJSON *cli_state(void)
{
    const char *text = cli_state_text();

    cr_assert(text, "there is no state file");
    return cli_json(text);
}

cJSON *cli_get(const cJSON *json, const char *path)
{
    const cJSON *at = json;

    while (at && *path) {
        size_t length = strcspn(path, ".");
        const char *name = cli_format("%.*s", (int)length, path);

        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, atoi(name))
                               : cJSON_GetObjectItemCaseSensitive(at, name);
        path += length + (path[length] == '.');
    }
    return (cJSON *)at;
}

const char *cli_text(const cJSON *json, const char *path)
{
    const char *text = cJSON_GetStringValue(cli_get(json, path));

    return text ? text : "";
}

double cli_number(const cJSON *json, const char *path)
{
    const cJSON *at = cli_get(json, path);

    return cJSON_IsNumber(at) ? at->valuedouble : -1e99;
}

int cli_count(const cJSON *json, const char *path)
{
    const cJSON *at = cli_get(json, path);

    return cJSON_IsArray(at) ? cJSON_GetArraySize(at) : -1;
}

int cli_boosts(void)
{
    const char *text = cli_state_text();

    return text ? cli_count(cli_json(text), "boosts") : -1;
}

int cli_files(const char *part)
{
    DIR *directory = opendir(cli_data("%s", ""));
    struct dirent *entry;
    int count = 0;

    if (!directory)
        return 0;
    while ((entry = readdir(directory)))
        count += strstr(entry->d_name, part) != NULL;
    closedir(directory);
    return count;
}
