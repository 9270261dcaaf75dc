// Relayed paths on the wire, on one page; docs/protocol.md has the same byte by byte.
//
// Between two nodes with a direct connection each way to the same third one (the gateway) there may be a *circuit*: a
// number on each of the two connections, agreed on by messages of their control streams, under which the gateway passes
// QUIC packets on as they are. What travels there is a QUIC connection of the two like any other.
//
//  1. A says OPEN to the gateway: a number of its choice, and who is wanted.
//  2. The gateway says OFFER to B: a number of its own choice, and who wants it.
//  3. B says ACCEPT, then so does the gateway to A; or either says CLOSE and why.
//  4. A dials B through the circuit. Packets are DATAGRAM frames of the outer connections: header (4) | QUIC packet.
//  5. Whoever is done says CLOSE; the gateway passes it on. A gateway that hears nothing of one side tells the other
//     (QUIET).
//
// Of the two ends of an outer connection the one with the lower node ID chooses even numbers, the other odd ones.
#ifndef QE_WIRE_RELAY_H
#define QE_WIRE_RELAY_H

#include "wire/wire.h"

#define QE_CIRCUIT_MAX UINT32_C(0x7fffff)

// A frame's header: type (1) | whole (1 bit), circuit (23 bits). A packet marked whole measures the path MTU: it is
// dropped where it does not fit; others are cut into fragments.
#define QE_RELAYED_HEADER_SIZE 4
#define QE_RELAYED_WHOLE       UINT32_C(0x800000)
// The largest QUIC packet that is relayed.
#define QE_RELAYED_PACKET_MAX 1472

// Why a circuit ends, or comes to nothing.
enum qe_relay_end {
    QE_RELAY_END_DONE = 0,        // not needed any more
    QE_RELAY_END_REFUSED = 1,     // the gateway does not relay for this node
    QE_RELAY_END_UNREACHABLE = 2, // the gateway has no direct connection to the one who is wanted
    QE_RELAY_END_UNWANTED = 3,    // the one who is wanted does not want
    QE_RELAY_END_LIMIT = 4,       // too many circuits, or too much relayed
    QE_RELAY_END_UNKNOWN = 5,     // no such circuit (any more)
    QE_RELAY_END_TIMEOUT = 6,     // no answer; never said on the wire
};

struct qe_relay_message {
    enum qe_message_type type; // QE_MESSAGE_RELAY_…
    uint32_t circuit;
    struct qe_node_id node; // OPEN: who is wanted; OFFER: who wants
    enum qe_relay_end why;  // CLOSE
    bool quiet;             // QUIET
};

// Writes a whole message, size field included. Returns its size, or 0 where `size` is too small.
size_t qe_relay_encode(const struct qe_relay_message *message, uint8_t *out, size_t size);
// Reads the body of a message of that type. Bytes after the known fields belong to later versions and are passed over.
// False where malformed, or no message of this page; then `message` is as it was. Reasons of later versions read as
// REFUSED.
bool qe_relay_decode(enum qe_message_type type, struct qe_span body, struct qe_relay_message *message);
// A few words for people.
const char *qe_relay_end_text(enum qe_relay_end why);

void qe_relayed_header(uint32_t circuit, bool whole, uint8_t out[QE_RELAYED_HEADER_SIZE]);
// Reads a frame. False where it is none, or carries no packet or too large a one.
bool qe_relayed_read(struct qe_span frame, uint32_t *circuit, bool *whole, struct qe_span *packet);

// Inside a node a circuit has an address, which never leaves it: of 100::/64, which nobody has (RFC 6666).
struct qe_addr qe_circuit_addr(uint32_t gateway, uint32_t circuit);
bool qe_circuit_is_addr(const struct qe_ip *ip);
// The gateway's index among the peers, and the number. Only of such an address.
uint32_t qe_circuit_gateway(const struct qe_addr *addr);
uint32_t qe_circuit_number(const struct qe_addr *addr);

#endif
