/* For linear: what to ask next, and what was told. */
#ifndef FAULT_LINEAR_ASK_H
#define FAULT_LINEAR_ASK_H

#include "fault/lib/linear.h"

#include <cjson/cJSON.h>
#include <stdatomic.h>

/* What the processes share. An id is known once somebody was told it. */
struct linear_shared {
    atomic_size_t next; /* operation */
    atomic_bool known[OPS_MOST];
    char ids[OPS_MOST][64];
    struct linear_op ops[OPS_MOST];
};

/* Words for the program. */
struct linear_words {
    char text[1024];
    char *at[24];
    size_t length, count;
};
void linear_word(struct linear_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Chooses an operation; op->fault is set. */
void linear_choose(const struct linear_shared *shared, struct linear_op *op, unsigned *seed);

/* The words of it. */
void linear_spell(const struct linear_shared *shared, const struct linear_op *op,
                  struct linear_words *words);

/* Takes what the program answered with status 0. */
void linear_take(struct linear_shared *shared, struct linear_op *op, const cJSON *json);

/* Takes from an event of the history, in their order, when an operation was carried out: of one
 * that granted something and whose answer nobody got, as what it says; of others as a hint. */
struct linear_limits {
    int64_t limits_m[NODE_COUNT][RESOURCES];
    bool held[NODE_COUNT];
};
void linear_take_event(struct linear_shared *shared, struct linear_limits *before,
                       const cJSON *event);

#endif
