#include "node/relay.h"

bool cplane_is_direct(const struct cplane_peer *peer)
{
    return qe_session_is_direct(&peer->session);
}

// Nothing is relayed yet.
bool cplane_relay_open(struct qe_cplane *c, struct cplane_peer *peer, struct cplane_peer *gateway)
{
    (void)c;
    (void)peer;
    (void)gateway;
    return false;
}

enum cplane_circuit_state cplane_relay_state(
    const struct qe_cplane *c, const struct cplane_peer *peer, const struct cplane_peer *gateway)
{
    (void)c;
    (void)peer;
    (void)gateway;
    return CPLANE_CIRCUIT_NONE;
}

size_t cplane_relay_count(const struct qe_cplane *c, const struct cplane_peer *peer)
{
    (void)c;
    (void)peer;
    return 0;
}

struct cplane_peer *cplane_path_gateway(const struct qe_cplane *c, const struct qe_path *path)
{
    (void)c;
    (void)path;
    return NULL;
}
