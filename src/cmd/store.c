/* grid store info, check, repair: looking after the ledger. */
#include "cmd/output.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A finding, copied, as a row. */
struct row {
    enum grid_severity severity;
    char subject[128], text[1024];
};

static const char *const severities[] = {"fact", "warning", "damage"};

static void print_severity(struct cell *cell, const void *field)
{
    buffer_text(cell->out, severities[*(const enum grid_severity *)field]);
}

static const struct column columns[] = {
    {"SEVERITY", "fact, warning or damage", COLUMN_DEFAULT, 0, offsetof(struct row, severity),
     print_severity},
    {"SUBJECT", "what it is about", COLUMN_DEFAULT, 0, offsetof(struct row, subject), rows_text},
    {"TEXT", "what was found", COLUMN_DEFAULT, 0, offsetof(struct row, text), rows_text},
};

static void print_json(struct json *json, const void *field, int64_t now_us)
{
    const struct row *row = field;
    (void)now_us;
    json_open(json, '{');
    json_key(json, "severity");
    json_string(json, severities[row->severity]);
    json_key(json, "subject");
    json_string(json, row->subject);
    json_key(json, "text");
    json_string(json, row->text);
    json_close(json, '}');
}

static const struct row_kind rows_findings = {columns, countof(columns), print_json,
                                              offsetof(struct row, subject), "findings"};

struct looking {
    struct cmd *cmd;
    struct sheet *sheet;
    bool facts; /* printed for people */
};

static int add_finding(void *context, const struct grid_finding *finding, struct grid_error *err)
{
    (void)err;
    struct looking *looking = context;
    struct cmd *cmd = looking->cmd;
    struct row row = {.severity = finding->severity};
    char label[sizeof(row.subject) + 1], shown[sizeof(row.text)];
    text_copy(row.subject, sizeof(row.subject), finding->subject);
    text_copy(row.text, sizeof(row.text), finding->text);
    if (cmd->settings.format != FORMAT_TABLE) {
        sheet_add(looking->sheet, &row, 0);
    } else if (finding->severity != GRID_FACT) {
        buffer_format(&cmd->out, "%s: %s: %s\n", severities[row.severity], row.subject,
                      text_printable(row.text, shown, sizeof(shown)));
    } else if (looking->facts) {
        snprintf(label, sizeof(label), "%s:", row.subject);
        label[0] = (char)toupper((unsigned char)label[0]);
        output_pair(cmd, label, row.text);
    }
    return 0;
}

/* Where the ledger is. Of a server's URL only the scheme: the rest may hold a password. */
static void add_place(struct looking *looking, struct grid_error *err)
{
    const char *url = looking->cmd->settings.store;
    char place[sizeof(looking->cmd->settings.store)];
    text_copy(place, sizeof(place), url);
    if (strncmp(url, "file:", 5) != 0 && url[0] != '/')
        place[strcspn(place, ":")] = '\0';
    add_finding(looking, &(struct grid_finding){GRID_FACT, "store", place}, err);
}

/* info prints the facts, check and repair what is wrong. */
static int run(struct cmd *cmd, struct grid_error *err)
{
    auto_sheet struct sheet sheet = {.text = BUFFER_INIT};
    bool info = strcmp(cmd->verb->name, "info") == 0, repair = cmd->verb->options != NULL;
    struct looking looking = {cmd, &sheet, info || cmd->settings.verbose};
    unsigned flags = repair ? GRID_CHECK_REPAIR : 0;
    if (repair && cmd_value(cmd, "accept-loss"))
        flags |= GRID_CHECK_ACCEPT_LOSS;
    int rc = sheet_begin(&sheet, cmd, &rows_findings, err);
    rc = rc ?: cmd_store(cmd, err);
    if (rc < 0)
        return rc;
    add_place(&looking, err);
    rc = grid_store_check(cmd->store, flags, add_finding, &looking, err);
    if (cmd->settings.format == FORMAT_TABLE && rc == 0 && !info)
        buffer_text(&cmd->out, "the ledger is sound\n");
    if (cmd->settings.format != FORMAT_JSON)
        return rc;
    struct json json = sheet_document(cmd);
    json_key(&json, "sound");
    json_bool(&json, rc == 0);
    sheet_array(&sheet, &json);
    sheet_end(&json);
    return rc;
}

static const struct cmd_option repair_options[] = {
    {"accept-loss", 0, NULL, "go on with what is left where something is lost", CMD_TEXT},
    {0},
};

const struct cmd_verb store_verbs[] = {
    {.noun = "store", .name = "info", .arguments = "",
     .summary = "Say where the ledger is and what it holds", .rows = &rows_findings,
     .examples = "  grid store info\n", .run = run},
    {.noun = "store", .name = "check", .arguments = "",
     .summary = "Look at everything, and report what is wrong", .rows = &rows_findings,
     .examples = "  grid store check -o json\n", .run = run},
    {.noun = "store", .name = "repair", .arguments = "",
     .summary = "Mend what can be mended without loss", .options = repair_options,
     .rows = &rows_findings, .examples = "  grid store repair --accept-loss\n",
     .run = run},
    {0},
};
