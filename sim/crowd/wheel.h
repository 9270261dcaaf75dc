// What is to happen in a run of many nodes, by time: a timing wheel of eleven levels of 64 slots, one level for each
// six bits of a time in nanoseconds. An event lies at the level of the highest digit in which its time differs from the
// wheel's, and comes down a level when the time gets there: a few moves within memory that lies together, however many
// millions wait. Events of one time come out in the order in which they went in, so the order is total and the same in
// every run.
#ifndef QE_SIM_CROWD_WHEEL_H
#define QE_SIM_CROWD_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_wheel_event {
    uint64_t at_ns;
    uint32_t kind;    // the owner's
    uint32_t subject; // likewise
};

#define SIM_WHEEL_BITS   6
#define SIM_WHEEL_SLOTS  (1 << SIM_WHEEL_BITS)
#define SIM_WHEEL_LEVELS 11 // of six bits: 64 bits and two to spare

struct sim_wheel_chunk;

struct sim_wheel_slot {
    struct sim_wheel_chunk *first, *last; // NULL: empty
};

struct sim_wheel {
    uint64_t now_ns; // nothing waits for an earlier time
    size_t count;
    uint64_t taken; // so far
    uint64_t filled[SIM_WHEEL_LEVELS];
    struct sim_wheel_slot slots[SIM_WHEEL_LEVELS][SIM_WHEEL_SLOTS];
    struct sim_wheel_chunk *spare;
    struct sim_wheel_chunk *slabs; // what all chunks were cut from
};

void sim_wheel_init(struct sim_wheel *wheel);
void sim_wheel_fini(struct sim_wheel *wheel);
// A time in the past is now.
void sim_wheel_put(struct sim_wheel *wheel, struct sim_wheel_event event);
// Takes out the next event that is due at or before `until_ns`. False where there is none: until_ns is the present
// then, and what is put in for an earlier time may come at it.
bool sim_wheel_take(struct sim_wheel *wheel, uint64_t until_ns, struct sim_wheel_event *out);

#endif
