#include "base/heap.h"
#include "base/time.h"
#include "unit.h"

#define TIMERS 64

static void timers_fire_in_the_order_of_a_naive_model(void)
{
    struct unit_random random = unit_random();
    struct qe_heap heap;
    struct qe_timer timers[TIMERS];
    uint64_t set[TIMERS]; // when each was last set, in steps
    qe_heap_init(&heap, unit_mem());
    CU_ASSERT_EQUAL_FATAL(qe_heap_reserve(&heap, TIMERS), 0);
    for (int i = 0; i < TIMERS; i++)
        qe_timer_init(&timers[i]);
    uint64_t now = 0;
    for (uint64_t step = 1; step < 100000; step++) {
        size_t i = unit_random_below(&random, TIMERS);
        uint64_t at = unit_random_below(&random, 5) == 0 ? QE_TIME_NEVER : now + unit_random_below(&random, 20);
        if (timers[i].at_ns != at) set[i] = step;
        qe_heap_set(&heap, &timers[i], at);
        if (step % 3 != 0) continue;
        now += unit_random_below(&random, 8);
        for (;;) {
            size_t best = TIMERS;
            for (size_t j = 0; j < TIMERS; j++)
                if (timers[j].at_ns != QE_TIME_NEVER &&
                    (best == TIMERS || timers[j].at_ns < timers[best].at_ns ||
                        (timers[j].at_ns == timers[best].at_ns && set[j] < set[best])))
                    best = j;
            CU_ASSERT_EQUAL(qe_heap_deadline(&heap), best == TIMERS ? QE_TIME_NEVER : timers[best].at_ns);
            bool due = best < TIMERS && timers[best].at_ns <= now;
            struct qe_timer *got = qe_heap_pop(&heap, now);
            CU_ASSERT_PTR_EQUAL(got, due ? &timers[best] : NULL);
            if (!got) break;
        }
    }
    qe_heap_fini(&heap);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static const struct unit_case cases[] = {
    {"timers fire in the order of a naive model", timers_fire_in_the_order_of_a_naive_model},
};
UNIT_MAIN("heap", cases)
