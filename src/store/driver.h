/* The drivers that are built in. */
#ifndef STORE_DRIVER_H
#define STORE_DRIVER_H

#include "grid/store.h"

extern const struct grid_store_driver store_file_driver, store_memory_driver;

#endif
