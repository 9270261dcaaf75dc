#include "quic_pair.h"

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

static const struct unit_case cases[] = {
    {"a ticket resumes with early control bytes", a_ticket_resumes_with_early_control_bytes},
    {"a key no longer allowed cannot resume", a_key_no_longer_allowed_cannot_resume},
    {"a ticket used twice falls back to a full handshake", a_ticket_used_twice_falls_back_to_a_full_handshake},
    {"a restarted server refuses old tickets but not the peer",
        a_restarted_server_refuses_old_tickets_but_not_the_peer},
    {"a ticket that is damaged or of another peer is not used",
        a_ticket_that_is_damaged_or_of_another_peer_is_not_used},
    {"the same seed gives the same bytes", the_same_seed_gives_the_same_bytes},
};
UNIT_MAIN("quic_ticket", cases)
