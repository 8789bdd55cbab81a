/* Tickets: their order in the queue, and how they look in events. */
#include "grid/ticket.h"

#include "util/text.h"

#include <string.h>

int grid_ticket_compare(const struct grid_ticket *a, const struct grid_ticket *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    if (a->queued_us != b->queued_us)
        return a->queued_us < b->queued_us ? -1 : 1;
    return strcmp(a->ticket_id, b->ticket_id);
}

void grid_ticket_boost(const struct grid_ticket *ticket, struct grid_boost *ret)
{
    const struct grid_need *need = &ticket->needs[0];
    *ret = (struct grid_boost){.amount_u = need->amount_u, .allocated_us = ticket->queued_us,
                               .starts_us = ticket->queued_us, .expires_us = GRID_NEVER,
                               .priority = ticket->priority, .is_active = true};
    const char *source = ticket->source_node[0] ? ticket->source_node : GRID_ANY_NODE;
    text_copy(ret->boost_id, sizeof(ret->boost_id), ticket->ticket_id);
    text_copy(ret->source_node, sizeof(ret->source_node), source);
    text_copy(ret->target_node, sizeof(ret->target_node), ticket->target_node);
    text_copy(ret->resource_type, sizeof(ret->resource_type), need->resource);
    text_copy(ret->owner, sizeof(ret->owner), ticket->owner);
    text_copy(ret->host, sizeof(ret->host), ticket->host);
    text_copy(ret->reason, sizeof(ret->reason), ticket->reason);
    text_copy(ret->request_id, sizeof(ret->request_id), ticket->request_id);
    text_copy(ret->requested, sizeof(ret->requested), ticket->requested);
}
