// What ngtcp2 and OpenSSL ask of a connection while they are at work on it. Callbacks only note things and tell the
// owner; whatever frees memory waits until ngtcp2 has returned (qe_conn_settle).
#include "quic/seam_internal.h"

#include "base/mutants.h"
#include "quic/ticket.h"

#include <assert.h>

static void random_bytes(uint8_t *out, size_t size, const ngtcp2_rand_ctx *context)
{
    const struct qe_host *host = ((const struct qe_quic *)context->native_handle)->host;
    host->random(host->user, QE_RANDOM_CONNECTION_ID, out, size);
}

static int path_challenge(ngtcp2_conn *ng, ngtcp2_path_challenge_data *data, void *user)
{
    const struct qe_host *host = ((struct qe_conn *)user)->quic->host;
    (void)ng;
    host->random(host->user, QE_RANDOM_CONNECTION_ID, data->data, sizeof data->data);
    return 0;
}

static bool owner_listens(const struct qe_conn *conn)
{
    return conn->known && !conn->over;
}

int qe_conn_new_cid(struct qe_conn *conn, ngtcp2_cid *cid)
{
    struct qe_quic *quic = conn->quic;
    uint8_t bytes[QE_CID_SIZE];
    if (conn->cid_count == QE_CONN_CIDS_MAX) return -1;
    do {
        quic->host->random(quic->host->user, QE_RANDOM_CONNECTION_ID, bytes, sizeof bytes);
        bytes[0] = qe_quic_cid_mark(quic);
    } while (qe_table_get(quic->cids, bytes));
    if (qe_table_put(quic->cids, bytes, conn) != 0) return -1;
    memcpy(conn->cids[conn->cid_count++], bytes, sizeof bytes);
    ngtcp2_cid_init(cid, bytes, sizeof bytes);
    return 0;
}

static int on_new_cid(ngtcp2_conn *ng, ngtcp2_cid *cid, ngtcp2_stateless_reset_token *token, size_t size, void *user)
{
    struct qe_conn *conn = user;
    (void)ng;
    assert(size == QE_CID_SIZE);
    if (qe_conn_new_cid(conn, cid) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
    if (qe_reset_token(conn->quic->host, qe_span(cid->data, cid->datalen), token->data) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_remove_cid(ngtcp2_conn *ng, const ngtcp2_cid *cid, void *user)
{
    struct qe_conn *conn = user;
    (void)ng;
    for (uint8_t i = 0; i < conn->cid_count; i++) {
        if (cid->datalen != QE_CID_SIZE || memcmp(conn->cids[i], cid->data, QE_CID_SIZE) != 0) continue;
        qe_table_remove(conn->quic->cids, conn->cids[i]);
        memmove(conn->cids[i], conn->cids[i + 1], (size_t)(conn->cid_count - i - 1) * QE_CID_SIZE);
        conn->cid_count--;
        break;
    }
    return 0;
}

// The peer's stateless reset tokens: a reset carries no connection ID of ours, so it is known by its token alone
// (RFC 9000 §10.3.1).
static int on_peer_cid(ngtcp2_conn *ng, ngtcp2_connection_id_status_type type, uint64_t sequence, const ngtcp2_cid *cid,
    const ngtcp2_stateless_reset_token *token, void *user)
{
    struct qe_conn *conn = user;
    (void)ng;
    (void)sequence;
    (void)cid;
    if (!token) return 0;
    if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE) {
        // Where there is no room, or the peer names another's token, the reset is not understood and the idle timeout
        // does its work.
        if (conn->reset_count == QE_CONN_RESETS_MAX || qe_table_get(conn->quic->resets, token->data)) return 0;
        if (qe_table_put(conn->quic->resets, token->data, conn) != 0) return 0;
        memcpy(conn->resets[conn->reset_count++], token->data, QE_RESET_TOKEN_SIZE);
        return 0;
    }
    for (uint8_t i = 0; i < conn->reset_count; i++) {
        if (memcmp(conn->resets[i], token->data, QE_RESET_TOKEN_SIZE) != 0) continue;
        qe_table_remove(conn->quic->resets, conn->resets[i]);
        memmove(conn->resets[i], conn->resets[i + 1], (size_t)(conn->reset_count - i - 1) * QE_RESET_TOKEN_SIZE);
        conn->reset_count--;
        break;
    }
    return 0;
}

void qe_conn_forget_cids(struct qe_conn *conn)
{
    for (uint8_t i = 0; i < conn->cid_count && !QE_MUTANT(cid_leak); i++)
        qe_table_remove(conn->quic->cids, conn->cids[i]);
    for (uint8_t i = 0; i < conn->reset_count; i++)
        qe_table_remove(conn->quic->resets, conn->resets[i]);
    if (conn->initial_known) qe_table_remove(conn->quic->initials, conn->initial);
    conn->cid_count = conn->reset_count = 0;
    conn->initial_known = false;
}

bool qe_conn_on_peer_key(struct qe_conn *conn, const struct qe_key *key)
{
    const struct qe_quic_owner *owner = &conn->quic->options.owner;
    if (conn->over) return false;
    if (conn->pinned && !qe_key_equal(&conn->key, key)) {
        conn->refused = true;
        return false;
    }
    if (!conn->asked || !qe_key_equal(&conn->key, key)) {
        conn->asked = conn->key_known = true;
        conn->key = *key;
        conn->allowed = owner->allow(owner->user, key, conn->dialled);
    }
    if (!conn->allowed) conn->refused = true;
    return conn->allowed;
}

bool qe_conn_on_proven(struct qe_conn *conn, bool early)
{
    const struct qe_quic_owner *owner = &conn->quic->options.owner;
    struct qe_key key;
    if (conn->established || conn->over) return true;
    if (!qe_seam_peer_key(conn, &key) || !qe_conn_on_peer_key(conn, &key)) {
        conn->refused = true;
        return false;
    }
    conn->established = conn->known = true;
    if (conn->counted) conn->quic->handshake_count--;
    conn->counted = false;
    owner->connected(owner->user, conn, early);
    return true;
}

static int on_complete(ngtcp2_conn *ng, void *user)
{
    struct qe_conn *conn = user;
    conn->complete = true;
    if (conn->client && conn->early_offered) {
        conn->early_accepted = qe_seam_early_accepted(conn);
        if (!conn->early_accepted) {
            int rv = ngtcp2_conn_tls_early_data_rejected(ng);
            if (rv != 0) return rv;
            if (QE_MUTANT(early_not_repeated))
                conn->control.stream = -1;
            else
                qe_control_rewind(&conn->control);
        }
    }
    qe_conn_open_control(conn);
    if (!qe_conn_on_proven(conn, false)) return NGTCP2_ERR_CALLBACK_FAILURE;
    if (!conn->client) {
        // A server's handshake is confirmed as soon as it is complete (RFC 9001 §4.1.2).
        conn->confirmed = true;
        if (!conn->over) conn->quic->options.owner.confirmed(conn->quic->options.owner.user, conn);
    }
    return 0;
}

static int on_confirmed(ngtcp2_conn *ng, void *user)
{
    struct qe_conn *conn = user;
    (void)ng;
    conn->confirmed = true;
    if (owner_listens(conn)) conn->quic->options.owner.confirmed(conn->quic->options.owner.user, conn);
    return 0;
}

static int on_streams(ngtcp2_conn *ng, uint64_t count, void *user)
{
    (void)ng;
    (void)count;
    qe_conn_open_control(user);
    return 0;
}

static void keep_session(struct qe_conn *conn, struct qe_span der)
{
    const struct qe_quic_owner *owner = &conn->quic->options.owner;
    uint8_t parameters[256], stored[QE_TICKET_SIZE_MAX];
    ngtcp2_ssize parameters_size = ngtcp2_conn_encode_0rtt_transport_params2(conn->ng, parameters, sizeof parameters);
    if (parameters_size < 0) return;
    struct qe_ticket ticket = {
        .key = conn->key,
        .parameters = qe_span(parameters, (size_t)parameters_size),
        .session = der,
    };
    size_t size = qe_ticket_encode(&ticket, stored, sizeof stored);
    if (size) owner->ticket(owner->user, conn, qe_span(stored, size));
}

void qe_conn_on_session(struct qe_conn *conn, SSL_SESSION *session)
{
    uint8_t der[QE_TICKET_SIZE_MAX];
    if (!owner_listens(conn) || !conn->key_known) return;
    int der_size = i2d_SSL_SESSION(session, NULL);
    if (der_size <= 0 || (size_t)der_size > sizeof der) return;
    uint8_t *at = der;
    der_size = i2d_SSL_SESSION(session, &at);
    if (der_size <= 0) return;
    qe_seam_on_session(conn, (size_t)der_size);
    keep_session(conn, qe_span(der, (size_t)der_size));
}

void qe_conn_on_session_size(struct qe_conn *conn, size_t size)
{
    static const uint8_t zeros[QE_TICKET_SIZE_MAX];
    if (owner_listens(conn) && conn->key_known && size <= sizeof zeros) keep_session(conn, qe_span(zeros, size));
}

void qe_conn_on_keylog(struct qe_conn *conn, const char *line)
{
    const struct qe_host *host = conn->quic->host;
    if (host->keylog) host->keylog(host->user, line);
}

void qe_conn_on_qlog(void *user, uint32_t flags, const void *data, size_t size)
{
    struct qe_conn *conn = user;
    const struct qe_host *host = conn->quic->host;
    const struct qe_qlog qlog = {.connection = conn->number,
        .client = conn->client,
        .end = flags & NGTCP2_QLOG_WRITE_FLAG_FIN,
        .data = qe_span(data, size)};
    if (conn->quic->carried) qe_carried_on_qlog(conn, qlog.data);
    if (host->qlog) host->qlog(host->user, &qlog);
}

// What a client sends as 0-RTT comes before its Finished; the key it resumed with is known by then.
static bool ready_for_data(struct qe_conn *conn, bool early)
{
    if (early) conn->early_accepted = true;
    return conn->established || qe_conn_on_proven(conn, early);
}

static int on_stream_data(ngtcp2_conn *ng, uint32_t flags, int64_t stream, uint64_t offset, const uint8_t *data,
    size_t size, void *user, void *stream_user)
{
    struct qe_conn *conn = user;
    (void)offset;
    (void)stream_user;
    if (!ready_for_data(conn, flags & NGTCP2_STREAM_DATA_FLAG_0RTT)) return NGTCP2_ERR_CALLBACK_FAILURE;
    ngtcp2_conn_extend_max_stream_offset(ng, stream, size);
    ngtcp2_conn_extend_max_offset(ng, size);
    if (size && owner_listens(conn))
        conn->quic->options.owner.control(conn->quic->options.owner.user, conn, qe_span(data, size));
    // The control stream lasts as long as the connection.
    return flags & NGTCP2_STREAM_DATA_FLAG_FIN ? NGTCP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_reset(ngtcp2_conn *ng, int64_t stream, uint64_t size, uint64_t code, void *user, void *stream_user)
{
    (void)ng;
    (void)stream;
    (void)size;
    (void)code;
    (void)user;
    (void)stream_user;
    return NGTCP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_open(ngtcp2_conn *ng, int64_t stream, void *user)
{
    struct qe_conn *conn = user;
    (void)ng;
    // Only a client can open one, and only one (initial_max_streams_bidi).
    conn->control.stream = stream;
    return 0;
}

static int on_stream_acked(
    ngtcp2_conn *ng, int64_t stream, uint64_t offset, uint64_t size, void *user, void *stream_user)
{
    struct qe_conn *conn = user;
    (void)ng;
    (void)stream;
    (void)stream_user;
    qe_control_on_acked(&conn->control, conn->quic->mem, offset + size);
    return 0;
}

static int on_stream_window(ngtcp2_conn *ng, int64_t stream, uint64_t max, void *user, void *stream_user)
{
    struct qe_conn *conn = user;
    (void)ng;
    (void)stream;
    (void)max;
    (void)stream_user;
    conn->control.blocked = false;
    return 0;
}

static int on_datagram(ngtcp2_conn *ng, uint32_t flags, const uint8_t *data, size_t size, void *user)
{
    struct qe_conn *conn = user;
    bool early = flags & NGTCP2_DATAGRAM_FLAG_0RTT;
    (void)ng;
    if (!ready_for_data(conn, early)) return NGTCP2_ERR_CALLBACK_FAILURE;
    // An empty one only asked for an acknowledgement (write.c).
    if (size && !conn->over)
        conn->quic->options.owner.datagram(conn->quic->options.owner.user, conn, qe_span(data, size), conn->ecn, early);
    return 0;
}

static int on_reset(ngtcp2_conn *ng, const ngtcp2_pkt_stateless_reset2 *reset, void *user)
{
    (void)ng;
    (void)reset;
    ((struct qe_conn *)user)->reset = true;
    return 0;
}

static bool is_current(const struct qe_conn *conn, const ngtcp2_path *path)
{
    const ngtcp2_path *current = ngtcp2_conn_get_path2(conn->ng);
    const struct qe_addr locals[] = {qe_path_from(&path->local), qe_path_from(&current->local)};
    const struct qe_addr remotes[] = {qe_path_from(&path->remote), qe_path_from(&current->remote)};
    return qe_addr_equal(&locals[0], &locals[1]) && qe_addr_equal(&remotes[0], &remotes[1]);
}

// ngtcp2 uses a new path while it validates it, and validates the old one as well, to fall back on.
static int on_validation_begun(
    ngtcp2_conn *ng, uint32_t flags, const ngtcp2_path *path, const ngtcp2_path *fallback, void *user)
{
    struct qe_conn *conn = user;
    (void)ng;
    (void)flags;
    (void)fallback;
    if (is_current(conn, path)) conn->validating = true;
    return 0;
}

static int on_validation(ngtcp2_conn *ng, uint32_t flags, const ngtcp2_path *path, const ngtcp2_path *fallback,
    ngtcp2_path_validation_result result, void *user)
{
    struct qe_conn *conn = user;
    (void)ng;
    (void)flags;
    (void)fallback;
    if (result != NGTCP2_PATH_VALIDATION_RESULT_SUCCESS || is_current(conn, path)) conn->validating = false;
    return 0;
}

static const ngtcp2_callbacks ordinary = {
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
    .get_new_connection_id2 = on_new_cid,
    .remove_connection_id = on_remove_cid,
    .dcid_status2 = on_peer_cid,
    .handshake_completed = on_complete,
    .handshake_confirmed = on_confirmed,
    .extend_max_local_streams_bidi = on_streams,
    .recv_stream_data = on_stream_data,
    .stream_open = on_stream_open,
    .stream_reset = on_stream_reset,
    .acked_stream_data_offset = on_stream_acked,
    .extend_max_stream_data = on_stream_window,
    .recv_datagram = on_datagram,
    .recv_stateless_reset2 = on_reset,
    .begin_path_validation = on_validation_begun,
    .path_validation = on_validation,
};

ngtcp2_callbacks qe_conn_callbacks(const struct qe_quic *quic)
{
    ngtcp2_callbacks callbacks = ordinary;
    if (quic->host->seam && quic->host->seam->next)
        qe_seam_null(&callbacks);
    else if (quic->host->seam)
        qe_seam_watch(&callbacks);
    return callbacks;
}
