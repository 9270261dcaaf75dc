// What is done with a long-lived secret of 32 bytes: an identity's seed, or a private network's secret. A host keeps it
// (qe_host.secret) and does these operations for its node; every host does them the same way, with this. Nothing here
// draws randomness: the same operation on the same input has the same result.
#ifndef QE_IDENTITY_SECRET_H
#define QE_IDENTITY_SECRET_H

#include "base/bytes.h"
#include "identity/identity.h"

#define QE_SECRET_SIZE        32
#define QE_SECRET_LABEL_MAX   255
#define QE_SECRET_NONCE_SIZE  24
#define QE_SECRET_TAG_SIZE    16
#define QE_SECRET_HANDED_SIZE 80 // a secret on its way to a new member

// Long-lived secrets stay with the host.
enum qe_secret_key {
    QE_SECRET_IDENTITY, // the node's Ed25519 key
    QE_SECRET_NETWORK,  // the secret of the private network it is a member of; where there is none, operations fail
};

enum qe_secret_operation {
    QE_SECRET_SIGN, // Ed25519 signature of the input (RFC 8032): 64 bytes
    QE_SECRET_MAC,  // keyed BLAKE2b-256 of the input under a key derived from the secret: 32 bytes
    // An Ed25519 key pair derived from the secret and a label: its public half (input: the label; 32 bytes), and its
    // signature (input: size of the label (1), the label, the message; 64 bytes).
    QE_SECRET_DERIVED_KEY,
    QE_SECRET_DERIVED_SIGN,
    // XChaCha20-Poly1305 under a key derived from the secret. Input: nonce (24), text; output: nonce, ciphertext and
    // tag, 16 bytes more. Opening takes that and gives the text; it fails where the text was not sealed with the
    // secret.
    QE_SECRET_SEAL,
    QE_SECRET_OPEN,
    // A network secret on its way to a new member. Input: the member's Ed25519 key (32); output: the secret sealed to
    // it (crypto_box_seal, 80 bytes), which the member's host takes over (input: these 80 bytes; no output), keeps
    // across restarts and uses from then on. Before it hands over, a host makes sure that whatever it was told to store
    // is there after any crash; it fails where that cannot be.
    QE_SECRET_HAND_OVER,
    QE_SECRET_TAKE_OVER,
    // Any operation before HAND_OVER with another secret, which the input begins with: the secret (32), the operation
    // (1) and its input. For secrets that the node has itself and a redacted recording must do without.
    QE_SECRET_GIVEN,
    QE_SECRET_OPERATIONS,
};

// A secret, and the keys that are used often. Whoever owns it wipes it.
struct qe_secret {
    uint8_t seed[QE_SECRET_SIZE];
    uint8_t signer[64]; // the Ed25519 key pair of the seed, as libsodium has it
    uint8_t mac[32], box[32], derivation[32], ephemeral[32];
};

void qe_secret_init(struct qe_secret *secret, const uint8_t seed[QE_SECRET_SIZE]);
void qe_secret_wipe(struct qe_secret *secret);
// The public half of the seed's own key pair.
struct qe_key qe_secret_public(const struct qe_secret *secret);

// Does any operation but TAKE_OVER: 0, or -1 where the input or `size` is not as the operation has it, and where OPEN
// finds something that was not sealed with this secret.
int qe_secret_do(const struct qe_secret *secret, enum qe_secret_operation operation, struct qe_span input, uint8_t *out,
    size_t size);
// What TAKE_OVER begins with: opens, with an identity's secret, what HAND_OVER sealed to that identity.
int qe_secret_open_handed(const struct qe_secret *identity, struct qe_span handed, uint8_t seed[QE_SECRET_SIZE]);

#endif
