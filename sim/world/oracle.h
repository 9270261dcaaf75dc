// Which pairs of nodes can be connected at all, as the network and the configurations are at this moment. It knows
// links, routes, NATs, firewalls, partitions and listening addresses; where it depends on what was sent before, where a
// way is poor, or where a machine lacks something, it does not commit itself.
#ifndef QE_SIM_ORACLE_H
#define QE_SIM_ORACLE_H

#include "world/world.h"

enum sim_oracle {
    SIM_ORACLE_IMPOSSIBLE, // neither can reach the other, or one does not allow it
    SIM_ORACLE_UNCERTAIN,
    SIM_ORACLE_POSSIBLE, // and must be so in time
};

enum sim_oracle sim_oracle_pair(const struct sim_world *world, size_t a, size_t b);

#endif
