/* linear_check HISTORY: is there an order of its operations, each between its call and its return,
 * in which a sequential ledger answers every one as it was answered? Status 1: there is none. */
#include "fault/lib/sequential.h"

#include <stdlib.h>
#include <string.h>

/*
 * The search is that of Wing and Gong with Lowe's memory: what may come next is whatever was called
 * before the first return of those that are left; a state (who is done, the ledger) that led
 * nowhere is not entered twice. An answer that changes nothing is taken as soon as it is right:
 * that costs no other order. What was killed, or does not know (11), may have happened before it
 * was gone, or never.
 *
 * Time: writers read the clock under the lock, so theirs rises in the order found, and lies within
 * each call. Those who only look read no lock and apply the clock to what they saw: their time lies
 * within the call, and nothing more. Where an answer does not tell its time, every instant at which
 * a lease ends is tried.
 */
#define STATES_MOST (1 << 18)

static struct linear_history history;
static bool done[OPS_MOST];
static struct sequential levels[OPS_MOST + 2];
static uint64_t *states;
static size_t state_count, deepest;
static bool given_up;
static char stuck[4096];

/* --- when it may have been -------------------------------------------------------------------- */

/* The instants to try, the earliest first; all other instants are like one of them. */
static size_t instants(const struct sequential *ledger, size_t index,
                       int64_t ret_us[OPS_MOST + 2])
{
    const struct linear_op *op = &history.ops[index];
    int64_t from_us = op->from_us, exact_us = 0;
    size_t found = 0;
    if (!linear_looks(op) && ledger->now_us > from_us)
        from_us = ledger->now_us;
    if (from_us > op->until_us)
        return 0;
    if (op->kind == REQUEST
        && (linear_unknown(op) || (op->status == 0 && op->found == (int64_t)index)))
        exact_us = op->allocated_us;
    if (op->kind == EXTEND && op->status == 0 && !op->by)
        exact_us = op->expires_us - op->duration_us;
    if (exact_us) {
        ret_us[0] = exact_us;
        return exact_us >= from_us && exact_us <= op->until_us;
    }
    /* nobody ever saw it, and the ledger's history has no such grant: it was never made */
    if (op->kind == REQUEST && linear_unknown(op) && op->duration_us != NEVER)
        return 0;
    ret_us[found++] = from_us;
    if (op->kind == RELEASE && op->ended_us > from_us && op->ended_us <= op->until_us)
        ret_us[found++] = op->ended_us;
    for (size_t i = 0; i < history.count; i++) {
        const struct sequential_boost *boost = &ledger->boosts[i];
        if (boost->granted && !boost->released && boost->expires_us > from_us
            && boost->expires_us <= op->until_us)
            ret_us[found++] = boost->expires_us;
    }
    return found;
}

/* --- the search ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

/* True: it was here before. */
static bool remember(const struct sequential *ledger)
{
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), done, history.count * sizeof(*done));
    hash = mix(hash, ledger->keys, sizeof(ledger->keys));
    hash = mix(hash, ledger->limits, sizeof(ledger->limits));
    hash = mix(hash, ledger->held, sizeof(ledger->held));
    hash = mix(hash, &ledger->now_us, sizeof(ledger->now_us));
    for (size_t i = 0; i < history.count; i++) {
        const struct sequential_boost *boost = &ledger->boosts[i];
        int64_t all[] = {(int64_t)i, boost->released, boost->source, boost->devices,
                         boost->expires_us, boost->ended_us};
        if (boost->granted)
            hash = mix(hash, all, sizeof(all));
    }
    hash |= 1;
    size_t at = (size_t)(hash >> 20) % (2 * STATES_MOST);
    for (; states[at]; at = (at + 1) % (2 * STATES_MOST))
        if (states[at] == hash)
            return true;
    states[at] = hash;
    given_up |= ++state_count >= STATES_MOST;
    return false;
}

static void describe(const struct linear_op *op, char *to, size_t size)
{
    static const char *const kinds[] = {"request", "release", "extend", "status", "limit",
                                        "hold", "resume", "nodes", "cleanup"};
    snprintf(to, size, "\n  operation %td of process %d: %s%s, status %d", op - history.ops,
             (int)op->process, kinds[op->kind], op->fault ? " (with a fault)" : "",
             (int)op->status);
}

/* When it was, at a guess: the search begins with the earliest. What has no event has most often
 * changed nothing, so it comes when that is true. */
static int64_t guess(const struct sequential *ledger, const struct linear_op *op)
{
    if (op->hint_us)
        return op->hint_us;
    if (op->kind == REQUEST && op->allocated_us >= op->from_us && op->allocated_us <= op->until_us)
        return op->allocated_us;
    if (op->kind == RELEASE && op->ended_us >= op->from_us && op->ended_us <= op->until_us)
        return op->ended_us;
    bool nothing = (op->kind == HOLD && ledger->held[op->node])
                   || (op->kind == RESUME && !ledger->held[op->node])
                   || (op->kind == LIMIT && ledger->limits[op->node][op->resource] == op->amount_m);
    return nothing ? 0 : op->until_us;
}

static int64_t guesses[OPS_MOST];

static int by_guess(const void *a, const void *b)
{
    int64_t one = guesses[*(const size_t *)a], other = guesses[*(const size_t *)b];
    return (one > other) - (one < other);
}

/* The operations that may come next; *ret_last: the one that returned first of those left. */
static size_t candidates(const struct sequential *ledger, size_t ret[OPS_MOST],
                         size_t *ret_last)
{
    int64_t first_ns = INT64_MAX;
    size_t found = 0;
    for (size_t i = 0; i < history.count; i++)
        if (!done[i] && history.ops[i].responded_ns < first_ns) {
            first_ns = history.ops[i].responded_ns;
            *ret_last = i;
        }
    for (size_t i = 0; i < history.count; i++)
        if (!done[i] && history.ops[i].invoked_ns <= first_ns) {
            guesses[i] = guess(ledger, &history.ops[i]);
            ret[found++] = i;
        }
    qsort(ret, found, sizeof(*ret), by_guess);
    return found;
}

static void note_progress(size_t left, const size_t *next, size_t next_count)
{
    size_t length = 0;
    if (history.count - left < deepest)
        return;
    deepest = history.count - left;
    stuck[0] = '\0';
    for (size_t i = 0; i < next_count && length + 100 < sizeof(stuck); i++) {
        describe(&history.ops[next[i]], stuck + length, sizeof(stuck) - length);
        length += strlen(stuck + length);
    }
}

static bool search(struct sequential *ledger, size_t left);

/* Goes on behind this operation, which is done. */
static bool go_on(struct sequential *ledger, size_t index, size_t left)
{
    done[index] = true;
    bool found = search(ledger, left - 1);
    done[index] = false;
    return found;
}

/* Did it change nothing, whenever it was? */
static bool only_answers(size_t index)
{
    const struct linear_op *op = &history.ops[index];
    return linear_looks(op) || (op->status != 0 && !linear_unknown(op))
           || (op->status == 0 && op->kind == REQUEST && op->found != (int64_t)index)
           || (op->status == 0 && op->kind == RELEASE && op->ended == EXPIRED);
}

/* Tries it at each instant. *ret_right: it was right at one, wherever that led to. */
static bool try(struct sequential *ledger, size_t index, size_t left, bool *ret_right)
{
    int64_t at_us[OPS_MOST + 2];
    size_t found = instants(ledger, index, at_us);
    struct sequential *next = ledger + 1;
    *ret_right = false;
    for (size_t i = 0; i < found; i++) {
        memcpy(next, ledger, sizeof(*next));
        if (!sequential_do(next, index, at_us[i]))
            continue;
        *ret_right = true;
        if (only_answers(index))
            return go_on(ledger, index, left);
        next->now_us = at_us[i];
        if (go_on(next, index, left))
            return true;
    }
    return false;
}

static bool search(struct sequential *ledger, size_t left)
{
    size_t next[OPS_MOST], last = 0;
    bool right;
    if (left == 0)
        return true;
    if (given_up || remember(ledger))
        return false;
    size_t next_count = candidates(ledger, next, &last);
    note_progress(left, next, next_count);
    for (size_t i = 0; i < next_count; i++) {
        if (!only_answers(next[i]))
            continue;
        bool found = try(ledger, next[i], left, &right);
        if (right)
            return found;
    }
    for (size_t i = 0; i < next_count; i++) /* most often what has no event never happened */
        if (linear_unknown(&history.ops[next[i]]) && history.ops[next[i]].hint_us == 0) {
            if (go_on(ledger, next[i], left))
                return true;
            break;
        }
    for (size_t i = 0; i < next_count; i++)
        if (!only_answers(next[i]) && try(ledger, next[i], left, &right))
            return true;
    return linear_unknown(&history.ops[last]) && go_on(ledger, last, left); /* it never happened */
}

/* --- a file ----------------------------------------------------------------------------------- */

/* Answers that no order explains: an error where nothing was wrong. What failed has not happened,
 * so it is done. */
static size_t pass_over(size_t *ret_wrong)
{
    size_t left = history.count;
    for (size_t i = 0; i < history.count; i++) {
        const struct linear_op *op = &history.ops[i];
        bool normal = op->status == 0 || (op->status >= 3 && op->status <= 6)
                      || (op->status == STATUS_KILLED && op->fault != NO_FAULT);
        bool failed = op->fault == INJECTED && (op->status == 1 || (op->status >= 9
                                                                    && op->status <= 11));
        if (!normal && !failed) {
            char text[200];
            describe(op, text, sizeof(text));
            printf("VIOLATION: an error where nothing was wrong:%s\n", text + 1);
            ++*ret_wrong;
        }
        done[i] = (!normal && !linear_unknown(op)) || (linear_unknown(op) && linear_looks(op));
        left -= done[i];
    }
    return left;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
    size_t wrong = 0, unknown = 0;
    while (file && history.count < OPS_MOST && linear_read(file, &history.ops[history.count]))
        history.count++;
    if (!file || history.count == 0 || !feof(file)) {
        fprintf(stderr, "linear_check: no history\n");
        return 2;
    }
    fclose(file);
    states = calloc(2 * STATES_MOST, sizeof(*states));
    sequential_begin(levels, &history);
    size_t left = pass_over(&wrong);
    for (size_t i = 0; i < history.count; i++)
        unknown += linear_unknown(&history.ops[i]);
    if (!states || !search(levels, left)) {
        printf("VIOLATION: %s of %zu operations; %zu were in order, then none of these fits:%s\n",
               given_up ? "no order was found in time" : "there is no order", history.count,
               deepest, stuck);
        wrong++;
    }
    free(states);
    printf("%zu operations, %zu of unknown outcome, %zu states\n", history.count, unknown,
           state_count);
    return wrong != 0;
}
