// Buffers: large ones that the node fills (lent against a credit) and that the TUN is read into, and small ones into
// which small packets are copied, so that a queue of thousands of acknowledgements does not hold 64 KiB for each.
//
// Memory is taken as it is needed; qe_bufpool_trim gives back what was not needed for a while.
#ifndef QE_REALIO_BUFPOOL_H
#define QE_REALIO_BUFPOOL_H

#include "base/buf.h"
#include "node/host.h"

#include <stdbool.h>
#include <stddef.h>

// Large buffers that the node may hold at once for output: its credit. Those that only deliveries may take
// (QE_NODE_DELIVERIES), and what it may send before the kernel has taken it.
#define QE_BUFPOOL_SENDS  64
#define QE_BUFPOOL_CREDIT (QE_NODE_DELIVERIES + QE_BUFPOOL_SENDS)
// Large buffers in all. Beyond it the TUN is not read until the node gives some back.
#define QE_BUFPOOL_LARGE_MAX 768
// Packets of up to this many bytes are copied into a small buffer.
#define QE_BUFPOOL_SMALL_MAX 2048
// Packets of up to this many bytes into a tiny one: acknowledgements and pings.
#define QE_BUFPOOL_TINY_MAX 192
// Tiny and small buffers, each (a flood of small packets waits in the kernel, which drops).
#define QE_BUFPOOL_SMALL_COUNT_MAX 16384
// Free buffers of each size that stay in any case.
#define QE_BUFPOOL_KEPT 4

enum qe_bufpool_size { QE_BUFPOOL_TINY, QE_BUFPOOL_SMALL, QE_BUFPOOL_LARGE, QE_BUFPOOL_SIZES };

struct qe_bufpool_item;

struct qe_bufpool_list {
    struct qe_bufpool_item *first; // free ones; the last used comes first, it is still in the cache
    size_t free;
    size_t idle;  // the least that was free since the last trim: nobody needed these
    size_t count; // that exist
};

struct qe_bufpool {
    struct qe_bufpool_list lists[QE_BUFPOOL_SIZES];
    size_t lent; // output buffers that the node or the host holds
};

void qe_bufpool_init(struct qe_bufpool *pool);
// Every buffer must have come back.
void qe_bufpool_fini(struct qe_bufpool *pool);

// An empty large buffer against the credit; never NULL as long as no more than QE_BUFPOOL_CREDIT are lent (aborts
// without memory: the node has been promised it).
struct qe_buf *qe_bufpool_lend(struct qe_bufpool *pool);
// An empty large buffer, not against the credit; NULL at the maximum or without memory.
struct qe_buf *qe_bufpool_large(struct qe_bufpool *pool);
// An empty buffer with room for `size` (≤ QE_BUFPOOL_SMALL_MAX) bytes and the usual headroom; NULL as above.
struct qe_buf *qe_bufpool_small(struct qe_bufpool *pool, uint32_t size);
// Takes back any of them. True where it had been lent against the credit, which is free again with this.
bool qe_bufpool_free(struct qe_bufpool *pool, struct qe_buf *buf);

// Whether qe_bufpool_large would find room.
bool qe_bufpool_has_large(const struct qe_bufpool *pool);
// Whether a trim could give something back.
bool qe_bufpool_is_fat(const struct qe_bufpool *pool);
// Gives back to the system what was free ever since the last call, but for a few.
void qe_bufpool_trim(struct qe_bufpool *pool);

#endif
