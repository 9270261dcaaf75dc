// The forwarding snapshot: all that a lane needs to know to forward, made by the control part and never changed after.
// A change makes a new one; a lane drops the old one when it has the new.
#ifndef QE_NODE_SNAPSHOT_H
#define QE_NODE_SNAPSHOT_H

#include "base/addr.h"
#include "base/mem.h"
#include "identity/identity.h"
#include "route/route.h"

#define QE_SNAPSHOT_OWN_MAX 4

// What a route may lead to besides a peer.
#define QE_SNAPSHOT_LOCAL   (QE_ROUTE_NONE - 1) // a network behind this node
#define QE_SNAPSHOT_OVERLAY (QE_ROUTE_NONE - 2) // an address of the overlay that no peer has, as far as is known

struct qe_snapshot_peer {
    struct qe_node_id id;
    uint8_t lane; // the lane that its packets belong to
    bool known;   // there is one with this index
    bool trusted; // it may say what it likes at once, without a proof of membership
};

// How much this node relays (qe_config_relaying); 0: no limit.
struct qe_snapshot_relay {
    uint64_t rate_bps, total_rate_bps, volume_bytes;
};

struct qe_snapshot {
    const struct qe_mem *mem;
    unsigned references;
    uint64_t generation;
    struct qe_cidr own[QE_SNAPSHOT_OWN_MAX]; // this node's overlay addresses, each with its network's prefix
    size_t own_count;
    struct qe_route_table *routes;  // prefixes → index into peers, or what is above
    struct qe_route_table *shared;  // where a network has several owners: each network's → where its owners begin in
                                    // `owners`; NULL: none has
    uint32_t *owners;               // indexes into peers, each list ending with QE_ROUTE_NONE
    struct qe_snapshot_peer *peers; // by index, which stays the same for the life of the peer
    size_t peer_slots;
    struct qe_snapshot_relay relay;
    bool strangers;  // nodes that are not among them may connect and prove membership
    uint32_t *by_id; // indexes, in the order of their IDs
    size_t peer_count;
};

// An empty snapshot for `peer_count` peers with indexes below `peer_slots`, with one reference; NULL without memory.
struct qe_snapshot *qe_snapshot_new(const struct qe_mem *mem, size_t peer_slots, size_t peer_count);
struct qe_snapshot *qe_snapshot_hold(struct qe_snapshot *snapshot);
void qe_snapshot_release(struct qe_snapshot *snapshot);

// The peer with that ID, or QE_PEER_NONE.
uint32_t qe_snapshot_find(const struct qe_snapshot *snapshot, const struct qe_node_id *id);
bool qe_snapshot_knows(const struct qe_snapshot *snapshot, uint32_t peer);
bool qe_snapshot_trusts(const struct qe_snapshot *snapshot, uint32_t peer);
bool qe_snapshot_is_own(const struct qe_snapshot *snapshot, const struct qe_ip *ip);
// The peer that packets to `ip` go to, or QE_PEER_NONE.
uint32_t qe_snapshot_route(const struct qe_snapshot *snapshot, const struct qe_ip *ip);
// Whether packets from `ip` may come from that peer: it has the address, or owns the network that it is in.
bool qe_snapshot_may_send(const struct qe_snapshot *snapshot, uint32_t peer, const struct qe_ip *ip);
// Whether it is an own address, or lies in a network behind this node.
bool qe_snapshot_is_local(const struct qe_snapshot *snapshot, const struct qe_ip *ip);
// The broadcast address of one of the node's IPv4 networks.
bool qe_snapshot_is_broadcast(const struct qe_snapshot *snapshot, const struct qe_ip *ip);

#endif
