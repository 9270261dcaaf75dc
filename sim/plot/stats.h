// Intervals of confidence for what a sweep measured. Floating point is right here and nowhere else in the simulator: a
// figure is drawn from results, and no run depends on it.
#ifndef QE_SIM_STATS_H
#define QE_SIM_STATS_H

#include <stddef.h>
#include <stdint.h>

struct sim_interval {
    double low, value, high;
};

#define SIM_RESAMPLES 2000

// A share of successes with its 95 % interval by Wilson's score (E. B. Wilson, 1927): right also for few runs and for
// shares next to 0 and 1. count 0 gives {0, 0, 1}.
struct sim_interval sim_wilson(uint64_t successes, uint64_t count);

// The median and the mean with their 95 % intervals, by the percentile bootstrap (B. Efron, 1979) over SIM_RESAMPLES
// resamples. `name` seeds the resampling, so the same values under the same name give the same interval. Sorts the
// values; there is at least one.
struct sim_interval sim_bootstrap_median(double *values, size_t count, const char *name);
struct sim_interval sim_bootstrap_mean(double *values, size_t count, const char *name);

// The value at a share of 0 to 1, by the nearest rank. `sorted` has at least one.
double sim_quantile(const double *sorted, size_t count, double share);
void sim_sort_values(double *values, size_t count);

#endif
