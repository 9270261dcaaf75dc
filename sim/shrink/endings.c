// What ends a fault: the link that is up again, the node that starts again, the setting that is back. Without it almost
// any expectation fails, but for another reason; so an ending stays as long as the fault that it ends.
#include "shrink/internal.h"

#include "scenario/units.h"

#include <string.h>

static const struct {
    const char *key, *class;
    bool ends;
} classes[] = {{"down", "way", false}, {"blackhole", "way", false}, {"up", "way", true}, {"crash", "run", false},
    {"stop", "run", false}, {"start", "run", true}, {"leave", "member", false}, {"join", "member", true}};

// Keys that say where, when and how, but not what.
static const char *const about[] = {"time", "link", "host", "from", "silently", "lose_unsynced"};

static uint64_t time_of(const struct sim_tree *entry)
{
    uint64_t ns = 0;
    const char *text = sim_tree_text(entry, "time");
    if (text) sim_duration_parse(text, &ns);
    return ns;
}

static bool same_text(const struct sim_tree *a, const struct sim_tree *b, const char *key)
{
    const char *x = sim_tree_text(a, key), *y = sim_tree_text(b, key);
    return x && y ? strcmp(x, y) == 0 : x == y;
}

// Whether a link's setting is what the link has without any fault.
static bool is_usual(const struct sim_tree *root, const struct sim_tree *entry, const struct sim_tree *setting)
{
    static const char *const defaults[] = {"0%", "0s", "unlimited"};
    const struct sim_tree *links = sim_tree_get(root, "link"), *usual = NULL;
    const char *name = sim_tree_text(entry, "link"), *from = sim_tree_text(entry, "from");
    for (size_t i = 0; links && name && i < links->count; i++) {
        if (!sim_tree_is_called(links->items[i], name)) continue;
        usual = from ? sim_tree_get(sim_tree_get(sim_tree_get(links->items[i], "from"), from), setting->key) : NULL;
        if (!usual) usual = sim_tree_get(links->items[i], setting->key);
    }
    if (usual) return sim_tree_equal(usual, setting);
    if (setting->kind == QE_TOML_BOOLEAN) return !setting->boolean;
    if (setting->kind == QE_TOML_INTEGER) return setting->integer == 1500;
    for (size_t i = 0; setting->kind == QE_TOML_STRING && i < 3; i++)
        if (strcmp(setting->text, defaults[i]) == 0) return true;
    return false;
}

static bool is_about(const char *key)
{
    for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++)
        if (strcmp(about[i], key) == 0) return true;
    return false;
}

// What an entry of the timeline is about, such that one may end another; NULL where it needs no ending.
static const char *class_of(const struct sim_tree *root, const struct sim_tree *entry, bool *ends)
{
    if (sim_tree_get(entry, "start_after") || sim_tree_get(entry, "for")) return NULL;
    for (size_t i = 0; entry->kind == QE_TOML_TABLE && i < entry->count; i++) {
        const struct sim_tree *value = entry->items[i];
        for (size_t k = 0; k < sizeof(classes) / sizeof(classes[0]); k++)
            if (strcmp(value->key, classes[k].key) == 0) {
                *ends = classes[k].ends;
                return classes[k].class;
            }
        if (is_about(value->key)) continue;
        *ends = false;
        if (strcmp(value->key, "partition") == 0)
            *ends = sim_tree_get(value, "heal") != NULL;
        else if (strcmp(value->key, "clock_drift") == 0)
            *ends = value->kind == QE_TOML_STRING && strcmp(value->text, "0ppm") == 0;
        else if (sim_tree_get(entry, "link") && !sim_tree_get(entry, "host"))
            *ends = is_usual(root, entry, value);
        else if (strcmp(value->key, "roam") != 0)
            return NULL;
        return value->key;
    }
    return NULL;
}

// One roaming takes the host away, the next one back.
static bool takes_back(const struct sim_tree *away, const struct sim_tree *entry)
{
    const struct sim_tree *x = sim_tree_get(away, "roam"), *y = sim_tree_get(entry, "roam");
    const char *from = sim_tree_text(x, "from"), *to = sim_tree_text(y, "to");
    return from && to && strcmp(from, to) == 0;
}

static bool ends_fault(
    const struct sim_tree *root, const struct sim_tree *fault, const char *class, const struct sim_tree *entry)
{
    bool ends;
    const char *other = class_of(root, entry, &ends);
    if (!other || strcmp(class, other) != 0 || time_of(entry) < time_of(fault)) return false;
    if (strcmp(class, "roam") == 0 ? !takes_back(fault, entry) : !ends) return false;
    return same_text(fault, entry, "link") && same_text(fault, entry, "host") &&
           (!sim_tree_get(entry, "from") || same_text(fault, entry, "from"));
}

void sim_keep_endings(struct sim_tree *root)
{
    const struct sim_tree *list = sim_tree_get(root, "at");
    if (!list || list->kind != QE_TOML_ARRAY) return;
    for (size_t i = 0; i < list->count; i++) {
        const struct sim_tree *fault = list->items[i];
        struct sim_tree *end = NULL;
        bool ends;
        const char *class = fault->doomed ? NULL : class_of(root, fault, &ends);
        if (!class || (ends && strcmp(class, "roam") != 0)) continue;
        for (size_t k = 0; k < list->count; k++)
            if (k != i && ends_fault(root, fault, class, list->items[k]) &&
                (!end || time_of(list->items[k]) < time_of(end)))
                end = list->items[k];
        if (end) end->doomed = false;
    }
}

bool sim_same_order(const struct sim_tree *a, const struct sim_tree *b)
{
    const struct sim_tree *x = sim_tree_get(a, "at"), *y = sim_tree_get(b, "at");
    if (!x || !y || x->count != y->count) return true;
    for (size_t i = 0; i < x->count; i++)
        for (size_t k = i + 1; k < x->count; k++)
            if ((time_of(x->items[i]) <= time_of(x->items[k])) != (time_of(y->items[i]) <= time_of(y->items[k])))
                return false;
    return true;
}
