/* What a ledger says, as text to compare; whether it is sound; whether it goes on. By libgrid. */
#include "fault/lib/account.h"

#include "fault/lib/rig.h"
#include "host/backup.h"
#include "util/file.h"
#include "util/json.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_store(const char *directory, struct grid_store **ret, struct grid_error *err)
{
    const struct grid_store_options options = {.url = directory, .actor = "torture@here",
                                               .lock_timeout_us = GRID_SECOND};
    return grid_store_open(&options, ret, err);
}

/* --- its lines -------------------------------------------------------------------------------- */

struct taking {
    struct buffer lines;
    struct account *account;
};

static void raise_to(struct taking *taking, int64_t number)
{
    if (number > taking->account->highest)
        taking->account->highest = number;
}

static int take_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    struct taking *taking = context;
    (void)err;
    if (!taking->account->first[0])
        text_copy(taking->account->first, GRID_ID_SIZE, boost->boost_id);
    raise_to(taking, boost->token);
    buffer_format(&taking->lines, "boost %s %s %s %s %lld until %lld token %lld\n",
                  boost->boost_id, boost->source_node, boost->target_node, boost->resource_type,
                  (long long)boost->amount_u, (long long)boost->expires_us,
                  (long long)boost->token);
    return 0;
}

static int take_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    struct taking *taking = context;
    (void)err;
    buffer_format(&taking->lines, "node %s with %lld, seen %lld\n", node->node_id,
                  (long long)grid_amounts_get(&node->capacity, "CPU", 0),
                  (long long)node->last_seen_us);
    return 0;
}

static int take_ticket(void *context, const struct grid_ticket *ticket, struct grid_error *err)
{
    struct taking *taking = context;
    (void)err;
    buffer_format(&taking->lines, "ticket %s until %lld\n", ticket->ticket_id,
                  (long long)ticket->expires_us);
    return 0;
}

static int take_event(void *context, const struct grid_event *event, struct grid_error *err)
{
    struct taking *taking = context;
    (void)err;
    raise_to(taking, event->revision);
    if (event->event != GRID_EVENT_RESTORED)
        buffer_format(&taking->lines, "event %lld %s %s%s\n", (long long)event->revision,
                      grid_event_name(event->event), event->boost_id, event->node_id);
    return 0;
}

static int take_backup(void *context, const struct backup *backup, struct grid_error *err)
{
    struct taking *taking = context;
    (void)err;
    buffer_format(&taking->lines, "backup %s of %lld: %s\n", backup->name,
                  (long long)backup->revision, backup->sound ? "sound" : backup->reason);
    return 0;
}

/* As it stands: nothing is settled. */
static int take_all(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct taking *taking = context;
    const struct grid_policy *policy = grid_tx_policy(tx);
    taking->lines.length = 0;
    buffer_format(&taking->lines, "policy %d %lld %lld\n", policy->enabled,
                  (long long)policy->max_duration_us, (long long)policy->protected_us);
    int rc = grid_tx_boosts(tx, &(struct grid_boost_filter){0}, take_boost, taking, err);
    rc = rc ?: grid_tx_nodes(tx, take_node, taking, err);
    rc = rc ?: grid_tx_tickets(tx, take_ticket, taking, err);
    return rc ?: grid_tx_events(tx, &(struct grid_event_filter){0}, take_event, taking, err);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of `text` in order; a text of its own. */
static char *sorted(char *text)
{
    size_t count = 0, length = strlen(text);
    char **lines = calloc(length + 1, sizeof(*lines)), *all = malloc(length + 1), *at = all;
    for (char *line; lines && (line = strsep(&text, "\n")) != NULL;)
        if (*line)
            lines[count++] = line;
    if (!lines || !at)
        abort();
    qsort(lines, count, sizeof(*lines), compare);
    for (size_t i = 0; i < count; i++) {
        at = stpcpy(at, lines[i]);
        *at++ = '\n';
    }
    *at = '\0';
    free(lines);
    return all;
}

void account_take(const char *directory, struct account *ret)
{
    *ret = (struct account){0};
    struct taking taking = {BUFFER_INIT, ret};
    struct grid_store *store = NULL;
    int rc = open_store(directory, &store, &ret->err);
    rc = rc ?: grid_store_transact(store, GRID_READ, take_all, &taking, NULL, &ret->err);
    auto_backups struct backups backups = BACKUPS_INIT;
    rc = rc ?: backups_open(directory, BACKUPS_READ, 0, &backups, &ret->err);
    rc = rc ?: backups_each(&backups, NULL, take_backup, &taking, &ret->err);
    if (rc == 0 && buffer_string(&taking.lines))
        ret->text = sorted(taking.lines.data);
    grid_store_close(store);
    buffer_release(&taking.lines);
}

/* --- is it sound, does it go on --------------------------------------------------------------- */

static int keep_damage(void *context, const struct grid_finding *finding, struct grid_error *err)
{
    (void)err;
    if (finding->severity == GRID_DAMAGE)
        grid_error_set(context, GRID_ECORRUPT, "%s: %s", finding->subject, finding->text);
    return 0;
}

int account_check(const char *directory, struct grid_error *err)
{
    struct grid_store *store = NULL;
    struct grid_error damage = {0};
    int rc = open_store(directory, &store, err);
    rc = rc ?: grid_store_check(store, 0, keep_damage, &damage, err);
    grid_store_close(store);
    if (damage.code)
        *err = damage;
    return damage.code ? damage.code : rc;
}

static int lend(struct grid_store *store, struct account *account, struct grid_boost *ret,
                struct grid_error *err)
{
    static unsigned count;
    char id[GRID_ID_SIZE];
    struct grid_grant grant;
    rig_format(id, sizeof(id), "%08x-0000-4000-8000-%012x", ++count, (unsigned)getpid());
    const struct grid_request request = {.boost_id = id, .target_node = "gpu-master",
                                         .needs = {{"CPU", 1000}}, .need_count = 1,
                                         .priority = GRID_NORMAL};
    int rc = grid_ledger_request(store, &request, false, NULL, &grant, NULL, NULL, err);
    if (rc == 0 && grant.boost.token <= account->highest)
        rc = grid_error_set(err, GRID_EINTERNAL, "token %lld is not above %lld",
                            (long long)grant.boost.token, (long long)account->highest);
    *ret = grant.boost;
    return rc;
}

static int release(struct grid_store *store, const char *id, struct grid_error *err)
{
    const struct grid_release release = {.ids = &id, .count = 1,
                                         .caller = &(struct grid_caller){"root", true}};
    return grid_ledger_release(store, &release, NULL, NULL, err);
}

/* Past lines on what comes and goes meanwhile: the boost `id`, and those that end when seen. */
static const char *next_line(const char *at, const char *id, size_t *ret_length)
{
    for (;; at += *ret_length + 1) {
        *ret_length = strcspn(at, "\n");
        if (!memmem(at, *ret_length, id, strlen(id)) && !memmem(at, *ret_length, "ended-", 6))
            return at;
    }
}

/* All other lines must be the same: nothing is lost, nothing else is there. */
static int compare_texts(const char *was, const char *now, const char *id, struct grid_error *err)
{
    for (;;) {
        size_t length, other;
        was = next_line(was, id, &length);
        now = next_line(now, id, &other);
        if (length != other || strncmp(was, now, length) != 0)
            return grid_error_set(err, GRID_EINTERNAL, "'%.*s' has become '%.*s'", (int)length,
                                  was, (int)other, now);
        if (length == 0)
            return 0;
        was += length + 1;
        now += length + 1;
    }
}

int account_go_on(const char *directory, struct account *account, struct grid_error *err)
{
    struct grid_store *store = NULL;
    struct grid_boost boost;
    struct account now;
    int rc = open_store(directory, &store, err);
    rc = rc ?: lend(store, account, &boost, err);
    rc = rc ?: release(store, boost.boost_id, err);
    grid_store_close(store);
    auto_backups struct backups backups = BACKUPS_INIT;
    rc = rc ?: backups_open(directory, BACKUPS_CHANGE, GRID_SECOND, &backups, err);
    if (rc < 0)
        return rc;
    account_take(directory, &now);
    if (!now.text) {
        *err = now.err;
        return now.err.code;
    }
    rc = compare_texts(account->text, now.text, boost.boost_id, err);
    free(account->text);
    *account = now;
    return rc;
}

struct keeping {
    const char *directory;
    struct span bytes;
    bool kept;
};

static int look_for_bytes(void *context, const char *name, struct grid_error *err)
{
    struct keeping *keeping = context;
    size_t length = 0;
    (void)err;
    if (strcmp(name, "resource_boosts.json") != 0 && !strstr(name, ".corrupt-"))
        return 0;
    grid_auto_free char *text = rig_read(RIG_PATH("%s/%s", keeping->directory, name), &length);
    keeping->kept |= text && length == keeping->bytes.length
                     && memcmp(text, keeping->bytes.at, length) == 0;
    return 0;
}

bool account_keeps(const char *directory, const void *bytes, size_t length)
{
    struct keeping keeping = {directory, {bytes, length}, false};
    struct grid_error why;
    return file_each(AT_FDCWD, directory, look_for_bytes, &keeping, &why) == 0 && keeping.kept;
}

/* --- making one ------------------------------------------------------------------------------- */

static int put_ended(struct grid_tx *tx, void *context, struct grid_error *err)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < *(int *)context; i++) {
        struct grid_boost boost = {.amount_u = 1000000, .priority = GRID_NORMAL,
                                   .is_active = true, .source_node = GRID_ANY_NODE,
                                   .target_node = "gpu-master", .resource_type = "CPU"};
        rig_format(boost.boost_id, sizeof(boost.boost_id), "ended-%d", i);
        boost.allocated_us = boost.starts_us = grid_tx_now(tx) - GRID_DAY;
        boost.expires_us = boost.starts_us + GRID_HOUR;
        boost.token = grid_tx_token(tx);
        rc = grid_tx_put_boost(tx, NULL, &boost, GRID_EVENT_GRANTED, boost.starts_us, NULL, err);
    }
    return rc;
}

int account_add_ended(const char *directory, int count, struct grid_error *err)
{
    struct grid_store *store = NULL;
    int rc = open_store(directory, &store, err);
    rc = rc ?: grid_store_transact(store, GRID_WRITE, put_ended, &count, NULL, err);
    grid_store_close(store);
    return rc;
}
