/* The JSON of nodes and of the policy. */
#ifndef MODEL_NODE_RECORD_H
#define MODEL_NODE_RECORD_H

#include "grid/node.h"
#include "util/json.h"

/* Reads a node, an object of the state file. ECORRUPT with the reason when it is not sound: no
 * name that a node may have, or a member that limits what is lent (amounts, can_share, hold,
 * stale_after) and is not what it should be. Others that say nothing to us are passed over.
 * ENOMEM. */
int node_record_read(struct span text, struct grid_node *ret, struct grid_error *err);

/* What an event of a node, the policy or a ticket is about: the value of its member `name` ("node",
 * "policy", "ticket"); length 0: it has none. `event` is valid JSON. */
struct span node_record_subject(struct span event, const char *name);

/* Prints a node over the text that it was read from (length 0: none): what has not changed, and
 * what is none of ours, keeps its text. */
void node_record_write(struct json *json, struct span old, const struct grid_node *node);

/* The members alone, into an object that is open: `node show` adds what is lent and free. */
void node_record_members(struct json *json, const struct grid_node *node);
void node_record_amounts(struct json *json, const struct grid_amounts *amounts);

/* The members of the policy but "quota", in the order of the file. */
#define POLICY_MEMBERS 5
struct policy_member {
    const char *name;
    size_t offset; /* in struct grid_policy: a duration, or */
    bool truth;    /* a bool */
    bool never;    /* may the duration be GRID_NEVER? Else it may be 0 */
};
extern const struct policy_member policy_members[POLICY_MEMBERS];

/* The policy; a text of length 0 is the default one. ECORRUPT: a member is not what it should be.
 * Printed over an old text as a node. */
int policy_record_read(struct span text, struct grid_policy *ret, struct grid_error *err);
void policy_record_rewrite(struct json *json, struct span old, const struct grid_policy *policy);
void policy_record_write(struct json *json, const struct grid_policy *policy);

/* Does it say what the default one says? 1: yes; 0: no; ENOMEM. */
int policy_record_is_default(const struct grid_policy *policy, struct grid_error *err);

#endif
