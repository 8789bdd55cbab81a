/* Notes, errors, and the result: stdout carries nothing else, and is written once, at the end. */
#include "cmd/cmd.h"
#include "util/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define LABEL_MAX 13 /* "Overcommitted" */
#define HINT_WIDTH 96

/* "line 3: " where there is one. */
static void add_place(const struct cmd *cmd, struct buffer *line)
{
    if (cmd->line > 0)
        buffer_format(line, "line %zu: ", cmd->line);
}

static bool is_json(const struct cmd *cmd)
{
    return cmd->settings.format == FORMAT_JSON || cmd->settings.format == FORMAT_JSONL;
}

/* A line that needs no memory: any message and its hint have room in it, escapes included. */
static struct buffer line_begin(void)
{
    static char room[10 * sizeof(struct grid_error)];
    return (struct buffer){.data = room, .capacity = sizeof(room), .fd = -1};
}

/* One line on stderr, in one write, so that lines of several commands do not mix. */
static void print_line(struct buffer *line)
{
    buffer_text(line, "\n");
    (void)file_write_all(STDERR_FILENO, line->data, line->length);
}

/* {"note":{"level":...}}: pairs of key and text up to a NULL; the line and `status` only if they
 * are not 0; `details` (or NULL) is JSON. */
static void print_json(const struct cmd *cmd, const char *name, int status,
                       const char *const (*pairs)[2], const struct buffer *details)
{
    bool whole = details && details->length > 0;
    struct buffer line = whole ? BUFFER_INIT : line_begin();
    const char *const (*const first)[2] = pairs;
    struct json json = json_begin(&line, -1);
    json_open(&json, '{');
    json_key(&json, name);
    json_open(&json, '{');
    if (cmd->line > 0) {
        json_key(&json, "line");
        json_int(&json, (int64_t)cmd->line);
    }
    if (status) {
        json_key(&json, "status");
        json_int(&json, status);
    }
    for (; (*pairs)[0]; pairs++) {
        json_key(&json, (*pairs)[0]);
        json_string(&json, (*pairs)[1]);
    }
    if (whole) {
        json_key(&json, "details");
        json_raw(&json, (struct span){details->data, details->length});
    }
    json_close(&json, '}');
    json_close(&json, '}');
    if (line.error)
        print_json(cmd, name, status, first, NULL); /* of these there is room for everything else */
    else
        print_line(&line);
    if (whole)
        buffer_release(&line);
}

void output_note(void *context, enum grid_note_level level, const char *text)
{
    static const char *const words[] = {"warning", "info", "verbose"};
    static const char *const prefixes[] = {"warning: ", "note: ", ""};
    const struct cmd *cmd = context;
    struct buffer line = line_begin();
    char shown[LINE_MAX_BYTES];
    if (cmd->silent || (level == GRID_NOTE_INFO && cmd->settings.quiet)
        || (level == GRID_NOTE_VERBOSE && !cmd->settings.verbose))
        return;
    if (is_json(cmd)) {
        print_json(cmd, "note", 0,
                   (const char *[][2]){{"level", words[level]}, {"message", text}, {0}}, NULL);
        return;
    }
    buffer_format(&line, "grid: %s", prefixes[level]);
    add_place(cmd, &line);
    buffer_text(&line, text_printable(text, shown, sizeof(shown)));
    print_line(&line);
}

void output_format(struct cmd *cmd, enum grid_note_level level, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    output_note(cmd, level, text);
}

/* A hint that lists many names goes on in the next line; what is quoted may be a command, and stays
 * in one. */
static void add_hint(struct buffer *line, const char *hint)
{
    while (strlen(hint) > HINT_WIDTH) {
        size_t length = 0;
        bool quoted = false;
        for (size_t i = 0; i < HINT_WIDTH || (length == 0 && hint[i]); i++) {
            quoted ^= hint[i] == '\'';
            length = hint[i] == ' ' && !quoted ? i : length;
        }
        if (length == 0)
            break;
        buffer_format(line, "\n%.*s", (int)length, hint);
        hint += length + 1;
    }
    buffer_format(line, "\n%s", hint);
}

/* Messages hold what users and files said; whoever wrote them may have forgotten text_shown. */
void output_error(const struct cmd *cmd, const struct grid_error *err)
{
    struct buffer line = line_begin();
    char shown[4 * sizeof(err->message)], where[128] = "";
    const char *hint = err->hint[0] ? err->hint : where;
    if (err->code == GRID_EUSAGE && !cmd->in_file)
        help_where(cmd, where, sizeof(where));
    if (is_json(cmd)) {
        print_json(cmd, "error", grid_code_status(err->code),
                   (const char *[][2]){{"code", grid_code_word(err->code)},
                                       {"message", err->message},
                                       {*hint ? "hint" : NULL, hint}, {0}},
                   &cmd->details);
        return;
    }
    buffer_text(&line, "grid: ");
    add_place(cmd, &line);
    buffer_text(&line, text_printable(err->message, shown, sizeof(shown)));
    if (err->hint[0])
        add_hint(&line, text_printable(err->hint, shown, sizeof(shown)));
    if (where[0])
        buffer_format(&line, "\n%s", where);
    print_line(&line);
}

/* --- asking ----------------------------------------------------------------------------------- */

bool output_can_ask(const struct cmd *cmd)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && !is_json(cmd);
}

bool output_ask(const char *question)
{
    struct buffer line = line_begin();
    char answer[16] = "", shown[LINE_MAX_BYTES];
    buffer_format(&line, "%s [y/N] ", text_printable(question, shown, sizeof(shown)));
    (void)file_write_all(STDERR_FILENO, line.data, line.length);
    return read(STDIN_FILENO, answer, sizeof(answer) - 1) > 0 /* a line of a terminal */
           && (text_same(answer, "y\n") || text_same(answer, "yes\n"));
}

/* --- the result ---------------------------------------------------------------------------- */

/* 0 or an errno value. What a file system says only at the close counts, too. */
static int write_result(struct buffer *out)
{
    int error = out->error;
    if (!error && out->length > 0)
        error = file_write_all(STDOUT_FILENO, out->data, out->length);
    if (close(STDOUT_FILENO) != 0 && !error && out->length > 0)
        error = errno;
    return error;
}

int output_finish(struct cmd *cmd, int rc, struct grid_error *err)
{
    int error = write_result(&cmd->out);
    if (rc >= 0 && error && error != EPIPE)
        rc = grid_error_errno(err, GRID_EINTERNAL, error, "%s%sthe result could not be printed",
                              cmd->done, *cmd->done ? ", but " : "");
    buffer_release(&cmd->out);
    if (rc < 0)
        output_error(cmd, err);
    buffer_release(&cmd->details);
    if (rc < 0 && cmd->verb && cmd->verb->failed)
        return cmd->status ? cmd->status : cmd->verb->failed;
    return rc < 0 ? grid_code_status(rc) : cmd->status;
}

void output_pair(struct cmd *cmd, const char *label, const char *value)
{
    char shown[4 * GRID_TEXT_SIZE];
    int blanks = strlen(label) < LABEL_MAX ? LABEL_MAX - (int)strlen(label) : 0;
    if (*value)
        buffer_format(&cmd->out, "%s:%*s %s\n", label, blanks, "",
                      text_printable(value, shown, sizeof(shown)));
}
