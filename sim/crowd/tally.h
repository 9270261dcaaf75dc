// What operations of one table came to.
#ifndef QE_SIM_CROWD_TALLY_H
#define QE_SIM_CROWD_TALLY_H

#include "crowd/figures.h"

#include <stddef.h>
#include <stdint.h>

struct sim_samples {
    uint64_t *list;
    size_t count, capacity;
};

void sim_samples_add(struct sim_samples *samples, uint64_t value);
void sim_samples_fini(struct sim_samples *samples);
// The value at that share in thousandths, by the nearest rank; 0 without any. Sorts them.
uint64_t sim_samples_at(struct sim_samples *samples, unsigned thousandths);
uint64_t sim_samples_mean(const struct sim_samples *samples);

struct sim_tally {
    uint64_t begun, right, failed, aborted, stale, forged;
    uint64_t ended; // with hops, queries, …
    uint64_t hops, hops_of, queries, timeouts, stored;
    uint64_t last_failed_ns; // when the last one that failed had begun
    uint64_t datagram_bytes; // mean size of a datagram of its kind, with headers; 0: not known
    struct sim_samples first, finish;
};

void sim_tally_fini(struct sim_tally *tally);
// Its figures, under the table's name. What is not looked at by that kind of table is left out.
void sim_tally_figures(
    struct sim_tally *tally, const char *of, uint64_t from_ns, bool lookup, struct sim_crowd_figures *out);

#endif
