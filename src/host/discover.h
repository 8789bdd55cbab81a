/* What this machine has. */
#ifndef HOST_DISCOVER_H
#define HOST_DISCOVER_H

#include "grid/node.h"

/*
 * Finds the capacity: CPU, the cores that this process may run on; MEMORY, MemTotal of
 * /proc/meminfo in bytes; GPU, the devices that nvidia-smi lists (0 is there as 0), or no GPU where
 * it does not say: that is not known then. A device whose fields are "[N/A]" is one; a line that is
 * no device's (empty, no three fields, a text) is not.
 *
 * `smi` is asked in place of nvidia-smi (NULL), which is looked up in PATH. It has 5 seconds.
 * Without it there is no note; when it fails or does not answer `note` (may be NULL) gets one line
 * that says so, gone after the call.
 *
 * EIO: the system does not say how many cores or how much memory there is; ENOMEM.
 */
int discover_capacity(const char *smi, struct grid_amounts *ret,
                      void (*note)(void *context, const char *text), void *context,
                      struct grid_error *err);

#endif
