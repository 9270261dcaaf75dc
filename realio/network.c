#include "network.h"

#include "dirs.h"
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct qe_keyfile file = {
    .name = QE_NETWORK_FILE,
    .what = "network key",
    .prefix = "quicether-network-secret:",
    .advice = "restore it from a backup, or move it away and join the network again",
};

// In guarded memory, as an identity.
struct qe_network {
    struct qe_secret secret;
    bool member;
    char state_dir[QE_PATH_SIZE];
};

static void public_of(const struct qe_secret *secret, uint8_t public[32])
{
    qe_secret_do(secret, QE_SECRET_DERIVED_KEY, qe_span(QE_NETWORK_LABEL, sizeof QE_NETWORK_LABEL - 1), public, 32);
}

int qe_network_open(struct qe_network **out, const char *state_dir, struct qe_fault *fault)
{
    uint8_t seed[QE_SECRET_SIZE], public[32], expected[32];
    if (sodium_init() < 0) return qe_fault_set(fault, QE_EXIT_FAILED, "libsodium does not start");
    struct qe_network *network = sodium_malloc(sizeof *network);
    if (!network) return qe_fault_set(fault, QE_EXIT_FAILED, "no memory for the network key");
    memset(network, 0, sizeof *network);
    snprintf(network->state_dir, sizeof network->state_dir, "%s", state_dir);
    int result = qe_keyfile_read(&file, state_dir, seed, public, fault);
    if (result == 0) {
        qe_secret_init(&network->secret, seed);
        public_of(&network->secret, expected);
        network->member = memcmp(public, expected, sizeof public) == 0;
        if (!network->member) result = qe_keyfile_damaged(&file, state_dir, fault);
    }
    sodium_memzero(seed, sizeof seed);
    if (result < 0) {
        sodium_free(network);
        return -1;
    }
    sodium_mprotect_readonly(network);
    *out = network;
    return 0;
}

void qe_network_close(struct qe_network *network)
{
    sodium_free(network);
}

bool qe_network_member(const struct qe_network *network)
{
    return network->member;
}

const char *qe_network_id(const struct qe_network *network, char out[QE_NETWORK_ID_TEXT_SIZE])
{
    uint8_t public[32];
    out[0] = '\0';
    if (!network->member) return out;
    public_of(&network->secret, public);
    return sodium_bin2hex(out, QE_NETWORK_ID_TEXT_SIZE, public, 8);
}

static int keep(const char *state_dir, const uint8_t seed[QE_SECRET_SIZE], struct qe_fault *fault)
{
    struct qe_secret secret;
    uint8_t public[32];
    qe_secret_init(&secret, seed);
    public_of(&secret, public);
    qe_secret_wipe(&secret);
    return qe_keyfile_create(&file, state_dir, seed, public, fault);
}

int qe_network_create(const char *state_dir, struct qe_fault *fault)
{
    uint8_t seed[QE_SECRET_SIZE];
    if (sodium_init() < 0) return qe_fault_set(fault, QE_EXIT_FAILED, "libsodium does not start");
    randombytes_buf(seed, sizeof seed);
    int result = keep(state_dir, seed, fault);
    sodium_memzero(seed, sizeof seed);
    return result;
}

int qe_network_remove(const char *state_dir, struct qe_fault *fault)
{
    int result = -1;
    int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        result = unlinkat(dir, QE_NETWORK_FILE, 0);
        if (result && errno == ENOENT) result = 1;
        if (result == 0) result = fsync(dir);
    }
    if (result < 0)
        qe_fault_set(fault, QE_EXIT_STATE, "cannot remove %s/%s: %s", state_dir, QE_NETWORK_FILE, strerror(errno));
    if (dir >= 0) close(dir);
    return result;
}

// A member of another network stays one: leaving it is the user's decision.
static int take_over(struct qe_network *network, const struct qe_identity *identity, struct qe_span handed)
{
    struct qe_fault fault;
    uint8_t seed[QE_SECRET_SIZE];
    int result = qe_identity_open_handed(identity, handed, seed);
    if (result == 0 && network->member) {
        result = sodium_memcmp(network->secret.seed, seed, sizeof seed);
    } else if (result == 0 && (result = keep(network->state_dir, seed, &fault)) == 0) {
        sodium_mprotect_readwrite(network);
        qe_secret_init(&network->secret, seed);
        network->member = true;
        sodium_mprotect_readonly(network);
    }
    sodium_memzero(seed, sizeof seed);
    return result == 0 ? 0 : -1;
}

int qe_network_secret(struct qe_network *network, const struct qe_identity *identity,
    enum qe_secret_operation operation, struct qe_span input, uint8_t *out, size_t size)
{
    if (operation == QE_SECRET_TAKE_OVER) return take_over(network, identity, input);
    return network->member ? qe_secret_do(&network->secret, operation, input, out, size) : -1;
}
