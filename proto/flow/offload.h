// How a packet that crosses the TUN differs from one on a wire: it may be a super-packet that still has to be cut
// (TSO, USO), and its transport checksum may be left to whoever sends it. The fields of a virtio-net header
// (linux/virtio_net.h), without its layout.
#ifndef QE_FLOW_OFFLOAD_H
#define QE_FLOW_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

enum qe_offload_kind {
    QE_OFFLOAD_NONE, // one packet
    QE_OFFLOAD_TCP4, // TCP over IPv4, to be cut every segment_size bytes of payload
    QE_OFFLOAD_TCP6,
    QE_OFFLOAD_UDP4, // UDP (USO: each segment becomes a datagram of its own)
    QE_OFFLOAD_UDP6,
};

struct qe_offload {
    uint8_t kind;          // enum qe_offload_kind
    bool needs_checksum;   // the field at checksum_start + checksum_offset holds only the pseudo-header sum
    bool checksum_valid;   // towards the TUN: checked already, the kernel need not
    uint16_t header_size;  // IP and transport headers together, where kind is not NONE
    uint16_t segment_size; // payload bytes a segment, where kind is not NONE
    uint16_t checksum_start;
    uint16_t checksum_offset;
};

#endif
