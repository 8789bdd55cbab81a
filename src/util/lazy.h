/* Libraries opened on demand, so that only who uses one pays for it. */
#ifndef UTIL_LAZY_H
#define UTIL_LAZY_H

#include "grid/error.h"

#include <stddef.h>

/*
 * Declares a library, each of whose functions is named once, in an X macro:
 *     #define FUNCTIONS(X) X(yaml_parser_load) X(yaml_parser_delete)
 *     LAZY_LIBRARY(open_yaml, FUNCTIONS, "libyaml-0.so.2", "libyaml-0-2")
 * makes a pointer lazy_yaml_parser_load, its type checked against the library's own header, for
 * each, and static int open_yaml(struct grid_error *err), which is lazy_open for all of them.
 */
#define LAZY_LIBRARY(opener, functions, soname, package)                                         \
    functions(LAZY_POINTER_)                                                                     \
    static int opener(struct grid_error *err)                                                    \
    {                                                                                            \
        static const struct lazy_symbol symbols[] = {functions(LAZY_SYMBOL_) {NULL, NULL}};      \
        static void *handle;                                                                     \
        return lazy_open(soname, package, symbols, &handle, err);                                \
    }
#define LAZY_POINTER_(function) static __typeof__(&function) lazy_##function;
#define LAZY_SYMBOL_(function) {#function, &lazy_##function},

/* A function's name, and where its address goes: the address of the pointer. */
struct lazy_symbol {
    const char *name;
    void *slot;
};

/* Opens the library by its SONAME and finds every symbol, up to one without a name; a second call
 * is free. The library stays open. EINTERNAL: it is not installed (the hint names `package`), or
 * too old. */
int lazy_open(const char *soname, const char *package, const struct lazy_symbol *symbols,
              void **handle, struct grid_error *err);

#endif
