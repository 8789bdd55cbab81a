/* Tickets in the state file: what is kept of it, its generations, and going back from damage. */
#include "store/place.h"
#include "util/file.h"

#include <fcntl.h>

struct notes {
    size_t count;
    char last[1024];
};

static void take_note(void *context, enum grid_note_level level, const char *text)
{
    struct notes *notes = context;
    if (level != GRID_NOTE_WARNING)
        return;
    notes->count++;
    snprintf(notes->last, sizeof(notes->last), "%s", text);
}

static char *state_text(const struct place *place)
{
    char path[128], *text = NULL;
    size_t length;
    snprintf(path, sizeof(path), "%s/resource_boosts.json", place->directory);
    cr_assert_eq(file_read(AT_FDCWD, path, &text, &length, NULL, NULL), 0);
    return text;
}

static void write_state(const struct place *place, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/resource_boosts.json", place->directory);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    fclose(file);
}

static int see_ticket(void *context, const struct grid_ticket *ticket, struct grid_error *err)
{
    (void)err;
    strcat(strcat(context, ticket->ticket_id), " ");
    return 0;
}

static int see_tickets(struct grid_tx *tx, void *context, struct grid_error *err)
{
    return grid_tx_tickets(tx, see_ticket, context, err);
}

static const char *tickets(struct grid_store *store)
{
    static char seen[128];
    struct grid_error err = {0};
    seen[0] = '\0';
    cr_expect_eq(grid_store_transact(store, GRID_READ, see_tickets, seen, NULL, &err), 0, "%s",
                 err.message);
    return seen;
}

struct put {
    const char *id;
    enum grid_event_kind event;
    bool boost; /* one of this id is granted, too */
};

static int put_one(struct grid_tx *tx, void *context, struct grid_error *err)
{
    const struct put *put = context;
    struct grid_ticket ticket = {.queued_us = GRID_HOUR, .expires_us = 2 * GRID_HOUR,
                                 .duration_us = GRID_HOUR, .need_count = 1, .target_node = "n",
                                 .needs = {{"CPU", GRID_AMOUNT_UNIT}}};
    struct grid_boost boost;
    snprintf(ticket.ticket_id, sizeof(ticket.ticket_id), "%s", put->id);
    grid_ticket_boost(&ticket, &boost);
    int rc = grid_tx_put_ticket(tx, &ticket, put->event, NULL, err);
    if (rc == 0 && put->boost)
        rc = grid_tx_put_boost(tx, NULL, &boost, GRID_EVENT_GRANTED, grid_tx_now(tx), NULL, err);
    return rc;
}

static void put(struct grid_store *store, const char *id, enum grid_event_kind event, bool boost)
{
    struct put one = {id, event, boost};
    struct grid_error err = {0};
    cr_assert_eq(grid_store_transact(store, GRID_WRITE, put_one, &one, NULL, &err), 0, "%s",
                 err.message);
}

/* --- the file ------------------------------------------------------------------------------ */

#define TICKET(id, more)                                                                      \
    "{ \"ticket_id\":\"" id "\",\"needs\" :{\"cpu\":2},\"target_node\":\"n\",\"duration\":1," \
    "\n\t\"queued_at\":\"2026-01-23T20:00:00Z\",\"expires_at\":\"2026-01-23T20:00:30Z\"" more "}"
#define UNSOUND "{\"ticket_id\": \"bad\", \"needs\":  {}}"
#define FILE_OF(list)                                                                       \
    "{\n  \"boosts\": [],\n  \"timestamp\": \"2026-01-23T20:00:23.954801\",\n"              \
    "  \"revision\": 5,\n  \"waiting\": [" list "],\n  \"more\": [1.50]\n}\n"

Test(waiting_file, keeps_what_it_does_not_change)
{
    struct place place;
    struct notes notes = {0};
    make_place(&place, "file");
    write_state(&place, FILE_OF(TICKET("t1", "") ", " UNSOUND "," TICKET("t2", ",\"x\":[1e2]")));
    struct grid_store *store = open_with(
        (struct grid_store_options){.note = take_note, .note_context = &notes}, place.url);
    cr_expect_str_eq(tickets(store), "t1 t2 ");
    cr_expect_eq(notes.count, 1);
    cr_expect_str_eq(notes.last, "ticket 1 of 'resource_boosts.json': 'target_node' is missing, or "
                     "no name");
    put(store, "t2", GRID_EVENT_QUIET, false);
    put(store, "t3", GRID_EVENT_QUEUED, false);
    char *text = state_text(&place);
    cr_expect_not_null(strstr(text, TICKET("t1", "")), "%s", text);
    cr_expect_not_null(strstr(text, UNSOUND), "%s", text);
    cr_expect_not_null(strstr(text, "\"expires_at\": \"1970-01-01T02:00:00.000000+00:00\",\n"
                                    "      \"x\": [\n        1e2\n      ],\n"
                                    "      \"priority\": \"low\"\n    }"), "%s", text);
    cr_expect_not_null(strstr(text, "\"more\": [1.50]"));
    free(text);
    cr_expect_str_eq(tickets(store), "t1 t2 t3 ");
    put(store, "t1", GRID_EVENT_WITHDRAWN, false);
    put(store, "t2", GRID_EVENT_GRANTED, false);
    put(store, "t3", GRID_EVENT_GRANTED, false);
    text = state_text(&place);
    cr_expect_not_null(strstr(text, "\"waiting\": [\n    " UNSOUND "\n  ]"), "%s", text);
    free(text);
    grid_store_close(store);
    drop_place(&place);
}

Test(waiting_file, has_no_member_when_nobody_waits)
{
    struct place place;
    make_place(&place, "file");
    struct grid_store *store = open_store(place.url);
    put(store, "t1", GRID_EVENT_QUEUED, false);
    char *text = state_text(&place);
    cr_expect_not_null(strstr(text, "\"waiting\""), "%s", text);
    free(text);
    put(store, "t1", GRID_EVENT_GRANTED, false);
    text = state_text(&place);
    cr_expect_null(strstr(text, "\"waiting\""), "%s", text);
    free(text);
    grid_store_close(store);
    drop_place(&place);
}

static int count_entry(void *context, const char *name, struct grid_error *err)
{
    (void)name, (void)err;
    ++*(size_t *)context;
    return 0;
}

static size_t generations(const struct place *place)
{
    char path[128];
    size_t count = 0;
    snprintf(path, sizeof(path), "%s/generations", place->directory);
    if (access(path, F_OK) == 0)
        cr_expect_eq(file_each(AT_FDCWD, path, count_entry, &count, NULL), 0);
    return count;
}

Test(waiting_file, renewals_make_no_generation)
{
    struct place place;
    make_place(&place, "file");
    struct grid_store *store = open_store(place.url);
    put(store, "t1", GRID_EVENT_QUEUED, false);
    put(store, "t1", GRID_EVENT_QUIET, false);
    put(store, "t1", GRID_EVENT_QUIET, false);
    cr_expect_eq(generations(&place), 0);
    put(store, "t2", GRID_EVENT_QUEUED, false);
    cr_expect_eq(generations(&place), 1);
    put(store, "t2", GRID_EVENT_GRANTED, false);
    cr_expect_eq(generations(&place), 1, "the event of its boost would make one");
    put(store, "t1", GRID_EVENT_GRANTED, true);
    cr_expect_eq(generations(&place), 2);
    grid_store_close(store);
    drop_place(&place);
}

/* The state is damaged: the newest generation is one commit behind, the history knows the rest. */
Test(waiting_file, tickets_come_back_with_the_history)
{
    static const struct {
        struct put puts[4];
        const char *waiting;
    } rows[] = {
        {{{"a", GRID_EVENT_QUEUED, false}, {"b", GRID_EVENT_QUEUED, false}}, "a b "},
        {{{"a", GRID_EVENT_QUEUED, false}, {"a", GRID_EVENT_WITHDRAWN, false}}, ""},
        {{{"a", GRID_EVENT_QUEUED, false}, {"b", GRID_EVENT_QUEUED, false},
          {"a", GRID_EVENT_GRANTED, true}}, "b "},
        {{{"a", GRID_EVENT_QUEUED, false}, {"b", GRID_EVENT_QUEUED, false},
          {"b", GRID_EVENT_GRANTED, true}, {"c", GRID_EVENT_QUEUED, false}}, "a c "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct place place;
        make_place(&place, "file");
        struct grid_store *store = open_store(place.url);
        for (size_t k = 0; k < 4 && rows[i].puts[k].id; k++)
            put(store, rows[i].puts[k].id, rows[i].puts[k].event, rows[i].puts[k].boost);
        write_state(&place, "{\"boosts\": [");
        cr_expect_str_eq(tickets(store), rows[i].waiting, "row %zu: in memory", i);
        put(store, "z", GRID_EVENT_QUIET, false);
        char wanted[32];
        snprintf(wanted, sizeof(wanted), "%sz ", rows[i].waiting);
        cr_expect_str_eq(tickets(store), wanted, "row %zu: in the file", i);
        grid_store_close(store);
        drop_place(&place);
    }
}

/* The original drops what it does not know: tickets come back, but for those that are over. */
Test(waiting_file, outlives_a_rewrite_by_the_original)
{
    struct place place;
    make_place(&place, "file");
    struct grid_store *store = open_store(place.url);
    for (int generations = 0; generations < 2; generations++) {
        put(store, "t1", GRID_EVENT_QUEUED, false);
        write_state(&place, "{\"boosts\": [], \"timestamp\": \"2026-01-23T20:00:23\"}");
        cr_expect_str_eq(tickets(store), "t1 ");
        put(store, "t2", GRID_EVENT_QUEUED, false);
        put(store, "t1", GRID_EVENT_GRANTED, true);
        /* The boost of t1 has ended since: its ticket does not come back. */
        write_state(&place, "{\"boosts\": [], \"timestamp\": \"2026-01-23T20:00:23\"}");
        cr_expect_str_eq(tickets(store), "t2 ");
        put(store, "t2", GRID_EVENT_WITHDRAWN, false);
        write_state(&place, "{\"boosts\": [], \"timestamp\": \"2026-01-23T20:00:23\"}");
        cr_expect_str_eq(tickets(store), "");
    }
    grid_store_close(store);
    drop_place(&place);
}
