// The inside of a lane, shared by lane.c (life, letters), outbound.c (TUN to peers) and inbound.c (peers to TUN).
#ifndef QE_NODE_LANE_INTERNAL_H
#define QE_NODE_LANE_INTERNAL_H

#include "base/table.h"
#include "flow/coalesce.h"
#include "flow/fragment.h"
#include "flow/packet.h"
#include "flow/queue.h"
#include "flow/segment.h"
#include "node/lane.h"
#include "node/snapshot.h"
#include "wire/wire.h"

// Echo frames that may wait on a path; more are dropped.
#define LANE_ECHO_MAX 8
// Finished packets on their way to the TUN. Each holds a buffer of the pool, so this is never the tighter bound.
#define LANE_DELIVER_MAX 512
// Packets that may wait for a peer without a path, and for how long.
#define LANE_WAITING_PACKETS_MAX 64
#define LANE_WAITING_NS          (UINT64_C(2) * 1000000000)
// How often a peer without a path may be asked for.
#define LANE_WANTED_INTERVAL_NS (UINT64_C(200) * 1000000)

// Packets that may wait for the owner of an overlay address to be found, in all and for each address, and for how long.
#define LANE_UNROUTED_MAX  32
#define LANE_UNROUTED_EACH 8
#define LANE_UNROUTED_NS   (UINT64_C(2) * 1000000000)

// A path that brought nothing for so long is doubted when the peer's packets begin to come by another. Less than any
// silence that makes the peer leave it (quic/conn.c).
#define LANE_DOUBT_NS (UINT64_C(250) * 1000000)

// A peer's queue.
#define LANE_QUEUE_BYTES_MAX   (4u << 20)
#define LANE_QUEUE_PACKETS_MAX 8192

struct lane_echo {
    uint8_t type;
    uint8_t cookie[8];
};

// One QUIC connection to a peer.
struct lane_path {
    uint64_t id;
    struct lane_peer *peer;
    struct qe_conn *conn;
    struct lane_echo echoes[LANE_ECHO_MAX]; // a ring
    size_t echo_first, echo_count;
    uint8_t echo_frame[QE_FRAME_ECHO_SIZE]; // the one being offered
    bool told;                              // the control part knows of it
    bool gated;                             // its peer has not proven membership: only its control stream is heard
    bool relayed;                           // it goes by a gateway
    uint32_t gateway;                       // where relayed: its index among the peers
    uint64_t packet_ns;                     // when the last overlay packet came; 0: none has
    struct qe_list held;                    // in the `held` of the gateway's queue, or by itself
    struct qe_list stranger;                // in lane->strangers, or by itself
    struct qe_reassembler *in;              // of fragments; NULL until one comes
    struct qe_mail *last;                   // CLOSED, made ahead: the control part must hear of the end
};

// What next_datagram offered last, until datagram_taken.
enum lane_offer { LANE_OFFER_NONE, LANE_OFFER_ECHO, LANE_OFFER_SEGMENT, LANE_OFFER_FRAGMENT, LANE_OFFER_RELAYED };

// A packet larger than its path's DATAGRAM, on its way out in pieces.
struct lane_fragmenting {
    uint16_t id;
    size_t size; // of the packet; 0: none under way
    size_t done;
    bool relayed; // it is a frame with a relayed packet, and none of the overlay
    size_t piece; // payload of the piece on offer
    uint8_t header[QE_FRAGMENT_HEADER_SIZE];
    uint8_t packet[QE_FRAGMENT_PACKET_MAX];
};

// So many bytes may pass at once; it is filled again with time. at_ns 0: full.
struct lane_bucket {
    uint64_t credit, at_ns;
};

struct lane_relay;
struct lane_inside;

struct lane_peer {
    uint32_t index; // into the snapshot's peers
    struct lane_path *active;
    struct qe_queue *queue;
    struct qe_queue_item item; // being cut; buf NULL: none
    struct qe_segmenter cutter;
    size_t offered_size;
    enum lane_offer offer;
    struct lane_fragmenting out;
    struct qe_ip checked_source; // the source address that last passed, under that snapshot
    uint64_t checked_generation;
    uint64_t waiting_since_ns; // when the oldest packet that waits for a path came
    uint64_t wanted_ns;        // when the control part was last asked for a path
    struct qe_traffic traffic;

    // What is relayed for it, or to it (circuits.c).
    struct lane_relay *relay;
    size_t circuit_count;
    bool relay_turn; // of relayed packets and others, those
    struct qe_relayed relayed;
    struct lane_bucket rate, share;
    uint64_t volume, volume_since_ns; // bytes in the day that began then; 0: none has
    uint64_t relay_period;            // when it last counted as active
    uint64_t unknown_ns;              // when the control part last heard of a packet in no circuit
};

struct lane_unrouted {
    struct qe_packet_in in;
    struct qe_ip destination;
    uint64_t since_ns;
};

struct qe_lane {
    struct qe_lane_options options;
    const struct qe_host *host;
    uint64_t now_ns, wall_ms;
    struct qe_quic *quic;
    struct qe_snapshot *snapshot;
    struct lane_peer **peers; // by index; NULL until needed
    size_t peer_slots;
    struct qe_table *paths;   // by path ID
    uint64_t path_sequence;   // of accepted paths
    struct qe_list strangers; // paths of nodes that no snapshot knows, the oldest first
    size_t stranger_count;
    struct qe_coalescer *coalescer;
    struct qe_coalesce_out deliver[LANE_DELIVER_MAX]; // a ring
    size_t deliver_first, deliver_count;
    struct lane_unrouted unrouted[LANE_UNROUTED_MAX]; // oldest first
    size_t unrouted_count;
    struct qe_table *circuits;  // of lane_circuit (circuits.h)
    struct lane_inside *inside; // NULL until needed
    size_t relayed_bytes;       // that wait in this lane
    struct lane_bucket relay_total;
    uint64_t relay_period, relay_sources, relay_sources_before; // how many sources are active
    uint32_t flow_seed;
    struct qe_counters counters;
};

// The peer's record, made where there is none yet; NULL without memory, or where the snapshot does not know the peer.
struct lane_peer *lane_peer(struct qe_lane *lane, uint32_t index);
struct lane_path *lane_path(const struct qe_lane *lane, uint64_t id);
// Queues a finished packet for the TUN.
void lane_deliver(struct qe_lane *lane, struct qe_buf *buf, const struct qe_offload *offload);
void lane_trace(struct qe_lane *lane, const char *name, uint32_t peer, uint64_t a, uint64_t b);
void lane_drop(struct qe_lane *lane, enum qe_counter reason, uint32_t peer);

// outbound.c
void lane_packet_from_tun(struct qe_lane *lane, struct qe_packet_in *in);
// Looks up whose the packet is, and queues it there.
void lane_forward(struct qe_lane *lane, struct qe_packet_in *in);
void lane_enqueue(struct qe_lane *lane, struct lane_peer *peer, struct qe_queue_item *item, uint32_t flow_hash);
void lane_activate(struct qe_lane *lane, struct lane_peer *peer, struct lane_path *path);
// A peer whose packets now belong to another lane: sends them there.
void lane_hand_over(struct qe_lane *lane, struct lane_peer *peer, uint8_t to);
void lane_forget_packets(struct qe_lane *lane, struct lane_peer *peer, enum qe_counter reason);
bool lane_next_datagram(void *user, struct qe_conn *conn, size_t size_max, struct qe_datagram_out *out);
void lane_datagram_taken(void *user, struct qe_conn *conn);
// Queues an echo frame on the path; false where too many wait.
bool lane_echo(struct lane_path *path, uint8_t type, const uint8_t cookie[8]);

// unrouted.c
// Keeps a packet that no route leads to; false where it is not to wait.
bool lane_hold(struct qe_lane *lane, const struct qe_packet_in *in, const struct qe_ip *destination);
// There is a new snapshot: forwards what has a route now.
void lane_unrouted_retry(struct qe_lane *lane);
// Nobody has that address.
void lane_unrouted_drop(struct qe_lane *lane, const struct qe_ip *destination);
void lane_unrouted_expire(struct qe_lane *lane);
uint64_t lane_unrouted_deadline(const struct qe_lane *lane);
void lane_unrouted_free(struct qe_lane *lane);

// strangers.c
// Whether a node that the snapshot does not know may complete the handshake.
bool lane_stranger_welcome(const struct qe_lane *lane);
// What there is of a stranger instead of a peer; NULL where there are too many, or without memory.
struct lane_peer *lane_stranger(struct qe_lane *lane, const struct qe_conn *conn);
// Its path has been made, and is about to be freed.
void lane_stranger_begin(struct qe_lane *lane, struct lane_path *path);
void lane_stranger_end(struct qe_lane *lane, struct lane_path *path);
// The path's node has proven who it is.
void lane_admit(struct qe_lane *lane, struct lane_path *path, uint32_t peer);
static inline bool lane_is_stranger(const struct lane_path *path)
{
    return path->peer->index == QE_PEER_NONE;
}

// inbound.c
void lane_datagram(void *user, struct qe_conn *conn, struct qe_span bytes, uint8_t ecn, bool early);

#endif
