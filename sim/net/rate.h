// Rates that change: a timeline of steps, or a trace of the moments at which a packet of full size can leave, as
// mahimahi records them (Netravali et al., "Mahimahi: Accurate Record-and-Replay for HTTP", ATC'15).
//
// Packets leave in order, so when one leaves follows from when the one before it did: a cursor that only moves forward
// says it when a packet enters, and no clock ticks for a link on which nothing happens.
#ifndef QE_SIM_RATE_H
#define QE_SIM_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// What one moment of a trace lets through.
#define SIM_RATE_MOMENT_BYTES 1504
// A trace of more moments is refused: 64 MiB, 14 hours at 10 Mbit/s and more than an hour at 100.
#define SIM_RATE_MOMENTS_MAX ((size_t)1 << 24)
#define SIM_RATE_STEPS_MAX   65536
#define SIM_RATE_ERROR_SIZE  512

struct sim_rate_step {
    uint64_t at_ns;     // since the start of the run, or of the period
    uint64_t rate_bits; // from then on; 0: nothing leaves
};

struct sim_rate_plan {
    uint64_t period_ns;          // 0: it does not repeat, and the last step stays
    struct sim_rate_step *steps; // the first one at 0; NULL: a trace
    uint32_t *moments_ms;        // in order, several may be the same; the last one is the period
    size_t count;                // of steps or moments
};

// Where in a plan a transmitter is. Zero it for another plan.
struct sim_rate_cursor {
    uint64_t lap_ns; // when this period began
    size_t place;
    uint64_t used; // bytes of this moment
};

// A trace from text, one moment a line in whole milliseconds. NULL on a mistake: `error` has one line, with `file` for
// its name. Free it with sim_rate_plan_free.
struct sim_rate_plan *sim_rate_trace_read(FILE *in, const char *file, char error[SIM_RATE_ERROR_SIZE]);
// The same from the file itself.
struct sim_rate_plan *sim_rate_trace_load(const char *file, char error[SIM_RATE_ERROR_SIZE]);
void sim_rate_plan_free(struct sim_rate_plan *plan); // NULL is fine

// When something that is ready at that time can begin to leave. Times do not go back.
uint64_t sim_rate_plan_start(const struct sim_rate_plan *plan, struct sim_rate_cursor *cursor, uint64_t ready_ns);
// When the last of `bytes`, which begin then, has left. start_ns: of sim_rate_plan_start.
uint64_t sim_rate_plan_send(
    const struct sim_rate_plan *plan, struct sim_rate_cursor *cursor, uint64_t start_ns, uint64_t bytes);
// Bits a second at that time; of a trace the mean over its period.
uint64_t sim_rate_plan_rate(const struct sim_rate_plan *plan, uint64_t at_ns);

#endif
