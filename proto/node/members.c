// Who else is in the network: members have entries in the index, in a few shards, each with the member's node record.
// They are read when the node has joined, when it changes networks, and from then on the less often the more there are.
#include "node/discovery_internal.h"

#define READ_SECOND_NS (2 * QE_NS_PER_S) // once more, and again, for those who came at the same time
#define READ_THIRD_NS  (20 * QE_NS_PER_S)
#define READ_NS        (600 * QE_NS_PER_S)
#define READ_MEMBER_NS (60 * QE_NS_PER_S) // more for each member
#define READ_LAST_NS   (7200 * QE_NS_PER_S)
#define RETRY_NS       (10 * QE_NS_PER_S)
#define LOOK_NS        (60 * QE_NS_PER_S) // whether there is a network, where nobody tells

static bool member_only(const struct cplane_peer *peer)
{
    return peer->why == CPLANE_WHY_MEMBER;
}

static void take_entry(struct qe_cplane *c, const struct qe_index_place *place, const struct qe_dht_record *found)
{
    uint8_t room[QE_DHT_RECORD_MAX];
    struct qe_index_entry entry;
    struct qe_node_record record;
    if (!qe_index_read(c->host, place, found, room, &entry)) {
        cplane_trace(c, "member.refused", NULL, 0, 0);
        return;
    }
    if (qe_node_id_equal(&entry.id, &c->self)) return;
    if (discovery_shard(&entry.id) != place->label[1] ||
        qe_node_record_read(entry.value, &entry.owner, &record) != QE_NODE_RECORD_FINE ||
        record.issued_ms != entry.seq || qe_node_record_expired(&record, c->wall_ms)) {
        cplane_trace(c, "member.refused", NULL, 1, 0);
        return;
    }
    struct cplane_peer *peer = cplane_peer_find(c, &entry.id);
    if (!peer || !(peer->why & CPLANE_WHY_MEMBER)) {
        peer = cplane_peer_add(c, &entry.id, NULL, CPLANE_WHY_MEMBER);
        if (!peer) return;
        if (member_only(peer)) qe_session_limit(&peer->session, c->peer_count > DISCOVERY_EAGER_MAX);
        cplane_trace(c, "member.found", peer, record.issued_ms, 0);
    }
    discovery_learn(c, peer, &record);
    cplane_peer_timer(c, peer);
}

static void on_read(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct discovery_members *m = &c->discovery->members;
    uint8_t shard = (uint8_t)user;
    struct qe_index_place place;
    bool located = qe_index_locate(c->host, true, QE_INDEX_MEMBER, qe_span(&shard, 1), &place) &&
                   qe_node_id_equal(&place.target, &answer->target);
    for (size_t i = 0; located && i < answer->record_count; i++)
        take_entry(c, &place, &answer->records[i]);
    if (!answer->final) return;
    m->failed |= answer->outcome == QE_DHT_NO_NODES || answer->outcome == QE_DHT_CANCELLED;
    if (--m->running > 0) return;
    m->reads += !m->failed;
    m->read = !m->failed;
    uint64_t wait = READ_NS + (c->peer_count < 1000 ? c->peer_count : 1000) * READ_MEMBER_NS;
    if (wait > READ_LAST_NS) wait = READ_LAST_NS;
    if (m->failed)
        wait = RETRY_NS;
    else if (m->reads <= 1)
        wait = READ_SECOND_NS;
    else if (m->reads == 2)
        wait = READ_THIRD_NS;
    m->at_ns = c->now_ns + discovery_spread(c, wait);
    discovery_wake(c, m->read ? c->now_ns : m->at_ns);
}

// Members that said nothing for so long that their records are void, also after the list was read, and are not there.
static void drop_gone(struct qe_cplane *c)
{
    for (size_t i = c->peer_count; i-- > 0;) {
        struct cplane_peer *peer = c->by_id[i];
        const struct qe_node_record last = {.issued_ms = peer->seek.issued_ms, .lifetime_s = peer->seek.lifetime_s};
        if (!member_only(peer) || peer->seek.issued_ms == 0 || qe_session_active(&peer->session)) continue;
        if (qe_node_record_expired(&last, c->wall_ms)) cplane_peer_disallow(c, peer, CPLANE_WHY_MEMBER);
    }
}

void members_expire(struct qe_cplane *c)
{
    struct discovery_members *m = &c->discovery->members;
    if (!discovery_joined(c) || m->running > 0) return;
    if (m->read) {
        m->read = false;
        drop_gone(c);
    }
    if (m->at_ns > c->now_ns) {
        discovery_wake(c, m->at_ns);
        return;
    }
    m->at_ns = QE_TIME_NEVER;
    m->failed = false;
    if (!discovery_in_network(c)) {
        m->at_ns = c->now_ns + LOOK_NS;
        discovery_wake(c, m->at_ns);
        return;
    }
    for (uint8_t shard = 0; shard < DISCOVERY_SHARDS; shard++) {
        struct qe_index_place place;
        if (!qe_index_locate(c->host, true, QE_INDEX_MEMBER, qe_span(&shard, 1), &place)) continue;
        // At first everybody is asked for everything: nodes that came at the same time have not yet found each other.
        const struct qe_dht_request request = {.kind = QE_DHT_INDEX_GET, .target = place.target, .list = m->reads > 2};
        m->running += discovery_ask(c, &request, on_read, shard) != 0;
    }
    if (m->running == 0) {
        m->at_ns = c->now_ns + discovery_spread(c, RETRY_NS);
        discovery_wake(c, m->at_ns);
    }
}

void members_wake(struct qe_cplane *c)
{
    struct discovery_members *m = &c->discovery->members;
    m->at_ns = c->now_ns;
    m->reads = 0;
    discovery_wake(c, c->now_ns);
}

void cplane_discovery_on_network(struct qe_cplane *c)
{
    members_wake(c);
    announce_wake(c, 0);
}
