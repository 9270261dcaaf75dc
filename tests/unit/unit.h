// What the unit tests share: a table of cases run by CUnit, an allocator that counts and can fail, and a seeded
// generator.
#ifndef QE_TESTS_UNIT_H
#define QE_TESTS_UNIT_H

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unit_case {
    const char *rule; // what must hold, as a sentence
    void (*run)(void);
};

// Runs the cases and returns main's exit status. Seeds come from QE_SEED where it is set.
int unit_main(const char *module, const struct unit_case *cases, size_t count);
#define UNIT_MAIN(module, cases)                                                                                       \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        return unit_main(module, cases, sizeof(cases) / sizeof((cases)[0]));                                           \
    }

// An allocator over malloc that knows what is outstanding. fail_at: the how-many-th allocation from now fails (1 = the
// next); 0: none. Reset it with unit_mem_reset, which also says how many blocks are still out.
const struct qe_mem *unit_mem(void);
void unit_mem_fail_at(unsigned long nth);
size_t unit_mem_outstanding(void);

// A seeded generator (SplitMix64), the same on every machine.
struct unit_random {
    uint64_t state;
};
struct unit_random unit_random(void); // seeded from QE_SEED or 1; printed by unit_main
uint64_t unit_random_next(struct unit_random *r);
uint64_t unit_random_below(struct unit_random *r, uint64_t bound);
void unit_random_fill(struct unit_random *r, void *out, size_t size);

#endif
