/* The settings of a call: command line, then environment, then configuration file, then default. */
#include "cmd/output.h"
#include "util/file.h"
#include "util/yaml.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define LOCK_TIMEOUT_US (10 * GRID_SECOND)
#define KEEP_MOST 1000

const char *const config_formats[] = {"table", "json", "jsonl", "csv", "id", NULL};
const char *const config_colors[] = {"auto", "always", "never", NULL};

/* --- one setting each: a text into its place, or EUSAGE --------------------------------------- */

static int set_format(struct settings *settings, const char *text, struct grid_error *err)
{
    for (enum format i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(config_formats[i], text) == 0) {
            settings->format = i;
            return 0;
        }
    }
    return text_unknown("output format", text, cmd_word, (void *)config_formats, err);
}

/* "auto" is a terminal that is not dumb, unless NO_COLOR says no (no-color.org). */
static int set_color(struct settings *settings, const char *text, struct grid_error *err)
{
    if (strcmp(text, "auto") == 0) {
        const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
        settings->color = (!no || !*no) && term && *term && strcmp(term, "dumb") != 0
                          && isatty(STDOUT_FILENO);
        return 0;
    }
    settings->color = strcmp(text, "always") == 0;
    if (settings->color || strcmp(text, "never") == 0)
        return 0;
    return text_unknown("color", text, cmd_word, (void *)config_colors, err);
}

static int set_lock_timeout(struct settings *settings, const char *text, struct grid_error *err)
{
    settings->lock_timeout_us = 0;
    if (strcmp(text, "0") == 0)
        return 0;
    return grid_duration_parse(text, false, &settings->lock_timeout_us, err);
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

static int set_keep_generations(struct settings *settings, const char *text,
                                struct grid_error *err)
{
    int64_t number = 0;
    int rc = text_integer(text, 1, KEEP_MOST, "keep_generations", &number, err);
    settings->keep_generations = (int)number;
    return rc;
}

static int check_keep_history(struct settings *settings, const char *text, struct grid_error *err)
{
    (void)settings;
    int64_t number;
    return text_integer(text, 0, KEEP_MOST, "keep_history", &number, err);
}

static int check_hook_timeout(struct settings *settings, const char *text, struct grid_error *err)
{
    (void)settings;
    int64_t duration_us;
    return grid_duration_parse(text, false, &duration_us, err);
}

/* Where each setting may come from. */
static const struct source {
    const char *key, *option, *variable; /* NULL: not from there */
    int (*set)(struct settings *settings, const char *text, struct grid_error *err);
} sources[] = {
    {"store", "store", "GRID_STORE", set_store},
    {"output", "output", NULL, set_format},
    {"color", "color", NULL, set_color},
    {"lock_timeout", "lock-timeout", "GRID_LOCK_TIMEOUT", set_lock_timeout},
    {"keep_generations", NULL, NULL, set_keep_generations},
    {"keep_history", NULL, NULL, check_keep_history},
    {"hook_timeout", NULL, NULL, check_hook_timeout},
};

static const char *source_key(void *context, size_t index)
{
    (void)context;
    return index < countof(sources) ? sources[index].key : NULL;
}

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
    for (size_t i = 0; i < countof(sources); i++) {
        const char *value = given(cmd, sources[i].option, sources[i].variable);
        int rc = value ? sources[i].set(settings, value, err) : 0;
        if (rc < 0 && cmd_value(cmd, sources[i].option))
            return grid_error_wrap(err, "--%s", sources[i].option);
        if (rc < 0)
            return grid_error_wrap(err, "%s", sources[i].variable);
    }
    return 0;
}

void config_output(struct cmd *cmd)
{
    const char *value = cmd_value(cmd, "output");
    cmd->settings.quiet = cmd_value(cmd, "quiet");
    if (value)
        set_format(&cmd->settings, value, NULL);
}

/* --- where things are ----------------------------------------------------------------------- */

static int home_directory(char *ret, size_t size, struct grid_error *err)
{
    const char *home = getenv("HOME");
    struct passwd *entry = home ? NULL : getpwuid(getuid());
    if (!home && !(home = entry ? entry->pw_dir : NULL))
        grid_error_set(err, GRID_EUSAGE, "HOME is not set, and the user has no passwd entry");
    else if (home[0] != '/')
        grid_error_set(err, GRID_EUSAGE, "HOME is not an absolute path: '%s'", text_shown(home));
    else if (snprintf(ret, size, "%s/.distributed_grid", home) < (int)size)
        return 0;
    else
        grid_error_set(err, GRID_EUSAGE, "HOME is too long");
    return grid_error_hint(err, "set HOME, or say where the ledger lives with --data-dir DIR");
}

static int find_data_dir(struct cmd *cmd, struct grid_error *err)
{
    struct settings *settings = &cmd->settings;
    const char *dir = given(cmd, "data-dir", "GRID_DATA_DIR");
    if (!dir)
        return home_directory(settings->data_dir, sizeof(settings->data_dir), err);
    const char *from = cmd_value(cmd, "data-dir") ? "--data-dir" : "GRID_DATA_DIR";
    if (dir[0] != '/')
        return grid_error_set(err, GRID_EUSAGE, "%s is not an absolute path: '%s'", from,
                              text_shown(dir));
    if (!text_copy(settings->data_dir, sizeof(settings->data_dir), dir))
        return grid_error_set(err, GRID_EUSAGE, "%s is too long", from);
    return 0;
}

/* --- the configuration file ----------------------------------------------------------------- */

struct reading {
    struct cmd *cmd;
    const char *path;
    char unknown[64]; /* key at the top that was warned of last */
};

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
        text_unknown("key", key, source_key, NULL, &why);
        if (strcmp(reading->unknown, key) != 0)
            output_warning(reading->cmd, "%s:%zu: %s (%s)", reading->path, leaf->key_line,
                           why.message, why.hint);
        text_copy(reading->unknown, sizeof(reading->unknown), key);
        return 0;
    }
    if (leaf->is_null || leaf->is_empty || leaf->path[length])
        grid_error_set(&why, GRID_EUSAGE, "%s needs one value", key);
    else if (sources[i].set(&reading->cmd->settings, leaf->text, &why) == 0)
        return 0;
    grid_error_set(err, why.code, "%s:%zu:%zu: %s", text_shown(reading->path), leaf->line,
                   leaf->column, why.message);
    return why.hint[0] ? grid_error_hint(err, "%s", why.hint) : why.code;
}

static int read_file(struct cmd *cmd, struct grid_error *err)
{
    grid_auto_free char *standard = NULL, *text = NULL;
    size_t length;
    const char *path = given(cmd, "config", "GRID_CONFIG");
    if (path && strcmp(path, "/dev/null") == 0)
        return 0;
    if (!path && asprintf(&standard, "%s/config.yaml", cmd->settings.data_dir) < 0)
        return grid_error_set(err, GRID_ENOMEM, "no memory");
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
    int rc = find_data_dir(cmd, err);
    rc = rc ?: set_store(settings, "file:", err);
    rc = rc ?: set_color(settings, "auto", err);
    /* Twice: notes about the file are printed as the command line says, and it wins. */
    rc = rc ?: apply(cmd, err);
    rc = rc ?: read_file(cmd, err);
    return rc ?: apply(cmd, err);
}
