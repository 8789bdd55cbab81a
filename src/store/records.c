/* The records of the file driver as they stand: what an export is made of. */
#include "store/file.h"

#include "model/node_record.h"

#include <string.h>

struct handing {
    grid_record_fn fn;
    void *context;
};

static int hand_over(const struct handing *handing, enum grid_subject subject, bool sound,
                     struct span text, struct grid_error *err)
{
    struct grid_record record = {subject, sound, text.at, text.length};
    return handing->fn(handing->context, &record, err);
}

static int hand_over_list(const struct handing *handing, enum grid_subject subject,
                          const struct state_list *list, struct grid_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->count; i++)
        rc = hand_over(handing, subject, list->items[i].sound, list->items[i].text, err);
    return rc;
}

static int hand_over_policy(const struct handing *handing, struct span text,
                            struct grid_error *err)
{
    struct grid_policy policy;
    if (text.length == 0)
        return 0;
    int rc = policy_record_read(text, &policy, err);
    return rc == GRID_ENOMEM ? rc : hand_over(handing, GRID_POLICY, rc == 0, text, err);
}

/* What is pending may be anything: an event is an object. */
static int hand_over_event(void *context, struct span value, struct grid_error *err)
{
    return value.at[0] == '{' ? hand_over(context, GRID_EVENT, true, value, err) : 0;
}

int file_records(void *opaque, grid_record_fn fn, void *context, struct grid_error *err)
{
    const struct file_db *db = opaque;
    const struct state *state = &db->state;
    struct handing handing = {fn, context};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < state->count; i++)
        rc = hand_over(&handing, GRID_BOOST, state->entries[i].hash != 0,
                       state_record(state, &state->entries[i]), err);
    rc = rc ?: hand_over_list(&handing, GRID_NODE, &state->nodes, err);
    rc = rc ?: hand_over_policy(&handing, state->policy, err);
    rc = rc ?: hand_over_list(&handing, GRID_TICKET, &state->waiting, err);
    rc = rc ?: history_each(db, hand_over_event, &handing, err);
    for (size_t i = 0; rc == 0 && i < state->others.count; i++)
        rc = hand_over(&handing, GRID_MEMBER, true, state->others.at[i], err);
    return rc;
}
