/* Lines and words: a window that moves over a file or a pipe, and a shell's quotes. */
#include "util/words.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* --- words ---------------------------------------------------------------------------------- */

/* Of the character at `at`, from 1. */
static size_t column_of(const char *line, const char *at)
{
    size_t column = 1;
    for (; line < at; line++)
        column += (*line & 0xc0) != 0x80; /* not for the later bytes of a character */
    return column;
}

/* Where a quoted text ends: its closing quote; NULL: it has none. */
static char *take_quoted(char *at, char **to)
{
    char quote = *at++;
    for (; *at && *at != quote; at++) {
        if (quote == '"' && *at == '\\' && at[1] && strchr("\"\\$`", at[1]))
            at++;
        *(*to)++ = *at;
    }
    return *at ? at : NULL;
}

/* One word from *at on, which is moved behind it; written to where it begins. Returns 0, or the
 * character that nothing follows, and where it is. */
static char take_word(char **at, char **to, const char **ret_where)
{
    for (; **at && **at != ' ' && **at != '\t'; (*at)++) {
        char *end = *at, c = **at;
        *ret_where = *at;
        if (c == '\'' || c == '"')
            end = take_quoted(*at, to);
        else if (c != '\\')
            *(*to)++ = c;
        else if (*++end)
            *(*to)++ = *end;
        else
            return c;
        if (!end)
            return c;
        *at = end;
    }
    return '\0';
}

int words_split(char *line, char **words, size_t *ret_count, struct grid_error *err)
{
    /* Words are written over the line, and quotes go: columns are those of the original. */
    grid_auto_free char *copy = strdup(line);
    char *at = copy, *to = line;
    const char *where = copy;
    size_t count = 0;
    if (!copy)
        return grid_error_set(err, GRID_ENOMEM, "no memory for a line");
    while (*(at += strspn(at, " \t")) && *at != '#') {
        words[count++] = to;
        char open = take_word(&at, &to, &where);
        if (open)
            return grid_error_set(err, GRID_EUSAGE, "column %zu: %s", column_of(copy, where),
                                  open == '\\' ? "nothing follows the backslash"
                                               : "the quote is not closed");
        *to++ = '\0';
    }
    words[count] = NULL;
    *ret_count = count;
    return 0;
}

/* --- lines ---------------------------------------------------------------------------------- */

#define WINDOW (LINES_LENGTH_MAX + 1) /* with the line's end */

void lines_release(struct lines *lines)
{
    free(lines->data);
    lines->data = NULL;
}

/* What is in the window moves to its beginning; a line that fills it is dropped. */
static void make_room(struct lines *lines)
{
    if (lines->end - lines->begin == WINDOW) {
        lines->skipping = true;
        lines->begin = lines->end = 0;
    }
    memmove(lines->data, lines->data + lines->begin, lines->end - lines->begin);
    lines->end -= lines->begin;
    lines->begin = 0;
}

/* 1: there is more, or the end; 0: nothing came in time. */
static int fill(struct lines *lines, int wait_ms, struct grid_error *err)
{
    struct pollfd polled = {lines->fd, POLLIN, 0};
    if (!lines->data && !(lines->data = malloc(WINDOW + 1)))
        return grid_error_set(err, GRID_ENOMEM, "no memory for a line");
    make_room(lines);
    if (wait_ms >= 0 && poll(&polled, 1, wait_ms) == 0)
        return 0;
    ssize_t n = read(lines->fd, lines->data + lines->end, WINDOW - lines->end);
    if (n < 0 && errno != EINTR)
        return grid_error_errno(err, GRID_EIO, errno, "cannot be read");
    lines->end += n > 0 ? (size_t)n : 0;
    lines->ended = n == 0;
    return 1;
}

/* Takes the line of `length` bytes in front. */
static int take_line(struct lines *lines, size_t length, char **ret, struct grid_error *err)
{
    char *line = lines->data + lines->begin;
    bool skipped = lines->skipping;
    lines->begin += length + (lines->begin + length < lines->end);
    lines->number++;
    lines->skipping = false;
    if (skipped)
        return grid_error_set(err, GRID_EUSAGE, "it is longer than %d bytes", LINES_LENGTH_MAX);
    if (memchr(line, '\0', length))
        return grid_error_set(err, GRID_EUSAGE, "it has a NUL byte");
    length -= length > 0 && line[length - 1] == '\r';
    line[length] = '\0';
    *ret = line;
    return 1;
}

int lines_next(struct lines *lines, int wait_ms, char **ret, struct grid_error *err)
{
    for (;;) {
        size_t left = lines->end - lines->begin;
        const char *at = lines->data ? lines->data + lines->begin : "";
        const char *end = memchr(at, '\n', left);
        if (end)
            return take_line(lines, (size_t)(end - at), ret, err);
        if (lines->ended)
            return left > 0 || lines->skipping ? take_line(lines, left, ret, err) : 0;
        int rc = fill(lines, wait_ms, err);
        if (rc <= 0)
            return rc;
    }
}
