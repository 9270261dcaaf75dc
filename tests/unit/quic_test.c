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

static void connect(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(net_dial(a, b, &b->host.identity, nothing, nothing));
    run_for(300 * MS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a->conn);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->conn);
}

static void two_nodes_prove_their_keys_to_each_other(void)
{
    pair(4);
    connect();
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
    connect();
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

static const struct unit_case cases[] = {
    {"two nodes prove their keys to each other", two_nodes_prove_their_keys_to_each_other},
    {"datagrams and control pass both ways", datagrams_and_control_pass_both_ways},
};
UNIT_MAIN("quic", cases)
