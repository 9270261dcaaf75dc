// Reaching a peer through gateways. It begins as soon as a first round of reaching it directly was in vain, or after a
// second in any case, and goes on beside whatever is tried directly. One gateway after the other is asked for a
// circuit, the next one before the last has answered where that takes long; once there is a relayed path, a second one
// through another gateway stands by. All of it ends when the peer is reached directly.
#include "node/discovery_internal.h"
#include "node/relay.h"

#include <stdio.h>

#define PATIENCE_NS   (1 * QE_NS_PER_S)    // for direct attempts
#define YIELD_NS      (300 * QE_NS_PER_MS) // the side with the higher ID waits longer: one circuit is enough
#define STAGGER_NS    (400 * QE_NS_PER_MS) // between two gateways that are asked
#define STANDBY_NS    (1 * QE_NS_PER_S)    // from the first relayed path to the second
#define ASKED_MAX     4                    // circuits that are under way for a peer
#define CONNECTED_MAX 3                    // gateways that are connected to for a peer, at a time
#define TRIES_MAX     16                   // for a peer that is tried only so often until somebody wants it
#define TOLD_NS       (8 * QE_NS_PER_S)    // without any news of what stands in between
#define LOOK_NS       (30 * QE_NS_PER_S)   // while there is nothing to wait for

static void look_at(struct qe_cplane *c, struct cplane_detour *d, uint64_t at_ns)
{
    d->at_ns = qe_time_min(d->at_ns, at_ns);
    cplane_gateways_wake(c, d->at_ns);
}

static void end(struct qe_cplane *c, struct cplane_peer *peer)
{
    char name[QE_NAME_SIZE];
    if (!peer->detour) return;
    if (peer->detour->relayed_ns && cplane_is_direct(peer))
        cplane_log(c, QE_LOG_INFO, "%s is connected directly from now on", cplane_peer_text(peer, name));
    qe_free(c->mem, peer->detour);
    peer->detour = NULL;
    cplane_gateways_wake(c, c->now_ns);
}

// Whether anybody wants to reach the peer, and it is worth trying.
static bool is_wanted(const struct cplane_peer *peer)
{
    const struct qe_session *s = &peer->session;
    if (s->stopping || peer->leaving || !cplane_carries(peer)) return false;
    return !s->limited || s->attempts_left > 0 || qe_session_is_relayed(s);
}

static void begin(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_detour *d = qe_zalloc(c->mem, 1, sizeof *d);
    if (!d) return; // the session's next change tries again
    peer->detour = d;
    d->since_ns = c->now_ns;
    d->at_ns = QE_TIME_NEVER;
    bool yields = qe_node_id_compare(&c->self, &peer->id) > 0;
    d->begin_ns = c->now_ns + PATIENCE_NS + (yields ? YIELD_NS : 0);
    look_at(c, d, d->begin_ns);
}

void cplane_detour_on_session(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_detour *d = peer->detour;
    bool relayed = qe_session_is_relayed(&peer->session);
    if (!c->up || c->stopping || cplane_is_direct(peer) || !cplane_carries(peer) || peer->leaving) {
        end(c, peer);
        return;
    }
    if (!d && is_wanted(peer)) begin(c, peer);
    d = peer->detour;
    if (!d || relayed == (d->relayed_ns != 0)) {
        // One of two relayed paths may have gone.
        if (d && relayed) look_at(c, d, c->now_ns + STANDBY_NS);
        return;
    }
    d->relayed_ns = relayed ? c->now_ns : 0;
    d->tries = 0;
    d->told = false;
    if (!relayed) {
        d->since_ns = c->now_ns;
        cplane_gateways_on_lost(c);
    }
    look_at(c, d, relayed ? c->now_ns + STANDBY_NS : c->now_ns);
    cplane_trace(c, relayed ? "detour.reached" : "detour.lost", peer, (c->now_ns - d->since_ns) / QE_NS_PER_MS, 0);
}

void cplane_detour_on_found(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_detour *d = peer->detour;
    if (!d || d->relayed_ns || d->direct_failed || c->now_ns - d->since_ns > 10 * PATIENCE_NS) return;
    if (d->begin_ns < c->now_ns + PATIENCE_NS) d->begin_ns = c->now_ns + PATIENCE_NS;
    if (d->at_ns < d->begin_ns) d->at_ns = d->begin_ns;
    look_at(c, d, d->begin_ns);
}

void cplane_detour_on_wanted(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_detour *d = peer->detour;
    cplane_detour_on_session(c, peer);
    if (!d || d->tries < TRIES_MAX || d->relayed_ns) return;
    d->tries = TRIES_MAX / 2;
    look_at(c, d, d->begin_ns > c->now_ns ? d->begin_ns : c->now_ns);
}

void cplane_detour_on_direct_failed(struct qe_cplane *c, struct cplane_peer *peer, enum cplane_undirect why)
{
    cplane_detour_on_session(c, peer);
    if (!peer->detour) return;
    if (why != CPLANE_UNDIRECT_UNKNOWN) peer->detour->why = why;
    if (!peer->detour->direct_failed) peer->detour->begin_ns = c->now_ns;
    peer->detour->direct_failed = true;
    look_at(c, peer->detour, c->now_ns);
}

void cplane_gateways_on_circuit(
    struct qe_cplane *c, struct cplane_peer *peer, struct cplane_peer *gateway, bool open, enum qe_relay_end why)
{
    struct cplane_detour *d = peer->detour;
    cplane_trace(c, open ? "detour.circuit" : "detour.refused", peer, gateway->index, why);
    if (!d || open) return;
    // Where there was no path yet nothing can have been done with it, whatever it says.
    if (why != QE_RELAY_END_DONE || !d->relayed_ns)
        qe_refusals_note(&d->refusals, &gateway->id, cplane_random32(c, QE_RANDOM_JITTER), c->now_ns);
    look_at(c, d, c->now_ns);
}

void cplane_detours_stir(struct qe_cplane *c)
{
    for (size_t i = 0; i < c->peer_count; i++) {
        struct cplane_detour *d = c->by_id[i]->detour;
        if (d && d->tries < TRIES_MAX) look_at(c, d, d->begin_ns > c->now_ns ? d->begin_ns : c->now_ns);
    }
}

const char *cplane_undirect_text(const struct cplane_peer *peer)
{
    if (!peer->detour) return NULL;
    if (peer->detour->why == CPLANE_UNDIRECT_NAT) return "both behind NAT that does not allow it";
    return peer->detour->why == CPLANE_UNDIRECT_ABSENT ? "it does not answer" : NULL;
}

// There is no way to the peer, and what the user can do.
static void tell(struct qe_cplane *c, struct cplane_peer *peer, bool gateways)
{
    const char *missing = gateways ? "no gateway leads there" : "no gateway";
    char name[QE_NAME_SIZE];
    cplane_peer_text(peer, name);
    peer->detour->told = true;
    cplane_trace(c, "detour.none", peer, peer->detour->why, gateways);
    if (peer->detour->why != CPLANE_UNDIRECT_NAT) {
        cplane_log(c, QE_LOG_INFO, "%s does not answer, and %s", name, missing);
        return;
    }
    snprintf(peer->session.last_error, sizeof peer->session.last_error, "both behind NAT that does not allow it, %s",
        missing);
    bool told = cplane_notify(c,
        "cannot connect to %s: both behind NAT that does not allow it, %s. Run one (quicether start --role gateway "
        "--public-ip IP), or allow another's (quicether config set --gateway-allow ID)",
        name, missing);
    if (!told)
        cplane_log(c, QE_LOG_WARN, "cannot connect to %s: both behind NAT that does not allow it, %s", name, missing);
}

// How many gateways have a circuit to the peer that is open as a path, or one that is under way.
struct ways {
    size_t open, under_way;
};

// Whether another path before that one goes by the same gateway.
static bool again(const struct qe_cplane *c, const struct cplane_peer *peer, size_t at)
{
    const struct cplane_peer *gateway = cplane_path_gateway(c, &peer->session.paths[at]);
    for (size_t i = 0; i < at; i++) {
        const struct qe_path *path = &peer->session.paths[i];
        if (path->state == QE_PATH_OPEN && path->relayed && cplane_path_gateway(c, path) == gateway) return true;
    }
    return false;
}

static struct ways count_ways(const struct qe_cplane *c, const struct cplane_peer *peer)
{
    struct ways ways = {0};
    size_t circuits = 0;
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++) {
        const struct qe_path *path = &peer->session.paths[i];
        ways.open += path->state == QE_PATH_OPEN && path->relayed && !again(c, peer, i);
    }
    for (size_t i = 0; i < c->gateways.known.count; i++) {
        const struct cplane_peer *gateway = cplane_peer_find(c, &c->gateways.known.list[i].id);
        circuits += gateway && cplane_relay_state(c, peer, gateway) != CPLANE_CIRCUIT_NONE;
    }
    ways.under_way = circuits > ways.open ? circuits - ways.open : 0;
    return ways;
}

// The best gateway that may be asked now; those that would be, and are not there, are connected to on the way. `some`:
// whether there is one that is asked now or later.
static struct cplane_peer *choose(struct qe_cplane *c, struct cplane_peer *peer, const struct ways *ways, bool *some)
{
    struct cplane_detour *d = peer->detour;
    const struct qe_gateway *order[QE_GATEWAYS_MAX];
    size_t connecting = 0;
    for (size_t i = 0; i < peer->gateway_count; i++)
        if (!qe_node_id_equal(&peer->gateways[i], &c->self))
            qe_gateways_add(&c->gateways.known, &peer->gateways[i], QE_GATEWAY_NAMED);
    size_t count = qe_gateways_order(&c->gateways.known, peer->gateways, peer->gateway_count, c->now_ns, order);
    for (size_t i = 0; i < count; i++) {
        struct cplane_peer *gateway = cplane_peer_find(c, &order[i]->id);
        if (gateway == peer || qe_node_id_equal(&order[i]->id, &c->self)) continue;
        if (!qe_refusals_allow(&d->refusals, &order[i]->id, c->now_ns)) continue;
        if (gateway && cplane_relay_state(c, peer, gateway) != CPLANE_CIRCUIT_NONE) continue;
        // Whoever helps out is asked where there is nobody else.
        if (order[i]->why == QE_GATEWAY_EMERGENCY && (ways->open || ways->under_way || *some)) break;
        if (order[i]->present && gateway) return gateway;
        *some = true;
        if (connecting++ < CONNECTED_MAX)
            cplane_gateway_connect(c, qe_gateways_find(&c->gateways.known, &order[i]->id));
    }
    return NULL;
}

static bool may_tell(const struct qe_cplane *c, const struct cplane_detour *d)
{
    bool read = c->gateways.read_ns > d->since_ns || !discovery_joined(c);
    bool waited = c->now_ns - d->since_ns >= TOLD_NS || (d->direct_failed && d->why == CPLANE_UNDIRECT_NAT);
    return !d->told && !d->relayed_ns && read && waited;
}

// No gateway can be asked now.
static void wait(struct qe_cplane *c, struct cplane_peer *peer, bool some, const struct ways *ways)
{
    struct cplane_detour *d = peer->detour;
    uint64_t again_ns = qe_refusals_deadline(&d->refusals, c->now_ns);
    bool refused = again_ns != QE_TIME_NEVER;
    look_at(c, d, qe_time_min(again_ns, c->now_ns + LOOK_NS));
    if (some || ways->under_way > 0) return;
    cplane_gateways_read(c, !d->relayed_ns);
    if (may_tell(c, d))
        tell(c, peer, refused);
    else if (!d->told && !d->relayed_ns && c->now_ns - d->since_ns < TOLD_NS)
        look_at(c, d, d->since_ns + TOLD_NS);
}

static void look(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_detour *d = peer->detour;
    struct ways ways = count_ways(c, peer);
    size_t wanted = d->relayed_ns ? 2 : 1;
    bool some = false;
    d->at_ns = QE_TIME_NEVER;
    if (ways.open >= wanted || !is_wanted(peer)) return;
    if (peer->session.limited && !d->relayed_ns && d->tries >= TRIES_MAX) return;
    if (ways.under_way > 0 && c->now_ns - d->asked_ns < STAGGER_NS) {
        look_at(c, d, d->asked_ns + STAGGER_NS);
        return;
    }
    struct cplane_peer *gateway = ways.under_way < ASKED_MAX ? choose(c, peer, &ways, &some) : NULL;
    if (!gateway) {
        wait(c, peer, some, &ways);
        return;
    }
    d->tries++;
    d->asked_ns = c->now_ns;
    bool asked = cplane_relay_open(c, peer, gateway);
    cplane_trace(c, "detour.asked", peer, gateway->index, asked);
    if (!asked) qe_refusals_note(&d->refusals, &gateway->id, cplane_random32(c, QE_RANDOM_JITTER), c->now_ns);
    look_at(c, d, c->now_ns + (asked ? STAGGER_NS : 0));
}

void cplane_detours_expire(struct qe_cplane *c)
{
    for (size_t i = 0; i < c->peer_count; i++) {
        struct cplane_peer *peer = c->by_id[i];
        if (!peer->detour) continue;
        if (peer->detour->at_ns <= c->now_ns) look(c, peer);
        if (peer->detour) cplane_gateways_wake(c, peer->detour->at_ns);
    }
}
