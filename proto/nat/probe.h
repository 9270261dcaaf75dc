// A probe: the small datagram that finds out whether an address is a peer's. It asks for a number to be echoed, echoes
// the other side's, or both at once. An echo proves that its sender is where the question went; who it is, the QUIC
// handshake that follows proves. docs/protocol.md has the bytes.
#ifndef QE_NAT_PROBE_H
#define QE_NAT_PROBE_H

#include "base/addr.h"
#include "base/bytes.h"
#include "identity/identity.h"

#define QE_PROBE_SIZE    60
#define QE_PROBE_ID_SIZE 8

struct qe_probe {
    uint64_t attempt; // both sides name it the same way
    // The first bytes of the IDs of whom it is for, and of who sent it. Whoever it is not for stays silent.
    uint8_t to[QE_PROBE_ID_SIZE], from[QE_PROBE_ID_SIZE];
    uint64_t ask;        // to be echoed; 0: nothing is asked
    uint64_t echo;       // what the other side asked for; 0: nothing
    struct qe_addr seen; // where its sender sees its receiver; family 0: it has heard nothing from there
};

// Whether a datagram is a probe, by its size and first byte: below 0x40, as in no QUIC packet of ours (RFC 9443 §3),
// and no 'd', as in the DHT.
#define QE_PROBE_FIRST_BYTE 0x21
static inline bool qe_probe_is(const uint8_t *bytes, size_t size)
{
    return size == QE_PROBE_SIZE && bytes[0] == QE_PROBE_FIRST_BYTE;
}

void qe_probe_encode(const struct qe_probe *probe, uint8_t out[QE_PROBE_SIZE]);
// False where it is malformed.
bool qe_probe_decode(struct qe_span bytes, struct qe_probe *out);
bool qe_probe_for(const struct qe_probe *probe, const struct qe_node_id *id);

#endif
