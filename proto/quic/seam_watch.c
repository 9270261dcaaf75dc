// TLS and the ciphers as they are, with the host told what they do.
//
// ngtcp2's crypto library gives OpenSSL a table of functions that no one else sees: the link option --wrap leads its
// call by here (CMakeLists.txt), and where a host watches, a table of our own stands before it.
#include "quic/seam_internal.h"

#include <openssl/core_dispatch.h>
#include <openssl/ssl.h>

int __real_SSL_set_quic_tls_cbs(SSL *ssl, const OSSL_DISPATCH *functions, void *arg);
int __wrap_SSL_set_quic_tls_cbs(SSL *ssl, const OSSL_DISPATCH *functions, void *arg);

typedef void (*any_function)(void);

// `arg` of our table is the one behind it.
static any_function behind(const void *arg, int id)
{
    const OSSL_DISPATCH *at = arg;
    while (at->function_id && at->function_id != id)
        at++;
    return at->function;
}

static struct qe_conn *conn_of(const SSL *ssl)
{
    const ngtcp2_crypto_conn_ref *ref = SSL_get_app_data(ssl);
    return ref ? ref->user_data : NULL;
}

// The connection's host may have gone (qe_conn_free_engine): then nobody watches.
static void tell(const struct qe_conn *conn, const struct qe_tls_act *act)
{
    const struct qe_seam *seam = conn ? conn->quic->host->seam : NULL;
    if (seam && seam->acted) seam->acted(seam->user, act);
}

void qe_seam_on_ask(const struct qe_conn *conn, const struct qe_key *key)
{
    const struct qe_tls_act act = {.kind = QE_TLS_ASK, .bytes = {key->bytes, sizeof key->bytes}};
    tell(conn, &act);
}

void qe_seam_on_session(const struct qe_conn *conn, size_t size)
{
    const struct qe_tls_act act = {.kind = QE_TLS_SESSION, .a = size};
    tell(conn, &act);
}

static int watch_send(SSL *ssl, const unsigned char *bytes, size_t size, size_t *consumed, void *arg)
{
    int (*inner)(SSL *, const unsigned char *, size_t, size_t *, void *) = (int (*)(
        SSL *, const unsigned char *, size_t, size_t *, void *))behind(arg, OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_SEND);
    const struct qe_conn *conn = conn_of(ssl);
    struct qe_tls_act act = {.kind = QE_TLS_SUBMIT, .a = size};
    if (conn && conn->seam_level == NGTCP2_ENCRYPTION_LEVEL_INITIAL && size <= QE_TLS_BYTES_MAX)
        act.bytes = qe_span(bytes, size);
    tell(conn, &act);
    return inner(ssl, bytes, size, consumed, NULL);
}

static int watch_receive(SSL *ssl, const unsigned char **bytes, size_t *size, void *arg)
{
    int (*inner)(SSL *, const unsigned char **, size_t *, void *) =
        (int (*)(SSL *, const unsigned char **, size_t *, void *))behind(arg, OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_RECV_RCD);
    return inner(ssl, bytes, size, NULL);
}

static int watch_release(SSL *ssl, size_t size, void *arg)
{
    int (*inner)(SSL *, size_t, void *) =
        (int (*)(SSL *, size_t, void *))behind(arg, OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_RELEASE_RCD);
    return inner(ssl, size, NULL);
}

static uint8_t level_of(uint32_t level)
{
    switch (level) {
    case OSSL_RECORD_PROTECTION_LEVEL_EARLY:
        return NGTCP2_ENCRYPTION_LEVEL_0RTT;
    case OSSL_RECORD_PROTECTION_LEVEL_HANDSHAKE:
        return NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE;
    case OSSL_RECORD_PROTECTION_LEVEL_APPLICATION:
        return NGTCP2_ENCRYPTION_LEVEL_1RTT;
    default:
        return NGTCP2_ENCRYPTION_LEVEL_INITIAL;
    }
}

static int watch_secret(
    SSL *ssl, uint32_t level, int direction, const unsigned char *secret, size_t secret_size, void *arg)
{
    int (*inner)(SSL *, uint32_t, int, const unsigned char *, size_t, void *) = (int (*)(
        SSL *, uint32_t, int, const unsigned char *, size_t, void *))behind(arg, OSSL_FUNC_SSL_QUIC_TLS_YIELD_SECRET);
    struct qe_conn *conn = conn_of(ssl);
    int result = inner(ssl, level, direction, secret, secret_size, NULL);
    if (!conn) return result;
    struct qe_tls_act act = {.kind = direction ? QE_TLS_TX : QE_TLS_RX, .level = level_of(level), .a = secret_size};
    const ngtcp2_crypto_ctx *context = act.level == NGTCP2_ENCRYPTION_LEVEL_0RTT
                                           ? ngtcp2_conn_get_0rtt_crypto_ctx2(conn->ng)
                                           : ngtcp2_conn_get_crypto_ctx2(conn->ng);
    if (direction) conn->seam_level = act.level;
    act.encryptions_max = context->max_encryption;
    act.failures_max = context->max_decryption_failure;
    tell(conn, &act);
    return result;
}

static int watch_parameters(SSL *ssl, const unsigned char *bytes, size_t size, void *arg)
{
    int (*inner)(SSL *, const unsigned char *, size_t, void *) =
        (int (*)(SSL *, const unsigned char *, size_t, void *))behind(arg, OSSL_FUNC_SSL_QUIC_TLS_GOT_TRANSPORT_PARAMS);
    const struct qe_tls_act act = {.kind = QE_TLS_PARAMETERS, .bytes = {bytes, size}};
    tell(conn_of(ssl), &act);
    return inner(ssl, bytes, size, NULL);
}

static int watch_alert(SSL *ssl, unsigned char code, void *arg)
{
    int (*inner)(SSL *, unsigned char, void *) =
        (int (*)(SSL *, unsigned char, void *))behind(arg, OSSL_FUNC_SSL_QUIC_TLS_ALERT);
    const struct qe_tls_act act = {.kind = QE_TLS_ALERT, .a = code};
    tell(conn_of(ssl), &act);
    return inner(ssl, code, NULL);
}

static const OSSL_DISPATCH watching[] = {
    {OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_SEND, (any_function)watch_send},
    {OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_RECV_RCD, (any_function)watch_receive},
    {OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_RELEASE_RCD, (any_function)watch_release},
    {OSSL_FUNC_SSL_QUIC_TLS_YIELD_SECRET, (any_function)watch_secret},
    {OSSL_FUNC_SSL_QUIC_TLS_GOT_TRANSPORT_PARAMS, (any_function)watch_parameters},
    {OSSL_FUNC_SSL_QUIC_TLS_ALERT, (any_function)watch_alert},
    OSSL_DISPATCH_END,
};

// A server that may accept 0-RTT is through before its client has finished: SSL_do_handshake says so,
// SSL_is_init_finished does not.
static void on_info(const SSL *ssl, int where, int result)
{
    struct qe_conn *conn = conn_of(ssl);
    if (conn && where & SSL_CB_EXIT && result == 1) conn->seam_complete = true;
}

int __wrap_SSL_set_quic_tls_cbs(SSL *ssl, const OSSL_DISPATCH *functions, void *arg)
{
    // Others in this program may use ngtcp2, too; a connection of a node is set up while that node is at work.
    if (!qe_quic_current || !qe_quic_current->host->seam) return __real_SSL_set_quic_tls_cbs(ssl, functions, arg);
    SSL_set_info_callback(ssl, on_info);
    return __real_SSL_set_quic_tls_cbs(ssl, watching, (void *)(uintptr_t)functions);
}

static const struct qe_seam *seam(void)
{
    return qe_quic_current->host->seam;
}

static int watch_encrypt(uint8_t *out, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
    const uint8_t *plain, size_t plain_size, const uint8_t *nonce, size_t nonce_size, const uint8_t *header,
    size_t header_size)
{
    if (seam()->sealing) seam()->sealing(seam()->user, qe_span(header, header_size), qe_span(plain, plain_size));
    return ngtcp2_crypto_encrypt_cb(out, aead, context, plain, plain_size, nonce, nonce_size, header, header_size);
}

static int watch_decrypt(uint8_t *out, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
    const uint8_t *sealed, size_t sealed_size, const uint8_t *nonce, size_t nonce_size, const uint8_t *header,
    size_t header_size)
{
    int rv = ngtcp2_crypto_decrypt_cb(out, aead, context, sealed, sealed_size, nonce, nonce_size, header, header_size);
    seam()->opened(seam()->user, qe_span(header, header_size), qe_span(sealed, sealed_size), rv == 0 ? out : NULL);
    return rv;
}

static int watch_mask(
    uint8_t *out, const ngtcp2_crypto_cipher *cipher, const ngtcp2_crypto_cipher_ctx *context, const uint8_t *sample)
{
    int rv = ngtcp2_crypto_hp_mask_cb(out, cipher, context, sample);
    if (rv == 0) seam()->unmasked(seam()->user, sample, out);
    return rv;
}

static int end_turn(const struct qe_conn *conn, int rv)
{
    struct qe_tls_act act = {.kind = QE_TLS_TURN, .a = (uint64_t)(int64_t)rv};
    if (conn->seam_complete) act.b |= QE_TLS_COMPLETE;
    if (SSL_session_reused(conn->ssl)) act.b |= QE_TLS_RESUMED;
    tell(conn, &act);
    return rv;
}

static int watch_client_initial(ngtcp2_conn *ng, void *user)
{
    return end_turn(user, ngtcp2_crypto_client_initial_cb(ng, user));
}

static int watch_recv_crypto(
    ngtcp2_conn *ng, ngtcp2_encryption_level level, uint64_t offset, const uint8_t *data, size_t size, void *user)
{
    return end_turn(user, ngtcp2_crypto_recv_crypto_data_cb(ng, level, offset, data, size, user));
}

void qe_seam_watch(ngtcp2_callbacks *callbacks)
{
    callbacks->client_initial = watch_client_initial;
    callbacks->recv_crypto_data = watch_recv_crypto;
    callbacks->encrypt = watch_encrypt;
    callbacks->decrypt = watch_decrypt;
    callbacks->hp_mask = watch_mask;
}
