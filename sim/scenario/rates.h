// The rate plans that a scenario's links refer to, each kept once, so that settings can be copied freely and [[at]]
// reads no file while the run goes on.
#ifndef QE_SIM_RATES_H
#define QE_SIM_RATES_H

#include "net/rate.h"

#include "toml/toml.h"

struct sim_reader;

struct sim_rates_entry {
    const struct qe_toml_value *value; // where it stands
    char *file;                        // a trace's; NULL: a timeline
    struct sim_rate_plan *plan;
};

struct sim_rates {
    struct sim_rates_entry *list;
    size_t count, capacity;
    size_t moments; // of all traces together, at most SIM_RATE_MOMENTS_MAX
};

void sim_rates_fini(struct sim_rates *rates);

// The plan of a 'rate_timeline', with its 'rate_repeat' or NULL, or of a 'rate_trace', whose file is named relative to
// the scenario's. They are r->rates', which must be there; NULL and a mistake where the value is none.
const struct sim_rate_plan *sim_rates_timeline(
    struct sim_reader *r, const struct qe_toml_value *value, const struct qe_toml_value *repeat);
const struct sim_rate_plan *sim_rates_trace(struct sim_reader *r, const struct qe_toml_value *value);

#endif
