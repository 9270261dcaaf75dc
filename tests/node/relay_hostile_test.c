// Nodes against a gateway, or a member of one, that says what no node would: it is counted and dropped in bounded
// memory, and the node goes on.
#include "bare.h"
#include "base/time.h"
#include "node/relay.h"
#include "node/relay_internal.h"
#include "unit.h"
#include "world.h"

#include <stdlib.h>

static struct world world;
// a runs. It allows b, which runs too, and g, in whose place the bare endpoint speaks.
static struct world_host *a, *b, *g;
static struct bare bare;
static uint32_t odd; // in g's numbers at a

static void run_for(uint64_t ns)
{
    world_run(&world, world.now_ns + ns);
}

static struct cplane_peer *peer_of(const struct world_host *of)
{
    return cplane_peer_find(qe_node_cplane(a->node), &of->id);
}

static void begin(bool gateway)
{
    world_init(&world, 41);
    a = world_add(&world);
    b = world_add(&world);
    g = world_add(&world);
    a->config.gateway = gateway;
    a->config.relay.allow = QE_RELAY_ALLOWED;
    world_allow(a, b, false);
    world_allow(a, g, false);
    world_allow(b, a, gateway);
    world_start(a);
    world_start(b);
    bare_init(&bare, g);
    CU_ASSERT_EQUAL_FATAL(bare_dial(&bare, a), 0);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE_FATAL(bare.connected && cplane_is_direct(peer_of(g)));
    odd = qe_node_id_compare(&g->id, &a->id) > 0;
}

static void end(void)
{
    bare_fini(&bare);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static uint32_t number(uint32_t i)
{
    return i << 1 | odd;
}

static void say(enum qe_message_type type, uint32_t circuit, const struct qe_node_id *node)
{
    const struct qe_relay_message message = {
        .type = type, .circuit = circuit, .node = node ? *node : (struct qe_node_id){{0}}};
    uint8_t bytes[64];
    bare_control(&bare, bytes, qe_relay_encode(&message, bytes, sizeof bytes));
}

// What was heard last on the control stream.
static bool heard(enum qe_message_type type, uint32_t circuit, enum qe_relay_end why)
{
    const struct qe_relay_message message = {.type = type, .circuit = circuit, .why = why};
    uint8_t bytes[64];
    size_t size = qe_relay_encode(&message, bytes, sizeof bytes);
    return bare.heard_size >= size && memcmp(bare.heard + bare.heard_size - size, bytes, size) == 0;
}

static void send_frame(uint32_t circuit, const void *packet, size_t size)
{
    uint8_t frame[1500];
    qe_relayed_header(circuit, false, frame);
    memcpy(frame + QE_RELAYED_HEADER_SIZE, packet, size);
    bare_datagram(&bare, frame, QE_RELAYED_HEADER_SIZE + size);
}

static void packets_in_no_circuit_are_dropped_and_answered_rarely(void)
{
    struct unit_random random = unit_random();
    begin(false);
    size_t before = bare.heard_size;
    for (uint32_t i = 0; i < 500; i++) {
        uint8_t packet[100];
        for (size_t j = 0; j < sizeof packet; j++)
            packet[j] = (uint8_t)unit_random_below(&random, 256);
        send_frame((uint32_t)unit_random_below(&random, QE_CIRCUIT_MAX), packet, sizeof packet);
        run_for(2 * QE_NS_PER_MS);
    }
    run_for(100 * QE_NS_PER_MS);
    CU_ASSERT_EQUAL(world_metric(a, "drop_circuit"), 500);
    CU_ASSERT_TRUE(bare.heard_size > before && bare.heard_size - before <= 7 * 7);
    CU_ASSERT_TRUE(bare.connected);
    end();
}

static void messages_that_cannot_be_are_counted(void)
{
    static const uint8_t shortened[] = {0, 3, QE_MESSAGE_RELAY_OPEN, 0, 0};
    static const uint8_t high[] = {0, 4, QE_MESSAGE_RELAY_ACCEPT, 0xff, 0xff, 0xff};
    begin(false);
    uint64_t before = world_metric(a, "drop_control");
    bare_control(&bare, shortened, sizeof shortened);
    bare_control(&bare, high, sizeof high);
    say(QE_MESSAGE_RELAY_OFFER, number(1) ^ 1, &b->id); // a number that is a's to choose
    say(QE_MESSAGE_RELAY_OPEN, number(1) ^ 1, &b->id);
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_metric(a, "drop_control"), before + 4);
    say(QE_MESSAGE_RELAY_ACCEPT, 6, NULL);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE(heard(QE_MESSAGE_RELAY_CLOSE, 6, QE_RELAY_END_UNKNOWN));
    say(QE_MESSAGE_RELAY_CLOSE, 6, NULL);
    say(QE_MESSAGE_RELAY_QUIET, 6, NULL);
    // Twice the same number, and an accept of what was offered.
    say(QE_MESSAGE_RELAY_OFFER, number(1), &b->id);
    say(QE_MESSAGE_RELAY_OFFER, number(1), &b->id);
    say(QE_MESSAGE_RELAY_ACCEPT, number(1), NULL);
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_metric(a, "drop_control"), before + 5);
    CU_ASSERT_EQUAL(peer_of(g)->circuit_count, 1);
    CU_ASSERT_TRUE(bare.connected);
    end();
}

static void who_asks_for_what_it_may_not_have_is_refused(void)
{
    const struct qe_node_id nobody = {{1, 2, 3}};
    begin(true);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE_FATAL(cplane_is_direct(peer_of(b)));
    say(QE_MESSAGE_RELAY_OPEN, number(1), &g->id); // itself
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE(heard(QE_MESSAGE_RELAY_CLOSE, number(1), QE_RELAY_END_UNREACHABLE));
    say(QE_MESSAGE_RELAY_OPEN, number(2), &nobody);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE(heard(QE_MESSAGE_RELAY_CLOSE, number(2), QE_RELAY_END_UNREACHABLE));
    say(QE_MESSAGE_RELAY_OFFER, number(3), &a->id);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE(heard(QE_MESSAGE_RELAY_CLOSE, number(3), QE_RELAY_END_UNWANTED));
    // b does not know g.
    say(QE_MESSAGE_RELAY_OPEN, number(4), &b->id);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE(heard(QE_MESSAGE_RELAY_CLOSE, number(4), QE_RELAY_END_UNWANTED));
    CU_ASSERT_EQUAL(peer_of(g)->circuit_count, 0);
    end();
}

static void circuits_are_few_and_end_by_themselves(void)
{
    begin(false);
    size_t before = a->memory;
    for (uint32_t i = 1; i <= 1000; i++) {
        say(QE_MESSAGE_RELAY_OFFER, number(i), &b->id);
        if (i % 50 == 0) run_for(50 * QE_NS_PER_MS);
    }
    run_for(100 * QE_NS_PER_MS);
    CU_ASSERT_EQUAL(peer_of(g)->circuit_count, 64);
    CU_ASSERT_TRUE(a->memory - before < 400000);
    // Nobody dials.
    run_for(15 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(peer_of(g)->circuit_count, 0);
    CU_ASSERT_TRUE(bare.connected);
    end();
}

static void noise_in_a_circuit_is_harmless(void)
{
    struct unit_random random = unit_random();
    begin(false);
    say(QE_MESSAGE_RELAY_OFFER, number(1), &b->id);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE_FATAL(heard(QE_MESSAGE_RELAY_ACCEPT, number(1), QE_RELAY_END_DONE));
    for (uint32_t i = 0; i < 3000; i++) {
        uint8_t packet[1300];
        size_t size = 1 + unit_random_below(&random, sizeof packet);
        for (size_t j = 0; j < size; j++)
            packet[j] = (uint8_t)unit_random_below(&random, 256);
        // Like Initials, like short headers of ours, and anything.
        if (i % 3 == 0) memcpy(packet, "\xc3\0\0\0\1\x08", size < 6 ? size : 6);
        if (i % 3 == 1) memcpy(packet, "\x40\x80", size < 2 ? size : 2);
        send_frame(number(1), packet, size);
        if (i % 8 == 0) run_for(QE_NS_PER_MS);
    }
    run_for(2 * QE_NS_PER_S);
    CU_ASSERT_TRUE(bare.connected && cplane_is_direct(peer_of(g)));
    CU_ASSERT_PTR_NULL(qe_session_active(&peer_of(b)->session));
    run_for(40 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(peer_of(g)->circuit_count, 0);
    end();
}

// Takes the datagram that is on its way from g to a out of the air.
static struct world_datagram *intercept(void)
{
    for (struct world_datagram **at = &world.flight; *at; at = &(*at)->next) {
        struct world_datagram *d = *at;
        if (!qe_ip_equal(&d->from.ip, &g->ip) || !qe_ip_equal(&d->to.ip, &a->ip)) continue;
        *at = d->next;
        return d;
    }
    return NULL;
}

// Else a gateway could have its own connection go by itself.
static void an_outer_connection_does_not_move_into_a_circuit(void)
{
    static const uint8_t unknown[] = {0, 2, 0x7f, 0};
    begin(false);
    say(QE_MESSAGE_RELAY_OFFER, number(1), &b->id);
    run_for(6 * QE_NS_PER_S);
    CU_ASSERT_EQUAL_FATAL(peer_of(g)->circuit_count, 1);
    uint64_t received = bare.received;
    // A packet of one connection, inside another.
    struct qe_conn *first = bare.conn;
    bare.conn = NULL;
    CU_ASSERT_EQUAL_FATAL(bare_dial(&bare, a), 0);
    run_for(QE_NS_PER_S);
    struct qe_conn *second = bare.conn;
    bare.conn = first;
    bare_control(&bare, unknown, sizeof unknown);
    struct world_datagram *d = intercept();
    bare.conn = second;
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    send_frame(number(1), d->bytes, d->size);
    free(d);
    run_for(100 * QE_NS_PER_MS);
    // No path is being validated there, nor does anything else come from the circuit.
    CU_ASSERT_EQUAL(bare.received, received);
    const struct qe_path *path = qe_session_active(&peer_of(g)->session);
    CU_ASSERT_TRUE_FATAL(path != NULL);
    CU_ASSERT_TRUE(qe_ip_equal(&path->remote.ip, &g->ip) && !path->relayed);
    CU_ASSERT_TRUE(bare.connected);
    end();
}

// The far end of a circuit, whose connection travels in frames of the gateway's.
static struct bare far;

static void flush_far(void)
{
    static uint8_t storage[QE_BUF_SIZE];
    struct qe_buf buf = {.data = storage, .capacity = sizeof storage};
    struct qe_send out;
    while (qe_quic_next(far.quic, &buf, &out, world.now_ns, 1700000000000)) {
        for (uint32_t at = 0; at < buf.size; at += out.segment_size) {
            uint32_t left = buf.size - at;
            send_frame(number(1), storage + at, left < out.segment_size ? left : out.segment_size);
        }
        buf.size = 0;
    }
}

static void on_frame(struct bare *gateway, struct qe_span frame)
{
    uint32_t circuit;
    bool whole;
    struct qe_span packet;
    (void)gateway;
    if (!qe_relayed_read(frame, &circuit, &whole, &packet)) return;
    const struct qe_datagrams in = {.socket = QE_QUIC_INSIDE,
        .remote = qe_circuit_addr(0, 1),
        .bytes = packet.data,
        .size = (uint32_t)packet.size,
        .segment_size = (uint16_t)packet.size};
    qe_quic_receive(far.quic, &in, world.now_ns, 1700000000000);
}

static void run_far(uint64_t ns)
{
    for (uint64_t until_ns = world.now_ns + ns; world.now_ns < until_ns;) {
        if (qe_quic_deadline(far.quic) <= world.now_ns) qe_quic_expire(far.quic, world.now_ns, 1700000000000);
        flush_far();
        run_for(5 * QE_NS_PER_MS);
    }
}

// The gateway offers `b`; the one who then dials is `who`.
static void begin_far(struct world_host *who)
{
    begin(false);
    world_kill(b);
    bare.on_frame = on_frame;
    say(QE_MESSAGE_RELAY_OFFER, number(1), &b->id);
    run_for(QE_NS_PER_S);
    struct qe_quic *of_gateway = who->bare;
    who->bare = NULL;
    bare_init(&far, who);
    who->bare = of_gateway; // it has no network of its own
    const struct qe_quic_dial dial = {
        .key = &a->host.identity, .socket = QE_QUIC_INSIDE, .remote = qe_circuit_addr(0, 1)};
    CU_ASSERT_EQUAL_FATAL(qe_quic_dial(far.quic, &dial, &far.conn, world.now_ns, 1700000000000), 0);
    run_far(QE_NS_PER_S);
}

static void end_far(void)
{
    struct qe_quic *of_gateway = far.host->bare;
    bare_fini(&far);
    far.host->bare = of_gateway;
    end();
}

static void nobody_relays_over_what_is_relayed(void)
{
    static const uint8_t packet[100] = {0x40};
    uint8_t frame[104], bytes[64];
    begin_far(b);
    const struct qe_path *path = qe_session_active(&peer_of(b)->session);
    CU_ASSERT_TRUE_FATAL(far.connected && path && path->relayed);
    uint64_t dropped = world_metric(a, "drop_circuit"), refused = world_metric(a, "drop_control");
    // Neither packets, though the number is that of a circuit, nor what asks for one.
    qe_relayed_header(number(1), false, frame);
    memcpy(frame + QE_RELAYED_HEADER_SIZE, packet, sizeof packet);
    bare_datagram(&far, frame, sizeof frame);
    run_far(100 * QE_NS_PER_MS);
    CU_ASSERT_EQUAL(world_metric(a, "drop_circuit"), dropped + 1);
    const struct qe_relay_message offer = {
        .type = QE_MESSAGE_RELAY_OFFER, .circuit = 2 | (qe_node_id_compare(&b->id, &a->id) > 0), .node = g->id};
    bare_control(&far, bytes, qe_relay_encode(&offer, bytes, sizeof bytes));
    run_far(100 * QE_NS_PER_MS);
    CU_ASSERT_EQUAL(world_metric(a, "drop_control"), refused + 1);
    CU_ASSERT_EQUAL(peer_of(b)->circuit_count, 0);
    end_far();
}

static void a_gateway_that_lies_about_who_is_there_is_found_out(void)
{
    begin_far(g);
    run_far(QE_NS_PER_S);
    CU_ASSERT_FALSE(far.connected);
    CU_ASSERT_EQUAL(far.closed, 1);
    CU_ASSERT_PTR_NULL(qe_session_active(&peer_of(b)->session));
    CU_ASSERT_TRUE(cplane_is_direct(peer_of(g)) && !qe_session_active(&peer_of(g)->session)->relayed);
    end_far();
}

static void nobody_is_at_the_address_of_a_circuit(void)
{
    const struct qe_addr from = qe_circuit_addr(0, 2);
    uint8_t packet[1200] = {0xc3, 0, 0, 0, 1, 8};
    begin(false);
    world_inject(&world, a, &from, packet, sizeof packet);
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_metric(a, "drop_circuit"), 1);
    end();
}

static const struct unit_case cases[] = {
    {"packets in no circuit are dropped and answered rarely", packets_in_no_circuit_are_dropped_and_answered_rarely},
    {"messages that cannot be are counted", messages_that_cannot_be_are_counted},
    {"who asks for what it may not have is refused", who_asks_for_what_it_may_not_have_is_refused},
    {"circuits are few and end by themselves", circuits_are_few_and_end_by_themselves},
    {"noise in a circuit is harmless", noise_in_a_circuit_is_harmless},
    {"an outer connection does not move into a circuit", an_outer_connection_does_not_move_into_a_circuit},
    {"nobody relays over what is relayed", nobody_relays_over_what_is_relayed},
    {"a gateway that lies about who is there is found out", a_gateway_that_lies_about_who_is_there_is_found_out},
    {"nobody is at the address of a circuit", nobody_is_at_the_address_of_a_circuit},
};
UNIT_MAIN("relay hostile", cases)
