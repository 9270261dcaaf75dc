// The second of two phases. Faults have stopped, and progress is due: within `recovers` every two nodes that can be
// connected are, and a packet passes both ways over IPv4 and IPv6. Where a scenario names no such time, one is taken
// for granted that nothing happens in for long enough: then nodes must be connected at the end, and no packet is sent
// to see it.
#ifndef QE_SIM_CALM_H
#define QE_SIM_CALM_H

#include "base/bytes.h"
#include "engine/engine.h"

struct sim_world;
struct sim_host;

// By ordered pair: from the first host to the second.
struct sim_calm_pair {
    size_t from, to;
    bool passed[2]; // IPv4, IPv6
};

struct sim_calm {
    struct sim_source source;
    struct sim_world *world;
    struct sim_calm_pair *pairs; // those whose configurations name each other
    size_t pair_count, pair_capacity;
    uint64_t number; // probes so far
};

void sim_calm_init(struct sim_calm *calm, struct sim_world *world);
void sim_calm_fini(struct sim_calm *calm);
// Whether the packet is one of its probes.
bool sim_calm_delivered(struct sim_calm *calm, struct sim_host *host, struct qe_span packet);
// The run is over: what was due must be there.
void sim_calm_judge(struct sim_calm *calm);

#endif
