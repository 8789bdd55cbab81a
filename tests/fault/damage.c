/* damage WORK: every truncation and every flip of one bit of the files of five ledgers, each alone
 * and with its generations. WORK holds what damage.sh made: NAME-alone, NAME-kept. */
#include "fault/lib/listing.h"
#include "fault/lib/rig.h"

#include "store/state.h"

#include <cjson/cJSON.h>
#include <err.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE "resource_boosts.json"
#define QUICK_POINTS 4000
#define REAL_EVERY 50 /* of so many points one is tried with the real program, too */

/* A file that is damaged in turn. */
static struct target {
    char template[512], name[64]; /* the ledger's directory, and the file in it */
    bool has_generations, is_state;
    char *bytes;
    size_t length, whole; /* `whole`: where what must be there ends */
    size_t records, waiting; /* `waiting`: tickets, which get what a lost boost had */
    bool is_managed;         /* and that is known elsewhere, too */
    int64_t revision;
    struct listing listing;
    size_t first; /* the number of its first point */
} targets[16];
static size_t target_count, point_count;
static struct rig rig;
static unsigned *chosen; /* quick: the points to try */

/* One point: a file cut to `length`, or with one bit flipped. */
struct damage {
    const struct target *target;
    char directory[512], what[128];
    char *bytes;
    size_t length, at; /* `at`: of the flip; SIZE_MAX: it is cut */
};

/* --- what must hold --------------------------------------------------------------------------- */

static bool is_sound(const struct grid_boost *boost)
{
    char resource[GRID_RESOURCE_SIZE];
    int64_t most_u = strcmp(boost->resource_type, "MEMORY") == 0
                         ? GRID_MEMORY_MAX : INT64_C(1000000000) * GRID_AMOUNT_UNIT;
    return boost->boost_id[0] && boost->amount_u > 0 && boost->amount_u <= most_u
           && boost->source_node[0] && boost->target_node[0]
           && grid_resource_parse(boost->resource_type, resource, NULL) == 0;
}

static const char *text_of(const cJSON *record, const char *member)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, member));
    return text ? text : "";
}

/* Does another reader of JSON find the boost in the bytes, with these values? */
static bool stands_there(const struct damage *damage, const struct grid_boost *boost)
{
    cJSON *state = cJSON_ParseWithLength(damage->bytes, damage->length), *record;
    bool found = false;
    cJSON_ArrayForEach(record, cJSON_GetObjectItemCaseSensitive(state, "boosts")) {
        double amount = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(record, "amount"));
        double unit = strcmp(boost->resource_type, "MEMORY") == 0
                          ? 1024.0 * 1024 * 1024 : (double)GRID_AMOUNT_UNIT;
        double off = amount * unit - (double)boost->amount_u;
        found |= strcmp(text_of(record, "boost_id"), boost->boost_id) == 0
                 && strcmp(text_of(record, "source_node"), boost->source_node) == 0
                 && strcmp(text_of(record, "target_node"), boost->target_node) == 0
                 && off > -1 && off < 1;
    }
    cJSON_Delete(state);
    return found;
}

/* Of a state that reads in spite of the damage: one boost at most is another one, or none, and it
 * is what stands there. */
static const char *judge_listing(const struct damage *damage, const struct listing *now)
{
    const struct listing *before = &damage->target->listing;
    if (listing_missing(before, now) > 1 || listing_missing(now, before) > 1)
        return "more than one boost changed";
    for (size_t i = 0; i < now->count; i++) {
        if (!is_sound(&now->at[i]))
            return "a boost is not sound";
        if (listing_missing(&(struct listing){.count = 1, .at = {now->at[i]}}, before)
            && !stands_there(damage, &now->at[i]))
            return "a boost is none that stands in the file";
    }
    return NULL;
}

static bool bytes_are(const char *path, const char *bytes, size_t length)
{
    size_t now_length = 0;
    char *now = rig_read(path, &now_length);
    bool same = now && now_length == length && memcmp(now, bytes, length) == 0;
    free(now);
    return same;
}

static bool are_kept(const struct damage *damage)
{
    bool kept = false;
    glob_t found = {0};
    glob(RIG_PATH("%s/" STATE ".corrupt-*", damage->directory), 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++)
        kept |= bytes_are(found.gl_pathv[i], damage->bytes, damage->length);
    globfree(&found);
    return kept;
}

/* Does the state read, and, if so, are all its records found, sound or not? */
static bool reads(const struct damage *damage, size_t *ret_records)
{
    struct state state = {0};
    struct grid_error why = {0};
    char *text = malloc(damage->length + 1);
    memcpy(text, damage->bytes, damage->length);
    text[damage->length] = '\0';
    bool reads = state_read(&state, text, damage->length, NULL, NULL, &why) == 0;
    *ret_records = reads ? state.count : 0;
    state_release(&state);
    return reads;
}

/* A policy that does not read is found after the boosts were; nobody goes back for it. */
static bool is_in_policy(const struct damage *damage)
{
    const char *begin = memmem(damage->bytes, damage->length, "\"policy\": {", 11);
    const char *end = begin ? memmem(begin, damage->length - (size_t)(begin - damage->bytes),
                                     "\n  }", 4) : NULL;
    size_t at = damage->at;
    return end && at >= (size_t)(begin - damage->bytes) && at <= (size_t)(end - damage->bytes) + 4;
}

/* Refused as damaged, and left as it is, by readers and writers alike. */
static const char *judge_refusal(const struct damage *damage)
{
    struct grid_grant grant;
    struct listing heard = {0};
    const char *path = RIG_PATH("%s/" STATE, damage->directory);
    if (!bytes_are(path, damage->bytes, damage->length))
        return "reading changed the damaged bytes";
    if (listing_request(damage->directory, &grant, &heard) != GRID_ECORRUPT)
        return "a request goes on where reading says it is damaged";
    if (!bytes_are(path, damage->bytes, damage->length))
        return "a request changed the damaged bytes";
    if (rig_count(damage->directory, "corrupt-") > 0 || rig_count(damage->directory, "tmp") > 0)
        return "something is left behind";
    return NULL;
}

/* A record that is no JSON, in a file that reads: it stays as it is. */
static bool holds_odd_record(const struct damage *damage)
{
    size_t records;
    cJSON *state = cJSON_ParseWithLength(damage->bytes, damage->length);
    bool odd = damage->target->is_state && !state && reads(damage, &records);
    cJSON_Delete(state);
    return odd;
}

/* The next command: it is granted, or refused for what the nodes say. */
static const char *judge_next(const struct damage *damage, const struct listing *before)
{
    struct grid_grant grant = {0};
    struct listing heard = {0}, after;
    int rc = listing_request(damage->directory, &grant, &heard);
    listing_take(damage->directory, &after);
    /* (The record of a node that is asked for may be the unsound one.) */
    if (rc == GRID_EREFUSED || rc == GRID_ENEVER || rc == GRID_ENOTFOUND
        || (rc == GRID_ECORRUPT && damage->target->waiting > 0))
        return listing_missing(before, &after) > 0 ? "a refusal changed a boost" : NULL;
    if (rc < 0)
        return "the next request fails";
    size_t length = 0;
    char *text = rig_read(RIG_PATH("%s/" STATE, damage->directory), &length);
    cJSON *state = cJSON_ParseWithLengthOpts(text, length + 1, NULL, 1);
    double revision = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(state, "revision"));
    cJSON_Delete(state);
    free(text);
    if (!state && !holds_odd_record(damage))
        return "the next state is no JSON";
    if (listing_missing(before, &after) > 0 || after.count < before->count + 1
        || after.count > before->count + 1 + damage->target->waiting)
        return "the next request changed other boosts";
    if (damage->target->is_managed && strcmp(grant.boost.source_node, GRID_ANY_NODE) == 0)
        return "a managed ledger was taken for one without nodes";
    for (size_t i = 0; i < damage->target->listing.count && damage->target->has_generations; i++)
        if (grant.boost.token <= damage->target->listing.at[i].token)
            return "the token does not rise";
    if (state && damage->target->has_generations && revision <= (double)damage->target->revision)
        return "the revision does not rise";
    if (rig_count(damage->directory, "tmp") > 0)
        return "a temporary file is left behind";
    return listing_check(damage->directory, &after);
}

static const char *judge_state(const struct damage *damage, const struct listing *now)
{
    const struct target *target = damage->target;
    size_t records;
    bool can_read = reads(damage, &records);
    if (damage->at == SIZE_MAX && can_read != (damage->length >= target->whole))
        return "a file that is cut off was taken for a whole one";
    if (can_read && records != target->records)
        return "records got lost in the reading";
    if (now->rc == GRID_ECORRUPT && (can_read ? is_in_policy(damage) : !target->has_generations))
        return judge_refusal(damage);
    if (now->rc < 0)
        return "reading fails";
    if (can_read)
        return judge_listing(damage, now) ?: judge_next(damage, now);
    if (!target->has_generations)
        return "damaged was taken for something else";
    if (!now->told_damage)
        return "it went back without a word";
    if (!are_kept(damage))
        return "the damaged bytes are not kept";
    if (listing_missing(&target->listing, now) > 0 || now->count != target->listing.count)
        return "what it went back to is not all that there was";
    return judge_next(damage, now);
}

/* Damage of the history or the lock file costs no boost. */
static const char *judge_other(const struct damage *damage, const struct listing *now)
{
    if (now->rc < 0)
        return "reading fails";
    const struct listing *before = &damage->target->listing;
    if (listing_missing(before, now) > 0 || now->count != before->count)
        return "the boosts changed";
    return judge_next(damage, now);
}

/* --- points ----------------------------------------------------------------------------------- */

static void describe(struct damage *damage, size_t number)
{
    const struct target *target = damage->target;
    size_t point = number - target->first;
    damage->bytes = malloc(target->length + 1);
    damage->length = target->length;
    memcpy(damage->bytes, target->bytes, target->length);
    if (point < target->length) {
        damage->at = SIZE_MAX;
        damage->length = point;
        snprintf(damage->what, sizeof(damage->what), "%s cut to %zu bytes", target->name, point);
        return;
    }
    point -= target->length;
    damage->at = point / 8;
    damage->bytes[damage->at] = (char)(damage->bytes[damage->at] ^ 1 << point % 8);
    snprintf(damage->what, sizeof(damage->what), "bit %zu of byte %zu of %s flipped", point % 8,
             damage->at, target->name);
}

static void place(const struct damage *damage)
{
    rig_copy(damage->target->template, damage->directory);
    rig_write(RIG_PATH("%s/%s", damage->directory, damage->target->name), damage->bytes,
              damage->length);
}

static void try_point(void *context, size_t index, int worker)
{
    (void)context;
    size_t number = chosen ? chosen[index] : index, i = target_count - 1;
    while (targets[i].first > number)
        i--;
    struct damage damage = {.target = &targets[i]};
    struct listing now;
    rig_format(damage.directory, sizeof(damage.directory), "%s/point-%d", rig.work, worker);
    describe(&damage, number);
    place(&damage);
    listing_take(damage.directory, &now);
    const char *wrong = targets[i].is_state ? judge_state(&damage, &now)
                                            : judge_other(&damage, &now);
    if (!wrong && index % REAL_EVERY == 0) {
        place(&damage);
        int status = rig_run(&rig, damage.directory, "boost status --all", NULL).status;
        wrong = status == grid_code_status(now.rc) ? NULL : "the program says something else";
    }
    if (wrong)
        rig_violation("%s: %s of '%s'", wrong, damage.what, targets[i].template);
    free(damage.bytes);
}

/* --- targets ---------------------------------------------------------------------------------- */

static void add_target(const char *ledger, const char *name, bool has_generations)
{
    struct target *target = &targets[target_count++];
    size_t records = 0;
    rig_format(target->template, sizeof(target->template), "%s/%s", rig.work, ledger);
    rig_format(target->name, sizeof(target->name), "%s", name);
    target->has_generations = has_generations;
    target->is_state = strcmp(name, STATE) == 0;
    target->bytes = rig_read(RIG_PATH("%s/%s", target->template, name), &target->length);
    if (!target->bytes)
        errx(1, "%s has no %s", ledger, name);
    for (target->whole = target->length; target->whole > 0
         && target->bytes[target->whole - 1] != '}';)
        target->whole--;
    reads(&(struct damage){.bytes = target->bytes, .length = target->length}, &records);
    target->records = records;
    rig_copy(target->template, RIG_PATH("%s/look", rig.work));
    listing_take(RIG_PATH("%s/look", rig.work), &target->listing);
    if (target->listing.rc < 0)
        errx(1, "%s does not read", ledger);
    target->is_managed = has_generations && strcmp(ledger, "ledger-kept") == 0;
    target->waiting = strncmp(ledger, "ledger", 6) == 0 ? 1 : 0;
    const char *at = strstr(target->bytes, "\"revision\": ");
    target->revision = at ? strtoll(at + 12, NULL, 10) : 0;
    target->first = point_count;
    point_count += target->length * 9;
}

/* Nothing left of it, and, of a state, cut behind each of its members, and one bit of each byte of
 * their names. */
static size_t choose_of(const struct target *target, unsigned *seed, size_t count)
{
    bool name = false;
    chosen[count++] = (unsigned)target->first;
    for (size_t i = 3; target->is_state && i < target->length && count < QUICK_POINTS; i++) {
        if (memcmp(target->bytes + i - 3, ",\n  \"", 5) == 0)
            chosen[count++] = (unsigned)(target->first + i - 3);
        name = name ? target->bytes[i] != '"' : memcmp(target->bytes + i - 3, "\n  \"", 4) == 0;
        if (name)
            chosen[count++] = (unsigned)(target->first + target->length + i * 8)
                              + rig_random(seed, 8);
    }
    return count;
}

static void choose(void)
{
    unsigned seed = rig.seed;
    size_t count = 0;
    chosen = calloc(QUICK_POINTS + 2 * countof(targets), sizeof(*chosen));
    for (size_t i = 0; i < target_count; i++)
        count = choose_of(&targets[i], &seed, count);
    while (count < QUICK_POINTS)
        chosen[count++] = rig_random(&seed, (unsigned)point_count);
    printf("%d of %zu points\n", QUICK_POINTS, point_count);
}

int main(int argc, char **argv)
{
    static const char *const ledgers[] = {"single", "three", "ended", "extra", "ledger"};
    if (argc != 2)
        errx(2, "usage: damage WORK");
    rig = rig_begin("damage", argv[1]);
    for (size_t i = 0; i < countof(ledgers); i++) {
        char name[64];
        add_target(rig_format(name, sizeof(name), "%s-alone", ledgers[i]), STATE, false);
        add_target(rig_format(name, sizeof(name), "%s-kept", ledgers[i]), STATE, true);
    }
    add_target("ledger-kept", "history.jsonl", true);
    add_target("ledger-kept", STATE ".lock", true);
    if (!rig.full)
        choose();
    rig_points(rig.full ? point_count : QUICK_POINTS, try_point, NULL);
    return rig_end(&rig, rig.full ? 50000 : 1000);
}
