/* gzip, by zlib, which is opened on demand. */
#ifndef UTIL_GZIP_H
#define UTIL_GZIP_H

#include "util/text.h"

/*
 * Compresses `length` bytes onto `out`, which may have an fd (write errors stick there). Several
 * calls make one gzip file, too, that unpacks to all of it: a large text goes in pieces, each with
 * a checksum of its own. EINTERNAL: zlib is not installed; ENOMEM.
 */
int gzip_pack(const void *bytes, size_t length, struct buffer *out, struct grid_error *err);

#define GZIP_RATIO_MOST 1032 /* a byte unpacks to no more: that is what deflate can do */

/* Unpacks a whole gzip file onto `out` (without an fd). ECORRUPT: it is cut off, its checksum
 * differs, it is no gzip file, or holds more than `most` bytes; the sound pieces before have been
 * added. EINTERNAL: zlib is not installed; ENOMEM. */
int gzip_unpack(const void *bytes, size_t length, size_t most, struct buffer *out,
                struct grid_error *err);

/* The same of a damaged one: all its sound pieces, those behind the damage, too. 0 even if there
 * are none. */
int gzip_salvage(const void *bytes, size_t length, size_t most, struct buffer *out,
                 struct grid_error *err);

#endif
