// Where peers are: the node record of each that is not connected is looked for, at once where it has no address or
// packets wait for it, else when its last addresses have been tried, and then again after growing waits. A record's
// addresses are all tried (traversal.c). What it says is its owner's word, and newer than what was known, or it is
// passed over.
#include "node/discovery_internal.h"

#define SEEK_PATIENCE_NS (2 * QE_NS_PER_S) // for addresses that are known already
#define SEEK_FIRST_NS    QE_NS_PER_S
#define SEEK_LAST_NS     (300 * QE_NS_PER_S)
#define SEEK_WANTED_NS   (3 * QE_NS_PER_S) // between two lookups that packets ask for
#define SEEK_RUNNING_MAX 8
// Beyond a few lookups at a time there is one every so often, however many peers are away.
#define SEEK_BURST     16
#define SEEK_REFILL_NS (60 * QE_NS_PER_S)

// Whether there is nothing to look for. Where a peer is reached by a gateway, its addresses are worth knowing.
static bool connected(const struct cplane_peer *peer)
{
    return qe_session_is_direct(&peer->session);
}

// A member of a large network is dialled when there are packets for it, where it was last; only if it is not there is
// it looked for. What is known of it is renewed with the list of members.
static bool rests(const struct cplane_peer *peer)
{
    return peer->session.lazy && cplane_knows_address(peer) && peer->session.failures == 0 && !peer->seek.wanted;
}

void cplane_discovery_on_peer(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_seek *seek = &peer->seek;
    if (connected(peer)) {
        seek->at_ns = 0;
        seek->failures = 0;
        return;
    }
    if (peer->leaving || seek->operation || seek->at_ns != 0 || !c->up) return;
    seek->at_ns = c->now_ns + (cplane_knows_address(peer) ? SEEK_PATIENCE_NS : 0);
    discovery_wake(c, seek->at_ns);
}

void cplane_discovery_on_wanted(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_seek *seek = &peer->seek;
    if (connected(peer) || peer->leaving || seek->operation) return;
    if (seek->asked_ns != 0 && c->now_ns - seek->asked_ns < SEEK_WANTED_NS) return;
    // Addresses that are being dialled come first.
    if (peer->session.candidate_count && peer->session.failures == 0) return;
    seek->wanted = true;
    seek->at_ns = c->now_ns;
    discovery_wake(c, c->now_ns);
}

void cplane_discovery_seek(struct qe_cplane *c, struct cplane_peer *peer)
{
    if (peer->leaving || peer->seek.operation) return;
    peer->seek.wanted = true;
    peer->seek.at_ns = c->now_ns;
    discovery_wake(c, c->now_ns);
}

void cplane_discovery_forget(struct qe_cplane *c, struct cplane_peer *peer)
{
    if (!peer->seek.operation) return;
    discovery_unask(c, peer->seek.operation);
    peer->seek.operation = 0;
    c->discovery->seek.running--;
}

// Takes over overlay addresses from a record until the peer says itself which it has.
static void take_addresses(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_node_record *record)
{
    bool same = peer->announced_count == record->address_count;
    for (size_t i = 0; same && i < record->address_count; i++)
        same = qe_ip_equal(&peer->announced[i], &record->addresses[i]);
    if (same) return;
    peer->announced_count = record->address_count;
    memcpy(peer->announced, record->addresses, record->address_count * sizeof record->addresses[0]);
    if (!peer->said_hello) c->snapshot_due = true;
}

bool discovery_learn(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_node_record *record)
{
    struct cplane_seek *seek = &peer->seek;
    if (qe_node_record_expired(record, c->wall_ms)) {
        cplane_trace(c, "record.expired", peer, record->issued_ms, record->lifetime_s);
        return false;
    }
    if (record->issued_ms < seek->issued_ms) {
        cplane_trace(c, "record.old", peer, record->issued_ms, seek->issued_ms);
        return false;
    }
    bool newer = record->issued_ms > seek->issued_ms;
    bool had_none = !cplane_knows_address(peer);
    seek->issued_ms = record->issued_ms;
    seek->lifetime_s = record->lifetime_s;
    if (!newer && !had_none) return true;
    cplane_traversal_learn(c, peer, record->endpoints, record->endpoint_count);
    take_addresses(c, peer, record);
    cplane_gateways_on_record(c, peer, record);
    uint64_t age_s = c->wall_ms > record->issued_ms ? (c->wall_ms - record->issued_ms) / 1000 : 0;
    cplane_claims_recorded(
        c, peer, record->subnets, record->subnet_count, record->lifetime_s > age_s ? record->lifetime_s - age_s : 0);
    cplane_trace(c, "record.found", peer, record->issued_ms, record->endpoint_count);
    return true;
}

static void on_found(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct cplane_peer *peer = c->peers[user];
    struct qe_node_record record;
    if (answer->item && answer->item->mutable) {
        struct qe_node_id id = qe_node_id_from_key(&answer->item->key);
        enum qe_node_record_fault fault =
            qe_node_record_decode(answer->item->value, &answer->item->key, c->host, &record);
        if (!qe_node_id_equal(&id, &peer->id)) fault = QE_NODE_RECORD_FORGED;
        if (fault == QE_NODE_RECORD_FINE)
            discovery_learn(c, peer, &record);
        else
            cplane_trace(c, "record.refused", peer, fault, 0);
    }
    cplane_traversal_on_looked_up(c, peer);
    if (!answer->final) return;
    cplane_trace(c, "record.sought", peer, answer->outcome, answer->hops);
    peer->seek.operation = 0;
    c->discovery->seek.running--;
    if (connected(peer)) return;
    peer->seek.at_ns = c->now_ns + discovery_back_off(c, peer->seek.failures++, SEEK_FIRST_NS, SEEK_LAST_NS);
    discovery_wake(c, peer->seek.at_ns);
}

static void ask(struct qe_cplane *c, struct cplane_peer *peer)
{
    const struct qe_dht_request request = {.kind = QE_DHT_GET, .target = peer->id};
    struct discovery_seek *s = &c->discovery->seek;
    peer->seek.operation = discovery_ask(c, &request, on_found, peer->index);
    peer->seek.wanted = false;
    peer->seek.asked_ns = c->now_ns;
    if (peer->seek.operation == 0) {
        peer->seek.at_ns = c->now_ns + discovery_spread(c, SEEK_FIRST_NS);
        return;
    }
    s->running++;
}

// Room for one more lookup that is not urgent.
static bool may_ask(struct qe_cplane *c)
{
    struct discovery_seek *s = &c->discovery->seek;
    if (c->now_ns - s->refilled_ns >= SEEK_REFILL_NS) {
        uint64_t more = (c->now_ns - s->refilled_ns) / SEEK_REFILL_NS;
        s->refilled_ns += more * SEEK_REFILL_NS;
        s->spent = more > s->spent ? 0 : s->spent - (unsigned)more;
    }
    if (s->spent == SEEK_BURST) return false;
    s->spent++;
    return true;
}

void seek_expire(struct qe_cplane *c)
{
    struct discovery_seek *s = &c->discovery->seek;
    if (!discovery_joined(c)) return;
    for (size_t i = 0; i < c->peer_count; i++) {
        // Each time another one is first, so that none is always left over.
        struct cplane_peer *peer = c->by_id[(s->turn + i) % c->peer_count];
        if ((connected(peer) && !peer->seek.wanted) || peer->seek.operation || rests(peer)) continue;
        if (peer->seek.at_ns == 0) cplane_discovery_on_peer(c, peer);
        if (peer->seek.at_ns > c->now_ns) {
            discovery_wake(c, peer->seek.at_ns);
            continue;
        }
        bool room = s->running < SEEK_RUNNING_MAX * (peer->seek.wanted ? 2u : 1u);
        if (room && (peer->seek.wanted || may_ask(c)))
            ask(c, peer);
        else
            peer->seek.at_ns = c->now_ns + discovery_spread(c, QE_NS_PER_S);
        discovery_wake(c, peer->seek.at_ns);
    }
    s->turn++;
}

void seek_all(struct qe_cplane *c)
{
    c->discovery->seek.spent = 0;
    for (size_t i = 0; i < c->peer_count; i++) {
        struct cplane_seek *seek = &c->by_id[i]->seek;
        seek->failures = 0;
        if (!connected(c->by_id[i]) && !seek->operation) seek->at_ns = c->now_ns;
    }
    discovery_wake(c, c->now_ns);
}
