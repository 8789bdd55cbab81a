/* Extending: later ends and earlier ones, and the longest that fits. */
#include "support/script.h"
#include "unit/snapshot.h"

#define TWO "node t cpu 1\nnode a cpu 4\nget mine t cpu 2 for 60 owner ann\n"

static const struct {
    const char *what, *text;
} rows[] = {
    {"by counts from its end", TWO "at 10\nextend mine by 30\ntold mine\nis mine active a 0 90\n"
     "last mine extended\n"},
    {"for counts from now", TWO "at 10\nextend mine for 60\nis mine active a 0 70\n"},
    {"until is a time", TWO "at 10\nextend mine until 61\nis mine active a 0 61\n"},
    {"without an end", TWO "extend mine by never\nis mine active a 0 never\n"
     "extend mine by 10\nis mine active a 0 never\n"
     "extend mine until 60 => never\nextend mine until 60 shorten\nis mine active a 0 60\n"},
    {"to where it is already: nothing happens, but it is handed over",
     TWO "extend mine until 60\ntold mine\nlast mine granted\n"},
    {"shorter only if that is asked for", TWO "at 10\n"
     "extend mine for 20 => never\nis mine active a 0 60\n"
     "extend mine for 20 shorten\nis mine active a 0 30\n"},
    {"not into the past", TWO "at 10\nextend mine until 10 shorten => usage\n"
     "extend mine until 9 shorten => usage\n"},
    {"dry, nothing is written", TWO "extend mine by 30 dry\ntold mine\nis mine active a 0 60\n"},

    {"as far as a reservation", TWO "get more t cpu 3 for 30 start 80\n"
     "extend mine by 21 => refused\nfits 80\nis mine active a 0 60\n"
     "extend mine by 20\nfits not\nis mine active a 0 80\n"
     "extend mine by 1 => refused\nfits not\n"
     "extend mine by 1 best => refused\n"},
    {"or as far as there is room, with best effort", TWO "get more t cpu 3 for 30 start 80\n"
     "extend mine by 21 best\nis mine active a 0 80\n"},
    {"over a gap it does not jump", TWO "get more t cpu 3 for 5 start 60\n"
     "extend mine by 1 => refused\nfits not\nextend mine by 60 best => refused\n"},
    {"the borrower has a limit", TWO "limit t borrow cpu 3\nnode b cpu 4\n"
     "get more t cpu 2 for 30 start 80 from b\n"
     "extend mine by 30 => refused\nfits 80\n"},
    {"the owner has a quota", TWO "policy cpu 3\nnode b cpu 4\nnode u cpu 1\n"
     "get more u cpu 2 for 30 start 80 from b owner ann\n"
     "extend mine by 30 => refused\nfits 80\n"
     "get bobs t cpu 2 for 30 owner bob\nextend bobs by 60\n"},
    {"a lower limit than before", TWO "limit a lend cpu 1\nextend mine by 1 => refused\nfits not\n"
     "extend mine until 30 shorten\n"},
    {"the policy's longest counts from the start", TWO "policy max 90\nat 50\n"
     "extend mine by 31 => never\nfits not\n"
     "extend mine for 41 => never\n"
     "extend mine by never best\nis mine active a 0 90\n"
     "extend mine by 1 => never\nextend mine by 1 best => never\n"},
    {"which has become shorter than what is left: earlier ends are allowed all the same", TWO
     "policy max 30\nextend mine by 1 => never\nextend mine until 50 => never\n"
     "extend mine until 50 shorten\nis mine active a 0 50\n"
     "extend mine until 50\ntold mine\nextend mine until 51 best => never\n"},
    {"of a reservation, too", "node t cpu 1\nnode a cpu 4\npolicy max 90\n"
     "get mine t cpu 2 for 60 start 60\n"
     "extend mine until 151 => never\nextend mine until 150\nis mine scheduled a 60 150\n"},
    {"which does not end before it starts", "node t cpu 1\nnode a cpu 4\n"
     "get mine t cpu 2 for 60 start 60\n"
     "extend mine for 30 shorten => usage\n"
     "extend mine until 60 shorten => usage\n"
     "extend mine until 61 shorten\nis mine scheduled a 60 61\n"},
    {"a lender on hold then", TWO "hold a never\nextend mine by 1 => refused\n"
     "extend mine by 1 best => refused\nextend mine until 30 shorten\n"},
    {"a lender on hold that is over by then", TWO "hold a 60\nextend mine by 1\n"
     "hold a 62\nextend mine by 1 => refused\n"},

    {"a group, whole", "node t cpu 1\nnode a cpu 4 memory 8\n"
     "get mine t cpu 2 memory 4 for 60\nget more t memory 5 for 10 start 70\n"
     "extend mine by 11 => refused\nfits 70\n"
     "extend 1-mine by 10\ntold 1-mine mine\n"
     "is mine active a 0 70\nis 1-mine active a 0 70\n"},
    {"of two lenders", "node t cpu 1\nnode a cpu 2\nnode b cpu 3\n"
     "get mine t cpu 5 for 60 split\nget more t cpu 1 for 10 start 70 from a\n"
     "extend mine by 11 => refused\nfits 70\n"
     "extend mine by 11 best\nis mine active b 0 70\nis 1-mine active a 0 70\n"},
    {"whose borrower's limit counts for all of it", "node t cpu 1\nnode a cpu 2\nnode b cpu 3\n"
     "limit t borrow cpu 5\nnode c cpu 1\nget mine t cpu 5 for 60 split\n"
     "get more t cpu 1 for 10 start 70 from c\n"
     "extend mine by 11 => refused\nfits 70\n"},

    {"a lease may be renewed for longer", "node t cpu 1\nnode a cpu 4\n"
     "get mine t cpu 2 for 60 lease 1\nextend mine by 30\n"
     "is mine active a 0 1 90\n"},
    {"or for less", "node t cpu 1\nnode a cpu 4\nget mine t cpu 2 for 60 lease 10\n"
     "extend mine until 5 shorten\nis mine active a 0 5 5\n"},
    {"what others may renew to is not free", TWO "get more t cpu 2 for 90 lease 1\n"
     "get late t cpu 2 for 10 start 60\nextend mine by 1 => refused\nfits not\n"
     "get next t cpu 2 for 10 start 90\nextend mine for 10 shorten\n"},

    {"the head of the queue keeps its promise", TWO
     "get more t cpu 2 for 90\n"
     "queue head t cpu 4 for 10\n"
     "place head 1 90\n"
     "extend mine by 31 => refused\nfits 90\n"
     "extend mine by 30\n"
     "extend more by 1 => refused\nfits not\nplace head 1 90\n"},
    {"with best effort, up to it", TWO "get more t cpu 2 for 90\nqueue head t cpu 4 for 10\n"
     "extend mine by never best\nis mine active a 0 90\n"},
    {"what is said to fit heeds both, the promise", TWO "get more t cpu 2 for 90\n"
     "queue head t cpu 4 for 10\n"
     "get late t cpu 3 for 30 start 200\n"
     "extend mine until 300 => refused\nfits 90\n"
     "extend mine until 300 best\nis mine active a 0 90\n"},
    {"and the room", TWO "get more t cpu 2 for 90\nqueue head t cpu 4 for 10\n"
     "get late t cpu 1 for 10 start 70 priority high\n"
     "extend mine until 300 => refused\nfits 70\n"
     "extend mine until 300 best\nis mine active a 0 70\n"},
    {"a head that is met later on, where something else starts", "node t cpu 1\nnode a cpu 4\n"
     "get mine t cpu 1 for 60\nget more t cpu 2 for 30\nget late t cpu 1 for 100 start 100\n"
     "queue head t cpu 3 for 90\nplace head 1 30\n"
     "extend mine by never => refused\nfits 100\n"
     "extend mine by never best\nis mine active a 0 100\nplace head 1 30\n"},

    {"ended ones do not come back", TWO "release mine\nextend mine by 1 => not_found\n"},
    {"nor expired ones", TWO "at 60\nextend mine by 1 => not_found\n"},
    {"never seen", TWO "extend yours by 1 => not_found\n"},
    {"pre-empted", TWO "at 10\nget high t cpu 4 for 10 priority high preempt\n"
     "extend mine by 1 => never\nat 10.5\nextend mine by 1 => not_found\n"
     "ended mine preempted\n"},
    {"its owner may", TWO "extend mine by 1 as ann\n"},
    {"others may not", TWO "extend mine by 1 as bob => perm\n"},
    {"root may", TWO "extend mine by 1 as root\n"},
    {"the lender's owner may", TWO "owner a bob\nextend mine by 1 as bob\n"},
    {"the borrower's owner may not", TWO "owner t bob\nextend mine by 1 as bob => perm\n"},
    {"an open ledger has room for everything", "get mine t cpu 2 for 60\n"
     "extend mine by never\nis mine active any 0 never\n"},
    {"which it keeps when the ledger is managed", "get mine t cpu 2 for 60\n"
     "node t cpu 1\nnode a cpu 1\nextend mine by 10\nis mine active any 0 70\n"},
    {"its lender is gone", "get mine t cpu 2 for 60 from a\nnode t cpu 1\n"
     "extend mine by 10 => never\n"},
};

Test(extend, rows)
{
    for (size_t i = 0; i < countof(rows); i++)
        script_run(rows[i].what, rows[i].text);
}

/* --- the longest end that fits, by chance ---------------------------------------------------- */

static struct grid_ticket head; /* the first that is promised a start */
static int64_t promised_us;     /* GRID_NEVER: nobody is */

static int take_head(void *context, const struct grid_ticket_view *view, struct grid_error *err)
{
    (void)context, (void)err;
    if (promised_us == GRID_NEVER) {
        head = view->ticket;
        promised_us = start_of(&head);
    }
    return 0;
}

/* Its members end at `end_us`: is nowhere too much, and does the head start when it was to? */
static bool is_sound(int member, int64_t end_us)
{
    const char *group = model.boosts[member].group_id;
    int64_t was_us = model.boosts[member].expires_us;
    bool sound = true;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < model.count; i++)
            if (i == member || (group[0] && strcmp(model.boosts[i].group_id, group) == 0))
                model.boosts[i].expires_us = pass == 0 ? end_us : was_us;
        for (int i = 0; pass == 0 && i < model.count; i++) {
            struct grid_boost *boost = &model.boosts[i];
            int64_t from_us = was_us > boost->starts_us ? was_us : boost->starts_us;
            if ((i != member && (!group[0] || strcmp(boost->group_id, group) != 0))
                || end_us <= was_us)
                continue;
            const char *resource = boost->resource_type;
            sound &= peak(LENT, boost->source_node, resource, from_us, end_us)
                     <= lendable(node_named(boost->source_node), resource);
            sound &= peak(BORROWED, boost->target_node, resource, from_us, end_us)
                     <= grid_amounts_get(&node_named(boost->target_node)->borrow, resource,
                                         GRID_MEMORY_MAX);
            sound &= peak(OWNED, boost->owner, resource, from_us, end_us)
                     <= grid_amounts_get(&model.policy.quota, resource, GRID_MEMORY_MAX);
            const struct grid_node *node = node_named(boost->source_node);
            sound &= !node->held || node->hold_until_us <= was_us;
        }
        if (pass == 0 && promised_us != GRID_NEVER)
            sound &= start_of(&head) <= promised_us;
    }
    return sound;
}

static void play(void)
{
    struct grid_error err = {0};
    struct grid_boost boost;
    chance_boosts(2 + below(8));
    for (unsigned i = below(4); i-- > 0;)
        chance_ticket(GRID_CRITICAL);
    struct grid_cleanup cleanup = {0};
    holds(grid_ledger_cleanup(model.store, &cleanup, &err) == 0, "cleanup");
    snapshot();
    promised_us = GRID_NEVER;
    holds(grid_ledger_queue(model.store, take_head, NULL, &err) == 0, "queue");
    if (model.count == 0)
        return;
    int member = (int)below((unsigned)model.count);
    const struct grid_boost was = model.boosts[member];
    struct grid_extend extend = {.id = was.boost_id, .best_effort = below(2),
                                 .by_us = below(4) ? (1 + below(120)) * GRID_MINUTE : GRID_NEVER};
    int64_t goal_us = grid_time_add(was.expires_us, extend.by_us), fits_us;
    int rc = grid_ledger_extend(model.store, &extend, &fits_us, &boost, NULL, NULL, &err);
    int64_t end_us = rc == 0 ? grid_boost_until(&boost) : fits_us;
    holds(rc == 0 || rc == GRID_EREFUSED, "%d: %s", rc, err.message);
    holds(rc != 0 || extend.best_effort || end_us == goal_us, "not what was asked for");
    holds(rc == 0 || end_us < goal_us, "refused, though it fits");
    holds(rc == 0 || !extend.best_effort || end_us == 0, "best effort does not take it");
    model.granted += rc == 0 && end_us == goal_us;
    model.refused += end_us != goal_us;
    model.never += end_us != goal_us && promised_us != GRID_NEVER && end_us != 0
                   && is_sound(member, end_us);
    if (end_us == 0)
        end_us = was.expires_us;
    holds(is_sound(member, end_us), "%+lld is too late", (long long)(end_us - frozen_us));
    holds(end_us == goal_us || !is_sound(member, end_us + 1), "%+lld would do, too",
          (long long)(end_us + 1 - frozen_us));
}

Test(extend, to_the_longest_end_that_fits)
{
    chance_rounds("extend", 3000, play);
    cr_log_info("%zu granted, %zu refused or shorter", model.granted, model.refused);
    cr_expect(getenv("GRID_PROPERTY_ROUND") || (model.granted > 50 && model.refused > 50),
              "chance leaves something out");
}
