// The discrete-event engine: integer nanoseconds and one total order, (time, priority, sequence).
//
// What can happen is a *source*: a link direction, a host, a flow, the timeline. A source has at most one place in the
// heap, that of its next occurrence, so the heap is as large as the network and not as the traffic, and a packet costs
// the same however many are in flight.
#ifndef QE_SIM_ENGINE_H
#define QE_SIM_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What goes first of what happens at one instant. Hosts come last, so that a node sees all of an instant's arrivals in
// one batch, as a real one would through recvmmsg.
enum sim_priority {
    SIM_PRIORITY_TIMELINE,
    SIM_PRIORITY_PIPE,
    SIM_PRIORITY_FLOW,
    SIM_PRIORITY_HOST,
};

struct sim_source {
    void (*occur)(struct sim_source *source);
    enum sim_priority priority;
    size_t place; // in the heap; SIZE_MAX: not scheduled
};

struct sim_engine_entry {
    uint64_t at_ns;
    uint64_t order; // priority in the upper 8 bits, sequence below
    struct sim_source *source;
};

struct sim_engine {
    uint64_t now_ns;
    uint64_t sequence;
    uint64_t occurred; // events so far
    uint64_t instant;  // events since time last moved
    struct sim_engine_entry *heap;
    size_t count;
    size_t capacity;
};

void sim_engine_init(struct sim_engine *engine);
void sim_engine_fini(struct sim_engine *engine);

void sim_source_init(struct sim_source *source, enum sim_priority priority, void (*occur)(struct sim_source *source));
bool sim_source_scheduled(const struct sim_source *source);

// Reserves a place in the order of things that are scheduled for one time and priority.
uint64_t sim_engine_sequence(struct sim_engine *engine);
// Schedules or moves a source; a time in the past is now. The second form takes a sequence that was reserved earlier.
void sim_engine_schedule(struct sim_engine *engine, struct sim_source *source, uint64_t at_ns);
void sim_engine_schedule_as(struct sim_engine *engine, struct sim_source *source, uint64_t at_ns, uint64_t sequence);
// When the source is scheduled for; it must be.
uint64_t sim_engine_time_of(const struct sim_engine *engine, const struct sim_source *source);
void sim_engine_cancel(struct sim_engine *engine, struct sim_source *source);

// Lets the next event happen if it is due at or before `until_ns`; false where there is none (time stays).
bool sim_engine_step(struct sim_engine *engine, uint64_t until_ns);
// Moves time forward over nothing.
void sim_engine_advance(struct sim_engine *engine, uint64_t now_ns);

#endif
