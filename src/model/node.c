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

int64_t grid_amounts_get(const struct grid_amounts *amounts, const char *resource, int64_t missing)
{
    size_t i = find(amounts, resource);
    return i < amounts->count ? amounts->at[i].amount_u : missing;
}

int grid_amounts_set(struct grid_amounts *amounts, const char *resource, int64_t amount_u,
                     struct grid_error *err)
{
    size_t i = find(amounts, resource);
    if (amount_u < 0) {
        if (i < amounts->count)
            memmove(&amounts->at[i], &amounts->at[i + 1],
                    (--amounts->count - i) * sizeof(amounts->at[0]));
        return 0;
    }
    if (i == GRID_NODE_RESOURCES)
        return grid_error_set(err, GRID_EUSAGE, "more than %d kinds of resource",
                              GRID_NODE_RESOURCES);
    if (i == amounts->count)
        text_copy(amounts->at[amounts->count++].resource, GRID_RESOURCE_SIZE, resource);
    amounts->at[i].amount_u = amount_u;
    return 0;
}

static const char *const role_names[] = {"", "master", "worker"};

const char *grid_role_name(enum grid_role role) { return role_names[role]; }

static const char *next_role(void *context, size_t index)
{
    (void)context;
    return index + 1 < countof(role_names) ? role_names[index + 1] : NULL;
}

int grid_role_parse(const char *text, enum grid_role *ret, struct grid_error *err)
{
    for (size_t i = 1; i < countof(role_names); i++)
        if (text_same(text, role_names[i])) {
            *ret = (enum grid_role)i;
            return 0;
        }
    return text_unknown("role", text, next_role, NULL, err);
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
