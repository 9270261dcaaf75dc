// What a datagram carries, by class. Whoever writes a datagram knows; once it is encrypted nobody else does. A host
// that asks (qe_host.tell_carried) gets the classes with each datagram, so that the simulator can drop the third hello.
// A daemon does not ask, and pays nothing.
#ifndef QE_OBSERVE_CARRIED_H
#define QE_OBSERVE_CARRIED_H

#include <stdbool.h>
#include <stdint.h>

// X(identifier, name, meaning). The first six show on the wire, and the sender leaves them to whoever reads it.
#define QE_CARRIED_CLASSES(X)                                                                                          \
    X(INITIAL, "initial", "a QUIC Initial packet")                                                                     \
    X(ZERO_RTT, "zero-rtt", "a QUIC 0-RTT packet")                                                                     \
    X(HANDSHAKE, "handshake", "a QUIC Handshake packet")                                                               \
    X(RETRY, "retry", "a QUIC Retry packet")                                                                           \
    X(VERSION_NEGOTIATION, "version-negotiation", "a QUIC Version Negotiation packet")                                 \
    X(ONE_RTT, "one-rtt", "a QUIC packet with a short header")                                                         \
    X(ACK, "ack", "an acknowledgement")                                                                                \
    X(PING, "ping", "a PING, or what stands for one")                                                                  \
    X(CRYPTO, "crypto", "TLS handshake bytes")                                                                         \
    X(TICKET, "ticket", "a session ticket")                                                                            \
    X(PATH_CHALLENGE, "path-challenge", "a PATH_CHALLENGE")                                                            \
    X(PATH_RESPONSE, "path-response", "a PATH_RESPONSE")                                                               \
    X(NEW_CONNECTION_ID, "new-connection-id", "a NEW_CONNECTION_ID")                                                   \
    X(RETIRE_CONNECTION_ID, "retire-connection-id", "a RETIRE_CONNECTION_ID")                                          \
    X(HANDSHAKE_DONE, "handshake-done", "the server's HANDSHAKE_DONE")                                                 \
    X(MTU_PROBE, "mtu-probe", "a probe of a larger path MTU")                                                          \
    X(STATELESS_RESET, "stateless-reset", "a stateless reset")                                                         \
    X(GOODBYE, "goodbye", "CONNECTION_CLOSE of a node that stops")                                                     \
    X(CLOSE, "close", "any other CONNECTION_CLOSE")                                                                    \
    X(CONTROL, "control", "bytes of the control stream, sent for the first time or again")                             \
    X(HELLO, "hello", "a hello, or a part of one")                                                                     \
    X(PROOF, "proof", "a proof of membership, or a part of one")                                                       \
    X(JOIN, "join", "what redeems an invitation, or a part of it")                                                     \
    X(WELCOME, "welcome", "a network's secret for a new member, or a part of it")                                      \
    X(PACKET, "packet", "an overlay packet")                                                                           \
    X(FRAGMENT, "fragment", "a fragment of an overlay packet")                                                         \
    X(RELAYED, "relayed", "a QUIC packet of others, or of an inner connection")                                        \
    X(ECHO, "echo", "an echo request")                                                                                 \
    X(ECHO_REPLY, "echo-reply", "an echo reply")                                                                       \
    X(KRPC, "krpc", "a message of the DHT")                                                                            \
    X(PROBE, "probe", "a probe of an address at which a peer may be")

enum qe_carried {
#define QE_CARRIED_IDENTIFIER(id, name, meaning) QE_CARRIED_##id,
    QE_CARRIED_CLASSES(QE_CARRIED_IDENTIFIER)
#undef QE_CARRIED_IDENTIFIER
        QE_CARRIED_COUNT,
};

// Sets of classes are 64 bits.
#define QE_CARRIED_BIT(id) (UINT64_C(1) << QE_CARRIED_##id)
_Static_assert(QE_CARRIED_COUNT <= 64, "classes have a bit each");

const char *qe_carried_name(enum qe_carried which);
// False where there is no class of that name.
bool qe_carried_find(const char *name, enum qe_carried *which);

#endif
