// Logarithm and power to base 2 in fixed point, bit by bit: squaring a mantissa in [1, 2) doubles its logarithm, and a
// power is a product of the roots 2^(1/2), 2^(1/4), …, which integer square roots give.
#include "scenario/scale.h"

#include <assert.h>

typedef unsigned __int128 wide;

#define MANTISSA_BITS 62 // 1.0 is 2^62
#define LOG_BITS      56 // fraction bits of a logarithm
#define ONE           (UINT64_C(1) << MANTISSA_BITS)

static unsigned floor_log2(uint64_t x)
{
    unsigned bits = 0;
    while (x >>= 1)
        bits++;
    return bits;
}

static uint64_t log2_of(uint64_t x)
{
    unsigned whole = floor_log2(x);
    uint64_t mantissa = whole <= MANTISSA_BITS ? x << (MANTISSA_BITS - whole) : x >> (whole - MANTISSA_BITS);
    uint64_t result = whole;
    for (int i = 0; i < LOG_BITS; i++) {
        wide square = ((wide)mantissa * mantissa) >> MANTISSA_BITS;
        result <<= 1;
        if (square >= 2 * (wide)ONE) {
            square >>= 1;
            result |= 1;
        }
        mantissa = (uint64_t)square;
    }
    return result;
}

// The largest integer whose square is at most x.
static uint64_t square_root(wide x)
{
    uint64_t root = 0;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t candidate = root | UINT64_C(1) << bit;
        if ((wide)candidate * candidate <= x) root = candidate;
    }
    return root;
}

static uint64_t power_of_2(uint64_t log)
{
    uint64_t root = 2 * ONE, mantissa = ONE;
    unsigned whole = (unsigned)(log >> LOG_BITS);
    for (int bit = LOG_BITS - 1; bit >= 0; bit--) {
        root = square_root((wide)root << MANTISSA_BITS);
        if (log >> bit & 1) mantissa = (uint64_t)(((wide)mantissa * root) >> MANTISSA_BITS);
    }
    if (whole >= MANTISSA_BITS) return mantissa << (whole - MANTISSA_BITS);
    unsigned shift = MANTISSA_BITS - whole;
    return (mantissa >> shift) + (mantissa >> (shift - 1) & 1);
}

uint64_t sim_scale_log(uint64_t from, uint64_t to, uint64_t part, uint64_t whole)
{
    assert(from >= 1 && from <= to && to <= INT64_MAX && part <= whole && whole >= 1 && whole < UINT64_C(1) << 56);
    if (part == 0) return from;
    if (part == whole) return to;
    uint64_t low = log2_of(from), range = log2_of(to) - low;
    uint64_t value = power_of_2(low + (uint64_t)((wide)range * part / whole));
    return value < from ? from : value > to ? to : value;
}
