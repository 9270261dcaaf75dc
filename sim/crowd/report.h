// A run in words: a table for people, and the JSON object that docs/dht-scenarios.md describes.
#ifndef QE_SIM_CROWD_REPORT_H
#define QE_SIM_CROWD_REPORT_H

#include "crowd/crowd.h"

#include <stdio.h>

// brief: the verdict and what was expected, without the other figures.
void sim_crowd_report_text(const struct sim_crowd_plan *plan, uint64_t seed, const struct sim_crowd_result *result,
    uint64_t wall_ms, bool brief, FILE *out);
// Allocated; sim_release frees it.
char *sim_crowd_report_json(const struct sim_crowd_plan *plan, uint64_t seed, const struct sim_crowd_result *result,
    uint64_t wall_ms, const char *commit);

#endif
