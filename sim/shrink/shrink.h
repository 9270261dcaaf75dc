// Making a failing scenario small: hosts, links, flows, faults, expectations, settings and time are taken out as long
// as what is left still fails in the same way. By delta debugging (Zeller, Hildebrandt: "Simplifying and isolating
// failure-inducing input", TSE 2002), with the hierarchy of a scenario (Misherghi, Su: "HDD", ICSE 2006): what is large
// goes first, and what mentions something that is gone goes with it.
//
// A scenario that expects traffic fails "in the same way" also for want of a link. So where an expectation is what
// fails, a candidate counts only if it does not fail any more once its faults are taken out, as it was at the
// beginning.
#ifndef QE_SIM_SHRINK_H
#define QE_SIM_SHRINK_H

#include "scenario/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// So many candidates are judged at a time, whatever the number of jobs, so that the result does not depend on it.
#define SIM_SHRINK_BATCH 16

// How a failure that an expectation says is told from one that any broken scenario has.
enum sim_shrink_guard {
    SIM_GUARD_NONE,     // an invariant: no scenario may violate it
    SIM_GUARD_FAULTS,   // without [[at]], [[trigger]] and the like it does not fail
    SIM_GUARD_SETTINGS, // without them and with plain links it does not fail
    SIM_GUARD_SHAPE,    // it fails even so: then what is connected to what must stay
};

struct sim_shrink {
    struct sim_tree *tree; // a literal that fails; the smallest so far
    enum sim_shrink_guard guard;
    void *user;
    // The index of the first of at most SIM_SHRINK_BATCH candidates that fails like the tree; `count` if none does.
    size_t (*first_same)(void *user, struct sim_tree *const *candidates, size_t count);
    // Whether to end with what there is; or NULL.
    bool (*stop)(void *user);
    // Each time the tree became smaller; or NULL.
    void (*told)(void *user, const struct sim_tree *tree);

    uint64_t judged, cached; // candidates
    struct sim_verdict_cache *cache;
};

// What a scenario has, for people.
struct sim_shrink_size {
    size_t hosts, links, flows, faults, expects;
};

struct sim_shrink_size sim_shrink_measure(const struct sim_tree *tree);
// Names one by one what a word stands for (all fault points), so that they can be taken out one by one.
void sim_shrink_spell_out(struct sim_tree *tree);
// Finds out which guard there is for a failure that an expectation says.
enum sim_shrink_guard sim_shrink_find_guard(struct sim_shrink *shrink);
// Makes shrink->tree as small as it gets.
void sim_shrink_run(struct sim_shrink *shrink);

#endif
