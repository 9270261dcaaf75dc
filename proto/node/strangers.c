// Nodes that this one does not know, at a member of a private network. They may complete the handshake and then say on
// their control stream who they are (proof.c); no packet of theirs is heard, and none is sent to them. How many there
// are at a time is bounded, in all and of one source, and the oldest makes room: a member proves itself in its first
// flight, so whoever waits has nothing to say.
#include "node/lane_internal.h"
#include "wire/relay.h"

// Beyond half of these, new clients must prove their addresses first.
#define STRANGERS_MAX 64
// Of one IPv4 address, or one /64 of IPv6.
#define STRANGERS_SOURCE_MAX 8

bool lane_stranger_welcome(const struct qe_lane *lane)
{
    return lane->snapshot && lane->snapshot->strangers;
}

static bool same_source(const struct qe_conn *a, const struct qe_ip *ip)
{
    struct qe_conn_info info;
    qe_conn_info(a, &info, 0);
    // Those that come through one gateway are of one source, too.
    size_t size = ip->family == 4 ? 4 : qe_circuit_is_addr(ip) ? 12 : 8;
    return info.remote.ip.family == ip->family && memcmp(info.remote.ip.bytes, ip->bytes, size) == 0;
}

static struct lane_path *path_of(struct qe_list *stranger)
{
    return qe_container(stranger, struct lane_path, stranger);
}

static bool source_is_busy(const struct qe_lane *lane, const struct qe_conn *conn)
{
    struct qe_conn_info info;
    size_t count = 0;
    qe_conn_info(conn, &info, lane->now_ns);
    for (struct qe_list *at = lane->strangers.next; at != &lane->strangers; at = at->next)
        count += same_source(path_of(at)->conn, &info.remote.ip);
    return count >= STRANGERS_SOURCE_MAX;
}

struct lane_peer *lane_stranger(struct qe_lane *lane, const struct qe_conn *conn)
{
    struct lane_peer *peer = NULL;
    if (lane_stranger_welcome(lane) && !source_is_busy(lane, conn)) peer = qe_zalloc(&lane->host->mem, 1, sizeof *peer);
    if (!peer) {
        lane_drop(lane, QE_COUNT_DROP_STRANGER, QE_PEER_NONE);
        return NULL;
    }
    if (lane->stranger_count == STRANGERS_MAX) {
        lane_drop(lane, QE_COUNT_DROP_STRANGER, QE_PEER_NONE);
        qe_conn_close(path_of(lane->strangers.next)->conn, QE_CLOSE_LIMIT);
    }
    peer->index = QE_PEER_NONE;
    return peer;
}

static void count(struct qe_lane *lane, int change)
{
    lane->stranger_count = (size_t)((int)lane->stranger_count + change);
    if (lane->quic) qe_quic_demand_proof(lane->quic, lane->stranger_count > STRANGERS_MAX / 2);
}

void lane_stranger_begin(struct qe_lane *lane, struct lane_path *path)
{
    qe_list_append(&lane->strangers, &path->stranger);
    count(lane, 1);
    qe_count(&lane->counters, QE_COUNT_STRANGERS);
}

void lane_stranger_end(struct qe_lane *lane, struct lane_path *path)
{
    qe_list_remove(&path->stranger);
    count(lane, -1);
    qe_free(&lane->host->mem, path->peer);
    path->peer = NULL;
}

void lane_admit(struct qe_lane *lane, struct lane_path *path, uint32_t index)
{
    if (lane_is_stranger(path)) {
        struct lane_peer *peer = lane_peer(lane, index);
        if (!peer) {
            if (path->conn) qe_conn_close(path->conn, QE_CLOSE_LIMIT);
            return;
        }
        lane_stranger_end(lane, path);
        path->peer = peer;
    }
    path->gated = false;
}
