// The simulator's only source of chance: counter-based streams. The n-th draw of a stream is a function of (seed, kind,
// name, purpose, n) and of nothing else, so a draw that is added in one place moves no other, and taking a host out of
// a scenario leaves the others' draws as they were.
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11). A stream's 128-bit
// name is BLAKE2b of (seed, kind, name, purpose): half of it is Philox's key, half of it the upper half of its counter.
#ifndef QE_SIM_RANDOM_H
#define QE_SIM_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_stream {
    uint32_t key[2];
    uint32_t high[2];
    uint64_t counter; // blocks drawn so far
};

// What a stream belongs to; with the name of it, it makes streams of different things different.
enum sim_stream_kind {
    SIM_STREAM_HOST,     // purpose: enum qe_random
    SIM_STREAM_IDENTITY, // a host's Ed25519 seed
    SIM_STREAM_PIPE,     // purpose: enum sim_pipe_chance
    SIM_STREAM_FLOW,     // payload
    SIM_STREAM_FAULT,    // of a host; purpose: enum sim_fault_chance, or 256 + a fault point
    SIM_STREAM_TRIGGER,  // of a trigger, by its number
    SIM_STREAM_SWEEP,    // an axis; purpose: enum sim_axis_chance
    SIM_STREAM_NAT,      // purpose: enum nat_chance
    SIM_STREAM_FIREWALL,
    SIM_STREAM_SWARM,           // a kind of fault, or "" for all; purpose: enum sim_swarm_chance
    SIM_STREAM_CROWD,           // many nodes of the DHT: what is drawn about them
    SIM_STREAM_CROWD_NODE,      // one of them, by its number; purpose: how many have been in its place before
    SIM_STREAM_RESAMPLE = 1000, // of figures, not of runs
};

struct sim_stream sim_stream(uint64_t seed, enum sim_stream_kind kind, const char *name, uint32_t purpose);

// The next block of 16 bytes, as four words.
void sim_random_block(struct sim_stream *stream, uint32_t out[4]);
// Fills `out`. Every call starts a new block, so how long one draw is does not show in the next.
void sim_random_fill(struct sim_stream *stream, uint8_t *out, size_t size);
// One block each: a word, a number below `bound` (≥ 1), and whether something of this chance happens.
uint64_t sim_random_word(struct sim_stream *stream);
uint64_t sim_random_below(struct sim_stream *stream, uint64_t bound);

// A probability in parts per billion, 0..SIM_CHANCE_ONE.
#define SIM_CHANCE_ONE UINT32_C(1000000000)
bool sim_random_chance(struct sim_stream *stream, uint32_t ppb);

#endif
