// The scenarios of a sweep: files, and the files of directories.
#ifndef QE_SIM_CLI_GATHER_H
#define QE_SIM_CLI_GATHER_H

#include "scenario/template.h"
#include "sweep/results.h"

struct sim_gathered {
    struct sim_template **templates;
    struct sim_sweep_file *files;
    size_t count, capacity;
};

// Reads the scenarios at `paths`; of a directory those files that end in .toml, by name. False after saying what is
// wrong: also where two have the same name, which would make the results ambiguous.
bool sim_gather(struct sim_gathered *gathered, char *const *paths, int path_count, unsigned lanes);
void sim_gathered_fini(struct sim_gathered *gathered);

#endif
