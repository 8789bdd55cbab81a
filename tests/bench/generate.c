/* Writes a state file of N boosts in grid's own layout, all of them active until 2099. */
#include <stdio.h>
#include <stdlib.h>

static void put_boost(long index, long count)
{
    printf("    {\n"
           "      \"boost_id\": \"%08lx-5b0d-4c3e-9f10-%012lx\",\n"
           "      \"source_node\": \"gpu%ld\",\n"
           "      \"target_node\": \"gpu-master\",\n"
           "      \"resource_type\": \"%s\",\n"
           "      \"amount\": %ld.%d,\n"
           "      \"allocated_at\": \"2026-01-23T20:%02ld:%02ld.%06ld+00:00\",\n"
           "      \"expires_at\": \"2099-01-01T00:00:00.%06ld+00:00\",\n"
           "      \"ray_placement_group\": null,\n"
           "      \"is_active\": true,\n"
           "      \"owner\": \"alice\",\n"
           "      \"token\": %ld\n"
           "    }%s\n",
           (index * 2654435761L) & 0xffffffffL, index, index % 40,
           index % 3 == 0 ? "GPU" : index % 3 == 1 ? "CPU" : "MEMORY", 1 + index % 8,
           index % 2 ? 5 : 0, index / 60 % 60, index % 60, index % 1000000, index % 1000000,
           index + 1, index + 1 < count ? "," : "");
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 10;

    printf("{\n  \"boosts\": [\n");
    for (long index = 0; index < count; index++)
        put_boost(index, count);
    printf("  ],\n  \"timestamp\": \"2026-01-24T20:00:23.954801\",\n  \"revision\": %ld\n}\n",
           count);
    return fflush(stdout) || ferror(stdout);
}
