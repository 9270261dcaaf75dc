// Many runs, each in a process of its own, some at a time: a run starts from the same memory whatever ran before it, a
// crash is one run's result, and what comes out is in order whatever the number of jobs.
#ifndef QE_SIM_JOBS_H
#define QE_SIM_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_job_output {
    char *text; // allocated with malloc
    char *json;
    int verdict; // enum sim_verdict
};

struct sim_jobs {
    void *user;
    // Does run `index`, in a process of its own.
    void (*run)(void *user, size_t index, struct sim_job_output *out);
    // Takes what a run gave, in the order of indices. NULL texts: the process died, by `signal` where that is not 0.
    void (*done)(void *user, size_t index, const struct sim_job_output *out, int signal);
};

// Does the runs 0..count-1, `parallel` at a time. 0, or -1 where the system would not (errno).
int sim_jobs_run(const struct sim_jobs *jobs, size_t count, unsigned parallel);

#endif
