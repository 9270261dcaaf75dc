// The reverse of segmentation: packets of one TCP or UDP flow that arrive in order in one batch are joined into a
// super-packet for the TUN (as the kernel's GRO does, with the same conditions), so that the kernel handles one instead
// of 45.
#ifndef QE_FLOW_COALESCE_H
#define QE_FLOW_COALESCE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "flow/offload.h"

// How many flows at a time; the one added to longest ago leaves for a ninth.
#define QE_COALESCE_FLOWS 8

struct qe_coalescer;

struct qe_coalesce_out {
    struct qe_buf *buf;
    struct qe_offload offload;
};

// `buf_new` lends an empty buffer of QE_BUF_SIZE with its offset at QE_BUF_HEADROOM, or NULL; `emit` takes a finished
// one. Both are called with `user`.
struct qe_coalesce_owner {
    void *user;
    struct qe_buf *(*buf_new)(void *user);
    void (*emit)(void *user, const struct qe_coalesce_out *out);
};

struct qe_mem;
struct qe_coalescer *qe_coalescer_new(const struct qe_mem *mem, const struct qe_coalesce_owner *owner);
// Drops what is held, giving nothing back: flush first.
void qe_coalescer_free(struct qe_coalescer *c);
// Adds one whole IP packet (copied). Packets of one flow leave in the order they came; whatever cannot be joined leaves
// by itself. Joined packets have had their checksums verified and leave with `needs_checksum`; `checksum_valid` is set
// on single ones that were found right, and neither where nothing was checked. False where there was no buffer: the
// caller counts a drop.
bool qe_coalescer_add(struct qe_coalescer *c, struct qe_span packet);
// Emits everything held. Call it at the end of a receive batch.
void qe_coalescer_flush(struct qe_coalescer *c);

#endif
