// Less time, and rounder values.
#include "shrink/internal.h"

#include "engine/memory.h"
#include "scenario/units.h"

#include <string.h>

#define FACTORS 4
// Shorter than this nobody needs a scenario.
#define DURATION_MIN_NS INT64_C(100000000)

// Keys whose values are points on the timeline, or lengths of it.
static const char *const times[] = {
    "time", "start", "stop", "after", "before", "within", "until", "for", "every", "duration", NULL};

static bool is_time(const struct sim_tree *value)
{
    if (!value->key || value->kind != QE_TOML_STRING) return false;
    for (const char *const *name = times; *name; name++)
        if (strcmp(*name, value->key) == 0) return true;
    return false;
}

// The first digits of a value; the others become zeros.
static int64_t round_off(int64_t value, unsigned digits)
{
    int64_t power = 1, limit = 1;
    for (unsigned i = 0; i < digits; i++)
        limit *= 10;
    for (int64_t rest = value < 0 ? -value : value; rest >= limit; rest /= 10)
        power *= 10;
    return value - value % power;
}

static bool put_quantity(struct sim_tree *value, const struct sim_quantity *quantity)
{
    char text[SIM_UNITS_TEXT_SIZE];
    sim_quantity_format(quantity, text);
    if (strcmp(text, value->text) == 0) return false;
    sim_release(value->text);
    value->text = sim_copy_text(text);
    return true;
}

// Multiplies every time by part / of.
static void scale_times(struct sim_tree *value, int64_t part, int64_t of)
{
    struct sim_quantity quantity;
    if (is_time(value) && sim_quantity_parse(value->text, &quantity)) {
        quantity.value = round_off(quantity.value / of * part, 3);
        put_quantity(value, &quantity);
    }
    for (size_t i = 0; i < value->count; i++)
        scale_times(value->items[i], part, of);
}

static bool later(const struct sim_tree *table, const char *key, int64_t end)
{
    const char *text = sim_tree_text(table, key);
    struct sim_quantity quantity;
    return text && sim_quantity_parse(text, &quantity) && quantity.value >= end;
}

// Ends the scenario at that time: what would be later goes.
static void cut(struct sim_tree *root, int64_t end_ns)
{
    for (size_t i = 0; i < root->count; i++) {
        struct sim_tree *entry = root->items[i];
        for (size_t k = 0; entry->kind == QE_TOML_ARRAY && k < entry->count; k++) {
            struct sim_tree *item = entry->items[k];
            if (item->kind != QE_TOML_TABLE || strcmp(entry->key, "host") == 0) continue;
            item->doomed = later(item, "time", end_ns) || later(item, "after", end_ns) || later(item, "start", end_ns);
            if (later(item, "stop", end_ns)) sim_tree_drop(item, "stop");
            if (later(item, "before", end_ns)) sim_tree_drop(item, "before");
        }
    }
    sim_tree_prune(root);
}

static struct sim_tree *scaled(const struct sim_tree *tree, int64_t part, int64_t of)
{
    struct sim_tree *copy = sim_tree_copy(tree);
    for (size_t i = 0; i < copy->count; i++)
        if (strcmp(copy->items[i]->key, "host") != 0) scale_times(copy->items[i], part, of);
    return copy;
}

static struct sim_tree *cut_to(const struct sim_tree *tree, int64_t part, int64_t of)
{
    struct sim_tree *copy = sim_tree_copy(tree);
    struct sim_tree *duration = sim_tree_get(sim_tree_get(copy, "scenario"), "duration");
    struct sim_quantity quantity;
    if (!duration || duration->kind != QE_TOML_STRING || !sim_quantity_parse(duration->text, &quantity)) return copy;
    quantity.value = round_off(quantity.value / of * part, 3);
    put_quantity(duration, &quantity);
    cut(copy, quantity.value);
    return copy;
}

static bool is_short(const struct sim_tree *tree)
{
    const char *text = sim_tree_text(sim_tree_get(tree, "scenario"), "duration");
    struct sim_quantity quantity;
    return !text || !sim_quantity_parse(text, &quantity) || quantity.value < DURATION_MIN_NS;
}

// As long as one of a few factors does.
static bool repeat(struct sim_shrink *s, struct sim_tree *(*make)(const struct sim_tree *, int64_t, int64_t))
{
    static const int64_t factors[FACTORS][2] = {{1, 4}, {1, 2}, {3, 4}, {9, 10}};
    struct sim_tree *candidates[FACTORS];
    bool any = false;
    size_t taken;
    do {
        if (sim_shrink_over(s) || is_short(s->tree)) return any;
        for (size_t i = 0; i < FACTORS; i++)
            candidates[i] = make(s->tree, factors[i][0], factors[i][1]);
    } while (sim_shrink_try(s, candidates, FACTORS, &taken) && (any = true));
    return any;
}

// The tree with one quantity rounded to so many digits, after a division; NULL where that changes nothing.
static struct sim_tree *rounded(
    const struct sim_tree *tree, const struct sim_element *element, unsigned digits, int64_t divisor)
{
    struct sim_tree *copy = sim_tree_copy(tree), *value = sim_element_find(copy, element);
    struct sim_quantity quantity;
    bool changed = false;
    if (value->kind == QE_TOML_INTEGER) {
        int64_t number = round_off(value->integer / divisor, digits);
        changed = number != value->integer;
        value->integer = number;
    } else if (sim_quantity_parse(value->text, &quantity)) {
        quantity.value = round_off(quantity.value / divisor, digits);
        changed = put_quantity(value, &quantity);
    }
    if (changed && sim_same_order(tree, copy)) return copy;
    sim_tree_free(copy);
    return NULL;
}

static bool round_values(struct sim_shrink *s)
{
    struct sim_elements values = {0};
    bool any = false;
    sim_elements_quantities(&values, s->tree);
    for (size_t i = 0; i < values.count && !sim_shrink_over(s); i++) {
        struct sim_tree *candidates[3];
        size_t count = 0, taken;
        for (unsigned way = 0; way < 3; way++) {
            candidates[count] = rounded(s->tree, &values.items[i], way < 2 ? 1 : 2, way == 0 ? 2 : 1);
            if (candidates[count]) count++;
        }
        if (count) any |= sim_shrink_try(s, candidates, count, &taken);
    }
    sim_elements_fini(&values);
    return any;
}

bool sim_shrink_shorten(struct sim_shrink *s)
{
    bool any = repeat(s, cut_to);
    any |= repeat(s, scaled);
    return any;
}

bool sim_shrink_round(struct sim_shrink *s)
{
    return round_values(s);
}
