#include "quic/internal.h"
#include "quic_net.h"

#include <stdio.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static struct net net;
static struct net_end *a, *b;

static const struct qe_span nothing;

static struct qe_span text(const char *s)
{
    return qe_span(s, strlen(s));
}

static void pair(uint8_t family)
{
    net_init(&net, unit_random().state);
    a = net_add(&net, "a", family);
    b = net_add(&net, "b", family);
    net_allow(a, b);
    net_allow(b, a);
}

static void done(void)
{
    net_fini(&net);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void run_for(uint64_t ns)
{
    net_run(&net, net.now_ns + ns);
}

static void meet(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(net_dial(a, b, &b->host.identity, nothing, nothing));
    run_for(300 * MS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a->conn);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->conn);
}

static void two_nodes_prove_their_keys_to_each_other(void)
{
    pair(4);
    meet();
    CU_ASSERT_STRING_EQUAL(a->log, "connected\nconfirmed\n");
    CU_ASSERT_STRING_EQUAL(b->log, "connected\nconfirmed\n");
    CU_ASSERT(qe_key_equal(qe_conn_key(a->conn), &b->host.identity));
    CU_ASSERT(qe_key_equal(qe_conn_key(b->conn), &a->host.identity));
    CU_ASSERT_EQUAL(a->asked, 1);
    CU_ASSERT_EQUAL(b->asked, 1);
    CU_ASSERT_EQUAL(a->ticket_count, 8);
    done();
}

static void datagrams_and_control_pass_both_ways(void)
{
    pair(6);
    meet();
    CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, text("hello b")), 0);
    CU_ASSERT_EQUAL(qe_conn_control_send(b->conn, text("hello a")), 0);
    a->outgoing = 1000, a->outgoing_size = 1400;
    b->outgoing = 500, b->outgoing_size = 100;
    qe_conn_wake(a->conn);
    qe_conn_wake(b->conn);
    run_for(5 * S);
    CU_ASSERT(b->control_size == 7 && memcmp(b->control, "hello b", 7) == 0);
    CU_ASSERT(a->control_size == 7 && memcmp(a->control, "hello a", 7) == 0);
    CU_ASSERT_EQUAL(b->datagrams, 1000);
    CU_ASSERT_EQUAL(b->datagram_bytes, 1400000);
    CU_ASSERT_EQUAL(a->datagrams, 500);
    CU_ASSERT_EQUAL(a->datagrams_bad + b->datagrams_bad, 0);
    done();
}

static void an_unknown_key_is_refused_and_both_ends_know(void)
{
    pair(4);
    b->allowed_count = 0;
    net_dial(a, b, &b->host.identity, nothing, nothing);
    run_for(1 * S);
    // A client of TLS 1.3 is through before the server has looked at its key: only `confirmed` says otherwise.
    CU_ASSERT_STRING_EQUAL(a->log, "connected\nclosed refused 46\n");
    CU_ASSERT_STRING_EQUAL(b->log, "");
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->handshakes_refused, 1);
    CU_ASSERT_EQUAL(qe_quic_connection_count(a->quic) + qe_quic_connection_count(b->quic), 0);
    done();
}

static void a_client_refuses_a_server_it_may_not_talk_to(void)
{
    pair(4);
    a->allowed_count = 0;
    net_dial(a, b, NULL, nothing, nothing);
    run_for(1 * S);
    CU_ASSERT_STRING_EQUAL(a->log, "closed refused 46\n");
    CU_ASSERT_STRING_EQUAL(b->log, "");
    CU_ASSERT_EQUAL(qe_quic_stats(a->quic)->handshakes_refused, 1);
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->handshakes_refused, 1);
    done();
}

static void a_pinned_key_binds_even_where_the_other_is_allowed(void)
{
    pair(4);
    a->allow_all = true;
    net_dial(a, b, &a->host.identity, nothing, nothing);
    run_for(1 * S);
    CU_ASSERT_STRING_EQUAL(a->log, "closed refused 46\n");
    CU_ASSERT_EQUAL(a->asked, 0);
    done();
}

static void another_protocol_is_refused(void)
{
    pair(4);
    SSL_CTX_set_alpn_protos(a->quic->tls.client, (const unsigned char *)"\x02h3", 3);
    net_dial(a, b, &b->host.identity, nothing, nothing);
    run_for(1 * S);
    CU_ASSERT_STRING_EQUAL(a->log, "closed refused 120\n"); // no_application_protocol
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->handshakes_refused, 1);
    done();
}

static void control_bytes_arrive_in_order_under_loss(void)
{
    static uint8_t sent[60000];
    struct unit_random random = unit_random();
    pair(6);
    unit_random_fill(&random, sent, sizeof sent);
    net.loss_percent = 15;
    net_dial(a, b, &b->host.identity, nothing, nothing);
    run_for(5 * S);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->conn);
    for (size_t at = 0, size; at < sizeof sent; at += size) {
        size = 1 + unit_random_below(&random, 3000);
        if (size > sizeof sent - at) size = sizeof sent - at;
        CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, qe_span(sent + at, size)), 0);
        CU_ASSERT_EQUAL(qe_conn_control_send(b->conn, qe_span(sent + at, size)), 0);
    }
    // Datagrams at full speed the while do not starve it.
    a->outgoing = 3000, a->outgoing_size = 1200;
    qe_conn_wake(a->conn);
    run_for(20 * S);
    CU_ASSERT_EQUAL_FATAL(b->control_size, sizeof sent);
    CU_ASSERT_EQUAL_FATAL(a->control_size, sizeof sent);
    CU_ASSERT_EQUAL(memcmp(a->control, sent, sizeof sent), 0);
    CU_ASSERT_EQUAL(memcmp(b->control, sent, sizeof sent), 0);
    CU_ASSERT(b->datagrams > 1000);
    done();
}

static void the_control_queue_has_a_limit(void)
{
    static const uint8_t bytes[QE_CONTROL_MAX];
    pair(4);
    net_dial(a, b, &b->host.identity, nothing, nothing);
    CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, qe_span(bytes, sizeof bytes)), 0);
    CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, qe_span(bytes, 1)), -1);
    run_for(2 * S);
    CU_ASSERT_EQUAL(b->control_size, sizeof bytes);
    CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, qe_span(bytes, sizeof bytes)), 0);
    done();
}

static void path_mtu_discovery_finds_the_largest_size(void)
{
    static const struct {
        uint8_t family;
        uint32_t size_max;
        size_t datagram_max;
    } table[] = {
        // Each less header 1, connection ID 4, packet number 4, tag 16, frame 3.
        {4, 0, 1472 - 28},
        {6, 0, 1452 - 28},
        {4, 1464, 1464 - 28},
        {6, 1372, 1372 - 28},
        {6, 1232, 1232 - 28},
        {4, 1200, 1200 - 28},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct qe_conn_info info;
        pair(table[i].family);
        net.size_max = table[i].size_max;
        meet();
        run_for(10 * S);
        qe_conn_info(a->conn, &info, net.now_ns);
        CU_ASSERT_EQUAL(info.datagram_max, table[i].datagram_max);
        qe_conn_info(b->conn, &info, net.now_ns);
        CU_ASSERT_EQUAL(info.datagram_max, table[i].datagram_max);
        done();
    }
}

static void packets_of_one_size_share_a_batch(void)
{
    pair(6);
    net.delay_ns = 20000; // a fast path: bursts may be large
    meet();
    run_for(1 * S);
    a->outgoing = 20000, a->outgoing_size = 1400;
    qe_conn_wake(a->conn);
    a->batches = a->sends = 0;
    run_for(10 * S);
    CU_ASSERT_EQUAL(b->datagrams, 20000);
    CU_ASSERT(a->batch_segments_max >= 40);
    CU_ASSERT(a->sends / a->batches >= 10);
    done();
}

static void small_datagrams_share_a_packet(void)
{
    pair(4);
    meet();
    run_for(1 * S);
    struct qe_conn_info before, after;
    qe_conn_info(a->conn, &before, net.now_ns);
    a->outgoing = 2000, a->outgoing_size = 60;
    qe_conn_wake(a->conn);
    run_for(2 * S);
    qe_conn_info(a->conn, &after, net.now_ns);
    CU_ASSERT_EQUAL(b->datagrams, 2000);
    CU_ASSERT_EQUAL(b->datagrams_bad, 0);
    CU_ASSERT(after.sent_packets - before.sent_packets < 2000 / 10);
    done();
}

static void datagrams_of_every_size_pass(void)
{
    pair(4);
    meet();
    run_for(1 * S);
    for (size_t size = 8; size < 1500; size += 13) {
        a->outgoing = 3, a->outgoing_size = size;
        qe_conn_wake(a->conn);
        run_for(20 * MS);
    }
    CU_ASSERT_EQUAL(a->outgoing, 0);
    CU_ASSERT_EQUAL(b->datagrams, 3 * ((1500 - 8 + 12) / 13));
    CU_ASSERT_EQUAL(b->datagrams_bad, 0);
    done();
}

// Connects once and leaves, so that `a` holds tickets of `b`.
static struct qe_span get_ticket(void)
{
    meet();
    run_for(500 * MS);
    CU_ASSERT_FATAL(a->ticket_count >= 1);
    qe_conn_close(a->conn, 7);
    run_for(5 * S);
    a->log[0] = b->log[0] = 0;
    a->is_confirmed = b->is_confirmed = false;
    a->asked = b->asked = 0;
    return qe_span(a->tickets[0], a->ticket_sizes[0]);
}

static void a_ticket_resumes_with_early_control_bytes(void)
{
    pair(6);
    struct qe_span ticket = get_ticket();
    net_dial(a, b, &b->host.identity, ticket, text("early hello"));
    // One way and no more: the server has it before the handshake can be complete.
    run_for(net.delay_ns + 1);
    CU_ASSERT_STRING_EQUAL(b->log, "connected early\n");
    CU_ASSERT(b->control_size == 11 && memcmp(b->control, "early hello", 11) == 0);
    CU_ASSERT_TRUE(b->control_early);
    CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, text(", and later")), 0);
    run_for(1 * S);
    struct qe_conn_info info;
    qe_conn_info(a->conn, &info, net.now_ns);
    CU_ASSERT(info.resumed && info.early_accepted && info.confirmed);
    qe_conn_info(b->conn, &info, net.now_ns);
    CU_ASSERT(info.resumed && info.early_accepted && info.confirmed);
    CU_ASSERT_STRING_EQUAL(a->log, "connected\nconfirmed\n");
    CU_ASSERT_STRING_EQUAL(b->log, "connected early\nconfirmed\n");
    CU_ASSERT(b->control_size == 22 && memcmp(b->control + 11, ", and later", 11) == 0);
    // The owner was asked about the key although no key was shown.
    CU_ASSERT_EQUAL(a->asked, 1);
    CU_ASSERT_EQUAL(b->asked, 1);
    CU_ASSERT(qe_key_equal(qe_conn_key(b->conn), &a->host.identity));
    done();
}

static void a_key_no_longer_allowed_cannot_resume(void)
{
    pair(6);
    struct qe_span ticket = get_ticket();
    b->allowed_count = 0;
    net_dial(a, b, &b->host.identity, ticket, text("early hello"));
    run_for(1 * S);
    CU_ASSERT_EQUAL(b->control_size, 0);
    CU_ASSERT_STRING_EQUAL(b->log, "");
    CU_ASSERT_EQUAL(a->closed.end, QE_CONN_END_REFUSED);
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->handshakes_refused, 1);
    done();
}

static void a_ticket_used_twice_falls_back_to_a_full_handshake(void)
{
    pair(6);
    struct qe_span ticket = get_ticket();
    struct qe_conn_info info;
    net_dial(a, b, &b->host.identity, ticket, text("once"));
    run_for(1 * S);
    net_dial(a, b, &b->host.identity, ticket, text("twice"));
    run_for(net.delay_ns + 1 * MS);
    CU_ASSERT_EQUAL(b->control_size, 4);
    run_for(1 * S);
    qe_conn_info(a->conn, &info, net.now_ns);
    CU_ASSERT(info.confirmed && !info.early_accepted && !info.resumed);
    CU_ASSERT(b->control_size == 9 && memcmp(b->control, "oncetwice", 9) == 0);
    done();
}

static void a_restarted_server_refuses_old_tickets_but_not_the_peer(void)
{
    pair(6);
    struct qe_span ticket = get_ticket();
    net_restart(b);
    net_dial(a, b, &b->host.identity, ticket, text("hello again"));
    run_for(1 * S);
    struct qe_conn_info info;
    qe_conn_info(a->conn, &info, net.now_ns);
    CU_ASSERT(info.confirmed && !info.early_accepted && !info.resumed);
    CU_ASSERT_STRING_EQUAL(b->log, "connected\nconfirmed\n");
    CU_ASSERT(b->control_size == 11 && memcmp(b->control, "hello again", 11) == 0);
    done();
}

static void a_ticket_that_is_damaged_or_of_another_peer_is_not_used(void)
{
    struct unit_random random = unit_random();
    pair(6);
    struct net_end *c = net_add(&net, "c", 6);
    net_allow(a, c), net_allow(c, a);
    struct qe_span ticket = get_ticket();
    uint8_t bad[4096];
    for (unsigned i = 0; i < 300; i++) {
        size_t size = ticket.size;
        memcpy(bad, ticket.data, size);
        if (i % 3 == 0) size = unit_random_below(&random, size);
        if (i % 3 == 1)
            for (unsigned n = 0; n < 4; n++)
                bad[unit_random_below(&random, size)] ^= (uint8_t)(1 + unit_random_below(&random, 255));
        // The others are whole, but of another peer.
        struct net_end *to = i % 3 == 2 ? c : b;
        a->closed_count = 0;
        CU_ASSERT_PTR_NOT_NULL_FATAL(net_dial(a, to, &to->host.identity, qe_span(bad, size), text("x")));
        run_for(150 * MS);
        if (i % 3 == 2) CU_ASSERT_PTR_NOT_NULL(c->conn);
        if (a->conn) qe_conn_close(a->conn, 0);
        run_for(3 * S);
    }
    CU_ASSERT_EQUAL(qe_quic_connection_count(a->quic), 0);
    done();
}

// Retry packets lead the client back to the lane that sent them: by the last byte of the ID that they give it.
static bool retry_names_its_lane(
    struct net *n, struct qe_addr *from, struct qe_addr *to, uint8_t *bytes, uint32_t *size)
{
    (void)n;
    (void)to;
    if (!qe_addr_equal(from, &b->addr) || *size < 24 || (bytes[0] & 0xf0) != 0xf0) return true;
    const uint8_t *id = bytes + 6 + bytes[5];
    CU_ASSERT_EQUAL(id[id[0]], b->options.lane);
    return true;
}

static void initials_from_everywhere_meet_retry_and_then_the_limit(void)
{
    pair(4);
    net.tap = retry_names_its_lane;
    qe_quic_free(b->quic);
    b->options.lane = 3;
    b->options.handshakes_max = 16;
    CU_ASSERT_EQUAL_FATAL(qe_quic_new(&b->quic, &b->options, net.now_ns, net.wall_ms), 0);
    // Many clients whose addresses do not exist: a's packets with other sources.
    for (unsigned i = 0; i < 200; i++) {
        struct qe_buf buf;
        static uint8_t storage[QE_BUF_SIZE];
        struct qe_send out;
        struct qe_addr from = {.ip = qe_ip4(203, 0, 113, (uint8_t)i), .port = 5000};
        CU_ASSERT_PTR_NOT_NULL_FATAL(net_dial(a, b, &b->host.identity, nothing, nothing));
        buf = (struct qe_buf){.data = storage, .capacity = sizeof storage, .offset = QE_BUF_HEADROOM};
        CU_ASSERT_FATAL(qe_quic_next(a->quic, &buf, &out, net.now_ns, net.wall_ms));
        for (uint32_t at = 0; at < buf.size; at += out.segment_size)
            net_inject(&net, from, b->addr, qe_buf_bytes(&buf) + at,
                buf.size - at < out.segment_size ? buf.size - at : out.segment_size);
    }
    qe_quic_free(a->quic);
    CU_ASSERT_EQUAL_FATAL(qe_quic_new(&a->quic, &a->options, net.now_ns, net.wall_ms), 0);
    size_t before = unit_mem_outstanding();
    run_for(net.delay_ns + 1 * MS);
    const struct qe_quic_stats *stats = qe_quic_stats(b->quic);
    CU_ASSERT_EQUAL(qe_quic_connection_count(b->quic), 8);
    CU_ASSERT(stats->retries_sent > 8);
    CU_ASSERT(unit_mem_outstanding() - before < 8 * 400);
    // An honest client still gets in, by showing its Retry token.
    meet();
    CU_ASSERT_STRING_EQUAL(b->log, "connected\nconfirmed\n");
    // And the rest is forgotten in time.
    run_for(20 * S);
    CU_ASSERT_EQUAL(stats->handshakes_timed_out, 8);
    CU_ASSERT_EQUAL(qe_quic_connection_count(b->quic), 1);
    done();
}

static bool change_source(struct net *n, struct qe_addr *from, struct qe_addr *to, uint8_t *bytes, uint32_t *size)
{
    struct qe_addr outside = {.ip = qe_ip4(192, 0, 2, 1), .port = *(uint16_t *)n->tap_user};
    (void)bytes;
    (void)size;
    // A NAT in front of a.
    if (qe_addr_equal(from, &a->addr)) *from = outside;
    if (to->ip.family == 4 && qe_ip_equal(&to->ip, &outside.ip)) {
        if (to->port != outside.port) return false;
        *to = a->addr;
    }
    return true;
}

static void a_retry_token_is_good_for_its_address_only(void)
{
    static uint16_t port = 1000;
    pair(4);
    qe_quic_free(b->quic);
    b->options.handshakes_max = 1; // half of it is 0: always Retry
    CU_ASSERT_EQUAL_FATAL(qe_quic_new(&b->quic, &b->options, net.now_ns, net.wall_ms), 0);
    net.tap = change_source;
    net.tap_user = &port;
    net_dial(a, b, &b->host.identity, nothing, nothing);
    run_for(2 * net.delay_ns - 1); // the Retry is on its way back
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->retries_sent, 2);
    run_for(2);
    uint16_t later = 1001;
    net.tap_user = &later;
    run_for(15 * MS);
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->tokens_refused, 0); // sent before the change
    done();

    struct qe_retry_token token = {.remote = {.ip = qe_ip4(1, 2, 3, 4), .port = 5}, .retry = text("retryid8")};
    uint8_t key[QE_TOKEN_KEY_SIZE] = {1}, bytes[QE_RETRY_TOKEN_SIZE];
    memcpy(token.original, "original", token.original_size = 8);
    qe_retry_token_make(&token, key, 100 * S, bytes);
    struct qe_span span = qe_span(bytes, sizeof bytes);
    CU_ASSERT_TRUE(qe_retry_token_check(&token, key, 101 * S, span));
    CU_ASSERT_FALSE(qe_retry_token_check(&token, key, 111 * S, span));
    CU_ASSERT_FALSE(qe_retry_token_check(&token, key, 99 * S, span));
    CU_ASSERT_FALSE(qe_retry_token_check(&token, key, 101 * S, qe_span(bytes, sizeof bytes - 1)));
    token.remote.port = 6;
    CU_ASSERT_FALSE(qe_retry_token_check(&token, key, 101 * S, span));
    token.remote.port = 5;
    token.retry = text("retryid9");
    CU_ASSERT_FALSE(qe_retry_token_check(&token, key, 101 * S, span));
    token.retry = text("retryid8");
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 1;
        CU_ASSERT_FALSE(qe_retry_token_check(&token, key, 101 * S, span));
        bytes[i] ^= 1;
    }
    CU_ASSERT_TRUE(qe_retry_token_check(&token, key, 101 * S, span));
}

static void a_restarted_server_says_that_it_has_forgotten(void)
{
    pair(4);
    meet();
    run_for(1 * S);
    net_restart(b);
    qe_conn_ping(a->conn);
    run_for(2 * net.delay_ns + 1 * MS);
    CU_ASSERT_STRING_EQUAL(a->log, "connected\nconfirmed\nclosed reset 0\n");
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->resets_sent, 1);
    // A forged reset, which does not know the token, does nothing.
    net_dial(a, b, &b->host.identity, nothing, nothing);
    run_for(1 * S);
    uint8_t forged[40] = {0x40, 0x80};
    net_inject(&net, b->addr, a->addr, forged, sizeof forged);
    run_for(1 * S);
    CU_ASSERT_PTR_NOT_NULL(a->conn);
    done();
}

static void resets_are_rationed_and_shorter_than_what_they_answer(void)
{
    pair(4);
    uint8_t packet[100] = {0x40, 0x80, 1, 2, 3};
    for (unsigned i = 0; i < 1000; i++)
        net_inject(&net, a->addr, b->addr, packet, 22 + i % 70);
    net_inject(&net, a->addr, b->addr, packet, 21);
    packet[1] = 0x81; // another lane's
    net_inject(&net, a->addr, b->addr, packet, 100);
    run_for(1 * S);
    const struct qe_quic_stats *stats = qe_quic_stats(b->quic);
    CU_ASSERT_EQUAL(stats->dropped_unknown, 1002);
    CU_ASSERT(stats->resets_sent >= 1 && stats->resets_sent <= 64);
    // Two endpoints that know nothing of each other fall silent.
    CU_ASSERT_EQUAL(qe_quic_deadline(a->quic), QE_TIME_NEVER);
    done();
}

static void silence_ends_a_connection_and_keep_alive_prevents_it(void)
{
    pair(4);
    meet();
    run_for(29 * S);
    CU_ASSERT_EQUAL(a->closed_count + b->closed_count, 0);
    run_for(5 * S);
    CU_ASSERT_EQUAL(a->closed.end, QE_CONN_END_IDLE);
    CU_ASSERT_EQUAL(b->closed.end, QE_CONN_END_IDLE);
    run_for(10 * S);
    CU_ASSERT_EQUAL(qe_quic_deadline(a->quic), QE_TIME_NEVER);
    done();

    pair(4);
    qe_quic_free(a->quic);
    a->options.keep_alive_ns = 10 * S;
    CU_ASSERT_EQUAL_FATAL(qe_quic_new(&a->quic, &a->options, net.now_ns, net.wall_ms), 0);
    meet();
    run_for(300 * S);
    CU_ASSERT_EQUAL(a->closed_count + b->closed_count, 0);
    struct qe_conn_info info;
    qe_conn_info(a->conn, &info, net.now_ns);
    CU_ASSERT(info.sent_packets < 100);
    done();
}

static void nobody_at_the_other_end_ends_in_time(void)
{
    pair(4);
    b->down = true;
    net_dial(a, b, &b->host.identity, nothing, nothing);
    run_for(9 * S);
    CU_ASSERT_STRING_EQUAL(a->log, "");
    run_for(2 * S);
    CU_ASSERT_STRING_EQUAL(a->log, "closed handshake 0\n");
    CU_ASSERT_EQUAL(qe_quic_stats(a->quic)->handshakes_timed_out, 1);
    done();
}

static void a_peer_that_falls_silent_is_seen_to(void)
{
    struct qe_conn_info info;
    pair(4);
    meet();
    run_for(2 * S);
    qe_conn_info(a->conn, &info, net.now_ns);
    CU_ASSERT_EQUAL(info.unanswered_since_ns, QE_TIME_NEVER);
    CU_ASSERT(info.rtt_us >= 20000 && info.rtt_us < 30000);
    b->down = true;
    uint64_t asked_ns = net.now_ns;
    qe_conn_ping(a->conn);
    run_for(500 * MS);
    qe_conn_info(a->conn, &info, net.now_ns);
    CU_ASSERT_EQUAL(info.unanswered_since_ns, asked_ns);
    CU_ASSERT(info.last_received_ns < asked_ns);
    b->down = false;
    run_for(2 * S);
    qe_conn_info(a->conn, &info, net.now_ns);
    CU_ASSERT_EQUAL(info.unanswered_since_ns, QE_TIME_NEVER);
    CU_ASSERT(info.last_received_ns > asked_ns);
    done();
}

static void a_clients_new_nat_mapping_is_followed(void)
{
    uint16_t port = 1000;
    pair(4);
    net.tap = change_source;
    net.tap_user = &port;
    meet();
    run_for(1 * S);
    port = 2000;
    CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, text("from elsewhere")), 0);
    run_for(1 * S);
    CU_ASSERT_EQUAL(b->moved_count, 1);
    struct qe_conn_info info;
    qe_conn_info(b->conn, &info, net.now_ns);
    CU_ASSERT_EQUAL(info.remote.port, 2000);
    CU_ASSERT_EQUAL(b->control_size, 14);
    CU_ASSERT_EQUAL(qe_conn_control_send(b->conn, text("I see")), 0);
    run_for(1 * S);
    CU_ASSERT_EQUAL(a->control_size, 5);
    CU_ASSERT_EQUAL(a->closed_count + b->closed_count, 0);
    done();
}

static void a_client_moves_to_another_address(void)
{
    pair(4);
    meet();
    run_for(1 * S);
    a->addr.ip = qe_ip4(10, 9, 9, 9);
    a->socket = 77;
    CU_ASSERT_EQUAL(
        qe_conn_migrate(a->conn, &(struct qe_conn_place){.socket = 77, .local = a->addr}, net.now_ns, net.wall_ms), 0);
    run_for(1 * S);
    CU_ASSERT_EQUAL(a->moved_count, 1);
    CU_ASSERT_EQUAL(b->moved_count, 1);
    struct qe_conn_info info;
    qe_conn_info(a->conn, &info, net.now_ns);
    CU_ASSERT_EQUAL(info.socket, 77);
    CU_ASSERT(qe_addr_equal(&info.local, &a->addr));
    qe_conn_info(b->conn, &info, net.now_ns);
    CU_ASSERT(qe_addr_equal(&info.remote, &a->addr));
    a->outgoing = b->outgoing = 100, a->outgoing_size = b->outgoing_size = 1000;
    qe_conn_wake(a->conn);
    qe_conn_wake(b->conn);
    run_for(2 * S);
    CU_ASSERT_EQUAL(a->datagrams, 100);
    CU_ASSERT_EQUAL(b->datagrams, 100);
    done();
}

static void close_codes_reach_the_other_end(void)
{
    pair(4);
    meet();
    struct qe_conn *conn = b->conn;
    qe_conn_close(conn, 1234567);
    CU_ASSERT_STRING_EQUAL(b->log, "connected\nconfirmed\nclosed local 1234567\n");
    CU_ASSERT_EQUAL(qe_conn_control_send(conn, text("x")), -1);
    run_for(1 * S);
    CU_ASSERT_STRING_EQUAL(a->log, "connected\nconfirmed\nclosed remote 1234567\n");
    run_for(5 * S);
    CU_ASSERT_EQUAL(qe_quic_deadline(a->quic), QE_TIME_NEVER);
    CU_ASSERT_EQUAL(qe_quic_deadline(b->quic), QE_TIME_NEVER);
    done();
}

static void a_lost_goodbye_is_said_again(void)
{
    pair(4);
    meet();
    run_for(1 * S);
    net.size_max = 1; // nothing passes
    qe_conn_close(b->conn, 5);
    net_flush(&net);
    net.size_max = 0;
    qe_conn_ping(a->conn);
    run_for(2 * net.delay_ns + 1 * MS);
    CU_ASSERT_EQUAL(a->closed.end, QE_CONN_END_REMOTE);
    CU_ASSERT_EQUAL(a->closed.code, 5);
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->resets_sent, 0);
    done();
}

// An owner that closes from inside a callback.
static void close_at_once(void *user, struct qe_conn *conn, struct qe_span bytes, uint8_t ecn, bool early)
{
    struct net_end *end = user;
    (void)bytes;
    (void)ecn;
    (void)early;
    end->datagrams++;
    qe_conn_close(conn, 9);
}

static void closing_from_inside_a_callback_is_safe(void)
{
    pair(4);
    meet();
    net.keep_batches = true;
    b->quic->options.owner.datagram = close_at_once;
    a->outgoing = 10, a->outgoing_size = 500;
    qe_conn_wake(a->conn);
    run_for(1 * S);
    CU_ASSERT_EQUAL(b->datagrams, 1); // nothing more of a connection that is over
    CU_ASSERT_EQUAL(a->closed.end, QE_CONN_END_REMOTE);
    CU_ASSERT_EQUAL(a->closed.code, 9);
    done();
}

static void ecn_marks_reach_the_owner(void)
{
    pair(4);
    meet();
    a->outgoing = 5, a->outgoing_size = 100;
    qe_conn_wake(a->conn);
    run_for(1 * S);
    CU_ASSERT_EQUAL(b->last_ecn, 2); // ECT(0), as the sender marks
    done();
}

static void unknown_versions_are_told_ours(void)
{
    pair(4);
    uint8_t packet[1200] = {0xc0, 0xba, 0xba, 0xba, 0xba, 8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 9, 9, 9, 9};
    net_inject(&net, a->addr, b->addr, packet, sizeof packet);
    net_inject(&net, a->addr, b->addr, packet, 1199); // too short to answer
    run_for(1 * S);
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->dropped_version, 1);
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->dropped_malformed, 1);
    CU_ASSERT_EQUAL(b->sends, 1);
    CU_ASSERT_EQUAL(qe_quic_stats(a->quic)->datagrams_received, 1);
    done();
}

static bool mutate(struct net *n, struct qe_addr *from, struct qe_addr *to, uint8_t *bytes, uint32_t *size)
{
    struct unit_random *r = n->tap_user;
    uint8_t copy[2000];
    (void)from;
    memcpy(copy, bytes, *size);
    size_t copy_size = *size;
    switch (unit_random_below(r, 4)) {
    case 0: // changed
        copy[unit_random_below(r, copy_size)] ^= (uint8_t)(1 + unit_random_below(r, 255));
        break;
    case 1: // cut short
        copy_size = 1 + unit_random_below(r, copy_size);
        break;
    case 2: // noise
        unit_random_fill(r, copy, copy_size);
        break;
    default: // twice
        break;
    }
    net_inject(n, *from, *to, copy, copy_size);
    return true;
}

static void garbage_is_counted_and_harms_nobody(void)
{
    struct unit_random random = unit_random();
    pair(4);
    net.tap = mutate;
    net.tap_user = &random;
    meet();
    a->outgoing = 2000, a->outgoing_size = 700;
    b->outgoing = 2000, b->outgoing_size = 1300;
    qe_conn_wake(a->conn);
    qe_conn_wake(b->conn);
    CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, text("still here")), 0);
    run_for(20 * S);
    CU_ASSERT_EQUAL(a->closed_count + b->closed_count, 0);
    CU_ASSERT_EQUAL(a->datagrams, 2000);
    CU_ASSERT_EQUAL(b->datagrams, 2000);
    CU_ASSERT_EQUAL(a->datagrams_bad + b->datagrams_bad, 0);
    CU_ASSERT_EQUAL(b->control_size, 10);
    const struct qe_quic_stats *stats = qe_quic_stats(b->quic);
    CU_ASSERT(stats->dropped_malformed > 0 && stats->dropped_unknown > 0);
    done();
}

// A session as most are: dial, talk, leave, come back with 0-RTT.
static void story(uint8_t digest[32])
{
    pair(6);
    net.loss_percent = 3;
    struct qe_span ticket = get_ticket();
    net_dial(a, b, &b->host.identity, ticket, text("early"));
    run_for(1 * S);
    if (b->conn) {
        b->outgoing = 1000, b->outgoing_size = 1111;
        qe_conn_wake(b->conn);
    }
    run_for(3 * S);
    CU_ASSERT(a->datagrams > 500);
    memcpy(digest, net.digest, 32);
    done();
}

static void the_same_seed_gives_the_same_bytes(void)
{
    uint8_t first[32], second[32];
    story(first);
    // What another node does in between must not show.
    pair(4);
    meet();
    done();
    story(second);
    CU_ASSERT_EQUAL(memcmp(first, second, 32), 0);
}

static void running_out_of_memory_ends_connections_not_the_node(void)
{
    for (unsigned long nth = 1; nth < 400; nth += nth < 60 ? 1 : 7) {
        pair(4);
        unit_mem_fail_at(nth);
        net_dial(a, b, &b->host.identity, nothing, text("hello"));
        run_for(500 * MS);
        if (a->conn) {
            a->outgoing = 50, a->outgoing_size = 1000;
            qe_conn_wake(a->conn);
            qe_conn_control_send(a->conn, text("more"));
        }
        run_for(2 * S);
        unit_mem_fail_at(0);
        // Whatever failed, the endpoints still work.
        if (a->conn) qe_conn_close(a->conn, 0);
        run_for(5 * S);
        meet();
        CU_ASSERT_EQUAL(a->datagrams_bad + b->datagrams_bad, 0);
        done();
    }
}

static void an_endpoint_needs_memory_to_start(void)
{
    unsigned long nth = 1;
    for (int result = -1; result != 0; nth++) {
        struct qe_quic *quic = NULL;
        pair(4);
        unit_mem_fail_at(nth);
        result = qe_quic_new(&quic, &a->options, net.now_ns, net.wall_ms);
        unit_mem_fail_at(0);
        if (result == 0) qe_quic_free(quic);
        done();
    }
    CU_ASSERT(nth > 5);
}

static const struct unit_case cases[] = {
    {"two nodes prove their keys to each other", two_nodes_prove_their_keys_to_each_other},
    {"datagrams and control pass both ways", datagrams_and_control_pass_both_ways},
    {"an unknown key is refused and both ends know", an_unknown_key_is_refused_and_both_ends_know},
    {"a client refuses a server it may not talk to", a_client_refuses_a_server_it_may_not_talk_to},
    {"a pinned key binds even where the other is allowed", a_pinned_key_binds_even_where_the_other_is_allowed},
    {"another protocol is refused", another_protocol_is_refused},
    {"control bytes arrive in order under loss", control_bytes_arrive_in_order_under_loss},
    {"the control queue has a limit", the_control_queue_has_a_limit},
    {"path mtu discovery finds the largest size", path_mtu_discovery_finds_the_largest_size},
    {"packets of one size share a batch", packets_of_one_size_share_a_batch},
    {"small datagrams share a packet", small_datagrams_share_a_packet},
    {"datagrams of every size pass", datagrams_of_every_size_pass},
    {"a ticket resumes with early control bytes", a_ticket_resumes_with_early_control_bytes},
    {"a key no longer allowed cannot resume", a_key_no_longer_allowed_cannot_resume},
    {"a ticket used twice falls back to a full handshake", a_ticket_used_twice_falls_back_to_a_full_handshake},
    {"a restarted server refuses old tickets but not the peer",
        a_restarted_server_refuses_old_tickets_but_not_the_peer},
    {"a ticket that is damaged or of another peer is not used",
        a_ticket_that_is_damaged_or_of_another_peer_is_not_used},
    {"initials from everywhere meet retry and then the limit", initials_from_everywhere_meet_retry_and_then_the_limit},
    {"a retry token is good for its address only", a_retry_token_is_good_for_its_address_only},
    {"a restarted server says that it has forgotten", a_restarted_server_says_that_it_has_forgotten},
    {"resets are rationed and shorter than what they answer", resets_are_rationed_and_shorter_than_what_they_answer},
    {"silence ends a connection and keep alive prevents it", silence_ends_a_connection_and_keep_alive_prevents_it},
    {"nobody at the other end ends in time", nobody_at_the_other_end_ends_in_time},
    {"a peer that falls silent is seen to", a_peer_that_falls_silent_is_seen_to},
    {"a clients new nat mapping is followed", a_clients_new_nat_mapping_is_followed},
    {"a client moves to another address", a_client_moves_to_another_address},
    {"close codes reach the other end", close_codes_reach_the_other_end},
    {"a lost goodbye is said again", a_lost_goodbye_is_said_again},
    {"closing from inside a callback is safe", closing_from_inside_a_callback_is_safe},
    {"ecn marks reach the owner", ecn_marks_reach_the_owner},
    {"unknown versions are told ours", unknown_versions_are_told_ours},
    {"garbage is counted and harms nobody", garbage_is_counted_and_harms_nobody},
    {"the same seed gives the same bytes", the_same_seed_gives_the_same_bytes},
    {"running out of memory ends connections not the node", running_out_of_memory_ends_connections_not_the_node},
    {"an endpoint needs memory to start", an_endpoint_needs_memory_to_start},
};
UNIT_MAIN("quic", cases)
