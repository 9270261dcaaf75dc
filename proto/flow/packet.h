// Reading and mending IP packets: enough of IPv4, IPv6, TCP, UDP and ICMP to route, segment and coalesce them.
#ifndef QE_FLOW_PACKET_H
#define QE_FLOW_PACKET_H

#include "base/addr.h"
#include "base/bytes.h"
#include "flow/checksum.h"
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
    bool fragment;       // not the first piece of a fragmented packet: no ports
    bool more_fragments; // a piece of a fragmented packet, not the last
    struct qe_ip source, destination;
    uint16_t source_port, destination_port; // 0 where there are none
    uint16_t transport_offset;              // where the transport header starts
    uint32_t size;                          // as the IP header says; ≤ the bytes given
};

// Parses the headers of one IP packet (or super-packet: `size` up to 65535 + header; a zero or too-small IPv4 total
// length of a super-packet is the caller's affair). False where it is no well-formed IP packet.
bool qe_packet_parse(struct qe_span packet, struct qe_packet_info *info);

// A hash of the flow (addresses, protocol, ports), the same for every packet of it, seeded. All pieces of fragmented
// packets count as one flow without ports, since only the first piece would have them.
uint32_t qe_packet_flow_hash(const struct qe_packet_info *info, uint32_t seed);

// The part of a transport checksum's pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1) that does not depend on the length:
// the addresses in the IP header at `packet`, and the protocol. Add the transport length to it.
uint64_t qe_packet_pseudo_sum(const uint8_t *packet, uint8_t protocol);

// Completes a transport checksum that the offload left partial, in place. False where the offsets lie outside.
bool qe_packet_finish_checksum(uint8_t *packet, size_t size, const struct qe_offload *offload);

// Marks Congestion Experienced where the packet is ECN-capable, mending the IPv4 checksum. False where it is not.
bool qe_packet_mark_ce(uint8_t *packet, size_t size);

// Writes an ICMP "fragmentation needed" (RFC 1191) or ICMPv6 "packet too big" (RFC 8201) about `packet`, from `from`,
// with `mtu`, into `out` (room for QE_ICMP_ERROR_MAX). Returns its size, or 0 where none may be sent: about ICMP errors
// and packets whose source is no single host (RFC 1122 §3.2.2, RFC 4443 §2.4); for IPv4 also about non-first fragments,
// multicast, broadcast, and packets without DF; and where `from` is of the other family.
#define QE_ICMP_ERROR_MAX 1280
size_t qe_packet_too_big(struct qe_span packet, const struct qe_ip *from, uint32_t mtu, uint8_t *out);

#endif
