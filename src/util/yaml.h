/* YAML documents of settings, read flat: each scalar with its path, line and column. */
#ifndef UTIL_YAML_H
#define UTIL_YAML_H

#include "grid/error.h"

#include <stdbool.h>
#include <stddef.h>

#define YAML_PATH_SIZE 512

/* One step of a path: a key, or an element of a list, and where it stands. */
struct yaml_step {
    const char *key; /* NULL: an element */
    size_t line, column; /* counted from 1 */
};

/* One scalar, or an empty mapping or list. Strings are gone after the call. */
struct yaml_leaf {
    const char *path;  /* "lock_timeout", "nodes[0].name"; a key that holds '.' or '[' as 'a.b' */
    const struct yaml_step *steps; /* of the path, the outermost first */
    const char *text;  /* the scalar; "" of an empty mapping or list */
    bool is_null;      /* nothing, ~ or null, unquoted */
    bool is_quoted;    /* a string whatever it looks like */
    bool is_empty;     /* no scalar: {} or [] */
    size_t key_line;   /* of the key (in a list: of the element) */
    size_t line, column; /* of the value, counted from 1 */
};
typedef int (*yaml_leaf_fn)(void *context, const struct yaml_leaf *leaf, struct grid_error *err);

/*
 * Reads one document and calls fn for each leaf in the order of the file; non-zero stops and is
 * returned. `name` is the file's, for messages. An empty document has no leaves. EUSAGE
 * ("NAME:LINE:COLUMN: reason"): no YAML, a second document, not a mapping at the top, a key that
 * comes twice or is no scalar, nested or aliased beyond all measure (found in time that grows with
 * the length only). EINTERNAL: no libyaml; ENOMEM.
 */
int yaml_read(const char *name, const char *text, size_t length, yaml_leaf_fn fn, void *context,
              struct grid_error *err);

#endif
