// Packets of this node's own inner connections, which enter and leave circuits here. They are read when the outer
// connection that brought them has been read: QUIC is not to be entered twice.
#include "node/circuits.h"

#include "wire/relay.h"

void lane_note_inside(struct qe_lane *lane, uint32_t peer, uint32_t number, struct qe_span packet)
{
    struct lane_inside *in = lane->inside;
    if (!in) {
        in = lane->inside = qe_alloc(&lane->host->mem, sizeof *in);
        if (in) in->count = in->size = 0;
    }
    if (!in || in->count == LANE_INSIDE_MAX || in->size + packet.size > sizeof in->bytes) {
        lane_drop(lane, QE_COUNT_DROP_RELAY_QUEUE, peer);
        return;
    }
    in->packets[in->count++] = (struct lane_inside_packet){peer, number, (uint32_t)in->size, (uint32_t)packet.size};
    memcpy(in->bytes + in->size, packet.data, packet.size);
    in->size += packet.size;
}

// Which lane's connection the packet is for, where its connection ID says so.
static uint8_t lane_of(const struct qe_lane *lane, const uint8_t *bytes, size_t size)
{
    const uint8_t *id = bytes + 1;
    if (size < 6 + QE_CID_SIZE) return lane->options.index;
    if (bytes[0] & 0x80) {
        if (bytes[5] != QE_CID_SIZE) return lane->options.index;
        id = bytes + 6;
    }
    return id[0] < 0x80 ? lane->options.index : (uint8_t)((id[0] & 0x1f) % lane->options.lane_count);
}

static void receive_inside(
    struct qe_lane *lane, const struct qe_addr *from, const uint8_t *bytes, size_t size, size_t segment)
{
    const struct qe_datagrams in = {.socket = QE_QUIC_INSIDE,
        .remote = *from,
        .bytes = bytes,
        .size = (uint32_t)size,
        .segment_size = (uint16_t)segment};
    qe_quic_receive(lane->quic, &in, lane->now_ns, lane->wall_ms);
}

void lane_on_inside(struct qe_lane *lane, const struct qe_mail *mail)
{
    receive_inside(lane, &mail->from, mail->bytes, mail->size, mail->size);
    qe_coalescer_flush(lane->coalescer);
}

void lane_receive_inside(struct qe_lane *lane)
{
    struct lane_inside *in = lane->inside;
    for (size_t i = 0, next; in && i < in->count; i = next) {
        const struct lane_inside_packet *first = &in->packets[i];
        const uint8_t *bytes = in->bytes + first->at;
        const struct qe_addr from = qe_circuit_addr(first->peer, first->number);
        uint8_t home = lane_of(lane, bytes, first->size);
        size_t size = first->size;
        next = i + 1;
        if (home != lane->options.index) {
            struct qe_mail *mail =
                qe_mail_post(&lane->host->mem, lane->options.outbox, home, QE_MAIL_INSIDE, bytes, size);
            if (mail) mail->from = from;
            continue;
        }
        // What came in a run is read as one.
        for (; next < in->count && in->packets[next].peer == first->peer && in->packets[next].number == first->number &&
               in->packets[next - 1].size == first->size && in->packets[next].size <= first->size &&
               lane_of(lane, in->bytes + in->packets[next].at, in->packets[next].size) == home;
             next++)
            size += in->packets[next].size;
        receive_inside(lane, &from, bytes, size, first->size);
    }
    // Most nodes never relay again: nothing of it is kept.
    qe_free(&lane->host->mem, in);
    lane->inside = NULL;
}

void lane_send_inside(struct qe_lane *lane, const struct qe_send *send)
{
    uint32_t index = qe_circuit_gateway(&send->remote), number = qe_circuit_number(&send->remote);
    const uint8_t *bytes = qe_buf_bytes(send->buf);
    const struct lane_circuit *circuit = lane_circuit(lane, index, number);
    if (!circuit || !circuit->ends || !lane->snapshot || !qe_snapshot_knows(lane->snapshot, index)) {
        lane_drop(lane, QE_COUNT_DROP_CIRCUIT, index);
        return;
    }
    for (uint32_t at = 0; at < send->buf->size; at += send->segment_size) {
        uint32_t left = send->buf->size - at;
        uint32_t size = left < send->segment_size ? left : send->segment_size;
        lane_send_into(lane, index, number, send->whole, qe_span(bytes + at, size), number >> 1);
    }
}
