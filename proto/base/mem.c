// Allocation through the host's functions, with the overflow checks that every caller would otherwise repeat.
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

void *qe_alloc(const struct qe_mem *mem, size_t size)
{
    return mem->alloc(mem->user, size);
}

void *qe_zalloc(const struct qe_mem *mem, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    void *ptr = mem->alloc(mem->user, count * size);
    if (ptr) memset(ptr, 0, count * size);
    return ptr;
}

void *qe_realloc(const struct qe_mem *mem, void *old, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    return mem->realloc(mem->user, old, count * size);
}

void qe_free(const struct qe_mem *mem, void *ptr)
{
    mem->free(mem->user, ptr);
}
