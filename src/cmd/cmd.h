/* What a verb is, and one call of the program. Everything that users see is derived from here. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "cmd/hooks.h"
#include "cmd/sheet.h"
#include "grid/grid.h"

#include <limits.h>

/* A table of options ends with a row without a name. */
struct cmd_option {
    const char *name;     /* long, without dashes; of one letter: there is only the short one */
    char letter;          /* short, or 0 */
    const char *argument; /* "DUR"; NULL: takes none. Completion goes by this word */
    const char *help;
};

struct cmd;

/*
 * One row per verb; a table ends with a row without a name. Dispatch, help, completion and the
 * test of the manual pages come from it. When `run` is called, the arguments are as many as they
 * should be, the settings are known, cmd->store is open, and cmd->sheet is ready for `rows`.
 */
struct cmd_verb {
    const char *name; /* "": its noun alone is the command, and has no other verb */
    const char *arguments; /* "ID... [FILE]": what is in brackets may be missing, "..." repeats;
                              what stands behind " -- " is a command line of its own */
    const char *summary;
    const struct cmd_option *options, *shared; /* its own, and those of several verbs; or NULL */
    const struct row_kind *rows; /* what it prints; or NULL */
    const char *examples;        /* lines for help */
    int failed; /* the exit status of a failure, unless cmd->status has one; 0: that of its code */
    int (*run)(struct cmd *cmd, struct grid_error *err);
};

/* A noun, and the tables of its verbs. */
struct cmd_noun {
    const char *name, *summary;
    const struct cmd_verb *tables[12]; /* up to NULL */
};

/* All that there are, in the order of help; the last has no name. */
extern const struct cmd_noun cmd_nouns[];
extern const struct cmd_verb boost_request_verbs[], boost_list_verbs[], boost_extend_verbs[],
    boost_change_verbs[], boost_run_verbs[], boost_explain_verbs[], boost_free_verbs[],
    boost_queue_verbs[], boost_history_verbs[], boost_batch_verbs[], node_verbs[],
    node_set_verbs[], policy_verbs[], backup_verbs[], store_verbs[], store_copy_verbs[],
    export_verbs[], import_verbs[];
extern const struct cmd_option cmd_globals[];

/* The noun's verbs in the order of help; NULL at the end. */
const struct cmd_verb *cmd_verb_at(const struct cmd_noun *noun, size_t index);

/* In the order of config_formats and config_colors. */
enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_JSONL, FORMAT_CSV, FORMAT_ID };
enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* What the options, the environment and the configuration file come to. */
struct settings {
    char data_dir[PATH_MAX];
    char store[PATH_MAX + 8]; /* URL */
    bool quiet, verbose;
    const char *columns;      /* as typed, or NULL */
    int64_t format, color;    /* enum format, enum color */
    int64_t lock_timeout_us, hook_timeout_us;
    int64_t keep_generations; /* 0: the store's default */
    int64_t keep_history;     /* days */
};

#define CMD_OPTIONS_MAX 48
#define CMD_GIVEN_MAX 64

/* One call of the program. Strings are those of argv. */
struct cmd {
    const struct cmd_noun *noun;  /* once a known one was typed */
    const struct cmd_verb *verb;  /* likewise */
    const struct cmd_option *options[CMD_OPTIONS_MAX]; /* that count here, up to NULL */
    const char *values[CMD_OPTIONS_MAX];               /* as given last; "" without an argument */
    struct {
        const struct cmd_option *option;
        const char *value;
    } given[CMD_GIVEN_MAX];       /* every option in its order, for those that may be repeated */
    size_t given_count;
    char **arguments;             /* behind the verb */
    size_t argument_count;
    const struct cmd_option *pending; /* the last word is this option, its argument is missing */
    bool help, version;
    bool lost;                    /* a noun or verb was typed that there is not */
    bool ended;                   /* "--" was typed, */
    size_t ended_at;              /* and this argument is the first behind it */
    bool silent;                  /* no note may be printed: completion */
    bool in_file;                 /* what is wrong stands in a file: usage would not help */
    struct settings settings;
    struct grid_store *store;
    struct hooks hooks;
    struct sheet sheet;
    struct buffer out;            /* the result, printed at the end */
    struct buffer details;        /* JSON that says more about an error, or empty */
    size_t line;                  /* of a batch, for its errors; 0: none */
    unsigned ignored;             /* those signals of main.c that our caller ignores: 1U << n */
    int status;                   /* that of a call whose `run` returns 0 (run, batch) */
    char done[512];               /* what has been done, if the result cannot be printed */
    char user[GRID_USER_SIZE], host[GRID_USER_SIZE]; /* see cmd_user; looked up once */
};

/* The whole program but the setting up of its descriptors; returns the exit status. */
int cmd_main(struct cmd *cmd, int argc, char **argv);

/* Opens the store of the settings; cmd_main closes it. */
int cmd_store(struct cmd *cmd, struct grid_error *err);

/* Opens a store; *ret is the caller's, for grid_store_close. */
int cmd_open(struct cmd *cmd, const char *url, struct grid_store **ret, struct grid_error *err);

/* Refuses the store that ends with the program: it is for tests of the library. EUSAGE. */
int cmd_lasting(const char *url, struct grid_error *err);

/* A store's URL as it may be shown: of a server's only the scheme, the rest may hold a password.
 * Returns `buffer`. */
char *cmd_place(const char *url, char *buffer, size_t size);

/* What stands between a noun and this verb. */
#define cmd_blank(verb) ((verb)->name[0] ? " " : "")

/* A text_next_fn over a list of words that ends with NULL. */
const char *cmd_word(void *words, size_t index);

/* The resources that everybody knows, as typed; up to NULL. */
extern const char *const cmd_resources[];

/* An option's value: NULL when it was not given, "" when it takes none. The verb must have it. */
const char *cmd_value(const struct cmd *cmd, const char *option);

/* The next value of an option that may be repeated; *at is 0 at first. NULL: there is no more. */
const char *cmd_next(const struct cmd *cmd, const char *option, size_t *at);

/* A value that goes into the ledger: valid UTF-8, not empty, shorter than `size` bytes. NULL when
 * it was not given. EUSAGE. */
int cmd_text(const struct cmd *cmd, const char *option, size_t size, const char **ret,
             struct grid_error *err);

/* A duration, or a time; *ret_us stays as it is when the option was not given. EUSAGE. */
int cmd_duration(const struct cmd *cmd, const char *option, bool never, int64_t *ret_us,
                 struct grid_error *err);
int cmd_time(const struct cmd *cmd, const char *option, int64_t *ret_us, struct grid_error *err);

/* The user who calls, by the kernel's word: name, or number without one. And the host. */
const char *cmd_user(struct cmd *cmd);
const char *cmd_host(struct cmd *cmd);

/* --- option.c ------------------------------------------------------------------------------ */

/* Reads the whole command line, also past a mistake (an -o json may follow); err holds the first.
 * Argument counts are not checked. argv is used for cmd->arguments. */
int option_parse(struct cmd *cmd, int argc, char **argv, struct grid_error *err);

/* Are there as many arguments as the verb takes? EUSAGE. */
int option_count(const struct cmd *cmd, struct grid_error *err);

/* With words that have no place: the hint, if one of them may belong to an option that was given,
 * a time without its '=', a text without its quotes. Returns err->code. */
int option_advise(const struct cmd *cmd, struct grid_error *err);

/* The index in cmd->options of the one with this name of `length` bytes; of the NULL: none has. */
size_t option_find(const struct cmd *cmd, const char *name, size_t length);

/* "--" or, of an option with a short name only, "-". */
const char *option_dashes(const struct cmd_option *option);

/* --- config.c ------------------------------------------------------------------------------ */

/* Fills cmd->settings: command line, then environment, then configuration file. EUSAGE, EIO. */
int config_load(struct cmd *cmd, struct grid_error *err);

/* Only what the command line says about output, for an early error. */
void config_output(struct cmd *cmd);

/* What --output and --color take; up to NULL. */
extern const char *const config_formats[], *const config_colors[];

/* --- output.c ------------------------------------------------------------------------------ */

/* A note on stderr; as grid_note_fn, with the struct cmd as context. */
void output_note(void *context, enum grid_note_level level, const char *text);
void output_format(struct cmd *cmd, enum grid_note_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define output_warning(cmd, ...) output_format(cmd, GRID_NOTE_WARNING, __VA_ARGS__)
#define output_info(cmd, ...) output_format(cmd, GRID_NOTE_INFO, __VA_ARGS__)
#define output_verbose(cmd, ...) output_format(cmd, GRID_NOTE_VERBOSE, __VA_ARGS__)

/* Prints the result, and what went wrong (`rc` < 0). Returns the exit status. */
int output_finish(struct cmd *cmd, int rc, struct grid_error *err);

/* Prints an error; beside output_finish for what does not end the call. */
void output_error(const struct cmd *cmd, const struct grid_error *err);

/* Is there a person to ask? And does the person, asked on stderr, say yes? */
bool output_can_ask(const struct cmd *cmd);
bool output_ask(const char *question);

/* "Label:      value" onto the result, the value printable; nothing for an empty value. */
void output_pair(struct cmd *cmd, const char *label, const char *value);

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
