// Packets larger than a path's DATAGRAM travel as fragments (docs/protocol.md, frame type 0x02) and are put together at
// the other end, so that overlay packets of 1420 bytes always pass.
#ifndef QE_FLOW_FRAGMENT_H
#define QE_FLOW_FRAGMENT_H

#include "base/bytes.h"
#include "base/mem.h"

// type (1) | id (2) | offset and more-bit (2): bit 15 set where more fragments follow, the rest the offset in bytes.
// The sender counts the id up by one a packet.
#define QE_FRAGMENT_HEADER_SIZE 5
#define QE_FRAGMENT_PACKET_MAX  2048
// How long an incomplete packet is kept, and how many at a time (the oldest goes first).
#define QE_FRAGMENT_TIMEOUT_NS UINT64_C(1000000000)
#define QE_FRAGMENT_SLOTS      64
// An incomplete packet this many ids behind the newest is given up too, long before its id comes again and pieces of
// two packets could be taken for one (RFC 4963).
#define QE_FRAGMENT_WINDOW 16384

// Writes the header for the piece of a packet of `total` bytes at `offset` that fits `size_max` (header included), and
// sets `*piece` to the payload bytes it carries. False where size_max is too small to make progress, the offset is not
// within the packet, or the packet is larger than QE_FRAGMENT_PACKET_MAX.
bool qe_fragment_header(
    uint16_t id, size_t offset, size_t total, size_t size_max, uint8_t header[QE_FRAGMENT_HEADER_SIZE], size_t *piece);

struct qe_reassembler;
struct qe_reassembler *qe_reassembler_new(const struct qe_mem *mem);
void qe_reassembler_free(struct qe_reassembler *r);

enum qe_reassembly {
    QE_REASSEMBLY_WAITING,   // kept, more is needed
    QE_REASSEMBLY_COMPLETE,  // *packet is whole, valid until the next call
    QE_REASSEMBLY_MALFORMED, // contradicts itself: dropped; or what is held: both dropped
    QE_REASSEMBLY_MEMORY,
};
// Takes one fragment frame, its type byte included. Fragments may come in any order, more than once, and overlap where
// they agree. Without memory for a new packet the fragment is dropped, and nothing else is.
enum qe_reassembly qe_reassembler_add(
    struct qe_reassembler *r, struct qe_span frame, struct qe_span *packet, uint64_t now_ns);
// Packets given up so far (timed out, pushed out or contradicted).
uint64_t qe_reassembler_lost(const struct qe_reassembler *r);

#endif
