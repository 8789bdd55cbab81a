/* YAML read flat, by libyaml's document API: it knows the line and column of every node. */
#include "util/yaml.h"

#include "util/lazy.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 16
#define KEYS_MAX 1000     /* of one mapping: each is compared with those before it */
#define VISITS_MAX 100000 /* aliases let a small file grow without end */
#define COST_MAX 200000   /* of all tokens: about 50,000 keys */
#define TOO_LARGE "nested too deep, or too large"

#define FUNCTIONS(X)                                                                             \
    X(yaml_parser_initialize) X(yaml_parser_delete) X(yaml_parser_set_input_string)              \
    X(yaml_parser_scan) X(yaml_token_delete) X(yaml_parser_load) X(yaml_document_delete)         \
    X(yaml_document_get_root_node) X(yaml_document_get_node)

LAZY_LIBRARY(open_library, FUNCTIONS, "libyaml-0.so.2", "libyaml-0-2")

/* One walk over a document. */
struct walk {
    const char *name;
    yaml_document_t *document;
    yaml_leaf_fn fn;
    void *context;
    int depth, visits;
    struct yaml_step steps[DEPTH_MAX + 1];
    char path[YAML_PATH_SIZE];
};

static int refuse(const struct walk *walk, yaml_mark_t at, struct grid_error *err,
                  const char *reason)
{
    return grid_error_set(err, GRID_EUSAGE, "%s:%zu:%zu: %s", walk->name, at.line + 1,
                          at.column + 1, reason);
}

static const char *scalar_text(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static int hand_over(struct walk *walk, const yaml_node_t *node, struct grid_error *err)
{
    struct yaml_leaf leaf = {.path = walk->path, .text = "", .steps = walk->steps,
                             .key_line = walk->steps[walk->depth - 1].line,
                             .line = node->start_mark.line + 1,
                             .column = node->start_mark.column + 1};
    leaf.is_empty = node->type != YAML_SCALAR_NODE;
    if (!leaf.is_empty) {
        leaf.text = scalar_text(node);
        leaf.is_quoted = node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        leaf.is_null = !leaf.is_quoted
                       && (!*leaf.text || strcmp(leaf.text, "~") == 0
                           || text_same(leaf.text, "null"));
        if (strlen(leaf.text) != node->data.scalar.length)
            return refuse(walk, node->start_mark, err, "a NUL character");
    }
    return walk->fn(walk->context, &leaf, err);
}

static int visit(struct walk *walk, const yaml_node_t *node, struct grid_error *err);

/* The next step of the path; `key` NULL: an element of a list. */
static void set_step(struct walk *walk, yaml_mark_t at, const char *key)
{
    walk->steps[walk->depth] = (struct yaml_step){key, at.line + 1, at.column + 1};
}

static int visit_list(struct walk *walk, const yaml_node_t *node, struct grid_error *err)
{
    const yaml_node_item_t *first = node->data.sequence.items.start;
    size_t end = strlen(walk->path);
    for (const yaml_node_item_t *at = first; at < node->data.sequence.items.top; at++) {
        const yaml_node_t *item = lazy_yaml_document_get_node(walk->document, *at);
        snprintf(walk->path + end, sizeof(walk->path) - end, "[%td]", at - first);
        set_step(walk, item->start_mark, NULL);
        int rc = visit(walk, item, err);
        if (rc != 0)
            return rc;
        walk->path[end] = '\0';
    }
    return 0;
}

/* Is the key of `pair` a scalar that no earlier pair of the mapping has? */
static int check_key(const struct walk *walk, const yaml_node_t *node,
                     const yaml_node_pair_t *pair, struct grid_error *err)
{
    const yaml_node_t *key = lazy_yaml_document_get_node(walk->document, pair->key);
    if (key->type != YAML_SCALAR_NODE || strlen(scalar_text(key)) != key->data.scalar.length)
        return refuse(walk, key->start_mark, err, "a key that is no word");
    for (const yaml_node_pair_t *at = node->data.mapping.pairs.start; at < pair; at++) {
        const yaml_node_t *other = lazy_yaml_document_get_node(walk->document, at->key);
        if (strcmp(scalar_text(key), scalar_text(other)) == 0) {
            char reason[300];
            snprintf(reason, sizeof(reason), "'%s' comes twice", text_shown(scalar_text(key)));
            return refuse(walk, key->start_mark, err, reason);
        }
    }
    return 0;
}

static int visit_mapping(struct walk *walk, const yaml_node_t *node, struct grid_error *err)
{
    size_t end = strlen(walk->path);
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    if (node->data.mapping.pairs.top - pair > KEYS_MAX)
        return refuse(walk, node->start_mark, err, TOO_LARGE);
    for (; pair < node->data.mapping.pairs.top; pair++) {
        int rc = check_key(walk, node, pair, err);
        if (rc < 0)
            return rc;
        const yaml_node_t *key = lazy_yaml_document_get_node(walk->document, pair->key);
        const char *text = scalar_text(key);
        const char *quote = *text && !text[strcspn(text, ".[")] ? "" : "'";
        snprintf(walk->path + end, sizeof(walk->path) - end, "%s%s%s%s", end > 0 ? "." : "",
                 quote, text, quote);
        set_step(walk, key->start_mark, text);
        rc = visit(walk, lazy_yaml_document_get_node(walk->document, pair->value), err);
        if (rc != 0)
            return rc;
        walk->path[end] = '\0';
    }
    return 0;
}

static int visit(struct walk *walk, const yaml_node_t *node, struct grid_error *err)
{
    int rc;
    if (++walk->depth > DEPTH_MAX || ++walk->visits > VISITS_MAX)
        return refuse(walk, node->start_mark, err, TOO_LARGE);
    if (node->type == YAML_MAPPING_NODE
        && node->data.mapping.pairs.start < node->data.mapping.pairs.top)
        rc = visit_mapping(walk, node, err);
    else if (node->type == YAML_SEQUENCE_NODE
             && node->data.sequence.items.start < node->data.sequence.items.top)
        rc = visit_list(walk, node, err);
    else
        rc = hand_over(walk, node, err);
    walk->depth--;
    return rc;
}

static int refuse_syntax(const struct walk *walk, const yaml_parser_t *parser,
                         struct grid_error *err)
{
    /* Where a document is put together libyaml fails for want of memory only, and does not say. */
    if (parser->error == YAML_MEMORY_ERROR || parser->error == YAML_NO_ERROR)
        return grid_error_set(err, GRID_ENOMEM, "cannot read '%s': no memory", walk->name);
    return refuse(walk, parser->problem_mark, err, parser->problem ? parser->problem : "no YAML");
}

/*
 * A look at the tokens before anything is built of them: of open brackets, anchors and tag
 * directives libyaml takes time in the square of their number.
 */
static int check_tokens(struct walk *walk, yaml_parser_t *parser, struct grid_error *err)
{
    yaml_token_type_t type;
    int depth = 0, cost = 0;
    do {
        yaml_token_t token;
        if (!lazy_yaml_parser_scan(parser, &token))
            return refuse_syntax(walk, parser, err);
        type = token.type;
        yaml_mark_t at = token.start_mark;
        lazy_yaml_token_delete(&token);
        depth += type == YAML_BLOCK_SEQUENCE_START_TOKEN || type == YAML_BLOCK_MAPPING_START_TOKEN
                 || type == YAML_FLOW_SEQUENCE_START_TOKEN || type == YAML_FLOW_MAPPING_START_TOKEN;
        depth -= type == YAML_BLOCK_END_TOKEN || type == YAML_FLOW_SEQUENCE_END_TOKEN
                 || type == YAML_FLOW_MAPPING_END_TOKEN;
        cost += type == YAML_ANCHOR_TOKEN || type == YAML_TAG_DIRECTIVE_TOKEN ? 100 : 1;
        if (depth > DEPTH_MAX || cost > COST_MAX)
            return refuse(walk, at, err, TOO_LARGE);
    } while (type != YAML_STREAM_END_TOKEN && type != YAML_NO_TOKEN);
    return 0;
}

/* The next document of the file; *ret_found: there is one, which the caller deletes. */
static int load(struct walk *walk, yaml_parser_t *parser, yaml_document_t *ret, bool *ret_found,
                struct grid_error *err)
{
    if (!lazy_yaml_parser_load(parser, ret))
        return refuse_syntax(walk, parser, err);
    *ret_found = lazy_yaml_document_get_root_node(ret) != NULL;
    if (!*ret_found)
        lazy_yaml_document_delete(ret);
    return 0;
}

static int read_documents(struct walk *walk, yaml_parser_t *parser, struct grid_error *err)
{
    yaml_document_t document, second;
    bool found = false, more = false;
    int rc = load(walk, parser, &document, &found, err);
    if (rc < 0 || !found)
        return rc;
    walk->document = &document;
    const yaml_node_t *root = lazy_yaml_document_get_root_node(&document);
    rc = load(walk, parser, &second, &more, err);
    if (more) {
        rc = refuse(walk, second.start_mark, err, "a second document");
        lazy_yaml_document_delete(&second);
    }
    if (rc == 0 && root->type != YAML_MAPPING_NODE)
        rc = refuse(walk, root->start_mark, err, "not a mapping of keys to values");
    if (rc == 0 && root->data.mapping.pairs.start < root->data.mapping.pairs.top)
        rc = visit_mapping(walk, root, err);
    lazy_yaml_document_delete(&document);
    return rc;
}

/* One pass over the text with a parser of its own. */
static int pass(struct walk *walk, const char *text, size_t length,
                int (*fn)(struct walk *, yaml_parser_t *, struct grid_error *),
                struct grid_error *err)
{
    yaml_parser_t parser;
    if (!lazy_yaml_parser_initialize(&parser))
        return grid_error_set(err, GRID_ENOMEM, "cannot read '%s': no memory", walk->name);
    lazy_yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    int rc = fn(walk, &parser, err);
    lazy_yaml_parser_delete(&parser);
    return rc;
}

int yaml_read(const char *name, const char *text, size_t length, yaml_leaf_fn fn, void *context,
              struct grid_error *err)
{
    struct walk walk = {.name = name, .fn = fn, .context = context};
    int rc = open_library(err);
    rc = rc ?: pass(&walk, text, length, check_tokens, err);
    return rc ?: pass(&walk, text, length, read_documents, err);
}
