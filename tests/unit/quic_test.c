#include "quic_pair.h"

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

static void a_probe_of_the_path_mtu_takes_nothing_along(void)
{
    pair(6);
    net.size_max = 1232;
    meet();
    for (int i = 0; i < 400; i++) { // while the path is being measured
        a->outgoing = 7, a->outgoing_size = 900;
        qe_conn_wake(a->conn);
        run_for(S / 100);
    }
    run_for(1 * S);
    CU_ASSERT_EQUAL(b->datagrams, 2800); // and net_flush has looked at each batch
    done();
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

// Has something to say as soon as there is something to acknowledge.
static void answer(void *user, struct qe_conn *conn, struct qe_span bytes, uint8_t ecn, bool early)
{
    struct net_end *end = user;
    (void)bytes;
    (void)ecn;
    (void)early;
    if (++end->datagrams != 2) return;
    end->batches = end->sends = 0;
    end->outgoing = 8, end->outgoing_size = 1300;
    qe_conn_wake(conn);
}

static void an_acknowledgement_does_not_cut_a_batch_short(void)
{
    pair(6);
    net.delay_ns = 20000; // all eight fit a burst
    net.keep_batches = true;
    meet();
    run_for(1 * S);
    a->quic->options.owner.datagram = answer;
    b->outgoing = 2, b->outgoing_size = 1000;
    qe_conn_wake(b->conn);
    run_for(30000);
    CU_ASSERT_EQUAL(a->sends, 8);
    CU_ASSERT_EQUAL(a->batches, 1);
    run_for(1 * S);
    CU_ASSERT_EQUAL(b->datagrams, 8);
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

// A path that takes no larger packets swallows the probes of its MTU, and is no less alive.
static void probes_that_are_too_large_are_no_silence(void)
{
    for (uint64_t delay_ms = 5; delay_ms <= 60; delay_ms += 5) {
        pair(4);
        net.size_max = 1300;
        net.delay_ns = delay_ms * MS;
        meet();
        for (unsigned i = 0; i < 1000; i++) {
            run_for(10 * MS);
            CU_ASSERT_FALSE(a->conn->unheard || b->conn->unheard);
        }
        b->down = true;
        qe_conn_ping(a->conn);
        run_for(2 * S);
        CU_ASSERT_TRUE(a->conn->unheard);
        done();
    }
}

// The same where the peer is gone while they are under way.
static void silence_among_probes_is_seen_too(void)
{
    pair(4);
    net.size_max = 1300;
    meet();
    b->down = true;
    qe_conn_ping(a->conn);
    run_for(4 * S);
    CU_ASSERT_TRUE(a->conn->unheard);
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

// A tap that loses the first datagram of the first dial.
static bool lose_the_first(struct net *n, struct qe_addr *from, struct qe_addr *to, uint8_t *bytes, uint32_t *size)
{
    (void)to;
    (void)bytes;
    (void)size;
    unsigned *seen = n->tap_user;
    return !qe_addr_equal(from, &a->addr) || ++*seen != 1;
}

// A ClientHello with a post-quantum key share is longer than a packet, and what comes second may come first.
static void a_hello_whose_beginning_is_late_is_asked_for_again(void)
{
    unsigned seen = 0;
    pair(4);
    net.tap = lose_the_first;
    net.tap_user = &seen;
    CU_ASSERT_PTR_NOT_NULL_FATAL(net_dial(a, b, &b->host.identity, nothing, nothing));
    run_for(net.delay_ns * 8);
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->retries_sent, 1);
    CU_ASSERT_STRING_EQUAL(a->log, "connected\nconfirmed\n");
    CU_ASSERT_STRING_EQUAL(b->log, "connected\nconfirmed\n");
    CU_ASSERT_EQUAL(qe_quic_stats(b->quic)->handshakes_timed_out, 0);
    done();
}

static unsigned told_silent, told_heard, deaf;

static bool on_responsive(void *user, struct qe_conn *conn, bool responsive)
{
    (void)user, (void)conn;
    if (deaf > 0) {
        deaf--;
        return false;
    }
    if (responsive)
        told_heard++;
    else
        told_silent++;
    return true;
}

static void news_of_silence_is_told_until_it_is_heard(void)
{
    pair(4);
    a->options.owner.responsive = on_responsive;
    net_restart(a);
    meet();
    told_silent = told_heard = 0;
    deaf = 1; // the first time
    b->down = true;
    a->outgoing = 1, a->outgoing_size = 100;
    qe_conn_wake(a->conn);
    run_for(5 * S);
    CU_ASSERT_EQUAL(deaf, 0);
    CU_ASSERT_EQUAL(told_silent, 1);
    b->down = false;
    deaf = 1;
    run_for(10 * S);
    CU_ASSERT_EQUAL(deaf, 0);
    b->outgoing = 2, b->outgoing_size = 100;
    qe_conn_wake(b->conn);
    run_for(1 * S);
    CU_ASSERT_EQUAL(told_heard, 1);
    done();
}

static const struct unit_case cases[] = {
    {"news of silence is told until it is heard", news_of_silence_is_told_until_it_is_heard},
    {"two nodes prove their keys to each other", two_nodes_prove_their_keys_to_each_other},
    {"datagrams and control pass both ways", datagrams_and_control_pass_both_ways},
    {"an unknown key is refused and both ends know", an_unknown_key_is_refused_and_both_ends_know},
    {"a client refuses a server it may not talk to", a_client_refuses_a_server_it_may_not_talk_to},
    {"a pinned key binds even where the other is allowed", a_pinned_key_binds_even_where_the_other_is_allowed},
    {"another protocol is refused", another_protocol_is_refused},
    {"control bytes arrive in order under loss", control_bytes_arrive_in_order_under_loss},
    {"the control queue has a limit", the_control_queue_has_a_limit},
    {"path mtu discovery finds the largest size", path_mtu_discovery_finds_the_largest_size},
    {"a probe of the path mtu takes nothing along", a_probe_of_the_path_mtu_takes_nothing_along},
    {"packets of one size share a batch", packets_of_one_size_share_a_batch},
    {"an acknowledgement does not cut a batch short", an_acknowledgement_does_not_cut_a_batch_short},
    {"small datagrams share a packet", small_datagrams_share_a_packet},
    {"datagrams of every size pass", datagrams_of_every_size_pass},
    {"silence ends a connection and keep alive prevents it", silence_ends_a_connection_and_keep_alive_prevents_it},
    {"nobody at the other end ends in time", nobody_at_the_other_end_ends_in_time},
    {"a peer that falls silent is seen to", a_peer_that_falls_silent_is_seen_to},
    {"probes that are too large are no silence", probes_that_are_too_large_are_no_silence},
    {"silence among probes is seen, too", silence_among_probes_is_seen_too},
    {"a clients new nat mapping is followed", a_clients_new_nat_mapping_is_followed},
    {"a client moves to another address", a_client_moves_to_another_address},
    {"close codes reach the other end", close_codes_reach_the_other_end},
    {"a lost goodbye is said again", a_lost_goodbye_is_said_again},
    {"closing from inside a callback is safe", closing_from_inside_a_callback_is_safe},
    {"ecn marks reach the owner", ecn_marks_reach_the_owner},
    {"a hello whose beginning is late is asked for again", a_hello_whose_beginning_is_late_is_asked_for_again},
};
UNIT_MAIN("quic", cases)
