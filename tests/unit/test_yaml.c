/* YAML read flat: paths, places, and what is refused. */
#include "util/yaml.h"

#include "util/text.h"

#include <criterion/criterion.h>
#include <string.h>

static int add_leaf(void *context, const struct yaml_leaf *leaf, struct grid_error *err)
{
    (void)err;
    buffer_format(context, "%s=%s@%zu:%zu%s%s%s ", leaf->path, leaf->text, leaf->line,
                  leaf->column, leaf->is_null ? "N" : "", leaf->is_quoted ? "Q" : "",
                  leaf->is_empty ? "E" : "");
    return 0;
}

static const struct {
    const char *text;
    int rc;
    const char *expected; /* leaves, or the message */
} cases[] = {
    {"", 0, ""},
    {"# nothing\n", 0, ""},
    {"{}", 0, ""},
    {"a: 1\nb: \"x y\"\n", 0, "a=1@1:4 b=x y@2:4Q "},
    {"a:\nb: ~\nc: null\nd: 'null'\n", 0, "a=@1:3N b=~@2:4N c=null@3:4N d=null@4:4Q "},
    {"n:\n  - {x: 1, y: [p, q]}\n  - x: 2\n", 0,
     "n[0].x=1@2:9 n[0].y[0]=p@2:16 n[0].y[1]=q@2:19 n[1].x=2@3:8 "},
    {"a: []\nb: {}\n", 0, "a=@1:4E b=@2:4E "},
    {"a: &v 3\nb: *v\n", 0, "a=3@1:4 b=3@1:4 "},
    {"a.b: 1\n'': {'c[0]': 2}\n", 0, "'a.b'=1@1:6 ''.'c[0]'=2@2:14 "},
    {"\"a\\0b\": 1\n", GRID_EUSAGE, "f:1:1: a key that is no word"},
    {"- a\n", GRID_EUSAGE, "f:1:1: not a mapping of keys to values"},
    {"a: 1\nb: 2\na: 3\n", GRID_EUSAGE, "f:3:1: 'a' comes twice"},
    {"a: 1\n---\nb: 2\n", GRID_EUSAGE, "f:2:1: a second document"},
    {"a: [1\n", GRID_EUSAGE, "f:2:1: "},
    {"[a]: 1\n", GRID_EUSAGE, "f:1:1: "},
    {"? [a]\n: 1\n", GRID_EUSAGE, "f:1:3: a key that is no word"},
    {"a: &a [*a]\n", GRID_EUSAGE, "nested too deep"},
    {"\xff\xfe\xff", GRID_EUSAGE, "f:1:1: "},
};

Test(yaml, says_what_stands_where)
{
    for (size_t i = 0; i < countof(cases); i++) {
        grid_auto_buffer struct buffer leaves = BUFFER_INIT;
        struct grid_error err = {0};
        int rc = yaml_read("f", cases[i].text, strlen(cases[i].text), add_leaf, &leaves, &err);
        cr_expect_eq(rc, cases[i].rc, "%zu: %d, %s", i, rc, err.message);
        const char *got = rc < 0 ? err.message : buffer_string(&leaves);
        if (rc < 0)
            cr_expect(strstr(got, cases[i].expected), "%zu: %s", i, got);
        else
            cr_expect_str_eq(got, cases[i].expected, "%zu: %s", i, got);
    }
}

static int add_steps(void *context, const struct yaml_leaf *leaf, struct grid_error *err)
{
    (void)err;
    const struct yaml_step *step = leaf->steps;
    for (const char *at = leaf->path; *at; at += 1 + strcspn(at + 1, ".["), step++)
        buffer_format(context, "%s@%zu:%zu ", step->key ? step->key : "-", step->line,
                      step->column);
    return 0;
}

Test(yaml, says_where_each_step_of_a_path_stands)
{
    static const char text[] = "a: {b: [c]}\nd:\n- - e\n";
    grid_auto_buffer struct buffer steps = BUFFER_INIT;
    struct grid_error err = {0};
    cr_expect_eq(yaml_read("f", text, strlen(text), add_steps, &steps, &err), 0);
    cr_expect_str_eq(buffer_string(&steps),
                     "a@1:1 b@1:5 -@1:9 d@2:1 -@3:3 -@3:5 ", "%s", steps.data);
}

static int stop(void *context, const struct yaml_leaf *leaf, struct grid_error *err)
{
    (void)leaf;
    (void)err;
    return ++*(int *)context == 2 ? 7 : 0;
}

Test(yaml, stops_when_told)
{
    struct grid_error err = {0};
    int count = 0;
    cr_expect_eq(yaml_read("f", "a: 1\nb: 2\nc: 3\n", 15, stop, &count, &err), 7);
    cr_expect_eq(count, 2);
}
