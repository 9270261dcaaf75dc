#include "shrink/shrink.h"

#include "engine/digest.h"
#include "engine/memory.h"
#include "shrink/internal.h"

#include "node/fault.h"

#include <assert.h>
#include <string.h>

#define ROUNDS_MAX 8

// Candidates that were judged, by the digest of their text, so that none is judged twice.
struct sim_verdict_cache {
    struct {
        uint8_t digest[SIM_DIGEST_SIZE];
        bool used, same;
    } * slots;
    size_t count, capacity;
};

static size_t slot_of(const struct sim_verdict_cache *cache, const uint8_t digest[SIM_DIGEST_SIZE])
{
    size_t slot;
    memcpy(&slot, digest, sizeof(slot));
    for (slot &= cache->capacity - 1; cache->slots[slot].used; slot = (slot + 1) & (cache->capacity - 1))
        if (memcmp(cache->slots[slot].digest, digest, SIM_DIGEST_SIZE) == 0) break;
    return slot;
}

static void remember(struct sim_verdict_cache *cache, const uint8_t digest[SIM_DIGEST_SIZE], bool same)
{
    if (cache->count * 2 >= cache->capacity) {
        struct sim_verdict_cache bigger = {.capacity = cache->capacity ? cache->capacity * 2 : 256};
        bigger.slots = sim_obtain(bigger.capacity, sizeof(*bigger.slots));
        for (size_t i = 0; i < cache->capacity; i++)
            if (cache->slots[i].used) bigger.slots[slot_of(&bigger, cache->slots[i].digest)] = cache->slots[i];
        bigger.count = cache->count;
        sim_release(cache->slots);
        *cache = bigger;
    }
    size_t slot = slot_of(cache, digest);
    cache->count += !cache->slots[slot].used;
    memcpy(cache->slots[slot].digest, digest, SIM_DIGEST_SIZE);
    cache->slots[slot].used = true;
    cache->slots[slot].same = same;
}

static void digest_tree(const struct sim_tree *tree, uint8_t out[SIM_DIGEST_SIZE])
{
    const struct sim_tree *refused;
    char *text = sim_tree_print(tree, &refused);
    const char *bytes = text ? text : "";
    sim_digest((const uint8_t *)bytes, strlen(bytes), out);
    sim_release(text);
}

static bool among(uint8_t (*digests)[SIM_DIGEST_SIZE], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(digests[i], digests[count], SIM_DIGEST_SIZE) == 0) return true;
    return false;
}

// As first_same, without judging anything twice.
static size_t first_same(struct sim_shrink *s, struct sim_tree *const *candidates, size_t count)
{
    uint8_t digests[SIM_SHRINK_BATCH][SIM_DIGEST_SIZE];
    struct sim_tree *open[SIM_SHRINK_BATCH];
    size_t places[SIM_SHRINK_BATCH], opened = 0;
    assert(count <= SIM_SHRINK_BATCH);
    for (size_t i = 0; i < count; i++) {
        digest_tree(candidates[i], digests[i]);
        if (among(digests, i)) {
            s->cached++;
            continue;
        }
        size_t slot = s->cache->capacity ? slot_of(s->cache, digests[i]) : 0;
        if (s->cache->capacity && s->cache->slots[slot].used) {
            s->cached++;
            if (!s->cache->slots[slot].same) continue;
            count = i; // nothing behind it matters
            break;
        }
        places[opened] = i;
        open[opened++] = candidates[i];
    }
    size_t found = opened ? s->first_same(s->user, open, opened) : 0;
    for (size_t i = 0; i < opened && i <= found; i++) {
        s->judged++;
        remember(s->cache, digests[places[i]], i == found);
    }
    return found < opened ? places[found] : count;
}

// Whether the failure is one that the guard wants: it goes away with the faults.
static bool guarded(struct sim_shrink *s, const struct sim_tree *candidate)
{
    if (s->guard == SIM_GUARD_NONE || s->guard == SIM_GUARD_SHAPE) return true;
    struct sim_tree *plain = sim_reduce_to_plain(candidate, s->guard);
    bool same = first_same(s, &plain, 1) == 0;
    sim_tree_free(plain);
    return !same;
}

bool sim_shrink_try(struct sim_shrink *s, struct sim_tree **candidates, size_t count, size_t *taken)
{
    size_t first = 0, all = count;
    bool found = false;
    while (first < all && !found && !sim_shrink_over(s)) {
        first += first_same(s, candidates + first, all - first);
        if (first >= all) break;
        found = guarded(s, candidates[first]);
        if (!found) first++;
    }
    if (found) {
        sim_tree_free(s->tree);
        s->tree = candidates[first];
        candidates[first] = NULL;
        *taken = first;
        if (s->told) s->told(s->user, s->tree);
    }
    for (size_t i = 0; i < all; i++)
        sim_tree_free(candidates[i]);
    return found;
}

bool sim_shrink_over(const struct sim_shrink *s)
{
    return s->stop && s->stop(s->user);
}

static size_t tables(const struct sim_tree *tree, const char *key)
{
    const struct sim_tree *entry = sim_tree_get(tree, key);
    return entry && entry->kind == QE_TOML_ARRAY ? entry->count : 0;
}

struct sim_shrink_size sim_shrink_measure(const struct sim_tree *tree)
{
    struct sim_shrink_size size = {
        tables(tree, "host"), tables(tree, "link"), tables(tree, "flow"), 0, tables(tree, "expect")};
    for (size_t i = 0; i < tree->count; i++) {
        const struct sim_tree *entry = tree->items[i];
        if (!sim_is_fault(entry)) continue;
        for (size_t k = 0; k < entry->count; k++)
            if (entry->kind == QE_TOML_ARRAY)
                size.faults++;
            else if (entry->items[k]->kind == QE_TOML_ARRAY)
                size.faults += entry->items[k]->count;
    }
    return size;
}

enum sim_shrink_guard sim_shrink_find_guard(struct sim_shrink *s)
{
    static const enum sim_shrink_guard guards[] = {SIM_GUARD_FAULTS, SIM_GUARD_SETTINGS};
    for (size_t i = 0; i < 2; i++) {
        struct sim_tree *plain = sim_reduce_to_plain(s->tree, guards[i]);
        bool same = s->first_same(s->user, &plain, 1) == 0;
        s->judged++;
        sim_tree_free(plain);
        if (!same) return guards[i];
    }
    return SIM_GUARD_SHAPE;
}

// Whether the hosts of both trees say the same, but for those that one of them has not.
static bool same_hosts(const struct sim_tree *fewer, const struct sim_tree *all)
{
    const struct sim_tree *x = sim_tree_get(fewer, "host"), *y = sim_tree_get(all, "host");
    for (size_t i = 0, k = 0; x && i < x->count; i++, k++) {
        while (k < y->count && !sim_tree_equal(x->items[i], y->items[k]))
            k++;
        if (k == y->count) return false;
    }
    return true;
}

// Where shape must stay, only hosts may go that name nobody, and that no flow, no expectation and no other host names.
static void leave_unneeded(struct sim_elements *hosts, struct sim_tree *tree)
{
    size_t kept = 0;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct sim_tree *host = sim_element_find(tree, &hosts->items[i]);
        struct sim_elements one = {.items = &hosts->items[i], .count = 1};
        struct sim_tree *without = sim_reduce(tree, &one, (bool[]){false}, SIM_GUARD_SHAPE);
        bool needed = tables(without, "flow") < tables(tree, "flow") ||
                      tables(without, "expect") < tables(tree, "expect") || !same_hosts(without, tree) ||
                      sim_tree_get(host, "router") || sim_tree_get(host, "peers") || sim_tree_get(host, "allow") ||
                      sim_tree_get(host, "config");
        sim_tree_free(without);
        if (!needed) hosts->items[kept++] = hosts->items[i];
    }
    hosts->count = kept;
}

static bool minimize_tables(struct sim_shrink *s, const char *key)
{
    struct sim_elements elements = {0};
    bool shape = s->guard == SIM_GUARD_SHAPE;
    if (shape && strcmp(key, "link") == 0) return false;
    sim_elements_tables(&elements, s->tree, key);
    if (shape && strcmp(key, "host") == 0) leave_unneeded(&elements, s->tree);
    bool smaller = sim_shrink_minimize(s, &elements);
    sim_elements_fini(&elements);
    return smaller;
}

static bool minimize_rest(struct sim_shrink *s, bool keys)
{
    struct sim_elements elements = {0};
    if (keys)
        sim_elements_keys(&elements, s->tree, s->guard);
    else
        sim_elements_faults(&elements, s->tree);
    bool smaller = sim_shrink_minimize(s, &elements);
    sim_elements_fini(&elements);
    return smaller;
}

void sim_shrink_spell_out(struct sim_tree *tree)
{
    struct sim_tree *faults = sim_tree_get(tree, "faults");
    const char *points = sim_tree_text(faults, "points");
    if (!points || strcmp(points, "all") != 0) return;
    struct sim_tree *list = sim_tree_new(QE_TOML_ARRAY, faults->line);
    for (int i = 0; i < QE_FAULT_COUNT; i++)
        sim_tree_append(list, sim_tree_string(qe_fault_point_name((enum qe_fault_point)i), faults->line));
    sim_tree_put(faults, "points", list);
}

void sim_shrink_run(struct sim_shrink *s)
{
    static const char *const order[] = {"expect", "host", "link", "flow"};
    struct sim_verdict_cache cache = {0};
    s->cache = &cache;
    bool smaller = true;
    // What is quick and takes much comes before what is small; a round may make room for the next.
    for (int round = 0; round < ROUNDS_MAX && smaller && !sim_shrink_over(s); round++) {
        smaller = false;
        for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
            smaller |= minimize_tables(s, order[i]);
        smaller |= minimize_rest(s, false);
        smaller |= sim_shrink_shorten(s);
        smaller |= minimize_rest(s, true);
    }
    if (!sim_shrink_over(s)) sim_shrink_round(s);
    sim_release(cache.slots);
    s->cache = NULL;
}
