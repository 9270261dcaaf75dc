#include "world/jobs.h"

#include "engine/memory.h"
#include "world/worker.h"

#include <poll.h>
#include <signal.h>
#include <time.h>

// A run that was started, until it is given to the caller.
struct place {
    struct sim_job_output out;
    int signal;
    bool ready;
};

struct pool {
    const struct sim_jobs *jobs;
    struct sim_worker *workers;
    struct pollfd *fds;
    unsigned worker_count;
    struct place *places; // by index modulo place_count: from `given` to `next`
    size_t place_count;
    size_t count, next, given;
    enum sim_jobs_next mode;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void ask(struct pool *pool)
{
    if (!pool->jobs->next) return;
    enum sim_jobs_next mode = pool->jobs->next(pool->jobs->user);
    if (mode > pool->mode) pool->mode = mode; // it is not taken back
}

static int renew(struct pool *pool, struct sim_worker *worker)
{
    sim_worker_end(worker, false);
    return sim_worker_start(worker, pool->jobs, pool->workers, pool->worker_count);
}

static void give(struct pool *pool, struct sim_worker *worker, size_t index)
{
    unsigned most = pool->jobs->runs_a_process ? pool->jobs->runs_a_process : 1;
    sim_worker_give(worker, index, worker->runs + 1 >= most, now_ms());
}

// Gives every idle worker a run, as far as there are any.
static int start_runs(struct pool *pool)
{
    for (unsigned i = 0; i < pool->worker_count; i++) {
        struct sim_worker *worker = &pool->workers[i];
        if (worker->busy) continue;
        if (pool->next == pool->count || pool->next - pool->given == pool->place_count) return 0;
        ask(pool);
        if (pool->mode != SIM_JOBS_GO_ON) return 0;
        if (!worker->pid && renew(pool, worker) != 0) return -1;
        give(pool, worker, pool->next++);
    }
    return 0;
}

static int hear(struct pool *pool, struct sim_worker *worker)
{
    struct sim_job_output out = {0};
    int signal = 0;
    size_t index = worker->index;
    bool was_busy = worker->busy;
    enum sim_worker_answer answer = sim_worker_hear(worker, &out, &signal);
    if (answer == SIM_WORKER_MORE || !was_busy) return 0;
    bool wrong = answer == SIM_WORKER_DIED ? signal != SIM_JOB_OVERRAN : out.verdict != 0;
    if (wrong && worker->runs > 1) {
        sim_job_output_fini(&out);
        if (renew(pool, worker) != 0) return -1;
        give(pool, worker, index);
        return 0;
    }
    pool->places[index % pool->place_count] = (struct place){out, signal, true};
    return 0;
}

static void end_overrun(struct pool *pool)
{
    uint64_t limit = pool->jobs->limit_ms, now = now_ms();
    for (unsigned i = 0; limit && i < pool->worker_count; i++) {
        struct sim_worker *worker = &pool->workers[i];
        if (!worker->busy || worker->overran || now - worker->began_ms < limit) continue;
        worker->overran = true;
        kill(worker->pid, SIGKILL);
    }
}

static int listen_to(struct pool *pool)
{
    bool timed = pool->jobs->next || pool->jobs->limit_ms;
    for (unsigned i = 0; i < pool->worker_count; i++)
        pool->fds[i] = (struct pollfd){.fd = pool->workers[i].busy ? pool->workers[i].fd : -1, .events = POLLIN};
    int ready = poll(pool->fds, pool->worker_count, timed ? SIM_JOBS_TICK_MS : -1);
    for (unsigned i = 0; ready > 0 && i < pool->worker_count; i++)
        if (pool->fds[i].fd >= 0 && pool->fds[i].revents && hear(pool, &pool->workers[i]) != 0) return -1;
    end_overrun(pool);
    return 0;
}

static void give_ready(struct pool *pool)
{
    for (; pool->given < pool->next; pool->given++) {
        struct place *place = &pool->places[pool->given % pool->place_count];
        if (!place->ready || pool->mode == SIM_JOBS_STOP) return;
        pool->jobs->done(pool->jobs->user, pool->given, &place->out, place->signal);
        sim_job_output_fini(&place->out);
        place->ready = false;
        ask(pool);
    }
}

static int run_all(struct pool *pool)
{
    for (;;) {
        if (start_runs(pool) != 0) return -1;
        if (pool->mode == SIM_JOBS_STOP) return 0;
        if (pool->given == pool->next && (pool->given == pool->count || pool->mode != SIM_JOBS_GO_ON)) return 0;
        if (listen_to(pool) != 0) return -1;
        ask(pool);
        give_ready(pool);
    }
}

int64_t sim_jobs_run(const struct sim_jobs *jobs, size_t count, unsigned parallel)
{
    struct pool pool = {.jobs = jobs,
        .workers = sim_obtain(parallel, sizeof(*pool.workers)),
        .fds = sim_obtain(parallel, sizeof(*pool.fds)),
        .worker_count = parallel,
        .place_count = parallel + SIM_JOBS_AHEAD_MAX,
        .count = count};
    pool.places = sim_obtain(pool.place_count, sizeof(*pool.places));
    int result = run_all(&pool);
    for (unsigned i = 0; i < parallel; i++) {
        sim_worker_end(&pool.workers[i], pool.workers[i].busy);
        sim_release(pool.workers[i].bytes);
    }
    for (size_t i = 0; i < pool.place_count; i++)
        sim_job_output_fini(&pool.places[i].out);
    sim_release(pool.places);
    sim_release(pool.workers);
    sim_release(pool.fds);
    return result == 0 ? (int64_t)pool.given : -1;
}
