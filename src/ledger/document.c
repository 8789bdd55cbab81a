/* The records of an exported ledger: whichever kind, read, named and compared. */
#include "ledger/dump.h"

#include "model/node_record.h"
#include "model/record.h"
#include "model/ticket_record.h"

#include <string.h>

int document_record(enum grid_subject subject, struct span text, union document_record *ret,
                    struct grid_error *err)
{
    if (subject == GRID_BOOST)
        return record_read(text, &ret->boost, NULL, err);
    if (subject == GRID_NODE)
        return node_record_read(text, &ret->node, err);
    if (subject == GRID_TICKET)
        return ticket_record_read(text, &ret->ticket, err);
    return policy_record_read(text, &ret->policy, err);
}

const char *document_id(enum grid_subject subject, const union document_record *record)
{
    return subject == GRID_BOOST    ? record->boost.boost_id
           : subject == GRID_NODE   ? record->node.node_id
           : subject == GRID_TICKET ? record->ticket.ticket_id : "";
}

const char *document_word(enum grid_subject subject)
{
    return subject == GRID_BOOST    ? "boost"
           : subject == GRID_NODE   ? "node"
           : subject == GRID_TICKET ? "ticket" : "policy";
}

static void print(struct json *json, enum grid_subject subject,
                  const union document_record *record)
{
    if (subject == GRID_BOOST)
        record_write(json, &record->boost);
    else if (subject == GRID_NODE)
        node_record_write(json, (struct span){0}, &record->node);
    else if (subject == GRID_TICKET)
        ticket_record_write(json, (struct span){0}, &record->ticket);
    else
        policy_record_write(json, &record->policy);
}

bool document_same(enum grid_subject subject, const union document_record *a,
                   const union document_record *b)
{
    grid_auto_buffer struct buffer left = BUFFER_INIT, right = BUFFER_INIT;
    struct json first = json_begin(&left, -1), second = json_begin(&right, -1);
    print(&first, subject, a);
    print(&second, subject, b);
    return !left.error && !right.error && left.length == right.length
           && memcmp(left.data, right.data, left.length) == 0;
}
