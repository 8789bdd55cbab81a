/* Instants are microseconds since the epoch, UTC; durations are microseconds. */
#ifndef GRID_TIME_H
#define GRID_TIME_H

#include "grid/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRID_NEVER INT64_MAX        /* an end that does not come */
#define GRID_TIME_SIZE 64           /* any printed time or duration and its NUL */
#define GRID_SECOND INT64_C(1000000)
#define GRID_MINUTE (60 * GRID_SECOND)
#define GRID_HOUR (60 * GRID_MINUTE)
#define GRID_DAY (24 * GRID_HOUR)
#define GRID_DURATION_MAX (3653 * GRID_DAY)          /* ten years */

/*
 * A time as files have it (RFC 3339, and what Python's isoformat writes): YYYY-MM-DD, 'T' 't' or a
 * space, HH:MM:SS, a fraction of 0 to 9 digits (cut to microseconds), and 'Z', +01:00, +0530 or
 * nothing. `ret_naive` (may be NULL) says that there was no zone: UTC is taken. Years 1 to 9999,
 * real dates only; a leap second 60 is read as the following second. EUSAGE otherwise.
 */
int grid_time_read(const char *text, size_t length, int64_t *ret_us, bool *ret_naive,
                   struct grid_error *err);

/* "2026-01-23T20:00:23.954754+00:00"; GRID_NEVER as "never". Returns `buffer`. */
char *grid_time_format(int64_t time_us, char buffer[static GRID_TIME_SIZE]);

/* The same without the offset, as the state file's `timestamp` has it. Returns `buffer`. */
char *grid_time_format_naive(int64_t time_us, char buffer[static GRID_TIME_SIZE]);

/* Local time with its zone for people: "2026-01-23 21:00:23 CET"; "never". Returns `buffer`. */
char *grid_time_show(int64_t time_us, char buffer[static GRID_TIME_SIZE]);

/* A time as typed: RFC 3339 with a zone, "YYYY-MM-DD HH:MM[:SS]" (local time), "+2h", "now".
 * EUSAGE otherwise. */
int grid_time_parse(const char *text, int64_t now_us, int64_t *ret_us, struct grid_error *err);

/* A duration as typed: "3600" (seconds), "90s", "30m", "1h30m", "2d", "1w", "PT1H30M", "P1D".
 * Units fall in size and appear once; whole numbers; over 0, at most GRID_DURATION_MAX. "never" is
 * GRID_NEVER where `never` allows it. EUSAGE otherwise. */
int grid_duration_parse(const char *text, bool never, int64_t *ret_us, struct grid_error *err);

/* A duration for people, cut to seconds: "1h30m", "45s", "2d3h" (the two largest units), "0s" for
 * less than one, "never". Returns `buffer`. */
char *grid_duration_show(int64_t duration_us, char buffer[static GRID_TIME_SIZE]);

/* time + duration; GRID_NEVER when either is, or when the sum does not fit the year 9999. */
int64_t grid_time_add(int64_t time_us, int64_t duration_us);

#endif
