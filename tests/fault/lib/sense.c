/* What a state says: its records, without what each run makes anew. */
#include "fault/lib/sense.h"

#include "fault/lib/rig.h"
#include "util/text.h"

#include <cjson/cJSON.h>
#include <ctype.h>

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is made anew in each run: times, tokens, and the ids of what was not there before. */
static void simplify(cJSON *record, const char *before)
{
    static const char *const passing[] = {
        "allocated_at", "starts_at", "token", "protected_until", "first_seen", "last_seen", "at",
        "queued_at", "lease_until", "revision", "ray_placement_group", "renews_until"};
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "boost_id"));
    for (size_t i = 0; i < countof(passing); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(record, passing[i]);
    const char *end = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "expires_at"));
    if (end && strncmp(end, "2031", 4) != 0 && (!before || !strstr(before, end)))
        cJSON_DeleteItemFromObjectCaseSensitive(record, "expires_at");
    if (id && (!before || !strstr(before, id))) {
        cJSON_DeleteItemFromObjectCaseSensitive(record, "boost_id");
        cJSON_DeleteItemFromObjectCaseSensitive(record, "group_id");
    }
}

static void add_records(struct buffer *out, cJSON *state, const char *member, const char *before)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(state, member), *record;
    char *lines[256];
    size_t count = 0;
    cJSON_ArrayForEach(record, list) {
        simplify(record, before);
        if (count < countof(lines))
            lines[count++] = cJSON_PrintUnformatted(record);
    }
    qsort(lines, count, sizeof(lines[0]), by_text);
    for (size_t i = 0; i < count; i++) {
        buffer_format(out, "%s %s\n", member, lines[i]);
        free(lines[i]);
    }
}

char *sense_take(const char *directory, const char *before)
{
    size_t length = 0;
    char *text = rig_read(RIG_PATH("%s/resource_boosts.json", directory), &length);
    struct buffer out = BUFFER_INIT;
    cJSON *state = text ? cJSON_ParseWithLengthOpts(text, length + 1, NULL, 1) : NULL;
    if (text && !state)
        buffer_text(&out, "damaged");
    add_records(&out, state, "boosts", before);
    add_records(&out, state, "nodes", before);
    add_records(&out, state, "waiting", before);
    char *policy = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(state, "policy"));
    buffer_text(&out, policy ? policy : "");
    free(policy);
    cJSON_Delete(state);
    free(text);
    return strdup(buffer_string(&out));
}

/* The unit behind a number: "2m ago", "3d". */
static bool is_unit(const char *at)
{
    return strchr("smhd", *at) && !isalpha((unsigned char)at[1]);
}

char *sense_mask(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (strncmp(at, "UTC", 3) == 0) {
            at += 2;
            continue;
        }
        char last = to == text ? '\0' : to[-1];
        bool number = isxdigit((unsigned char)*at) || strchr("-.:+TZ", *at)
                      || (last == '#' && is_unit(at));
        if (!(number && last == '#') && !(*at == ' ' && last == ' '))
            *to++ = number ? '#' : *at;
    }
    *to = '\0';
    return text;
}
