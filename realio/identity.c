#include "identity.h"

#include "keyfile.h"

#include <sodium.h>
#include <string.h>

static const struct qe_keyfile file = {
    .name = QE_IDENTITY_FILE,
    .what = "identity key",
    .prefix = "quicether-ed25519-seed:",
    .advice = "restore it from a backup, or move it away to start with a new identity",
};

// In guarded memory that is locked where the limits allow it, and in no core dump.
struct qe_identity {
    struct qe_secret secret;
    struct qe_key key;
};

static void derive(struct qe_identity *identity, const uint8_t seed[QE_SECRET_SIZE])
{
    qe_secret_init(&identity->secret, seed);
    identity->key = qe_secret_public(&identity->secret);
}

// 0; 1 where there is no such file; -1 with `fault`.
static int load(struct qe_identity *identity, const char *state_dir, struct qe_fault *fault)
{
    uint8_t seed[QE_SECRET_SIZE], public[sizeof identity->key.bytes];
    int result = qe_keyfile_read(&file, state_dir, seed, public, fault);
    if (result == 0) {
        derive(identity, seed);
        if (memcmp(public, identity->key.bytes, sizeof public) != 0)
            result = qe_keyfile_damaged(&file, state_dir, fault);
    }
    sodium_memzero(seed, sizeof seed);
    return result;
}

// 0; 1 where somebody else was quicker; -1 with `fault`.
static int create(struct qe_identity *identity, const char *state_dir, struct qe_fault *fault)
{
    uint8_t seed[QE_SECRET_SIZE];
    randombytes_buf(seed, sizeof seed);
    derive(identity, seed);
    int result = qe_keyfile_create(&file, state_dir, seed, identity->key.bytes, fault);
    sodium_memzero(seed, sizeof seed);
    return result;
}

int qe_identity_open(struct qe_identity **out, const char *state_dir, struct qe_fault *fault)
{
    if (sodium_init() < 0) return qe_fault_set(fault, QE_EXIT_FAILED, "libsodium does not start");
    struct qe_identity *identity = sodium_malloc(sizeof *identity);
    if (!identity) return qe_fault_set(fault, QE_EXIT_FAILED, "no memory for the identity key");
    int result = load(identity, state_dir, fault);
    if (result == 1) result = create(identity, state_dir, fault);
    if (result == 1) result = load(identity, state_dir, fault);
    if (result == 1)
        result = qe_fault_set(fault, QE_EXIT_STATE, "identity key %s/%s comes and goes", state_dir, file.name);
    if (result) {
        sodium_free(identity);
        return -1;
    }
    sodium_mprotect_readonly(identity);
    *out = identity;
    return 0;
}

void qe_identity_close(struct qe_identity *identity)
{
    sodium_free(identity);
}

struct qe_key qe_identity_public(const struct qe_identity *identity)
{
    return identity->key;
}

int qe_identity_secret(const struct qe_identity *identity, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    return qe_secret_do(&identity->secret, operation, input, out, size);
}

int qe_identity_open_handed(const struct qe_identity *identity, struct qe_span handed, uint8_t seed[QE_SECRET_SIZE])
{
    return qe_secret_open_handed(&identity->secret, handed, seed);
}
