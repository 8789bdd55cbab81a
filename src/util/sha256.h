/* SHA-256 sums, by libmd, which is opened on demand. */
#ifndef UTIL_SHA256_H
#define UTIL_SHA256_H

#include "grid/error.h"

#include <stddef.h>

#define SHA256_TEXT_SIZE 65 /* 64 hexadecimal digits and a NUL */

struct sha256; /* a sum that is being taken */

/* Begins a sum; *ret is the caller's, for sha256_end. EINTERNAL: libmd is not installed; ENOMEM. */
int sha256_begin(struct sha256 **ret, struct grid_error *err);
void sha256_add(struct sha256 *sum, const void *bytes, size_t length);

/* The sum of all that was added, in lower case, into `ret`; frees `sum`. With `ret` NULL it only
 * frees, and takes NULL. */
void sha256_end(struct sha256 *sum, char *ret);

#endif
