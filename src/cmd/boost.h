/* What the verbs of `boost` share. */
#ifndef CMD_BOOST_H
#define CMD_BOOST_H

#include "cmd/cmd.h"

/* The options that choose boosts, and the filter that they come to. */
extern const struct cmd_option boost_filters[];

struct boost_choice {
    struct grid_boost_filter filter; /* points into the rest, and at argv */
    char resource[GRID_RESOURCE_SIZE];
};
int boost_choose(struct cmd *cmd, struct boost_choice *ret, struct grid_error *err);

/* A resource as typed; a note when it looks like a misspelt well-known one. EUSAGE. */
int boost_resource(struct cmd *cmd, const char *text, char ret[static GRID_RESOURCE_SIZE],
                   struct grid_error *err);

/* Tickets, as struct grid_ticket_view. */
extern const struct row_kind rows_queue;

/* --- asking --------------------------------------------------------------------------------- */

/* A request as it is typed, and room for its id. It is not moved once it was read. */
struct boost_request {
    struct grid_request grid;
    char id[GRID_ID_SIZE];
    bool waits;      /* --wait, for so long; GRID_NEVER: as long as it takes */
    int64_t wait_us;
};

/* RESOURCE AMOUNT..., from argument `first` up to cmd->argument_count. EUSAGE. */
int boost_needs_read(struct cmd *cmd, size_t first, struct grid_request *ret,
                     struct grid_error *err);

/* TARGET RESOURCE AMOUNT... and the options of boost_wishes: those that bear on the decision. */
extern const struct cmd_option boost_wishes[];
int boost_request_read(struct cmd *cmd, struct boost_request *ret, struct grid_error *err);

/* Why a request was refused, as it is told: lines for people, and JSON. */
struct boost_reasons {
    struct cmd *cmd;
    struct grid_explain explain; /* for grid_ledger_request */
    struct buffer lines;
    struct json json;            /* onto cmd->details */
    size_t count;                /* of reasons */
    bool blocking;               /* the boosts in the way have begun */
};
void boost_reasons_begin(struct cmd *cmd, struct boost_reasons *ret);
/* After the decision: ends the JSON, or drops it when `rc` is no refusal. */
void boost_reasons_end(struct boost_reasons *reasons, int rc);

/* --- one operation ------------------------------------------------------------------------------
 *
 *     boost_op_read(cmd, &op, err)                       what was typed becomes op.op
 *     grid_ledger_batch(store, &op.op, 1, ...)           alone, or with others; or boost_op_do
 *     hooks_run(cmd)                                     their answers are printed, too
 *     boost_op_print(cmd, &op, err)                      the result onto cmd->out
 *     boost_op_release(&op)
 *
 * What is released goes into cmd->sheet (or onto cmd->out) as the commit hands it over: the cmd and
 * its words stay the operation's own from read to release, and neither is moved. (A batch has a
 * struct cmd for each line.)
 */
struct boost_op {
    struct grid_op op;
    struct cmd *cmd;
    bool dry_run;
    bool asks;  /* release --all without --yes: somebody must agree first (run_release asks) */
    int signal; /* by which waiting was interrupted, or 0 */
    struct boost_request request;
    struct boost_reasons reasons;
    struct grid_grant grant;
    struct grid_boost *members; /* of what was granted or extended: 1, or those of its group */
    size_t count;
    struct grid_release release;
    struct boost_choice choice;
    struct grid_extend extend;
    struct grid_caller caller;
    struct boost_ending {    /* what a release or a cleanup came to */
        const char *verb;    /* "released", "would release"; NULL: nobody is told one by one */
        bool only_lines;     /* to ask somebody with */
        struct buffer lines; /* for people */
        struct buffer ids;   /* of those that ended by this call, not before, each with its NUL */
        size_t ended;        /* how many those are */
        char first[GRID_ID_SIZE]; /* of them, where there is no memory for `ids` */
    } ending;
};

/* Reads a request, a release or an extend, by cmd->verb (`run` is a request). *ret is set in any
 * case and the caller's, for boost_op_release. EUSAGE, EPERM (--owner). */
int boost_op_read(struct cmd *cmd, struct boost_op *ret, struct grid_error *err);

/* Does it alone, in a commit of its own. A request with --wait waits, says so once, and is
 * withdrawn by INT, TERM and HUP (EINTERRUPTED), which stay blocked. Returns op->op.rc. */
int boost_op_do(struct cmd *cmd, struct boost_op *op, struct grid_error *err);

/* Prints what it came to, once it was done or tried: rows and notes; a failure leaves its details
 * in cmd->details, and its message, with what to do, in err. Returns op->op.rc, or an error. */
int boost_op_print(struct cmd *cmd, struct boost_op *op, struct grid_error *err);

void boost_op_release(struct boost_op *op);
#define auto_boost_op __attribute__((cleanup(boost_op_release)))

/* The parts of these, one for each kind. */
struct boost_op_kind {
    int (*read)(struct boost_op *op, struct grid_error *err);
    void (*print)(struct boost_op *op);                       /* what was done */
    int (*fail)(struct boost_op *op, struct grid_error *err); /* completes err, returns its code */
};
extern const struct boost_op_kind boost_request_kind, boost_release_kind, boost_extend_kind;

/* Keeps a member of a group for boost_op_show: as grid_boost_fn, with the operation as context. */
int boost_op_keep(void *op, const struct grid_boost *boost, struct grid_error *err);

/* Shows the boost that it is about, `first`, and all members that were kept, with what hooks have
 * answered since; `head` as of sheet_show. */
void boost_op_show(struct boost_op *op, const struct grid_boost *first, sheet_head_fn head,
                   const void *context);

#endif
