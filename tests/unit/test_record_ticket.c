/* Tickets: their order, the boost that stands for them, their JSON. */
#include "model/ticket_record.h"
#include "unit/records.h"

#include <stdlib.h>

static const struct {
    const char *id;
    enum grid_priority priority;
    int64_t queued_us;
} queue[] = {
    {"b", GRID_CRITICAL, 9}, {"a", GRID_HIGH, 1}, {"c", GRID_HIGH, 2},
    {"d", GRID_HIGH, 2},     {"e", GRID_LOW, 0},
};

static int by_order(const void *a, const void *b)
{
    return grid_ticket_compare(a, b);
}

Test(ticket, priority_then_age_then_id)
{
    struct grid_ticket tickets[countof(queue)] = {0};
    for (size_t i = 0; i < countof(queue); i++) {
        struct grid_ticket *ticket = &tickets[countof(queue) - 1 - i];
        text_copy(ticket->ticket_id, sizeof(ticket->ticket_id), queue[i].id);
        ticket->priority = queue[i].priority;
        ticket->queued_us = queue[i].queued_us;
    }
    qsort(tickets, countof(queue), sizeof(tickets[0]), by_order);
    for (size_t i = 0; i < countof(queue); i++)
        cr_expect_str_eq(tickets[i].ticket_id, queue[i].id);
    cr_expect_eq(grid_ticket_compare(&tickets[0], &tickets[0]), 0);
}

#define T "{\"ticket_id\":\"t\""
#define TARGET ",\"target_node\":\"n\""
#define NEEDS ",\"needs\":{\"CPU\":2.0,\"MEMORY\":16.0}"
#define LAST ",\"duration\":3600.0"
#define QUEUED ",\"queued_at\":\"2026-01-23T20:00:00.000000+00:00\""
#define EXPIRES ",\"expires_at\":\"2026-01-23T20:00:30.000000+00:00\""
#define OWN                                                                                   \
    ",\"source_node\":\"s\",\"prefer_node\":\"p\",\"split\":true,\"preempt\":true,"           \
    "\"owner\":\"o\",\"host\":\"h\",\"reason\":\"two\\nlines\",\"request_id\":\"r\","  \
    "\"requested\":\"cpu 2\""

/* `means`: what is printed again; NULL: as it is. !why */
static const struct {
    const char *text, *means;
} tickets[] = {
    {T TARGET NEEDS LAST QUEUED EXPIRES "}", NULL},
    {T TARGET NEEDS ",\"priority\":\"high\",\"duration\":null,\"lease\":60.0" OWN QUEUED EXPIRES
       "}", NULL},
    {T TARGET ",\"needs\":{\"MEMORY\":16.0,\"CPU\":2.0}" LAST QUEUED EXPIRES "}", NULL},
    {T TARGET NEEDS LAST QUEUED EXPIRES ",\"x\":{\"y\":[1.50]}}", NULL},
    {"{ \"x\": 1e2, \"expires_at\": \"2026-01-23 20:00:30Z\", \"ticket_id\": \"t\", \"split\": 0,"
     "\"needs\": {\"cpu\": 2, \"memory\": 16}, \"target_node\": \"n\", \"duration\": 3600,"
     "\"queued_at\": \"2026-01-23T21:00:00+01:00\", \"priority\": \"urgent\"}",
     "{\"x\":1e2,\"expires_at\":\"2026-01-23 20:00:30Z\",\"ticket_id\":\"t\",\"split\":0,"
     "\"needs\":{\"cpu\":2,\"memory\":16},\"target_node\":\"n\",\"duration\":3600,"
     "\"queued_at\":\"2026-01-23T21:00:00+01:00\",\"priority\":\"urgent\"}"},
    {T TARGET NEEDS ",\"lease\":\"10m\"" LAST QUEUED EXPIRES "}", "!'lease' is no duration"},
    {T TARGET NEEDS ",\"duration\":\"1h\"" QUEUED EXPIRES "}", "!'duration' is no duration"},
    {T TARGET NEEDS LAST LAST QUEUED EXPIRES "}", "!'duration' comes twice"},
    {"{\"a\":1" TARGET NEEDS LAST QUEUED EXPIRES "}", "!'ticket_id' is missing, or no name"},
    {"{\"ticket_id\":7" TARGET NEEDS LAST QUEUED EXPIRES "}",
     "!'ticket_id' is missing, or no name"},
    {"{\"ticket_id\":\"\"" TARGET NEEDS LAST QUEUED EXPIRES "}",
     "!'ticket_id' is missing, or no name"},
    {"{\"ticket_id\":\"" FIFTY FIFTY FIFTY "\"" TARGET NEEDS LAST QUEUED EXPIRES "}",
     "!'ticket_id' is missing, or no name"},
    {T NEEDS LAST QUEUED EXPIRES "}", "!'target_node' is missing, or no name"},
    {T TARGET LAST QUEUED EXPIRES "}", "!'needs' is missing, or no object"},
    {T TARGET ",\"needs\":{}" LAST QUEUED EXPIRES "}", "!'needs' is empty"},
    {T TARGET ",\"needs\":[]" LAST QUEUED EXPIRES "}", "!'needs' is missing, or no object"},
    {T TARGET ",\"needs\":{\"CPU\":0}" LAST QUEUED EXPIRES "}",
     "!'CPU' of 'needs' is no amount, or the second"},
    {T TARGET ",\"needs\":{\"CPU\":-1}" LAST QUEUED EXPIRES "}",
     "!'CPU' of 'needs' is no amount, or the second"},
    {T TARGET ",\"needs\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}"
       LAST QUEUED EXPIRES "}", "!'needs' has more than 8"},
    {T TARGET ",\"needs\":{\"cpu\":1,\"CPU\":1}" LAST QUEUED EXPIRES "}",
     "!'CPU' of 'needs' is no amount, or the second"},
    {T TARGET NEEDS QUEUED EXPIRES "}", "!'duration' is none"},
    {T TARGET NEEDS LAST EXPIRES "}", "!'queued_at' is no time"},
    {T TARGET NEEDS LAST QUEUED "}", "!'expires_at' is no time"},
    {T TARGET NEEDS LAST QUEUED ",\"expires_at\":null}", "!'expires_at' is no time"},
    {"[]", "!it is not an object"},
    {T, "!not JSON: no comma or } at byte 16"},
};

Test(ticket, is_read_and_written_back)
{
    for (size_t i = 0; i < countof(tickets); i++) {
        const char *means = tickets[i].means ? tickets[i].means : tickets[i].text;
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        struct json json = json_begin(&out, -1);
        struct grid_ticket ticket;
        struct grid_error err = {0};
        int rc = ticket_record_read(span_of(tickets[i].text), &ticket, &err);
        cr_expect_eq(rc, *means == '!' ? GRID_ECORRUPT : 0, "%s: %s", tickets[i].text, err.message);
        if (rc == 0)
            ticket_record_write(&json, span_of(tickets[i].text), &ticket);
        cr_expect_str_eq(rc == 0 ? buffer_string(&out) : err.message, means + (*means == '!'));
    }
}

Test(ticket, stands_in_events_as_a_boost)
{
    struct grid_ticket ticket;
    struct grid_boost boost;
    cr_assert_eq(ticket_record_read(span_of(T TARGET NEEDS LAST QUEUED EXPIRES "}"), &ticket,
                                    NULL), 0);
    grid_ticket_boost(&ticket, &boost);
    cr_expect_str_eq(boost.boost_id, "t");
    cr_expect_str_eq(boost.source_node, GRID_ANY_NODE);
    cr_expect_str_eq(boost.target_node, "n");
    cr_expect_str_eq(boost.resource_type, "CPU");
    cr_expect_eq(boost.amount_u, 2 * GRID_AMOUNT_UNIT);
    cr_expect(boost.allocated_us == ticket.queued_us && boost.starts_us == ticket.queued_us);
    cr_expect(boost.expires_us == GRID_NEVER && boost.is_active && boost.ended == GRID_ACTIVE);
    text_copy(ticket.source_node, sizeof(ticket.source_node), "s");
    grid_ticket_boost(&ticket, &boost);
    cr_expect_str_eq(boost.source_node, "s");
}
