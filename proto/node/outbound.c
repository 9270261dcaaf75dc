// From the TUN to a peer: check, look up, queue, and, when a path can take it, cut to size and hand over. A packet is
// bound to a path at the last moment, and never before the path's congestion controller has room for it.
#include "node/circuits.h"

#include "base/mutants.h"
#include "wire/wire.h"

// What a path carries where a fault forces fragments.
#define FORCED_PIECE 100

static void free_buf(struct qe_lane *lane, struct qe_buf *buf)
{
    lane->host->buf_free(lane->host->user, buf);
}

// Answers a packet that is too large with ICMP, as a router would (RFC 1191, RFC 8201). It speaks in the name of the
// packet's destination: from one of our own addresses the kernel would take it for forged, and drop it.
static void answer_too_big(struct qe_lane *lane, const struct qe_buf *buf, const struct qe_ip *from)
{
    struct qe_buf *reply = qe_pool_take(lane->options.pool, 0);
    if (!reply) return;
    struct qe_span packet = {buf->data + buf->offset, buf->size};
    reply->size = (uint32_t)qe_packet_too_big(packet, from, lane->options.mtu, qe_buf_bytes(reply));
    if (reply->size == 0) {
        qe_pool_untake(lane->options.pool, reply);
        return;
    }
    qe_count(&lane->counters, QE_COUNT_TOO_BIG_SENT);
    lane_deliver(lane, reply, &(struct qe_offload){.kind = QE_OFFLOAD_NONE});
}

// Whether the packet would not fit the overlay. TCP super-packets always do: they are cut to what fits.
static bool too_big(const struct qe_lane *lane, const struct qe_packet_in *in)
{
    switch (in->offload.kind) {
    case QE_OFFLOAD_NONE:
        return in->buf->size > lane->options.mtu;
    case QE_OFFLOAD_UDP4:
    case QE_OFFLOAD_UDP6:
        return in->offload.header_size + (uint32_t)in->offload.segment_size > lane->options.mtu;
    default:
        return false;
    }
}

// The peer that is to have the packet, or why nobody.
static uint32_t destination_peer(const struct qe_lane *lane, const struct qe_packet_info *info, enum qe_counter *reason)
{
    *reason = QE_COUNT_DROP_MULTICAST;
    if (qe_ip_is_multicast(&info->destination)) return QE_PEER_NONE;
    if (qe_snapshot_is_broadcast(lane->snapshot, &info->destination)) return QE_PEER_NONE;
    *reason = QE_COUNT_DROP_TUN_SOURCE;
    if (!qe_snapshot_is_local(lane->snapshot, &info->source) && !QE_MUTANT(tun_source) && !QE_MUTANT(source_unchecked))
        return QE_PEER_NONE;
    *reason = QE_COUNT_DROP_NO_ROUTE;
    return qe_snapshot_route(lane->snapshot, &info->destination);
}

void lane_packet_from_tun(struct qe_lane *lane, struct qe_packet_in *in)
{
    qe_count(&lane->counters, QE_COUNT_TUN_RECEIVED_PACKETS);
    qe_count_by(&lane->counters, QE_COUNT_TUN_RECEIVED_BYTES, in->buf->size);
    lane_forward(lane, in);
}

void lane_forward(struct qe_lane *lane, struct qe_packet_in *in)
{
    struct qe_packet_info info;
    enum qe_counter reason = QE_COUNT_DROP_NOT_IP;
    uint32_t index = QE_PEER_NONE;
    if (lane->snapshot && qe_packet_parse(qe_span(qe_buf_bytes(in->buf), in->buf->size), &info)) {
        index = destination_peer(lane, &info, &reason);
        if (QE_MUTANT(ecn_cleared) && info.version == 6) qe_buf_bytes(in->buf)[1] &= 0xcf;
        if (index != QE_PEER_NONE && too_big(lane, in)) {
            answer_too_big(lane, in->buf, QE_MUTANT(icmp_source) ? &info.source : &info.destination);
            reason = QE_COUNT_DROP_TOO_BIG;
            index = QE_PEER_NONE;
        }
    }
    if (index == QE_PEER_NONE && reason == QE_COUNT_DROP_NO_ROUTE && lane_hold(lane, in, &info.destination)) return;
    if (index == QE_PEER_NONE) {
        lane_drop(lane, reason, QE_PEER_NONE);
        if (!QE_MUTANT(drop_leak)) free_buf(lane, in->buf);
        return;
    }

    struct qe_queue_item item = {in->buf, in->offload};
    uint32_t hash = qe_packet_flow_hash(&info, lane->flow_seed);
    uint8_t home = lane->snapshot->peers[index].lane;
    if (home != lane->options.index) {
        struct qe_mail *mail = qe_mail_post(&lane->host->mem, lane->options.outbox, home, QE_MAIL_PACKET, NULL, 0);
        if (mail) {
            mail->peer = index;
            mail->packet.item = item;
            mail->packet.flow_hash = hash;
            return;
        }
    } else {
        struct lane_peer *peer = lane_peer(lane, index);
        if (peer) {
            lane_enqueue(lane, peer, &item, hash);
            return;
        }
    }
    lane_drop(lane, QE_COUNT_DROP_MEMORY, index);
    free_buf(lane, in->buf);
}

static void on_queue_drop(void *user, struct qe_buf *buf, enum qe_queue_drop why)
{
    struct qe_lane *lane = user;
    lane_drop(lane, why == QE_QUEUE_DROP_CODEL ? QE_COUNT_DROP_QUEUE_CODEL : QE_COUNT_DROP_QUEUE_FULL, QE_PEER_NONE);
    if (!QE_MUTANT(queue_drop_leak)) free_buf(lane, buf);
}

static bool make_queue(struct qe_lane *lane, struct lane_peer *peer)
{
    if (peer->queue) return true;
    const struct qe_queue_options options = {.flow_count = 256,
        .bytes_max = LANE_QUEUE_BYTES_MAX,
        .packets_max = LANE_QUEUE_PACKETS_MAX,
        .target_ns = UINT64_C(5000000),
        .interval_ns = UINT64_C(100000000),
        .quantum = lane->options.mtu};
    const struct qe_queue_owner owner = {lane, on_queue_drop};
    peer->queue = qe_queue_new(&lane->host->mem, &options, &owner);
    return peer->queue != NULL;
}

// Asks the control part for a path, not too often.
static void want_path(struct qe_lane *lane, struct lane_peer *peer)
{
    if (peer->wanted_ns != 0 && lane->now_ns - peer->wanted_ns < LANE_WANTED_INTERVAL_NS) return;
    peer->wanted_ns = lane->now_ns;
    struct qe_mail *mail =
        qe_mail_post(&lane->host->mem, lane->options.outbox, QE_MAIL_CONTROL, QE_MAIL_WANTED, NULL, 0);
    if (mail) mail->peer = peer->index;
}

void lane_enqueue(struct qe_lane *lane, struct lane_peer *peer, struct qe_queue_item *item, uint32_t flow_hash)
{
    enum qe_counter reason = QE_COUNT_DROP_MEMORY;
    bool fits = make_queue(lane, peer);
    if (fits && !peer->active) {
        want_path(lane, peer);
        if (qe_queue_packets(peer->queue) > 0 && lane->now_ns - peer->waiting_since_ns > LANE_WAITING_NS &&
            !QE_MUTANT(stale_kept))
            lane_forget_packets(lane, peer, QE_COUNT_DROP_STALE);
        if (qe_queue_packets(peer->queue) == 0) peer->waiting_since_ns = lane->now_ns;
        reason = QE_COUNT_DROP_NO_PATH;
        fits = qe_queue_packets(peer->queue) < LANE_WAITING_PACKETS_MAX;
    }
    if (fits) {
        reason = QE_COUNT_DROP_MEMORY;
        if (QE_FAULT(lane->host, QUEUE_FULL)) {
            reason = QE_COUNT_DROP_QUEUE_FULL;
            fits = false;
        }
    }
    if (fits) {
        fits = qe_queue_push(peer->queue, item, flow_hash, lane->now_ns) == 0;
    }
    if (!fits) {
        if (!QE_MUTANT(drop_uncounted)) lane_drop(lane, reason, peer->index);
        free_buf(lane, item->buf);
        return;
    }
    if (peer->active && !QE_MUTANT(enqueue_no_wake)) qe_conn_wake(peer->active->conn);
}

void lane_forget_packets(struct qe_lane *lane, struct lane_peer *peer, enum qe_counter reason)
{
    struct qe_queue_item item;
    if (peer->item.buf) {
        lane_drop(lane, reason, peer->index);
        free_buf(lane, peer->item.buf);
        peer->item.buf = NULL;
    }
    peer->offer = LANE_OFFER_NONE;
    peer->out.size = 0;
    while (peer->queue && qe_queue_pop(peer->queue, &item, lane->now_ns)) {
        lane_drop(lane, reason, peer->index);
        free_buf(lane, item.buf);
    }
}

void lane_activate(struct qe_lane *lane, struct lane_peer *peer, struct lane_path *path)
{
    if (peer->active == path) return;
    if (!path || path->relayed) lane_relay_clear(lane, peer);
    bool waited = !peer->active;
    peer->active = path;
    peer->offer = LANE_OFFER_NONE;
    // Pieces belong together by connection: a packet that is half out begins anew, as another one.
    if (peer->out.size > 0 && peer->out.done > 0) {
        peer->out.done = 0;
        peer->out.id++;
    }
    if (!path) {
        peer->waiting_since_ns = lane->now_ns;
        return;
    }
    if (waited && peer->queue && qe_queue_packets(peer->queue) > 0 &&
        lane->now_ns - peer->waiting_since_ns > LANE_WAITING_NS && !QE_MUTANT(stale_kept))
        lane_forget_packets(lane, peer, QE_COUNT_DROP_STALE);
    if (!QE_MUTANT(activate_no_wake)) qe_conn_wake(path->conn);
}

void lane_hand_over(struct qe_lane *lane, struct lane_peer *peer, uint8_t to)
{
    struct qe_queue_item item;
    while (peer->queue && qe_queue_pop(peer->queue, &item, lane->now_ns)) {
        struct qe_packet_info info;
        if (QE_MUTANT(handover_lost)) {
            free_buf(lane, item.buf);
            continue;
        }
        struct qe_mail *mail = qe_mail_post(&lane->host->mem, lane->options.outbox, to, QE_MAIL_PACKET, NULL, 0);
        if (!mail || !qe_packet_parse(qe_span(qe_buf_bytes(item.buf), item.buf->size), &info)) {
            lane_drop(lane, QE_COUNT_DROP_MEMORY, peer->index);
            free_buf(lane, item.buf);
            if (mail) qe_mail_free(lane->host, mail);
            continue;
        }
        mail->peer = peer->index;
        mail->packet.item = item;
        mail->packet.flow_hash = qe_packet_flow_hash(&info, lane->flow_seed);
    }
    // What is half cut stays behind: its sender repeats it.
    lane_forget_packets(lane, peer, QE_COUNT_DROP_STALE);
}

bool lane_echo(struct lane_path *path, uint8_t type, const uint8_t cookie[8])
{
    if (path->echo_count == LANE_ECHO_MAX) return false;
    struct lane_echo *echo = &path->echoes[(path->echo_first + path->echo_count++) % LANE_ECHO_MAX];
    echo->type = type;
    memcpy(echo->cookie, cookie, sizeof echo->cookie);
    qe_conn_wake(path->conn);
    return true;
}

static bool offer_echo(struct lane_path *path, struct qe_datagram_out *out)
{
    const struct lane_echo *echo = &path->echoes[path->echo_first];
    path->echo_frame[0] = echo->type;
    memcpy(path->echo_frame + 1, echo->cookie, sizeof echo->cookie);
    out->pieces[0] = qe_span(path->echo_frame, QE_FRAME_ECHO_SIZE);
    out->piece_count = 1;
    out->carried = echo->type == QE_FRAME_ECHO ? QE_CARRIED_ECHO : QE_CARRIED_ECHO_REPLY;
    return true;
}

static bool offer_fragment(struct lane_peer *peer, size_t size_max, struct qe_datagram_out *out)
{
    struct lane_fragmenting *f = &peer->out;
    if (!qe_fragment_header(f->id, f->done, f->size, size_max, f->header, &f->piece)) return false;
    out->pieces[0] = qe_span(f->header, QE_FRAGMENT_HEADER_SIZE);
    out->pieces[1] = qe_span(f->packet + f->done, f->piece);
    out->piece_count = 2;
    out->carried = f->relayed ? QE_CARRIED_RELAYED : QE_CARRIED_FRAGMENT;
    peer->offer = LANE_OFFER_FRAGMENT;
    return true;
}

// Ends with the packet being cut; it is sent, or cannot be.
static void finish_item(struct qe_lane *lane, struct lane_peer *peer)
{
    if (QE_MUTANT(freed_twice)) free_buf(lane, peer->item.buf);
    free_buf(lane, peer->item.buf);
    peer->item.buf = NULL;
}

// Takes the next packet from the queue and makes it ready to be cut. False where none waits.
static bool start_item(struct qe_lane *lane, struct lane_peer *peer)
{
    while (peer->queue && qe_queue_pop(peer->queue, &peer->item, lane->now_ns)) {
        struct qe_buf *buf = peer->item.buf;
        if (qe_segmenter_init(&peer->cutter, qe_buf_bytes(buf), buf->size, &peer->item.offload)) return true;
        lane_drop(lane, QE_COUNT_DROP_NOT_IP, peer->index);
        finish_item(lane, peer);
    }
    peer->item.buf = NULL;
    return false;
}

// Moves a segment that no single datagram can carry into the fragmenter.
static void start_fragments(struct qe_lane *lane, struct lane_peer *peer, const struct qe_span pieces[2])
{
    struct lane_fragmenting *f = &peer->out;
    size_t size = pieces[0].size + pieces[1].size;
    if (size <= sizeof f->packet) {
        memcpy(f->packet, pieces[0].data, pieces[0].size);
        if (pieces[1].size) memcpy(f->packet + pieces[0].size, pieces[1].data, pieces[1].size);
        f->size = size;
        f->done = 0;
        f->relayed = false;
        if (!QE_MUTANT(fragment_id)) f->id++;
        qe_count(&lane->counters, QE_COUNT_FRAGMENTED_PACKETS);
    } else {
        lane_drop(lane, QE_COUNT_DROP_UNSENDABLE, peer->index);
    }
    qe_segmenter_taken(&peer->cutter);
}

// The next relayed packet, whole or as the first of its pieces. False where there is none.
static bool offer_relayed(struct qe_lane *lane, struct lane_peer *peer, size_t size_max, struct qe_datagram_out *out)
{
    struct lane_fragmenting *f = &peer->out;
    struct qe_buf *buf;
    while ((buf = lane_relay_next(lane, peer))) {
        if (buf->size <= size_max) {
            out->pieces[0] = qe_span(buf->data, buf->size);
            out->piece_count = 1;
            out->carried = QE_CARRIED_RELAYED;
            peer->offer = LANE_OFFER_RELAYED;
            return true;
        }
        if (lane_relay_is_whole(buf) || buf->size > sizeof f->packet) {
            lane_relay_unfit(lane, peer);
            continue;
        }
        memcpy(f->packet, buf->data, buf->size);
        f->size = buf->size;
        f->done = 0;
        f->relayed = true;
        f->id++;
        lane_relay_taken(lane, peer);
        return offer_fragment(peer, size_max, out);
    }
    return false;
}

// Whether it is the turn of relayed packets: they and this node's own take turns.
static bool is_relays_turn(const struct lane_peer *peer)
{
    if (!lane_relay_waits(peer)) return false;
    return peer->relay_turn || !(peer->item.buf || (peer->queue && qe_queue_packets(peer->queue) > 0));
}

bool lane_next_datagram(void *user, struct qe_conn *conn, size_t size_max, struct qe_datagram_out *out)
{
    struct qe_lane *lane = user;
    struct lane_path *path = qe_conn_user(conn);
    struct lane_peer *peer = path ? path->peer : NULL;
    if (!peer) return false;
    if (path->echo_count > 0 && size_max >= QE_FRAME_ECHO_SIZE) {
        if (peer->active == path) peer->offer = LANE_OFFER_ECHO;
        return offer_echo(path, out);
    }
    if (peer->active != path || (path->relayed && lane_relay_is_full(lane, path))) return false;
    peer->offer = LANE_OFFER_NONE;
    for (;;) {
        if (peer->out.size > 0) {
            if (size_max > FORCED_PIECE && QE_FAULT(lane->host, FORCE_FRAGMENTS)) size_max = FORCED_PIECE;
            return offer_fragment(peer, size_max, out);
        }
        if (is_relays_turn(peer) && offer_relayed(lane, peer, size_max, out)) return true;
        if (!peer->item.buf && !start_item(lane, peer)) return false;
        struct qe_span pieces[2] = {{NULL, 0}, {NULL, 0}};
        size_t limit = size_max < lane->options.mtu ? size_max : lane->options.mtu;
        if (limit > FORCED_PIECE && QE_FAULT(lane->host, FORCE_FRAGMENTS)) limit = FORCED_PIECE;
        int count = qe_segmenter_next(&peer->cutter, limit, pieces);
        if (count > 0) {
            out->pieces[0] = pieces[0];
            out->pieces[1] = pieces[1];
            out->piece_count = (size_t)count;
            out->carried = QE_CARRIED_PACKET;
            peer->offer = LANE_OFFER_SEGMENT;
            peer->offered_size = pieces[0].size + pieces[1].size;
            return true;
        }
        if (count < 0)
            start_fragments(lane, peer, pieces);
        else
            finish_item(lane, peer);
    }
}

static void count_sent(struct qe_lane *lane, struct lane_peer *peer, size_t size)
{
    qe_count_by(&lane->counters, QE_COUNT_PACKETS_SENT, QE_MUTANT(sent_twice_counted) ? 2 : 1);
    qe_count_by(&lane->counters, QE_COUNT_BYTES_SENT, size);
    peer->traffic.sent_packets++;
    peer->traffic.sent_bytes += size;
}

void lane_datagram_taken(void *user, struct qe_conn *conn)
{
    struct qe_lane *lane = user;
    struct lane_path *path = qe_conn_user(conn);
    struct lane_peer *peer = path->peer;
    if (peer->active != path || peer->offer == LANE_OFFER_ECHO) {
        path->echo_first = (path->echo_first + 1) % LANE_ECHO_MAX;
        path->echo_count--;
    } else if (peer->offer == LANE_OFFER_SEGMENT) {
        count_sent(lane, peer, peer->offered_size);
        if (!QE_MUTANT(datagram_twice) || peer->traffic.sent_packets % 32 != 7) qe_segmenter_taken(&peer->cutter);
        if (qe_segmenter_finished(&peer->cutter)) finish_item(lane, peer);
        peer->relay_turn = true;
    } else if (peer->offer == LANE_OFFER_RELAYED) {
        lane_relay_taken(lane, peer);
        peer->relay_turn = false;
    } else if (peer->offer == LANE_OFFER_FRAGMENT) {
        peer->out.done += peer->out.piece;
        if (peer->out.done >= peer->out.size) {
            if (!peer->out.relayed) count_sent(lane, peer, peer->out.size);
            peer->relay_turn = !peer->out.relayed;
            peer->out.size = 0;
        }
    }
    peer->offer = LANE_OFFER_NONE;
}
