/* Resources and amounts. An amount is an integer: bytes of MEMORY, millionths of anything else. */
#ifndef GRID_AMOUNT_H
#define GRID_AMOUNT_H

#include "grid/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRID_RESOURCE_SIZE 33            /* a resource name and its NUL */
#define GRID_AMOUNT_SIZE 32              /* a printed amount and its NUL */
#define GRID_AMOUNT_UNIT INT64_C(1000000)            /* one core, one device */
#define GRID_AMOUNT_MAX (INT64_C(1000000000) * GRID_AMOUNT_UNIT)
#define GRID_MEMORY_GIB (INT64_C(1) << 30)
#define GRID_MEMORY_MAX (INT64_C(1) << 52)           /* bytes */

/* Is this the resource that is counted in bytes? `resource` in upper case. */
bool grid_resource_is_memory(const char *resource);

/* A resource name as typed, in any case: [a-z][a-z0-9_-]{0,31}. Writes it in upper case, as files
 * have it. EUSAGE: not a name. */
int grid_resource_parse(const char *text, char ret_resource[static GRID_RESOURCE_SIZE],
                        struct grid_error *err);

/* A resource as a file has it: any case, or the original's old spelling "ResourceType.GPU".
 * EUSAGE: not a name. */
int grid_resource_read(const char *text, char ret_resource[static GRID_RESOURCE_SIZE],
                       struct grid_error *err);

/*
 * An amount as typed: decimal digits, at most six decimals, an exponent ("1e3"); over 0, at most
 * GRID_AMOUNT_MAX. No sign, nan, inf, hex or "_". MEMORY is GiB, or carries KiB MiB GiB TiB kB MB
 * GB TB (any case is not accepted: kB and KiB differ), and must be a whole number of bytes, at
 * most GRID_MEMORY_MAX. Integer arithmetic only. EUSAGE otherwise.
 */
int grid_amount_parse(const char *resource, const char *text, int64_t *ret_amount_u,
                      struct grid_error *err);

/* The same of a limit or a capacity: 0 is one, too. */
int grid_amount_parse_limit(const char *resource, const char *text, int64_t *ret_amount_u,
                            struct grid_error *err);

/* An amount as a file has it, a JSON number: rounded to bytes or millionths. EUSAGE: not finite,
 * not over 0 after rounding, or over the bound. */
int grid_amount_read(const char *resource, double number, int64_t *ret_amount_u,
                     struct grid_error *err);

/* The number that files and JSON show: GiB or units. Exact to the nearest double. */
double grid_amount_number(const char *resource, int64_t amount_u);

/* The number as Python prints a float ("2.0", "0.5", "1e-06"). Returns `buffer`. */
char *grid_amount_format(const char *resource, int64_t amount_u,
                         char buffer[static GRID_AMOUNT_SIZE]);

/* The shortest text that grid_amount_parse (of 0: grid_amount_parse_limit) takes back exactly:
 * MEMORY in the unit that suits it, "64GiB", "0.001kB". Returns `buffer`. */
char *grid_amount_exact(const char *resource, int64_t amount_u,
                        char buffer[static GRID_AMOUNT_SIZE]);

/* The same for people: MEMORY in GiB, MiB or KiB ("1.5 GiB"), whichever reads well, rounded to
 * thousandths. Returns `buffer`. */
char *grid_amount_show(const char *resource, int64_t amount_u,
                       char buffer[static GRID_AMOUNT_SIZE]);

/* a + b, both 0 or more; INT64_MAX when the sum is larger than that. */
int64_t grid_amount_add(int64_t a_u, int64_t b_u);

#endif
