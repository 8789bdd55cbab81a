/* Pre-emption: who has to end, and who has not; against every set of victims. */
#include "support/script.h"
#include "unit/snapshot.h"

#define BUSY "node t cpu 1\nnode a cpu 4\n"
#define LATER "at 11\n" /* nobody is protected any more */

static const struct {
    const char *what, *text;
} rows[] = {
    {"the victim has its grace, the winner starts then", BUSY
     "get lowl t cpu 4 for 60 priority low\n" LATER
     "get high t cpu 4 for 30 priority high => refused\n"
     "get high t cpu 4 for 30 priority high preempt\n"
     "told high\n"
     "is lowl active a 0 11.5\nby lowl high\nlast lowl preempted high before low\n"
     "is high scheduled a 11.5 41.5\nlast high scheduled\n"
     "at 11.5\ncleanup\ntold lowl\n"
     "ended lowl preempted\nis high active a 11.5 41.5\nlast high started\n"},
    {"without a grace at once", BUSY "policy grace 0\n"
     "get lowl t cpu 4 for 60 priority low\n" LATER
     "get high t cpu 4 for 30 priority high preempt\ntold high\n"
     "ended lowl preempted\nlast lowl preempted\nis high active a 11 41\nlast high granted\n"},
    {"nobody who is protected", BUSY "get lowl t cpu 4 for 60 priority low\n"
     "at 9.9\nget high t cpu 4 for 30 priority high preempt => refused\n"
     "at 10\nget high t cpu 4 for 30 priority high preempt\n"},
    {"nobody of the same priority", BUSY "get norm t cpu 4 for 60\n" LATER
     "get same t cpu 4 for 30 preempt => refused\n"},
    {"nobody if that is not enough", BUSY "get lowl t cpu 2 for 60 priority low\n"
     "get norm t cpu 2 for 60\n" LATER
     "get next t cpu 4 for 30 preempt => refused\nis lowl active a 0 60\n"},
    {"nobody who has to end already", BUSY "get lowl t cpu 4 for 60 priority low\n" LATER
     "get high t cpu 4 for 30 priority high preempt\n"
     "get more t cpu 4 for 30 priority critical preempt => refused\nby lowl high\n"},
    {"the lowest first", BUSY "get norm t cpu 4 for 60 from a\nrelease norm\n"
     "get norm t cpu 2 for 60\nat 1\nget lowl t cpu 2 for 60 priority low\n"
     "at 12\nget high t cpu 2 for 30 priority high preempt\n"
     "by lowl high\nis norm active a 0 60\n"},
    {"then the youngest", BUSY "get old1 t cpu 2 for 60\nat 1\nget new1 t cpu 2 for 60\n"
     "at 12\nget high t cpu 2 for 30 priority high preempt\n"
     "by new1 high\nis old1 active a 0 60\n"},
    {"who is not needed is spared", BUSY "get larg t cpu 3 for 60 priority low\nat 1\n"
     "get smal t cpu 1 for 60 priority low\n"
     "at 12\nget high t cpu 3 for 30 priority high preempt\n"
     "by larg high\nis smal active a 1 61\n"},
    {"who leaves room by then is not a victim", BUSY "get brie t cpu 4 for 11.4 priority low\n"
     LATER "get high t cpu 4 for 30 priority high preempt\n"
     "is brie active a 0 11.4\nis high scheduled a 11.5 41.5\n"},
    {"nor is anybody where another lender has room by then", BUSY "node b cpu 4\n"
     "get brie t cpu 4 for 11.4 priority critical from b\nget lowl t cpu 4 for 60 priority low\n"
     LATER "get high t cpu 4 for 30 priority high preempt\n"
     "is lowl active a 0 60\nis high scheduled b 11.5 41.5\n"},
    {"a group ends whole", BUSY "node b memory 8\n"
     "get grup t cpu 4 memory 8 for 60 priority low split\n" LATER
     "get high t cpu 2 for 30 priority high preempt\n"
     "is grup active a 0 11.5\nis 1-grup active b 0 11.5\nby 1-grup high\n"},
    {"and counts as one: nobody else ends for what its other member frees",
     "node t cpu 1\nnode a cpu 4 memory 8\n"
     "get grup t cpu 4 memory 4 for 60 priority low\nget left t memory 4 for 60 priority low\n"
     LATER "get high t cpu 4 memory 4 for 30 priority high preempt\n"
     "by grup high\nby 1-grup high\nis left active a 0 60\n"},
    {"of several lenders, the one whose victims matter least", BUSY "node b cpu 4\n"
     "get norm t cpu 4 for 60 from a\nget lowl t cpu 2 for 60 from b priority low\n"
     "get more t cpu 2 for 60 from b priority low\n" LATER
     "get high t cpu 4 for 30 priority high preempt\n"
     "by lowl high\nby more high\nis norm active a 0 60\n"},
    {"then the one with the fewest", BUSY "node b cpu 4\n"
     "get one1 t cpu 2 for 60 from a priority low\nget two1 t cpu 2 for 60 from a priority low\n"
     "get only t cpu 4 for 60 from b priority low\n" LATER
     "get high t cpu 4 for 30 priority high preempt\nby only high\n"},
    {"the lender that is asked for", BUSY "node b cpu 4\n"
     "get norm t cpu 4 for 60 from a\nget lowl t cpu 4 for 60 from b priority low\n" LATER
     "get high t cpu 4 for 30 priority high preempt from a\nby norm high\n"},
    {"not one on hold", BUSY "get lowl t cpu 4 for 60 priority low\nhold a never\n" LATER
     "get high t cpu 4 for 30 priority high preempt => refused\n"},
    {"a borrower's limit stands", BUSY "limit t borrow cpu 4\nnode b cpu 4\n"
     "get othe t cpu 4 for 60 from b\nnode u cpu 1\nget lowl u cpu 4 for 60 from a priority low\n"
     LATER "get high t cpu 4 for 30 priority high preempt from a => refused\n"
     "is lowl active a 0 60\n"
     "get high t cpu 4 for 30 priority high preempt\nby othe high\n"},
    {"an owner's quota stands", BUSY "policy cpu 4\nnode b cpu 4\n"
     "get mine t cpu 4 for 60 from b owner ann priority high\n"
     "get lowl t cpu 4 for 60 from a priority low\n" LATER
     "get high t cpu 4 for 30 priority high preempt owner ann => refused\n"
     "get high t cpu 4 for 30 priority high preempt owner bob\n"},
    {"what is reserved stands", BUSY "get lowl t cpu 4 for 30 priority low\n"
     "get late t cpu 4 for 30 start 35 priority low\n" LATER
     "get high t cpu 4 for 30 priority high preempt => refused\n"
     "get high t cpu 4 for 23.5 priority high preempt\nby lowl high\n"},
    {"who ends before the peak would not help", BUSY "get brie t cpu 2 for 20 priority low\n"
     "get long t cpu 2 for 60 priority low\nget late t cpu 2 for 30 start 20\n" LATER
     "get high t cpu 2 for 30 priority high preempt\n"
     "by long high\nis brie active a 0 20\n"},
    {"a lender that has come to have less than it lends", BUSY
     "get one1 t cpu 2 for 60 priority low\nget two1 t cpu 2 for 60 priority low\n"
     "limit a lend cpu 3\n" LATER
     "get high t cpu 2 for 30 priority high preempt\nby one1 high\nby two1 high\n"},
    {"a reservation ends nobody", BUSY "get lowl t cpu 4 for 60 priority low\n" LATER
     "get high t cpu 4 for 30 priority high preempt start 20 => refused\n"},
    {"a victim on a lease may renew it until then", BUSY
     "get lowl t cpu 4 for 60 lease 12 priority low\n" LATER
     "renew lowl 0.2\n"
     "get high t cpu 4 for 30 priority high preempt\nis lowl active a 0 11.5 11.5\n"
     "renew lowl 5\nis lowl active a 0 11.5 11.5\n"},
    {"whoever waits may pre-empt, and waits for the start", BUSY
     "get lowl t cpu 4 for 60 priority low\n"
     "queue high t cpu 4 for 30 priority high preempt\ncleanup\nplace high 1 60\n"
     "at 10\ncleanup\nis high scheduled a 10.5 11 40.5\nby lowl high\n"},
    {"the promise of who waits before stands", BUSY "get norm t cpu 2 for 60\n"
     "get lowl t cpu 2 for 120 priority low\n"
     "queue head t cpu 4 for 30 priority critical\nplace head 1 120\n" LATER
     "get high t cpu 2 for 120 priority high preempt => refused\n"
     "get high t cpu 2 for 108 priority high preempt\nplace head 1 119.5\n"},
    {"dry, nobody ends", BUSY "get lowl t cpu 4 for 60 priority low\n" LATER
     "get high t cpu 4 for 30 priority high preempt dry\nis lowl active a 0 60\n"},
};

Test(preempt, rows)
{
    for (size_t i = 0; i < countof(rows); i++)
        script_run(rows[i].what, rows[i].text);
}

/* --- every set of victims -------------------------------------------------------------------- */

#define UNITS_MOST 16

/* A boost, or a group: what ends together. */
struct unit {
    char id[GRID_ID_SIZE];
    enum grid_priority priority;
    int64_t starts_us;
};

static struct grid_boost kept[64]; /* model.boosts, as they were */

static const char *unit_id(const struct grid_boost *boost)
{
    return boost->group_id[0] ? boost->group_id : boost->boost_id;
}

static bool may_end(const struct grid_boost *boost, const struct grid_request *request,
                    const char *lender, int64_t now_us)
{
    bool needed = false;
    for (size_t i = 0; i < request->need_count; i++)
        needed |= strcmp(request->needs[i].resource, boost->resource_type) == 0;
    return needed && strcmp(boost->source_node, lender) == 0
           && boost->priority < request->priority && boost->starts_us <= now_us
           && now_us - boost->starts_us >= model.policy.protected_us && !boost->preempted_by[0]
           && boost->expires_us > now_us + model.policy.grace_us;
}

/* Who ends first: the lowest priority, then the youngest, then by id. */
static bool is_before(const struct unit *a, const struct unit *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return a->starts_us != b->starts_us ? a->starts_us > b->starts_us : strcmp(a->id, b->id) < 0;
}

static int find_units(const struct grid_request *request, const char *lender, int64_t now_us,
                      struct unit victims[static UNITS_MOST])
{
    int count = 0;
    for (int i = 0; i < model.count; i++) {
        const struct grid_boost *boost = &model.boosts[i];
        bool known = false;
        for (int j = 0; j < count; j++)
            known |= strcmp(victims[j].id, unit_id(boost)) == 0;
        if (known || !may_end(boost, request, lender, now_us))
            continue;
        struct unit unit = {.priority = boost->priority, .starts_us = boost->starts_us};
        text_copy(unit.id, sizeof(unit.id), unit_id(boost));
        int at = count++;
        for (; at > 0 && is_before(&unit, &victims[at - 1]); at--)
            victims[at] = victims[at - 1];
        victims[at] = unit;
    }
    return count;
}

/* The model without these victims from `at_us` on. */
static void end_units(const struct unit *victims, int count, unsigned set, int64_t at_us)
{
    memcpy(model.boosts, kept, (size_t)model.count * sizeof(kept[0]));
    for (int i = 0; i < model.count; i++)
        for (int j = 0; j < count; j++)
            if (set >> j & 1 && strcmp(victims[j].id, unit_id(&model.boosts[i])) == 0
                && model.boosts[i].expires_us > at_us)
                model.boosts[i].expires_us = at_us;
}

static bool has_room(const struct grid_request *request, const struct grid_node *lender,
                     int64_t at_us)
{
    for (size_t i = 0; i < request->need_count; i++)
        if (peak(LENT, lender->node_id, request->needs[i].resource, at_us,
                 at_us + request->duration_us) + request->needs[i].amount_u
            > lendable(lender, request->needs[i].resource))
            return false;
    return true;
}

static int highest(const struct unit *victims, int count, unsigned set)
{
    int most = -1;
    for (int i = 0; i < count; i++)
        if (set >> i & 1 && (int)victims[i].priority > most)
            most = (int)victims[i].priority;
    return most;
}

/* By the rule: one after the other until there is room, then whoever is not needed is spared, the
 * last first. And against every set: none has a lower highest priority, none is a part of it. */
static bool find_set(const struct grid_request *request, const struct grid_node *lender,
                     const struct unit *victims, int count, int64_t at_us, unsigned *ret)
{
    unsigned set = 0;
    end_units(victims, count, set, at_us);
    for (int i = 0; i < count && !has_room(request, lender, at_us); i++)
        end_units(victims, count, set |= 1u << i, at_us);
    if (!has_room(request, lender, at_us))
        return false;
    for (int i = count; i-- > 0;) {
        end_units(victims, count, set & ~(1u << i), at_us);
        if (has_room(request, lender, at_us))
            set &= ~(1u << i);
    }
    for (unsigned other = 0; other < 1u << count; other++) {
        end_units(victims, count, other, at_us);
        bool does = has_room(request, lender, at_us);
        holds(!does || highest(victims, count, other) >= highest(victims, count, set), "higher");
        holds(!does || (other & set) != other || other == set, "more than are needed");
    }
    *ret = set;
    return true;
}

static bool is_less(int high, int count, const char *name, int best_high, int best_count,
                    const char *best_name)
{
    if (!best_name || high != best_high)
        return !best_name || high < best_high;
    return count != best_count ? count < best_count : strcmp(name, best_name) < 0;
}

/* Who ends, and who lends then; NULL: nobody. */
static const struct grid_node *choose(const struct grid_request *request, int64_t now_us,
                                      struct unit best[static UNITS_MOST], int *best_count)
{
    const struct grid_node *chosen = NULL;
    int64_t at_us = now_us + model.policy.grace_us;
    int best_high = 0;
    memcpy(kept, model.boosts, (size_t)model.count * sizeof(kept[0]));
    for (int i = 0; i < model.node_count; i++) {
        const struct grid_node *node = &model.nodes[i];
        struct unit victims[UNITS_MOST];
        unsigned set;
        memcpy(model.boosts, kept, (size_t)model.count * sizeof(kept[0]));
        int count = find_units(request, node->node_id, now_us, victims);
        if ((request->source_node && strcmp(request->source_node, node->node_id) != 0)
            || (node->held && node->hold_until_us > at_us)
            || !find_set(request, node, victims, count, at_us, &set))
            continue;
        int high = highest(victims, count, set), size = __builtin_popcount(set);
        end_units(victims, count, set, at_us);
        if (!fits(request, node, at_us, now_us)
            || !is_less(high, size, node->node_id, best_high, *best_count,
                        chosen ? chosen->node_id : NULL))
            continue;
        chosen = node;
        best_high = high;
        *best_count = 0;
        for (int j = 0; j < count; j++)
            if (set >> j & 1)
                best[(*best_count)++] = victims[j];
    }
    memcpy(model.boosts, kept, (size_t)model.count * sizeof(kept[0]));
    return chosen;
}

static int check_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct grid_boost *won = context;
    if (strcmp(unit_id(boost), won->boost_id) == 0) {
        *won = *boost;
        text_copy(won->boost_id, sizeof(won->boost_id), unit_id(boost));
        return 0;
    }
    int i = 0;
    while (i < model.count && strcmp(model.boosts[i].boost_id, boost->boost_id) != 0)
        i++;
    holds(i < model.count, "whence '%s'?", boost->boost_id);
    holds(strcmp(boost->preempted_by, model.boosts[i].preempted_by) == 0
              && grid_boost_until(boost) == model.boosts[i].expires_us,
          "'%s' ends at %+lld, by '%s', not %+lld", boost->boost_id,
          (long long)(grid_boost_until(boost) - frozen_us), boost->preempted_by,
          (long long)(model.boosts[i].expires_us - frozen_us));
    return 0;
}

/* What should have come of it. */
static void expect_victims(const struct unit *victims, int count, const char *winner, int64_t at_us)
{
    end_units(victims, count, ~0u, at_us);
    for (int i = model.count; i-- > 0;)
        for (int j = 0; j < count; j++)
            if (strcmp(victims[j].id, unit_id(&model.boosts[i])) == 0) {
                text_copy(model.boosts[i].preempted_by, GRID_ID_SIZE, winner);
                if (at_us <= frozen_us)
                    forget(i);
                break;
            }
}

static void play(void)
{
    char id[GRID_ID_SIZE];
    struct grid_request request;
    struct grid_grant grant;
    struct grid_error err = {0};
    struct grid_boost_filter all = {0};
    struct unit victims[UNITS_MOST];
    int64_t unused;
    int count = 0;
    chance_boosts(2 + below(8));
    frozen_us += below(14) * GRID_MINUTE;
    chance_request(&request, id);
    request.start_us = 0;
    request.split = false;
    request.preempt = true;
    request.priority = (enum grid_priority)(1 + below(3));
    snapshot();
    int want = expected(&request, frozen_us, &unused);
    const struct grid_node *lender = want == 0 ? choice(&request, frozen_us) : NULL;
    int64_t start_us = frozen_us;
    if (want == GRID_EREFUSED && (lender = choose(&request, frozen_us, victims, &count)) != NULL) {
        want = 0;
        start_us += model.policy.grace_us;
    }
    int rc = grid_ledger_request(model.store, &request, false, NULL, &grant, NULL, NULL, &err);
    holds(rc == want, "%d, not %d: %s", rc, want, err.message);
    model.granted += rc == 0;
    model.refused += rc == GRID_EREFUSED;
    model.never += count > 0;
    memcpy(kept, model.boosts, (size_t)model.count * sizeof(kept[0]));
    expect_victims(victims, count, id, start_us);
    struct grid_boost won = {0};
    text_copy(won.boost_id, sizeof(won.boost_id), id);
    holds(grid_ledger_list(model.store, GRID_READ, &all, check_boost, &won, &err) == 0, "list");
    holds(rc != 0 || (won.starts_us == start_us && strcmp(won.source_node, lender->node_id) == 0),
          "from '%s', not '%s'", won.source_node, lender ? lender->node_id : "");
}

Test(preempt, every_set_of_victims)
{
    chance_rounds("preempt", 1500, play);
    cr_log_info("%zu granted, %zu by pre-emption, %zu refused", model.granted, model.never,
                model.refused);
    cr_expect(getenv("GRID_PROPERTY_ROUND") || (model.never > 50 && model.refused > 50),
              "chance leaves something out: %zu, %zu", model.never, model.refused);
}
