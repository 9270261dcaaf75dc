// Which events a person wants to read: `host=a,event=dropped,after=10s`. All keys must hold; a key given more than once
// holds where any of its values does.
#ifndef QE_SIM_FILTER_H
#define QE_SIM_FILTER_H

#include "world/trace.h"

#define SIM_FILTER_VALUES_MAX 16
#define SIM_FILTER_ERROR_SIZE 256

struct sim_filter_names {
    char values[SIM_FILTER_VALUES_MAX][64]; // a * at the end stands for anything
    size_t count;
};

struct sim_filter {
    bool given; // else everything matches
    struct sim_filter_names hosts, events, names;
    uint64_t carries; // classes (observe/carried.h), as bits; 0: any or none
    uint64_t packets[SIM_FILTER_VALUES_MAX];
    size_t packet_count;
    uint64_t after_ns, before_ns; // [after, before)
    uint64_t wants;               // SIM_TRACE_BITs that can match
};

// Everything matches.
void sim_filter_init(struct sim_filter *filter);
// Adds what `text` asks for. False, and says what is wrong in `error`, where it is not a filter.
bool sim_filter_parse(struct sim_filter *filter, const char *text, char error[SIM_FILTER_ERROR_SIZE]);
bool sim_filter_match(const struct sim_filter *filter, uint64_t now_ns, const struct sim_trace_item *item);

#endif
