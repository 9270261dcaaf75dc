// Hosts and links of a scenario, built: addresses, routes, and the configuration of each node.
#ifndef QE_SIM_TOPOLOGY_H
#define QE_SIM_TOPOLOGY_H

#include "host.h"
#include "scenario.h"

// The underlay of a scenario. `hosts` are made already, one for each of the scenario's; `links` (as many as it has) are
// made here.
void sim_topology_build(
    const struct sim_scenario *scenario, struct sim_network *network, struct sim_host **hosts, struct sim_link *links);

// Configurations as the scenario gives them, one for each host; a router's is empty. NULL on a mistake, which `error`
// then names.
struct qe_config *sim_configs_new(
    const struct sim_scenario *scenario, uint64_t seed, unsigned lanes, char error[SIM_ERROR_SIZE]);
void sim_configs_free(struct qe_config *configs, const struct sim_scenario *scenario);

#endif
