#include "loop.h"
#include "unit.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct qe_loop loop;
static unsigned called;
static uint32_t called_events;

static void on_ready(void *user, uint32_t events)
{
    CU_ASSERT_PTR_EQUAL(user, &loop);
    called++;
    called_events = events;
}

static void begin(void)
{
    struct qe_fault fault;
    CU_ASSERT_EQUAL_FATAL(qe_loop_init(&loop, &fault), 0);
    called = 0;
}

// How long a wait for a deadline that far away takes, at best of some tries: a busy machine only makes it longer.
static uint64_t shortest_wait(uint64_t ns, int tries)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < tries; i++) {
        uint64_t before = qe_loop_now_ns();
        CU_ASSERT_EQUAL(qe_loop_wait(&loop, before + ns), 0);
        uint64_t took = qe_loop_now_ns() - before;
        CU_ASSERT(took >= ns);
        if (took < best) best = took;
    }
    return best;
}

static void deadlines_are_met_and_never_early(void)
{
    begin();
    CU_ASSERT(shortest_wait(200 * QE_NS_PER_US, 50) < 5 * QE_NS_PER_MS);
    CU_ASSERT(shortest_wait(20 * QE_NS_PER_MS, 5) < 70 * QE_NS_PER_MS);
    // The kernel would round up by 50 µs otherwise.
    CU_ASSERT_EQUAL(prctl(PR_GET_TIMERSLACK), 1000);
    // A far one waits on the other timer, which then is not left ringing.
    CU_ASSERT(shortest_wait(QE_LOOP_NEAR_NS + 10 * QE_NS_PER_MS, 2) < QE_LOOP_NEAR_NS + 100 * QE_NS_PER_MS);
    CU_ASSERT(shortest_wait(20 * QE_NS_PER_MS, 1) >= 20 * QE_NS_PER_MS);
    qe_loop_fini(&loop);
}

static void without_nanoseconds_it_waits_in_milliseconds(void)
{
    begin();
    loop.no_pwait2 = true;
    uint64_t took = shortest_wait(1500 * QE_NS_PER_US, 10);
    CU_ASSERT(took >= 1500 * QE_NS_PER_US && took < 20 * QE_NS_PER_MS);
    qe_loop_fini(&loop);
}

static void what_is_past_is_not_waited_for(void)
{
    begin();
    uint64_t before = qe_loop_now_ns();
    CU_ASSERT_EQUAL(qe_loop_wait(&loop, 0), 0);
    CU_ASSERT_EQUAL(qe_loop_wait(&loop, before), 0);
    CU_ASSERT_EQUAL(qe_loop_wait(&loop, before - QE_NS_PER_S), 0);
    CU_ASSERT(qe_loop_now_ns() - before < QE_NS_PER_S / 2);
    qe_loop_fini(&loop);
}

static void a_ready_descriptor_ends_the_wait(void)
{
    begin();
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    uint64_t one = 1;
    struct qe_loop_source source = {fd, on_ready, &loop};
    CU_ASSERT_EQUAL(qe_loop_add(&loop, &source, EPOLLIN), 0);
    CU_ASSERT_EQUAL(qe_loop_wait(&loop, 0), 0);
    CU_ASSERT_EQUAL(write(fd, &one, sizeof one), (ssize_t)sizeof one);
    // With no deadline at all, a near one and a far one; again as long as nobody reads.
    CU_ASSERT_EQUAL(qe_loop_wait(&loop, QE_TIME_NEVER), 1);
    CU_ASSERT_EQUAL(qe_loop_wait(&loop, qe_loop_now_ns() + QE_LOOP_NEAR_NS / 2), 1);
    CU_ASSERT_EQUAL(qe_loop_wait(&loop, qe_loop_now_ns() + 3600 * QE_NS_PER_S), 1);
    CU_ASSERT_EQUAL(called, 3);
    CU_ASSERT_EQUAL(called_events, EPOLLIN);
    CU_ASSERT_EQUAL(qe_loop_modify(&loop, &source, EPOLLOUT), 0);
    CU_ASSERT_EQUAL(qe_loop_wait(&loop, QE_TIME_NEVER), 1);
    CU_ASSERT_EQUAL(called_events, EPOLLOUT);
    CU_ASSERT_EQUAL(qe_loop_modify(&loop, &source, 0), 0);
    CU_ASSERT_EQUAL(qe_loop_wait(&loop, 0), 0);
    qe_loop_remove(&loop, &source);
    CU_ASSERT_EQUAL(qe_loop_wait(&loop, 0), 0);
    close(fd);
    qe_loop_fini(&loop);
}

static void clocks_agree_with_themselves(void)
{
    uint64_t now = qe_loop_now_ns(), wall = qe_loop_wall_ms();
    usleep(20000);
    CU_ASSERT(qe_loop_now_ns() - now >= 20 * QE_NS_PER_MS);
    CU_ASSERT(qe_loop_wall_ms() >= wall + 19);
    // After 2020, before 2100.
    CU_ASSERT(wall > UINT64_C(1577836800000) && wall < UINT64_C(4102444800000));
}

static const struct unit_case cases[] = {
    {"deadlines are met, and never early", deadlines_are_met_and_never_early},
    {"without nanoseconds it waits in milliseconds", without_nanoseconds_it_waits_in_milliseconds},
    {"what is past is not waited for", what_is_past_is_not_waited_for},
    {"a ready descriptor ends the wait", a_ready_descriptor_ends_the_wait},
    {"clocks agree with themselves", clocks_agree_with_themselves},
};
UNIT_MAIN("loop", cases)
