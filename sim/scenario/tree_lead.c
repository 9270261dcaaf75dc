// Paths into a scenario's tree, by names where tables have names.
#include "scenario/tree.h"

#include "engine/memory.h"

#include <string.h>

#define PART_SIZE 256

bool sim_tree_is_called(const struct sim_tree *table, const char *name)
{
    const char *own = sim_tree_text(table, "name");
    if (own) return strcmp(own, name) == 0;
    const struct sim_tree *between = sim_tree_get(table, "between");
    const char *kind = sim_tree_text(table, "kind"), *from = sim_tree_text(table, "from"),
               *to = sim_tree_text(table, "to");
    const char *parts[3] = {kind, from, to};
    size_t count = kind && from && to ? 3 : 0;
    if (between && between->kind == QE_TOML_ARRAY) count = between->count;
    for (size_t i = 0; i < count; i++) {
        const char *part = parts[i % 3];
        if (between) part = between->items[i]->kind == QE_TOML_STRING ? between->items[i]->text : "";
        size_t length = strlen(part);
        if (strncmp(name, part, length) != 0) return false;
        name += length;
        if (i + 1 < count && *name++ != '-') return false;
    }
    return count > 0 && *name == '\0';
}

static struct sim_tree *item_of(const struct sim_tree *array, const char *part)
{
    size_t index = 0, digits = strspn(part, "0123456789");
    for (size_t i = 0; i < array->count; i++)
        if (array->items[i]->kind == QE_TOML_TABLE && sim_tree_is_called(array->items[i], part)) return array->items[i];
    if (!digits || digits > 6 || part[digits]) return NULL;
    for (size_t i = 0; i < digits; i++)
        index = index * 10 + (size_t)(part[i] - '0');
    return index < array->count ? array->items[index] : NULL;
}

struct sim_tree *sim_tree_lead(struct sim_tree *root, const char *path, bool make, const char **key, const char **wrong)
{
    struct sim_tree *at = root;
    for (;;) {
        size_t length = strcspn(path, ".");
        char part[PART_SIZE];
        *wrong = path;
        if (length == 0 || length >= sizeof(part)) return NULL;
        memcpy(part, path, length);
        part[length] = '\0';
        if (at->kind != QE_TOML_TABLE && at->kind != QE_TOML_ARRAY) return NULL;
        if (path[length] == '\0') {
            if (at->kind == QE_TOML_ARRAY && !item_of(at, part)) return NULL;
            *key = path;
            return at;
        }
        struct sim_tree *next = at->kind == QE_TOML_ARRAY ? item_of(at, part) : sim_tree_get(at, part);
        if (!next && at->kind == QE_TOML_TABLE && at != root && make) {
            next = sim_tree_new(QE_TOML_TABLE, at->line);
            sim_tree_put(at, part, next);
        }
        if (!next) return NULL;
        at = next;
        path += length + 1;
    }
}

bool sim_tree_set(struct sim_tree *root, const char *path, struct sim_tree *value, const char **wrong)
{
    const char *key;
    struct sim_tree *at = sim_tree_lead(root, path, true, &key, wrong);
    if (!at) return false;
    if (at->kind == QE_TOML_TABLE) {
        sim_tree_put(at, key, value);
        return true;
    }
    struct sim_tree *old = item_of(at, key);
    size_t place = 0;
    while (at->items[place] != old)
        place++;
    sim_tree_free(old);
    at->items[place] = value;
    return true;
}

struct sim_tree *sim_tree_look(struct sim_tree *root, const char *path)
{
    const char *key, *wrong;
    struct sim_tree *at = sim_tree_lead(root, path, false, &key, &wrong);
    if (!at) return NULL;
    return at->kind == QE_TOML_TABLE ? sim_tree_get(at, key) : item_of(at, key);
}
