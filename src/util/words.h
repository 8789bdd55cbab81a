/* Lines as somebody wrote or pipes them, and their words as a shell would divide them. */
#ifndef UTIL_WORDS_H
#define UTIL_WORDS_H

#include "util/text.h"

/*
 * Divides a line in place: words stand between blanks and tabs; '...' and "..." hold together what
 * is in them, a backslash takes the next character as it is (between double quotes only one of
 * "\$`); # at the beginning of a word begins a comment. Nothing is expanded. `words` has room for
 * words_most(length) pointers into the line; a NULL follows the last. EUSAGE with the column, in
 * characters from 1: a quote that is not closed, a backslash at the end.
 */
int words_split(char *line, char **words, size_t *ret_count, struct grid_error *err);

static inline size_t words_most(size_t length) { return length / 2 + 2; }

#define LINES_LENGTH_MAX 65536

/* Reads lines; zero-initialize it but for fd, and release it. `number` is that of the last line. */
struct lines {
    int fd;
    char *data;
    size_t begin, end; /* what is left in data */
    size_t number;
    bool ended;        /* there is no more */
    bool skipping;     /* the line is too long: up to its end */
};
void lines_release(struct lines *lines);

/*
 * The next line, without its end ("\n" or "\r\n"), as a text within `lines` that lasts until the
 * next call. With `wait_ms` of 0 or more it returns 0 when no line comes in that time (and at the
 * end), with -1 at the end only. 1: *ret is a line. EUSAGE: one that is too long or has a NUL byte,
 * and the next call gets the one after it; EIO; ENOMEM.
 */
int lines_next(struct lines *lines, int wait_ms, char **ret, struct grid_error *err);

#endif
