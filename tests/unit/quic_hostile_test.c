#include "quic_pair.h"

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
    {"initials from everywhere meet retry and then the limit", initials_from_everywhere_meet_retry_and_then_the_limit},
    {"a retry token is good for its address only", a_retry_token_is_good_for_its_address_only},
    {"a restarted server says that it has forgotten", a_restarted_server_says_that_it_has_forgotten},
    {"resets are rationed and shorter than what they answer", resets_are_rationed_and_shorter_than_what_they_answer},
    {"unknown versions are told ours", unknown_versions_are_told_ours},
    {"garbage is counted and harms nobody", garbage_is_counted_and_harms_nobody},
    {"running out of memory ends connections not the node", running_out_of_memory_ends_connections_not_the_node},
    {"an endpoint needs memory to start", an_endpoint_needs_memory_to_start},
};
UNIT_MAIN("quic_hostile", cases)
