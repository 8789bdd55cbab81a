/* grid store info, check, repair, init: looking after the ledger. */
#include "cmd/cmd.h"

#include <grp.h>
#include <stddef.h>
#include <stdlib.h>
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
    {"SEVERITY", NULL, "fact, warning or damage", COLUMN_DEFAULT, 0,
     offsetof(struct row, severity), print_severity},
    {"SUBJECT", NULL, "what it is about", COLUMN_DEFAULT, 0, offsetof(struct row, subject),
     rows_text},
    {"TEXT", NULL, "what was found", COLUMN_DEFAULT, 0, offsetof(struct row, text), rows_text},
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

static const struct row_kind rows_findings = {
    columns, countof(columns), print_json, ROW_NO_ID, "finding", "findings"};

struct looking {
    struct cmd *cmd;
    bool facts; /* printed for people */
    bool ahead; /* the clock was, when the last change was made */
};

static int add_finding(void *context, const struct grid_finding *finding, struct grid_error *err)
{
    (void)err;
    struct looking *looking = context;
    struct cmd *cmd = looking->cmd;
    looking->ahead |= strcmp(finding->subject, GRID_FINDING_CLOCK) == 0;
    struct row row = {.severity = finding->severity};
    text_copy(row.subject, sizeof(row.subject), finding->subject);
    text_copy(row.text, sizeof(row.text), finding->text);
    if (cmd->settings.format != FORMAT_TABLE) {
        sheet_add(cmd, &row);
    } else if (finding->severity != GRID_FACT) {
        char shown[sizeof(row.text)];
        buffer_format(&cmd->out, "%s: %s: %s\n", severities[row.severity], row.subject,
                      text_printable(row.text, shown, sizeof(shown)));
    } else if (looking->facts) {
        row.subject[0] = text_upper(row.subject[0]);
        output_pair(cmd, row.subject, row.text);
    }
    return 0;
}

static void add_place(struct looking *looking, struct grid_error *err)
{
    char place[sizeof(looking->cmd->settings.store)];
    cmd_place(looking->cmd->settings.store, place, sizeof(place));
    add_finding(looking, &(struct grid_finding){GRID_FACT, "store", place}, err);
}

static void print_sound(struct json *json, const void *rc)
{
    json_key(json, "sound");
    json_bool(json, *(const int *)rc == 0);
}

/* info prints the facts, check and repair what is wrong. */
static int run(struct cmd *cmd, struct grid_error *err)
{
    bool info = strcmp(cmd->verb->name, "info") == 0, repair = cmd->verb->options != NULL;
    bool accept = repair && cmd_value(cmd, "accept-loss");
    unsigned flags = (repair ? GRID_CHECK_REPAIR : 0) | (accept ? GRID_CHECK_ACCEPT_LOSS : 0);
    struct looking looking = {cmd, info || cmd->settings.verbose, false};
    add_place(&looking, err);
    int rc = grid_store_check(cmd->store, flags, add_finding, &looking, err);
    if (rc == 0 && repair && cmd_value(cmd, "reset-clock"))
        rc = grid_ledger_reset_clock(cmd->store, looking.ahead, add_finding, &looking, err);
    if (cmd->settings.format != FORMAT_TABLE)
        return sheet_print(cmd, print_sound, &rc, err) ?: rc;
    buffer_text(&cmd->out, rc == 0 && !info ? "the ledger is sound\n" : "");
    return rc;
}

/* --- init ----------------------------------------------------------------------------------- */

static int find_group(const char *name, int64_t *ret, struct grid_error *err)
{
    char *end;
    const struct group *entry = getgrnam(name);
    unsigned long number = strtoul(name, &end, 10);
    if (entry)
        *ret = entry->gr_gid;
    else if (*name >= '0' && *name <= '9' && !*end && number < UINT32_MAX)
        *ret = (int64_t)number;
    else
        return grid_error_set(err, GRID_EUSAGE, "no group '%s'", text_shown(name));
    return 0;
}

static int run_init(struct cmd *cmd, struct grid_error *err)
{
    const char *name = cmd_value(cmd, "group");
    int64_t group = -1;
    int rc = name ? find_group(name, &group, err) : 0;
    rc = rc ?: grid_store_init(cmd->store, group, err);
    if (rc == 0 && name)
        output_info(cmd, "the members of group '%s' share the ledger: whoever can write its files "
                    "can cheat", text_shown(name));
    return rc;
}

static const struct cmd_option init_options[] = {
    {"group", 0, "GROUP", "a Unix group whose members share it"},
    {0},
};

/* --- the table ------------------------------------------------------------------------------ */

static const struct cmd_option repair_options[] = {
    {"accept-loss", 0, NULL, "go on with what is left where something is lost"},
    {"reset-clock", 0, NULL, "bring back to now what a clock that ran ahead has dated"},
    {0},
};

const struct cmd_verb store_verbs[] = {
    {.name = "info", .arguments = "", .summary = "Say where the ledger is and what it holds",
     .rows = &rows_findings, .examples = "  grid store info\n", .run = run},
    {.name = "check", .arguments = "", .summary = "Look at everything, and report what is wrong",
     .rows = &rows_findings, .examples = "  grid store check -o json\n", .run = run},
    {.name = "repair", .arguments = "", .summary = "Mend what can be mended without loss",
     .options = repair_options, .rows = &rows_findings,
     .examples = "  grid store repair --accept-loss\n", .run = run},
    {.name = "init", .arguments = "",
     .summary = "Make a ledger, alone or for a group that shares it",
     .options = init_options,
     .examples = "  grid --data-dir /srv/grid store init --group lab\n", .run = run_init},
    {0},
};
