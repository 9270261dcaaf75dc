// The seam as the rest of proto/quic sees it. Without one (quic/seam.h) each is what OpenSSL says.
#ifndef QE_QUIC_SEAM_INTERNAL_H
#define QE_QUIC_SEAM_INTERNAL_H

#include "quic/internal.h"
#include "quic/seam.h"

// Puts a script in the place of TLS and nothing in that of the ciphers.
void qe_seam_null(ngtcp2_callbacks *callbacks);
// Lets the host watch both.
void qe_seam_watch(ngtcp2_callbacks *callbacks);

// The peer's proven key; false for none.
bool qe_seam_peer_key(const struct qe_conn *conn, struct qe_key *key);
// Whether the server accepted what was sent as 0-RTT.
bool qe_seam_early_accepted(const struct qe_conn *conn);
bool qe_seam_resumed(const struct qe_conn *conn);
// What a stored session is good for: *how as TLS has it, or as the script says. False where the script says nothing.
bool qe_seam_resume(const struct qe_conn *conn, enum qe_tls_resume *how);
// What only the two ends of a complete handshake can know (RFC 8446 §7.5). False for nothing.
bool qe_seam_export(const struct qe_conn *conn, uint8_t out[QE_EXPORT_SIZE]);
// TLS asks about this key; it made a session of that size.
void qe_seam_on_ask(const struct qe_conn *conn, const struct qe_key *key);
void qe_seam_on_session(const struct qe_conn *conn, size_t size);

// callbacks.c: as qe_conn_on_session, of a session that is not there.
void qe_conn_on_session_size(struct qe_conn *conn, size_t size);

static inline bool qe_seam_is_null(const struct qe_quic *quic)
{
    return quic->host->seam && quic->host->seam->next;
}

#endif
