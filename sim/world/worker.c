#include "world/worker.h"

#include "engine/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

// What it writes for each run: this, then the two texts.
struct head {
    uint64_t text_size, json_size, wall_us;
    int verdict;
};

static void write_all(int fd, const void *bytes, size_t size)
{
    const char *p = bytes;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) _exit(3);
        p += n;
        size -= (size_t)n;
    }
}

static bool read_index(int fd, size_t *index)
{
    ssize_t n;
    do
        n = read(fd, index, sizeof(*index)); // a few bytes, written at once, come at once
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(*index);
}

static _Noreturn void serve(const struct sim_jobs *jobs, int fd)
{
    size_t index;
    signal(SIGINT, SIG_IGN); // the whole group gets it, and what it means is for the one that started this
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL); // a run that hangs ends with whom it is for
#endif
    while (read_index(fd, &index)) {
        struct sim_job_output out = {0};
        jobs->run(jobs->user, index, &out);
        struct head head = {.text_size = strlen(out.text),
            .json_size = strlen(out.json),
            .wall_us = out.wall_us,
            .verdict = out.verdict};
        write_all(fd, &head, sizeof(head));
        write_all(fd, out.text, head.text_size);
        write_all(fd, out.json, head.json_size);
        free(out.text);
        free(out.json);
    }
    close(fd);
    exit(0); // with what sanitizers have to say at the end
}

int sim_worker_start(
    struct sim_worker *worker, const struct sim_jobs *jobs, const struct sim_worker *siblings, unsigned sibling_count)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        close(fds[0]);
        close(fds[1]);
        return -1;
    }
    if (pid == 0) {
        close(fds[0]);
        // Else a sibling would not see the end of its socket while this one lives.
        for (unsigned i = 0; i < sibling_count; i++)
            if (siblings[i].pid) close(siblings[i].fd);
        serve(jobs, fds[1]);
    }
    close(fds[1]);
    worker->pid = pid;
    worker->fd = fds[0];
    worker->runs = 0;
    worker->busy = worker->overran = false;
    return 0;
}

void sim_worker_give(struct sim_worker *worker, size_t index, bool last, uint64_t now_ms)
{
    worker->busy = true;
    worker->last = last;
    worker->index = index;
    worker->began_ms = now_ms;
    worker->size = 0;
    worker->runs++;
    // One that is no longer there is found dead when it is heard.
    ssize_t n = send(worker->fd, &index, sizeof(index), MSG_NOSIGNAL);
    (void)n;
}

static bool whole(struct sim_worker *worker, struct sim_job_output *out)
{
    struct head head;
    if (worker->size < sizeof(head)) return false;
    memcpy(&head, worker->bytes, sizeof(head));
    if (worker->size - sizeof(head) < head.text_size + head.json_size) return false;
    *out = (struct sim_job_output){.text = strndup(worker->bytes + sizeof(head), head.text_size),
        .json = strndup(worker->bytes + sizeof(head) + head.text_size, head.json_size),
        .verdict = head.verdict,
        .wall_us = head.wall_us};
    if (!out->text || !out->json) abort();
    return true;
}

// What it ended with: a signal, 0 for another unhappy end, or -1 where it ended well.
static int bury(struct sim_worker *worker)
{
    int status = 0;
    close(worker->fd);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    worker->pid = 0;
    worker->busy = false;
    if (WIFSIGNALED(status)) return WTERMSIG(status);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? -1 : 0;
}

static enum sim_worker_answer ended(struct sim_worker *worker, struct sim_job_output *out, int *signal)
{
    struct sim_job_output held = worker->held;
    int how = bury(worker);
    worker->held = (struct sim_job_output){0};
    if (how == -1 && held.text) {
        *out = held;
        return SIM_WORKER_DONE;
    }
    sim_job_output_fini(&held);
    *signal = worker->overran ? SIM_JOB_OVERRAN : how > 0 ? how : 0;
    return SIM_WORKER_DIED;
}

enum sim_worker_answer sim_worker_hear(struct sim_worker *worker, struct sim_job_output *out, int *signal)
{
    if (worker->capacity - worker->size < 4096) {
        worker->capacity = worker->capacity ? worker->capacity * 2 : 16384;
        worker->bytes = sim_resize(worker->bytes, worker->capacity, 1);
    }
    ssize_t n = read(worker->fd, worker->bytes + worker->size, worker->capacity - worker->size);
    if (n < 0 && errno == EINTR) return SIM_WORKER_MORE;
    if (n <= 0) return ended(worker, out, signal);
    worker->size += (size_t)n;
    if (worker->held.text || !whole(worker, out)) return SIM_WORKER_MORE;
    if (!worker->last) {
        worker->busy = false;
        return SIM_WORKER_DONE;
    }
    worker->held = *out;
    *out = (struct sim_job_output){0};
    shutdown(worker->fd, SHUT_WR);
    return SIM_WORKER_MORE;
}

void sim_worker_end(struct sim_worker *worker, bool at_once)
{
    if (worker->pid && at_once) kill(worker->pid, SIGKILL);
    if (worker->pid) bury(worker);
    sim_job_output_fini(&worker->held);
}

void sim_job_output_fini(struct sim_job_output *out)
{
    free(out->text);
    free(out->json);
    *out = (struct sim_job_output){0};
}
