#include "world/jobs.h"

#include "engine/memory.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// What a child writes: lengths and verdict, then the two texts.
struct head {
    uint64_t text_size, json_size;
    int verdict;
};

struct child {
    pid_t pid; // 0: finished
    int fd;
    size_t index;
    char *bytes;
    size_t size, capacity;
    int status;
    bool used;
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

static void be_child(const struct sim_jobs *jobs, size_t index, int fd)
{
    struct sim_job_output out = {0};
    jobs->run(jobs->user, index, &out);
    struct head head = {.text_size = strlen(out.text), .json_size = strlen(out.json), .verdict = out.verdict};
    write_all(fd, &head, sizeof(head));
    write_all(fd, out.text, head.text_size);
    write_all(fd, out.json, head.json_size);
    free(out.text);
    free(out.json);
}

static int start(const struct sim_jobs *jobs, struct child *child, size_t index)
{
    int fds[2];
    if (pipe(fds) != 0) return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        close(fds[0]);
        close(fds[1]);
        return -1;
    }
    if (pid == 0) {
        close(fds[0]);
        be_child(jobs, index, fds[1]);
        close(fds[1]);
        exit(0);
    }
    close(fds[1]);
    *child = (struct child){.pid = pid, .fd = fds[0], .index = index, .used = true};
    return 0;
}

// Reads what there is; true when the child has ended.
static bool hear(struct child *child)
{
    if (child->capacity - child->size < 4096) {
        child->capacity = child->capacity ? child->capacity * 2 : 16384;
        child->bytes = sim_resize(child->bytes, child->capacity, 1);
    }
    ssize_t n = read(child->fd, child->bytes + child->size, child->capacity - child->size);
    if (n < 0 && errno == EINTR) return false;
    if (n > 0) {
        child->size += (size_t)n;
        return false;
    }
    close(child->fd);
    while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
        ;
    child->pid = 0;
    return true;
}

static void give(const struct sim_jobs *jobs, struct child *child)
{
    struct sim_job_output out = {0};
    struct head head = {0};
    if (child->size >= sizeof(head)) memcpy(&head, child->bytes, sizeof(head));
    bool whole = child->size >= sizeof(head) && child->size - sizeof(head) == head.text_size + head.json_size &&
                 WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0;
    if (whole) {
        out.text = strndup(child->bytes + sizeof(head), head.text_size);
        out.json = strndup(child->bytes + sizeof(head) + head.text_size, head.json_size);
        out.verdict = head.verdict;
    }
    jobs->done(jobs->user, child->index, &out, WIFSIGNALED(child->status) ? WTERMSIG(child->status) : 0);
    free(out.text);
    free(out.json);
    sim_release(child->bytes);
    *child = (struct child){0};
}

// Waits for some child to say something.
static void listen_to(struct child *children, unsigned parallel, struct pollfd *fds)
{
    for (unsigned i = 0; i < parallel; i++)
        fds[i] = (struct pollfd){.fd = children[i].used && children[i].pid ? children[i].fd : -1, .events = POLLIN};
    if (poll(fds, parallel, -1) < 0) return; // EINTR
    for (unsigned i = 0; i < parallel; i++)
        if (fds[i].fd >= 0 && fds[i].revents) hear(&children[i]);
}

int sim_jobs_run(const struct sim_jobs *jobs, size_t count, unsigned parallel)
{
    struct child *children = sim_obtain(parallel, sizeof(*children));
    struct pollfd *fds = sim_obtain(parallel, sizeof(*fds));
    size_t next = 0, given = 0;
    int result = 0;
    while (given < count) {
        // The run with index i has place i mod parallel, so that the next to give is easy to find; a finished one waits
        // there until those before it are given.
        struct child *first = &children[given % parallel];
        while (next < count && next - given < parallel && !children[next % parallel].used) {
            if (start(jobs, &children[next % parallel], next) != 0) {
                result = -1;
                break;
            }
            next++;
        }
        if (result != 0 && !first->used) break;
        if (first->used && first->pid == 0) {
            give(jobs, first);
            given++;
            continue;
        }
        listen_to(children, parallel, fds);
    }
    sim_release(children);
    sim_release(fds);
    return result;
}
