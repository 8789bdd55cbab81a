/* What went wrong: one code, one exit status, one line for people, and what to do about it. */
#ifndef GRID_ERROR_H
#define GRID_ERROR_H

/*
 * Every code, its exit status, its word in JSON, and its meaning. The exit statuses are the
 * contract with scripts; grid(1) prints this same table (a test compares the two).
 */
#define GRID_CODES(X)                                                                            \
    X(EINTERNAL, 1, "internal", "a fault inside grid, or the result could not be printed")       \
    X(ENOMEM, 1, "out_of_memory", "no memory")                                                   \
    X(EUSAGE, 2, "usage", "the call is wrong: an option, a value, a name, an input file")        \
    X(ENOTFOUND, 3, "not_found", "no such boost, node or backup was ever seen")                  \
    X(EREFUSED, 4, "no_capacity", "refused for now: retry later")                                \
    X(ENEVER, 5, "never", "refused for good: do not retry")                                      \
    X(ECONFLICT, 6, "conflict", "ambiguous, already there, or changed meanwhile: look again")    \
    X(EPERM, 7, "not_permitted", "another owner's boost")                                        \
    X(ECORRUPT, 8, "damaged", "the stored state is damaged: run 'grid store check'")             \
    X(EIO, 9, "io", "the store, or an input file, cannot be read or written")                    \
    X(ETIMEOUT, 10, "timed_out", "the lock, or --wait, timed out: retry")                        \
    X(EUNKNOWN, 11, "unknown", "the change may have been made: ask again")                       \
    X(EINTERRUPTED, 130, "interrupted", "INT while waiting: withdrawn")

enum grid_code_number {
#define GRID_CODE_NUMBER(name, status, word, text) GRID_NUMBER_##name,
    GRID_CODES(GRID_CODE_NUMBER)
#undef GRID_CODE_NUMBER
};

/* Negative, so that a function can return 0 for success or one of these. */
enum grid_code {
    GRID_OK = 0,
#define GRID_CODE(name, status, word, text) GRID_##name = -1 - GRID_NUMBER_##name,
    GRID_CODES(GRID_CODE)
#undef GRID_CODE
};

/* Owned by the caller, nothing to free. Zero it (or grid_error_clear) before the first use. */
struct grid_error {
    enum grid_code code;
    char message[1024]; /* "what failed: why", lower case, no full stop; cut if longer */
    char hint[512];     /* what to do about it, or "" */
};

/* Sets code and message (printf format), drops the hint. `err` may be NULL. Returns `code`, so
 * that a caller can write: return grid_error_set(err, GRID_ENOTFOUND, "no boost '%s'", id); */
int grid_error_set(struct grid_error *err, enum grid_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As grid_error_set, and sets the hint, which is not a format: what to do about it. */
int grid_error_advise(struct grid_error *err, enum grid_code code, const char *hint,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Puts "context: " before the message; the code stays. Returns it; EINTERNAL when
 * `err` is NULL, so return the code itself where that may be. */
int grid_error_wrap(struct grid_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sets the hint. Returns as grid_error_wrap. */
int grid_error_hint(struct grid_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As grid_error_set, with ": " and the text of errno value `number` at the end. ENOMEM becomes
 * GRID_ENOMEM, whatever `code` says but GRID_EUNKNOWN; errno is `number` then. */
int grid_error_errno(struct grid_error *err, enum grid_code code, int number, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));

/* The exit status, the word in JSON and the meaning of a code; static strings. */
int grid_code_status(enum grid_code code);
const char *grid_code_word(enum grid_code code);
const char *grid_code_meaning(enum grid_code code);

#endif
