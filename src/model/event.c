/* Events: their names, what they end, filters. */
#include "grid/event.h"

#include "util/text.h"

static const char *const names[GRID_EVENT_COUNT] = {
#define NAME(name, word) [GRID_EVENT_##name] = word,
    GRID_EVENTS(NAME)
#undef NAME
};

const char *grid_event_name(enum grid_event_kind event)
{
    return (size_t)event < countof(names) ? names[event] : "unknown";
}

/* All but QUIET, the first, which no event has that a person could see. */
const char *grid_event_next(void *context, size_t index)
{
    (void)context;
    return index + 1 < countof(names) ? names[index + 1] : NULL;
}

int grid_event_parse(const char *text, enum grid_event_kind *ret, struct grid_error *err)
{
    size_t index;
    int rc = text_choice("event", text, grid_event_next, NULL, &index, err);
    if (rc == 0)
        *ret = (enum grid_event_kind)(index + 1);
    return rc;
}

enum grid_boost_state grid_event_ends(enum grid_event_kind event)
{
    return event == GRID_EVENT_RELEASED    ? GRID_RELEASED
           : event == GRID_EVENT_EXPIRED   ? GRID_EXPIRED
           : event == GRID_EVENT_PREEMPTED ? GRID_PREEMPTED
                                           : GRID_ACTIVE;
}

enum grid_boost_state grid_event_ending(const struct grid_event *event)
{
    const struct grid_boost *boost = &event->boost;
    enum grid_boost_state state = grid_event_ends(event->event);
    if (state == GRID_PREEMPTED && boost->preempted_by[0] && boost->expires_us > event->at_us)
        return GRID_ACTIVE;
    return state == GRID_EXPIRED ? grid_boost_ending(boost) : state;
}

bool grid_event_matches(const struct grid_event *event, const struct grid_event_filter *filter)
{
    const struct grid_boost *boost = &event->boost;
    if (!event->has_boost && (filter->owner || filter->request_id))
        return false;
    bool of_node = event->has_boost ? text_is(boost->source_node, filter->node)
                                          || text_is(boost->target_node, filter->node)
                                    : text_is(event->node_id, filter->node);
    return text_is(event->boost_id, filter->boost_id)
           && text_begins(event->boost_id, filter->id_prefix)
           && (filter->since_us == 0 || event->at_us >= filter->since_us)
           && (filter->until_us == 0 || event->at_us < filter->until_us)
           && (filter->newer_than == 0 || event->revision > filter->newer_than)
           && (!filter->has_event || event->event == filter->event)
           && of_node
           && (!event->has_boost || text_is(boost->owner, filter->owner))
           && (!event->has_boost || text_is(boost->request_id, filter->request_id));
}
