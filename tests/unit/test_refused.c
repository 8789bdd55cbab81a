/* Every operation on files and processes, and each system call that it may make refused from its
 * beginning to its end: it is done or it is not, and the next one works. */
#include "support/refuse.h"

#include "grid/dump.h"
#include "host/backup.h"
#include "host/discover.h"
#include "host/hook.h"
#include "util/file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LARGE ((size_t)1300000) /* more than a piece of a backup */
#define GRANTS 45               /* with whose events history.jsonl is begun */

static char folder[64], work[80], url[96], *large;
static struct buffer document = BUFFER_INIT;

/* --- operations ------------------------------------------------------------------------------- */

static int open_work(struct grid_store **ret, struct grid_error *err)
{
    return grid_store_open(&(struct grid_store_options){.url = url, .actor = "me@here"},
                           ret, err);
}

static int request_named(int number, struct grid_error *err)
{
    char id[GRID_ID_SIZE], reason[GRID_TEXT_SIZE];
    struct grid_store *store = NULL;
    struct grid_grant grant;
    snprintf(id, sizeof(id), "%08d-1111-4111-8111-111111111111", number);
    snprintf(reason, sizeof(reason), "%0200d", number);
    struct grid_request request = {.boost_id = id, .target_node = "m", .need_count = 1,
                                   .needs = {{"CPU", GRID_AMOUNT_UNIT}}, .reason = reason,
                                   .duration_us = GRID_NEVER};
    int rc = open_work(&store, err);
    rc = rc ?: grid_ledger_request(store, &request, false, NULL, &grant, NULL, NULL, err);
    grid_store_close(store);
    return rc;
}

static int request(struct grid_error *err) { return request_named(900, err); }
static int request_next(struct grid_error *err) { return request_named(901, err); }

static int take_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)boost;
    (void)err;
    ++*(int *)context;
    return 0;
}

static int take_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    (void)event;
    (void)err;
    ++*(int *)context;
    return 0;
}

static int take_finding(void *context, const struct grid_finding *finding, struct grid_error *err)
{
    (void)finding;
    (void)err;
    ++*(int *)context;
    return 0;
}

static int count_boosts(int *ret, struct grid_error *err)
{
    struct grid_store *store = NULL;
    *ret = 0;
    int rc = open_work(&store, err);
    rc = rc ?: grid_ledger_list(store, GRID_READ, NULL, take_boost, ret, err);
    grid_store_close(store);
    return rc;
}

static int list(struct grid_error *err)
{
    int count;
    return count_boosts(&count, err);
}

static int history(struct grid_error *err)
{
    struct grid_store *store = NULL;
    struct grid_event_filter all = {0};
    int count = 0, rc = open_work(&store, err);
    rc = rc ?: grid_ledger_history(store, &all, take_event, &count, err);
    grid_store_close(store);
    return rc;
}

static int check_with(unsigned flags, struct grid_error *err)
{
    struct grid_store *store = NULL;
    int count = 0, rc = open_work(&store, err);
    rc = rc ?: grid_store_check(store, flags, take_finding, &count, err);
    grid_store_close(store);
    return rc;
}

static int check(struct grid_error *err) { return check_with(0, err); }
static int repair(struct grid_error *err)
{
    return check_with(GRID_CHECK_REPAIR | GRID_CHECK_ACCEPT_LOSS, err);
}

static int init(struct grid_error *err)
{
    struct grid_store *store = NULL;
    int rc = open_work(&store, err);
    rc = rc ?: grid_store_init(store, getgid(), err);
    grid_store_close(store);
    return rc;
}

static int add_piece(void *context, const char *text, size_t length, struct grid_error *err)
{
    buffer_add(context, text, length);
    return ((struct buffer *)context)->error ? grid_error_set(err, GRID_ENOMEM, "no memory") : 0;
}

static int export_to(struct buffer *out, struct grid_error *err)
{
    struct grid_store *store = NULL;
    int rc = open_work(&store, err);
    rc = rc ?: grid_ledger_export(store, add_piece, out, NULL, err);
    grid_store_close(store);
    return rc;
}

static int export(struct grid_error *err)
{
    grid_auto_buffer struct buffer out = BUFFER_INIT;
    return export_to(&out, err);
}

static int import(struct grid_error *err)
{
    struct grid_store *store = NULL;
    struct grid_import import = {.text = document.data, .length = document.length,
                                 .mode = GRID_IMPORT_REPLACE, .reason = "a test"};
    struct grid_imported imported = {0};
    int rc = open_work(&store, err);
    rc = rc ?: grid_ledger_import(store, &import, &imported, err);
    grid_store_close(store);
    return rc;
}

static int backup_named(const char *name, struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    struct backup_writer *writer = NULL;
    struct backup_facts facts = {.created_us = GRID_SECOND, .version = "0"};
    struct backup made;
    int rc = backups_open(work, BACKUPS_MAKE, 0, &backups, err);
    rc = rc ?: backup_begin(&backups, name, false, &writer, err);
    if (rc < 0)
        return rc;
    rc = backup_write(writer, large, LARGE, err);
    if (rc == 0)
        return backup_finish(writer, &facts, &made, err);
    backup_drop(writer);
    return rc;
}

static int backup(struct grid_error *err) { return backup_named("two", err); }

static int take_backup(void *context, const struct backup *backup, struct grid_error *err)
{
    (void)context;
    (void)err;
    return backup->sound ? 0 : GRID_ECORRUPT;
}

static int backups_list(struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    int rc = backups_open(work, BACKUPS_READ, 0, &backups, err);
    return rc ?: backups_each(&backups, NULL, take_backup, NULL, err);
}

static int backup_delete_one(struct grid_error *err)
{
    auto_backups struct backups backups = BACKUPS_INIT;
    int rc = backups_open(work, BACKUPS_CHANGE, 0, &backups, err);
    return rc ?: backup_delete(&backups, "one", err);
}

static int run_hook(struct grid_error *err)
{
    static const char *const variables[][2] = {{NULL, NULL}};
    grid_auto_buffer struct buffer out = BUFFER_INIT, errors = BUFFER_INIT;
    struct hook_file file = {.fd = -1};
    char hooks[96];
    snprintf(hooks, sizeof(hooks), "%s/hooks", work);
    struct hook hook = {&file, "granted", "{}", variables, 10 * GRID_SECOND};
    int rc = hook_open(hooks, "granted", &file, err);
    rc = rc ?: hook_run(&hook, &out, &errors, err);
    file_close_pointer(&file.fd);
    return rc;
}

static int discover(struct grid_error *err)
{
    struct grid_amounts amounts;
    return discover_capacity("/bin/true", &amounts, NULL, NULL, err);
}

static const struct operation {
    const char *name, *prepare;
    int (*run)(struct grid_error *err);
    bool adds, loses; /* a boost; whatever a damage takes */
} operations[] = {
    {"request", "true", request, true, false},
    {"first request", "rm -rf work", request, true, false},
    {"recovery", "truncate -s -40 work/resource_boosts.json", request, true, true},
    {"list", "true", list, false, false},
    {"history", "true", history, false, false},
    {"check", "true", check, false, false},
    {"repair", "truncate -s -40 work/resource_boosts.json; rm -r work/generations", repair, false,
     true},
    {"segments", "rm -rf work; cp -a closed work", history, false, false},
    {"check of segments", "rm -rf work; cp -a closed work", check, false, false},
    {"recovery with segments", "rm -rf work; cp -a closed work; truncate -s -40 work/*.json",
     request, true, true},
    {"repair with segments", "rm -rf work; cp -a closed work; truncate -s -40 work/*.json;"
     " rm -r work/generations", repair, false, true},
    {"repair of history", "sed -i 3s/revision/x/ work/history.jsonl", repair, false, true},
    {"init", "true", init, false, false},
    {"export", "true", export, false, false},
    {"import", "true", import, false, false},
    {"backup", "true", backup, false, false},
    {"first backup", "rm -r work/backups", backup, false, false},
    {"backups", "true", backups_list, false, false},
    {"delete", "true", backup_delete_one, false, false},
    {"hook", "true", run_hook, false, false},
    {"discover", "true", discover, false, false},
};

/* --- refusals --------------------------------------------------------------------------------- */

#define CALL(name, error) {#name " " #error, {SYS_##name, error}}

static const struct {
    const char *name;
    struct refusal refusal;
} refusals[] = {
    CALL(openat, EMFILE),      CALL(openat, EACCES),  CALL(newfstatat, EIO),
    CALL(read, EIO),           CALL(pread64, EIO),    CALL(lseek, EIO),
    CALL(write, EIO),          CALL(write, ENOSPC),   CALL(pwrite64, ENOSPC),
    CALL(pwrite64, EIO),       CALL(fsync, EIO),      CALL(fsync, ENOSPC),
    CALL(fdatasync, EIO),      CALL(fdatasync, EDQUOT), CALL(ftruncate, EIO),
    CALL(renameat, EIO),       CALL(renameat2, EIO),  CALL(renameat2, EINVAL),
    CALL(linkat, EIO),         CALL(linkat, EPERM),   CALL(linkat, ENOSPC),
    CALL(unlinkat, EACCES),    CALL(mkdirat, EACCES), CALL(mkdirat, ENOSPC),
    CALL(getdents64, EIO),     CALL(fcntl, EIO),      CALL(fcntl, ENOLCK),
    CALL(fchmod, EPERM),       CALL(readlink, EACCES), CALL(pipe2, EMFILE),
    CALL(memfd_create, EMFILE), CALL(clone3, EAGAIN), CALL(wait4, ECHILD),
    CALL(sched_getaffinity, EPERM), CALL(sched_getaffinity, EINVAL),
};

struct attempt {
    const struct operation *operation;
    int rc;
    struct grid_error err;
};

static void try_it(void *opaque)
{
    struct attempt *attempt = opaque;
    attempt->rc = attempt->operation->run(&attempt->err);
}

static void shell(const char *script)
{
    cr_assert_eq(system(script), 0, "%s", script);
}

static void prepare(const struct operation *operation)
{
    char script[256];
    snprintf(script, sizeof(script), "rm -rf work && cp -a made work && { %s; }",
             operation->prepare);
    shell(script);
}

static void setup(void)
{
    struct grid_error err = {0};
    snprintf(folder, sizeof(folder), "/tmp/grid-refused-XXXXXX");
    cr_assert(mkdtemp(folder) && chdir(folder) == 0);
    snprintf(work, sizeof(work), "%s/work", folder);
    snprintf(url, sizeof(url), "file:%s", work);
    large = malloc(LARGE);
    cr_assert(large);
    memset(large, 'x', LARGE);
    for (int i = 0; i < GRANTS; i++)
        cr_assert_eq(request_named(i, &err), 0, "%s", err.message);
    cr_assert_eq(backup_named("one", &err), 0, "%s", err.message);
    cr_assert_eq(export_to(&document, &err), 0, "%s", err.message);
    shell("mkdir -m 700 work/hooks && printf '#!/bin/sh\\ncat >/dev/null\\n' >work/hooks/granted"
          " && chmod 700 work/hooks/granted && test -s work/history.jsonl && mv work made");
    /* As if the history had been long enough for a segment. */
    shell("cp -a made closed && cd closed && gzip -c history.jsonl >history-000001.jsonl.gz"
          " && rm history.jsonl && sed -i -E 's/\"history\": [0-9]+/\"segments\": 1/'"
          " resource_boosts.json && grep -q segments resource_boosts.json");
}

static void teardown(void)
{
    char words[128];
    snprintf(words, sizeof(words), "rm -rf %s", folder);
    cr_expect_eq(system(words), 0);
    free(large);
    buffer_release(&document);
}

TestSuite(refused, .init = setup, .fini = teardown, .timeout = 400);

/* Done, not done, or it says that it cannot tell; and then the ledger is there. */
static void expect_rule(const struct attempt *attempt, const char *call, int before)
{
    const struct operation *operation = attempt->operation;
    struct grid_error err = {0};
    int count = 0;
    if (operation->loses)
        cr_expect_eq(repair(&err), 0, "%s, %s: %s", operation->name, call, err.message);
    cr_expect_eq(count_boosts(&count, &err), 0, "%s, %s: %s", operation->name, call, err.message);
    if (!operation->loses && attempt->rc != GRID_EUNKNOWN)
        cr_expect_eq(count, before + (operation->adds && attempt->rc == 0),
                     "%s, %s: %d, and %d boosts", operation->name, call, attempt->rc, count);
    cr_expect_eq(request_next(&err), 0, "%s, %s: %s", operation->name, call, err.message);
    cr_expect_eq(check(&err), 0, "%s, %s: %s", operation->name, call, err.message);
    cr_expect_neq(system("ls -A work | grep -q '[.]tmp'"), 0, "%s, %s: leftovers",
                  operation->name, call);
}

Test(refused, done_or_not_done)
{
#ifdef __SANITIZE_ADDRESS__
    fprintf(stderr, "NOT TESTED: refused calls, some of which AddressSanitizer needs itself\n");
    return;
#endif
    for (size_t i = 0; i < countof(operations); i++) {
        struct attempt attempt = {&operations[i], 0, {0}};
        int before, failed = 0;
        prepare(&operations[i]); /* libraries are opened here */
        cr_expect_eq(operations[i].run(&attempt.err), 0, "%s: %s", operations[i].name,
                     attempt.err.message);
        for (size_t k = 0; k < countof(refusals); k++) {
            const struct refusal refusal[2] = {refusals[k].refusal, {0, 0}};
            prepare(&operations[i]);
            before = strcmp(operations[i].name, "first request") == 0 ? 0 : GRANTS;
            refuse(refusal, try_it, &attempt);
            cr_expect_eq(attempt.rc < 0, attempt.rc != 0 && attempt.err.message[0], "%s, %s: %d",
                         operations[i].name, refusals[k].name, attempt.rc);
            failed += attempt.rc < 0;
            expect_rule(&attempt, refusals[k].name, before);
        }
        cr_expect_gt(failed, 1, "%s: nothing was refused", operations[i].name);
    }
}
