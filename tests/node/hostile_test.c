// Whole nodes against bad QUIC: whatever comes is counted and dropped in bounded memory, and the peers go on.
#include "bare.h"
#include "base/time.h"
#include "quic/internal.h"
#include "unit.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>

// What a half-open connection may cost a node, OpenSSL's part (outside its allocator) not counted.
#define HALF_OPEN_BYTES_MAX 40000
// As in the lane.
#define HANDSHAKES_MAX 256

static struct world world;
static struct world_host *a, *b;
static struct bare bare;

static void run_for(uint64_t ns)
{
    world_run(&world, world.now_ns + ns);
}

// a runs and allows b, in whose place the bare endpoint speaks.
static void begin_bare(void)
{
    world_init(&world, 31);
    a = world_add(&world);
    b = world_add(&world);
    world_allow(a, b, false);
    world_start(a);
    bare_init(&bare, b);
}

static void end_bare(void)
{
    bare_fini(&bare);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static bool both_connected(struct world *w)
{
    (void)w;
    return world_connected(a, b) && world_connected(b, a);
}

static void begin_pair(uint64_t seed)
{
    world_init(&world, seed);
    a = world_add(&world);
    b = world_add(&world);
    world_allow(a, b, true);
    world_allow(b, a, false);
    world_start(b);
    world_start(a);
    CU_ASSERT_TRUE_FATAL(world_until(&world, both_connected, 5 * QE_NS_PER_S));
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void say(struct world_host *from, struct world_host *to, uint32_t number)
{
    uint8_t packet[300];
    world_packet(from, to, 4, number, sizeof packet, packet);
    world_tun(from, packet, sizeof packet, NULL);
}

static void another_protocol_is_refused(void)
{
    begin_bare();
    SSL_CTX_set_alpn_protos(bare.quic->tls.client, (const unsigned char *)"\x02h3", 3);
    CU_ASSERT_EQUAL(bare_dial(&bare, a), 0);
    run_for(QE_NS_PER_S);
    CU_ASSERT_PTR_NULL(bare.conn);
    CU_ASSERT_EQUAL(bare.why.end, QE_CONN_END_REFUSED);
    CU_ASSERT_EQUAL(bare.why.code, 120); // no_application_protocol (RFC 7301 §3.2)
    CU_ASSERT_EQUAL(world_metric(a, "quic_handshakes_refused"), 1);
    CU_ASSERT_FALSE(world_connected(a, b));
    end_bare();
}

// A control stream that makes no sense ends that connection, and nothing else.
static void nonsense_on_the_control_stream_ends_the_connection(void)
{
    static const uint8_t endless[] = {0xff, 0xff, 1}, empty[] = {0, 0, 0};
    const struct qe_span cases[] = {qe_span(endless, sizeof endless), qe_span(empty, sizeof empty)};
    for (size_t i = 0; i < 2; i++) {
        begin_bare();
        CU_ASSERT_EQUAL(bare_dial(&bare, a), 0);
        run_for(500 * QE_NS_PER_MS);
        CU_ASSERT_TRUE(bare.connected);
        bare_control(&bare, cases[i].data, cases[i].size);
        run_for(500 * QE_NS_PER_MS);
        CU_ASSERT_PTR_NULL(bare.conn);
        CU_ASSERT_EQUAL(bare.why.end, QE_CONN_END_REMOTE);
        CU_ASSERT_EQUAL(bare.why.code, QE_CLOSE_PROTOCOL);
        CU_ASSERT_EQUAL(bare_dial(&bare, a), 0);
        run_for(500 * QE_NS_PER_MS);
        CU_ASSERT_TRUE(bare.connected);
        end_bare();
    }
}

// Everything under way is sent twice, and cut short once more, by somebody who listens.
static void replayed_and_truncated_datagrams_change_nothing(void)
{
    struct unit_random random = unit_random();
    begin_pair(32);
    run_for(2 * QE_NS_PER_S);
    for (uint32_t round = 0; round < 50; round++) {
        struct world_datagram *list[16];
        size_t count = 0;
        say(a, b, round);
        say(b, a, round);
        for (struct world_datagram *d = world.flight; d && count < 16; d = d->next)
            list[count++] = d;
        for (size_t i = 0; i < count; i++) {
            struct world_host *to = qe_ip_equal(&list[i]->to.ip, &a->ip) ? a : b;
            struct qe_addr from = list[i]->from;
            world_inject(&world, to, &from, list[i]->bytes, list[i]->size);
            from.port++;
            world_inject(&world, to, &from, list[i]->bytes, list[i]->size);
            world_inject(&world, to, &list[i]->from, list[i]->bytes, unit_random_below(&random, list[i]->size));
        }
        run_for(50 * QE_NS_PER_MS);
    }
    run_for(QE_NS_PER_S);
    // Once each, none twice.
    CU_ASSERT_EQUAL(a->delivered_count, 50);
    CU_ASSERT_EQUAL(b->delivered_count, 50);
    CU_ASSERT_TRUE(both_connected(&world));
    world_command(a, QE_COMMAND_PEERS, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, "\"dials\":1"));
    end();
}

// The connection's own Initials and handshake, replayed later and cut short, from its own address.
static void a_replayed_handshake_changes_nothing(void)
{
    static struct {
        uint8_t bytes[1500];
        size_t size;
    } kept[16];
    size_t count = 0;
    world_init(&world, 33);
    a = world_add(&world);
    b = world_add(&world);
    world_allow(a, b, true);
    world_allow(b, a, false);
    world_start(b);
    world_start(a);
    for (int i = 0; i < 20 && count < 16; i++) {
        for (const struct world_datagram *d = world.flight; d && count < 16; d = d->next) {
            if (!qe_ip_equal(&d->to.ip, &b->ip)) continue;
            memcpy(kept[count].bytes, d->bytes, d->size);
            kept[count++].size = d->size;
        }
        run_for(11 * QE_NS_PER_MS);
    }
    CU_ASSERT_TRUE_FATAL(world_until(&world, both_connected, 5 * QE_NS_PER_S));
    CU_ASSERT_TRUE(count >= 2);
    const struct qe_addr from = {a->ip, QE_DEFAULT_PORT, 0};
    for (size_t i = 0; i < count; i++) {
        world_inject(&world, b, &from, kept[i].bytes, kept[i].size);
        for (size_t cut = 1; cut < kept[i].size; cut += 97)
            world_inject(&world, b, &from, kept[i].bytes, kept[i].size - cut);
        run_for(100 * QE_NS_PER_MS);
    }
    run_for(10 * QE_NS_PER_S);
    CU_ASSERT_TRUE(both_connected(&world));
    world_command(b, QE_COMMAND_STATUS, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)b->reply.data, "\"paths\":{\"active\":1}"));
    say(a, b, 1);
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(b->delivered_count, 1);
    end();
}

// A stranger's Initials, as a's own clients would write them, from an address each.
static size_t make_initial(uint8_t *out)
{
    static uint8_t storage[QE_BUF_SIZE];
    struct qe_buf buf = {.data = storage, .capacity = sizeof storage, .offset = QE_BUF_HEADROOM};
    struct qe_send send;
    const struct qe_quic_dial dial = {.key = &a->host.identity,
        .socket = 1,
        .local = {qe_ip4(0, 0, 0, 0), QE_DEFAULT_PORT, 0},
        .remote = {a->ip, QE_DEFAULT_PORT, 0}};
    struct qe_conn *conn;
    CU_ASSERT_EQUAL_FATAL(qe_quic_dial(bare.quic, &dial, &conn, world.now_ns, 1700000000000), 0);
    CU_ASSERT_TRUE_FATAL(qe_quic_next(bare.quic, &buf, &send, world.now_ns, 1700000000000));
    memcpy(out, qe_buf_bytes(&buf), send.segment_size);
    size_t size = send.segment_size < buf.size ? send.segment_size : buf.size;
    // What else the client would send goes nowhere.
    while (buf.size = 0, qe_quic_next(bare.quic, &buf, &send, world.now_ns, 1700000000000)) {
    }
    return size;
}

static void a_flood_of_initials_is_bounded_and_an_honest_peer_gets_in(void)
{
    uint8_t bytes[1500];
    begin_bare();
    struct world_host *c = world_add(&world);
    world_kill(a);
    world_allow(a, c, false);
    world_allow(c, a, true);
    world_start(a);
    run_for(QE_NS_PER_S);
    // The flood's own endpoint must not count.
    size_t before = world.memory, worst = 0;
    for (unsigned i = 0; i < 900; i++) {
        const struct qe_addr from = {qe_ip4(203, 0, (uint8_t)(i >> 8), (uint8_t)i), (uint16_t)(2000 + i), 0};
        size_t size = make_initial(bytes);
        world_inject(&world, a, &from, bytes, size);
    }
    bare_fini(&bare);
    before = world.memory;
    run_for(world.delay_ns + QE_NS_PER_MS);
    worst = world.memory - before;
    // Half of the places are given away without proof of an address, no more (RFC 9000 §8.1.2).
    CU_ASSERT_EQUAL(world_metric(a, "quic_handshakes"), HANDSHAKES_MAX / 2);
    CU_ASSERT_TRUE(world_metric(a, "quic_retries_sent") > 0);
    CU_ASSERT_TRUE(worst > 0 && worst < HANDSHAKES_MAX / 2 * HALF_OPEN_BYTES_MAX);
    if (getenv("QE_VERBOSE")) printf("\n    %zu bytes for %d half-open connections\n", worst, HANDSHAKES_MAX / 2);
    world_start(c);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE(world_connected(a, c));
    say(c, a, 1);
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(a->delivered_count, 1);
    // And what the flood took comes back.
    run_for(20 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_metric(a, "quic_handshakes_timed_out"), HANDSHAKES_MAX / 2);
    end();
}

static const struct unit_case cases[] = {
    {"another protocol is refused", another_protocol_is_refused},
    {"nonsense on the control stream ends the connection", nonsense_on_the_control_stream_ends_the_connection},
    {"replayed and truncated datagrams change nothing", replayed_and_truncated_datagrams_change_nothing},
    {"a replayed handshake changes nothing", a_replayed_handshake_changes_nothing},
    {"a flood of initials is bounded and an honest peer gets in",
        a_flood_of_initials_is_bounded_and_an_honest_peer_gets_in},
};
UNIT_MAIN("hostile", cases)
