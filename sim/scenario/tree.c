#include "scenario/tree.h"

#include "engine/memory.h"

#include <assert.h>
#include <string.h>

struct sim_tree *sim_tree_new(enum qe_toml_kind kind, unsigned line)
{
    struct sim_tree *tree = sim_obtain(1, sizeof(*tree));
    tree->kind = kind;
    tree->line = line;
    return tree;
}

struct sim_tree *sim_tree_string(const char *text, unsigned line)
{
    struct sim_tree *tree = sim_tree_new(QE_TOML_STRING, line);
    tree->text = sim_copy_text(text);
    return tree;
}

struct sim_tree *sim_tree_integer(int64_t integer, unsigned line)
{
    struct sim_tree *tree = sim_tree_new(QE_TOML_INTEGER, line);
    tree->integer = integer;
    return tree;
}

struct sim_tree *sim_tree_boolean(bool boolean, unsigned line)
{
    struct sim_tree *tree = sim_tree_new(QE_TOML_BOOLEAN, line);
    tree->boolean = boolean;
    return tree;
}

static void add(struct sim_tree *parent, struct sim_tree *value)
{
    SIM_ROOM(parent->items, parent->count, parent->capacity);
    parent->items[parent->count++] = value;
}

struct sim_tree *sim_tree_from_toml(const struct qe_toml_value *value)
{
    struct sim_tree *tree = sim_tree_new(qe_toml_kind(value), qe_toml_line(value));
    switch (tree->kind) {
    case QE_TOML_TABLE:
    case QE_TOML_ARRAY:
        for (size_t i = 0; i < qe_toml_size(value); i++) {
            struct sim_tree *item = sim_tree_from_toml(qe_toml_at(value, i));
            if (tree->kind == QE_TOML_TABLE) item->key = sim_copy_text(qe_toml_key(value, i));
            add(tree, item);
        }
        break;
    case QE_TOML_STRING:
        tree->text = sim_copy_text(qe_toml_string(value, NULL));
        break;
    case QE_TOML_INTEGER:
        tree->integer = qe_toml_integer(value);
        break;
    case QE_TOML_FLOAT:
        tree->floating = qe_toml_float(value);
        break;
    case QE_TOML_BOOLEAN:
        tree->boolean = qe_toml_boolean(value);
        break;
    case QE_TOML_DATETIME:
        break;
    }
    return tree;
}

struct sim_tree *sim_tree_copy(const struct sim_tree *tree)
{
    struct sim_tree *copy = sim_obtain(1, sizeof(*copy));
    *copy = *tree;
    if (tree->key) copy->key = sim_copy_text(tree->key);
    if (tree->text) copy->text = sim_copy_text(tree->text);
    copy->items = NULL;
    copy->count = copy->capacity = 0;
    for (size_t i = 0; i < tree->count; i++)
        add(copy, sim_tree_copy(tree->items[i]));
    return copy;
}

void sim_tree_free(struct sim_tree *tree)
{
    if (!tree) return;
    for (size_t i = 0; i < tree->count; i++)
        sim_tree_free(tree->items[i]);
    sim_release(tree->items);
    sim_release(tree->key);
    sim_release(tree->text);
    sim_release(tree);
}

static size_t find(const struct sim_tree *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->items[i]->key, key) == 0) return i;
    return SIZE_MAX;
}

struct sim_tree *sim_tree_get(const struct sim_tree *table, const char *key)
{
    if (!table || table->kind != QE_TOML_TABLE) return NULL;
    size_t place = find(table, key);
    return place == SIZE_MAX ? NULL : table->items[place];
}

const char *sim_tree_text(const struct sim_tree *table, const char *key)
{
    const struct sim_tree *value = sim_tree_get(table, key);
    return value && value->kind == QE_TOML_STRING ? value->text : NULL;
}

void sim_tree_put(struct sim_tree *table, const char *key, struct sim_tree *value)
{
    assert(table->kind == QE_TOML_TABLE && !value->key);
    size_t place = find(table, key);
    value->key = sim_copy_text(key);
    if (place == SIZE_MAX) {
        add(table, value);
        return;
    }
    sim_tree_free(table->items[place]);
    table->items[place] = value;
}

void sim_tree_append(struct sim_tree *array, struct sim_tree *value)
{
    assert(array->kind == QE_TOML_ARRAY && !value->key);
    add(array, value);
}

void sim_tree_remove(struct sim_tree *parent, size_t index)
{
    assert(index < parent->count);
    sim_tree_free(parent->items[index]);
    parent->count--;
    memmove(parent->items + index, parent->items + index + 1, (parent->count - index) * sizeof(*parent->items));
}

void sim_tree_drop(struct sim_tree *table, const char *key)
{
    size_t place = find(table, key);
    if (place != SIZE_MAX) sim_tree_remove(table, place);
}

void sim_tree_prune(struct sim_tree *root)
{
    size_t kept = 0;
    for (size_t i = 0; i < root->count; i++) {
        struct sim_tree *item = root->items[i];
        if (item->doomed) {
            sim_tree_free(item);
            continue;
        }
        sim_tree_prune(item);
        root->items[kept++] = item;
    }
    root->count = kept;
}

// Whether two tables have the same keys in the same order, those of the plain values and those of the tables alike.
static bool same_tables(const struct sim_tree *a, const struct sim_tree *b);

bool sim_tree_equal(const struct sim_tree *a, const struct sim_tree *b)
{
    if (a->kind != b->kind || a->count != b->count) return false;
    switch (a->kind) {
    case QE_TOML_TABLE:
        return same_tables(a, b);
    case QE_TOML_ARRAY:
        for (size_t i = 0; i < a->count; i++)
            if (!sim_tree_equal(a->items[i], b->items[i])) return false;
        return true;
    case QE_TOML_STRING:
        return strcmp(a->text, b->text) == 0;
    case QE_TOML_INTEGER:
        return a->integer == b->integer;
    case QE_TOML_FLOAT:
        // Bit by bit, but any "not a number" is as good as another.
        return memcmp(&a->floating, &b->floating, sizeof(a->floating)) == 0 ||
               (a->floating != a->floating && b->floating != b->floating);
    case QE_TOML_BOOLEAN:
        return a->boolean == b->boolean;
    case QE_TOML_DATETIME:
        return true;
    }
    return false;
}

bool sim_tree_is_table_array(const struct sim_tree *value)
{
    if (value->kind != QE_TOML_ARRAY || value->count == 0) return false;
    for (size_t i = 0; i < value->count; i++)
        if (value->items[i]->kind != QE_TOML_TABLE) return false;
    return true;
}

bool sim_tree_has_header(const struct sim_tree *value)
{
    return value->kind == QE_TOML_TABLE || sim_tree_is_table_array(value);
}

// The next item from *at that is (or is not) under a header.
static const struct sim_tree *next(const struct sim_tree *table, bool header, size_t *at)
{
    while (*at < table->count) {
        const struct sim_tree *item = table->items[(*at)++];
        if (sim_tree_has_header(item) == header) return item;
    }
    return NULL;
}

static bool same_tables(const struct sim_tree *a, const struct sim_tree *b)
{
    for (int header = 0; header < 2; header++) {
        size_t at_a = 0, at_b = 0;
        const struct sim_tree *x, *y;
        while ((x = next(a, header, &at_a))) {
            y = next(b, header, &at_b);
            if (!y || strcmp(x->key, y->key) != 0 || !sim_tree_equal(x, y)) return false;
        }
        if (next(b, header, &at_b)) return false;
    }
    return true;
}

static bool fill(struct qe_toml_value *to, const struct sim_tree *from)
{
    switch (from->kind) {
    case QE_TOML_TABLE:
    case QE_TOML_ARRAY:
        for (size_t i = 0; i < from->count; i++) {
            const struct sim_tree *item = from->items[i];
            struct qe_toml_value *value = qe_toml_add(to, item->key, item->kind, item->line);
            if (!value || !fill(value, item)) return false;
        }
        return true;
    case QE_TOML_STRING:
        return qe_toml_set_string(to, from->text);
    case QE_TOML_INTEGER:
        qe_toml_set_integer(to, from->integer);
        return true;
    case QE_TOML_FLOAT:
        qe_toml_set_float(to, from->floating);
        return true;
    case QE_TOML_BOOLEAN:
        qe_toml_set_boolean(to, from->boolean);
        return true;
    case QE_TOML_DATETIME:
        return true;
    }
    return false;
}

struct qe_toml *sim_tree_to_toml(const struct sim_tree *root)
{
    struct qe_toml *toml = qe_toml_new();
    if (!toml || fill(qe_toml_new_root(toml), root)) return toml;
    qe_toml_free(toml);
    return NULL;
}
