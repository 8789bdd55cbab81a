/* Numbers found by key: the open addressing that the indexes of this layer share. */
#ifndef STORE_SLOTS_H
#define STORE_SLOTS_H

#include "grid/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Zero-initialized it is empty. At most half of it is used; freed with free(at). What was put in
 * last can be taken out again by writing 0 over it. */
struct slots {
    uint32_t *at; /* number + 1; 0: free */
    size_t count; /* 0, or a power of two */
};

/* FNV-1a. */
static inline uint32_t slots_hash(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

/* Has `number` this key? */
typedef bool (*slots_is_fn)(const void *owner, uint32_t number, const void *key);

/* The slot of the key, or the free one where it belongs. There must be slots. */
static inline uint32_t *slots_find(const struct slots *slots, uint32_t hash, slots_is_fn is,
                                   const void *owner, const void *key)
{
    for (size_t i = hash;; i++) {
        uint32_t *slot = &slots->at[i & (slots->count - 1)];
        if (*slot == 0 || is(owner, *slot - 1, key))
            return slot;
    }
}

/* Makes room for so many numbers. 0; 1: the slots are new and empty, everything is to be put in
 * again; ENOMEM. */
static inline int slots_reserve(struct slots *slots, size_t numbers)
{
    size_t count = slots->count ? slots->count : 16;
    while (count < 2 * numbers)
        count *= 2;
    if (count == slots->count)
        return 0;
    uint32_t *at = calloc(count, sizeof(*at));
    if (!at)
        return GRID_ENOMEM;
    free(slots->at);
    *slots = (struct slots){at, count};
    return 1;
}

#endif
