/* Any bytes as the state file of a real directory: what fails leaves them as they are, what
 * succeeds keeps what it is not about, and nothing temporary is left. */
#include "fuzz/fuzz.h"
#include "grid/ledger.h"
#include "model/record.h"
#include "store/state.h"
#include "util/clock.h"
#include "util/file.h"

#include <fcntl.h>

#define LONGEST 65536
#define ID "0f0f0f0f-0000-4000-8000-00000000f0f0"

static char place[64];
static int place_fd = -1;

/* --- the directory -------------------------------------------------------------------------- */

static void wipe(const char *folder);

static int remove_entry(void *context, const char *name, struct grid_error *err)
{
    (void)err;
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", (const char *)context, name);
    if (unlink(path) != 0)
        wipe(path);
    return 0;
}

static void wipe(const char *folder)
{
    struct grid_error err = {0};
    file_each(AT_FDCWD, folder, remove_entry, (void *)folder, &err);
    if (strcmp(folder, place) != 0)
        rmdir(folder);
}

static void leave(void)
{
    wipe(place);
    rmdir(place);
}

static void begin(const uint8_t *data, size_t size)
{
    if (place_fd < 0) {
        snprintf(place, sizeof(place), "%s/grid-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        fuzz_check(mkdtemp(place), "no directory");
        atexit(leave);
        place_fd = open(place, O_DIRECTORY | O_CLOEXEC);
    }
    wipe(place);
    grid_auto_close int fd = openat(place_fd, STATE_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    fuzz_check(fd >= 0 && file_write_all(fd, data, size) == 0, "no file");
}

static struct span contents(const char *name)
{
    char *text;
    struct span got = {0};
    struct grid_error err = {0};
    fuzz_check(file_read(place_fd, name, &text, &got.length, NULL, &err) == 0, "%s: %s", name,
               err.message);
    got.at = text;
    return got;
}

static bool same_bytes(struct span a, struct span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

static int check_name(void *context, const char *name, struct grid_error *err)
{
    (void)context, (void)err;
    fuzz_check(!strstr(name, "tmp") && !text_begins(name, ".resource"), "'%s' is left", name);
    return 0;
}

/* --- what a call may do to the file --------------------------------------------------------- */

static bool contains(struct span text, struct span part)
{
    return part.length == 0 || memmem(text.at, text.length, part.at, part.length);
}

/* What `before` holds that nobody asked to be changed. */
static void check_kept(struct span before, struct span after)
{
    struct state was = {0}, is = {0};
    struct grid_error err = {0};
    struct grid_boost boost;
    int64_t soon_us = clock_now_us() + GRID_MINUTE;
    fuzz_check(state_read(&was, fuzz_text(before.at, before.length), before.length, NULL, NULL,
                          &err) == 0, "a damaged state was replaced: %s", err.message);
    int rc = state_read(&is, fuzz_text(after.at, after.length), after.length, NULL, NULL, &err);
    fuzz_check(rc == 0, "what was written does not read: %s", err.message);
    fuzz_check(is.revision > was.revision, "the revision does not rise");
    for (size_t i = 0; i < was.count; i++) {
        const struct state_entry *entry = &was.entries[i];
        struct span record = state_record(&was, entry);
        if (entry->hash == 0)
            continue; /* it may have the id of one that has ended */
        fuzz_check(record_read(record, &boost, NULL, NULL) == 0, "record %zu", i);
        fuzz_check(entry->expires_us < soon_us || strcmp(boost.boost_id, ID) == 0
                       || state_find(&is, boost.boost_id), "boost %s is lost", boost.boost_id);
    }
    fuzz_check(was.others.count == is.others.count, "a member of the file is lost");
    for (size_t i = 0; i < was.others.count; i++)
        fuzz_check(same_bytes(was.others.at[i], is.others.at[i]), "a member of the file changed");
    state_release(&was);
    state_release(&is);
}

static int pass_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)context, (void)err;
    fuzz_check(boost->boost_id[0] && boost->amount_u > 0, "no boost is handed over");
    return 0;
}

static int call(struct grid_store *store, int operation, struct grid_error *err)
{
    struct grid_boost_filter all = {0};
    struct grid_grant grant;
    const char *id = ID;
    struct grid_request request = {.boost_id = ID, .target_node = "gpu-master", .need_count = 1,
                                   .needs = {{"CPU", GRID_AMOUNT_UNIT}}, .owner = "somebody",
                                   .duration_us = GRID_HOUR};
    switch (operation) {
    case 0:
        return grid_ledger_list(store, GRID_READ, &all, pass_boost, NULL, err);
    case 1:
        return grid_ledger_request(store, &request, false, NULL, &grant, NULL, NULL, err);
    case 2:
        return grid_ledger_release(store, &(struct grid_release){.ids = &id, .count = 1},
                                   pass_boost, NULL, err);
    case 3:
        return grid_ledger_cleanup(store, &(struct grid_cleanup){.fn = pass_boost}, err);
    default:
        return -1;
    }
}

static void check_code(int rc, int operation, const struct grid_error *err)
{
    static const int codes[] = {0, GRID_ECORRUPT, GRID_EREFUSED, GRID_ENEVER, GRID_ENOTFOUND,
                                GRID_ECONFLICT};
    size_t i = 0;
    while (i < countof(codes) && codes[i] != rc)
        i++;
    fuzz_check(i < countof(codes), "operation %d: code %d: %s", operation, rc, err->message);
}

static void check_call(struct grid_store *store, int operation)
{
    struct grid_error err = {0};
    struct span before = contents(STATE_FILE);
    int rc = call(store, operation, &err);
    check_code(rc, operation, &err);
    struct span after = contents(STATE_FILE);
    if (rc < 0 || operation == 0)
        fuzz_check(same_bytes(before, after), "operation %d: code %d, and the file changed",
                   operation, rc);
    else if (!same_bytes(before, after))
        check_kept(before, after);
    fuzz_check(rc < 0 || operation != 1 || contains(after, (struct span){ID, strlen(ID)}),
               "granted, and not in the file");
    rc = file_each(AT_FDCWD, place, check_name, NULL, &err);
    fuzz_check(rc == 0, "%s", err.message);
    free((char *)before.at);
    free((char *)after.at);
}

static int pass_finding(void *context, const struct grid_finding *finding, struct grid_error *err)
{
    (void)context, (void)err;
    fuzz_check(*finding->subject && *finding->text, "a finding that says nothing");
    return 0;
}

/* A repair makes it readable, or changes nothing. */
static void check_repair(struct grid_store *store)
{
    struct grid_error err = {0};
    struct grid_boost_filter all = {0};
    struct span before = contents(STATE_FILE);
    int rc = grid_store_check(store, GRID_CHECK_REPAIR | GRID_CHECK_ACCEPT_LOSS, pass_finding,
                              NULL, &err);
    fuzz_check(rc == 0 || rc == GRID_ECORRUPT, "code %d: %s", rc, err.message);
    struct span after = contents(STATE_FILE);
    if (rc < 0)
        fuzz_check(same_bytes(before, after), "not repaired, and the file changed");
    else
        rc = grid_ledger_list(store, GRID_READ, &all, pass_boost, NULL, &err);
    fuzz_check(rc == 0 || same_bytes(before, after), "repaired, and it does not read: %s",
               err.message);
    free((char *)before.at);
    free((char *)after.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grid_store *store = NULL;
    struct grid_error err = {0};
    if (size > LONGEST)
        return 0;
    begin(data, size);
    int rc = grid_store_open(&(struct grid_store_options){.url = place, .actor = "fuzz@here"},
                             &store, &err);
    fuzz_check(rc == 0, "%s", err.message);
    for (int operation = 0; operation < 4; operation++)
        check_call(store, operation);
    check_repair(store);
    grid_store_close(store);
    return 0;
}
