/* YAML read flat, by libyaml's document API: it knows the line and column of every node. */
#include "util/yaml.h"

#include "util/lazy.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 16
#define VISITS_MAX 100000 /* aliases let a small file grow without end */

#define FUNCTIONS(X)                                                                             \
    X(yaml_parser_initialize) X(yaml_parser_delete) X(yaml_parser_set_input_string)              \
    X(yaml_parser_load) X(yaml_document_delete) X(yaml_document_get_root_node)                   \
    X(yaml_document_get_node)

LAZY_LIBRARY(open_library, FUNCTIONS, "libyaml-0.so.2", "libyaml-0-2")

/* One walk over a document. */
struct walk {
    const char *name;
    yaml_document_t *document;
    yaml_leaf_fn fn;
    void *context;
    int depth, visits;
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

static int hand_over(struct walk *walk, const yaml_node_t *node, size_t key_line,
                     struct grid_error *err)
{
    struct yaml_leaf leaf = {.path = walk->path, .text = "", .key_line = key_line + 1,
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

static int visit(struct walk *walk, const yaml_node_t *node, size_t key_line,
                 struct grid_error *err);

static int visit_list(struct walk *walk, const yaml_node_t *node, struct grid_error *err)
{
    const yaml_node_item_t *first = node->data.sequence.items.start;
    size_t end = strlen(walk->path);
    for (const yaml_node_item_t *at = first; at < node->data.sequence.items.top; at++) {
        const yaml_node_t *item = lazy_yaml_document_get_node(walk->document, *at);
        snprintf(walk->path + end, sizeof(walk->path) - end, "[%td]", at - first);
        int rc = visit(walk, item, item->start_mark.line, err);
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
    if (key->type != YAML_SCALAR_NODE)
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
    for (; pair < node->data.mapping.pairs.top; pair++) {
        int rc = check_key(walk, node, pair, err);
        if (rc < 0)
            return rc;
        const yaml_node_t *key = lazy_yaml_document_get_node(walk->document, pair->key);
        snprintf(walk->path + end, sizeof(walk->path) - end, "%s%s", end > 0 ? "." : "",
                 scalar_text(key));
        rc = visit(walk, lazy_yaml_document_get_node(walk->document, pair->value),
                   key->start_mark.line, err);
        if (rc != 0)
            return rc;
        walk->path[end] = '\0';
    }
    return 0;
}

static int visit(struct walk *walk, const yaml_node_t *node, size_t key_line,
                 struct grid_error *err)
{
    int rc;
    if (++walk->depth > DEPTH_MAX || ++walk->visits > VISITS_MAX)
        return refuse(walk, node->start_mark, err, "nested too deep, or too large");
    if (node->type == YAML_MAPPING_NODE
        && node->data.mapping.pairs.start < node->data.mapping.pairs.top)
        rc = visit_mapping(walk, node, err);
    else if (node->type == YAML_SEQUENCE_NODE
             && node->data.sequence.items.start < node->data.sequence.items.top)
        rc = visit_list(walk, node, err);
    else
        rc = hand_over(walk, node, key_line, err);
    walk->depth--;
    return rc;
}

/* The next document of the file; *ret_found: there is one, which the caller deletes. */
static int load(struct walk *walk, yaml_parser_t *parser, yaml_document_t *ret, bool *ret_found,
                struct grid_error *err)
{
    if (!lazy_yaml_parser_load(parser, ret)) {
        if (parser->error == YAML_MEMORY_ERROR)
            return grid_error_set(err, GRID_ENOMEM, "cannot read '%s': no memory", walk->name);
        return refuse(walk, parser->problem_mark, err,
                      parser->problem ? parser->problem : "no YAML");
    }
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

int yaml_read(const char *name, const char *text, size_t length, yaml_leaf_fn fn, void *context,
              struct grid_error *err)
{
    int rc = open_library(err);
    if (rc < 0)
        return rc;
    yaml_parser_t parser;
    if (!lazy_yaml_parser_initialize(&parser))
        return grid_error_set(err, GRID_ENOMEM, "cannot read '%s': no memory", name);
    struct walk walk = {.name = name, .fn = fn, .context = context};
    lazy_yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    rc = read_documents(&walk, &parser, err);
    lazy_yaml_parser_delete(&parser);
    return rc;
}
