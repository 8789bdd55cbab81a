/* A history: what concurrent processes asked of one ledger, when, and what they were told. */
#ifndef FAULT_LINEAR_H
#define FAULT_LINEAR_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum linear_kind { REQUEST, RELEASE, EXTEND, STATUS, LIMIT, HOLD, RESUME, NODES, CLEANUP };
enum linear_resource { CPU, GPU, RESOURCES };
enum linear_ended { LIVING, RELEASED, EXPIRED };
enum linear_fault { NO_FAULT, KILLED, INJECTED };

#define NODE_COUNT 4
#define KEYS 8          /* request ids */
#define OPS_MOST 512
#define SEEN_MOST 64
#define NEVER INT64_MAX /* as an end */
#define NONE (-1)       /* no node, key, operation, or limit */
#define STATUS_KILLED (-1)

static const char *const linear_nodes[NODE_COUNT] = {"a", "b", "c", "m"}; /* by name */
static const char *const linear_resources[RESOURCES] = {"cpu", "gpu"};
static const int64_t linear_capacity_m[NODE_COUNT][RESOURCES] = { /* thousandths, as all amounts */
    {3000, 2000}, {2000, 1000}, {2000, 1000}, {0, 0},
};

/*
 * One operation. A boost is known by the operation that asked for it: `subject`, `found`, `seen`.
 * Order is by the monotonic clock (ns), leases are by the real one (us). Of `extend`, duration_us
 * counts from the end with `by`, else from now. What a NODES saw is, for each node and resource,
 * whether it is held, and its limit. `hint_us`: the ledger's history has an event that may be its
 * own, of then; the search begins there.
 */
#define LINEAR_FIELDS(X)                                                                          \
    X(kind) X(fault) X(process) X(invoked_ns) X(responded_ns) X(from_us) X(until_us) X(status)    \
    X(resource) X(amount_m) X(duration_us) X(target) X(source) X(key) X(subject) X(node) X(by)    \
    X(shorten) X(found) X(found_source) X(expires_us) X(allocated_us) X(devices) X(ended)         \
    X(ended_us) X(hint_us) X(seen_count)
struct linear_seen {
    int64_t what, value;
};
struct linear_op {
#define LINEAR_MEMBER(name) int64_t name;
    LINEAR_FIELDS(LINEAR_MEMBER)
#undef LINEAR_MEMBER
    struct linear_seen seen[SEEN_MOST];
};

/* One line; and back: false at the end of the file, and where it is no history. */
static inline void linear_write(FILE *file, const struct linear_op *op)
{
#define LINEAR_PUT(name) fprintf(file, "%" PRId64 " ", op->name);
    LINEAR_FIELDS(LINEAR_PUT)
#undef LINEAR_PUT
    for (int64_t i = 0; i < op->seen_count; i++)
        fprintf(file, "%" PRId64 ":%" PRId64 " ", op->seen[i].what, op->seen[i].value);
    fputc('\n', file);
}

static inline bool linear_read(FILE *file, struct linear_op *op)
{
    bool read = true;
#define LINEAR_GET(name) read = read && fscanf(file, "%" SCNd64, &op->name) == 1;
    LINEAR_FIELDS(LINEAR_GET)
#undef LINEAR_GET
    read = read && op->seen_count >= 0 && op->seen_count <= SEEN_MOST;
    for (int64_t i = 0; read && i < op->seen_count; i++)
        read = fscanf(file, " %" SCNd64 ":%" SCNd64, &op->seen[i].what, &op->seen[i].value) == 2;
    return read;
}

#endif
