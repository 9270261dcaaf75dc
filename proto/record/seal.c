// Sealing: X25519 between a key pair made for this recording and the recipient's, then BLAKE2b over the shared secret
// and both public keys (as libsodium's sealed boxes have it, but with the host's randomness and one key for all
// blocks).
#include "record/file.h"

#include <sodium.h>

static const char context[] = "quicether recording 1";

static int derive(const uint8_t secret[QE_RECORD_KEY_SIZE], const uint8_t other[QE_RECORD_KEY_SIZE],
    const struct qe_record_header *header, uint8_t key[QE_RECORD_KEY_SIZE])
{
    uint8_t shared[crypto_scalarmult_curve25519_BYTES];
    crypto_generichash_state state;
    if (crypto_scalarmult_curve25519(shared, secret, other) != 0) return -1;
    crypto_generichash_init(&state, (const uint8_t *)context, sizeof context - 1, QE_RECORD_KEY_SIZE);
    crypto_generichash_update(&state, shared, sizeof shared);
    crypto_generichash_update(&state, header->ephemeral, sizeof header->ephemeral);
    crypto_generichash_update(&state, header->recipient, sizeof header->recipient);
    crypto_generichash_final(&state, key, QE_RECORD_KEY_SIZE);
    sodium_memzero(shared, sizeof shared);
    sodium_memzero(&state, sizeof state);
    return 0;
}

void qe_record_public_key(const uint8_t secret[QE_RECORD_KEY_SIZE], uint8_t out[QE_RECORD_KEY_SIZE])
{
    crypto_scalarmult_curve25519_base(out, secret);
}

int qe_record_seal(struct qe_record_chain *chain, struct qe_record_header *header,
    const uint8_t recipient[QE_RECORD_KEY_SIZE], const uint8_t random[QE_RECORD_KEY_SIZE])
{
    header->sealed = true;
    memcpy(header->recipient, recipient, sizeof header->recipient);
    qe_record_public_key(random, header->ephemeral);
    return derive(random, recipient, header, chain->key);
}

int qe_record_unseal(
    struct qe_record_chain *chain, const struct qe_record_header *header, const uint8_t secret[QE_RECORD_KEY_SIZE])
{
    uint8_t own[QE_RECORD_KEY_SIZE];
    qe_record_public_key(secret, own);
    if (memcmp(own, header->recipient, sizeof own) != 0) return -1;
    return derive(secret, header->ephemeral, header, chain->key);
}
