// A scenario file as it stands there: a template that each seed makes a scenario of. Where the file has no [[sweep]]
// and no [swarm], that is the file itself, parsed once for all seeds. Otherwise what is swept or drawn is put into a
// copy of the file's tree, and the literal tree that comes out is read like any other file: `show` prints that tree, so
// what is printed and what runs are the same thing.
#ifndef QE_SIM_TEMPLATE_H
#define QE_SIM_TEMPLATE_H

#include "scenario/scenario.h"
#include "scenario/tree.h"

struct sim_template;

// Reads a template, and expands it for the file's own seed. NULL on a mistake, which `error` then names.
struct sim_template *sim_template_parse(const char *file, const char *text, size_t size, char error[SIM_ERROR_SIZE]);
struct sim_template *sim_template_load(const char *file, char error[SIM_ERROR_SIZE]);
void sim_template_free(struct sim_template *template);

// The scenario of a seed, to be given to sim_scenario_free (it may outlive the template). For a file that has nothing
// to expand it is the same one each time, and costs nothing. Its field `seed` is the file's, whatever `seed` is. NULL
// on a mistake that only this seed shows.
struct sim_scenario *sim_template_expand(struct sim_template *template, uint64_t seed, char error[SIM_ERROR_SIZE]);
// The scenario of the file's own seed: belongs to the template. For names, and for what is the same for all seeds.
const struct sim_scenario *sim_template_face(const struct sim_template *template);
// The literal tree of a seed, with the seed in it and nothing left to expand; the caller frees it.
struct sim_tree *sim_template_tree(struct sim_template *template, uint64_t seed, char error[SIM_ERROR_SIZE]);
// Whether what the sweep sets is right at every end of it, not only for the file's own seed: each value of a list, both
// ends of a range. `accept` may look at each scenario, too, and say what is wrong with it.
bool sim_template_check(struct sim_template *template,
    bool (*accept)(void *user, const struct sim_scenario *scenario, char error[SIM_ERROR_SIZE]), void *user,
    char error[SIM_ERROR_SIZE]);

#endif
