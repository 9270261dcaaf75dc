// Circuits of the control plane, and the occasions on which the rest of it tells relay.c.
#ifndef QE_NODE_RELAY_INTERNAL_H
#define QE_NODE_RELAY_INTERNAL_H

#include "node/cplane_internal.h"

// A circuit, as seen from one of its outer connections. What this node passes on are two of them, twins.
struct cplane_circuit {
    uint32_t key[2];         // the hop's index and the number there
    struct qe_list link;     // in hop->circuits
    struct qe_list end_link; // in peer->circuit_ends, or by itself
    struct cplane_peer *hop;
    struct cplane_circuit *twin; // NULL: it ends here
    struct cplane_peer *peer;    // ends here: who is at the other end; NULL while that is a stranger
    struct qe_node_id node;      // ends here: likewise, as the gateway says
    bool asked;                  // ends here: this node wanted it
    bool open;                   // lanes know it
    bool quiet;                  // ends here: the gateway hears nothing of the other end
    uint64_t path;               // ends here: the connection in it; 0: none yet
    uint64_t give_up_ns;         // where nothing has happened by then; QE_TIME_NEVER: it waits for nothing
};

int cplane_relay_init(struct qe_cplane *c, const uint8_t secret[16]);
void cplane_relay_fini(struct qe_cplane *c);
// The body of a message about relaying. False: it cannot be.
bool cplane_relay_on_message(struct qe_cplane *c, struct cplane_path *path, uint8_t type, struct qe_span body);
// A lane got packets in a circuit that is none.
void cplane_relay_on_no_circuit(struct qe_cplane *c, const struct qe_mail *mail);
// A path is about to be opened. False: it goes by a circuit that is none, or another's.
bool cplane_relay_on_path(struct qe_cplane *c, struct cplane_path *path);
// It is open.
void cplane_relay_on_opened(struct qe_cplane *c, struct cplane_peer *peer);
void cplane_relay_on_closed(struct qe_cplane *c, struct cplane_peer *peer, uint64_t path, struct qe_conn_close why);
// The peer's session may have changed: circuits that go by it may be silent, or over.
void cplane_relay_on_session(struct qe_cplane *c, struct cplane_peer *peer);
// The peer began anew, and has forgotten all circuits.
void cplane_relay_on_restart(struct qe_cplane *c, struct cplane_peer *peer);
// The peer leaves.
void cplane_relay_forget(struct qe_cplane *c, struct cplane_peer *peer);
void cplane_relay_expire(struct qe_cplane *c);
uint64_t cplane_relay_deadline(const struct qe_cplane *c);

#endif
