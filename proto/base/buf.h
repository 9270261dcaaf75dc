// A buffer that the host lends. It has one owner at a time: whoever was handed it last. What the node hands over in an
// action belongs to the host until it gives the room back; what the host hands over in an event belongs to the node.
#ifndef QE_BASE_BUF_H
#define QE_BASE_BUF_H

#include <stdint.h>

// Room for the largest thing that crosses the boundary: a 64 KiB super-packet with a virtio-net header before it.
#define QE_BUF_HEADROOM 64
#define QE_BUF_SIZE     (QE_BUF_HEADROOM + 65536)

struct qe_buf {
    uint8_t *data;       // start of the storage
    uint32_t capacity;   // bytes of storage, headroom included
    uint32_t offset;     // where the content starts
    uint32_t size;       // bytes of content; offset + size ≤ capacity
    struct qe_buf *next; // for whoever owns it: a queue of its own
};

static inline uint8_t *qe_buf_bytes(struct qe_buf *buf)
{
    return buf->data + buf->offset;
}

#endif
