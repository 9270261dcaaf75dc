// The parts of the shrinker.
#ifndef QE_SIM_SHRINK_INTERNAL_H
#define QE_SIM_SHRINK_INTERNAL_H

#include "shrink/shrink.h"

#define SIM_ELEMENT_DEPTH_MAX 12

// A value somewhere in a tree, by indices from the root.
struct sim_element {
    size_t path[SIM_ELEMENT_DEPTH_MAX];
    size_t depth;
};

struct sim_elements {
    struct sim_element *items;
    size_t count, capacity;
};

void sim_elements_fini(struct sim_elements *elements);
struct sim_tree *sim_element_find(struct sim_tree *root, const struct sim_element *element);

// What can be taken out: the tables of the root's array `key`; faults of all kinds; keys that need not be there.
void sim_elements_tables(struct sim_elements *out, const struct sim_tree *root, const char *key);
void sim_elements_faults(struct sim_elements *out, const struct sim_tree *root);
void sim_elements_keys(struct sim_elements *out, const struct sim_tree *root, enum sim_shrink_guard guard);
// Every value with a unit, and every number.
void sim_elements_quantities(struct sim_elements *out, const struct sim_tree *root);

// Whether the root's entry under this key is a kind of fault: something that happens.
bool sim_is_fault(const struct sim_tree *entry);
// A copy of the tree without the elements for which keep is false, and without what mentions those.
// Where there is a guard, what ends a fault stays as long as the fault.
struct sim_tree *sim_reduce(
    const struct sim_tree *tree, const struct sim_elements *elements, const bool *keep, enum sim_shrink_guard guard);
// Takes back the doom of entries of the timeline that end one that stays.
void sim_keep_endings(struct sim_tree *root);
// Whether the timelines of both trees, which have the same entries, have them in the same order.
bool sim_same_order(const struct sim_tree *a, const struct sim_tree *b);
// A copy as `guard` wants to see it pass: without faults, and with plain links if need be.
struct sim_tree *sim_reduce_to_plain(const struct sim_tree *tree, enum sim_shrink_guard guard);

// Judges candidates, frees them, and takes the first that counts as the new tree. False where none does.
bool sim_shrink_try(struct sim_shrink *shrink, struct sim_tree **candidates, size_t count, size_t *taken);
bool sim_shrink_over(const struct sim_shrink *shrink);

// Takes out as many of the elements of shrink->tree as can be; true if any.
bool sim_shrink_minimize(struct sim_shrink *shrink, const struct sim_elements *elements);
// Makes time and values smaller; true if any became so.
bool sim_shrink_shorten(struct sim_shrink *shrink);
bool sim_shrink_round(struct sim_shrink *shrink);

#endif
