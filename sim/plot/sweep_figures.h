// The figures of a sweep: the share of runs that pass, by scenario and by parameter, with Wilson's interval; and of
// each measure its distribution over the seeds and its median by parameter, with bootstrap intervals. All intervals are
// of 95 %; n, seeds and commit stand on each figure.
#ifndef QE_SIM_SWEEP_FIGURES_H
#define QE_SIM_SWEEP_FIGURES_H

#include "plot/figure.h"
#include "plot/sweep_data.h"

struct sim_sweep_figures {
    struct sim_figures *figures;
    const struct sim_sweep_data *data;
    const char *const *wanted; // patterns of measures (fnmatch); none: a choice of flows' figures
    size_t wanted_count;
    size_t constant; // measures left out because they never differ
};

void sim_sweep_figures(struct sim_sweep_figures *what);

#endif
