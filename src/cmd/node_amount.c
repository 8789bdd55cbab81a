/* RESOURCE=AMOUNT, as it is typed for nodes and quotas, and as it is mistyped. */
#include "cmd/node.h"

#include <string.h>

/* The well-known resource that was probably meant, or NULL. */
static const char *meant(const char *resource)
{
    static const char *const words[][2] = {
        {"cp", "cpu"}, {"cpus", "cpu"}, {"core", "cpu"},   {"cores", "cpu"},
        {"gp", "gpu"}, {"gpus", "gpu"}, {"mem", "memory"}, {"ram", "memory"},
    };
    for (size_t i = 0; i < countof(words); i++)
        if (text_same(resource, words[i][0]))
            return words[i][1];
    for (size_t i = 0; cmd_resources[i]; i++)
        if (text_same(resource, cmd_resources[i]))
            return NULL;
    /* Other short names are as good as any: "tpu". */
    return strlen(resource) > 3 ? text_nearest(resource, cmd_word, (void *)cmd_resources) : NULL;
}

/* A word without its '=': what was probably typed. */
static int refuse_word(const char *word, const char *next, struct grid_error *err)
{
    char resource[GRID_RESOURCE_SIZE];
    grid_error_set(err, GRID_EUSAGE, "'%s' is not RESOURCE=AMOUNT", text_shown(word));
    if (grid_resource_parse(word, resource, NULL) == 0 && next && text_is_digit(*next))
        return grid_error_hint(err, "write %s=%s", text_shown(word), text_shown(next));
    return grid_error_hint(err, "as in cpu=16; put a text of several words in quotes");
}

int node_amount(const char *word, const char *next, char ret_resource[static GRID_RESOURCE_SIZE],
                int64_t *ret_amount_u, struct grid_error *err)
{
    const char *equals = strchr(word, '=');
    if (!equals)
        return refuse_word(word, next, err);
    grid_auto_free char *name = strndup(word, (size_t)(equals - word));
    if (!name)
        return grid_error_set(err, GRID_ENOMEM, "no memory");
    int rc = grid_resource_parse(name, ret_resource, err);
    *ret_amount_u = -1;
    if (rc < 0 || strcmp(equals + 1, "none") == 0)
        return rc;
    return grid_amount_parse_limit(ret_resource, equals + 1, ret_amount_u, err);
}

void node_warn(struct cmd *cmd, const char *resource)
{
    char name[GRID_RESOURCE_SIZE];
    text_copy_lower(name, sizeof(name), resource);
    if (meant(name))
        output_warning(cmd, "'%s' is a resource of its own: did you mean '%s'?", name,
                       meant(name));
}
