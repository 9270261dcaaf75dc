// A [[trigger]]: what happens when datagrams that carry something pass.
#ifndef QE_SIM_SCENARIO_TRIGGER_H
#define QE_SIM_SCENARIO_TRIGGER_H

#include "scenario/at.h"

enum sim_trigger_action {
    SIM_TRIGGER_DROP,
    SIM_TRIGGER_DELAY,
    SIM_TRIGGER_DUPLICATE,
    SIM_TRIGGER_CORRUPT,
    SIM_TRIGGER_HAPPEN, // what `at` says
};

struct sim_scenario_trigger {
    char *name;
    uint64_t carried; // any of these classes (observe/carried.h), as bits; all ones: whatever it carries
    size_t from, to;  // hosts; SIM_NONE: any
    bool arrives;     // looked at where it arrives, not where it is sent
    uint64_t count;   // the so-manieth is the first,
    uint64_t every;   // then each so-manieth,
    uint64_t times;   // so often; UINT64_MAX: always
    uint64_t after_ns, before_ns;
    enum sim_trigger_action action;
    uint64_t delay_ns;
    struct sim_scenario_at at;
    unsigned line;
};

#endif
