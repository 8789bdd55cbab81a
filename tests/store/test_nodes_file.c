/* Nodes and the policy in the state file: records that are not sound, doubles, what check mends. */
#include "store/place.h"
#include "util/file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

struct notes {
    char text[2048];
};

static void add_line(struct notes *notes, const char *text)
{
    size_t length = strlen(notes->text);
    snprintf(notes->text + length, sizeof(notes->text) - length, "%s\n", text);
}

static void take_note(void *context, enum grid_note_level level, const char *text)
{
    if (level == GRID_NOTE_WARNING)
        add_line(context, text);
}

static int take_finding(void *context, const struct grid_finding *finding, struct grid_error *err)
{
    char text[512];
    (void)err;
    snprintf(text, sizeof(text), "%s: %s", finding->subject, finding->text);
    if (finding->severity != GRID_FACT)
        add_line(context, text);
    return 0;
}

static char *text_of(const struct place *place, const char *name)
{
    char path[128], *text = NULL;
    size_t length;
    snprintf(path, sizeof(path), "%s/%s", place->directory, name);
    cr_assert_eq(file_read(AT_FDCWD, path, &text, &length, NULL, NULL), 0);
    return text;
}

static void write_state(const struct place *place, const char *members)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/resource_boosts.json", place->directory);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fprintf(file, "{\"boosts\": [], \"timestamp\": \"2026-01-23T20:00:23\","
                                "\"revision\": 5, %s}", members), 0);
    fclose(file);
}

static struct grid_store *open_noting(const struct place *place, struct notes *notes)
{
    return open_with((struct grid_store_options){.note = take_note, .note_context = notes},
                     place->url);
}

/* --- what a transaction sees and does -------------------------------------------------------- */

struct doing {
    const char *find, *set, *removed; /* names; NULL: not that */
    struct notes seen;
    int found;
    size_t managed;
};

static int see_node(void *context, const struct grid_node *node, struct grid_error *err)
{
    char text[GRID_NODE_SIZE + 32];
    (void)err;
    snprintf(text, sizeof(text), "%s %g", node->node_id,
             (double)grid_amounts_get(&node->capacity, "CPU", 0) / GRID_AMOUNT_UNIT);
    add_line(context, text);
    return 0;
}

static int run(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct doing *doing = context;
    struct grid_node node = {.can_share = true};
    int rc = 0;
    if (doing->find)
        doing->found = grid_tx_node(tx, doing->find, &node, err);
    if (doing->set) {
        snprintf(node.node_id, sizeof(node.node_id), "%s", doing->set);
        rc = grid_amounts_set(&node.capacity, "CPU", GRID_AMOUNT_UNIT, err);
        rc = rc ?: grid_tx_put_node(tx, &node, GRID_EVENT_NODE_SET, NULL, err);
    }
    if (rc == 0 && doing->removed) {
        snprintf(node.node_id, sizeof(node.node_id), "%s", doing->removed);
        rc = grid_tx_put_node(tx, &node, GRID_EVENT_NODE_REMOVED, NULL, err);
    }
    doing->managed = grid_tx_managed(tx);
    return rc ?: grid_tx_nodes(tx, see_node, &doing->seen, err);
}

static struct doing transact(struct grid_store *store, enum grid_mode mode, struct doing doing)
{
    struct grid_error err = {0};
    cr_expect_eq(grid_store_transact(store, mode, run, &doing, NULL, &err), 0, "%s", err.message);
    return doing;
}

static int look_at(struct grid_store *store, struct grid_error *err)
{
    struct doing doing = {0};
    return grid_store_transact(store, GRID_READ, run, &doing, NULL, err);
}

/* --- unsound records, and two of one name ---------------------------------------------------- */

#define SECOND "{\"node_id\" : \"a\", \"capacity\": {\"CPU\":  9}}"
#define ANY "{\"node_id\":\"any\",\"capacity\":{\"CPU\":64.0}}"
#define BAD "{\"node_id\":\"bad\",\"capacity\":{\"CPU\":\"many\"}}"
#define NODES                                                                                   \
    "\"nodes\": [{\"node_id\":\"a\",\"capacity\":{\"CPU\":4.0}}," SECOND ", " ANY ",\n " BAD "]"

Test(nodes_file, a_record_that_is_not_sound_never_counts)
{
    struct place place;
    struct notes notes = {{0}};
    make_place(&place, "file");
    write_state(&place, NODES);
    struct grid_store *store = open_noting(&place, &notes);
    struct doing doing = transact(store, GRID_READ, (struct doing){.find = "bad"});
    cr_expect_str_eq(doing.seen.text, "a 4\n");
    cr_expect_str_eq(notes.text,
                     "node 1 of 'resource_boosts.json': an earlier record has the same node_id\n"
                     "node 2 of 'resource_boosts.json': node name 'any' stands for whichever node "
                     "lends, no node can have it\n"
                     "node 3 of 'resource_boosts.json': 'CPU' of 'capacity' is no amount, or the "
                     "second\n");
    cr_expect_eq(doing.found, GRID_ECORRUPT, "nobody may register a second one");
    cr_expect_eq(transact(store, GRID_READ, (struct doing){.find = "b"}).found, GRID_ENOTFOUND);
    transact(store, GRID_WRITE, (struct doing){.find = "a", .set = "a"});
    char *text = text_of(&place, "resource_boosts.json");
    cr_expect_not_null(strstr(text, SECOND ",\n    " ANY ",\n    " BAD), "%s", text);
    free(text);
    doing = transact(store, GRID_WRITE, (struct doing){.removed = "a"});
    cr_expect_str_eq(doing.seen.text, "");
    cr_expect_eq(doing.managed, 1, "there are two that do not read");
    text = text_of(&place, "resource_boosts.json");
    cr_expect_not_null(strstr(text, "\"nodes\": [\n    " ANY ",\n    " BAD "\n  ]"), "%s", text);
    free(text);
    grid_store_close(store);
    drop_place(&place);
}

/* The sound one counts, wherever it stands; removing takes both, and so does a repair the other. */
Test(nodes_file, one_that_is_not_sound_before_one_that_is)
{
    struct place place;
    struct notes notes = {{0}};
    struct grid_error err = {0};
    make_place(&place, "file");
    write_state(&place, "\"nodes\": [{\"node_id\":\"a\",\"hold\":true},{\"node_id\":\"a\"},{}]");
    struct grid_store *store = open_noting(&place, &notes);
    cr_expect_str_eq(transact(store, GRID_READ, (struct doing){.find = "a"}).seen.text, "a 0\n");
    transact(store, GRID_WRITE, (struct doing){.set = "a"});
    cr_expect_str_eq(transact(store, GRID_READ, (struct doing){0}).seen.text, "a 1\n");
    notes = (struct notes){{0}};
    cr_expect_eq(grid_store_check(store, GRID_CHECK_REPAIR, take_finding, &notes, &err), 0);
    cr_expect_str_eq(notes.text, "node 0: 'hold' is not an object\n"
                                 "node 2: node_id is missing, or no name\n");
    cr_expect_eq(grid_store_check(store, GRID_CHECK_REPAIR | GRID_CHECK_ACCEPT_LOSS, take_finding,
                                  &notes, &err), 0, "%s", err.message);
    notes = (struct notes){{0}};
    cr_expect_eq(grid_store_check(store, 0, take_finding, &notes, &err), 0);
    cr_expect_str_eq(notes.text, "");
    cr_expect_str_eq(transact(store, GRID_READ, (struct doing){0}).seen.text, "a 1\n");
    char *text = text_of(&place, "resource_boosts.json.lock");
    cr_expect_not_null(strstr(text, "\"nodes\":1,"), "%s", text);
    free(text);
    grid_store_close(store);
    drop_place(&place);
}

/* The lock file counts as things are after a commit, and a command that only locks keeps that. */
Test(nodes_file, the_lock_file_counts_them)
{
    static const struct {
        struct doing doing;
        const char *says;
    } steps[] = {
        {{.set = "a"}, "\"nodes\":1,"},      {{.set = "b"}, "\"nodes\":2,"},
        {{.set = "b"}, "\"nodes\":2,"},      {{0}, "\"nodes\":2,"},
        {{.removed = "a"}, "\"nodes\":1,"},  {{.removed = "z"}, "\"nodes\":1,"},
        {{.removed = "b"}, "\"nodes\":0,"},
    };
    struct place place;
    make_place(&place, "file");
    struct grid_store *store = open_store(place.url);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        transact(store, GRID_WRITE, steps[i].doing);
        char *text = text_of(&place, "resource_boosts.json.lock");
        cr_expect_not_null(strstr(text, steps[i].says), "%zu: %s", i, text);
        free(text);
    }
    grid_store_close(store);
    drop_place(&place);
}

/* --- the policy ----------------------------------------------------------------------------- */

Test(nodes_file, a_policy_that_does_not_read_is_damage)
{
    static const char *const bad[] = {"{\"quota\":5}", "{\"quota\":{\"CPU\":\"2\"}}",
                                      "{\"enabled\":0}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct place place;
        struct notes notes = {{0}};
        struct grid_error err = {0};
        char members[256];
        make_place(&place, "file");
        snprintf(members, sizeof(members), "\"policy\": %s", bad[i]);
        write_state(&place, members);
        struct grid_store *store = open_store(place.url);
        cr_expect_eq(look_at(store, &err), GRID_ECORRUPT);
        cr_expect_not_null(strstr(err.hint, "store repair"), "%s", err.hint);
        cr_expect_eq(grid_store_check(store, 0, take_finding, &notes, &err), GRID_ECORRUPT);
        cr_expect(strncmp(notes.text, "policy: ", 8) == 0, "%s", notes.text);
        cr_expect_eq(grid_store_check(store, GRID_CHECK_REPAIR, take_finding, &notes, &err),
                     GRID_ECORRUPT, "nothing tells what it was");
        cr_expect_eq(look_at(store, &err), GRID_ECORRUPT);
        cr_expect_eq(grid_store_check(store, GRID_CHECK_REPAIR | GRID_CHECK_ACCEPT_LOSS,
                                      take_finding, &notes, &err), 0, "%s", err.message);
        cr_expect_eq(look_at(store, &err), 0, "%s", err.message);
        cr_expect_eq(grid_store_check(store, 0, take_finding, &notes, &err), 0);
        char command[256];
        snprintf(command, sizeof(command), "grep -qF '%s' %s/*.corrupt-*", bad[i],
                 place.directory);
        cr_expect_eq(system(command), 0, "the bytes are gone");
        grid_store_close(store);
        drop_place(&place);
    }
}

static int set_policy(struct grid_tx *tx, void *context, struct grid_error *err)
{
    struct grid_policy policy = *grid_tx_policy(tx);
    policy.grace_us = *(int64_t *)context;
    return grid_tx_put_policy(tx, &policy, NULL, err);
}

static int see_policy(struct grid_tx *tx, void *context, struct grid_error *err)
{
    (void)err;
    *(int64_t *)context = grid_tx_policy(tx)->grace_us;
    return 0;
}

/* The last one was set by the commit whose state got hurt: only its event tells of it. */
Test(nodes_file, the_policy_that_was_last_comes_back)
{
    for (int lost = 0; lost < 2; lost++) {
        struct place place;
        struct notes notes = {{0}};
        struct grid_error err = {0};
        char command[256];
        make_place(&place, "file");
        struct grid_store *store = open_store(place.url);
        for (int64_t grace_us = GRID_MINUTE; grace_us <= 3 * GRID_MINUTE; grace_us += GRID_MINUTE)
            cr_assert_eq(grid_store_transact(store, GRID_WRITE, set_policy, &grace_us, NULL, &err),
                         0);
        snprintf(command, sizeof(command), "cd %s && sed -i 's/^    \"enabled\": true/"
                 "    \"enabled\": 1/' resource_boosts.json && %s", place.directory,
                 lost ? "rm -r generations" : "true");
        cr_assert_eq(system(command), 0);
        cr_expect_eq(look_at(store, &err), GRID_ECORRUPT);
        cr_expect_eq(grid_store_check(store, GRID_CHECK_REPAIR, take_finding, &notes, &err), 0,
                     "%s", err.message);
        int64_t grace_us = 0;
        cr_expect_eq(grid_store_transact(store, GRID_READ, see_policy, &grace_us, NULL, &err), 0);
        cr_expect_eq(grace_us, 3 * GRID_MINUTE);
        grid_store_close(store);
        drop_place(&place);
    }
}

/* --- no memory ------------------------------------------------------------------------------ */

static int left; /* so many allocations of cJSON go well */

static void *fail_at(size_t size)
{
    if (left-- > 0)
        return malloc(size);
    errno = ENOMEM;
    return NULL;
}

/* A node that could not be read for want of memory is not one that is not there. */
Test(nodes_file, no_memory_hides_no_node)
{
    struct place place;
    struct grid_error err = {0};
    int rc = GRID_ENOMEM;
    make_place(&place, "file");
    write_state(&place, "\"nodes\": [{\"node_id\":\"a\",\"capacity\":{\"CPU\":4.0}}]");
    struct grid_store *store = open_store(place.url);
    for (int n = 0; rc == GRID_ENOMEM && n < 1000; n++) {
        struct doing doing = {0};
        left = n;
        cJSON_InitHooks(&(cJSON_Hooks){fail_at, free});
        rc = grid_store_transact(store, GRID_READ, run, &doing, NULL, &err);
        cJSON_InitHooks(NULL);
        cr_expect(rc == GRID_ENOMEM || (rc == 0 && strcmp(doing.seen.text, "a 4\n") == 0),
                  "%d: %d %s", n, rc, doing.seen.text);
        cr_expect(n > 0 || rc == GRID_ENOMEM, "it allocates nothing");
    }
    grid_store_close(store);
    drop_place(&place);
}
