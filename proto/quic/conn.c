// One connection: its making, its reading, its state as others see it, and its end in memory.
#include "base/mutants.h"
#include "quic/seam_internal.h"

#include <assert.h>

// Without a sample yet. Shorter than RFC 9002's 333 ms: a lost first packet is asked for again sooner, and a peer
// farther away than this costs one spurious retransmission.
#define INITIAL_RTT_NS (100 * QE_NS_PER_MS)
// What a peer may have under way on its control stream; it queues at most QE_CONTROL_MAX.
#define CONTROL_WINDOW (128 * 1024)
#define CID_LIMIT      4

// Largest first: on most paths the first probe decides. 1492 is PPPoE, 1460 and 1420 are tunnels, 1280 is IPv6's
// minimum; each less the IP and UDP headers.
static const uint16_t probes_ip4[] = {1472, 1464, 1432, 1392, 1252};
static const uint16_t probes_ip6[] = {1452, 1444, 1412, 1372, 1232};
// What fits one DATAGRAM frame of an outer connection with 4 more bytes, over IPv4 and IPv6, and over less.
static const uint16_t probes_inside[] = {1440, 1420, 1408, 1360, 1232};

static ngtcp2_conn *conn_of_ref(ngtcp2_crypto_conn_ref *ref)
{
    return ((struct qe_conn *)ref->user_data)->ng;
}

struct qe_conn *qe_conn_alloc(struct qe_quic *quic)
{
    struct qe_conn *conn = qe_zalloc(quic->mem, 1, sizeof *conn);
    if (!conn) return NULL;
    conn->quic = quic;
    conn->number = (uint64_t)quic->options.lane << 56 | quic->conns_made++;
    conn->ref = (ngtcp2_crypto_conn_ref){.get_conn = conn_of_ref, .user_data = conn};
    qe_list_init(&conn->link);
    qe_list_init(&conn->ready);
    qe_timer_init(&conn->timer);
    qe_control_init(&conn->control);
    if (quic->carried) conn->said = qe_zalloc(quic->mem, 1, sizeof *conn->said);
    conn->unanswered_since_ns = QE_TIME_NEVER;
    conn->pacer_ns = QE_TIME_NEVER;
    conn->last_received_ns = quic->now_ns;
    qe_list_append(&quic->conns, &conn->link);
    quic->conn_count++;
    return conn;
}

int qe_conn_start_tls(struct qe_conn *conn, SSL_CTX *context)
{
    if (qe_seam_is_null(conn->quic)) return 0;
    conn->ssl = SSL_new(context);
    if (!conn->ssl || ngtcp2_crypto_ossl_ctx_new(&conn->tls, conn->ssl) != 0) return -1;
    SSL_set_app_data(conn->ssl, &conn->ref);
    if (conn->client) {
        SSL_set_connect_state(conn->ssl);
        return ngtcp2_crypto_ossl_configure_client_session(conn->ssl);
    }
    SSL_set_accept_state(conn->ssl);
    if (ngtcp2_crypto_ossl_configure_server_session(conn->ssl) != 0) return -1;
    // Only after the line above does this take effect.
    SSL_set_quic_tls_early_data_enabled(conn->ssl, !QE_FAULT(conn->quic->host, EARLY_REFUSED));
    return 0;
}

void qe_conn_settings(struct qe_conn *conn, ngtcp2_settings *settings, ngtcp2_transport_params *params, uint8_t family)
{
    struct qe_quic *quic = conn->quic;
    const struct qe_quic_options *options = &quic->options;
    ngtcp2_settings_default(settings);
    settings->initial_ts = quic->now_ns;
    settings->initial_rtt = INITIAL_RTT_NS;
    // Also inside another connection, where BBR would be faster alone but leaves the others their smallest share
    // (docs/decisions/0028-circuits.md).
    settings->cc_algo = NGTCP2_CC_ALGO_CUBIC;
    settings->rand_ctx.native_handle = quic;
    if (quic->host->qlog || quic->carried) settings->qlog_write = qe_conn_on_qlog;
    settings->handshake_timeout = options->handshake_timeout_ns ? options->handshake_timeout_ns : UINT64_MAX;
    settings->max_tx_udp_payload_size = conn->inside  ? QE_PAYLOAD_MAX_INSIDE
                                        : family == 4 ? QE_PAYLOAD_MAX_IP4
                                                      : QE_PAYLOAD_MAX_IP6;
    settings->no_pmtud = QE_MUTANT(pmtu_none);
    settings->pmtud_probes = conn->inside ? probes_inside : family == 4 ? probes_ip4 : probes_ip6;
    settings->pmtud_probeslen = sizeof probes_ip4 / sizeof probes_ip4[0];
    ngtcp2_transport_params_default(params);
    params->initial_max_stream_data_bidi_local = CONTROL_WINDOW;
    params->initial_max_stream_data_bidi_remote = CONTROL_WINDOW;
    params->initial_max_data = CONTROL_WINDOW;
    params->initial_max_streams_bidi = conn->client ? 0 : 1;
    params->max_idle_timeout = options->idle_timeout_ns;
    params->active_connection_id_limit = CID_LIMIT;
    params->max_datagram_frame_size = 65535;
    params->grease_quic_bit = 0;
}

struct qe_conn *qe_conn_new_server(struct qe_quic *quic, const struct qe_conn_server *from)
{
    const ngtcp2_pkt_hd *header = from->header;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_sockaddr_union local, remote;
    ngtcp2_path path = {.user_data = (void *)(uintptr_t)from->in->socket};
    ngtcp2_cid scid;
    struct qe_conn *conn = qe_conn_alloc(quic);
    if (!conn) return NULL;
    conn->counted = true;
    conn->inside = from->in->socket == QE_QUIC_INSIDE;
    quic->handshake_count++;

    qe_conn_settings(conn, &settings, &params, from->in->remote.ip.family);
    params.original_dcid_present = 1;
    params.original_dcid = header->dcid;
    if (from->token) {
        ngtcp2_cid_init(&params.original_dcid, from->token->original, from->token->original_size);
        params.retry_scid_present = 1;
        params.retry_scid = header->dcid;
        settings.token = header->token;
        settings.tokenlen = header->tokenlen;
        settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
    }
    qe_path_address(&local, &path.local, &from->in->local, from->in->remote.ip.family);
    qe_path_address(&remote, &path.remote, &from->in->remote, 0);

    conn->initial[0] = (uint8_t)header->dcid.datalen;
    memcpy(conn->initial + 1, header->dcid.data, header->dcid.datalen);
    if (qe_conn_new_cid(conn, &scid) != 0 || qe_table_put(quic->initials, conn->initial, conn) != 0) goto out;
    conn->initial_known = true;
    params.stateless_reset_token_present = 1;
    if (qe_reset_token(quic->host, qe_span(scid.data, scid.datalen), params.stateless_reset_token) != 0) goto out;
    const ngtcp2_callbacks callbacks = qe_conn_callbacks(quic);
    if (ngtcp2_conn_server_new(&conn->ng, &header->scid, &scid, &path, header->version, &callbacks, &settings, &params,
            &quic->ngmem, conn) != 0)
        goto out;
    if (qe_conn_start_tls(conn, quic->tls.server) != 0) goto out;
    ngtcp2_conn_set_tls_native_handle(conn->ng, conn->tls);
    if (quic->options.keep_alive_ns) ngtcp2_conn_set_keep_alive_timeout(conn->ng, quic->options.keep_alive_ns);
    qe_conn_note_path(conn);
    return conn;
out:
    qe_conn_free(conn);
    return NULL;
}

void qe_conn_free(struct qe_conn *conn)
{
    struct qe_quic *quic = conn->quic;
    assert(!conn->busy);
    if (conn->counted) quic->handshake_count--;
    qe_conn_forget_cids(conn);
    qe_heap_set(&quic->heap, &conn->timer, QE_TIME_NEVER);
    qe_list_remove(&conn->ready);
    qe_list_remove(&conn->link);
    if (conn->grave)
        quic->grave_count--;
    else
        quic->conn_count--;
    qe_conn_free_engine(conn);
    qe_free(quic->mem, conn->grave_bytes);
    qe_free(quic->mem, conn);
}

void qe_conn_free_engine(struct qe_conn *conn)
{
    // OpenSSL still calls back while it is freed: it must find nobody. A session not shut down would not be resumable.
    if (conn->ssl) {
        SSL_set_app_data(conn->ssl, NULL);
        SSL_set_shutdown(conn->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    ngtcp2_conn_del(conn->ng);
    if (conn->tls) ngtcp2_crypto_ossl_ctx_del(conn->tls);
    SSL_free(conn->ssl);
    conn->ng = NULL;
    conn->tls = NULL;
    conn->ssl = NULL;
    qe_control_fini(&conn->control, conn->quic->mem);
    qe_free(conn->quic->mem, conn->said);
    conn->said = NULL;
}

void qe_conn_route(const struct qe_conn *conn, const ngtcp2_path *path, struct qe_send *out)
{
    uintptr_t place = (uintptr_t)path->user_data;
    out->remote = qe_path_from(&path->remote);
    if (conn->client) {
        assert(place < QE_BINDINGS);
        const struct qe_binding *binding = &conn->bindings[place];
        out->socket = binding->socket;
        out->interface = binding->interface;
        out->local = binding->local;
        return;
    }
    out->socket = (uint32_t)place;
    out->interface = 0;
    out->local = qe_path_from(&path->local);
    // An address that the host did not know is no source to insist on.
    if (qe_ip_is_unspecified(&out->local.ip)) out->local = (struct qe_addr){0};
}

void qe_conn_note_path(struct qe_conn *conn)
{
    struct qe_send to = {0};
    qe_conn_route(conn, ngtcp2_conn_get_path2(conn->ng), &to);
    conn->socket = to.socket;
    conn->interface = to.interface;
    conn->local = to.local;
    conn->remote = to.remote;
}

void qe_conn_read(struct qe_conn *conn, const ngtcp2_path *path, uint8_t ecn, struct qe_span bytes)
{
    const ngtcp2_pkt_info info = {.ecn = ecn};
    assert(conn->ng && !conn->busy);
    conn->ecn = ecn;
    conn->busy = true;
    int rv = qe_conn_catch_up(conn);
    if (rv == 0) rv = ngtcp2_conn_read_pkt(conn->ng, path, &info, bytes.data, bytes.size, conn->quic->now_ns);
    conn->busy = false;
    if (rv != 0) qe_conn_fail(conn, rv);
    qe_conn_settle(conn);
}

// The largest DATAGRAM payload that fits: less a short header with the longest packet number, the AEAD tag, and the
// frame's type and two bytes of length (RFC 9221 §4).
size_t qe_conn_datagram_max(const struct qe_conn *conn)
{
    const ngtcp2_transport_params *peer = ngtcp2_conn_get_remote_transport_params2(conn->ng);
    if (!peer || peer->max_datagram_frame_size < 3) return 0;
    size_t overhead = 1 + ngtcp2_conn_get_dcid2(conn->ng)->datalen + 4 + 16 + 3;
    if (QE_MUTANT(mtu_overhead)) overhead = 0;
    size_t size = ngtcp2_conn_get_path_max_tx_udp_payload_size2(conn->ng);
    size = size > overhead ? size - overhead : 0;
    return peer->max_datagram_frame_size - 3 < size ? (size_t)peer->max_datagram_frame_size - 3 : size;
}

void qe_conn_look(struct qe_conn *conn)
{
    const uint64_t now_ns = conn->quic->now_ns;
    ngtcp2_conn_info info;
    ngtcp2_conn_get_conn_info2(conn->ng, &info);
    if (info.pkt_recv != conn->packets_received) {
        conn->packets_received = info.pkt_recv;
        conn->last_received_ns = now_ns;
        // What is still under way has its answer due from now on.
        if (!QE_MUTANT(silence_kept))
            conn->unanswered_since_ns = info.bytes_in_flight > conn->mtu_probe_bytes ? now_ns : QE_TIME_NEVER;
    } else if (conn->unanswered_since_ns == QE_TIME_NEVER &&
               info.bytes_in_flight > conn->in_flight_bytes + conn->mtu_probe_new) {
        conn->unanswered_since_ns = now_ns;
    }
    if (!info.bytes_in_flight) {
        // All of it is answered or given up: nothing waits for the peer.
        conn->mtu_probe_bytes = 0;
        if (!QE_MUTANT(silence_kept)) conn->unanswered_since_ns = QE_TIME_NEVER;
    }
    conn->in_flight_bytes = info.bytes_in_flight;
    conn->mtu_probe_new = 0;
    conn->datagram_max = qe_conn_datagram_max(conn);
    // A millisecond's worth at the rate that the window allows: more at a time would only fill somebody's queue.
    uint64_t rtt_ns = info.smoothed_rtt > QE_NS_PER_MS ? info.smoothed_rtt : QE_NS_PER_MS;
    conn->burst_bytes = info.cwnd * QE_NS_PER_MS / rtt_ns;
}

// Silence that proves nothing yet, and silence that proves enough whatever the probe timeout.
#define SILENCE_MIN_NS (500 * QE_NS_PER_MS)
#define SILENCE_MAX_NS (5 * QE_NS_PER_S)

static bool silence_is_due(const struct qe_conn *conn)
{
    if (!conn->established || conn->over || conn->unheard || conn->unanswered_since_ns == QE_TIME_NEVER) return false;
    uint64_t patience_ns = 3 * ngtcp2_conn_get_pto2(conn->ng);
    if (patience_ns < SILENCE_MIN_NS) patience_ns = SILENCE_MIN_NS;
    if (patience_ns > SILENCE_MAX_NS) patience_ns = SILENCE_MAX_NS;
    return conn->quic->now_ns - conn->unanswered_since_ns >= patience_ns;
}

static void tell_responsive(struct qe_conn *conn, bool responsive)
{
    const struct qe_quic_owner *owner = &conn->quic->options.owner;
    if (!owner->responsive || owner->responsive(owner->user, conn, responsive)) conn->unheard = !responsive;
}

void qe_conn_judge(struct qe_conn *conn)
{
    if (!conn->established || conn->over || conn->unheard) return;
    qe_conn_look(conn); // what has just been given up is no longer in flight
    if (silence_is_due(conn) && !QE_MUTANT(silence_unheard)) tell_responsive(conn, false);
}

void qe_conn_on_batch_read(struct qe_conn *conn)
{
    if (!conn->ng) return;
    uint64_t received = conn->packets_received;
    qe_conn_look(conn);
    if (conn->unheard && !conn->over && conn->packets_received != received) tell_responsive(conn, true);
    qe_conn_ready(conn);
    if (conn->validating || !conn->established || conn->over) return;
    struct qe_send now = {0};
    qe_conn_route(conn, ngtcp2_conn_get_path2(conn->ng), &now);
    if (now.socket == conn->socket && qe_addr_equal(&now.remote, &conn->remote) &&
        qe_addr_equal(&now.local, &conn->local))
        return;
    qe_conn_note_path(conn);
    if (QE_MUTANT(moved_ignored)) return;
    conn->quic->options.owner.moved(conn->quic->options.owner.user, conn);
    qe_conn_settle(conn);
}

void qe_conn_schedule_at(struct qe_conn *conn, uint64_t at_ns)
{
    uint64_t now_ns = conn->quic->now_ns;
    // Whoever still sends is soon told that nobody answers; ngtcp2's own timers come more and more rarely.
    if (silence_is_due(conn)) at_ns = now_ns;
    // Something due that could not be written now (a full window) must not make the host spin.
    if (at_ns <= now_ns) at_ns = now_ns + QE_NS_PER_MS;
    if (at_ns > now_ns + QE_NS_PER_MS && QE_FAULT(conn->quic->host, EARLY_TIMER)) at_ns = now_ns + QE_NS_PER_MS;
    if (QE_MUTANT(wakeups)) at_ns = now_ns + QE_NS_PER_MS;
    qe_heap_set(&conn->quic->heap, &conn->timer, at_ns);
}

void qe_conn_schedule(struct qe_conn *conn)
{
    conn->pacer_ns = QE_TIME_NEVER;
    qe_conn_schedule_at(conn, ngtcp2_conn_get_expiry2(conn->ng));
}

// The pacing timer that nobody waited for ends when it would have: what ngtcp2 makes of that depends on the time.
int qe_conn_catch_up(struct qe_conn *conn)
{
    uint64_t at_ns = conn->pacer_ns;
    if (at_ns > conn->quic->now_ns) return 0;
    conn->pacer_ns = QE_TIME_NEVER;
    return ngtcp2_conn_handle_expiry(conn->ng, at_ns);
}

void *qe_conn_user(const struct qe_conn *conn)
{
    return conn->user;
}

void qe_conn_set_user(struct qe_conn *conn, void *user)
{
    conn->user = user;
}

int qe_conn_export(const struct qe_conn *conn, uint8_t out[QE_EXPORT_SIZE])
{
    if (!conn->complete || conn->over || !conn->ng) return -1;
    return qe_seam_export(conn, out) ? 0 : -1;
}

const struct qe_key *qe_conn_key(const struct qe_conn *conn)
{
    return &conn->key;
}

void qe_conn_info(const struct qe_conn *conn, struct qe_conn_info *out, uint64_t now_ns)
{
    ngtcp2_conn_info info = {0};
    (void)now_ns;
    if (conn->ng) ngtcp2_conn_get_conn_info2(conn->ng, &info);
    *out = (struct qe_conn_info){
        .client = conn->client,
        .established = conn->established,
        .confirmed = conn->confirmed,
        .resumed = qe_seam_resumed(conn),
        .early_accepted = conn->early_accepted,
        .socket = conn->socket,
        .local = conn->local,
        .remote = conn->remote,
        .rtt_us = info.min_rtt == UINT64_MAX ? 0 : info.smoothed_rtt / QE_NS_PER_US,
        .rtt_min_us = info.min_rtt == UINT64_MAX ? 0 : info.min_rtt / QE_NS_PER_US,
        .rtt_var_us = info.min_rtt == UINT64_MAX ? 0 : info.rttvar / QE_NS_PER_US,
        .cwnd_bytes = info.cwnd,
        .in_flight_bytes = info.bytes_in_flight,
        .last_received_ns = conn->last_received_ns,
        .unanswered_since_ns = conn->unanswered_since_ns,
        .pto_ns = conn->ng ? ngtcp2_conn_get_pto2(conn->ng) : 0,
        .udp_max = conn->ng ? ngtcp2_conn_get_path_max_tx_udp_payload_size2(conn->ng) : 0,
        .datagram_max = conn->ng ? qe_conn_datagram_max(conn) : 0,
        .sent_bytes = info.bytes_sent,
        .received_bytes = info.bytes_recv,
        .lost_packets = info.pkt_lost,
        .sent_packets = info.pkt_sent,
        .received_packets = info.pkt_recv,
    };
}

void qe_conn_wake(struct qe_conn *conn)
{
    conn->wanted = true;
    if (conn->established && !conn->over) qe_conn_ready(conn);
}

void qe_conn_ping(struct qe_conn *conn)
{
    conn->ping = true;
    if (conn->established && !conn->over) qe_conn_ready(conn);
}

void qe_conn_doubt(struct qe_conn *conn, uint64_t quiet_ns, uint64_t now_ns)
{
    if (!conn->established || conn->over || conn->unheard || now_ns - conn->last_received_ns < quiet_ns) return;
    tell_responsive(conn, false);
    qe_conn_ping(conn);
}
