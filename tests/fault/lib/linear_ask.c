/* What is asked of the ledger, in words of the program, and what its answers say. */
#include "fault/lib/linear_ask.h"

#include "fault/lib/rig.h"
#include "grid/time.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void linear_word(struct linear_words *words, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *at = words->text + words->length;
    size_t room = sizeof(words->text) - words->length;
    words->length += (size_t)vsnprintf(at, room, format, arguments) + 1;
    va_end(arguments);
    words->at[words->count++] = at;
}

/* --- what is asked ---------------------------------------------------------------------------- */

/* Weights of 100. */
static const struct {
    enum linear_kind kind;
    unsigned weight;
} kinds[] = {{REQUEST, 42}, {RELEASE, 17}, {EXTEND, 12}, {STATUS, 13}, {LIMIT, 3}, {HOLD, 2},
             {RESUME, 5}, {NODES, 3}, {CLEANUP, 3}};

static void choose_request(struct linear_op *op, unsigned *seed)
{
    static const int64_t amounts_m[RESOURCES][4] = {{500, 1000, 1500, 5000},
                                                    {1000, 1000, 2000, 3000}};
    static const int64_t durations_us[] = {GRID_SECOND, GRID_SECOND, 2 * GRID_SECOND, NEVER};
    if (rig_random(seed, 4) == 0)
        op->key = rig_random(seed, KEYS);
    /* A request id comes most often with the same values. */
    unsigned of_key = (unsigned)op->key * 7919, *from = op->key != NONE && rig_random(seed, 8)
                                                            ? &of_key : seed;
    unsigned size = rig_random(from, 16);
    op->resource = rig_random(from, RESOURCES);
    op->amount_m = amounts_m[op->resource][size == 15 ? 3 : size % 3];
    op->duration_us = durations_us[rig_random(from, 4)];
    op->target = rig_random(from, 4) ? NODE_COUNT - 1 : (int64_t)rig_random(from, NODE_COUNT);
    op->source = rig_random(from, 6) ? NONE : (int64_t)rig_random(from, NODE_COUNT - 1);
}

/* A boost whose id somebody knows; NONE: there is none. */
static int64_t choose_boost(const struct linear_shared *shared, unsigned *seed)
{
    size_t made = shared->next, back = 0;
    for (int tries = 0; tries < 50; tries++) {
        back = 1 + rig_random(seed, made < 60 ? (unsigned)made : 60);
        if (back <= made && made - back < OPS_MOST && shared->known[made - back])
            return (int64_t)(made - back);
    }
    return NONE;
}

static void choose_extend(const struct linear_shared *shared, struct linear_op *op,
                          unsigned *seed)
{
    op->subject = choose_boost(shared, seed);
    /* What a killed one came to must not hang on the time at which it was. */
    op->by = op->fault != NO_FAULT || rig_random(seed, 2);
    op->shorten = !op->by && rig_random(seed, 3) == 0;
    op->duration_us = (1 + rig_random(seed, 3)) * GRID_SECOND;
}

void linear_choose(const struct linear_shared *shared, struct linear_op *op, unsigned *seed)
{
    unsigned at = rig_random(seed, 100), i = 0;
    for (; at >= kinds[i].weight; i++)
        at -= kinds[i].weight;
    op->kind = kinds[i].kind;
    if (op->kind == REQUEST)
        choose_request(op, seed);
    else if (op->kind == RELEASE)
        op->subject = choose_boost(shared, seed);
    else if (op->kind == EXTEND)
        choose_extend(shared, op, seed);
    op->node = rig_random(seed, NODE_COUNT - 1);
    if (op->kind == LIMIT) {
        op->resource = rig_random(seed, RESOURCES);
        op->amount_m = (int64_t)rig_random(seed, 4) * 1000;
        if (op->amount_m == 3000)
            op->amount_m = NONE;
    }
}

static void spell_request(const struct linear_shared *shared, const struct linear_op *op,
                          struct linear_words *words)
{
    linear_word(words, "request");
    linear_word(words, "%s", linear_nodes[op->target]);
    linear_word(words, "%s", linear_resources[op->resource]);
    linear_word(words, "%" PRId64 ".%03d", op->amount_m / 1000, (int)(op->amount_m % 1000));
    linear_word(words, "--duration");
    if (op->duration_us == NEVER)
        linear_word(words, "never");
    else
        linear_word(words, "%" PRId64 "s", op->duration_us / GRID_SECOND);
    linear_word(words, "--reason");
    linear_word(words, "op%td", op - shared->ops);
    if (op->source != NONE)
        linear_word(words, "--source=%s", linear_nodes[op->source]);
    if (op->key != NONE)
        linear_word(words, "--request-id=key%" PRId64, op->key);
}

static void spell_boost(const struct linear_shared *shared, const struct linear_op *op,
                        struct linear_words *words)
{
    linear_word(words, "%s", op->kind == RELEASE ? "release" : "extend");
    linear_word(words, "%s", op->subject == NONE ? "no-such-boost" : shared->ids[op->subject]);
    if (op->kind == EXTEND)
        linear_word(words, "--%s=%" PRId64 "s", op->by ? "by" : "for",
                    op->duration_us / GRID_SECOND);
    if (op->shorten)
        linear_word(words, "--shorten");
}

static void spell_node(const struct linear_op *op, struct linear_words *words)
{
    linear_word(words, "%s", op->kind == LIMIT ? "limit" : op->kind == HOLD ? "hold" : "resume");
    linear_word(words, "%s", linear_nodes[op->node]);
    if (op->kind == LIMIT && op->amount_m == NONE)
        linear_word(words, "--lend=%s=none", linear_resources[op->resource]);
    else if (op->kind == LIMIT)
        linear_word(words, "--lend=%s=%" PRId64, linear_resources[op->resource],
                    op->amount_m / 1000);
}

void linear_spell(const struct linear_shared *shared, const struct linear_op *op,
                  struct linear_words *words)
{
    bool of_node = op->kind == LIMIT || op->kind == HOLD || op->kind == RESUME || op->kind == NODES;
    linear_word(words, "grid");
    linear_word(words, "%s", of_node ? "node" : "boost");
    if (op->kind == REQUEST)
        spell_request(shared, op, words);
    else if (op->kind == RELEASE || op->kind == EXTEND)
        spell_boost(shared, op, words);
    else if (of_node && op->kind != NODES)
        spell_node(op, words);
    else
        linear_word(words, "%s", op->kind == NODES    ? "list"
                                 : op->kind == STATUS ? "status"
                                                      : "cleanup");
    linear_word(words, "--json");
}

/* --- what is told ----------------------------------------------------------------------------- */

static const char *text_of(const cJSON *json, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key)) ?: "";
}

/* null: the end of what never ends. */
static int64_t time_of(const cJSON *json, const char *key)
{
    struct tm utc = {0};
    long us = 0;
    const char *text = text_of(json, key);
    if (sscanf(text, "%d-%d-%dT%d:%d:%d.%6ld", &utc.tm_year, &utc.tm_mon, &utc.tm_mday,
               &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &us) != 7)
        return NEVER;
    utc.tm_year -= 1900;
    utc.tm_mon--;
    return timegm(&utc) * GRID_SECOND + us;
}

static int64_t node_of(const char *name)
{
    for (int64_t i = 0; i < NODE_COUNT; i++)
        if (strcmp(name, linear_nodes[i]) == 0)
            return i;
    return NONE;
}

/* The operation that asked for a boost; its id is known from now on. */
static int64_t op_of(struct linear_shared *shared, const cJSON *boost)
{
    const char *reason = text_of(boost, "reason");
    long number = strncmp(reason, "op", 2) == 0 ? strtol(reason + 2, NULL, 10) : NONE;
    if (number < 0 || number >= OPS_MOST)
        return NONE;
    if (!shared->known[number]) {
        snprintf(shared->ids[number], sizeof(*shared->ids), "%s", text_of(boost, "boost_id"));
        shared->known[number] = true;
    }
    return number;
}

static void take_boost(struct linear_shared *shared, struct linear_op *op, const cJSON *boost)
{
    const char *state = text_of(boost, "state");
    const cJSON *device;
    op->found = op_of(shared, boost);
    op->found_source = node_of(text_of(boost, "source_node"));
    op->expires_us = time_of(boost, "expires_at");
    op->allocated_us = time_of(boost, "allocated_at");
    cJSON_ArrayForEach(device, cJSON_GetObjectItemCaseSensitive(boost, "devices"))
        op->devices |= INT64_C(1) << device->valueint;
    op->ended = strcmp(state, "released") == 0  ? RELEASED
                : strcmp(state, "expired") == 0 ? EXPIRED
                                                : LIVING;
    if (op->ended != LIVING)
        op->ended_us = time_of(boost, "ended_at");
}

static void take_seen(struct linear_op *op, int64_t what, int64_t value)
{
    if (op->seen_count < SEEN_MOST)
        op->seen[op->seen_count++] = (struct linear_seen){what, value};
}

static int64_t limit_of(const cJSON *node, int resource)
{
    static const char *const names[] = {"CPU", "GPU"};
    const cJSON *lend = cJSON_GetObjectItemCaseSensitive(node, "lend");
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(lend, names[resource]);
    return limit ? (int64_t)(limit->valuedouble * 1000) : NONE;
}

static void take_nodes(struct linear_op *op, const cJSON *nodes)
{
    const cJSON *node;
    cJSON_ArrayForEach(node, nodes)
        for (int i = 0; i < RESOURCES; i++)
            take_seen(op, cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(node, "held")),
                      limit_of(node, i));
}

void linear_take(struct linear_shared *shared, struct linear_op *op, const cJSON *json)
{
    const cJSON *boosts = cJSON_GetObjectItemCaseSensitive(json, "boosts"), *boost;
    if (op->kind == NODES)
        take_nodes(op, cJSON_GetObjectItemCaseSensitive(json, "nodes"));
    else if (op->kind == STATUS || op->kind == CLEANUP)
        cJSON_ArrayForEach(boost, boosts)
            take_seen(op, op_of(shared, boost), time_of(boost, "expires_at"));
    else if (op->kind <= EXTEND)
        take_boost(shared, op, cJSON_GetArrayItem(boosts, 0));
}

/* --- what happened ---------------------------------------------------------------------------- */

/* The first of those it may have been. */
static void hint(struct linear_shared *shared, const struct linear_op *like, int64_t at_us)
{
    struct linear_op *best = NULL;
    for (size_t i = 0; i < shared->next && i < OPS_MOST; i++) {
        struct linear_op *op = &shared->ops[i];
        if (op->kind == like->kind && op->node == like->node && op->resource == like->resource
            && op->amount_m == like->amount_m && op->hint_us == 0 && op->from_us <= at_us
            && op->until_us >= at_us && (!best || op->until_us < best->until_us))
            best = op;
    }
    if (best)
        best->hint_us = at_us;
}

static void take_node_event(struct linear_shared *shared, struct linear_limits *before,
                            const cJSON *node, int64_t at_us)
{
    int64_t index = node_of(text_of(node, "node_id"));
    bool held = cJSON_GetObjectItemCaseSensitive(node, "hold");
    if (index == NONE)
        return;
    if (held != before->held[index])
        hint(shared, &(struct linear_op){.kind = held ? HOLD : RESUME, .node = index}, at_us);
    for (int i = 0; i < RESOURCES; i++) {
        int64_t limit_m = limit_of(node, i);
        if (limit_m != before->limits_m[index][i])
            hint(shared, &(struct linear_op){.kind = LIMIT, .node = index, .resource = i,
                                             .amount_m = limit_m}, at_us);
        before->limits_m[index][i] = limit_m;
    }
    before->held[index] = held;
}

/* An extension to this end, or a release, of the boost of `subject`. */
static void take_change(struct linear_shared *shared, enum linear_kind kind, int64_t subject,
                        int64_t expires_us, int64_t at_us)
{
    for (size_t i = 0; i < shared->next && i < OPS_MOST; i++) {
        struct linear_op *op = &shared->ops[i];
        bool told = kind == RELEASE ? op->ended_us == at_us : op->expires_us == expires_us;
        if (op->kind == kind && op->subject == subject && op->hint_us == 0
            && (op->status == 0 ? told : op->status == STATUS_KILLED || op->status == 11)
            && op->from_us <= at_us && op->until_us >= at_us)
            op->hint_us = at_us;
    }
}

void linear_take_event(struct linear_shared *shared, struct linear_limits *before,
                       const cJSON *event)
{
    const char *kind = text_of(event, "event");
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(event, "node");
    const cJSON *boost = cJSON_GetObjectItemCaseSensitive(event, "boost");
    int64_t at_us = time_of(event, "at"), index = op_of(shared, boost);
    if (strcmp(kind, "node_set") == 0)
        take_node_event(shared, before, node, at_us);
    else if (index != NONE && strcmp(kind, "extended") == 0)
        take_change(shared, EXTEND, index, time_of(boost, "expires_at"), at_us);
    else if (index != NONE && strcmp(kind, "released") == 0)
        take_change(shared, RELEASE, index, 0, at_us);
    else if (index != NONE && strcmp(kind, "granted") == 0 && shared->ops[index].status != 0)
        shared->ops[index].allocated_us = shared->ops[index].hint_us = at_us;
}
