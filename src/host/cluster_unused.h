/* The keys of a cluster file that say nothing to us: named, never passed over in silence. */
#ifndef HOST_CLUSTER_UNUSED_H
#define HOST_CLUSTER_UNUSED_H

#include "host/cluster.h"
#include "util/text.h"
#include "util/yaml.h"

/* What was met so far. `file`, `note` (may be NULL) and `context` are the caller's. */
struct cluster_unused {
    const char *file;
    cluster_note_fn note;
    void *context;
    struct yaml_step last;  /* what was met last: several leaves have one key */
    struct buffer originals; /* keys of the original, each once */
};

/* Meets a key. One that the original never had gets its warning at once. */
void cluster_unused_key(struct cluster_unused *unused, const struct yaml_step *step);

/* Gives the note about those that the original had (when `rc` is 0), and frees what was kept. */
void cluster_unused_end(struct cluster_unused *unused, int rc);

#endif
