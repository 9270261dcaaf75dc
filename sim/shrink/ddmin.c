// Delta debugging over a list of elements: in rounds, the elements that are left are cut into n parts, and each part
// alone (while they are few), and everything but each part, is tried.
#include "shrink/internal.h"

#include "engine/memory.h"

#include <string.h>

// With more parts than this, one part alone has little hope.
#define ALONE_MAX 4

struct round {
    size_t *left; // indices of elements
    size_t count; // of them
    size_t parts;
};

static size_t part_start(const struct round *round, size_t part)
{
    return round->count * part / round->parts;
}

// Candidate `index` of the round as a mask over all elements.
static void mask_of(const struct round *round, size_t index, bool *keep, size_t element_count)
{
    size_t alone = round->parts <= ALONE_MAX ? round->parts : 0;
    bool inside = index < alone;
    size_t part = inside ? index : index - alone;
    memset(keep, 0, element_count * sizeof(*keep));
    for (size_t i = 0; i < round->count; i++) {
        bool in_part = i >= part_start(round, part) && i < part_start(round, part + 1);
        keep[round->left[i]] = in_part == inside;
    }
}

static size_t candidate_count(const struct round *round)
{
    return round->parts <= ALONE_MAX ? round->parts * 2 : round->parts;
}

static void keep_masked(struct round *round, const bool *keep)
{
    size_t kept = 0;
    for (size_t i = 0; i < round->count; i++)
        if (keep[round->left[i]]) round->left[kept++] = round->left[i];
    round->count = kept;
}

// Tries the candidates in order; *found is the first that counts.
static bool try_round(struct sim_shrink *s, const struct sim_tree *base, const struct sim_elements *elements,
    const struct round *round, bool *keep, size_t *found)
{
    size_t all = candidate_count(round);
    for (size_t first = 0; first < all && !sim_shrink_over(s); first += SIM_SHRINK_BATCH) {
        struct sim_tree *candidates[SIM_SHRINK_BATCH];
        size_t count = 0, taken;
        for (; count < SIM_SHRINK_BATCH && first + count < all; count++) {
            mask_of(round, first + count, keep, elements->count);
            candidates[count] = sim_reduce(base, elements, keep, s->guard);
        }
        if (!sim_shrink_try(s, candidates, count, &taken)) continue;
        *found = first + taken;
        mask_of(round, *found, keep, elements->count);
        return true;
    }
    return false;
}

static bool try_without_all(struct sim_shrink *s, const struct sim_elements *elements, const bool *keep)
{
    struct sim_tree *none = sim_reduce(s->tree, elements, keep, s->guard);
    size_t taken;
    return sim_shrink_try(s, &none, 1, &taken);
}

bool sim_shrink_minimize(struct sim_shrink *s, const struct sim_elements *elements)
{
    if (elements->count == 0 || sim_shrink_over(s)) return false;
    bool *keep = sim_obtain(elements->count, sizeof(*keep));
    struct round round = {.left = sim_obtain(elements->count, sizeof(size_t)), .count = elements->count, .parts = 2};
    struct sim_tree *base = sim_tree_copy(s->tree);
    bool smaller = try_without_all(s, elements, keep);
    for (size_t i = 0; i < elements->count; i++)
        round.left[i] = i;
    while (!smaller && round.count >= 2 && !sim_shrink_over(s)) {
        size_t found;
        if (round.parts > round.count) round.parts = round.count;
        if (try_round(s, base, elements, &round, keep, &found)) {
            size_t alone = round.parts <= ALONE_MAX ? round.parts : 0;
            keep_masked(&round, keep);
            round.parts = found < alone || round.parts <= 2 ? 2 : round.parts - 1;
        } else if (round.parts == round.count) {
            break;
        } else {
            round.parts = round.parts * 2 < round.count ? round.parts * 2 : round.count;
        }
    }
    smaller |= round.count < elements->count;
    sim_tree_free(base);
    sim_release(round.left);
    sim_release(keep);
    return smaller;
}
