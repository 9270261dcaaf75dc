// What `run` and `sweep` share: scenarios run with seeds, each in a process, and each run's report whatever became of
// it.
#ifndef QE_SIM_CLI_RUNS_H
#define QE_SIM_CLI_RUNS_H

#include "cli/outputs.h"
#include "scenario/template.h"
#include "sweep/plan.h"
#include "world/jobs.h"
#include "world/world.h"

struct sim_run_report {
    size_t file;
    uint64_t seed;
    enum sim_verdict verdict;
    uint64_t wall_us;
    const char *text, *json;
};

struct sim_record_writer;

struct sim_runs {
    struct sim_template *const *templates; // plan.files
    struct sim_plan plan;
    struct sim_shard shard;
    unsigned jobs, lanes;                      // lanes 0: as configured
    unsigned runs_a_process;                   // 0 is 1
    bool measures;                             // reports have them
    uint64_t limit_ms;                         // of wall time for each; 0: any
    const struct sim_outputs_options *outputs; // what each run writes beside its report, or NULL
    struct sim_record_writer *record;          // a host to record; or NULL
    void *user;
    void (*done)(void *user, const struct sim_run_report *report); // in the order of the plan
    enum sim_jobs_next (*next)(void *user);                        // as in struct sim_jobs; or NULL
};

// Does the runs of the shard. An exit status: SIM_EXIT_PASS unless the system would not, which is said.
int sim_runs_do(const struct sim_runs *runs);

#endif
