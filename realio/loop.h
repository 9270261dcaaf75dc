// Waiting: for descriptors (epoll) and for a deadline to the nanosecond. And the two clocks.
#ifndef QE_REALIO_LOOP_H
#define QE_REALIO_LOOP_H

#include "base/time.h"
#include "fault.h"

#include <stdbool.h>
#include <stdint.h>

// Deadlines farther away than this wait on a timer that goes on through suspend; nearer ones on epoll's own, which
// costs no system call to set.
#define QE_LOOP_NEAR_NS (100 * QE_NS_PER_MS)
// Descriptors that one wait reports; the others are reported by the next.
#define QE_LOOP_EVENTS_MAX 32

// A descriptor in the loop. Lives as long as it is in.
struct qe_loop_source {
    int fd;
    void (*ready)(void *user, uint32_t events); // EPOLLIN, EPOLLOUT, …
    void *user;
};

struct qe_loop {
    int epoll;
    int timer;         // CLOCK_BOOTTIME
    uint64_t timer_ns; // what it is set to; QE_TIME_NEVER: nothing
    bool no_pwait2;    // older kernels: wait in milliseconds
    uint64_t wakeups;
};

int qe_loop_init(struct qe_loop *loop, struct qe_fault *fault);
void qe_loop_fini(struct qe_loop *loop);

// 0, or -1 with errno. `events` as in epoll_ctl, level-triggered.
int qe_loop_add(struct qe_loop *loop, struct qe_loop_source *source, uint32_t events);
int qe_loop_modify(struct qe_loop *loop, struct qe_loop_source *source, uint32_t events);
// Must not be called for another source than the one being served while qe_loop_wait calls back.
void qe_loop_remove(struct qe_loop *loop, struct qe_loop_source *source);

// Waits until a descriptor is ready or `deadline_ns` has come (0: does not wait), and calls back. Returns how many were
// ready.
int qe_loop_wait(struct qe_loop *loop, uint64_t deadline_ns);

// CLOCK_BOOTTIME: monotonic, counts through suspend.
uint64_t qe_loop_now_ns(void);
// CLOCK_REALTIME: unix time.
uint64_t qe_loop_wall_ms(void);

#endif
