/* grid boost batch: many requests, releases and extensions, few commits. */
#include "cmd/boost_line.h"
#include "util/file.h"
#include "util/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define CHUNK_LINES 500      /* in one commit, and in one piece of memory */
#define ATOMIC_CHUNKS 20     /* in one commit with --atomic; each takes about 8 MiB */
#define LARGE_PAGE ((size_t)2 << 20)
#define PAUSE_MS 10          /* after which a producer is taken to wait for its results */

/* Zeroed memory in large pages, if the system has them: touching small ones one by one would take
 * as long as everything else that is done with a line. */
struct large {
    void *memory; /* for free */
    void *at;
};

static void *allocate(struct large *ret, size_t size)
{
    size = (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    char *memory = calloc(1, size + LARGE_PAGE); /* what is not touched costs nothing */
    if (!memory)
        return NULL;
    ret->memory = memory;
    ret->at = memory + (LARGE_PAGE - (uintptr_t)memory % LARGE_PAGE);
    (void)madvise(ret->at, size, MADV_HUGEPAGE);
    return ret->at;
}

static void free_large(struct large *large)
{
    free(large->memory);
    *large = (struct large){0};
}
#define auto_large __attribute__((cleanup(free_large)))

struct batch {
    struct cmd *cmd;
    struct lines lines;
    bool atomic;
    struct large chunks[ATOMIC_CHUNKS]; /* of struct boost_line; without --atomic only the first */
    size_t count;
    size_t done;        /* lines that came off, in all */
    bool begun, noted;  /* the headings of csv, or of the document; that nothing is checked */
    struct json json;
};

static struct boost_line *line_at(const struct batch *batch, size_t index)
{
    return (struct boost_line *)batch->chunks[index / CHUNK_LINES].at + index % CHUNK_LINES;
}

/* Given back whole: it would have to be cleared. */
static void free_chunks(struct batch *batch)
{
    while (batch->count > 0)
        boost_line_release(line_at(batch, --batch->count));
    for (size_t i = 0; i < ATOMIC_CHUNKS; i++)
        free_large(&batch->chunks[i]);
}

static void release_batch(struct batch *batch)
{
    free_chunks(batch);
    lines_release(&batch->lines);
    if (batch->lines.fd > STDIN_FILENO)
        close(batch->lines.fd);
}
#define auto_batch __attribute__((cleanup(release_batch)))

/* --- a chunk: as many lines as are there, up to CHUNK_LINES; with --atomic all --------------- */

/* Takes the line `text`, or what reading it has come to. */
static int add_line(struct batch *batch, const char *text, int read_rc,
                    const struct grid_error *read_err, struct grid_error *err)
{
    struct large *chunk = &batch->chunks[batch->count / CHUNK_LINES];
    if (!chunk->at && !allocate(chunk, CHUNK_LINES * sizeof(struct boost_line)))
        return grid_error_set(err, GRID_ENOMEM, "no memory for the batch");
    struct boost_line *line = line_at(batch, batch->count);
    boost_line_begin(line, batch->cmd, batch->lines.number);
    line->rc = read_rc;
    if (text)
        line->rc = boost_line_read(line, batch->cmd, text, &line->err);
    else
        line->err = *read_err;
    batch->cmd->hooks.there &= line->cmd.hooks.there;
    if (line->rc > 0)
        boost_line_release(line);
    batch->count += line->rc <= 0;
    return 0;
}

static int last_rc(const struct batch *batch)
{
    return batch->count > 0 ? line_at(batch, batch->count - 1)->rc : 0;
}

static int read_chunk(struct batch *batch, struct grid_error *err)
{
    size_t most = batch->atomic ? ATOMIC_CHUNKS * CHUNK_LINES : CHUNK_LINES;
    while (batch->count < most) {
        struct grid_error why = {0};
        char *text = NULL;
        int rc = lines_next(&batch->lines, batch->atomic || batch->count == 0 ? -1 : PAUSE_MS,
                            &text, &why);
        if (rc == 0)
            return 0;
        if (rc < 0 && rc != GRID_EUSAGE)
            return *err = why, rc;
        rc = add_line(batch, text, rc, &why, err);
        if (rc < 0 || (batch->atomic && last_rc(batch) < 0))
            return rc;
    }
    return 0;
}

/* Does every line that could be read. What one of them came to is in its rc. */
static int commit(struct batch *batch, struct grid_error *err)
{
    size_t count = 0;
    auto_large struct large memory = {0};
    struct grid_op *ops = allocate(&memory, (batch->count + 1) * sizeof(*ops));
    if (!ops)
        return grid_error_set(err, GRID_ENOMEM, "no memory for the batch");
    for (size_t i = 0; i < batch->count; i++)
        if (line_at(batch, i)->rc == 0)
            ops[count++] = line_at(batch, i)->op.op;
    if (count == 0)
        return 0;
    int rc = grid_ledger_batch(batch->cmd->store, ops, count, batch->atomic, false, err);
    count = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (line_at(batch, i)->rc == 0)
            line_at(batch, i)->op.op = ops[count++];
    return rc;
}

/* --- results -------------------------------------------------------------------------------- */

static void begin_document(struct batch *batch)
{
    if (batch->begun || batch->cmd->settings.format != FORMAT_JSON)
        return;
    batch->begun = true;
    batch->json = json_begin(&batch->cmd->out, 0);
    json_open(&batch->json, '{');
    json_key(&batch->json, "schema");
    json_int(&batch->json, 1);
    json_key(&batch->json, "results");
    json_open(&batch->json, '[');
}

static int add_member(void *context, struct span key, struct span value, struct grid_error *err)
{
    (void)err;
    struct json *json = context;
    if (!json_is(key, "schema")) {
        json_key_raw(json, key);
        json_reprint(json, value);
    }
    return 0;
}

static void print_failure(struct json *json, const struct boost_line *line)
{
    const struct grid_error *err = &line->err;
    const struct buffer *details = &line->cmd.details;
    json_key(json, "error");
    json_open(json, '{');
    json_key(json, "code");
    json_string(json, grid_code_word(err->code));
    json_key(json, "message");
    json_string(json, err->message);
    if (err->hint[0])
        json_put_text(json, "hint", err->hint);
    if (details->length > 0 && !details->error) {
        json_key(json, "details");
        json_reprint(json, (struct span){details->data, details->length});
    }
    json_close(json, '}');
}

/* {"line":3,"status":0,...}: the members of the document that the line alone would have printed. */
static void print_document(struct batch *batch, struct boost_line *line)
{
    const struct buffer *out = &line->cmd.out;
    bool lines = batch->cmd->settings.format == FORMAT_JSONL;
    struct json one = json_begin(&batch->cmd->out, -1), *json = lines ? &one : &batch->json;
    json_open(json, '{');
    json_key(json, "line");
    json_int(json, (int64_t)line->cmd.line);
    json_key(json, "status");
    json_int(json, line->rc < 0 ? grid_code_status(line->rc) : 0);
    if (line->rc < 0)
        print_failure(json, line);
    else if (out->length > 0 && !out->error)
        json_object((struct span){out->data, out->length - 1}, add_member, json, NULL);
    json_close(json, '}');
    buffer_text(&batch->cmd->out, lines ? "\n" : "");
}

static void print_text(struct batch *batch, struct boost_line *line)
{
    const char *text = line->cmd.out.data;
    size_t length = line->cmd.out.length, skip = 0;
    if (line->cmd.settings.format == FORMAT_CSV && !cmd_value(&line->cmd, "no-headings")) {
        const char *end = batch->begun && length > 0 ? memchr(text, '\n', length) : NULL;
        skip = end ? (size_t)(end + 1 - text) : 0;
        batch->begun = true;
    }
    buffer_add(&batch->cmd->out, text + skip, length - skip);
}

static void tell_failure(struct batch *batch, const struct boost_line *line)
{
    struct cmd *cmd = batch->cmd;
    output_error(&line->cmd, &line->err);
    cmd->status = cmd->status ? cmd->status : grid_code_status(line->rc);
}

static void print_line(struct batch *batch, struct boost_line *line)
{
    int64_t format = batch->cmd->settings.format;
    bool unchecked = line->rc == 0 && line->op.op.request && line->op.grant.unchecked;
    line->cmd.settings.quiet |= unchecked && batch->noted; /* one such note will do */
    batch->noted |= unchecked;
    line->cmd.hooks = batch->cmd->hooks;
    if (line->rc == 0)
        line->rc = boost_op_print(&line->cmd, &line->op, &line->err);
    if (line->rc < 0)
        tell_failure(batch, line);
    else
        batch->done++;
    if (format == FORMAT_JSON || format == FORMAT_JSONL)
        print_document(batch, line);
    else if (line->rc >= 0)
        print_text(batch, line);
    if (line->cmd.out.error && !batch->cmd->out.error)
        batch->cmd->out.error = line->cmd.out.error;
}

/* The whole chunk did not come off: the lines that could not even be read have their own errors. */
static void tell_unread(struct batch *batch, struct grid_error *err)
{
    size_t first = line_at(batch, 0)->cmd.line, last = line_at(batch, batch->count - 1)->cmd.line;
    for (size_t i = 0; i < batch->count; i++)
        if (line_at(batch, i)->rc < 0)
            tell_failure(batch, line_at(batch, i));
    grid_error_wrap(err, "lines %zu to %zu were not done", first, last);
}

/* For the case that results cannot be printed, or no more lines be read. */
static void note_done(struct batch *batch)
{
    struct cmd *cmd = batch->cmd;
    if (batch->done > 0)
        snprintf(cmd->done, sizeof(cmd->done), "%zu line%s up to line %zu %s done", batch->done,
                 batch->done == 1 ? "" : "s", batch->lines.number,
                 batch->done == 1 ? "was" : "were");
}

/* Of each or, with EUNKNOWN, of what may have been done. */
static void print_chunk(struct batch *batch)
{
    hooks_run(batch->cmd);
    begin_document(batch);
    for (size_t i = 0; i < batch->count; i++)
        print_line(batch, line_at(batch, i));
    note_done(batch);
}

/* --- the verb ------------------------------------------------------------------------------- */

static int open_input(const struct cmd *cmd, int *ret_fd, struct grid_error *err)
{
    const char *path = cmd->argument_count > 0 ? cmd->arguments[0] : "-";
    struct stat status;
    if (strcmp(path, "-") == 0)
        return 0;
    *ret_fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool opened = *ret_fd >= 0;
    if (opened && (fstat(*ret_fd, &status) < 0 || !S_ISDIR(status.st_mode)))
        return 0;
    return grid_error_errno(err, GRID_EIO, opened ? EISDIR : errno, "cannot read '%s'",
                            text_shown(path));
}

/* One line that failed, and nothing is done: its error becomes that of the call. */
static int fail_atomic(struct batch *batch, int rc, struct grid_error *err)
{
    struct boost_line *line = NULL;
    size_t failed = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (line_at(batch, i)->rc < 0 || line_at(batch, i)->op.op.rc < 0) {
            line = line_at(batch, i);
            failed++;
        }
    if (failed != 1) /* it was not one line that failed, but the store */
        return rc;
    if (line->rc == 0)
        line->rc = boost_op_print(&line->cmd, &line->op, &line->err);
    *err = line->err;
    batch->cmd->in_file = true;
    batch->cmd->line = line->cmd.line;
    batch->cmd->details = line->cmd.details;
    line->cmd.details = BUFFER_INIT;
    return line->rc;
}

static int run_atomic(struct batch *batch, struct grid_error *err)
{
    int rc = read_chunk(batch, err);
    if (rc == 0 && batch->count == ATOMIC_CHUNKS * CHUNK_LINES && !batch->lines.ended)
        rc = grid_error_set(err, GRID_EUSAGE, "--atomic takes less than %d lines",
                            ATOMIC_CHUNKS * CHUNK_LINES);
    rc = rc ?: last_rc(batch);
    rc = rc ?: commit(batch, err);
    if (rc < 0 && rc != GRID_EUNKNOWN)
        return fail_atomic(batch, rc, err);
    print_chunk(batch);
    return rc;
}

static int do_chunk(struct batch *batch, struct grid_error *err)
{
    int rc = commit(batch, err);
    if (rc < 0 && rc != GRID_EUNKNOWN)
        tell_unread(batch, err);
    else
        print_chunk(batch);
    free_chunks(batch);
    if (!batch->lines.ended)
        buffer_flush(&batch->cmd->out);
    return rc;
}

static int run_chunks(struct batch *batch, struct grid_error *err)
{
    struct buffer *out = &batch->cmd->out;
    int rc = 0;
    begin_document(batch);
    out->fd = STDOUT_FILENO;
    while (rc == 0 && !batch->lines.ended && (!out->error || out->error == EPIPE)) {
        struct grid_error why = {0};
        int read_rc = read_chunk(batch, &why);
        if (batch->count > 0)
            rc = do_chunk(batch, err);
        if (rc == 0 && read_rc < 0)
            rc = grid_error_set(err, read_rc, "behind line %zu: %s%s%s", batch->lines.number,
                                why.message, batch->done > 0 ? "; " : "", batch->cmd->done);
    }
    return rc;
}

static int run_batch(struct cmd *cmd, struct grid_error *err)
{
    auto_batch struct batch batch = {.cmd = cmd, .atomic = cmd_value(cmd, "atomic")};
    int rc = open_input(cmd, &batch.lines.fd, err);
    if (rc < 0)
        return rc;
    (void)hooks_have(cmd, "pre-request");
    (void)cmd_user(cmd);
    (void)cmd_host(cmd);
    rc = (batch.atomic ? run_atomic : run_chunks)(&batch, err);
    if (cmd->settings.format == FORMAT_JSON && batch.begun) {
        json_close(&batch.json, ']');
        json_close(&batch.json, '}');
        buffer_text(&cmd->out, "\n");
    }
    if (rc < 0 && cmd->status) { /* the first failure's */
        output_error(cmd, err);
        return 0;
    }
    return rc;
}

static const struct cmd_option batch_options[] = {
    {"atomic", 0, NULL, "all of it or nothing, in one commit"},
    {0},
};

const struct cmd_verb boost_batch_verbs[] = {
    {.name = "batch", .arguments = "[FILE]",
     .summary = "Do many requests, releases and extensions, a line each",
     .options = batch_options, .rows = &rows_boosts,
     .examples = "  grid boost batch tonight.txt\n"
                 "  grid boost batch --atomic <<'END'\n"
                 "  request gpu-master gpu 1 --reason \"first half\"\n"
                 "  request gpu-slave gpu 1       # and the second\n"
                 "  END\n"
                 "  grid boost status -q | sed 's/^/release /' | grid boost batch -\n",
     .run = run_batch},
    {0},
};
