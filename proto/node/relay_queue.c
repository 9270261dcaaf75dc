// Relayed packets that wait for an outer connection. All of a peer's wait in one queue in which every source has a flow
// of its own (FQ-CoDel): so sources share the connection evenly, and a long queue is told by losses to the congestion
// control that made it. An inner connection that ends here is not let write while its own packets wait: what it has to
// send stays in its peer's queue, where flow is still told from flow.
#include "node/circuits.h"

#include "base/mutants.h"
#include "wire/relay.h"

// Flows of a queue: as many sources go without sharing one.
#define SOURCES 64
// Of one peer.
#define QUEUE_BYTES_MAX   (1u << 20)
#define QUEUE_PACKETS_MAX 1024
// Of all peers of the lane.
#define ALL_BYTES_MAX ((size_t)64 << 20)
// While so many wait, inner connections that go by that queue do not write.
#define BACKLOG 16

// A relayed packet in memory of the node's own: the host's buffers are few and large.
struct frame {
    struct qe_buf buf;
    uint8_t bytes[];
};

static struct qe_buf *frame_new(struct qe_lane *lane, uint32_t circuit, bool whole, struct qe_span packet)
{
    uint32_t size = (uint32_t)(QE_RELAYED_HEADER_SIZE + packet.size);
    if (lane->relayed_bytes + size > ALL_BYTES_MAX) return NULL;
    struct frame *frame = qe_alloc(&lane->host->mem, sizeof *frame + size);
    if (!frame) return NULL;
    frame->buf = (struct qe_buf){.data = frame->bytes, .capacity = size, .size = size};
    qe_relayed_header(circuit, whole, frame->bytes);
    memcpy(frame->bytes + QE_RELAYED_HEADER_SIZE, packet.data, packet.size);
    lane->relayed_bytes += size;
    return &frame->buf;
}

static void frame_free(struct qe_lane *lane, struct qe_buf *buf)
{
    lane->relayed_bytes -= buf->size;
    qe_free(&lane->host->mem, qe_container(buf, struct frame, buf));
}

static void drop_frame(struct qe_lane *lane, struct qe_buf *buf, enum qe_counter reason, uint32_t peer)
{
    lane_drop(lane, reason, peer);
    frame_free(lane, buf);
}

static void on_queue_drop(void *user, struct qe_buf *buf, enum qe_queue_drop why)
{
    struct lane_relay *relay = user;
    (void)why;
    drop_frame(relay->lane, buf, QE_COUNT_DROP_RELAY_QUEUE, relay->peer->index);
    relay->peer->relayed.dropped_packets++;
}

// What is relayed with a peer; made when there is something to queue.
static struct lane_relay *relay_of(struct qe_lane *lane, struct lane_peer *peer)
{
    if (peer->relay) return peer->relay;
    struct lane_relay *relay = qe_zalloc(&lane->host->mem, 1, sizeof *relay);
    if (!relay) return NULL;
    const struct qe_queue_options options = {.flow_count = SOURCES,
        .bytes_max = QUEUE_BYTES_MAX,
        .packets_max = QUEUE_PACKETS_MAX,
        .quantum = QE_RELAYED_PACKET_MAX};
    const struct qe_queue_owner owner = {relay, on_queue_drop};
    relay->lane = lane;
    relay->peer = peer;
    qe_list_init(&relay->held);
    relay->queue = qe_queue_new(&lane->host->mem, &options, &owner);
    if (!relay->queue) {
        qe_free(&lane->host->mem, relay);
        return NULL;
    }
    peer->relay = relay;
    return relay;
}

static bool can_relay(const struct lane_peer *peer)
{
    return peer->active && !peer->active->relayed && peer->active->conn;
}

static void wake_held(struct lane_relay *relay)
{
    while (!qe_list_empty(&relay->held)) {
        struct lane_path *path = qe_container(relay->held.next, struct lane_path, held);
        qe_list_remove(&path->held);
        if (path->conn) qe_conn_wake(path->conn);
    }
}

// Takes the frame.
static void enqueue(struct qe_lane *lane, struct lane_peer *peer, struct qe_buf *buf, uint32_t flow_hash)
{
    struct lane_relay *relay = can_relay(peer) ? relay_of(lane, peer) : NULL;
    const struct qe_queue_item item = {.buf = buf};
    if (!relay || qe_queue_push(relay->queue, &item, flow_hash, lane->now_ns) != 0) {
        drop_frame(lane, buf, QE_COUNT_DROP_RELAY_QUEUE, peer->index);
        return;
    }
    qe_conn_wake(peer->active->conn);
}

// Each source has a flow of its own, and none has to do with what the packets say.
static uint32_t flow_of(uint32_t source)
{
    return source % SOURCES * (UINT32_MAX / SOURCES + 1);
}

void lane_send_into(
    struct qe_lane *lane, uint32_t index, uint32_t number, bool whole, struct qe_span packet, uint32_t source)
{
    struct lane_peer *peer = lane_peer(lane, index);
    struct qe_buf *buf = peer ? frame_new(lane, number, whole, packet) : NULL;
    if (!buf) {
        lane_drop(lane, QE_COUNT_DROP_RELAY_QUEUE, index);
        return;
    }
    uint8_t home = lane->snapshot->peers[index].lane;
    if (home == lane->options.index) {
        enqueue(lane, peer, buf, flow_of(source));
        return;
    }
    struct qe_mail *mail =
        qe_mail_post(&lane->host->mem, lane->options.outbox, home, QE_MAIL_RELAYED, buf->data, buf->size);
    if (mail) {
        mail->peer = index;
        mail->cookie = flow_of(source);
    }
    frame_free(lane, buf);
}

void lane_on_relayed(struct qe_lane *lane, const struct qe_mail *mail)
{
    struct lane_peer *peer = lane_peer(lane, mail->peer);
    uint32_t circuit;
    bool whole;
    struct qe_span packet;
    if (!qe_relayed_read(qe_span(mail->bytes, mail->size), &circuit, &whole, &packet)) return;
    struct qe_buf *buf = peer ? frame_new(lane, circuit, whole, packet) : NULL;
    if (buf)
        enqueue(lane, peer, buf, (uint32_t)mail->cookie);
    else
        lane_drop(lane, QE_COUNT_DROP_RELAY_QUEUE, mail->peer);
}

bool lane_relay_is_full(struct qe_lane *lane, struct lane_path *path)
{
    uint32_t index = path->gateway;
    struct lane_relay *relay = index < lane->peer_slots && lane->peers[index] ? lane->peers[index]->relay : NULL;
    if (!relay || qe_queue_packets(relay->queue) < BACKLOG) return false;
    if (qe_list_empty(&path->held)) qe_list_append(&relay->held, &path->held);
    return true;
}

struct qe_relayed lane_relay_use(const struct lane_peer *peer)
{
    struct qe_relayed use = peer->relayed;
    use.waiting_bytes = peer->relay ? qe_queue_bytes(peer->relay->queue) : 0;
    return use;
}

bool lane_relay_waits(const struct lane_peer *peer)
{
    const struct lane_relay *relay = peer->relay;
    return relay && (relay->item.buf || qe_queue_packets(relay->queue) > 0);
}

struct qe_buf *lane_relay_next(struct qe_lane *lane, struct lane_peer *peer)
{
    struct lane_relay *relay = peer->relay;
    if (!relay->item.buf && !qe_queue_pop(relay->queue, &relay->item, lane->now_ns)) relay->item.buf = NULL;
    return relay->item.buf;
}

bool lane_relay_is_whole(const struct qe_buf *frame)
{
    return (qe_load32(frame->data) & QE_RELAYED_WHOLE) != 0;
}

void lane_relay_taken(struct qe_lane *lane, struct lane_peer *peer)
{
    struct lane_relay *relay = peer->relay;
    frame_free(lane, relay->item.buf);
    relay->item.buf = NULL;
    if (qe_queue_packets(relay->queue) <= BACKLOG / 2) wake_held(relay);
}

void lane_relay_unfit(struct qe_lane *lane, struct lane_peer *peer)
{
    lane_drop(lane, QE_COUNT_DROP_RELAY_SIZE, peer->index);
    lane_relay_taken(lane, peer);
}

void lane_relay_clear(struct qe_lane *lane, struct lane_peer *peer)
{
    struct lane_relay *relay = peer->relay;
    struct qe_queue_item item;
    if (!relay) return;
    if (peer->out.relayed) peer->out.size = 0;
    if (relay->item.buf) drop_frame(lane, relay->item.buf, QE_COUNT_DROP_RELAY_QUEUE, peer->index);
    relay->item.buf = NULL;
    while (qe_queue_pop(relay->queue, &item, lane->now_ns))
        drop_frame(lane, item.buf, QE_COUNT_DROP_RELAY_QUEUE, peer->index);
    wake_held(relay);
}

void lane_relay_free(struct qe_lane *lane, struct lane_peer *peer)
{
    struct lane_relay *relay = peer->relay;
    if (!relay) return;
    lane_relay_clear(lane, peer);
    qe_queue_free(relay->queue);
    qe_free(&lane->host->mem, relay);
    peer->relay = NULL;
}
