// What a redacted recording keeps of packets: headers, sizes and what frames say to each other; nothing that a program
// sent.
#ifndef QE_SIM_REDACT_PACKET_H
#define QE_SIM_REDACT_PACKET_H

#include "base/bytes.h"
#include "flow/offload.h"

enum sim_redact_use {
    SIM_REDACT_INPUT, // goes into a node
    // Only to be compared with another one: of the pieces of a fragmented packet less is kept, whose checksums depend
    // on each other.
    SIM_REDACT_COMPARE,
};

// Zeroes what is behind the transport header of an IP packet, in place. A checksum that was right is right afterwards,
// one that was wrong stays wrong. `offload`: of a packet from or to a TUN; NULL for none.
void sim_redact_ip(uint8_t *packet, size_t size, const struct qe_offload *offload);

// What becomes of a relayed QUIC packet, in place. NULL: it is zeroed.
struct sim_redact_inside {
    void *user;
    void (*redact)(void *user, uint8_t *packet, size_t size);
};

// The same for the frames in a QUIC packet's payload: handshake messages and what DATAGRAM frames carry.
void sim_redact_frames(uint8_t *plain, size_t size, enum sim_redact_use use, const struct sim_redact_inside *inside);

#endif
