// Two QUIC endpoints with a connection between them, and an input that is a program: datagrams of any bytes to either
// (bare, behind a connection ID that is known, or as an Initial), real packets damaged on the way, tickets of any
// bytes, data, and time. Whatever comes, nothing crashes, leaks or spins, and memory stays bounded.
#include "base/cursor.h"
#include "base/time.h"
#include "mem.h"
#include "quic/internal.h"
#include "quic/library.h"
#include "quic/ticket.h"

#include <sodium/crypto_generichash.h>
#include <sodium/crypto_sign.h>

#define WALL_MS UINT64_C(1700000000000)

struct end {
    struct qe_host host;
    struct qe_quic *quic;
    struct qe_conn *conn;
    struct qe_addr addr;
    uint8_t secret[64];
    uint64_t random;
    unsigned left;
    uint8_t ticket[QE_TICKET_SIZE_MAX];
    size_t ticket_size;
    struct end *peer;
};

static uint64_t now_ns;
static size_t blocks; // allocated and not freed

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *count_alloc(void *user, size_t size)
{
    void *ptr = fuzz_alloc(user, size);
    blocks += ptr != NULL;
    return ptr;
}

static void *count_realloc(void *user, void *old, size_t size)
{
    void *ptr = fuzz_realloc(user, old, size);
    blocks += !old && ptr;
    return ptr;
}

static void count_free(void *user, void *ptr)
{
    blocks -= ptr != NULL;
    fuzz_free(user, ptr);
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
    struct end *end = user;
    (void)dialled;
    return qe_key_equal(key, &end->peer->host.identity);
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
    struct end *end = user;
    (void)why;
    if (end->conn == conn) end->conn = NULL;
}

static void on_control(void *user, struct qe_conn *conn, struct qe_span bytes)
{
    (void)user;
    // An echo, so that both directions have something under way; where the queue is full it is dropped.
    if (bytes.size < 64) qe_conn_control_send(conn, bytes);
}

static void on_ticket(void *user, struct qe_conn *conn, struct qe_span ticket)
{
    struct end *end = user;
    (void)conn;
    memcpy(end->ticket, ticket.data, ticket.size);
    end->ticket_size = ticket.size;
}

static void on_datagram(void *user, struct qe_conn *conn, struct qe_span bytes, uint8_t ecn, bool early)
{
    (void)user;
    (void)conn;
    (void)bytes;
    (void)ecn;
    (void)early;
}

static bool on_next(void *user, struct qe_conn *conn, size_t size_max, struct qe_datagram_out *out)
{
    static const uint8_t payload[2048];
    struct end *end = user;
    (void)conn;
    if (end->left == 0) return false;
    size_t size = end->left * 37 % 1500;
    out->pieces[0] = qe_span(payload, size < size_max ? size : size_max);
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
        .mem = {NULL, count_alloc, count_realloc, count_free},
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
            .control = on_control,
            .datagram = on_datagram,
            .next_datagram = on_next,
            .datagram_taken = on_taken,
            .ticket = on_ticket,
            .moved = on_conn},
        .handshakes_max = 8,
        .connections_max = 8,
        .idle_timeout_ns = 30 * QE_NS_PER_S,
        .handshake_timeout_ns = 10 * QE_NS_PER_S,
    };
    if (qe_quic_new(&end->quic, &options, now_ns, WALL_MS) != 0) abort();
}

static void deliver(struct end *to, const uint8_t *bytes, size_t size, size_t segment)
{
    const struct qe_datagrams in = {.local = to->addr,
        .remote = to->peer->addr,
        .bytes = bytes,
        .size = (uint32_t)size,
        .segment_size = (uint16_t)segment};
    if (size > 0 && segment > 0) qe_quic_receive(to->quic, &in, now_ns, WALL_MS);
}

// Carries what `from` has to say, damaged as the program wants: `r` NULL for not at all.
static void carry(struct end *from, struct qe_reader *r)
{
    static uint8_t storage[QE_BUF_SIZE];
    for (unsigned turn = 0; turn < 1000; turn++) {
        struct qe_buf buf = {.data = storage, .capacity = sizeof storage, .offset = QE_BUF_HEADROOM};
        struct qe_send out;
        if (!qe_quic_next(from->quic, &buf, &out, now_ns, WALL_MS)) return;
        if (r && qe_reader_left(r) > 0) {
            for (uint8_t n = qe_read8(r) % 4; n > 0; n--)
                qe_buf_bytes(&buf)[qe_read16(r) % buf.size] ^= qe_read8(r);
            if (qe_read8(r) & 1) buf.size = 1 + qe_read16(r) % buf.size;
        }
        deliver(from->peer, qe_buf_bytes(&buf), buf.size, out.segment_size);
    }
    abort(); // it would never end
}

static void pass(struct end *a, struct end *b, uint64_t ns)
{
    now_ns += ns;
    struct end *ends[] = {a, b};
    for (unsigned round = 0; round < 6; round++)
        for (size_t i = 0; i < 2; i++) {
            if (qe_quic_deadline(ends[i]->quic) <= now_ns) qe_quic_expire(ends[i]->quic, now_ns, WALL_MS);
            carry(ends[i], NULL);
            now_ns += QE_NS_PER_MS;
        }
}

static void forge(struct end *to, struct qe_reader *r, bool initial)
{
    static const uint8_t head[] = {0xc3, 0, 0, 0, 1, 8};
    uint8_t bytes[1300] = {0x40};
    struct qe_span rest = qe_read_bytes(r, qe_read8(r) < qe_reader_left(r) ? qe_read8(r) % 200 : 0);
    size_t at = 1;
    if (initial) {
        memcpy(bytes, head, at = sizeof head);
    } else if (to->conn && to->conn->cid_count) {
        memcpy(bytes + at, to->conn->cids[0], QE_CID_SIZE);
        at += QE_CID_SIZE;
    }
    if (rest.size) memcpy(bytes + at, rest.data, rest.size);
    size_t size = initial ? 1200 + rest.size % 64 : at + rest.size;
    deliver(to, bytes, size, size);
}

static void dial(struct end *from, struct qe_reader *r, uint8_t how)
{
    struct qe_span ticket = qe_span(from->ticket, from->ticket_size);
    if (how & 1) ticket = qe_read_bytes(r, qe_reader_left(r) > 64 ? 64 : 0);
    if ((how & 2) && from->ticket_size) from->ticket[qe_read16(r) % from->ticket_size] ^= qe_read8(r);
    const struct qe_quic_dial to = {.key = how & 4 ? &from->peer->host.identity : NULL,
        .local = from->addr,
        .remote = from->peer->addr,
        .ticket = ticket,
        .early = qe_span("hello", 5)};
    struct qe_conn *conn;
    if (qe_quic_dial(from->quic, &to, &conn, now_ns, WALL_MS) == 0) from->conn = conn;
}

static void act(struct end *a, struct end *b, uint8_t op, struct qe_reader *r)
{
    struct end *end = op & 0x80 ? a : b;
    struct qe_span bytes;
    switch (op % 8) {
    case 0:
        bytes = qe_read_bytes(r, qe_reader_left(r) > 40 ? 40 : qe_reader_left(r));
        deliver(end, bytes.data, bytes.size, 1 + op / 8);
        break;
    case 1:
    case 2:
        forge(end, r, op % 8 == 2);
        break;
    case 3:
        carry(end, r);
        break;
    case 4:
        dial(end, r, op / 8);
        break;
    case 5:
        end->left = op;
        if (end->conn) qe_conn_wake(end->conn);
        if (end->conn) qe_conn_control_send(end->conn, qe_span("words", 5));
        break;
    case 6:
        if (end->conn && (op & 8)) qe_conn_close(end->conn, op);
        break;
    default:
        pass(a, b, qe_read8(r) * QE_NS_PER_MS * 10);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct qe_tls_library *tls;
    static struct end a, b;
    struct qe_reader r = qe_reader(qe_span(data, size));
    if (!tls) tls = qe_tls_library_new();
    now_ns = QE_NS_PER_S;
    start(&a, &b, 1, tls);
    start(&b, &a, 2, tls);
    dial(&a, &r, 4);
    pass(&a, &b, 0);
    if (!a.conn || !b.conn) abort();
    for (unsigned i = 0; i < 200 && !r.failed && qe_reader_left(&r) > 0; i++)
        act(&a, &b, qe_read8(&r), &r);
    pass(&a, &b, QE_NS_PER_S);
    if (qe_quic_connection_count(a.quic) > 8 || qe_quic_connection_count(b.quic) > 8) abort();
    qe_quic_free(a.quic);
    qe_quic_free(b.quic);
    if (blocks != 0) abort();
    return 0;
}
