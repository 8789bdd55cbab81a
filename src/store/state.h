/* The state file in memory: its bytes, and an index of the boosts in it. */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include "grid/store.h"
#include "store/load.h"
#include "util/json.h"

#define STATE_FILE "resource_boosts.json"
#define STATE_SEGMENTS_MAX INT64_C(999999) /* at 8 MiB each: 8 TB of history */

/*
 * One record: where it stands in the text, and what can be asked without reading it again. 72
 * bytes; with the slots of the id table about 90 a boost.
 */
struct state_entry {
    size_t at;
    uint32_t length;
    uint32_t hash;        /* of the id; 0: unsound, kept and never counted */
    char head[4];         /* the id's first bytes */
    uint32_t change;      /* set by state_apply */
    int64_t allocated_us;
    int64_t starts_us;    /* of a reservation; INT64_MIN: it counts since it was granted, or has
                             started */
    int64_t expires_us;   /* INT64_MIN when the original's flag says that it has ended */
    int64_t amount_u;
    uint32_t source, target, resource, owner; /* numbers in `names` */
};

/* A list of stretches of text. */
struct state_spans {
    struct span *at;
    size_t count, capacity;
};

/* One record of a list. */
struct state_item {
    struct span text;
    uint32_t id; /* number in `ids`; UINT32_MAX: it does not say */
    bool sound;  /* and the first of its id that is */
};

/* An array of small records, and an index of it. */
struct state_list {
    struct span text; /* the whole value; length 0: absent */
    struct state_item *items;
    size_t count, capacity;
    struct names ids;
    uint32_t *first; /* by number of the id: the item that counts, or else the first unsound one */
    size_t first_capacity;
};

/*
 * What was read. Zero-initialized it is an empty ledger. A record stays in the text it was read
 * from until it is written; `text` belongs to the state, as do `more`, which other spans point to.
 */
struct state {
    char *text, *more[2];
    size_t length;
    struct state_entry *entries;
    size_t count, capacity, sound;
    bool sorted;             /* by allocated_us, as files that we wrote are */
    struct slots slots;      /* by id, of those that are sound */
    struct names names;
    bool has_revision;       /* without one, the original wrote it */
    int64_t revision;
    int64_t timestamp_us;    /* 0: none */
    int64_t history_bytes;   /* how much of history.jsonl counts */
    int64_t segments;        /* how many closed parts of the history count, behind those swept */
    struct state_list nodes, waiting;
    struct span policy;                 /* length 0: absent */
    bool drops_unsound;                 /* of the lists, when it is written */
    struct state_spans pending;         /* events, each an object */
    struct state_spans others;          /* members that we do not know: `"key": value` */
};

/* Told about each record that is not sound, or that a person should know of. */
typedef void (*state_note_fn)(void *context, size_t index, const char *reason);

/*
 * Reads a whole state file; `text` (malloc'd, with a NUL behind `length` bytes) is the state's from
 * now on, also on failure. `note` may be NULL. ECORRUPT: the whole cannot be read, and why; ENOMEM.
 * On failure state_release is still to be called.
 */
int state_read(struct state *state, char *text, size_t length, state_note_fn note, void *context,
               struct grid_error *err);
void state_release(struct state *state);

/* The record of an entry, and the entry of an id (NULL: none). */
struct span state_record(const struct state *state, const struct state_entry *entry);
struct state_entry *state_find(const struct state *state, const char *boost_id);

/* As the driver's `boosts`. */
int state_boosts(const struct state *state, const struct grid_boost_filter *filter,
                 grid_boost_fn fn, void *context, struct grid_error *err);

/* As the driver's `load`, at `now_us`. */
int state_load(const struct state *state, int64_t now_us, grid_load_fn fn, void *context,
               struct grid_error *err);

/* --- state_list.c: the arrays of small records, GRID_NODE `nodes` and GRID_TICKET `waiting` --- */

/* Indexes both lists anew, whose texts are set. ENOMEM. */
int state_index_lists(struct state *state, struct grid_error *err);
void state_list_release(struct state_list *list);

/* As the driver's `nodes`, `node` and `tickets`. */
int state_nodes(const struct state *state, grid_node_fn fn, void *context, struct grid_error *err);
int state_node(const struct state *state, const char *name, struct grid_node *ret,
               struct grid_error *err);
int state_tickets(const struct state *state, grid_ticket_fn fn, void *context,
                  struct grid_error *err);

/* How many there are, sound or not, once the changes (may be NULL) are made. */
size_t state_count(const struct state *state, enum grid_subject subject,
                   const struct grid_changes *changes);

/* Tells of each that is not sound, and says how many those are (SIZE_MAX: no memory to tell);
 * `note` may be NULL. */
size_t state_check_list(const struct state *state, enum grid_subject subject, state_note_fn note,
                        void *context);

/* The record with this id as it stands in the file; length 0: it is new. */
struct span state_old_record(const struct state *state, enum grid_subject subject, const char *id);

/* Writes the member, if it has elements, into the file's object: what was not changed (`changes`
 * may be NULL) as it stood, unsound records, too, unless the state drops them or their id is
 * removed. Errors stick in json->out. */
void state_write_list(const struct state *state, enum grid_subject subject,
                      const struct grid_changes *changes, struct json *json);

/* --- writing --- */

/* Takes nodes, policy, waiting, history and pending from `from`, whose text goes over, too, as do
 * `lines` (malloc'd; may be NULL) that some of them may point to. ENOMEM. */
int state_adopt(struct state *state, struct state *from, char *lines, struct grid_error *err);

int state_add_span(struct state_spans *spans, struct span span);

/* What a commit writes beside the boosts. */
struct state_commit {
    const struct grid_changes *changes; /* may be NULL: none */
    int64_t revision, now_us;
    int64_t history_bytes, segments; /* as in the state, from now on */
    bool moved; /* the pending events of the state stand in history.jsonl */
};

/* Marks the entries that the changes are about. */
void state_apply(struct state *state, const struct grid_changes *changes);

/* Writes the state file as it will be; after state_apply. Errors stick in `out`. */
void state_write(const struct state *state, const struct state_commit *commit, struct buffer *out);

/* Writes the events of the changes onto `json`, each as an element (of an array that is open) or,
 * compact, as a line. The boosts keep the members that we do not know. */
void state_write_events(const struct state *state, const struct grid_changes *changes,
                        struct json *json, bool lines);

#endif
