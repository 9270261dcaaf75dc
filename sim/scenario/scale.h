// Places on a logarithmic scale, in integers: the same on every machine.
#ifndef QE_SIM_SCALE_H
#define QE_SIM_SCALE_H

#include <stdint.h>

// from × (to / from)^(part / whole), rounded to the nearest integer; exact at both ends, elsewhere to about one part in
// 10^15. 1 ≤ from ≤ to ≤ INT64_MAX, part ≤ whole < 2^56.
uint64_t sim_scale_log(uint64_t from, uint64_t to, uint64_t part, uint64_t whole);

#endif
