// Streams that send, and the packets of a connection.
#include "traffic/inner_quic.h"

#include "base/time.h"
#include "quic/scope.h"

#include <assert.h>
#include <string.h>

#define BATCH_SIZE   60000
#define SEGMENTS_MAX 32

struct sim_quic_stream *sim_quic_end_open(struct sim_quic_end *end, bool bidirectional)
{
    int64_t id;
    if (!end->conn || !end->established) return NULL;
    int rv = bidirectional ? ngtcp2_conn_open_bidi_stream(end->conn, &id, NULL)
                           : ngtcp2_conn_open_uni_stream(end->conn, &id, NULL);
    if (rv != 0) return NULL;
    struct sim_quic_stream *stream = sim_quic_end_add_stream(end, id);
    ngtcp2_conn_set_stream_user_data(end->conn, id, stream);
    return stream;
}

void sim_quic_stream_send(struct sim_quic_stream *stream, struct qe_span head, uint64_t total)
{
    assert(head.size <= SIM_INNER_HEAD_MAX && total >= head.size);
    if (head.size) memcpy(stream->head, head.data, head.size);
    stream->head_size = head.size;
    stream->total = total;
    stream->sends = true;
}

// The stream that writes next; they take turns.
static struct sim_quic_stream *next_stream(struct sim_quic_end *end)
{
    for (struct qe_list *link = end->streams.next; link != &end->streams; link = link->next) {
        struct sim_quic_stream *stream = qe_container(link, struct sim_quic_stream, link);
        if (stream->sends && !stream->ended && !stream->blocked && !end->stopped) return stream;
    }
    return NULL;
}

// What the stream sends next: the rest of its head, then pattern. Returns how many pieces.
static size_t next_bytes(const struct sim_quic_end *end, const struct sim_quic_stream *stream, ngtcp2_vec vec[2])
{
    size_t count = 0;
    uint64_t given = stream->given;
    if (given < stream->head_size) {
        vec[count++] = (ngtcp2_vec){(uint8_t *)(uintptr_t)stream->head + given, (size_t)(stream->head_size - given)};
        given = stream->head_size;
    }
    uint64_t left = stream->total - given;
    size_t at = (size_t)((given - stream->head_size) % SIM_INNER_PATTERN);
    if (left)
        vec[count++] = (ngtcp2_vec){(uint8_t *)(uintptr_t)end->options.pattern + at,
            left < SIM_INNER_PATTERN ? (size_t)left : SIM_INNER_PATTERN};
    return count;
}

// One packet; 0 where there is nothing to say or no leave to say it.
static ngtcp2_ssize write_packet(struct sim_quic_end *end, uint8_t *out, size_t room)
{
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info;
    uint64_t now = end->options.engine->now_ns;
    ngtcp2_path_storage_zero(&path);
    for (;;) {
        struct sim_quic_stream *stream = end->established ? next_stream(end) : NULL;
        if (!stream)
            return ngtcp2_conn_writev_stream(
                end->conn, &path.path, &info, out, room, NULL, NGTCP2_WRITE_STREAM_FLAG_NONE, -1, NULL, 0, now);
        ngtcp2_vec vec[2];
        ngtcp2_ssize taken = -1;
        size_t count = next_bytes(end, stream, vec), size = 0;
        for (size_t i = 0; i < count; i++)
            size += vec[i].len;
        bool last = stream->total != SIM_INNER_NO_END && stream->given + size == stream->total;
        uint32_t flags = last ? NGTCP2_WRITE_STREAM_FLAG_FIN : NGTCP2_WRITE_STREAM_FLAG_NONE;
        ngtcp2_ssize written = ngtcp2_conn_writev_stream(
            end->conn, &path.path, &info, out, room, &taken, flags, stream->id, vec, count, now);
        if (written == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
            stream->blocked = true;
            continue;
        }
        if (taken >= 0) {
            stream->given += (uint64_t)taken;
            stream->ended = last && stream->given == stream->total;
            qe_list_remove(&stream->link);
            qe_list_append(&end->streams, &stream->link);
        }
        return written;
    }
}

// Fills `out` with datagrams equal in size but for the last one. 0: there may be more to write; 1: there is not, for
// now; else ngtcp2's error.
static int write_batch(struct sim_quic_end *end, uint8_t *out, size_t *size, size_t *segment)
{
    *size = *segment = 0;
    for (size_t count = 0; count < (end->options.offload ? SEGMENTS_MAX : 1); count++) {
        size_t room = count ? *segment : end->payload_max;
        if (*size + room > BATCH_SIZE) break;
        ngtcp2_ssize written = write_packet(end, out + *size, room);
        if (written <= 0) return written < 0 ? (int)written : 1;
        if (!count) *segment = (size_t)written;
        *size += (size_t)written;
        if ((size_t)written < end->payload_max) break;
    }
    return 0;
}

static void schedule(struct sim_quic_end *end)
{
    uint64_t now = end->options.engine->now_ns, at = ngtcp2_conn_get_expiry2(end->conn);
    // Something due that could not be written now must not make time stand still.
    if (at <= now) at = now + QE_NS_PER_MS;
    if (at == UINT64_MAX)
        sim_engine_cancel(end->options.engine, &end->source);
    else
        sim_engine_schedule(end->options.engine, &end->source, at);
}

void sim_quic_end_pump(struct sim_quic_end *end)
{
    uint8_t bytes[BATCH_SIZE];
    struct qe_tls_scope scope;
    size_t size, segment, sent = 0;
    int rv = 0;
    if (!end->conn) return;
    for (struct qe_list *link = end->streams.next; link != &end->streams; link = link->next)
        qe_container(link, struct sim_quic_stream, link)->blocked = false;
    sim_quic_end_enter(end, &scope);
    size_t quantum = ngtcp2_conn_get_send_quantum2(end->conn);
    while (rv == 0 && sent < quantum) {
        rv = write_batch(end, bytes, &size, &segment);
        if (size) end->options.owner.send(end, qe_span(bytes, size), segment);
        sent += size;
    }
    ngtcp2_conn_update_pkt_tx_time(end->conn, end->options.engine->now_ns);
    qe_tls_scope_leave(&scope);
    if (rv < 0)
        sim_quic_end_drop(end);
    else
        schedule(end);
}
