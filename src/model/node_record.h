/* The JSON of nodes and of the policy. */
#ifndef MODEL_NODE_RECORD_H
#define MODEL_NODE_RECORD_H

#include "grid/node.h"
#include "util/json.h"

/* Reads a node, an object of the state file. ECORRUPT with the reason when it is not sound: no
 * node_id, amounts that are none. Members that say nothing to us are passed over. */
int node_record_read(struct span text, struct grid_node *ret, struct grid_error *err);

/* What an event of a node or the policy is about: the value of its member `name` ("node",
 * "policy"); length 0: it has none. `event` is valid JSON. */
struct span node_record_subject(struct span event, const char *name);

/* Prints a node; members of `old` (length 0: none) that are not ours follow behind ours. */
void node_record_write(struct json *json, struct span old, const struct grid_node *node);

/* The members alone, into an object that is open: `node show` adds what is lent and free. */
void node_record_members(struct json *json, const struct grid_node *node);
void node_record_amounts(struct json *json, const struct grid_amounts *amounts);

/* The policy; a text of length 0 is the default one. */
int policy_record_read(struct span text, struct grid_policy *ret, struct grid_error *err);
void policy_record_write(struct json *json, const struct grid_policy *policy);

#endif
