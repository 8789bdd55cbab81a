/* libgrid: lending resources between the machines of a cluster, on a crash-safe ledger. */
#ifndef GRID_GRID_H
#define GRID_GRID_H

#include "grid/dump.h"

#define GRID_VERSION "0.1.0"

#endif
