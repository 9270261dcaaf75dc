// Relaying in a lane, shared by circuits.c (which circuits there are; passing on), relay_queue.c (what waits for an
// outer connection) and inside.c (this node's own inner connections).
#ifndef QE_NODE_CIRCUITS_H
#define QE_NODE_CIRCUITS_H

#include "base/time.h"
#include "node/lane_internal.h"

// More are not taken in; packets in them are for nobody.
#define LANE_CIRCUITS_MAX 32768

// A circuit, as seen from one of its outer connections.
struct lane_circuit {
    uint32_t key[2];             // the peer's index and the number there
    bool ends;                   // in this node; else it is passed on to
    uint32_t to_peer, to_number; // these
};

// What is relayed to a peer; NULL in lane_peer while nothing is.
struct lane_relay {
    struct qe_lane *lane;
    struct lane_peer *peer;
    struct qe_queue *queue;
    struct qe_queue_item item; // on offer; buf NULL: none
    struct qe_list held;       // inner paths that may write when the queue is shorter
};

#define LANE_INSIDE_MAX 1024

struct lane_inside_packet {
    uint32_t peer, number; // of the circuit
    uint32_t at, size;     // in `bytes`
};

// Packets of inner connections that the batch at hand brought. One batch brings no more than 64 KiB.
struct lane_inside {
    size_t count, size;
    struct lane_inside_packet packets[LANE_INSIDE_MAX];
    uint8_t bytes[65536 + QE_FRAGMENT_PACKET_MAX];
};

// circuits.c
struct lane_circuit *lane_circuit(const struct qe_lane *lane, uint32_t peer, uint32_t number);
// A frame with a relayed packet, on that path.
void lane_relayed(struct qe_lane *lane, struct lane_path *path, struct qe_span frame);
// A circuit has come or gone (QE_MAIL_CIRCUIT).
void lane_on_circuit(struct qe_lane *lane, const struct qe_mail *mail);
void lane_circuits_forget(struct qe_lane *lane, uint32_t peer);
void lane_circuits_free(struct qe_lane *lane);

// inside.c
void lane_note_inside(struct qe_lane *lane, uint32_t peer, uint32_t number, struct qe_span packet);
// Reads what was noted. To be called when no connection is being read.
void lane_receive_inside(struct qe_lane *lane);
// The same for one of another lane (QE_MAIL_INSIDE).
void lane_on_inside(struct qe_lane *lane, const struct qe_mail *mail);
// What an inner connection wrote goes into its circuit. The buffer stays the caller's.
void lane_send_inside(struct qe_lane *lane, const struct qe_send *send);

// relay_queue.c
// Puts a packet into a circuit at the peer `index`, in this lane or in the one that the peer belongs to. Packets of one
// `source` are of one flow.
void lane_send_into(
    struct qe_lane *lane, uint32_t index, uint32_t number, bool whole, struct qe_span packet, uint32_t source);
// One from another lane (QE_MAIL_RELAYED).
void lane_on_relayed(struct qe_lane *lane, const struct qe_mail *mail);
// Whether the relayed path is to wait before it writes; it is woken when it may.
bool lane_relay_is_full(struct qe_lane *lane, struct lane_path *path);
struct qe_relayed lane_relay_use(const struct lane_peer *peer);
bool lane_relay_waits(const struct lane_peer *peer);
// The next frame for the peer, which stays there until it is taken, or found unfit for the connection; NULL for none.
struct qe_buf *lane_relay_next(struct qe_lane *lane, struct lane_peer *peer);
bool lane_relay_is_whole(const struct qe_buf *frame);
void lane_relay_taken(struct qe_lane *lane, struct lane_peer *peer);
void lane_relay_unfit(struct qe_lane *lane, struct lane_peer *peer);
// There is no direct connection to the peer any more.
void lane_relay_clear(struct qe_lane *lane, struct lane_peer *peer);
void lane_relay_free(struct qe_lane *lane, struct lane_peer *peer);

#endif
