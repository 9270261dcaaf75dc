// Who may connect: peers come and go while the node runs. A peer has an index by which letters, lanes and snapshots
// name it. One that nobody allows any more leaves in three steps, so that its index never means two peers at a time:
// the next snapshot lacks it, each lane closes what it has with it and says that it has forgotten it, and only when all
// have is the index free for another.
#include "node/relay_internal.h"

#include <stdio.h>

// Where the ID is among the peers, or would be.
static size_t place_of(const struct qe_cplane *c, const struct qe_node_id *id)
{
    size_t low = 0, high = c->peer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (qe_node_id_compare(&c->by_id[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct cplane_peer *cplane_peer_find(const struct qe_cplane *c, const struct qe_node_id *id)
{
    size_t place = place_of(c, id);
    bool found = place < c->peer_count && qe_node_id_equal(&c->by_id[place]->id, id);
    return found ? c->by_id[place] : NULL;
}

static int grow(struct qe_cplane *c)
{
    size_t capacity = c->peer_capacity ? 2 * c->peer_capacity : 8;
    struct cplane_peer **peers = qe_realloc(c->mem, c->peers, capacity, sizeof *peers);
    if (!peers) return -1;
    c->peers = peers;
    struct cplane_peer **by_id = qe_realloc(c->mem, c->by_id, capacity, sizeof *by_id);
    if (!by_id) return -1;
    c->by_id = by_id;
    if (qe_heap_reserve(&c->timers, capacity) != 0) return -1;
    c->peer_capacity = capacity;
    return 0;
}

// A free index, the lowest there is; the number of slots where it is a new one.
static uint32_t free_index(const struct qe_cplane *c)
{
    uint32_t index = 0;
    if (c->peer_count + c->leaving_count == c->peer_slots) return (uint32_t)c->peer_slots;
    while (c->peers[index])
        index++;
    return index;
}

struct cplane_peer *cplane_peer_add(
    struct qe_cplane *c, const struct qe_node_id *id, const char *name, enum cplane_why why)
{
    struct cplane_peer *peer = cplane_peer_find(c, id);
    if (peer) {
        bool carried = cplane_carries(peer);
        peer->why |= why;
        if (!carried && cplane_carries(peer)) cplane_peer_on_carries(c, peer);
        return peer;
    }
    if (c->peer_slots == CPLANE_PEERS_MAX && c->peer_count + c->leaving_count == c->peer_slots) return NULL;
    if (c->peer_slots == c->peer_capacity && grow(c) != 0) return NULL;
    peer = qe_zalloc(c->mem, 1, sizeof *peer);
    if (!peer) return NULL;
    peer->index = free_index(c);
    peer->id = *id;
    peer->why = why;
    snprintf(peer->name, sizeof peer->name, "%s", name ? name : "");
    qe_session_init(&peer->session, &c->self, id);
    qe_timer_init(&peer->timer);
    qe_list_init(&peer->circuits);
    qe_list_init(&peer->circuit_ends);
    peer->home = id->bytes[19] % c->options.lane_count;
    peer->session_id = cplane_random64(c, QE_RANDOM_SESSION);
    c->peers[peer->index] = peer;
    if (peer->index == c->peer_slots) c->peer_slots++;
    size_t place = place_of(c, id);
    memmove(c->by_id + place + 1, c->by_id + place, (c->peer_count - place) * sizeof(struct cplane_peer *));
    c->by_id[place] = peer;
    c->peer_count++;
    c->snapshot_due = true;
    cplane_trace(c, "peer.added", peer, peer->index, why);
    return peer;
}

void cplane_peer_disallow(struct qe_cplane *c, struct cplane_peer *peer, enum cplane_why why)
{
    peer->why &= ~(unsigned)why;
    if (peer->why || peer->leaving) return;
    size_t place = place_of(c, &peer->id);
    c->peer_count--;
    memmove(c->by_id + place, c->by_id + place + 1, (c->peer_count - place) * sizeof(struct cplane_peer *));
    peer->leaving = true;
    c->leaving_count++;
    cplane_relay_forget(c, peer);
    peer->session.stopping = true;
    cplane_peer_timer(c, peer);
    c->snapshot_due = true;
    cplane_claims_forget(c, peer);
    cplane_gateways_forget(c, peer);
    cplane_trace(c, "peer.leaving", peer, peer->index, 0);
}

void cplane_forget_leaving(struct qe_cplane *c)
{
    // A lane that still accepts the peer would learn of it anew.
    if (c->leaving_count == 0 || c->unpublished || c->snapshot_due) return;
    for (size_t i = 0; i < c->peer_slots; i++) {
        struct cplane_peer *peer = c->peers[i];
        for (uint8_t lane = 0; peer && peer->leaving && lane < c->options.lane_count; lane++) {
            uint32_t bit = UINT32_C(1) << lane;
            struct qe_mail *mail = peer->told & bit ? NULL : cplane_post(c, lane, QE_MAIL_FORGET, NULL, 0);
            if (mail) {
                mail->peer = peer->index;
                peer->told |= bit;
            } else if (!(peer->told & bit)) {
                c->retry_at_ns = c->now_ns + CPLANE_RETRY_NS;
            }
        }
    }
}

// Lanes have closed the paths that they know to be the peer's. One that a lane took for a stranger's may be left.
static void forget_paths(struct qe_cplane *c, const struct cplane_peer *peer)
{
    size_t cursor = 0;
    struct cplane_path *path;
    while ((path = qe_table_each(c->paths, &cursor))) {
        if (path->peer != peer) continue;
        path->peer = NULL;
        cplane_refuse(c, path, QE_COUNT_DROP_STRANGER);
    }
}

void cplane_on_forgotten(struct qe_cplane *c, const struct qe_mail *mail)
{
    struct cplane_peer *peer = c->peers[mail->peer];
    peer->forgot |= UINT32_C(1) << mail->lane;
    for (uint8_t lane = 0; lane < c->options.lane_count; lane++)
        if (!(peer->forgot & UINT32_C(1) << lane)) return;
    cplane_commands_forget(c, peer->index);
    forget_paths(c, peer);
    cplane_trace(c, "peer.forgotten", peer, peer->index, 0);
    c->peers[peer->index] = NULL;
    c->leaving_count--;
    cplane_peer_free(c, peer);
}

void cplane_peer_free(struct qe_cplane *c, struct cplane_peer *peer)
{
    qe_heap_set(&c->timers, &peer->timer, QE_TIME_NEVER);
    if (c->discovery) cplane_discovery_forget(c, peer);
    if (c->traversal) cplane_traversal_forget(c, peer);
    qe_free(c->mem, peer->crossing);
    qe_free(c->mem, peer->detour);
    qe_free(c->mem, peer->ticket);
    qe_free(c->mem, peer);
}

int cplane_peers_init(struct qe_cplane *c)
{
    for (size_t i = 0; i < c->config->peer_count; i++) {
        const struct qe_config_peer *given = &c->config->peers[i];
        struct cplane_peer *peer = cplane_peer_add(c, &given->id, given->name, CPLANE_WHY_CONFIG);
        if (!peer) return -1;
        if (given->addr.ip.family != 0) qe_session_on_address(&peer->session, &given->addr, true);
    }
    return 0;
}

void cplane_peers_fini(struct qe_cplane *c)
{
    for (size_t i = 0; i < c->peer_slots; i++)
        if (c->peers[i]) cplane_peer_free(c, c->peers[i]);
    qe_free(c->mem, c->peers);
    qe_free(c->mem, c->by_id);
}
