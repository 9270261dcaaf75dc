// A line about how far a sweep is, rewritten in place, where somebody looks: on a terminal. In a pipe there is none.
#ifndef QE_SIM_CLI_PROGRESS_H
#define QE_SIM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct sim_progress {
    bool shown; // at all
    bool there; // a line stands there now
    uint64_t began_ms, said_ms;
    uint64_t planned;
    uint64_t limit_ms; // when the sweep ends at the latest, from its begin; 0: none
};

void sim_progress_init(struct sim_progress *progress, uint64_t planned, uint64_t limit_ms);
// Says it again where the last time is a while ago.
void sim_progress_update(struct sim_progress *progress, uint64_t done, uint64_t failed);
// Takes the line away, so that something else can be printed.
void sim_progress_clear(struct sim_progress *progress);

#endif
