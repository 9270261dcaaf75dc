// The file appears whole or not at all: its bytes are on disk before its name is, and the name is given with link,
// which fails where the file exists. So neither a crash nor a second process can damage or replace a key.
#include "keyfile.h"

#include "dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE64_SIZE 44 // of 32 bytes

static size_t line_size(const struct qe_keyfile *file)
{
    return strlen(file->prefix) + BASE64_SIZE + 1 + BASE64_SIZE + 1;
}

static bool decode(const char *text, uint8_t out[32])
{
    size_t size;
    return sodium_base642bin(out, 32, text, BASE64_SIZE, NULL, &size, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
           size == 32;
}

// False where the line is not exactly one that we wrote.
static bool parse(const struct qe_keyfile *file, const char *line, size_t size, uint8_t secret[32], uint8_t public[32])
{
    size_t prefix = strlen(file->prefix);
    const char *first = line + prefix;
    return size == line_size(file) && memcmp(line, file->prefix, prefix) == 0 && line[size - 1] == '\n' &&
           first[BASE64_SIZE] == ':' && decode(first, secret) && decode(first + BASE64_SIZE + 1, public);
}

static int path_of(
    const struct qe_keyfile *file, const char *state_dir, char path[QE_PATH_SIZE], struct qe_fault *fault)
{
    if (snprintf(path, QE_PATH_SIZE, "%s/%s", state_dir, file->name) < QE_PATH_SIZE) return 0;
    return qe_fault_set(fault, QE_EXIT_STATE, "path too long: %s", state_dir);
}

int qe_keyfile_damaged(const struct qe_keyfile *file, const char *state_dir, struct qe_fault *fault)
{
    return qe_fault_set(
        fault, QE_EXIT_STATE, "%s %s/%s is damaged; %s", file->what, state_dir, file->name, file->advice);
}

int qe_keyfile_read(const struct qe_keyfile *file, const char *state_dir, uint8_t secret[32], uint8_t public[32],
    struct qe_fault *fault)
{
    char path[QE_PATH_SIZE], line[QE_KEYFILE_LINE_MAX];
    struct stat st;
    int result = -1;
    if (path_of(file, state_dir, path, fault)) return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) return 1;
    if (fd < 0) return qe_fault_set(fault, QE_EXIT_STATE, "%s %s: %s", file->what, path, strerror(errno));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        qe_fault_set(fault, QE_EXIT_STATE, "%s %s is not a regular file", file->what, path);
    } else if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        qe_fault_set(fault, QE_EXIT_STATE,
            "%s %s is open to others (mode %04o): chmod 600 it, or move it away if they may have read it", file->what,
            path, (unsigned)(st.st_mode & 07777));
    } else {
        ssize_t size = read(fd, line, sizeof line);
        if (size < 0)
            qe_fault_set(fault, QE_EXIT_STATE, "%s %s: %s", file->what, path, strerror(errno));
        else if (!parse(file, line, (size_t)size, secret, public))
            qe_keyfile_damaged(file, state_dir, fault);
        else
            result = 0;
        sodium_memzero(line, sizeof line);
    }
    close(fd);
    return result;
}

static void format(
    const struct qe_keyfile *file, const uint8_t secret[32], const uint8_t public[32], char line[QE_KEYFILE_LINE_MAX])
{
    char first[BASE64_SIZE + 1], second[BASE64_SIZE + 1];
    sodium_bin2base64(first, sizeof first, secret, 32, sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(second, sizeof second, public, 32, sodium_base64_VARIANT_ORIGINAL);
    snprintf(line, QE_KEYFILE_LINE_MAX, "%s%s:%s\n", file->prefix, first, second);
    sodium_memzero(first, sizeof first);
}

// A nameless file, or where the file system has none, one with a name that nobody else uses; `temporary` says it.
static int open_temporary(const struct qe_keyfile *file, int dir, char *temporary, size_t size)
{
    temporary[0] = '\0';
    int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    snprintf(temporary, size, "%s.%08x.new", file->name, randombytes_random());
    fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) temporary[0] = '\0';
    return fd;
}

static int give_name(const struct qe_keyfile *file, int dir, int fd, const char *temporary)
{
    if (temporary[0]) return linkat(dir, temporary, dir, file->name, 0);
    char proc[64];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, proc, dir, file->name, AT_SYMLINK_FOLLOW);
}

int qe_keyfile_create(const struct qe_keyfile *file, const char *state_dir, const uint8_t secret[32],
    const uint8_t public[32], struct qe_fault *fault)
{
    char line[QE_KEYFILE_LINE_MAX], temporary[64] = "";
    size_t size = line_size(file);
    int fd = -1, result = -1;
    int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) goto out;
    format(file, secret, public, line);
    fd = open_temporary(file, dir, temporary, sizeof temporary);
    if (fd < 0) goto out;
    // The umask may have taken bits away; it never adds any.
    if (fchmod(fd, 0600)) goto out;
    ssize_t written = write(fd, line, size);
    if (written >= 0 && (size_t)written != size) errno = ENOSPC;
    if (written != (ssize_t)size || fsync(fd)) goto out;
    if (give_name(file, dir, fd, temporary)) {
        if (errno == EEXIST) result = 1;
        goto out;
    }
    if (fsync(dir)) goto out;
    result = 0;
out:
    if (result < 0)
        qe_fault_set(fault, QE_EXIT_STATE,
            "cannot create the %s in %s: %s; make it writable and have room, or choose another with --state-dir",
            file->what, state_dir, strerror(errno));
    sodium_memzero(line, sizeof line);
    if (temporary[0]) unlinkat(dir, temporary, 0);
    if (fd >= 0) close(fd);
    if (dir >= 0) close(dir);
    return result;
}
