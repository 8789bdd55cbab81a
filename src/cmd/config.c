/* The settings of a call: command line, then environment, then configuration file, then default. */
#include "cmd/cmd.h"
#include "util/file.h"
#include "util/yaml.h"

#include <fcntl.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LOCK_TIMEOUT_US (10 * GRID_SECOND)
#define KEEP_HISTORY 90 /* days */
#define KEEP_MOST 1000

const char *const config_formats[] = {"table", "json", "jsonl", "csv", "id", NULL};
const char *const config_colors[] = {"auto", "always", "never", NULL};

/* --- one setting: a text into its place, or EUSAGE -------------------------------------------- */

enum kind { STORE, CHOICE, DURATION, INTEGER };

/* Where each setting may come from, and what it is. */
static const struct source {
    const char *key, *option, *variable; /* NULL: not from there */
    enum kind kind;
    size_t offset;            /* in struct settings, of an int64_t */
    const char *const *words; /* of a choice */
    int64_t least, most;      /* of an integer; a duration may be 0 if `least` is */
} sources[] = { /* `output` stands first */
#define AT(member) offsetof(struct settings, member)
    {"output", "output", NULL, CHOICE, AT(format), config_formats, 0, 0},
    {"store", "store", "GRID_STORE", STORE, 0, NULL, 0, 0},
    {"color", "color", NULL, CHOICE, AT(color), config_colors, 0, 0},
    {"lock_timeout", "lock-timeout", "GRID_LOCK_TIMEOUT", DURATION, AT(lock_timeout_us), NULL, 0,
     0},
    {"keep_generations", NULL, NULL, INTEGER, AT(keep_generations), NULL, 1, KEEP_MOST},
    {"keep_history", NULL, NULL, INTEGER, AT(keep_history), NULL, 0, KEEP_MOST},
    {"hook_timeout", NULL, NULL, DURATION, AT(hook_timeout_us), NULL, 1, 0},
};

static const char *source_key(void *context, size_t index)
{
    (void)context;
    return index < countof(sources) ? sources[index].key : NULL;
}

static int set_store(struct settings *settings, const char *text, struct grid_error *err)
{
    bool own = strcmp(text, "file:") == 0;
    int length = snprintf(settings->store, sizeof(settings->store), "%s%s", text,
                          own ? settings->data_dir : "");
    if (length >= (int)sizeof(settings->store))
        return grid_error_set(err, GRID_EUSAGE, "the store's URL is too long");
    return *text ? 0 : grid_error_set(err, GRID_EUSAGE, "the store's URL is empty");
}

static int set(struct settings *settings, const struct source *source, const char *text,
               struct grid_error *err)
{
    int64_t *number = (int64_t *)((char *)settings + source->offset);
    size_t choice = 0;
    int rc = 0;
    if (source->kind == STORE)
        return set_store(settings, text, err);
    if (source->kind == INTEGER)
        return text_integer(text, source->least, source->most, source->key, number, err);
    if (source->kind == CHOICE)
        rc = text_choice(source->key, text, cmd_word, (void *)source->words, &choice, err);
    else if (source->least > 0 || strcmp(text, "0") != 0)
        return grid_duration_parse(text, false, number, err);
    if (rc == 0)
        *number = (int64_t)choice;
    return rc;
}

/* --- command line and environment ----------------------------------------------------------- */

/* What the command line says, or else the environment; NULL: neither. */
static const char *given(const struct cmd *cmd, const char *option, const char *variable)
{
    const char *value = option ? cmd_value(cmd, option) : NULL;
    return value || !variable ? value : getenv(variable);
}

/* Command line and environment, over what is there. */
static int apply(struct cmd *cmd, struct grid_error *err)
{
    const char *log = getenv("GRID_LOG");
    struct settings *settings = &cmd->settings;
    settings->quiet = cmd_value(cmd, "quiet");
    settings->verbose = cmd_value(cmd, "verbose") || (log && *log && strcmp(log, "0") != 0);
    settings->columns = cmd_value(cmd, "columns");
    if (settings->quiet)
        settings->format = FORMAT_ID;
    for (const struct source *at = sources; at < sources + countof(sources); at++) {
        const char *value = given(cmd, at->option, at->variable);
        if (!value || set(settings, at, value, err) == 0)
            continue;
        bool typed = cmd_value(cmd, at->option);
        return grid_error_wrap(err, "%s%s", typed ? "--" : "", typed ? at->option : at->variable);
    }
    return 0;
}

void config_output(struct cmd *cmd)
{
    const char *value = cmd_value(cmd, "output");
    cmd->settings.quiet = cmd_value(cmd, "quiet");
    if (value)
        (void)set(&cmd->settings, &sources[0], value, NULL);
}

/* --- where things are ----------------------------------------------------------------------- */

static int find_data_dir(struct cmd *cmd, struct grid_error *err)
{
    struct settings *settings = &cmd->settings;
    const char *dir = given(cmd, "data-dir", "GRID_DATA_DIR"), *home = getenv("HOME");
    const char *from = cmd_value(cmd, "data-dir") ? "--data-dir" : dir ? "GRID_DATA_DIR" : "HOME";
    const char *hint = dir ? "" : "set HOME, or say where the ledger lives with --data-dir DIR";
    const struct passwd *entry = dir || home ? NULL : getpwuid(getuid());
    const char *path = dir ? dir : entry ? entry->pw_dir : home;
    if (!path)
        return grid_error_advise(err, GRID_EUSAGE, hint,
                                 "HOME is not set, and the user has no passwd entry");
    if (path[0] != '/')
        return grid_error_advise(err, GRID_EUSAGE, hint, "%s is not an absolute path: '%s'", from,
                                 text_shown(path));
    if (snprintf(settings->data_dir, sizeof(settings->data_dir), "%s%s", path,
                 dir ? "" : "/.distributed_grid") >= (int)sizeof(settings->data_dir))
        return grid_error_advise(err, GRID_EUSAGE, hint, "%s is too long", from);
    return 0;
}

/* --- the configuration file ----------------------------------------------------------------- */

struct reading {
    struct cmd *cmd;
    const char *path;
    char unknown[64]; /* key at the top that was warned of last */
};

/* Once for each key, though it may have many leaves. */
static void warn_unknown(struct reading *reading, const char *key, size_t line)
{
    struct grid_error why = {0};
    text_unknown("key", key, source_key, NULL, &why);
    if (strcmp(reading->unknown, key) != 0)
        output_warning(reading->cmd, "%s:%zu: %s (%s)", reading->path, line, why.message,
                       why.hint);
    text_copy(reading->unknown, sizeof(reading->unknown), key);
}

static int take_leaf(void *context, const struct yaml_leaf *leaf, struct grid_error *err)
{
    struct reading *reading = context;
    struct grid_error why = {0};
    char key[sizeof(reading->unknown)];
    size_t length = strcspn(leaf->path, ".["), i = 0;
    snprintf(key, sizeof(key), "%.*s", (int)length, leaf->path);
    while (i < countof(sources) && strcmp(sources[i].key, key) != 0)
        i++;
    if (i == countof(sources)) {
        warn_unknown(reading, key, leaf->key_line);
        return 0;
    }
    if (leaf->is_null || leaf->is_empty || leaf->path[length])
        grid_error_set(&why, GRID_EUSAGE, "%s needs one value", key);
    else if (set(&reading->cmd->settings, &sources[i], leaf->text, &why) == 0)
        return 0;
    return grid_error_advise(err, why.code, why.hint, "%s:%zu:%zu: %s", text_shown(reading->path),
                             leaf->line, leaf->column, why.message);
}

static int read_file(struct cmd *cmd, struct grid_error *err)
{
    grid_auto_free char *text = NULL;
    char standard[PATH_MAX + 16];
    size_t length;
    const char *path = given(cmd, "config", "GRID_CONFIG");
    if (path && strcmp(path, "/dev/null") == 0)
        return 0;
    snprintf(standard, sizeof(standard), "%s/config.yaml", cmd->settings.data_dir);
    struct reading reading = {.cmd = cmd, .path = path ? path : standard};
    int rc = file_read(AT_FDCWD, reading.path, &text, &length, NULL, err);
    if (rc > 0 && path)
        return grid_error_set(err, GRID_EIO, "cannot read '%s': no such file", text_shown(path));
    if (rc != 0)
        return rc < 0 ? rc : 0;
    output_verbose(cmd, "settings: %s", reading.path);
    cmd->in_file = true;
    rc = yaml_read(reading.path, text, length, take_leaf, &reading, err);
    cmd->in_file = rc != 0;
    return rc;
}

int config_load(struct cmd *cmd, struct grid_error *err)
{
    struct settings *settings = &cmd->settings;
    settings->lock_timeout_us = LOCK_TIMEOUT_US;
    settings->keep_history = KEEP_HISTORY;
    int rc = find_data_dir(cmd, err);
    rc = rc ?: set_store(settings, "file:", err);
    /* Twice: notes about the file are printed as the command line says, and it wins. */
    rc = rc ?: apply(cmd, err);
    rc = rc ?: read_file(cmd, err);
    return rc ?: apply(cmd, err);
}
