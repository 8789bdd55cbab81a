/* Any bytes as a batch: its lines are those that it has, its words those that a shell would make,
 * and each line can be read as a call and be tried. */
#include "cmd/boost_line.h"
#include "fuzz/fuzz.h"
#include "util/file.h"
#include "util/words.h"

#include <sys/mman.h>

#define LONGEST 4096

/* --- words ---------------------------------------------------------------------------------- */

/* As words_split takes it back. */
static void quote(struct buffer *out, const char *word)
{
    buffer_text(out, out->length > 0 ? " '" : "'");
    for (; *word; word++)
        buffer_add(out, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
    buffer_text(out, "'");
}

static void check_words(const char *line)
{
    size_t length = strlen(line), count, again;
    struct grid_error err = {0};
    grid_auto_buffer struct buffer quoted = BUFFER_INIT;
    grid_auto_free char *copy = fuzz_text(line, length);
    grid_auto_free char **words = malloc(words_most(length) * sizeof(*words));
    if (words_split(copy, words, &count, &err) < 0)
        return;
    fuzz_check(count + 1 <= words_most(length), "%zu words in %zu bytes", count, length);
    for (size_t i = 0; i < count; i++)
        quote(&quoted, words[i]);
    grid_auto_free char *second = fuzz_text(buffer_string(&quoted), quoted.length);
    grid_auto_free char **same = malloc(words_most(quoted.length) * sizeof(*same));
    int rc = words_split(second, same, &again, &err);
    fuzz_check(rc == 0 && count == again, "%zu words, %zu when quoted: %s", count, again,
               err.message);
    for (size_t i = 0; i < count; i++)
        fuzz_check(strcmp(words[i], same[i]) == 0, "'%s' becomes '%s'", words[i], same[i]);
}

/* --- lines ---------------------------------------------------------------------------------- */

static void try_line(struct cmd *outer, const char *text, size_t number)
{
    struct grid_error err = {0};
    struct boost_line line = {0};
    boost_line_begin(&line, outer, number);
    line.rc = boost_line_read(&line, outer, text, &line.err);
    fuzz_check(line.rc >= 0 || line.err.message[0], "code %d and no message", line.rc);
    if (line.rc == 0) {
        int rc = grid_ledger_batch(outer->store, &line.op.op, 1, false, true, &err);
        fuzz_check(rc == 0, "%s: %s", text, err.message);
        fuzz_check(line.op.op.rc != GRID_EINTERNAL, "%s: %s", text, line.op.op.err.message);
    }
    boost_line_release(&line);
}

/* What lines_next hands out next; the end of it. */
static const char *check_line(const char *at, const char *end, int rc, const char *got)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at)) ?: end;
    size_t length = (size_t)(stop - at);
    if (memchr(at, '\0', length)) {
        fuzz_check(rc == GRID_EUSAGE, "a NUL byte is taken");
    } else {
        length -= length > 0 && at[length - 1] == '\r';
        fuzz_check(rc == 1 && strlen(got) == length && memcmp(got, at, length) == 0,
                   "line '%.*s' is '%s'", (int)length, at, rc == 1 ? got : "");
    }
    return stop < end ? stop + 1 : end;
}

static struct cmd *outer_call(void)
{
    static struct cmd cmd;
    struct grid_error err = {0};
    if (cmd.store)
        return &cmd;
    cmd.out = cmd.details = cmd.sheet.text = BUFFER_INIT;
    cmd.noun = cmd_nouns;
    cmd.silent = cmd.hooks.looked = true;
    snprintf(cmd.settings.store, sizeof(cmd.settings.store), "memory:batch");
    fuzz_check(strcmp(cmd.noun->name, "boost") == 0, "the first noun is '%s'", cmd.noun->name);
    cmd_user(&cmd), cmd_host(&cmd);
    fuzz_check(cmd_store(&cmd, &err) == 0, "%s", err.message);
    return &cmd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > LONGEST)
        return 0;
    char *text;
    struct grid_error err = {0};
    struct lines lines = {.fd = memfd_create("batch", MFD_CLOEXEC)};
    fuzz_check(lines.fd >= 0 && file_write_all(lines.fd, data, size) == 0, "no file in memory");
    lseek(lines.fd, 0, SEEK_SET);
    const char *at = (const char *)data, *end = at + size;
    for (size_t count = 1; at < end; count++) {
        int rc = lines_next(&lines, -1, &text, &err);
        fuzz_check(lines.number == count, "line %zu is %zu", count, lines.number);
        at = check_line(at, end, rc, text);
        if (rc == 1) {
            check_words(text);
            try_line(outer_call(), text, count);
        }
    }
    fuzz_check(lines_next(&lines, -1, &text, &err) == 0, "a line behind the end");
    close(lines.fd);
    lines_release(&lines);
    return 0;
}
