/* Words as a shell divides them, and lines of whatever size from a file or a pipe. */
#include <criterion/criterion.h>

#include "util/words.h"

#include <stdio.h>
#include <unistd.h>

static const struct {
    const char *line, *words; /* each in <> */
    const char *error;        /* instead */
} splits[] = {
    {"", "", NULL},
    {" \t ", "", NULL},
    {"# all of it", "", NULL},
    {"  # request a cpu 1", "", NULL},
    {"request a cpu 1", "<request><a><cpu><1>", NULL},
    {"\trequest  a\tcpu 1 ", "<request><a><cpu><1>", NULL},
    {"a # b", "<a>", NULL},
    {"a#b #c", "<a#b>", NULL},
    {"a '#' \"#\" \\#", "<a><#><#><#>", NULL},
    {"--reason 'two words' x", "<--reason><two words><x>", NULL},
    {"--reason=\"two words\"'s' x", "<--reason=two wordss><x>", NULL},
    {"'' \"\" a''", "<><><a>", NULL},
    {"'a\"b' \"a'b\"", "<a\"b><a'b>", NULL},
    {"a\\ b \\' \\\" \\\\", "<a b><'><\"><\\>", NULL},
    {"'a\\b' \"a\\b\"", "<a\\b><a\\b>", NULL},
    {"\"\\\" \\\\ \\$ \\`\"", "<\" \\ $ `>", NULL},
    {"$HOME *.c ~ `id` ; > x | y &", "<$HOME><*.c><~><`id`><;><>><x><|><y><&>", NULL},
    {"n\xc5\x93ud", "<n\xc5\x93ud>", NULL},
    {"a 'b", NULL, "column 3: the quote is not closed"},
    {"a \"b\\\"", NULL, "column 3: the quote is not closed"},
    {"\xc5\x93\xc5\x93 x'", NULL, "column 5: the quote is not closed"},
    {"'a b' '", NULL, "column 7: the quote is not closed"},
    {"'", NULL, "column 1: the quote is not closed"},
    {"a b\\", NULL, "column 4: nothing follows the backslash"},
};

Test(words, divides_as_a_shell_does)
{
    for (size_t i = 0; i < countof(splits); i++) {
        grid_auto_free char *line = strdup(splits[i].line);
        grid_auto_free char **words = calloc(words_most(strlen(line)), sizeof(*words));
        grid_auto_buffer struct buffer found = BUFFER_INIT;
        struct grid_error err = {0};
        size_t count = 99;
        int rc = words_split(line, words, &count, &err);

        if (splits[i].error) {
            cr_expect_eq(rc, GRID_EUSAGE, "%s", splits[i].line);
            cr_expect_str_eq(err.message, splits[i].error);
            continue;
        }
        cr_assert_eq(rc, 0, "%s: %s", splits[i].line, err.message);
        cr_expect_null(words[count]);
        for (size_t j = 0; j < count; j++)
            buffer_format(&found, "<%s>", words[j]);
        cr_expect_str_eq(buffer_string(&found) ? found.data : "", splits[i].words, "%s",
                         splits[i].line);
    }
}

Test(words, has_room_for_the_most)
{
    char line[] = "a b c d e", *words[8];
    size_t count;

    cr_expect_eq(words_most(strlen(line)), 6);
    cr_expect_eq(words_split(line, words, &count, NULL), 0);
    cr_expect_eq(count, 5);
}

/* --- lines ---------------------------------------------------------------------------------- */

static FILE *file_of(const void *bytes, size_t length)
{
    FILE *file = tmpfile();

    cr_assert(file && fwrite(bytes, 1, length, file) == length && fflush(file) == 0);
    rewind(file);
    return file;
}

static void expect_lines(const char *what, const void *bytes, size_t length, const char *expected)
{
    FILE *file = file_of(bytes, length);
    struct lines lines = {.fd = fileno(file)};
    grid_auto_buffer struct buffer found = BUFFER_INIT;
    struct grid_error err;
    char *line;
    int rc;

    while ((rc = lines_next(&lines, -1, &line, &err)) != 0 && found.length < 1000) {
        if (rc > 0)
            buffer_format(&found, "%zu:%.20s;", lines.number, line);
        else
            buffer_format(&found, "%zu!%s;", lines.number, err.message);
    }
    cr_expect(lines.ended, "%s", what);
    cr_expect_eq(lines_next(&lines, -1, &line, &err), 0, "%s", what);
    cr_expect_str_eq(buffer_string(&found) ? found.data : "", expected, "%s", what);
    lines_release(&lines);
    fclose(file);
}

Test(lines, come_one_after_the_other)
{
#define LINES(text, expected) expect_lines(text, text, sizeof(text) - 1, expected)
    LINES("", "");
    LINES("a", "1:a;");
    LINES("a\n", "1:a;");
    LINES("a\n\nb", "1:a;2:;3:b;");
    LINES("a\r\nb\r\n\r\n", "1:a;2:b;3:;");
    LINES("a\rb\n", "1:a\rb;");
    LINES("a\0b\nc\n", "1!it has a NUL byte;2:c;");
    LINES("a\n\0", "1:a;2!it has a NUL byte;");
}

/* Lines of about the size of the window, first and behind others, with an end and without. */
Test(lines, may_have_64_KiB)
{
    static const size_t sizes[] = {LINES_LENGTH_MAX - 1, LINES_LENGTH_MAX, LINES_LENGTH_MAX + 1,
                                   LINES_LENGTH_MAX + 2, 3 * LINES_LENGTH_MAX};

    for (size_t i = 0; i < countof(sizes); i++) {
        for (int shape = 0; shape < 4; shape++) {
            grid_auto_buffer struct buffer text = BUFFER_INIT;
            bool fits = sizes[i] <= LINES_LENGTH_MAX, behind = shape & 1, ends = shape & 2;
            char expected[200], what[100];

            buffer_text(&text, behind ? "first\n" : "");
            for (size_t left = sizes[i]; left > 0; left--)
                buffer_text(&text, "x");
            buffer_text(&text, ends ? "\nlast\n" : "");
            snprintf(expected, sizeof(expected), "%s%d%s;", behind ? "1:first;" : "", 1 + behind,
                     fits ? ":xxxxxxxxxxxxxxxxxxxx" : "!it is longer than 65536 bytes");
            if (ends)
                snprintf(expected + strlen(expected), 20, "%d:last;", 2 + behind);
            snprintf(what, sizeof(what), "%zu bytes, shape %d", sizes[i], shape);
            expect_lines(what, text.data, text.length, expected);
        }
    }
}

Test(lines, do_not_wait_longer_than_they_may)
{
    int ends[2];
    char *line;
    struct grid_error err;

    cr_assert_eq(pipe(ends), 0);
    struct lines lines = {.fd = ends[0]};
    cr_expect_eq(lines_next(&lines, 0, &line, &err), 0);
    cr_expect_not(lines.ended);
    cr_assert_eq(write(ends[1], "a\nb", 3), 3);
    cr_expect_eq(lines_next(&lines, 0, &line, &err), 1);
    cr_expect_str_eq(line, "a");
    cr_expect_eq(lines_next(&lines, 1, &line, &err), 0, "half a line");
    cr_assert_eq(write(ends[1], "c\n", 2), 2);
    cr_expect_eq(lines_next(&lines, 1000, &line, &err), 1);
    cr_expect_str_eq(line, "bc");
    close(ends[1]);
    cr_expect_eq(lines_next(&lines, -1, &line, &err), 0);
    cr_expect(lines.ended);
    cr_expect_eq(lines.number, 2);
    lines_release(&lines);
    close(ends[0]);
}
