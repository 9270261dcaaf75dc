// Reading and mending IP packets: enough of IPv4, IPv6, TCP, UDP and ICMP to route, segment and coalesce them.
#ifndef QE_FLOW_PACKET_H
#define QE_FLOW_PACKET_H

#include "base/addr.h"
#include "base/bytes.h"
#include "flow/offload.h"

#define QE_IPPROTO_ICMP   1
#define QE_IPPROTO_TCP    6
#define QE_IPPROTO_UDP    17
#define QE_IPPROTO_ICMPV6 58

// What was found in a packet's headers.
struct qe_packet_info {
    uint8_t version;  // 4 or 6
    uint8_t protocol; // of the transport header (after IPv6 extension headers), or of the first fragment's
    uint8_t ecn;
    uint8_t dscp;
    bool fragment; // not the first piece of a fragmented packet: no ports
    struct qe_ip source, destination;
    uint16_t source_port, destination_port; // 0 where there are none
    uint16_t transport_offset;              // where the transport header starts
    uint32_t size;                          // as the IP header says; ≤ the bytes given
};

// Parses the headers of one IP packet (or super-packet: `size` up to 65535 + header; a zero or too-small IPv4 total
// length of a super-packet is the caller's affair). False where it is no well-formed IP packet.
bool qe_packet_parse(struct qe_span packet, struct qe_packet_info *info);

// A hash of the flow (addresses, protocol, ports), the same for every packet of it, seeded.
uint32_t qe_packet_flow_hash(const struct qe_packet_info *info, uint32_t seed);

// Internet checksum (RFC 1071) arithmetic: adds `bytes` to a running sum; fold gives the 16-bit complement.
uint64_t qe_checksum_add(uint64_t sum, const uint8_t *bytes, size_t size);
uint16_t qe_checksum_fold(uint64_t sum);

// Completes a transport checksum that the offload left partial, in place. False where the offsets lie outside.
bool qe_packet_finish_checksum(uint8_t *packet, size_t size, const struct qe_offload *offload);

// Marks Congestion Experienced where the packet is ECN-capable, mending the IPv4 checksum. False where it is not.
bool qe_packet_mark_ce(uint8_t *packet, size_t size);

// Writes an ICMP "fragmentation needed" (RFC 1191) or ICMPv6 "packet too big" (RFC 8201) about `packet`, from `from`,
// with `mtu`, into `out` (room for QE_ICMP_ERROR_MAX). Returns its size, or 0 where none may be sent (RFC 1122 §3.2.2:
// about ICMP errors, non-first fragments, multicast; IPv4 without DF).
#define QE_ICMP_ERROR_MAX 1280
size_t qe_packet_too_big(struct qe_span packet, const struct qe_ip *from, uint32_t mtu, uint8_t *out);

#endif
