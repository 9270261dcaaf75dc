// Expectations that need not hold in every run: over a sweep each must hold in one run at least, or in a share of them.
// Give it every run's report (sim_report_json) in any order, and judge at the end; shards are added like runs.
#ifndef QE_SIM_SWEEP_SOMETIMES_H
#define QE_SIM_SWEEP_SOMETIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// Too few runs say nothing: less than this many are not judged where a share is wanted.
#define SIM_SOMETIMES_RUNS_MIN 20

struct sim_sometimes_one {
    char *scenario, *what; // by its name; and what is expected, as in reports
    uint64_t runs, met;
    uint32_t share_ppb; // 0: one run
};

struct sim_sometimes {
    struct sim_sometimes_one *list;
    size_t count, capacity;
};

void sim_sometimes_fini(struct sim_sometimes *sometimes);
// Counts what one run's report says; reports without such expectations cost next to nothing.
void sim_sometimes_add(struct sim_sometimes *sometimes, const char *report_json);
// A line for each to `out` (NULL: none). False where one does not hold often enough.
bool sim_sometimes_judge(const struct sim_sometimes *sometimes, FILE *out);

#endif
