// From a peer to the TUN: only what its sender may say, only to us, joined where it came in runs. Whatever else arrives
// is counted and dropped.
#include "node/circuits.h"

#include "base/mutants.h"
#include "wire/wire.h"

// Whether the peer may use that source address: the route back to it leads to this peer. The last address that passed
// is remembered, because packets come in runs.
static bool source_allowed(struct qe_lane *lane, struct lane_peer *peer, const struct qe_ip *source)
{
    uint64_t generation = lane->snapshot->generation;
    if (peer->checked_generation == generation && qe_ip_equal(&peer->checked_source, source)) return true;
    if (!qe_snapshot_may_send(lane->snapshot, peer->index, source) && !QE_MUTANT(source_unchecked)) return false;
    peer->checked_source = *source;
    peer->checked_generation = generation;
    return true;
}

// A peer's packets that leave one path for another tell that the peer has lost the first one, before this node's own
// packets there have gone unanswered for long enough. Which paths there are, in whatever lane, the control part knows.
static void note_packet(struct qe_lane *lane, struct lane_path *path)
{
    uint64_t before_ns = path->packet_ns;
    path->packet_ns = lane->now_ns;
    if (path == path->peer->active || !path->told || lane->now_ns - before_ns < LANE_DOUBT_NS) return;
    struct qe_mail *mail =
        qe_mail_post(&lane->host->mem, lane->options.outbox, QE_MAIL_CONTROL, QE_MAIL_BEGUN, NULL, 0);
    if (!mail) return; // silence tells as much, later
    mail->path = path->id;
    mail->peer = path->peer->index;
    mail->cookie = before_ns;
}

static void receive_packet(struct qe_lane *lane, struct lane_peer *peer, struct qe_span packet)
{
    struct qe_packet_info info;
    if (!qe_packet_parse(packet, &info)) {
        lane_drop(lane, QE_COUNT_DROP_MALFORMED, peer->index);
        return;
    }
    if (!source_allowed(lane, peer, &info.source)) {
        lane_drop(lane, QE_COUNT_DROP_SOURCE, peer->index);
        return;
    }
    if (!qe_snapshot_is_local(lane->snapshot, &info.destination)) {
        lane_drop(lane, QE_COUNT_DROP_NOT_LOCAL, peer->index);
        return;
    }
    packet.size = info.size;
    if (QE_FAULT(lane->host, NO_DELIVERY_BUFFER) || !qe_coalescer_add(lane->coalescer, packet)) {
        lane_drop(lane, QE_COUNT_DROP_NO_BUFFER, peer->index);
        return;
    }
    if (QE_FAULT(lane->host, FLUSH_EACH)) qe_coalescer_flush(lane->coalescer);
    qe_count(&lane->counters, QE_COUNT_PACKETS_RECEIVED);
    qe_count_by(&lane->counters, QE_COUNT_BYTES_RECEIVED, packet.size);
    peer->traffic.received_packets++;
    peer->traffic.received_bytes += packet.size;
}

// A packet's pieces all come over one connection (outbound.c). So what a peer began before it restarted is never taken
// for a part of what it sends now, though it numbers its packets from the start again.
static void receive_fragment(struct qe_lane *lane, struct lane_path *path, struct qe_span frame)
{
    struct lane_peer *peer = path->peer;
    struct qe_span packet;
    if (!path->in) path->in = qe_reassembler_new(&lane->host->mem);
    if (!path->in) {
        lane_drop(lane, QE_COUNT_DROP_MEMORY, peer->index);
        return;
    }
    switch (qe_reassembler_add(path->in, frame, &packet, lane->now_ns)) {
    case QE_REASSEMBLY_WAITING:
        return;
    case QE_REASSEMBLY_COMPLETE:
        if (packet.size > 0 && packet.data[0] == QE_FRAME_RELAYED) {
            lane_relayed(lane, path, packet);
            return;
        }
        qe_count(&lane->counters, QE_COUNT_REASSEMBLED_PACKETS);
        note_packet(lane, path);
        receive_packet(lane, peer, packet);
        return;
    case QE_REASSEMBLY_MALFORMED:
        lane_drop(lane, QE_COUNT_DROP_MALFORMED, peer->index);
        return;
    case QE_REASSEMBLY_MEMORY:
        lane_drop(lane, QE_COUNT_DROP_MEMORY, peer->index);
        return;
    }
}

static void receive_echo_reply(struct qe_lane *lane, struct lane_path *path, struct qe_span frame)
{
    struct qe_mail *mail =
        qe_mail_post(&lane->host->mem, lane->options.outbox, QE_MAIL_CONTROL, QE_MAIL_ECHO_REPLY, NULL, 0);
    if (!mail) {
        lane_drop(lane, QE_COUNT_DROP_MEMORY, path->peer->index);
        return;
    }
    mail->path = path->id;
    mail->peer = path->peer->index;
    mail->cookie = qe_load64(frame.data + 1);
}

void lane_datagram(void *user, struct qe_conn *conn, struct qe_span bytes, uint8_t ecn, bool early)
{
    (void)ecn; // the path's congestion controller has seen it
    struct qe_lane *lane = user;
    struct lane_path *path = qe_conn_user(conn);
    struct lane_peer *peer = path ? path->peer : NULL;
    if (!peer || early || path->gated || !lane->snapshot) {
        lane_drop(lane, QE_COUNT_DROP_EARLY, peer ? peer->index : QE_PEER_NONE);
        return;
    }
    uint8_t type = bytes.size ? bytes.data[0] : 0;
    if (type >> 4 == 4 || type >> 4 == 6) {
        note_packet(lane, path);
        receive_packet(lane, peer, bytes);
    } else if (type == QE_FRAME_FRAGMENT) {
        receive_fragment(lane, path, bytes);
    } else if (type == QE_FRAME_RELAYED) {
        lane_relayed(lane, path, bytes);
    } else if (type == QE_FRAME_ECHO || type == QE_FRAME_ECHO_REPLY) {
        if (bytes.size != QE_FRAME_ECHO_SIZE) {
            lane_drop(lane, QE_COUNT_DROP_MALFORMED, peer->index);
        } else if (type == QE_FRAME_ECHO_REPLY) {
            receive_echo_reply(lane, path, bytes);
        } else if (lane_echo(path, QE_FRAME_ECHO_REPLY, bytes.data + 1)) {
            qe_count(&lane->counters, QE_COUNT_ECHO_REQUESTS);
        } else {
            lane_drop(lane, QE_COUNT_DROP_ECHO, peer->index);
        }
    } else {
        lane_drop(lane, bytes.size ? QE_COUNT_DROP_UNKNOWN_FRAME : QE_COUNT_DROP_MALFORMED, peer->index);
    }
}
