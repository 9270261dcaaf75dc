// The seam between QUIC and its cryptography, for redacted recordings (docs/recording.md). A host may watch what TLS
// and the packet ciphers do; or it may stand in TLS's place, with a script of what TLS did before, and then nothing is
// encrypted: packets are as long as ever, their headers and frames plain, their tags zero.
//
// The daemon's host has no seam, and nothing here is called.
#ifndef QE_QUIC_SEAM_H
#define QE_QUIC_SEAM_H

#include "base/bytes.h"

// What TLS did, in order. Each call of TLS by QUIC is a turn, which ends with TURN.
enum qe_tls_act_kind {
    QE_TLS_TURN, // a: its result, as ngtcp2's callbacks have it (signed); b: QE_TLS_COMPLETE, QE_TLS_RESUMED
    // a: so many bytes of handshake messages; bytes: these, where everybody can read them in an Initial packet (ngtcp2
    // cuts a ClientHello by what is in it), else empty
    QE_TLS_SUBMIT,
    QE_TLS_RX,         // keys to receive with; level; a: size of the secret; limits
    QE_TLS_TX,         // keys to send with, likewise
    QE_TLS_PARAMETERS, // bytes: the peer's transport parameters
    QE_TLS_ALERT,      // a
    QE_TLS_ASK,        // bytes: the key that the peer shows, which the owner is asked about
    // Outside of turns.
    QE_TLS_PEER,    // bytes: the peer's key; none: empty
    QE_TLS_EARLY,   // a: whether the server accepted 0-RTT
    QE_TLS_SESSION, // a: size of a session to keep
    QE_TLS_RESUME,  // a: what a stored session is good for: enum qe_tls_resume
    QE_TLS_EXPORT,  // bytes: of the connection's exporter (RFC 8446 §7.5); none: empty
    QE_TLS_ACT_COUNT,
};

#define QE_TLS_COMPLETE 1 // the handshake
#define QE_TLS_RESUMED  2

enum qe_tls_resume { QE_TLS_RESUME_NOT, QE_TLS_RESUME_LATE, QE_TLS_RESUME_EARLY };

#define QE_TLS_BYTES_MAX 16384

struct qe_tls_act {
    uint8_t kind;  // enum qe_tls_act_kind
    uint8_t level; // ngtcp2_encryption_level
    uint64_t a, b;
    uint64_t encryptions_max, failures_max; // RX, TX: how often these keys may be used, and fail (RFC 9001 §6.6)
    struct qe_span bytes;                   // at most QE_TLS_BYTES_MAX
};

struct qe_seam {
    void *user;
    // In TLS's place: the next act, valid until the next call; false where there is none, which ends the connection.
    // NULL: TLS is there, and the functions below watch.
    bool (*next)(void *user, struct qe_tls_act *act);
    void (*acted)(void *user, const struct qe_tls_act *act);
    // The mask of a header, made from this sample (RFC 9001 §5.4).
    void (*unmasked)(void *user, const uint8_t *sample, const uint8_t mask[5]);
    // A packet was decrypted from `sealed`, tag included; plain NULL: it was not.
    void (*opened)(void *user, struct qe_span header, struct qe_span sealed, const uint8_t *plain);
    // A packet is about to be encrypted, or not encrypted. May be NULL.
    void (*sealing)(void *user, struct qe_span header, struct qe_span plain);
};

#endif
