// Why packets do not arrive though there was room for them: two chains of chance.
//
// Gilbert-Elliott: a channel that is good or bad, and changes between packets. The share of time in the bad state is
// p / (p + r); with no loss in the good state and all in the bad one, losses come in runs of 1/r.
//
// Bursts: for a while everything is lost, at fixed times or after pauses of random length.
#ifndef QE_SIM_LOSS_H
#define QE_SIM_LOSS_H

#include "engine/random.h"

struct sim_gilbert {
    bool on;
    uint32_t p_ppb, r_ppb;      // good to bad, bad to good, after each packet
    uint32_t good_ppb, bad_ppb; // loss in each state
};

// One packet: whether it is lost, by the state before it; then the state changes or not. One block of the stream.
bool sim_gilbert_lose(const struct sim_gilbert *settings, struct sim_stream *stream, bool *bad);

struct sim_bursts {
    uint64_t every_ns; // from the start of one to the start of the next; 0: none
    uint64_t lasts_ns; // less than every_ns
    bool random;       // every_ns is the mean only: pauses are uniform between 0 and twice what they would be
};

struct sim_burst_state {
    uint64_t start_ns, end_ns; // of the burst that is on, or the next one
    bool known;
};

// Whether there is a burst at that time, which never goes back. The first one comes after a pause. A block of the
// stream for each burst.
bool sim_bursts_at(
    const struct sim_bursts *settings, struct sim_stream *stream, struct sim_burst_state *state, uint64_t at_ns);

#endif
