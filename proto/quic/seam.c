// TLS's place taken by a script, and the ciphers' by nothing.
#include "quic/seam_internal.h"

#include <openssl/ssl.h>

// RFC 9001 §5.3: the tag and nonce of all its ciphers.
#define TAG_SIZE   16
#define NONCE_SIZE 12

// ngtcp2 takes a context without a handle for none.
static const char something[] = "null";

static void *handle(void)
{
    return (void *)(uintptr_t)something;
}

static const struct qe_seam *seam(void)
{
    return qe_quic_current->host->seam;
}

static int null_encrypt(uint8_t *out, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
    const uint8_t *plain, size_t plain_size, const uint8_t *nonce, size_t nonce_size, const uint8_t *header,
    size_t header_size)
{
    (void)aead;
    (void)context;
    (void)nonce;
    (void)nonce_size;
    if (seam()->sealing) seam()->sealing(seam()->user, qe_span(header, header_size), qe_span(plain, plain_size));
    if (plain_size) memmove(out, plain, plain_size);
    memset(out + plain_size, 0, TAG_SIZE);
    return 0;
}

static int null_decrypt(uint8_t *out, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
    const uint8_t *sealed, size_t sealed_size, const uint8_t *nonce, size_t nonce_size, const uint8_t *header,
    size_t header_size)
{
    static const uint8_t right[TAG_SIZE];
    (void)aead;
    (void)context;
    (void)nonce;
    (void)nonce_size;
    (void)header;
    (void)header_size;
    if (sealed_size < TAG_SIZE) return NGTCP2_ERR_DECRYPT;
    size_t size = sealed_size - TAG_SIZE;
    if (memcmp(sealed + size, right, TAG_SIZE) != 0) return NGTCP2_ERR_DECRYPT;
    if (size) memmove(out, sealed, size);
    return 0;
}

static int null_mask(
    uint8_t *out, const ngtcp2_crypto_cipher *cipher, const ngtcp2_crypto_cipher_ctx *context, const uint8_t *sample)
{
    (void)cipher;
    (void)context;
    (void)sample;
    memset(out, 0, NGTCP2_HP_MASKLEN);
    return 0;
}

static int null_update(ngtcp2_conn *ng, uint8_t *rx_secret, uint8_t *tx_secret, ngtcp2_crypto_aead_ctx *rx,
    uint8_t *rx_iv, ngtcp2_crypto_aead_ctx *tx, uint8_t *tx_iv, const uint8_t *old_rx_secret,
    const uint8_t *old_tx_secret, size_t secret_size, void *user)
{
    (void)ng;
    (void)user;
    memcpy(rx_secret, old_rx_secret, secret_size);
    memcpy(tx_secret, old_tx_secret, secret_size);
    rx->native_handle = tx->native_handle = handle();
    memset(rx_iv, 0, NONCE_SIZE);
    memset(tx_iv, 0, NONCE_SIZE);
    return 0;
}

static void null_forget(ngtcp2_conn *ng, ngtcp2_crypto_aead_ctx *context, void *user)
{
    (void)ng;
    (void)context;
    (void)user;
}

static void null_forget_mask(ngtcp2_conn *ng, ngtcp2_crypto_cipher_ctx *context, void *user)
{
    (void)ng;
    (void)context;
    (void)user;
}

static ngtcp2_crypto_ctx context_of(const struct qe_tls_act *act)
{
    ngtcp2_crypto_ctx context = {.aead = {handle(), TAG_SIZE}, .hp = {handle()}};
    context.md.native_handle = handle();
    context.max_encryption = act->encryptions_max;
    context.max_decryption_failure = act->failures_max;
    return context;
}

static int install_initial(struct qe_conn *conn)
{
    static const uint8_t iv[NONCE_SIZE];
    const struct qe_tls_act unlimited = {0};
    ngtcp2_crypto_ctx context = context_of(&unlimited);
    ngtcp2_crypto_aead_ctx rx = {handle()}, tx = {handle()}, retry = {handle()};
    ngtcp2_crypto_cipher_ctx rx_mask = {handle()}, tx_mask = {handle()};
    ngtcp2_conn_set_initial_crypto_ctx(conn->ng, &context);
    int rv = ngtcp2_conn_install_initial_key(conn->ng, &rx, iv, &rx_mask, &tx, iv, &tx_mask, NONCE_SIZE);
    if (rv == 0 && conn->client && !ngtcp2_conn_after_retry2(conn->ng))
        ngtcp2_conn_set_retry_aead(conn->ng, &context.aead, &retry);
    return rv;
}

static int install(struct qe_conn *conn, const struct qe_tls_act *act)
{
    static const uint8_t iv[NONCE_SIZE], secret[64];
    ngtcp2_crypto_ctx context = context_of(act);
    ngtcp2_crypto_aead_ctx aead = {handle()};
    ngtcp2_crypto_cipher_ctx mask = {handle()};
    bool rx = act->kind == QE_TLS_RX;
    if (act->a > sizeof secret) return -1;
    switch (act->level) {
    case NGTCP2_ENCRYPTION_LEVEL_0RTT:
        // Only clients send as 0-RTT.
        if (rx == conn->client) return 0;
        ngtcp2_conn_set_0rtt_crypto_ctx(conn->ng, &context);
        return ngtcp2_conn_install_0rtt_key(conn->ng, &aead, iv, NONCE_SIZE, &mask);
    case NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE:
    case NGTCP2_ENCRYPTION_LEVEL_1RTT:
        break;
    default:
        return -1;
    }
    if (!ngtcp2_conn_get_crypto_ctx2(conn->ng)->aead.native_handle) ngtcp2_conn_set_crypto_ctx(conn->ng, &context);
    if (act->level == NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE)
        return rx ? ngtcp2_conn_install_rx_handshake_key(conn->ng, &aead, iv, NONCE_SIZE, &mask)
                  : ngtcp2_conn_install_tx_handshake_key(conn->ng, &aead, iv, NONCE_SIZE, &mask);
    return rx ? ngtcp2_conn_install_rx_key(conn->ng, secret, (size_t)act->a, &aead, iv, NONCE_SIZE, &mask)
              : ngtcp2_conn_install_tx_key(conn->ng, secret, (size_t)act->a, &aead, iv, NONCE_SIZE, &mask);
}

static int submit(struct qe_conn *conn, const struct qe_tls_act *act)
{
    static const uint8_t zeros[1024];
    size_t size = (size_t)act->a;
    int rv = 0;
    if (act->bytes.size)
        return ngtcp2_conn_submit_crypto_data(conn->ng, conn->seam_level, act->bytes.data, act->bytes.size);
    while (size > 0 && rv == 0) {
        size_t part = size < sizeof zeros ? size : sizeof zeros;
        rv = ngtcp2_conn_submit_crypto_data(conn->ng, conn->seam_level, zeros, part);
        size -= part;
    }
    return rv;
}

static bool key_in(const struct qe_tls_act *act, struct qe_key *key)
{
    if (act->bytes.size != sizeof key->bytes) return false;
    memcpy(key->bytes, act->bytes.data, sizeof key->bytes);
    return true;
}

// One act within a turn; what it comes to is what TLS has come to, so only ngtcp2 is told of failures.
static void perform(struct qe_conn *conn, const struct qe_tls_act *act)
{
    struct qe_key key;
    int rv = 0;
    switch (act->kind) {
    case QE_TLS_SUBMIT:
        rv = submit(conn, act);
        break;
    case QE_TLS_TX:
        if (install(conn, act) == 0) conn->seam_level = act->level;
        break;
    case QE_TLS_RX:
        install(conn, act);
        break;
    case QE_TLS_PARAMETERS:
        rv = ngtcp2_conn_decode_and_set_remote_transport_params(conn->ng, act->bytes.data, act->bytes.size);
        break;
    case QE_TLS_ALERT:
        ngtcp2_conn_set_tls_alert(conn->ng, (uint8_t)act->a);
        break;
    case QE_TLS_ASK:
        if (key_in(act, &key)) qe_conn_on_peer_key(conn, &key);
        break;
    case QE_TLS_SESSION:
        qe_conn_on_session_size(conn, (size_t)act->a);
        break;
    default:
        break;
    }
    if (rv != 0) ngtcp2_conn_set_tls_error(conn->ng, rv);
}

static int take_turn(struct qe_conn *conn)
{
    struct qe_tls_act act;
    for (;;) {
        if (!seam()->next(seam()->user, &act)) return NGTCP2_ERR_CALLBACK_FAILURE;
        if (act.kind == QE_TLS_TURN) break;
        perform(conn, &act);
    }
    if (act.b & QE_TLS_RESUMED) conn->seam_resumed = true;
    if (act.b & QE_TLS_COMPLETE) ngtcp2_conn_tls_handshake_completed(conn->ng);
    int64_t result = (int64_t)act.a;
    return result < 0 && result >= -10000 ? (int)result : 0;
}

static int null_client_initial(ngtcp2_conn *ng, void *user)
{
    (void)ng;
    return install_initial(user) == 0 ? take_turn(user) : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int null_recv_client_initial(ngtcp2_conn *ng, const ngtcp2_cid *dcid, void *user)
{
    (void)ng;
    (void)dcid;
    return install_initial(user) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int null_recv_retry(ngtcp2_conn *ng, const ngtcp2_pkt_hd *header, void *user)
{
    (void)ng;
    (void)header;
    return install_initial(user) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int null_recv_crypto(
    ngtcp2_conn *ng, ngtcp2_encryption_level level, uint64_t offset, const uint8_t *data, size_t size, void *user)
{
    (void)ng;
    (void)level;
    (void)offset;
    (void)data;
    (void)size;
    return take_turn(user);
}

void qe_seam_null(ngtcp2_callbacks *callbacks)
{
    callbacks->client_initial = null_client_initial;
    callbacks->recv_client_initial = null_recv_client_initial;
    callbacks->recv_crypto_data = null_recv_crypto;
    callbacks->encrypt = null_encrypt;
    callbacks->decrypt = null_decrypt;
    callbacks->hp_mask = null_mask;
    callbacks->recv_retry = null_recv_retry;
    callbacks->update_key = null_update;
    callbacks->delete_crypto_aead_ctx = null_forget;
    callbacks->delete_crypto_cipher_ctx = null_forget_mask;
}

// The next act, which must be of this kind.
static bool expect(const struct qe_seam *s, uint8_t kind, struct qe_tls_act *act)
{
    return s->next(s->user, act) && act->kind == kind;
}

bool qe_seam_peer_key(const struct qe_conn *conn, struct qe_key *key)
{
    const struct qe_seam *s = conn->quic->host->seam;
    struct qe_tls_act act = {.kind = QE_TLS_PEER};
    if (s && s->next) return expect(s, QE_TLS_PEER, &act) && key_in(&act, key);
    bool known = qe_tls_peer_key(conn->ssl, key);
    if (known) act.bytes = qe_span(key->bytes, sizeof key->bytes);
    if (s) s->acted(s->user, &act);
    return known;
}

bool qe_seam_early_accepted(const struct qe_conn *conn)
{
    const struct qe_seam *s = conn->quic->host->seam;
    struct qe_tls_act act = {.kind = QE_TLS_EARLY};
    if (s && s->next) return expect(s, QE_TLS_EARLY, &act) && act.a;
    act.a = SSL_get_early_data_status(conn->ssl) == SSL_EARLY_DATA_ACCEPTED;
    if (s) s->acted(s->user, &act);
    return act.a;
}

bool qe_seam_resumed(const struct qe_conn *conn)
{
    return conn->seam_resumed || (conn->ssl && SSL_session_reused(conn->ssl));
}

bool qe_seam_resume(const struct qe_conn *conn, enum qe_tls_resume *how)
{
    const struct qe_seam *s = conn->quic->host->seam;
    struct qe_tls_act act = {.kind = QE_TLS_RESUME, .a = (uint64_t)*how};
    if (!s) return true;
    if (!s->next) {
        s->acted(s->user, &act);
        return true;
    }
    if (!expect(s, QE_TLS_RESUME, &act) || act.a > QE_TLS_RESUME_EARLY) return false;
    *how = (enum qe_tls_resume)act.a;
    return true;
}

bool qe_seam_export(const struct qe_conn *conn, uint8_t out[QE_EXPORT_SIZE])
{
    static const char label[] = "EXPORTER-quicether-member";
    const struct qe_seam *s = conn->quic->host->seam;
    struct qe_tls_act act = {.kind = QE_TLS_EXPORT};
    if (s && s->next) {
        if (!expect(s, QE_TLS_EXPORT, &act) || act.bytes.size != QE_EXPORT_SIZE) return false;
        memcpy(out, act.bytes.data, QE_EXPORT_SIZE);
        return true;
    }
    bool known = SSL_export_keying_material(conn->ssl, out, QE_EXPORT_SIZE, label, sizeof label - 1, NULL, 0, 0) == 1;
    if (known) act.bytes = qe_span(out, QE_EXPORT_SIZE);
    if (s) s->acted(s->user, &act);
    return known;
}
