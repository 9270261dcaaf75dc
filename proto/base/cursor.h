// Reading and writing wire bytes as a list of fields. A cursor remembers failure: after the first field that does not
// fit every later one reads as zero, and one check at the end tells.
#ifndef QE_BASE_CURSOR_H
#define QE_BASE_CURSOR_H

#include "base/bytes.h"

struct qe_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct qe_reader qe_reader(struct qe_span in)
{
    // No span at all has no address to add to.
    return (struct qe_reader){in.data, in.size ? in.data + in.size : in.data, false};
}

static inline size_t qe_reader_left(const struct qe_reader *r)
{
    return (size_t)(r->end - r->at);
}

// `size` bytes, borrowed; an empty span on failure.
static inline struct qe_span qe_read_bytes(struct qe_reader *r, size_t size)
{
    if (r->failed || qe_reader_left(r) < size) {
        r->failed = true;
        return (struct qe_span){r->end, 0};
    }
    struct qe_span out = {r->at, size};
    r->at += size;
    return out;
}

static inline uint8_t qe_read8(struct qe_reader *r)
{
    struct qe_span s = qe_read_bytes(r, 1);
    return s.size ? s.data[0] : 0;
}

static inline uint16_t qe_read16(struct qe_reader *r)
{
    struct qe_span s = qe_read_bytes(r, 2);
    return s.size ? qe_load16(s.data) : 0;
}

static inline uint32_t qe_read32(struct qe_reader *r)
{
    struct qe_span s = qe_read_bytes(r, 4);
    return s.size ? qe_load32(s.data) : 0;
}

static inline uint64_t qe_read64(struct qe_reader *r)
{
    struct qe_span s = qe_read_bytes(r, 8);
    return s.size ? qe_load64(s.data) : 0;
}

// Copies `size` bytes to `out`, zeroes on failure.
static inline void qe_read_copy(struct qe_reader *r, void *out, size_t size)
{
    struct qe_span s = qe_read_bytes(r, size);
    if (s.size)
        memcpy(out, s.data, size);
    else
        memset(out, 0, size);
}

struct qe_writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static inline struct qe_writer qe_writer(uint8_t *data, size_t size)
{
    return (struct qe_writer){data, data, data + size, false};
}

// Bytes written so far.
static inline size_t qe_writer_size(const struct qe_writer *w)
{
    return (size_t)(w->at - w->start);
}

static inline uint8_t *qe_write_room(struct qe_writer *w, size_t size)
{
    if (w->failed || (size_t)(w->end - w->at) < size) {
        w->failed = true;
        return NULL;
    }
    uint8_t *p = w->at;
    w->at += size;
    return p;
}

static inline void qe_write_bytes(struct qe_writer *w, const void *data, size_t size)
{
    uint8_t *p = qe_write_room(w, size);
    if (p && size) memcpy(p, data, size);
}

static inline void qe_write8(struct qe_writer *w, uint8_t v)
{
    qe_write_bytes(w, &v, 1);
}

static inline void qe_write16(struct qe_writer *w, uint16_t v)
{
    uint8_t *p = qe_write_room(w, 2);
    if (p) qe_store16(p, v);
}

static inline void qe_write32(struct qe_writer *w, uint32_t v)
{
    uint8_t *p = qe_write_room(w, 4);
    if (p) qe_store32(p, v);
}

static inline void qe_write64(struct qe_writer *w, uint64_t v)
{
    uint8_t *p = qe_write_room(w, 8);
    if (p) qe_store64(p, v);
}

#endif
