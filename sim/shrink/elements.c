// What a scenario is made of, as lists of elements that can be taken out.
#include "shrink/internal.h"

#include "engine/memory.h"

#include <string.h>

// The root's entries that are no faults: what there is, as opposed to what happens to it.
static const char *const things[] = {"scenario", "host", "link", "flow", "expect", "sweep", NULL};

static bool listed(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

bool sim_is_fault(const struct sim_tree *entry)
{
    return !listed(things, entry->key);
}

void sim_elements_fini(struct sim_elements *elements)
{
    sim_release(elements->items);
    *elements = (struct sim_elements){0};
}

struct sim_tree *sim_element_find(struct sim_tree *root, const struct sim_element *element)
{
    for (size_t i = 0; i < element->depth; i++)
        root = root->items[element->path[i]];
    return root;
}

static void add(struct sim_elements *out, const struct sim_element *element)
{
    SIM_ROOM(out->items, out->count, out->capacity);
    out->items[out->count++] = *element;
}

static struct sim_element below(const struct sim_element *element, size_t index)
{
    struct sim_element inner = *element;
    inner.path[inner.depth++] = index;
    return inner;
}

static void add_items(struct sim_elements *out, const struct sim_tree *root, size_t place)
{
    const struct sim_element entry = {.path = {place}, .depth = 1};
    for (size_t i = 0; i < root->items[place]->count; i++) {
        struct sim_element item = below(&entry, i);
        add(out, &item);
    }
}

void sim_elements_tables(struct sim_elements *out, const struct sim_tree *root, const char *key)
{
    for (size_t i = 0; i < root->count; i++)
        if (strcmp(root->items[i]->key, key) == 0 && root->items[i]->kind == QE_TOML_ARRAY) add_items(out, root, i);
}

// A table of faults goes as a whole, or its lists become shorter.
static void add_lists(struct sim_elements *out, const struct sim_tree *root, size_t place)
{
    const struct sim_element entry = {.path = {place}, .depth = 1};
    const struct sim_tree *table = root->items[place];
    add(out, &entry);
    for (size_t i = 0; i < table->count; i++) {
        struct sim_element list = below(&entry, i);
        for (size_t k = 0; table->items[i]->kind == QE_TOML_ARRAY && k < table->items[i]->count; k++) {
            struct sim_element item = below(&list, k);
            add(out, &item);
        }
    }
}

void sim_elements_faults(struct sim_elements *out, const struct sim_tree *root)
{
    for (size_t i = 0; i < root->count; i++) {
        if (!sim_is_fault(root->items[i])) continue;
        if (root->items[i]->kind == QE_TOML_ARRAY) add_items(out, root, i);
        if (root->items[i]->kind == QE_TOML_TABLE) add_lists(out, root, i);
    }
}

// Keys of a table, and of the tables in it.
static void add_keys(struct sim_elements *out, const struct sim_tree *table, const struct sim_element *element,
    const char *const *needed)
{
    for (size_t i = 0; i < table->count && element->depth < SIM_ELEMENT_DEPTH_MAX; i++) {
        const struct sim_tree *item = table->items[i];
        struct sim_element inner = below(element, i);
        // A link's table of directions is no need, but the direction of a fault is.
        if (item->key && listed(needed, item->key) && !sim_tree_has_header(item)) continue;
        if (table->kind == QE_TOML_TABLE || item->kind == QE_TOML_TABLE) add(out, &inner);
        if (sim_tree_has_header(item)) add_keys(out, item, &inner, needed);
    }
}

void sim_elements_keys(struct sim_elements *out, const struct sim_tree *root, enum sim_shrink_guard guard)
{
    // Without them a table means something else, or nothing.
    static const char *const plain[] = {"name", "between", "kind", "time", "duration", "seed", NULL};
    // What ends a fault is needed, too, where a fault that goes on would be another reason.
    static const char *const all[] = {"name", "between", "kind", "time", "duration", "seed", "start_after", "for",
        "before", "calm", "heal", "from", NULL};
    const char *const *needed = guard == SIM_GUARD_NONE ? plain : all;
    for (size_t i = 0; i < root->count; i++) {
        const struct sim_tree *entry = root->items[i];
        const struct sim_element element = {.path = {i}, .depth = 1};
        if (strcmp(entry->key, "expect") == 0) continue;
        if (strcmp(entry->key, "host") == 0 && guard == SIM_GUARD_SHAPE) continue;
        if (entry->kind == QE_TOML_TABLE) add_keys(out, entry, &element, needed);
        for (size_t k = 0; entry->kind == QE_TOML_ARRAY && k < entry->count; k++) {
            struct sim_element item = below(&element, k);
            add_keys(out, entry->items[k], &item, needed);
        }
    }
}

static void add_quantities(struct sim_elements *out, const struct sim_tree *value, const struct sim_element *element)
{
    if (value->kind == QE_TOML_INTEGER || value->kind == QE_TOML_STRING) add(out, element);
    for (size_t i = 0; i < value->count && element->depth < SIM_ELEMENT_DEPTH_MAX; i++) {
        struct sim_element inner = below(element, i);
        add_quantities(out, value->items[i], &inner);
    }
}

void sim_elements_quantities(struct sim_elements *out, const struct sim_tree *root)
{
    for (size_t i = 0; i < root->count; i++) {
        const struct sim_element element = {.path = {i}, .depth = 1};
        if (strcmp(root->items[i]->key, "expect") == 0 || strcmp(root->items[i]->key, "scenario") == 0) continue;
        add_quantities(out, root->items[i], &element);
    }
}
