// What a node claims in the overlay, as it tells its peers: its addresses, its name, the networks behind it. A message
// of the control stream like the hello (wire.h), said again whenever something changes; docs/protocol.md has the bytes.
#ifndef QE_WIRE_CLAIMS_H
#define QE_WIRE_CLAIMS_H

#include "wire/wire.h"

#define QE_CLAIMS_SUBNETS_MAX 64

struct qe_claims {
    uint64_t number; // of the change, in this boot: an older one says nothing any more
    struct qe_ip addresses[QE_HELLO_ADDRESSES_MAX];
    size_t address_count;
    char name[QE_NAME_SIZE];                       // "" for none
    struct qe_cidr subnets[QE_CLAIMS_SUBNETS_MAX]; // without host bits
    size_t subnet_count;
};

// Writes a whole message, size field included. Returns its size, or 0 where it does not fit.
size_t qe_claims_encode(const struct qe_claims *claims, uint8_t *out, size_t size);
// Reads a message body. Bytes after the known fields belong to later versions and are passed over. False where
// malformed.
bool qe_claims_decode(struct qe_span body, struct qe_claims *claims);

#endif
