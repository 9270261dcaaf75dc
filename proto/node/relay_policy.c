// Whom this node relays for.
#include "node/relay.h"

// Members of the network; where there is none, those whom the user allows to connect.
static bool may_use(const struct qe_cplane *c, const struct cplane_peer *peer)
{
    unsigned known = CPLANE_WHY_MEMBER | CPLANE_WHY_PROVEN;
    if (!c->member || c->config->relay.allow == QE_RELAY_ALLOWED) known |= CPLANE_WHY_CONFIG;
    return (peer->why & known) != 0;
}

bool cplane_gateways_may_relay(
    struct qe_cplane *c, const struct cplane_peer *from, const struct cplane_peer *to, enum qe_relay_end *why)
{
    bool relays = (c->config->gateway || c->config->relay.emergency) && c->config->relay.allow != QE_RELAY_NOBODY;
    *why = QE_RELAY_END_REFUSED;
    return relays && may_use(c, from) && may_use(c, to);
}

void cplane_gateways_on_circuit(
    struct qe_cplane *c, struct cplane_peer *peer, struct cplane_peer *gateway, bool open, enum qe_relay_end why)
{
    char name[QE_NAME_SIZE], by[QE_NAME_SIZE];
    if (!open)
        cplane_log(c, QE_LOG_DEBUG, "no way to %s through %s: %s", cplane_peer_text(peer, name),
            cplane_peer_text(gateway, by), qe_relay_end_text(why));
}
