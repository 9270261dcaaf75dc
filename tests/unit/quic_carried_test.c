// What datagrams carry, as the endpoint tells a host that asks.
#include "quic_pair.h"

#include "wire/wire.h"

#include <stdio.h>

// A hello of 5 bytes, and another message.
static const uint8_t hello[] = {0, 3, QE_MESSAGE_HELLO, 1, 2}, other[] = {0, 4, 0x7f, 1, 2, 3};

static void pair_that_tells(void)
{
    net_init(&net, unit_random().state);
    net.tell_carried = true;
    a = net_add(&net, "a", 4);
    b = net_add(&net, "b", 4);
    net_allow(a, b);
    net_allow(b, a);
}

static void a_handshake_is_told(void)
{
    pair_that_tells();
    meet();
    run_for(1 * S);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_HELLO] + b->carried[QE_CARRIED_HELLO], 0);
    CU_ASSERT(a->carried[QE_CARRIED_CRYPTO] >= 2 && b->carried[QE_CARRIED_CRYPTO] >= 2);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_TICKET], 0);
    CU_ASSERT(b->carried[QE_CARRIED_TICKET] >= 1);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_HANDSHAKE_DONE], 0);
    CU_ASSERT_EQUAL(b->carried[QE_CARRIED_HANDSHAKE_DONE], 1);
    CU_ASSERT(a->carried[QE_CARRIED_NEW_CONNECTION_ID] && b->carried[QE_CARRIED_NEW_CONNECTION_ID]);
    CU_ASSERT(a->carried[QE_CARRIED_MTU_PROBE] && b->carried[QE_CARRIED_MTU_PROBE]);
    CU_ASSERT(a->carried[QE_CARRIED_ACK] && b->carried[QE_CARRIED_ACK]);
    // The client opens the control stream, be it with nothing on it.
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_CONTROL], 1);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_CLOSE] + a->carried[QE_CARRIED_GOODBYE], 0);
    done();
}

static void messages_are_told_by_type(void)
{
    pair_that_tells();
    meet();
    uint64_t before = a->carried[QE_CARRIED_CONTROL];
    CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, qe_span(hello, sizeof hello)), 0);
    run_for(100 * MS);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_HELLO], 1);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_CONTROL], before + 1);
    CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, qe_span(other, sizeof other)), 0);
    run_for(100 * MS);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_HELLO], 1);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_CONTROL], before + 2);
    CU_ASSERT_EQUAL(b->carried[QE_CARRIED_HELLO], 0);
    done();
}

static void what_is_sent_again_is_told_again(void)
{
    pair_that_tells();
    meet();
    b->down = true;
    CU_ASSERT_EQUAL(qe_conn_control_send(a->conn, qe_span(hello, sizeof hello)), 0);
    run_for(400 * MS);
    b->down = false;
    run_for(1 * S);
    CU_ASSERT(a->carried[QE_CARRIED_HELLO] >= 2);
    CU_ASSERT_EQUAL(b->control_size, sizeof hello);
    done();
}

static void early_messages_are_told(void)
{
    pair_that_tells();
    struct qe_span ticket = get_ticket();
    net_dial(a, b, &b->host.identity, ticket, qe_span(hello, sizeof hello));
    run_for(300 * MS);
    CU_ASSERT(b->control_early);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_HELLO], 1);
    done();
}

static void datagrams_are_what_the_owner_calls_them(void)
{
    pair_that_tells();
    meet();
    a->outgoing = 200, a->outgoing_size = 1000;
    qe_conn_wake(a->conn);
    run_for(1 * S);
    CU_ASSERT_EQUAL(b->datagrams, 200);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_FRAGMENT], 200);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_PACKET], 0);
    done();
}

static void goodbyes_are_told(void)
{
    pair_that_tells();
    meet();
    qe_conn_close(a->conn, QE_CLOSE_GOODBYE);
    run_for(1 * S);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_GOODBYE], 1);
    CU_ASSERT_EQUAL(a->carried[QE_CARRIED_CLOSE], 0);
    meet();
    qe_conn_close(b->conn, QE_CLOSE_SUPERSEDED);
    run_for(1 * S);
    CU_ASSERT_EQUAL(b->carried[QE_CARRIED_CLOSE], 1);
    CU_ASSERT_EQUAL(b->carried[QE_CARRIED_GOODBYE], 0);
    done();
}

static void path_validation_and_resets_are_told(void)
{
    static uint16_t port = 1111;
    pair_that_tells();
    net.tap_user = &port;
    net.tap = change_source;
    meet();
    port = 2222;
    a->outgoing = 3, a->outgoing_size = 100;
    qe_conn_wake(a->conn);
    run_for(2 * S);
    CU_ASSERT(b->carried[QE_CARRIED_PATH_CHALLENGE] >= 1);
    CU_ASSERT(a->carried[QE_CARRIED_PATH_RESPONSE] >= 1);
    net_restart(b);
    a->outgoing = 3, a->outgoing_size = 100;
    qe_conn_wake(a->conn);
    run_for(2 * S);
    CU_ASSERT(b->carried[QE_CARRIED_STATELESS_RESET] >= 1);
    CU_ASSERT_EQUAL(a->closed.end, QE_CONN_END_RESET);
    done();
}

static void names_lead_to_classes_and_back(void)
{
    enum qe_carried which;
    for (int i = 0; i < QE_CARRIED_COUNT; i++) {
        CU_ASSERT(qe_carried_find(qe_carried_name((enum qe_carried)i), &which));
        CU_ASSERT_EQUAL((int)which, i);
    }
    CU_ASSERT_FALSE(qe_carried_find("hell", &which));
}

// docs/protocol.md has a line for every class.
static void every_class_is_documented(void)
{
    static char page[1 << 20];
    FILE *in = fopen(QE_PROTOCOL_PAGE, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    CU_ASSERT_FATAL(fread(page, 1, sizeof page - 1, in) > 0);
    fclose(in);
    for (int i = 0; i < QE_CARRIED_COUNT; i++) {
        char line[80];
        snprintf(line, sizeof line, "\n| `%s` | ", qe_carried_name((enum qe_carried)i));
        CU_ASSERT_PTR_NOT_NULL(strstr(page, line));
    }
}

static void without_memory_for_it_there_is_no_endpoint(void)
{
    // Every allocation of an endpoint fails once, those for the notes among them.
    pair_that_tells();
    struct qe_quic *quic = NULL;
    unsigned failed = 0;
    for (unsigned long n = 1; !quic; n++) {
        unit_mem_fail_at(n);
        failed += qe_quic_new(&quic, &a->options, net.now_ns, net.wall_ms) != 0;
        unit_mem_fail_at(0);
    }
    CU_ASSERT(failed > 3);
    qe_quic_free(quic);
    done();
}

static const struct unit_case cases[] = {
    {"a handshake is told", a_handshake_is_told},
    {"messages are told by type", messages_are_told_by_type},
    {"what is sent again is told again", what_is_sent_again_is_told_again},
    {"early messages are told", early_messages_are_told},
    {"datagrams are what the owner calls them", datagrams_are_what_the_owner_calls_them},
    {"goodbyes are told", goodbyes_are_told},
    {"path validation and resets are told", path_validation_and_resets_are_told},
    {"names lead to classes and back", names_lead_to_classes_and_back},
    {"every class is documented", every_class_is_documented},
    {"without memory for it there is no endpoint", without_memory_for_it_there_is_no_endpoint},
};
UNIT_MAIN("quic_carried", cases)
