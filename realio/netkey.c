// The file appears whole or not at all: its bytes are on disk before its name is, and the name is given by rename.
#include "netkey.h"

#include "dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX      "quicether-network-secret:"
#define BASE64_SIZE 44 // of 32 bytes
#define LINE_SIZE   (sizeof PREFIX - 1 + BASE64_SIZE + 1 + QE_NETWORK_ID_SIZE)
#define UNFINISHED  QE_NETWORK_FILE ".new"

// In guarded memory that is locked where the limits allow it, and in no core dump.
struct qe_network {
    struct qe_secret secret;
    bool member;
    int dir;
    char path[QE_PATH_SIZE]; // of the file, for messages
};

static const char *id_of(const struct qe_secret *secret, char out[QE_NETWORK_ID_SIZE])
{
    uint8_t mac[32];
    struct qe_span label = qe_span((const uint8_t *)QE_NETWORK_ID_LABEL, sizeof QE_NETWORK_ID_LABEL - 1);
    qe_secret_do(secret, QE_SECRET_MAC, label, mac, sizeof mac);
    return sodium_bin2hex(out, QE_NETWORK_ID_SIZE, mac, 8);
}

// False where the line is not exactly one that we wrote.
static bool parse(struct qe_secret *secret, const char *line, size_t size)
{
    uint8_t seed[QE_SECRET_SIZE];
    char id[QE_NETWORK_ID_SIZE];
    size_t seed_size;
    const char *text = line + sizeof PREFIX - 1;
    bool ok = size == LINE_SIZE && memcmp(line, PREFIX, sizeof PREFIX - 1) == 0 && line[LINE_SIZE - 1] == '\n' &&
              text[BASE64_SIZE] == ':' &&
              sodium_base642bin(
                  seed, sizeof seed, text, BASE64_SIZE, NULL, &seed_size, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
              seed_size == sizeof seed;
    if (ok) {
        qe_secret_init(secret, seed);
        ok = memcmp(id_of(secret, id), text + BASE64_SIZE + 1, QE_NETWORK_ID_SIZE - 1) == 0;
        if (!ok) qe_secret_wipe(secret);
    }
    sodium_memzero(seed, sizeof seed);
    return ok;
}

static int load(struct qe_network *network, struct qe_fault *fault)
{
    int fd = openat(network->dir, QE_NETWORK_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) return 0;
    if (fd < 0) return qe_fault_set(fault, QE_EXIT_STATE, "network key %s: %s", network->path, strerror(errno));
    char line[LINE_SIZE + 1];
    struct stat st;
    int result = -1;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        qe_fault_set(fault, QE_EXIT_STATE, "network key %s is not a regular file", network->path);
    } else if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        qe_fault_set(fault, QE_EXIT_STATE,
            "network key %s is open to others (mode %04o): chmod 600 it, or make a new network if they may have read "
            "it",
            network->path, (unsigned)(st.st_mode & 07777));
    } else {
        ssize_t size = read(fd, line, sizeof line);
        network->member = size >= 0 && parse(&network->secret, line, (size_t)size);
        if (network->member)
            result = 0;
        else if (size < 0)
            qe_fault_set(fault, QE_EXIT_STATE, "network key %s: %s", network->path, strerror(errno));
        else
            qe_fault_set(fault, QE_EXIT_STATE,
                "network key %s is damaged; restore it from a backup, or leave the network with 'quicether network "
                "leave --force'",
                network->path);
        sodium_memzero(line, sizeof line);
    }
    close(fd);
    return result;
}

int qe_network_open(struct qe_network **out, const char *state_dir, struct qe_fault *fault)
{
    if (sodium_init() < 0) return qe_fault_set(fault, QE_EXIT_FAILED, "libsodium does not start");
    struct qe_network *network = sodium_malloc(sizeof *network);
    if (!network) return qe_fault_set(fault, QE_EXIT_FAILED, "no memory for the network key");
    memset(network, 0, sizeof *network);
    network->dir = -1;
    if (snprintf(network->path, sizeof network->path, "%s/%s", state_dir, QE_NETWORK_FILE) >=
        (int)sizeof network->path) {
        qe_fault_set(fault, QE_EXIT_STATE, "path too long: %s", state_dir);
        goto fail;
    }
    network->dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (network->dir < 0) {
        qe_fault_set(fault, QE_EXIT_STATE, "state directory %s: %s", state_dir, strerror(errno));
        goto fail;
    }
    if (load(network, fault) != 0) goto fail;
    *out = network;
    return 0;
fail:
    qe_network_close(network);
    return -1;
}

void qe_network_close(struct qe_network *network)
{
    if (!network) return;
    if (network->dir >= 0) close(network->dir);
    sodium_free(network);
}

bool qe_network_member(const struct qe_network *network)
{
    return network->member;
}

const char *qe_network_id(const struct qe_network *network, char out[QE_NETWORK_ID_SIZE])
{
    out[0] = '\0';
    if (network->member) id_of(&network->secret, out);
    return out;
}

int qe_network_secret(const struct qe_network *network, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    return network->member ? qe_secret_do(&network->secret, operation, input, out, size) : -1;
}

static int write_file(const struct qe_network *network, const char *line)
{
    int fd = openat(network->dir, UNFINISHED, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -1;
    ssize_t written = -1;
    // The umask may have taken bits away, and a file of before may have other ones.
    if (fchmod(fd, 0600) == 0) written = write(fd, line, LINE_SIZE);
    if (written >= 0 && (size_t)written != LINE_SIZE) errno = ENOSPC;
    bool whole = written == (ssize_t)LINE_SIZE && fsync(fd) == 0;
    int why = errno;
    close(fd);
    if (whole && renameat(network->dir, UNFINISHED, network->dir, QE_NETWORK_FILE) == 0 && fsync(network->dir) == 0)
        return 0;
    if (whole) why = errno;
    unlinkat(network->dir, UNFINISHED, 0);
    errno = why;
    return -1;
}

int qe_network_take(struct qe_network *network, const uint8_t seed[QE_SECRET_SIZE], struct qe_fault *fault)
{
    struct qe_secret secret;
    char line[LINE_SIZE + 1], text[BASE64_SIZE + 1], id[QE_NETWORK_ID_SIZE];
    qe_secret_init(&secret, seed);
    id_of(&secret, id);
    sodium_bin2base64(text, sizeof text, seed, QE_SECRET_SIZE, sodium_base64_VARIANT_ORIGINAL);
    snprintf(line, sizeof line, PREFIX "%s:%s\n", text, id);
    int result = write_file(network, line);
    if (result != 0) {
        qe_fault_set(fault, QE_EXIT_STATE, "cannot keep the network key as %s: %s", network->path, strerror(errno));
    } else {
        network->secret = secret;
        network->member = true;
    }
    sodium_memzero(line, sizeof line);
    sodium_memzero(text, sizeof text);
    qe_secret_wipe(&secret);
    return result;
}

int qe_network_make(struct qe_network *network, struct qe_fault *fault)
{
    uint8_t seed[QE_SECRET_SIZE];
    randombytes_buf(seed, sizeof seed);
    int result = qe_network_take(network, seed, fault);
    sodium_memzero(seed, sizeof seed);
    return result;
}

int qe_network_erase(const char *state_dir, struct qe_fault *fault)
{
    int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = dir < 0 ? -1 : unlinkat(dir, QE_NETWORK_FILE, 0);
    if (result == 0) result = fsync(dir);
    if (result != 0)
        qe_fault_set(fault, QE_EXIT_STATE, "cannot remove %s/%s: %s", state_dir, QE_NETWORK_FILE, strerror(errno));
    if (dir >= 0) close(dir);
    return result;
}
