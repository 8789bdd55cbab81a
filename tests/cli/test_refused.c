/* What the system refuses: hard links, renames without replacing, processes, pipes, and durability;
 * and the ledgers, directories and files of others. */
#include "support/cli.h"
#include "support/refuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void begin(void)
{
    cli_begin();
    cli_env("LSAN_OPTIONS=detect_leaks=0"); /* which needs a process of its own */
}

TestSuite(refused, .init = begin, .fini = cli_end, .timeout = 120);

#define HOOK(event) "mkdir -m 700 $DATA/hooks; printf '#!/bin/sh\\necho ran >$HOME/ran\\n'"      \
                    " >$DATA/hooks/" event "; chmod 700 $DATA/hooks/" event

static const struct row {
    struct refusal refusals[2];
    const char *prepare, *words;
    int status;
    const char *said;  /* on stderr */
    const char *after; /* a script that ends with 0 then; NULL: nothing of it is there */
} rows[] = {
    /* NFS has no RENAME_NOREPLACE. */
    {{{SYS_renameat2, EINVAL}}, "", "export out.json", 0, "written to",
     "jq -e .boosts[0] out.json && test ! -e .out.json.tmp"},
    {{{SYS_renameat2, EINVAL}}, "echo mine >out.json", "export out.json", 6, "exists",
     "grep -qx mine out.json"},
    {{{SYS_renameat2, EINVAL}, {SYS_linkat, EPERM}}, "", "export out.json", 9, "cannot write",
     NULL},
    {{{SYS_renameat2, EIO}}, "", "export out.json", 9, "cannot write", NULL},
    {{{SYS_renameat, EIO}}, "echo mine >out.json", "export out.json --force", 9, "cannot write",
     "grep -qx mine out.json"},
    {{{SYS_renameat2, EINVAL}}, "", "backup create --name two -q", 0, "",
     "$GRID backup verify two && test ! -e $DATA/backups/.tmp-new"},
    {{{SYS_renameat2, ENOSYS}}, "", "backup delete one", 0, "", "test ! -e $DATA/backups/one"},
    {{{SYS_renameat2, EINVAL}, {SYS_renameat, EIO}}, "", "backup delete one", 9,
     "cannot delete backup 'one'", "$GRID backup verify one"},
    {{{SYS_renameat2, EIO}}, "", "backup delete one", 9, "cannot delete",
     "$GRID backup verify one"},
    {{{SYS_renameat2, EIO}}, "", "backup create --name two", 9, "cannot name it 'two'",
     "test $(ls -A $DATA/backups | wc -l) = 2"},
    {{{SYS_unlinkat, EACCES}}, "", "backup delete one", 11, "is no longer listed",
     "$GRID backup create --name one -q && test $(ls -A $DATA/backups | wc -l) = 2"},
    /* What is not durable is not done. */
    {{{SYS_fsync, EIO}}, "", "export out.json", 9, "cannot write", NULL},
    {{{SYS_fsync, EIO}}, "", "backup create --name two", 9, "cannot write", NULL},
    {{{SYS_fsync, EIO}}, "", "backup delete one", 11, "cannot sync", "test ! -e $DATA/backups/one"},
    {{{SYS_fsync, EIO}}, "", "boost request m cpu 1", 9, "cannot write", NULL},
    {{{SYS_fsync, EIO}}, "rm -rf $DATA/backups", "backup create", 9, "durable",
     "test ! -e $DATA/backups/*"},
    {{{SYS_fchmod, EPERM}}, "", "store init --group 0", 9, "cannot share", NULL},
    {{{SYS_fchown, EPERM}}, "", "store init --group 1", 9, "cannot share", NULL},
    {{{SYS_mkdirat, EACCES}}, "rm -rf $DATA/backups", "backup create", 9, "cannot make directory",
     NULL},
    {{{SYS_mkdirat, EACCES}}, "", "backup create --name two", 9, "cannot make", NULL},
    {{{SYS_mkdirat, EACCES}}, "rm -rf $DATA", "boost request m cpu 1", 9, "cannot make directory",
     "test ! -e $DATA"},
    {{{SYS_mkdirat, EACCES}}, "rm -r $DATA/generations", "boost request m cpu 1", 9,
     "cannot keep the old state", NULL},
    /* File systems without hard links. */
    {{{SYS_linkat, EPERM}}, "", "boost request m cpu 1 -q", 0, "",
     "test $(ls $DATA/generations | wc -l) = 2 && $GRID store check"},
    {{{SYS_linkat, EPERM}}, "echo x >$DATA/resource_boosts.json", "boost request m cpu 1 -q", 0,
     "damaged", "grep -qx x $DATA/*.corrupt-*"},
    {{{SYS_linkat, EIO}}, "", "boost request m cpu 1", 9, "cannot keep the old state", NULL},
    {{{SYS_linkat, EIO}}, "echo x >$DATA/resource_boosts.json", "boost request m cpu 1", 9,
     "corrupt-", "grep -qx x $DATA/resource_boosts.json && test ! -e $DATA/*.corrupt-*"},
    /* Directories that cannot be listed. */
    {{{SYS_getdents64, EIO}}, "", "backup list", 9, "cannot list", NULL},
    {{{SYS_getdents64, EIO}}, "", "backup verify", 9, "cannot list", NULL},
    {{{SYS_getdents64, EIO}}, "", "backup prune --keep 1", 9, "cannot list", NULL},
    {{{SYS_getdents64, EIO}}, "", "backup create --name two", 9, "cannot list", NULL},
    {{{SYS_getdents64, EIO}}, "", "store check", 9, "cannot list", NULL},
    {{{SYS_getdents64, EIO}}, "", "store info", 9, "cannot list", NULL},
    {{{SYS_getdents64, EIO}}, "", "boost request m cpu 1", 9, "cannot list", NULL},
    {{{SYS_getdents64, EIO}}, "", "__complete backup delete ''", 0, "", NULL},
    /* Processes, and what they need. */
    {{{SYS_clone, EAGAIN}}, "", "boost run m cpu 1 -- touch ran", 125, "", "test ! -e ran"},
    {{{SYS_pipe2, EMFILE}}, "", "boost run m cpu 1 -- touch ran", 125, "", "test ! -e ran"},
    {{{SYS_signalfd4, EMFILE}}, "", "boost run m cpu 1 -- touch ran", 125, "", "test ! -e ran"},
    {{{SYS_pipe2, EMFILE}}, HOOK("pre-request"), "boost request m cpu 1", 5, "cannot make a pipe",
     "test ! -e ran"},
    {{{SYS_pipe2, EMFILE}}, HOOK("granted"), "boost request m cpu 1 -q", 0, "cannot make a pipe",
     "test ! -e ran"},
    {{{SYS_sched_getaffinity, EPERM}}, "", "node discover --as here", 9, "cannot count the cores",
     NULL},
    {{{SYS_inotify_init1, EMFILE}}, "", "boost status --watch=100ms -n 1", 2, "", NULL},
};

struct call {
    const struct row *row;
    struct cli_result result;
};

static void call(void *opaque)
{
    struct call *call = opaque;
    call->result = cli_shell("cd; exec $GRID %s", call->row->words);
}

Test(refused, calls)
{
    size_t step = cli_too_slow("every fifth of the refused calls") ? 5 : 1;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i += step) {
        const struct row *row = &rows[i];
        struct call made = {.row = row};
        cli_shell("rm -rf $DATA; cd; rm -rf ran *out.json*");
        cli_expect(cli("boost request m cpu 2 -q"), 0);
        cli_expect(cli("boost request m cpu 1 -q"), 0);
        cli_expect(cli("backup create --name one -q"), 0);
        cli_expect(cli_shell("cd; %s", row->prepare), 0);
        const char *before = cli_state_text();
        refuse(row->refusals, call, &made);
        cr_expect_eq(made.result.status, row->status, "row %zu: %s: %d: %s", i, row->words,
                     made.result.status, made.result.err);
        cr_expect(strstr(made.result.err, row->said), "row %zu: %s: no '%s' in: %s", i, row->words,
                  row->said, made.result.err);
        if (row->after)
            cr_expect_eq(cli_shell("cd; %s", row->after).status, 0, "row %zu: %s: %s", i,
                         row->words, row->after);
        else if (before)
            cli_state_same(before, row->words);
        cr_expect_eq(cli_shell("cd; { ls -A; ls -A $DATA; } | grep tmp").status, 1,
                     "row %zu: %s: leftovers", i, row->words);
    }
}
