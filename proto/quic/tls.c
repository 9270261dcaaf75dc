// Contexts and callbacks of OpenSSL. Every choice of algorithm is here. A peer is its raw public key and nothing else:
// no certificate, no name, no time of expiry enters the decision, which is the owner's alone.
#include "quic/tls.h"
#include "quic/provider.h"
#include "quic/seam_internal.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_ossl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

// Tickets for each full handshake. Each is good once, and a peer may open several paths from one session.
#define TICKETS 8
// How long a ticket is good: the most that RFC 8446 §4.6.1 allows is seven days.
#define TICKET_SECONDS (24 * 60 * 60)

static const unsigned char alpn[] = "\x0bquicether/1";
#define ALPN_SIZE (sizeof alpn - 1)
static const unsigned char session_context[] = "quicether";

// The preference decides who verifies; the identity key's own provider signs, as it gives its key to no other.
static const char verifier_properties[] = "?provider=default";

struct qe_tls_library {
    OSSL_LIB_CTX *context;
    OSSL_PROVIDER *standard;
    OSSL_PROVIDER *own;
};

struct qe_tls_library *qe_tls_library_new(void)
{
    // No configuration file of the machine may change what the core does.
    if (!OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS, NULL)) return NULL;
    if (ngtcp2_crypto_ossl_init() != 0) return NULL;
    struct qe_tls_library *library = OPENSSL_zalloc(sizeof *library);
    if (!library) goto out;
    if (!(library->context = OSSL_LIB_CTX_new())) goto out;
    if (!(library->standard = OSSL_PROVIDER_load(library->context, "default"))) goto out;
    if (!(library->own = qe_provider_load(library->context))) goto out;
    return library;
out:
    qe_tls_library_free(library);
    return NULL;
}

void qe_tls_library_free(struct qe_tls_library *library)
{
    if (!library) return;
    RAND_set1_random_provider(library->context, NULL);
    if (library->own) OSSL_PROVIDER_unload(library->own);
    if (library->standard) OSSL_PROVIDER_unload(library->standard);
    OSSL_LIB_CTX_free(library->context);
    OPENSSL_free(library);
    ngtcp2_crypto_ossl_free();
}

OSSL_LIB_CTX *qe_tls_library_context(const struct qe_tls_library *library)
{
    return library->context;
}

static struct qe_conn *conn_of(const SSL *ssl)
{
    const ngtcp2_crypto_conn_ref *ref = SSL_get_app_data(ssl);
    return ref ? ref->user_data : NULL;
}

static bool key_of(const EVP_PKEY *pkey, struct qe_key *key)
{
    size_t size = sizeof key->bytes;
    return pkey && EVP_PKEY_is_a(pkey, "ED25519") && EVP_PKEY_get_raw_public_key(pkey, key->bytes, &size) == 1 &&
           size == sizeof key->bytes;
}

bool qe_tls_peer_key(const SSL *ssl, struct qe_key *key)
{
    return key_of(SSL_get0_peer_rpk(ssl), key);
}

SSL_SESSION *qe_tls_session_decode(const struct qe_tls_library *library, struct qe_span der, struct qe_key *key)
{
    const unsigned char *at = der.data;
    ERR_clear_error();
    SSL_SESSION *session = d2i_SSL_SESSION_ex(NULL, &at, (long)der.size, library->context, verifier_properties);
    if (session && SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION && at == der.data + der.size &&
        key_of(SSL_SESSION_get0_peer_rpk(session), key))
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

static bool ask(struct qe_conn *conn, const struct qe_key *key)
{
    qe_seam_on_ask(conn, key);
    return qe_conn_on_peer_key(conn, key);
}

// Takes the place of X.509 verification. Resumed handshakes do not come by here; conn.c asks again for those.
static int verify(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    struct qe_key key;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct qe_conn *conn = ssl ? conn_of(ssl) : NULL;
    if (conn && key_of(X509_STORE_CTX_get0_rpk(store), &key) && ask(conn, &key)) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_RPK_UNTRUSTED);
    return 0;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
    unsigned int in_size, void *arg)
{
    (void)ssl;
    (void)arg;
    for (const unsigned char *p = in, *end = in + in_size; p < end && p + 1 + *p <= end; p += 1 + *p) {
        if ((size_t)*p + 1 != ALPN_SIZE || memcmp(p, alpn, ALPN_SIZE) != 0) continue;
        *out = p + 1;
        *out_size = *p;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// 0-RTT is decided before the peer's key is looked at anywhere else.
static int allow_early_data(SSL *ssl, void *arg)
{
    (void)arg;
    struct qe_key key;
    struct qe_conn *conn = conn_of(ssl);
    return conn && qe_tls_peer_key(ssl, &key) && ask(conn, &key);
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct qe_conn *conn = conn_of(ssl);
    if (conn) qe_conn_on_session(conn, session);
    return 0;
}

static void on_keylog(const SSL *ssl, const char *line)
{
    struct qe_conn *conn = conn_of(ssl);
    if (conn) qe_conn_on_keylog(conn, line);
}

static bool configure(SSL_CTX *ctx, const struct qe_tls_options *options)
{
    static const unsigned char raw_keys[] = {TLSEXT_cert_type_rpk};
    EVP_PKEY *identity = qe_provider_identity(options->library->context, options->identity);
    bool ok = identity && SSL_CTX_use_PrivateKey(ctx, identity) == 1;
    EVP_PKEY_free(identity);
    if (!ok) return false;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
    if (options->keylog) SSL_CTX_set_keylog_callback(ctx, on_keylog);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) && SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
           SSL_CTX_set1_client_cert_type(ctx, raw_keys, sizeof raw_keys) &&
           SSL_CTX_set1_server_cert_type(ctx, raw_keys, sizeof raw_keys) &&
           SSL_CTX_set_ciphersuites(
               ctx, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384") &&
           SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519") && SSL_CTX_set1_sigalgs_list(ctx, "ed25519");
}

int qe_tls_init(struct qe_tls *tls, const struct qe_tls_options *options)
{
    OSSL_LIB_CTX *context = options->library->context;
    *tls = (struct qe_tls){0};
    ERR_clear_error();
    tls->client = SSL_CTX_new_ex(context, verifier_properties, TLS_client_method());
    tls->server = SSL_CTX_new_ex(context, verifier_properties, TLS_server_method());
    if (!tls->client || !tls->server || !configure(tls->client, options) || !configure(tls->server, options)) goto out;

    if (SSL_CTX_set_alpn_protos(tls->client, alpn, ALPN_SIZE) != 0) goto out;
    SSL_CTX_set_session_cache_mode(tls->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls->client, on_session);

    // Anti-replay stays on: with it, OpenSSL keeps each ticket's session and drops it at its first use.
    SSL_CTX_set_session_cache_mode(tls->server, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(tls->server, (long)options->sessions_max);
    SSL_CTX_set_timeout(tls->server, TICKET_SECONDS);
    SSL_CTX_set_alpn_select_cb(tls->server, select_alpn, NULL);
    SSL_CTX_set_allow_early_data_cb(tls->server, allow_early_data, NULL);
    // RFC 9001 §4.6.1: in QUIC this number only says that there may be 0-RTT.
    if (!SSL_CTX_set_max_early_data(tls->server, UINT32_MAX) || !SSL_CTX_set_num_tickets(tls->server, TICKETS) ||
        !SSL_CTX_set_session_id_context(tls->server, session_context, sizeof session_context - 1))
        goto out;
    return 0;
out:
    qe_tls_fini(tls);
    return -1;
}

void qe_tls_fini(struct qe_tls *tls)
{
    SSL_CTX_free(tls->client);
    SSL_CTX_free(tls->server);
    *tls = (struct qe_tls){0};
}
