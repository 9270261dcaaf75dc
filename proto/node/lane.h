// A lane: one independent part of the data plane. It owns its QUIC connections and the queues of the peers that belong
// to it, reads the forwarding snapshot, and talks to the control part by letters alone. Same shape as the node: step,
// next, deadline.
#ifndef QE_NODE_LANE_H
#define QE_NODE_LANE_H

#include "node/action.h"
#include "node/event.h"
#include "node/host.h"
#include "node/mail.h"
#include "node/pool.h"

struct qe_lane;

struct qe_lane_options {
    const struct qe_host *host;
    struct qe_pool *pool;
    struct qe_list *outbox; // where its letters go
    uint8_t index, lane_count;
    uint16_t mtu; // of the overlay
    uint32_t connections_max;
};

int qe_lane_new(struct qe_lane **lane, const struct qe_lane_options *options, uint64_t now_ns, uint64_t wall_ms);
void qe_lane_free(struct qe_lane *lane);

// Handles DATAGRAMS (QUIC ones), PACKETS and TIMEOUT events.
void qe_lane_step(struct qe_lane *lane, const struct qe_event *event);
// Reads a letter. True: it is kept; false: the caller frees it.
bool qe_lane_read(struct qe_lane *lane, struct qe_mail *mail, uint64_t now_ns, uint64_t wall_ms);
// The next send or delivery.
bool qe_lane_next(struct qe_lane *lane, struct qe_action *action, uint64_t now_ns, uint64_t wall_ms);
uint64_t qe_lane_deadline(const struct qe_lane *lane);
// Nothing waits to be written, not even a goodbye.
bool qe_lane_quiet(const struct qe_lane *lane);

#endif
