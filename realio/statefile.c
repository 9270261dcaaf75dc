#include "statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define HASH_SIZE 16
static const uint8_t magic[8] = "qestore1";

bool qe_store_key_valid(const char *key)
{
    size_t size = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789._/-");
    if (size == 0 || size > QE_STORE_KEY_MAX || key[size] != '\0') return false;
    return strcmp(key, ".") != 0 && strcmp(key, "..") != 0;
}

static void replace(char *text, char from, char to)
{
    for (; *text; text++)
        if (*text == from) *text = to;
}

void qe_statefile_name(const char *key, char name[QE_STATEFILE_NAME_SIZE])
{
    snprintf(name, QE_STATEFILE_NAME_SIZE, "%s", key);
    replace(name, '/', '+');
}

bool qe_statefile_key(const char *name, char key[QE_STORE_KEY_MAX + 1])
{
    if (strlen(name) > QE_STORE_KEY_MAX) return false;
    memcpy(key, name, strlen(name) + 1);
    replace(key, '+', '/');
    return qe_store_key_valid(key);
}

bool qe_statefile_is_unfinished(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && name[size - 1] == '~';
}

static void hash(const char *key, struct qe_span value, uint8_t out[HASH_SIZE])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, HASH_SIZE);
    crypto_generichash_update(&state, (const uint8_t *)key, strlen(key) + 1);
    crypto_generichash_update(&state, value.data, value.size);
    crypto_generichash_final(&state, out, HASH_SIZE);
}

int qe_statefile_write(int dir, const char *key, struct qe_span value)
{
    char name[QE_STATEFILE_NAME_SIZE], unfinished[QE_STATEFILE_NAME_SIZE];
    uint8_t header[QE_STATEFILE_HEADER_SIZE];
    qe_statefile_name(key, name);
    memcpy(unfinished, name, strlen(name));
    memcpy(unfinished + strlen(name), "~", 2);
    memcpy(header, magic, sizeof magic);
    hash(key, value, header + sizeof magic);

    int fd = openat(dir, unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -1;
    struct iovec parts[] = {{header, sizeof header}, {(void *)(uintptr_t)value.data, value.size}};
    ssize_t written = writev(fd, parts, 2);
    // A short write means that the disk is full; the next one would say so.
    if (written >= 0 && (size_t)written != sizeof header + value.size) errno = ENOSPC;
    bool failed = written != (ssize_t)(sizeof header + value.size) || fsync(fd);
    int error = errno;
    if (close(fd) && !failed) {
        failed = true;
        error = errno;
    }
    if (!failed && renameat(dir, unfinished, dir, name)) {
        failed = true;
        error = errno;
    }
    if (!failed) return 0;
    unlinkat(dir, unfinished, 0);
    errno = error;
    return -1;
}

const char *qe_statefile_read(int dir, const char *key, uint8_t *room, struct qe_span *value)
{
    char name[QE_STATEFILE_NAME_SIZE];
    qe_statefile_name(key, name);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return strerror(errno);
    struct stat st;
    const char *wrong = NULL;
    ssize_t size = 0;
    if (fstat(fd, &st))
        wrong = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        wrong = "not a regular file";
    else if (st.st_size > QE_STATEFILE_SIZE_MAX)
        wrong = "too large";
    else if ((size = read(fd, room, QE_STATEFILE_SIZE_MAX + 1)) < 0)
        wrong = strerror(errno);
    close(fd);
    if (wrong) return wrong;
    if (size < QE_STATEFILE_HEADER_SIZE || size > QE_STATEFILE_SIZE_MAX || memcmp(room, magic, sizeof magic) != 0)
        return "damaged";
    *value = qe_span(room + QE_STATEFILE_HEADER_SIZE, (size_t)size - QE_STATEFILE_HEADER_SIZE);
    uint8_t expected[HASH_SIZE];
    hash(key, *value, expected);
    return memcmp(expected, room + sizeof magic, HASH_SIZE) == 0 ? NULL : "damaged";
}
