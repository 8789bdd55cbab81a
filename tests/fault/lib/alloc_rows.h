/* The commands whose allocations fail, in ledgers that alloc.sh makes. */
#ifndef FAULT_ALLOC_ROWS_H
#define FAULT_ALLOC_ROWS_H

#include <stddef.h>

enum alloc_kind {
    ALLOC_CHANGES,
    ALLOC_READS,  /* the state may be settled or recovered, or stay, whatever the status */
    ALLOC_LINES,  /* each line by itself, done or not */
    ALLOC_LEASES, /* what is left behind has a lease: nothing is said of the boosts */
};

/* In the words ID stands for the first boost of the ledger, SAMPLES for the folder of samples, WORK
 * for where the ledgers are, DIR for the ledger that is worked on. `name` is what a message of
 * status 1 must hold when the change was made (NULL: an id). */
struct alloc_row {
    const char *ledger, *words, *input, *name;
    enum alloc_kind kind;
};
extern const struct alloc_row alloc_rows[];
extern const size_t alloc_rows_count;

#endif
