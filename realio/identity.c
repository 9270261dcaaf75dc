// The file appears whole or not at all: its bytes are on disk before its name is, and the name is given with link,
// which fails where the file exists. So neither a crash nor a second process can damage or replace a key.
#include "identity.h"

#include "dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX      "quicether-ed25519-seed:"
#define BASE64_SIZE 44 // of 32 bytes
#define LINE_SIZE   (sizeof PREFIX - 1 + BASE64_SIZE + 1 + BASE64_SIZE + 1)

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

static bool decode(const char *text, uint8_t out[32])
{
    size_t size;
    return sodium_base642bin(out, 32, text, BASE64_SIZE, NULL, &size, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
           size == 32;
}

// False where the line is not exactly one that we wrote.
static bool parse(struct qe_identity *identity, const char *line, size_t size)
{
    uint8_t seed[QE_SECRET_SIZE], public[sizeof identity->key.bytes];
    bool ok = size == LINE_SIZE && memcmp(line, PREFIX, sizeof PREFIX - 1) == 0 && line[LINE_SIZE - 1] == '\n';
    const char *first = line + sizeof PREFIX - 1;
    ok = ok && first[BASE64_SIZE] == ':' && decode(first, seed) && decode(first + BASE64_SIZE + 1, public);
    if (ok) {
        derive(identity, seed);
        ok = memcmp(public, identity->key.bytes, sizeof public) == 0;
    }
    sodium_memzero(seed, sizeof seed);
    return ok;
}

static int refuse(struct qe_fault *fault, const char *path, const char *why)
{
    return qe_fault_set(fault, QE_EXIT_STATE, "identity key %s %s", path, why);
}

// 0; 1 where there is no such file; -1 with `fault`.
static int load(struct qe_identity *identity, const char *path, struct qe_fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) return 1;
    if (fd < 0) return qe_fault_set(fault, QE_EXIT_STATE, "identity key %s: %s", path, strerror(errno));
    char line[LINE_SIZE + 1];
    struct stat st;
    int result = -1;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        refuse(fault, path, "is not a regular file");
    } else if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        qe_fault_set(fault, QE_EXIT_STATE,
            "identity key %s is open to others (mode %04o): chmod 600 it, or move it away if they may have read it",
            path, (unsigned)(st.st_mode & 07777));
    } else {
        ssize_t size = read(fd, line, sizeof line);
        if (size < 0)
            qe_fault_set(fault, QE_EXIT_STATE, "identity key %s: %s", path, strerror(errno));
        else if (!parse(identity, line, (size_t)size))
            refuse(fault, path, "is damaged; restore it from a backup, or move it away to start with a new identity");
        else
            result = 0;
        sodium_memzero(line, sizeof line);
    }
    close(fd);
    return result;
}

static void format(const struct qe_identity *identity, char line[LINE_SIZE + 1])
{
    char seed[BASE64_SIZE + 1], public[BASE64_SIZE + 1];
    sodium_bin2base64(seed, sizeof seed, identity->secret.seed, QE_SECRET_SIZE, sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(
        public, sizeof public, identity->key.bytes, sizeof identity->key.bytes, sodium_base64_VARIANT_ORIGINAL);
    snprintf(line, LINE_SIZE + 1, PREFIX "%s:%s\n", seed, public);
    sodium_memzero(seed, sizeof seed);
}

// A nameless file, or where the file system has none, one with a name that nobody else uses; `temporary` says it.
static int open_temporary(int dir, char *temporary, size_t size)
{
    temporary[0] = '\0';
    int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    snprintf(temporary, size, QE_IDENTITY_FILE ".%08x.new", randombytes_random());
    fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) temporary[0] = '\0';
    return fd;
}

static int give_name(int dir, int fd, const char *temporary)
{
    if (temporary[0]) return linkat(dir, temporary, dir, QE_IDENTITY_FILE, 0);
    char proc[64];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, proc, dir, QE_IDENTITY_FILE, AT_SYMLINK_FOLLOW);
}

// 0; 1 where somebody else was quicker; -1 with `fault`.
static int create(struct qe_identity *identity, const char *state_dir, struct qe_fault *fault)
{
    uint8_t seed[QE_SECRET_SIZE];
    char line[LINE_SIZE + 1], temporary[64] = "";
    int fd = -1, result = -1;
    int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) goto out;
    randombytes_buf(seed, sizeof seed);
    derive(identity, seed);
    sodium_memzero(seed, sizeof seed);
    format(identity, line);
    fd = open_temporary(dir, temporary, sizeof temporary);
    if (fd < 0) goto out;
    // The umask may have taken bits away; it never adds any.
    if (fchmod(fd, 0600)) goto out;
    ssize_t written = write(fd, line, LINE_SIZE);
    if (written >= 0 && (size_t)written != LINE_SIZE) errno = ENOSPC;
    if (written != (ssize_t)LINE_SIZE || fsync(fd)) goto out;
    if (give_name(dir, fd, temporary)) {
        if (errno == EEXIST) result = 1;
        goto out;
    }
    if (fsync(dir)) goto out;
    result = 0;
out:
    if (result < 0)
        qe_fault_set(fault, QE_EXIT_STATE,
            "cannot create the identity key in %s: %s; make it writable and have room, or choose another with "
            "--state-dir",
            state_dir, strerror(errno));
    sodium_memzero(line, sizeof line);
    if (temporary[0]) unlinkat(dir, temporary, 0);
    if (fd >= 0) close(fd);
    if (dir >= 0) close(dir);
    return result;
}

int qe_identity_open(struct qe_identity **out, const char *state_dir, struct qe_fault *fault)
{
    char path[QE_PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/%s", state_dir, QE_IDENTITY_FILE) >= (int)sizeof path)
        return qe_fault_set(fault, QE_EXIT_STATE, "path too long: %s", state_dir);
    if (sodium_init() < 0) return qe_fault_set(fault, QE_EXIT_FAILED, "libsodium does not start");
    struct qe_identity *identity = sodium_malloc(sizeof *identity);
    if (!identity) return qe_fault_set(fault, QE_EXIT_FAILED, "no memory for the identity key");
    int result = load(identity, path, fault);
    if (result == 1) result = create(identity, state_dir, fault);
    if (result == 1) result = load(identity, path, fault);
    if (result == 1) result = refuse(fault, path, "comes and goes");
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
