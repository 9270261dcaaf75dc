// The node itself as the node under test.
#ifndef QE_SIM_CORE_H
#define QE_SIM_CORE_H

#include "host/host.h"

extern const struct sim_core sim_core_node;

#endif
