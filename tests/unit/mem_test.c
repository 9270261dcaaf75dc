#include "base/mem.h"
#include "unit.h"

static void zeroed_memory_is_zero(void)
{
    unsigned char *p = qe_zalloc(unit_mem(), 3, 5);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    for (int i = 0; i < 15; i++)
        CU_ASSERT_EQUAL(p[i], 0);
    qe_free(unit_mem(), p);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void products_that_overflow_are_refused(void)
{
    CU_ASSERT_PTR_NULL(qe_zalloc(unit_mem(), SIZE_MAX / 2, 3));
    CU_ASSERT_PTR_NULL(qe_realloc(unit_mem(), NULL, SIZE_MAX / 2, 3));
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void the_chosen_allocation_fails(void)
{
    unit_mem_fail_at(2);
    void *first = qe_alloc(unit_mem(), 1);
    CU_ASSERT_PTR_NOT_NULL(first);
    CU_ASSERT_PTR_NULL(qe_alloc(unit_mem(), 1));
    qe_free(unit_mem(), first);
}

static const struct unit_case cases[] = {
    {"zeroed memory is zero", zeroed_memory_is_zero},
    {"products that overflow are refused", products_that_overflow_are_refused},
    {"the chosen allocation fails", the_chosen_allocation_fails},
};
UNIT_MAIN("mem", cases)
