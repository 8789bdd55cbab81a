/* What the fuzz targets share. A target is one function, which libFuzzer or replay.c calls; it
 * aborts where something is not as it should be. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "util/text.h"

#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* fuzz_check(condition, format, ...): says what is wrong, and aborts. */
#define fuzz_check(condition, ...)                            \
    do {                                                      \
        if (!(condition)) {                                   \
            fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);   \
            fprintf(stderr, __VA_ARGS__);                     \
            fprintf(stderr, " (%s)\n", #condition);           \
            abort();                                          \
        }                                                     \
    } while (0)

/* The input with a NUL behind it, in memory of its own, so that reading beyond it is seen. */
static inline char *fuzz_text(const void *data, size_t size)
{
    char *text = malloc(size + 1);
    fuzz_check(text, "no memory");
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
