/* Nodes, amounts by resource, and the policy: values and their checks. */
#include "grid/node.h"
#include "util/text.h"

#include <string.h>

static size_t find(const struct grid_amounts *amounts, const char *resource)
{
    size_t i = 0;
    while (i < amounts->count && strcmp(amounts->at[i].resource, resource) != 0)
        i++;
    return i;
}

static bool is_before(const char *a, const char *b)
{
    static const char *const first[] = {"CPU", "GPU", "MEMORY"};
    for (size_t i = 0; i < countof(first); i++)
        if (strcmp(a, first[i]) == 0 || strcmp(b, first[i]) == 0)
            return strcmp(a, first[i]) == 0;
    return strcmp(a, b) < 0;
}

int64_t grid_amounts_get(const struct grid_amounts *amounts, const char *resource, int64_t missing)
{
    size_t i = find(amounts, resource);
    return i < amounts->count ? amounts->at[i].amount_u : missing;
}

int grid_amounts_set(struct grid_amounts *amounts, const char *resource, int64_t amount_u,
                     struct grid_error *err)
{
    size_t i = find(amounts, resource), step = sizeof(amounts->at[0]);
    bool is_new = i == amounts->count;
    if (amount_u < 0) {
        if (!is_new) {
            memmove(&amounts->at[i], &amounts->at[i + 1], (--amounts->count - i) * step);
            memset(&amounts->at[amounts->count], 0, step);
        }
        return 0;
    }
    if (i == GRID_NODE_RESOURCES)
        return grid_error_set(err, GRID_EUSAGE, "more than %d kinds of resource",
                              GRID_NODE_RESOURCES);
    if (is_new) {
        for (i = 0; i < amounts->count && is_before(amounts->at[i].resource, resource);)
            i++;
        memmove(&amounts->at[i + 1], &amounts->at[i], (amounts->count++ - i) * step);
        memset(&amounts->at[i], 0, step);
        text_copy(amounts->at[i].resource, GRID_RESOURCE_SIZE, resource);
    }
    amounts->at[i].amount_u = amount_u;
    return 0;
}

static const char *const role_names[] = {"", "master", "worker"};

const char *grid_role_name(enum grid_role role) { return role_names[role]; }

const char *grid_role_next(void *context, size_t index)
{
    (void)context;
    return index + 1 < countof(role_names) ? role_names[index + 1] : NULL;
}

int grid_role_parse(const char *text, enum grid_role *ret, struct grid_error *err)
{
    size_t index;
    int rc = text_choice("role", text, grid_role_next, NULL, &index, err);
    if (rc == 0)
        *ret = (enum grid_role)(index + 1);
    return rc;
}

int64_t grid_node_lendable(const struct grid_node *node, const char *resource)
{
    int64_t left_u = grid_amounts_get(&node->capacity, resource, 0) -
                     grid_amounts_get(&node->keep, resource, 0);
    int64_t lend_u = grid_amounts_get(&node->lend, resource, INT64_MAX);
    if (!node->can_share || left_u < 0)
        return 0;
    return left_u < lend_u ? left_u : lend_u;
}

bool grid_node_is_held(const struct grid_node *node, int64_t now_us)
{
    return node->held && node->hold_until_us > now_us;
}

bool grid_node_is_stale(const struct grid_node *node, int64_t now_us)
{
    return node->stale_after_us > 0 && now_us - node->last_seen_us > node->stale_after_us;
}
