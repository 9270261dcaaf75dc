// Triggers at work: they see each datagram as it is sent and as it arrives, and count those that carry what they wait
// for.
#ifndef QE_SIM_WORLD_TRIGGER_H
#define QE_SIM_WORLD_TRIGGER_H

#include "net/network.h"
#include "scenario/scenario.h"

struct sim_world;
struct sim_trigger;

struct sim_triggers {
    struct sim_trigger *list; // as in the scenario
    size_t count;
    struct sim_source source; // does what [[at]] would do, when whoever sent the message is done
    const struct sim_scenario_at **due;
    size_t due_count, due_capacity;
};

void sim_triggers_init(struct sim_world *world);
// Frees the datagrams that are being delayed.
void sim_triggers_fini(struct sim_world *world);
// How often a trigger has acted.
uint64_t sim_trigger_fired(const struct sim_world *world, size_t index);

#endif
