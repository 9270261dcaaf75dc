// How much later or earlier than after its delay a packet arrives.
#ifndef QE_SIM_JITTER_H
#define QE_SIM_JITTER_H

#include "engine/random.h"

enum sim_jitter {
    SIM_JITTER_UNIFORM, // up to so much later
    SIM_JITTER_NORMAL,  // either way, with that standard deviation; within 3.3 of them
    SIM_JITTER_WIFI,    // later, as on a bad Wi-Fi whose 90th percentile is so much; 0: as measured, 50 ms
};

// One draw in ns, one block of the stream.
int64_t sim_jitter_draw(enum sim_jitter model, uint64_t jitter_ns, struct sim_stream *stream);

#endif
