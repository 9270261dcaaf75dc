// quic_bench [DATAGRAMS] [SIZE]: what QUIC costs a datagram, in memory, on one core: sending (from the owner's bytes to
// packets in the host's buffer) and receiving (from those packets to the owner), each timed by itself. A round is one
// batch one way and the acknowledgement back, at no delay, so that the window never stops it.
#include "quic/library.h"
#include "quic/quic.h"

#include <sodium/crypto_generichash.h>
#include <sodium/crypto_sign.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct end {
    struct qe_host host;
    struct qe_quic *quic;
    struct qe_conn *conn;
    struct qe_addr addr;
    uint8_t secret[64];
    uint64_t random;
    size_t left, size;
    uint64_t received;
    uint64_t write_ns, read_ns;
    uint64_t packets, batches;
    struct end *peer;
};

static uint8_t payload[2048];
static uint64_t now_ns = 1000000000;

// Wall time is cheap to read and splits the work; CPU time is not, but leaves out what others do on the machine.
static uint64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *host_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *host_realloc(void *user, void *old, size_t size)
{
    (void)user;
    return realloc(old, size);
}

static void host_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static void host_random(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct end *end = user;
    (void)purpose;
    while (size--) {
        end->random = end->random * 6364136223846793005u + 1442695040888963407u;
        *out++ = (uint8_t)(end->random >> 56);
    }
}

static int host_secret(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    struct end *end = user;
    (void)key;
    if (operation == QE_SECRET_SIGN) return crypto_sign_detached(out, NULL, input.data, input.size, end->secret);
    return crypto_generichash(out, size, input.data, input.size, end->secret, 32);
}

static bool on_allow(void *user, const struct qe_key *key, void *dialled)
{
    (void)user;
    (void)key;
    (void)dialled;
    return true;
}

static void on_connected(void *user, struct qe_conn *conn, bool early)
{
    (void)early;
    ((struct end *)user)->conn = conn;
}

static void on_conn(void *user, struct qe_conn *conn)
{
    (void)user;
    (void)conn;
}

static void on_closed(void *user, struct qe_conn *conn, struct qe_conn_close why)
{
    (void)user;
    (void)conn;
    fprintf(stderr, "quic_bench: connection closed (%d, %llu)\n", (int)why.end, (unsigned long long)why.code);
    exit(1);
}

static void on_span(void *user, struct qe_conn *conn, struct qe_span bytes)
{
    (void)user;
    (void)conn;
    (void)bytes;
}

static void on_datagram(void *user, struct qe_conn *conn, struct qe_span bytes, uint8_t ecn, bool early)
{
    (void)conn;
    (void)bytes;
    (void)ecn;
    (void)early;
    ((struct end *)user)->received++;
}

static bool on_next(void *user, struct qe_conn *conn, size_t size_max, struct qe_datagram_out *out)
{
    struct end *end = user;
    (void)conn;
    if (end->left == 0) return false;
    out->pieces[0] = qe_span(payload, end->size < size_max ? end->size : size_max);
    out->piece_count = 1;
    return true;
}

static void on_taken(void *user, struct qe_conn *conn)
{
    (void)conn;
    ((struct end *)user)->left--;
}

static void start(struct end *end, struct end *peer, uint8_t number, struct qe_tls_library *tls)
{
    uint8_t seed[32] = {number};
    *end = (struct end){.peer = peer, .random = number};
    end->addr = (struct qe_addr){.ip = qe_ip4(10, 0, 0, number), .port = 9000};
    end->host = (struct qe_host){.user = end,
        .tls = tls,
        .mem = {NULL, host_alloc, host_realloc, host_free},
        .random = host_random,
        .secret = host_secret};
    crypto_sign_seed_keypair(end->host.identity.bytes, end->secret, seed);
    const struct qe_quic_options options = {
        .host = &end->host,
        .owner = {.user = end,
            .allow = on_allow,
            .connected = on_connected,
            .confirmed = on_conn,
            .closed = on_closed,
            .control = on_span,
            .datagram = on_datagram,
            .next_datagram = on_next,
            .datagram_taken = on_taken,
            .ticket = on_span,
            .moved = on_conn},
        .handshakes_max = 8,
        .connections_max = 8,
        .idle_timeout_ns = 30000000000,
        .handshake_timeout_ns = 10000000000,
    };
    if (qe_quic_new(&end->quic, &options, now_ns, 1700000000000) != 0) {
        fprintf(stderr, "quic_bench: no endpoint\n");
        exit(1);
    }
}

// Moves everything that `end` has to send to its peer.
static void pump(struct end *end)
{
    static uint8_t storage[QE_BUF_SIZE];
    struct qe_send out;
    for (;;) {
        struct qe_buf buf = {.data = storage, .capacity = sizeof storage, .offset = QE_BUF_HEADROOM};
        uint64_t t0 = clock_ns(CLOCK_MONOTONIC);
        bool more = qe_quic_next(end->quic, &buf, &out, now_ns, 1700000000000);
        uint64_t t1 = clock_ns(CLOCK_MONOTONIC);
        end->write_ns += t1 - t0;
        if (!more) return;
        end->batches++;
        end->packets += (buf.size + out.segment_size - 1) / out.segment_size;
        const struct qe_datagrams in = {.local = end->peer->addr,
            .remote = end->addr,
            .bytes = qe_buf_bytes(&buf),
            .size = buf.size,
            .segment_size = out.segment_size,
            .ecn = out.ecn};
        t0 = clock_ns(CLOCK_MONOTONIC);
        qe_quic_receive(end->peer->quic, &in, now_ns, 1700000000000);
        end->peer->read_ns += clock_ns(CLOCK_MONOTONIC) - t0;
    }
}

static void round_trip(struct end *a, struct end *b)
{
    pump(a);
    now_ns += 20000;
    pump(b);
    now_ns += 20000;
    if (qe_quic_deadline(a->quic) <= now_ns) qe_quic_expire(a->quic, now_ns, 1700000000000);
    if (qe_quic_deadline(b->quic) <= now_ns) qe_quic_expire(b->quic, now_ns, 1700000000000);
}

int main(int argc, char **argv)
{
    static struct end a, b;
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    size_t size = argc > 2 ? strtoul(argv[2], NULL, 10) : 1400;
    struct qe_tls_library *tls = qe_tls_library_new();
    start(&a, &b, 1, tls);
    start(&b, &a, 2, tls);
    const struct qe_quic_dial dial = {.key = &b.host.identity, .local = a.addr, .remote = b.addr};
    if (qe_quic_dial(a.quic, &dial, &a.conn, now_ns, 1700000000000) != 0) return 1;
    for (int i = 0; i < 1000; i++)
        round_trip(&a, &b);
    a.size = size;
    a.left = count / 10; // warm up: caches and the window
    while (a.left) {
        qe_conn_wake(a.conn);
        round_trip(&a, &b);
    }
    a.write_ns = a.read_ns = b.write_ns = b.read_ns = a.packets = b.packets = b.received = 0;
    a.batches = b.batches = 0;
    a.left = count;
    uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    while (a.left) {
        qe_conn_wake(a.conn);
        round_trip(&a, &b);
    }
    cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
    struct qe_conn_info info;
    qe_conn_info(a.conn, &info, now_ns);
    double wall = (double)(a.write_ns + a.read_ns + b.write_ns + b.read_ns);
    double each = (double)cpu_ns / wall / (double)count;
    printf("%zu datagrams of %zu bytes, %llu received; %llu packets in %llu batches, %llu packets back\n", count, size,
        (unsigned long long)b.received, (unsigned long long)a.packets, (unsigned long long)a.batches,
        (unsigned long long)b.packets);
    printf("send    %6.1f ns a datagram, %.1f of it reading acknowledgements\n",
        (double)(a.write_ns + a.read_ns) * each, (double)a.read_ns * each);
    printf("receive %6.1f ns a datagram, %.1f of it writing acknowledgements\n",
        (double)(b.write_ns + b.read_ns) * each, (double)b.write_ns * each);
    qe_quic_free(a.quic);
    qe_quic_free(b.quic);
    qe_tls_library_free(tls);
    return 0;
}
