// A run's result as text for people and as JSON (design: one object of "runs", documented in docs/scenarios.md).
#ifndef QE_SIM_REPORT_H
#define QE_SIM_REPORT_H

#include "world/world.h"

const char *sim_verdict_name(enum sim_verdict verdict);

// The lines of one run, allocated (sim_release).
char *sim_report_text(const struct sim_scenario *scenario, uint64_t seed, const struct sim_result *result);
// The JSON object of one run, allocated (sim_release). commit: of the simulator, or NULL.
char *sim_report_json(const struct sim_scenario *scenario, uint64_t seed, const struct sim_result *result,
    uint64_t wall_ms, const char *commit);

#endif
