// TLS 1.3 for QUIC inside the overlay, between two applications of simulated machines: a pre-shared key and X25519, so
// that no certificate is needed and handshakes are cheap.
#ifndef QE_SIM_INNER_TLS_H
#define QE_SIM_INNER_TLS_H

#include "quic/library.h"

#include <openssl/ssl.h>

#define SIM_INNER_PSK_SIZE 32

struct sim_inner_tls {
    SSL_CTX *client, *server;
    uint8_t psk[SIM_INNER_PSK_SIZE];
};

// The library is lent for as long as this is. Ends the program where there is no memory.
void sim_inner_tls_init(struct sim_inner_tls *tls, const struct qe_tls_library *library, uint64_t seed);
void sim_inner_tls_fini(struct sim_inner_tls *tls); // a zeroed one is fine

#endif
