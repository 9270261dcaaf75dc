#include "node/snapshot.h"

#include "node/mail.h"

struct qe_snapshot *qe_snapshot_new(const struct qe_mem *mem, size_t peer_slots, size_t peer_count)
{
    struct qe_snapshot *s = qe_zalloc(mem, 1, sizeof *s);
    if (!s) return NULL;
    s->mem = mem;
    s->references = 1;
    s->peer_slots = peer_slots;
    s->peer_count = peer_count;
    s->peers = qe_zalloc(mem, peer_slots ? peer_slots : 1, sizeof *s->peers);
    s->by_id = qe_zalloc(mem, peer_count ? peer_count : 1, sizeof *s->by_id);
    s->routes = qe_route_table_new(mem);
    if (!s->peers || !s->by_id || !s->routes) {
        qe_snapshot_release(s);
        return NULL;
    }
    return s;
}

struct qe_snapshot *qe_snapshot_hold(struct qe_snapshot *s)
{
    s->references++;
    return s;
}

void qe_snapshot_release(struct qe_snapshot *s)
{
    if (!s || --s->references > 0) return;
    if (s->routes) qe_route_table_free(s->routes);
    if (s->shared) qe_route_table_free(s->shared);
    qe_free(s->mem, s->owners);
    qe_free(s->mem, s->peers);
    qe_free(s->mem, s->by_id);
    qe_free(s->mem, s);
}

uint32_t qe_snapshot_find(const struct qe_snapshot *s, const struct qe_node_id *id)
{
    size_t low = 0, high = s->peer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = qe_node_id_compare(id, &s->peers[s->by_id[middle]].id);
        if (order == 0) return s->by_id[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return QE_PEER_NONE;
}

bool qe_snapshot_knows(const struct qe_snapshot *s, uint32_t peer)
{
    return peer < s->peer_slots && s->peers[peer].known;
}

bool qe_snapshot_trusts(const struct qe_snapshot *s, uint32_t peer)
{
    return qe_snapshot_knows(s, peer) && s->peers[peer].trusted;
}

bool qe_snapshot_is_own(const struct qe_snapshot *s, const struct qe_ip *ip)
{
    for (size_t i = 0; i < s->own_count; i++)
        if (qe_ip_equal(&s->own[i].ip, ip)) return true;
    return false;
}

uint32_t qe_snapshot_route(const struct qe_snapshot *s, const struct qe_ip *ip)
{
    uint32_t value = qe_route_table_lookup(s->routes, ip);
    return value < QE_SNAPSHOT_OVERLAY ? value : QE_PEER_NONE;
}

bool qe_snapshot_may_send(const struct qe_snapshot *s, uint32_t peer, const struct qe_ip *ip)
{
    if (qe_route_table_lookup(s->routes, ip) == peer) return true;
    uint32_t at = s->shared ? qe_route_table_lookup(s->shared, ip) : QE_ROUTE_NONE;
    for (; at != QE_ROUTE_NONE && s->owners[at] != QE_ROUTE_NONE; at++)
        if (s->owners[at] == peer) return true;
    return false;
}

bool qe_snapshot_is_local(const struct qe_snapshot *s, const struct qe_ip *ip)
{
    return qe_snapshot_is_own(s, ip) || qe_route_table_lookup(s->routes, ip) == QE_SNAPSHOT_LOCAL;
}

bool qe_snapshot_is_broadcast(const struct qe_snapshot *s, const struct qe_ip *ip)
{
    if (ip->family != 4) return false;
    uint32_t address = qe_ip4_to_u32(ip);
    if (address == UINT32_MAX) return true;
    for (size_t i = 0; i < s->own_count; i++) {
        if (s->own[i].ip.family != 4 || s->own[i].bits > 30) continue;
        uint32_t host = UINT32_MAX >> s->own[i].bits;
        if (s->own[i].bits == 0) host = UINT32_MAX;
        if (qe_cidr_contains(&s->own[i], ip) && (address & host) == host) return true;
    }
    return false;
}
