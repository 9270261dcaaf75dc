// The figures of one run: throughput and latency of flows, throughput and queues of links, and who was connected when.
#ifndef QE_SIM_RUN_FIGURES_H
#define QE_SIM_RUN_FIGURES_H

#include "plot/figure.h"
#include "plot/run_events.h"

// bin: width of the bins of throughput in s; 0: a two-hundredth of the run..
void sim_run_figures(struct sim_figures *figures, const struct sim_run_events *events, double bin);

#endif
