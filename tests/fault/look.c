/* look DIRECTORY: the ids of the boosts in its state file, one a line, sorted; "none" without a
 * file. Status 1: the file is no sound JSON; 2: a temporary file lies about. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t length = 0;
    ssize_t got;

    if (!file)
        return NULL;
    got = getdelim(&text, &length, '\0', file);
    fclose(file);
    if (got < 0 && text)
        *text = '\0';
    return text;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int print_ids(const char *text)
{
    cJSON *state = cJSON_ParseWithOpts(text, NULL, 1);
    const cJSON *boosts = cJSON_GetObjectItemCaseSensitive(state, "boosts"), *boost;
    size_t count = 0;
    const char **ids;

    if (!cJSON_IsArray(boosts))
        return 1;
    ids = calloc((size_t)cJSON_GetArraySize(boosts) + 1, sizeof(*ids));
    cJSON_ArrayForEach(boost, boosts)
        ids[count++] = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(boost, "boost_id"));
    for (size_t i = 0; i < count; i++)
        if (!ids[i])
            return 1;
    qsort(ids, count, sizeof(*ids), compare);
    for (size_t i = 0; i < count; i++)
        puts(ids[i]);
    free(ids);
    cJSON_Delete(state);
    return 0;
}

static int has_temporary(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    int found = 0;

    while (directory && (entry = readdir(directory)))
        found |= strstr(entry->d_name, "tmp") || !strncmp(entry->d_name, ".resource", 9);
    if (directory)
        closedir(directory);
    return found;
}

int main(int argc, char **argv)
{
    char path[4096];
    char *text;
    int rc = 0;

    if (argc != 2)
        return 3;
    snprintf(path, sizeof(path), "%s/resource_boosts.json", argv[1]);
    text = read_file(path);
    if (text)
        rc = print_ids(text);
    else
        puts("none");
    free(text);
    snprintf(path, sizeof(path), "%s/generations", argv[1]);
    return rc ? rc : has_temporary(argv[1]) || has_temporary(path) ? 2 : 0;
}
