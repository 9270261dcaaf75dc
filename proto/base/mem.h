// Allocation, lent by the host: proto never calls malloc itself, so that a host can count, limit and fail it.
#ifndef QE_BASE_MEM_H
#define QE_BASE_MEM_H

#include <stddef.h>

struct qe_mem {
    void *user;
    // Each returns NULL on failure. The bytes are not zeroed. `realloc(user, NULL, n)` allocates, `free(user, NULL)` is
    // nothing.
    void *(*alloc)(void *user, size_t size);
    void *(*realloc)(void *user, void *old, size_t size);
    void (*free)(void *user, void *ptr);
};

// Uninitialised memory of `size` bytes, or NULL.
void *qe_alloc(const struct qe_mem *mem, size_t size);

// Zeroed memory for `count` items of `size` bytes, or NULL; NULL too where the product overflows.
void *qe_zalloc(const struct qe_mem *mem, size_t count, size_t size);

// Resizes to `count` items of `size` bytes; NULL on failure or overflow, `old` is then untouched.
void *qe_realloc(const struct qe_mem *mem, void *old, size_t count, size_t size);

void qe_free(const struct qe_mem *mem, void *ptr);

#endif
