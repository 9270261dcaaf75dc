// A tree with some of its elements taken out, and what mentions them: a link without its host, what happens to a link
// that is gone, what is expected of a flow that is gone. That this may take too much does no harm, for the candidate is
// judged as a whole.
#include "shrink/internal.h"

#include "engine/memory.h"

#include <stdio.h>
#include <string.h>

static bool is_entry(const struct sim_tree *entry, const char *key)
{
    return entry->kind == QE_TOML_ARRAY && strcmp(entry->key, key) == 0;
}

// Whether `text` names the host, alone or as in "b@192.0.2.1:9000".
static bool names_host(const char *text, const char *host)
{
    size_t length = strlen(host);
    return strncmp(text, host, length) == 0 && (text[length] == '\0' || text[length] == '@');
}

static bool names(const char *text, const struct sim_tree *gone, bool host)
{
    const char *name = sim_tree_text(gone, "name");
    if (host) return name && names_host(text, name);
    return sim_tree_is_called(gone, text);
}

// Whether any string in the value names what is gone.
static bool mentions(const struct sim_tree *value, const struct sim_tree *gone, bool host)
{
    if (value->kind == QE_TOML_STRING) return names(value->text, gone, host);
    for (size_t i = 0; i < value->count; i++)
        if (mentions(value->items[i], gone, host)) return true;
    return false;
}

static void doom_mentions_in_lists(struct sim_tree *value, const struct sim_tree *gone)
{
    for (size_t i = 0; i < value->count; i++) {
        struct sim_tree *item = value->items[i];
        if (value->kind == QE_TOML_ARRAY && item->kind == QE_TOML_STRING && names(item->text, gone, true))
            item->doomed = true;
        doom_mentions_in_lists(item, gone);
    }
}

// Keeps the name that a link has by its hosts, for one is about to go.
static void keep_name(struct sim_tree *link, const struct sim_tree *between)
{
    char name[512] = "";
    size_t used = 0;
    if (sim_tree_get(link, "name")) return;
    for (size_t i = 0; i < between->count; i++) {
        const char *host = between->items[i]->kind == QE_TOML_STRING ? between->items[i]->text : "";
        int length = snprintf(name + used, sizeof(name) - used, "%s%s", i ? "-" : "", host);
        if (length < 0 || (size_t)length >= sizeof(name) - used) return;
        used += (size_t)length;
    }
    sim_tree_put(link, "name", sim_tree_string(name, link->line));
}

// A link loses the host, and all of itself where fewer than two are left.
static void doom_in_link(struct sim_tree *link, const struct sim_tree *gone)
{
    struct sim_tree *between = sim_tree_get(link, "between");
    const char *name = sim_tree_text(gone, "name");
    size_t left = 0;
    if (!between || !name || !mentions(between, gone, true)) return;
    doom_mentions_in_lists(link, gone);
    for (size_t i = 0; i < between->count; i++)
        left += !between->items[i]->doomed;
    if (left < 2)
        link->doomed = true;
    else
        keep_name(link, between);
    static const char *const by_host[] = {"from", "addresses"};
    for (size_t i = 0; i < 2; i++) {
        struct sim_tree *tables = sim_tree_get(link, by_host[i]), *own = sim_tree_get(tables, name);
        if (!own) continue;
        own->doomed = true;
        tables->doomed = true;
        for (size_t k = 0; k < tables->count; k++)
            tables->doomed &= tables->items[k]->doomed;
    }
}

static void doom_without_host(struct sim_tree *root, const struct sim_tree *gone)
{
    for (size_t i = 0; i < root->count; i++) {
        struct sim_tree *entry = root->items[i];
        for (size_t k = 0; entry->kind == QE_TOML_ARRAY && k < entry->count; k++) {
            struct sim_tree *item = entry->items[k];
            if (item == gone) continue;
            if (is_entry(entry, "host"))
                doom_mentions_in_lists(item, gone);
            else if (is_entry(entry, "link"))
                doom_in_link(item, gone);
            else if (mentions(item, gone, true))
                item->doomed = true;
        }
    }
}

static void doom_without(struct sim_tree *root, const struct sim_tree *gone)
{
    for (size_t i = 0; i < root->count; i++) {
        struct sim_tree *entry = root->items[i];
        if (entry->kind != QE_TOML_ARRAY || is_entry(entry, "host") || is_entry(entry, "link")) continue;
        for (size_t k = 0; k < entry->count; k++)
            if (entry->items[k] != gone && mentions(entry->items[k], gone, false)) entry->items[k]->doomed = true;
    }
}

// What is doomed under `key` takes with it what mentions it.
static void spread(struct sim_tree *root, const char *key)
{
    const struct sim_tree *entry = sim_tree_get(root, key);
    for (size_t i = 0; entry && entry->kind == QE_TOML_ARRAY && i < entry->count; i++) {
        if (!entry->items[i]->doomed) continue;
        if (strcmp(key, "host") == 0)
            doom_without_host(root, entry->items[i]);
        else
            doom_without(root, entry->items[i]);
    }
}

// Lists of tables that became empty go.
static void drop_empty(struct sim_tree *root)
{
    for (size_t i = 0; i < root->count; i++)
        root->items[i]->doomed = root->items[i]->count == 0;
    sim_tree_prune(root);
}

static void settle(struct sim_tree *root)
{
    // Links after hosts: they may have gone with one.
    spread(root, "host");
    spread(root, "link");
    spread(root, "flow");
    sim_tree_prune(root);
    drop_empty(root);
}

struct sim_tree *sim_reduce(
    const struct sim_tree *tree, const struct sim_elements *elements, const bool *keep, enum sim_shrink_guard guard)
{
    struct sim_tree *copy = sim_tree_copy(tree);
    for (size_t i = 0; i < elements->count; i++)
        if (!keep[i]) sim_element_find(copy, &elements->items[i])->doomed = true;
    if (guard != SIM_GUARD_NONE) sim_keep_endings(copy);
    settle(copy);
    return copy;
}

struct sim_tree *sim_reduce_to_plain(const struct sim_tree *tree, enum sim_shrink_guard guard)
{
    static const char *const kept[] = {"name", "between", "subnets", "addresses", "mtu", NULL};
    struct sim_tree *copy = sim_tree_copy(tree);
    for (size_t i = 0; i < copy->count; i++) {
        struct sim_tree *entry = copy->items[i];
        if (sim_is_fault(entry)) entry->doomed = true;
        for (size_t k = 0; guard == SIM_GUARD_SETTINGS && is_entry(entry, "link") && k < entry->count; k++)
            for (size_t j = 0; j < entry->items[k]->count; j++) {
                struct sim_tree *setting = entry->items[k]->items[j];
                const char *const *name = kept;
                while (*name && setting->key && strcmp(*name, setting->key) != 0)
                    name++;
                setting->doomed = !*name;
            }
    }
    sim_tree_prune(copy);
    return copy;
}
