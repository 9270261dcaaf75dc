// FQ-CoDel (RFC 8290) over packets that wait for a path: flows take turns by bytes, a new sparse flow goes first, and
// each flow's standing queue is kept short by marking ECN-capable packets and dropping others.
#ifndef QE_FLOW_QUEUE_H
#define QE_FLOW_QUEUE_H

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "flow/offload.h"

struct qe_queue;

// 0 stands for the default.
struct qe_queue_options {
    uint32_t flow_count; // buckets, default 256
    // All flows together, default 4 MiB and 1024; beyond either the flow with the most bytes loses its oldest packet,
    // be it the only one. A super-packet counts all its bytes, and as one packet.
    uint32_t bytes_max;
    uint32_t packets_max;
    uint64_t target_ns;   // CoDel: 5 ms
    uint64_t interval_ns; // CoDel: 100 ms; at most UINT32_MAX
    uint32_t quantum;     // bytes a turn, default 1500; a flow whose backlog is no more is never marked or dropped from
};

// Drops are told to the owner, which frees the buffer.
enum qe_queue_drop { QE_QUEUE_DROP_CODEL, QE_QUEUE_DROP_FULL };

struct qe_queue_owner {
    void *user;
    void (*drop)(void *user, struct qe_buf *buf, enum qe_queue_drop why);
};

struct qe_queue_item {
    struct qe_buf *buf;
    struct qe_offload offload;
};

struct qe_queue *qe_queue_new(
    const struct qe_mem *mem, const struct qe_queue_options *options, const struct qe_queue_owner *owner);
// Drops everything (told to the owner as DROP_FULL) and frees.
void qe_queue_free(struct qe_queue *queue);
// Takes the buffer (and may drop it, or others, at once: bytes_max). `flow_hash` chooses the flow. -1 without memory
// (the buffer stays the caller's).
int qe_queue_push(struct qe_queue *queue, const struct qe_queue_item *item, uint32_t flow_hash, uint64_t now_ns);
// The next packet, which is the caller's from then on; false where none waits. Packets that CoDel drops on the way are
// told to the owner.
bool qe_queue_pop(struct qe_queue *queue, struct qe_queue_item *item, uint64_t now_ns);
size_t qe_queue_packets(const struct qe_queue *queue);
size_t qe_queue_bytes(const struct qe_queue *queue);
// Packets marked CE so far.
uint64_t qe_queue_marked(const struct qe_queue *queue);

#endif
