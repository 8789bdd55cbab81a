/* The members of a record and of an event, each named once: for reading, scanning and printing. */
#ifndef MODEL_RECORD_TABLE_H
#define MODEL_RECORD_TABLE_H

#include "model/record.h"

/* How a member's value reads and prints. Those up to RECORD_TIME must be there. */
enum record_kind {
    RECORD_NAME, /* text, whole and not empty */
    RECORD_RESOURCE,
    RECORD_AMOUNT,   /* of the struct's resource_type */
    RECORD_REVISION, /* whole number */
    RECORD_EVENT,
    RECORD_TIME,
    RECORD_END,      /* time; null or missing is GRID_NEVER */
    RECORD_START,    /* time; missing is the boost's allocated_us */
    RECORD_UNTIL,    /* time; null is GRID_NEVER, missing is 0: of no lease */
    RECORD_FLAG,     /* missing is true */
    RECORD_MARK,     /* true; missing, or anything else, is false */
    RECORD_PRIORITY, /* what is none of ours is normal */
    RECORD_TEXT,     /* "" is null; cut where it is too long, what is no text is "" */
    RECORD_TOKEN,    /* whole number; missing is 0 */
    RECORD_DEVICES,  /* an array of indices below 64; what is none of that is no device */
    RECORD_BOOST,    /* of an event: a record or null; not printed from the table */
};

struct record_member {
    const char *name;
    const char *lead; /* ,LF, six spaces, the key, a colon: how it begins in our own layout */
    unsigned char lead_length;
    bool always_shown; /* to users, even where it says nothing */
    enum record_kind kind;
    unsigned short offset, size; /* in the struct */
};

#define RECORD_MEMBERS 24      /* of a boost; */
#define RECORD_ORIGINAL 9      /* the first of them the Python original's own, always written */
#define RECORD_EVENT_MEMBERS 7 /* of an event, `boost` the last */
extern const struct record_member record_boost_members[RECORD_MEMBERS];
extern const struct record_member record_event_members[RECORD_EVENT_MEMBERS];

/* Where the member lies in its object. */
static inline void *record_field(const struct record_member *member, const void *object)
{
    return (char *)object + member->offset;
}

/* The index of the member with this key (escapes resolved), or -1. */
int record_find(const struct record_member *members, int count, struct span key);

/* Is it a reservation that would start when it is over? No sound record is. */
static inline bool record_starts_late(const struct grid_boost *boost)
{
    return boost->starts_us != boost->allocated_us && boost->starts_us >= boost->expires_us;
}

/* Sets the member to what it is when it is missing. Not for those that must be there. */
void record_reset(const struct record_member *member, void *object);

#endif
