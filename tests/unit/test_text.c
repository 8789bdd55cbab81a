/* Text: buffers, UTF-8, what is shown, near misses, whole numbers. */
#include "util/text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

Test(text, buffer_holds_what_is_added)
{
    grid_auto_buffer struct buffer buffer = BUFFER_INIT;
    cr_assert_str_eq(buffer_string(&buffer), "");
    char expected[8000] = "";
    for (int i = 0; i < 1000; i++) {
        buffer_format(&buffer, "%d,", i);
        snprintf(expected + strlen(expected), 16, "%d,", i);
    }
    cr_expect_str_eq(buffer_string(&buffer), expected);
    cr_expect_eq(buffer.written, strlen(expected));
    cr_expect_lt(buffer.capacity, 3 * strlen(expected));
    buffer_format(&buffer, "%s", expected); /* longer than the room on the stack */
    cr_expect_eq(buffer.length, 2 * strlen(expected));
    cr_expect_str_eq(buffer_string(&buffer) + strlen(expected), expected);
    /* Exactly full: the NUL behind it needs room of its own. */
    buffer_release(&buffer);
    for (size_t i = 0; i < 4096; i++) {
        buffer_add(&buffer, "x", 1);
        cr_assert_eq(strlen(buffer_string(&buffer)), i + 1);
    }
    buffer_release(&buffer);
    buffer_release(&buffer);
    cr_expect_null(buffer.data);
}

/* A file without a name, in the directory of temporary files. */
static int scratch(void)
{
    char path[] = "/tmp/grid-text-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    unlink(path);
    return fd;
}

static off_t size_of(int fd)
{
    struct stat st;
    cr_assert_eq(fstat(fd, &st), 0);
    return st.st_size;
}

Test(text, buffer_with_a_file_is_written_out_in_order)
{
    static char large[700 * 1024], back[2 * sizeof(large)];
    grid_auto_buffer struct buffer buffer = BUFFER_INIT;
    int fd = buffer.fd = scratch();
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)('a' + i % 23);
    size_t done = 0;
    for (size_t step = 1; done + step <= sizeof(large); done += step, step = step * 3 % 70001 + 1) {
        buffer_add(&buffer, large + done, step);
        cr_assert_leq(buffer.capacity, 256 * 1024);
    }
    cr_expect_gt(size_of(fd), 0);
    cr_expect_lt(size_of(fd), (off_t)done);
    buffer_add(&buffer, large, sizeof(large)); /* straight through, behind what was held */
    cr_expect_eq(buffer.length, 0);
    cr_expect_leq(buffer.capacity, 256 * 1024);
    buffer_text(&buffer, "end");
    cr_expect_eq(buffer_flush(&buffer), 0);
    cr_expect_eq(buffer.written, done + sizeof(large) + 3);
    cr_assert_eq(pread(fd, back, sizeof(back), 0), (ssize_t)buffer.written);
    cr_expect_arr_eq(back, large, done);
    cr_expect_arr_eq(back + done, large, sizeof(large));
    cr_expect_arr_eq(back + done + sizeof(large), "end", 3);
    close(fd);
    /* Blocks that fill it exactly. */
    buffer_release(&buffer);
    fd = buffer.fd = scratch();
    for (size_t i = 1; i <= 600; i++) {
        buffer_add(&buffer, large, 1024);
        cr_assert_leq(buffer.capacity, 256 * 1024);
        cr_assert_eq((size_t)size_of(fd) + buffer.length, i * 1024);
    }
    close(fd);
}

Test(text, buffer_keeps_its_first_error)
{
    static char large[300 * 1024];
    grid_auto_buffer struct buffer full = BUFFER_INIT, limited = BUFFER_INIT;
    full.fd = open("/dev/full", O_WRONLY);
    buffer_text(&full, "x");
    cr_expect_eq(buffer_flush(&full), ENOSPC);
    close(full.fd);
    full.fd = scratch();
    buffer_text(&full, "later calls do nothing");
    cr_expect_eq(buffer_flush(&full), ENOSPC);
    cr_expect_eq(size_of(full.fd), 0);
    cr_expect_eq(full.written, 1);
    cr_expect_null(buffer_string(&full));
    close(full.fd);

    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before, small = {.rlim_cur = 100000, .rlim_max = RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    limited.fd = scratch();
    buffer_add(&limited, large, sizeof(large)); /* a short write, then EFBIG */
    setrlimit(RLIMIT_FSIZE, &before);
    cr_expect_eq(limited.error, EFBIG);
    cr_expect_eq(size_of(limited.fd), 100000);
    close(limited.fd);
}

static const struct {
    const char *bytes;
    int32_t code; /* -1: not UTF-8 */
    size_t length;
} characters[] = {
    {"a", 'a', 1},
    {"\x7f", 0x7f, 1},
    {"\xc2\x80", 0x80, 2},
    {"\xc3\xa9x", 0xe9, 2},
    {"\xdf\xbf", 0x7ff, 2},
    {"\xe0\xa0\x80", 0x800, 3},
    {"\xe2\x82\xac", 0x20ac, 3},
    {"\xed\x9f\xbf", 0xd7ff, 3},
    {"\xee\x80\x80", 0xe000, 3},
    {"\xef\xbf\xbf", 0xffff, 3},
    {"\xf0\x90\x80\x80", 0x10000, 4},
    {"\xf0\x9f\x98\x80", 0x1f600, 4},
    {"\xf4\x8f\xbf\xbf", 0x10ffff, 4},
    {"", -1, 0},
    {"\x80", -1, 0},             /* a continuation alone */
    {"\xbf", -1, 0},
    {"\xc3", -1, 0},             /* cut off */
    {"\xc3(", -1, 0},
    {"\xe2\x82", -1, 0},
    {"\xe2\x28\xa1", -1, 0},
    {"\xf0\x9f\x98", -1, 0},
    {"\xc0\x80", -1, 0},         /* overlong */
    {"\xc1\xbf", -1, 0},
    {"\xe0\x9f\xbf", -1, 0},
    {"\xf0\x8f\xbf\xbf", -1, 0},
    {"\xed\xa0\x80", -1, 0},     /* surrogates */
    {"\xed\xbf\xbf", -1, 0},
    {"\xf4\x90\x80\x80", -1, 0}, /* beyond U+10FFFF */
    {"\xf8\x88\x80\x80\x80", -1, 0},
    {"\xff", -1, 0},
};

Test(text, utf8_is_strict)
{
    for (size_t i = 0; i < countof(characters); i++) {
        const char *bytes = characters[i].bytes;
        size_t length = 0;
        int32_t code = text_utf8(bytes, bytes + strlen(bytes), &length);
        cr_expect_eq(code, characters[i].code, "row %zu: %x", i, (unsigned)code);
        cr_expect_eq(length, characters[i].length, "row %zu: length %zu", i, length);
        /* At every place of a longer text, for the check by words. */
        for (size_t before = 0; before < 20; before++) {
            char text[64];
            int size = snprintf(text, sizeof(text), "%.*s%s%s", (int)before,
                                "aaaaaaaaaaaaaaaaaaaa", bytes, "bbbbbbbbbb");
            cr_expect_eq(text_is_utf8(text, (size_t)size), code >= 0 || !*bytes,
                         "row %zu after %zu", i, before);
        }
        cr_expect_eq(text_is_utf8(bytes, strlen(bytes)), code >= 0 || !*bytes, "row %zu", i);
    }
}

static const struct {
    const char *text, *shown;
} printables[] = {
    {"", ""},
    {"plain \\ text'\"", "plain \\ text'\""},
    {"a\nb\tc\rd", "a\\nb\\tc\\rd"},
    {"\x1b[31mred", "\\x1b[31mred"},
    {"\xc2\x9f\x20~", "\\u009f ~"},
    {"\x01\x1f\x7f", "\\x01\\x1f\\x7f"},
    {"\xc2\x80\xc2\x9b\xc2\xa0", "\\u0080\\u009b\xc2\xa0"},
    {"x\xe2\x80\xaey\xe2\x81\xa6z", "x\\u202ey\\u2066z"},
    {"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xe2\x81\xa9", "\\u2028\\u2029\\u202a\\u2069"},
    {"\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa",
     "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa"},
    {"\xff\xc3(\xe2\x82", "\\xff\\xc3(\\xe2\\x82"},
    {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
    {"k\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "k\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
};

/* Does `cut` end where a piece of `whole` (an escape or a character) ends? */
static bool ends_whole(const char *whole, const char *cut)
{
    for (const char *at = whole, *stop = whole + strlen(cut); at <= stop;) {
        if (at == stop)
            return true;
        size_t step = 1;
        if (at[0] == '\\' && at[1] && strchr("xuntr", at[1]))
            step = at[1] == 'x' ? 4 : at[1] == 'u' ? 6 : 2;
        else
            text_utf8(at, at + strlen(at), &step);
        at += step;
    }
    return false;
}

Test(text, printable_escapes_and_cuts_between_pieces)
{
    for (size_t i = 0; i < countof(printables); i++) {
        const char *text = printables[i].text, *shown = printables[i].shown;
        char buffer[64];
        cr_expect_eq(text_printable(text, buffer, sizeof(buffer)), buffer);
        cr_expect_str_eq(buffer, shown, "row %zu: '%s'", i, buffer);
        cr_expect_str_eq(text_shown(text), shown);
        for (size_t size = 1; size <= strlen(shown) + 1; size++) {
            memset(buffer, '#', sizeof(buffer));
            text_printable(text, buffer, size);
            cr_assert(memchr(buffer, '\0', size), "row %zu, size %zu: no end", i, size);
            cr_expect_eq(buffer[size], '#', "row %zu, size %zu: too far", i, size);
            cr_expect(strncmp(shown, buffer, strlen(buffer)) == 0 && ends_whole(shown, buffer),
                      "row %zu, size %zu: '%s'", i, size, buffer);
            cr_expect_gt(strlen(buffer) + 6, size - 1, "row %zu, size %zu: short", i, size);
        }
    }
}

static const struct {
    const char *from;
    size_t size;
    const char *to;
    bool whole;
} copies[] = {
    {"", 1, "", true},          {"a", 1, "", false},         {"abc", 4, "abc", true},
    {"abc", 3, "ab", false},    {"a\xc3\xa9", 3, "a", false}, {"a\xc3\xa9", 4, "a\xc3\xa9", true},
    {"\xf0\x9f\x98\x80", 4, "", false}, {"\x80\x80\x80", 3, "", false},
    {"ab\xe2\x82\xac", 5, "ab", false}, {"ab\xe2\x82\xac" "c", 6, "ab\xe2\x82\xac", false},
};

Test(text, copy_says_whether_it_fits_and_keeps_characters_whole)
{
    for (size_t i = 0; i < countof(copies); i++) {
        char to[16];
        memset(to, '#', sizeof(to));
        cr_expect_eq(text_copy(to, copies[i].size, copies[i].from), copies[i].whole, "row %zu", i);
        cr_expect_str_eq(to, copies[i].to, "row %zu", i);
        cr_expect_eq(to[copies[i].size], '#', "row %zu", i);
    }
}

static const char *next_word(void *context, size_t index)
{
    return ((const char *const *)context)[index];
}

static const char *const verbs[] = {"request", "status", "show", "extend", "release",
                                    "cleanup", "history", "run", "batch", "list", NULL};
static const char *const names[] = {"Gpu-Master", "gpu1", "gpu2", "n\xc3\xb6rdlich", NULL};
static const char *const export[] = {"explain", "export", "exploit", NULL};

static const struct {
    const char *const *words;
    const char *word, *nearest;
} nearest[] = {
    {verbs, "relase", "release"},   {verbs, "realese", "release"}, {verbs, "sttaus", "status"},
    {verbs, "statsu", "status"},    {verbs, "satus", "status"},    {verbs, "STATUS", "status"},
    {verbs, "Shwo", "show"},        {verbs, "lst", "list"},        {verbs, "ls", NULL},
    {verbs, "rel", "release"},      {verbs, "hist", "history"},    {verbs, "re", NULL},
    {verbs, "rnu", "run"},          {verbs, "ru", "run"},            {verbs, "clean", "cleanup"},
    {verbs, "rn", "run"},           {verbs, "nr", NULL},           {verbs, "rx", NULL},
    {verbs, "delete", NULL},        {verbs, "xyz", NULL},          {verbs, "", NULL},
    {verbs, "requestt", "request"}, {verbs, "releasing", "release"}, {verbs, "histroy", "history"},
    {names, "gpu-mastr", "Gpu-Master"}, {names, "gpu3", "gpu1"},   {names, "gpu2x", "gpu2"},
    {names, "n\xc3\xb6rdlch", "n\xc3\xb6rdlich"},
    {export, "expl", "explain"},    {export, "expor", "export"},   {export, "exprot", "export"},
    {export, "explait", "explain"}, {export, "exploi", "exploit"},
};

Test(text, nearest_finds_slips_of_the_hand)
{
    for (size_t i = 0; i < countof(nearest); i++) {
        const char *found = text_nearest(nearest[i].word, next_word, (void *)nearest[i].words);
        cr_expect_str_eq(found ? found : "-", nearest[i].nearest ? nearest[i].nearest : "-",
                         "'%s': '%s'", nearest[i].word, found ? found : "(none)");
    }
    char longest[200] = "";
    memset(longest, 'a', sizeof(longest) - 1);
    const char *const words[] = {longest, longest + 199 - 64, longest + 199 - 65, "b", NULL};
    cr_expect_null(text_nearest(longest, next_word, (void *)words));
    cr_expect_eq(text_nearest(longest + 199 - 64, next_word, (void *)words), words[1]);

    struct grid_error err = {0};
    cr_expect_eq(text_unknown("verb", "re\x1bquest", next_word, (void *)verbs, &err), GRID_EUSAGE);
    cr_expect_str_eq(err.message, "unknown verb 're\\x1bquest'");
    cr_expect_str_eq(err.hint, "did you mean 'request'?");
    cr_expect_eq(text_unknown("word", "zzz", next_word, (void *)export, &err), GRID_EUSAGE);
    cr_expect_str_eq(err.hint, "known: explain, export, exploit");
    cr_expect_eq(text_unknown("word", "zzz", next_word, (void *)export, NULL), GRID_EUSAGE);

    size_t index = 9;
    cr_expect_eq(text_choice("word", "expl", next_word, (void *)export, &index, &err), GRID_EUSAGE);
    cr_expect_str_eq(err.hint, "did you mean 'explain'?");
    cr_expect_eq(index, 9);
    cr_expect_eq(text_choice("word", "EXPLOIT", next_word, (void *)export, &index, NULL), 0);
    cr_expect_eq(index, 2);
}

Test(text, arrays_grow)
{
    grid_auto_free int64_t *array = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < 1000; i++) {
        cr_assert_eq(array_reserve(&array, &capacity, i + 1, sizeof(*array)), 0);
        array[i] = (int64_t)i;
    }
    cr_expect(capacity == 1024 && array[0] == 0 && array[999] == 999);
    cr_expect_eq(array_reserve(&array, &capacity, SIZE_MAX, 1), GRID_ENOMEM);
    cr_expect_eq(array_reserve(&array, &capacity, SIZE_MAX / 2, sizeof(*array)), GRID_ENOMEM);
    cr_expect(capacity == 1024 && array[999] == 999);
}

static const struct {
    const char *a, *b;
    bool same;
} pairs[] = {
    {"", "", true},       {"cpu", "CPU", true}, {"HIGH", "high", true}, {"a", "ab", false},
    {"ab", "a", false},   {"a", "", false},     {"@", "`", false},      {"[", "{", false},
    {"\xc3\x84", "\xc3\xa4", false},
};

Test(text, same_heeds_ascii_only)
{
    for (size_t i = 0; i < countof(pairs); i++)
        cr_expect_eq(text_same(pairs[i].a, pairs[i].b), pairs[i].same, "row %zu", i);
}

static const struct {
    const char *text;
    int64_t least, most, number;
    const char *message; /* NULL: it is read */
} integers[] = {
    {"0", 0, 9, 0, NULL},
    {"007", 0, 9, 7, NULL},
    {"9223372036854775807", 0, INT64_MAX, INT64_MAX, NULL},
    {"9223372036854775808", 0, INT64_MAX, 0, "n '9223372036854775808' is more than "
                                             "9223372036854775807"},
    {"99999999999999999999999", 1, 5, 0, "n '99999999999999999999999' is more than 5"},
    {"6", 1, 5, 0, "n '6' is more than 5"},
    {"0", 1, 5, 0, "n '0' is less than 1"},
    {"", 1, 5, 0, "n '' is not a whole number"},
    {"-1", -5, 5, 0, "n '-1' is not a whole number"},
    {"+1", 1, 5, 0, "n '+1' is not a whole number"},
    {" 1", 1, 5, 0, "n ' 1' is not a whole number"},
    {"1x", 1, 5, 0, "n '1x' is not a whole number"},
    {"1.0", 1, 5, 0, "n '1.0' is not a whole number"},
    {"1\n", 1, 5, 0, "n '1\\n' is not a whole number"},
};

Test(text, integer_takes_digits_only)
{
    for (size_t i = 0; i < countof(integers); i++) {
        struct grid_error err = {0};
        int64_t number = -77;
        int rc = text_integer(integers[i].text, integers[i].least, integers[i].most, "n", &number,
                              &err);
        cr_expect_eq(rc, integers[i].message ? GRID_EUSAGE : 0, "row %zu", i);
        cr_expect_eq(number, integers[i].message ? -77 : integers[i].number, "row %zu", i);
        cr_expect_str_eq(err.message, integers[i].message ? integers[i].message : "");
    }
}
