/* Errors: messages built of their own text, cuts, codes and their exit statuses. */
#include "grid/error.h"
#include "util/text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(error, messages_are_built_of_their_own_text)
{
    struct grid_error err = {0};
    cr_expect_eq(grid_error_set(&err, GRID_ENOTFOUND, "no boost '%s'", "x"), GRID_ENOTFOUND);
    cr_expect_eq(grid_error_hint(&err, "see '%s'", "y"), GRID_ENOTFOUND);
    cr_expect_eq(grid_error_wrap(&err, "record %d", 3), GRID_ENOTFOUND);
    cr_expect_str_eq(err.message, "record 3: no boost 'x'");
    cr_expect_str_eq(err.hint, "see 'y'");
    cr_expect_eq(grid_error_hint(&err, "%s and %s", err.hint, err.hint), GRID_ENOTFOUND);
    cr_expect_str_eq(err.hint, "see 'y' and see 'y'");
    cr_expect_eq(grid_error_set(&err, GRID_EIO, "%s: x", err.message), GRID_EIO);
    cr_expect_str_eq(err.message, "record 3: no boost 'x': x");
    cr_expect_str_eq(err.hint, "");
    cr_expect_eq(grid_error_wrap(&err, "%s", err.message), GRID_EIO);
    cr_expect_str_eq(err.message, "record 3: no boost 'x': x: record 3: no boost 'x': x");

    cr_expect_eq(grid_error_advise(&err, GRID_EPERM, "try %s", "no %s", "y"), GRID_EPERM);
    cr_expect_eq(err.code, GRID_EPERM);
    cr_expect_str_eq(err.message, "no y");
    cr_expect_str_eq(err.hint, "try %s");

    cr_expect_eq(grid_error_errno(&err, GRID_EIO, ENOSPC, "cannot write '%s'", "f"), GRID_EIO);
    cr_expect_str_eq(err.message, "cannot write 'f': no space left on device");
    cr_expect_eq(grid_error_errno(&err, GRID_EIO, ENOMEM, "cannot read"), GRID_ENOMEM);
    cr_expect_eq(err.code, GRID_ENOMEM);
    cr_expect_str_eq(err.message, "cannot read: cannot allocate memory");
    cr_expect_eq(grid_error_errno(&err, GRID_EUNKNOWN, ENOMEM, "no sync"), GRID_EUNKNOWN);
    cr_expect_eq(grid_error_errno(&err, GRID_EIO, 0x7fff, "odd"), GRID_EIO);
    cr_expect_str_eq(err.message, "odd: unknown error 32767");

    cr_expect_eq(grid_error_set(NULL, GRID_EPERM, "x"), GRID_EPERM);
    cr_expect_eq(grid_error_advise(NULL, GRID_EPERM, "x", "x"), GRID_EPERM);
    cr_expect_eq(grid_error_errno(NULL, GRID_EIO, ENOMEM, "x"), GRID_ENOMEM);
    cr_expect_lt(grid_error_wrap(NULL, "x"), 0);
    cr_expect_lt(grid_error_hint(NULL, "x"), 0);
}

Test(error, long_messages_are_cut_between_characters)
{
    for (size_t lead = 0; lead < 8; lead++) {
        struct grid_error err = {0};
        char text[3000] = "xxxxxxxx";
        for (size_t at = lead; at + 4 < sizeof(text); at += 3)
            memcpy(text + at, "\xe2\x82\xac", 4);
        grid_error_set(&err, GRID_EIO, "%s", text);
        cr_expect_geq(strlen(err.message), sizeof(err.message) - 3);
        cr_expect(text_is_utf8(err.message, strlen(err.message)), "lead %zu", lead);
        grid_error_hint(&err, "%s", text);
        cr_expect_geq(strlen(err.hint), sizeof(err.hint) - 3);
        cr_expect(text_is_utf8(err.hint, strlen(err.hint)), "lead %zu", lead);
        grid_error_wrap(&err, "%s", text);
        grid_error_errno(&err, GRID_EIO, EIO, "%s", text);
        cr_expect(text_is_utf8(err.message, strlen(err.message)), "lead %zu", lead);
    }
}

/* Typed by hand: what scripts rely on must not change with the table. */
static const struct {
    enum grid_code code;
    int status;
    const char *word;
} codes[] = {
    {GRID_OK, 0, "ok"},
    {GRID_EINTERNAL, 1, "internal"},
    {GRID_EUSAGE, 2, "usage"},
    {GRID_ENOTFOUND, 3, "not_found"},
    {GRID_EREFUSED, 4, "no_capacity"},
    {GRID_ENEVER, 5, "never"},
    {GRID_ECONFLICT, 6, "conflict"},
    {GRID_EPERM, 7, "not_permitted"},
    {GRID_ECORRUPT, 8, "damaged"},
    {GRID_EIO, 9, "io"},
    {GRID_ETIMEOUT, 10, "timed_out"},
    {GRID_EUNKNOWN, 11, "unknown"},
    {GRID_ENOMEM, 1, "out_of_memory"},
    {(enum grid_code)-99, 1, "internal"},
    {(enum grid_code)99, 1, "internal"},
};

Test(error, codes_have_their_status_and_word)
{
    for (size_t i = 0; i < countof(codes); i++) {
        cr_expect_eq(grid_code_status(codes[i].code), codes[i].status, "row %zu", i);
        cr_expect_str_eq(grid_code_word(codes[i].code), codes[i].word, "row %zu", i);
        cr_expect_neq(grid_code_meaning(codes[i].code)[0], '\0', "row %zu", i);
    }
}
