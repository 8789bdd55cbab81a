/* Comparison (b): the plain way in C, a whole tree: cJSON_Parse, append a boost, cJSON_Print. */
#include "durable.h"

#include <cjson/cJSON.h>

static cJSON *new_boost(void)
{
    cJSON *boost = cJSON_CreateObject();

    cJSON_AddStringToObject(boost, "boost_id", "00000000-0000-4000-8000-00000000beef");
    cJSON_AddStringToObject(boost, "source_node", "any");
    cJSON_AddStringToObject(boost, "target_node", "gpu-master");
    cJSON_AddStringToObject(boost, "resource_type", "CPU");
    cJSON_AddNumberToObject(boost, "amount", 2.0);
    cJSON_AddStringToObject(boost, "allocated_at", "2026-01-23T20:00:23.954754+00:00");
    cJSON_AddStringToObject(boost, "expires_at", "2099-01-01T00:00:00.000000+00:00");
    cJSON_AddNullToObject(boost, "ray_placement_group");
    cJSON_AddTrueToObject(boost, "is_active");
    return boost;
}

int main(int argc, char **argv)
{
    size_t length;
    cJSON *state;
    char *text;

    if (argc != 2)
        return 2;
    durable_lock(argv[1]);
    text = durable_read(argv[1], &length);
    state = cJSON_ParseWithLength(text, length);
    durable_check(!state, "parse");
    free(text);
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(state, "boosts"), new_boost());
    text = cJSON_Print(state);
    durable_check(!text, "print");
    durable_replace(argv[1], text, strlen(text));
    free(text);
    cJSON_Delete(state);
    return 0;
}
