// The monotonic clock, and the best of several tries: what a loop costs where nothing disturbs it.
#ifndef QE_TESTS_BENCH_H
#define QE_TESTS_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static inline uint64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

// Calls `run` `tries` times and prints the least time divided by the count that it returns.
static inline void bench(const char *what, const char *unit, int tries, uint64_t (*run)(void))
{
    double best = 0;
    for (int i = 0; i < tries; i++) {
        uint64_t start = bench_now_ns();
        uint64_t count = run();
        double each = (double)(bench_now_ns() - start) / (double)count;
        if (i == 0 || each < best) best = each;
    }
    printf("%-52s %8.1f ns/%s\n", what, best, unit);
}

#endif
