/* The queue: order, promises, promotion. */
#include "support/script.h"
#include "unit/snapshot.h"

/* t borrows, a lends 4 cores, and "busy" has them all for an hour. */
#define FULL "node t cpu 1\nnode a cpu 4\nget busy t cpu 4 for 60 from a\n"

static const struct {
    const char *what, *text;
} rows[] = {
    {"a release promotes in the same commit, on a lease, under the ticket's id", FULL
     "queue first t cpu 4 for 30\n"
     "place first 1 60\n"
     "at 10\n"
     "release busy\n"
     "is first active a 10 10.5 40\n"
     "last first granted\n"
     "tickets 0\n"},
    {"priority before age", FULL
     "queue old1 t cpu 4 for 10\n"
     "at 1\n"
     "queue new1 t cpu 4 for 10 priority high\n"
     "at 2\n"
     "queue new2 t cpu 4 for 10\n"
     "place new1 1 60\nplace old1 2 70\nplace new2 3 80\n"
     "release busy\n"
     "is new1 active a 2 2.5 12\n"
     "place old1 1 12\nplace new2 2 22\n"},
    {"several at once, in their order", FULL
     "queue one1 t cpu 2 for 10\n"
     "at 1\n"
     "queue two2 t cpu 1 for 10\n"
     "queue zero t cpu 2 for 10\n"
     "release busy\n"
     "is one1 active a 1 1.5 11\n"
     "is two2 active a 1 1.5 11\n"
     "tickets 1\n"},
    {"what has ended by the clock makes room, without anybody's doing", FULL
     "queue first t cpu 4 for 30\n"
     "at 60\n"
     "cleanup\n"
     "told busy\n"
     "is first active a 60 60.5 90\n"},
    {"so do a shorter end,", FULL
     "queue first t cpu 4 for 30\n"
     "at 10\n"
     "extend busy by 1 => refused\n"
     "extend busy until 20 shorten\n"
     "place first 1 20\n"},
    {"a larger node,", FULL
     "queue first t cpu 4 for 30\n"
     "node a cpu 8\n"
     "is first active a 0 0.5 30\n"},
    {"another node,", FULL
     "queue first t cpu 4 for 30\n"
     "node b cpu 4\n"
     "is first active b 0 0.5 30\n"},
    {"the end of a hold, by hand", "node t cpu 1\nnode a cpu 4\nhold a never\n"
     "queue first t cpu 4 for 30\n"
     "place first 1 never\n"
     "resume a\n"
     "is first active a 0 0.5 30\n"},
    {"or by the clock,", "node t cpu 1\nnode a cpu 4\nhold a 20\n"
     "queue first t cpu 4 for 30\n"
     "place first 1 20\n"
     "at 20\ncleanup\n"
     "is first active a 20 20.5 50\n"},
    {"a higher limit,", "node t cpu 1\nnode a cpu 8\nlimit t borrow cpu 4\n"
     "get busy t cpu 4 for 60\n"
     "queue first t cpu 4 for 30\n"
     "place first 1 60\n"
     "limit t borrow cpu 8\n"
     "is first active a 0 0.5 30\n"},
    {"another policy", "node t cpu 1\nnode a cpu 8\npolicy cpu 4\n"
     "get busy t cpu 4 for 60 owner ann\n"
     "queue first t cpu 4 for 30 owner ann\n"
     "place first 1 60\n"
     "policy cpu 8\n"
     "is first active a 0 0.5 30\n"},
    {"a group, whole", "node t cpu 1\nnode a cpu 4 memory 8\nget busy t memory 8 for 60\n"
     "queue first t cpu 4 memory 8 for 30\n"
     "tickets 1\nboosts 1\n"
     "release busy\n"
     "boosts 2\n"
     "is first active a 0 0.5 30\n"
     "is 1-first active a 0 0.5 30\n"},
    {"who never picks it up loses it, and the next one gets it", FULL
     "queue first t cpu 4 for 30\n"
     "queue second t cpu 4 for 30\n"
     "at 10\n"
     "release busy\n"
     "at 10.4\ncleanup\nis first active a 10 10.5 40\n"
     "at 10.5\ncleanup\n"
     "ended first expired\n"
     "is second active a 10.5 11 40.5\n"},
    {"a ticket that nobody renews is withdrawn, and its place is the next one's", FULL
     "queue first t cpu 4 for 30 lapses 0.5\n"
     "queue second t cpu 2 for 30\n"
     "at 0.4\ncleanup\ntickets 2\n"
     "at 0.5\ncleanup\n"
     "gone first\nlast first withdrawn\nplace second 1 60\n"},
    {"a lease of its own, in the end as long as it was asked for",
     FULL "queue first t cpu 4 for 30 lease 1\nrelease busy\n"
     "is first active a 0 0.5 30\n"
     "renew first 1\n"
     "is first active a 0 1 30\n"},

    /* passing the head */
    {"one that ends before the head starts passes it", "node t cpu 1\nnode a cpu 4\n"
     "get busy t cpu 3 for 60\n"
     "queue head t cpu 4 for 30\n"
     "get brief t cpu 1 for 60\n"
     "is brief active a 0 60\n"
     "place head 1 60\n"},
    {"one that would end after that does not", "node t cpu 1\nnode a cpu 4\n"
     "get busy t cpu 3 for 60\n"
     "queue head t cpu 4 for 30\n"
     "get late t cpu 1 for 60.001 => refused\nsays would delay\n"
     "get late t cpu 1 for 60.001 preempt => refused\nsays would delay\n"
     "queue late t cpu 1 for 60.001\n"
     "cleanup\n"
     "place late 2 90\n"},
    {"nor does it by a renewable lease", "node t cpu 1\nnode a cpu 4\nget busy t cpu 3 for 60\n"
     "queue head t cpu 4 for 30\n"
     "get late t cpu 1 for 61 lease 1 => refused\n"
     "get brief t cpu 1 for 60 lease 1\n"},
    {"one of higher priority passes", "node t cpu 1\nnode a cpu 4\nget busy t cpu 3 for 60\n"
     "queue head t cpu 4 for 30\n"
     "get late t cpu 1 for 120 priority high\n"
     "place head 1 120\n"},
    {"beside the head there is room", "node t cpu 1\nnode a cpu 4\nget busy t cpu 3 for 60\n"
     "queue head t cpu 3 for 30\n"
     "get late t cpu 1 for 120\n"
     "place head 1 60\n"},
    {"on another lender, though the better one is promised", "node t cpu 1\nnode a cpu 4\n"
     "node b cpu 4\nget busy t cpu 2 for 60 from a\nget more t cpu 3 for 120 from b\n"
     "queue head t cpu 4 for 30\n"
     "get late t cpu 1 for 120\n"
     "is late active b 0 120\n"},
    {"an extension does not take the place", "node t cpu 1\nnode a cpu 4\n"
     "get busy t cpu 3 for 60\nget more t cpu 1 for 30\n"
     "queue head t cpu 4 for 30\n"
     "extend more by 30\n"
     "extend more by 1 => refused\n"
     "fits not\n"
     "place head 1 60\n"},
    {"nor a reservation", "node t cpu 1\nnode a cpu 4\nget busy t cpu 3 for 60\n"
     "queue head t cpu 4 for 30\n"
     "get late t cpu 1 for 30 start 59 => refused\n"
     "get late t cpu 1 for 30 start 90\n"
     "place head 1 60\n"},
    {"who may start has its turn before a later request", FULL
     "queue first t cpu 2 for 30\nqueue second t cpu 2 for 30\n"
     "at 60\n"
     "get plain t cpu 2 for 30 => refused\n"
     "cleanup\nboosts 2\n"},
    {"and before a later request of its own commit", FULL
     "queue first t cpu 2 for 30\nqueue second t cpu 2 for 30\n"
     "at 60\n"
     "wait plain t cpu 2 for 30 => timeout\n"
     "boosts 2\n"},
    {"a head that cannot start leaves the promise of the next one alone",
     "node t cpu 1\nnode a cpu 4\nget busy t cpu 3 for 60\nnode b cpu 4\nhold b never\n"
     "queue stuck t cpu 1 for 30 from b\n"
     "at 1\n"
     "queue head t cpu 4 for 30\n"
     "place head 2 60\n"
     "get late t cpu 1 for 120 => refused\n"
     "extend busy by 1 => refused\n"
     "queue late t cpu 1 for 120\ncleanup\ntickets 3\n"},
    {"so does one that the policy has come to refuse", "node t cpu 1\nnode a cpu 4\n"
     "get busy t cpu 3 for 60\n"
     "queue never t cpu 4 for 100\nqueue head t cpu 4 for 30 priority low\n"
     "policy max 70\n"
     "place never 1 never\nplace head 2 60\n"
     "get late t cpu 1 for 65 priority low => refused\n"},
};

Test(queue, rows)
{
    for (size_t i = 0; i < countof(rows); i++)
        script_run(rows[i].what, rows[i].text);
}

/* --- by chance ------------------------------------------------------------------------------- */

static struct grid_ticket tickets[16];
static int ticket_count;

static int take_ticket(void *context, const struct grid_ticket_view *view, struct grid_error *err)
{
    (void)context, (void)err;
    holds(view->position == (size_t)ticket_count + 1, "place %zu", view->position);
    tickets[ticket_count++] = view->ticket;
    const struct grid_ticket *before = ticket_count > 1 ? &tickets[ticket_count - 2] : NULL;
    holds(!before || before->priority > view->ticket.priority
              || (before->priority == view->ticket.priority
                  && before->queued_us <= view->ticket.queued_us), "not by priority, then age");
    return 0;
}

static void look(void)
{
    struct grid_error err = {0};
    snapshot();
    ticket_count = 0;
    holds(grid_ledger_queue(model.store, take_ticket, NULL, &err) == 0, "%s", err.message);
}

/* The first that is promised a start. */
static int find_promise(int64_t *start_us)
{
    for (int i = 0; i < ticket_count; i++)
        if ((*start_us = start_of(&tickets[i])) != GRID_NEVER)
            return i;
    *start_us = GRID_NEVER;
    return ticket_count;
}

/* Nowhere is too much, at no instant. (Nothing is ever taken away from a node here.) */
static void check_sums(void)
{
    for (int i = 0; i < model.count; i++) {
        const struct grid_boost *boost = &model.boosts[i];
        const char *resource = boost->resource_type;
        int64_t at_us = boost->starts_us > frozen_us ? boost->starts_us : frozen_us;
        holds(sum_at(LENT, boost->source_node, resource, at_us)
                  <= lendable(node_named(boost->source_node), resource), "'%s' lends too much",
              boost->source_node);
        holds(sum_at(BORROWED, boost->target_node, resource, at_us)
                  <= grid_amounts_get(&node_named(boost->target_node)->borrow, resource,
                                      GRID_MEMORY_MAX), "'%s' borrows too much",
              boost->target_node);
        holds(sum_at(OWNED, boost->owner, resource, at_us)
                  <= grid_amounts_get(&model.policy.quota, resource, GRID_MEMORY_MAX),
              "'%s' has too much", boost->owner);
    }
}

/* Could it be granted now, by this lender, and the promise stand? */
static bool may_start(const struct grid_ticket *ticket, const struct grid_node *lender,
                      const struct grid_ticket *promised, int64_t promised_us)
{
    struct grid_request request = {.target_node = ticket->target_node, .owner = ticket->owner,
                                   .need_count = ticket->need_count,
                                   .duration_us = ticket->duration_us};
    memcpy(request.needs, ticket->needs, sizeof(request.needs));
    if (!fits(&request, lender, frozen_us, frozen_us))
        return false;
    int before = model.count;
    for (size_t i = 0; i < request.need_count; i++) {
        struct grid_boost *boost = &model.boosts[model.count++];
        *boost = (struct grid_boost){.amount_u = request.needs[i].amount_u,
                                     .starts_us = frozen_us, .allocated_us = frozen_us,
                                     .expires_us = grid_time_add(frozen_us, request.duration_us)};
        text_copy(boost->source_node, sizeof(boost->source_node), lender->node_id);
        text_copy(boost->target_node, sizeof(boost->target_node), ticket->target_node);
        text_copy(boost->owner, sizeof(boost->owner), ticket->owner);
        text_copy(boost->resource_type, sizeof(boost->resource_type), request.needs[i].resource);
    }
    bool stands = promised_us == GRID_NEVER || start_of(promised) <= promised_us;
    model.count = before;
    return stands;
}

/* Whoever could start has started. */
static void check_nobody_idles(void)
{
    int64_t promised_us = GRID_NEVER;
    int first = ticket_count;
    for (int i = 0; i < ticket_count; i++) {
        bool later = first < i;
        for (int j = 0; j < model.node_count; j++)
            holds(!may_start(&tickets[i], &model.nodes[j], &tickets[later ? first : i],
                             later ? promised_us : GRID_NEVER),
                  "'%s', number %d, could start on '%s'", tickets[i].ticket_id, i + 1,
                  model.nodes[j].node_id);
        if (first == ticket_count && (promised_us = start_of(&tickets[i])) != GRID_NEVER)
            first = i;
    }
}

static void tidy(void)
{
    struct grid_cleanup cleanup = {0};
    struct grid_error err = {0};
    holds(grid_ledger_cleanup(model.store, &cleanup, &err) == 0, "%s", err.message);
}

/* As waiters do it: somebody looks whenever something ends, or else a start may be missed. */
static void pass_time(int64_t until_us)
{
    while (frozen_us < until_us) {
        int64_t next_us = until_us;
        for (int i = 0; i < model.count; i++)
            if (model.boosts[i].expires_us > frozen_us && model.boosts[i].expires_us < next_us)
                next_us = model.boosts[i].expires_us;
        for (int i = 0; i < model.node_count; i++)
            if (model.nodes[i].held && model.nodes[i].hold_until_us > frozen_us
                && model.nodes[i].hold_until_us < next_us)
                next_us = model.nodes[i].hold_until_us;
        frozen_us = next_us;
        tidy();
        look();
    }
}

static const char *any_boost(void)
{
    return model.count > 0 ? model.boosts[below((unsigned)model.count)].boost_id : "none";
}

/* What may not move a promise: a request of a higher priority may. */
static void act(enum grid_priority highest)
{
    char fresh[GRID_ID_SIZE];
    struct grid_error err = {0};
    struct grid_grant grant;
    struct grid_request request;
    struct grid_boost boost;
    unsigned chance = below(10);
    const char *id = any_boost();
    struct grid_extend extend = {.id = id, .by_us = (1 + below(60)) * GRID_MINUTE,
                                 .best_effort = below(2)};
    struct grid_release release = {.ids = &id, .count = 1};
    chance_request(&request, fresh);
    if (request.priority > highest)
        request.priority = highest;
    if (chance < 3)
        (void)grid_ledger_request(model.store, &request, false, NULL, &grant, NULL, NULL, &err);
    else if (chance < 5 && ticket_count < 8)
        chance_ticket(highest);
    else if (chance < 6)
        (void)grid_ledger_extend(model.store, &extend, NULL, &boost, NULL, NULL, &err);
    else if (chance < 7)
        (void)grid_ledger_renew(model.store, id, 0, GRID_DAY, &boost, &err);
    else if (chance < 8)
        (void)grid_ledger_release(model.store, &release, NULL, NULL, &err);
    else if (chance < 9 && ticket_count > 0) {
        id = tickets[below((unsigned)ticket_count)].ticket_id;
        (void)grid_ledger_release(model.store, &release, NULL, NULL, &err);
    } else
        pass_time(frozen_us + below(20) * GRID_MINUTE);
    tidy();
}

static void play(void)
{
    chance_boosts(3 + below(5));
    look();
    for (int i = 0; i < 12; i++) {
        int64_t before_us, after_us;
        struct grid_ticket head;
        int first = find_promise(&before_us), found = first < ticket_count;
        if (found)
            head = tickets[first];
        model.never += found;
        act(found ? head.priority : GRID_CRITICAL);
        look();
        check_sums();
        check_nobody_idles();
        first = find_promise(&after_us);
        model.granted += found && (first == ticket_count
                                   || strcmp(tickets[first].ticket_id, head.ticket_id) != 0);
        if (found && first < ticket_count && strcmp(tickets[first].ticket_id, head.ticket_id) == 0)
            holds(after_us <= before_us || after_us == frozen_us, "the promise moved by %+lld",
                  (long long)(after_us - before_us));
    }
}

Test(queue, keeps_its_promises)
{
    chance_rounds("queue", 400, play);
    cr_log_info("%zu promises, %zu over", model.never, model.granted);
    cr_expect(getenv("GRID_PROPERTY_ROUND") || (model.never > 50 && model.granted > 50),
              "chance leaves something out");
}
