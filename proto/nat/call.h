// What two nodes tell each other before they try to reach one another: the payload of a signal (dht/signal.h). The
// caller names an attempt and says where it may be; the answer says the same of the other side. Signed by its sender
// for its receiver at a time, so that nobody can make a node send anything to anybody with it but for a moment, and
// sealed where there is a network to seal it for. docs/protocol.md has the bytes.
#ifndef QE_NAT_CALL_H
#define QE_NAT_CALL_H

#include "base/addr.h"
#include "base/bytes.h"
#include "identity/identity.h"
#include "nat/attempt.h"
#include "node/host.h"

#define QE_CALL_CANDIDATES_MAX 12
#define QE_CALL_SIZE_MAX       480
// Clocks may differ by this much.
#define QE_CALL_SKEW_MS (UINT64_C(10) * 60 * 1000)

// How the sender's NAT chooses a port for another destination.
enum qe_call_ports {
    QE_CALL_PORTS_UNKNOWN,
    QE_CALL_PORTS_SAME, // it keeps the one that it chose first
    QE_CALL_PORTS_OTHER,
};

struct qe_call_candidate {
    enum qe_candidate_kind kind;
    struct qe_addr addr; // without a scope
};

struct qe_call {
    bool answer;        // to a call of the same attempt
    struct qe_key from; // who signed it
    struct qe_node_id to;
    uint64_t attempt;
    uint64_t time_ms; // unix time
    enum qe_call_ports ports;
    bool sealed;                                           // read: with the secret of this node's network
    struct qe_call_candidate list[QE_CALL_CANDIDATES_MAX]; // best first
    size_t count;
};

// Writes the host's own call (`from` is not looked at) into `out`. Its size, or 0 where the host does not sign or seal.
size_t qe_call_encode(
    const struct qe_call *call, bool sealed, const struct qe_host *host, uint8_t out[QE_CALL_SIZE_MAX]);
// Reads a call that its sender has signed; whether it is for this node, of now, and from whom, is for the caller to
// say. False where it is malformed, forged, or sealed for others.
bool qe_call_decode(struct qe_span bytes, const struct qe_host *host, struct qe_call *out);
bool qe_call_is_timely(const struct qe_call *call, uint64_t wall_ms);

#endif
