// The C library's allocator as the core wants it.
#ifndef QE_TESTS_FUZZ_MEM_H
#define QE_TESTS_FUZZ_MEM_H

#include "base/mem.h"

#include <stdlib.h>

static void *fuzz_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *fuzz_realloc(void *user, void *old, size_t size)
{
    (void)user;
    return realloc(old, size);
}

static void fuzz_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static inline const struct qe_mem *fuzz_mem(void)
{
    static const struct qe_mem mem = {NULL, fuzz_alloc, fuzz_realloc, fuzz_free};
    return &mem;
}

#endif
