#include "unit.h"

#include "base/mutants.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>

static size_t outstanding;
static unsigned long fail_in;

static bool refuse(void)
{
    return fail_in != 0 && --fail_in == 0;
}

static void *counted_alloc(void *user, size_t size)
{
    (void)user;
    if (refuse()) return NULL;
    void *ptr = malloc(size ? size : 1);
    if (ptr) outstanding++;
    return ptr;
}

static void *counted_realloc(void *user, void *old, size_t size)
{
    if (!old) return counted_alloc(user, size);
    if (refuse()) return NULL;
    return realloc(old, size ? size : 1);
}

static void counted_free(void *user, void *ptr)
{
    (void)user;
    if (!ptr) return;
    outstanding--;
    free(ptr);
}

static const struct qe_mem mem = {NULL, counted_alloc, counted_realloc, counted_free};

const struct qe_mem *unit_mem(void)
{
    return &mem;
}

void unit_mem_fail_at(unsigned long nth)
{
    fail_in = nth;
}

size_t unit_mem_outstanding(void)
{
    return outstanding;
}

static uint64_t seed(void)
{
    const char *text = getenv("QE_SEED");
    return text ? strtoull(text, NULL, 0) : 1;
}

struct unit_random unit_random(void)
{
    return (struct unit_random){seed()};
}

uint64_t unit_random_next(struct unit_random *r)
{
    uint64_t z = (r->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t unit_random_below(struct unit_random *r, uint64_t bound)
{
    return unit_random_next(r) % bound;
}

void unit_random_fill(struct unit_random *r, void *out, size_t size)
{
    uint8_t *p = out;
    while (size--)
        *p++ = (uint8_t)unit_random_next(r);
}

// A build with seeded faults (base/mutants.h) runs the tests with the one that QE_MUTANT names.
static int choose_mutant(void)
{
#ifdef QE_MUTANTS
    const char *name = getenv("QE_MUTANT");
    if (!name) return 0;
    qe_mutant_active = qe_mutant_find(name);
    if (qe_mutant_active == QE_MUTANT_none) return -1;
#endif
    return 0;
}

int unit_main(const char *module, const struct unit_case *cases, size_t count)
{
    if (choose_mutant() != 0) return 2;
    if (CU_initialize_registry() != CUE_SUCCESS) return 2;
    CU_pSuite suite = CU_add_suite(module, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        if (!CU_add_test(suite, cases[i].rule, cases[i].run)) return 2;
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    if (failures) fprintf(stderr, "rerun: QE_SEED=%llu %s_test\n", (unsigned long long)seed(), module);
    CU_cleanup_registry();
    return failures ? 1 : 0;
}
