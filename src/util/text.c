/* Text: growing buffers, UTF-8, what a terminal may be shown, names that were nearly right. */
#include "util/text.h"

#include "util/file.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_COUNT 16       /* elements of an array */
#define FIRST_CAPACITY 1024
#define FLUSH_AT (256 * 1024) /* held before it is written, with an fd */
#define WORD_MAX 64           /* longer words are not compared */

int array_reserve(void *array, size_t *capacity, size_t count, size_t size)
{
    size_t larger = *capacity ? *capacity : FIRST_COUNT;
    void *moved;
    if (count <= *capacity)
        return 0;
    if (count > SIZE_MAX / 2 / size)
        return GRID_ENOMEM;
    while (larger < count)
        larger *= 2;
    memcpy(&moved, array, sizeof(moved)); /* a pointer to whatever the elements are */
    moved = realloc(moved, larger * size);
    if (!moved)
        return GRID_ENOMEM;
    memcpy(array, &moved, sizeof(moved));
    *capacity = larger;
    return 0;
}

/* --- buffers ------------------------------------------------------------------------------- */

void buffer_release(struct buffer *buffer)
{
    free(buffer->data);
    buffer->data = NULL;
    buffer->length = buffer->capacity = 0;
}

/* Room for `length` more bytes and a NUL. False: there is none, and the error is set. */
static bool make_room(struct buffer *buffer, size_t length)
{
    size_t bytes = buffer->length + length + 1;
    if (bytes < FIRST_CAPACITY)
        bytes = FIRST_CAPACITY;
    if (array_reserve(&buffer->data, &buffer->capacity, bytes, 1) != 0)
        buffer->error = ENOMEM;
    return buffer->error == 0;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t length)
{
    if (buffer->error || length == 0)
        return;
    buffer->written += length;
    if (buffer->fd >= 0 && buffer->length + length >= FLUSH_AT) {
        if (buffer_flush(buffer) != 0)
            return;
        if (length >= FLUSH_AT) {
            buffer->error = file_write_all(buffer->fd, bytes, length);
            return;
        }
    }
    if (buffer->length + length >= buffer->capacity && !make_room(buffer, length))
        return;
    memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
}

void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text));
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    char room[512];
    grid_auto_free char *long_text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(room, sizeof(room), format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof(room)) {
        long_text = malloc((size_t)length + 1);
        va_start(arguments, format);
        length = long_text ? vsnprintf(long_text, (size_t)length + 1, format, arguments) : -1;
        va_end(arguments);
    }
    if (length >= 0)
        buffer_add(buffer, long_text ? long_text : room, (size_t)length);
    else if (!buffer->error)
        buffer->error = ENOMEM;
}

int buffer_flush(struct buffer *buffer)
{
    if (buffer->error == 0 && buffer->fd >= 0 && buffer->length > 0) {
        buffer->error = file_write_all(buffer->fd, buffer->data, buffer->length);
        buffer->length = 0;
    }
    return buffer->error;
}

const char *buffer_string(struct buffer *buffer)
{
    if (buffer->error || !make_room(buffer, 0))
        return NULL;
    buffer->data[buffer->length] = '\0';
    return buffer->data;
}

int buffer_same(const struct buffer *a, const struct buffer *b, struct grid_error *err)
{
    if (a->error || b->error)
        return grid_error_set(err, GRID_ENOMEM, "no memory to compare");
    return a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

/* --- characters ---------------------------------------------------------------------------- */

size_t text_cut(const char *text, size_t length, size_t size)
{
    if (length < size)
        return length;
    length = size - 1;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return length;
}

bool text_copy(char *to, size_t size, const char *from)
{
    assert(size > 0);
    size_t length = strnlen(from, size);
    bool whole = length < size;
    if (!whole)
        length = text_cut(from, size, size);
    memcpy(to, from, length);
    to[length] = '\0';
    return whole;
}

char *text_copy_lower(char *to, size_t size, const char *from)
{
    text_copy(to, size, from);
    for (char *at = to; *at; at++)
        *at = text_lower(*at);
    return to;
}

bool text_same(const char *a, const char *b)
{
    for (; text_lower(*a) == text_lower(*b); a++, b++)
        if (!*a)
            return true;
    return false;
}

int32_t text_utf8(const char *text, const char *end, size_t *ret_length)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by length */
    const unsigned char *at = (const unsigned char *)text;
    if (text >= end)
        return -1;
    size_t length = *at < 0x80         ? 1
                    : *at >> 5 == 0x06 ? 2
                    : *at >> 4 == 0x0e ? 3
                    : *at >> 3 == 0x1e ? 4
                                       : 0;
    if (length == 0 || (size_t)(end - text) < length)
        return -1;
    int32_t code = length == 1 ? *at : *at & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return -1;
        code = code << 6 | (at[i] & 0x3f);
    }
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return -1;
    *ret_length = length;
    return code;
}

bool text_is_utf8(const char *text, size_t length)
{
    for (const char *end = text + length; text < end;) {
        uint64_t eight = UINT64_MAX;
        size_t step = sizeof(eight);
        if ((size_t)(end - text) >= step)
            memcpy(&eight, text, step);
        if ((eight & 0x8080808080808080) != 0 && text_utf8(text, end, &step) < 0)
            return false;
        text += step;
    }
    return true;
}

static bool is_unsafe(int32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) /* C0, DEL, C1 */
           || (code >= 0x2028 && code <= 0x202e)         /* line ends, embeddings, overrides */
           || (code >= 0x2066 && code <= 0x2069);        /* isolates */
}

/* Writes how a character, or a byte that is none (code -1), is shown; returns how long that is. */
static size_t escape(int32_t code, unsigned char byte, char shown[static 8])
{
    if (code == '\n' || code == '\t' || code == '\r')
        return (size_t)snprintf(shown, 8, "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : 'r');
    if (code >= 0x80)
        return (size_t)snprintf(shown, 8, "\\u%04x", (unsigned)code & 0xffff);
    return (size_t)snprintf(shown, 8, "\\x%02x", byte);
}

char *text_printable(const char *text, char *buffer, size_t size)
{
    assert(size > 0);
    size_t used = 0, step, length;
    for (const char *end = text + strlen(text); text < end; text += step) {
        char shown[8];
        const char *piece = text;
        int32_t code = text_utf8(text, end, &step);
        if (code < 0)
            step = 1;
        length = step;
        if (code < 0 || is_unsafe(code)) {
            length = escape(code, (unsigned char)*text, shown);
            piece = shown;
        }
        if (length >= size - used)
            break;
        memcpy(buffer + used, piece, length);
        used += length;
    }
    buffer[used] = '\0';
    return buffer;
}

/* --- words and numbers --------------------------------------------------------------------- */

/*
 * How many letters must be put in, left out, replaced or swapped with their neighbour (Damerau and
 * Levenshtein's optimal string alignment). Both are at most WORD_MAX long.
 */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    size_t i = 0, width = strlen(b);
    for (size_t j = 0; j <= width; j++)
        rows[0][j] = (unsigned)j;
    for (i = 1; a[i - 1]; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *top = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= width; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
            unsigned gap = 1 + (above[j] < row[j - 1] ? above[j] : row[j - 1]);
            best = gap < best ? gap : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]
                && top[j - 2] + 1 < best)
                best = top[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[(i - 1) % 3][width];
}

static bool fold(char folded[static WORD_MAX + 1], const char *word)
{
    text_copy_lower(folded, WORD_MAX + 1, word);
    return strlen(word) <= WORD_MAX;
}

const char *text_nearest(const char *word, text_next_fn next, void *context)
{
    char meant[WORD_MAX + 1], known[WORD_MAX + 1];
    const char *nearest = NULL;
    unsigned least = UINT32_MAX;
    if (!fold(meant, word))
        return NULL;
    size_t length = strlen(meant);
    for (size_t i = 0;; i++) {
        const char *candidate = next(context, i);
        if (!candidate)
            return nearest;
        if (!fold(known, candidate))
            continue;
        /* A prefix is less far than any slip of the hand. */
        unsigned slips = distance(meant, known), far = 2 * slips;
        if (slips > 0 && length >= 3 && strncmp(meant, known, length) == 0)
            far = 1;
        else if (3 * slips > length && (length != 2 || slips > 1 || meant[0] != known[0]))
            continue;
        if (far < least) {
            least = far;
            nearest = candidate;
        }
    }
}

int text_unknown(const char *what, const char *word, text_next_fn next, void *context,
                 struct grid_error *err)
{
    const char *nearest = text_nearest(word, next, context), *known;
    grid_auto_buffer struct buffer hint = BUFFER_INIT;
    if (nearest)
        buffer_format(&hint, "did you mean '%s'?", text_shown(nearest));
    for (size_t i = 0; !nearest && (known = next(context, i)); i++)
        buffer_format(&hint, "%s%s", i > 0 ? ", " : "known: ", known);
    return grid_error_advise(err, GRID_EUSAGE, buffer_string(&hint) ? hint.data : "",
                             "unknown %s '%s'", what, text_shown(word));
}

int text_choice(const char *what, const char *word, text_next_fn next, void *context,
                size_t *ret_index, struct grid_error *err)
{
    const char *candidate;
    for (size_t i = 0; (candidate = next(context, i)); i++)
        if (text_same(word, candidate)) {
            *ret_index = i;
            return 0;
        }
    return text_unknown(what, word, next, context, err);
}

int text_integer(const char *text, int64_t least, int64_t most, const char *what, int64_t *ret,
                 struct grid_error *err)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0')
        return grid_error_set(err, GRID_EUSAGE, "%s '%s' is not a whole number", what,
                              text_shown(text));
    int64_t number = 0;
    bool over = false;
    for (const char *at = text; *at && !over; at++)
        over = __builtin_mul_overflow(number, 10, &number)
               || __builtin_add_overflow(number, *at - '0', &number);
    if (!over && number >= least && number <= most) {
        *ret = number;
        return 0;
    }
    if (over || number > most)
        return grid_error_set(err, GRID_EUSAGE, "%s '%s' is more than %jd", what,
                              text_shown(text), (intmax_t)most);
    return grid_error_set(err, GRID_EUSAGE, "%s '%s' is less than %jd", what, text_shown(text),
                          (intmax_t)least);
}
