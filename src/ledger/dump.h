/* An exported ledger: one JSON document. */
#ifndef LEDGER_DUMP_H
#define LEDGER_DUMP_H

#include "grid/dump.h"
#include "util/json.h"

/* A document that was read. The spans are of its text; length 0: absent. */
struct document {
    struct grid_export facts;
    struct span boosts, nodes, waiting, events; /* arrays of what is sound */
    struct span policy;                         /* an object */
    struct span unsound;                        /* an array of {"of", "text"} */
    struct span members;                        /* an object: those of others */
};

/* As grid_export_read, without looking into the records. */
int document_read(const char *text, size_t length, struct document *ret, struct grid_error *err);

/* What a record's member of the document is called. */
const char *document_member(enum grid_subject subject);

/* What an unsound record is of, as the document says it: "boosts", "nodes", "waiting". NULL: there
 * is no such record. */
const char *document_key(enum grid_subject subject);

/* Counts one more. */
void document_count(struct grid_export *facts, enum grid_subject subject);

/* --- its records, one at a time --- */

union document_record {
    struct grid_boost boost;
    struct grid_node node;
    struct grid_policy policy;
    struct grid_ticket ticket;
};

/* Reads a boost, node, ticket or policy. ECORRUPT, ENOMEM. */
int document_record(enum grid_subject subject, struct span text, union document_record *ret,
                    struct grid_error *err);

/* The same of record `index` of the document: EUSAGE, with its number, when it is not sound; and
 * that error, for other reasons. */
int document_check(enum grid_subject subject, size_t index, struct span text,
                   union document_record *ret, struct grid_error *err);
int document_bad(enum grid_subject subject, size_t index, const char *why, struct grid_error *err);

/* Its id, "" of the policy; and what it is called. */
const char *document_id(enum grid_subject subject, const union document_record *record);
const char *document_word(enum grid_subject subject);

/* Do both say the same, in whatever layout? 1: yes; 0: no; ENOMEM. */
int document_same(enum grid_subject subject, const union document_record *a,
                  const union document_record *b, struct grid_error *err);

/* --- compare.c --- */

/* Do two documents say the same but for facts and events, in whatever order and layout? 0: yes; 1:
 * no, and *ret_what is what differs first ("boosts", ..., static). ECORRUPT, ENOMEM. */
int document_compare(const struct document *a, const struct document *b, const char **ret_what,
                     struct grid_error *err);

/* --- merge.c --- */

/* Is this record in the ledger? 0: no; 1: yes, and it says the same; ECONFLICT: something else. */
int merge_compare(struct grid_tx *tx, enum grid_subject subject,
                  const union document_record *record, struct grid_error *err);

/* After everything was put: does a node lend or borrow more than it may, at any time, because of a
 * boost that was put? Is one of its devices lent twice? EREFUSED; ENOMEM, ... */
int merge_fits(struct grid_tx *tx, struct grid_error *err);

#endif
