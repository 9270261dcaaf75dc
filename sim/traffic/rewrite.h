// A captured IP packet made one of the overlay: other addresses, checksums to go with them, and what the capture cut
// off as zeros.
#ifndef QE_SIM_REWRITE_H
#define QE_SIM_REWRITE_H

#include "base/addr.h"
#include "base/bytes.h"

#include <stdbool.h>

#define SIM_REWRITE_MAX 65535

// Writes the packet with these addresses, which are of its family, into `out`. total_size: what it had on the wire.
// Checksums of IPv4, TCP, UDP, ICMP and ICMPv6 are right afterwards, whatever they were; of fragments, which have no
// whole datagram to sum, they change by as much as the addresses do. Returns its size; 0 where it is no IP packet.
size_t sim_rewrite(struct qe_span ip, uint32_t total_size, const struct qe_ip *source, const struct qe_ip *destination,
    uint8_t out[SIM_REWRITE_MAX]);

// What a packet is known by on its way through the overlay, whatever is done to its headers: a digest of protocol,
// ports, TCP's numbers and content. 0: no IP packet.
uint64_t sim_rewrite_identity(struct qe_span packet);

#endif
