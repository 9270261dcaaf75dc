// What OpenSSL borrows from the current node, as a built-in provider.
#ifndef QE_QUIC_PROVIDER_H
#define QE_QUIC_PROVIDER_H

#include "identity/identity.h"

#include <openssl/types.h>

// The property that selects this provider's algorithms and no others.
#define QE_PROVIDER_NAME "quicether"

// Adds the provider to a library context, loads it, and makes it that context's source of randomness. The provider, or
// NULL.
OSSL_PROVIDER *qe_provider_load(OSSL_LIB_CTX *context);

// An Ed25519 key whose public half is `key` and whose private half stays with the host: signing asks
// host->secret(QE_SECRET_IDENTITY, QE_SECRET_SIGN) of the node at work. NULL without memory.
EVP_PKEY *qe_provider_identity(OSSL_LIB_CTX *context, const struct qe_key *key);

#endif
