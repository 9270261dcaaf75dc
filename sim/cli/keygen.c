// quicether-sim keygen: keys that recordings are sealed to.
#include "cli/recorded.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "Usage: quicether-sim keygen FILE\n"
    "\n"
    "Makes a key pair: the secret key in FILE, for quicether-sim replay --key; the public one, for quicether start\n"
    "--record-to, is printed. With a FILE that exists already it only prints.\n";

static int write_key(const char *path, int fd, const uint8_t key[QE_RECORD_KEY_SIZE])
{
    char text[2 * QE_RECORD_KEY_SIZE + 1];
    sodium_bin2hex(text, sizeof text, key, QE_RECORD_KEY_SIZE);
    text[sizeof text - 1] = '\n';
    bool right = write(fd, text, sizeof text) == (ssize_t)sizeof text && fsync(fd) == 0;
    int why = errno;
    sodium_memzero(text, sizeof text);
    if (close(fd) == 0 && right) return 0;
    errno = why;
    sim_complain_file(path);
    unlink(path);
    return SIM_EXIT_USAGE;
}

int sim_command_keygen(int argc, char **argv)
{
    uint8_t secret[QE_RECORD_KEY_SIZE], public[QE_RECORD_KEY_SIZE];
    char text[2 * QE_RECORD_KEY_SIZE + 1];
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    if (argc != 2 || argv[1][0] == '-') return sim_complain("keygen wants one file", NULL);
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) return sim_complain_file(argv[1]);
    if (fd >= 0) {
        randombytes_buf(secret, sizeof secret);
        if (write_key(argv[1], fd, secret) != 0) return SIM_EXIT_USAGE;
    } else if (!sim_read_key(argv[1], secret)) {
        return SIM_EXIT_USAGE;
    }
    qe_record_public_key(secret, public);
    sodium_memzero(secret, sizeof secret);
    printf("%s\n", sodium_bin2hex(text, sizeof text, public, sizeof public));
    return SIM_EXIT_PASS;
}
