// Many nodes of the production DHT (qe_dht), and nothing else of a node, in virtual time: they send each other
// datagrams with the delays and losses of an internet, come and go, store and look things up, and some of them attack.
// The same plan and seed give the same datagrams, byte for byte.
#ifndef QE_SIM_CROWD_CROWD_H
#define QE_SIM_CROWD_CROWD_H

#include "crowd/figures.h"
#include "crowd/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_crowd_options {
    const struct sim_crowd_plan *plan;
    uint64_t seed;
    void *user;
    // Says now and then how far it is; may be NULL. False ends the run.
    bool (*progress)(void *user, uint64_t virtual_ns, uint64_t events, uint64_t nodes);
};

struct sim_crowd_outcome {
    const struct sim_crowd_expect *expect;
    bool there; // the run has the figure
    uint64_t value;
    bool passed;
};

struct sim_crowd_result {
    struct sim_crowd_figures figures;
    struct sim_crowd_outcome *outcomes; // of every [[expect]]
    size_t outcome_count;
    bool passed;      // all of them
    bool whole;       // it was not ended by `progress`
    uint64_t hash[2]; // over every datagram: when, from where, to where, what
    uint64_t events, virtual_ns;
};

void sim_crowd_run(const struct sim_crowd_options *options, struct sim_crowd_result *result);
void sim_crowd_result_fini(struct sim_crowd_result *result);

#endif
