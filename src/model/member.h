/* Members of records that are few and small, as nodes and tickets: cJSON reads them whole. */
#ifndef MODEL_MEMBER_H
#define MODEL_MEMBER_H

#include "grid/node.h"
#include "util/json.h"

#include <cjson/cJSON.h>

/* --- reading; what is missing, or none of what it should be, is as the caller says ---------- */

/* Reads an object, strictly, as cJSON takes too much. *ret is the caller's. ECORRUPT, ENOMEM. */
int member_parse(struct span text, cJSON **ret, struct grid_error *err);

/* Is a key, its text between the quotes, this name once its escapes are resolved? */
bool member_key_is(struct span key, const char *name);

/* Is there a value, and of this type? (cJSON_IsString and its like are each a symbol that the
 * loader would look for at every start.) */
static inline bool member_is(int type, const cJSON *value)
{
    return value && (value->type & 0xff) == type;
}
static inline const cJSON *member_get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A text, "" when it is missing; false: that, or it is cut to fit. */
bool member_text(const cJSON *object, const char *name, char *ret, size_t size);
int64_t member_time(const cJSON *object, const char *name, int64_t missing);

/* What limits somebody must be what it should: ECORRUPT where it is there and is none of that.
 * Missing, *ret stays. Durations are seconds; null is GRID_NEVER. */
int member_seconds(const cJSON *object, const char *name, int64_t *ret_us,
                   struct grid_error *err);
int member_flag(const cJSON *object, const char *name, bool *ret, struct grid_error *err);

/* {"CPU": 16.0, ...}: 0 is allowed here, each resource once. ECORRUPT. */
int member_amounts(const cJSON *object, const char *name, struct grid_amounts *ret,
                   struct grid_error *err);

/* --- printing ------------------------------------------------------------------------------- */

void member_print_text(struct json *json, const char *key, const char *text); /* "": not at all */
void member_print_time(struct json *json, const char *key, int64_t time_us);
void member_print_seconds(struct json *json, const char *key, int64_t duration_us);
/* `key` NULL: the value alone. */
void member_print_amounts(struct json *json, const char *key, const struct grid_amounts *amounts);

/* One member of a kind of record: `print` gets its name as the key, and where it lies in the
 * struct; it prints nothing where the record says nothing. */
struct member {
    const char *name;
    size_t offset;
    void (*print)(struct json *json, const char *key, const void *field);
};

/* For such tables. "some": not at all when there is none. */
void member_text_of(struct json *json, const char *key, const void *text);
void member_time_of(struct json *json, const char *key, const void *time_us);
void member_seconds_of(struct json *json, const char *key, const void *duration_us);
void member_some_seconds_of(struct json *json, const char *key, const void *duration_us);
void member_flag_of(struct json *json, const char *key, const void *flag);
void member_amounts_of(struct json *json, const char *key, const void *amounts);

/* Every member of the table, into an object that is open. */
void member_print_all(struct json *json, const void *record, const struct member *members,
                      size_t count);

/*
 * Prints the record `now` over `old`, the text that `was` was read from with `read_rc`: a member of
 * which both say the same keeps its text, also what we do not understand of it, and so do those
 * that are none of ours (32 at most are). With an `old` of length 0, or that did not read, all is
 * new.
 */
void member_write(struct json *json, int read_rc, struct span old, const void *was,
                  const void *now, const struct member *members, size_t count);

#endif
