/* The JSON of tickets. */
#ifndef MODEL_TICKET_RECORD_H
#define MODEL_TICKET_RECORD_H

#include "grid/ticket.h"
#include "util/json.h"

/* Reads a ticket, an object of the state file. ECORRUPT with the reason when it is not sound: no
 * ticket_id, target_node, queued_at or expires_at, needs that are none, no duration (seconds, or
 * null for no end). Members that say nothing to us are passed over. ENOMEM. */
int ticket_record_read(struct span text, struct grid_ticket *ret, struct grid_error *err);

/* Prints a ticket over the text that it was read from (length 0: none): what has not changed, and
 * what is none of ours, keeps its text. */
void ticket_record_write(struct json *json, struct span old, const struct grid_ticket *ticket);

/* The members alone, into an object that is open: `boost queue` adds position and start. */
void ticket_record_members(struct json *json, const struct grid_ticket *ticket);

#endif
