#include "traffic/inner_quic.h"

#include "engine/memory.h"

#include "base/time.h"
#include "quic/path.h"
#include "quic/scope.h"

#include <assert.h>
#include <string.h>

#define STREAMS_MAX    1000
#define WINDOW         (1 << 20)
#define WINDOW_MAX     (64 << 20)
#define HANDSHAKE_NS   (10 * QE_NS_PER_S)
#define INITIAL_RTT_NS (100 * QE_NS_PER_MS)
// Packets until an acknowledgement is due, as of applications that read in batches.
#define ACK_EACH         10
#define FIRST_DCID_SIZE  8
#define INITIAL_SIZE_MIN 1200

void sim_quic_end_enter(const struct sim_quic_end *end, struct qe_tls_scope *scope)
{
    qe_tls_scope_enter(scope, &end->host, end->options.wall_ms + end->options.engine->now_ns / QE_NS_PER_MS);
}

static void draw(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct sim_quic_end *end = user;
    (void)purpose;
    sim_random_fill(&end->random, out, size);
}

static void random_bytes(uint8_t *out, size_t size, const ngtcp2_rand_ctx *context)
{
    draw(context->native_handle, QE_RANDOM_CONNECTION_ID, out, size);
}

static int path_challenge(ngtcp2_conn *conn, ngtcp2_path_challenge_data *data, void *user)
{
    (void)conn;
    draw(user, QE_RANDOM_CONNECTION_ID, data->data, sizeof(data->data));
    return 0;
}

static int new_cid(ngtcp2_conn *conn, ngtcp2_cid *cid, ngtcp2_stateless_reset_token *token, size_t size, void *user)
{
    struct sim_quic_end *end = user;
    uint8_t bytes[SIM_INNER_CID_SIZE];
    (void)conn;
    assert(size == SIM_INNER_CID_SIZE);
    draw(end, QE_RANDOM_CONNECTION_ID, bytes, sizeof(bytes));
    draw(end, QE_RANDOM_CONNECTION_ID, token->data, sizeof(token->data));
    ngtcp2_cid_init(cid, bytes, sizeof(bytes));
    memcpy(end->cids[end->cid_count++ % SIM_INNER_CIDS_MAX], bytes, sizeof(bytes));
    return 0;
}

struct sim_quic_stream *sim_quic_end_add_stream(struct sim_quic_end *end, int64_t id)
{
    struct sim_quic_stream *stream = sim_obtain(1, sizeof(*stream));
    stream->id = id;
    qe_list_append(&end->streams, &stream->link);
    return stream;
}

static void remove_stream(struct sim_quic_stream *stream)
{
    qe_list_remove(&stream->link);
    sim_release(stream);
}

static int stream_opened(ngtcp2_conn *conn, int64_t id, void *user)
{
    ngtcp2_conn_set_stream_user_data(conn, id, sim_quic_end_add_stream(user, id));
    return 0;
}

static int stream_closed(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code, void *user, void *data)
{
    (void)flags;
    (void)code;
    (void)user;
    if (data) remove_stream(data);
    if (ngtcp2_conn_is_local_stream2(conn, id)) return 0;
    if (ngtcp2_is_bidi_stream(id))
        ngtcp2_conn_extend_max_streams_bidi(conn, 1);
    else
        ngtcp2_conn_extend_max_streams_uni(conn, 1);
    return 0;
}

// Whether the bytes are those of the stream at that place; keeps its head.
static bool take(const struct sim_quic_end *end, struct sim_quic_stream *stream, const uint8_t *data, size_t size)
{
    size_t head = end->options.head_in_size;
    while (size > 0 && stream->received < head) {
        stream->head_in[stream->received++] = *data++;
        size--;
    }
    while (size > 0) {
        size_t at = (size_t)((stream->received - head) % SIM_INNER_PATTERN);
        size_t part = size < SIM_INNER_PATTERN ? size : SIM_INNER_PATTERN;
        if (memcmp(data, end->options.pattern + at, part) != 0) return false;
        stream->received += part;
        data += part;
        size -= part;
    }
    return true;
}

static int stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *data, size_t size,
    void *user, void *stream_user)
{
    struct sim_quic_end *end = user;
    struct sim_quic_stream *stream = stream_user;
    if (!stream || stream->received != offset || !take(end, stream, data, size)) {
        end->options.owner.damaged(end);
        return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    ngtcp2_conn_extend_max_stream_offset(conn, id, size);
    ngtcp2_conn_extend_max_offset(conn, size);
    end->options.owner.received(end, stream, size, flags & NGTCP2_STREAM_DATA_FLAG_FIN);
    return 0;
}

static int completed(ngtcp2_conn *conn, void *user)
{
    struct sim_quic_end *end = user;
    (void)conn;
    end->established = true;
    end->options.owner.connected(end);
    return 0;
}

static const ngtcp2_callbacks callbacks = {
    .client_initial = ngtcp2_crypto_client_initial_cb,
    .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .update_key = ngtcp2_crypto_update_key_cb,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
    .rand = random_bytes,
    .get_path_challenge_data2 = path_challenge,
    .get_new_connection_id2 = new_cid,
    .handshake_completed = completed,
    .stream_open = stream_opened,
    .stream_close = stream_closed,
    .recv_stream_data = stream_data,
};

static ngtcp2_conn *conn_of(ngtcp2_crypto_conn_ref *ref)
{
    return ((struct sim_quic_end *)ref->user_data)->conn;
}

static void forget(struct sim_quic_end *end)
{
    struct qe_tls_scope scope;
    if (!end->conn) return;
    end->retransmits = sim_quic_end_retransmits(end);
    sim_quic_end_enter(end, &scope);
    ngtcp2_conn_del(end->conn);
    ngtcp2_crypto_ossl_ctx_del(end->tls);
    SSL_set_app_data(end->ssl, NULL);
    SSL_free(end->ssl);
    qe_tls_scope_leave(&scope);
    end->conn = NULL;
    end->ssl = NULL;
    end->tls = NULL;
    end->established = end->failed = false;
    end->cid_count = 0;
    while (!qe_list_empty(&end->streams))
        remove_stream(qe_container(end->streams.next, struct sim_quic_stream, link));
    sim_engine_cancel(end->options.engine, &end->source);
}

void sim_quic_end_drop(struct sim_quic_end *end)
{
    if (!end->conn) return;
    forget(end);
    end->options.owner.lost(end);
}

static void on_timer(struct sim_source *source)
{
    struct sim_quic_end *end = qe_container(source, struct sim_quic_end, source);
    struct qe_tls_scope scope;
    uint64_t now = end->options.engine->now_ns;
    if (!end->conn) return;
    sim_quic_end_enter(end, &scope);
    int rv = ngtcp2_conn_get_expiry2(end->conn) <= now ? ngtcp2_conn_handle_expiry(end->conn, now) : 0;
    qe_tls_scope_leave(&scope);
    if (rv != 0)
        sim_quic_end_drop(end);
    else
        sim_quic_end_pump(end);
}

void sim_quic_end_init(struct sim_quic_end *end, const struct sim_quic_options *options)
{
    *end = (struct sim_quic_end){.options = *options};
    end->random = sim_stream(options->seed, SIM_STREAM_FLOW, options->name, options->client ? 1 : 2);
    end->host = (struct qe_host){.user = end, .random = draw};
    end->ref = (ngtcp2_crypto_conn_ref){.get_conn = conn_of, .user_data = end};
    qe_list_init(&end->streams);
    sim_source_init(&end->source, SIM_PRIORITY_FLOW, on_timer);
}

void sim_quic_end_fini(struct sim_quic_end *end)
{
    forget(end);
    sim_engine_cancel(end->options.engine, &end->source);
}

uint64_t sim_quic_end_retransmits(const struct sim_quic_end *end)
{
    ngtcp2_conn_info info = {0};
    if (end->conn) ngtcp2_conn_get_conn_info2(end->conn, &info);
    return end->retransmits + info.pkt_lost;
}

// Where both ends seem to be: the overlay's addresses do not matter to a connection that does not migrate.
static void make_path(const struct sim_quic_end *end, ngtcp2_path *path, ngtcp2_sockaddr_union storage[2])
{
    struct qe_addr addresses[2] = {{.ip.family = end->family, .port = 1}, {.ip.family = end->family, .port = 2}};
    *path = (ngtcp2_path){0};
    qe_path_address(&storage[0], &path->local, &addresses[!end->options.client], 0);
    qe_path_address(&storage[1], &path->remote, &addresses[end->options.client], 0);
}

static void settle(struct sim_quic_end *end, ngtcp2_settings *settings, ngtcp2_transport_params *params)
{
    ngtcp2_settings_default(settings);
    settings->initial_ts = end->options.engine->now_ns;
    settings->initial_rtt = INITIAL_RTT_NS;
    settings->rand_ctx.native_handle = end;
    settings->handshake_timeout = HANDSHAKE_NS;
    // The TUN's MTU is known and always holds.
    settings->max_tx_udp_payload_size = end->payload_max;
    settings->no_tx_udp_payload_size_shaping = 1;
    settings->ack_thresh = ACK_EACH;
    settings->max_window = settings->max_stream_window = WINDOW_MAX;
    ngtcp2_transport_params_default(params);
    params->initial_max_stream_data_bidi_local = params->initial_max_stream_data_bidi_remote = WINDOW;
    params->initial_max_stream_data_uni = params->initial_max_data = WINDOW;
    params->initial_max_streams_bidi = params->initial_max_streams_uni = STREAMS_MAX;
    params->max_idle_timeout = end->options.idle_ns;
}

static void start_tls(struct sim_quic_end *end)
{
    end->ssl = SSL_new(end->options.client ? end->options.tls->client : end->options.tls->server);
    int rv = end->ssl ? ngtcp2_crypto_ossl_ctx_new(&end->tls, end->ssl) : -1;
    assert(rv == 0);
    SSL_set_app_data(end->ssl, &end->ref);
    if (end->options.client)
        SSL_set_connect_state(end->ssl);
    else
        SSL_set_accept_state(end->ssl);
    rv = end->options.client ? ngtcp2_crypto_ossl_configure_client_session(end->ssl)
                             : ngtcp2_crypto_ossl_configure_server_session(end->ssl);
    assert(rv == 0);
    ngtcp2_conn_set_tls_native_handle(end->conn, end->tls);
}

// `header`: of the client's first packet, or NULL at a client.
static void begin(struct sim_quic_end *end, const ngtcp2_pkt_hd *header)
{
    struct qe_tls_scope scope;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_sockaddr_union storage[2];
    ngtcp2_stateless_reset_token token;
    ngtcp2_path path;
    ngtcp2_cid scid, dcid = {.datalen = FIRST_DCID_SIZE};
    make_path(end, &path, storage);
    settle(end, &settings, &params);
    new_cid(NULL, &scid, &token, SIM_INNER_CID_SIZE, end);
    sim_quic_end_enter(end, &scope);
    int rv;
    if (header) {
        params.original_dcid = end->first_dcid = header->dcid;
        params.original_dcid_present = 1;
        rv = ngtcp2_conn_server_new(
            &end->conn, &header->scid, &scid, &path, header->version, &callbacks, &settings, &params, NULL, end);
    } else {
        draw(end, QE_RANDOM_CONNECTION_ID, dcid.data, dcid.datalen);
        rv = ngtcp2_conn_client_new(
            &end->conn, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params, NULL, end);
    }
    assert(rv == 0);
    start_tls(end);
    qe_tls_scope_leave(&scope);
    end->connections++;
}

void sim_quic_end_dial(struct sim_quic_end *end, uint8_t family, size_t payload_max)
{
    assert(!end->conn && end->options.client && payload_max >= INITIAL_SIZE_MIN);
    end->family = family;
    end->payload_max = payload_max;
    begin(end, NULL);
}

static bool is_own(const struct sim_quic_end *end, const ngtcp2_version_cid *ids)
{
    size_t count = end->cid_count < SIM_INNER_CIDS_MAX ? end->cid_count : SIM_INNER_CIDS_MAX;
    if (!end->conn) return false;
    for (size_t i = 0; i < count; i++)
        if (ids->dcidlen == SIM_INNER_CID_SIZE && memcmp(ids->dcid, end->cids[i], SIM_INNER_CID_SIZE) == 0) return true;
    return ids->dcidlen == end->first_dcid.datalen && memcmp(ids->dcid, end->first_dcid.data, ids->dcidlen) == 0;
}

// A server takes up a client's new connection; the one before is the client's no more.
static bool may_read(struct sim_quic_end *end, uint8_t family, size_t payload_max, struct qe_span datagram)
{
    ngtcp2_version_cid ids;
    ngtcp2_pkt_hd header;
    if (end->options.client) return end->conn != NULL;
    if (ngtcp2_pkt_decode_version_cid(&ids, datagram.data, datagram.size, SIM_INNER_CID_SIZE) != 0) return false;
    if (is_own(end, &ids)) return true;
    if (ids.version == 0 || ngtcp2_accept(&header, datagram.data, datagram.size) != 0) return false;
    if (payload_max < INITIAL_SIZE_MIN) return false;
    sim_quic_end_drop(end);
    end->family = family;
    end->payload_max = payload_max;
    begin(end, &header);
    return true;
}

void sim_quic_end_receive(struct sim_quic_end *end, uint8_t family, size_t payload_max, struct qe_span datagram)
{
    struct qe_tls_scope scope;
    ngtcp2_sockaddr_union storage[2];
    ngtcp2_pkt_info info = {0};
    ngtcp2_path path;
    if (!may_read(end, family, payload_max, datagram)) return;
    make_path(end, &path, storage);
    sim_quic_end_enter(end, &scope);
    int rv = ngtcp2_conn_read_pkt(end->conn, &path, &info, datagram.data, datagram.size, end->options.engine->now_ns);
    qe_tls_scope_leave(&scope);
    if (rv != 0) sim_quic_end_drop(end);
}
