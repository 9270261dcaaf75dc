// Each use of a secret has a key of its own, derived from the seed (crypto_kdf), so that nothing made for one use means
// anything in another. The numbers are for ever: a stored record is opened with them years later.
#include "identity/secret.h"

#include <sodium.h>
#include <string.h>

enum subkey { SUBKEY_MAC = 1, SUBKEY_BOX = 2, SUBKEY_DERIVATION = 3, SUBKEY_EPHEMERAL = 4 };

#define CONTEXT "qe-mac-1" // crypto_kdf_CONTEXTBYTES; older than the other subkeys

void qe_secret_init(struct qe_secret *secret, const uint8_t seed[QE_SECRET_SIZE])
{
    struct qe_key key;
    memcpy(secret->seed, seed, sizeof secret->seed);
    crypto_sign_seed_keypair(key.bytes, secret->signer, seed);
    crypto_kdf_derive_from_key(secret->mac, sizeof secret->mac, SUBKEY_MAC, CONTEXT, seed);
    crypto_kdf_derive_from_key(secret->box, sizeof secret->box, SUBKEY_BOX, CONTEXT, seed);
    crypto_kdf_derive_from_key(secret->derivation, sizeof secret->derivation, SUBKEY_DERIVATION, CONTEXT, seed);
    crypto_kdf_derive_from_key(secret->ephemeral, sizeof secret->ephemeral, SUBKEY_EPHEMERAL, CONTEXT, seed);
}

void qe_secret_wipe(struct qe_secret *secret)
{
    sodium_memzero(secret, sizeof *secret);
}

struct qe_key qe_secret_public(const struct qe_secret *secret)
{
    struct qe_key key;
    memcpy(key.bytes, secret->signer + 32, sizeof key.bytes);
    return key;
}

static void derive(const struct qe_secret *secret, struct qe_span label, struct qe_key *key, uint8_t signer[64])
{
    uint8_t seed[QE_SECRET_SIZE];
    crypto_generichash(seed, sizeof seed, label.data, label.size, secret->derivation, sizeof secret->derivation);
    crypto_sign_seed_keypair(key->bytes, signer, seed);
    sodium_memzero(seed, sizeof seed);
}

static int derived_key(const struct qe_secret *secret, struct qe_span label, uint8_t *out, size_t size)
{
    uint8_t signer[64];
    struct qe_key key;
    if (label.size > QE_SECRET_LABEL_MAX || size != sizeof key.bytes) return -1;
    derive(secret, label, &key, signer);
    sodium_memzero(signer, sizeof signer);
    memcpy(out, key.bytes, size);
    return 0;
}

static int derived_sign(const struct qe_secret *secret, struct qe_span input, uint8_t *out, size_t size)
{
    uint8_t signer[64];
    struct qe_key key;
    if (size != crypto_sign_BYTES || input.size < 1 || input.size - 1 < input.data[0]) return -1;
    size_t before = 1 + (size_t)input.data[0];
    derive(secret, qe_span(input.data + 1, input.data[0]), &key, signer);
    int result = crypto_sign_detached(out, NULL, input.data + before, input.size - before, signer);
    sodium_memzero(signer, sizeof signer);
    return result;
}

static int seal(const struct qe_secret *secret, struct qe_span input, uint8_t *out, size_t size)
{
    if (input.size < QE_SECRET_NONCE_SIZE || size != input.size + QE_SECRET_TAG_SIZE) return -1;
    memcpy(out, input.data, QE_SECRET_NONCE_SIZE);
    return crypto_aead_xchacha20poly1305_ietf_encrypt(out + QE_SECRET_NONCE_SIZE, NULL,
        input.data + QE_SECRET_NONCE_SIZE, input.size - QE_SECRET_NONCE_SIZE, NULL, 0, NULL, input.data, secret->box);
}

static int open_sealed(const struct qe_secret *secret, struct qe_span input, uint8_t *out, size_t size)
{
    if (input.size < QE_SECRET_NONCE_SIZE + QE_SECRET_TAG_SIZE) return -1;
    if (size != input.size - QE_SECRET_NONCE_SIZE - QE_SECRET_TAG_SIZE) return -1;
    return crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, input.data + QE_SECRET_NONCE_SIZE,
        input.size - QE_SECRET_NONCE_SIZE, NULL, 0, input.data, secret->box);
}

// The nonce of libsodium's sealed boxes: BLAKE2b of both public keys.
static void handed_nonce(const uint8_t ephemeral[32], const uint8_t member[32], uint8_t nonce[24])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, 24);
    crypto_generichash_update(&state, ephemeral, 32);
    crypto_generichash_update(&state, member, 32);
    crypto_generichash_final(&state, nonce, 24);
}

// As crypto_box_seal does it, with an ephemeral key that is derived instead of drawn: whoever could compute that key
// has the secret already.
static int hand_over(const struct qe_secret *secret, struct qe_span input, uint8_t *out, size_t size)
{
    uint8_t member[32], ephemeral[32], nonce[24];
    if (input.size != 32 || size != QE_SECRET_HANDED_SIZE) return -1;
    if (crypto_sign_ed25519_pk_to_curve25519(member, input.data) != 0) return -1;
    crypto_generichash(
        ephemeral, sizeof ephemeral, input.data, input.size, secret->ephemeral, sizeof secret->ephemeral);
    crypto_scalarmult_curve25519_base(out, ephemeral);
    handed_nonce(out, member, nonce);
    int result = crypto_box_easy(out + 32, secret->seed, sizeof secret->seed, nonce, member, ephemeral);
    sodium_memzero(ephemeral, sizeof ephemeral);
    return result;
}

int qe_secret_open_handed(const struct qe_secret *identity, struct qe_span handed, uint8_t seed[QE_SECRET_SIZE])
{
    uint8_t public[32], private[32], opened[QE_SECRET_SIZE];
    struct qe_key key = qe_secret_public(identity);
    if (handed.size != QE_SECRET_HANDED_SIZE) return -1;
    if (crypto_sign_ed25519_pk_to_curve25519(public, key.bytes) != 0) return -1;
    crypto_sign_ed25519_sk_to_curve25519(private, identity->signer);
    int result = crypto_box_seal_open(opened, handed.data, handed.size, public, private);
    if (result == 0) memcpy(seed, opened, sizeof opened);
    sodium_memzero(private, sizeof private);
    sodium_memzero(opened, sizeof opened);
    return result;
}

static int with_given(struct qe_span input, uint8_t *out, size_t size)
{
    struct qe_secret given;
    if (input.size <= QE_SECRET_SIZE || input.data[QE_SECRET_SIZE] >= QE_SECRET_HAND_OVER) return -1;
    qe_secret_init(&given, input.data);
    struct qe_span rest = {input.data + QE_SECRET_SIZE + 1, input.size - QE_SECRET_SIZE - 1};
    int result = qe_secret_do(&given, (enum qe_secret_operation)input.data[QE_SECRET_SIZE], rest, out, size);
    qe_secret_wipe(&given);
    return result;
}

int qe_secret_do(
    const struct qe_secret *secret, enum qe_secret_operation operation, struct qe_span input, uint8_t *out, size_t size)
{
    switch (operation) {
    case QE_SECRET_SIGN:
        if (size != crypto_sign_BYTES) return -1;
        return crypto_sign_detached(out, NULL, input.data, input.size, secret->signer);
    case QE_SECRET_MAC:
        if (size != crypto_generichash_BYTES) return -1;
        return crypto_generichash(out, size, input.data, input.size, secret->mac, sizeof secret->mac);
    case QE_SECRET_DERIVED_KEY:
        return derived_key(secret, input, out, size);
    case QE_SECRET_DERIVED_SIGN:
        return derived_sign(secret, input, out, size);
    case QE_SECRET_SEAL:
        return seal(secret, input, out, size);
    case QE_SECRET_OPEN:
        return open_sealed(secret, input, out, size);
    case QE_SECRET_HAND_OVER:
        return hand_over(secret, input, out, size);
    case QE_SECRET_GIVEN:
        return with_given(input, out, size);
    default:
        return -1;
    }
}
