/* SHA-256 sums, by libmd, which is opened on demand. */
#include "util/sha256.h"

#include "util/lazy.h"

#include <sha2.h>
#include <stdint.h>
#include <stdlib.h>

#define FUNCTIONS(X) X(SHA256Init) X(SHA256Update) X(SHA256Final)
LAZY_LIBRARY(open_library, FUNCTIONS, "libmd.so.0", "libmd0")

struct sha256 {
    SHA2_CTX context;
};

int sha256_begin(struct sha256 **ret, struct grid_error *err)
{
    int rc = open_library(err);
    if (rc < 0)
        return rc;
    struct sha256 *sum = malloc(sizeof(*sum));
    if (!sum)
        return grid_error_set(err, GRID_ENOMEM, "no memory for a checksum");
    lazy_SHA256Init(&sum->context);
    *ret = sum;
    return 0;
}

void sha256_add(struct sha256 *sum, const void *bytes, size_t length)
{
    lazy_SHA256Update(&sum->context, bytes, length);
}

void sha256_end(struct sha256 *sum, char *ret)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    if (ret) {
        lazy_SHA256Final(digest, &sum->context);
        for (size_t i = 0; i < sizeof(digest); i++, ret += 2) {
            ret[0] = "0123456789abcdef"[digest[i] >> 4];
            ret[1] = "0123456789abcdef"[digest[i] & 15];
        }
        *ret = '\0';
    }
    free(sum);
}
