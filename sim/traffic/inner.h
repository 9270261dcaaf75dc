// Packets inside the overlay, as the simulated machines' own network stacks write and read them: ICMP echo and UDP over
// IPv4 and IPv6. Written apart from proto/flow, so that a mistake there is seen here.
#ifndef QE_SIM_INNER_H
#define QE_SIM_INNER_H

#include "base/addr.h"
#include "base/bytes.h"
#include "flow/offload.h"

#include <stdbool.h>

enum sim_inner_kind {
    SIM_INNER_ECHO_REQUEST,
    SIM_INNER_ECHO_REPLY,
    SIM_INNER_UDP,
    SIM_INNER_QUIC, // UDP of an exchange, from a port to the same port
    SIM_INNER_TOO_BIG,
    SIM_INNER_OTHER,
};

// The port of the exchange with index 0.
#define SIM_INNER_QUIC_PORTS 30000
#define SIM_INNER_QUIC_COUNT 4096

struct sim_inner {
    enum sim_inner_kind kind;
    struct qe_ip source, destination;
    uint16_t id;              // the echo identifier, or the UDP source port; of the packet it is about in TOO_BIG
    uint16_t port;            // UDP: the destination port; 0 in writing: the one of SIM_INNER_UDP
    bool is_udp;              // in reading, whatever its kind
    uint32_t mtu;             // TOO_BIG
    struct qe_span payload;   // behind the ICMP or UDP header
    uint32_t payload_sum;     // in writing: the unfolded sum of the payload's 16-bit words
    uint16_t segment_size;    // of a UDP super-packet's payload; 0: one packet
    bool checksum_is_partial; // left to the receiver
};

// Bytes of headers before the payload: 28 or 48.
size_t sim_inner_header_size(uint8_t family);
// The sum of 16-bit big-endian words (RFC 1071), not folded; an odd last byte counts as the upper half of a word.
uint32_t sim_inner_sum(const uint8_t *bytes, size_t size);

// Writes the headers for `inner`, whose payload follows at out + header size; payload_sum must be right. With `offload`
// (UDP) the checksum is left partial and a segment size makes it a super-packet.
void sim_inner_write(const struct sim_inner *inner, uint8_t *out, struct qe_offload *offload);

// Reads a packet. False where it is malformed or a checksum is wrong: `wrong` then says what.
bool sim_inner_read(
    struct qe_span packet, const struct qe_offload *offload, struct sim_inner *inner, const char **wrong);

#endif
