// Writing: packets of one connection back to back into one buffer, equal in size so that the kernel can cut them apart
// again (UDP_SEGMENT): a smaller one may end the batch, a larger one never follows. ngtcp2 says when its window and its
// pacer allow a packet; datagrams are asked of the owner only then, so that what waits, waits in the owner's queue.
#include "quic/internal.h"

#include <assert.h>

#define BATCH_MAX 65000
// However slow the path, this many packets may go at a time.
#define BURST_PACKETS_MIN 4
// A packet shorter than the batch's by no more than this is padded: the first one often carries an acknowledgement too,
// and a batch that ended for those few bytes would cost far more than they do.
#define PADDING_MAX 48
// The least that a packet adds to its frames: first byte, connection ID, packet number, tag.
#define OVERHEAD_MIN (1 + QE_CID_SIZE + 1 + 16)

struct batch {
    uint8_t *at;
    size_t left;
    size_t segment; // size of the first packet; 0: none yet
    size_t count;
    uint64_t others_ns; // the next deadline but for the pacer's, where all was said; else 0
    struct qe_send to;
};

// The packet at hand carries that, too.
static void note(struct qe_conn *conn, enum qe_carried what)
{
    if (conn->quic->carried) conn->quic->carried->packet |= UINT64_C(1) << what;
}

static ngtcp2_ssize write_control(
    struct qe_conn *conn, struct batch *batch, size_t room, ngtcp2_path *path, ngtcp2_pkt_info *info)
{
    ngtcp2_ssize taken = -1;
    struct qe_span bytes = qe_control_next(&conn->control, conn->complete);
    if (bytes.size > 1 && QE_FAULT(conn->quic->host, CONTROL_BYTEWISE)) bytes.size = 1;
    const ngtcp2_vec vec = {(uint8_t *)(uintptr_t)bytes.data, bytes.size};
    ngtcp2_ssize size = ngtcp2_conn_writev_stream(conn->ng, path, info, batch->at, room, &taken,
        NGTCP2_WRITE_STREAM_FLAG_NONE, conn->control.stream, &vec, 1, conn->quic->now_ns);
    if (taken >= 0) qe_control_on_sent(&conn->control, (size_t)taken);
    return size;
}

static bool control_waits(const struct qe_conn *conn)
{
    const struct qe_control *control = &conn->control;
    if (control->stream == -1 || control->blocked) return false;
    return (control->greet && conn->complete) || qe_control_next(control, conn->complete).size > 0;
}

// Writes one packet with as many datagrams as fit. Several only where the owner's are small: asking ngtcp2 twice for
// each packet costs more than it gains where the second never fits.
static ngtcp2_ssize write_datagrams(
    struct qe_conn *conn, struct batch *batch, size_t room, ngtcp2_path *path, ngtcp2_pkt_info *info)
{
    const struct qe_quic_owner *owner = &conn->quic->options.owner;
    size_t used = 0;
    for (;;) {
        struct qe_datagram_out offer;
        ngtcp2_vec vec[4];
        size_t size = 0;
        int accepted = 0;
        if (conn->over || !owner->next_datagram(owner->user, conn, conn->datagram_max, &offer)) {
            conn->wanted = false;
            break;
        }
        assert(offer.piece_count <= 4);
        for (size_t i = 0; i < offer.piece_count; i++) {
            vec[i] = (ngtcp2_vec){(uint8_t *)(uintptr_t)offer.pieces[i].data, offer.pieces[i].size};
            size += offer.pieces[i].size;
        }
        assert(size <= conn->datagram_max);
        used += size + 3;
        uint32_t flags = NGTCP2_WRITE_DATAGRAM_FLAG_NONE;
        if (used + size + 3 <= conn->datagram_max)
            flags = NGTCP2_WRITE_DATAGRAM_FLAG_MORE;
        else if (batch->count && used + OVERHEAD_MIN + PADDING_MAX >= room)
            flags = NGTCP2_WRITE_DATAGRAM_FLAG_PADDING;
        ngtcp2_ssize written = ngtcp2_conn_writev_datagram(
            conn->ng, path, info, batch->at, room, &accepted, flags, 0, vec, offer.piece_count, conn->quic->now_ns);
        if (accepted) {
            conn->ping = false;
            note(conn, offer.carried);
            owner->datagram_taken(owner->user, conn);
        }
        if (written != NGTCP2_ERR_WRITE_MORE) return written;
    }
    return ngtcp2_conn_writev_stream(
        conn->ng, path, info, batch->at, room, NULL, NGTCP2_WRITE_STREAM_FLAG_NONE, -1, NULL, 0, conn->quic->now_ns);
}

// ngtcp2 sends no PING on demand; an empty DATAGRAM frame asks for an acknowledgement as well, and is as short.
static ngtcp2_ssize write_ping(
    struct qe_conn *conn, struct batch *batch, size_t room, ngtcp2_path *path, ngtcp2_pkt_info *info)
{
    int accepted = 0;
    ngtcp2_ssize size = ngtcp2_conn_writev_datagram(conn->ng, path, info, batch->at, room, &accepted,
        NGTCP2_WRITE_DATAGRAM_FLAG_NONE, 0, NULL, 0, conn->quic->now_ns);
    if (accepted) {
        conn->ping = false;
        note(conn, QE_CARRIED_PING);
    }
    return size;
}

// One packet, or 0 where there is nothing to say or no leave to say it. Control comes before data, so that no amount of
// data can starve it.
static ngtcp2_ssize write_packet(
    struct qe_conn *conn, struct batch *batch, size_t room, ngtcp2_path *path, ngtcp2_pkt_info *info)
{
    if (control_waits(conn)) {
        ngtcp2_ssize size = write_control(conn, batch, room, path, info);
        if (size != NGTCP2_ERR_STREAM_DATA_BLOCKED) return size;
        conn->control.blocked = true;
    }
    if (conn->wanted && conn->established && conn->datagram_max > 0)
        return write_datagrams(conn, batch, room, path, info);
    if (conn->ping && conn->established && conn->datagram_max > 0) return write_ping(conn, batch, room, path, info);
    return ngtcp2_conn_writev_stream(
        conn->ng, path, info, batch->at, room, NULL, NGTCP2_WRITE_STREAM_FLAG_NONE, -1, NULL, 0, conn->quic->now_ns);
}

static bool same_address(const ngtcp2_addr *a, const ngtcp2_addr *b)
{
    return a->addrlen == b->addrlen && memcmp(a->addr, b->addr, a->addrlen) == 0;
}

static bool same_path(const ngtcp2_path *a, const ngtcp2_path *b)
{
    return a->user_data == b->user_data && same_address(&a->remote, &b->remote) && same_address(&a->local, &b->local);
}

// A packet that goes another way than the batch (a path's validation, a change of ECN marks) waits for the next turn.
static void put_aside(
    struct qe_conn *conn, const struct batch *batch, size_t size, const ngtcp2_path *path, uint8_t ecn)
{
    struct qe_quic *quic = conn->quic;
    quic->stray_to = (struct qe_send){.ecn = ecn};
    qe_conn_route(conn, path, &quic->stray_to);
    quic->stray_size = (uint32_t)size;
    memcpy(quic->stray, batch->at, size);
    if (quic->carried) quic->carried->stray = quic->carried->packet;
}

// Whether there is something that the connection's owner or its control stream wants to say.
static bool more_waits(struct qe_conn *conn)
{
    const struct qe_quic_owner *owner = &conn->quic->options.owner;
    struct qe_datagram_out offer;
    if (conn->ping || control_waits(conn)) return true;
    if (conn->wanted && conn->established && conn->datagram_max > 0 &&
        !owner->next_datagram(owner->user, conn, conn->datagram_max, &offer))
        conn->wanted = false;
    return conn->wanted;
}

static void note_probe(struct qe_conn *conn, size_t size)
{
    note(conn, QE_CARRIED_MTU_PROBE);
    conn->mtu_probe_bytes += size;
    conn->mtu_probe_new += size;
}

// Fills the batch. 0: there may be more to write; 1: there is not, for now; else ngtcp2's error.
static int fill(struct qe_conn *conn, struct batch *batch)
{
    ngtcp2_path_storage first, later;
    const size_t room_max = ngtcp2_conn_get_max_tx_udp_payload_size2(conn->ng);
    const size_t path_max = ngtcp2_conn_get_path_max_tx_udp_payload_size2(conn->ng);
    ngtcp2_path_storage_zero(&first);
    ngtcp2_path_storage_zero(&later);
    for (;;) {
        ngtcp2_pkt_info info = {0};
        ngtcp2_path *path = batch->count ? &later.path : &first.path;
        // What is left, if anything, is ngtcp2's own, and may be larger than the packets before it.
        size_t room = batch->count && more_waits(conn) ? batch->segment : room_max;
        if (batch->left < room) return 0;
        if (conn->quic->carried) conn->quic->carried->packet = 0;
        ngtcp2_ssize written = write_packet(conn, batch, room, path, &info);
        if (written < 0) return (int)written;
        // Too little room looks like nothing to say; only a full-sized try tells.
        if (written == 0) return room < path_max ? 0 : 1;
        size_t size = (size_t)written;
        const bool probe = size > path_max;
        if (probe) note_probe(conn, size);
        if (batch->count == 0) {
            batch->to.whole = probe;
            batch->segment = size;
            batch->to.ecn = (uint8_t)info.ecn;
            qe_conn_route(conn, path, &batch->to);
        } else if (size > batch->segment || info.ecn != batch->to.ecn || !same_path(&later.path, &first.path)) {
            put_aside(conn, batch, size, path, (uint8_t)info.ecn);
            conn->quic->stray_to.whole = probe;
            return 0;
        }
        if (conn->quic->carried) conn->quic->carried->batch[batch->count] = conn->quic->carried->packet;
        batch->at += size;
        batch->left -= size;
        batch->count++;
        // A probe of a larger path MTU travels alone: whoever finds it too big drops the batch with it.
        if (probe || size != batch->segment || batch->count == QE_SEGMENTS_MAX) return 0;
        if (QE_FAULT(conn->quic->host, BATCH_OF_ONE)) return 0;
    }
}

// How much may go at a time: a batch that ended early, for its packets' sizes, leaves the rest to the next one.
static size_t burst_left(const struct qe_conn *conn)
{
    const uint64_t min = BURST_PACKETS_MIN * (uint64_t)ngtcp2_conn_get_max_tx_udp_payload_size2(conn->ng);
    uint64_t burst = conn->burst_bytes > min ? conn->burst_bytes : min;
    uint64_t quantum = ngtcp2_conn_get_send_quantum2(conn->ng);
    if (burst > quantum) burst = quantum;
    return burst > conn->burst_used ? (size_t)(burst - conn->burst_used) : 0;
}

// Writes what there is into `batch`. 0: there may be more; 1: there is not, for now; else ngtcp2's error.
static int write_batch(struct qe_conn *conn, struct batch *batch)
{
    const size_t left = batch->left;
    conn->datagram_max = qe_conn_datagram_max(conn);
    conn->busy = true;
    int rv = qe_conn_catch_up(conn);
    if (rv == 0) rv = fill(conn, batch);
    conn->burst_used += left - batch->left;
    // All is said: whoever has more to say comes by himself, and the end of the pacer's wait need not wake anybody.
    batch->others_ns = rv == 1 && batch->count ? ngtcp2_conn_get_expiry2(conn->ng) : 0;
    // The pacer counts from the end of a burst.
    if (rv != 0 || burst_left(conn) < ngtcp2_conn_get_max_tx_udp_payload_size2(conn->ng)) {
        ngtcp2_conn_update_pkt_tx_time(conn->ng, conn->quic->now_ns);
        conn->burst_used = 0;
    }
    conn->busy = false;
    return rv;
}

static void schedule(struct qe_conn *conn, const struct batch *batch)
{
    uint64_t next_ns = ngtcp2_conn_get_expiry2(conn->ng);
    if (next_ns < batch->others_ns && next_ns > conn->quic->now_ns) {
        conn->pacer_ns = next_ns;
        qe_conn_schedule_at(conn, batch->others_ns);
        return;
    }
    qe_conn_schedule(conn);
}

// Faults that a live connection may have at any time.
static void disturb(struct qe_conn *conn)
{
    const struct qe_quic *quic = conn->quic;
    if (!conn->confirmed) return;
    if (qe_conn_catch_up(conn) != 0) return;
    if (QE_FAULT(quic->host, KEY_UPDATE)) (void)ngtcp2_conn_initiate_key_update(conn->ng, quic->now_ns);
    if (!conn->client || !QE_FAULT(quic->host, NEW_CONNECTION_ID)) return;
    const struct qe_binding *here = &conn->bindings[conn->binding];
    const struct qe_conn_place place = {.socket = here->socket, .interface = here->interface, .local = here->local};
    (void)qe_conn_migrate(conn, &place, quic->now_ns, quic->wall_ms);
}

bool qe_conn_write(struct qe_conn *conn, struct qe_buf *buf, struct qe_send *out)
{
    struct qe_quic *quic = conn->quic;
    if (quic->host->fault) disturb(conn);
    if (!conn->ng) return false;
    const size_t burst = burst_left(conn);
    size_t room = buf->capacity - buf->offset;
    if (room > BATCH_MAX) room = BATCH_MAX;
    assert(room >= QE_PAYLOAD_MAX_IP4 && quic->stray_size == 0);
    struct batch batch = {.at = qe_buf_bytes(buf), .left = room < burst ? room : burst};

    int rv = write_batch(conn, &batch);
    if (rv < 0) qe_conn_fail(conn, rv);
    qe_conn_look(conn);
    if (rv == 0)
        qe_conn_ready(conn);
    else
        schedule(conn, &batch);
    qe_conn_settle(conn);

    if (batch.count == 0) return false;
    buf->size = (uint32_t)(batch.at - qe_buf_bytes(buf));
    *out = batch.to;
    out->buf = buf;
    out->segment_size = (uint16_t)batch.segment;
    if (quic->carried) out->carried = quic->carried->batch;
    if (!conn->inside) quic->stats.datagrams_sent += batch.count;
    return true;
}
