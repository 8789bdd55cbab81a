/* A ledger played by a script, one operation or one expectation a line. */
#ifndef SUPPORT_SCRIPT_H
#define SUPPORT_SCRIPT_H

#include "grid/ledger.h"
#include "support/clock.h"

/*
 * Times and durations are minutes, counted from the beginning; "never". Amounts are whole ones (of
 * memory: GiB). A line that fails ends in "=> " and the word of the code (refused, never, usage,
 * not_found, conflict, perm, timeout, interrupted); others must succeed.
 *
 *   at 30                                   the clock stands there
 *   node a cpu 4 gpu 2                      registers a node, or changes what it has
 *   limit a keep|lend|borrow cpu 2          hold a 30    resume a    owner a ann    stale a 10
 *   policy max|grace|protected|cpu|enabled 30
 *   get ID TARGET cpu 2 for 60 [...]        a request; queue: puts its ticket; wait: waits 1 ms
 *       priority high, from a, prefer a, start 30, owner ann, key k, lease 1, preempt, split, dry
 *   release ID... [as ann] [force]          release-owned ann [as ann]
 *   extend ID by|for|until 30 [shorten] [best] [dry] [as ann]
 *   renew ID 1    cleanup    remove a
 *
 *   is ID active|scheduled a 0 60 [60]      state, lender, start, end, until when it may be renewed
 *   ended ID released|expired|preempted     gone ID: neither a boost nor a ticket
 *   place ID 1 60                           its ticket: position, promised start
 *   last ID granted                         its latest event
 *   says WORD...                            the message of the line before
 *   fits 60    devices ID 3    by ID WINNER    boosts 2    tickets 1    told ID ID...
 *
 * Lines that begin with '>' behind a `wait` run once it has queued; there, `stop` makes it leave,
 * and `ahead 1`, the last, puts the monotonic clock ahead while it sleeps.
 */
void script_run(const char *what, const char *text);

/* The same on this store only. */
void script_run_on(const char *url, const char *what, const char *text);

#endif
