// Overlay addresses and what follows from them: who owns which, and the snapshot that tells the lanes.
#include "node/cplane_internal.h"

#include "base/mutants.h"
#include "route/overlay.h"

// Whether another peer already has that address.
static const struct cplane_peer *owner_of(
    const struct qe_cplane *c, const struct qe_ip *ip, const struct cplane_peer *except)
{
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct cplane_peer *peer = c->by_id[i];
        if (peer == except || !peer->said_hello || !cplane_carries(peer)) continue;
        for (size_t j = 0; j < peer->address_count; j++)
            if (qe_ip_equal(&peer->addresses[j], ip)) return peer;
    }
    return NULL;
}

// Whether a peer that has said nothing yet is expected to have that address: it must find it free when it speaks.
static bool expected_of_another(const struct qe_cplane *c, const struct qe_ip *ip, const struct cplane_peer *except)
{
    struct qe_cidr own = qe_overlay_ip4(&except->id, 0);
    if (ip->family != 4 || qe_ip_equal(&own.ip, ip)) return false;
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct cplane_peer *peer = c->by_id[i];
        struct qe_cidr derived = qe_overlay_ip4(&peer->id, 0);
        if (peer != except && !peer->said_hello && cplane_carries(peer) && qe_ip_equal(&derived.ip, ip)) return true;
    }
    return false;
}

// Why a peer may not have that address; NULL: it may.
static const char *claim_refused(const struct qe_cplane *c, const struct cplane_peer *peer, const struct qe_ip *ip)
{
    struct qe_cidr derived = qe_overlay_ip6(&peer->id);
    if (qe_ip_equal(ip, &c->own[0].ip) || qe_ip_equal(ip, &c->own[1].ip)) return "it is this node's own";
    if (qe_ip_equal(ip, &derived.ip)) return NULL;
    if (qe_overlay_is_derived6(ip)) return "it belongs to another key";
    if (qe_ip_is_multicast(ip) || qe_ip_is_unspecified(ip)) return "it is no host's";
    if (!qe_cidr_contains(&c->own[0], ip) && !qe_cidr_contains(&c->own[1], ip))
        return "it lies outside the overlay network";
    if (ip->family == 4 && c->own[0].bits < 31) {
        uint32_t hosts = c->own[0].bits ? UINT32_MAX >> c->own[0].bits : UINT32_MAX;
        uint32_t host = qe_ip4_to_u32(ip) & hosts;
        if (host == 0 || host == hosts) return "it is no host's";
    }
    if (owner_of(c, ip, peer)) return "another peer has it";
    if (expected_of_another(c, ip, peer)) return "it follows from another peer's ID";
    return NULL;
}

// Takes what a peer says as far as it may have it. True where that is not what it had. `again`: nothing new was said.
static bool take_addresses(struct qe_cplane *c, struct cplane_peer *peer, bool again)
{
    struct qe_ip addresses[QE_HELLO_ADDRESSES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < peer->said_count; i++) {
        const struct qe_ip *ip = &peer->said[i];
        const char *refused = QE_MUTANT(claim_unchecked) ? NULL : claim_refused(c, peer, ip);
        if (!refused) addresses[count++] = *ip;
        if (!refused || again) continue;
        char text[QE_ADDR_TEXT_SIZE], name[QE_NAME_SIZE];
        qe_count(&c->counters, QE_COUNT_DROP_CLAIM);
        cplane_log(c, QE_LOG_WARN, "%s claims the overlay address %s, refused: %s", cplane_peer_text(peer, name),
            qe_ip_format(ip, text), refused);
        cplane_trace(c, "claim.refused", peer, i, 0);
    }
    bool same = peer->said_hello && count == peer->address_count;
    for (size_t i = 0; same && i < count; i++)
        same = qe_ip_equal(&addresses[i], &peer->addresses[i]);
    peer->said_hello = true;
    peer->address_count = count;
    for (size_t i = 0; i < count; i++)
        peer->addresses[i] = addresses[i];
    return !same;
}

// An address that became free is that of whoever says that he has it.
bool cplane_reclaim(struct qe_cplane *c, const struct cplane_peer *except)
{
    bool changed = false;
    for (size_t i = 0; i < c->peer_count; i++) {
        struct cplane_peer *peer = c->by_id[i];
        if (peer != except && peer->said_hello && peer->address_count < peer->said_count)
            changed = take_addresses(c, peer, true) || changed;
    }
    return changed;
}

void cplane_claim(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_ip *said, size_t said_count)
{
    bool contested = false;
    for (size_t i = 0; i < said_count; i++)
        contested = contested || qe_ip_equal(&said[i], &c->own[0].ip);
    memcpy(peer->said, said, said_count * sizeof *said);
    peer->said_count = said_count;
    bool changed = take_addresses(c, peer, false);
    if (changed) cplane_reclaim(c, peer);
    if (contested) cplane_own_claims_contest(c, peer);
    if (changed) cplane_publish(c);
}

// What a peer that has said nothing yet is expected to have.
static void expect_addresses(const struct qe_cplane *c, struct cplane_peer *peer)
{
    struct qe_cidr four = qe_overlay_ip4(&peer->id, 0), six = qe_overlay_ip6(&peer->id);
    bool announced = false;
    peer->address_count = 0;
    peer->addresses[peer->address_count++] = six.ip;
    for (size_t i = 0; i < peer->announced_count; i++) {
        const struct qe_ip *ip = &peer->announced[i];
        if (qe_ip_equal(ip, &six.ip) || claim_refused(c, peer, ip)) continue;
        peer->addresses[peer->address_count++] = *ip;
        announced |= ip->family == 4;
    }
    if (!announced && qe_cidr_contains(&c->own[0], &four.ip) && !qe_ip_equal(&c->own[0].ip, &four.ip) &&
        !owner_of(c, &four.ip, peer))
        peer->addresses[peer->address_count++] = four.ip;
}

static bool add_routes(struct qe_snapshot *s, const struct cplane_peer *peer)
{
    for (size_t i = 0; i < peer->address_count; i++) {
        const struct qe_ip *ip = &peer->addresses[i];
        // Of two silent peers with the same expected address the one with the lower ID is expected to keep it.
        if (!peer->said_hello && qe_route_table_lookup(s->routes, ip) != QE_ROUTE_NONE) continue;
        const struct qe_cidr host = {*ip, (uint8_t)((ip->family == 4 ? 32 : 128) - (QE_MUTANT(route_prefix) ? 1 : 0))};
        if (qe_route_table_set(s->routes, &host, peer->index) != 0) return false;
    }
    return true;
}

static bool fill(struct qe_cplane *c, struct qe_snapshot *s)
{
    s->generation = ++c->generation;
    s->own_count = 2;
    s->strangers = c->member;
    s->relay = (struct qe_snapshot_relay){
        c->config->relay.rate_bps, c->config->relay.total_rate_bps, c->config->relay.volume_bytes};
    memcpy(s->own, c->own, sizeof c->own);
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct cplane_peer *peer = c->by_id[i];
        s->peers[peer->index] = (struct qe_snapshot_peer){peer->id, peer->home, true, cplane_trusts(c, peer)};
        s->by_id[i] = peer->index;
        if (peer->said_hello && cplane_carries(peer) && !add_routes(s, peer)) return false;
    }
    for (size_t i = 0; i < c->peer_count; i++) {
        struct cplane_peer *peer = c->by_id[i];
        if (peer->said_hello || !cplane_carries(peer)) continue;
        expect_addresses(c, peer);
        if (!add_routes(s, peer)) return false;
    }
    return cplane_add_subnets(c, s);
}

void cplane_publish(struct qe_cplane *c)
{
    c->snapshot_due = false;
    if (QE_FAULT(c->host, PUBLISH_LATER)) {
        c->unpublished = true;
        c->retry_at_ns = c->now_ns + CPLANE_RETRY_NS;
        return;
    }
    struct qe_snapshot *s = qe_snapshot_new(c->mem, c->peer_slots, c->peer_count);
    if (!s || !fill(c, s)) {
        qe_snapshot_release(s);
        qe_count(&c->counters, QE_COUNT_DROP_MEMORY);
        cplane_log(c, QE_LOG_ERROR, "out of memory: the lanes keep the routes they have for now");
        c->unpublished = true;
        c->retry_at_ns = c->now_ns + CPLANE_RETRY_NS;
        return;
    }
    c->unpublished = false;
    for (uint8_t lane = 0; lane < c->options.lane_count; lane++) {
        struct qe_mail *mail = cplane_post(c, lane, QE_MAIL_SNAPSHOT, NULL, 0);
        if (mail)
            mail->snapshot = qe_snapshot_hold(s);
        else
            c->unpublished = true;
    }
    if (c->unpublished) c->retry_at_ns = c->now_ns + CPLANE_RETRY_NS;
    qe_snapshot_release(s);
    cplane_trace(c, "snapshot", NULL, c->generation, c->peer_count);
}
