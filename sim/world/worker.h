// A process that does runs for another: it is given an index, and answers with what the run gave, until it is told to
// end by the end of its socket.
#ifndef QE_SIM_WORKER_H
#define QE_SIM_WORKER_H

#include "world/jobs.h"

#include <sys/types.h>

struct sim_worker {
    pid_t pid;     // 0: there is none
    int fd;        // to it
    bool busy;     // with `index`
    bool overran;  // and was ended for it
    bool last;     // it ends with this run, whose result counts where it ends well
    size_t index;  // of its run
    unsigned runs; // it was given so far
    uint64_t began_ms;
    char *bytes; // what it answered so far
    size_t size, capacity;
    struct sim_job_output held; // the result of its last run
};

enum sim_worker_answer {
    SIM_WORKER_MORE, // is to come
    SIM_WORKER_DONE, // *out is the caller's to free
    SIM_WORKER_DIED, // *signal; it is gone
};

// Starts one in the place of `worker`, which must have none. `siblings`: all places, whose sockets are not for it.
// 0 or -1 (errno).
int sim_worker_start(
    struct sim_worker *worker, const struct sim_jobs *jobs, const struct sim_worker *siblings, unsigned sibling_count);
// Gives it its next run; the `last` one is done when the process has ended, and done well where that ended well.
void sim_worker_give(struct sim_worker *worker, size_t index, bool last, uint64_t now_ms);
// Reads what there is.
enum sim_worker_answer sim_worker_hear(struct sim_worker *worker, struct sim_job_output *out, int *signal);
// Lets it end, which waits for what it cleans up, or ends it at once.
void sim_worker_end(struct sim_worker *worker, bool at_once);
// Frees what belongs to a result.
void sim_job_output_fini(struct sim_job_output *out);

#endif
