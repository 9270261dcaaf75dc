// A node of the DHT and nothing else: qe_dht over one UDP socket, told what to do by lines on standard input.
//
//     node ADDRESS:PORT [BOOTSTRAP...]
//
// A line is TAG COMMAND ARGUMENT...; its answer a line TAG JSON. Bytes are written in hex, none at all as "-".
#include "command.h"

#include "base/time.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * QE_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void *node_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *node_realloc(void *user, void *old, size_t size)
{
    (void)user;
    return realloc(old, size);
}

static void node_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static void node_random(void *user, uint8_t *out, size_t size)
{
    (void)user;
    if (getrandom(out, size, 0) != (ssize_t)size) abort();
}

static socklen_t to_sockaddr(const struct qe_addr *addr, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (addr->ip.family == 4) {
        struct sockaddr_in *in = (void *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(addr->port);
        memcpy(&in->sin_addr, addr->ip.bytes, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (void *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(addr->port);
    memcpy(&in6->sin6_addr, addr->ip.bytes, 16);
    return sizeof *in6;
}

static struct qe_addr from_sockaddr(const struct sockaddr_storage *from)
{
    struct qe_addr addr = {0};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)from;
        addr.ip.family = 4;
        addr.port = ntohs(in->sin_port);
        memcpy(addr.ip.bytes, &in->sin_addr, 4);
    } else {
        const struct sockaddr_in6 *in6 = (const void *)from;
        addr.ip.family = 6;
        addr.port = ntohs(in6->sin6_port);
        memcpy(addr.ip.bytes, &in6->sin6_addr, 16);
    }
    return addr;
}

static void receive(struct qe_dht *dht, int fd)
{
    uint8_t bytes[2048];
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(fd, bytes, sizeof bytes, 0, (void *)&from, &size);
    if (got < 0) return; // a port that was unreachable
    struct qe_addr addr = from_sockaddr(&from);
    if (qe_dht_is_krpc(bytes, (size_t)got)) qe_dht_receive(dht, 1, &addr, qe_span(bytes, (size_t)got), now());
}

static void transmit(struct qe_dht *dht, int fd)
{
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    struct qe_dht_send send;
    while (qe_dht_next(dht, bytes, &send, now())) {
        struct sockaddr_storage to;
        socklen_t size = to_sockaddr(&send.to, &to);
        // Lost datagrams are what the other side expects of UDP.
        if (sendto(fd, bytes, send.size, 0, (void *)&to, size) < 0 && errno == EBADF) abort();
    }
}

static bool read_commands(struct command *command)
{
    static char line[8192];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, line + used, sizeof line - 1 - used);
    if (got <= 0) return false;
    used += (size_t)got;
    line[used] = 0;
    for (char *end; (end = strchr(line, '\n')); memmove(line, end + 1, used + 1)) {
        *end = 0;
        command_run(command, line, now());
        used -= (size_t)(end + 1 - line);
    }
    return used < sizeof line - 1;
}

static int socket_at(const struct qe_addr *addr)
{
    struct sockaddr_storage at;
    socklen_t size = to_sockaddr(addr, &at);
    int fd = socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (void *)&at, size) == 0) return fd;
    perror("node: socket");
    exit(1);
}

int main(int argc, char **argv)
{
    static const struct qe_mem mem = {NULL, node_alloc, node_realloc, node_free};
    struct command command = {0};
    struct qe_dht_options options = {
        .mem = &mem, .user = &command, .random = node_random, .answer = command_on_answer, .exempt_private = true};
    struct qe_addr own, bootstrap;
    setvbuf(stdout, NULL, _IOLBF, 0);
    node_random(NULL, options.id.bytes, sizeof options.id.bytes);
    if (argc < 2 || !qe_addr_parse(argv[1], &own) || sodium_init() < 0 ||
        qe_dht_new(&command.dht, &options, now()) != 0) {
        fprintf(stderr, "usage: node ADDRESS:PORT [BOOTSTRAP...]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        if (qe_addr_parse(argv[i], &bootstrap)) qe_dht_add_bootstrap(command.dht, &bootstrap, now());
    struct pollfd fds[2] = {{.fd = socket_at(&own), .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    for (bool open = true; open;) {
        uint64_t at = now(), deadline = qe_dht_deadline(command.dht);
        uint64_t wait_ms = deadline <= at ? 0 : (deadline - at) / QE_NS_PER_MS + 1;
        if (poll(fds, 2, wait_ms < 60000 ? (int)wait_ms : 60000) < 0) break;
        if (fds[0].revents) receive(command.dht, fds[0].fd);
        if (fds[1].revents) open = read_commands(&command);
        if (qe_dht_deadline(command.dht) <= now()) qe_dht_expire(command.dht, now());
        transmit(command.dht, fds[0].fd);
    }
    qe_dht_free(command.dht);
    close(fds[0].fd);
    return 0;
}
