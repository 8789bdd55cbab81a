/* Text: growing buffers, UTF-8, names that were nearly right, what a terminal may be shown. */
#ifndef UTIL_TEXT_H
#define UTIL_TEXT_H

#include "grid/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Cleanup attributes, at the declaration: `grid_auto_free char *copy = strdup(text);` */
static inline void text_free_pointer(void *pointer) { free(*(void **)pointer); }
#define grid_auto_free __attribute__((cleanup(text_free_pointer)))

/* Hands a value over: the variable is NULL afterwards and its cleanup does nothing. */
#define steal(pointer)                                                                           \
    ({ __typeof__(pointer) stolen_ = (pointer); (pointer) = NULL; stolen_; })

#define countof(array) (sizeof(array) / sizeof((array)[0]))

/* Makes room for `count` elements of `size` bytes in all, by doubling. `array` is the address of
 * the pointer to them, NULL at first; *capacity is in elements. 0 or GRID_ENOMEM, nothing set. */
int array_reserve(void *array, size_t *capacity, size_t count, size_t size);

/*
 * A buffer that grows, or, with `fd` set, one that is written there whenever it is full (so that
 * a text of any size costs 256 KiB). Zero-initialized with fd = -1 (BUFFER_INIT). The first error
 * (an errno value) sticks in `error`; later calls do nothing. `written` counts all bytes put in.
 */
struct buffer {
    char *data;
    size_t length, capacity;
    int fd;
    int error;
    uint64_t written;
};
#define BUFFER_INIT ((struct buffer){.fd = -1})

void buffer_release(struct buffer *buffer); /* frees data; takes a released or half-made one */
#define grid_auto_buffer __attribute__((cleanup(buffer_release)))
void buffer_add(struct buffer *buffer, const void *bytes, size_t length);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes out what is held, if there is an fd. Returns the sticky error, 0 when all went well. */
int buffer_flush(struct buffer *buffer);
/* The text with a NUL behind it; "" when empty. NULL: out of memory. The buffer's. */
const char *buffer_string(struct buffer *buffer);
/* Do both hold the same bytes, all that was put in? 1: yes; 0: no; ENOMEM: one lacks some. */
int buffer_same(const struct buffer *a, const struct buffer *b, struct grid_error *err);

/* snprintf("%s") that says whether all of it fitted, and never cuts inside a character. */
bool text_copy(char *to, size_t size, const char *from);

/* The same in lower case (ASCII letters only). Returns `to`. */
char *text_copy_lower(char *to, size_t size, const char *from);

/* How much of `length` bytes such a copy keeps. */
size_t text_cut(const char *text, size_t length, size_t size);

static inline bool text_is_digit(char c) { return c >= '0' && c <= '9'; }

/* Of ASCII letters only, whatever the locale (Turkish has two letters i). */
static inline char text_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static inline char text_upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c; }

/* Equal but for the case of ASCII letters? */
bool text_same(const char *a, const char *b);

/* Is the text this, or does it begin with this? What is not asked for (NULL) is so. */
static inline bool text_is(const char *text, const char *wanted)
{
    return !wanted || strcmp(text, wanted) == 0;
}
static inline bool text_begins(const char *text, const char *prefix)
{
    return !prefix || strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Reads one UTF-8 character from [text, end): its code point, and *ret_length bytes (1 to 4).
 * Returns -1 for what is not valid UTF-8 (overlong, surrogates, beyond U+10FFFF, cut off). */
int32_t text_utf8(const char *text, const char *end, size_t *ret_length);

/* All of it valid UTF-8? */
bool text_is_utf8(const char *text, size_t length);

/*
 * The text as a person may be shown it: control characters (C0, DEL, C1), bidirectional overrides
 * and what is not UTF-8 as \n, \t, \x1b, \u202e. Returns `buffer`, cut to fit.
 */
char *text_printable(const char *text, char *buffer, size_t size);

/* The same for use in a message: shown text of at most 255 bytes that lives until the end of the
 * block: grid_error_set(err, GRID_EUSAGE, "unknown noun '%s'", text_shown(word)). */
#define text_shown(text) text_printable((text), (char[256]){0}, 256)

/* The candidate that `word` was probably meant to be (at most a third of its letters differ, case
 * apart; a prefix of 3 or more letters counts), or NULL. `next` returns each candidate in turn,
 * NULL at the end. */
typedef const char *(*text_next_fn)(void *context, size_t index);
const char *text_nearest(const char *word, text_next_fn next, void *context);

/* Refuses a word: EUSAGE "unknown WHAT 'WORD'"; the hint names the nearest candidate ("did you mean
 * 'x'?") or else all of them. */
int text_unknown(const char *what, const char *word, text_next_fn next, void *context,
                 struct grid_error *err);

/* The index of the candidate that is `word`, case apart. Refuses another as text_unknown. */
int text_choice(const char *what, const char *word, text_next_fn next, void *context,
                size_t *ret_index, struct grid_error *err);

/* A whole number in decimal digits and nothing else. EUSAGE: no digits, something else, out of
 * [least, most]; the message begins with `what`. */
int text_integer(const char *text, int64_t least, int64_t most, const char *what, int64_t *ret,
                 struct grid_error *err);

#endif
