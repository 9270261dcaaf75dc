#include "quic_net.h"

#include <sodium/crypto_generichash.h>
#include <sodium/crypto_sign.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_SIZE (QE_BUF_SIZE)

struct net_flight {
    struct net_flight *next;
    uint64_t at_ns;
    struct qe_addr from, to;
    uint8_t ecn;
    uint16_t segment_size;
    uint32_t size;
    uint8_t bytes[];
};

struct qe_tls_library *net_tls(void)
{
    static struct qe_tls_library *library;
    if (!library) library = qe_tls_library_new();
    return library;
}

static void host_random(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct net_end *end = user;
    unit_random_fill(&end->random[purpose], out, size);
}

static int host_secret(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    struct net_end *end = user;
    (void)key;
    if (operation == QE_SECRET_SIGN) {
        if (size != 64) return -1;
        return crypto_sign_detached(out, NULL, input.data, input.size, end->secret);
    }
    if (size != 32) return -1;
    return crypto_generichash(out, size, input.data, input.size, end->secret, 32);
}

static void note(struct net_end *end, const char *line)
{
    size_t used = strlen(end->log);
    snprintf(end->log + used, sizeof end->log - used, "%s\n", line);
}

bool net_log_has(const struct net_end *end, const char *line)
{
    size_t size = strlen(line);
    for (const char *p = end->log; (p = strstr(p, line)); p += size)
        if ((p == end->log || p[-1] == '\n') && p[size] == '\n') return true;
    return false;
}

static bool on_allow(void *user, const struct qe_key *key, void *dialled)
{
    struct net_end *end = user;
    (void)dialled;
    end->asked++;
    for (size_t i = 0; i < end->allowed_count; i++)
        if (qe_key_equal(end->allowed[i], key)) return true;
    return end->allow_all;
}

static void on_connected(void *user, struct qe_conn *conn, bool early)
{
    struct net_end *end = user;
    end->conn = conn;
    note(end, early ? "connected early" : "connected");
    if (end->outgoing) qe_conn_wake(conn);
}

static void on_confirmed(void *user, struct qe_conn *conn)
{
    struct net_end *end = user;
    (void)conn;
    end->is_confirmed = true;
    note(end, "confirmed");
}

static void on_closed(void *user, struct qe_conn *conn, struct qe_conn_close why)
{
    static const char *const words[] = {"local", "remote", "idle", "handshake", "refused", "reset", "error"};
    struct net_end *end = user;
    char line[64];
    if (end->conn == conn) end->conn = NULL;
    end->closed = why;
    end->closed_count++;
    snprintf(line, sizeof line, "closed %s %llu", words[why.end], (unsigned long long)why.code);
    note(end, line);
}

static void on_control(void *user, struct qe_conn *conn, struct qe_span bytes)
{
    struct net_end *end = user;
    (void)conn;
    if (!end->is_confirmed) end->control_early = true;
    CU_ASSERT_FATAL(end->control_size + bytes.size <= NET_CONTROL_MAX);
    memcpy(end->control + end->control_size, bytes.data, bytes.size);
    end->control_size += bytes.size;
}

// A datagram's content follows from its first eight bytes.
static void fill_payload(uint8_t *out, size_t size, uint64_t sequence)
{
    qe_store64(out, sequence);
    for (size_t i = 8; i < size; i++)
        out[i] = (uint8_t)(sequence * 7 + i);
}

static void on_datagram(void *user, struct qe_conn *conn, struct qe_span bytes, uint8_t ecn, bool early)
{
    static uint8_t expected[NET_PAYLOAD_SIZE];
    struct net_end *end = user;
    (void)conn;
    (void)early;
    end->datagrams++;
    end->datagram_bytes += bytes.size;
    end->last_ecn = ecn;
    if (bytes.size < 8) return;
    fill_payload(expected, bytes.size, qe_load64(bytes.data));
    if (memcmp(expected, bytes.data, bytes.size) != 0) end->datagrams_bad++;
}

static bool on_next_datagram(void *user, struct qe_conn *conn, size_t size_max, struct qe_datagram_out *out)
{
    struct net_end *end = user;
    (void)conn;
    if (end->outgoing == 0) return false;
    size_t size = end->outgoing_size < size_max ? end->outgoing_size : size_max;
    fill_payload(end->payload, size, end->sequence);
    // In pieces, as a frame's header and a packet are.
    size_t head = size < 4 ? size : 4;
    out->pieces[0] = qe_span(end->payload, head);
    out->pieces[1] = qe_span(end->payload + head, size - head);
    out->carried = QE_CARRIED_FRAGMENT;
    out->piece_count = 2;
    end->offered = true;
    return true;
}

static void on_datagram_taken(void *user, struct qe_conn *conn)
{
    struct net_end *end = user;
    (void)conn;
    CU_ASSERT_TRUE(end->offered);
    end->offered = false;
    end->outgoing--;
    end->sequence++;
}

static void on_ticket(void *user, struct qe_conn *conn, struct qe_span ticket)
{
    struct net_end *end = user;
    (void)conn;
    if (end->ticket_count == NET_TICKETS_MAX) return;
    CU_ASSERT_FATAL(ticket.size <= sizeof end->tickets[0]);
    memcpy(end->tickets[end->ticket_count], ticket.data, ticket.size);
    end->ticket_sizes[end->ticket_count++] = ticket.size;
}

static void on_moved(void *user, struct qe_conn *conn)
{
    struct net_end *end = user;
    (void)conn;
    end->moved_count++;
    note(end, "moved");
}

void net_init(struct net *net, uint64_t seed)
{
    memset(net, 0, sizeof *net);
    net->tls = net_tls();
    net->now_ns = UINT64_C(1000000000);
    net->wall_ms = UINT64_C(1700000000000);
    net->delay_ns = 10000000;
    net->seed = seed;
    net->random.state = seed;
}

static void start(struct net_end *end)
{
    CU_ASSERT_EQUAL_FATAL(qe_quic_new(&end->quic, &end->options, end->net->now_ns, end->net->wall_ms), 0);
}

struct net_end *net_add(struct net *net, const char *name, uint8_t family)
{
    struct net_end *end = &net->ends[net->end_count++];
    uint8_t number = (uint8_t)net->end_count, seed[32] = {0};
    snprintf((char *)seed, sizeof seed, "%s", name);
    end->net = net;
    end->name = name;
    end->addr.ip = family == 4 ? qe_ip4(10, 0, 0, number) : qe_ip6((uint8_t[16]){0xfd, [15] = number});
    end->addr.port = 9000;
    end->socket = number;
    for (unsigned i = 0; i < QE_RANDOM_COUNT; i++)
        end->random[i].state = net->seed * 1000003 + number * 101 + i;
    end->host = (struct qe_host){
        .user = end,
        .tls = net->tls,
        .mem = *unit_mem(),
        .random = host_random,
        .secret = host_secret,
        .tell_carried = net->tell_carried,
    };
    crypto_sign_seed_keypair(end->host.identity.bytes, end->secret, seed);
    end->control = malloc(NET_CONTROL_MAX);
    end->options = (struct qe_quic_options){
        .host = &end->host,
        .owner = {.user = end,
            .allow = on_allow,
            .connected = on_connected,
            .confirmed = on_confirmed,
            .closed = on_closed,
            .control = on_control,
            .datagram = on_datagram,
            .next_datagram = on_next_datagram,
            .datagram_taken = on_datagram_taken,
            .ticket = on_ticket,
            .moved = on_moved},
        .lane = 0,
        .handshakes_max = 64,
        .connections_max = 256,
        .idle_timeout_ns = UINT64_C(30000000000),
        .keep_alive_ns = 0,
        .handshake_timeout_ns = UINT64_C(10000000000),
    };
    start(end);
    return end;
}

void net_restart(struct net_end *end)
{
    qe_quic_free(end->quic);
    end->conn = NULL;
    end->is_confirmed = false;
    start(end);
}

void net_fini(struct net *net)
{
    for (size_t i = 0; i < net->end_count; i++) {
        qe_quic_free(net->ends[i].quic);
        free(net->ends[i].control);
    }
    while (net->first) {
        struct net_flight *flight = net->first;
        net->first = flight->next;
        free(flight);
    }
}

void net_allow(struct net_end *end, const struct net_end *peer)
{
    end->allowed[end->allowed_count++] = &peer->host.identity;
}

struct qe_conn *net_dial(
    struct net_end *from, struct net_end *to, const struct qe_key *key, struct qe_span ticket, struct qe_span early)
{
    const struct qe_quic_dial dial = {
        .key = key,
        .user = from,
        .socket = from->socket,
        .local = {.ip = {.family = from->addr.ip.family}, .port = from->addr.port},
        .remote = to->addr,
        .ticket = ticket,
        .early = early,
    };
    struct qe_conn *conn = NULL;
    if (qe_quic_dial(from->quic, &dial, &conn, from->net->now_ns, from->net->wall_ms) != 0) return NULL;
    from->conn = conn;
    return conn;
}

static void launch(struct net *net, struct qe_addr from, struct qe_addr to, uint8_t ecn, const uint8_t *bytes,
    uint32_t size, uint16_t segment_size)
{
    struct net_flight *flight = malloc(sizeof *flight + size);
    *flight = (struct net_flight){NULL, net->now_ns + net->delay_ns, from, to, ecn, segment_size, size};
    memcpy(flight->bytes, bytes, size);
    if (net->last && net->first && net->last->at_ns <= flight->at_ns) {
        net->last->next = flight;
        net->last = flight;
        return;
    }
    struct net_flight **at = &net->first;
    while (*at && (*at)->at_ns <= flight->at_ns)
        at = &(*at)->next;
    flight->next = *at;
    *at = flight;
    if (!flight->next) net->last = flight;
}

void net_inject(struct net *net, struct qe_addr from, struct qe_addr to, const void *bytes, size_t size)
{
    launch(net, from, to, 0, bytes, (uint32_t)size, (uint16_t)size);
}

static void on_wire(
    struct net *net, const struct net_end *end, const struct qe_send *send, uint8_t *bytes, uint32_t size)
{
    struct qe_addr from = end->addr, to = send->remote;
    uint8_t head[32 + 8];
    memcpy(head, net->digest, 32);
    qe_store64(head + 32, net->now_ns);
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, 32);
    crypto_generichash_update(&hash, head, sizeof head);
    crypto_generichash_update(&hash, to.ip.bytes, sizeof to.ip.bytes);
    crypto_generichash_update(&hash, bytes, size);
    crypto_generichash_final(&hash, net->digest, 32);
    if (net->tap && !net->tap(net, &from, &to, bytes, &size)) return;
    if (net->size_max && size > net->size_max) return;
    if (net->loss_percent && unit_random_below(&net->random, 100) < net->loss_percent) return;
    launch(net, from, to, send->ecn, bytes, size, (uint16_t)size);
}

static void send_batch(struct net_end *end, const struct qe_send *out)
{
    struct net *net = end->net;
    uint8_t *bytes = qe_buf_bytes(out->buf);
    size_t segments = 0;
    CU_ASSERT_FATAL(out->segment_size > 0 && out->buf->size > 0);
    if (net->size_max && out->segment_size > net->size_max) {
        // A batch is one super-packet to the routers of a machine: all of it is too large.
        segments = (out->buf->size + out->segment_size - 1) / out->segment_size;
    } else if (net->keep_batches) {
        launch(net, end->addr, out->remote, out->ecn, bytes, out->buf->size, out->segment_size);
        segments = (out->buf->size + out->segment_size - 1) / out->segment_size;
    } else {
        for (uint32_t at = 0; at < out->buf->size; at += out->segment_size, segments++) {
            uint32_t left = out->buf->size - at;
            on_wire(net, end, out, bytes + at, left < out->segment_size ? left : out->segment_size);
        }
    }
    CU_ASSERT(segments <= 64 && out->buf->size <= 65000);
    // A router or a kernel may drop a whole batch for one packet that is too big.
    CU_ASSERT(!net->size_max || out->segment_size <= net->size_max || segments == 1);
    CU_ASSERT_EQUAL(out->carried != NULL, end->host.tell_carried);
    for (size_t i = 0; out->carried && i < segments; i++)
        for (int which = 0; which < QE_CARRIED_COUNT; which++)
            end->carried[which] += out->carried[i] >> which & 1;
    end->batches++;
    end->sends += segments;
    if (segments > end->batch_segments_max) end->batch_segments_max = segments;
}

void net_flush(struct net *net)
{
    static uint8_t storage[BATCH_SIZE];
    for (size_t i = 0; i < net->end_count; i++) {
        struct net_end *end = &net->ends[i];
        struct qe_buf buf = {.data = storage, .capacity = sizeof storage, .offset = QE_BUF_HEADROOM};
        struct qe_send out;
        while (end->quic && qe_quic_next(end->quic, &buf, &out, net->now_ns, net->wall_ms)) {
            send_batch(end, &out);
            buf.size = 0;
        }
        if (end->quic) CU_ASSERT_FALSE(qe_quic_writable(end->quic));
    }
}

static struct net_end *end_at(struct net *net, const struct qe_addr *addr)
{
    for (size_t i = 0; i < net->end_count; i++)
        if (qe_addr_equal(&net->ends[i].addr, addr)) return &net->ends[i];
    return NULL;
}

static void deliver(struct net *net, const struct net_flight *flight)
{
    struct net_end *end = end_at(net, &flight->to);
    if (!end || end->down || !end->quic || flight->size == 0) return;
    const struct qe_datagrams in = {
        .socket = end->socket,
        .local = end->addr,
        .remote = flight->from,
        .bytes = flight->bytes,
        .size = flight->size,
        .segment_size = flight->segment_size,
        .ecn = flight->ecn,
    };
    qe_quic_receive(end->quic, &in, net->now_ns, net->wall_ms);
}

static uint64_t next_time(const struct net *net)
{
    uint64_t next_ns = net->first ? net->first->at_ns : UINT64_MAX;
    for (size_t i = 0; i < net->end_count; i++) {
        if (!net->ends[i].quic) continue;
        uint64_t at_ns = qe_quic_deadline(net->ends[i].quic);
        if (at_ns < next_ns) next_ns = at_ns;
    }
    return next_ns;
}

static void set_time(struct net *net, uint64_t now_ns)
{
    if (now_ns <= net->now_ns) return;
    net->wall_ms += now_ns / 1000000 - net->now_ns / 1000000;
    net->now_ns = now_ns;
}

void net_run(struct net *net, uint64_t until_ns)
{
    for (;;) {
        net_flush(net);
        uint64_t next_ns = next_time(net);
        if (next_ns > until_ns) break;
        set_time(net, next_ns);
        while (net->first && net->first->at_ns <= net->now_ns) {
            struct net_flight *flight = net->first;
            net->first = flight->next;
            if (!net->first) net->last = NULL;
            deliver(net, flight);
            free(flight);
        }
        for (size_t i = 0; i < net->end_count; i++)
            if (net->ends[i].quic && qe_quic_deadline(net->ends[i].quic) <= net->now_ns)
                qe_quic_expire(net->ends[i].quic, net->now_ns, net->wall_ms);
    }
    set_time(net, until_ns);
}
