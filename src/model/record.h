/* The JSON of the model: a boost's record and an event, in the state file, history and output. */
#ifndef MODEL_RECORD_H
#define MODEL_RECORD_H

#include "grid/event.h"
#include "util/json.h"

/*
 * Reads one record of the state file: `text` is a whole object, not yet checked. A record in
 * exactly our own layout takes a fast path; every other is checked strictly. Both read the same (a
 * test compares them). ECORRUPT with the reason in one line ("amount is not over 0", "'boost_id'
 * comes twice") when it is no sound boost, and nothing else: it needs no memory, so no sound record
 * is ever taken for another for want of it. *ret_naive (may be NULL) says that a time had no zone:
 * UTC was taken. After a failure *ret means nothing, here and below.
 */
int record_read(struct span text, struct grid_boost *ret, bool *ret_naive,
                struct grid_error *err);

/*
 * The fast path for a record in exactly the layout of record_write at level 2, beginning at `at`:
 * returns where it ends, with *ret filled; NULL when it is anything else (sound or not). It takes
 * printable ASCII without escapes, times of 32 bytes, plain amounts, and only members that struct
 * grid_boost knows.
 */
const char *record_scan(const char *at, const char *end, struct grid_boost *ret);

/* The text of a string's value, cut to fit. Returns 0; 1 when it was cut; 2 when the value is
 * missing (at NULL), no string, or one that no C string can hold. */
int record_text(struct span value, char *to, size_t size);

/* The slow path alone; for record_read and its test. */
int record_parse(struct span text, struct grid_boost *ret, bool *ret_naive,
                 struct grid_error *err);

/* Prints a new record: the original's nine members in its order, then those of ours that say
 * something. */
void record_write(struct json *json, const struct grid_boost *boost);

/*
 * Prints `boost` over the record that it was read from: members whose value changed are printed
 * anew, all others keep their text, in their order, those that we do not know included; members
 * that are new follow at the end. `old` must be readable by record_read, otherwise (or with a
 * length of 0) this is record_write.
 */
void record_rewrite(struct json *json, struct span old, const struct grid_boost *boost);

/*
 * Prints a boost for users (-o json): as record_write, and always `state`, `remaining_seconds`
 * (number, 3 digits at most; null: never ends), `priority`, `owner`, `reason`, `token`; and
 * `ended_at` for one that has ended. `now_us` decides state and rest.
 */
void record_show(struct json *json, const struct grid_boost *boost, int64_t now_us);

/* Prints an event. `subject` is the text of its boost, node, policy or ticket where a store has it
 * (members that we do not know included); {NULL, 0}: event->boost is printed, if there is one. */
void record_event_write(struct json *json, const struct grid_event *event, struct span subject);

/* Prints an event for users (-o json): the same, its boost with record_show at the event's time. */
void record_event_show(struct json *json, const struct grid_event *event);

/* Reads an event, a valid or invalid JSON text. Its boost gets `ended` and `ended_us` from the
 * event (grid_event_ending). ECORRUPT, and nothing else, as record_read: also when the kind is
 * missing or not known. */
int record_event_read(struct span text, struct grid_event *ret, struct grid_error *err);

#endif
