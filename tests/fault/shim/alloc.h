/* What the shim is told, and what it says: in a file that both map. */
#ifndef SHIM_ALLOC_H
#define SHIM_ALLOC_H

#include <stdbool.h>

#define ALLOC_FD 200 /* where the shim finds it */
#define ALLOC_SITES 16384

struct alloc_order {
    long fail_at;  /* this allocation fails, the first is 1; 0: none */
    bool for_ever; /* and all after it */

    long count;    /* allocations asked for */
    bool ended;    /* by exit or a return from main: what follows was found out */
    long leaked, leaked_bytes; /* blocks that nothing points to */
    char leak[160], failure[160]; /* where the first one, and the one that failed, were asked for */
    unsigned long sites[ALLOC_SITES]; /* for the first allocations: where, hashed */
};

#endif
