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
           : subject == GRID_TICKET ? "ticket"
           : subject == GRID_EVENT  ? "event" : "policy";
}

int document_bad(enum grid_subject subject, size_t index, const char *why, struct grid_error *err)
{
    return grid_error_set(err, GRID_EUSAGE, "%s %zu of the document: %s", document_word(subject),
                          index, why);
}

int document_check(enum grid_subject subject, size_t index, struct span text,
                   union document_record *ret, struct grid_error *err)
{
    struct grid_error why = {0};
    int rc = document_record(subject, text, ret, &why);
    if (rc == GRID_ENOMEM)
        return *err = why, rc;
    return rc < 0 ? document_bad(subject, index, why.message, err) : 0;
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
    return buffer_same(&left, &right);
}
