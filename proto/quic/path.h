// Addresses between this project's form and the socket addresses that ngtcp2 compares.
#ifndef QE_QUIC_PATH_H
#define QE_QUIC_PATH_H

#include "base/addr.h"

#include <ngtcp2/ngtcp2.h>

// Fills `storage` and points `out` at it. An address without a family becomes the unspecified one of `family`.
void qe_path_address(ngtcp2_sockaddr_union *storage, ngtcp2_addr *out, const struct qe_addr *addr, uint8_t family);
struct qe_addr qe_path_from(const ngtcp2_addr *addr);

#endif
