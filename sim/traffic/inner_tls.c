#include "traffic/inner_tls.h"

#include "engine/random.h"

#include "quic/scope.h"
#include "quic/tls.h"

#include <assert.h>
#include <string.h>

static const unsigned char identity[] = "inner";
#define IDENTITY_SIZE (sizeof(identity) - 1)
static const unsigned char alpn[] = "\x05inner";
#define ALPN_SIZE (sizeof(alpn) - 1)
static const unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};

static SSL_SESSION *psk_session(SSL *ssl)
{
    const struct sim_inner_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION *session = SSL_SESSION_new();
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
    bool ok = session && cipher && SSL_SESSION_set1_master_key(session, tls->psk, sizeof(tls->psk)) &&
              SSL_SESSION_set_cipher(session, cipher) && SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION);
    assert(ok);
    return session;
}

static int use_psk(SSL *ssl, const EVP_MD *digest, const unsigned char **id, size_t *id_size, SSL_SESSION **session)
{
    (void)digest;
    *id = identity;
    *id_size = IDENTITY_SIZE;
    *session = psk_session(ssl);
    return 1;
}

static int find_psk(SSL *ssl, const unsigned char *id, size_t id_size, SSL_SESSION **session)
{
    bool known = id_size == IDENTITY_SIZE && memcmp(id, identity, IDENTITY_SIZE) == 0;
    *session = known ? psk_session(ssl) : NULL;
    return 1;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
    unsigned int in_size, void *arg)
{
    (void)ssl;
    (void)arg;
    if (in_size != ALPN_SIZE || memcmp(in, alpn, ALPN_SIZE) != 0) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = in + 1;
    *out_size = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make(struct sim_inner_tls *tls, const struct qe_tls_library *library, const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(qe_tls_library_context(library), NULL, method);
    bool ok = ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
              SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") && SSL_CTX_set1_groups_list(ctx, "X25519");
    assert(ok);
    SSL_CTX_set_app_data(ctx, tls);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return ctx;
}

static void draw(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    (void)purpose;
    sim_random_fill(user, out, size);
}

void sim_inner_tls_init(struct sim_inner_tls *tls, const struct qe_tls_library *library, uint64_t seed)
{
    struct sim_stream stream = sim_stream(seed, SIM_STREAM_FLOW, "inner TLS", 0);
    struct qe_host host = {.user = &stream, .random = draw};
    struct qe_tls_scope scope;
    sim_random_fill(&stream, tls->psk, sizeof(tls->psk));
    // A context draws the keys of tickets that it will never give out.
    qe_tls_scope_enter(&scope, &host, 0);
    tls->client = make(tls, library, TLS_client_method());
    tls->server = make(tls, library, TLS_server_method());
    SSL_CTX_set_psk_use_session_callback(tls->client, use_psk);
    SSL_CTX_set_psk_find_session_callback(tls->server, find_psk);
    SSL_CTX_set_alpn_protos(tls->client, alpn, ALPN_SIZE);
    SSL_CTX_set_alpn_select_cb(tls->server, select_alpn, NULL);
    SSL_CTX_set_num_tickets(tls->server, 0);
    qe_tls_scope_leave(&scope);
}

void sim_inner_tls_fini(struct sim_inner_tls *tls)
{
    SSL_CTX_free(tls->client);
    SSL_CTX_free(tls->server);
    *tls = (struct sim_inner_tls){0};
}
