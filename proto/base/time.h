// Time as the core knows it: `now_ns` is monotonic, `wall_ms` is unix time and may jump. Nothing here reads a clock.
#ifndef QE_BASE_TIME_H
#define QE_BASE_TIME_H

#include <stdint.h>

#define QE_NS_PER_US UINT64_C(1000)
#define QE_NS_PER_MS UINT64_C(1000000)
#define QE_NS_PER_S  UINT64_C(1000000000)

// No deadline: the node wants nothing but events.
#define QE_TIME_NEVER UINT64_MAX

static inline uint64_t qe_time_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
