/* What a verb is, and one call of the program. Everything that users see is derived from here. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "grid/grid.h"
#include "util/text.h"

#include <limits.h>

/* What a value is, for completion. */
enum cmd_kind {
    CMD_TEXT, /* nothing can be offered */
    CMD_NODE,
    CMD_OWNER,
    CMD_BOOST,
    CMD_RESOURCE,
    CMD_PRIORITY,
    CMD_EVENT,
    CMD_FORMAT,
    CMD_COLOR,
    CMD_COLUMNS,
    CMD_FILE,
    CMD_DIRECTORY,
};

/* A table of options ends with a row without a name. */
struct cmd_option {
    const char *name;     /* long, without dashes; of one letter: there is only the short one */
    char letter;          /* short, or 0 */
    const char *argument; /* "DUR"; NULL: takes none */
    const char *help;
    enum cmd_kind kind;   /* of the argument */
};

struct cmd;
struct row_kind;

/*
 * One row per verb; a noun's tables end with a row without a noun. Dispatch, help, completion and
 * the test of the manual pages come from it.
 */
struct cmd_verb {
    const char *noun, *name;
    const char *arguments; /* "ID... [FILE]": words in brackets may be missing, "..." repeats */
    const char *summary;
    const struct cmd_option *options, *shared; /* its own, and those of several verbs; or NULL */
    enum cmd_kind kinds[4];      /* of its arguments; the last one's goes on */
    const struct row_kind *rows; /* what it lists, for --columns; or NULL */
    const char *crowded;         /* said of an argument too many; NULL: the usual */
    const char *examples;        /* lines for help */
    int (*run)(struct cmd *cmd, struct grid_error *err);
};

extern const struct cmd_verb boost_request_verbs[], boost_list_verbs[], boost_change_verbs[],
    boost_history_verbs[], store_verbs[];
extern const struct cmd_option cmd_globals[];

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_JSONL, FORMAT_CSV, FORMAT_ID, FORMAT_COUNT };

/* What the options, the environment and the configuration file come to. */
struct settings {
    char data_dir[PATH_MAX];
    char store[PATH_MAX + 8]; /* URL */
    enum format format;
    bool quiet, verbose, color;
    const char *columns;      /* as typed, or NULL */
    int64_t lock_timeout_us;
    int keep_generations;     /* 0: the store's default */
};

#define CMD_OPTIONS_MAX 48

/* One call of the program. Strings are those of argv. */
struct cmd {
    const char *noun;             /* once a known one was typed */
    const struct cmd_verb *verb;  /* likewise */
    const struct cmd_option *options[CMD_OPTIONS_MAX]; /* that count here, up to NULL */
    const char *values[CMD_OPTIONS_MAX];               /* as given last; "" without an argument */
    char **arguments;             /* behind the verb */
    size_t argument_count;
    const struct cmd_option *pending; /* the last word is this option, its argument is missing */
    bool help, version;
    bool lost;                    /* a noun or verb was typed that there is not */
    bool ended;                   /* "--" was typed */
    bool silent;                  /* no note may be printed: completion */
    bool in_file;                 /* what is wrong stands in a file: usage would not help */
    struct settings settings;
    struct grid_store *store;     /* see cmd_store */
    struct buffer out;            /* the result, printed at the end */
    char done[512];               /* what has been done, if the result cannot be printed */
    char user[GRID_USER_SIZE], host[GRID_USER_SIZE]; /* see cmd_user; looked up once */
};

/* The whole program but the setting up of its descriptors; returns the exit status. */
int cmd_main(struct cmd *cmd, int argc, char **argv);

/* The verbs in the order of help; NULL at the end. */
const struct cmd_verb *cmd_verb_at(size_t index);

/* The nouns in the order of help, each with its summary; NULL at the end. */
const char *cmd_noun_at(size_t index, const char **ret_summary);

/* A text_next_fn over a list of words that ends with NULL. */
const char *cmd_word(void *words, size_t index);

/* The resources that everybody knows, as typed; up to NULL. */
extern const char *const cmd_resources[];

/* An option's value: NULL when it was not given, "" when it takes none. The verb must have it. */
const char *cmd_value(const struct cmd *cmd, const char *option);

/* A value that goes into the ledger: valid UTF-8, not empty, shorter than `size` bytes. NULL when
 * it was not given. EUSAGE. */
int cmd_text(const struct cmd *cmd, const char *option, size_t size, const char **ret,
             struct grid_error *err);

/* The user who calls, by the kernel's word: name, or number without one. And the host. */
const char *cmd_user(struct cmd *cmd);
const char *cmd_host(struct cmd *cmd);

/* Opens the store of the settings as cmd->store; cmd_main closes it. */
int cmd_store(struct cmd *cmd, struct grid_error *err);

/* --- option.c ------------------------------------------------------------------------------ */

/* Reads the whole command line, also past a mistake (an -o json may follow); err holds the first.
 * Argument counts are not checked. argv is used for cmd->arguments. */
int option_parse(struct cmd *cmd, int argc, char **argv, struct grid_error *err);

/* Are there as many arguments as the verb takes? EUSAGE. */
int option_count(const struct cmd *cmd, struct grid_error *err);

/* "--" or, of an option with a short name only, "-". */
const char *option_dashes(const struct cmd_option *option);

/* --- config.c ------------------------------------------------------------------------------ */

/* Fills cmd->settings: command line, then environment, then configuration file. EUSAGE, EIO. */
int config_load(struct cmd *cmd, struct grid_error *err);

/* Only what the command line says about output, for an early error. */
void config_output(struct cmd *cmd);

/* What --output and --color take; up to NULL. */
extern const char *const config_formats[], *const config_colors[];

/* --- help.c, complete.c -------------------------------------------------------------------- */

/* The help of the verb, the noun, or the program, onto cmd->out. */
void help_print(struct cmd *cmd);

/* "try 'grid NOUN VERB --help'". Returns `buffer`. */
char *help_where(const struct cmd *cmd, char *buffer, size_t size);

/* Every option, one "noun verb --option" a line: for the test of the manual pages. */
void help_options(struct cmd *cmd);

/* Candidates for the last of the words, one "word<TAB>description" a line. Silent on any error. */
void complete_print(struct cmd *cmd, int count, char **words);

#endif
