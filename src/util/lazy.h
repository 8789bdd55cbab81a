/* Libraries opened on demand, so that only who uses one pays for it. */
#ifndef UTIL_LAZY_H
#define UTIL_LAZY_H

#include "grid/error.h"

#include <stddef.h>

/* One function of a library: its name, and where its address goes. Declare the pointer with
 * LAZY(function), so that its type is checked against the library's own header. */
struct lazy_symbol {
    const char *name;
    void *slot; /* address of the function pointer */
};
#define LAZY(function) static __typeof__(&function) lazy_##function
#define LAZY_SYMBOL(function) {#function, &lazy_##function}

/* Opens the library by its SONAME and finds every symbol; a second call is free. The library stays
 * open. EINTERNAL: it is not installed (the hint names `package`), or too old. */
int lazy_open(const char *soname, const char *package, const struct lazy_symbol *symbols,
              size_t count, void **handle, struct grid_error *err);

#endif
