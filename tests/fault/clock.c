/* clock WORK: the clock steps, by 10 years at most, between commands and during them: sequences of
 * commands against a plain count of what must be, and the program while it waits and runs. */
#include "fault/lib/clock_held.h"
#include "fault/lib/rig.h"

#include "grid/grid.h"
#include "util/text.h"

#include <err.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STEPS 14         /* commands in a sequence */
#define CORES 4          /* of the one lender; each boost takes one */
#define SLACK_US (5 * GRID_MINUTE)
#define QUICK_SEQUENCES 300
#define FULL_SEQUENCES 20000
#define READINGS_MOST 64

/* --- the clock of this process ---------------------------------------------------------------- */

static int64_t wall_us;      /* 0: the real one */
static int64_t leap_us;      /* by how much it steps once it has been read so often: */
static int leap_after;
static int64_t readings[READINGS_MOST]; /* what was read since the command began */
static int reading_count;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock != CLOCK_REALTIME || wall_us == 0)
        return rc;
    *now = (struct timespec){wall_us / GRID_SECOND, wall_us % GRID_SECOND * 1000};
    if (reading_count < READINGS_MOST)
        readings[reading_count++] = wall_us;
    if (leap_after > 0 && --leap_after == 0)
        wall_us += leap_us;
    return rc;
}

/* --- a sequence of commands ------------------------------------------------------------------- */

/* A boost as it must be. */
struct known {
    char id[GRID_ID_SIZE];
    int64_t expires_us, renews_until_us; /* the latter 0: it is on no lease */
    bool ended;                          /* and that is written */
    bool released;
};

static struct rig rig;

struct sequence {
    char directory[512];
    unsigned seed, number;
    struct known boosts[STEPS];
    size_t count;
    int64_t stamp_us;          /* of the last commit */
    int64_t token, revision;
    int64_t now_us;            /* of the command that was just made */
    int warnings;              /* that it gave about the clock */
    const char *wrong;
};

static void hear(void *context, enum grid_note_level level, const char *text)
{
    struct sequence *sequence = context;
    sequence->warnings += level == GRID_NOTE_WARNING && strstr(text, "clock is behind") != NULL;
    if (level == GRID_NOTE_WARNING && !strstr(text, "clock is behind") && !sequence->wrong)
        sequence->wrong = "a warning about something else";
}

static unsigned below(struct sequence *sequence, unsigned limit)
{
    return rig_random(&sequence->seed, limit);
}

/* Mostly small ones, and each size both ways. */
static int64_t random_step(struct sequence *sequence)
{
    static const int64_t sizes[] = {0, 1, GRID_SECOND, 20 * GRID_SECOND, 4 * GRID_MINUTE,
                                    SLACK_US - 1, SLACK_US, SLACK_US + 1, 6 * GRID_MINUTE,
                                    GRID_HOUR, 24 * GRID_HOUR, 365 * 24 * GRID_HOUR,
                                    3652 * 24 * GRID_HOUR};
    int64_t size = sizes[below(sequence, countof(sizes))];
    return below(sequence, 2) ? size : -size;
}

/* The rule of formats.md: the later of clock and timestamp within 5 minutes, else the clock. */
static int64_t rule(int64_t clock_us, int64_t stamp_us)
{
    return clock_us < stamp_us && stamp_us - clock_us <= SLACK_US ? stamp_us : clock_us;
}

static struct grid_store *open_store(struct sequence *sequence)
{
    char url[1024];
    struct grid_error why = {0};
    struct grid_store *store = NULL;
    struct grid_store_options options = {
        .url = rig_format(url, sizeof(url), "file:%s", sequence->directory),
        .actor = "tester@here", .lock_timeout_us = 5 * GRID_SECOND, .note = hear,
        .note_context = sequence};
    if (grid_store_open(&options, &store, &why) < 0)
        errx(1, "%s", why.message);
    sequence->warnings = reading_count = 0;
    return store;
}

/* What a command decided by was one of the readings, by the rule, and was warned of exactly once
 * if the ledger is ahead by more. (What is tidied is a second transaction, without notes.) */
static const char *close_store(struct sequence *sequence, struct grid_store *store)
{
    bool decided = false, warned = false;
    sequence->now_us = grid_store_now(store);
    grid_store_close(store);
    for (int i = 0; i < reading_count; i++) {
        decided |= rule(readings[i], sequence->stamp_us) == sequence->now_us;
        warned |= sequence->warnings == (readings[i] < sequence->stamp_us - SLACK_US ? 1 : 0);
    }
    return !decided ? "it decided by another time than the rule's"
           : !warned ? "it did not warn of the clock once, or did without a reason" : NULL;
}

static bool lives(const struct known *boost, int64_t now_us)
{
    return !boost->ended && boost->expires_us > now_us;
}

static size_t living(const struct sequence *sequence, int64_t now_us)
{
    size_t count = 0;
    for (size_t i = 0; i < sequence->count; i++)
        count += lives(&sequence->boosts[i], now_us);
    return count;
}

/* After a commit, if there was one: what has ended by then has for good, and the file says when
 * that was. */
static const char *settle(struct sequence *sequence)
{
    int64_t stamp_us = 0, revision = 0;
    char *text = rig_read(RIG_PATH("%s/resource_boosts.json", sequence->directory), NULL);
    const char *stamp = text ? strstr(text, "\n  \"timestamp\": \"") : NULL;
    const char *number = text ? strstr(text, "\n  \"revision\": ") : NULL;
    if (stamp && number) {
        grid_time_read(stamp + 17, strcspn(stamp + 17, "\""), &stamp_us, NULL, NULL);
        revision = strtoll(number + 15, NULL, 10);
    }
    free(text);
    int64_t before = sequence->revision;
    sequence->revision = revision;
    sequence->stamp_us = stamp_us;
    if (revision < before)
        return "the revision fell";
    for (size_t i = 0; i < sequence->count && revision != before; i++)
        sequence->boosts[i].ended |= sequence->boosts[i].expires_us <= sequence->now_us;
    return revision != before && stamp_us != sequence->now_us
               ? "the timestamp is not the time of the decision" : NULL;
}

/* --- the commands ----------------------------------------------------------------------------- */

static const char *do_request(struct sequence *sequence)
{
    struct known *boost = &sequence->boosts[sequence->count];
    struct grid_error why = {0};
    struct grid_grant grant;
    int64_t duration_us = (1 + below(sequence, 40)) * GRID_MINUTE;
    bool leased = below(sequence, 3) == 0;
    snprintf(boost->id, sizeof(boost->id), "%08x-0000-4000-8000-%012x", sequence->number + 1,
             (unsigned)sequence->count + 1);
    struct grid_request request = {.boost_id = boost->id, .target_node = "b", .need_count = 1,
                                   .needs = {{.resource = "CPU", .amount_u = GRID_AMOUNT_UNIT}},
                                   .priority = GRID_NORMAL, .duration_us = duration_us,
                                   .lease_us = leased ? GRID_MINUTE : 0, .owner = "tester"};
    struct grid_store *store = open_store(sequence);
    int rc = grid_ledger_request(store, &request, false, NULL, &grant, NULL, NULL, &why);
    const char *wrong = close_store(sequence, store);
    bool fits = living(sequence, sequence->now_us) < CORES;
    if (wrong)
        return wrong;
    if (rc == GRID_EREFUSED)
        return fits ? "what fits is refused" : NULL;
    if (rc < 0)
        return "a request fails";
    if (!fits)
        return "more is lent than there is";
    if (grant.boost.token <= sequence->token)
        return "the token does not rise";
    if (grant.boost.allocated_us != sequence->now_us
        || grant.boost.expires_us != sequence->now_us + (leased ? GRID_MINUTE : duration_us))
        return "its times are not those of the decision";
    sequence->token = grant.boost.token;
    boost->expires_us = grant.boost.expires_us;
    boost->renews_until_us = leased ? sequence->now_us + duration_us : 0;
    sequence->count++;
    return settle(sequence);
}

static int keep(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct sequence *sequence = context;
    for (size_t i = 0; i < sequence->count; i++)
        if (strcmp(sequence->boosts[i].id, boost->boost_id) == 0
            && sequence->boosts[i].expires_us == boost->expires_us) {
            sequence->warnings += 1000; /* counted beside */
            return 0;
        }
    sequence->wrong = "a boost is listed that there is not";
    return 0;
}

static const char *do_list(struct sequence *sequence)
{
    struct grid_error why = {0};
    struct grid_boost_filter all = {0};
    enum grid_mode mode = below(sequence, 2) ? GRID_READ : GRID_TIDY;
    struct grid_store *store = open_store(sequence);
    int rc = grid_ledger_list(store, mode, &all, keep, sequence, &why);
    int listed = sequence->warnings / 1000;
    sequence->warnings %= 1000;
    const char *wrong = close_store(sequence, store);
    if (rc < 0)
        return "status fails";
    if (wrong || sequence->wrong)
        return wrong ?: sequence->wrong;
    bool right = false; /* tidying is a second transaction, and the clock may have stepped before */
    for (int i = 0; i < reading_count; i++)
        right |= living(sequence, rule(readings[i], sequence->stamp_us)) == (size_t)listed;
    if (!right)
        return "status does not list what lives";
    return mode == GRID_TIDY ? settle(sequence) : NULL;
}

static const char *do_cleanup(struct sequence *sequence)
{
    struct grid_error why = {0};
    struct grid_cleanup cleanup = {0};
    struct grid_store *store = open_store(sequence);
    int rc = grid_ledger_cleanup(store, &cleanup, &why);
    const char *wrong = close_store(sequence, store);
    return rc < 0 ? "cleanup fails" : wrong ?: settle(sequence);
}

/* Of a boost that is known: released, extended, renewed, shown. */
static const char *do_change(struct sequence *sequence)
{
    static const struct grid_caller root = {"tester", true};
    struct known *boost = &sequence->boosts[below(sequence, (unsigned)sequence->count)];
    const char *ids[] = {boost->id};
    struct grid_error why = {0};
    struct grid_boost now;
    unsigned what = below(sequence, 4);
    struct grid_store *store = open_store(sequence);
    int rc = what == 0 ? grid_ledger_release(
                             store, &(struct grid_release){.ids = ids, .count = 1, .caller = &root},
                             NULL, NULL, &why)
             : what == 1 ? grid_ledger_extend(
                               store, &(struct grid_extend){.id = boost->id, .by_us = GRID_MINUTE,
                                                            .caller = &root},
                               NULL, &now, NULL, NULL, &why)
             : what == 2 ? grid_ledger_renew(store, boost->id, 0, GRID_MINUTE, &now, &why)
                         : grid_ledger_show(store, boost->id, &now, NULL, NULL, &why);
    const char *wrong = close_store(sequence, store);
    bool lived = lives(boost, sequence->now_us);
    if (wrong)
        return wrong;
    if (rc < 0 && (rc != GRID_ENOTFOUND || lived || what == 0 || what == 3))
        return "a change of a boost that lives fails";
    if (rc == 0 && !lived && (what == 1 || what == 2))
        return "an ended boost came back";
    if (what == 3 && !lived && now.ended_us != boost->expires_us)
        return "the end is not when it was";
    if (rc == 0 && what == 0 && lived)
        boost->ended = boost->released = true, boost->expires_us = sequence->now_us;
    if (rc == 0 && (what == 1 || what == 2)) {
        int64_t until_us = sequence->now_us + GRID_MINUTE;
        if (what == 2 && until_us > boost->renews_until_us)
            until_us = boost->renews_until_us;
        if (what == 1 && !boost->renews_until_us)
            until_us = boost->expires_us + GRID_MINUTE;
        if (what == 1 && boost->renews_until_us) { /* a lease keeps its end, and lasts longer */
            boost->renews_until_us += GRID_MINUTE;
            until_us = now.expires_us;
        }
        boost->expires_us = until_us > boost->expires_us ? until_us : boost->expires_us;
        if (now.expires_us != boost->expires_us)
            return "its end is another";
    }
    return what == 3 ? NULL : settle(sequence);
}

static void run_sequence(size_t index, int worker)
{
    struct sequence sequence = {.seed = rig.seed + 7919U * (unsigned)index,
                                .number = (unsigned)index};
    char template[512];
    const char *wrong = NULL;
    int step = 0;
    rig_format(sequence.directory, sizeof(sequence.directory), "%s/point-%d", rig.work, worker);
    rig_copy(rig_format(template, sizeof(template), "%s/managed", rig.work), sequence.directory);
    wall_us = 0;
    sequence.revision = -1;
    settle(&sequence);
    sequence.now_us = sequence.stamp_us;
    wall_us = sequence.stamp_us + GRID_SECOND;
    for (; step < STEPS && !wrong; step++) {
        unsigned what = below(&sequence, 8);
        wall_us += random_step(&sequence);
        leap_after = below(&sequence, 3) == 0 ? 1 + (int)below(&sequence, 4) : 0;
        leap_us = random_step(&sequence);
        wrong = what < 3 || sequence.count == 0 ? do_request(&sequence)
                : what < 5                      ? do_list(&sequence)
                : what < 6                      ? do_cleanup(&sequence)
                                                : do_change(&sequence);
    }
    wall_us = leap_after = 0;
    if (wrong)
        rig_violation("%s: command %d of sequence %zu, SEED=%u", wrong, step, index, rig.seed);
}

/* --- points ----------------------------------------------------------------------------------- */

static void try_sequence(void *context, size_t index, int worker)
{
    (void)context;
    run_sequence(index, worker);
}

/* Quick: what a step back would prolong, one of each worker. */
static void try_held(void *context, size_t index, int worker)
{
    (void)context;
    clock_held_run(&rig, rig.full ? index : index + 1 + (rig.seed & 1) * CLOCK_HELD_ROWS, worker);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        errx(2, "usage: clock WORK");
    rig = rig_begin("clock", argv[1]);
    clock_held_begin(&rig);
    rig_points(rig.full ? FULL_SEQUENCES : QUICK_SEQUENCES, try_sequence, NULL);
    rig_add_points((rig.full ? FULL_SEQUENCES : QUICK_SEQUENCES) * (STEPS - 1));
    rig_points(rig.full ? clock_held_count() : 2, try_held, NULL);
    return rig_end(&rig, 1000);
}
