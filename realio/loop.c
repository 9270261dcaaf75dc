#include "loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static uint64_t to_ns(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * QE_NS_PER_S + (uint64_t)t->tv_nsec;
}

static struct timespec from_ns(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / QE_NS_PER_S), (long)(ns % QE_NS_PER_S)};
}

uint64_t qe_loop_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return to_ns(&now);
}

uint64_t qe_loop_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return to_ns(&now) / QE_NS_PER_MS;
}

int qe_loop_init(struct qe_loop *loop, struct qe_fault *fault)
{
    *loop = (struct qe_loop){.epoll = -1, .timer = -1, .timer_ns = QE_TIME_NEVER};
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (loop->epoll < 0 || loop->timer < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->timer, &event)) {
        qe_fault_set(fault, QE_EXIT_FAILED, "cannot set up epoll: %s", strerror(errno));
        qe_loop_fini(loop);
        return -1;
    }
    // The kernel rounds waits up by 50 µs otherwise, which is longer than a pacer's step.
    prctl(PR_SET_TIMERSLACK, 1000UL);
    return 0;
}

void qe_loop_fini(struct qe_loop *loop)
{
    if (loop->epoll >= 0) close(loop->epoll);
    if (loop->timer >= 0) close(loop->timer);
    loop->epoll = loop->timer = -1;
}

int qe_loop_add(struct qe_loop *loop, struct qe_loop_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event);
}

int qe_loop_modify(struct qe_loop *loop, struct qe_loop_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

void qe_loop_remove(struct qe_loop *loop, struct qe_loop_source *source)
{
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
}

static void set_timer(struct qe_loop *loop, uint64_t at_ns)
{
    if (loop->timer_ns == at_ns) return;
    loop->timer_ns = at_ns;
    struct itimerspec spec = {.it_value = from_ns(at_ns == QE_TIME_NEVER ? 0 : at_ns)};
    timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static int wait_near(struct qe_loop *loop, struct epoll_event *events, uint64_t wait_ns)
{
    if (!loop->no_pwait2) {
        struct timespec timeout = from_ns(wait_ns);
        int count = epoll_pwait2(loop->epoll, events, QE_LOOP_EVENTS_MAX, &timeout, NULL);
        // Unknown to kernels before 5.11, and forbidden by some containers' filters.
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        loop->no_pwait2 = true;
    }
    return epoll_wait(loop->epoll, events, QE_LOOP_EVENTS_MAX, (int)((wait_ns + QE_NS_PER_MS - 1) / QE_NS_PER_MS));
}

int qe_loop_wait(struct qe_loop *loop, uint64_t deadline_ns)
{
    struct epoll_event events[QE_LOOP_EVENTS_MAX];
    uint64_t now = deadline_ns ? qe_loop_now_ns() : 0;
    int count;
    if (deadline_ns <= now) {
        count = epoll_wait(loop->epoll, events, QE_LOOP_EVENTS_MAX, 0);
    } else if (deadline_ns - now < QE_LOOP_NEAR_NS) {
        count = wait_near(loop, events, deadline_ns - now);
    } else {
        set_timer(loop, deadline_ns);
        count = epoll_wait(loop->epoll, events, QE_LOOP_EVENTS_MAX, -1);
    }
    loop->wakeups++;
    int ready = 0;
    for (int i = 0; i < count; i++) {
        struct qe_loop_source *source = events[i].data.ptr;
        if (source) {
            source->ready(source->user, events[i].events);
            ready++;
        } else {
            uint64_t expired;
            (void)!read(loop->timer, &expired, sizeof expired);
            loop->timer_ns = QE_TIME_NEVER;
        }
    }
    return ready;
}
