/* The cluster file of the original, in YAML: its nodes, and what it says about sharing. */
#ifndef HOST_CLUSTER_H
#define HOST_CLUSTER_H

#include "grid/node.h"

/* What a file held; `nodes` in the order of the file. */
struct cluster {
    struct grid_node *nodes;
    size_t count;
    bool says_enabled, enabled; /* resource_sharing.enabled: is it there, and what does it say */
};
void cluster_release(struct cluster *cluster); /* takes a zero-initialized one, too */
#define grid_auto_cluster __attribute__((cleanup(cluster_release)))

/* Something that a person should know, or even be warned of: one line, gone after the call. */
typedef void (*cluster_note_fn)(void *context, bool warning, const char *text);

/*
 * Reads a cluster file (formats.md, "Cluster YAML"). *ret is the caller's, for cluster_release.
 *
 * Of a node: node_id, address, role, the labels "user" and, when it is not 22, "port"; tags;
 * capacity of CPU (4 unless it says so), GPU (0 is there as 0) and MEMORY; can_share; lend as
 * max_share_* say, 0 for never. Its times are 0: they are the caller's.
 *
 * Sharing, at the top or under `execution`, which wins key by key: `policy` keeps conservative 40,
 * balanced 20, aggressive 0, predictive 20 % of CPU and MEMORY, never of GPUs. excess_threshold (0
 * to 1, beside `policy` or under `thresholds`) is read as the share that has to stay unused, and is
 * kept in place of that. Rounded down to the millionth or byte.
 *
 * `note` (may be NULL) is told of each key, of any depth, that says nothing to us (its members are
 * not named again): one line about all keys that the original reads, a warning with the place about
 * each that it does not, "FILE:LINE:COLUMN: 'key' is not used".
 *
 * EUSAGE: "FILE:LINE:COLUMN: what" for everything that is wrong in the file, also one of over
 * 4 MiB. EIO: it cannot be read, or is no regular file; EINTERNAL: no libyaml; ENOMEM. Nothing is
 * returned then, though notes may have been given.
 */
int cluster_read(const char *path, struct cluster *ret, cluster_note_fn note, void *context,
                 struct grid_error *err);

#endif
