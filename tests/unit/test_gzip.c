/* gzip: there and back, in pieces, and what is not whole. */
#include <criterion/criterion.h>

#include "util/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define LARGE ((size_t)300000)

/* Text that packs well, and bytes that do not. */
static void fill(struct buffer *text, size_t length)
{
    uint32_t random = 1;
    for (size_t i = 0; text->length < length; i++) {
        random = random * 1664525 + 1013904223;
        if (i % 3 == 0)
            buffer_add(text, &random, sizeof(random));
        else
            buffer_text(text, "{\"revision\":1,\"event\":\"granted\"}\n");
    }
    text->length = length;
}

static void pack(const struct buffer *text, size_t from, size_t length, struct buffer *out)
{
    cr_assert_eq(gzip_pack(text->data + from, length, out, NULL), 0);
    cr_assert_eq(out->error, 0);
}

static void assert_unpacks(const struct buffer *packed, const struct buffer *text)
{
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    struct grid_error err = {0};
    cr_assert_eq(gzip_unpack(packed->data, packed->length, text->length, &out, &err), 0, "%s",
                 err.message);
    cr_assert_eq(out.length, text->length);
    cr_assert(text->length == 0 || memcmp(out.data, text->data, text->length) == 0);
}

Test(gzip, packs_and_unpacks_texts_of_any_size)
{
    static const size_t lengths[] = {0, 1, 65535, 65536, 65537, LARGE};
    for (size_t i = 0; i < countof(lengths); i++) {
        grid_auto_buffer struct buffer text = BUFFER_INIT, packed = BUFFER_INIT;
        fill(&text, lengths[i]);
        pack(&text, 0, text.length, &packed);
        cr_assert_lt(packed.length, lengths[i] / 2 + 100);
        assert_unpacks(&packed, &text);
    }
}

Test(gzip, pieces_one_after_the_other_are_one_file)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT, packed = BUFFER_INIT;
    fill(&text, LARGE);
    for (size_t at = 0; at < LARGE; at += LARGE / 10)
        pack(&text, at, LARGE / 10, &packed);
    pack(&text, 0, 0, &packed);
    assert_unpacks(&packed, &text);
}

Test(gzip, every_truncation_and_every_changed_byte_is_noticed)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT, packed = BUFFER_INIT;
    fill(&text, 500);
    pack(&text, 0, 250, &packed);
    size_t first = packed.length;
    pack(&text, 250, 250, &packed);
    for (size_t i = 0; i < packed.length; i++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        int rc = gzip_unpack(packed.data, i, 10000, &out, NULL);
        cr_expect_eq(rc, i == first ? 0 : GRID_ECORRUPT, "cut to %zu bytes: %d", i, rc);
        cr_expect_leq(out.length, text.length);
    }
    for (size_t i = 0; i < packed.length; i++) {
        grid_auto_buffer struct buffer out = BUFFER_INIT;
        packed.data[i] ^= 0x20;
        int rc = gzip_unpack(packed.data, packed.length, 10000, &out, NULL);
        bool same = out.length == text.length && memcmp(out.data, text.data, out.length) == 0;
        cr_expect(rc == GRID_ECORRUPT || (rc == 0 && same), "byte %zu: %d", i, rc);
        packed.data[i] ^= 0x20;
    }
}

Test(gzip, sound_pieces_of_a_damaged_file_are_salvaged)
{
    enum { PIECES = 5 };
    grid_auto_buffer struct buffer text = BUFFER_INIT, packed = BUFFER_INIT;
    size_t piece = LARGE / PIECES, at[PIECES + 1];
    fill(&text, LARGE);
    for (int i = 0; i < PIECES; i++) {
        at[i] = packed.length;
        pack(&text, (size_t)i * piece, piece, &packed);
    }
    at[PIECES] = packed.length;
    for (int bad = 0; bad < PIECES; bad++) {
        static const double where[] = {0, 0.3, 0.999};
        for (size_t i = 0; i < countof(where); i++) {
            grid_auto_buffer struct buffer out = BUFFER_INIT;
            size_t offset = at[bad] + (size_t)(where[i] * (double)(at[bad + 1] - at[bad]));
            packed.data[offset] ^= 4;
            cr_expect_eq(gzip_salvage(packed.data, packed.length, LARGE, &out, NULL), 0);
            packed.data[offset] ^= 4;
            cr_assert_eq(out.length, LARGE - piece, "piece %d, byte %zu: %zu bytes", bad, offset,
                         out.length);
            size_t before = (size_t)bad * piece;
            cr_expect_eq(memcmp(out.data, text.data, before), 0);
            cr_expect_eq(memcmp(out.data + before, text.data + before + piece,
                                out.length - before), 0);
        }
    }
}

Test(gzip, what_is_none_or_too_large_is_refused)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT, packed = BUFFER_INIT, out = BUFFER_INIT;
    struct grid_error err = {0};
    cr_expect_eq(gzip_unpack("hello, world", 12, 100, &out, &err), GRID_ECORRUPT);
    cr_expect_str_eq(err.message, "incorrect header check");
    fill(&text, LARGE);
    pack(&text, 0, LARGE, &packed);
    cr_expect_eq(gzip_unpack(packed.data, packed.length, LARGE - 1, &out, &err), GRID_ECORRUPT);
    cr_expect_str_eq(err.message, "it holds more than it should");
    cr_expect_lt(out.length, LARGE);
    buffer_text(&packed, "more");
    cr_expect_eq(gzip_unpack(packed.data, packed.length, LARGE, &out, &err), GRID_ECORRUPT);
}

Test(gzip, a_file_that_cannot_be_written_is_an_error_of_the_buffer)
{
    grid_auto_buffer struct buffer text = BUFFER_INIT, out = BUFFER_INIT;
    fill(&text, LARGE);
    out.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    cr_assert_geq(out.fd, 0);
    cr_expect_eq(gzip_pack(text.data, LARGE, &out, NULL), 0);
    cr_expect_eq(buffer_flush(&out), ENOSPC);
    close(out.fd);
}
