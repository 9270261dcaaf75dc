// What two quicether nodes say to each other inside QUIC, on one page; docs/protocol.md has the same byte by byte.
//
// DATAGRAM frames carry data. The first byte tells: high nibble 4 or 6 is an IP packet as it is, else a frame type
// below. The control stream carries messages: size (2, of what follows) | type (1) | body.
#ifndef QE_WIRE_WIRE_H
#define QE_WIRE_WIRE_H

#include "base/addr.h"
#include "base/bytes.h"
#include "identity/identity.h"

#define QE_WIRE_VERSION 1

enum qe_frame_type {
    QE_FRAME_SEQUENCED = 0x01,  // kept for sessions with several paths
    QE_FRAME_FRAGMENT = 0x02,   // flow/fragment.h
    QE_FRAME_RELAYED = 0x03,    // wire/relay.h
    QE_FRAME_ECHO = 0x10,       // type (1) | cookie (8): answer with the same cookie
    QE_FRAME_ECHO_REPLY = 0x11, // type (1) | cookie (8)
};

#define QE_FRAME_ECHO_SIZE 9

enum qe_message_type {
    QE_MESSAGE_HELLO = 0x01,
    QE_MESSAGE_PROOF = 0x02, // wire/member.h, likewise those below
    QE_MESSAGE_JOIN = 0x03,
    QE_MESSAGE_WELCOME = 0x04,
    QE_MESSAGE_DECLINE = 0x05,
    QE_MESSAGE_CLAIMS = 0x10,     // wire/claims.h
    QE_MESSAGE_RELAY_OPEN = 0x20, // wire/relay.h, likewise those below
    QE_MESSAGE_RELAY_OFFER = 0x21,
    QE_MESSAGE_RELAY_ACCEPT = 0x22,
    QE_MESSAGE_RELAY_CLOSE = 0x23,
    QE_MESSAGE_RELAY_QUIET = 0x24,
};

// Application error codes of CONNECTION_CLOSE (RFC 9000 §20.2).
enum qe_close_code {
    QE_CLOSE_NONE = 0x00,
    QE_CLOSE_GOODBYE = 0x01,    // the node stops
    QE_CLOSE_SUPERSEDED = 0x02, // another connection between the two took over
    QE_CLOSE_PROTOCOL = 0x03,   // a control message that cannot be
    QE_CLOSE_LIMIT = 0x04,      // too many connections of one peer
    QE_CLOSE_REFUSED = 0x05,    // not allowed to connect, or no longer
    QE_CLOSE_STRANGER = 0x06,   // no proof of membership, or a wrong one
};

// The largest message, type and body.
#define QE_MESSAGE_SIZE_MAX    1024
#define QE_HELLO_ADDRESSES_MAX 8

// The first message on every path, in both directions.
struct qe_hello {
    uint8_t version;
    uint32_t features;   // none defined yet: 0
    uint64_t session;    // this side's name for the session with that peer; the same on all its paths
    uint64_t boot_epoch; // drawn anew at each start: another one means that the peer has forgotten everything
    struct qe_ip addresses[QE_HELLO_ADDRESSES_MAX]; // the sender's overlay addresses
    size_t address_count;
    char name[QE_NAME_SIZE]; // how it calls itself; "" for not at all
};

// Writes a whole message, size field included. Returns its size, or 0 where `size` is too small.
size_t qe_hello_encode(const struct qe_hello *hello, uint8_t *out, size_t size);
// Reads a message body. Bytes after the known fields belong to later versions and are passed over. False where
// malformed.
bool qe_hello_decode(struct qe_span body, struct qe_hello *hello);

#endif
