/* What the parts of a check share. */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/file.h"

struct checking {
    struct file_db *db;
    grid_finding_fn fn;
    void *context;
    const char *what; /* a record is: "record", "node", "ticket" */
    int rc;        /* of a finding function that stopped the check */
    bool damaged, unsound; /* `unsound`: nodes or tickets are */
    bool shortened; /* history.jsonl ends before what the state counts on */
    bool torn;     /* segments of the history are damaged or missing */
    struct grid_error *err;
};

void check_report(struct checking *check, enum grid_severity severity, const char *subject,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* --- check_sums.c: the boosts against each other, and against the nodes --- */

/* Nobody lends more than he has, no device is lent twice, ...: what is not so is reported.
 * ENOMEM. */
int check_sums(struct checking *check);

/* --- check_files.c: what lies beside the state --- */

/* Who may write; what a crash left; the backups. EIO, ENOMEM. */
int check_files(struct checking *check);

/* Every segment that counts, and how many events they hold. EIO, ENOMEM. */
int check_segments(struct checking *check, int64_t *ret_events);

/* Writes those that are damaged or missing anew with what can be read of them; the damaged bytes
 * are kept. ECORRUPT: that is a loss, which `flags` do not accept. EIO, ENOMEM. */
int check_mend_segments(struct checking *check, unsigned flags);

#endif
