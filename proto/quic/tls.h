// TLS as this project uses it: version 1.3 only, raw Ed25519 public keys on both sides (RFC 7250), session tickets that
// are good for one use.
#ifndef QE_QUIC_TLS_H
#define QE_QUIC_TLS_H

#include "base/bytes.h"
#include "identity/identity.h"
#include "quic/library.h"

#include <openssl/ssl.h>
#include <stdbool.h>

struct qe_conn;

// What the library's algorithms belong to, for TLS that is not the tunnel's (the simulator's applications).
OSSL_LIB_CTX *qe_tls_library_context(const struct qe_tls_library *library);

// The two contexts of an endpoint: its server half remembers the tickets it gave out.
struct qe_tls {
    SSL_CTX *client;
    SSL_CTX *server;
};

struct qe_tls_options {
    const struct qe_tls_library *library;
    const struct qe_key *identity; // its private half stays with the host
    size_t sessions_max;           // tickets that the server half remembers; the oldest go first
    bool keylog;
};

// 0, or -1; a scope must have been entered.
int qe_tls_init(struct qe_tls *tls, const struct qe_tls_options *options);
void qe_tls_fini(struct qe_tls *tls);

// The raw public key that the peer proved, or proved in the session that this one resumes. False where there is none.
bool qe_tls_peer_key(const SSL *ssl, struct qe_key *key);

// A stored session with the key of its peer; NULL where it is not one of TLS 1.3 with a raw key. The caller frees it.
SSL_SESSION *qe_tls_session_decode(const struct qe_tls_library *library, struct qe_span der, struct qe_key *key);

// What TLS asks of a connection (conn.c).
// Whether a peer with this key may go on; called from inside a handshake.
bool qe_conn_on_peer_key(struct qe_conn *conn, const struct qe_key *key);
void qe_conn_on_session(struct qe_conn *conn, SSL_SESSION *session);
void qe_conn_on_keylog(struct qe_conn *conn, const char *line);

#endif
