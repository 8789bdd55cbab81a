/* The error of the caller: its message and hint, and what the codes mean. */
#include "grid/error.h"

#include "util/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A message may be made of the one that it replaces, so it is put together here first. The bytes
 * beyond the message's size let text_copy see whether the cut falls inside a character. */
struct draft {
    char text[sizeof(((struct grid_error *)NULL)->message) + 4];
};

#define DRAFT(draft, format)                                                                     \
    do {                                                                                         \
        va_list arguments_;                                                                      \
        va_start(arguments_, format);                                                            \
        vsnprintf((draft).text, sizeof((draft).text), format, arguments_);                       \
        va_end(arguments_);                                                                      \
    } while (0)

static int fill(struct grid_error *err, enum grid_code code, const struct draft *draft,
                const char *hint)
{
    if (err) {
        err->code = code;
        text_copy(err->message, sizeof(err->message), draft->text);
        text_copy(err->hint, sizeof(err->hint), hint);
    }
    return code;
}

int grid_error_set(struct grid_error *err, enum grid_code code, const char *format, ...)
{
    struct draft draft;
    DRAFT(draft, format);
    return fill(err, code, &draft, "");
}

int grid_error_advise(struct grid_error *err, enum grid_code code, const char *hint,
                      const char *format, ...)
{
    struct draft draft;
    DRAFT(draft, format);
    return fill(err, code, &draft, hint);
}

static void append(struct draft *draft, const char *text)
{
    size_t length = strlen(draft->text);
    snprintf(draft->text + length, sizeof(draft->text) - length, ": %s", text);
}

int grid_error_wrap(struct grid_error *err, const char *format, ...)
{
    if (!err)
        return GRID_EINTERNAL;
    struct draft draft;
    DRAFT(draft, format);
    append(&draft, err->message);
    text_copy(err->message, sizeof(err->message), draft.text);
    return err->code;
}

int grid_error_hint(struct grid_error *err, const char *format, ...)
{
    if (!err)
        return GRID_EINTERNAL;
    struct draft draft;
    DRAFT(draft, format);
    text_copy(err->hint, sizeof(err->hint), draft.text);
    return err->code;
}

int grid_error_errno(struct grid_error *err, enum grid_code code, int number, const char *format,
                     ...)
{
    struct draft draft;
    DRAFT(draft, format);
    char why[128], room[sizeof(why)];
    text_copy(why, sizeof(why), strerror_r(number, room, sizeof(room)));
    if (why[1] != text_upper(why[1]))
        why[0] = text_lower(why[0]);
    append(&draft, why);
    errno = number;
    return fill(err, number == ENOMEM && code != GRID_EUNKNOWN ? GRID_ENOMEM : code, &draft, "");
}

struct meaning {
    int status;
    const char *word, *text;
};

/* A number that is no code is a fault inside grid. */
static const struct meaning *meaning_of(enum grid_code code)
{
    static const struct meaning done = {0, "ok", "done"}, codes[] = {
#define ROW(name, status, word, text) {status, word, text},
        GRID_CODES(ROW)
#undef ROW
    };
    if (code == GRID_OK)
        return &done;
    size_t index = (size_t)(-1 - (int)code);
    return &codes[index < countof(codes) ? index : GRID_NUMBER_EINTERNAL];
}

int grid_code_status(enum grid_code code)
{
    return meaning_of(code)->status;
}

const char *grid_code_word(enum grid_code code)
{
    return meaning_of(code)->word;
}

const char *grid_code_meaning(enum grid_code code)
{
    return meaning_of(code)->text;
}
