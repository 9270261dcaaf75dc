// Relayed paths in the control plane: circuits that this node asked for, that it was offered, and that it passes on
// (wire/relay.h has how they are agreed on). A circuit that is open is dialled at once, and the path is one of the
// peer's session like any other (qe_path.relayed). Through whom, when, and for whom is decided in gateways.c.
#ifndef QE_NODE_RELAY_H
#define QE_NODE_RELAY_H

#include "node/cplane_internal.h"
#include "wire/relay.h"

enum cplane_circuit_state {
    CPLANE_CIRCUIT_NONE,
    CPLANE_CIRCUIT_ASKED, // no answer yet
    CPLANE_CIRCUIT_OPEN,  // there is a path through it, or one is being dialled
};

// Asks `gateway`, which has to be connected directly, for a circuit to `peer`. True: it is under way, or is there
// already; cplane_gateways_on_circuit follows. False: not now (no direct connection, too many, or no memory).
bool cplane_relay_open(struct qe_cplane *c, struct cplane_peer *peer, struct cplane_peer *gateway);
// Ends what there is to `peer` through `gateway`, whoever asked for it; NULL: through anybody. The paths are closed.
void cplane_relay_close(struct qe_cplane *c, struct cplane_peer *peer, const struct cplane_peer *gateway);
// Of what this node asked for or was offered: how far it is.
enum cplane_circuit_state cplane_relay_state(
    const struct qe_cplane *c, const struct cplane_peer *peer, const struct cplane_peer *gateway);
// Whether the peer is connected directly now, and so can relay or be relayed to.
bool cplane_is_direct(const struct cplane_peer *peer);
// The gateway of a relayed path; NULL for a direct one.
struct cplane_peer *cplane_path_gateway(const struct qe_cplane *c, const struct qe_path *path);

// How many circuits this node passes on of that peer, or in all (NULL).
size_t cplane_relay_count(const struct qe_cplane *c, const struct cplane_peer *peer);

// gateways.c, asked and told by relay.c.
// Whether this node relays between the two, both of which are peers and connected directly; why not, else.
bool cplane_gateways_may_relay(
    struct qe_cplane *c, const struct cplane_peer *from, const struct cplane_peer *to, enum qe_relay_end *why);
// A circuit to `peer` that this node had asked for is open (and being dialled), or has ended.
void cplane_gateways_on_circuit(
    struct qe_cplane *c, struct cplane_peer *peer, struct cplane_peer *gateway, bool open, enum qe_relay_end why);

#endif
