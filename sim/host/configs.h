// The configuration of each node of a scenario.
#ifndef QE_SIM_CONFIGS_H
#define QE_SIM_CONFIGS_H

#include "scenario/scenario.h"

#include "config/config.h"

// Configurations as the scenario gives them, one for each host; a router's is empty. NULL on a mistake, which `error`
// then names.
struct qe_config *sim_configs_new(
    const struct sim_scenario *scenario, uint64_t seed, unsigned lanes, char error[SIM_ERROR_SIZE]);
void sim_configs_free(struct qe_config *configs, const struct sim_scenario *scenario);

#endif
