// What a person wants to know of bytes at a glance: the form of a QUIC packet, and between whom a packet goes.
#ifndef QE_SIM_DESCRIBE_H
#define QE_SIM_DESCRIBE_H

#include "base/addr.h"
#include "base/bytes.h"
#include "observe/carried.h"

#include <stdbool.h>

// "initial", "0rtt", "handshake", "retry", "1rtt", "version-negotiation" by the first bytes (RFC 8999, RFC 9000 §17) of
// the first packet in the datagram; "krpc" for a message of the DHT; "other" where it is neither that nor QUIC
// version 1.
const char *sim_describe_quic(const uint8_t *bytes, size_t size);

// The classes of what a datagram carries that say no more than the form does.
#define SIM_DESCRIBED                                                                                                  \
    (QE_CARRIED_BIT(INITIAL) | QE_CARRIED_BIT(ZERO_RTT) | QE_CARRIED_BIT(HANDSHAKE) | QE_CARRIED_BIT(RETRY) |          \
        QE_CARRIED_BIT(VERSION_NEGOTIATION) | QE_CARRIED_BIT(ONE_RTT) | QE_CARRIED_BIT(KRPC))

struct sim_inner_summary {
    struct qe_ip source, destination;
    const char *protocol; // "icmp", "icmp6", "udp", "tcp" or "other"
    bool has_ports;       // the two below
    uint16_t source_port, destination_port;
};

// False where it is no IP packet.
bool sim_describe_ip(struct qe_span packet, struct sim_inner_summary *out);

#endif
