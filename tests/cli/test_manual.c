/* The manual says what the program does: every option, every exit status. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "grid/error.h"

TestSuite(manual, .init = cli_begin, .fini = cli_end);

/* A page as a terminal shows it, without emphasis. */
static const char *page(const char *name)
{
    struct cli_result result = cli_with((struct cli_options){.plain = true}, "mandoc -Tascii %s",
                                        cli_source(cli_format("man/%s.1", name)));
    char *to = (char *)result.out;

    cr_assert_eq(result.status, 0, "man/%s.1: %s", name, result.err);
    for (const char *from = result.out; *from; from++) {
        if (*from == '\b' && to > result.out)
            to--;
        else
            *to++ = *from;
    }
    *to = '\0';
    return result.out;
}

/* Does the text have this option, and not only a longer one that begins so? */
static bool has_option(const char *text, const char *option)
{
    size_t length = strlen(option);

    for (const char *at = strstr(text, option); at; at = strstr(at + 1, option))
        if (!isalnum((unsigned char)at[length]) && at[length] != '-')
            return true;
    return false;
}

/* Lines of `grid __options`: "noun verb --option", "--option" for the global ones. */
Test(manual, has_every_option)
{
    const char *globals = page("grid"), *text = "", *last = "";
    struct cli_result options = cli("__options");
    int count = 0;

    cli_expect(options, 0);
    for (char *line = strtok((char *)options.out, "\n"); line; line = strtok(NULL, "\n")) {
        const char *option = strstr(line, "--");
        const char *noun = cli_format("%.*s", (int)strcspn(line, " "), line);
        const char *verb = cli_format("%.*s", (int)strcspn(line, "-"), line);

        if (option == line || !option) {
            cr_expect(!option || has_option(globals, option), "%s is not in grid.1", line);
            continue;
        }
        if (strcmp(noun, last) != 0)
            text = page(cli_format("grid-%s", noun));
        last = noun;
        cr_expect(has_option(text, option), "%s is not in grid-%s.1", line, noun);
        cr_expect(strstr(text, cli_format("%.*s", (int)strlen(verb) - 1, verb)) != NULL,
                  "%s is not in grid-%s.1", verb, noun);
        count++;
    }
    cr_expect(count > 15, "only %d options", count);
}

/* Without white space and quotes, so that neither lines nor fonts matter. */
static const char *squeezed(const char *text)
{
    char *copy = (char *)cli_format("%s", text), *to = copy;

    for (const char *from = text; *from; from++)
        if (!isspace((unsigned char)*from) && !strchr("'`\"", *from))
            *to++ = *from;
    *to = '\0';
    return copy;
}

Test(manual, has_every_exit_status)
{
    const char *text = squeezed(page("grid"));

#define EXPECT_CODE(name, status, word, meaning)                                                 \
    cr_expect(strstr(text, squeezed(#status word meaning)) != NULL, "grid.1 has not: %s %s %s",  \
              #status, word, meaning);
    GRID_CODES(EXPECT_CODE)
#undef EXPECT_CODE
}

Test(manual, is_clean)
{
    struct cli_result result = cli_shell("cd '%s'; mandoc -Tlint -Wwarning man/*.[1-9]",
                                         cli_source("."));

    cli_expect(result, 0);
}
