// Spans of bytes and big-endian loads and stores. A span borrows: it never owns what it points at.
#ifndef QE_BASE_BYTES_H
#define QE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct qe_span {
    const uint8_t *data;
    size_t size;
};

static inline struct qe_span qe_span(const void *data, size_t size)
{
    return (struct qe_span){data, size};
}

static inline bool qe_span_equal(struct qe_span a, struct qe_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline uint16_t qe_load16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t qe_load32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t qe_load64(const uint8_t *p)
{
    return (uint64_t)qe_load32(p) << 32 | qe_load32(p + 4);
}

static inline void qe_store16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void qe_store32(uint8_t *p, uint32_t v)
{
    qe_store16(p, (uint16_t)(v >> 16));
    qe_store16(p + 2, (uint16_t)v);
}

static inline void qe_store64(uint8_t *p, uint64_t v)
{
    qe_store32(p, (uint32_t)(v >> 32));
    qe_store32(p + 4, (uint32_t)v);
}

#endif
