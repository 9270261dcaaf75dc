// [faults]: fault points of the nodes (node/fault.h).
#ifndef QE_SIM_SCENARIO_FAULTS_H
#define QE_SIM_SCENARIO_FAULTS_H

#include "node/fault.h"

#include <stdint.h>

struct sim_scenario_faults {
    bool *hosts;                 // by index, whose nodes; NULL: there is no [faults]
    bool points[QE_FAULT_COUNT]; // that may be on
    uint32_t drawn_ppb;          // how likely each of them is on in a run, for each host
    uint32_t chance_ppb;         // how likely one that is on fires
    uint64_t after_ns, before_ns;
};

#endif
