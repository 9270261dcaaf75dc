// The underlay of a scenario, built: links, addresses and routes.
#ifndef QE_SIM_TOPOLOGY_H
#define QE_SIM_TOPOLOGY_H

#include "host/host.h"
#include "scenario/scenario.h"

// `hosts` are made already, one for each of the scenario's; `links` (as many as it has) are
// made here.
void sim_topology_build(
    const struct sim_scenario *scenario, struct sim_network *network, struct sim_host **hosts, struct sim_link *links);
// The routes of one host anew, after its interfaces have changed.
void sim_topology_reroute(const struct sim_scenario *scenario, struct sim_host *host, struct sim_link *links);

#endif
