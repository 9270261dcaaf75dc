// Many runs in processes of their own, some at a time: a crash or a hang is one run's result, and what comes out is in
// order whatever the number of jobs.
//
// A process may do several runs one after the other, which saves starting it anew. What goes wrong in one that is not
// fresh is done once more in one that is, and that result counts: so a failure can always be had again by its run
// alone.
#ifndef QE_SIM_JOBS_H
#define QE_SIM_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_job_output {
    char *text; // allocated with malloc
    char *json;
    int verdict; // enum sim_verdict; 0: nothing went wrong
    uint64_t wall_us;
};

// Instead of a signal: the run took longer than it may, and was ended.
#define SIM_JOB_OVERRAN (-1)

enum sim_jobs_next {
    SIM_JOBS_GO_ON,
    SIM_JOBS_START_NO_MORE, // what runs is waited for
    SIM_JOBS_STOP,          // what runs is ended, without a result
};

struct sim_jobs {
    void *user;
    // Does run `index`, in another process.
    void (*run)(void *user, size_t index, struct sim_job_output *out);
    // Takes what a run gave, in the order of indices. NULL texts: the process died, by `signal` where that is not 0.
    void (*done)(void *user, size_t index, const struct sim_job_output *out, int signal);
    // Asked before each start and at least every SIM_JOBS_TICK_MS; NULL: go on.
    enum sim_jobs_next (*next)(void *user);
    unsigned runs_a_process; // at most so many; 0 is 1
    uint64_t limit_ms;       // of wall time that a run may take; 0: any
};

#define SIM_JOBS_TICK_MS 200
// So many runs may be ready while one before them is not.
#define SIM_JOBS_AHEAD_MAX 4096

// Does the runs 0..count-1, `parallel` at a time. How many were done (the first so many; less only where `next` said
// so), or -1 where the system would not start a process (errno).
int64_t sim_jobs_run(const struct sim_jobs *jobs, size_t count, unsigned parallel);

#endif
