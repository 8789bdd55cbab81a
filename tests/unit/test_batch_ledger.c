/* Several operations in one commit; and releasing, by id, by filter, by whom. */
#include "grid/ledger.h"
#include "support/script.h"
#include "util/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- releasing ------------------------------------------------------------------------------- */

#define BUSY "node t cpu 1\nnode a cpu 4 memory 8\n"
#define GROUP BUSY "get grup t cpu 2 memory 4 for 60 owner ann\n"

static const struct {
    const char *what, *text;
} rows[] = {
    {"a group, whole, by any of its members", GROUP "release 1-grup\ntold 1-grup grup\nboosts 0\n"},
    {"both named", GROUP "release grup 1-grup\ntold grup 1-grup\n"},
    {"the same twice", GROUP "release grup grup\ntold grup 1-grup\n"},
    {"one that has ended", GROUP "release grup\nlast grup released\nrelease grup\ntold grup\n"
     "at 1\nrelease grup 1-grup\ntold grup 1-grup\n"},
    {"never seen: nothing is changed", GROUP "release grup none => not_found\nboosts 2\n"},
    {"ambiguous: nothing is changed", BUSY "get same1 t cpu 1 for 60\nget same2 t cpu 1 for 60\n"
     "release same => conflict\nrelease same1 same => conflict\nrelease same same1 => conflict\n"
     "boosts 2\nrelease same1 same2\ntold same1 same2\n"},
    {"a ticket", GROUP "queue tick t cpu 4 for 60 owner ann\nrelease tick\ntold tick\ngone tick\n"
     "last tick withdrawn\nrelease tick => not_found\n"},
    {"a ticket twice, and a boost", GROUP "queue ticket t cpu 4 for 60 owner bob\n"
     "release tick ticket grup\ntold ticket grup 1-grup\n"},
    {"a ticket that begins as a boost does", GROUP "queue grup-2 t cpu 4 for 60\n"
     "release grup-2\ntold grup-2\n"
     "queue grup-2 t cpu 4 for 60\nget grup-3 t cpu 1 for 60\n"
     "release grup- => conflict\nboosts 3\ntickets 1\n"
     "release grup\ntold grup 1-grup\n"},
    {"what waits has its turn before it is released", BUSY "get busy t cpu 4 for 60\n"
     "queue tick t cpu 4 for 60\nat 60\nrelease tick\ntold tick\nended tick released\n"},
    {"by filter: whole groups, and each once", GROUP "get bobs t cpu 1 for 60 owner bob\n"
     "get anns t cpu 1 for 60 owner ann\nrelease-owned ann\ntold anns grup 1-grup\nboosts 1\n"},
    {"by its owner", GROUP "release grup as ann\n"},
    {"not by another", GROUP "release grup as bob => perm\nboosts 2\n"},
    {"nor any of them, then", GROUP "get bobs t cpu 1 for 60 owner bob\n"
     "release bobs grup as bob => perm\nboosts 3\n"},
    {"nor by filter", GROUP "release-owned ann as bob => perm\nboosts 2\n"},
    {"nor another's ticket", GROUP "queue tick t cpu 4 for 60 owner ann\n"
     "release tick as bob => perm\ntickets 1\nrelease tick as ann\n"},
    {"by the owner of its source node, or root", GROUP "owner a carl\nrelease grup as carl\n"
     "get grup t cpu 2 for 60 owner ann\nrelease grup as root\n"},
    {"not by the owner of the borrower", GROUP "owner t carl\nrelease grup as carl => perm\n"},
    {"by force: not its owner", GROUP "release grup force as ann => perm\n"
     "owner a carl\nrelease grup force as carl because maintenance\n"
     "last grup released forced: maintenance\n"},
    {"nobody's, by anybody", BUSY "get mine t cpu 1 for 60\nrelease mine as bob\n"},
    {"one that starts later", BUSY "get late t cpu 1 for 60 start 60\nrelease late\n"
     "ended late released\n"},
};

Test(release, rows)
{
    for (size_t i = 0; i < countof(rows); i++)
        script_run(rows[i].what, rows[i].text);
}

/* --- batches --------------------------------------------------------------------------------- */

#define OPS_MOST 8

/* "get ID CORES [KEY [OWNER]]", "release ID [ID]" by ann, "extend ID MINUTES". */
struct batch_row {
    const char *what;
    const char *ops[OPS_MOST];
    int codes[OPS_MOST];
    const char *told[OPS_MOST]; /* the ids that each hands over, in order */
    bool atomic, dry_run;
    int rc, boosts;             /* how many live then; "old1" lives before, of 1 core */
};

static const struct batch_row batches[] = {
    {"each is tried", {"get new1 2", "get new2 2", "get new3 1"}, {0, GRID_EREFUSED, 0},
     {"new1", "", "new3"}, false, false, 0, 3},
    {"each sees those before it", {"release old1", "get new1 4", "release new1", "get new2 4"},
     {0, 0, 0, 0}, {"old1", "new1", "new1", "new2"}, false, false, 0, 1},
    {"atomic: nothing, if one fails", {"release old1", "get new1 4", "get new2 1", "get new3 1"},
     {0, 0, GRID_EREFUSED, 0}, {"", "", "", ""}, true, false, GRID_EREFUSED, 1},
    {"atomic: all", {"release old1", "get new1 4"}, {0, 0}, {"old1", "new1"}, true, false, 0, 1},
    {"dry", {"release old1", "get new1 4"}, {0, 0}, {"old1", "new1"}, false, true, 0, 1},
    {"a failure is undone exactly", {"get bobs 1 k bob", "release old1 bobs", "get new1 3"},
     {0, GRID_EPERM, GRID_EREFUSED}, {"bobs", "", ""}, false, false, 0, 2},
    {"an id that is not found is no release", {"release old1 none", "get new1 3", "get new2 1"},
     {GRID_ENOTFOUND, 0, GRID_EREFUSED}, {"", "new1", ""}, false, false, 0, 2},
    {"a replay within it", {"get new1 2 k", "get new2 2 k", "get new3 1 k"},
     {0, 0, GRID_ECONFLICT}, {"new1", "new1", ""}, false, false, 0, 2},
    {"a replay of what has ended in it", {"get new1 2 k", "release new1", "get new2 2 k"},
     {0, 0, 0}, {"new1", "new1", "new1"}, false, false, 0, 1},
    {"released twice in it", {"release old1", "release old1"}, {0, 0}, {"old1", "old1"}, false,
     false, 0, 0},
    {"extended in it", {"get new1 2", "extend new1 30", "extend old1 never", "extend new1 0.5"},
     {0, 0, 0, 0}, {"new1", "new1", "old1", "new1"}, false, false, 0, 2},
    {"extended, and in the way", {"extend old1 60", "get new1 4", "release old1", "get new1 4"},
     {0, GRID_EREFUSED, 0, 0}, {"old1", "", "old1", "new1"}, false, false, 0, 1},
    {"nothing", {NULL}, {0}, {NULL}, false, false, 0, 1},
};

struct played {
    struct grid_op op;
    struct grid_request request;
    struct grid_release release;
    struct grid_extend extend;
    struct grid_grant grant;
    char *words[5], told[128];
    char line[64];
};

static int take_told(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)err;
    struct played *played = context;
    size_t length = strlen(played->told);
    snprintf(played->told + length, sizeof(played->told) - length, "%s%s", length ? " " : "",
             boost->boost_id);
    return 0;
}

static void read_op(const char *line, struct played *played)
{
    static const struct grid_caller ann = {"ann", false};
    *played = (struct played){.op = {.fn = take_told, .context = played}};
    text_copy(played->line, sizeof(played->line), line);
    char *rest = played->line;
    for (int i = 0; i < 5 && rest; i++)
        played->words[i] = strsep(&rest, " ");
    const char *id = played->words[1], *number = played->words[2];
    played->release = (struct grid_release){.ids = (const char *const *)&played->words[1],
                                            .count = number ? 2 : 1, .caller = &ann};
    played->request = (struct grid_request){.boost_id = id, .target_node = "t", .need_count = 1,
                                            .duration_us = GRID_HOUR,
                                            .request_id = played->words[3],
                                            .owner = played->words[3] ? played->words[4] : NULL};
    text_copy(played->request.needs[0].resource, GRID_RESOURCE_SIZE, "CPU");
    played->extend = (struct grid_extend){.id = id};
    if (played->words[0][0] == 'g') {
        played->op.request = &played->request;
        played->op.grant = &played->grant;
        played->request.needs[0].amount_u = atoi(number) * GRID_AMOUNT_UNIT;
    } else if (played->words[0][0] == 'r') {
        played->op.release = &played->release;
    } else {
        played->op.extend = &played->extend;
        played->extend.by_us = strcmp(number, "never") == 0
                                   ? GRID_NEVER : (int64_t)(strtod(number, NULL) * GRID_MINUTE);
    }
}

static int count_boost(void *context, const struct grid_boost *boost, struct grid_error *err)
{
    (void)boost, (void)err;
    ++*(int *)context;
    return 0;
}

static int edit_node(void *context, struct grid_node *node, struct grid_error *err)
{
    (void)context;
    return grid_amounts_set(&node->capacity, "CPU", 4 * GRID_AMOUNT_UNIT, err);
}

static void prepare(struct grid_store *store)
{
    static const char *const both[] = {"a", "t"};
    struct grid_error err = {0};
    struct grid_node_change change = {.names = both, .count = 2, .edit = edit_node};
    struct played old;
    read_op("get old1 1", &old);
    cr_assert_eq(grid_ledger_node_set(store, &change, NULL, &err), 0, "%s", err.message);
    cr_assert_eq(grid_ledger_request(store, &old.request, false, NULL, &old.grant, NULL, NULL,
                                     &err), 0, "%s", err.message);
}

static void play(const struct batch_row *row, const char *url)
{
    struct grid_store_options options = {.url = url, .actor = "tester@here",
                                         .lock_timeout_us = GRID_SECOND};
    struct grid_store *store, *base;
    struct grid_error err = {0};
    struct played played[OPS_MOST];
    struct grid_op ops[OPS_MOST];
    struct grid_boost_filter all = {0};
    char plain[64];
    size_t count = 0;
    int living = 0;
    snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(url, "?"), url);
    options.url = plain;
    cr_assert_eq(grid_store_open(&options, &base, &err), 0);
    prepare(base);
    options.url = url;
    cr_assert_eq(grid_store_open(&options, &store, &err), 0);
    for (; count < OPS_MOST && row->ops[count]; count++) {
        read_op(row->ops[count], &played[count]);
        ops[count] = played[count].op;
    }
    int rc = grid_ledger_batch(store, ops, count, row->atomic, row->dry_run, &err);
    cr_expect_eq(rc, row->rc, "%s, %s: %d: %s", row->what, url, rc, err.message);
    int64_t token = 0;
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(ops[i].rc, row->codes[i], "%s, %s, '%s': %d: %s", row->what, url,
                     row->ops[i], ops[i].rc, ops[i].err.message);
        cr_expect_str_eq(played[i].told, row->told[i], "%s, %s, '%s'", row->what, url,
                         row->ops[i]);
        if (!ops[i].request || rc != 0 || ops[i].rc != 0 || played[i].grant.replayed)
            continue;
        cr_expect_gt(played[i].grant.boost.token, token, "%s: tokens rise", row->what);
        token = played[i].grant.boost.token;
    }
    cr_expect_eq(grid_ledger_list(store, GRID_READ, &all, count_boost, &living, &err), 0);
    cr_expect_eq(living, row->boosts, "%s, %s: %d live", row->what, url, living);
    grid_store_close(store);
    grid_store_close(base);
}

Test(batch, rows)
{
    char directory[] = "/tmp/grid-batch-XXXXXX", url[64], command[64];
    cr_assert_not_null(mkdtemp(directory));
    for (size_t i = 0; i < countof(batches); i++) {
        play(&batches[i], "memory:batch");
        play(&batches[i], "memory:batch?conflict=1");
        snprintf(url, sizeof(url), "file:%s/%zu", directory, i);
        play(&batches[i], url);
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

/* The ledger as a file, for one of each kind. */
Test(batch, scripts_on_a_file)
{
    static const char *const scripts[] = {
        BUSY "get late t cpu 4 for 30 start 60\nqueue tick t cpu 4 for 60\ncleanup\n"
             "is tick active a 0 0.5 60\n",
        BUSY "get busy t cpu 4 for 60\nwait tick t cpu 4 memory 2 for 30\n> release busy\n"
             "told tick 1-tick\nis tick active a 0 30\n",
        BUSY "get busy t cpu 4 for 60\nwait tick t cpu 4 for 30 => timeout\ngone tick\n"
             "extend busy by 30\nis busy active a 0 90\n",
        BUSY "get lowl t cpu 4 for 60 priority low\nat 11\n"
             "get high t cpu 4 for 30 priority high preempt\nat 11.5\ncleanup\n"
             "ended lowl preempted\nis high active a 11.5 41.5\n",
    };
    char directory[] = "/tmp/grid-batch-XXXXXX", url[64], command[64];
    cr_assert_not_null(mkdtemp(directory));
    for (size_t i = 0; i < countof(scripts); i++) {
        snprintf(url, sizeof(url), "file:%s/%zu", directory, i);
        script_run_on(url, "a file", scripts[i]);
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}
