/* What a script expects. */
#include "support/script_play.h"

#include <stdio.h>
#include <stdlib.h>

int script_is(struct grid_error *err)
{
    struct grid_boost boost;
    char **words = script.words;
    int rc = grid_ledger_show(script.store, words[1], &boost, NULL, NULL, err);
    if (rc < 0)
        return rc;
    if (strcmp(words[0], "devices") == 0) {
        holds(boost.devices == strtoull(words[2], NULL, 0), "%llx",
              (unsigned long long)boost.devices);
        return 0;
    }
    if (strcmp(words[0], "by") == 0) {
        holds(strcmp(boost.preempted_by, words[2]) == 0, "'%s'", boost.preempted_by);
        return 0;
    }
    const char *state = grid_boost_state_name(grid_boost_state(&boost, frozen_us));
    holds(strcmp(state, words[2]) == 0, "it is %s", state);
    if (strcmp(words[0], "ended") == 0)
        return 0;
    holds(strcmp(boost.source_node, words[3]) == 0, "from '%s'", boost.source_node);
    holds(boost.starts_us == script_time(words[4]), "starts at %g",
          (double)(boost.starts_us - BEGIN_US) / GRID_MINUTE);
    holds(boost.expires_us == script_time(words[5]), "ends at %g",
          (double)(boost.expires_us - BEGIN_US) / GRID_MINUTE);
    holds(boost.renews_until_us == (words[6] ? script_time(words[6]) : 0), "may be renewed to %g",
          (double)(boost.renews_until_us - BEGIN_US) / GRID_MINUTE);
    return 0;
}

static int look_at_ticket(void *context, const struct grid_ticket_view *view,
                          struct grid_error *err)
{
    (void)err;
    int *found = context;
    if (!script.words[1] || strcmp(view->ticket.ticket_id, script.words[1]) != 0) {
        *found += strcmp(script.words[0], "tickets") == 0;
        return 0;
    }
    *found += 1;
    if (strcmp(script.words[0], "place") != 0)
        return 0;
    holds(view->position == strtoull(script.words[2], NULL, 10), "place %zu", view->position);
    holds(view->promised_us == script_time(script.words[3]), "promised %g",
          (double)(view->promised_us - BEGIN_US) / GRID_MINUTE);
    return 0;
}

int script_place(struct grid_error *err)
{
    int found = 0;
    int rc = grid_ledger_queue(script.store, look_at_ticket, &found, err);
    if (strcmp(script.words[0], "tickets") == 0)
        holds(found == atoi(script.words[1]), "%d wait", found);
    else
        holds(rc < 0 || found == (strcmp(script.words[0], "place") == 0), "%d such tickets", found);
    return rc;
}

static int count_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    int *found = context;
    *found += strcmp(script.words[0], "boosts") == 0
              || strcmp(boost->boost_id, script.words[1]) == 0;
    return 0;
}

/* `boosts N`; `gone ID`, of its ticket, too. */
int script_boosts(struct grid_error *err)
{
    struct grid_boost_filter all = {0};
    int found = 0, want = script.words[0][0] == 'b' ? atoi(script.words[1]) : 0;
    int rc = grid_ledger_list(script.store, GRID_READ, &all, count_boost, &found, err);
    holds(found == want, "%d", found);
    return rc < 0 || script.words[0][0] == 'b' ? rc : script_place(err);
}

static int take_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)context, (void)err;
    const char *name = grid_event_name(event->event);
    holds(strcmp(name, script.words[2]) == 0, "it is %s", name);
    for (size_t i = 3; script.words[i]; i++)
        holds(strstr(event->reason, script.words[i]), "it says '%s'", event->reason);
    return 1;
}

int script_last(struct grid_error *err)
{
    struct grid_event_filter of = {.boost_id = script.words[1]};
    return grid_ledger_history(script.store, &of, take_event, NULL, err);
}

int script_fits(struct grid_error *err)
{
    (void)err;
    int64_t want_us = strcmp(script.words[1], "not") == 0 ? 0 : script_time(script.words[1]);
    holds(script.fits_us == want_us, "%g", (double)(script.fits_us - BEGIN_US) / GRID_MINUTE);
    return 0;
}

int script_says(struct grid_error *err)
{
    (void)err;
    for (size_t i = 1; script.words[i]; i++)
        holds(strstr(script.err.message, script.words[i]), "it says '%s'", script.err.message);
    return 0;
}

/* What the line before this one handed over, in its order. */
int script_told(struct grid_error *err)
{
    (void)err;
    for (int i = 0; i < script.told_count; i++)
        holds(script.words[1 + i] && strcmp(script.told[i], script.words[1 + i]) == 0, "'%s'",
              script.told[i]);
    holds(!script.words[1 + script.told_count], "%d only", script.told_count);
    return 0;
}
