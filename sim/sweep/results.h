// What the runs of a sweep came to: a summary by scenario for people, and the file of results, which docs/scenarios.md
// describes and `merge` reads again.
#ifndef QE_SIM_SWEEP_RESULTS_H
#define QE_SIM_SWEEP_RESULTS_H

#include "sweep/plan.h"
#include "world/world.h"

#include <stdio.h>

#define SIM_SWEEP_FILES_MAX  4096
#define SIM_DIGEST_TEXT_SIZE 33

struct sim_sweep_file {
    char *path;
    char *name;                        // of the scenario; no two have the same
    char digest[SIM_DIGEST_TEXT_SIZE]; // of the file's bytes, in hex
};

// Why it ended before all its runs were done.
enum sim_sweep_stop {
    SIM_SWEEP_WHOLE,
    SIM_SWEEP_TIME_LIMIT,
    SIM_SWEEP_FAILURE, // it was told to end at the first
    SIM_SWEEP_INTERRUPTED,
};

// What was to be run: the same for all shards but for `shards`.
struct sim_sweep {
    const char *version; // of the simulator
    unsigned lanes;      // 0: as configured
    struct sim_plan plan;
    struct sim_sweep_file *files; // plan.files
    struct sim_shard *shards;     // the parts that these are results of; all `of` the same
    size_t shard_count;
    enum sim_sweep_stop stop;
};

struct sim_run_record {
    size_t file;
    uint64_t seed;
    enum sim_verdict verdict;
    uint64_t wall_ms;
    char *text; // the report of a run that did not pass; else NULL
};

struct sim_results {
    const struct sim_sweep *sweep;
    struct sim_run_record *runs;
    size_t count, capacity;
};

// Runs that these shards have.
uint64_t sim_sweep_planned(const struct sim_sweep *sweep);
// What the file of results says about it: an allocated JSON object, without "done", which is `done`.
char *sim_sweep_json(const struct sim_sweep *sweep, uint64_t done);
const char *sim_sweep_stop_name(enum sim_sweep_stop stop);

void sim_results_init(struct sim_results *results, const struct sim_sweep *sweep);
void sim_results_fini(struct sim_results *results);
// Takes over record->text.
void sim_results_add(struct sim_results *results, const struct sim_run_record *record);
uint64_t sim_results_failed(const struct sim_results *results);

// A line for each scenario and one for all; no line feed is missing.
void sim_results_summary(const struct sim_results *results, FILE *out);
// As JUnit's XML: a suite for each scenario, a case for each seed.
void sim_results_junit(const struct sim_results *results, FILE *out);

// Where results are written: {"runs": [ each ..., ], "sweep": {...}}.
void sim_results_begin(FILE *out);
void sim_results_run(FILE *out, bool first, const char *json);
void sim_results_end(FILE *out, const struct sim_sweep *sweep, uint64_t done);

#endif
