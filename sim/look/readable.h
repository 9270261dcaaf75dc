// The trace as lines for people: time in seconds, host, event, and what there is to say about it.
#ifndef QE_SIM_READABLE_H
#define QE_SIM_READABLE_H

#include "look/filter.h"
#include "look/out.h"

struct sim_readable {
    struct sim_sink sink;
    const struct sim_filter *filter;
    struct sim_out out;
};

// `filter` is borrowed; the file stays the caller's. sim_out_flush(&readable->out) at the end.
void sim_readable_init(struct sim_readable *readable, FILE *file, const struct sim_filter *filter);

#endif
